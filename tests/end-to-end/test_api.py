"""Every operation with boto3, and the error each wrong input gets."""

import datetime
import re
import uuid

import boto3
import botocore
import pytest
from botocore.config import Config

from drawbridge import eventually
from principals import NODE_ROLE, administrator, client, refused

@pytest.fixture
def ssm(dev):
    return client(dev, "ssm")


@pytest.fixture
def raw(dev):
    """Without the SDK's own validation, so that the server's is seen."""
    return client(dev, "ssm", validate=False)


def test_caller_identity(dev):
    answer = client(dev, "sts").get_caller_identity()
    assert answer["Account"] == "123456789012"
    assert answer["Arn"].startswith("arn:aws:iam::123456789012:")
    assert answer["UserId"]


def test_activation_life(ssm):
    made = ssm.create_activation(
        IamRole=NODE_ROLE, Description="rack 7", DefaultInstanceName="rack-7", RegistrationLimit=3,
        ExpirationDate=datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=2),
        Tags=[{"Key": "Environment", "Value": "Dev"}],
    )
    assert len(made["ActivationCode"]) == 20
    assert uuid.UUID(made["ActivationId"])
    listed = ssm.describe_activations(
        Filters=[{"FilterKey": "ActivationIds", "FilterValues": [made["ActivationId"]]}])["ActivationList"]
    assert len(listed) == 1
    one = listed[0]
    assert one["Description"] == "rack 7" and one["RegistrationLimit"] == 3 and one["RegistrationsCount"] == 0
    assert one["IamRole"] == NODE_ROLE and one["Expired"] is False
    assert one["Tags"] == [{"Key": "Environment", "Value": "Dev"}]
    ssm.delete_activation(ActivationId=made["ActivationId"])
    assert ssm.describe_activations(
        Filters=[{"FilterKey": "ActivationIds", "FilterValues": [made["ActivationId"]]}])["ActivationList"] == []
    refused(ssm.delete_activation, "InvalidActivationId", ActivationId=made["ActivationId"])


def test_pages_of_activations(ssm):
    made = {ssm.create_activation(IamRole=NODE_ROLE, Description="page")["ActivationId"] for _ in range(5)}
    seen = set()
    for page in ssm.get_paginator("describe_activations").paginate(PaginationConfig={"PageSize": 2}):
        assert len(page["ActivationList"]) <= 2
        seen |= {one["ActivationId"] for one in page["ActivationList"]}
    assert made <= seen
    refused(ssm.describe_activations, "InvalidNextToken", NextToken="nonsense")
    for one in made:
        ssm.delete_activation(ActivationId=one)


def test_the_node_is_described(ssm, dev):
    def described():
        [node] = ssm.describe_instance_information(
            Filters=[{"Key": "InstanceIds", "Values": [dev.node]}])["InstanceInformationList"]
        return node if "ComputerName" in node else None

    # It connects first and says what it is then.
    node = eventually(described, what="what the node says of itself")
    assert node["PingStatus"] == "Online" and node["PlatformType"] == "Linux"
    assert node["ResourceType"] == "ManagedInstance" and node["SourceType"] == "AWS::SSM::ManagedInstance"
    assert re.fullmatch(r"\d+(\.\d+){3}", node["AgentVersion"])
    assert node["ComputerName"] and node["IPAddress"] and node["ActivationId"]
    properties = ssm.describe_instance_properties(
        FiltersWithOperator=[{"Key": "InstanceIds", "Values": [dev.node], "Operator": "Equal"}])
    assert [one["InstanceId"] for one in properties["InstanceProperties"]] == [dev.node]
    assert ssm.get_connection_status(Target=dev.node)["Status"] == "connected"
    assert ssm.get_connection_status(Target="mi-00000000000000000")["Status"] == "notconnected"


def test_tags(ssm, dev):
    where = {"ResourceType": "ManagedInstance", "ResourceId": dev.node}
    ssm.add_tags_to_resource(**where, Tags=[{"Key": "Team", "Value": "a"}, {"Key": "Empty", "Value": ""}])
    ssm.add_tags_to_resource(**where, Tags=[{"Key": "Team", "Value": "b"}])
    tags = {one["Key"]: one["Value"] for one in ssm.list_tags_for_resource(**where)["TagList"]}
    assert tags["Team"] == "b" and tags["Empty"] == ""
    found = ssm.describe_instance_information(Filters=[{"Key": "tag:Team", "Values": ["b"]}])
    assert [one["InstanceId"] for one in found["InstanceInformationList"]] == [dev.node]
    ssm.remove_tags_from_resource(**where, TagKeys=["Team", "Empty"])
    assert "Team" not in {one["Key"] for one in ssm.list_tags_for_resource(**where)["TagList"]}


def test_role_of_a_node(ssm, dev):
    refused(ssm.update_managed_instance_role, "ValidationException", "Nonexistent role or missing ssm service principal",
            InstanceId=dev.node, IamRole="AnotherRole")
    administrator(dev).new_role("AnotherRole", {"Service": "ssm.amazonaws.com"})
    for role in ("AnotherRole", NODE_ROLE):
        ssm.update_managed_instance_role(InstanceId=dev.node, IamRole=role)
        node = ssm.describe_instance_information(Filters=[{"Key": "InstanceIds", "Values": [dev.node]}])
        assert node["InstanceInformationList"][0]["IamRole"] == role


def test_sessions_pages_and_filters(ssm, dev):
    made = [ssm.start_session(Target=dev.node, Reason=f"page {n}")["SessionId"] for n in range(3)]
    seen = []
    pages = ssm.get_paginator("describe_sessions").paginate(
        State="Active", Filters=[{"key": "Target", "value": dev.node}], PaginationConfig={"PageSize": 1})
    for page in pages:
        assert len(page["Sessions"]) <= 1
        seen += [one["SessionId"] for one in page["Sessions"]]
    assert [one for one in seen if one in made] == made[::-1], "newest first"
    for one in made:
        assert ssm.terminate_session(SessionId=one)["SessionId"] == one
    assert dev.ended(made[0])["Status"] == "Terminated"


def test_resume(ssm, dev):
    started = ssm.start_session(Target=dev.node)
    assert re.fullmatch(r"[\w+=,.@-]+-[0-9a-f]{17}", started["SessionId"])
    assert started["StreamUrl"].startswith(f"wss://127.0.0.1:{dev.port}/v1/data-channel/{started['SessionId']}")
    assert started["StreamUrl"].endswith("?role=publish_subscribe")
    resumed = ssm.resume_session(SessionId=started["SessionId"])
    assert resumed["TokenValue"] and resumed["TokenValue"] != started["TokenValue"]
    ssm.terminate_session(SessionId=started["SessionId"])
    # Until the end is on record there may still be last output to fetch.
    eventually(lambda: not ssm.resume_session(SessionId=started["SessionId"]).get("TokenValue"), what="no token")
    refused(ssm.resume_session, "DoesNotExistException", SessionId="nobody-0123456789abcdef0")


WRONG = [
    ("start_session", {}, "ValidationException", "Value null at 'target' failed to satisfy constraint: Member must not be null"),
    ("start_session", {"Target": ""}, "ValidationException", "Member must have length greater than or equal to 1"),
    ("start_session", {"Target": "x" * 401}, "ValidationException", "Member must have length less than or equal to 400"),
    ("start_session", {"Target": "mi-00000000000000000", "Reason": "x" * 257}, "ValidationException", "'reason'"),
    ("start_session", {"Target": "mi-00000000000000000"}, "TargetNotConnected", "mi-00000000000000000 is not connected"),
    ("start_session", {"Target": "../../etc"}, "TargetNotConnected", ""),
    ("start_session", {"Target": "mi-00000000000000000", "DocumentName": "No/Such Document"}, "ValidationException", "'documentName'"),
    ("start_session", {"Target": "NODE", "DocumentName": "No-Such-Document"}, "InvalidDocument", "No-Such-Document"),
    ("start_session", {"Target": "NODE", "Parameters": {"x": ["1"]}}, "InvalidParameters", ""),
    ("resume_session", {"SessionId": ""}, "ValidationException", "'sessionId'"),
    ("terminate_session", {"SessionId": "x" * 97}, "ValidationException", "less than or equal to 96"),
    ("describe_sessions", {}, "ValidationException", "'state'"),
    ("describe_sessions", {"State": "Ended"}, "ValidationException", "Member must satisfy enum value set: [Active, History]"),
    ("describe_sessions", {"State": "Active", "MaxResults": 201}, "ValidationException", "less than or equal to 200"),
    ("describe_sessions", {"State": "Active", "Filters": [{"key": "Colour", "value": "red"}]}, "ValidationException", "enum value set"),
    ("describe_sessions", {"State": "Active", "NextToken": "zzz"}, "InvalidNextToken", ""),
    ("get_connection_status", {"Target": ""}, "ValidationException", "'target'"),
    ("describe_instance_information", {"MaxResults": 4}, "ValidationException", "greater than or equal to 5"),
    ("describe_instance_information", {"Filters": [{"Key": "Colour", "Values": ["x"]}]}, "InvalidFilterKey", ""),
    ("describe_instance_properties", {"MaxResults": 1001}, "ValidationException", "less than or equal to 1000"),
    ("create_activation", {}, "ValidationException", "'iamRole'"),
    ("create_activation", {"IamRole": "service-role/x"}, "ValidationException", "regular expression pattern"),
    ("create_activation", {"IamRole": NODE_ROLE, "RegistrationLimit": 1001}, "ValidationException", "less than or equal to 1000"),
    ("create_activation", {"IamRole": NODE_ROLE, "ExpirationDate": datetime.datetime(2001, 1, 1)}, "InvalidParameters", ""),
    ("create_activation", {"IamRole": NODE_ROLE, "ExpirationDate": datetime.datetime(2101, 1, 1)}, "InvalidParameters", ""),
    ("describe_activations", {"Filters": [{"FilterKey": "Colour", "FilterValues": ["x"]}]}, "ValidationException", "enum value set"),
    ("delete_activation", {"ActivationId": "not-a-uuid"}, "ValidationException", "'activationId'"),
    ("deregister_managed_instance", {"InstanceId": "i-0123456789abcdef0"}, "ValidationException", "'instanceId'"),
    ("deregister_managed_instance", {"InstanceId": "mi-00000000000000000"}, "InvalidInstanceId", ""),
    ("update_managed_instance_role", {"InstanceId": "mi-00000000000000000", "IamRole": NODE_ROLE}, "InvalidInstanceId", ""),
    ("add_tags_to_resource", {"ResourceType": "Colour", "ResourceId": "x", "Tags": []}, "ValidationException", "enum value set"),
    ("add_tags_to_resource", {"ResourceType": "ManagedInstance", "ResourceId": "mi-00000000000000000", "Tags": [{"Key": "k", "Value": "v"}]}, "InvalidResourceId", ""),
    ("add_tags_to_resource", {"ResourceType": "ManagedInstance", "ResourceId": "mi-00000000000000000", "Tags": [{"Key": "k" * 129, "Value": "v"}]}, "ValidationException", "128"),
    ("list_tags_for_resource", {"ResourceType": "ManagedInstance", "ResourceId": "mi-00000000000000000"}, "InvalidResourceId", ""),
    ("remove_tags_from_resource", {"ResourceType": "ManagedInstance", "ResourceId": "mi-00000000000000000", "TagKeys": ["k"]}, "InvalidResourceId", ""),
]


@pytest.mark.parametrize("operation,arguments,code,text", WRONG,
                         ids=[f"{index}-{case[0]}-{case[2]}" for index, case in enumerate(WRONG)])
def test_wrong_input(raw, dev, operation, arguments, code, text):
    arguments = {name: dev.node if value == "NODE" else value for name, value in arguments.items()}
    refused(getattr(raw, operation), code, text, **arguments)


def test_an_operation_nobody_serves(raw):
    refused(raw.list_resource_data_sync, "UnknownOperationException")


def test_wrong_keys(dev):
    refused(client(dev, "ssm", key="AKIAXXXXXXXXXXXXXXXX").describe_activations, "UnrecognizedClientException")
    refused(client(dev, "ssm", secret="x" * 40).describe_activations, "InvalidSignatureException")
    refused(client(dev, "ssm", token="not-a-token").describe_activations, "UnrecognizedClientException")
    refused(client(dev, "sts", key="AKIAXXXXXXXXXXXXXXXX").get_caller_identity, "InvalidClientTokenId")
    refused(client(dev, "sts", secret="x" * 40).get_caller_identity, "SignatureDoesNotMatch")


def test_unsigned(dev):
    unsigned = boto3.client("ssm", endpoint_url=dev.env["AWS_ENDPOINT_URL"], region_name="us-east-1",
                            verify=dev.env["AWS_CA_BUNDLE"],
                            config=Config(signature_version=botocore.UNSIGNED, retries={"max_attempts": 0}))
    refused(unsigned.describe_activations, "MissingAuthenticationTokenException")


def test_a_clock_that_is_wrong(dev, monkeypatch):
    import botocore.auth

    late = client(dev, "ssm")
    real = botocore.auth.get_current_datetime
    monkeypatch.setattr(botocore.auth, "get_current_datetime",
                        lambda *a, **k: real(*a, **k) - datetime.timedelta(minutes=6))
    refused(late.describe_activations, "InvalidSignatureException", "Signature expired")


def test_any_region_name_is_accepted(dev):
    there = boto3.client("ssm", endpoint_url=dev.env["AWS_ENDPOINT_URL"], region_name="rack-7",
                         verify=dev.env["AWS_CA_BUNDLE"], aws_access_key_id=dev.env["AWS_ACCESS_KEY_ID"],
                         aws_secret_access_key=dev.env["AWS_SECRET_ACCESS_KEY"])
    assert there.describe_sessions(State="Active")["Sessions"] == [], "a region sees its own"
    assert there.create_activation(IamRole=NODE_ROLE)["ActivationId"]
