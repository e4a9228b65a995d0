"""Every type of session, on a machine whose agent is root: shells, commands with and without a terminal, SSH."""

import collections
import hashlib
import json
import os
import re
import subprocess

import pytest

from drawbridge import PATIENCE, Dev, Proxy, eventually, finished, free_port, program
from machine import Machine, needs_root
from principals import administrator, document, refused

pytestmark = needs_root


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    with Dev(tmp_path_factory.mktemp("types")) as running:
        yield running


@pytest.fixture(scope="module")
def admin(dev):
    return administrator(dev)


@pytest.fixture(scope="module")
def machine(dev, tmp_path_factory):
    with Machine(dev, tmp_path_factory.mktemp("machine")) as running:
        running.add_user("user-sudo", sudo=True)
        running.add_user("user-no-sudo")
        yield running


def start(machine, *arguments):
    """The command line of the AWS CLI that starts a session on the machine."""
    return ["aws", "ssm", "start-session", "--target", machine.node, *arguments]


def run_cli(dev, machine, name, parameters, env=None, **options):
    """Starts a session of a document with the AWS CLI; answers the finished process."""
    argv = start(machine, "--document-name", name, "--parameters", json.dumps(parameters))
    options.setdefault("stdin", subprocess.DEVNULL)
    return finished(argv, env=env or dev.env, **options)


def executed(dev, machine, *argv, env=None, **options):
    """Runs `drawbridge exec`; answers the finished process."""
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    return finished([program("drawbridge"), "exec", machine.node, "--", *argv], env=env or dev.env, **options)


def test_a_shell_is_ssm_users_who_may_sudo(dev, machine, terminal):
    shell = terminal(start(machine), dev.env)
    shell.wait_for("Starting session with SessionId:")
    shell.line("id -un; pwd; sudo -n id -un; shopt -q login_shell && echo log''in")
    shell.wait_for(b"login\r\n")
    shell.line("exit")
    assert shell.end() == 0
    assert re.search(r"ssm-user\r\n/home/ssm-user\r\nroot\r\nlogin\r\n", shell.raw.decode())


def test_an_interactive_command_has_a_terminal(dev, machine, terminal):
    run = terminal(start(machine, "--document-name", "AWS-StartInteractiveCommand", "--parameters",
                         json.dumps({"command": ["read -p 'name? ' name; tty; echo \"<$name>\"; stty size"]})), dev.env)
    run.wait_for(b"name? ")
    run.line("Ada")
    run.wait_for("<Ada>")
    run.end()
    assert "/dev/pts/" in run.text()
    assert "30 100" in run.text()


def test_a_command_without_a_terminal_prints_nothing_of_ours(dev, machine):
    done = run_cli(dev, machine, "AWS-StartNonInteractiveCommand",
                   {"command": ["sh -c 'id -un; echo oops >&2'"], "separateOutputStream": ["true"]})
    assert (done.returncode, done.stdout, done.stderr) == (0, b"ssm-user\n", b"oops\n")
    failed = run_cli(dev, machine, "AWS-StartNonInteractiveCommand",
                     {"command": ["sh -c 'exit 3'"], "separateOutputStream": ["true"]})
    assert failed.returncode == 255, "the AWS CLI turns any code of its plugin into this"


def test_exec_is_the_command_as_if_it_were_here(dev, machine):
    done = executed(dev, machine, "sh", "-c", "echo out; echo err >&2; exit 42")
    assert (done.returncode, done.stdout, done.stderr) == (42, b"out\n", b"err\n")
    words = ["a b", "$HOME", "`id`", "'", '"', "\\", "*", "", "é\n"]
    done = executed(dev, machine, "printf", "<%s>", *words)
    assert done.stdout.decode() == "".join(f"<{word}>" for word in words)
    done = executed(dev, machine, "no-such-program-here")
    assert done.returncode == 127 and b"no-such-program-here" in done.stderr
    done = executed(dev, machine, "sh", "-c", "kill -TERM $$")
    assert done.returncode == 143


def test_exec_passes_every_byte_both_ways(dev, machine):
    data = os.urandom(3 << 20) + bytes(range(256)) * 64
    done = executed(dev, machine, "cat", input=data)
    assert done.returncode == 0
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()
    done = executed(dev, machine, "sha256sum", input=data)
    assert done.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()


def test_a_tree_goes_through_tar(dev, machine, tmp_path):
    (tmp_path / "tree/sub").mkdir(parents=True)
    (tmp_path / "tree/sub/file").write_bytes(os.urandom(100_000))
    (tmp_path / "tree/link").symlink_to("sub/file")
    packed = subprocess.run(["tar", "-c", "-C", tmp_path / "tree", "."], capture_output=True, check=True).stdout
    assert executed(dev, machine, "mkdir", "-p", "srv").returncode == 0
    done = executed(dev, machine, "tar", "-x", "-C", "srv", input=packed)
    assert done.returncode == 0, done.stderr
    back = executed(dev, machine, "tar", "-c", "-C", "srv", ".")
    (tmp_path / "back").mkdir()
    subprocess.run(["tar", "-x", "-C", tmp_path / "back"], input=back.stdout, check=True)
    assert (tmp_path / "back/sub/file").read_bytes() == (tmp_path / "tree/sub/file").read_bytes()
    assert os.readlink(tmp_path / "back/link") == "sub/file"


def test_a_hundred_megabytes_lose_nothing(dev, machine):
    size = 100 << 20
    script = f"yes 0123456789abcdef | head -c {size}; exit 7"
    run = subprocess.Popen([program("drawbridge"), "exec", machine.node, "--", "sh", "-c", script], env=dev.env,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    seen, count = hashlib.sha256(), 0
    while chunk := run.stdout.read(1 << 20):
        seen.update(chunk)
        count += len(chunk)
    assert run.wait(PATIENCE) == 7
    line = b"0123456789abcdef\n"
    expected = hashlib.sha256((line * (size // len(line) + 1))[:size])
    assert (count, seen.hexdigest()) == (size, expected.hexdigest())


def test_many_short_commands_leave_nothing_behind(dev, machine):
    executed(dev, machine, "true")
    no_sessions = f"ls {machine.state}/sessions"
    # A worker may outlive its client's program by a moment.
    eventually(lambda: machine.shell(no_sessions) == "", what="the end of the first session")
    before = collections.Counter(machine.processes())
    descriptors = f"ls /proc/{machine.shell('pgrep -o -f drawbridge-agent')}/fd | wc -l"
    open_before = int(machine.shell(descriptors))
    for _ in range(50):
        assert executed(dev, machine, "true").returncode == 0
    eventually(lambda: not collections.Counter(machine.processes()) - before, what="the end of all that came since")
    eventually(lambda: int(machine.shell(descriptors)) <= open_before + 2, what="the end of the sessions' files")
    eventually(lambda: machine.shell(no_sessions) == "", what="the end of the sessions' folders")


def test_what_a_command_leaves_running_is_ended(dev, machine):
    done = executed(dev, machine, "sh", "-c", "sleep 4321 >/dev/null 2>&1 & echo started")
    assert done.stdout == b"started\n"
    eventually(lambda: not any("sleep 4321" in line for line in machine.processes()), what="the end of the sleep")


def test_a_lost_network_loses_no_output(dev, machine):
    with Proxy(dev.port) as own:
        run = subprocess.Popen(
            [program("drawbridge"), "exec", machine.node, "--", "sh", "-c", "seq 200000; read line; echo \"<$line>\""],
            env=dev.through(own), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        first = run.stdout.read(1000)
        own.cut()
        run.stdin.write(b"still here\n")
        run.stdin.close()
        rest = run.stdout.read()
        assert run.wait(PATIENCE) == 0
    expected = "".join(f"{n}\n" for n in range(1, 200001)) + "<still here>\n"
    assert (first + rest).decode() == expected


@pytest.fixture(scope="module")
def documents(admin):
    """The documents of two classes of users, with texts where AWS wants booleans."""
    for kind in ("sudo", "no-sudo"):
        content = {
            "schemaVersion": "1.0", "description": f"Sessions of user-{kind}", "sessionType": "Standard_Stream",
            "inputs": {"s3EncryptionEnabled": "true", "cloudWatchEncryptionEnabled": "false", "runAsEnabled": "true",
                       "runAsDefaultUser": f"user-{kind}", "kmsKeyId": "", "shellProfile": {"linux": "cd /tmp"}},
        }
        admin.ssm.create_document(Name=f"SSM-{kind}", DocumentType="Session", DocumentFormat="JSON",
                                  Content=json.dumps(content))
    return {kind: f"SSM-{kind}" for kind in ("sudo", "no-sudo")}


@pytest.mark.parametrize("kind", ["sudo", "no-sudo"])
def test_each_class_lands_as_its_own_account(dev, machine, documents, terminal, kind):
    shell = terminal(start(machine, "--document-name", documents[kind]), dev.env)
    shell.wait_for("Starting session with SessionId:")
    shell.line("PS1='ready> '; echo \"<$(id -un) $HOME $PWD $(sudo -n id -un 2>/dev/null || echo denied)>\"; exit")
    assert shell.end() == 0
    rights = "root" if kind == "sudo" else "denied"
    assert f"<user-{kind} /home/user-{kind} /tmp {rights}>" in shell.raw.decode()


def test_the_tag_of_whoever_asks_goes_before_the_document(dev, admin, machine, documents):
    alice = admin.new_user("alice")
    admin.iam.put_user_policy(UserName="alice", PolicyName="all", PolicyDocument=document(
        {"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}))
    admin.ssm.create_document(
        Name="whoami", DocumentType="Session", Content=json.dumps({
            "schemaVersion": "1.0", "sessionType": "NonInteractiveCommands", "inputs": {"runAsEnabled": True},
            "properties": {"linux": {"commands": "id -un", "separateOutputStream": "true"}}}))
    refused(alice.ssm.start_session, "ValidationException", "SSMSessionRunAs",
            Target=machine.node, DocumentName="whoami")
    admin.iam.tag_user(UserName="alice", Tags=[{"Key": "SSMSessionRunAs", "Value": "user-no-sudo"}])
    done = run_cli(dev, machine, "whoami", {}, env=alice.env)
    assert done.stdout == b"user-no-sudo\n", done.stderr
    for name in ("root", "nobody; id", "-x"):
        admin.iam.tag_user(UserName="alice", Tags=[{"Key": "SSMSessionRunAs", "Value": name.replace(";", "")}])
        refused(alice.ssm.start_session, "ValidationException", "SSMSessionRunAs",
                Target=machine.node, DocumentName="whoami")


def test_root_by_another_name_and_nobody_are_refused_on_the_machine(dev, admin, machine):
    machine.run("useradd", "--non-unique", "--uid", "0", "--gid", "0", "toor")
    for user, words in (("toor", "rights of root"), ("no-such-user", "does not exist")):
        admin.ssm.create_document(
            Name=f"as-{user}", DocumentType="Session", Content=json.dumps({
                "schemaVersion": "1.0", "sessionType": "NonInteractiveCommands",
                "inputs": {"runAsEnabled": True, "runAsDefaultUser": user},
                "properties": {"linux": {"commands": "id -un", "separateOutputStream": True}}}))
        done = run_cli(dev, machine, f"as-{user}", {})
        assert done.returncode != 0
        assert words in (done.stdout + done.stderr).decode(), done


def test_elevated_commands_run_as_root_in_a_folder_of_their_own(dev, admin, machine):
    admin.ssm.create_document(
        Name="elevated", DocumentType="Session", DocumentFormat="YAML", Content="""
schemaVersion: '1.0'
sessionType: NonInteractiveCommands
inputs: {drawbridge: {workingDirectory: /usr}}
parameters:
  level: {type: String, allowedPattern: '^[a-z]+$', default: info}
properties:
  linux: {commands: "sh -c 'id -un; pwd; echo {{ level }}'", runAsElevated: true, separateOutputStream: true}
""")
    done = run_cli(dev, machine, "elevated", {"level": ["debug"]})
    assert done.stdout == b"root\n/usr\ndebug\n", done.stderr
    for value in ("debug; id", "a\nid", "DEBUG", "-x"):
        failed = run_cli(dev, machine, "elevated", {"level": [value]})
        assert failed.returncode != 0 and b"InvalidParameters" in failed.stderr, failed


def test_ssh_scp_and_rsync_go_through(dev, machine, tmp_path):
    keys = tmp_path / "keys"
    keys.mkdir()
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys / name], check=True)
    public = (keys / "user.pub").read_text().strip()
    # An account without a password is locked for sshd, which knows no sudoers.
    machine.shell("usermod -p '*' user-no-sudo; mkdir -p /run/sshd ~user-no-sudo/.ssh; "
                  f"echo '{public}' > ~user-no-sudo/.ssh/authorized_keys; chown -R user-no-sudo ~user-no-sudo/.ssh; "
                  "chmod 700 ~user-no-sudo/.ssh")
    port = free_port()
    sshd = subprocess.Popen(machine.inside(
        "/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-p", port, "-h", keys / "host", "-o",
        "ListenAddress=127.0.0.1", "-o", "PidFile=none", "-o", "UsePAM=no", "-o", "StrictModes=no",
        "-o", "Subsystem=sftp internal-sftp"),
        stdin=subprocess.DEVNULL, stderr=open(tmp_path / "sshd.log", "wb"))
    try:
        proxy = ("aws ssm start-session --target %h --document-name AWS-StartSSHSession "
                 "--parameters portNumber=%p")
        options = ["-F", "none", "-o", f"ProxyCommand={proxy}", "-o", "StrictHostKeyChecking=no", "-o",
                   f"UserKnownHostsFile={tmp_path}/known", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i",
                   str(keys / "user"), "-o", f"Port={port}", "-o", "User=user-no-sudo"]

        def run(*argv):
            return subprocess.run([str(a) for a in argv], env=dev.env, capture_output=True, timeout=PATIENCE,
                                  stdin=subprocess.DEVNULL)

        eventually(lambda: b"listening" in (tmp_path / "sshd.log").read_bytes(), what="sshd")
        done = run("ssh", *options, machine.node, "id -un; exit 5")
        assert (done.returncode, done.stdout) == (5, b"user-no-sudo\n"), done.stderr

        data = os.urandom(2 << 20)
        (tmp_path / "file").write_bytes(data)
        done = run("scp", *options, tmp_path / "file", f"{machine.node}:copy")
        assert done.returncode == 0, done.stderr
        done = run("rsync", "-e", "ssh " + " ".join(f"'{option}'" for option in options), f"{machine.node}:copy",
                   tmp_path / "back")
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "back").read_bytes() == data
    finally:
        sshd.terminate()
        sshd.wait(PATIENCE)


def test_a_refused_connection_says_so(dev, machine):
    done = run_cli(dev, machine, "AWS-StartSSHSession", {"portNumber": ["1"]})
    assert b"Unable to connect to specified port" in done.stdout + done.stderr, done
