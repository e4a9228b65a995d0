"""Writes tests/fixtures/query.json: forms as botocore sends them; and checks tests/fixtures/answers.json with its parser.

Run with a Python that has botocore (1.43.11 was used): python3 aws/dialects/tests/make_query_fixtures.py
"""

import datetime
import json
import pathlib

import botocore.session
from botocore.awsrequest import AWSRequest
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

FIXTURES = pathlib.Path(__file__).parent / "fixtures"
POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ssm:*","Resource":"*"}]}'
TRUST = '{"Statement":{"Effect":"Allow","Principal":{"Service":"ssm.amazonaws.com"},"Action":"sts:AssumeRole"}}'
ARN = "arn:aws:iam::123456789012:"

# service, operation, parameters
REQUESTS = [
    ("sts", "GetCallerIdentity", {}),
    ("sts", "AssumeRole", {
        "RoleArn": ARN + "role/ConsoleSSMSessionTester", "RoleSessionName": "me@example.com", "DurationSeconds": 900,
        "PolicyArns": [{"arn": "arn:aws:iam::aws:policy/AmazonSSMReadOnlyAccess"}], "Policy": POLICY,
        "Tags": [{"Key": "Team", "Value": "ops"}, {"Key": "Empty", "Value": ""}], "TransitiveTagKeys": ["Team"],
        "ExternalId": "a:b/c",
    }),
    ("sts", "GetSessionToken", {"DurationSeconds": 3600}),
    ("iam", "CreateUser", {"UserName": "user+1=a@b", "Path": "/a/b/",
                           "Tags": [{"Key": "Team:co", "Value": "ops=1 +2"}, {"Key": "Empty", "Value": ""}]}),
    ("iam", "CreateUser", {"UserName": "plain", "Tags": []}),
    ("iam", "CreateRole", {"RoleName": "ConsoleSSMSessionTester", "AssumeRolePolicyDocument": TRUST,
                           "Description": "line one\nline two \u00fc", "MaxSessionDuration": 43200}),
    ("iam", "CreateLoginProfile", {"UserName": "plain", "Password": "p@ss & w\u00f6rd%=+",
                                   "PasswordResetRequired": True}),
    ("iam", "CreatePolicyVersion", {"PolicyArn": ARN + "policy/Dev", "PolicyDocument": POLICY, "SetAsDefault": False}),
    ("iam", "ListPolicies", {"Scope": "Local", "OnlyAttached": True, "PathPrefix": "/", "MaxItems": 1000}),
    ("iam", "UntagRole", {"RoleName": "r", "TagKeys": ["a", "b c", "\u00e9"]}),
    ("iam", "SimulateCustomPolicy", {
        "PolicyInputList": [POLICY, POLICY], "ActionNames": ["ssm:StartSession", "ssm:ResumeSession"],
        "ResourceArns": ["arn:aws:ssm:us-east-1:123456789012:managed-instance/mi-0123456789abcdef0"],
        "ContextEntries": [
            {"ContextKeyName": "aws:username", "ContextKeyValues": ["plain"], "ContextKeyType": "string"},
            {"ContextKeyName": "aws:PrincipalTag/Teams", "ContextKeyValues": ["a", ""],
             "ContextKeyType": "stringList"},
        ]}),
    ("iam", "ListUsers", {}),
    ("ec2", "CreateTags", {"Resources": ["i-0123456789abcdef0", "mi-0123456789abcdef0"],
                           "Tags": [{"Key": "Environment", "Value": "Prod"}, {"Key": "Empty", "Value": ""}]}),
    ("ec2", "DeleteTags", {"DryRun": True, "Resources": ["i-0123456789abcdef0"], "Tags": [{"Key": "Name"}]}),
    ("ec2", "DescribeInstances", {"InstanceIds": ["i-1", "i-2"]}),
    ("ec2", "DescribeInstances", {"MaxResults": 5, "NextToken": "a/b==", "Filters": [
        {"Name": "tag:Environment", "Values": ["Prod", "Dev"]}, {"Name": "instance-state-name", "Values": ["running"]},
    ]}),
    ("ec2", "DescribeTags", {"Filters": [{"Name": "key", "Values": ["aws:ec2launchtemplate:id"]}]}),
]

session = botocore.session.get_session()


def form(service, operation, parameters):
    model = session.get_service_model(service)
    serializer = create_serializer(model.metadata["protocol"])
    request = serializer.serialize_to_request(parameters, model.operation_model(operation))
    body = AWSRequest(method="POST", url="https://bridge.example/", data=request["body"]).prepare().body
    return body.decode() if isinstance(body, bytes) else body


def plain(value):
    """A parsed value as handlers give it: times are seconds since the epoch."""
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value


def check(answer):
    model = session.get_service_model(answer["service"])
    operation = model.operation_model(answer["operation"])
    parser = create_parser(model.metadata["protocol"])
    status = answer.get("status", 200)
    response = {"status_code": status, "headers": {}, "body": answer["document"].encode()}
    parsed = parser.parse(response, operation.output_shape)
    metadata = parsed.pop("ResponseMetadata")
    assert metadata["RequestId"] == "7a62c49f-347e-4fc4-9331-6e8eEXAMPLE", (answer, metadata)
    if "error" in answer:
        error = {key: parsed["Error"][key] for key in ("Code", "Message")}
        assert error == answer["error"], (answer, parsed)
    else:
        assert plain(parsed) == (answer["output"] or {}), (answer["output"], plain(parsed))


requests = [
    {"service": service, "operation": operation, "input": parameters, "form": form(service, operation, parameters)}
    for service, operation, parameters in REQUESTS
]
(FIXTURES / "query.json").write_text(json.dumps(requests, indent=1, ensure_ascii=False) + "\n")
answers = json.loads((FIXTURES / "answers.json").read_text())
for answer in answers:
    check(answer)
print(f"{len(requests)} forms written, {len(answers)} answers read back")
