"""Sessions outlive the network and the server."""

import re

from drawbridge import Node, Proxy
from test_first_session import START, started

COUNT = "for i in $(seq 1 %d); do echo line-$i; done; echo coun''ted"


def lines(raw):
    return [int(number) for number in re.findall(rb"line-(\d+)\r\n", raw)]


def test_the_clients_network_is_cut_ten_times(dev, terminal, proxy, tmp_path):
    shell, session_id = started(terminal, dev, env=dev.through(proxy), errors=tmp_path / "errors")
    for round_ in range(10):
        shell.forget()
        shell.line(COUNT % 3000)
        shell.wait_for(b"line-50\r\n")
        assert proxy.cut() >= 1
        shell.wait_for(b"counted\r\n")
        assert lines(bytes(shell.raw)) == list(range(1, 3001)), f"round {round_}"
    shell.line("exit")
    assert shell.end() == 0
    assert dev.ended(session_id)["Status"] == "Terminated"


def test_the_nodes_network_is_cut_ten_times(dev, terminal, tmp_path):
    with Proxy(dev.port) as proxy, Node(dev, tmp_path, f"https://127.0.0.1:{proxy.port}") as node:
        shell = terminal([*START, node.node], dev.env)
        shell.wait_for(b"Starting session with SessionId: ")
        shell.line("stty -echo; echo mark-''set")
        shell.wait_for(b"mark-set\r\n")
        for round_ in range(10):
            shell.forget()
            shell.line(COUNT % 3000)
            shell.wait_for(b"line-50\r\n")
            proxy.cut()
            shell.wait_for(b"counted\r\n")
            assert lines(bytes(shell.raw)) == list(range(1, 3001)), f"round {round_}"
        shell.line("exit")
        assert shell.end() == 0


def test_kill_dash_nine_of_the_server(own_dev, terminal, tmp_path):
    shell, session_id = started(terminal, own_dev, errors=tmp_path / "errors")
    shell.line("stty -echo; echo qui''et")
    shell.wait_for(b"quiet\r\n")
    for _ in range(2):
        shell.forget()
        shell.line(COUNT % 20000)
        shell.wait_for(b"line-50\r\n")
        own_dev.kill()
        own_dev.start()
        shell.wait_for(b"counted\r\n")
        assert lines(bytes(shell.raw)) == list(range(1, 20001))
    shell.line("exit")
    assert shell.end() == 0
    assert own_dev.ended(session_id)["Status"] == "Terminated"


def test_a_restarted_agent_keeps_its_sessions(dev, terminal, tmp_path):
    with Node(dev, tmp_path, dev.env["AWS_ENDPOINT_URL"]) as node:
        shell = terminal([*START, node.node], dev.env)
        shell.wait_for(b"Starting session with SessionId: ")
        shell.line("before=kept; echo mark-''set")
        shell.wait_for(b"mark-set\r\n")
        session_id = re.search(rb"SessionId: ([\w+=,.@-]+)", bytes(shell.raw)).group(1).decode()
        node.process.kill()
        node.process.wait()
        shell.line("echo still-$before")
        shell.wait_for(b"still-kept\r\n")
        node.start()
        node.wait_connected()
        dev.aws("ssm", "terminate-session", "--session-id", session_id)
        shell.end()
        assert b"terminated by " in shell.raw
        assert dev.ended(session_id)["Status"] == "Terminated"


def test_a_node_that_is_not_connected_is_refused_before_anything_starts(dev, tmp_path):
    with Node(dev, tmp_path, dev.env["AWS_ENDPOINT_URL"]) as node:
        node.stop()
        done = dev.aws("ssm", "start-session", "--target", node.node, check=False)
        assert done.returncode != 0
        assert "TargetNotConnected" in done.stderr
        assert f"{node.node} is not connected" in done.stderr
        node.start()
        node.wait_connected()
