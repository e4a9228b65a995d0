"""Sessions with `kmsKeyId`: encrypted from end to end, with the key checked before anything starts."""

import contextlib
import json
import os
import subprocess
import tempfile

import pytest

from drawbridge import PATIENCE, Dev, Node, Server, eventually, finished, program
from principals import ACCOUNT, AWS_POLICY, NODE_ROLE, Principal, administrator, allow, document, refused
from test_enrolled_nodes import EnrolledNode
from test_first_session import START, session_of
from test_shared import Shared

PREFERENCES = "SSM-SessionManagerRunShell"
MARK = "recog" + "nizable"
SAY = "echo recog''nizable-$((40 + 2))"


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    with Dev(tmp_path_factory.mktemp("encrypted")) as running:
        yield running


@pytest.fixture(scope="module")
def admin(dev):
    return administrator(dev)


@pytest.fixture(scope="module")
def key(admin):
    """A key of the account that everybody of it may use, as far as their own policies allow; node roles may."""
    made = admin.client("kms").create_key()["KeyMetadata"]
    admin.client("kms").create_alias(AliasName="alias/sessions", TargetKeyId=made["KeyId"])
    admin.iam.put_role_policy(RoleName=NODE_ROLE, PolicyName="keys", PolicyDocument=document(allow("kms:Decrypt")))
    return made


def session_document(admin, name, key, session_type="Standard_Stream", **more):
    content = {"schemaVersion": "1.0", "sessionType": session_type, "inputs": {"kmsKeyId": key}} | more
    admin.ssm.create_document(Name=name, DocumentType="Session", Content=json.dumps(content))
    return name


def command_document(admin, name, key, session_type="NonInteractiveCommands"):
    commands = {"commands": "{{ command }}"}
    if session_type == "NonInteractiveCommands":
        commands["separateOutputStream"] = True
    return session_document(admin, name, key, session_type,
                            parameters={"command": {"type": "String"}}, properties={"linux": commands})


def lives(terminal, env, node, name, leave="exit"):
    """A shell of this document shows and takes what it should."""
    shell = terminal([*START, node, "--document-name", name], env)
    shell.wait_for("This session is encrypted using AWS KMS.")
    shell.line(SAY)
    shell.wait_for(f"{MARK}-42")
    if leave:
        shell.line(leave)
        assert shell.end() == 0
    return shell


def journal(dev):
    """All that the journal holds, and does not forget just now."""
    content = []
    for path in (dev.data / "journal").rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            content += [path.read_bytes()] if path.is_file() else []
    return b"".join(content)


def test_a_key_by_its_id_its_alias_and_their_arns(dev, admin, key, terminal):
    names = [key["KeyId"], key["Arn"], "alias/sessions", f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/sessions"]
    for number, name in enumerate(names):
        lives(terminal, dev.env, dev.node, session_document(admin, f"Named{number}", name))


def test_each_end_asks_for_the_key_in_its_own_name_and_context(dev, admin, key, terminal):
    name = session_document(admin, "Context", "alias/sessions")
    shell = lives(terminal, dev.env, dev.node, name, leave=None)
    context = {"aws:ssm:SessionId": session_of(shell), "aws:ssm:TargetId": dev.node}

    def uses(name):
        found = admin.cloudtrail.lookup_events(
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}])["Events"]
        events = [json.loads(event["CloudTrailEvent"]) for event in found]
        return [event for event in events
                if event["requestParameters"].get("encryptionContext") == context and "errorCode" not in event]
    [made] = uses("GenerateDataKey")
    [opened] = uses("Decrypt")
    assert made["userIdentity"]["arn"].endswith(":user/admin")
    assert opened["userIdentity"]["arn"].endswith(f"/{dev.node}")
    for event in (made, opened):
        assert [resource["ARN"] for resource in event["resources"]] == [key["Arn"]]
    shell.line("exit")
    shell.end()


def test_the_server_keeps_nothing_that_can_be_read(dev, admin, key, terminal):
    name = session_document(admin, "Unread", "alias/sessions")
    shell = lives(terminal, dev.env, dev.node, name, leave=None)
    assert MARK.encode() in shell.raw
    assert journal(dev) and MARK.encode() not in journal(dev)
    shell.line("exit")
    assert shell.end() == 0
    assert MARK.encode() not in journal(dev)


def test_connect_with_a_document(dev, admin, key, terminal):
    name = session_document(admin, "Connected", "alias/sessions")
    shell = terminal([program("drawbridge"), "connect", "--document", name, dev.node], dev.env)
    shell.wait_for("This session is encrypted using AWS KMS.")
    shell.line(f"{SAY}; exit")
    shell.wait_for(f"{MARK}-42")
    assert shell.end() == 0
    refusal = dev.cli("connect", "--document", "Nothing", dev.node)
    assert refusal.returncode == 8 and "Document with name Nothing does not exist" in refusal.stderr


def test_exec_and_cp_over_documents_with_a_key(dev, admin, key, tmp_path):
    name = command_document(admin, "Command", "alias/sessions")

    def run(*arguments, **options):
        return finished([program("drawbridge"), *arguments], env=dev.env, **options)
    done = run("exec", "--document", name, dev.node, "--", "sh", "-c", "cat; echo err >&2; exit 7", input=b"through\n")
    assert (done.returncode, done.stdout, done.stderr) == (7, b"through\n", b"err\n")
    (tmp_path / "from").write_bytes(bytes(range(256)) * 4000)
    there = run("cp", "--document", name, str(tmp_path / "from"), f"{dev.node}:{tmp_path}/to", stdin=subprocess.DEVNULL)
    assert there.returncode == 0, there.stderr
    assert (tmp_path / "to").read_bytes() == (tmp_path / "from").read_bytes()


def test_an_interactive_command(dev, admin, key, terminal):
    name = command_document(admin, "OnTerminal", "alias/sessions", "InteractiveCommands")
    run = terminal([*START, dev.node, "--document-name", name, "--parameters",
                    json.dumps({"command": ["read -p 'name? ' name; echo \"<$name>\""]})], dev.env)
    run.wait_for(b"name? ")
    run.line("Ada")
    run.wait_for("<Ada>")
    run.end()


def test_others_join_with_the_right_to_decrypt(dev, admin, key, terminal):
    name = session_document(admin, "Joined", "alias/sessions")
    shell = lives(terminal, dev.env, dev.node, name, leave=None)
    session = session_of(shell)
    watcher = terminal([program("drawbridge"), "sessions", "watch", session], dev.env)
    eventually(lambda: watcher.pump() and watcher.raw, what="the prompt")
    shell.line("echo seen''-by-all")
    watcher.wait_for(b"seen-by-all")
    watcher.close()

    eve = admin.new_user("Eve", allow(["drawbridge:WatchSession", "drawbridge:AttachSession", "ssm:DescribeSessions"]))
    curious = terminal([program("drawbridge"), "sessions", "watch", session], eve.env)
    curious.wait_for("which is encrypted")
    curious.wait_for("kms:Decrypt")
    assert curious.end() != 0

    other = terminal([program("drawbridge"), "sessions", "attach", session], dev.env)
    shell.wait_for("taken over by another client")
    shell.end()
    other.line("echo taken''-over")
    other.wait_for(b"taken-over")
    other.line("exit")
    other.end()


def test_a_session_outlives_its_connections(dev, admin, key, proxy, terminal):
    name = session_document(admin, "Cut", "alias/sessions")
    shell = lives(terminal, dev.through(proxy), dev.node, name, leave=None)
    assert proxy.cut() > 0
    shell.line("echo after''-the-cut; exit")
    shell.wait_for(b"after-the-cut")
    assert shell.end() == 0


def test_a_tunnel_is_not_encrypted_and_needs_no_key(dev, admin):
    name = session_document(admin, "Tunnel", "alias/nowhere", "Port", properties={"portNumber": "22"})
    answer = admin.ssm.start_session(Target=dev.node, DocumentName=name)
    admin.ssm.terminate_session(SessionId=answer["SessionId"])


def test_a_key_that_cannot_be_used_refuses_the_session(dev, admin, key):
    def start(name, by=admin, code="InvalidDocument", text=""):
        return refused(by.ssm.start_session, code, text, Target=dev.node, DocumentName=name)
    before = dev.live()
    kms = admin.client("kms")
    start(session_document(admin, "Nowhere", "alias/nowhere"), text="alias/nowhere")

    spare = kms.create_key()["KeyMetadata"]["KeyId"]
    name = session_document(admin, "Spare", spare)
    kms.disable_key(KeyId=spare)
    start(name, text="is disabled")
    kms.enable_key(KeyId=spare)
    kms.schedule_key_deletion(KeyId=spare, PendingWindowInDays=7)
    start(name, text="pending deletion")

    allowed = allow(["ssm:StartSession", "ssm:TerminateSession"])
    mallory = admin.new_user("Mallory", allowed)
    name = session_document(admin, "Mallory", "alias/sessions")
    start(name, mallory, "AccessDeniedException", "kms:GenerateDataKey")

    root = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"}
    nodes = {"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*",
             "Condition": {"StringLike": {"aws:PrincipalArn": f"*{NODE_ROLE}*"}}}
    narrow = kms.create_key(Policy=json.dumps({"Version": "2012-10-17", "Statement": [root, nodes]}))["KeyMetadata"]
    start(session_document(admin, "Narrow", narrow["Arn"]), code="AccessDeniedException", text=f"by node {dev.node}")
    assert dev.live() <= before
    events = admin.cloudtrail.lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "StartSession"}])["Events"]
    assert any("key" in json.loads(event["CloudTrailEvent"]).get("errorMessage", "") for event in events)


def test_a_key_that_is_disabled_later_ends_nothing(dev, admin, key, terminal):
    kms = admin.client("kms")
    spare = kms.create_key()["KeyMetadata"]["KeyId"]
    shell = lives(terminal, dev.env, dev.node, session_document(admin, "Later", spare), leave=None)
    kms.disable_key(KeyId=spare)
    shell.line("echo still''-here; exit")
    shell.wait_for(b"still-here")
    assert shell.end() == 0


def test_commands_beside_an_encrypted_shell_are_read_by_nobody_between(dev, admin, key):
    name = session_document(admin, "Shared", "alias/sessions")
    sent = os.urandom(3_000_000)
    with tempfile.TemporaryDirectory() as folder, Shared(dev, folder, arguments=("-N", "--document", name)) as shared:
        done = shared.run("sh", "-c", f"{SAY}; {SAY} >&2; cat; exit 3", input=b"recog" b"nizable-input\n")
        assert (done.returncode, done.stdout) == (3, f"{MARK}-42\n{MARK}-input\n".encode())
        assert done.stderr == f"{MARK}-42\n".encode()
        assert shared.run("cat", input=sent).stdout == sent
        running = [shared.start("sh", "-c", f"cat; exit {n}") for n in range(20)]
        for n, process in enumerate(running):
            out, _ = process.communicate(b"x" * 50_000, timeout=PATIENCE)
            assert (process.returncode, len(out)) == (n, 50_000)
        session = shared.session
        assert MARK.encode() not in journal(dev)
    replayed = eventually(lambda: (shown := dev.cli("replay", session, "--text")).stdout.count("ended with code") >= 22 and shown)
    assert "[command 1 was started beside the shell: sh -c " in replayed.stdout
    assert f"[command 1: {MARK}-42]" in replayed.stdout and f"[command 1, errors: {MARK}-42]" in replayed.stdout
    eve = admin.new_user("Blind", allow(["drawbridge:GetSessionRecording"]))
    blind = dev.cli("replay", session, "--text", env=eve.env)
    assert MARK not in blind.stdout + blind.stderr


def test_whoever_takes_an_encrypted_shell_over_ends_the_commands_beside_it(dev, admin, key, terminal):
    name = session_document(admin, "SharedOn", "alias/sessions")
    with tempfile.TemporaryDirectory() as folder, Shared(dev, folder, arguments=("-N", "--document", name)) as shared:
        with shared.start("sh", "-c", "cat; echo end") as running:
            running.stdin.write(b"one\n")
            running.stdin.flush()
            assert running.stdout.readline() == b"one\n"
            # Whoever takes the shell over begins anew: the command of the client before is ended.
            other = terminal([program("drawbridge"), "sessions", "attach", shared.session], dev.env)
            assert running.wait(PATIENCE) == 255
            other.line("echo taken''-over; exit")
            other.wait_for(b"taken-over")
            other.end()


@pytest.fixture
def organization(tmp_path):
    with Server(tmp_path / "server") as running:
        yield running


def test_a_key_of_another_account(organization, tmp_path, terminal):
    """Seed 000: one account has the key, another the node; a node that was registered cannot use it."""
    dev, owner = organization, administrator(organization)
    made = json.loads(dev.cli("accounts", "create", "workload", "--json").stdout)
    workload = Principal(dev, made["AccessKeyId"], made["SecretAccessKey"])
    account = made["AccountId"]
    everything = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    own = owner.sts.get_caller_identity()["Account"]
    policy = {"Version": "2012-10-17", "Statement": [
        everything | {"Principal": {"AWS": f"arn:aws:iam::{own}:root"}},
        {"Effect": "Allow", "Action": ["kms:GenerateDataKey", "kms:Decrypt"], "Resource": "*",
         "Principal": {"AWS": f"arn:aws:iam::{account}:root"}}]}
    key = owner.client("kms").create_key(Policy=json.dumps(policy))["KeyMetadata"]["Arn"]
    name = session_document(workload, "Shared", key)

    workload.new_role("Instances", {"Service": "ec2.amazonaws.com"}, allow("kms:Decrypt", key))
    workload.iam.attach_role_policy(RoleName="Instances", PolicyArn=AWS_POLICY + "AmazonSSMManagedInstanceCore")
    workload.iam.create_instance_profile(InstanceProfileName="instances")
    workload.iam.add_role_to_instance_profile(InstanceProfileName="instances", RoleName="Instances")
    workload.new_role("Hybrid", {"Service": "ssm.amazonaws.com"}, allow("kms:Decrypt", key))
    workload.iam.attach_role_policy(RoleName="Hybrid", PolicyArn=AWS_POLICY + "AmazonSSMManagedInstanceCore")
    plain, dev.env = dev.env, workload.env
    try:
        with EnrolledNode(dev, tmp_path / "enrolled", "--instance-profile", "instances") as node:
            lives(terminal, workload.env, node.node, name)
        activation = dev.aws("ssm", "create-activation", "--iam-role", "Hybrid")
        with Node(dev, tmp_path / "hybrid", dev.env["AWS_ENDPOINT_URL"], activation=activation) as node:
            refused(workload.ssm.start_session, "AccessDeniedException", "cannot use a key of another account",
                    Target=node.node, DocumentName=name)
    finally:
        dev.env = plain
