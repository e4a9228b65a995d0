"""The README's first session, as a person types it."""

import re

from drawbridge import PATIENCE, eventually, processes_with

START = ["aws", "ssm", "start-session", "--target"]


def started(terminal, dev, env=None, **options):
    """A session at its first prompt; answers the terminal and the session id."""
    shell = terminal([*START, dev.node], env or dev.env, **options)
    shell.wait_for(b"Starting session with SessionId: ")
    shell.line("PS1='ready> '; export PS1; printf 'mark-%s\\n' set")
    # Not the prompt in what was typed.
    shell.wait_for("mark-set\nready>")
    session_id = session_of(shell)
    shell.forget()
    return shell, session_id


def session_of(shell):
    """The id of the session that the AWS CLI has started on this terminal."""
    return re.search(rb"Starting session with SessionId: ([\w+=,.@-]+)", bytes(shell.raw)).group(1).decode()


def test_a_shell_types_resizes_interrupts_and_exits(dev, terminal):
    shell, session_id = started(terminal, dev)

    shell.line("stty size")
    shell.wait_for(b"30 100\r\n")
    shell.resize(41, 123)
    shell.forget()
    shell.line("until [ \"$(stty size)\" = '41 123' ]; do :; done; echo resi''zed")
    shell.wait_for(b"resized\r\n")

    shell.line("sleep 86413; echo rc=$?")
    # Sooner, the key would be the shell's and not its command's.
    eventually(lambda: processes_with("sleep\0" "86413\0"), what="the command")
    shell.send("\x03")
    shell.line("echo after-''interrupt")
    shell.wait_for(b"after-interrupt\r\n")

    shell.line("printf '%s\\n' 'žluťoučký 🐎 日本語' | tee /dev/stderr | wc -m")
    shell.wait_for("žluťoučký 🐎 日本語\r\n".encode())

    shell.line("exit")
    code = shell.end()
    assert f"\n\nExiting session with sessionId: {session_id}.\n\n".replace("\n", "\r\n").encode() in shell.raw
    assert code == 0
    ended = dev.ended(session_id)
    assert ended["Status"] == "Terminated"
    assert ended["Target"] == dev.node
    assert ended["EndDate"] >= ended["StartDate"]


def test_the_shell_is_the_accounts_own(dev, terminal):
    shell, _ = started(terminal, dev)
    shell.line("echo \"<$HOME|$USER|$SHELL|$PWD|$TERM|${AWS_ACCESS_KEY_ID-unset}>\"")
    import os
    import pwd

    me = pwd.getpwuid(os.getuid())
    expected = f"<{me.pw_dir}|{me.pw_name}|{me.pw_shell}|{me.pw_dir}|xterm-256color|unset>"
    shell.wait_for(expected.encode())
    shell.line("exit 3")
    assert shell.end() == 0


def test_reason_and_owner_are_on_record(dev, terminal):
    shell = terminal([*START, dev.node, "--reason", "change 4711"], dev.env)
    shell.line("echo mark-''set")
    # There is somebody to be told who ended it.
    shell.wait_for(b"mark-set\r\n")
    sessions = dev.aws("ssm", "describe-sessions", "--state", "Active")["Sessions"]
    mine = [session for session in sessions if session.get("Reason") == "change 4711"]
    assert len(mine) == 1
    assert mine[0]["Owner"].startswith("arn:aws:iam::123456789012:")
    assert mine[0]["DocumentName"] == "SSM-SessionManagerRunShell"
    done = dev.aws("ssm", "terminate-session", "--session-id", mine[0]["SessionId"])
    assert done == {"SessionId": mine[0]["SessionId"]}
    code = shell.end()
    assert f"SessionId: {mine[0]['SessionId']} : terminated by {mine[0]['Owner']}".encode() in shell.raw
    assert code == 255, "the AWS CLI's word for a plugin that did not end with 0"
    assert dev.session(mine[0]["SessionId"], "History")["Reason"] == "change 4711"


def test_piped_input_runs_and_ends(dev):
    import subprocess

    done = subprocess.run([*START, dev.node], env=dev.env, input=b"echo from-''pipe\nexit\n",
                          capture_output=True, timeout=PATIENCE)
    assert b"from-pipe" in done.stdout
    assert done.returncode == 0
