"""Compulsory encryption and logging by Terraform: one configuration for each of two accounts, in `compulsory/`.

They have the resources of a public pattern. Its instance is no resource of either, and none can be launched here: an
enrolled node has the role of instances. `test_seed_compulsory_logging.py` has the refusals of such a set-up.
"""

import copy
import json
import pathlib
import types

import pytest
from botocore.exceptions import ClientError

from drawbridge import REFUSED, Dev, eventually
from principals import ACCOUNT, administrator, allow, refused
from terraform import Terraform
from test_enrolled_nodes import EnrolledNode
from test_kms import events, new_account
from test_recordings import recorded
from test_session_logs import Shell

pytestmark = pytest.mark.terraform

CONFIGURATIONS = pathlib.Path(__file__).parent / "compulsory"
BUCKET = "widget-inc-ssmsessionlogging-us-east-1"
PROFILE = "EC2-SSMEncryptedLoggedSessions"
PREFERENCES = "SSM-SessionManagerRunShell"
REVIEWER = f"arn:aws:iam::{ACCOUNT}:role/audit/LogReview"


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    with Dev(tmp_path_factory.mktemp("compulsory")) as running:
        yield running


def terraform(principal, folder, name, **variables):
    made = Terraform(principal, folder, (CONFIGURATIONS / f"{name}.tf").read_text())
    made.env |= {f"TF_VAR_{variable}": value for variable, value in variables.items()}
    return made


def applied(made, resources):
    """What applying printed, and what came out of it."""
    _, said = made("apply", "-auto-approve")
    assert f"Apply complete! Resources: {resources} added, 0 changed, 0 destroyed." in said
    outputs = json.loads(made("output", "-json")[1])
    return said, {name: output["value"] for name, output in outputs.items()}


@pytest.fixture(scope="module")
def security(dev, tmp_path_factory):
    """The account that has the key and the bucket, set up by a session of a role as a pipeline is one."""
    admin = administrator(dev)
    pipeline = admin.new_role("Pipeline", {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, allow("*"), Path="/pipelines/")
    admin.new_role("LogReview", {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, allow(["s3:GetObject", "kms:Decrypt"]),
                   Path="/audit/")
    principal = admin.assume(pipeline, "apply")
    made = terraform(principal, tmp_path_factory.mktemp("security"), "security", prefix="widget-inc", reviewer=REVIEWER)
    _, outputs = applied(made, 9)
    assert outputs["bucket"] == BUCKET and outputs["account"] == ACCOUNT
    return types.SimpleNamespace(terraform=made, outputs=outputs, pipeline=principal, reviewer=admin.assume(REVIEWER))


@pytest.fixture(scope="module")
def workload(dev, security, tmp_path_factory):
    """The account that has the instances, where somebody used sessions before."""
    admin, account = new_account(dev, "workload")
    plain = json.dumps({"schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": {}})
    admin.ssm.create_document(Name=PREFERENCES, DocumentType="Session", Content=plain)
    made = terraform(admin, tmp_path_factory.mktemp("workload"), "workload", **security.outputs)
    said, outputs = applied(made, 10)
    assert "local-exec" in said and "An error occurred" not in said
    here = copy.copy(dev)
    here.env = admin.env
    return types.SimpleNamespace(terraform=made, here=here, admin=admin, account=account,
                                 tester=admin.assume(outputs["tester"], "tester"))


@pytest.fixture(scope="module")
def node(workload, tmp_path_factory):
    with EnrolledNode(workload.here, tmp_path_factory.mktemp("node"), "--instance-profile", PROFILE) as node:
        yield node


def is_what_was_applied(made):
    different, plan = made("plan", "-detailed-exitcode", check=(0, 2))
    assert not different, plan


def test_the_account_of_the_logs_is_what_was_applied(security):
    is_what_was_applied(security.terraform)
    kms = security.pipeline.client("kms")
    assert kms.describe_key(KeyId="alias/SessionKey")["KeyMetadata"]["Arn"] == security.outputs["key"]
    assert kms.get_key_rotation_status(KeyId=security.outputs["key"])["KeyRotationEnabled"]


def test_the_account_of_the_instances_is_what_was_applied(security, workload):
    is_what_was_applied(workload.terraform)
    profile = workload.admin.iam.get_instance_profile(InstanceProfileName=PROFILE)["InstanceProfile"]
    assert profile["Path"] == "/common/examples/" and [role["RoleName"] for role in profile["Roles"]] == [PROFILE]
    preferences = json.loads(workload.admin.ssm.get_document(Name=PREFERENCES)["Content"])
    assert preferences["inputs"]["kmsKeyId"] == security.outputs["key"]


def test_a_session_is_encrypted_and_its_log_is_for_reviewers(dev, security, workload, node, terminal):
    shell = Shell(terminal, workload.tester, node)
    shell.terminal.wait_for("This session is encrypted using AWS KMS.")
    shell.says("compulsory")
    shell.exit()

    context = {"aws:ssm:SessionId": shell.id, "aws:ssm:TargetId": node.node}
    for name in ("GenerateDataKey", "Decrypt"):
        found = eventually(lambda: [event for event in events(security.pipeline, name)
                                    if (event["requestParameters"] or {}).get("encryptionContext") == context])
        assert all("errorCode" not in event for event in found), name
        assert {event["userIdentity"]["accountId"] for event in found} == {workload.account}

    s3, key = security.reviewer.client("s3"), f"{workload.account}/{shell.id}.log"

    def there():
        try:
            return s3.get_object(Bucket=BUCKET, Key=key)
        except s3.exceptions.NoSuchKey:
            return None
    kept = eventually(there, what="the log")
    assert (kept["ServerSideEncryption"], kept["SSEKMSKeyId"]) == ("aws:kms", security.outputs["key"])
    assert b"sh-compulsory\r\n" in kept["Body"].read()
    # Nobody else opens it: the policy of the key knows no administrator.
    for other in (security.pipeline, workload.admin, workload.tester):
        refused(other.client("s3").get_object, "AccessDenied", Bucket=BUCKET, Key=key)
    assert "Broken" not in recorded(workload.here, shell.id)


def test_the_tester_has_no_other_sessions(workload, node):
    for name in ("AWS-StartPortForwardingSession", "AWS-StartSSHSession"):
        done = workload.tester.aws("ssm", "start-session", "--target", node.node, "--document-name", name, check=False)
        assert done.returncode in REFUSED and "explicit deny in an identity-based policy" in done.stderr, done


def test_the_account_of_the_instances_is_taken_down(workload, node):
    _, said = workload.terraform("destroy", "-auto-approve", "-refresh=false")
    assert "Destroy complete! Resources: 10 destroyed." in said
    refused(workload.admin.ssm.get_document, "InvalidDocument", Name=PREFERENCES)
    # Nobody had preferences this time: the command says so, and it is no failure.
    _, said = workload.terraform("apply", "-auto-approve", "-target=terraform_data.no_preferences")
    assert "An error occurred (InvalidDocument)" in said and "Apply complete! Resources: 1 added" in said


def test_the_account_of_the_logs_is_taken_down_once_somebody_removes_them(security, node):
    kept = security.terraform.run("destroy", "-auto-approve", "-refresh=false")
    assert kept.returncode and "BucketNotEmpty" in kept.stderr, kept
    s3 = security.pipeline.client("s3")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=BUCKET):
        for version in page.get("Versions", []) + page.get("DeleteMarkers", []):
            s3.delete_object(Bucket=BUCKET, Key=version["Key"], VersionId=version["VersionId"])
    assert "Destroy complete!" in security.terraform("destroy", "-auto-approve", "-refresh=false")[1]
    assert not security.terraform("state", "list")[1]
    with pytest.raises(ClientError, match="404"):
        s3.head_bucket(Bucket=BUCKET)
    key = security.pipeline.client("kms").describe_key(KeyId=security.outputs["key"])["KeyMetadata"]
    assert key["KeyState"] == "PendingDeletion"
    assert (key["DeletionDate"] - key["CreationDate"]).days in (29, 30)
