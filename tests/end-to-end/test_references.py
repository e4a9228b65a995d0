"""Session documents that refer to parameters of the server, which the node reads with its own rights."""

import json
import subprocess

from drawbridge import PATIENCE
from principals import administrator


def session(dev, admin, name, commands):
    """Makes a document of a command without a terminal and runs it; answers the finished process."""
    content = {"schemaVersion": "1.0", "sessionType": "NonInteractiveCommands",
               "properties": {"linux": {"commands": commands, "separateOutputStream": True}}}
    admin.ssm.create_document(Name=name, DocumentType="Session", Content=json.dumps(content))
    argv = ["aws", "ssm", "start-session", "--target", dev.node, "--document-name", name]
    return subprocess.run(argv, env=dev.env, capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)


def test_a_node_reads_what_its_document_refers_to(dev):
    admin = administrator(dev)
    for value in ("first", "second words"):
        admin.ssm.put_parameter(Name="/team/motd", Type="String", Value=value, Overwrite=True)
    done = session(dev, admin, "motd", "printf '<%s>' {{ssm:/team/motd:1}} '{{ ssm:/team/motd }}'")
    assert done.stdout == b"<first><second words>", done

    missing = session(dev, admin, "missing", "echo {{ssm:/team/none}}")
    said = (missing.stdout + missing.stderr).decode()
    assert "Unable to start command: parameter `/team/none` does not exist" in said, missing
    assert missing.returncode != 0
