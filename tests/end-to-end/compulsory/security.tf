# What the account of security and logging has: one key for sessions and for their logs, and one bucket for the logs.

variable "prefix" {
  description = "what the name of the bucket begins with"
}

variable "reviewer" {
  description = "the ARN of the role that may read logs"
}

data "aws_region" "current" {}
data "aws_caller_identity" "current" {}
data "aws_organizations_organization" "current" {}

# Whoever applies this administers the key: the role, if it is a session of one.
data "aws_iam_session_context" "current" {
  arn = data.aws_caller_identity.current.arn
}

locals {
  account      = data.aws_caller_identity.current.account_id
  organization = data.aws_organizations_organization.current.id
  bucket       = "${var.prefix}-ssmsessionlogging-${data.aws_region.current.name}"
  bucket_arn   = "arn:aws:s3:::${local.bucket}"
  through_s3   = "s3.${data.aws_region.current.name}.amazonaws.com"

  # The context of an object's own key, and of a key of the whole bucket.
  written_objects = { object = "${local.bucket_arn}/$${aws:PrincipalAccount}/*", bucket = local.bucket_arn }
  read_objects    = { object = "${local.bucket_arn}/*", bucket = local.bucket_arn }
}

# No statement hands the key to the account's own policies.
data "aws_iam_policy_document" "key" {
  statement {
    sid       = "Encryption of Sessions"
    actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalOrgID"
      values   = [local.organization]
    }
    condition {
      test     = "Null"
      variable = "kms:EncryptionContext:aws:ssm:SessionId"
      values   = ["false"]
    }
    condition {
      test     = "StringLike"
      variable = "kms:EncryptionContext:aws:ssm:TargetId"
      values   = ["i-*"]
    }
  }

  dynamic "statement" {
    for_each = local.written_objects
    content {
      sid       = "Encryption of Logs by ${statement.key}"
      actions   = ["kms:DescribeKey", "kms:GenerateDataKey*"]
      resources = ["*"]
      principals {
        type        = "AWS"
        identifiers = ["*"]
      }
      condition {
        test     = "StringEquals"
        variable = "aws:PrincipalOrgID"
        values   = [local.organization]
      }
      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = [local.through_s3]
      }
      condition {
        test     = "StringLike"
        variable = "kms:EncryptionContext:aws:s3:arn"
        values   = [statement.value]
      }
    }
  }

  dynamic "statement" {
    for_each = local.read_objects
    content {
      sid       = "Review of Logs by ${statement.key}"
      actions   = ["kms:DescribeKey", "kms:Decrypt"]
      resources = ["*"]
      principals {
        type        = "AWS"
        identifiers = ["*"]
      }
      condition {
        test     = "StringEquals"
        variable = "kms:CallerAccount"
        values   = [local.account]
      }
      condition {
        test     = "StringEquals"
        variable = "aws:PrincipalArn"
        values   = [var.reviewer]
      }
      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = [local.through_s3]
      }
      condition {
        test     = "StringLike"
        variable = "kms:EncryptionContext:aws:s3:arn"
        values   = [statement.value]
      }
    }
  }

  statement {
    sid = "Administration"
    actions = [
      "kms:*Grant", "kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey",
      "kms:EnableKeyRotation", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:List*", "kms:PutKeyPolicy",
      "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UpdateKeyDescription",
    ]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalOrgID"
      values   = [local.organization]
    }
    condition {
      test     = "StringEquals"
      variable = "kms:CallerAccount"
      values   = [local.account]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalArn"
      values   = [data.aws_iam_session_context.current.issuer_arn]
    }
  }

  statement {
    sid       = "Reading by the Account"
    actions   = ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:List*"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalOrgID"
      values   = [local.organization]
    }
    condition {
      test     = "StringEquals"
      variable = "kms:CallerAccount"
      values   = [local.account]
    }
  }

  statement {
    sid       = "Reading by a Service"
    actions   = ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:List*"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${local.account}:root"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:InvokedBy"
      values   = ["access-analyzer.amazonaws.com"]
    }
  }

  statement {
    sid       = "No Way round the Lockout Check"
    effect    = "Deny"
    actions   = ["kms:PutKeyPolicy"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "kms:BypassPolicyLockoutSafetyCheck"
      values   = ["true"]
    }
  }
}

resource "aws_kms_key" "sessions" {
  description                        = "of sessions and of their logs"
  key_usage                          = "ENCRYPT_DECRYPT"
  customer_master_key_spec           = "SYMMETRIC_DEFAULT"
  policy                             = data.aws_iam_policy_document.key.json
  bypass_policy_lockout_safety_check = false
  is_enabled                         = true
  enable_key_rotation                = true
  deletion_window_in_days            = 30
}

resource "aws_kms_alias" "sessions" {
  name          = "alias/SessionKey"
  target_key_id = aws_kms_key.sessions.key_id
}

data "aws_iam_policy_document" "bucket" {
  statement {
    sid       = "Logs"
    actions   = ["s3:GetEncryptionConfiguration", "s3:PutObject", "s3:PutObjectAcl"]
    resources = [local.bucket_arn, "${local.bucket_arn}/$${aws:PrincipalAccount}/*"]
    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalOrgID"
      values   = [local.organization]
    }
  }

  dynamic "statement" {
    for_each = {
      OwnerControls = ["StringNotEquals", "s3:x-amz-acl", "bucket-owner-full-control"]
      Encrypted     = ["Null", "s3:x-amz-server-side-encryption", "true"]
      UnderTheKey   = ["StringNotEquals", "s3:x-amz-server-side-encryption-aws-kms-key-id", aws_kms_key.sessions.arn]
    }
    content {
      sid       = statement.key
      effect    = "Deny"
      actions   = ["s3:PutObject"]
      resources = ["${local.bucket_arn}/*"]
      principals {
        type        = "AWS"
        identifiers = ["*"]
      }
      condition {
        test     = statement.value[0]
        variable = statement.value[1]
        values   = [statement.value[2]]
      }
    }
  }

  statement {
    sid           = "LogsOnly"
    effect        = "Deny"
    actions       = ["s3:PutObject"]
    not_resources = ["${local.bucket_arn}/*.log"]
    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
  }

  dynamic "statement" {
    for_each = {
      Tls     = ["Bool", "aws:SecureTransport", "false"]
      GoodTls = ["NumericLessThan", "s3:TlsVersion", "1.2"]
    }
    content {
      sid       = statement.key
      effect    = "Deny"
      actions   = ["s3:*"]
      resources = [local.bucket_arn, "${local.bucket_arn}/*"]
      principals {
        type        = "AWS"
        identifiers = ["*"]
      }
      condition {
        test     = statement.value[0]
        variable = statement.value[1]
        values   = [statement.value[2]]
      }
    }
  }

  statement {
    sid    = "ConfiguredHere"
    effect = "Deny"
    actions = [
      "s3:BypassGovernanceRetention", "s3:DeleteBucket", "s3:DeleteBucketPolicy", "s3:DeleteBucketWebsite",
      "s3:PutAccelerateConfiguration", "s3:PutAnalyticsConfiguration", "s3:PutBucketAcl", "s3:PutBucketCORS",
      "s3:PutBucketLogging", "s3:PutBucketNotification", "s3:PutBucketOwnershipControls", "s3:PutBucketPolicy",
      "s3:PutBucketPublicAccessBlock", "s3:PutBucketRequestPayment", "s3:PutBucketVersioning", "s3:PutBucketWebsite",
      "s3:PutEncryptionConfiguration", "s3:PutInventoryConfiguration", "s3:PutLifecycleConfiguration",
      "s3:PutMetricsConfiguration", "s3:PutReplicationConfiguration",
    ]
    resources = [local.bucket_arn, "${local.bucket_arn}/*"]
    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
    condition {
      test     = "StringNotEquals"
      variable = "aws:PrincipalAccount"
      values   = [local.account]
    }
  }
}

resource "aws_s3_bucket" "logs" {
  bucket = local.bucket
}

# Applied beside the next, in any order: an access list that says what is so anyway is no error.
resource "aws_s3_bucket_acl" "logs" {
  bucket = aws_s3_bucket.logs.id
  acl    = "private"
}

resource "aws_s3_bucket_ownership_controls" "logs" {
  bucket = aws_s3_bucket.logs.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "logs" {
  bucket = aws_s3_bucket.logs.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "logs" {
  bucket = aws_s3_bucket.logs.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.sessions.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "logs" {
  bucket                  = aws_s3_bucket.logs.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "logs" {
  bucket = aws_s3_bucket.logs.id
  policy = data.aws_iam_policy_document.bucket.json
}

output "key" {
  value = aws_kms_key.sessions.arn
}

output "bucket" {
  value = aws_s3_bucket.logs.id
}

output "account" {
  value = local.account
}
