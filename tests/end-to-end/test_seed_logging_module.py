"""Session logs as two public Terraform modules set them up: one group and bucket for all, and a path for each group.

What the modules have besides (networks, instances, interface endpoints) is not here: the nodes are enrolled.
"""

import json
import re
import types

import pytest
from botocore.exceptions import ClientError

from drawbridge import PATIENCE, Dev, eventually
from principals import ACCOUNT, AWS_POLICY, administrator, allow, denied
from test_classes_of_users import restricted_to
from test_enrolled_nodes import EnrolledNode
from test_recordings import recorded, text
from test_session_logs import Shell, complaint, lines, messages
from terraform import Terraform

PREFERENCES = "SSM-SessionManagerRunShell"
TEAM = "red"
BUCKET = "secure-ssm-s3"
PREFIX = f"AWSLogs/{ACCOUNT}/ssm_session_logs"
GROUPS_BUCKET = "expanse-ssm-session-logs-dev"

MODULE = """
data "aws_caller_identity" "current" {}
data "aws_region" "current" {}

variable "team" {
  default = "red"
}

variable "ssm_kms_key_id" {
  default = ""
}

variable "idle" {
  default = "20"
}

resource "aws_kms_key" "volumes" {}

resource "aws_iam_role" "node" {
  name = "ssm-ec2-role-${var.team}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid = "EC2AssumeRole", Action = "sts:AssumeRole", Effect = "Allow", Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
  tags = { ssmdemo = "true" }
}

resource "aws_iam_policy" "objects" {
  name        = "ssm_logs_policy_${data.aws_region.current.name}_${data.aws_caller_identity.current.account_id}"
  description = "put and get of session logs"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Action = ["s3:GetObject", "s3:PutObject", "s3:PutObjectAcl"], Effect = "Allow", Resource = "${aws_s3_bucket.logs.arn}/*"
    }]
  })
}

data "aws_iam_policy_document" "volumes" {
  statement {
    effect    = "Allow"
    actions   = ["kms:decrypt", "kms:encrypt"]
    resources = [aws_kms_key.volumes.arn]
  }
}

resource "aws_iam_policy" "volumes" {
  name   = "kms-ssm-allow"
  policy = data.aws_iam_policy_document.volumes.json
}

resource "aws_iam_policy_attachment" "objects" {
  name       = "ssm-attach"
  roles      = [aws_iam_role.node.name]
  policy_arn = aws_iam_policy.objects.arn
}

resource "aws_iam_policy_attachment" "core" {
  name       = "managed-ssm-policy-attach"
  roles      = [aws_iam_role.node.name]
  policy_arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_policy_attachment" "logs" {
  name       = "managed-cloudwatch-policy-attach"
  roles      = [aws_iam_role.node.name]
  policy_arn = "arn:aws:iam::aws:policy/CloudWatchLogsFullAccess"
}

resource "aws_iam_policy_attachment" "volumes" {
  name       = "inline-kms-policy-attach"
  roles      = [aws_iam_role.node.name]
  policy_arn = aws_iam_policy.volumes.arn
}

resource "aws_iam_instance_profile" "node" {
  name = "ssm-demo-profile-${var.team}"
  role = aws_iam_role.node.name
}

data "aws_iam_policy_document" "group_key" {
  statement {
    sid = "KMSPolicyAllowIAMManageAccess"
    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${data.aws_caller_identity.current.account_id}:root"]
    }
    actions   = ["kms:*"]
    resources = ["*"]
  }
  statement {
    sid = "AllowCloudWatchLogsKMS"
    principals {
      type        = "Service"
      identifiers = ["logs.${data.aws_region.current.name}.amazonaws.com"]
    }
    actions   = ["kms:Decrypt*", "kms:Describe*", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
    resources = ["*"]
  }
}

resource "aws_kms_key" "group" {
  description             = "of session logs"
  policy                  = data.aws_iam_policy_document.group_key.json
  enable_key_rotation     = true
  deletion_window_in_days = 30
}

resource "aws_cloudwatch_log_group" "sessions" {
  name_prefix       = "ssm-log-group-"
  retention_in_days = 30
  kms_key_id        = aws_kms_key.group.arn
}

resource "aws_s3_bucket" "logs" {
  bucket              = "%(bucket)s"
  object_lock_enabled = true
  tags                = { name = "ssm-logs", DataType = "SENSITIVE" }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "logs" {
  bucket = aws_s3_bucket.logs.bucket
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_ssm_document" "preferences" {
  name            = "SSM-SessionManagerRunShell"
  document_type   = "Session"
  document_format = "JSON"
  content = jsonencode({
    schemaVersion = "1.0"
    description   = "preferences of sessions"
    sessionType   = "Standard_Stream"
    inputs = {
      s3BucketName                = aws_s3_bucket.logs.id
      s3KeyPrefix                 = "AWSLogs/${data.aws_caller_identity.current.account_id}/ssm_session_logs"
      s3EncryptionEnabled         = false
      cloudWatchLogGroupName      = aws_cloudwatch_log_group.sessions.name
      cloudWatchEncryptionEnabled = false
      runAsEnabled                = false
      kmsKeyId                    = var.ssm_kms_key_id
      cloudWatchStreamingEnabled  = true
      idleSessionTimeout          = var.idle
    }
  })
}

output "group" {
  value = aws_cloudwatch_log_group.sessions.name
}
output "key" {
  value = aws_kms_key.group.arn
}
""" % {"bucket": BUCKET}


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    with Dev(tmp_path_factory.mktemp("modules")) as running:
        yield running


@pytest.fixture(scope="module")
def admin(dev):
    return administrator(dev)


@pytest.fixture(scope="module")
def s3(admin):
    return admin.client("s3")


def transcript(s3, bucket, key):
    """An object, once it is there."""
    def read():
        try:
            return s3.get_object(Bucket=bucket, Key=key)
        except s3.exceptions.NoSuchKey:
            return None
    return eventually(read, what=f"object {key}")


@pytest.mark.terraform
class TestOneForAll:
    """The module that sends every session of an account to one log group and one bucket."""

    @pytest.fixture(scope="class")
    def module(self, dev, admin, s3, tmp_path_factory):
        terraform = Terraform(dev, tmp_path_factory.mktemp("terraform"), MODULE)
        _, applied = terraform("apply", "-auto-approve")
        assert "Apply complete! Resources: 14 added" in applied
        outputs = json.loads(terraform("output", "-json")[1])
        yield types.SimpleNamespace(terraform=terraform, group=outputs["group"]["value"], key=outputs["key"]["value"])

    @pytest.fixture(scope="class")
    def node(self, dev, module, tmp_path_factory):
        with EnrolledNode(dev, tmp_path_factory.mktemp("node"), "--instance-profile", f"ssm-demo-profile-{TEAM}") as node:
            yield node

    def is_logged(self, dev, admin, terminal, s3, module, node):
        """A session under the preferences is in the stream while it runs and in the bucket after it."""
        logs = admin.client("logs")
        shell = Shell(terminal, dev, node)
        shell.says("streamed")
        eventually(lambda: "sh-streamed" in lines(logs, shell.id, module.group), what="the line in the stream")
        [event] = [event for event in map(json.loads, messages(logs, shell.id, module.group))
                   if "sh-streamed" in event["sessionData"]]
        assert (event["sessionId"], event["target"]["id"]) == (shell.id, node.node)
        assert event["userIdentity"] == {"arn": admin.arn}
        shell.exit()
        kept = transcript(s3, BUCKET, f"{PREFIX}/{shell.id}.log")
        assert kept["ServerSideEncryption"] == "AES256"
        assert b"sh-streamed\r\n" in kept["Body"].read()
        return shell

    def test_applied_and_planned_again(self, admin, module):
        different, plan = module.terraform("plan", "-detailed-exitcode", check=(0, 2))
        assert not different, plan
        [group] = admin.aws("logs", "describe-log-groups", "--log-group-name-prefix", "ssm-log-group-")["logGroups"]
        assert (group["logGroupName"], group["retentionInDays"], group["kmsKeyId"]) == (module.group, 30, module.key)
        lock = admin.aws("s3api", "get-object-lock-configuration", "--bucket", BUCKET)["ObjectLockConfiguration"]
        assert lock == {"ObjectLockEnabled": "Enabled"}
        assert admin.aws("kms", "get-key-rotation-status", "--key-id", module.key)["KeyRotationEnabled"]

    def test_a_session_under_the_document_of_terraform(self, dev, admin, terminal, s3, module, node):
        shell = self.is_logged(dev, admin, terminal, s3, module, node)
        streams = admin.aws("logs", "describe-log-streams", "--log-group-name", module.group)["logStreams"]
        assert shell.id in [stream["logStreamName"] for stream in streams]
        found = admin.aws("logs", "filter-log-events", "--log-group-name", module.group, "--log-stream-names", shell.id,
                          "--filter-pattern", '"sh-streamed"')["events"]
        assert found, "the event is not found by its line"
        assert json.loads(self.preferences(admin))["inputs"]["idleSessionTimeout"] == "20"

    def preferences(self, admin):
        return admin.aws("ssm", "get-document", "--name", PREFERENCES)["Content"]

    def test_a_session_under_preferences_that_were_updated(self, dev, admin, terminal, s3, module, node):
        """What the console does, and one minute instead of twenty to see that it is kept."""
        content = json.loads(self.preferences(admin))
        content["inputs"]["idleSessionTimeout"] = "1"
        updated = admin.aws("ssm", "update-document", "--name", PREFERENCES, "--document-version", "$LATEST",
                            "--content", json.dumps(content))["DocumentDescription"]
        admin.aws("ssm", "update-document-default-version", "--name", PREFERENCES, "--document-version",
                  updated["DocumentVersion"])
        left_alone = Shell(terminal, dev, node)
        self.is_logged(dev, admin, terminal, s3, module, node)
        left_alone.terminal.wait_for("idle", patience=2 * PATIENCE)
        left_alone.terminal.end()
        assert "sh-ready" in lines(admin.client("logs"), left_alone.id, module.group)
        assert b"sh-ready\r\n" in transcript(s3, BUCKET, f"{PREFIX}/{left_alone.id}.log")["Body"].read()

    def test_destroyed_once_the_bucket_is_empty(self, admin, s3, module, node):
        refused = module.terraform.run("destroy", "-auto-approve")
        assert refused.returncode and "BucketNotEmpty" in refused.stderr, refused
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=BUCKET):
            for version in page.get("Versions", []) + page.get("DeleteMarkers", []):
                s3.delete_object(Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"])
        _, destroyed = module.terraform("destroy", "-auto-approve")
        assert "Destroy complete!" in destroyed
        assert not module.terraform("state", "list")[1]
        key = admin.aws("kms", "describe-key", "--key-id", module.key)["KeyMetadata"]
        assert key["KeyState"] == "PendingDeletion"
        with pytest.raises(ClientError, match="404"):
            s3.head_bucket(Bucket=BUCKET)


class TestAPathForEachGroup:
    """The modules that give each group of nodes a role of its own, which may write below its group's path only."""

    @pytest.fixture(scope="class")
    def nodes(self, dev, admin, s3, tmp_path_factory):
        s3.create_bucket(Bucket=GROUPS_BUCKET)
        enrolled = {}
        for group in ("dev", "prod"):
            role = f"OpsEC2SSM{group}"
            admin.new_role(
                role, {"Service": "ec2.amazonaws.com"},
                allow(["s3:PutObject", "s3:PutObjectAcl"], f"arn:aws:s3:::{GROUPS_BUCKET}/{group}/*"),
                allow("s3:GetEncryptionConfiguration", f"arn:aws:s3:::{GROUPS_BUCKET}"),
                allow(["kms:Decrypt", "kms:GenerateDataKey"]))
            admin.iam.attach_role_policy(RoleName=role, PolicyArn=AWS_POLICY + "AmazonSSMManagedInstanceCore")
            admin.iam.create_instance_profile(InstanceProfileName=role)
            admin.iam.add_role_to_instance_profile(InstanceProfileName=role, RoleName=role)
            enrolled[group] = EnrolledNode(dev, tmp_path_factory.mktemp(group), "--instance-profile", role)
        yield enrolled
        for node in enrolled.values():
            node.__exit__(None, None, None)

    @pytest.fixture(scope="class")
    def user(self, admin):
        """Somebody who may start sessions under the document of the group `dev` and no other."""
        content = {"schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": {
            "s3BucketName": GROUPS_BUCKET, "s3KeyPrefix": "dev", "s3EncryptionEnabled": "true",
            "cloudWatchLogGroupName": "", "cloudWatchEncryptionEnabled": "false", "kmsKeyId": "",
            "runAsEnabled": "false", "runAsDefaultUser": ""}}
        admin.ssm.create_document(Name="SSM-no-sudo", DocumentType="Session", Content=json.dumps(content))
        admin.iam.create_user(UserName="garland.kan.temp")
        admin.iam.put_user_policy(UserName="garland.kan.temp", PolicyName="ssm", PolicyDocument=restricted_to("SSM-no-sudo"))
        return admin.new_key("garland.kan.temp")

    def test_what_a_group_writes_is_below_its_path(self, terminal, s3, nodes, user):
        shell = Shell(terminal, user, nodes["dev"], "SSM-no-sudo")
        shell.terminal.line("# test 1")
        shell.says("mine")
        shell.exit()
        kept = transcript(s3, GROUPS_BUCKET, f"dev/{shell.id}.log")["Body"].read().decode()
        assert re.match(r"Script started on 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d", kept) and "\nScript done on 20" in kept
        assert "# test 1\r\n" in kept and "sh-mine\r\n" in kept

    def test_what_is_not_a_groups_path_is_denied_and_the_session_is_kept_all_the_same(
            self, dev, admin, terminal, s3, nodes, user):
        node = nodes["prod"]
        shell = Shell(terminal, user, node, "SSM-no-sudo")
        shell.says("works-all-the-same")
        shell.exit()
        key = f"dev/{shell.id}.log"
        line = complaint(node, f"Failed uploading {shell.id}.log to s3://{GROUPS_BUCKET}/{key}")
        assert "err:AccessDenied: " in line and "s3:PutObject" in line, line
        with pytest.raises(ClientError, match="404"):
            s3.head_object(Bucket=GROUPS_BUCKET, Key=key)
        assert "Broken" not in recorded(dev, shell.id)
        assert "sh-works-all-the-same\n" in text(dev, shell.id)

    def test_the_role_itself_is_denied_what_is_not_its_groups(self, dev, admin, s3, nodes):
        """The same by hand, under the node's own policy: nobody on a node can overwrite another group's logs."""
        s3.put_object(Bucket=GROUPS_BUCKET, Key="dev/kept.log", Body=b"kept")
        admin.new_role("Borrowed", {"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
        policy = admin.iam.get_role_policy(RoleName="OpsEC2SSMprod", PolicyName="own")["PolicyDocument"]
        admin.iam.put_role_policy(RoleName="Borrowed", PolicyName="own", PolicyDocument=json.dumps(policy))
        prod = admin.assume(f"arn:aws:iam::{ACCOUNT}:role/Borrowed").client("s3")
        for key in ("dev/kept.log", "dev/new.log", "prod", "prod.log"):
            denied(prod.put_object, "s3:PutObject", Bucket=GROUPS_BUCKET, Key=key, Body=b"gone")
        # A key is a name and no path: this one is below `prod/`.
        prod.put_object(Bucket=GROUPS_BUCKET, Key="prod/../dev/kept.log", Body=b"elsewhere")
        denied(prod.get_object, "s3:GetObject", Bucket=GROUPS_BUCKET, Key="dev/kept.log")
        denied(prod.delete_object, "s3:DeleteObject", Bucket=GROUPS_BUCKET, Key="dev/kept.log")
        assert s3.get_object(Bucket=GROUPS_BUCKET, Key="dev/kept.log")["Body"].read() == b"kept"

    def test_who_where_and_when_are_in_the_audit_log(self, admin, terminal, nodes, user):
        shell = Shell(terminal, user, nodes["dev"], "SSM-no-sudo")
        shell.exit()
        found = admin.aws("cloudtrail", "lookup-events", "--lookup-attributes",
                          "AttributeKey=EventName,AttributeValue=StartSession")["Events"]
        events = [json.loads(event["CloudTrailEvent"]) for event in found]
        [event] = [event for event in events if (event.get("responseElements") or {}).get("sessionId") == shell.id]
        assert event["userIdentity"]["userName"] == "garland.kan.temp"
        assert event["requestParameters"] == {"target": nodes["dev"].node, "documentName": "SSM-no-sudo"}
        assert event["responseElements"]["tokenValue"] == "Value hidden due to security reasons."
        assert event["eventTime"].endswith("Z") and event["sourceIPAddress"]
