"""Who is measured by `tunnel.py`: each leads from a port on this machine to the same target, over the same line."""

import contextlib
import pathlib
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from terminal import Ours, Ssh  # noqa: E402
from drawbridge import clean_environment, eventually, program  # noqa: E402

TOOL = program("drawbridge-bench-tunnel")


class Machines(contextlib.ExitStack):
    """What stays the same whatever the round trip: the target, two hosts with OpenSSH, and our server with its node."""

    def __init__(self, folder, dev):
        super().__init__()
        self.folder, self.dev = folder, dev
        _, self.target = serve(self, "target")
        self.hosts = [self._host(name) for name in ("first", "second")]

    def _host(self, name):
        (self.folder / name).mkdir()
        host = Ssh(self.folder / name)
        self.callback(stop, host.process)
        return host


class Stage(contextlib.ExitStack):
    """One round trip: the line that every contender's first hop goes over, and what contenders started."""

    def __init__(self, machines, round_trip_ms):
        super().__init__()
        self.machines, self.round_trip_ms = machines, round_trip_ms
        self.folder = machines.folder / f"{round_trip_ms}-ms"
        self.folder.mkdir()

    def line(self, address):
        """Where `address` is reached over the line."""
        if self.round_trip_ms == 0:
            return address
        return serve(self, "delay", "--round-trip-ms", str(self.round_trip_ms), "--to", address)[1]

    def client(self, name, argv, listening, env):
        """Starts a tunnel's client, and waits until it accepts connections."""
        with open(self.folder / f"{name}.log", "wb") as log:
            process = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.callback(stop, process)

        def accepts():
            assert process.poll() is None, f"{name} ended:\n{(self.folder / f'{name}.log').read_text()}"
            with contextlib.suppress(OSError), socket.create_connection(tuple_of(listening)):
                return True
        eventually(accepts, what=f"tunnel of {name}")
        return process


class Drawbridge:
    name = "drawbridge"

    def __init__(self, stage):
        dev = stage.machines.dev
        self.server = Ours(dev)
        self.address = free_address()
        env = dev.env | {"AWS_ENDPOINT_URL": f"https://{stage.line(f'127.0.0.1:{dev.port}')}"}
        argv = [program("drawbridge"), "forward", dev.node, f"{self.address}:{stage.machines.target}"]
        self.client = stage.client(self.name, argv, self.address, env)

    def roots(self):
        return [*self.server.roots(), self.client.pid]


class SshForward:
    """`ssh -L` to one host, with OpenSSH's own choice of cipher."""

    name = "ssh-L"
    options = []

    def __init__(self, stage):
        self.hosts = stage.machines.hosts[:1]
        config = stage.folder / f"{self.name}.config"
        config.write_text(host("destination", stage.line(f"127.0.0.1:{self.hosts[0].port}"), self.hosts[0]))
        self.start(stage, config)

    def start(self, stage, config):
        self.address = free_address()
        forward = f"{self.address}:{stage.machines.target}"
        argv = ["ssh", "-F", config, *self.options, "-N", "-L", forward, "destination"]
        self.client = stage.client(self.name, argv, self.address, clean_environment())

    def roots(self):
        return [*(host.process.pid for host in self.hosts), self.client.pid]


class SshForwardAes(SshForward):
    """The same with the cipher that machines have instructions for."""

    name = "ssh-L-aes"
    options = ["-c", "aes128-gcm@openssh.com"]


class SshJump(SshForward):
    """`ssh -J` over one host to another, and `-L` from there."""

    name = "ssh-J"

    def __init__(self, stage):
        self.hosts = stage.machines.hosts
        first, second = self.hosts
        config = stage.folder / f"{self.name}.config"
        # In a file, because options on the command line do not reach the client that `-J` starts.
        config.write_text(host("jump", stage.line(f"127.0.0.1:{first.port}"), first)
                          + host("destination", f"127.0.0.1:{second.port}", second, "ProxyJump jump"))
        self.start(stage, config)


class PlainTcp:
    """No tunnel: what the line and the measuring programs can do."""

    name = "tcp"

    def __init__(self, stage):
        self.address = stage.line(stage.machines.target)

    def roots(self):
        return []


class TlsCopies:
    """The limit: two hops of TLS, copied by three processes, without a protocol of their own."""

    name = "limit"

    def __init__(self, stage):
        far, middle = stage.folder / "far.pem", stage.folder / "middle.pem"
        self.processes = []
        address = self.copy(stage, stage.machines.target, "--certificate", far)
        address = self.copy(stage, address, "--trust", far, "--certificate", middle)
        self.address = self.copy(stage, stage.line(address), "--trust", middle)

    def copy(self, stage, to, *options):
        process, address = serve(stage, "tls-copy", "--to", to, *options)
        self.processes.append(process)
        return address

    def roots(self):
        return [process.pid for process in self.processes]


DEFAULT = [Drawbridge, SshForward, SshJump, PlainTcp, TlsCopies]
ALL = {contender.name: contender for contender in [*DEFAULT, SshForwardAes]}


def serve(stack, *arguments):
    """Starts one of our tools until `stack` ends; answers its process and its address."""
    process = subprocess.Popen([TOOL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    stack.callback(stop, process)
    address = process.stdout.readline().strip()
    assert address, f"{arguments} did not start"
    return process, address


def stop(process):
    process.terminate()
    process.wait(60)
    if process.stdout:
        process.stdout.close()


def host(name, address, server, *more):
    """An entry of ssh's configuration for a host that is at `address`, with the keys of `server`."""
    at, port = tuple_of(address)
    lines = [f"HostName {at}", f"Port {port}", f"IdentityFile {server.folder}/user", "IdentitiesOnly yes",
             "StrictHostKeyChecking no", "UserKnownHostsFile /dev/null", "LogLevel ERROR",
             "ExitOnForwardFailure yes", *more]
    return "\n  ".join([f"Host {name}", *lines]) + "\n"


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def tuple_of(address):
    at, port = address.rsplit(":", 1)
    return at, int(port)
