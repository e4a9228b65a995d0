"""One short command beside OpenSSH on loopback, in one run: `cargo xtask bench` starts this after the terminal's measurements."""

import argparse
import pathlib
import statistics
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from terminal import Ssh, row  # noqa: E402
from drawbridge import Dev, clean_environment, program  # noqa: E402


def took(argv, env):
    """Milliseconds from starting a program to its end, which must be a good one."""
    before = time.perf_counter()
    subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   check=True)
    return (time.perf_counter() - before) * 1e3


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--quick", action="store_true", help="fewer samples, to see that it runs")
    rounds = 5 if arguments.parse_args().quick else 50
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        with Dev(folder / "dev") as dev:
            # Without the account's own files: a `.bashrc` that starts programs is no cost of ssh's.
            ssh = Ssh(folder, "-o", f"SetEnv=HOME={folder}")
            options = ["-q", "-F", "/dev/null", "-p", str(ssh.port), "-i", str(folder / "user"),
                       "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
            shared = ["-o", f"ControlPath={folder}/control"]
            master = subprocess.Popen(["ssh", *options, *shared, "-M", "-N", "127.0.0.1"], env=clean_environment(),
                                      stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while not (folder / "control").exists():
                assert master.poll() is None, "the shared connection ended"
                time.sleep(0.05)
            runtime = {"XDG_RUNTIME_DIR": str(folder / "r")}
            (folder / "r").mkdir(mode=0o700)
            ours_shared = subprocess.Popen([program("drawbridge"), "connect", "--persist", "-N", dev.node],
                                           env=dev.env | runtime, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
            assert ours_shared.stderr.readline().endswith(b" is shared\n"), "our connection is not shared"
            contenders = [
                ([program("drawbridge"), "exec", dev.node, "--", "true"], dev.env),
                (["ssh", *options, "127.0.0.1", "true"], clean_environment()),
                (["ssh", *options, *shared, "127.0.0.1", "true"], clean_environment()),
                ([program("drawbridge"), "exec", dev.node, "--", "true"], dev.env | runtime),
            ]
            turns = [[took(*contender) for contender in contenders] for _ in range(rounds)]
            ours, fresh, multiplexed, over_shared = [statistics.median(side) for side in zip(*turns)]
            print("| measurement | drawbridge | ssh | ratio | aim |\n| --- | --- | --- | --- | --- |")
            row("`exec node -- true` / `ssh host true`, median", ours, fresh, "ms", "<= 0.5")
            row("the same / ssh over an open ControlMaster", ours, multiplexed, "ms", "-")
            row("exec over `connect --persist` / ssh over an open ControlMaster", over_shared, multiplexed, "ms", "<= 2")
            ours_shared.send_signal(signal.SIGINT)
            ours_shared.wait()
            master.terminate()
            ssh.process.terminate()


if __name__ == "__main__":
    main()
