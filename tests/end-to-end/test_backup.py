"""A backup of a running server is restored elsewhere: with its users, nodes, documents and evidence, and without its live sessions."""

import json
import os
import stat
import subprocess

import pytest

from drawbridge import PATIENCE, Dev, Server, Terminal, clean_environment, eventually, program
from principals import Principal, administrator
from test_first_session import START, session_of

MARK = "a-secret-that-only-the-session-shows"


@pytest.fixture(scope="module")
def made(own_server):
    """What stands in the backup: a user with a key, a document, a live session, and the backup itself."""
    dev, folder, terminal = own_server
    admin = administrator(dev)
    alice = admin.new_user("alice", {"Effect": "Allow", "Action": "*", "Resource": "*"})
    dev.aws("ssm", "create-document", "--name", "Kept", "--document-type", "Session", "--content",
            json.dumps({"schemaVersion": "1.0", "sessionType": "Standard_Stream", "description": "kept"}))
    shell = terminal([*START, dev.node], alice.env)
    shell.wait_for(b"Starting session with SessionId: ")
    shell.line(f"stty -echo; echo {MARK[:8]}''{MARK[8:]}")
    shell.wait_for(MARK.encode())
    session = session_of(shell)
    # What was shown may be a moment ahead of what is on disk.
    eventually(lambda: MARK in dev.cli("replay", session, "--text").stdout, what="the mark in the recording")
    backup = folder / "backup"
    done = dev.cli("backup", backup, "--data-dir", dev.data)
    assert done.returncode == 0, done.stderr
    assert "the root key is not in it" in done.stderr
    # What comes later is not in it.
    admin.new_user("bob")
    shell.line("echo goes-''on")
    shell.wait_for(b"goes-on")
    return {"dev": dev, "backup": backup, "alice": alice, "session": session, "shell": shell}


@pytest.fixture(scope="module")
def own_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backup")
    opened = []

    def terminal(argv, env):
        opened.append(Terminal(argv, env))
        return opened[-1]

    with Dev(folder / "dev") as running:
        yield running, folder, terminal
        for one in opened:
            one.close()


def restore(backup, data, *arguments):
    return subprocess.run([program("drawbridge"), "restore", backup, "--data-dir", data, *arguments],
                          env=clean_environment(), capture_output=True, text=True, timeout=PATIENCE)


def restored(made, folder):
    data = folder / "data"
    done = restore(made["backup"], data, "--root-key", made["dev"].data / "root.key", "--json")
    assert done.returncode == 0, done.stderr
    return data, json.loads(done.stdout)


def test_a_thief_of_a_backup_gets_no_secret(made):
    assert stat.S_IMODE(made["backup"].stat().st_mode) == 0o600
    plain = subprocess.run(["zstd", "-dc", made["backup"]], capture_output=True, check=False).stdout
    if not plain:
        pytest.skip("no zstd on this machine")
    data = made["dev"].data
    for name in ("root.key", "ca.key"):
        assert (data / name).read_bytes() not in plain, name
    for secret in (made["dev"].env["AWS_SECRET_ACCESS_KEY"], made["alice"].secret, MARK):
        assert secret.encode() not in plain


def test_a_restored_server_goes_on_from_that_moment(made, tmp_path):
    data, told = restored(made, tmp_path / "server")
    assert told["sessionsEnded"] == 1 and told["backup"]["rootKeyIncluded"] is False
    for path in data.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    verify = [program("drawbridge"), "audit", "verify", "--data-dir", data]
    done = subprocess.run(verify, env=clean_environment(), capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, "the audit log is whole: events 1 to" in done.stdout) == (0, True), done.stderr

    with Server(tmp_path / "server") as server:
        # The same authority, so that nodes and clients trust the server as before.
        assert (data / "ca.pem").read_bytes() == (made["dev"].data / "ca.pem").read_bytes()
        alice = Principal(server, made["alice"].key, made["alice"].secret)
        assert alice.arn.endswith(":user/alice")
        users = [user["UserName"] for user in alice.iam.list_users()["Users"]]
        assert "alice" in users and "bob" not in users
        assert json.loads(alice.ssm.get_document(Name="Kept")["Content"])["description"] == "kept"
        assert [node["InstanceId"] for node in alice.ssm.describe_instance_information()["InstanceInformationList"]] \
            == [made["dev"].node]
        ended = server.session(made["session"], "History")
        assert ended["Status"] == "Failed"
        assert "the server was restored from a backup" in ended["Details"]
        assert server.session(made["session"]) is None
        # What the session had shown by then is evidence still.
        assert MARK in server.cli("replay", made["session"], "--text", env=alice.env).stdout
        resumed = alice.ssm.resume_session(SessionId=made["session"])
        assert "TokenValue" not in resumed
        assert eventually(lambda: alice.cloudtrail.lookup_events(
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "ResumeSession"}])["Events"])
    done = subprocess.run(verify, env=clean_environment(), capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    # The server that was copied noticed nothing.
    made["shell"].line("echo still-''here")
    made["shell"].wait_for(b"still-here")


def test_nothing_is_restored_without_the_key_or_over_something(made, tmp_path):
    data = tmp_path / "data"
    done = restore(made["backup"], data)
    assert done.returncode == 2 and "does not hold the root key" in done.stderr and "hint: " in done.stderr
    other = tmp_path / "other.key"
    other.write_bytes(os.urandom(32))
    other.chmod(0o600)
    done = restore(made["backup"], data, "--root-key", other)
    assert done.returncode == 2 and "made with another root key" in done.stderr
    assert [path.name for path in data.iterdir()] == ["lock"]
    (data / "something").touch()
    done = restore(made["backup"], data, "--root-key", made["dev"].data / "root.key")
    assert done.returncode == 4 and "is not an empty folder" in done.stderr


def test_a_backup_with_the_key_goes_through_a_pipe(made, tmp_path):
    dev = made["dev"]
    data = tmp_path / "data"
    with subprocess.Popen([program("drawbridge"), "backup", "-", "--with-root-key", "--data-dir", dev.data],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment()) as backup:
        done = subprocess.run([program("drawbridge"), "restore", "-", "--data-dir", data], stdin=backup.stdout,
                              env=clean_environment(), capture_output=True, text=True, timeout=PATIENCE)
        assert b"warning: the backup holds the root key" in backup.stderr.read()
    assert (backup.returncode, done.returncode) == (0, 0), done.stderr
    assert "sessions of that time that were ended: 1" in done.stdout
    assert (data / "root.key").read_bytes() == (dev.data / "root.key").read_bytes()
    assert not any(path.name.startswith(".backup-") for path in [*dev.data.iterdir(), *data.iterdir()])


def test_a_server_makes_no_other_root_key(made, tmp_path):
    server = Server(tmp_path / "server")
    restored(made, server.folder)
    (server.data / "root.key").unlink()
    done = subprocess.run(server.command(), env=clean_environment(), capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 4
    assert "root.key` is missing, and the data folder was made with it\nhint: put the copy of it back" in done.stderr
    assert not (server.data / "root.key").exists()
