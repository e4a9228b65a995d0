"""`drawbridge exec`, and commands without a terminal from the AWS CLI: bytes, exit codes, ends."""

import hashlib
import os
import select
import signal
import subprocess

from drawbridge import PATIENCE, Node, echoed_through_cuts, eventually, finished, processes_with, program, unhurried

MEGABYTE = 1 << 20


def exec_(dev, *command, options=(), env=None, node=None):
    return [program("drawbridge"), "exec", *options, node or dev.node, "--", *map(str, command)], env or dev.env


def run(dev, *command, input=b"", **where):
    argv, env = exec_(dev, *command, **where)
    return finished(argv, env=env, input=input)


def start(dev, *command, stdin=subprocess.PIPE, **where):
    argv, env = exec_(dev, *command, **where)
    return subprocess.Popen(argv, env=env, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def told(process):
    """The id of the session that `--verbose` tells first."""
    return process.stderr.readline().decode().split()[1]


def sleeper(seconds):
    """The command itself, told apart by how long it would sleep, and from what asks for it."""
    found = processes_with(f"sleep\0{seconds}\0")
    # Only now: what asks for it may have been started while the others were looked for.
    asked = processes_with("exec\0")
    return [pid for pid in found if pid not in asked]


def test_output_errors_and_the_exit_code_are_the_commands(dev):
    done = run(dev, "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    assert run(dev, "true").returncode == 0
    assert run(dev, "sh", "-c", "kill -9 $$").returncode == 137


def test_words_arrive_as_they_were_given(dev):
    words = ["a b", "", "it's", '"', "\\", "$HOME", "$(reboot)", "*", "~", "#", "line\nline", "é", "-n", "--",
             "{{ command }}"]
    done = run(dev, "printf", "%s\\0", *words)
    assert done.stdout.decode().split("\0")[:-1] == words, done.stderr


def test_a_tree_goes_there_and_back_through_tar(dev, tmp_path):
    source, there, back = (tmp_path / name for name in ("source", "there", "back"))
    for folder in (source / "deep" / "er", there, back):
        folder.mkdir(parents=True)
    (source / "deep" / "er" / "bytes").write_bytes(os.urandom(3 * MEGABYTE))
    (source / "run").write_text("#!/bin/sh\n")
    (source / "run").chmod(0o750)
    (source / "link").symlink_to("deep/er/bytes")
    archive = subprocess.run(["tar", "c", "-C", source, "."], capture_output=True, check=True).stdout
    done = run(dev, "tar", "x", "-C", there, input=archive)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    done = run(dev, "tar", "c", "-C", there, ".")
    assert done.returncode == 0
    subprocess.run(["tar", "x", "-C", back], input=done.stdout, check=True)
    subprocess.run(["diff", "-r", "--no-dereference", source, back], check=True)
    assert (back / "run").stat().st_mode & 0o777 == 0o750


def test_no_byte_is_lost_while_the_network_is_cut(dev, proxy):
    sent = os.urandom(16 * MEGABYTE)
    process = start(dev, "cat", env=dev.through(proxy))
    received, cuts = echoed_through_cuts(process, sent, proxy, every=3 * MEGABYTE)
    assert process.wait(PATIENCE) == 0
    assert cuts >= 4
    assert hashlib.sha256(received).digest() == hashlib.sha256(sent).digest()
    process.stdout.close()
    process.stderr.close()


def test_a_command_that_ends_while_the_network_is_away_still_has_its_last_words_and_its_code(dev, proxy):
    def is_ending():
        ended = dev.session(session, "History")
        return ended and ended["Status"] == "Terminating"

    with start(dev, "sh", "-c", "sleep 4713; seq 1 20000; exit 7", env=dev.through(proxy),
               options=["--verbose"]) as process:
        session = told(process)
        [sleeping] = eventually(lambda: sleeper(4713), what="the command")
        proxy.open = False
        assert proxy.cut() >= 1
        os.kill(sleeping, signal.SIGTERM)
        eventually(is_ending, what="the end, as the server knows it")
        proxy.open = True
        assert process.stdout.read() == b"".join(b"%d\n" % number for number in range(1, 20001))
        assert process.wait(PATIENCE) == 7, process.stderr.read()


def test_a_command_that_does_not_read_holds_its_writer_up(dev):
    with start(dev, "sleep", "4711") as process:
        os.set_blocking(process.stdin.fileno(), False)
        written = 0
        # Ten windows' worth would be a leak. What stops the writer is the pipe that nobody empties, for a whole second.
        while written < 64 * MEGABYTE:
            patience = PATIENCE if written < MEGABYTE else 1
            if not select.select([], [process.stdin], [], patience)[1]:
                break
            written += os.write(process.stdin.fileno(), bytes(65536))
        assert MEGABYTE <= written <= 16 * MEGABYTE
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    eventually(lambda: not sleeper(4711), what="the command's end")


def test_a_command_that_stops_reading_ends_before_its_writer(dev):
    with start(dev, "head", "-c", "5") as process:
        feeder = subprocess.Popen(["yes"], stdout=process.stdin, stderr=subprocess.DEVNULL)
        process.stdin.close()
        assert process.stdout.read() == b"y\ny\ny"
        assert process.wait(PATIENCE) == 0
        feeder.wait(PATIENCE)


def test_ctrl_c_ends_the_command(dev):
    with start(dev, "sleep", "4712", stdin=subprocess.DEVNULL) as process:
        eventually(lambda: sleeper(4712), what="the command")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        assert (process.stdout.read(), unhurried(process.stderr.read())) == (b"", b"")
    eventually(lambda: not sleeper(4712), what="the command's end")


def test_the_first_signal_is_the_commands(dev):
    script = "trap 'echo tidied; exit 7' INT QUIT TERM; echo ready; while :; do sleep 0.05; done"
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        with start(dev, "sh", "-c", script) as process:
            assert process.stdout.readline() == b"ready\n"
            process.send_signal(number)
            assert process.wait(PATIENCE) == 7
            assert process.stdout.read() == b"tidied\n"


def test_the_second_signal_gives_up(dev):
    script = "trap 'echo no' INT; echo ready; while :; do sleep 0.05; done"
    with start(dev, "sh", "-c", script, options=["--verbose"]) as process:
        session = told(process)
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == b"no\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    dev.ended(session)


def test_ctrl_c_on_a_terminal_is_a_signal_to_a_command_without_one(dev, terminal):
    argv, env = exec_(dev, "sh", "-c", "trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 0.05; done")
    shown = terminal(argv, env)
    shown.wait_for(b"ready")
    shown.send("\x03")
    shown.wait_for(b"caught")
    assert shown.end() == 3


def test_a_reader_that_has_seen_enough_ends_the_command(dev):
    with start(dev, "sh", "-c", "echo first; yes; sleep 4713", options=["--verbose"]) as process:
        session = told(process)
        assert process.stdout.readline() == b"first\n"
        process.stdout.close()
        assert process.wait(PATIENCE) == 141
        assert unhurried(process.stderr.read()) == b""
    dev.ended(session)


def test_what_goes_wrong_on_this_side_is_255_with_a_sentence(dev, tmp_path):
    with Node(dev, tmp_path, dev.env["AWS_ENDPOINT_URL"], name="gone") as gone:
        gone.stop()
        refused = {
            "no such node": run(dev, "true", node="no-such-node"),
            "not connected": run(dev, "true", node=gone.node),
            "nobody answers": run(dev, "true", env=dev.env | {"AWS_ENDPOINT_URL": "https://127.0.0.1:1"}),
            "not signed": run(dev, "true", env=dev.env | {"AWS_SECRET_ACCESS_KEY": "wrong"}),
        }
    for what, done in refused.items():
        assert (done.returncode, done.stdout) == (255, b""), what
        assert done.stderr.startswith(b"error: "), what
    assert b"hint: `drawbridge nodes list`" in refused["not connected"].stderr


def test_a_command_that_cannot_be_started_ends_as_in_a_shell(dev):
    for command, code in (("/no/such/command", 127), ("/dev/null", 126)):
        done = run(dev, command)
        assert (done.returncode, done.stdout) == (code, b"")
        assert command.encode() in done.stderr


def test_a_session_that_is_ended_by_somebody_is_255_with_the_reason(dev):
    with start(dev, "sleep", "4714", options=["--verbose"], stdin=subprocess.DEVNULL) as process:
        session = told(process)
        eventually(lambda: sleeper(4714), what="the command")
        assert dev.cli("sessions", "terminate", session).returncode == 0
        assert process.wait(PATIENCE) == 255
        assert unhurried(process.stderr.read()).startswith(b"error: ")


def test_a_command_on_a_terminal(dev, terminal):
    # It says nothing before it is told the size, and then before a line is typed.
    sized = "until [ \"$(stty size)\" = '30 100' ]; do :; done; "
    argv, env = exec_(dev, "sh", "-c", sized + "read line; tty; echo got-$line; exit 5", options=["--tty"])
    shown = terminal(argv, env)
    shown.line("typed")
    shown.wait_for(b"/dev/pts/")
    shown.wait_for(b"got-typed\r\n")
    assert shown.end() == 5
    assert b"session" not in shown.raw.lower()


def test_the_aws_cli_passes_bytes_and_turns_every_failure_into_255(dev):
    def started(command, **options):
        return finished(
            ["aws", "ssm", "start-session", "--target", dev.node, "--document-name", "AWS-StartNonInteractiveCommand",
             "--parameters", f'{{"command":["{command}"],"separateOutputStream":["true"]}}'],
            env=dev.env, **options)

    sent = os.urandom(MEGABYTE)
    done = started("cat", input=sent)
    assert (done.returncode, done.stdout == sent, done.stderr) == (0, True, b"")
    done = started("sh -c 'echo out; exit 3'", stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (255, b"out\n")
