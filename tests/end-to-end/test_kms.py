"""Keys, by boto3, the AWS CLI and Terraform, in two accounts of one organization."""

import base64
import functools
import json

import pytest

from drawbridge import eventually
from principals import ACCOUNT, Principal, administrator, allow, denied, refused
from terraform import Terraform

SESSION = {"aws:ssm:SessionId": "tester-0123", "aws:ssm:TargetId": "i-0123456789abcdef0"}


@pytest.fixture(scope="module")
def admin(dev):
    return administrator(dev)


@pytest.fixture(scope="module")
def kms(admin):
    return admin.client("kms")


@pytest.fixture(scope="module")
def workload(dev):
    """The administrator of a second account of the organization, and its number."""
    return new_account(dev, "kms-workload")


def new_account(dev, name, *options):
    done = dev.cli("accounts", "create", name, "--json", *options)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    return Principal(dev, made["AccessKeyId"], made["SecretAccessKey"]), made["AccountId"]


def new_key(kms, **options):
    return kms.create_key(**options)["KeyMetadata"]["Arn"]


def events(asker, name):
    pages = asker.cloudtrail.get_paginator("lookup_events").paginate(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}])
    return [json.loads(event["CloudTrailEvent"]) for page in pages for event in page["Events"]]


def session_policy(organization, *administrators):
    """A key policy in the style of the published pattern: no statement for the account's root."""
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {
            "Sid": "Allow Session Encryption", "Effect": "Allow", "Principal": {"AWS": "*"}, "Resource": "*",
            "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
            "Condition": {
                "StringEquals": {"aws:PrincipalOrgID": organization},
                "StringLike": {"kms:EncryptionContext:aws:ssm:TargetId": "i-*",
                               "kms:EncryptionContext:aws:ssm:SessionId": "*"},
            },
        },
        {
            "Sid": "Allow Administration", "Effect": "Allow", "Principal": {"AWS": "*"}, "Resource": "*",
            "Action": "kms:*",
            "Condition": {"StringEquals": {"kms:CallerAccount": ACCOUNT},
                          "ArnLike": {"aws:PrincipalArn": list(administrators)}},
        },
        {
            "Sid": "No Bypass", "Effect": "Deny", "Principal": {"AWS": "*"}, "Resource": "*",
            "Action": ["kms:PutKeyPolicy"],
            "Condition": {"Bool": {"kms:BypassPolicyLockoutSafetyCheck": "true"}},
        },
    ]})


def test_the_life_of_a_key(kms):
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*",
    }]}, indent=1)
    made = kms.create_key(Description="of a test", Policy=policy, Tags=[{"TagKey": "team", "TagValue": "blue"}])
    key = made["KeyMetadata"]
    assert key["KeyState"] == "Enabled" and key["KeyManager"] == "CUSTOMER" and not key["MultiRegion"]
    assert key["Arn"] == f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{key['KeyId']}"
    assert kms.get_key_policy(KeyId=key["KeyId"])["Policy"] == policy
    assert kms.list_resource_tags(KeyId=key["KeyId"])["Tags"] == [{"TagKey": "team", "TagValue": "blue"}]
    assert kms.list_key_policies(KeyId=key["KeyId"])["PolicyNames"] == ["default"]
    listed = kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 1})
    assert key["Arn"] in [one["KeyArn"] for page in listed for one in page["Keys"]]

    kms.update_key_description(KeyId=key["Arn"], Description="of another")
    kms.tag_resource(KeyId=key["Arn"], Tags=[{"TagKey": "team", "TagValue": "red"}])
    kms.untag_resource(KeyId=key["Arn"], TagKeys=["team"])
    assert kms.describe_key(KeyId=key["Arn"])["KeyMetadata"]["Description"] == "of another"

    kms.disable_key(KeyId=key["KeyId"])
    refused(kms.encrypt, "DisabledException", KeyId=key["KeyId"], Plaintext=b"x")
    kms.enable_key(KeyId=key["KeyId"])
    planned = kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    assert planned["KeyState"] == "PendingDeletion"
    refused(kms.encrypt, "KMSInvalidStateException", KeyId=key["KeyId"], Plaintext=b"x")
    kms.cancel_key_deletion(KeyId=key["KeyId"])
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Disabled"


def test_ciphertexts_are_bound_to_key_and_context(kms):
    one, other = new_key(kms), new_key(kms)
    sealed = kms.encrypt(KeyId=one, Plaintext=b"secret", EncryptionContext={"a": "b"})["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=sealed, EncryptionContext={"a": "b"})["Plaintext"] == b"secret"
    refused(kms.decrypt, "InvalidCiphertextException", CiphertextBlob=sealed)
    refused(kms.decrypt, "InvalidCiphertextException", CiphertextBlob=sealed[:-1] + b"x", EncryptionContext={"a": "b"})
    refused(kms.decrypt, "IncorrectKeyException", CiphertextBlob=sealed, EncryptionContext={"a": "b"}, KeyId=other)
    refused(kms.decrypt, "DryRunOperationException", CiphertextBlob=sealed, EncryptionContext={"a": "b"}, DryRun=True)

    moved = kms.re_encrypt(CiphertextBlob=sealed, SourceEncryptionContext={"a": "b"}, DestinationKeyId=other)
    assert (moved["SourceKeyId"], moved["KeyId"]) == (one, other)
    assert kms.decrypt(CiphertextBlob=moved["CiphertextBlob"])["Plaintext"] == b"secret"

    drawn = kms.generate_data_key(KeyId=one, NumberOfBytes=64, EncryptionContext=SESSION)
    assert len(drawn["Plaintext"]) == 64 and drawn["KeyId"] == one
    assert kms.decrypt(CiphertextBlob=drawn["CiphertextBlob"], EncryptionContext=SESSION)["Plaintext"] == drawn["Plaintext"]
    assert "Plaintext" not in kms.generate_data_key_without_plaintext(KeyId=one, KeySpec="AES_256")
    assert len(kms.generate_random(NumberOfBytes=24)["Plaintext"]) == 24

    refused(kms.create_key, "UnsupportedOperationException", KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    refused(kms.describe_key, "NotFoundException", KeyId="1234abcd-12ab-34cd-56ef-1234567890ab")


def test_rotation_leaves_old_ciphertexts_readable(kms):
    key = new_key(kms)
    old = kms.encrypt(KeyId=key, Plaintext=b"old")["CiphertextBlob"]
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=180)
    status = kms.get_key_rotation_status(KeyId=key)
    assert status["KeyRotationEnabled"] and status["RotationPeriodInDays"] == 180
    kms.rotate_key_on_demand(KeyId=key)
    rotations = kms.list_key_rotations(KeyId=key)["Rotations"]
    assert [one["RotationType"] for one in rotations] == ["ON_DEMAND"]
    assert kms.decrypt(CiphertextBlob=old)["Plaintext"] == b"old"
    new = kms.encrypt(KeyId=key, Plaintext=b"new")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=new)["KeyMaterialId"] == rotations[0]["KeyMaterialId"]
    kms.disable_key_rotation(KeyId=key)
    assert not kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]


def test_the_cli_uses_keys_by_alias(dev, kms, tmp_path):
    one, other = new_key(kms), new_key(kms)
    cli = functools.partial(dev.aws, "kms")
    cli("create-alias", "--alias-name", "alias/cli", "--target-key-id", one)
    refused(kms.create_alias, "AlreadyExistsException", AliasName="alias/cli", TargetKeyId=one)
    refused(kms.create_alias, "InvalidAliasNameException", AliasName="alias/aws/cli", TargetKeyId=one)
    (tmp_path / "plain").write_bytes(b"from a file")
    sealed = cli("encrypt", "--key-id", "alias/cli", "--plaintext", f"fileb://{tmp_path / 'plain'}",
                 "--encryption-context", "purpose=cli")
    assert sealed["KeyId"] == one
    (tmp_path / "sealed").write_bytes(base64.b64decode(sealed["CiphertextBlob"]))
    opened = cli("decrypt", "--ciphertext-blob", f"fileb://{tmp_path / 'sealed'}", "--encryption-context", "purpose=cli")
    assert base64.b64decode(opened["Plaintext"]) == b"from a file"
    cli("update-alias", "--alias-name", "alias/cli", "--target-key-id", other)
    alias = [one for one in cli("list-aliases")["Aliases"] if one["AliasName"] == "alias/cli"]
    assert other.endswith(alias[0]["TargetKeyId"])
    cli("delete-alias", "--alias-name", "alias/cli")
    refused(kms.describe_key, "NotFoundException", KeyId="alias/cli")


def test_the_servers_own_keys_resolve_and_cannot_be_changed(kms):
    for service in ("ebs", "logs", "s3", "ssm"):
        key = kms.describe_key(KeyId=f"alias/aws/{service}")["KeyMetadata"]
        assert key["KeyManager"] == "AWS"
        denied(kms.schedule_key_deletion, "kms:ScheduleKeyDeletion", KeyId=key["Arn"])
        denied(kms.put_key_policy, "kms:PutKeyPolicy", KeyId=key["Arn"], Policy="{}")
        denied(kms.encrypt, "kms:Encrypt", KeyId=key["Arn"], Plaintext=b"x")


def test_a_session_key_is_shared_by_organization_and_context(dev, admin, workload, kms):
    workload, number = workload
    organization = admin.organizations.describe_organization()["Organization"]["Id"]
    policy = session_policy(organization, admin.arn)
    refused(kms.create_key, "MalformedPolicyDocumentException", Policy=session_policy(organization, "arn:aws:iam::1:x"))
    missing = json.dumps({"Statement": {"Effect": "Allow", "Action": "kms:*", "Resource": "*",
                                        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/no-such"}}})
    refused(kms.create_key, "MalformedPolicyDocumentException", "no-such", Policy=missing)
    key = new_key(kms, Policy=policy)
    denied(kms.put_key_policy, "kms:PutKeyPolicy", KeyId=key, Policy=policy, BypassPolicyLockoutSafetyCheck=True)

    there = workload.client("kms")
    drawn = there.generate_data_key(KeyId=key, NumberOfBytes=64, EncryptionContext=SESSION)
    opened = there.decrypt(CiphertextBlob=drawn["CiphertextBlob"], EncryptionContext=SESSION)
    assert opened["Plaintext"] == drawn["Plaintext"] and opened["KeyId"] == key
    draw = functools.partial(denied, there.generate_data_key, "kms:GenerateDataKey", KeyId=key, NumberOfBytes=64)
    draw()
    draw(EncryptionContext=SESSION | {"aws:ssm:TargetId": "mi-0123456789abcdef0"})
    denied(there.describe_key, "kms:DescribeKey", KeyId=key)
    # A stranger cannot tell a key that is there from one that is not.
    absent = key[:-4] + "0000"
    texts = {denied(there.describe_key, "kms:DescribeKey", KeyId=name).replace(name, "KEY") for name in (key, absent)}
    assert len(texts) == 1

    # Both sides must allow, and the organization is asked for.
    curious = workload.new_user("kms-curious").client("kms")
    denied(curious.generate_data_key, "kms:GenerateDataKey", KeyId=key, NumberOfBytes=64, EncryptionContext=SESSION)
    loner, _ = new_account(dev, "kms-loner", "--outside-organization")
    denied(loner.client("kms").generate_data_key, "kms:GenerateDataKey", KeyId=key, NumberOfBytes=64,
           EncryptionContext=SESSION)
    # Within the key's account the policy names who administers, and the others have nothing.
    other = admin.new_user("kms-other-admin", allow("kms:*")).client("kms")
    denied(other.describe_key, "kms:DescribeKey", KeyId=key)

    # The owner of the key finds every use in its own log, with the context and without a secret.
    def used(name):
        found = [event for event in events(admin, name)
                 if any(one.get("ARN") == key for one in event.get("resources", []))]
        return [event for event in found if event["userIdentity"]["accountId"] == number]

    for name in ("GenerateDataKey", "Decrypt"):
        [event] = eventually(lambda: used(name), what=f"the owner's event of {name}")
        assert event["requestParameters"]["encryptionContext"] == SESSION
        assert event["recipientAccountId"] == ACCOUNT and event["eventSource"] == "kms.amazonaws.com"
        [theirs] = [one for one in events(workload, name) if one.get("sharedEventID") == event["sharedEventID"]]
        assert theirs["recipientAccountId"] == number and theirs["eventID"] != event["eventID"]
        secret = base64.b64encode(drawn["Plaintext"]).decode()
        assert secret not in json.dumps([event, theirs])


def test_a_grant_is_enough_until_it_is_retired(admin, kms):
    key = new_key(kms)
    grantee, retiring = admin.new_user("kms-grantee"), admin.new_user("kms-retiring")
    use = grantee.client("kms")
    denied(use.encrypt, "kms:Encrypt", KeyId=key, Plaintext=b"x")
    made = kms.create_grant(KeyId=key, GranteePrincipal=grantee.arn, RetiringPrincipal=retiring.arn, Name="for-a-test",
                            Operations=["Encrypt", "Decrypt"], Constraints={"EncryptionContextSubset": {"a": "b"}})
    sealed = use.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"a": "b", "c": "d"},
                         GrantTokens=[made["GrantToken"]])["CiphertextBlob"]
    assert use.decrypt(CiphertextBlob=sealed, EncryptionContext={"a": "b", "c": "d"})["Plaintext"] == b"x"
    denied(use.encrypt, "kms:Encrypt", KeyId=key, Plaintext=b"x", EncryptionContext={"a": "x"})
    refused(use.encrypt, "InvalidGrantTokenException", KeyId=key, Plaintext=b"x", EncryptionContext={"a": "b"},
            GrantTokens=["made-up"])
    grants = kms.list_grants(KeyId=key)["Grants"]
    assert [(one["GrantId"], one["Name"]) for one in grants] == [(made["GrantId"], "for-a-test")]
    assert kms.list_retirable_grants(RetiringPrincipal=retiring.arn)["Grants"][0]["GrantId"] == made["GrantId"]
    denied(use.retire_grant, "kms:RetireGrant", GrantToken=made["GrantToken"])
    retiring.client("kms").retire_grant(GrantToken=made["GrantToken"])
    denied(use.encrypt, "kms:Encrypt", KeyId=key, Plaintext=b"x", EncryptionContext={"a": "b"})


def test_keys_outlive_a_restart(own_dev):
    kms = administrator(own_dev).client("kms")
    key = new_key(kms)
    sealed = kms.encrypt(KeyId=key, Plaintext=b"before")["CiphertextBlob"]
    own_dev.kill()
    own_dev.start()
    assert administrator(own_dev).client("kms").decrypt(CiphertextBlob=sealed)["Plaintext"] == b"before"


CONFIGURATION = """
data "aws_caller_identity" "current" {}

resource "aws_kms_key" "session" {
  description             = "of sessions, ${var.team}"
  enable_key_rotation     = var.rotates
  is_enabled              = var.enabled
  deletion_window_in_days = 7
  tags                    = { Team = var.team }
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Allow the account, ${var.team}"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.current.account_id}:root" }
      Action    = "kms:*"
      Resource  = "*"
    }]
  })
}

resource "aws_kms_alias" "session" {
  name          = "alias/tf-session"
  target_key_id = aws_kms_key.session.key_id
}

resource "aws_kms_grant" "session" {
  name               = "tf-session"
  key_id             = aws_kms_key.session.key_id
  grantee_principal  = data.aws_caller_identity.current.arn
  retiring_principal = data.aws_caller_identity.current.arn
  operations         = ["Encrypt", "RetireGrant"]
  constraints {
    encryption_context_equals = { Department = "finance" }
  }
}

data "aws_kms_key" "session" {
  key_id     = aws_kms_alias.session.name
  depends_on = [aws_kms_alias.session]
}

output "key" {
  value = data.aws_kms_key.session.arn
}

data "aws_kms_alias" "objects" {
  name = "alias/aws/s3"
}

output "objects" {
  value = data.aws_kms_alias.objects.target_key_arn
}

variable "team" {
  default = "blue"
}

variable "rotates" {
  default = true
}

variable "enabled" {
  default = true
}
"""


@pytest.mark.terraform
def test_terraform_manages_keys(dev, kms, tmp_path):
    terraform = Terraform(dev, tmp_path, CONFIGURATION)
    _, applied = terraform("apply", "-auto-approve")
    assert "Apply complete! Resources: 3 added" in applied
    different, plan = terraform("plan", "-detailed-exitcode", check=(0, 2))
    assert not different, plan
    _, key = terraform("output", "-raw", "key")
    _, objects = terraform("output", "-raw", "objects")
    assert kms.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]["Arn"] == objects
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
    [grant] = kms.list_grants(KeyId=key)["Grants"]
    assert grant["Constraints"] == {"EncryptionContextEquals": {"Department": "finance"}}

    changes = ("-var", "team=red", "-var", "rotates=false", "-var", "enabled=false")
    terraform("apply", "-auto-approve", *changes)
    changed = kms.describe_key(KeyId="alias/tf-session")["KeyMetadata"]
    assert (changed["Arn"], changed["KeyState"], changed["Description"]) == (key, "Disabled", "of sessions, red")
    assert "the account, red" in kms.get_key_policy(KeyId=key)["Policy"]
    different, plan = terraform("plan", "-detailed-exitcode", *changes, check=(0, 2))
    assert not different, plan

    _, destroyed = terraform("destroy", "-auto-approve", *changes)
    assert "Destroy complete! Resources: 3 destroyed." in destroyed
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    refused(kms.describe_key, "NotFoundException", KeyId="alias/tf-session")
