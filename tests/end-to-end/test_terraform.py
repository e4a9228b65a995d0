"""Terraform's AWS provider makes, plans again and destroys what Drawbridge has of IAM and Systems Manager.

The provider comes from the folder of a mirror that `DRAWBRIDGE_TERRAFORM_MIRROR` names or that is found where software
is put, or else from where Terraform's own configuration says.
"""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

from principals import NODE_ROLE, administrator, refused

CONFIGURATION = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region                      = "us-east-1"
  skip_metadata_api_check     = true
  skip_region_validation      = true
}

data "aws_caller_identity" "current" {}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com", "ssm.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "shell" {
  statement {
    actions   = ["ssm:StartSession"]
    resources = ["arn:aws:ssm:*:${data.aws_caller_identity.current.account_id}:managed-instance/*"]
    condition {
      test     = "StringLike"
      variable = "ssm:resourceTag/Environment"
      values   = ["Dev"]
    }
  }
  statement {
    actions   = ["ssm:TerminateSession"]
    resources = ["arn:aws:ssm:*:*:session/$${aws:username}-*"]
  }
}

resource "aws_iam_role" "node" {
  name                 = "tf-node"
  path                 = "/nodes/"
  description          = "of nodes"
  max_session_duration = 7200
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  tags                 = { Team = var.team }
}

resource "aws_iam_role_policy" "node" {
  name   = "own"
  role   = aws_iam_role.node.id
  policy = data.aws_iam_policy_document.shell.json
}

resource "aws_iam_role_policy_attachment" "core" {
  role       = aws_iam_role.node.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "node" {
  name = "tf-node"
  role = aws_iam_role.node.name
}

resource "aws_iam_policy" "shell" {
  name        = "tf-shell"
  description = "a shell on what is in development"
  policy      = data.aws_iam_policy_document.shell.json
  tags        = { Team = var.team }
}

resource "aws_iam_group" "engineers" {
  name = "tf-engineers"
}

resource "aws_iam_group_policy_attachment" "engineers" {
  group      = aws_iam_group.engineers.name
  policy_arn = aws_iam_policy.shell.arn
}

resource "aws_iam_user" "alice" {
  name                 = "tf-alice"
  permissions_boundary = "arn:aws:iam::aws:policy/AdministratorAccess"
  force_destroy        = true
  tags                 = { Team = var.team }
}

resource "aws_iam_group_membership" "engineers" {
  name  = "engineers"
  group = aws_iam_group.engineers.name
  users = [aws_iam_user.alice.name]
}

resource "aws_iam_user_policy" "alice" {
  name   = "own"
  user   = aws_iam_user.alice.name
  policy = data.aws_iam_policy_document.shell.json
}

resource "aws_iam_user_policy_attachment" "alice" {
  user       = aws_iam_user.alice.name
  policy_arn = aws_iam_policy.shell.arn
}

resource "aws_iam_access_key" "alice" {
  user = aws_iam_user.alice.name
}

resource "aws_ssm_service_setting" "tier" {
  setting_id    = "arn:aws:ssm:us-east-1:${data.aws_caller_identity.current.account_id}:servicesetting/ssm/managed-instance/activation-tier"
  setting_value = "advanced"
}

resource "aws_ssm_activation" "rack" {
  name               = "rack"
  description        = "machines of a rack"
  iam_role           = "%(node_role)s"
  registration_limit = 5
  tags               = { Team = var.team }
}

variable "team" {
  default = "blue"
}
""" % {"node_role": NODE_ROLE}

PATIENCE = 170


@pytest.fixture
def terraform(dev, tmp_path):
    """Runs Terraform in a folder of its own against the server; answers its exit code and what it printed."""
    if not shutil.which("terraform"):
        pytest.skip("`terraform` is not installed")
    (tmp_path / "main.tf").write_text(CONFIGURATION)
    env = dev.env | {name: value for name, value in os.environ.items() if name.startswith("TF_")}
    env |= {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}

    def run(*arguments, check=(0,)):
        done = subprocess.run(["terraform", *arguments, "-no-color"], cwd=tmp_path, env=env, timeout=PATIENCE,
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode in check, done.stdout + done.stderr
        return done.returncode, done.stdout

    mirror = os.environ.get("DRAWBRIDGE_TERRAFORM_MIRROR") or found_mirror()
    init = subprocess.run(["terraform", "init", "-no-color", *([f"-plugin-dir={mirror}"] if mirror else [])], cwd=tmp_path,
                          env=env, timeout=PATIENCE, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if init.returncode:
        pytest.skip(f"Terraform finds no AWS provider: {re.search('Error: .*', init.stderr + 'Error: none given').group()}")
    return run


def found_mirror():
    """A folder laid out as a provider mirror with the AWS provider in it, if this machine has one."""
    roots = [pathlib.Path(root) for root in ("/opt", "/srv", "/usr/share", "/usr/local/share", "/usr/local/lib")]
    found = (path for root in roots for path in root.glob("*/registry.terraform.io/hashicorp/aws"))
    return next((path.parents[2] for path in found), None)


def test_what_is_applied_stays_and_is_destroyed(dev, terraform):
    admin = administrator(dev)
    _, applied = terraform("apply", "-auto-approve")
    assert "Apply complete! Resources: 14 added" in applied
    different, plan = terraform("plan", "-detailed-exitcode", check=(0, 2))
    assert not different, plan
    assert admin.iam.list_groups_for_user(UserName="tf-alice")["Groups"][0]["GroupName"] == "tf-engineers"

    terraform("plan", "-detailed-exitcode", "-var", "team=red", check=(2,))
    _, changed = terraform("apply", "-auto-approve", "-var", "team=red")
    assert "3 changed" in changed
    assert {"Key": "Team", "Value": "red"} in admin.iam.list_role_tags(RoleName="tf-node")["Tags"]

    _, destroyed = terraform("destroy", "-auto-approve")
    assert "Destroy complete! Resources: 14 destroyed." in destroyed
    refused(admin.iam.get_user, "NoSuchEntity", UserName="tf-alice")
    refused(admin.iam.get_role, "NoSuchEntity", RoleName="tf-node")
