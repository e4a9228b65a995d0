"""A machine in a box: namespaces with an `/etc`, homes and an agent of their own, in which root is root."""

import os
import pathlib
import shlex
import shutil
import subprocess

import pytest

from drawbridge import PATIENCE, Node, clean_environment, eventually, program

needs_root = pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("unshare"), reason="needs root for a machine of its own")

# What the box has of its own; everything else is the host's, read as it is.
BOX = r"""
set -eu
mount --make-rprivate /
mount --bind "$BOX/etc" /etc
for folder in home root var/mail; do mount -t tmpfs tmpfs "/$folder"; done
touch "$BOX/ready"
exec sleep infinity
"""


class Machine(Node):
    """A registered node whose agent runs as root in a box, so that `ssm-user`, run-as and sudoers are real."""

    def __init__(self, dev, folder, endpoint=None, name="machine"):
        self.box = pathlib.Path(folder) / "box"
        self.box.mkdir(parents=True)
        shutil.copytree("/etc", self.box / "etc", symlinks=True, ignore_dangling_symlinks=True)
        self.init = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", BOX],
            env=clean_environment() | {"BOX": str(self.box)}, stdin=subprocess.DEVNULL,
        )
        eventually((self.box / "ready").exists, what="the box")
        super().__init__(dev, folder, endpoint or dev.env["AWS_ENDPOINT_URL"], name=name)

    def start(self):
        log = open(self.folder / "agent.log", "ab")
        agent = [program("drawbridge-agent"), "run", "--state-dir", self.state]
        self.process = subprocess.Popen(self.inside(*agent), env=clean_environment(), stdin=subprocess.DEVNULL,
                                        stdout=log, stderr=log)
        log.close()

    def inside(self, *argv):
        """The command line that runs something as root in the box."""
        [first] = pathlib.Path(f"/proc/{self.init.pid}/task/{self.init.pid}/children").read_text().split()
        return ["nsenter", "--target", first, "--mount", "--pid", *map(str, argv)]

    def run(self, *argv, check=True, text=True, **options):
        """Runs something as root in the box."""
        if "input" not in options:
            options["stdin"] = subprocess.DEVNULL
        return subprocess.run(self.inside(*argv), env=clean_environment(), capture_output=True, text=text, check=check,
                              timeout=PATIENCE, **options)

    def shell(self, script):
        """Runs a script as root in the box; answers what it prints."""
        return self.run("sh", "-euc", script).stdout.strip()

    def add_user(self, name, sudo=False):
        """Makes an account with a home, and lets it use sudo."""
        self.run("useradd", "--create-home", "--shell", "/bin/bash", name)
        if sudo:
            rule = f"{name} ALL=(ALL) NOPASSWD:ALL"
            self.shell(f"umask 227; echo {shlex.quote(rule)} > /etc/sudoers.d/{name}")

    def processes(self):
        """The command lines of everything that runs in the box, itself excepted."""
        listed = self.shell("ps -eo pid=,args=").splitlines()
        return [line.split(None, 1)[1] for line in listed if not line.rstrip().endswith("ps -eo pid=,args=")]

    def __exit__(self, *exception):
        super().__exit__(*exception)
        self.init.kill()
        self.init.wait(PATIENCE)
