"""Accounts, users, groups, roles and policies with boto3: their lives, and what each lets its owner do."""

import json
import re

import pytest

from drawbridge import Dev, eventually
from principals import (
    ACCOUNT, AWS_POLICY, Principal, administrator, allow, deny, denied, document, refused, trust,
)

READ_ONLY = AWS_POLICY + "ReadOnlyAccess"
EVERYTHING = allow("*")


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    with Dev(tmp_path_factory.mktemp("identity")) as running:
        yield running


@pytest.fixture(scope="module")
def admin(dev):
    return administrator(dev)


def own_account(text):
    return f"arn:aws:iam::{ACCOUNT}:{text}"


def user_of(name):
    return {"AWS": own_account(f"user/{name}")}


# --- lives ----------------------------------------------------------------------------------------------------------


def test_life_of_a_user(admin):
    iam = admin.iam
    made = iam.create_user(UserName="life", Path="/people/", Tags=[{"Key": "Team", "Value": "blue"}])["User"]
    assert made["Arn"] == own_account("user/people/life")
    assert re.fullmatch("AIDA[A-Z0-9]{17}", made["UserId"])
    refused(iam.create_user, "EntityAlreadyExists", "User with name life already exists.", UserName="LIFE")
    assert iam.get_user(UserName="life")["User"]["Tags"] == [{"Key": "Team", "Value": "blue"}]
    iam.tag_user(UserName="life", Tags=[{"Key": "Team", "Value": "red"}, {"Key": "Floor", "Value": "2"}])
    iam.untag_user(UserName="life", TagKeys=["Floor"])
    assert iam.list_user_tags(UserName="life")["Tags"] == [{"Key": "Team", "Value": "red"}]
    assert [one["UserName"] for one in iam.list_users(PathPrefix="/people/")["Users"]] == ["life"]

    iam.update_user(UserName="life", NewUserName="afterlife", NewPath="/")
    refused(iam.get_user, "NoSuchEntity", "The user with name life cannot be found.", UserName="life")
    assert iam.get_user(UserName="afterlife")["User"]["UserId"] == made["UserId"]

    iam.attach_user_policy(UserName="afterlife", PolicyArn=READ_ONLY)
    key = iam.create_access_key(UserName="afterlife")["AccessKey"]
    refused(iam.delete_user, "DeleteConflict", "must detach all policies first", UserName="afterlife")
    iam.detach_user_policy(UserName="afterlife", PolicyArn=READ_ONLY)
    refused(iam.delete_user, "DeleteConflict", "must delete access keys first", UserName="afterlife")
    iam.delete_access_key(UserName="afterlife", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="afterlife")
    refused(iam.delete_user, "NoSuchEntity", UserName="afterlife")


def test_life_of_a_group(admin):
    iam = admin.iam
    made = iam.create_group(GroupName="crew", Path="/ships/")["Group"]
    assert made["Arn"] == own_account("group/ships/crew") and made["GroupId"].startswith("AGPA")
    iam.create_user(UserName="sailor")
    iam.add_user_to_group(GroupName="crew", UserName="sailor")
    iam.add_user_to_group(GroupName="crew", UserName="sailor")
    assert [one["UserName"] for one in iam.get_group(GroupName="crew")["Users"]] == ["sailor"]
    assert [one["GroupName"] for one in iam.list_groups_for_user(UserName="sailor")["Groups"]] == ["crew"]
    iam.put_group_policy(GroupName="crew", PolicyName="own", PolicyDocument=document(allow("ssm:Describe*")))
    iam.attach_group_policy(GroupName="crew", PolicyArn=READ_ONLY)
    assert iam.list_group_policies(GroupName="crew")["PolicyNames"] == ["own"]
    assert iam.list_attached_group_policies(GroupName="crew")["AttachedPolicies"] == [
        {"PolicyName": "ReadOnlyAccess", "PolicyArn": READ_ONLY}]
    iam.update_group(GroupName="crew", NewGroupName="hands")
    refused(iam.delete_group, "DeleteConflict", GroupName="hands")
    refused(iam.delete_user, "DeleteConflict", "must remove users from group first", UserName="sailor")
    iam.remove_user_from_group(GroupName="hands", UserName="sailor")
    iam.delete_group_policy(GroupName="hands", PolicyName="own")
    iam.detach_group_policy(GroupName="hands", PolicyArn=READ_ONLY)
    iam.delete_group(GroupName="hands")
    iam.delete_user(UserName="sailor")
    assert "hands" not in [one["GroupName"] for one in iam.list_groups()["Groups"]]


def test_life_of_a_role_and_its_instance_profile(admin):
    iam = admin.iam
    trusting = trust({"Service": "ec2.amazonaws.com"})
    made = iam.create_role(RoleName="web", Path="/nodes/", AssumeRolePolicyDocument=trusting, Description="of web servers",
                           MaxSessionDuration=7200, Tags=[{"Key": "Team", "Value": "blue"}])["Role"]
    assert made["Arn"] == own_account("role/nodes/web") and made["RoleId"].startswith("AROA")
    got = iam.get_role(RoleName="web")["Role"]
    assert got["AssumeRolePolicyDocument"] == json.loads(trusting)
    assert (got["Description"], got["MaxSessionDuration"]) == ("of web servers", 7200)
    iam.update_role(RoleName="web", Description="", MaxSessionDuration=3600)
    iam.update_assume_role_policy(RoleName="web", PolicyDocument=trust({"Service": ["ec2.amazonaws.com", "ssm.amazonaws.com"]}))
    iam.tag_role(RoleName="web", Tags=[{"Key": "Floor", "Value": "2"}])
    iam.untag_role(RoleName="web", TagKeys=["Team"])
    assert iam.list_role_tags(RoleName="web")["Tags"] == [{"Key": "Floor", "Value": "2"}]

    iam.create_instance_profile(InstanceProfileName="web")
    iam.add_role_to_instance_profile(InstanceProfileName="web", RoleName="web")
    refused(iam.add_role_to_instance_profile, "LimitExceeded", InstanceProfileName="web", RoleName="web")
    profile = iam.get_instance_profile(InstanceProfileName="web")["InstanceProfile"]
    assert [one["RoleName"] for one in profile["Roles"]] == ["web"]
    assert profile["InstanceProfileId"].startswith("AIPA")
    assert [one["InstanceProfileName"] for one in iam.list_instance_profiles_for_role(RoleName="web")["InstanceProfiles"]] == ["web"]

    iam.put_role_policy(RoleName="web", PolicyName="own", PolicyDocument=document(allow("ssm:Describe*")))
    assert iam.get_role_policy(RoleName="web", PolicyName="own")["PolicyDocument"] == json.loads(
        document(allow("ssm:Describe*")))
    refused(iam.delete_role, "DeleteConflict", RoleName="web")
    iam.delete_role_policy(RoleName="web", PolicyName="own")
    refused(iam.delete_role, "DeleteConflict", "must remove roles from instance profile first", RoleName="web")
    refused(iam.delete_instance_profile, "DeleteConflict", InstanceProfileName="web")
    iam.remove_role_from_instance_profile(InstanceProfileName="web", RoleName="web")
    iam.delete_instance_profile(InstanceProfileName="web")
    iam.delete_role(RoleName="web")
    refused(iam.get_role, "NoSuchEntity", "The role with name web cannot be found.", RoleName="web")


def test_life_of_a_policy_and_its_versions(admin):
    iam = admin.iam
    arn = admin.new_policy("rule", allow("ssm:DescribeSessions"), Path="/rules/", Description="for now")
    assert arn == own_account("policy/rules/rule")
    refused(iam.create_policy, "EntityAlreadyExists", "A policy called rule already exists", PolicyName="rule",
            PolicyDocument=document(EVERYTHING))
    for number in range(2, 6):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=document(allow(f"ssm:Describe{'x' * number}")))
    refused(iam.create_policy_version, "LimitExceeded", PolicyArn=arn, PolicyDocument=document(EVERYTHING))
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v1"
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v3")
    versions = {one["VersionId"]: one["IsDefaultVersion"] for one in iam.list_policy_versions(PolicyArn=arn)["Versions"]}
    assert versions == {"v1": False, "v2": False, "v3": True, "v4": False, "v5": False}
    assert iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]["Document"] == json.loads(
        document(allow("ssm:Describexx")))
    refused(iam.delete_policy_version, "DeleteConflict", PolicyArn=arn, VersionId="v3")

    iam.create_user(UserName="ruled")
    iam.attach_user_policy(UserName="ruled", PolicyArn=arn)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    assert [one["UserName"] for one in iam.list_entities_for_policy(PolicyArn=arn)["PolicyUsers"]] == ["ruled"]
    refused(iam.delete_policy, "DeleteConflict", "Cannot delete a policy attached to entities.", PolicyArn=arn)
    iam.detach_user_policy(UserName="ruled", PolicyArn=arn)
    refused(iam.delete_policy, "DeleteConflict", "more than one version", PolicyArn=arn)
    for version in ("v1", "v2", "v4", "v5"):
        iam.delete_policy_version(PolicyArn=arn, VersionId=version)
    iam.delete_policy(PolicyArn=arn)
    iam.delete_user(UserName="ruled")
    refused(iam.get_policy, "NoSuchEntity", PolicyArn=arn)


def test_awss_policies_are_there_to_be_read_only(admin):
    iam = admin.iam
    arn = AWS_POLICY + "AmazonSSMManagedInstanceCore"
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    text = iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]["Document"]
    assert any("ssmmessages:OpenDataChannel" in one["Action"] for one in text["Statement"])
    refused(iam.create_policy_version, "AccessDenied", PolicyArn=arn, PolicyDocument=document(EVERYTHING))
    refused(iam.delete_policy, "AccessDenied", PolicyArn=arn)
    listed = {one["Arn"] for page in iam.get_paginator("list_policies").paginate(Scope="AWS") for one in page["Policies"]}
    assert arn in listed and AWS_POLICY + "AdministratorAccess" in listed
    refused(iam.attach_user_policy, "NoSuchEntity", UserName="admin", PolicyArn=AWS_POLICY + "NoSuchPolicy")


def test_pages(admin):
    iam = admin.iam
    names = [f"page-{number}" for number in range(5)]
    for name in names:
        iam.create_user(UserName=name, Path="/pages/")
    pages = list(iam.get_paginator("list_users").paginate(PathPrefix="/pages/", PaginationConfig={"PageSize": 2}))
    assert [len(page["Users"]) for page in pages] == [2, 2, 1]
    assert [one["UserName"] for page in pages for one in page["Users"]] == names
    refused(iam.list_users, "ValidationError", Marker="nonsense")
    for name in names:
        iam.delete_user(UserName=name)


# --- what policies let their owners do ------------------------------------------------------------------------------


def test_a_user_without_a_policy_may_do_nothing_but_say_who_it_is(admin):
    bare = admin.new_user("bare")
    assert bare.sts.get_caller_identity()["Arn"] == own_account("user/bare")
    message = denied(bare.iam.list_users, "iam:ListUsers")
    assert message == (f"User: {own_account('user/bare')} is not authorized to perform: iam:ListUsers on resource: "
                       f"{own_account('user/')} because no identity-based policy allows the iam:ListUsers action")
    denied(bare.ssm.describe_sessions, "ssm:DescribeSessions", State="Active")
    denied(bare.cloudtrail.lookup_events, "cloudtrail:LookupEvents")


def test_a_group_lends_its_policies_to_its_members(admin):
    member = admin.new_user("member")
    admin.iam.create_group(GroupName="readers")
    admin.iam.put_group_policy(GroupName="readers", PolicyName="own", PolicyDocument=document(allow("ssm:DescribeSessions")))
    denied(member.ssm.describe_sessions, "ssm:DescribeSessions", State="Active")
    admin.iam.add_user_to_group(GroupName="readers", UserName="member")
    member.ssm.describe_sessions(State="Active")
    admin.iam.remove_user_from_group(GroupName="readers", UserName="member")
    denied(member.ssm.describe_sessions, "ssm:DescribeSessions", State="Active")


def test_a_boundary_limits_and_gives_nothing(admin):
    limit = admin.new_policy("limit", allow("ssm:Describe*"))
    bound = admin.new_user("bound", EVERYTHING, PermissionsBoundary=limit)
    bound.ssm.describe_sessions(State="Active")
    denied(bound.iam.list_users, "iam:ListUsers", "because no permissions boundary allows the iam:ListUsers action")
    admin.iam.delete_user_policy(UserName="bound", PolicyName="own")
    denied(bound.ssm.describe_sessions, "ssm:DescribeSessions", "because no identity-based policy", State="Active")
    admin.iam.delete_user_permissions_boundary(UserName="bound")
    admin.iam.delete_policy(PolicyArn=limit)


def test_a_deny_wins_and_a_condition_decides(admin):
    local = {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}
    elsewhere = {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
    picky = admin.new_user("picky", allow("ssm:DescribeSessions", **local), allow("ssm:DescribeActivations", **elsewhere),
                           allow("iam:*"), deny("iam:ListUsers"))
    picky.ssm.describe_sessions(State="Active")
    denied(picky.ssm.describe_activations, "ssm:DescribeActivations")
    picky.iam.list_groups()
    denied(picky.iam.list_users, "iam:ListUsers", "with an explicit deny in an identity-based policy")


def test_variables_of_the_principal(admin):
    self_service = allow(["iam:*AccessKey*", "iam:GetUser"], own_account("user/${aws:username}"))
    by_tag = allow("iam:GetRole", "*", StringEquals={"iam:ResourceTag/Team": "${aws:PrincipalTag/Team}"})
    own = admin.new_user("own", self_service, by_tag, Tags=[{"Key": "Team", "Value": "blue"}])
    assert own.iam.get_user(UserName="own")["User"]["UserName"] == "own"
    denied(own.iam.get_user, "iam:GetUser", UserName="admin")
    assert own.iam.get_user()["User"]["UserName"] == "own", "one's own, without its name"
    for team in ("blue", "red"):
        admin.new_role(f"of-{team}", {"Service": "ec2.amazonaws.com"}, Tags=[{"Key": "Team", "Value": team}])
    assert own.iam.get_role(RoleName="of-blue")["Role"]["RoleName"] == "of-blue"
    denied(own.iam.get_role, "iam:GetRole", RoleName="of-red")


def test_not_allowed_and_not_found_look_alike(admin, dev):
    """Whoever may not know whether something is there is told the same of what is and of what is not."""
    curious = admin.new_user("curious", allow("iam:GetUser", own_account("user/curious")))
    admin.new_role("hidden", {"Service": "ec2.amazonaws.com"})
    admin.new_policy("hidden", EVERYTHING)
    admin.iam.create_group(GroupName="hidden")
    admin.iam.create_user(UserName="hidden")
    session = admin.ssm.start_session(Target=dev.node)["SessionId"]
    absent_session = session[:-17] + "0" * 17
    ask = curious.iam
    for call, name, there, absent in (
        (ask.get_user, "UserName", "hidden", "absent"), (ask.get_role, "RoleName", "hidden", "absent"),
        (ask.get_group, "GroupName", "hidden", "absent"),
        (ask.get_policy, "PolicyArn", own_account("policy/hidden"), own_account("policy/absent")),
        (ask.delete_user, "UserName", "hidden", "absent"),
        (ask.list_access_keys, "UserName", "admin", "absent"),
        (curious.sts.assume_role, "RoleArn", own_account("role/hidden"), own_account("role/absent")),
        (curious.ssm.terminate_session, "SessionId", session, absent_session),
        (curious.ssm.resume_session, "SessionId", session, absent_session),
        (curious.ssm.start_session, "Target", dev.node, "mi-00000000000000000"),
        (curious.ssm.deregister_managed_instance, "InstanceId", dev.node, "mi-00000000000000000"),
    ):
        more = {"RoleSessionName": "look"} if name == "RoleArn" else {}
        action = f"{call.__self__.meta.service_model.signing_name}:"
        of_there = denied(call, action + call.__name__.title().replace("_", ""), **{name: there}, **more)
        of_absent = denied(call, action + call.__name__.title().replace("_", ""), **{name: absent}, **more)
        assert of_there.replace(there, "X") == of_absent.replace(absent, "X"), call.__name__
    admin.ssm.terminate_session(SessionId=session)


# --- keys -----------------------------------------------------------------------------------------------------------


def test_rotation_of_an_access_key(admin):
    first = admin.new_user("rotating", allow("ssm:DescribeSessions"))
    iam = admin.iam
    assert "LastUsedDate" not in iam.get_access_key_last_used(AccessKeyId=first.key)["AccessKeyLastUsed"]
    first.ssm.describe_sessions(State="Active")
    used = eventually(lambda: (found := iam.get_access_key_last_used(AccessKeyId=first.key))["AccessKeyLastUsed"].get(
        "LastUsedDate") and found, what="last use")
    assert used["UserName"] == "rotating"
    assert used["AccessKeyLastUsed"]["ServiceName"] == "ssm" and used["AccessKeyLastUsed"]["Region"] == "us-east-1"

    second = admin.new_key("rotating")
    refused(iam.create_access_key, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2", UserName="rotating")
    second.ssm.describe_sessions(State="Active")
    iam.update_access_key(UserName="rotating", AccessKeyId=first.key, Status="Inactive")
    refused(first.ssm.describe_sessions, "UnrecognizedClientException", State="Active")
    refused(first.sts.get_caller_identity, "InvalidClientTokenId")
    iam.update_access_key(UserName="rotating", AccessKeyId=first.key, Status="Active")
    first.ssm.describe_sessions(State="Active")
    iam.delete_access_key(UserName="rotating", AccessKeyId=first.key)
    refused(first.ssm.describe_sessions, "UnrecognizedClientException", State="Active")
    assert [one["AccessKeyId"] for one in iam.list_access_keys(UserName="rotating")["AccessKeyMetadata"]] == [second.key]
    second.ssm.describe_sessions(State="Active")


def test_a_secret_is_shown_once(admin):
    made = admin.iam.create_user(UserName="once") and admin.iam.create_access_key(UserName="once")["AccessKey"]
    assert len(made["SecretAccessKey"]) == 40
    assert "SecretAccessKey" not in admin.iam.list_access_keys(UserName="once")["AccessKeyMetadata"][0]


def test_passwords(admin):
    iam = admin.iam
    iam.create_user(UserName="typist")
    for weak in ("short", "alllowercase", "typist"):
        message = refused(iam.create_login_profile, "PasswordPolicyViolation", UserName="typist", Password=weak)
        assert weak not in message or weak == "typist"
    made = iam.create_login_profile(UserName="typist", Password="Correct-Horse-7", PasswordResetRequired=True)["LoginProfile"]
    assert made["UserName"] == "typist" and made["PasswordResetRequired"] is True
    refused(iam.create_login_profile, "EntityAlreadyExists", UserName="typist", Password="Correct-Horse-7")
    iam.update_login_profile(UserName="typist", PasswordResetRequired=False)
    assert iam.get_login_profile(UserName="typist")["LoginProfile"]["PasswordResetRequired"] is False
    iam.delete_login_profile(UserName="typist")
    refused(iam.get_login_profile, "NoSuchEntity", "Login Profile for User typist cannot be found.", UserName="typist")


# --- temporary credentials ------------------------------------------------------------------------------------------


def test_a_role_is_assumed_by_whom_it_trusts(admin):
    trusted = admin.new_user("trusted")
    stranger = admin.new_user("stranger", EVERYTHING)
    role = admin.new_role("door", user_of("trusted"), allow("ssm:DescribeSessions"))
    # Within an account the trust policy alone is enough where it names the user.
    given = trusted.sts.assume_role(RoleArn=role, RoleSessionName="visit")
    assert given["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/door/visit"
    assert re.fullmatch("AROA[A-Z0-9]{17}:visit", given["AssumedRoleUser"]["AssumedRoleId"])
    assert given["Credentials"]["AccessKeyId"].startswith("ASIA")
    visitor = trusted.temporary(given)
    assert visitor.arn == given["AssumedRoleUser"]["Arn"]
    visitor.ssm.describe_sessions(State="Active")
    denied(visitor.iam.list_users, "iam:ListUsers")
    denied(stranger.sts.assume_role, "sts:AssumeRole", role, RoleArn=role, RoleSessionName="visit")
    refused(Principal(admin.dev, visitor.key, visitor.secret).sts.get_caller_identity, "InvalidClientTokenId")


def test_an_external_id_must_be_named(admin):
    partner = admin.new_user("partner")
    role = admin.new_role("partnered", trust(user_of("partner"), StringEquals={"sts:ExternalId": "order-7"}))
    denied(partner.sts.assume_role, "sts:AssumeRole", RoleArn=role, RoleSessionName="visit")
    denied(partner.sts.assume_role, "sts:AssumeRole", RoleArn=role, RoleSessionName="visit", ExternalId="order-8")
    partner.assume(role, ExternalId="order-7")


def test_a_session_lasts_as_long_as_its_role_allows(admin):
    waiting = admin.new_user("waiting")
    role = admin.new_role("lasting", user_of("waiting"), MaxSessionDuration=7200)
    for seconds in (900, 7200):
        given = waiting.sts.assume_role(RoleArn=role, RoleSessionName="visit", DurationSeconds=seconds)
        left = (given["Credentials"]["Expiration"] - server_time(given)).total_seconds()
        # The date is that of the answer, which may be a while after.
        assert seconds - 60 <= left <= seconds + 2
    refused(waiting.sts.assume_role, "ValidationError", "exceeds the MaxSessionDuration set for this role", RoleArn=role,
            RoleSessionName="visit", DurationSeconds=7201)
    refused(admin.client("sts", validate=False).assume_role, "ValidationError", RoleArn=role, RoleSessionName="visit",
            DurationSeconds=899)


def server_time(answer):
    import email.utils

    return email.utils.parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])


def test_tags_of_a_session(admin):
    tagging = admin.new_user("tagging")
    role = admin.new_role(
        "tagged", trust(user_of("tagging"), ["sts:AssumeRole", "sts:TagSession"]),
        allow("ssm:DescribeSessions", "*", StringEquals={"aws:PrincipalTag/Team": "blue"}),
        Tags=[{"Key": "Team", "Value": "red"}])
    denied(tagging.assume(role).ssm.describe_sessions, "ssm:DescribeSessions", State="Active")
    blue = tagging.assume(role, Tags=[{"Key": "Team", "Value": "blue"}])
    blue.ssm.describe_sessions(State="Active")
    untagged = admin.new_role("untagged", user_of("tagging"))
    denied(tagging.sts.assume_role, "sts:TagSession", RoleArn=untagged, RoleSessionName="visit",
           Tags=[{"Key": "Team", "Value": "blue"}])


def test_a_session_policy_narrows(admin):
    narrow = admin.new_user("narrow")
    role = admin.new_role("wide", user_of("narrow"), allow("ssm:*"), allow("iam:List*"))
    limited = narrow.assume(role, Policy=document(allow(["ssm:DescribeSessions", "iam:CreateUser"])))
    limited.ssm.describe_sessions(State="Active")
    denied(limited.ssm.describe_activations, "ssm:DescribeActivations", "because no session policy allows")
    denied(limited.iam.create_user, "iam:CreateUser", "because no identity-based policy", UserName="more")
    by_arn = narrow.assume(role, PolicyArns=[{"arn": AWS_POLICY + "IAMReadOnlyAccess"}])
    by_arn.iam.list_users()
    denied(by_arn.ssm.describe_sessions, "ssm:DescribeSessions", "because no session policy allows", State="Active")
    refused(narrow.sts.assume_role, "MalformedPolicyDocument", RoleArn=role, RoleSessionName="visit", Policy="{}")


def test_a_role_can_assume_a_role_for_an_hour(admin):
    chained = admin.new_user("chained")
    first = admin.new_role("first", user_of("chained"), allow("sts:AssumeRole"), MaxSessionDuration=43200)
    second = admin.new_role("second", {"AWS": first}, allow("ssm:DescribeSessions"), MaxSessionDuration=43200)
    through = chained.assume(first, "one")
    through.assume(second, "two").ssm.describe_sessions(State="Active")
    refused(through.sts.assume_role, "ValidationError", "1 hour", RoleArn=second, RoleSessionName="two",
            DurationSeconds=3601)


def test_a_session_of_a_user(admin):
    lasting = admin.new_user("lasting", allow("ssm:DescribeSessions"), allow("iam:*"))
    brief = lasting.temporary(lasting.sts.get_session_token(DurationSeconds=900))
    assert brief.arn == own_account("user/lasting")
    brief.ssm.describe_sessions(State="Active")
    refused(brief.sts.get_session_token, "AccessDenied", "Cannot call GetSessionToken with session credentials")
    # As on AWS, IAM wants a second factor from such credentials.
    denied(brief.iam.list_users, "iam:ListUsers")
    admin.iam.delete_user_policy(UserName="lasting", PolicyName="own")
    denied(brief.ssm.describe_sessions, "ssm:DescribeSessions", State="Active")


def test_temporary_credentials_die_with_what_they_stand_on(admin):
    owner = admin.new_user("mortal", allow("ssm:DescribeSessions"))
    role = admin.new_role("mortal", user_of("mortal"), allow("ssm:DescribeSessions"))
    of_role, of_user = owner.assume(role), owner.temporary(owner.sts.get_session_token())
    for one in (of_role, of_user):
        one.ssm.describe_sessions(State="Active")

    # A role of the same name is another role.
    admin.iam.delete_role_policy(RoleName="mortal", PolicyName="own")
    admin.iam.delete_role(RoleName="mortal")
    refused(of_role.ssm.describe_sessions, "UnrecognizedClientException", State="Active")
    admin.new_role("mortal", user_of("mortal"), allow("ssm:DescribeSessions"))
    refused(of_role.ssm.describe_sessions, "UnrecognizedClientException", State="Active")

    admin.iam.delete_access_key(UserName="mortal", AccessKeyId=owner.key)
    admin.iam.delete_user_policy(UserName="mortal", PolicyName="own")
    admin.iam.delete_user(UserName="mortal")
    refused(of_user.ssm.describe_sessions, "UnrecognizedClientException", State="Active")
    again = admin.new_user("mortal", allow("ssm:DescribeSessions"))
    refused(of_user.ssm.describe_sessions, "UnrecognizedClientException", State="Active")
    again.ssm.describe_sessions(State="Active")


# --- accounts -------------------------------------------------------------------------------------------------------


def new_account(dev, name, *options):
    """Another account's administrator, and its number."""
    done = dev.cli("accounts", "create", name, "--json", *options)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    return Principal(dev, made["AccessKeyId"], made["SecretAccessKey"]), made["AccountId"]


@pytest.fixture(scope="module")
def workload(dev):
    """The administrator of a second account of the organization."""
    return new_account(dev, "workload", "--email", "workload@example.com")


def test_accounts_know_nothing_of_each_other(admin, workload, dev):
    theirs, number = workload
    assert re.fullmatch(r"\d{12}", number) and number != ACCOUNT
    assert theirs.sts.get_caller_identity()["Account"] == number
    admin.iam.create_user(UserName="ours")
    refused(theirs.iam.get_user, "NoSuchEntity", UserName="ours")
    theirs.iam.create_user(UserName="ours")
    refused(theirs.iam.get_access_key_last_used, "AccessDenied", AccessKeyId=admin.key)
    assert theirs.ssm.describe_instance_information()["InstanceInformationList"] == []
    refused(theirs.ssm.start_session, "TargetNotConnected", Target=dev.node)
    refused(theirs.ssm.deregister_managed_instance, "InvalidInstanceId", InstanceId=dev.node)
    session = admin.ssm.start_session(Target=dev.node)["SessionId"]
    theirs.ssm.terminate_session(SessionId=session)  # answered alike for what is there and what is not
    assert dev.session(session), "it goes on"
    refused(theirs.ssm.resume_session, "DoesNotExistException", SessionId=session)
    admin.ssm.terminate_session(SessionId=session)
    policy = admin.new_policy("ours", EVERYTHING)
    denied(theirs.iam.get_policy, "iam:GetPolicy", PolicyArn=policy)
    for arn in (policy, own_account("policy/absent")):
        refused(theirs.iam.attach_user_policy, "NoSuchEntity", f"Policy {arn} does not exist or is not attachable.",
                UserName="ours", PolicyArn=arn)
    seen = theirs.cloudtrail.lookup_events()["Events"]
    assert seen and all(json.loads(event["CloudTrailEvent"])["recipientAccountId"] == number for event in seen)


def test_accounts_are_made_by_the_first_ones_administrators_only(dev, admin, workload):
    theirs, number = workload
    listed = {one["AccountId"]: one for one in json.loads(dev.cli("accounts", "list", "--json").stdout)}
    assert listed[number]["Name"] == "workload" and ACCOUNT in listed
    for somebody in (theirs, admin.new_user("unprivileged", allow("ssm:*"))):
        done = dev.cli("accounts", "create", "another", env=somebody.env)
        assert done.returncode != 0 and "AccessDenied" in done.stderr, done
    assert len(json.loads(dev.cli("accounts", "list", "--json").stdout)) == len(listed)


def test_a_role_across_accounts_needs_leave_on_both_sides(admin, workload):
    theirs, number = workload
    theirs.iam.create_user(UserName="traveller")
    traveller = theirs.new_key("traveller")
    role = admin.new_role("embassy", {"AWS": f"arn:aws:iam::{number}:root"}, allow("ssm:DescribeSessions"))
    cross = {"RoleArn": role, "RoleSessionName": "visit"}
    denied(traveller.sts.assume_role, "sts:AssumeRole", **cross)
    theirs.iam.put_user_policy(UserName="traveller", PolicyName="own", PolicyDocument=document(allow("sts:AssumeRole", role)))
    visitor = traveller.temporary(traveller.sts.assume_role(**cross))
    assert visitor.sts.get_caller_identity()["Account"] == ACCOUNT
    visitor.ssm.describe_sessions(State="Active")
    denied(visitor.iam.list_users, "iam:ListUsers")

    admin.iam.update_assume_role_policy(RoleName="embassy", PolicyDocument=trust({"AWS": own_account("root")}))
    denied(traveller.sts.assume_role, "sts:AssumeRole", **cross)
    # Not trusted and not there look alike from outside.
    absent = own_account("role/absent")
    theirs.iam.put_user_policy(UserName="traveller", PolicyName="own", PolicyDocument=document(allow("sts:AssumeRole")))
    one = denied(traveller.sts.assume_role, "sts:AssumeRole", **cross)
    other = denied(traveller.sts.assume_role, "sts:AssumeRole", RoleArn=absent, RoleSessionName="visit")
    assert one.replace(role, "X") == other.replace(absent, "X")


def test_an_organization_and_who_belongs_to_it(dev, admin, workload):
    theirs, number = workload
    organization = admin.organizations.describe_organization()["Organization"]
    assert re.fullmatch("o-[a-z0-9]{10,32}", organization["Id"])
    assert organization["MasterAccountId"] == ACCOUNT
    assert theirs.organizations.describe_organization()["Organization"]["Id"] == organization["Id"]
    assert {ACCOUNT, number} <= {one["Id"] for one in admin.organizations.list_accounts()["Accounts"]}
    assert re.fullmatch("r-[0-9a-z]{4,32}", admin.organizations.list_roots()["Roots"][0]["Id"])
    for call in (theirs.organizations.list_accounts, theirs.organizations.list_roots):
        refused(call, "AccessDeniedException")

    role = admin.new_role("members", trust({"AWS": "*"}, StringEquals={"aws:PrincipalOrgID": organization["Id"]}))
    theirs.assume(role)
    loner, _ = new_account(dev, "loner", "--outside-organization")
    refused(loner.organizations.describe_organization, "AWSOrganizationsNotInUseException")
    denied(loner.sts.assume_role, "sts:AssumeRole", RoleArn=role, RoleSessionName="visit")
