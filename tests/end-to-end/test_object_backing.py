"""The bytes of objects in a bucket of another store: a second Drawbridge stands behind the first."""

import hashlib
import http.client
import json
import os
import ssl
import subprocess
import urllib.parse

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from drawbridge import PATIENCE, Proxy, Server, clean_environment, eventually, program
from principals import administrator

MIB = 1024 * 1024
MARK = b"a-marker-that-nobody-behind-the-server-may-read"
BACKING = "backing"

# What docs/reference/buckets.md says that the key of the server needs, and nothing else.
POLICY = [
    {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
     "Resource": f"arn:aws:s3:::{BACKING}/bridge/*"},
    {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{BACKING}",
     "Condition": {"StringLike": {"s3:prefix": ["bridge/blobs/*", "bridge/uploads/*", "bridge/owner/*"]}}},
]


class Behind(Server):
    """The store behind, a server of its own behind a network that can be cut; everything is called through that."""

    def __init__(self, folder):
        super().__init__(folder)
        self.start()
        self.proxy = Proxy(self.port)
        user = administrator(self).new_user("bridge", *POLICY)
        self.s3 = client(self.env)
        self.s3.create_bucket(Bucket=BACKING)
        self.credentials = self.folder / "credentials"
        self.credentials.touch(mode=0o600)
        self.credentials.write_text(f"[default]\naws_access_key_id = {user.key}\naws_secret_access_key = {user.secret}\n")

    def section(self, **more):
        keys = {"bucket": BACKING, "prefix": "bridge/", "region": "us-east-1",
                "endpoint": f"https://127.0.0.1:{self.proxy.port}", "ca_file": str(self.data / "ca.pem"),
                "credentials_file": str(self.credentials)} | more
        return "[objects]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())

    def away(self):
        self.proxy.open = False
        self.proxy.cut()

    def back(self):
        self.proxy.open = True

    def keys(self, prefix=""):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BACKING, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def blobs(self):
        return self.keys("bridge/blobs/")

    def uploads(self):
        return self.s3.list_multipart_uploads(Bucket=BACKING).get("Uploads", [])


class Front(Server):
    """A server whose objects lie behind; without a section, in its own folder."""

    def __init__(self, folder, section=""):
        super().__init__(folder)
        self.section = section

    def command(self):
        command = super().command()
        with open(command[-1], "a") as config:
            config.write(self.section)
        return command

    def refused(self):
        """What it says instead of starting."""
        done = subprocess.run(self.command(), env=clean_environment(), capture_output=True, text=True, timeout=PATIENCE,
                              stdin=subprocess.DEVNULL)
        assert done.returncode != 0
        return done.stderr


def client(env, retries=0):
    return boto3.client("s3", endpoint_url=env["AWS_ENDPOINT_URL"], region_name="us-east-1", verify=env["AWS_CA_BUNDLE"],
                        aws_access_key_id=env["AWS_ACCESS_KEY_ID"], aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
                        config=Config(signature_version="s3v4", retries={"total_max_attempts": retries + 1}))


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    store = Behind(tmp_path_factory.mktemp("behind"))
    yield store
    store.proxy.__exit__()
    store.stop()


@pytest.fixture
def front(behind, tmp_path):
    """A server whose objects lie behind, on a place that was emptied before it."""
    for key in behind.keys():
        behind.s3.delete_object(Bucket=BACKING, Key=key)
    behind.back()
    with Front(tmp_path / "front", behind.section()) as running:
        yield running


@pytest.fixture
def s3(front):
    made = client(front.env)
    made.create_bucket(Bucket="logs")
    return made


def marked(length):
    """Bytes that no compression makes less of, with the marker all over."""
    block = MARK + os.urandom(4096)
    return (block * (length // len(block) + 1))[:length]


def test_objects_come_and_go_and_only_ciphertext_lies_behind(behind, front, s3):
    small, large = marked(1000), marked(30 * MIB)
    s3.put_object(Bucket="logs", Key="a-telling-name/small", Body=small, Metadata={"telling": "metadata"})
    s3.put_object(Bucket="logs", Key="large", Body=large)
    upload = s3.create_multipart_upload(Bucket="logs", Key="parts")["UploadId"]
    parts = [s3.upload_part(Bucket="logs", Key="parts", UploadId=upload, PartNumber=number + 1,
                            Body=large[number * 10 * MIB:(number + 1) * 10 * MIB]) for number in range(3)]
    s3.complete_multipart_upload(Bucket="logs", Key="parts", UploadId=upload, MultipartUpload={
        "Parts": [{"PartNumber": number, "ETag": part["ETag"]} for number, part in enumerate(parts, 1)]})

    assert s3.get_object(Bucket="logs", Key="a-telling-name/small")["Body"].read() == small
    for key in ("large", "parts"):
        assert hashlib.sha256(s3.get_object(Bucket="logs", Key=key)["Body"].read()).digest() \
            == hashlib.sha256(large).digest(), key
        for first, last in ((0, 0), (65_535, 65_537), (10 * MIB - 1, 10 * MIB), (29 * MIB, 30 * MIB - 1)):
            got = s3.get_object(Bucket="logs", Key=key, Range=f"bytes={first}-{last}")["Body"].read()
            assert got == large[first:last + 1], (key, first, last)

    blobs = behind.blobs()
    assert len(blobs) == 5, "one for each of two objects and of three parts"
    assert len(behind.keys()) == 6 and len(behind.keys("bridge/owner/")) == 1
    for key in blobs:
        assert "telling" not in key
        sealed = behind.s3.get_object(Bucket=BACKING, Key=key)["Body"].read()
        assert MARK not in sealed and b"telling" not in sealed
    assert not (front.data / "objects").exists()

    s3.copy_object(Bucket="logs", Key="copy", CopySource={"Bucket": "logs", "Key": "large"})
    assert len(behind.blobs()) == 6
    for key in ("a-telling-name/small", "large", "parts", "copy"):
        s3.delete_object(Bucket="logs", Key=key)
    eventually(lambda: behind.blobs() == [], what="the blobs gone")
    assert behind.uploads() == []


def test_versions_are_kept_and_removed(behind, s3):
    s3.put_bucket_versioning(Bucket="logs", VersioningConfiguration={"Status": "Enabled"})
    versions = [s3.put_object(Bucket="logs", Key="x", Body=body)["VersionId"] for body in (b"one", b"two")]
    s3.delete_object(Bucket="logs", Key="x")
    assert len(behind.blobs()) == 2
    for version, body in zip(versions, (b"one", b"two"), strict=True):
        assert s3.get_object(Bucket="logs", Key="x", VersionId=version)["Body"].read() == body
        s3.delete_object(Bucket="logs", Key="x", VersionId=version)
    eventually(lambda: behind.blobs() == [], what="the blobs gone")


def told(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(Bucket="logs", **arguments)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def test_a_store_that_is_away_is_said_to_be_and_all_is_well_when_it_is_back(behind, front, s3):
    s3.put_object(Bucket="logs", Key="before", Body=b"before")
    behind.away()
    away = (503, "ServiceUnavailable")
    assert told(s3.get_object, Key="before") == away
    assert told(s3.put_object, Key="while", Body=b"while") == away
    assert told(s3.copy_object, Key="copy", CopySource={"Bucket": "logs", "Key": "before"}) == away
    # What needs no bytes goes on, and so does everything that is not about objects.
    assert s3.head_object(Bucket="logs", Key="before")["ContentLength"] == 6
    assert [found["Key"] for found in s3.list_objects_v2(Bucket="logs")["Contents"]] == ["before"]
    assert front.aws("sts", "get-caller-identity")["Account"] == "123456789012"
    behind.back()
    assert s3.get_object(Bucket="logs", Key="before")["Body"].read() == b"before"
    s3.put_object(Bucket="logs", Key="after", Body=b"after")
    assert s3.get_object(Bucket="logs", Key="after")["Body"].read() == b"after"


def test_a_server_starts_without_its_store_and_finds_it_later(behind, front, s3):
    s3.put_object(Bucket="logs", Key="before", Body=b"before")
    front.stop()
    behind.away()
    front.start()
    s3 = client(front.env)
    assert told(s3.get_object, Key="before")[0] == 503
    assert front.aws("sts", "get-caller-identity")["Account"] == "123456789012"
    behind.back()

    def there():
        try:
            return s3.get_object(Bucket="logs", Key="before")["Body"].read()
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 503
            return None
    assert eventually(there, what="the store found") == b"before"


def test_what_a_killed_server_was_sending_is_removed(behind, front, s3):
    s3.put_object(Bucket="logs", Key="kept", Body=b"kept")
    kept = behind.blobs()
    url = urllib.parse.urlsplit(s3.generate_presigned_url("put_object", Params={"Bucket": "logs", "Key": "half"}))
    trust = ssl.create_default_context(cafile=front.env["AWS_CA_BUNDLE"])
    sending = http.client.HTTPSConnection(url.hostname, url.port, context=trust)
    sending.putrequest("PUT", f"{url.path}?{url.query}", skip_accept_encoding=True)
    sending.putheader("Content-Length", str(100 * MIB))
    sending.endheaders()
    sending.send(os.urandom(20 * MIB))
    eventually(lambda: behind.keys("bridge/uploads/") and behind.uploads(), what="an upload under way")
    front.kill()
    sending.close()
    assert len(behind.uploads()) == 1
    # Nobody refers to this one either.
    behind.s3.put_object(Bucket=BACKING, Key=f"bridge/blobs/ab/{'ab' * 16}", Body=b"left")
    behind.s3.put_object(Bucket=BACKING, Key="bridge/blobs/ab/notes.txt", Body=b"not the server's")
    front.start()
    assert behind.uploads() == [] and behind.keys("bridge/uploads/") == []
    assert sorted(behind.blobs()) == sorted([*kept, "bridge/blobs/ab/notes.txt"])
    s3 = client(front.env)
    assert s3.get_object(Bucket="logs", Key="kept")["Body"].read() == b"kept"
    assert [found["Key"] for found in s3.list_objects_v2(Bucket="logs")["Contents"]] == ["kept"]


def test_a_restored_server_takes_the_place_over_only_when_it_is_told_to(behind, front, s3, tmp_path):
    s3.put_object(Bucket="logs", Key="x", Body=b"before the backup")
    backup = tmp_path / "backup"
    done = front.cli("backup", backup, "--data-dir", front.data)
    assert done.returncode == 0 and "the bytes of objects are not in it: they lie in `https://127.0.0.1:" in done.stderr
    s3.put_object(Bucket="logs", Key="later", Body=b"later")

    data = tmp_path / "second" / "data"
    done = subprocess.run([program("drawbridge"), "restore", backup, "--data-dir", data, "--root-key",
                           front.data / "root.key"], env=clean_environment(), capture_output=True, text=True,
                          timeout=PATIENCE)
    assert done.returncode == 0 and "with `[objects]` for `https://127.0.0.1:" in done.stdout, done.stderr
    second = Front(tmp_path / "second", behind.section())
    told = second.refused()
    assert "are those of another data folder" in told and "hint: if its server will never run again" in told
    # The server that was copied has lost nothing by that.
    assert s3.get_object(Bucket="logs", Key="later")["Body"].read() == b"later"
    assert "the bytes of objects lie in `https://127.0.0.1:" in Front(tmp_path / "second").refused()

    [owner] = [key.removeprefix("bridge/owner/") for key in behind.keys("bridge/owner/")]
    assert f'take_over = "{owner}"' in told
    front.stop()
    with Front(tmp_path / "second", behind.section(take_over=owner)) as second:
        restored = client(second.env)
        assert restored.get_object(Bucket="logs", Key="x")["Body"].read() == b"before the backup"
        assert len(behind.blobs()) == 1, "nobody refers to what came later"
    assert "are those of another data folder" in front.refused()


def test_the_objects_of_a_folder_are_moved_by_copying_them(behind, tmp_path):
    for key in behind.keys():
        behind.s3.delete_object(Bucket=BACKING, Key=key)
    server = Front(tmp_path / "front")
    with server:
        s3 = client(server.env)
        s3.create_bucket(Bucket="logs")
        for number in range(5):
            s3.put_object(Bucket="logs", Key=str(number), Body=str(number).encode())
    moved = Front(tmp_path / "front", behind.section())
    told = moved.refused()
    assert "the bytes of objects lie in the data folder, and 5 of them are not in `https://127.0.0.1:" in told
    behind.aws("s3", "sync", server.data / "objects", f"s3://{BACKING}/bridge/blobs", "--quiet", check=False)
    with moved:
        s3 = client(moved.env)
        for number in range(5):
            assert s3.get_object(Bucket="logs", Key=str(number))["Body"].read() == str(number).encode()
    # And back.
    behind.aws("s3", "sync", f"s3://{BACKING}/bridge/blobs", tmp_path / "back", "--quiet", check=False)
    (server.data / "objects").rename(tmp_path / "old")
    assert "5 of them are not in the data folder" in server.refused()
    for path in (tmp_path / "back").rglob("*"):
        if path.is_file():
            path.rename(server.data / "objects" / path.relative_to(tmp_path / "back"))
    with server:
        assert client(server.env).get_object(Bucket="logs", Key="3")["Body"].read() == b"3"


def test_credentials_that_others_can_read_or_that_are_wrong_are_said_before_the_server_starts(behind, tmp_path):
    behind.back()
    loose = tmp_path / "loose"
    loose.write_text(behind.credentials.read_text())
    loose.chmod(0o644)
    wrong = tmp_path / "wrong"
    wrong.touch(mode=0o600)
    wrong.write_text("[default]\naws_access_key_id = AKIAWRONG\naws_secret_access_key = not-that-one\n")
    for section, expected in [
        (behind.section(credentials_file=str(loose)), "has mode 644, others can read it"),
        (behind.section(credentials_file=str(tmp_path / "none")), "cannot read `"),
        (behind.section(credentials_file=str(wrong)), "cannot use the place of the objects: the store refuses it: Inv"),
        (behind.section(ca_file=str(tmp_path / "none")), "cannot read certificate authorities from `"),
        (behind.section(bucket="another"), "cannot use the place of the objects: the store refuses it: AccessDenied"),
        (behind.section(prefix="other/"), "cannot use the place of the objects: the store refuses it: AccessDenied"),
        (behind.section(ca_file=os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")), "cannot establish TLS with"),
    ]:
        told = Front(tmp_path / "front", section).refused()
        assert expected in told and "hint: docs/reference/buckets.md" in told
        assert "not-that-one" not in told
