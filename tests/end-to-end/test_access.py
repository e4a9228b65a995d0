"""Who may do what, and why: `drawbridge explain`, `drawbridge policy lint` and the AWS CLI's policy simulator."""

import json
import subprocess

import pytest

from drawbridge import PATIENCE, program

USER = "AccessDeveloper"
ROLE = "AccessTeam"

# A developer's policy as people write it: the deny forgets the nodes whose ids begin with `mi-`.
DEV_ACCESS = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["ssm:DescribeSessions", "ssm:StartSession"], "Resource": "*"},
        {"Sid": "SameUserTerminate", "Effect": "Allow", "Action": "ssm:TerminateSession",
         "Resource": "arn:aws:ssm:*:*:session/${aws:username}-*"},
        {"Sid": "DenySMtoProd", "Effect": "Deny", "Action": "ssm:StartSession",
         "Resource": ["arn:aws:ec2:*:*:instance/*"],
         "Condition": {"StringLike": {"ssm:resourceTag/Environment": "Prod"}}},
    ],
}
TRUST = {"Version": "2012-10-17",
         "Statement": {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}}
BY_TEAM = {"Version": "2012-10-17",
           "Statement": {"Sid": "OwnTeam", "Effect": "Allow", "Action": "ssm:StartSession", "Resource": "*",
                         "Condition": {"StringEquals": {"aws:ResourceTag/Team": "${aws:PrincipalTag/Team}"}}}}
INSTANCE = "arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0"


@pytest.fixture(scope="module")
def policy(dev):
    """The ARN of a developer's policy; a user and a role have access to nodes."""
    made = dev.aws("iam", "create-policy", "--policy-name", "SSMDevAccess", "--policy-document", json.dumps(DEV_ACCESS))
    arn = made["Policy"]["Arn"]
    dev.aws("iam", "create-user", "--user-name", USER)
    dev.aws("iam", "attach-user-policy", "--user-name", USER, "--policy-arn", arn)
    dev.aws("iam", "create-role", "--role-name", ROLE, "--assume-role-policy-document", json.dumps(TRUST),
            "--tags", "Key=Team,Value=blue")
    dev.aws("iam", "put-role-policy", "--role-name", ROLE, "--policy-name", "own",
            "--policy-document", json.dumps(BY_TEAM))
    tags = ["--resource-type", "ManagedInstance", "--resource-id", dev.node]
    dev.aws("ssm", "add-tags-to-resource", *tags, "--tags", "Key=Environment,Value=Prod", "Key=Team,Value=blue")
    yield arn
    dev.aws("ssm", "remove-tags-from-resource", *tags, "--tag-keys", "Environment", "Team")
    dev.aws("iam", "delete-role-policy", "--role-name", ROLE, "--policy-name", "own")
    dev.aws("iam", "delete-role", "--role-name", ROLE)
    dev.aws("iam", "detach-user-policy", "--user-name", USER, "--policy-arn", arn)
    dev.aws("iam", "delete-user", "--user-name", USER)
    dev.aws("iam", "delete-policy", "--policy-arn", arn)


def account(policy):
    return policy.split(":")[4]


def explain(dev, principal, resource, *arguments, action="ssm:StartSession"):
    return dev.cli("explain", "--principal", principal, "--action", action, "--resource", resource, *arguments)


def test_a_denial_is_explained_statement_by_statement(dev, policy):
    node = f"arn:aws:ec2:us-east-1:{account(policy)}:instance/i-0123456789abcdef0"
    done = explain(dev, f"user/{USER}", node, "--context", "ssm:resourceTag/Environment=Prod")
    assert done.returncode == 10, done.stderr
    verdict, reason, _, layer, *steps = done.stdout.splitlines()
    assert verdict == f"denied: arn:aws:iam::{account(policy)}:user/{USER} may not ssm:StartSession on {node}"
    assert reason == f"  denied by {policy}/DenySMtoProd, with an explicit deny in an identity-based policy"
    assert layer == "identity-based policy"
    assert [step.split() for step in steps] == [
        ["Allow", f"{policy}/Statement[0]", "applies"], ["Deny", f"{policy}/DenySMtoProd", "applies"]]
    assert "\x1b" not in done.stdout, "no colours where nobody looks"


def test_real_tags_decide_unless_others_are_given(dev, policy):
    done = explain(dev, f"user/{USER}", dev.node)
    assert done.returncode == 0 and done.stdout.startswith("allowed: "), done
    assert "does not apply: " in done.stdout and "managed-instance" in done.stdout
    assert explain(dev, f"role/{ROLE}", dev.node).returncode == 0
    assert explain(dev, f"role/{ROLE}", dev.node, "--context", "aws:ResourceTag/Team=red").returncode == 10
    assert explain(dev, f"role/{ROLE}/bob", dev.node, "--context", "aws:PrincipalTag/Team=red").returncode == 10


def test_an_explanation_is_json_for_scripts(dev, policy):
    done = explain(dev, f"arn:aws:iam::{account(policy)}:user/{USER}", "*", "--json", action="iam:CreateUser")
    assert done.returncode == 10
    assert json.loads(done.stdout) == {
        "Principal": f"arn:aws:iam::{account(policy)}:user/{USER}", "Action": "iam:CreateUser", "Resource": "*",
        "Decision": "implicitDeny", "Reason": "denied because no identity-based policy allows it", "Steps": []}


def test_an_explanation_that_cannot_be_given_says_why(dev, policy):
    for principal, resource, text in [
        ("user/nobody", "*", "user `nobody`"), ("nobody", "*", "`nobody` is not a principal"),
        (f"user/{USER}", "no-such-node", "`no-such-node`"),
    ]:
        done = explain(dev, principal, resource)
        assert done.returncode == 8 and text in done.stderr, done
    assert dev.cli("explain", "--principal", "user/x").returncode == 2
    assert dev.cli("explain", "--who-can", "ssm:StartSession").returncode == 2


def test_who_can_lists_everyone_and_the_statement(dev, policy):
    done = dev.cli("explain", "--who-can", "ssm:StartSession", "--on", "tag:Environment=Prod")
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line for line in done.stdout.splitlines()[1:]}
    user = rows[f"arn:aws:iam::{account(policy)}:user/{USER}"]
    assert dev.node in user and "mi-*" in user and " i-*" not in user and user.endswith(f"{policy}/Statement[0]")
    role = rows[f"arn:aws:iam::{account(policy)}:role/{ROLE}"]
    assert dev.node in role and "mi-*" not in role and role.endswith(f"role/{ROLE}/own/OwnTeam")
    assert any("AdministratorAccess" in row and " all 3 " in row for row in rows.values())

    answer = json.loads(dev.cli("explain", "--who-can", "ssm:StartSession", "--on", dev.node, "--json").stdout)
    assert [target["Id"] for target in answer["Targets"]] == [dev.node]
    assert len(answer["Principals"]) >= 3
    nothing = dev.cli("explain", "--who-can", "ssm:StartSession", "--on", INSTANCE.replace("123456789012", "000000000000"))
    assert nothing.returncode == 0 and nothing.stdout.startswith("no user or role may "), nothing


def test_simulating_a_principal(dev, policy):
    source = f"arn:aws:iam::{account(policy)}:user/{USER}"
    entry = "ContextKeyName=ssm:resourceTag/Environment,ContextKeyType=string,ContextKeyValues=Prod"
    results = dev.aws(
        "iam", "simulate-principal-policy", "--policy-source-arn", source, "--action-names", "ssm:StartSession",
        "ssm:TerminateSession", "--resource-arns", INSTANCE, "--context-entries", entry)["EvaluationResults"]
    assert [(one["EvalActionName"], one["EvalDecision"]) for one in results] == [
        ("ssm:StartSession", "explicitDeny"), ("ssm:TerminateSession", "implicitDeny")]
    assert results[0]["EvalResourceName"] == INSTANCE
    [statement] = results[0]["MatchedStatements"]
    assert statement["SourcePolicyId"] == "SSMDevAccess" and statement["SourcePolicyType"] == "IAM Policy"
    text = json.dumps(DEV_ACCESS)
    end = statement["EndPosition"]["Column"] - 1
    assert json.loads(text[statement["StartPosition"]["Column"] - 1:end]) == DEV_ACCESS["Statement"][2]

    [open_question] = dev.aws("iam", "simulate-principal-policy", "--policy-source-arn", source, "--action-names",
                              "ssm:StartSession")["EvaluationResults"]
    assert open_question["EvalDecision"] == "allowed"
    assert open_question["MissingContextValues"] == ["ssm:resourceTag/Environment"]

    refused = dev.aws("iam", "simulate-principal-policy", "--policy-source-arn", source + "X", "--action-names",
                      "ssm:StartSession", check=False)
    assert "NoSuchEntity" in refused.stderr


def test_simulating_policies_that_nobody_has(dev):
    statement = '{"Version":"2012-10-17","Statement":[{"Effect":"%s","Action":"%s","Resource":"*"}]}'
    allow, limit = statement % ("Allow", "ssm:*"), statement % ("Allow", "ssm:Describe*")
    ask = ["iam", "simulate-custom-policy", "--policy-input-list", allow, "--action-names", "ssm:DescribeSessions",
           "ssm:StartSession"]
    results = dev.aws(*ask, "--permissions-boundary-policy-input-list", limit)["EvaluationResults"]
    assert [one["EvalDecision"] for one in results] == ["allowed", "implicitDeny"]
    assert results[1]["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}
    assert results[0]["MatchedStatements"][0]["SourcePolicyId"] == "PolicyInputList.1"
    pages = dev.aws(*ask, "--page-size", "1")["EvaluationResults"]
    assert [one["EvalActionName"] for one in pages] == ["ssm:DescribeSessions", "ssm:StartSession"]
    malformed = dev.aws(*ask, "--resource-policy", allow, "--caller-arn", "arn:aws:iam::123456789012:user/a", check=False)
    assert "InvalidInput" in malformed.stderr and "Missing required field Principal" in malformed.stderr


def test_lint_finds_the_nodes_that_a_deny_forgot(tmp_path, dev):
    file = tmp_path / "SSMDevAccess.json"
    file.write_text(json.dumps(DEV_ACCESS, indent=4))
    done = dev.cli("policy", "lint", str(file))
    assert done.returncode == 11, done.stderr
    assert done.stdout.startswith(f"danger: `{file}/DenySMtoProd` ")
    assert "(tag-deny-misses-managed-instances)" in done.stdout
    assert "arn:aws:ssm:*:*:managed-instance/*" in done.stdout.splitlines()[1], "the resource to add"

    mended = json.loads(json.dumps(DEV_ACCESS))
    mended["Statement"][2]["Resource"].append("arn:aws:ssm:*:*:managed-instance/*")
    done = subprocess.run([program("drawbridge"), "policy", "lint", "-", "--json"], input=json.dumps(mended), env=dev.env,
                          capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done
    assert all(finding["Severity"] == "note" for finding in json.loads(done.stdout))


def test_lint_names_file_place_and_reason_of_a_mistake(tmp_path, dev):
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(BY_TEAM))
    bad.write_text(json.dumps(BY_TEAM).replace('"Allow"', '"Permit"'))
    done = dev.cli("policy", "lint", str(good), str(bad))
    assert done.returncode == 2
    assert f"MalformedPolicyDocument: `{bad}`: Statement.Effect: must be Allow or Deny" in done.stderr
    assert dev.cli("policy", "lint", str(tmp_path / "missing.json")).returncode == 1
    assert dev.cli("policy", "lint").returncode == 2


def test_lint_judges_the_policies_of_a_principal_and_of_everyone(dev, policy):
    done = dev.cli("policy", "lint", "--principal", f"user/{USER}")
    assert done.returncode == 11, done.stderr
    assert f"danger: `{policy}/DenySMtoProd` " in done.stdout and f"of: user/{USER}" in done.stdout
    everyone = json.loads(dev.cli("policy", "lint", "--all", "--json").stdout)
    assert any(finding["Sid"] == "DenySMtoProd" and finding["Of"] == [f"user/{USER}"] for finding in everyone
               if "Sid" in finding)
    assert dev.cli("policy", "lint", "--principal", "user/nobody").returncode == 8
    assert dev.cli("policy", "lint", "--principal", "nobody").returncode == 2
