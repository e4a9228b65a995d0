"""What a bucket is besides its objects: its settings, policy, keys and lifecycle, by boto3, the AWS CLI and Terraform."""

import datetime
import itertools
import json
import uuid

import boto3
import pytest
from botocore import UNSIGNED
from botocore.client import Config
from botocore.exceptions import ClientError

from principals import ACCOUNT, Principal, administrator, allow, refused
from terraform import Terraform

COUNTER = itertools.count()


@pytest.fixture(scope="module")
def admin(dev):
    return administrator(dev)


@pytest.fixture(scope="module")
def s3(admin):
    return admin.client("s3")


@pytest.fixture
def bucket(s3):
    name = f"settings-{next(COUNTER)}-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    yield name
    empty(s3, name)
    s3.delete_bucket(Bucket=name)


def empty(s3, bucket):
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for version in page.get("Versions", []) + page.get("DeleteMarkers", []):
            s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"],
                             BypassGovernanceRetention=True)


@pytest.fixture(scope="module")
def workload(dev):
    """The administrator of a second account of the organization, and its number."""
    done = dev.cli("accounts", "create", "buckets-workload", "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    return Principal(dev, made["AccessKeyId"], made["SecretAccessKey"]), made["AccountId"]


def put_policy(s3, bucket, *statements):
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))


def both(bucket):
    return [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]


def test_each_setting_is_kept_and_given_back(s3, bucket):
    rules = [{"ID": "old", "Status": "Enabled", "Filter": {"And": {"Prefix": "a/", "Tags": [{"Key": "k", "Value": "v"}]}},
              "Expiration": {"Days": 30}, "NoncurrentVersionExpiration": {"NoncurrentDays": 3, "NewerNoncurrentVersions": 2}},
             {"ID": "uploads", "Status": "Disabled", "Filter": {"Prefix": ""},
              "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    kept = s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    assert kept["Rules"] == rules
    assert kept["TransitionDefaultMinimumObjectSize"] == "all_storage_classes_128K"
    s3.delete_bucket_lifecycle(Bucket=bucket)
    refused(s3.get_bucket_lifecycle_configuration, "NoSuchLifecycleConfiguration", Bucket=bucket)

    tags = [{"Key": "team", "Value": "blue"}, {"Key": "cost", "Value": "1"}]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    s3.delete_bucket_tagging(Bucket=bucket)
    refused(s3.get_bucket_tagging, "NoSuchTagSet", Bucket=bucket)

    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    for status in ["Enabled", "Suspended"]:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == status

    block = {"BlockPublicAcls": True, "IgnorePublicAcls": False, "BlockPublicPolicy": True, "RestrictPublicBuckets": False}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == block
    s3.delete_public_access_block(Bucket=bucket)
    refused(s3.get_public_access_block, "NoSuchPublicAccessBlockConfiguration", Bucket=bucket)

    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    refused(s3.put_bucket_acl, "AccessControlListNotSupported", Bucket=bucket, ACL="public-read")
    acl = s3.get_bucket_acl(Bucket=bucket)
    assert [grant["Permission"] for grant in acl["Grants"]] == ["FULL_CONTROL"]
    s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy={"Grants": acl["Grants"], "Owner": acl["Owner"]})

    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)


def test_what_is_not_done_is_refused_in_clear_words(s3, bucket):
    refused(s3.put_bucket_cors, "NotImplemented", "origins", Bucket=bucket, CORSConfiguration={
        "CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]})
    refused(s3.put_bucket_website, "NotImplemented", "website", Bucket=bucket, WebsiteConfiguration={
        "IndexDocument": {"Suffix": "index.html"}})
    refused(s3.put_bucket_logging, "NotImplemented", "Logging", Bucket=bucket, BucketLoggingStatus={
        "LoggingEnabled": {"TargetBucket": bucket, "TargetPrefix": "log/"}})


def test_everyone_is_let_in_only_where_nothing_blocks_that(dev, s3, bucket):
    s3.put_object(Bucket=bucket, Key="page", Body=b"public")
    everyone = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    refused(lambda **arguments: put_policy(s3, bucket, everyone), "AccessDenied", "BlockPublicPolicy")
    nobody = boto3.client("s3", endpoint_url=dev.env["AWS_ENDPOINT_URL"], region_name="us-east-1",
                          verify=dev.env["AWS_CA_BUNDLE"], config=Config(signature_version=UNSIGNED))
    refused(nobody.get_object, "AccessDenied", Bucket=bucket, Key="page")
    s3.delete_public_access_block(Bucket=bucket)
    put_policy(s3, bucket, everyone)
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"]
    assert nobody.get_object(Bucket=bucket, Key="page")["Body"].read() == b"public"
    refused(nobody.list_objects_v2, "AccessDenied", Bucket=bucket)
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    refused(nobody.get_object, "AccessDenied", Bucket=bucket, Key="page")


def log_policy(bucket, key, organization):
    """The policy of a bucket for the logs of sessions, in the style of the published pattern."""
    members = {"StringEquals": {"aws:PrincipalOrgID": organization}}
    def deny(sid, condition, action="s3:PutObject"):
        return {"Sid": sid, "Effect": "Deny", "Principal": "*", "Action": action, "Resource": both(bucket),
                "Condition": condition}
    return [
        {"Sid": "Write", "Effect": "Allow", "Principal": "*", "Action": ["s3:PutObject", "s3:PutObjectAcl"],
         "Resource": f"arn:aws:s3:::{bucket}/*", "Condition": members},
        {"Sid": "Check", "Effect": "Allow", "Principal": "*", "Action": "s3:GetEncryptionConfiguration",
         "Resource": f"arn:aws:s3:::{bucket}", "Condition": members},
        {"Sid": "Review", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/LogReviewRole"},
         "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": both(bucket)},
        deny("Transport", {"Bool": {"aws:SecureTransport": "false"}}, "s3:*"),
        deny("OldTls", {"NumericLessThan": {"s3:TlsVersion": "1.2"}}, "s3:*"),
        deny("Outside", {"StringNotEquals": {"aws:PrincipalOrgID": organization}}, "s3:*"),
        deny("Unencrypted", {"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}}),
        deny("OtherKey", {"StringNotEquals": {"s3:x-amz-server-side-encryption-aws-kms-key-id": key}}),
        deny("Owner", {"StringNotEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}),
        {"Sid": "LogsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
         "NotResource": f"arn:aws:s3:::{bucket}/*.log"},
        {"Sid": "ReviewersOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject",
         "Resource": f"arn:aws:s3:::{bucket}/*",
         "Condition": {"StringNotEquals": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/LogReviewRole"}}},
    ]


def test_a_bucket_for_logs_takes_them_from_its_organization_only_as_it_says(dev, admin, s3, bucket, workload):
    member, number = workload
    organization = admin.client("organizations").describe_organization()["Organization"]["Id"]
    kms = admin.client("kms")
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"},
        {"Effect": "Allow", "Principal": "*", "Action": ["kms:GenerateDataKey", "kms:Decrypt"], "Resource": "*",
         "Condition": {"StringEquals": {"aws:PrincipalOrgID": organization, "kms:ViaService": "s3.us-east-1.amazonaws.com"},
                       "StringLike": {"kms:EncryptionContext:aws:s3:arn": f"arn:aws:s3:::{bucket}/*"}}}]}
    key = kms.create_key(Policy=json.dumps(policy))["KeyMetadata"]["Arn"]
    reviewer = admin.new_role("LogReviewRole", {"AWS": admin.arn}, allow("*"))
    put_policy(s3, bucket, *log_policy(bucket, key, organization))

    writer = member.client("s3")
    log = f"{number}/alice-0123.log"
    right = {"Bucket": bucket, "Key": log, "Body": b"$ whoami", "ACL": "bucket-owner-full-control",
             "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    put = writer.put_object(**right)
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"]) == ("aws:kms", key)
    without = lambda *names: {name: value for name, value in right.items() if name not in names}
    for wrong in [without("ACL"), without("ServerSideEncryption", "SSEKMSKeyId"), without("SSEKMSKeyId"),
                  right | {"Key": "alice.txt"}, right | {"SSEKMSKeyId": key.replace("key/", "key/0")}]:
        refused(writer.put_object, "AccessDenied", **wrong)
    refused(writer.get_object, "AccessDenied", Bucket=bucket, Key=log)
    refused(s3.get_object, "AccessDenied", Bucket=bucket, Key=log)
    refused(writer.put_bucket_policy, "AccessDenied", Bucket=bucket, Policy="{}")
    read = admin.assume(reviewer).client("s3").get_object(Bucket=bucket, Key=log)
    assert (read["Body"].read(), read["SSEKMSKeyId"]) == (b"$ whoami", key)
    # A key that is disabled opens nothing, to nobody.
    kms.disable_key(KeyId=key)
    refused(admin.assume(reviewer).client("s3").get_object, "KMS.DisabledException", Bucket=bucket, Key=log)
    refused(writer.put_object, "KMS.DisabledException", **right)
    s3.delete_bucket_policy(Bucket=bucket)


def test_who_may_not_decrypt_may_not_read(admin, s3, bucket):
    kms = admin.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [{
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key},
        "BucketKeyEnabled": True}]})
    put = s3.put_object(Bucket=bucket, Key="a", Body=b"secret")
    assert (put["SSEKMSKeyId"], put["BucketKeyEnabled"]) == (key, True)
    reader = admin.new_user("s3-only-reader", allow("s3:*")).client("s3")
    refused(reader.get_object, "AccessDenied", "kms:Decrypt", Bucket=bucket, Key="a")
    assert reader.head_object(Bucket=bucket, Key="a")["SSEKMSKeyId"] == key
    refused(reader.copy_object, "AccessDenied", Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"},
            ServerSideEncryption="AES256")
    s3.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"}, ServerSideEncryption="AES256")
    assert reader.get_object(Bucket=bucket, Key="b")["Body"].read() == b"secret"
    s3.delete_bucket_encryption(Bucket=bucket)
    rule = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


BUCKETS = """
variable "expire" {{ default = 30 }}

variable "hold" {{ default = "ON" }}

resource "aws_kms_key" "logs" {{
  description             = "logs"
  deletion_window_in_days = 7
}}

resource "aws_s3_bucket" "logs" {{
  bucket        = "{name}-logs"
  force_destroy = true
  tags          = {{ team = "blue" }}
}}

resource "aws_s3_bucket_versioning" "logs" {{
  bucket = aws_s3_bucket.logs.id
  versioning_configuration {{ status = "Enabled" }}
}}

resource "aws_s3_bucket_acl" "logs" {{
  bucket = aws_s3_bucket.logs.id
  acl    = "private"
}}

resource "aws_s3_bucket_ownership_controls" "logs" {{
  bucket = aws_s3_bucket.logs.id
  rule {{ object_ownership = "BucketOwnerEnforced" }}
}}

resource "aws_s3_bucket_server_side_encryption_configuration" "logs" {{
  bucket = aws_s3_bucket.logs.id
  rule {{
    apply_server_side_encryption_by_default {{
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.logs.arn
    }}
    bucket_key_enabled = true
  }}
}}

resource "aws_s3_bucket_public_access_block" "logs" {{
  bucket                  = aws_s3_bucket.logs.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}}

resource "aws_s3_bucket_lifecycle_configuration" "logs" {{
  bucket = aws_s3_bucket.logs.id
  rule {{
    id     = "old"
    status = "Enabled"
    filter {{ prefix = "sessions/" }}
    expiration {{ days = var.expire }}
    noncurrent_version_expiration {{ noncurrent_days = 7 }}
  }}
  rule {{
    id     = "uploads"
    status = "Enabled"
    filter {{}}
    abort_incomplete_multipart_upload {{ days_after_initiation = 2 }}
  }}
}}

resource "aws_s3_bucket_policy" "logs" {{
  bucket = aws_s3_bucket.logs.id
  policy = jsonencode({{
    Version = "2012-10-17"
    Statement = [{{
      Sid       = "SecureTransport"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.logs.arn, "${{aws_s3_bucket.logs.arn}}/*"]
      Condition = {{ Bool = {{ "aws:SecureTransport" = "false" }} }}
    }}]
  }})
  depends_on = [aws_s3_bucket_public_access_block.logs]
}}

resource "aws_s3_object" "note" {{
  bucket     = aws_s3_bucket.logs.id
  key        = "sessions/note.txt"
  content    = "a note"
  # The provider's SDK writes it on a line of its own, beside that of the request's encoding.
  content_encoding = "identity"
  depends_on = [aws_s3_bucket_versioning.logs, aws_s3_bucket_server_side_encryption_configuration.logs]
}}

resource "aws_s3_bucket" "locked" {{
  bucket              = "{name}-locked"
  object_lock_enabled = true
  force_destroy       = true
}}

resource "aws_s3_bucket_server_side_encryption_configuration" "locked" {{
  bucket = aws_s3_bucket.locked.id
  rule {{
    apply_server_side_encryption_by_default {{ sse_algorithm = "AES256" }}
  }}
}}

resource "aws_s3_bucket_object_lock_configuration" "locked" {{
  bucket = aws_s3_bucket.locked.id
  rule {{
    default_retention {{
      mode = "GOVERNANCE"
      days = 1
    }}
  }}
}}

resource "aws_s3_object" "held" {{
  bucket                        = aws_s3_bucket_object_lock_configuration.locked.bucket
  key                           = "held + lifted.txt"
  content                       = "held"
  object_lock_mode              = "GOVERNANCE"
  object_lock_retain_until_date = "2099-01-01T00:00:00Z"
  object_lock_legal_hold_status = var.hold
  force_destroy                 = true
}}

resource "aws_s3_object_copy" "note" {{
  bucket = aws_s3_bucket_object_lock_configuration.locked.bucket
  key    = "copy"
  source = "${{aws_s3_object.held.bucket}}/${{aws_s3_object.held.key}}"

  force_destroy = true
}}
"""


@pytest.mark.terraform
def test_terraform_makes_plans_changes_and_destroys_buckets(dev, s3, tmp_path):
    name = f"terraform-{uuid.uuid4().hex[:12]}"
    terraform = Terraform(dev, tmp_path, BUCKETS.format(name=name))
    terraform("apply", "-auto-approve")
    terraform("plan", "-detailed-exitcode")
    head = s3.head_object(Bucket=f"{name}-logs", Key="sessions/note.txt")
    assert head["ServerSideEncryption"] == "aws:kms"
    terraform("plan", "-detailed-exitcode", "-var", "expire=10", check=(2,))
    terraform("apply", "-auto-approve", "-var", "expire=10")
    rules = s3.get_bucket_lifecycle_configuration(Bucket=f"{name}-logs")["Rules"]
    assert [rule["Expiration"]["Days"] for rule in rules if rule["ID"] == "old"] == [10]
    # The bucket's default retention locks what says nothing of it.
    put = s3.put_object(Bucket=f"{name}-locked", Key="kept", Body=b"kept")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=f"{name}-locked", Key="kept", VersionId=put["VersionId"])
    retained = s3.head_object(Bucket=f"{name}-locked", Key="kept")["ObjectLockRetainUntilDate"]
    assert retained > datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=23)
    lifted = ("-var", "expire=10", "-var", "hold=OFF")
    terraform("apply", "-auto-approve", *lifted)
    terraform("plan", "-detailed-exitcode", *lifted)
    terraform("destroy", "-auto-approve", *lifted)
    refused(s3.head_bucket, "404", Bucket=f"{name}-logs")
    refused(s3.head_bucket, "404", Bucket=f"{name}-locked")
