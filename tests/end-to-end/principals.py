"""Users, roles, and what they sign with."""

import functools
import json
import re

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ACCOUNT = "123456789012"
NODE_ROLE = "DrawbridgeNodeRole"  # there from a server's first start
AWS_POLICY = "arn:aws:iam::aws:policy/"


def client(dev, service, key=None, secret=None, token=None, validate=True, region="us-east-1", retries=None):
    """A client of boto3 that looks for credentials nowhere; the administrator's, and without retries, by default."""
    return boto3.client(
        service, endpoint_url=dev.env["AWS_ENDPOINT_URL"], region_name=region, verify=dev.env["AWS_CA_BUNDLE"],
        aws_access_key_id=key or dev.env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=secret or dev.env["AWS_SECRET_ACCESS_KEY"], aws_session_token=token,
        config=Config(retries=retries or {"max_attempts": 0}, parameter_validation=validate),
    )


class Principal:
    """Someone who signs: with boto3 (`alice.iam.get_user()`) and with the AWS CLI (`alice.aws("iam", "get-user")`)."""

    def __init__(self, dev, key, secret, token=None):
        self.dev, self.key, self.secret, self.token = dev, key, secret, token

    @functools.cached_property
    def env(self):
        signing = {"AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret}
        if self.token:
            signing["AWS_SESSION_TOKEN"] = self.token
        return self.dev.env | signing

    def aws(self, *arguments, check=True):
        return self.dev.aws(*arguments, env=self.env, check=check)

    def client(self, service, **options):
        return client(self.dev, service, self.key, self.secret, self.token, **options)

    iam = functools.cached_property(lambda self: self.client("iam"))
    sts = functools.cached_property(lambda self: self.client("sts"))
    ssm = functools.cached_property(lambda self: self.client("ssm"))
    ec2 = functools.cached_property(lambda self: self.client("ec2"))
    cloudtrail = functools.cached_property(lambda self: self.client("cloudtrail"))
    organizations = functools.cached_property(lambda self: self.client("organizations"))

    @property
    def arn(self):
        return self.sts.get_caller_identity()["Arn"]

    def temporary(self, answer):
        """Whoever signs with the credentials of an answer."""
        given = answer["Credentials"]
        return Principal(self.dev, given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])

    def assume(self, role, session="test", **options):
        return self.temporary(self.sts.assume_role(RoleArn=role, RoleSessionName=session, **options))

    # What an administrator sets up.

    def new_key(self, user):
        made = self.iam.create_access_key(UserName=user)["AccessKey"]
        return Principal(self.dev, made["AccessKeyId"], made["SecretAccessKey"])

    def new_user(self, user, *statements, **options):
        """A user with an access key, and with an inline policy `own` of these statements."""
        self.iam.create_user(UserName=user, **options)
        if statements:
            self.iam.put_user_policy(UserName=user, PolicyName="own", PolicyDocument=document(*statements))
        return self.new_key(user)

    def new_role(self, role, trusted, *statements, **options):
        """A role that `trusted` (a principal, or a whole document) may assume; answers its ARN."""
        trusting = trusted if isinstance(trusted, str) else trust(trusted)
        made = self.iam.create_role(RoleName=role, AssumeRolePolicyDocument=trusting, **options)["Role"]
        if statements:
            self.iam.put_role_policy(RoleName=role, PolicyName="own", PolicyDocument=document(*statements))
        return made["Arn"]

    def new_policy(self, name, *statements, **options):
        """A managed policy; answers its ARN."""
        made = self.iam.create_policy(PolicyName=name, PolicyDocument=document(*statements), **options)
        return made["Policy"]["Arn"]


def administrator(dev):
    return Principal(dev, dev.env["AWS_ACCESS_KEY_ID"], dev.env["AWS_SECRET_ACCESS_KEY"])


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource="*", **condition):
    return statement("Allow", action, resource, condition)


def deny(action, resource="*", **condition):
    return statement("Deny", action, resource, condition)


def statement(effect, action, resource, condition):
    made = {"Effect": effect, "Action": action, "Resource": resource}
    return made | {"Condition": condition} if condition else made


def trust(principal, action="sts:AssumeRole", **condition):
    made = {"Effect": "Allow", "Principal": principal, "Action": action}
    return document(made | {"Condition": condition} if condition else made)


def refused(call, code, text="", **arguments):
    """The message of the error that `call` is refused with."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    assert error["Code"] == code, error
    assert text in error["Message"], error
    assert re.fullmatch("[0-9a-f-]{36}", caught.value.response["ResponseMetadata"]["RequestId"])
    return error["Message"]


def denied(call, action, text="", **arguments):
    """The message of the denial, by whichever code the call's dialect has for it."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    assert error["Code"] in ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation"), error
    assert f"is not authorized to perform: {action} on resource: " in error["Message"], error
    assert text in error["Message"], error
    return error["Message"]
