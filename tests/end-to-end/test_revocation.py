"""A live session ends within seconds of a change that it would not be allowed to start after, and of no other change.

That the expiry of temporary credentials alone ends nothing is shown by the tests of the decisions, with a clock of their
own: none are given for less than a quarter of an hour.
"""

import re
import time

import pytest

from drawbridge import Dev, eventually
from principals import ACCOUNT, AWS_POLICY, administrator, allow, deny, document
from test_first_session import START
from wire import Client, Door, EnrolledNode

SOON = 30  # seconds from the answer to the change until the session is over, on a machine with much else to do
SHELL = allow("ssm:StartSession")
TAGGED = allow("ssm:StartSession", "*", StringEquals={"ssm:resourceTag/Environment": "Dev"})


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    with Dev(tmp_path_factory.mktemp("revocation")) as running:
        yield running


@pytest.fixture(scope="module")
def admin(dev):
    return administrator(dev)


@pytest.fixture(autouse=True)
def environment_of_the_node(admin, dev):
    tag(admin, dev, "Dev")


@pytest.fixture
def at_work(terminal, dev, request):
    """Opens a shell as someone; answers the terminal and the session's id."""
    def open_shell(principal):
        shell = terminal([*START, dev.node], principal.env)
        shell.wait_for(b"Starting session with SessionId: ")
        shell.line("stty -echo; echo mark-''set")
        shell.wait_for(b"mark-set\r\n")
        session = re.search(rb"SessionId: ([\w+=,.@-]+)", bytes(shell.raw)).group(1).decode()
        shell.forget()
        return shell, session
    return open_shell


def ends_soon(dev, shell, session, changed, why):
    """Asserts that a session that lost its permission at `changed` is over, and that its user is told why."""
    while shell.pump():
        assert time.monotonic() - changed < SOON, f"still running {SOON} s later; screen:\n{shell.text()}"
    shell.close()
    told = " ".join(bytes(shell.raw).decode().split())
    assert f"SessionId: {session} : {why}" in told, told
    ended = eventually(lambda: (found := dev.session(session, "History")) and found["Status"] == "Terminated" and found)
    assert why in ended["Details"]


def goes_on(shell):
    shell.line("echo here-''still")
    shell.wait_for(b"here-still\r\n")


def tag(admin, dev, value):
    admin.ssm.add_tags_to_resource(ResourceType="ManagedInstance", ResourceId=dev.node,
                                   Tags=[{"Key": "Environment", "Value": value}])


def detach_the_policy(admin, dev, name, key):
    admin.iam.detach_user_policy(UserName=name, PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/{name}")


def attach_a_deny(admin, dev, name, key):
    admin.iam.put_user_policy(UserName=name, PolicyName="stop", PolicyDocument=document(deny("ssm:StartSession")))


def change_the_nodes_tag(admin, dev, name, key):
    tag(admin, dev, "Prod")


def publish_a_narrower_version(admin, dev, name, key):
    admin.iam.create_policy_version(PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/{name}", SetAsDefault=True,
                                    PolicyDocument=document(allow("ssm:Describe*")))


def leave_the_key_inactive(admin, dev, name, key):
    admin.iam.update_access_key(UserName=name, AccessKeyId=key, Status="Inactive")


def delete_the_user(admin, dev, name, key):
    admin.iam.delete_access_key(UserName=name, AccessKeyId=key)
    admin.iam.detach_user_policy(UserName=name, PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/{name}")
    admin.iam.delete_user(UserName=name)


KEY_GONE = "the access key that started it is not active any more"
NO_LONGER = "no longer allowed: User: {user} is not authorized to perform: ssm:StartSession on resource: {node} "
NOTHING_ALLOWS = NO_LONGER + "because no identity-based policy allows the ssm:StartSession action"
ENDING = {
    detach_the_policy: NOTHING_ALLOWS,
    attach_a_deny: NO_LONGER + "with an explicit deny in an identity-based policy",
    change_the_nodes_tag: NOTHING_ALLOWS,
    publish_a_narrower_version: NOTHING_ALLOWS,
    leave_the_key_inactive: KEY_GONE,
    delete_the_user: KEY_GONE,
}


def reason(template, dev, user):
    node = f"arn:aws:ssm:us-east-1:{ACCOUNT}:managed-instance/{dev.node}"
    return template.format(user=user, node=node)


@pytest.mark.parametrize("change", ENDING, ids=lambda change: change.__name__)
def test_a_session_ends_when_someone_can(admin, dev, at_work, change):
    name = change.__name__.replace("_", "-")
    user = admin.new_user(name)
    admin.iam.attach_user_policy(UserName=name, PolicyArn=admin.new_policy(name, TAGGED))
    bystander, _ = at_work(admin)
    shell, session = at_work(user)
    change(admin, dev, name, user.key)
    changed = time.monotonic()
    ends_soon(dev, shell, session, changed, reason(ENDING[change], dev, f"arn:aws:iam::{ACCOUNT}:user/{name}"))
    goes_on(bystander)


def test_a_session_of_a_role_ends_with_the_role(admin, dev, at_work):
    name = "passing"
    owner = admin.new_user(name)
    role = admin.new_role(name, {"AWS": f"arn:aws:iam::{ACCOUNT}:user/{name}"}, SHELL)
    caller = owner.assume(role, "visit")
    shell, session = at_work(caller)
    # Credentials that were given out do not need the key that asked for them.
    admin.iam.update_access_key(UserName=name, AccessKeyId=owner.key, Status="Inactive")
    nothing_ended(admin, dev, session)
    goes_on(shell)
    admin.iam.delete_role_policy(RoleName=name, PolicyName="own")
    admin.iam.delete_role(RoleName=name)
    ends_soon(dev, shell, session, time.monotonic(),
              reason(NOTHING_ALLOWS, dev, f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/visit"))


def test_a_session_on_an_instance_ends_with_its_tag_in_ec2(admin, dev):
    door = Door(dev)
    admin.new_role("instance", {"Service": "ec2.amazonaws.com"})
    node = EnrolledNode(door, "--role", "instance", "--tag", "Environment=Dev")
    admin.iam.attach_role_policy(RoleName="instance", PolicyArn=AWS_POLICY + "AmazonSSMManagedInstanceCore")
    node.connect()
    started = admin.new_user("of-instances", TAGGED).ssm.start_session(Target=node.id)
    client = Client(door, started["SessionId"], started["TokenValue"])
    node.is_asked_to_start(started["SessionId"])
    end = node.join(started["SessionId"])
    admin.ec2.create_tags(Resources=[node.id], Tags=[{"Key": "Floor", "Value": "2"}])
    nothing_ended(admin, dev, started["SessionId"])
    admin.ec2.delete_tags(Resources=[node.id], Tags=[{"Key": "Environment"}])
    changed = time.monotonic()
    assert "because no identity-based policy allows the ssm:StartSession action" in client.ends()
    assert time.monotonic() - changed < SOON
    end.drop()


def test_a_session_goes_on_whatever_else_changes(admin, dev, at_work):
    user = admin.new_user("steady", TAGGED)
    shell, session = at_work(user)
    # Nothing of this makes a difference to whether it would be allowed.
    other = admin.new_user("unsteady", SHELL)
    admin.iam.attach_user_policy(UserName="steady", PolicyArn=AWS_POLICY + "ReadOnlyAccess")
    admin.iam.put_user_policy(UserName="steady", PolicyName="more", PolicyDocument=document(deny("ssm:SendCommand")))
    admin.iam.put_user_policy(UserName="unsteady", PolicyName="stop", PolicyDocument=document(deny("*")))
    admin.iam.delete_access_key(UserName="unsteady", AccessKeyId=other.key)
    admin.ssm.add_tags_to_resource(ResourceType="ManagedInstance", ResourceId=dev.node, Tags=[{"Key": "Floor", "Value": "2"}])
    spare = admin.new_key("steady")
    admin.iam.delete_access_key(UserName="steady", AccessKeyId=spare.key)
    admin.iam.detach_user_policy(UserName="steady", PolicyArn=AWS_POLICY + "ReadOnlyAccess")
    nothing_ended(admin, dev, session)
    goes_on(shell)
    shell.line("exit")
    assert shell.end() == 0


def nothing_ended(admin, dev, session):
    """Waits until the sessions were looked at after all that has changed: one that may not go on is ended by it."""
    canary = admin.new_user(f"canary-{session[-17:]}", SHELL)
    watched = canary.ssm.start_session(Target=dev.node)["SessionId"]
    admin.iam.delete_user_policy(UserName=f"canary-{session[-17:]}", PolicyName="own")
    eventually(lambda: dev.session(watched, "History"), patience=SOON, what="the end of a session without permission")
    assert dev.session(session)["Status"] == "Connected"
