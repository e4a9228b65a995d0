"""`drawbridge forward`: ports and sockets of this machine that lead to others, through a node."""

import argparse
import contextlib
import json
import os
import pathlib
import signal
import socket
import socketserver
import struct
import subprocess
import tempfile
import threading

import pytest

from drawbridge import PATIENCE, free_port, processes_with, program
from machine import Machine, needs_root
from test_tunnels import Echo, Tunnel, exchange, serving


@pytest.fixture(scope="module")
def echo():
    with serving(Echo) as port:
        yield port


class Forward(contextlib.AbstractContextManager):
    """The program, told to say everything as JSON."""

    def __init__(self, dev, *tunnels, env=None, arguments=()):
        argv = [program("drawbridge"), "forward", "--json", *arguments, dev.node, *tunnels]
        self.process = subprocess.Popen(argv, env=env or dev.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.listening = [self.event("listening") for _ in tunnels]

    def event(self, name):
        """The next event of this name."""
        for line in iter(self.process.stdout.readline, ""):
            event = json.loads(line)
            if event["event"] == name:
                return event
        raise AssertionError(f"ended before {name}: {self.process.stderr.read()}")

    def connect(self, which=0):
        host, port = self.listening[which]["on"].rsplit(":", 1)
        connection = socket.create_connection((host.strip("[]"), int(port)), PATIENCE)
        connection.settimeout(PATIENCE)
        return connection

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        _, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, err

    def __exit__(self, *_):
        # Not killed, or its session would wait for it to come back.
        self.process.terminate()
        self.process.communicate(timeout=PATIENCE)


def test_a_port_leads_through_the_node_and_what_happens_is_told(dev, echo):
    with Forward(dev, f"0:127.0.0.1:{echo}") as forward:
        assert forward.listening[0]["to"] == f"127.0.0.1:{echo}"
        with forward.connect() as connection:
            assert exchange(connection, b"hello" * 1000) == b"hello" * 1000
        ended = forward.event("ended")
        assert (ended["sent"], ended["received"], ended["broken"]) == (5000, 5000, None)
        assert forward.interrupt() == (0, "")
    assert dev.ended(forward.listening[0]["session"])["Status"] == "Terminated"


def test_a_refusal_is_told_with_its_reason(dev):
    with Forward(dev, f"0:{free_port()}") as forward, forward.connect() as connection:
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
        refused = forward.event("refused")
        assert refused["code"] == "Refused"
        assert "Connection refused" in refused["reason"]


def test_a_socket_of_this_machine(dev, echo, tmp_path):
    path = tmp_path / "db.sock"
    with Forward(dev, f"{path}:127.0.0.1:{echo}") as forward, socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.settimeout(PATIENCE)
        assert exchange(connection, b"local") == b"local"
        assert forward.interrupt()[0] == 0
    assert not path.exists()


def test_a_port_that_is_taken_starts_no_session(dev):
    def sessions():
        return {session["SessionId"] for arguments in ([], ["--history"])
                for session in json.loads(dev.cli("sessions", "list", "--json", *arguments).stdout)}

    before = sessions()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = dev.cli("forward", dev.node, f"127.0.0.1:{taken.getsockname()[1]}:80")
    assert done.returncode == 7
    assert "cannot listen on 127.0.0.1:" in done.stderr and "hint: port 0 takes a free one" in done.stderr
    assert sessions() == before


def test_what_cannot_be_meant_is_refused_with_the_reason(dev):
    done = dev.cli("forward", dev.node, "8080:db:70000")
    assert done.returncode == 2
    assert "`db:70000` is not `host:port`" in done.stderr


def kill_workers(dev):
    """Kills the processes that sessions have on the node: the agent's children."""
    agents = processes_with(str(dev.data))
    workers = [pid for pid in processes_with("worker") if parent(pid) in agents]
    assert workers
    for pid in workers:
        os.kill(pid, signal.SIGKILL)


def parent(pid):
    with contextlib.suppress(OSError):
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_it_comes_back_when_the_node_has_failed(dev, echo):
    with Forward(dev, f"0:127.0.0.1:{echo}") as forward:
        first = forward.listening[0]
        with forward.connect() as connection:
            assert exchange(connection, b"once") == b"once"
        kill_workers(dev)
        again = forward.event("listening")
        assert again["on"] == first["on"] and again["session"] != first["session"]
        with forward.connect() as connection:
            assert exchange(connection, b"again") == b"again"


def test_it_does_not_come_back_when_somebody_has_ended_it(dev, echo):
    with Forward(dev, f"0:127.0.0.1:{echo}") as forward:
        dev.aws("ssm", "terminate-session", "--session-id", forward.listening[0]["session"])
        _, err = forward.process.communicate(timeout=PATIENCE)
    assert forward.process.returncode != 0
    assert "trying again" not in err and "error: " in err


def test_many_ports_share_one_session(dev, echo):
    with serving(Greeting) as greeting, Forward(dev, f"0:127.0.0.1:{echo}", f"0:localhost:{greeting}") as forward:
        assert len({listening["session"] for listening in forward.listening}) == 1
        with forward.connect(0) as first, forward.connect(1) as second:
            assert second.recv(100) == b"good morning"
            assert exchange(first, b"hello") == b"hello"
        session = dev.session(forward.listening[0]["session"])
        assert session["DocumentName"] == "Drawbridge-StartPortForwarding"


class Greeting(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"good morning")


@pytest.fixture
def document(dev):
    """Makes session documents for tunnels."""
    names = []

    def make(name, own, parameters=None, **properties):
        content = {"schemaVersion": "1.0", "sessionType": "Port", "inputs": {"drawbridge": own},
                   "properties": {"type": "LocalPortForwarding", **properties}}
        if parameters:
            content["parameters"] = parameters
        dev.aws("ssm", "create-document", "--name", name, "--document-type", "Session", "--content",
                json.dumps(content))
        names.append(name)

    yield make
    for name in names:
        dev.aws("ssm", "delete-document", "--name", name)


DESTINATIONS = {"destinations": {"type": "StringList"}}


def test_a_socket_of_the_node_where_a_document_allows_it(dev, document, tmp_path):
    path = tmp_path / "app.sock"
    document("to-sockets", {"destinations": "{{ destinations }}", "allowedDestinations": [f"{tmp_path}/*.sock"]},
             DESTINATIONS)
    with socketserver.ThreadingUnixStreamServer(str(path), Greeting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Forward(dev, f"0:{path}", arguments=["--document", "to-sockets"]) as forward, forward.connect() as connection:
            assert connection.recv(100) == b"good morning"
        server.shutdown()
    done = dev.cli("forward", "--document", "to-sockets", dev.node, "0:/run/other.sock")
    assert done.returncode != 0 and "/run/other.sock" in done.stderr
    done = dev.cli("forward", dev.node, f"0:{path}")
    assert done.returncode != 0 and str(path) in done.stderr, "nobody reaches sockets by the document for ports"


def test_an_address_is_looked_at_when_it_is_dialled(dev, document, echo):
    document("to-block", {"destinations": "{{ destinations }}", "allowedDestinations": ["10.0.0.0/8:*"]}, DESTINATIONS)
    with Forward(dev, f"0:localhost:{echo}", arguments=["--document", "to-block"]) as forward, \
            forward.connect() as connection:
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
        refused = forward.event("refused")
    assert refused["code"] == "NotAllowed"
    assert f"does not allow a connection to localhost:{echo}" in refused["reason"]
    document("to-loopback", {"allowedDestinations": ["127.0.0.0/8:*", "[::1]:*"], "destinations": [f"localhost:{echo}"]})
    with forwarding_with(dev, "to-loopback") as tunnel, tunnel.connect() as connection:
        assert exchange(connection, b"allowed") == b"allowed"


def forwarding_with(dev, document):
    return Tunnel(["aws", "ssm", "start-session", "--target", dev.node, "--document-name", document], dev.env)


class WhoAreYou(socketserver.BaseRequestHandler):
    """Tells the user id of whoever has connected, as the kernel knows it."""

    def handle(self):
        credentials = self.request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        self.request.sendall(b"%d" % struct.unpack("3i", credentials)[1])


@needs_root
def test_a_socket_sees_the_sessions_account_and_not_root(dev, document, tmp_path):
    with tempfile.TemporaryDirectory() as name, Machine(dev, tmp_path) as machine:
        os.chmod(name, 0o755)
        open_to_all, roots = f"{name}/open.sock", f"{name}/roots.sock"
        document("two-sockets", {"destinations": "{{ destinations }}"}, DESTINATIONS)
        with contextlib.ExitStack() as servers:
            for path, mode in ((open_to_all, 0o666), (roots, 0o600)):
                server = servers.enter_context(socketserver.ThreadingUnixStreamServer(path, WhoAreYou))
                os.chmod(path, mode)
                threading.Thread(target=server.serve_forever, daemon=True).start()
                servers.callback(server.shutdown)
            there = argparse.Namespace(node=machine.node, env=dev.env)
            with Forward(there, f"0:{open_to_all}", f"0:{roots}", arguments=["--document", "two-sockets"]) as forward:
                with forward.connect(0) as connection:
                    assert connection.recv(100).decode() == machine.run("id", "-u", "ssm-user").stdout.strip()
                with forward.connect(1) as connection, pytest.raises(ConnectionResetError):
                    connection.recv(1)
                assert "Permission denied" in forward.event("refused")["reason"]
