"""Real servers from Debian for tunnels to lead to, each on a port and in a folder of its own."""

import contextlib
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

from drawbridge import PATIENCE, eventually, free_port


def unprivileged(name):
    """Options that make a program another user's, where this one may: PostgreSQL does not start as root."""
    if os.geteuid() != 0:
        return {}, os.geteuid()
    account = pwd.getpwnam(name)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}, account.pw_uid


@contextlib.contextmanager
def folder_of(uid):
    folder = tempfile.mkdtemp(prefix="drawbridge-server-")
    os.chown(folder, uid, -1)
    yield pathlib.Path(folder)
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def postgres():
    """PostgreSQL; answers its port. Its superuser is `postgres`, without a password."""
    as_other, uid = unprivileged("postgres")
    programs = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    with folder_of(uid) as folder:
        data, port = folder / "data", free_port()
        subprocess.run([programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"], check=True,
                       cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **as_other)
        server = subprocess.Popen([programs / "postgres", "-D", data, "-p", str(port), "-k", folder, "-F",
                                   "-c", "listen_addresses=127.0.0.1"], cwd=folder, stderr=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, **as_other)
        ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        eventually(lambda: subprocess.run(ready).returncode == 0, what="PostgreSQL")
        yield port
        server.terminate()
        server.wait(PATIENCE)


@contextlib.contextmanager
def redis():
    """Redis; answers its port."""
    with folder_of(os.geteuid()) as folder:
        port = free_port()
        server = subprocess.Popen(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                                   "--dir", folder], stdout=subprocess.DEVNULL)
        ready = ["redis-cli", "-p", str(port), "ping"]
        eventually(lambda: subprocess.run(ready, capture_output=True).stdout == b"PONG\n", what="Redis")
        yield port
        server.terminate()
        server.wait(PATIENCE)
