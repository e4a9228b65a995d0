"""A public workshop on Session Manager as it is written: roles, activations, users, tags, and who gets a shell where.

It has two tasks of the number 2; the numbers here are those of its list of tasks. Left out are the key pair and the
four `run-instances` of Task 3, whose machines are enrolled or registered here, and what needs session logs (Task 6, and
the logs of Task 7), which are not there yet.
"""

import json
import re

import pytest

from drawbridge import Dev, Node
from principals import ACCOUNT, AWS_POLICY, administrator, denied, refused
from test_first_session import START
from wire import Door, EnrolledNode

LAB_ROLE_TRUST_POLICY = """{
  "Version": "2012-10-17",
  "Statement": {
    "Effect": "Allow",
    "Principal": {"Service": "ec2.amazonaws.com"},
    "Action": "sts:AssumeRole"
  }
}
"""
SSMSERVICE_TRUST_POLICY = LAB_ROLE_TRUST_POLICY.replace("ec2.amazonaws.com", "ssm.amazonaws.com")
SSM_DEV_ACCESS = """{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "ssm:DescribeSessions",
                "ssm:GetConnectionStatus",
                "ssm:DescribeInstanceProperties",
                "ec2:DescribeInstances",
                "ssm:StartSession"
            ],
            "Resource": "*"
        },
        {
            "Sid": "ReadAlltheSSMThings",
            "Effect": "Allow",
            "Action": [
                "ssm:Get*",
                "ssm:Describe*",
                "ssm:List*"
            ],
            "Resource": "*"
        },
        {
            "Sid": "SameUserTerminate",
            "Effect": "Allow",
            "Action": "ssm:TerminateSession",
            "Resource": "arn:aws:ssm:*:*:session/${aws:username}-*"
        },
        {
            "Sid": "DenySMtoProd",
            "Effect": "Deny",
            "Action": "ssm:StartSession",
            "Resource": [
                "arn:aws:ec2:*:*:instance/*"
            ],
            "Condition": {
                "StringLike": {
                    "ssm:resourceTag/Environment": "Prod"
                }
            }
        }
    ]
}
"""
USER = "MyWorkshopUser"
TIER = "/ssm/managed-instance/activation-tier"
CONNECTED = []  # nodes that only speak the protocol


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    with Dev(tmp_path_factory.mktemp("workshop")) as running:
        yield running


@pytest.fixture(scope="module")
def admin(dev):
    return administrator(dev)


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    """The files that the workshop has its reader save."""
    folder = tmp_path_factory.mktemp("papers")
    (folder / "lab-role-trust-policy.json").write_text(LAB_ROLE_TRUST_POLICY)
    (folder / "ssmservice-trust-policy.json").write_text(SSMSERVICE_TRUST_POLICY)
    (folder / "SSMDevAccess.json").write_text(SSM_DEV_ACCESS)
    return folder


def create_activation(admin, name, check=True):
    return admin.aws("ssm", "create-activation", "--default-instance-name", name, "--iam-role", "SSMServiceRole",
                     "--registration-limit", "10", "--region", "us-east-1", check=check)


def test_task_2_needs_the_role_of_task_1(admin):
    early = create_activation(admin, "DevOnPrem", check=False)
    assert early.returncode != 0
    assert "An error occurred (ValidationException)" in early.stderr
    assert f"Nonexistent role or missing ssm service principal in trust policy: arn:aws:iam::{ACCOUNT}:role/SSMServiceRole" in early.stderr


@pytest.fixture(scope="module")
def roles(admin, papers):
    """Task 1, command by command; answers what the ones that print something printed."""
    iam = lambda *arguments: admin.aws("iam", *arguments)  # noqa: E731
    printed = {}
    printed["profile"] = iam("create-instance-profile", "--instance-profile-name", "SSMLabProfile")
    printed["lab"] = iam("create-role", "--role-name", "SSMLabRole", "--assume-role-policy-document",
                         f"file://{papers}/lab-role-trust-policy.json")
    iam("add-role-to-instance-profile", "--role-name", "SSMLabRole", "--instance-profile-name", "SSMLabProfile")
    iam("attach-role-policy", "--policy-arn", AWS_POLICY + "service-role/AmazonEC2RoleforSSM", "--role-name", "SSMLabRole")
    printed["service"] = iam("create-role", "--role-name", "SSMServiceRole", "--assume-role-policy-document",
                             f"file://{papers}/ssmservice-trust-policy.json")
    iam("attach-role-policy", "--role-name", "SSMServiceRole", "--policy-arn", AWS_POLICY + "AmazonSSMManagedInstanceCore")
    iam("attach-role-policy", "--role-name", "SSMServiceRole", "--policy-arn", AWS_POLICY + "CloudWatchAgentServerPolicy")
    return printed


def test_task_1_creates_roles_and_a_profile(admin, papers, roles):
    assert roles["profile"]["InstanceProfile"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:instance-profile/SSMLabProfile"
    assert roles["lab"]["Role"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/SSMLabRole"
    assert roles["lab"]["Role"]["AssumeRolePolicyDocument"] == json.loads(LAB_ROLE_TRUST_POLICY)
    profile = admin.iam.get_instance_profile(InstanceProfileName="SSMLabProfile")["InstanceProfile"]
    assert [role["RoleName"] for role in profile["Roles"]] == ["SSMLabRole"]
    attached = admin.iam.list_attached_role_policies(RoleName="SSMServiceRole")["AttachedPolicies"]
    assert {one["PolicyName"] for one in attached} == {"AmazonSSMManagedInstanceCore", "CloudWatchAgentServerPolicy"}
    again = admin.aws("iam", "create-role", "--role-name", "SSMLabRole", "--assume-role-policy-document",
                      f"file://{papers}/lab-role-trust-policy.json", check=False)
    assert "An error occurred (EntityAlreadyExists)" in again.stderr


@pytest.fixture(scope="module")
def activations(admin, roles):
    """Task 2: a code and an id for each of the mock on-premises machines."""
    return {name: create_activation(admin, name) for name in ("DevOnPrem", "ProdOnPrem")}


def test_task_2_answers_codes_and_ids(admin, activations):
    for made in activations.values():
        assert re.fullmatch("[A-Za-z0-9+/]{20}", made["ActivationCode"])
        assert re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", made["ActivationId"])
    admin.new_role("NoService", {"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
    refused(admin.ssm.create_activation, "ValidationException", "missing ssm service principal in trust policy",
            IamRole="NoService")


@pytest.fixture(scope="module")
def on_premises(dev, admin, activations, tmp_path_factory):
    """The mock on-premises machines, registered and tagged as the workshop's instances are."""
    nodes = {}
    for name, environment in (("DevOnPrem", "Dev"), ("ProdOnPrem", "Prod")):
        node = Node(dev, tmp_path_factory.mktemp(name), dev.env["AWS_ENDPOINT_URL"], activation=activations[name])
        admin.aws("ssm", "add-tags-to-resource", "--resource-type", "ManagedInstance", "--resource-id", node.node,
                  "--tags", f"Key=Environment,Value={environment}")
        nodes[name] = node
    yield nodes
    for node in nodes.values():
        node.process.terminate()
        node.process.wait()


@pytest.fixture(scope="module")
def instances(dev, roles):
    """The two EC2 instances: nodes that only speak the protocol, so that the machine of the test can be many."""
    nodes = {}
    for name, environment in (("ProdEC2Instance", "Prod"), ("DevEC2Instance", "Dev")):
        enrolled = EnrolledNode(Door(dev), "--instance-profile", "SSMLabProfile", "--name", name,
                                "--tag", f"Environment={environment}")
        nodes[name] = enrolled.connect()
        CONNECTED.append(enrolled)
    yield nodes
    for node in nodes.values():
        node.control.drop()


@pytest.fixture(autouse=True)
def instances_stay_connected():
    """However long the tests are that have nothing to do with them."""
    for node in CONNECTED:
        node.pulse()


def test_task_3_has_instances_with_the_profile_of_task_1(admin, instances):
    found = admin.aws("ec2", "describe-instances", "--filters", "Name=tag:Environment,Values=Dev,Prod")
    described = {one["InstanceId"]: one for made in found["Reservations"] for one in made["Instances"]}
    assert described.keys() == {node.id for node in instances.values()}
    for name, node in instances.items():
        one = described[node.id]
        assert re.fullmatch("i-[0-9a-f]{17}", node.id)
        assert {"Key": "Name", "Value": name} in one["Tags"]
        assert one["IamInstanceProfile"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:instance-profile/SSMLabProfile"
        assert admin.ssm.get_connection_status(Target=node.id)["Status"] == "connected"


def test_the_on_premises_machines_are_online(admin, on_premises):
    described = admin.aws("ssm", "describe-instance-information", "--filters", "Key=tag:Environment,Values=Dev,Prod",
                          "Key=ResourceType,Values=ManagedInstance")
    found = {node["Name"]: node for node in described["InstanceInformationList"]}
    assert found.keys() == {"DevOnPrem", "ProdOnPrem"}
    for name, node in found.items():
        assert node["InstanceId"] == on_premises[name].node
        assert node["PingStatus"] == "Online" and node["IamRole"] == "SSMServiceRole"


def test_task_4_puts_the_account_into_the_advanced_tier(admin, on_premises):
    prod = on_premises["ProdOnPrem"].node
    # `drawbridge dev` is in the advanced tier; the workshop's account starts in the other.
    admin.aws("ssm", "update-service-setting", "--setting-id", TIER, "--setting-value", "standard")
    refused_ = admin.aws("ssm", "start-session", "--target", prod, check=False)
    assert "An error occurred (BadRequest)" in refused_.stderr
    assert "Enable advanced-instances tier to use Session Manager with your on-premises instances" in refused_.stderr

    admin.aws("ssm", "update-service-setting", "--setting-id", TIER, "--setting-value", "advanced")
    arn = f"arn:aws:ssm:us-east-1:{ACCOUNT}:servicesetting{TIER}"
    for name in (TIER, arn):
        setting = admin.aws("ssm", "get-service-setting", "--setting-id", name)["ServiceSetting"]
        assert (setting["SettingId"], setting["SettingValue"], setting["Status"], setting["ARN"]) == (
            TIER, "advanced", "Customized", arn)
        assert setting["LastModifiedUser"] == f"arn:aws:iam::{ACCOUNT}:user/admin"
    started = admin.ssm.start_session(Target=prod)
    admin.ssm.terminate_session(SessionId=started["SessionId"])


@pytest.fixture(scope="module")
def policy(admin, papers):
    return admin.aws("iam", "create-policy", "--policy-name", "SSMDevAccess", "--policy-document",
                     f"file://{papers}/SSMDevAccess.json")


@pytest.fixture(scope="module")
def workshop_user(admin, policy):
    """Task 5; answers the user with an access key, which stands for its password in the console."""
    iam = lambda *arguments, **options: admin.aws("iam", *arguments, **options)  # noqa: E731
    iam("create-user", "--user-name", USER)
    weak = iam("create-login-profile", "--user-name", USER, "--password", "password", check=False)
    assert "An error occurred (PasswordPolicyViolation)" in weak.stderr
    made = iam("create-login-profile", "--user-name", USER, "--password", "Correct-Horse-7")
    assert made["LoginProfile"]["UserName"] == USER
    for arn in (policy["Policy"]["Arn"], AWS_POLICY + "CloudWatchLogsReadOnlyAccess",
                AWS_POLICY + "CloudWatchEventsReadOnlyAccess"):
        assert iam("attach-user-policy", "--user-name", USER, "--policy-arn", arn) is None
    return admin.new_key(USER)


def test_task_5_prints_the_policy_as_the_workshop_does(policy):
    made = policy["Policy"]
    assert re.fullmatch("ANPA[A-Z0-9]{17}", made.pop("PolicyId"))
    created = made.pop("CreateDate")
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", created)
    assert made.pop("UpdateDate") == created
    assert made == {
        "PolicyName": "SSMDevAccess", "Arn": f"arn:aws:iam::{ACCOUNT}:policy/SSMDevAccess", "Path": "/",
        "DefaultVersionId": "v1", "AttachmentCount": 0, "PermissionsBoundaryUsageCount": 0, "IsAttachable": True,
    }


def test_task_5_lists_all_three_policies(admin, workshop_user):
    # The workshop prints one, and under AWS's name; it attached three, and one of them is the account's own.
    listed = admin.aws("iam", "list-attached-user-policies", "--user-name", USER)
    assert sorted(listed["AttachedPolicies"], key=lambda one: one["PolicyName"]) == [
        {"PolicyName": "CloudWatchEventsReadOnlyAccess", "PolicyArn": AWS_POLICY + "CloudWatchEventsReadOnlyAccess"},
        {"PolicyName": "CloudWatchLogsReadOnlyAccess", "PolicyArn": AWS_POLICY + "CloudWatchLogsReadOnlyAccess"},
        {"PolicyName": "SSMDevAccess", "PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/SSMDevAccess"},
    ]


def shell_on(terminal, user, node):
    """A session at work; answers the terminal and the session's id."""
    shell = terminal([*START, node], user.env)
    shell.wait_for(b"Starting session with SessionId: ")
    session = re.search(rb"SessionId: ([\w+=,.@-]+)", bytes(shell.raw)).group(1).decode()
    shell.line("stty -echo; echo here-''is-$(whoami)")
    shell.wait_for(b"here-is-")
    return shell, session


def test_task_7_prod_on_premises_is_open(admin, terminal, workshop_user, on_premises):
    """The gap in the workshop's own policy, which it presents as a feature: its Deny is about EC2 instances only."""
    shell, session = shell_on(terminal, workshop_user, on_premises["ProdOnPrem"].node)
    assert session.startswith(f"{USER}-")
    ended = workshop_user.aws("ssm", "terminate-session", "--session-id", session)
    assert ended == {"SessionId": session}
    shell.end()
    history = workshop_user.aws("ssm", "describe-sessions", "--state", "History", "--filters", f"key=Owner,value=arn:aws:iam::{ACCOUNT}:user/{USER}")
    [mine] = [one for one in history["Sessions"] if one["SessionId"] == session]
    assert mine["Status"] in ("Terminating", "Terminated") and mine["Target"] == on_premises["ProdOnPrem"].node


def test_task_7_the_dev_instance_is_open(terminal, workshop_user, instances):
    node = instances["DevEC2Instance"]
    shell = terminal([*START, node.id], workshop_user.env)
    session = node.next_order()
    end = node.join(session)
    end.send(b"sh-4.2$ ")
    shell.wait_for(f"Starting session with SessionId: {session}".encode())
    shell.wait_for(b"sh-4.2$ ")
    shell.line("whoami")
    end.hear_text(b"whoami\r")
    end.send(b"ssm-user\r\n")
    shell.wait_for(b"ssm-user\r\n")
    workshop_user.ssm.terminate_session(SessionId=session)
    shell.end()


def test_task_7_the_prod_instance_is_not(terminal, workshop_user, instances):
    target = instances["ProdEC2Instance"].id
    done = workshop_user.aws("ssm", "start-session", "--target", target, check=False)
    assert done.returncode != 0
    assert ("An error occurred (AccessDeniedException) when calling the StartSession operation: "
            f"User: arn:aws:iam::{ACCOUNT}:user/{USER} is not authorized to perform: ssm:StartSession on resource: "
            f"arn:aws:ec2:us-east-1:{ACCOUNT}:instance/{target} with an explicit deny in an identity-based policy"
            ) in done.stderr


def test_task_7_the_tag_decides_and_not_the_machine(admin, workshop_user, instances):
    node = instances["ProdEC2Instance"].id
    environment = lambda value: [{"Key": "Environment", "Value": value}]  # noqa: E731
    admin.ec2.create_tags(Resources=[node], Tags=environment("Dev"))
    started = workshop_user.ssm.start_session(Target=node)
    workshop_user.ssm.terminate_session(SessionId=started["SessionId"])
    admin.ec2.create_tags(Resources=[node], Tags=environment("Prod"))
    denied(workshop_user.ssm.start_session, "ssm:StartSession", "with an explicit deny", Target=node)


def test_task_7_another_persons_session_is_not_ended(admin, dev, workshop_user, on_premises):
    others = admin.ssm.start_session(Target=on_premises["DevOnPrem"].node)["SessionId"]
    done = workshop_user.aws("ssm", "terminate-session", "--session-id", others, check=False)
    assert ("An error occurred (AccessDeniedException) when calling the TerminateSession operation: "
            f"User: arn:aws:iam::{ACCOUNT}:user/{USER} is not authorized to perform: ssm:TerminateSession on resource: "
            f"arn:aws:ssm:us-east-1:{ACCOUNT}:session/{others} because no identity-based policy allows the "
            "ssm:TerminateSession action") in done.stderr
    assert dev.session(others)
    admin.ssm.terminate_session(SessionId=others)


def test_task_7_events_are_for_the_administrator(admin, workshop_user, on_premises):
    target = on_premises["ProdOnPrem"].node
    session = workshop_user.ssm.start_session(Target=target)["SessionId"]
    workshop_user.ssm.terminate_session(SessionId=session)
    lookup = ("cloudtrail", "lookup-events", "--lookup-attributes", "AttributeKey=EventName,AttributeValue=StartSession")
    done = workshop_user.aws(*lookup, check=False)
    assert "An error occurred (AccessDeniedException)" in done.stderr and "cloudtrail:LookupEvents" in done.stderr
    records = [json.loads(event["CloudTrailEvent"]) for event in admin.aws(*lookup)["Events"]]
    [record] = [one for one in records if (one["responseElements"] or {}).get("sessionId") == session]
    assert record["userIdentity"]["userName"] == USER
    assert record["requestParameters"] == {"target": target}
    assert record["responseElements"]["tokenValue"] == "Value hidden due to security reasons."
    assert record["additionalEventData"]["decidedBy"]


def test_troubleshooting_a_machine_whose_agent_stopped(admin, workshop_user, on_premises):
    """That it is shown as `ConnectionLost` after some minutes without a ping is a test of the model's."""
    machine = on_premises["DevOnPrem"]
    machine.stop()
    done = workshop_user.aws("ssm", "start-session", "--target", machine.node, check=False)
    assert f"An error occurred (TargetNotConnected) when calling the StartSession operation: {machine.node} is not connected" in done.stderr
    machine.start()
    machine.wait_connected()
    described = admin.ssm.describe_instance_information(Filters=[{"Key": "InstanceIds", "Values": [machine.node]}])
    assert described["InstanceInformationList"][0]["PingStatus"] == "Online"
