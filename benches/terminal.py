"""Terminal sessions beside OpenSSH on loopback, in one run: `cargo xtask bench` starts this.

Prints medians, the ratio ours / ssh, and the CPU seconds of every process that took part. Contenders take turns
within each measurement, so that whatever else the machine does hits both.
"""

import argparse
import contextlib
import os
import pathlib
import pty
import pwd
import select
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/end-to-end"))
from drawbridge import Dev, clean_environment, program  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
MEBI = 1024 * 1024
KEYS_PER_TURN = 25


class Shell:
    """A program on a pseudo-terminal, without anything between us and its bytes."""

    def __init__(self, argv, env):
        self.started = time.perf_counter()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(shutil.which(argv[0], path=env["PATH"]) or argv[0], argv, env)
        import fcntl
        import termios
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    def read_until(self, needle, patience=120):
        """Reads until `needle`; answers the bytes read."""
        buffer = bytearray()
        deadline = time.monotonic() + patience
        while needle not in buffer[-len(needle) - 65536:]:
            ready, _, _ = select.select([self.fd], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError(f"{needle!r} never came: {bytes(buffer[-500:])!r}")
            buffer += os.read(self.fd, 65536)
        return buffer

    def write(self, data):
        os.write(self.fd, data)

    def close(self):
        with contextlib.suppress(OSError):
            os.kill(self.pid, signal.SIGKILL)
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def family(pids):
    """`pids` and everything below them."""
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, todo = set(), list(pids)
    while todo:
        pid = todo.pop()
        if pid not in found:
            found.add(pid)
            todo += children.get(pid, [])
    return found


def cpu_seconds(pids):
    """User and system time so far of `pids` and their living descendants."""
    total = 0
    for pid in family(pids):
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += sum(int(field) for field in fields[11:15])
    return total / TICKS


def resident(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")


class Ours:
    name = "drawbridge"

    def __init__(self, dev):
        self.dev = dev

    def shell(self):
        return Shell([program("drawbridge"), "connect", self.dev.node], self.dev.env)

    def roots(self):
        # Session workers outlive their agent, so they are nobody's descendants.
        workers = [int(entry.name) for entry in pathlib.Path("/proc").iterdir()
                   if entry.name.isdigit() and is_worker(entry)]
        return [self.dev.process.pid, *workers]


def is_worker(entry):
    with contextlib.suppress(OSError):
        words = (entry / "cmdline").read_bytes().split(b"\0")
        # Of the programs measured: the workers of other builds on this machine are none of ours.
        return b"worker" in words and (entry / "exe").samefile(program("drawbridge-agent"))
    return False


class Ssh:
    name = "ssh"

    def __init__(self, folder, *extra):
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
        shutil.copy(folder / "user.pub", folder / "authorized")
        os.makedirs("/run/sshd", exist_ok=True)
        self.process = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-p", str(self.port), "-h", folder / "host",
             "-o", "ListenAddress=127.0.0.1", "-o", f"AuthorizedKeysFile={folder}/authorized",
             "-o", "StrictModes=no", "-o", "PidFile=none", "-o", "UsePAM=no", "-o", "PrintMotd=no",
             "-o", "PermitRootLogin=prohibit-password", *extra],
            stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                break

    def shell(self):
        env = clean_environment() | {"TERM": "xterm-256color"}
        return Shell(["ssh", "-tt", "-q", "-F", "/dev/null", "-p", str(self.port), "-i", str(self.folder / "user"),
                      "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "127.0.0.1"], env)

    def roots(self):
        return [self.process.pid]


class Local:
    """The same login shell on a terminal of this machine: what both contenders wait for and neither can help."""

    def shell(self):
        account = pwd.getpwuid(os.getuid())
        env = {"HOME": account.pw_dir, "USER": account.pw_name, "LOGNAME": account.pw_name, "LANG": "C.UTF-8",
               "SHELL": account.pw_shell, "PATH": os.environ["PATH"], "TERM": "xterm-256color"}
        return Shell([account.pw_shell, "-l"], env)


def ready(shell):
    """Brings a shell to a quiet state with a known prompt."""
    shell.write(b"stty -echo; PS1=; printf 'REA''DY\\n'\r")
    shell.read_until(b"READY\r\n")


def first_prompt(contender):
    shell = contender.shell()
    try:
        # Typed ahead: answered as soon as the shell reads its terminal, whatever its prompt looks like.
        shell.write(b"printf 'PRO''MPT\\n'\r")
        shell.read_until(b"PROMPT\r\n")
        return time.perf_counter() - shell.started
    finally:
        shell.close()


def echoing(contender):
    """A shell whose terminal and program add nothing to the way of a key and back."""
    shell = contender.shell()
    ready(shell)
    shell.write(b"stty raw -echo; cat\r")
    shell.write(b"sync")
    shell.read_until(b"sync")
    return shell


def echoes(contenders, count):
    """Seconds per key and contender, who take turns of a few keys: a busy moment of the machine hits all of them."""
    shells = [echoing(contender) for contender in contenders]
    samples = [[] for _ in shells]
    try:
        for _ in range(count // KEYS_PER_TURN):
            for shell, seconds in zip(shells, samples):
                for _ in range(KEYS_PER_TURN):
                    select.select([], [], [], 0.005)
                    begin = time.perf_counter()
                    shell.write(b"x")
                    shell.read_until(b"x")
                    seconds.append(time.perf_counter() - begin)
        return samples
    finally:
        for shell in shells:
            shell.close()


def cat(contender, path):
    shell = contender.shell()
    try:
        ready(shell)
        before = cpu_seconds([*contender.roots(), shell.pid])
        begin = time.perf_counter()
        shell.write(f"cat {path}; printf 'END''MARK'\r".encode())
        shell.read_until(b"ENDMARK", 600)
        return time.perf_counter() - begin, cpu_seconds([*contender.roots(), shell.pid]) - before
    finally:
        shell.close()


def idle_nodes(dev, count):
    """Resident KiB that each idle node costs the server."""
    before = resident(dev.process.pid)
    holder = subprocess.Popen([program("drawbridge-bench-idle"), str(count)], env=dev.env, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    said = holder.stdout.readline()
    after = resident(dev.process.pid)
    holder.stdin.close()
    if holder.wait(60) != 0 or not said:
        raise RuntimeError("the idle nodes did not stay connected")
    return (after - before) * 1024 / count


def idle_sessions(contender, count):
    """Resident KiB that each idle shell costs the server."""
    before = resident(contender.dev.process.pid)
    with contextlib.ExitStack() as open_shells:
        for _ in range(count):
            shell = contender.shell()
            open_shells.callback(shell.close)
            ready(shell)
        after = resident(contender.dev.process.pid)
    return (after - before) * 1024 / count


def row(name, ours, ssh, unit, aim):
    print(f"| {name} | {ours:.3g} {unit} | {ssh:.3g} {unit} | {ours / ssh:.2f} | {aim} |", flush=True)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--quick", action="store_true", help="fewer samples, to see that it runs")
    quick = arguments.parse_args().quick
    rounds, keys = (3, 100) if quick else (15, 1000)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        with Dev(folder / "dev") as dev:
            ours, ssh = Ours(dev), Ssh(folder)
            agent = next(pid for pid in family([dev.process.pid]) if pid != dev.process.pid)
            print(f"idle agent: {resident(agent):.1f} MiB resident (aim: under 10)")
            print(f"idle server: {resident(dev.process.pid):.1f} MiB resident\n")
            # Sessions first: they would live in the memory that nodes leave behind.
            count = 5 if quick else 20
            per_session = idle_sessions(ours, count)
            print(f"idle session at the server: {per_session:.1f} KiB resident, over {count} shells")
            count = 100 if quick else 1000
            per_node = idle_nodes(dev, count)
            print(f"idle node at the server: {per_node:.1f} KiB resident, over {count} nodes (aim: under 24)\n")
            print("| measurement | drawbridge | ssh | ratio | aim |\n| --- | --- | --- | --- | --- |")
            turns = [[first_prompt(contender) for contender in (ours, ssh, Local())] for _ in range(rounds)]
            *remote, local = [statistics.median(side) * 1e3 for side in zip(*turns)]
            row("first prompt, median", *remote, "ms", "<= 0.5")
            row("first prompt less the shell's own start", *[side - local for side in remote], "ms", "-")
            samples = echoes((ours, ssh), keys)
            for label, quantile, aim in (("p50", 0.50, "<= 2"), ("p99", 0.99, "-")):
                values = [sorted(side)[int(len(side) * quantile)] * 1e3 for side in samples]
                row(f"keystroke echo {label}", *values, "ms", aim)
            big = folder / "big"
            line = b"the quick brown fox jumps over the lazy dog and runs away again\n"
            big.write_bytes(line * (64 * MEBI // len(line)))
            runs = [(cat(ours, big), cat(ssh, big)) for _ in range(1 if quick else 5)]
            rate = [64 / statistics.median(run[side][0] for run in runs) for side in (0, 1)]
            row("64 MiB `cat`", *rate, "MiB/s", ">= 0.8")
            spent = [statistics.median(run[side][1] for run in runs) for side in (0, 1)]
            row("64 MiB `cat`, CPU of all processes", *spent, "s", "-")
            ssh.process.terminate()


if __name__ == "__main__":
    main()
