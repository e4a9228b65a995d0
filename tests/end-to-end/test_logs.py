"""Log groups, streams and events, by the AWS CLI, boto3 and Terraform."""

import itertools
import json
import time

import pytest

from principals import ACCOUNT, administrator, allow, denied, refused
from terraform import Terraform

names = (f"/e2e/{number}" for number in itertools.count())

MINUTE = 60_000


def now():
    return int(time.time() * 1000)


@pytest.fixture
def group(dev):
    """A group of the test's own, with a stream `s`."""
    logs, name = administrator(dev).client("logs"), next(names)
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="s")
    yield name
    logs.delete_log_group(logGroupName=name)


def put(logs, group, *messages, stream="s", at=None):
    events = [{"timestamp": (at or now()) + nth, "message": message} for nth, message in enumerate(messages)]
    return logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def test_events_are_written_and_read_by_the_cli(dev, group):
    """As AWS's agent does: look for the group by its name, ask for the token, write; the first time there is none."""
    found = dev.aws("logs", "describe-log-groups", "--log-group-name-prefix", group)["logGroups"]
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{group}"
    assert [(it["logGroupName"], it["arn"], it["logGroupArn"]) for it in found] == [(group, f"{arn}:*", arn)]
    events = json.dumps([{"timestamp": now(), "message": f"line {nth}"} for nth in range(3)])
    stream = ["--log-group-name", group, "--log-stream-name", "s"]

    def described():
        return dev.aws("logs", "describe-log-streams", "--log-group-name", group)["logStreams"][0]

    assert "uploadSequenceToken" not in described()
    first = json.dumps([{"timestamp": now() - MINUTE, "message": "first"}])
    dev.aws("logs", "put-log-events", *stream, "--log-events", first)
    token = described()["uploadSequenceToken"]
    answer = dev.aws("logs", "put-log-events", *stream, "--sequence-token", token, "--log-events", events)
    assert answer["nextSequenceToken"] != token
    read = dev.aws("logs", "get-log-events", *stream, "--limit", "2")
    assert [event["message"] for event in read["events"]] == ["line 1", "line 2"]
    end = dev.aws("logs", "get-log-events", *stream, "--next-token", read["nextForwardToken"])
    assert (end["events"], end["nextForwardToken"]) == ([], read["nextForwardToken"])
    searched = dev.aws("logs", "filter-log-events", "--log-group-name", group, "--filter-pattern", '"line 0"')
    assert [event["message"] for event in searched["events"]] == ["line 0"]


def test_tail_shows_what_is_there_and_follows_what_comes(dev, group, terminal):
    if dev.aws("--version", check=False).stdout.startswith("aws-cli/1"):
        pytest.skip("`aws logs tail` is in version 2 of the AWS CLI")
    logs = administrator(dev).client("logs")
    put(logs, group, "written before")
    tail = terminal(["aws", "logs", "tail", group, "--follow", "--format", "short"], dev.env)
    tail.wait_for("written before")
    put(logs, group, "written meanwhile")
    tail.wait_for("written meanwhile")
    assert tail.text().count("written before") == 1


def test_whoever_follows_a_group_sees_each_event_once(dev, group):
    """The calls of `aws logs tail --follow`: a search to its end, and again from the time of the last event."""
    logs, seen, last = administrator(dev).client("logs"), {}, {"startTime": now() - MINUTE}

    def follow():
        search = last | {"logGroupName": group, "interleaved": True, "limit": 2}
        while True:
            page = logs.filter_log_events(**search)
            for event in page["events"]:
                seen.setdefault(event["eventId"], event["message"])
                last["startTime"] = max(last["startTime"], event["timestamp"])
            if "nextToken" not in page:
                return list(seen.values())
            search["nextToken"] = page["nextToken"]

    at = now()
    put(logs, group, "a", "b", "c", at=at)
    assert follow() == ["a", "b", "c"]
    assert follow() == ["a", "b", "c"]
    # Of the time of the last one, and later.
    put(logs, group, "d", "e", at=at + 2)
    assert follow() == ["a", "b", "c", "d", "e"]


def test_pages_of_boto3_have_every_event_once(dev, group):
    logs = administrator(dev).client("logs")
    for stream in ("t", "u"):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
    start, expected = now() - MINUTE, []
    for nth in range(30):
        stream = "stu"[nth % 3]
        # Every second batch begins before the one that was written last.
        at = start + nth * 10 - (nth % 2) * 25
        messages = [f"{nth}.{it}" for it in range(4)]
        put(logs, group, *messages, stream=stream, at=at)
        expected += [(at + it, nth, message) for it, message in enumerate(messages)]
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, PaginationConfig={"PageSize": 7})
    read = [(event["timestamp"], event["message"]) for page in pages for event in page["events"]]
    assert read == [(at, message) for at, _, message in sorted(expected)]
    groups = logs.get_paginator("describe_log_streams").paginate(
        logGroupName=group, orderBy="LastEventTime", descending=True, PaginationConfig={"PageSize": 1})
    assert [stream["logStreamName"] for page in groups for stream in page["logStreams"]] == ["t", "u", "s"]


def test_the_largest_batch_arrives_whatever_it_is_written_as(dev, group):
    """A megabyte of what JSON writes as six characters each, in one event, and ten thousand small ones."""
    logs = administrator(dev).client("logs")
    longest = "\x01" * (1_048_576 - 26)
    put(logs, group, longest, at=now() - MINUTE)
    put(logs, group, *["é"] * 10_000)
    events, token = [], {}
    while True:
        page = logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True, **token)
        if not page["events"]:
            break
        events += page["events"]
        token = {"nextToken": page["nextForwardToken"]}
    assert [event["message"] for event in events] == [longest] + ["é"] * 10_000
    refused(logs.put_log_events, "InvalidParameterException", logGroupName=group, logStreamName="s",
            logEvents=[{"timestamp": now(), "message": longest + "x"}])


def test_what_is_too_old_or_too_new_is_told(dev, group):
    logs, day = administrator(dev).client("logs"), 24 * 60 * MINUTE
    old = put(logs, group, "old", at=now() - 15 * day)
    assert old["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    new = put(logs, group, "new", at=now() + 3 * 60 * MINUTE)
    assert new["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 0}
    dev.aws("logs", "put-retention-policy", "--log-group-name", group, "--retention-in-days", "1")
    expired = put(logs, group, "expired", "kept", at=now() - day - 1)
    assert expired["rejectedLogEventsInfo"]["expiredLogEventEndIndex"] >= 1
    refused(logs.put_retention_policy, "InvalidParameterException", logGroupName=group, retentionInDays=2)


def test_a_policy_keeps_a_principal_to_its_own_group(dev, group):
    """Groups as AWS's policies write them, with an asterisk; and tags, by name and by ARN."""
    admin = administrator(dev)
    logs, arn = admin.client("logs"), f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{group}"
    own = admin.new_user(
        "log-writer", allow(["logs:CreateLogStream", "logs:PutLogEvents"], f"{arn}:*"),
        allow("logs:DescribeLogStreams", StringEquals={"aws:ResourceTag/Team": "web"})).client("logs")
    other = next(names)
    logs.create_log_group(logGroupName=other)
    own.create_log_stream(logGroupName=group, logStreamName="own")
    put(own, group, "mine", stream="own")
    denied(own.create_log_stream, "logs:CreateLogStream", logGroupName=other, logStreamName="own")
    denied(own.get_log_events, "logs:GetLogEvents", logGroupName=group, logStreamName="own")
    denied(own.describe_log_groups, "logs:DescribeLogGroups")
    denied(own.describe_log_streams, "logs:DescribeLogStreams", logGroupName=group)
    logs.tag_resource(resourceArn=arn, tags={"Team": "web"})
    assert logs.list_tags_log_group(logGroupName=group)["tags"] == {"Team": "web"}
    assert own.describe_log_streams(logGroupName=group)["logStreams"]
    logs.delete_log_group(logGroupName=other)


def test_a_protected_group_cannot_be_deleted_until_it_is_not(dev):
    logs, name = administrator(dev).client("logs"), next(names)
    logs.create_log_group(logGroupName=name, deletionProtectionEnabled=True)
    refused(logs.delete_log_group, "ValidationException", logGroupName=name)
    logs.put_log_group_deletion_protection(logGroupIdentifier=name, deletionProtectionEnabled=False)
    logs.delete_log_group(logGroupName=name)
    refused(logs.delete_log_group, "ResourceNotFoundException", logGroupName=name)


def test_a_group_with_a_key_is_closed_while_the_key_is_disabled(dev):
    admin, name = administrator(dev), next(names)
    logs, kms = admin.client("logs"), admin.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    own = kms.get_key_policy(KeyId=key)["Policy"]
    refused(logs.create_log_group, "InvalidParameterException", "logs.us-east-1.amazonaws.com", logGroupName=name,
            kmsKeyId=key)
    policy = json.loads(own)
    policy["Statement"].append({
        "Effect": "Allow", "Principal": {"Service": "logs.us-east-1.amazonaws.com"}, "Resource": "*",
        "Action": ["kms:Decrypt*", "kms:Encrypt*", "kms:GenerateDataKey*"]})
    kms.put_key_policy(KeyId=key, Policy=json.dumps(policy))
    logs.create_log_group(logGroupName=name, kmsKeyId=key)
    assert logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0]["kmsKeyId"] == key
    logs.create_log_stream(logGroupName=name, logStreamName="s")
    put(logs, name, "sealed")

    def messages(reader):
        return [event["message"] for event in reader.get_log_events(logGroupName=name, logStreamName="s")["events"]]

    kms.disable_key(KeyId=key)
    event = {"timestamp": now(), "message": "x"}
    refused(logs.put_log_events, "InvalidParameterException", "disabled", logGroupName=name, logStreamName="s",
            logEvents=[event])
    refused(logs.get_log_events, "InvalidParameterException", "disabled", logGroupName=name, logStreamName="s")
    refused(logs.filter_log_events, "InvalidParameterException", "disabled", logGroupName=name)
    refused(logs.create_log_group, "InvalidParameterException", logGroupName=next(names), kmsKeyId=key)
    kms.enable_key(KeyId=key)
    assert messages(logs) == ["sealed"]

    reader = admin.new_user("sealed-log-reader", allow("logs:*"))
    assert messages(reader.client("logs")) == ["sealed"], "the service uses the key, not who reads"
    kms.put_key_policy(KeyId=key, Policy=own)
    refused(logs.get_log_events, "AccessDeniedException", "kms:Decrypt", logGroupName=name, logStreamName="s")
    kms.put_key_policy(KeyId=key, Policy=json.dumps(policy))

    logs.disassociate_kms_key(logGroupName=name)
    put(logs, name, "open")
    assert messages(logs) == ["sealed", "open"]
    logs.delete_log_group(logGroupName=name)


def test_events_outlive_the_server_that_took_them(own_dev):
    logs = administrator(own_dev).client("logs")
    logs.create_log_group(logGroupName="kept", tags={"Team": "web"})
    logs.create_log_stream(logGroupName="kept", logStreamName="s")
    put(logs, "kept", "acknowledged")
    own_dev.kill()
    own_dev.start()
    own_dev.wait_ready()
    read = own_dev.aws("logs", "get-log-events", "--log-group-name", "kept", "--log-stream-name", "s")
    assert [event["message"] for event in read["events"]] == ["acknowledged"]
    assert not any(b"acknowledged" in file.read_bytes() for file in own_dev.folder.rglob("*.sqlite*"))


def test_events_of_the_audit_log(own_dev):
    """What changes groups is kept; the events themselves are not."""
    logs = administrator(own_dev).client("logs")
    logs.create_log_group(logGroupName="/e2e/audited")
    logs.create_log_stream(logGroupName="/e2e/audited", logStreamName="s")
    put(logs, "/e2e/audited", "a message")
    logs.get_log_events(logGroupName="/e2e/audited", logStreamName="s")
    found = own_dev.aws("cloudtrail", "lookup-events", "--lookup-attributes",
                        "AttributeKey=EventSource,AttributeValue=logs.amazonaws.com")["Events"]
    assert [event["EventName"] for event in found] == ["CreateLogStream", "CreateLogGroup"]
    assert found[1]["Resources"] == [{"ResourceType": "AWS::Logs::LogGroup", "ResourceName": "/e2e/audited"}]


TERRAFORM = """
variable "days" {
  type    = number
  default = 30
}

data "aws_caller_identity" "own" {}

resource "aws_kms_key" "sessions" {
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Action    = "kms:*"
        Resource  = "*"
        Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.own.account_id}:root" }
      },
      {
        Effect    = "Allow"
        Action    = ["kms:Decrypt*", "kms:Describe*", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
        Resource  = "*"
        Principal = { Service = "logs.us-east-1.amazonaws.com" }
      },
    ]
  })
}

resource "aws_cloudwatch_log_group" "sessions" {
  name_prefix       = "tf-sessions-"
  retention_in_days = var.days
  kms_key_id        = var.days == 0 ? null : aws_kms_key.sessions.arn
  tags              = { Days = var.days }
}

resource "aws_cloudwatch_log_stream" "own" {
  name           = "own"
  log_group_name = aws_cloudwatch_log_group.sessions.name
}

output "name" {
  value = aws_cloudwatch_log_group.sessions.name
}
"""


@pytest.mark.terraform
def test_terraform_makes_changes_and_destroys_a_group(dev, tmp_path):
    terraform, logs = Terraform(dev, tmp_path, TERRAFORM), administrator(dev).client("logs")
    _, applied = terraform("apply", "-auto-approve")
    assert "Apply complete! Resources: 3 added" in applied
    different, plan = terraform("plan", "-detailed-exitcode", check=(0, 2))
    assert not different, plan
    _, name = terraform("output", "-raw", "name")

    def described():
        return logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]

    assert described()[0]["retentionInDays"] == 30
    for days, shown in (("7", 7), ("0", None)):
        change = ["-var", f"days={days}"]
        terraform("apply", "-auto-approve", *change)
        assert described()[0].get("retentionInDays") == shown
        assert ("kmsKeyId" in described()[0]) == (shown is not None)
        assert logs.list_tags_log_group(logGroupName=name)["tags"] == {"Days": days}
        different, plan = terraform("plan", "-detailed-exitcode", *change, check=(0, 2))
        assert not different, plan
    _, destroyed = terraform("destroy", "-auto-approve")
    assert "Destroy complete! Resources: 3 destroyed." in destroyed
    assert not described()
