"""Decisions, and signed, authorised, audited calls: `cargo xtask bench` starts this after the terminal's measurements."""

import argparse
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/end-to-end"))
from drawbridge import Dev, program  # noqa: E402


def main():
    # The same arguments as the terminal's; this takes no longer without `--quick`.
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--quick", action="store_true")
    arguments.parse_args()
    bench = program("drawbridge-bench-access")
    subprocess.run([bench, "decisions"], check=True)
    with tempfile.TemporaryDirectory() as folder, Dev(pathlib.Path(folder) / "dev") as dev:
        # The disk is measured where the server's store is.
        subprocess.run([bench, "calls"], check=True, env=dev.env | {"DRAWBRIDGE_DATA_DIR": folder})


if __name__ == "__main__":
    main()
