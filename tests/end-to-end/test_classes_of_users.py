"""Two classes of users: one whose session document can sudo, one whose cannot.

What is shown here is who may name which, and who may end what.
"""

import json

import pytest

from drawbridge import Dev
from principals import ACCOUNT, administrator, denied, document

DOCUMENTS = {"sudo": "SSM-sudo", "no-sudo": "SSM-no-sudo"}


def restricted_to(name):
    """The policy of a public module `restrict-by-ssm-document`."""
    return document(
        {
            "Effect": "Allow",
            "Action": "ssm:StartSession",
            "Resource": [
                "arn:aws:ec2:*:*:instance/*",
                f"arn:aws:ssm:*:{ACCOUNT}:managed-instance/*",
                f"arn:aws:ssm:*:*:document/{name}",
            ],
            "Condition": {"BoolIfExists": {"ssm:SessionDocumentAccessCheck": "true"}},
        },
        {
            "Effect": "Allow",
            "Action": ["ssm:DescribeSessions", "ssm:GetConnectionStatus", "ssm:DescribeInstanceProperties",
                       "ec2:DescribeInstances"],
            "Resource": "*",
        },
        {
            "Effect": "Allow",
            "Action": ["ssm:TerminateSession"],
            "Resource": ["arn:aws:ssm:*:*:session/${aws:username}-*"],
        },
    )


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    with Dev(tmp_path_factory.mktemp("classes")) as running:
        yield running


@pytest.fixture(scope="module")
def admin(dev):
    return administrator(dev)


def preferences():
    """A document as a public module has it: texts where AWS wants booleans."""
    return json.dumps({
        "schemaVersion": "1.0", "description": "Session Manager preferences", "sessionType": "Standard_Stream",
        "inputs": {
            "s3BucketName": "ssm-session-logs-dev", "s3KeyPrefix": "dev", "s3EncryptionEnabled": "true",
            "cloudWatchLogGroupName": "", "cloudWatchEncryptionEnabled": "false", "kmsKeyId": "",
            "runAsEnabled": "false", "runAsDefaultUser": "",
        },
    })


@pytest.fixture(scope="module", autouse=True)
def documents(admin):
    for name in DOCUMENTS.values():
        admin.ssm.create_document(Name=name, DocumentType="Session", Content=preferences())


@pytest.fixture(scope="module")
def classes(admin):
    """A user of each class: one through a group, one by a policy of its own, as two public modules attach them."""
    admin.iam.create_group(GroupName="sudoers")
    policy = admin.iam.create_policy(PolicyName="ssm-sudo", PolicyDocument=restricted_to("SSM-sudo"))["Policy"]
    admin.iam.attach_group_policy(GroupName="sudoers", PolicyArn=policy["Arn"])
    sudo = admin.new_user("garland.kan.temp")
    admin.iam.add_user_to_group(GroupName="sudoers", UserName="garland.kan.temp")

    no_sudo = admin.new_user("operator")
    policy = admin.iam.create_policy(PolicyName="ssm-no-sudo", PolicyDocument=restricted_to("SSM-no-sudo"))["Policy"]
    admin.iam.attach_user_policy(UserName="operator", PolicyArn=policy["Arn"])
    return {"sudo": sudo, "no-sudo": no_sudo}


@pytest.mark.parametrize("own", DOCUMENTS)
def test_a_class_may_use_its_own_document_only(dev, classes, own):
    start = classes[own].ssm.start_session
    other = next(name for kind, name in DOCUMENTS.items() if kind != own)
    denied(start, "ssm:StartSession", f"arn:aws:ssm:us-east-1:{ACCOUNT}:document/{other} ",
           Target=dev.node, DocumentName=other)
    denied(start, "ssm:StartSession", f"arn:aws:ssm:us-east-1:{ACCOUNT}:document/SSM-SessionManagerRunShell ",
           Target=dev.node, DocumentName="SSM-SessionManagerRunShell")
    denied(start, "ssm:StartSession", f":managed-instance/{dev.node} because no identity-based policy allows",
           Target=dev.node)
    started = start(Target=dev.node, DocumentName=DOCUMENTS[own])["SessionId"]
    assert dev.session(started)["DocumentName"] == DOCUMENTS[own]
    classes[own].ssm.terminate_session(SessionId=started)


def test_the_cli_says_what_is_not_allowed(dev, classes):
    done = classes["no-sudo"].aws("ssm", "start-session", "--target", dev.node, "--document-name", "SSM-sudo",
                                  check=False)
    assert done.returncode != 0
    assert done.stderr.strip().endswith(
        "An error occurred (AccessDeniedException) when calling the StartSession operation: "
        f"User: arn:aws:iam::{ACCOUNT}:user/operator is not authorized to perform: ssm:StartSession on resource: "
        f"arn:aws:ssm:us-east-1:{ACCOUNT}:document/SSM-sudo because no identity-based policy allows the "
        "ssm:StartSession action")


@pytest.fixture
def sessions(dev, classes):
    """A live session of each class."""
    return {kind: principal.ssm.start_session(Target=dev.node, DocumentName=DOCUMENTS[kind], Reason="look")
            for kind, principal in classes.items()}


def test_nobody_ends_anothers_session(dev, classes, sessions):
    for own, other in (("sudo", "no-sudo"), ("no-sudo", "sudo")):
        others = sessions[other]["SessionId"]
        denied(classes[own].ssm.terminate_session, "ssm:TerminateSession",
               f"arn:aws:ssm:us-east-1:{ACCOUNT}:session/{others} because no identity-based policy",
               SessionId=others)
        assert dev.session(others), "it goes on"
    for kind, principal in classes.items():
        own = sessions[kind]["SessionId"]
        assert principal.ssm.terminate_session(SessionId=own)["SessionId"] == own
        assert dev.session(own, "History")["Status"] in ("Terminating", "Terminated")


def test_what_happened_where_when_and_who_is_on_record(dev, admin, classes, sessions):
    started = sessions["sudo"]
    found = admin.cloudtrail.lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "StartSession"}])["Events"]
    records = [(event, json.loads(event["CloudTrailEvent"])) for event in found]
    [(event, record)] = [(event, record) for event, record in records
                         if (record["responseElements"] or {}).get("sessionId") == started["SessionId"]]
    key = classes["sudo"].key
    assert record["eventVersion"] >= "1.05"
    identity = record["userIdentity"]
    assert identity.pop("principalId").startswith("AIDA")
    assert identity == {
        "type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT}:user/garland.kan.temp", "accountId": ACCOUNT,
        "accessKeyId": key, "userName": "garland.kan.temp",
    }
    assert record["eventSource"] == "ssm.amazonaws.com"
    assert record["eventName"] == "StartSession"
    assert record["awsRegion"] == "us-east-1"
    assert record["sourceIPAddress"] == "127.0.0.1"
    assert "Boto3/" in record["userAgent"]
    assert record["requestParameters"] == {"target": dev.node, "documentName": "SSM-sudo", "reason": "look"}
    assert record["responseElements"] == {
        "sessionId": started["SessionId"], "tokenValue": "Value hidden due to security reasons.",
        "streamUrl": started["StreamUrl"],
    }
    assert record["readOnly"] is False
    assert record["eventType"] == "AwsApiCall"
    assert record["recipientAccountId"] == ACCOUNT
    assert record["requestID"] == started["ResponseMetadata"]["RequestId"]
    assert (event["EventName"], event["Username"], event["AccessKeyId"], event["ReadOnly"], event["EventId"]) == (
        "StartSession", "garland.kan.temp", key, "false", record["eventID"])
    assert event["EventTime"].strftime("%Y-%m-%dT%H:%M:%SZ") == record["eventTime"]


def test_the_document_that_was_named_is_on_record(dev, admin, classes):
    denied(classes["no-sudo"].ssm.start_session, "ssm:StartSession", "document/SSM-sudo",
           Target=dev.node, DocumentName="SSM-sudo")
    found = admin.cloudtrail.lookup_events(
        LookupAttributes=[{"AttributeKey": "Username", "AttributeValue": "operator"}])["Events"]
    record = json.loads(found[0]["CloudTrailEvent"])
    assert record["requestParameters"] == {"target": dev.node, "documentName": "SSM-sudo"}
    assert record["errorCode"] == "AccessDenied"
    assert "is not authorized to perform: ssm:StartSession" in record["errorMessage"]
    assert record["responseElements"] is None
