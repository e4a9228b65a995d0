"""OpenSSH through `AWS-StartSSHSession`: the real client and server, with our plugin in between."""

import os
import socket
import subprocess

import pytest

from drawbridge import PATIENCE, eventually, finished, free_port

MEGABYTE = 1 << 20


class Ssh:
    """Starts OpenSSH's programs through the node."""

    def __init__(self, dev, config):
        self.dev, self.config = dev, config

    def argv(self, name, *arguments):
        return [name, "-F", self.config, *map(str, arguments)]

    def __call__(self, name, *arguments, **options):
        return finished(self.argv(name, *arguments), env=self.dev.env, **options)


@pytest.fixture(scope="module")
def ssh(dev, tmp_path_factory):
    """An `sshd` on a port of its own, and the client's programs set up for it."""
    folder = tmp_path_factory.mktemp("ssh")
    for key in ("host", "person"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
    port = free_port()
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/person.pub\n"
        "StrictModes no\nPidFile none\nPermitRootLogin yes\nUsePAM no\nSubsystem sftp internal-sftp\n")
    (folder / "ssh_config").write_text(
        f"Host {dev.node}\n  Port {port}\n  IdentityFile {folder}/person\n  StrictHostKeyChecking no\n"
        "  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n"
        "  ProxyCommand aws ssm start-session --target %h --document-name AWS-StartSSHSession"
        " --parameters portNumber=%p\n")
    os.makedirs("/run/sshd", exist_ok=True)
    server = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", folder / "sshd_config"], stderr=subprocess.DEVNULL)

    def answers():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    eventually(answers, what="sshd")

    yield Ssh(dev, folder / "ssh_config")
    server.terminate()
    server.wait(PATIENCE)


def test_a_command_over_ssh_and_nothing_left_behind(dev, ssh):
    before = dev.live()
    done = ssh("ssh", dev.node, "echo out; echo err >&2; exit 4", stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout, done.stderr) == (4, b"out\n", b"err\n")
    eventually(lambda: dev.live() <= before, what="the session's end")


def test_bytes_over_ssh(dev, ssh):
    sent = os.urandom(8 * MEGABYTE)
    done = ssh("ssh", dev.node, "cat", input=sent)
    assert done.returncode == 0, done.stderr
    assert done.stdout == sent


def test_a_file_by_scp(dev, ssh, tmp_path):
    (tmp_path / "there").write_bytes(os.urandom(MEGABYTE))
    done = ssh("scp", f"{dev.node}:{tmp_path}/there", tmp_path / "here")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "here").read_bytes() == (tmp_path / "there").read_bytes()


def test_ssh_outlives_its_network(dev, ssh, proxy):
    with subprocess.Popen(ssh.argv("ssh", dev.node, "cat"), env=dev.through(proxy), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        for round_ in range(10):
            line = b"line %d\n" % round_
            process.stdin.write(line)
            process.stdin.flush()
            assert process.stdout.readline() == line
            assert proxy.cut() >= 1
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait(PATIENCE) == 0


def test_a_far_end_that_hangs_up_first_ends_the_session(dev):
    with socket.create_server(("127.0.0.1", 0)) as far_end:
        parameters = f"portNumber={far_end.getsockname()[1]}"
        argv = ["aws", "ssm", "start-session", "--target", dev.node, "--document-name", "AWS-StartSSHSession",
                "--parameters", parameters]
        with subprocess.Popen(argv, env=dev.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            connection, _ = far_end.accept()
            with connection:
                connection.sendall(b"not today\n")
            # Standard input stays open: nobody here has anything to do with the end.
            assert process.wait(PATIENCE) == 0
            assert b"\nnot today\n" in process.stdout.read()


def test_a_port_that_nobody_listens_on_is_a_failure(dev, ssh):
    done = ssh("ssh", "-p", free_port(), dev.node, "true", stdin=subprocess.DEVNULL)
    assert done.returncode == 255
