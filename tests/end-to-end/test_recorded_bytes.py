"""What is recorded is what the client saw, byte for byte: binary, a lot of it, and while the terminal is resized.

`DRAWBRIDGE_RECORDED_BYTES` says how much; in the suite it is little.
"""

import base64
import hashlib
import os
import re
import subprocess

from drawbridge import program
from test_recordings import call, connected, recorded

SIZE = int(os.environ.get("DRAWBRIDGE_RECORDED_BYTES", 8 * 1024 * 1024))
STORM_BYTES = 1024 * 1024
RESIZES = 300
CALM_RESIZES = 10

# Says each new size of its terminal, and leaves at the last one.
TELLS_SIZES = """\
until [ "$is" = '40 90' ]; do was=$is; is=$(stty size); [ "$is" = "$was" ] || printf '\\nis %s\\n' "$is"; done; exit 0"""


def events(dev, session):
    """Everything in a recording."""
    page = {"NextToken": None}
    while page.get("NextToken", "") != "":
        asked = {"NextToken": page["NextToken"]} if page["NextToken"] else {}
        page = call(dev, "GetSessionRecording", {"SessionId": session} | asked)
        yield from page["Events"]
        if page.get("Complete"):
            return


def output(dev, session):
    for event in events(dev, session):
        if event["Kind"] == "Output":
            yield base64.b64decode(event["Bytes"])


def digest(pieces):
    hashed, length = hashlib.sha256(), 0
    for piece in pieces:
        hashed.update(piece)
        length += len(piece)
    return hashed.hexdigest(), length


def test_a_stream_of_noise_is_recorded_as_it_was_written_and_seen(dev, tmp_path):
    written = tmp_path / "written"
    # The shell waits for the digest: what it leaves behind ends with its session.
    script = f"mkfifo {tmp_path}/noise && {{ sha256sum < {tmp_path}/noise > {written} & }} && head -c {SIZE} /dev/urandom | tee {tmp_path}/noise; wait"
    said = open(tmp_path / "stderr", "w+")
    with subprocess.Popen([program("drawbridge"), "exec", "--verbose", dev.node, "--", "bash", "-c", script], env=dev.env,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said) as client:
        seen = digest(iter(lambda: client.stdout.read1(65536), b""))
    said.seek(0)
    log = said.read()
    assert client.returncode == 0, log
    assert seen[1] == SIZE
    assert seen[0] == written.read_text().split()[0]
    session = re.search(r"[\w+=,.@-]+-0[0-9a-f]{16}\b", log)[0]
    assert "Broken" not in recorded(dev, session)
    assert digest(output(dev, session)) == seen


def test_a_storm_of_sizes_takes_and_adds_nothing(dev, terminal):
    shell, session = connected(terminal, dev)
    shell.line("stty -echo; PS1=")
    shell.line("printf 'be%s\\n' gin")
    shell.wait_for(b"begin\r\n")
    shell.line(f"head -c {STORM_BYTES} /dev/urandom; {TELLS_SIZES}")
    for number in range(RESIZES):
        shell.child.setwinsize(10 + number % 90, 20 + number % 180)
        shell.pump(0.001)
    # Of those in the storm a slow machine may see the last only.
    for number in range(CALM_RESIZES):
        shell.child.setwinsize(200 + number, 90)
        shell.wait_for(b"\r\nis %d 90\r\n" % (200 + number))
    shell.child.setwinsize(40, 90)
    assert shell.end() == 0
    assert "Broken" not in recorded(dev, session)
    kept = b"".join(output(dev, session))
    assert len(kept) > STORM_BYTES and kept in bytes(shell.raw)
    resized = [(event["Rows"], event["Columns"]) for event in events(dev, session) if event["Kind"] == "Resize"]
    assert len(resized) > CALM_RESIZES and resized[-1] == (40, 90), resized[-5:]
