"""`drawbridge` as its users type it: refusals, sessions, watch and attach."""

import concurrent.futures
import contextlib
import fcntl
import json
import pathlib
import re
import subprocess

from drawbridge import PATIENCE, clean_environment, eventually, processes_with, program
from test_first_session import started


def run(*arguments):
    return subprocess.run([program("drawbridge"), *map(str, arguments)], env=clean_environment(),
                          capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)


def test_a_second_start_on_the_same_folder_is_refused(dev):
    done = run("dev", "--data-dir", dev.data, "--listen", "127.0.0.1:0")
    assert done.returncode == 5
    assert str(dev.data) in done.stderr and "in use" in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("error:")]) == 1


def test_a_taken_port_is_refused(dev, tmp_path):
    done = run("dev", "--data-dir", tmp_path / "other", "--listen", f"127.0.0.1:{dev.port}")
    assert done.returncode == 3
    assert f"127.0.0.1:{dev.port}" in done.stderr


def test_an_unwritable_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    done = run("dev", "--data-dir", tmp_path / "file" / "data", "--listen", "127.0.0.1:0")
    assert done.returncode == 4
    assert str(tmp_path / "file" / "data") in done.stderr


def test_config_check_names_line_and_key(tmp_path):
    config = tmp_path / "drawbridge.toml"
    config.write_text('data_dir = "/srv/drawbridge"\nlistne = "0.0.0.0:443"\n')
    done = run("config", "check", config)
    assert done.returncode == 2
    assert "line 2" in done.stderr and "`listne`" in done.stderr
    config.write_text('data_dir = "/srv/drawbridge"\nlisten = "0.0.0.0:443"\n')
    assert run("config", "check", config).returncode == 0


def test_sessions_are_listed_watched_attached_and_terminated(dev, terminal):
    shell, session_id = started(terminal, dev)
    listed = json.loads(dev.cli("sessions", "list", "--json").stdout)
    assert session_id in [session["SessionId"] for session in listed]
    assert session_id in dev.cli("sessions", "list").stdout

    watcher = terminal([program("drawbridge"), "sessions", "watch", session_id], dev.env)
    watcher.wait_for(b"ready> ")
    watcher.send("echo not-''typed\r")
    shell.line("echo seen-''by-both")
    shell.wait_for(b"seen-by-both\r\n")
    watcher.wait_for(b"seen-by-both\r\n")
    assert b"not-typed" not in shell.raw and b"not-typed" not in watcher.raw

    attached = terminal([program("drawbridge"), "sessions", "attach", session_id], dev.env)
    attached.wait_for(b"ready> ")
    assert shell.end() is not None
    attached.line("echo taken-''over")
    attached.wait_for(b"taken-over\r\n")
    watcher.wait_for(b"taken-over\r\n")

    attached.send("\r~d")
    assert attached.end() == 0
    eventually(lambda: dev.session(session_id)["Status"] == "Disconnected", what="a session without a client")

    again = terminal([program("drawbridge"), "sessions", "attach", session_id], dev.env)
    again.line("echo back-''again")
    again.wait_for(b"back-again\r\n")
    assert dev.cli("sessions", "terminate", session_id).returncode == 0
    again.end()
    watcher.end()
    assert dev.ended(session_id)["Status"] == "Terminated"


def test_connect_by_name_without_the_aws_cli(dev, terminal):
    dev.aws("ssm", "add-tags-to-resource", "--resource-type", "ManagedInstance", "--resource-id", dev.node,
            "--tags", "Key=Name,Value=web-1")
    shell = terminal([program("drawbridge"), "connect", "web-1"], dev.env)
    shell.line("echo by-''name")
    shell.wait_for(b"by-name\r\n")
    shell.send("\r~?")
    shell.wait_for(b"~.")
    shell.send("\r~.")
    assert shell.end() == 0
    dev.aws("ssm", "remove-tags-from-resource", "--resource-type", "ManagedInstance", "--resource-id", dev.node,
            "--tag-keys", "Name")
    by_activation = terminal([program("drawbridge"), "connect", "this-machine"], dev.env)
    by_activation.line("exit")
    assert by_activation.end() == 0
    assert dev.cli("connect", "no-such-node").returncode != 0
    assert "no-such-node" in dev.cli("connect", "no-such-node").stderr


def test_the_terminal_is_restored_and_nothing_is_left_on_the_node(dev, terminal):
    shell = terminal(["sh"], dev.env)
    shell.line("cd; stty -a > before; aws ssm start-session --target $DRAWBRIDGE_NODE_ID;"
               " stty -a > after; cmp before after && echo sa''me")
    shell.wait_for(b"Starting session with SessionId: ")
    shell.line("sleep 98765 & echo star''ted")
    shell.wait_for(b"started\r\n")
    shell.line("exit")
    shell.wait_for(b"same\r\n")
    eventually(lambda: not processes_with("98765"), what="background child gone")


def test_no_secret_is_in_an_argument_list_or_a_log(dev, terminal):
    shell, _ = started(terminal, dev)
    secret = dev.env["AWS_SECRET_ACCESS_KEY"]
    for cmdline in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = cmdline.read_bytes()
        except OSError:
            continue
        assert secret.encode() not in text
        assert not re.search(rb"TokenValue", text)
    log = dev.log.read_text()
    assert "TokenValue" not in log
    shell.line("exit")
    shell.end()
    # The environment block that `dev` prints is for copy and paste; nothing else may name the secret.
    assert log.count(secret) <= 1


def test_dev_keeps_its_node_and_keys_and_takes_its_sessions_along_when_it_stops(own_dev, terminal):
    shell, session_id = started(terminal, own_dev)
    shell.line("sleep 97531 & echo star''ted")
    shell.wait_for(b"started\r\n")
    node, key, port = own_dev.node, own_dev.env["AWS_ACCESS_KEY_ID"], own_dev.port
    own_dev.stop()
    shell.end()
    # Those that it ended may be the last to know.
    eventually(lambda: not processes_with("97531"), what="the end of what the shell left behind")
    eventually(lambda: not processes_with(str(own_dev.data)), what="the end of the agent and of its workers")

    own_dev.listen = "127.0.0.1:0"
    own_dev.start()
    assert (own_dev.node, own_dev.env["AWS_ACCESS_KEY_ID"]) == (node, key)
    assert own_dev.port != port
    assert own_dev.ended(session_id)["Status"] == "Terminated"
    again, _ = started(terminal, own_dev)
    again.line("exit")
    assert again.end() == 0


def test_dev_starts_again_while_the_agent_of_the_one_that_was_killed_still_ends(own_dev):
    def waits(pid):
        """Whether a program has gone to sleep time and again."""
        with contextlib.suppress(OSError):
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE)[1]) > 10
        return False

    own_dev.kill()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with open(own_dev.data / "node/lock", "ab") as lock:
            # What an agent has that takes its time.
            fcntl.flock(lock, fcntl.LOCK_EX)
            starting = pool.submit(own_dev.start)
            agents = f"run\0--state-dir\0{own_dev.data}/"
            eventually(lambda: starting.done() or any(map(waits, processes_with(agents))), what="the next agent")
        starting.result(PATIENCE)
    assert own_dev.cli("exec", own_dev.node, "--", "echo", "here").stdout == "here\n"
