"""The logs that a node writes, in AWS's formats: the transcript in a bucket, the events in a log group."""

import json
import re
import types

import pytest
from botocore.exceptions import ClientError

from drawbridge import Dev, eventually
from principals import ACCOUNT, AWS_POLICY, administrator, allow
from test_enrolled_nodes import EnrolledNode
from test_first_session import START
from test_shared import Shared, runtime  # noqa: F401

BUCKET = "ssm-session-logs-dev"
GROUP = "SSM-Logs"
GROUPS = ("dev", "prod")


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    with Dev(tmp_path_factory.mktemp("logged")) as running:
        yield running


@pytest.fixture(scope="module")
def admin(dev):
    return administrator(dev)


@pytest.fixture(scope="module")
def s3(admin):
    client = admin.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture(scope="module")
def logs(admin):
    client = admin.client("logs")
    client.create_log_group(logGroupName=GROUP)
    return client


def profile(admin, group):
    """An instance profile of one group of nodes, which may write under a path of their own only."""
    role = f"OpsEC2SSM{group}"
    admin.new_role(
        role, {"Service": "ec2.amazonaws.com"},
        allow(["s3:PutObject", "s3:PutObjectAcl"], f"arn:aws:s3:::{BUCKET}/{group}/*"),
        allow("s3:GetEncryptionConfiguration", f"arn:aws:s3:::{BUCKET}"),
        allow(["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
              f"arn:aws:logs:*:{ACCOUNT}:log-group:{GROUP}:*"),
        allow("logs:DescribeLogGroups"),
    )
    admin.iam.attach_role_policy(RoleName=role, PolicyArn=AWS_POLICY + "AmazonSSMManagedInstanceCore")
    admin.iam.create_instance_profile(InstanceProfileName=role)
    admin.iam.add_role_to_instance_profile(InstanceProfileName=role, RoleName=role)
    return role


@pytest.fixture(scope="module")
def nodes(dev, admin, tmp_path_factory):
    """A node of each group."""
    enrolled = {}
    for group in GROUPS:
        folder = tmp_path_factory.mktemp(group)
        enrolled[group] = EnrolledNode(dev, folder, "--instance-profile", profile(admin, group), "--name", group)
    yield enrolled
    for node in enrolled.values():
        node.__exit__(None, None, None)


def document(admin, name, session_type="Standard_Stream", properties=None, **inputs):
    """A session document with these inputs; answers its name."""
    content = {"schemaVersion": "1.0", "description": name, "sessionType": session_type, "inputs": inputs}
    if properties:
        content["properties"] = properties
    admin.ssm.create_document(Name=name, DocumentType="Session", Content=json.dumps(content))
    return name


@pytest.fixture(scope="module")
def everywhere(admin, s3, logs):
    return document(admin, "Everywhere", s3BucketName=BUCKET, s3KeyPrefix="dev",
                    cloudWatchLogGroupName=GROUP, cloudWatchStreamingEnabled=True)


class Shell:
    """A shell on a node at its first prompt."""

    def __init__(self, terminal, dev, node, name=None, **options):
        named = ["--document-name", name] if name else []
        self.terminal = terminal([*START, node.node, *named], dev.env, **options)
        self.terminal.wait_for(b"Starting session with SessionId: ")
        self.says("ready")
        self.id = re.search(rb"SessionId: ([\w+=,.@-]+)", bytes(self.terminal.raw)).group(1).decode()

    def says(self, word):
        """Has the shell say a word that was not typed as it is."""
        self.terminal.line(f"printf 'sh-%s\\n' {word}")
        self.terminal.wait_for(f"sh-{word}\r\n".encode())

    def exit(self):
        self.terminal.line("exit")
        assert self.terminal.end() == 0


def transcript(s3, key):
    """An object, once it is there."""
    def read():
        try:
            return s3.get_object(Bucket=BUCKET, Key=key)
        except s3.exceptions.NoSuchKey:
            return None
    return eventually(read, what=f"object {key}")


def messages(logs, stream, group=GROUP):
    try:
        events = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"] for event in events]


def lines(logs, stream, group=GROUP):
    return [line for message in messages(logs, stream, group) for line in json.loads(message)["sessionData"]]


def complaint(node, *words):
    """Waits for a line of the agent's log in which all these words are."""
    def found():
        log = (node.folder / "agent.log").read_text().splitlines()
        return next((line for line in log if all(word in line for word in words)), None)
    return eventually(found, what=f"{words} in the agent's log")


def test_a_shell_is_streamed_while_it_runs_and_kept_whole(dev, admin, terminal, s3, logs, nodes, everywhere):
    shell = Shell(terminal, dev, nodes["dev"], everywhere)
    shell.says("streamed")
    eventually(lambda: "sh-streamed" in lines(logs, shell.id), what="the line in the stream")
    shell.exit()

    kept = transcript(s3, f"dev/{shell.id}.log")
    assert kept["ContentType"] == "text/plain"
    assert kept["ServerSideEncryption"] == "AES256"
    text = kept["Body"].read().decode()
    assert text.startswith("Script started on 20") and "\nScript done on 20" in text
    assert "sh-streamed\r\n" in text

    eventually(lambda: any("exit" in line for line in lines(logs, shell.id)), what="the last line in the stream")
    all_lines = lines(logs, shell.id)
    assert all_lines.count("sh-ready") == 1 and all_lines.count("sh-streamed") == 1
    assert not any(steer in line for line in all_lines for steer in "\x1b\r\t\n")
    event = json.loads(messages(logs, shell.id)[0])
    assert event["eventVersion"] == "1.0" and event["awsRegion"] == "us-east-1"
    assert event["target"] == {"id": nodes["dev"].node} and event["sessionId"] == shell.id
    assert event["userIdentity"] == {"arn": admin.arn}
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["eventTime"])
    assert event["runAsUser"]

    told = dev.ended(shell.id)["OutputUrl"]
    assert told["S3OutputUrl"].endswith(f"/{BUCKET}/dev/{shell.id}.log")
    assert told["CloudWatchOutputUrl"].endswith(f"group={GROUP};stream={shell.id}")


def test_a_log_that_is_not_streamed_comes_afterwards_as_text(dev, admin, terminal, logs, nodes):
    name = document(admin, "Afterwards", cloudWatchLogGroupName=GROUP)
    shell = Shell(terminal, dev, nodes["dev"], name)
    assert messages(logs, shell.id) == []
    shell.exit()
    [text] = eventually(lambda: messages(logs, shell.id), what="the log")
    assert text.startswith("Script started on 20") and "sh-ready\n" in text and "\nScript done on 20" in text


def test_what_a_command_says_is_kept(dev, admin, terminal, s3, nodes):
    commands = "sh -c 'echo out; echo err >&2; exit 3'"
    name = document(admin, "Command", "NonInteractiveCommands", {"linux": {"commands": commands}},
                    s3BucketName=BUCKET, s3KeyPrefix="dev")
    run = terminal([*START, nodes["dev"].node, "--document-name", name], dev.env)
    run.end()

    def ended():
        found = dev.aws("ssm", "describe-sessions", "--state", "History", "--filters",
                        f"key=Target,value={nodes['dev'].node}")["Sessions"]
        return [session["SessionId"] for session in found if session["DocumentName"] == name]
    [session] = eventually(ended, what="the session's end")
    text = transcript(s3, f"dev/{session}.log")["Body"].read().decode()
    assert "out\n" in text and "err\n" in text


def test_commands_beside_a_shell_are_kept_too(dev, admin, s3, nodes, runtime):
    preferences = document(admin, "SSM-SessionManagerRunShell", s3BucketName=BUCKET, s3KeyPrefix="dev")
    node = types.SimpleNamespace(env=dev.env, node=nodes["dev"].node)
    with Shared(node, runtime) as shared:
        assert shared.run("echo", "beside the shell").stdout == b"beside the shell\n"
    admin.ssm.delete_document(Name=preferences)
    text = transcript(s3, f"dev/{shared.session}.log")["Body"].read().decode()
    assert "[command beside the shell: echo beside the shell]" in text
    assert "\nbeside the shell\n" in text


def test_a_node_of_another_group_cannot_write_there(dev, terminal, s3, nodes, everywhere):
    shell = Shell(terminal, dev, nodes["prod"], everywhere)
    shell.says("works-all-the-same")
    shell.exit()
    key = f"dev/{shell.id}.log"
    complaint(nodes["prod"], f"Failed uploading {shell.id}.log to s3://{BUCKET}/{key} err:AccessDenied: ")
    with pytest.raises(ClientError):
        s3.head_object(Bucket=BUCKET, Key=key)


def test_a_log_group_that_is_missing_stops_no_session(dev, admin, terminal, nodes):
    for streamed in (True, False):
        name = document(admin, f"Nowhere-{streamed}", cloudWatchLogGroupName="none",
                        cloudWatchStreamingEnabled=streamed)
        shell = Shell(terminal, dev, nodes["dev"], name)
        shell.exit()
        complaint(nodes["dev"], shell.id, "Failed sending", "log group none")


@pytest.mark.parametrize("inputs, words", [
    ({"s3BucketName": "no-such-bucket", "s3EncryptionEnabled": True},
     "encryption is not set up on the selected Amazon S3 bucket `no-such-bucket`"),
    ({"cloudWatchLogGroupName": GROUP, "cloudWatchEncryptionEnabled": True},
     f"encryption is not set up on the selected CloudWatch Logs log group `{GROUP}`"),
    ({"cloudWatchLogGroupName": "none", "cloudWatchEncryptionEnabled": True},
     "the selected CloudWatch Logs log group `none` does not exist"),
])
def test_there_is_no_session_without_the_encryption_that_is_demanded(dev, admin, terminal, logs, s3, nodes, inputs,
                                                                     words):
    name = document(admin, f"Demanding-{abs(hash(words))}", **inputs)
    refused = terminal([*START, nodes["dev"].node, "--document-name", name], dev.env)
    refused.end()
    said = " ".join(bytes(refused.raw).decode().split())
    assert f"Unable to start shell: {words}" in said, said


def test_a_bucket_that_encrypts_is_as_good_as_its_word(dev, admin, terminal, s3, nodes):
    name = document(admin, "Encrypted", s3BucketName=BUCKET, s3KeyPrefix="dev", s3EncryptionEnabled=True)
    shell = Shell(terminal, dev, nodes["dev"], name)
    shell.exit()
    assert transcript(s3, f"dev/{shell.id}.log")["ServerSideEncryption"] == "AES256"


def test_a_session_that_is_terminated_has_its_log(dev, terminal, s3, nodes, everywhere):
    shell = Shell(terminal, dev, nodes["dev"], everywhere)
    dev.aws("ssm", "terminate-session", "--session-id", shell.id)
    shell.terminal.end()
    assert "sh-ready" in transcript(s3, f"dev/{shell.id}.log")["Body"].read().decode()


def test_a_log_outlives_the_agent_and_the_server(dev, terminal, s3, logs, nodes, everywhere):
    node = nodes["dev"]
    shell = Shell(terminal, dev, node, everywhere)
    node.process.kill()
    node.process.wait()
    shell.says("without-agent")
    dev.kill()
    dev.start()
    node.start()
    shell.says("after-both")
    shell.exit()
    text = transcript(s3, f"dev/{shell.id}.log")["Body"].read().decode()
    assert [text.count(f"sh-{word}\r\n") for word in ("ready", "without-agent", "after-both")] == [1, 1, 1]
    eventually(lambda: any("exit" in line for line in lines(logs, shell.id)), what="the last line in the stream")
    seen = [line for line in lines(logs, shell.id) if line.startswith("sh-") and "$" not in line]
    assert seen == ["sh-ready", "sh-without-agent", "sh-after-both"]
