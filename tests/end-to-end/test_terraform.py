"""Terraform's AWS provider makes, plans again and destroys what Drawbridge has of IAM and Systems Manager."""

import pytest

from principals import NODE_ROLE, administrator, refused
from terraform import Terraform

pytestmark = pytest.mark.terraform

CONFIGURATION = """
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


@pytest.fixture
def terraform(dev, tmp_path):
    return Terraform(dev, tmp_path, CONFIGURATION)


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
