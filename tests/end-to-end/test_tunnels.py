"""TCP tunnels: programs on this side, real servers on the node's, and the network between them going away."""

import argparse
import contextlib
import hashlib
import os
import re
import select
import signal
import socket
import socketserver
import subprocess
import threading

import pytest

from drawbridge import PATIENCE, Node, Proxy, eventually, free_port
from servers import postgres, redis
from test_first_session import started

MEGABYTE = 1 << 20


class Echo(socketserver.BaseRequestHandler):
    """Says back what it hears, and hangs up when it hears no more."""

    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(data)


class Digest(socketserver.BaseRequestHandler):
    """Answers with the SHA-256 of everything it heard, once it has heard the end."""

    def handle(self):
        digest = hashlib.sha256()
        while data := self.request.recv(65536):
            digest.update(data)
        self.request.sendall(digest.hexdigest().encode())


class Threads(socketserver.ThreadingTCPServer):
    request_queue_size = 512
    daemon_threads = True
    allow_reuse_address = True


@contextlib.contextmanager
def serving(handler):
    with Threads(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(scope="module")
def echo():
    with serving(Echo) as port:
        yield port


@pytest.fixture(scope="module")
def digest():
    with serving(Digest) as port:
        yield port


class Tunnel(contextlib.AbstractContextManager):
    """A program that opens a tunnel, and what it says."""

    def __init__(self, argv, env, opened=rb"Port (\d+) opened for sessionId (\S+)\."):
        self.process = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, start_new_session=True)
        self.said = b""
        found = self.wait_for(opened)
        self.port, self.session = int(found[1]), found[2].decode()

    def wait_for(self, pattern, patience=PATIENCE):
        """Reads on until the pattern was said."""
        while not (found := re.search(pattern, self.said)):
            ready, _, _ = select.select([self.process.stdout], [], [], patience)
            assert ready, f"{pattern} not in {self.said}"
            more = os.read(self.process.stdout.fileno(), 65536)
            assert more, f"ended with {self.said} {self.process.stderr.read()}"
            self.said += more
        return found

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        connection.settimeout(PATIENCE)
        return connection

    def interrupt(self):
        """Presses Ctrl-C, as a terminal does: for the whole group."""
        os.killpg(self.process.pid, signal.SIGINT)
        out, err = self.process.communicate(timeout=PATIENCE)
        self.said += out
        return self.process.returncode, err

    def __exit__(self, failure, *_):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        out, err = self.process.communicate(timeout=PATIENCE)
        if failure:
            print(f"the tunnel ended with {self.process.returncode} and said {self.said + out} {err}")


def forwarding(dev, port, env=None, document="AWS-StartPortForwardingSession", **parameters):
    given = {"portNumber": [str(port)], "localPortNumber": ["0"], **parameters}
    text = ",".join(f"{name}={value[0]}" for name, value in given.items())
    return Tunnel(["aws", "ssm", "start-session", "--target", dev.node, "--document-name", document,
                   "--parameters", text], env or dev.env)


def exchange(connection, data):
    """Sends bytes while it reads as many back."""
    thread = threading.Thread(target=connection.sendall, args=(data,))
    thread.start()
    got = bytearray()
    while len(got) < len(data):
        more = connection.recv(1 << 20)
        assert more, f"ended after {len(got)} of {len(data)} bytes"
        got += more
    thread.join(PATIENCE)
    return bytes(got)


def test_the_aws_cli_opens_a_tunnel_and_says_what_scripts_look_for(dev, echo):
    with forwarding(dev, echo) as tunnel:
        with tunnel.connect() as connection:
            data = os.urandom(3 * MEGABYTE)
            assert exchange(connection, data) == data
        tunnel.wait_for(rb"Connection accepted")
        code, _ = tunnel.interrupt()
    text = tunnel.said.decode()
    assert text == (f"\nStarting session with SessionId: {tunnel.session}\n"
                    f"Port {tunnel.port} opened for sessionId {tunnel.session}.\nWaiting for connections...\n"
                    f"\nConnection accepted for session [{tunnel.session}]\n"
                    "Terminate signal received, exiting.\n"
                    f"\n\nExiting session with sessionId: {tunnel.session}.\n\n")
    assert dev.ended(tunnel.session)["Status"] == "Terminated"


@pytest.mark.parametrize("connections", [1, 8, 200])
def test_every_connection_gets_its_own_bytes(dev, echo, connections):
    with forwarding(dev, echo) as tunnel:
        failures = []

        def one(seed):
            try:
                data = hashlib.shake_128(str(seed).encode()).digest(200_000)
                with tunnel.connect() as connection:
                    assert exchange(connection, data) == data
            except Exception as error:  # noqa: BLE001
                failures.append(f"{seed}: {error!r}")

        threads = [threading.Thread(target=one, args=(seed,)) for seed in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a connection is stuck"
        assert not failures


def test_one_direction_may_end_before_the_other(dev, digest):
    with forwarding(dev, digest) as tunnel, tunnel.connect() as connection:
        data = os.urandom(MEGABYTE)
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while more := connection.recv(1000):
            answer += more
        assert answer.decode() == hashlib.sha256(data).hexdigest()


def test_a_refused_connection_is_an_error_and_the_tunnel_goes_on(dev):
    port = free_port()
    with forwarding(dev, port) as tunnel:
        with tunnel.connect() as connection, pytest.raises(ConnectionResetError):
            connection.recv(1)
        tunnel.wait_for(rb"Connection to destination port failed, check SSM Agent logs\.")
        with Threads(("127.0.0.1", port), Echo) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            with tunnel.connect() as connection:
                assert exchange(connection, b"back") == b"back"
            server.shutdown()
        code, err = tunnel.interrupt()
    assert b"Connection refused" in err


def test_a_connection_that_is_not_read_stops_no_other(dev, echo):
    class Flood(socketserver.BaseRequestHandler):
        def handle(self):
            with contextlib.suppress(OSError):
                while True:
                    self.request.sendall(bytes(65536))

    with serving(Flood) as flood, forwarding(dev, flood) as first, forwarding(dev, echo) as second, \
            first.connect() as unread, first.connect() as read:
        assert unread.recv(1)
        for _ in range(200):
            assert read.recv(65536)
        with second.connect() as connection:
            assert exchange(connection, b"x" * 100_000) == b"x" * 100_000


def test_a_remote_host_and_a_local_socket(dev, echo, tmp_path):
    with forwarding(dev, echo, document="AWS-StartPortForwardingSessionToRemoteHost", host=["localhost"]) as tunnel, \
            tunnel.connect() as connection:
        assert exchange(connection, b"through") == b"through"
    path = tmp_path / "local.sock"
    argv = ["aws", "ssm", "start-session", "--target", dev.node, "--document-name",
            "AWS-StartPortForwardingSessionToSocket", "--parameters", f"portNumber={echo},localUnixSocket={path}"]
    process = subprocess.Popen(argv, env=dev.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                               start_new_session=True)
    lines = iter(process.stdout.readline, "")
    opened = next(line for line in lines if "opened" in line)
    assert opened.startswith(f"Unix socket {path} opened for sessionId ")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.settimeout(PATIENCE)
        assert exchange(connection, b"local") == b"local"
    os.killpg(process.pid, signal.SIGINT)
    process.wait(PATIENCE)
    assert not path.exists()


def test_the_addresses_that_give_secrets_away_are_refused(dev):
    with forwarding(dev, 80, document="AWS-StartPortForwardingSessionToRemoteHost",
                    host=["169.254.169.254"]) as tunnel:
        with tunnel.connect() as connection, pytest.raises(ConnectionResetError):
            connection.recv(1)
        tunnel.wait_for(rb"Connection to destination port failed")
        _, err = tunnel.interrupt()
    assert b"Forwarding to IP address 169.254.169.254 is forbidden." in err


def test_a_port_that_is_taken_is_an_error_that_names_it(dev, echo):
    before = dev.live()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = dev.aws("ssm", "start-session", "--target", dev.node, "--document-name",
                       "AWS-StartPortForwardingSession", "--parameters",
                       f"portNumber={echo},localPortNumber={port}", check=False)
    assert done.returncode != 0
    assert f"cannot listen for connections on port {port}" in done.stderr
    eventually(lambda: dev.live() <= before, what="the session's end")


def test_a_transfer_outlives_cuts_of_its_network(dev, digest, proxy):
    with forwarding(dev, digest, env=dev.through(proxy)) as tunnel, tunnel.connect() as connection:
        wanted, sent = hashlib.sha256(), 0
        for _ in range(20):
            piece = os.urandom(4 * MEGABYTE)
            connection.sendall(piece)
            wanted.update(piece)
            sent += len(piece)
            proxy.cut()
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while more := connection.recv(1000):
            answer += more
        assert answer.decode() == wanted.hexdigest()


def test_a_thousand_short_connections(dev, echo):
    with forwarding(dev, echo) as tunnel:
        for count in range(1000):
            with tunnel.connect() as connection:
                connection.sendall(b"?")
                assert connection.recv(1) == b"?", count


def digest_of_transfer(tunnel, megabytes, after_each):
    """Sends random bytes in pieces; answers their digest and the one that the far end came to."""
    wanted = hashlib.sha256()
    with tunnel.connect() as connection:
        for count in range(megabytes // 4):
            piece = os.urandom(4 * MEGABYTE)
            connection.sendall(piece)
            wanted.update(piece)
            after_each(count)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while more := connection.recv(1000):
            answer += more
    return wanted.hexdigest(), answer.decode()


def test_a_transfer_outlives_cuts_of_the_nodes_network(dev, digest, tmp_path):
    with Proxy(dev.port) as proxy, Node(dev, tmp_path, f"https://127.0.0.1:{proxy.port}") as node:
        there = argparse.Namespace(node=node.node, env=dev.env)
        with forwarding(there, digest) as tunnel:
            wanted, got = digest_of_transfer(tunnel, 80, lambda _: proxy.cut())
    assert got == wanted


def test_a_transfer_outlives_its_server(own_dev, digest):
    def killed_now_and_then(count):
        if count in (3, 9):
            own_dev.kill()
            own_dev.start()
            own_dev.wait_ready()

    with forwarding(own_dev, digest) as tunnel:
        wanted, got = digest_of_transfer(tunnel, 60, killed_now_and_then)
    assert got == wanted


def test_a_connection_outlives_a_restart_of_the_agent(dev, echo, tmp_path):
    with Node(dev, tmp_path, dev.env["AWS_ENDPOINT_URL"]) as node:
        there = argparse.Namespace(node=node.node, env=dev.env)
        with forwarding(there, echo) as tunnel, tunnel.connect() as connection:
            assert exchange(connection, b"before") == b"before"
            node.process.kill()
            node.process.wait(PATIENCE)
            assert exchange(connection, b"meanwhile") == b"meanwhile"
            node.start()
            node.wait_connected()
            assert exchange(connection, b"after") == b"after"


def test_a_shell_answers_while_a_tunnel_is_busy(dev, terminal):
    class Flood(socketserver.BaseRequestHandler):
        def handle(self):
            with contextlib.suppress(OSError):
                while True:
                    self.request.sendall(bytes(1 << 20))

    def read_on(connection):
        with contextlib.suppress(OSError):
            while connection.recv(1 << 20):
                pass

    with serving(Flood) as flood, forwarding(dev, flood) as tunnel, tunnel.connect() as connection:
        reader = threading.Thread(target=read_on, args=(connection,))
        reader.start()
        shell, _ = started(terminal, dev)
        for count in range(10):
            shell.line(f"echo still-''here-{count}")
            shell.wait_for(b"still-here-%d\r\n" % count)
        shell.line("exit")
        assert shell.end() == 0
        connection.shutdown(socket.SHUT_RDWR)
        reader.join(PATIENCE)


def test_a_database_through_a_tunnel(dev):
    with postgres() as port, forwarding(dev, port) as tunnel:
        def psql(*arguments, **options):
            return subprocess.run(["psql", "-X", "-q", "-A", "-t", "-h", "127.0.0.1", "-p", str(tunnel.port), "-U",
                                   "postgres", *arguments], capture_output=True, text=True, timeout=PATIENCE, **options)

        rows = "".join(f"{row}\trow {row}\n" for row in range(50_000))
        done = psql("-c", "CREATE TABLE t (id int, name text)", "-c", r"\copy t FROM pstdin", input=rows)
        assert done.returncode == 0, done.stderr
        assert psql("-c", r"\copy (SELECT * FROM t ORDER BY id) TO pstdout").stdout == rows
        assert psql("-c", "SELECT count(*), max(name) FROM t WHERE id < 100").stdout == "100|row 99\n"
        many = [subprocess.Popen(["psql", "-X", "-A", "-t", "-h", "127.0.0.1", "-p", str(tunnel.port), "-U", "postgres",
                                  "-c", f"SELECT pg_sleep(0.2), {count}"], stdout=subprocess.PIPE) for count in range(20)]
        assert [one.communicate(timeout=PATIENCE)[0].strip() for one in many] == [b"|%d" % count for count in range(20)]


def test_a_cache_through_a_tunnel(dev):
    with redis() as port, forwarding(dev, port) as tunnel:
        done = subprocess.run(["redis-cli", "-h", "127.0.0.1", "-p", str(tunnel.port), "--pipe"], capture_output=True,
                              input=b"".join(b"SET key:%d %d\r\n" % (key, key) for key in range(20_000)),
                              timeout=PATIENCE)
        assert b"errors: 0, replies: 20000" in done.stdout, done.stdout + done.stderr
        done = subprocess.run(["redis-cli", "-h", "127.0.0.1", "-p", str(tunnel.port), "get", "key:19999"],
                              capture_output=True, timeout=PATIENCE)
        assert done.stdout == b"19999\n"
