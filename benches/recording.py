"""What recording costs a terminal: two servers in one run, and one of them cannot record: `cargo xtask bench` starts this.

The second server's folder of recordings is a file, and both servers' documents say `failOpen`: its sessions go on
unrecorded. Its journal is written all the same. The two take turns within each measurement.
"""

import argparse
import contextlib
import json
import pathlib
import statistics
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from terminal import MEBI, Ours, cat, echoes, row  # noqa: E402
from drawbridge import Dev  # noqa: E402

PREFERENCES = json.dumps({
    "schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": {"drawbridge": {"failOpen": True}},
})


@contextlib.contextmanager
def server(folder, records):
    with Dev(folder) as dev:
        dev.aws("ssm", "create-document", "--name", "SSM-SessionManagerRunShell", "--document-type", "Session",
                "--content", PREFERENCES)
        if not records:
            (dev.data / "recordings").rmdir()
            (dev.data / "recordings").touch()
        yield dev


def throughput(contenders, path, rounds):
    """MiB/s and CPU seconds, the medians of each contender."""
    runs = [[cat(contender, path) for contender in contenders] for _ in range(rounds)]
    sides = [list(zip(*side)) for side in zip(*runs)]
    return [64 / statistics.median(side[0]) for side in sides], [statistics.median(side[1]) for side in sides]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--quick", action="store_true", help="fewer samples, to see that it runs")
    quick = arguments.parse_args().quick
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        big = folder / "big"
        line = b"the quick brown fox jumps over the lazy dog and runs away again\n"
        big.write_bytes(line * (64 * MEBI // len(line)))
        with server(folder / "on", records=True) as on, server(folder / "off", records=False) as off:
            contenders = Ours(on), Ours(off)
            print("\n| measurement | recorded | not recorded | ratio | aim |\n| --- | --- | --- | --- | --- |")
            samples = echoes(contenders, 100 if quick else 2000)
            for label, quantile in (("p50", 0.50), ("p99", 0.99)):
                with_, without = [sorted(side)[int(len(side) * quantile)] * 1e3 for side in samples]
                aim = f"less than 1 ms more, was {with_ - without:+.2f} ms" if label == "p99" else "-"
                row(f"keystroke echo {label}", with_, without, "ms", aim)
            rates, spent = throughput(contenders, big, 1 if quick else 7)
            row("64 MiB `cat`", *rates, "MiB/s", ">= 0.9")
            row("64 MiB `cat`, CPU of all processes", *spent, "s", "-")
            assert any((on.data / "recordings").iterdir()), "nothing was recorded"
            assert (off.data / "recordings").is_file(), "it was recorded after all"


if __name__ == "__main__":
    main()
