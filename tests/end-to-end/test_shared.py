"""`drawbridge connect --persist`, and `drawbridge exec` over it."""

import contextlib
import hashlib
import json
import os
import pathlib
import signal
import socket
import stat
import subprocess
import tempfile

import pytest

from drawbridge import PATIENCE, echoed_through_cuts, eventually, finished, processes_with, program, unhurried
from test_exec import MEGABYTE, sleeper
from test_forward import kill_workers


class Shared:
    """A connection that is held open, in a folder for sockets of its own."""

    def __init__(self, dev, folder, env=None, arguments=("-N",)):
        self.dev = dev
        self.folder = pathlib.Path(folder)
        self.env = (env or dev.env) | {"XDG_RUNTIME_DIR": str(self.folder)}
        self.process = subprocess.Popen(
            [program("drawbridge"), "connect", "--persist", *arguments, dev.node], env=self.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        while line == "This session is encrypted using AWS KMS.\n" or line and not unhurried(line.encode()):
            line = self.process.stderr.readline()
        assert line.startswith("session ") and line.endswith(" is shared\n"), line
        self.session = line.split()[1]

    def argv(self, *command, options=()):
        return [program("drawbridge"), "exec", *options, self.dev.node, "--", *map(str, command)]

    def run(self, *command, input=b"", options=(), env=None):
        return subprocess.run(self.argv(*command, options=options), env=env or self.env, input=input,
                              capture_output=True, timeout=PATIENCE)

    def start(self, *command, stdin=subprocess.PIPE):
        return subprocess.Popen(self.argv(*command), env=self.env, stdin=stdin, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def sockets(self):
        return [path for path in (self.folder / "drawbridge").iterdir() if not path.is_symlink()]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE)
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture
def runtime():
    """A folder for sockets. The names of sockets are short, so it is not among those of pytest."""
    with tempfile.TemporaryDirectory() as folder:
        yield folder


@pytest.fixture(scope="module")
def shared(dev):
    with tempfile.TemporaryDirectory() as folder, Shared(dev, folder) as running:
        yield running


def test_it_is_one_session_and_the_commands_own_output_errors_and_code(dev, shared):
    done = shared.run("sh", "-c", "echo out; echo err >&2; exit 3", options=["--verbose"])
    assert (done.returncode, done.stdout) == (3, b"out\n")
    assert done.stderr == f"session {shared.session}, shared\nerr\n".encode()
    done = shared.run("sh", "-c", "echo out; echo err >&2")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"out\n", b"err\n")
    assert shared.run("sh", "-c", "kill -9 $$").returncode == 137
    assert shared.session in dev.live()


def test_a_session_of_another_document_is_shared_with_its_settings(dev, runtime, tmp_path):
    content = {"schemaVersion": "1.0", "sessionType": "Standard_Stream",
               "inputs": {"drawbridge": {"workingDirectory": str(tmp_path)}}}
    dev.aws("ssm", "create-document", "--name", "Elsewhere", "--document-type", "Session", "--content",
            json.dumps(content))
    with Shared(dev, runtime, arguments=("-N", "--document", "Elsewhere")) as shared:
        assert shared.run("pwd").stdout.decode() == f"{tmp_path}\n"
        assert dev.session(shared.session)["DocumentName"] == "Elsewhere"


def test_what_cannot_be_executed_is_told_as_without_sharing(dev, shared):
    for command in (["/no/such/program"], ["/etc/passwd"]):
        alone = finished(shared.argv(*command), env=dev.env)
        together = shared.run(*command)
        assert (together.returncode, together.stdout, together.stderr) == (
            alone.returncode, alone.stdout, alone.stderr)
        assert together.returncode in (126, 127)


def test_words_and_environment_are_those_of_a_session(dev, shared):
    words = ["a b", "", "it's", "$HOME", "{{ command }}", "é", "--", "line\nline"]
    assert shared.run("printf", "%s\\0", *words).stdout.decode().split("\0")[:-1] == words
    alone = subprocess.run(shared.argv("sh", "-c", "pwd; id; env | sort | grep -v ^_="), env=dev.env, capture_output=True)
    assert shared.run("sh", "-c", "pwd; id; env | sort | grep -v ^_=").stdout == alone.stdout != b""


def test_megabytes_go_both_ways(shared):
    sent = os.urandom(5 * MEGABYTE)
    done = shared.run("cat", input=sent)
    assert (done.returncode, done.stderr) == (0, b"")
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(sent).digest()


def test_fifty_at_one_time(shared):
    running = [shared.start("sh", "-c", f"cat; echo {n} >&2; exit {n}") for n in range(50)]
    for n, process in enumerate(running):
        out, err = process.communicate(b"x" * 100_000, timeout=PATIENCE)
        assert (process.returncode, len(out), err) == (n, 100_000, f"{n}\n".encode())


def test_one_that_is_not_read_holds_up_itself_only(shared):
    with shared.start("sh", "-c", "yes; sleep 4801", stdin=subprocess.DEVNULL) as stuck:
        assert stuck.stdout.read(4) == b"y\ny\n"
        assert shared.run("echo", "free").stdout == b"free\n"
        stuck.stdout.close()
        assert (stuck.wait(PATIENCE), stuck.stderr.read()) == (141, b"")
    eventually(lambda: not processes_with("sleep\x004801\0"), what="the command's end")


def test_more_than_there_may_be_are_refused_with_the_reason(shared):
    running = [shared.start("sh", "-c", "echo here; exec cat") for _ in range(64)]
    try:
        for process in running:
            assert process.stdout.readline() == b"here\n"
        done = shared.run("true")
        assert done.returncode == 255
        assert b"64 commands run in this session already" in done.stderr
    finally:
        for process in running:
            process.communicate(b"", timeout=PATIENCE)
    assert shared.run("true").returncode == 0


def test_what_a_command_leaves_behind_ends_with_it_unless_it_is_a_daemon(dev, runtime):
    with Shared(dev, runtime) as shared:
        with shared.start("cat") as other:
            done = shared.run("sh", "-c", "sleep 4802 & setsid -f sh -c 'echo up; exec sleep 4803' | head -n 1")
            assert (done.returncode, done.stdout) == (0, b"up\n")
            eventually(lambda: not sleeper(4802), what="the job's end")
            eventually(lambda: sleeper(4803), what="the daemon")
            out, _ = other.communicate(b"unharmed", timeout=PATIENCE)
            assert out == b"unharmed"
    eventually(lambda: not sleeper(4803), what="the daemon's end")


def test_ctrl_c_is_the_commands(shared):
    with shared.start("sh", "-c", "trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.1; done",
                      stdin=subprocess.DEVNULL) as process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == b"caught\n"
        assert process.wait(PATIENCE) == 7
    with shared.start("sleep", "4804", stdin=subprocess.DEVNULL) as process:
        eventually(lambda: sleeper(4804), what="the command")
        process.kill()
    eventually(lambda: not sleeper(4804), what="the command's end")


def test_the_shell_goes_on_meanwhile_and_its_end_is_the_end_of_all(dev, terminal, runtime):
    env = dev.env | {"XDG_RUNTIME_DIR": runtime}
    shell = terminal([program("drawbridge"), "connect", "--persist", dev.node], env)
    shell.line("echo rea''dy")
    shell.wait_for(b"ready\r\n")
    argv = [program("drawbridge"), "exec", "-v", dev.node, "--", "sh", "-c", "echo $0; exec cat", "beside"]
    with subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"beside\n"
        shell.line("echo stil''l-here")
        shell.wait_for(b"still-here\r\n")
        assert b"beside" not in bytes(shell.raw)
        shell.line("exit")
        assert shell.end() == 0
        assert process.wait(PATIENCE) == 255
        assert b", shared\n" in (said := process.stderr.read())
        assert b"the shared connection is gone" in said
    done = dev.cli("exec", "-v", dev.node, "--", "echo", "alone", env=env)
    assert (done.returncode, done.stdout) == (0, "alone\n")
    assert "shared" not in done.stderr


def test_no_byte_is_lost_while_the_network_is_cut(dev, proxy, runtime):
    sent = os.urandom(8 * MEGABYTE)
    with Shared(dev, runtime, env=dev.through(proxy)) as shared, shared.start("cat") as process:
        received, cuts = echoed_through_cuts(process, sent, proxy, every=2 * MEGABYTE)
        assert process.wait(PATIENCE) == 0
        assert cuts >= 2
        assert hashlib.sha256(received).digest() == hashlib.sha256(sent).digest()


def test_kill_dash_nine_of_the_server_in_mid_command(own_dev, runtime):
    with Shared(own_dev, runtime) as shared, shared.start("cat") as process:
        process.stdin.write(b"before\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"before\n"
        own_dev.kill()
        process.stdin.write(b"meanwhile\n")
        process.stdin.flush()
        own_dev.start()
        assert process.stdout.readline() == b"meanwhile\n"
        assert shared.run("echo", "after").stdout == b"after\n"
        process.stdin.close()
        assert process.wait(PATIENCE) == 0


def test_a_worker_that_is_killed_takes_its_commands_along(own_dev, runtime):
    with Shared(own_dev, runtime) as shared, shared.start("cat") as process:
        process.stdin.write(b"before\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"before\n"
        kill_workers(own_dev)
        assert process.wait(PATIENCE) == 255
        assert b"shared connection" in process.stderr.read()
        process.stdin.close()
        shared.process.wait(PATIENCE)
        done = shared.run("echo", "alone")
        assert (done.returncode, done.stdout) == (0, b"alone\n")


def test_whoever_takes_the_session_over_begins_without_commands(dev, terminal, runtime):
    with Shared(dev, runtime) as shared, shared.start("sleep", "4805", stdin=subprocess.DEVNULL) as process:
        eventually(lambda: sleeper(4805), what="the command")
        other = terminal([program("drawbridge"), "sessions", "attach", shared.session], dev.env)
        assert process.wait(PATIENCE) == 255
        eventually(lambda: not sleeper(4805), what="the command's end")
        other.line("echo min''e")
        other.wait_for(b"mine\r\n")
        other.line("exit")
        assert other.end() == 0


def test_whoever_watches_sees_the_terminal_only(dev, terminal, runtime):
    env = dev.env | {"XDG_RUNTIME_DIR": runtime}
    others = dev.live()
    shell = terminal([program("drawbridge"), "connect", "--persist", dev.node], env)
    shell.line("echo rea''dy")
    shell.wait_for(b"ready\r\n")
    [session] = dev.live() - others
    watcher = terminal([program("drawbridge"), "sessions", "watch", session], dev.env)
    watcher.wait_for(b"$ " if os.geteuid() else b"# ")
    done = dev.cli("exec", dev.node, "--", "echo", "unseen", env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, "unseen\n", "")
    shell.line("echo se''en")
    watcher.wait_for(b"seen\r\n")
    assert b"unseen" not in bytes(watcher.raw)
    shell.line("exit")
    assert shell.end() == 0


def test_a_second_one_says_so_and_is_a_plain_shell(dev, shared, terminal):
    second = terminal([program("drawbridge"), "connect", "--persist", dev.node], shared.env)
    second.wait_for(f"shared already, as session {shared.session}".encode())
    second.line("echo pla''in")
    second.wait_for(b"plain\r\n")
    second.line("exit")
    assert second.end() == 0
    assert shared.run("true").returncode == 0


def test_a_second_one_without_a_shell_has_nothing_to_do(dev, shared):
    done = dev.cli("connect", "--persist", "-N", dev.node, env=shared.env)
    assert done.returncode == 7
    assert f"shared already, as session {shared.session}\n" in done.stderr


def test_a_stale_socket_is_replaced_and_a_reason_is_not_shared(dev, runtime):
    with Shared(dev, runtime) as killed:
        killed.process.kill()
        killed.process.wait(PATIENCE)
        assert killed.sockets()
        done = killed.run("echo", "alone", options=["-v"])
        assert (done.returncode, done.stdout) == (0, b"alone\n")
        assert b"shared" not in done.stderr
    # Nobody was left to do it, and the shell would wait for its idle timeout.
    dev.aws("ssm", "terminate-session", "--session-id", killed.session)
    with Shared(dev, runtime) as again:
        assert f"session {again.session}, shared\n".encode() in again.run("true", options=["-v"]).stderr
        done = again.run("true", options=["-v", "--reason", "ticket 7"])
        assert done.returncode == 0
        assert b"not shared: a reason belongs to a session of its own\n" in done.stderr
        [socket_file] = again.sockets()
        assert stat.S_IMODE(socket_file.stat().st_mode) & 0o077 == 0
        assert stat.S_IMODE(socket_file.parent.stat().st_mode) == 0o700
    assert not again.sockets()


def test_another_identity_does_not_find_it(dev, shared):
    for other in ({"AWS_PROFILE": "other"}, {"AWS_REGION": "eu-central-1"}):
        done = shared.run("true", options=["-v"], env=shared.env | other)
        assert b"shared" not in done.stderr


def test_nonsense_at_the_socket_harms_nobody(shared):
    [path] = shared.sockets()
    for nonsense in (b"\xff" * 64, b"\0\0\0\x08\x63\0\0\0\0\0\0\x01", b"\0\0\0\x08\x09\0\0\0\0\0\0\0",
                     b"\0\0\0\x08\x03\0\0\0\0\0\0\x01", b"\0\0\0\x03abc"):
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(path))
            connection.sendall(nonsense)
            with contextlib.suppress(ConnectionResetError):
                while connection.recv(4096):
                    pass
    assert shared.run("true").returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_account_is_hung_up_on(shared):
    [path] = shared.sockets()
    script = "\n".join([
        "import os, socket, sys",
        "connection = socket.socket(socket.AF_UNIX)",
        "os.setegid(65534); os.seteuid(65534)",
        "try:",
        "    connection.connect(sys.argv[1])",
        "except PermissionError:",
        "    print('refused')",
    ])
    done = subprocess.run(["python3", "-c", script, path], capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout == "refused\n", done.stderr
