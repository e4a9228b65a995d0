"""Writes tests/fixtures/*.json: requests signed by botocore, and by openssl as a managed node, at a fixed time.

Run with a Python that has botocore (1.43 was used): python3 aws/dialects/tests/make_fixtures.py
The access key is the well-known example of AWS's documentation; the node's RSA key is thrown away.
"""

import base64
import datetime
import hashlib
import json
import pathlib
import subprocess
import tempfile

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

NOW = datetime.datetime(2026, 11, 20, 12, 0, 0)
KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "FwoGZXIvYXdzE/+example+session/token=="

botocore.auth.get_current_datetime = lambda remove_tzinfo=True: NOW

JSON = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AmazonSSM.StartSession"}
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
GATEWAY = "https://bridge.example:8443/v1/data-channel/"

v4 = botocore.auth.SigV4Auth
query = botocore.auth.SigV4QueryAuth
s3 = botocore.auth.S3SigV4Auth
s3_query = botocore.auth.S3SigV4QueryAuth


def unsigned(request):
    request.context["has_streaming_input"] = True
    request.context["client_config"] = Config(s3={"payload_signing_enabled": False})


def trailer(request):
    request.context["payload_signing_enabled"] = False
    request.context["checksum"] = {"request_algorithm": {"in": "trailer", "algorithm": "crc32", "name": "x"}}


# name, signer, service, token, method, url, headers, body, prepare
CASES = [
    ("json", v4, "ssm", None, "POST", "https://bridge.example:8443/", JSON, '{"Target":"mi-0123456789abcdef0"}', None),
    ("json with session token", v4, "ssm", TOKEN, "POST", "https://ssm.us-east-1.amazonaws.com/", JSON, "{}", None),
    ("empty body and odd headers", v4, "ssm", None, "POST", "https://127.0.0.1:7443/",
     {**JSON, "X-Amz-Custom": "  a   b  c ", "amz-sdk-invocation-id": "1", "X-Empty": ""}, "", None),
    ("query", v4, "sts", None, "POST", "https://sts.amazonaws.com/", FORM,
     "Action=GetCallerIdentity&Version=2011-06-15", None),
    ("query as GET", v4, "sts", TOKEN, "GET",
     "https://bridge.example/?Version=2011-06-15&Action=GetCallerIdentity&b=%C3%BC%20%2F&a=&B=1&a=0", {}, "", None),
    ("control channel upgrade", v4, "ssmmessages", TOKEN, "GET",
     "https://bridge.example:8443/v1/control-channel/mi-0123456789abcdef0?role=subscribe&stream=input", {}, "", None),
    ("data channel with encoded id", v4, "ssmmessages", None, "GET",
     GATEWAY + "user%2Bname%40corp%3D%2C-0123456789abcdef0?role=publish_subscribe", {}, "", None),
    ("data channel with plain id", v4, "ssmmessages", None, "POST",
     GATEWAY + "user+name@corp=,-0123456789abcdef0", {"Content-Type": "application/json"},
     '{"MessageSchemaVersion":"1.0"}', None),
    ("data channel presigned", query, "ssmmessages", None, "GET",
     GATEWAY + "user%2Bname-0123456789abcdef0?role=publish_subscribe", {}, "", None),
    ("presigned with session token", query, "sts", TOKEN, "GET",
     "https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15", {}, "", None),
    ("s3 put", s3, "s3", None, "PUT", "https://127.0.0.1:7443/bucket/a/../b//c%20d%2Be", {}, "object", None),
    ("s3 unsigned payload", s3, "s3", TOKEN, "PUT", "https://127.0.0.1:7443/bucket/key", {}, "object", unsigned),
    ("s3 streaming trailer", s3, "s3", None, "PUT", "https://127.0.0.1:7443/bucket/key",
     {"Content-Encoding": "aws-chunked", "X-Amz-Trailer": "x-amz-checksum-crc32"}, "object", trailer),
    ("s3 presigned", s3_query, "s3", TOKEN, "GET", "https://127.0.0.1:7443/bucket/k%C3%BCy?versionId=a%2Fb", {}, "",
     None),
]


def sign(name, signer, service, token, method, url, headers, body, prepare):
    request = AWSRequest(method=method, url=url, headers=dict(headers), data=body)
    if prepare:
        prepare(request)
    arguments = {"expires": 60} if signer in (query, s3_query) else {}
    signer(Credentials(KEY, SECRET, token), service, "us-east-1", **arguments).add_auth(request)
    signed = request.prepare()
    host, _, path = signed.url.removeprefix("https://").partition("/")
    sent = [[key.lower(), value] for key, value in request.headers.items()]
    if not any(key == "host" for key, _ in sent):
        sent.append(["host", host])
    return {
        "name": name,
        "service": service,
        "token": token,
        "method": method,
        "target": "/" + path,
        "headers": sorted(sent),
        "body": body,
    }


fixtures = {
    "now": NOW.isoformat() + "Z",
    "access_key_id": KEY,
    "secret_access_key": SECRET,
    "region": "us-east-1",
    "requests": [sign(*case) for case in CASES],
}
out = pathlib.Path(__file__).parent / "fixtures" / "botocore.json"
out.write_text(json.dumps(fixtures, indent=1, ensure_ascii=False) + "\n")


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


def sign_as_node(folder):
    """A role token request: the string to sign of SigV4 under RSASSA-PSS instead of an HMAC."""
    key = folder + "/key.pem"
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key)
    body = '{"Fingerprint":"00000000-0000-4000-8000-000000000000"}'
    digest = hashlib.sha256(body.encode()).hexdigest()
    date = NOW.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{date[:8]}/us-east-1/ssm/aws4_request"
    target = "AmazonSSM.RequestManagedInstanceRoleToken"
    covered = "content-type;host;x-amz-date;x-amz-target"
    canonical = (
        "POST\n/\n\ncontent-type:application/x-amz-json-1.1\nhost:bridge.example:8443\n"
        f"x-amz-date:{date}\nx-amz-target:{target}\n\n{covered}\n{digest}"
    )
    to_sign = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    options = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32", "-sigopt", "rsa_mgf1_md:sha256"]
    signature = openssl("dgst", "-sha256", *options, "-sign", key, data=to_sign.encode())
    node = "mi-0123456789abcdef0"
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={node}/{scope}, SignedHeaders={covered}, "
        f"Signature={base64.b64encode(signature).decode()}"
    )
    return {
        "now": NOW.isoformat() + "Z",
        "node_id": node,
        "public_key": base64.b64encode(openssl("pkey", "-in", key, "-pubout", "-outform", "DER")).decode(),
        "method": "POST",
        "target": "/",
        "headers": [
            ["authorization", authorization],
            ["content-type", "application/x-amz-json-1.1"],
            ["host", "bridge.example:8443"],
            ["x-amz-content-sha256", digest],
            ["x-amz-date", date],
            ["x-amz-target", target],
        ],
        "body": body,
    }


with tempfile.TemporaryDirectory() as folder:
    out.with_name("node.json").write_text(json.dumps(sign_as_node(folder), indent=1) + "\n")
