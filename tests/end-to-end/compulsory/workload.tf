# What an account with instances has: the preferences of sessions, the role of instances, and the role of a tester.

variable "key" {
  description = "what the other configuration says: the ARN of the key of sessions and logs"
}

variable "bucket" {
  description = "the name of the bucket of logs"
}

variable "account" {
  description = "the account that the bucket is in"
}

data "aws_region" "current" {}
data "aws_caller_identity" "current" {}

locals {
  path       = "/common/examples/"
  bucket_arn = "arn:aws:s3:::${var.bucket}"
}

data "aws_iam_policy_document" "instance" {
  statement {
    sid       = "Logs"
    actions   = ["s3:PutObject", "s3:PutObjectAcl", "s3:GetEncryptionConfiguration"]
    resources = [local.bucket_arn, "${local.bucket_arn}/$${aws:PrincipalAccount}/*"]
    condition {
      test     = "StringEquals"
      variable = "s3:ResourceAccount"
      values   = [var.account]
    }
  }

  statement {
    sid       = "Sessions"
    actions   = ["kms:DescribeKey", "kms:Decrypt"]
    resources = [var.key]
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
    for_each = { Object = "${local.bucket_arn}/$${aws:PrincipalAccount}/*", Bucket = local.bucket_arn }
    content {
      sid       = "EncryptionOfLogsBy${statement.key}"
      actions   = ["kms:DescribeKey", "kms:GenerateDataKey"]
      resources = [var.key]
      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["s3.${data.aws_region.current.name}.amazonaws.com"]
      }
      condition {
        test     = "StringLike"
        variable = "kms:EncryptionContext:aws:s3:arn"
        values   = [statement.value]
      }
    }
  }
}

resource "aws_iam_policy" "instance" {
  name        = "SSMEncryptedLoggedSessions"
  path        = local.path
  description = "encrypted sessions, and encrypted logs in the bucket"
  policy      = data.aws_iam_policy_document.instance.json
}

resource "aws_iam_role" "instance" {
  name = "EC2-SSMEncryptedLoggedSessions"
  path = local.path
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Sid = "", Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })
}

resource "aws_iam_instance_profile" "instance" {
  name = aws_iam_role.instance.name
  path = local.path
  role = aws_iam_role.instance.name
}

resource "aws_iam_role_policy_attachment" "instance" {
  role       = aws_iam_role.instance.name
  policy_arn = aws_iam_policy.instance.arn
}

resource "aws_iam_role_policy_attachment" "core" {
  role       = aws_iam_role.instance.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

# Whoever used sessions before has a document of this name already.
resource "terraform_data" "no_preferences" {
  provisioner "local-exec" {
    command    = "aws ssm delete-document --name SSM-SessionManagerRunShell --region ${data.aws_region.current.name}"
    on_failure = continue
  }
}

resource "aws_ssm_document" "preferences" {
  name            = "SSM-SessionManagerRunShell"
  document_type   = "Session"
  document_format = "JSON"
  depends_on      = [terraform_data.no_preferences]
  content = jsonencode({
    schemaVersion = "1.0"
    description   = "how sessions are here"
    sessionType   = "Standard_Stream"
    inputs = {
      s3BucketName                = var.bucket
      s3KeyPrefix                 = data.aws_caller_identity.current.account_id
      s3EncryptionEnabled         = true
      cloudWatchLogGroupName      = ""
      cloudWatchEncryptionEnabled = true
      cloudWatchStreamingEnabled  = true
      idleSessionTimeout          = "15"
      kmsKeyId                    = var.key
      runAsEnabled                = false
      runAsDefaultUser            = ""
      shellProfile                = { windows = "", linux = "" }
    }
  })
}

data "aws_iam_policy_document" "tester" {
  statement {
    sid       = "Sessions"
    actions   = ["kms:GenerateDataKey"]
    resources = [var.key]
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

  statement {
    sid = "WhatAConsoleShows"
    actions = [
      "ec2:Describe*", "ec2:GetEbsEncryptionByDefault", "IAM:ListInstanceProfiles", "IAM:ListRoles", "kms:ListAliases",
      "ssm:DescribeInstanceInformation", "ssm:DescribeSessions", "ssm:GetConnectionStatus", "ssm:ListAssociations",
      "ssm:StartSession",
    ]
    resources = ["*"]
  }

  statement {
    sid           = "ThePreferencesOnly"
    effect        = "Deny"
    actions       = ["ssm:StartSession"]
    not_resources = ["arn:aws:ec2:*:*:instance/*", "arn:aws:ssm:*:*:document/SSM-SessionManagerRunShell"]
  }
}

resource "aws_iam_policy" "tester" {
  name        = "ConsoleSSMSessionTesterRolePermissions"
  path        = local.path
  description = "a look at instances, and sessions with them"
  policy      = data.aws_iam_policy_document.tester.json
}

resource "aws_iam_role" "tester" {
  name = "ConsoleSSMSessionTester"
  path = local.path
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "", Effect = "Allow", Action = "sts:AssumeRole"
      Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.current.account_id}:root" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "tester" {
  role       = aws_iam_role.tester.name
  policy_arn = aws_iam_policy.tester.arn
}

output "tester" {
  value = aws_iam_role.tester.arn
}
