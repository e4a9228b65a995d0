"""The fixtures' machinery: the server, a terminal with a screen, and a network that can be cut."""

import contextlib
import json
import os
import pathlib
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pexpect
import pyte

from principals import NODE_ROLE

PATIENCE = 120  # seconds any single step may take before the test fails; much, since only failures take so long
REFUSED = (254, 255)  # how an AWS CLI ends that was refused; which one depends on its version
ROOT = pathlib.Path(__file__).resolve().parents[2]


def programs():
    """The folder of the built programs."""
    return pathlib.Path(os.environ.get("DRAWBRIDGE_PROGRAMS", ROOT / "target/debug")).resolve()


def program(name):
    return str(programs() / name)


def eventually(condition, patience=PATIENCE, what="condition"):
    """Polls until `condition()` is truthy and answers its value."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {patience} s; last value {value!r}")
        select.select([], [], [], 0.05)


def free_port():
    """A port for a server that cannot be told to take a free one. It is none of those that the kernel gives to whoever does
    not care which, so that nobody gets it meanwhile."""
    given = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(10_000, max(given, 20_000))
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


#: What clients of ours say to those who wait for a slow machine, a line each.
WAITING = re.compile(rb"^(no connection yet|connection lost|connected again|waiting for the session to begin).*\n", re.MULTILINE)


def unhurried(errors):
    """What was said on standard error, as if nobody had had to wait."""
    return WAITING.sub(b"", errors)


def finished(argv, **options):
    """Runs a client to its end, which may be slow in coming."""
    done = subprocess.run(argv, capture_output=True, timeout=PATIENCE, **options)
    done.stderr = unhurried(done.stderr)
    return done


class Dev:
    """A running `drawbridge dev`."""

    def __init__(self, folder, listen="127.0.0.1:0", extra=(), log="info"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data = self.folder / "data"
        self.env_file = self.folder / "env"
        self.listen = listen
        self.extra = list(extra)
        self.level = log
        self.process = None
        self.log = self.folder / "server.log"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        with contextlib.suppress(FileNotFoundError):
            self.env_file.unlink()
        log = open(self.log, "ab")
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                        env=clean_environment() | {"DRAWBRIDGE_LOG": self.level})
        log.close()
        self.wait_ready()
        self.env = sourced(self.env_file)
        self.port = int(self.env["AWS_ENDPOINT_URL"].rsplit(":", 1)[1])
        self.listen = f"127.0.0.1:{self.port}"
        self.node = self.env.get("DRAWBRIDGE_NODE_ID")

    def command(self):
        return [program("drawbridge"), "dev", "--data-dir", self.data, "--listen", self.listen,
                "--env-file", self.env_file, *self.extra]

    def wait_ready(self):
        def ready():
            assert self.process.poll() is None, f"drawbridge dev ended:\n{self.log.read_text()}"
            return self.env_file.exists()
        eventually(ready, what="env file")

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()
                raise

    def aws(self, *arguments, env=None, check=True):
        """Runs the AWS CLI; answers its parsed JSON output."""
        done = subprocess.run(
            ["aws", *arguments, "--output", "json"], env=env or self.env, capture_output=True, text=True,
            timeout=PATIENCE, stdin=subprocess.DEVNULL,
        )
        if not check:
            return done
        assert done.returncode == 0, f"aws {' '.join(arguments)}: {done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def cli(self, *arguments, env=None):
        """Runs `drawbridge …`; answers the finished process."""
        return subprocess.run(
            [program("drawbridge"), *arguments], env=env or self.env, capture_output=True, text=True,
            timeout=PATIENCE, stdin=subprocess.DEVNULL,
        )

    def session(self, session_id, state="Active"):
        found = self.aws("ssm", "describe-sessions", "--state", state, "--filters",
                         f"key=SessionId,value={session_id}")["Sessions"]
        return found[0] if found else None

    def live(self):
        """The ids of all sessions that are not over."""
        return {session["SessionId"] for session in self.aws("ssm", "describe-sessions", "--state", "Active")["Sessions"]}

    def ended(self, session_id):
        """A session that is over, once it is: its client may be told before that is on record."""
        def over():
            found = self.session(session_id, "History")
            return found if found and found["Status"] != "Terminating" else None
        return eventually(over, what=f"the end of {session_id}")

    def through(self, proxy):
        """This server's environment with `proxy` in between."""
        return self.env | {"AWS_ENDPOINT_URL": f"https://127.0.0.1:{proxy.port}"}


class Server(Dev):
    """A running `drawbridge serve`, without a node."""

    def __init__(self, folder):
        super().__init__(folder)
        self.env_file = self.data / "env"

    def command(self):
        config = self.folder / "drawbridge.toml"
        config.write_text(f'data_dir = "{self.data}"\nlisten = "{self.listen}"\nactivation_tier = "advanced"\n')
        return [program("drawbridge"), "serve", "--config", config]


class Node(contextlib.AbstractContextManager):
    """A node of its own: `drawbridge-agent run`, registered through `endpoint`."""

    def __init__(self, dev, folder, endpoint, name="second", activation=None):
        self.dev, self.folder = dev, pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        made = activation or dev.aws("ssm", "create-activation", "--iam-role", NODE_ROLE,
                                     "--default-instance-name", name)
        env = clean_environment() | {"DRAWBRIDGE_ACTIVATION_CODE": made["ActivationCode"]}
        self.state = self.folder / "state"
        self.bundle = dev.env["AWS_CA_BUNDLE"]
        done = subprocess.run(
            [program("drawbridge-agent"), "register", "--endpoint", endpoint, "--activation-id",
             made["ActivationId"], "--ca", self.bundle, "--state-dir", self.state],
            env=env, capture_output=True, text=True, timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        self.node = done.stdout.strip()
        self.start()
        self.wait_connected()

    def start(self):
        log = open(self.folder / "agent.log", "ab")
        self.process = subprocess.Popen(
            [program("drawbridge-agent"), "run", "--state-dir", self.state, "--no-ssm-user"],
            env=clean_environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )
        log.close()

    def wait_connected(self):
        eventually(self.connected, what="node online")

    def connected(self):
        return self.dev.aws("ssm", "get-connection-status", "--target", self.node)["Status"] == "connected"

    def stop(self):
        """Stops the agent until the server knows that it is gone."""
        self.process.terminate()
        self.process.wait(PATIENCE)
        eventually(lambda: not self.connected(), what="node offline")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.dev.aws("ssm", "deregister-managed-instance", "--instance-id", self.node)


class Terminal:
    """A program under a pseudo-terminal, with the screen a person would see.

    `errors` is a file for standard error, where our programs say what is not the session's: that the network is away, for
    one, in the midst of a line if need be.
    """

    def __init__(self, argv, env, rows=30, columns=100, errors=None):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = bytearray()
        self.undrawn = bytearray()
        argv = [shutil.which(argv[0], path=env["PATH"]) or argv[0], *argv[1:]]

        def redirect():
            os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        self.child = pexpect.spawn(argv[0], [str(a) for a in argv[1:]], env=env, dimensions=(rows, columns),
                                   timeout=PATIENCE, maxread=65536, preexec_fn=redirect if errors else None)
        self.child.delaybeforesend = None

    def send(self, text):
        self.child.send(text)

    def line(self, text):
        self.child.send(text + "\r")

    def pump(self, patience=0.05):
        """Reads what is there; answers whether the program still has its terminal."""
        try:
            data = self.child.read_nonblocking(65536, patience)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            data = self.last_words()
        self.raw += data
        self.undrawn += data
        return bool(data)

    def last_words(self):
        """What was said after pexpect had looked at the terminal and before it saw that the process was gone."""
        terminal = self.child.child_fd
        with contextlib.suppress(OSError):
            if select.select([terminal], [], [], 0)[0]:
                return os.read(terminal, 65536)
        return b""

    def draw(self):
        """Brings the screen up to date, which takes long where there is much; so it waits until somebody looks."""
        self.stream.feed(bytes(self.undrawn))
        self.undrawn.clear()

    def text(self):
        self.draw()
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def wait_for(self, needle, patience=PATIENCE):
        """Reads until `needle` (bytes: in the raw output, str: on the screen) has come."""
        deadline = time.monotonic() + patience
        while True:
            found = needle in self.raw if isinstance(needle, bytes) else needle in self.text()
            if found:
                return
            alive = self.pump()
            if not alive or time.monotonic() > deadline:
                tail = bytes(self.raw[-2000:])
                raise AssertionError(f"{needle!r} never came; screen:\n{self.text()}\nlast output: {tail!r}")

    def forget(self):
        """Drops what has been read so far, so that the next wait sees only what is new."""
        while self.child.isalive() and select.select([self.child.child_fd], [], [], 0)[0] and self.pump():
            pass
        self.raw.clear()

    def resize(self, rows, columns):
        self.child.setwinsize(rows, columns)
        self.draw()
        self.screen.resize(rows, columns)

    def end(self, patience=PATIENCE):
        """Reads to the end; answers the exit code."""
        deadline = time.monotonic() + patience
        while self.pump():
            assert time.monotonic() < deadline, f"still running; screen:\n{self.text()}"
        self.child.close()
        return self.child.exitstatus

    def close(self):
        """Ends what still runs, by force if need be."""
        try:
            self.child.close(force=True)
        except pexpect.ExceptionPexpect:
            # It was killed, which takes a busy machine longer than pexpect waits.
            eventually(lambda: not self.child.isalive(), what="the end of a program that was killed")


class Proxy:
    """A TCP proxy on loopback whose live connections can be cut, or whose door can be shut."""

    def __init__(self, port):
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open = True
        self.pairs = set()
        self.lock = threading.Lock()
        self.door = threading.Thread(target=self._accept, daemon=True)
        self.door.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.open = False
        # Whoever waits at a door that is only closed may find itself at the next one that gets its descriptor.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.door.join(PATIENCE)
        self.listener.close()
        self.cut()

    def cut(self):
        """Resets every live connection; answers how many there were."""
        with self.lock:
            pairs, self.pairs = self.pairs, set()
        for pair in pairs:
            for one in pair:
                with contextlib.suppress(OSError):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                    one.shutdown(socket.SHUT_RDWR)
        return len(pairs)

    def live(self):
        with self.lock:
            return len(self.pairs)

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            pair = (client, server)
            with self.lock:
                # Only here: who shuts the door and then cuts has cut everybody who was let in.
                if is_let_in := self.open:
                    self.pairs.add(pair)
            if not is_let_in:
                for one in pair:
                    one.close()
                continue
            for source, sink in (pair, pair[::-1]):
                threading.Thread(target=self._copy, args=(pair, source, sink), daemon=True).start()

    def _copy(self, pair, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with self.lock:
            self.pairs.discard(pair)
        for one in pair:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def echoed_through_cuts(process, sent, proxy, every):
    """Sends bytes through a process that returns them, and cuts its connections after `every` so many; answers what came
    back and how often they were cut."""
    os.set_blocking(process.stdin.fileno(), False)
    position, received, cuts = 0, bytearray(), 0
    while len(received) < len(sent):
        writers = [process.stdin] if position < len(sent) else []
        readable, writable, _ = select.select([process.stdout], writers, [], PATIENCE)
        so_far = f"{position} sent, {len(received)} received, {cuts} cuts"
        assert readable or writable, f"stuck at {so_far}"
        if writable:
            position += os.write(process.stdin.fileno(), sent[position:position + 65536])
            if position == len(sent):
                process.stdin.close()
        if readable:
            data = os.read(process.stdout.fileno(), 1 << 20)
            assert data, f"ended at {so_far}: {process.stderr.read()}"
            received += data
            if len(received) > (cuts + 1) * every:
                cuts += 1
                assert proxy.cut() >= 1
    return bytes(received), cuts


def clean_environment():
    """The test's own environment without anything that would point at another server."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DRAWBRIDGE_"))}


def sourced(env_file):
    """What a shell's environment is after reading `env_file`, with the virtual environment's `aws` in reach."""
    base = clean_environment() | {"HOME": str(pathlib.Path(env_file).parent), "TERM": "xterm-256color"}
    base["PATH"] = f"{pathlib.Path(sys.executable).parent}:{base['PATH']}"
    done = subprocess.run(["sh", "-c", '. "$1"; exec env -0', "sh", env_file], env=base, capture_output=True,
                          check=True)
    return dict(pair.split("=", 1) for pair in done.stdout.decode().split("\0") if pair)


def processes_with(needle):
    """Ids of processes whose command line contains `needle`."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if needle.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


def hang_up(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
