"""Every call leaves exactly one event, without a secret, whatever becomes of the call or of the server."""

import datetime
import json
import threading

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from drawbridge import Dev, eventually
from principals import ACCOUNT, NODE_ROLE, Principal, administrator, allow, refused, trust
from wire import Door

PASSWORD = "Correct-Horse-Battery-7"


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    with Dev(tmp_path_factory.mktemp("audit")) as running:
        yield running


@pytest.fixture(scope="module")
def admin(dev):
    return administrator(dev)


@pytest.fixture(scope="module")
def known(admin):
    """Someone whose calls are counted; asks for a few things and is denied most."""
    return admin.new_user("known", allow(["ssm:*", "iam:PassRole", "sts:AssumeRole"]), allow("cloudtrail:LookupEvents"))


def events(asker, key=None, value=None, **options):
    """All events that match, the newest first, as (event, record)."""
    if key:
        options["LookupAttributes"] = [{"AttributeKey": key, "AttributeValue": value}]
    pages = asker.cloudtrail.get_paginator("lookup_events").paginate(**options)
    return [(event, json.loads(event["CloudTrailEvent"])) for page in pages for event in page["Events"]]


def outcome(call, **arguments):
    """The id of a request, whatever it was answered, and the code of its error."""
    try:
        answer = call(**arguments)
        return answer["ResponseMetadata"]["RequestId"], None
    except ClientError as error:
        return error.response["ResponseMetadata"]["RequestId"], error.response["Error"]["Code"]


def test_every_call_leaves_one_event_whatever_becomes_of_it(dev, admin, known):
    ssm, raw = known.ssm, known.client("ssm", validate=False)
    made = [
        (False, None, outcome(ssm.create_activation, IamRole=NODE_ROLE)),
        (True, None, outcome(ssm.describe_activations)),
        (True, None, outcome(ssm.describe_sessions, State="History")),
        (False, None, outcome(ssm.add_tags_to_resource, ResourceType="ManagedInstance", ResourceId=dev.node,
                              Tags=[{"Key": "Team", "Value": "blue"}])),
        (False, "TargetNotConnected", outcome(ssm.start_session, Target="mi-00000000000000000")),
        (False, "InvalidDocument", outcome(ssm.start_session, Target=dev.node, DocumentName="No-Such")),
        (False, "ValidationException", outcome(raw.start_session, Target="")),
        (True, "ValidationException", outcome(raw.describe_sessions, State="Ended")),
        (False, "AccessDenied", outcome(known.iam.create_user, UserName="more")),
        (True, "AccessDenied", outcome(known.iam.list_users)),
        (False, "Client.UnauthorizedOperation", outcome(known.ec2.create_tags, Resources=["i-0123456789abcdef0"],
                                                        Tags=[{"Key": "a", "Value": "b"}])),
        (True, None, outcome(known.sts.get_caller_identity)),
        (True, "AccessDenied", outcome(known.sts.assume_role, RoleArn=f"arn:aws:iam::{ACCOUNT}:role/none",
                                       RoleSessionName="visit")),
    ]
    found = events(admin, "Username", "known")
    for read_only, code, (request, told) in made:
        matching = [(event, record) for event, record in found if record["requestID"] == request]
        assert len(matching) == 1, (request, told, matching)
        event, record = matching[0]
        assert record["readOnly"] is read_only and event["ReadOnly"] == str(read_only).lower()
        assert record.get("errorCode") == code, record
        assert (told is None) == (code is None)
        if code:
            assert record["errorMessage"] and record["responseElements"] is None
        assert record["userIdentity"]["userName"] == "known"
    assert len({event["EventId"] for event, _ in found}) == len(found)


def test_a_call_that_nobody_signed_leaves_no_event_of_anyones(admin, dev, known):
    before = len(events(admin, "AccessKeyId", known.key))
    refused(Principal(dev, known.key, "x" * 40).ssm.describe_activations, "InvalidSignatureException")
    assert len(events(admin, "AccessKeyId", known.key)) == before


def test_events_are_found_by_each_attribute(admin, dev, known):
    start = known.ssm.start_session(Target=dev.node)
    known.ssm.terminate_session(SessionId=start["SessionId"])
    started = next((event, record) for event, record in events(admin, "EventName", "StartSession")
                   if record["requestID"] == start["ResponseMetadata"]["RequestId"])
    event = started[0]
    assert {(one["ResourceType"], one["ResourceName"]) for one in event["Resources"]}
    node = next(one for one in event["Resources"] if dev.node in one["ResourceName"])
    for key, value in (
        ("EventId", event["EventId"]), ("EventName", "StartSession"), ("ReadOnly", "false"), ("Username", "known"),
        ("EventSource", "ssm.amazonaws.com"), ("AccessKeyId", known.key), ("ResourceType", node["ResourceType"]),
        ("ResourceName", node["ResourceName"]),
    ):
        found = events(admin, key, value)
        assert event["EventId"] in [one["EventId"] for one, _ in found], key
        assert len(found) == len({one["EventId"] for one, _ in found})
    assert events(admin, "EventName", "NoSuchEvent") == []
    assert all(record["eventName"] == "TerminateSession" for _, record in events(admin, "EventName", "TerminateSession"))
    assert [one["EventId"] for one, _ in events(admin, "EventId", event["EventId"])] == [event["EventId"]]
    refused(admin.cloudtrail.lookup_events, "InvalidLookupAttributesException", LookupAttributes=[
        {"AttributeKey": "EventName", "AttributeValue": "a"}, {"AttributeKey": "Username", "AttributeValue": "b"}])


def test_pages_are_whole_and_newest_first(admin, known):
    for _ in range(7):
        known.ssm.describe_activations()
    found = []
    for page in admin.cloudtrail.get_paginator("lookup_events").paginate(
            LookupAttributes=[{"AttributeKey": "Username", "AttributeValue": "known"}], PaginationConfig={"PageSize": 3}):
        assert len(page["Events"]) <= 3
        found += page["Events"]
        known.ssm.describe_sessions(State="Active")  # what happens meanwhile moves nothing
    assert len({event["EventId"] for event in found}) == len(found)
    assert [event["EventTime"] for event in found] == sorted((event["EventTime"] for event in found), reverse=True)
    assert len(found) >= 7
    refused(admin.cloudtrail.lookup_events, "InvalidNextTokenException", NextToken="nonsense")
    refused(admin.cloudtrail.lookup_events, "ValidationException", "less than or equal to 50", MaxResults=51)


def test_a_time_range_bounds_what_is_found(admin, known):
    known.ssm.describe_activations()
    [(newest, _), *_] = events(admin, "Username", "known")
    at, second = newest["EventTime"], datetime.timedelta(seconds=1)
    inside = events(admin, "Username", "known", StartTime=at, EndTime=at + second)
    assert newest["EventId"] in [event["EventId"] for event, _ in inside]
    assert all(at <= event["EventTime"] <= at + second for event, _ in inside)
    assert events(admin, "Username", "known", EndTime=at - datetime.timedelta(days=1)) == []
    assert events(admin, "Username", "known", StartTime=at + datetime.timedelta(days=1),
                  EndTime=at + datetime.timedelta(days=2)) == []
    refused(admin.cloudtrail.lookup_events, "InvalidTimeRangeException", StartTime=at, EndTime=at - second)


def test_nobody_reads_events_without_leave(admin, dev):
    outsider = admin.new_user("outsider", allow("ssm:*"))
    refused(outsider.cloudtrail.lookup_events, "AccessDeniedException", "cloudtrail:LookupEvents")


def test_what_a_role_did_leads_back_to_who_took_it_on(admin, dev):
    owner = admin.new_user("behind")
    role = admin.new_role("mask", {"AWS": f"arn:aws:iam::{ACCOUNT}:user/behind"}, allow("ssm:*"))
    masked = owner.assume(role, "visit")
    masked.ssm.describe_activations()
    [(_, done)] = events(admin, "AccessKeyId", masked.key)
    assert done["userIdentity"]["type"] == "AssumedRole"
    assert done["userIdentity"]["sessionContext"]["sessionIssuer"]["userName"] == "mask"
    [taken] = [record for _, record in events(admin, "EventName", "AssumeRole")
               if record["responseElements"] and record["responseElements"]["credentials"]["accessKeyId"] == masked.key]
    assert taken["userIdentity"]["userName"] == "behind"
    assert taken["responseElements"]["assumedRoleUser"]["arn"] == done["userIdentity"]["arn"]
    assert taken["responseElements"]["credentials"]["sessionToken"] == "Value hidden due to security reasons."


def test_no_event_holds_a_secret(dev, admin, known):
    secrets = hand_out_secrets(dev, admin)
    assert len(secrets) >= 10
    texts = [event["CloudTrailEvent"] for event, _ in events(admin)]
    assert len(texts) > 20
    for secret in secrets:
        assert not [text for text in texts if secret in text], "an event shows a secret"
    # What hides them is a word, so that whoever reads knows that something was there.
    assert any("Value hidden due to security reasons." in text for text in texts)


def hand_out_secrets(dev, admin):
    """Everything that is shown once or was typed in confidence."""
    secrets = {admin.secret, PASSWORD, PASSWORD[::-1]}
    made = admin.ssm.create_activation(IamRole=NODE_ROLE)
    secrets.add(made["ActivationCode"])
    session = admin.ssm.start_session(Target=dev.node)
    secrets |= {session["TokenValue"], admin.ssm.resume_session(SessionId=session["SessionId"])["TokenValue"]}
    admin.ssm.terminate_session(SessionId=session["SessionId"])
    owner = admin.new_user("secretive", allow("*"))
    secrets.add(owner.secret)
    admin.iam.create_login_profile(UserName="secretive", Password=PASSWORD)
    admin.iam.update_login_profile(UserName="secretive", Password=PASSWORD[::-1])
    role = admin.new_role("secretive", trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/secretive"}))
    for one in (owner.assume(role), owner.temporary(owner.sts.get_session_token())):
        secrets |= {one.secret, one.token}
    # Those of a call that was refused are secrets, too.
    weak = "weak-secret"
    refused(admin.iam.update_login_profile, "PasswordPolicyViolation", UserName="secretive", Password=weak)
    secrets.add(weak)
    # A node's own, which it is given over the same door.
    node = wire_node(dev)
    return secrets | {node.credentials[1], node.credentials[2]} | node.door.secrets


def wire_node(dev):
    from wire import Node

    return Node(Door(dev))


def test_a_server_that_is_killed_among_writes_has_an_event_of_every_change(tmp_path):
    with Dev(tmp_path / "dev") as dev:
        admin = administrator(dev)
        wrote, stop = [], threading.Event()

        def write(writer):
            iam = admin.client("iam")
            for number in range(10_000):
                if stop.is_set():
                    return
                name = f"burst-{writer}-{number}"
                try:
                    iam.create_user(UserName=name)
                except (BotoCoreError, ClientError):
                    return
                wrote.append(name)

        writers = [threading.Thread(target=write, args=(writer,)) for writer in range(8)]
        for one in writers:
            one.start()
        eventually(lambda: len(wrote) > 200, what="a burst of writes")
        dev.kill()
        stop.set()
        for one in writers:
            one.join()
        dev.start()

        there = {one["UserName"] for page in admin.iam.get_paginator("list_users").paginate() for one in page["Users"]}
        assert set(wrote) <= there, "what was answered is there"
        told = {}
        for _, record in events(admin, "EventName", "CreateUser"):
            told.setdefault(record["requestParameters"]["userName"], []).append(record)
        made = {name for name in there if name.startswith("burst-")}
        assert made <= told.keys(), "each change has its event"
        assert all(len(told[name]) == 1 for name in told), "and only one"
        for name in wrote:
            assert "errorCode" not in told[name][0], name
        cut_off = [name for name in told if told[name][0].get("errorCode") == "Interrupted"]
        assert all(name not in wrote for name in cut_off)

        verified = dev.cli("audit", "verify", "--data-dir", dev.data)
        assert verified.returncode == 0, verified.stderr
