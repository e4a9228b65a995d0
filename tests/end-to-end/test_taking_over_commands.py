"""Watching a command without a terminal, and taking it over: streams apart, input, signals, exit codes."""

import re
import select
import signal
import subprocess

from drawbridge import PATIENCE, program

# Says every line it reads on both streams.
ECHO = 'echo out; echo err >&2; while read line; do echo "<$line>"; echo "[$line]" >&2; done; exit 5'
TAKEN = b"error: The session was taken over by another client.\n"


def start(dev, *arguments, stdin=subprocess.PIPE):
    return subprocess.Popen([program("drawbridge"), *arguments], env=dev.env, stdin=stdin, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def execute(dev, script):
    """Starts a command; answers its client and its session's id."""
    client = start(dev, "exec", "--verbose", dev.node, "--", "sh", "-c", script)
    return client, client.stderr.readline().decode().split()[1]


def say(client, line):
    client.stdin.write(line)
    client.stdin.flush()


def first_line(client):
    """The first line on whichever stream it comes."""
    [stream, *_], _, _ = select.select([client.stdout, client.stderr], [], [], PATIENCE)
    return stream.readline()


def end(client):
    """Waits for the end; answers the exit code and the rest of both streams."""
    out, err = client.communicate(timeout=PATIENCE)
    return client.returncode, out, err


def test_whoever_attaches_has_the_command_from_then_on(dev):
    first, session_id = execute(dev, ECHO)
    assert (first.stdout.readline(), first.stderr.readline()) == (b"out\n", b"err\n")
    say(first, b"one\n")
    assert (first.stdout.readline(), first.stderr.readline()) == (b"<one>\n", b"[one]\n")
    watchers = [start(dev, "sessions", "watch", session_id, stdin=stdin)
                for stdin in (subprocess.PIPE, subprocess.DEVNULL)]
    second = start(dev, "sessions", "attach", session_id)
    # Everybody begins with the last thing that was said, on whichever stream that was.
    for late in (*watchers, second):
        assert first_line(late) in (b"<one>\n", b"[one]\n")
    assert end(first) == (255, b"", TAKEN)
    say(second, b"two\n")
    second.stdin.close()
    second.stdin = None
    for late in (second, *watchers):
        assert end(late) == (5, b"<two>\n", b"[two]\n")


def test_whoever_attached_interrupts_the_command_and_leaves_it_with_sigterm(dev):
    first, session_id = execute(dev, "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.05; done")
    assert first.stdout.readline() == b"ready\n"
    second = start(dev, "sessions", "attach", session_id)
    assert second.stdout.readline() == b"ready\n"
    assert end(first) == (255, b"", TAKEN)
    second.send_signal(signal.SIGTERM)
    assert second.wait(PATIENCE) == 143
    third = start(dev, "sessions", "attach", session_id)
    assert third.stdout.readline() == b"ready\n"
    third.send_signal(signal.SIGINT)
    assert end(third) == (9, b"caught\n", b"")
    end(second)


def test_a_command_on_a_terminal_tells_its_code_to_whoever_attached(dev, terminal):
    argv = [program("drawbridge"), "exec", "--tty", "--verbose", dev.node, "--", "sh", "-c",
            "echo ready; read line; exit 4"]
    first = terminal(argv, dev.env)
    first.wait_for(b"ready")
    session = re.search(rb"session (\S+)", bytes(first.raw))[1].decode()
    second = terminal([program("drawbridge"), "sessions", "attach", session], dev.env)
    second.wait_for(b"ready")
    second.line("go")
    assert second.end() == 4
    assert first.end() == 255
