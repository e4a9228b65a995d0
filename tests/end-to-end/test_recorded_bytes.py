"""What is recorded is what the client saw, byte for byte: binary, a lot of it, and while the terminal is resized.

`DRAWBRIDGE_RECORDED_BYTES` says how much; in the suite it is little.
"""

import base64
import hashlib
import os
import re
import subprocess

import pexpect

from drawbridge import PATIENCE, program
from test_recordings import call, connect, live_session, recorded

SIZE = int(os.environ.get("DRAWBRIDGE_RECORDED_BYTES", 8 * 1024 * 1024))
STORM_BYTES = 1024 * 1024
RESIZES = 300


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
    shell = terminal(connect(dev), dev.env)
    shell.line("stty -echo; PS1=")
    shell.line("printf 'be%s\\n' gin")
    shell.wait_for(b"begin\r\n")
    session = live_session(dev)
    shell.line(f"head -c {STORM_BYTES} /dev/urandom; until [ \"$(stty size)\" = '40 90' ]; do :; done; exit 0")
    # Read by hand: the emulated screen would take its time.
    sizes = [(10 + number % 90, 20 + number % 180) for number in range(RESIZES)] + [(40, 90)]
    while True:
        if sizes:
            shell.child.setwinsize(*sizes.pop(0))
        try:
            shell.raw += shell.child.read_nonblocking(4096, 0.001 if sizes else PATIENCE)
        except pexpect.TIMEOUT:
            assert sizes, "the session never ended"
        except pexpect.EOF:
            break
    assert "Broken" not in recorded(dev, session)
    kept = b"".join(output(dev, session))
    assert len(kept) > STORM_BYTES and kept in bytes(shell.raw)
    resized = [(event["Rows"], event["Columns"]) for event in events(dev, session) if event["Kind"] == "Resize"]
    assert len(resized) > 10 and resized[-1] == (40, 90), resized[-5:]
