"""Nodes under `i-` ids: enrolled by an operator, tagged as instances, and governed by policies on instances."""

import json
import pathlib
import subprocess

import pytest

from drawbridge import PATIENCE, Node, clean_environment, eventually, program
from principals import ACCOUNT, AWS_POLICY, administrator, allow, client, denied, deny, refused
from test_first_session import START

ROLE = "Instances"
PROFILE = "instances"


@pytest.fixture(scope="module")
def admin(dev):
    return administrator(dev)


@pytest.fixture(scope="module")
def profile(admin):
    """An instance profile whose role may do what agents do."""
    admin.new_role(ROLE, {"Service": "ec2.amazonaws.com"})
    admin.iam.attach_role_policy(RoleName=ROLE, PolicyArn=AWS_POLICY + "AmazonSSMManagedInstanceCore")
    admin.iam.create_instance_profile(InstanceProfileName=PROFILE)
    admin.iam.add_role_to_instance_profile(InstanceProfileName=PROFILE, RoleName=ROLE)
    return PROFILE


def enrol(dev, *arguments):
    done = dev.cli("nodes", "enrol", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class EnrolledNode(Node):
    """A node of its own: `drawbridge-agent run` with an enrolled node's key."""

    def __init__(self, dev, folder, *arguments):
        self.dev, self.folder = dev, pathlib.Path(folder)
        self.state = self.folder / "state"
        self.node = self.take(enrol(dev, *arguments))
        self.start()
        self.wait_connected()

    def take(self, enrolled):
        done = subprocess.run(
            [program("drawbridge-agent"), "enrol", "--endpoint", self.dev.env["AWS_ENDPOINT_URL"],
             "--ca", self.dev.env["AWS_CA_BUNDLE"], "--state-dir", self.state],
            env=clean_environment(), input=json.dumps(enrolled), capture_output=True, text=True, timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.dev.cli("nodes", "remove", self.node)


@pytest.fixture(scope="module")
def node(dev, profile, tmp_path_factory):
    arguments = ["--instance-profile", profile, "--name", "enrolled-1", "--tag", "Environment=Prod"]
    with EnrolledNode(dev, tmp_path_factory.mktemp("enrolled"), *arguments) as node:
        yield node


def test_the_clients_of_aws_see_an_instance(admin, node):
    found = admin.aws("ec2", "describe-instances", "--filters", "Name=tag:Name,Values=enrolled-*")
    [instance] = found["Reservations"][0]["Instances"]
    assert instance["InstanceId"] == node.node and instance["State"]["Name"] == "running"
    assert instance["IamInstanceProfile"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:instance-profile/{PROFILE}"
    tags = admin.aws("ec2", "describe-tags", "--filters", f"Name=resource-id,Values={node.node}")["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"Environment": "Prod", "Name": "enrolled-1"}
    [information] = admin.aws("ssm", "describe-instance-information", "--filters",
                              f"Key=InstanceIds,Values={node.node}")["InstanceInformationList"]
    assert information["ResourceType"] == "EC2Instance" and information["PingStatus"] == "Online"
    listed = admin.dev.cli("nodes", "list").stdout
    assert any(line.split()[:2] == [node.node, "Online"] for line in listed.splitlines())


def test_a_deny_by_a_tag_of_instances_holds_until_the_tag_goes(admin, node, terminal):
    user = admin.new_user(
        "Workshop", allow(["ssm:StartSession", "ec2:DescribeInstances"]),
        deny("ssm:StartSession", "arn:aws:ec2:*:*:instance/*", StringLike={"ssm:resourceTag/Environment": "Prod"}))
    denied(user.ssm.start_session, "ssm:StartSession",
           f"arn:aws:ec2:us-east-1:{ACCOUNT}:instance/{node.node} with an explicit deny in an identity-based policy",
           Target=node.node)
    denied(user.ec2.create_tags, "ec2:CreateTags", Resources=[node.node], Tags=[{"Key": "Environment", "Value": "Dev"}])
    admin.aws("ec2", "create-tags", "--resources", node.node, "--tags", "Key=Environment,Value=Dev")
    shell = terminal([*START, node.node], user.env)
    shell.line("echo sum-$((40 + 2))")
    shell.wait_for(b"sum-42")
    admin.aws("ec2", "create-tags", "--resources", node.node, "--tags", "Key=Environment,Value=Prod")
    shell.wait_for("no longer allowed")
    shell.end()


def test_a_key_that_was_replaced_signs_nothing_and_the_agent_takes_the_next(dev, node):
    first = json.loads((node.state / "access-key.json").read_text())
    old = client(dev, "ssm", first["AccessKeyId"], first["SecretAccessKey"])
    refused(old.start_session, "AccessDeniedException", Target=node.node)
    assert node.take(enrol(dev, "--id", node.node, "--instance-profile", PROFILE, "--rotate")) == node.node
    refused(old.start_session, "UnrecognizedClientException", Target=node.node)
    node.stop()
    node.start()
    node.wait_connected()


def test_whoever_enrols_must_be_allowed_to_pass_the_role(dev, admin, profile):
    user = admin.new_user("Enroller", allow("drawbridge:EnrolNode"))
    done = dev.cli("nodes", "enrol", "--instance-profile", profile, env=user.env)
    assert done.returncode == 8 and "to perform: iam:PassRole on resource" in done.stderr


def test_what_is_wrong_is_said(dev, admin, node):
    none = "i-0ffffffffffffffff"
    refused(admin.ec2.create_tags, "InvalidInstanceID.NotFound", f"The instance ID '{none}' does not exist",
            Resources=[none], Tags=[{"Key": "a", "Value": "b"}])
    refused(admin.ec2.describe_instances, "InvalidInstanceID.Malformed", 'Invalid id: "web-1"', InstanceIds=["web-1"])
    refused(admin.ec2.create_tags, "InvalidParameterValue", "reserved", Resources=[node.node],
            Tags=[{"Key": "aws:x", "Value": "b"}])
    refused(admin.ec2.delete_tags, "DryRunOperation", "would have succeeded", Resources=[node.node], DryRun=True)
    again = dev.cli("nodes", "enrol", "--id", node.node, "--role", ROLE)
    assert again.returncode == 8 and f"Node {node.node} is enrolled already" in again.stderr


def test_a_removed_node_is_gone(dev, admin, profile, tmp_path):
    with EnrolledNode(dev, tmp_path, "--role", ROLE) as node:
        assert dev.cli("nodes", "remove", node.node).returncode == 0
        eventually(lambda: not node.connected(), what="node offline")
        refused(admin.ssm.start_session, "TargetNotConnected", Target=node.node)
        refused(admin.ec2.describe_instances, "InvalidInstanceID.NotFound", node.node, InstanceIds=[node.node])
