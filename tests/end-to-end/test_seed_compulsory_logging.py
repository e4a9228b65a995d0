"""Compulsory encryption and logging across two accounts, as a public pattern sets them up.

The security account has one key, for sessions and for their logs, and one bucket. The workload account has the
preferences that name both, the role of its instances, and somebody who tests. The instance is an enrolled node.
"""

import copy
import getpass
import json
import socket
import types

import pytest

from drawbridge import REFUSED, Dev, Node, eventually
from principals import ACCOUNT, AWS_POLICY, administrator, allow, refused, trust
from test_encrypted_sessions import journal
from test_enrolled_nodes import EnrolledNode
from test_kms import events, new_account
from test_recordings import recorded
from test_session_logs import Shell

PREFERENCES = "SSM-SessionManagerRunShell"
BUCKET = "example-ssmsessionlogging-us-east-1"
PATH = "/common/examples/"
PROFILE = "EC2-SSMEncryptedLoggedSessions"
OBJECTS = f"arn:aws:s3:::{BUCKET}/*"
REVIEWER = f"arn:aws:iam::{ACCOUNT}:role/LogReviewRole"


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    with Dev(tmp_path_factory.mktemp("compulsory")) as running:
        yield running


@pytest.fixture(scope="module")
def security(dev):
    """The administrator of the account that has the key and the bucket."""
    return administrator(dev)


@pytest.fixture(scope="module")
def workload(dev):
    """The administrator of the account that has the instance, and the account."""
    principal, principal.account = new_account(dev, "workload")
    return principal


def key_policy(organization, administrator):
    """No statement for the account's root: nobody's own policies are enough."""
    def said(sid, action, condition, effect="Allow"):
        return {"Sid": sid, "Effect": effect, "Principal": {"AWS": "*"}, "Action": action, "Resource": "*",
                "Condition": condition}
    members = {"aws:PrincipalOrgID": organization}
    through_s3 = {"kms:ViaService": "s3.us-east-1.amazonaws.com"}
    of_objects = {"StringLike": {"kms:EncryptionContext:aws:s3:arn": f"arn:aws:s3:::{BUCKET}*"}}
    return json.dumps({"Version": "2012-10-17", "Statement": [
        said("Allow Session Encryption", ["kms:Decrypt", "kms:GenerateDataKey*"], {
            "StringEquals": members,
            "StringLike": {"kms:EncryptionContext:aws:ssm:SessionId": "*",
                           "kms:EncryptionContext:aws:ssm:TargetId": "i-*"}}),
        said("Allow Log Encryption", ["kms:Decrypt", "kms:GenerateDataKey*"],
             {"StringEquals": members | through_s3} | of_objects),
        said("Allow Log Review", "kms:Decrypt",
             {"StringEquals": through_s3 | {"aws:PrincipalArn": REVIEWER}} | of_objects),
        said("Allow Administration", ["kms:Create*", "kms:Describe*", "kms:Enable*", "kms:List*", "kms:Put*", "kms:Get*",
                                      "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion"],
             {"StringEquals": {"kms:CallerAccount": ACCOUNT}, "ArnLike": {"aws:PrincipalArn": administrator}}),
        said("Deny Bypass", "kms:*", {"Bool": {"kms:BypassPolicyLockoutSafetyCheck": "true"}}, effect="Deny"),
    ]})


def bucket_policy(organization, key):
    both = [f"arn:aws:s3:::{BUCKET}", OBJECTS]
    members = {"StringEquals": {"aws:PrincipalOrgID": organization}}

    def deny(sid, condition, action="s3:*", resource=both):
        return {"Sid": sid, "Effect": "Deny", "Principal": "*", "Action": action, "Resource": resource,
                "Condition": condition}
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Sid": "PutLogs", "Effect": "Allow", "Principal": "*", "Action": ["s3:PutObject", "s3:PutObjectAcl"],
         "Resource": OBJECTS, "Condition": members},
        {"Sid": "SeeEncryption", "Effect": "Allow", "Principal": "*", "Action": "s3:GetEncryptionConfiguration",
         "Resource": both[0], "Condition": members},
        {"Sid": "ReviewLogs", "Effect": "Allow", "Principal": {"AWS": REVIEWER},
         "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": both},
        deny("SecureTransport", {"Bool": {"aws:SecureTransport": "false"}}),
        deny("OldTls", {"NumericLessThan": {"s3:TlsVersion": "1.2"}}),
        deny("OutsideOrganization", {"StringNotEquals": {"aws:PrincipalOrgID": organization}}),
        deny("OtherEncryption", {"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}}, "s3:PutObject", OBJECTS),
        deny("OtherKey", {"StringNotEquals": {"s3:x-amz-server-side-encryption-aws-kms-key-id": key}}, "s3:PutObject",
             OBJECTS),
        deny("OwnerControl", {"StringNotEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}, "s3:PutObject", OBJECTS),
        {"Sid": "LogsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
         "NotResource": f"arn:aws:s3:::{BUCKET}/*.log"},
        deny("ReviewersOnly", {"StringNotEquals": {"aws:PrincipalArn": REVIEWER}}, "s3:GetObject", OBJECTS),
    ]})


@pytest.fixture(scope="module")
def logging(security):
    """The security account: the key and the bucket."""
    organization = security.aws("organizations", "describe-organization")["Organization"]["Id"]
    key = security.aws("kms", "create-key", "--policy", key_policy(organization, security.arn))["KeyMetadata"]["Arn"]
    security.aws("kms", "create-alias", "--alias-name", "alias/SessionKey", "--target-key-id", key)
    security.aws("kms", "enable-key-rotation", "--key-id", key)
    security.new_role("LogReviewRole", {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, allow("s3:*"), allow("kms:Decrypt"))
    security.aws("s3api", "create-bucket", "--bucket", BUCKET)
    security.aws("s3api", "put-bucket-versioning", "--bucket", BUCKET, "--versioning-configuration", "Status=Enabled")
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    security.aws("s3api", "put-bucket-encryption", "--bucket", BUCKET, "--server-side-encryption-configuration",
                 json.dumps({"Rules": [rule]}))
    security.aws("s3api", "put-bucket-policy", "--bucket", BUCKET, "--policy", bucket_policy(organization, key))
    return types.SimpleNamespace(key=key, organization=organization)


def preferences(logging, workload):
    return json.dumps({"schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": {
        "kmsKeyId": logging.key, "s3BucketName": BUCKET, "s3KeyPrefix": workload.account, "s3EncryptionEnabled": True,
        "cloudWatchLogGroupName": "", "cloudWatchEncryptionEnabled": False, "idleSessionTimeout": "15"}})


@pytest.fixture(scope="module")
def account(dev, logging, workload):
    """The workload account: preferences, the role of instances, and the tester."""
    logged = workload.new_policy(
        "SSMEncryptedLoggedSessions", allow(["kms:Decrypt", "kms:GenerateDataKey"], logging.key),
        allow(["s3:PutObject", "s3:PutObjectAcl"], OBJECTS, StringEquals={"s3:ResourceAccount": ACCOUNT}),
        allow("s3:GetEncryptionConfiguration", f"arn:aws:s3:::{BUCKET}"), Path=PATH)
    workload.new_role(PROFILE, {"Service": "ec2.amazonaws.com"}, Path=PATH)
    for policy in (logged, AWS_POLICY + "AmazonSSMManagedInstanceCore"):
        workload.iam.attach_role_policy(RoleName=PROFILE, PolicyArn=policy)
    workload.iam.create_instance_profile(InstanceProfileName=PROFILE, Path=PATH)
    workload.iam.add_role_to_instance_profile(InstanceProfileName=PROFILE, RoleName=PROFILE)

    shell = [f"arn:aws:ec2:*:{workload.account}:instance/*", f"arn:aws:ssm:*:{workload.account}:managed-instance/*",
             f"arn:aws:ssm:*:{workload.account}:document/{PREFERENCES}"]
    permissions = workload.new_policy(
        "ConsoleSSMSessionTesterRolePermissions", allow("ssm:StartSession", shell),
        {"Effect": "Deny", "Action": "ssm:StartSession", "NotResource": shell},
        allow(["ssm:DescribeSessions", "ssm:GetConnectionStatus", "ssm:DescribeInstanceInformation", "kms:ListAliases"]),
        allow(["ssm:TerminateSession", "ssm:ResumeSession"], "arn:aws:ssm:*:*:session/${aws:userid}-*"),
        allow(["kms:GenerateDataKey", "kms:Decrypt"], logging.key), Path=PATH)
    role = workload.new_role("ConsoleSSMSessionTester", trust({"AWS": f"arn:aws:iam::{workload.account}:root"}), Path=PATH)
    workload.iam.attach_role_policy(RoleName="ConsoleSSMSessionTester", PolicyArn=permissions)

    # Whoever used sessions before has preferences already: the new ones take their place.
    plain = json.dumps({"schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": {}})
    create = ["ssm", "create-document", "--name", PREFERENCES, "--document-type", "Session", "--content"]
    workload.aws(*create, plain)
    assert "DocumentAlreadyExists" in workload.aws(*create, preferences(logging, workload), check=False).stderr
    delete = ["ssm", "delete-document", "--name", PREFERENCES]
    workload.aws(*delete)
    assert "InvalidDocument" in workload.aws(*delete, check=False).stderr
    workload.aws(*create, preferences(logging, workload))
    here = copy.copy(dev)
    here.env = workload.env
    return types.SimpleNamespace(here=here, tester=workload.assume(role, "tester"))


@pytest.fixture(scope="module")
def node(account, tmp_path_factory):
    with EnrolledNode(account.here, tmp_path_factory.mktemp("node"), "--instance-profile", PROFILE) as node:
        yield node


@pytest.fixture(scope="module")
def reviewer(security, logging):
    return security.assume(REVIEWER).client("s3")


def test_the_role_of_instances_is_where_the_pattern_says(workload, account):
    made = workload.aws("iam", "get-instance-profile", "--instance-profile-name", PROFILE)["InstanceProfile"]
    assert (made["Path"], [role["RoleName"] for role in made["Roles"]]) == (PATH, [PROFILE])


def test_a_session_is_encrypted_and_its_log_is_in_the_other_account(dev, security, logging, workload, account, node,
                                                                   reviewer, terminal):
    shell = Shell(terminal, account.tester, node)
    shell.terminal.wait_for("This session is encrypted using AWS KMS.")
    shell.terminal.line("whoami")
    shell.terminal.wait_for(f"{getpass.getuser()}\r\n".encode())
    shell.exit()

    context = {"aws:ssm:SessionId": shell.id, "aws:ssm:TargetId": node.node}
    for name in ("GenerateDataKey", "Decrypt"):
        found = eventually(lambda: [event for event in events(security, name)
                                    if (event["requestParameters"] or {}).get("encryptionContext") == context])
        assert all("errorCode" not in event for event in found), name
        assert {event["userIdentity"]["accountId"] for event in found} == {workload.account}
        assert [resource["ARN"] for resource in found[0]["resources"]] == [logging.key]

    key = f"{workload.account}/{shell.id}.log"
    kept = eventually(lambda: there(reviewer, key), what="the log")
    assert (kept["ServerSideEncryption"], kept["SSEKMSKeyId"]) == ("aws:kms", logging.key)
    assert b"whoami\r\n" in kept["Body"].read()
    for other in (security, workload, account.tester):
        refused(other.client("s3").get_object, "AccessDenied", Bucket=BUCKET, Key=key)
    assert "Broken" not in recorded(account.here, shell.id)
    assert b"sh-ready" not in journal(dev)


def there(reviewer, key):
    try:
        return reviewer.get_object(Bucket=BUCKET, Key=key)
    except reviewer.exceptions.NoSuchKey:
        return None


def test_the_tester_starts_shells_under_the_preferences_only(account, node):
    for name in ("AWS-StartPortForwardingSession", "AWS-StartSSHSession"):
        done = account.tester.aws("ssm", "start-session", "--target", node.node, "--document-name", name, check=False)
        assert done.returncode in REFUSED
        assert "(AccessDeniedException)" in done.stderr and "explicit deny in an identity-based policy" in done.stderr


def test_the_key_is_for_sessions_and_their_logs(security, workload, logging, account):
    draw = ["kms", "generate-data-key", "--key-id", logging.key, "--key-spec", "AES_256"]
    contexts = ([], ["--encryption-context", "purpose=test"],
                ["--encryption-context", "aws:ssm:SessionId=s,aws:ssm:TargetId=mi-0123456789abcdef0"],
                ["--encryption-context", f"aws:s3:arn=arn:aws:s3:::{BUCKET}/x.log"])
    for somebody in (account.tester, workload, security):
        for context in contexts:
            done = somebody.aws(*draw, *context, check=False)
            assert done.returncode in REFUSED and "(AccessDeniedException)" in done.stderr, done
    for operation in ("disable-key", "schedule-key-deletion", "get-key-policy"):
        assert "(AccessDeniedException)" in workload.aws("kms", operation, "--key-id", logging.key, check=False).stderr
    refused(security.client("kms").put_key_policy, "AccessDeniedException", KeyId=logging.key,
            Policy=key_policy(logging.organization, security.arn), BypassPolicyLockoutSafetyCheck=True)


def test_the_bucket_takes_encrypted_logs_of_the_organization_only(dev, security, workload, logging, tmp_path):
    log = tmp_path / "log"
    log.write_text("$ whoami\n")
    right = {"--key": f"{workload.account}/by-hand.log", "--acl": "bucket-owner-full-control",
             "--server-side-encryption": "aws:kms", "--ssekms-key-id": logging.key}
    outsider, _ = new_account(dev, "outsider", "--outside-organization")
    spare = workload.client("kms").create_key()["KeyMetadata"]["Arn"]

    def put(by, options):
        given = [part for option in options.items() for part in option]
        return by.aws("s3api", "put-object", "--bucket", BUCKET, "--body", str(log), *given, check=False)
    assert put(workload, right).returncode == 0
    wrongs = {
        "no encryption": {name: value for name, value in right.items() if name in ("--key", "--acl")},
        "another encryption": {"--key": right["--key"], "--acl": right["--acl"], "--server-side-encryption": "AES256"},
        "another key": right | {"--ssekms-key-id": spare},
        "the key unnamed": {name: value for name, value in right.items() if name != "--ssekms-key-id"},
        "no access list": {name: value for name, value in right.items() if name != "--acl"},
        "no log": right | {"--key": f"{workload.account}/by-hand.txt"},
    }
    for what, wrong in wrongs.items():
        done = put(workload, wrong)
        assert done.returncode in REFUSED and "(AccessDenied)" in done.stderr, (what, done)
    assert "(AccessDenied)" in put(outsider, right).stderr
    for operation in (["put-bucket-policy", "--policy", bucket_policy(logging.organization, spare)], ["delete-bucket-policy"],
                      ["delete-bucket"], ["delete-object", "--key", right["--key"]], ["list-objects-v2"]):
        done = workload.aws("s3api", operation[0], "--bucket", BUCKET, *operation[1:], check=False)
        assert "(AccessDenied)" in done.stderr, (operation, done)


def test_a_long_log_comes_in_parts(workload, logging, reviewer, tmp_path):
    """Agents send a long log in parts, which cannot say again how the object is to be encrypted and whose it is."""
    log = tmp_path / "log"
    log.write_bytes(b"$ seq 1 2000000\r\n" * 600_000)
    key = f"{workload.account}/long.log"
    copy_to = ["s3", "cp", str(log), f"s3://{BUCKET}/{key}", "--acl", "bucket-owner-full-control"]
    refused = workload.aws(*copy_to, check=False)
    assert "CreateMultipartUpload" in refused.stderr and "AccessDenied" in refused.stderr, refused
    copied = workload.aws(*copy_to, "--sse", "aws:kms", "--sse-kms-key-id", logging.key, check=False)
    assert copied.returncode == 0, copied
    kept = there(reviewer, key)
    assert kept["ETag"].endswith('-2"') and kept["SSEKMSKeyId"] == logging.key
    assert kept["Body"].read() == log.read_bytes()


def test_nothing_is_served_without_tls(dev):
    with socket.create_connection(("127.0.0.1", dev.port)) as plain:
        plain.sendall(f"GET /{BUCKET}/ HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert b"200" not in plain.recv(1024)


def test_a_hybrid_node_has_no_session(account, workload, logging, tmp_path):
    """The pattern's own limitation: such a node cannot use a key of another account."""
    workload.new_role("Hybrid", {"Service": "ssm.amazonaws.com"}, allow("kms:Decrypt", logging.key))
    workload.iam.attach_role_policy(RoleName="Hybrid", PolicyArn=AWS_POLICY + "AmazonSSMManagedInstanceCore")
    activation = workload.aws("ssm", "create-activation", "--iam-role", "Hybrid")
    workload.aws("ssm", "update-service-setting", "--setting-id", "/ssm/managed-instance/activation-tier",
                 "--setting-value", "advanced")
    with Node(account.here, tmp_path, account.here.env["AWS_ENDPOINT_URL"], activation=activation) as hybrid:
        done = account.tester.aws("ssm", "start-session", "--target", hybrid.node, check=False)
        assert done.returncode in REFUSED and "(AccessDeniedException)" in done.stderr and "kms:" in done.stderr, done
        assert workload.aws("ssm", "describe-sessions", "--state", "Active")["Sessions"] == []


def test_taken_down_it_leaves_the_logs_and_a_time_to_think(security, logging):
    assert "(BucketNotEmpty)" in security.aws("s3api", "delete-bucket", "--bucket", BUCKET, check=False).stderr
    security.aws("kms", "schedule-key-deletion", "--key-id", logging.key, "--pending-window-in-days", "30")
    assert security.aws("kms", "describe-key", "--key-id", logging.key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
