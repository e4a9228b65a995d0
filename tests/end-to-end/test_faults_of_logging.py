"""What fails while a session is logged: what its user sees, and what the auditor has afterwards.

A line that the user saw was acknowledged. Whatever fails, the server's recording has it; `docs/reference/faults.md`
says the rest.
"""

import contextlib
import copy
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from drawbridge import PATIENCE, REFUSED, Dev, Proxy, eventually, hang_up
from principals import ACCOUNT, AWS_POLICY, administrator, allow, document
from test_enrolled_nodes import EnrolledNode
from test_first_session import START
from test_recordings import recorded, replay, text
from test_session_logs import Shell, complaint, lines

ROLE = "Logged"
DOCUMENT = "Logged"
BUCKET = "session-logs"
GROUP = "session-logs"
NODE_RETURNS = 60  # seconds a session waits for its node


def prepared(dev):
    """A bucket, a log group, a document that names both, and an instance profile that may write to them."""
    admin = administrator(dev)
    admin.client("s3").create_bucket(Bucket=BUCKET)
    admin.client("logs").create_log_group(logGroupName=GROUP)
    admin.new_role(
        ROLE, {"Service": "ec2.amazonaws.com"},
        allow(["s3:PutObject", "s3:PutObjectAcl", "s3:GetEncryptionConfiguration"], f"arn:aws:s3:::{BUCKET}*"),
        allow("logs:*", f"arn:aws:logs:*:{ACCOUNT}:log-group:*"), allow("kms:Decrypt"))
    admin.iam.attach_role_policy(RoleName=ROLE, PolicyArn=AWS_POLICY + "AmazonSSMManagedInstanceCore")
    admin.iam.create_instance_profile(InstanceProfileName=ROLE)
    admin.iam.add_role_to_instance_profile(InstanceProfileName=ROLE, RoleName=ROLE)
    logged(admin, DOCUMENT)
    return admin


def logged(admin, name, **inputs):
    inputs = {"s3BucketName": BUCKET, "cloudWatchLogGroupName": GROUP, "cloudWatchStreamingEnabled": True} | inputs
    content = {"schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": inputs}
    admin.ssm.create_document(Name=name, DocumentType="Session", Content=json.dumps(content))
    return name


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    with Dev(tmp_path_factory.mktemp("faults")) as running:
        yield running


@pytest.fixture(scope="module")
def admin(dev):
    return prepared(dev)


@pytest.fixture(scope="module")
def node(dev, admin, tmp_path_factory):
    with EnrolledNode(dev, tmp_path_factory.mktemp("node"), "--instance-profile", ROLE) as node:
        yield node


def quiet(terminal, dev, node, name=DOCUMENT, **options):
    """A shell that shows neither what is typed nor a prompt."""
    shell = Shell(terminal, dev, node, name, **options)
    shell.terminal.line("stty -echo; PS1=; printf 'sh-%s\\n' quiet")
    shell.terminal.wait_for(b"sh-quiet\r\n")
    return shell


def counts(shell, last, first=1):
    """Has the shell print numbered lines."""
    shell.terminal.line(f"for i in $(seq {first} {last}); do echo line-$i-; done")


def seen(shell):
    """The numbers that the user saw."""
    return re.findall(r"line-(\d+)-\r\n", bytes(shell.terminal.raw).decode(errors="replace"))


def numbers(kept):
    return re.findall(r"line-(\d+)-$", kept.replace("\r", ""), re.MULTILINE)


def up_to(last):
    return [str(number) for number in range(1, last + 1)]


def has_everything(dev, shell):
    """The recording is complete, and begins with every line that was seen, once each and in order."""
    shown = recorded(dev, shell.id)
    assert "Broken" not in shown, shown
    kept = numbers(text(dev, shell.id))
    assert kept[:len(seen(shell))] == seen(shell)
    assert kept == up_to(len(kept))
    return kept


def transcript(admin, session, bucket=BUCKET):
    s3 = admin.client("s3")

    def read():
        try:
            return s3.get_object(Bucket=bucket, Key=f"{session}.log")["Body"].read().decode()
        except s3.exceptions.NoSuchKey:
            return None
    return eventually(read, what=f"the transcript of {session}")


def streamed(admin, shell, last):
    """Waits for the last line in the stream, and checks that it has them all."""
    def found():
        return numbers("\n".join(lines(admin.client("logs"), shell.id, GROUP)))
    eventually(lambda: str(last) in found(), what=f"line {last} in the stream")
    assert found() == up_to(last)


def test_the_bucket_is_gone(dev, admin, node, terminal):
    admin.client("s3").create_bucket(Bucket=f"{BUCKET}-gone")
    shell = quiet(terminal, dev, node, logged(admin, "BucketGone", s3BucketName=f"{BUCKET}-gone"))
    counts(shell, 100)
    shell.terminal.wait_for(b"line-100-\r\n")
    admin.client("s3").delete_bucket(Bucket=f"{BUCKET}-gone")
    counts(shell, 200, first=101)
    shell.terminal.wait_for(b"line-200-\r\n")
    shell.exit()
    complaint(node, f"Failed uploading {shell.id}.log to s3://{BUCKET}-gone/{shell.id}.log err:NoSuchBucket: ")
    assert has_everything(dev, shell) == up_to(200)
    streamed(admin, shell, 200)


def test_the_log_group_is_deleted(dev, admin, node, terminal):
    logs = admin.client("logs")
    logs.create_log_group(logGroupName=f"{GROUP}-gone")
    shell = quiet(terminal, dev, node, logged(admin, "GroupGone", cloudWatchLogGroupName=f"{GROUP}-gone"))
    counts(shell, 100)
    eventually(lambda: "line-100-" in lines(logs, shell.id, f"{GROUP}-gone"), what="the line in the stream")
    logs.delete_log_group(logGroupName=f"{GROUP}-gone")
    counts(shell, 200, first=101)
    shell.terminal.wait_for(b"line-200-\r\n")
    shell.exit()
    complaint(node, shell.id, f"log group {GROUP}-gone")
    assert has_everything(dev, shell) == up_to(200)
    assert numbers(transcript(admin, shell.id)) == up_to(200)


def test_the_key_of_the_log_group_is_disabled(dev, admin, node, terminal):
    logs, kms = admin.client("logs"), admin.client("kms")
    everything = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    policy = document(everything | {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}},
                      everything | {"Principal": {"Service": "logs.us-east-1.amazonaws.com"}})
    key = kms.create_key(Policy=policy)["KeyMetadata"]
    logs.create_log_group(logGroupName=f"{GROUP}-sealed", kmsKeyId=key["Arn"])
    shell = quiet(terminal, dev, node, logged(admin, "GroupSealed", cloudWatchLogGroupName=f"{GROUP}-sealed"))
    counts(shell, 100)
    eventually(lambda: "line-100-" in lines(logs, shell.id, f"{GROUP}-sealed"), what="the line in the stream")
    kms.disable_key(KeyId=key["KeyId"])
    counts(shell, 200, first=101)
    shell.terminal.wait_for(b"line-200-\r\n")
    shell.exit()
    complaint(node, shell.id, f"log group {GROUP}-sealed", "disabled")
    assert has_everything(dev, shell) == up_to(200)
    assert numbers(transcript(admin, shell.id)) == up_to(200)
    kms.enable_key(KeyId=key["KeyId"])
    kept = numbers("\n".join(lines(logs, shell.id, f"{GROUP}-sealed")))
    assert kept == up_to(len(kept)) and len(kept) >= 100


def test_the_key_of_sessions_is_disabled(dev, admin, node, terminal):
    kms = admin.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    name = logged(admin, "Keyed", kmsKeyId=key)
    shell = quiet(terminal, dev, node, name)
    counts(shell, 100)
    shell.terminal.wait_for(b"line-100-\r\n")
    kms.disable_key(KeyId=key)
    counts(shell, 200, first=101)
    shell.terminal.wait_for(b"line-200-\r\n")
    shell.exit()
    recorded(dev, shell.id)
    closed = replay(dev, shell.id, "--text")
    assert closed.returncode != 0 and b"is disabled" in closed.stderr and b"line-" not in closed.stdout, closed
    assert numbers(transcript(admin, shell.id)) == up_to(200)
    streamed(admin, shell, 200)
    before = dev.live()
    other = terminal([*START, node.node, "--document-name", name], dev.env)
    other.wait_for("is disabled")
    assert other.end() in REFUSED
    assert dev.live() <= before
    kms.enable_key(KeyId=key)
    assert has_everything(dev, shell) == up_to(200)


def test_the_agent_is_killed_and_comes_back(dev, admin, node, terminal):
    shell = quiet(terminal, dev, node)
    counts(shell, 5000)
    shell.terminal.wait_for(b"line-50-\r\n")
    node.process.kill()
    node.process.wait(PATIENCE)
    shell.terminal.wait_for(b"line-5000-\r\n")
    node.start()
    node.wait_connected()
    shell.exit()
    assert seen(shell) == up_to(5000)
    assert has_everything(dev, shell) == up_to(5000)
    assert numbers(transcript(admin, shell.id)) == up_to(5000)
    streamed(admin, shell, 5000)


def test_the_network_of_the_node_is_cut(dev, admin, tmp_path, terminal):
    with Proxy(dev.port) as proxy:
        away = copy.copy(dev)
        away.env = dev.through(proxy)
        with EnrolledNode(away, tmp_path, "--instance-profile", ROLE) as node:
            node.dev = dev
            shell = quiet(terminal, dev, node)
            counts(shell, 5000)
            shell.terminal.wait_for(b"line-50-\r\n")
            proxy.open = False
            assert proxy.cut() > 0
            eventually(lambda: not node.connected(), what="node offline")
            proxy.open = True
            shell.terminal.wait_for(b"line-5000-\r\n")
            shell.exit()
            assert seen(shell) == up_to(5000)
            assert has_everything(dev, shell) == up_to(5000)
            assert numbers(transcript(admin, shell.id)) == up_to(5000)
            streamed(admin, shell, 5000)


def test_the_node_is_powered_off(dev, admin, tmp_path, terminal):
    """Nothing on the node has a chance to say anything, and it does not come back."""
    with EnrolledNode(dev, tmp_path, "--instance-profile", ROLE) as node:
        shell = quiet(terminal, dev, node)
        shell.terminal.line("while :; do i=$((i + 1)); echo line-$i-; done; echo pid-$PPID")
        shell.terminal.wait_for(b"line-1000-\r\n")
        power_off(node)
        shell.terminal.wait_for("The managed node is gone.", patience=NODE_RETURNS + PATIENCE)
        assert shell.terminal.end() == 255
        kept = has_everything(dev, shell)
        assert len(kept) >= len(seen(shell)) >= 1000
        assert dev.ended(shell.id)["Status"] == "Failed"


def power_off(node):
    """Kills an agent and everything that it started, at once as far as anybody can see."""
    family = [node.process.pid]
    for pid in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)  # so that nobody sees the others go
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
            # A thread may end before it is stopped.
            with contextlib.suppress(OSError):
                family += map(int, (task / "children").read_text().split())
    for pid in family:
        hang_up(pid)


def test_the_server_is_killed(own_dev, tmp_path, terminal):
    admin = prepared(own_dev)
    with EnrolledNode(own_dev, tmp_path / "node", "--instance-profile", ROLE) as node:
        shell = quiet(terminal, own_dev, node, errors=tmp_path / "errors")
        counts(shell, 20000)
        shell.terminal.wait_for(b"line-50-\r\n")
        for last in (20000, 40000):
            own_dev.kill()
            own_dev.start()
            shell.terminal.wait_for(f"line-{last}-\r\n".encode())
            if last == 20000:
                counts(shell, 40000, first=20001)
                shell.terminal.wait_for(b"line-20050-\r\n")
        shell.exit()
        assert seen(shell) == up_to(40000)
        assert has_everything(own_dev, shell) == up_to(40000)
        assert numbers(transcript(admin, shell.id)) == up_to(40000)
        streamed(admin, shell, 40000)


@contextlib.contextmanager
def on_a_disk(server, mib):
    """Runs a server whose data folder is a disk of its own."""
    server.data.mkdir(parents=True)
    mounted = os.getuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=700", "tmpfs", server.data],
        capture_output=True).returncode == 0
    if not mounted:
        pytest.skip("needs root to mount a small disk")
    try:
        with server:
            yield server
    finally:
        subprocess.run(["umount", "--lazy", server.data], check=True)


@pytest.fixture
def small_disk(tmp_path):
    with on_a_disk(Dev(tmp_path / "dev"), 64) as running:
        yield running


def fill(dev):
    """Takes all the room that a disk has; answers what takes it."""
    filler = dev.data / "filler"
    with open(filler, "wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(shutil.disk_usage(dev.data).free or 4096))
    return filler


def test_the_disk_of_the_server_is_full(small_disk, tmp_path, terminal):
    dev = small_disk
    admin = prepared(dev)
    with EnrolledNode(dev, tmp_path / "node", "--instance-profile", ROLE) as node:
        shell = quiet(terminal, dev, node)
        counts(shell, 100)
        shell.terminal.wait_for(b"line-100-\r\n")
        filler = fill(dev)
        counts(shell, 100000, first=101)
        shell.terminal.wait_for("The session cannot be recorded, so it was ended: cannot write")
        assert shell.terminal.end() == 255
        other = dev.aws("ssm", "start-session", "--target", node.node, check=False)
        assert other.returncode in REFUSED and "The server has no room left on its disk." in other.stderr, other
        filler.unlink()
        # In the store, too, now that there is room.
        assert dev.ended(shell.id)["Status"] == "Failed"
        # What could not be recorded was not acknowledged either: the node still has it, and ships it.
        shown, kept = recorded(dev, shell.id), numbers(text(dev, shell.id))
        assert "Broken" not in shown and kept == up_to(len(kept)) and len(kept) >= 100, shown
        shipped = numbers(transcript(admin, shell.id))
        assert shipped == up_to(len(shipped)) and len(shipped) >= len(seen(shell))
        after = quiet(terminal, dev, node)
        counts(after, 100)
        after.terminal.wait_for(b"line-100-\r\n")
        after.exit()
        assert has_everything(dev, after) == up_to(100)
