"""Eight MiB each way through the terminal arrive byte for byte."""

import base64
import hashlib
import os

from test_first_session import started

SIZE = 8 * 1024 * 1024


def test_download(dev, terminal, tmp_path):
    content = base64.encodebytes(os.urandom(SIZE * 3 // 4))
    (tmp_path / "content").write_bytes(content)
    shell, _ = started(terminal, dev)
    shell.line(f"stty -onlcr -echo; printf BEGIN''MARK; cat {tmp_path}/content; printf END''MARK")
    shell.wait_for(b"BEGINMARK")
    shell.wait_for(b"ENDMARK")
    received = bytes(shell.raw).split(b"BEGINMARK", 1)[1].split(b"ENDMARK", 1)[0]
    assert hashlib.sha256(received).hexdigest() == hashlib.sha256(content).hexdigest()


def test_upload(dev, terminal):
    # No line begins with the escape character, so the bytes mean nothing to the plugin.
    content = base64.encodebytes(os.urandom(SIZE * 3 // 4))
    shell, _ = started(terminal, dev)
    shell.line(f"stty raw -echo; printf GO''MARK; head -c {len(content)} | sha256sum; stty sane; echo DONE''MARK")
    shell.wait_for(b"GOMARK")
    for start in range(0, len(content), 65536):
        shell.child.send(content[start:start + 65536])
    shell.wait_for(b"DONEMARK")
    assert hashlib.sha256(content).hexdigest().encode() in shell.raw
