"""Buckets and objects with boto3, the AWS CLI and a client that is not AWS's."""

import base64
import datetime
import hashlib
import http.client
import itertools
import json
import os
import ssl
import subprocess
import urllib.request
import uuid
import zlib

import boto3
import botocore
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from drawbridge import PATIENCE, eventually
from principals import client, refused

MIB = 1024 * 1024
COUNTER = itertools.count()


@pytest.fixture
def s3(dev):
    return newer(dev)


def newer(dev, **changes):
    """A client whose links are signed as its requests are: botocore signs those of us-east-1 in the way of 2006."""
    keys = {"aws_access_key_id": dev.env["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": dev.env["AWS_SECRET_ACCESS_KEY"]}
    return boto3.client("s3", endpoint_url=dev.env["AWS_ENDPOINT_URL"], region_name="us-east-1",
                        verify=dev.env["AWS_CA_BUNDLE"], **(keys | changes),
                        config=Config(signature_version="s3v4", retries={"max_attempts": 0}))


@pytest.fixture
def bucket(s3):
    """A bucket of the test's own, emptied and removed after it."""
    name = f"test-{next(COUNTER)}-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    yield name
    empty(s3, name)
    s3.delete_bucket(Bucket=name)


def empty(s3, bucket):
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for version in page.get("Versions", []) + page.get("DeleteMarkers", []):
            s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"],
                             BypassGovernanceRetention=True)


@pytest.fixture
def locking(s3):
    """A bucket whose objects can be locked; it stays, as do those."""
    name = f"locking-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


def soon(seconds=3600):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)


def read(s3, bucket, key, **options):
    return s3.get_object(Bucket=bucket, Key=key, **options)["Body"].read()


def status(error):
    return error.value.response["ResponseMetadata"]["HTTPStatusCode"]


def anonymous(dev):
    return boto3.client("s3", endpoint_url=dev.env["AWS_ENDPOINT_URL"], region_name="us-east-1",
                        verify=dev.env["AWS_CA_BUNDLE"],
                        config=Config(signature_version=botocore.UNSIGNED, retries={"max_attempts": 0}))


def test_a_bucket_comes_and_goes(dev, s3):
    name = f"comes-{uuid.uuid4().hex[:12]}"
    with pytest.raises(ClientError) as error:
        s3.head_bucket(Bucket=name)
    assert status(error) == 404
    assert s3.create_bucket(Bucket=name)["Location"] == f"/{name}"
    assert s3.create_bucket(Bucket=name)["Location"] == f"/{name}", "again is no error in us-east-1"
    headers = s3.head_bucket(Bucket=name)["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amz-bucket-region"] == "us-east-1"
    assert name in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert s3.get_bucket_location(Bucket=name).get("LocationConstraint") is None
    s3.put_object(Bucket=name, Key="k", Body=b"")
    refused(lambda: s3.delete_bucket(Bucket=name), "BucketNotEmpty")
    s3.delete_object(Bucket=name, Key="k")
    s3.delete_bucket(Bucket=name)
    refused(lambda: s3.list_objects_v2(Bucket=name), "NoSuchBucket")
    with pytest.raises(ClientError, match="InvalidBucketName"):
        s3.create_bucket(Bucket="192.168.0.1")


def test_a_bucket_of_another_region(dev, bucket):
    there = boto3.client("s3", endpoint_url=dev.env["AWS_ENDPOINT_URL"], region_name="eu-west-1",
                         verify=dev.env["AWS_CA_BUNDLE"], aws_access_key_id=dev.env["AWS_ACCESS_KEY_ID"],
                         aws_secret_access_key=dev.env["AWS_SECRET_ACCESS_KEY"],
                         config=Config(retries={"max_attempts": 0}))
    refused(lambda: there.create_bucket(Bucket="elsewhere-1"), "IllegalLocationConstraintException")
    name = f"there-{uuid.uuid4().hex[:12]}"
    there.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert there.get_bucket_location(Bucket=name)["LocationConstraint"] == "eu-west-1"
    there.delete_bucket(Bucket=name)


@pytest.mark.parametrize("key", [
    "plain", "a/b/c", "a//b", "/leading", "trailing/", "..", "../../etc/passwd", "a/../b", ".", "%2e%2e/x",
    "space in it", "plus+and&=?#", "ünïcödé/日本", "quote'\"<>`|\\", "tab\tnew", "x" * 1024, "é" * 512,
])
def test_a_key_is_exactly_itself(s3, bucket, key):
    body = os.urandom(100)
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    assert read(s3, bucket, key) == body
    assert [it["Key"] for it in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    s3.delete_object(Bucket=bucket, Key=key)
    refused(lambda: s3.get_object(Bucket=bucket, Key=key), "NoSuchKey")


def test_a_key_that_is_too_long(s3, bucket):
    with pytest.raises(ClientError, match="KeyTooLongError"):
        s3.put_object(Bucket=bucket, Key="x" * 1025, Body=b"")


def test_what_is_said_of_an_object_comes_back(s3, bucket):
    said = {"ContentType": "text/plain; charset=utf-8", "CacheControl": "no-cache", "ContentEncoding": "gzip",
            "ContentDisposition": "attachment", "ContentLanguage": "de", "Metadata": {"one": "1", "two": "2 2"},
            "StorageClass": "STANDARD_IA"}
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"hello", Tagging="a=1&b=%C3%BC", **said)
    assert put["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'
    assert put["ServerSideEncryption"] == "AES256"
    for answer in (s3.get_object(Bucket=bucket, Key="k"), s3.head_object(Bucket=bucket, Key="k")):
        assert {name: answer[name] for name in said} == said
        assert (answer["ContentLength"], answer["ETag"]) == (5, put["ETag"])
    assert s3.get_object(Bucket=bucket, Key="k")["TagCount"] == 2
    tags = s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]
    assert tags == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "ü"}]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "c", "Value": "3"}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "c", "Value": "3"}]
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    twice = {"TagSet": [{"Key": "c", "Value": "3"}, {"Key": "c", "Value": "4"}]}
    refused(lambda: s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=twice), "InvalidTag")
    wanted = ["ETag", "Checksum", "ObjectSize", "StorageClass"]
    attributes = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=wanted)
    assert (attributes["ObjectSize"], attributes["StorageClass"]) == (5, "STANDARD_IA")
    assert attributes["Checksum"]["ChecksumCRC32"]


def test_ranges_and_conditions(s3, bucket):
    body = os.urandom(300_000)
    etag = s3.put_object(Bucket=bucket, Key="k", Body=body)["ETag"]
    for said, first, last in [("0-0", 0, 0), ("65530-65545", 65530, 65545), ("131072-", 131072, 299_999),
                              ("-5", 299_995, 299_999), ("299999-400000", 299_999, 299_999)]:
        answer = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={said}")
        assert answer["Body"].read() == body[first:last + 1], said
        assert answer["ContentRange"] == f"bytes {first}-{last}/300000"
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
    refused(lambda: s3.get_object(Bucket=bucket, Key="k", Range="bytes=300000-"), "InvalidRange")
    assert read(s3, bucket, "k", IfMatch=etag) == body
    refused(lambda: s3.get_object(Bucket=bucket, Key="k", IfMatch='"0"'), "PreconditionFailed")
    refused(lambda: s3.get_object(Bucket=bucket, Key="k", IfNoneMatch=etag), "304")
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    refused(lambda: s3.get_object(Bucket=bucket, Key="k", IfModifiedSince=modified), "304")
    assert read(s3, bucket, "k", IfModifiedSince=soon()) == body, "a time to come is none"
    refused(lambda: s3.get_object(Bucket=bucket, Key="k", IfUnmodifiedSince=soon(-9999)), "PreconditionFailed")
    refused(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"", IfNoneMatch="*"), "PreconditionFailed")
    s3.put_object(Bucket=bucket, Key="fresh", Body=b"", IfNoneMatch="*")
    refused(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"", IfMatch='"0"'), "PreconditionFailed")
    refused(lambda: s3.put_object(Bucket=bucket, Key="none", Body=b"", IfMatch=etag), "NoSuchKey")
    s3.put_object(Bucket=bucket, Key="k", Body=b"new", IfMatch=etag)


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksums_are_checked_kept_and_given_back(s3, bucket, algorithm):
    body = os.urandom(100_000)
    put = s3.put_object(Bucket=bucket, Key="k", Body=body, ChecksumAlgorithm=algorithm)
    sums = {"CRC32": lambda: zlib.crc32(body).to_bytes(4, "big"), "SHA1": lambda: hashlib.sha1(body).digest(),
            "SHA256": lambda: hashlib.sha256(body).digest()}
    expected = base64.b64encode(sums[algorithm]()).decode()
    assert put[f"Checksum{algorithm}"] == expected
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")[f"Checksum{algorithm}"] == expected
    wrong = {f"Checksum{algorithm}": base64.b64encode(bytes(len(base64.b64decode(expected)))).decode()}
    refused(lambda: s3.put_object(Bucket=bucket, Key="k", Body=body, **wrong), "BadDigest")
    assert read(s3, bucket, "k") == body, "what was refused changed nothing"
    md5 = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    refused(lambda: s3.put_object(Bucket=bucket, Key="k", Body=body, ContentMD5=md5), "BadDigest")
    refused(lambda: s3.put_object(Bucket=bucket, Key="k", Body=body, ContentMD5="x"), "InvalidDigest")


def test_listings_roll_up_and_go_on(s3, bucket):
    keys = [f"{folder}/{file}" for folder in "abc" for file in range(3)] + ["top", "z"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [it["Prefix"] for it in page["CommonPrefixes"]] == ["a/", "b/", "c/"]
    assert [it["Key"] for it in page["Contents"]] == ["top", "z"]
    for operation, number in itertools.product(["list_objects_v2", "list_objects", "list_object_versions"],
                                               [1, 2, 3, 5, 11]):
        pages = s3.get_paginator(operation).paginate(Bucket=bucket, PaginationConfig={"PageSize": number})
        listed = [it["Key"] for page in pages for it in page.get("Contents", page.get("Versions", []))]
        assert listed == sorted(keys), (operation, number)
        pages = s3.get_paginator(operation).paginate(Bucket=bucket, Delimiter="/",
                                                     PaginationConfig={"PageSize": number})
        rolled = [it.get("Prefix", it.get("Key")) for page in pages
                  for it in page.get("CommonPrefixes", []) + page.get("Contents", page.get("Versions", []))]
        assert sorted(rolled) == ["a/", "b/", "c/", "top", "z"], (operation, number)
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="b/", StartAfter="b/0")["Contents"]
    assert [it["Key"] for it in listed] == ["b/1", "b/2"]
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=0)["KeyCount"] == 0
    refused(lambda: s3.list_objects_v2(Bucket=bucket, ContinuationToken="?"), "InvalidArgument")
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys + ["none"]]})
    assert len(deleted["Deleted"]) == len(keys) + 1 and "Errors" not in deleted


def test_copies(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a b/ü", Body=b"hello" * 50_000, Metadata={"x": "y"}, ContentType="text/plain")
    source = {"Bucket": bucket, "Key": "a b/ü"}
    copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource=source)["CopyObjectResult"]
    assert copied["ETag"] == s3.head_object(Bucket=bucket, Key="a b/ü")["ETag"]
    answer = s3.get_object(Bucket=bucket, Key="copy")
    assert (answer["Body"].read(), answer["Metadata"], answer["ContentType"]) == \
        (b"hello" * 50_000, {"x": "y"}, "text/plain")
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "copy"},
                   Metadata={"new": "1"}, MetadataDirective="REPLACE")
    assert s3.head_object(Bucket=bucket, Key="copy")["Metadata"] == {"new": "1"}
    refused(lambda: s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "copy"}),
            "InvalidRequest")
    refused(lambda: s3.copy_object(Bucket=bucket, Key="x", CopySource={"Bucket": bucket, "Key": "none"}),
            "NoSuchKey")
    refused(lambda: s3.copy_object(Bucket=bucket, Key="x", CopySource=source, CopySourceIfMatch='"0"'),
            "PreconditionFailed")


def test_an_upload_in_parts(s3, bucket):
    body = os.urandom(11 * MIB)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="big", Metadata={"x": "y"}, ContentType="text/plain")
    id = upload["UploadId"]
    assert [it["UploadId"] for it in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [id]
    parts = []
    for number, at in enumerate(range(0, len(body), 5 * MIB), 1):
        part = s3.upload_part(Bucket=bucket, Key="big", UploadId=id, PartNumber=number, Body=body[at:at + 5 * MIB])
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    listed = s3.list_parts(Bucket=bucket, Key="big", UploadId=id)["Parts"]
    assert [(it["PartNumber"], it["Size"]) for it in listed] == [(1, 5 * MIB), (2, 5 * MIB), (3, MIB)]
    complete = lambda some: s3.complete_multipart_upload(Bucket=bucket, Key="big", UploadId=id,
                                                         MultipartUpload={"Parts": some})
    refused(lambda: complete(parts[::-1]), "InvalidPartOrder")
    refused(lambda: complete([parts[0] | {"ETag": '"0"'}]), "InvalidPart")
    done = complete(parts)
    digests = b"".join(hashlib.md5(body[at:at + 5 * MIB]).digest() for at in range(0, len(body), 5 * MIB))
    assert done["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-3"'
    answer = s3.get_object(Bucket=bucket, Key="big")
    assert answer["Body"].read() == body
    assert (answer["Metadata"], answer["ContentType"]) == ({"x": "y"}, "text/plain")
    edge = 5 * MIB
    assert read(s3, bucket, "big", Range=f"bytes={edge - 3}-{edge + 2}") == body[edge - 3:edge + 3]
    assert read(s3, bucket, "big", PartNumber=3) == body[10 * MIB:]
    assert s3.head_object(Bucket=bucket, Key="big", PartNumber=1)["PartsCount"] == 3
    assert complete(parts)["ETag"] == done["ETag"], "whoever did not hear of it asks again"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)

    id = s3.create_multipart_upload(Bucket=bucket, Key="copied")["UploadId"]
    parts = []
    for number, said in enumerate([f"bytes=0-{6 * MIB - 1}", f"bytes={6 * MIB}-{11 * MIB - 1}"], 1):
        part = s3.upload_part_copy(Bucket=bucket, Key="copied", UploadId=id, PartNumber=number,
                                   CopySource={"Bucket": bucket, "Key": "big"}, CopySourceRange=said)
        parts.append({"PartNumber": number, "ETag": part["CopyPartResult"]["ETag"]})
    s3.complete_multipart_upload(Bucket=bucket, Key="copied", UploadId=id, MultipartUpload={"Parts": parts})
    assert read(s3, bucket, "copied") == body

    id = s3.create_multipart_upload(Bucket=bucket, Key="gone")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="gone", UploadId=id, PartNumber=1, Body=b"x")
    s3.abort_multipart_upload(Bucket=bucket, Key="gone", UploadId=id)
    refused(lambda: s3.upload_part(Bucket=bucket, Key="gone", UploadId=id, PartNumber=1, Body=b"x"), "NoSuchUpload")


def test_versions_and_delete_markers(s3, locking):
    first = s3.put_object(Bucket=locking, Key="k", Body=b"1")["VersionId"]
    second = s3.put_object(Bucket=locking, Key="k", Body=b"2")["VersionId"]
    assert (read(s3, locking, "k"), read(s3, locking, "k", VersionId=first)) == (b"2", b"1")
    marker = s3.delete_object(Bucket=locking, Key="k")
    assert marker["DeleteMarker"] is True
    refused(lambda: s3.get_object(Bucket=locking, Key="k"), "NoSuchKey")
    refused(lambda: s3.get_object(Bucket=locking, Key="k", VersionId=marker["VersionId"]), "MethodNotAllowed")
    refused(lambda: s3.get_object(Bucket=locking, Key="k", VersionId="none"), "NoSuchVersion")
    page = s3.list_object_versions(Bucket=locking)
    assert [(it["VersionId"], it["IsLatest"]) for it in page["Versions"]] == [(second, False), (first, False)]
    assert page["DeleteMarkers"][0]["IsLatest"] is True
    s3.delete_object(Bucket=locking, Key="k", VersionId=marker["VersionId"])
    assert read(s3, locking, "k") == b"2"
    s3.delete_object(Bucket=locking, Key="k", VersionId=second)
    assert read(s3, locking, "k") == b"1"
    s3.delete_object(Bucket=locking, Key="k", VersionId=first)
    s3.delete_bucket(Bucket=locking)


def test_nobody_gets_round_a_lock(s3, locking):
    for mode, hold in [("COMPLIANCE", "OFF"), ("GOVERNANCE", "OFF"), ("GOVERNANCE", "ON")]:
        key = f"{mode}-{hold}"
        version = s3.put_object(Bucket=locking, Key=key, Body=b"kept", ObjectLockMode=mode,
                                ObjectLockRetainUntilDate=soon(), ObjectLockLegalHoldStatus=hold)["VersionId"]
        at = {"Bucket": locking, "Key": key, "VersionId": version}
        bypass = {"BypassGovernanceRetention": True}
        shorter = {"Retention": {"Mode": mode, "RetainUntilDate": soon(60)}}
        refused(lambda: s3.delete_object(**at), "AccessDenied")
        refused(lambda: s3.put_object_retention(**at, **shorter), "AccessDenied")
        refused(lambda: s3.put_object_retention(**at, Retention={}), "AccessDenied")
        answer = s3.delete_objects(Bucket=locking, Delete={"Objects": [{"Key": key, "VersionId": version}]})
        assert answer["Errors"][0]["Code"] == "AccessDenied"
        refused(lambda: s3.delete_bucket(Bucket=locking), "BucketNotEmpty")
        longer = soon(7200).replace(microsecond=0)
        s3.put_object_retention(**at, Retention={"Mode": mode, "RetainUntilDate": longer})
        assert s3.get_object_retention(**at)["Retention"] == {"Mode": mode, "RetainUntilDate": longer}
        assert s3.get_object_legal_hold(**at)["LegalHold"]["Status"] == hold
        # What hides it is no change of it.
        s3.put_object(Bucket=locking, Key=key, Body=b"over it")
        s3.delete_object(Bucket=locking, Key=key)
        assert read(s3, locking, key, VersionId=version) == b"kept"
        if mode == "COMPLIANCE":
            refused(lambda: s3.delete_object(**at, **bypass), "AccessDenied")
            refused(lambda: s3.put_object_retention(**at, **shorter, **bypass), "AccessDenied")
            weaker = {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": soon(9000)}}
            refused(lambda: s3.put_object_retention(**at, **weaker, **bypass), "AccessDenied")
            continue
        if hold == "ON":
            refused(lambda: s3.delete_object(**at, **bypass), "AccessDenied")
            s3.put_object_legal_hold(**at, LegalHold={"Status": "OFF"})
        s3.delete_object(**at, **bypass)
        refused(lambda: s3.get_object(**at), "NoSuchVersion")


def test_only_a_bucket_that_locks_does(s3, bucket):
    refused(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"", ObjectLockMode="GOVERNANCE",
                                  ObjectLockRetainUntilDate=soon()), "InvalidRequest")
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    refused(lambda: s3.put_object_legal_hold(Bucket=bucket, Key="k", LegalHold={"Status": "ON"}), "InvalidRequest")


def test_acls_say_what_is_so_and_nothing_else(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"", ACL="bucket-owner-full-control")
    refused(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"", ACL="public-read"),
            "AccessControlListNotSupported")
    s3.put_object_acl(Bucket=bucket, Key="k", ACL="bucket-owner-full-control")
    refused(lambda: s3.put_object_acl(Bucket=bucket, Key="k", ACL="public-read"), "AccessControlListNotSupported")
    grants = s3.get_object_acl(Bucket=bucket, Key="k")["Grants"]
    assert [grant["Permission"] for grant in grants] == ["FULL_CONTROL"]


def fetch(dev, url, method="GET", body=None, headers=None):
    context = ssl.create_default_context(cafile=dev.env["AWS_CA_BUNDLE"])
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, context=context) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_links(dev, s3, bucket):
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "a b/ü"})
    assert fetch(dev, put, "PUT", b"by link")[0] == 200
    get = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b/ü"})
    assert fetch(dev, get) == (200, b"by link")
    assert fetch(dev, get, "PUT", b"x")[0] == 403, "bound to its method"
    assert fetch(dev, get.replace("a%20b", "other"))[0] == 403, "bound to its key"
    assert fetch(dev, get + "&response-content-type=x")[0] == 403, "bound to its parameters"
    assert b"<Code>AccessDenied</Code>" in fetch(dev, f"{dev.env['AWS_ENDPOINT_URL']}/{bucket}/a%20b/%C3%BC")[1]
    sized = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "n", "ContentLength": 3})
    assert fetch(dev, sized, "PUT", b"four")[0] == 403, "bound to its length"
    assert fetch(dev, sized, "PUT", b"abc")[0] == 200


def signed_link(dev, method, path, parameters):
    """A link with parameters of its own, as clients make them that sign their headers as parameters."""
    keys = Credentials(dev.env["AWS_ACCESS_KEY_ID"], dev.env["AWS_SECRET_ACCESS_KEY"])
    request = AWSRequest(method, f"{dev.env['AWS_ENDPOINT_URL']}{path}", params=parameters)
    S3SigV4QueryAuth(keys, "s3", "us-east-1", expires=300).add_auth(request)
    return request.url


def test_a_link_says_in_its_query_what_headers_would_say(dev, s3, bucket):
    said = {"x-amz-meta-who": "a b+c", "x-amz-tagging": "t=1", "x-amz-storage-class": "STANDARD_IA",
            "x-amz-checksum-crc32": "AAAAAA==", "x-amz-sdk-checksum-algorithm": "CRC32", "If-None-Match": "*"}
    link = signed_link(dev, "PUT", f"/{bucket}/k", said)
    other = {"x-amz-storage-class": "GLACIER"}
    assert fetch(dev, link, "PUT", b"by link", other)[0] == 403, "nobody gets round what the link says"
    assert fetch(dev, link, "PUT", b"by link")[0] == 200
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["Metadata"], head["StorageClass"]) == ({"who": "a b+c"}, "STANDARD_IA")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "t", "Value": "1"}]
    code, body = fetch(dev, link, "PUT", b"again")
    assert code == 412 and b"PreconditionFailed" in body
    code, body = fetch(dev, signed_link(dev, "PUT", f"/{bucket}/k", {"x-amz-acl": "public-read"}), "PUT", b"x")
    assert code == 400 and b"AccessControlListNotSupported" in body


def test_a_refused_upload_is_told_why(dev, bucket):
    """The body is on its way when the answer is clear; were the connection cut then, it would be lost."""
    body = b"x" * 1024 * 1024
    nowhere = signed_link(dev, "PUT", "/there-is-no-such-bucket/k", {})
    for _ in range(10):
        code, answer = fetch(dev, nowhere, "PUT", body)
        assert code == 404 and b"NoSuchBucket" in answer


def test_a_head_of_some_bytes_says_so(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    some = s3.head_object(Bucket=bucket, Key="k", Range="bytes=2-4")
    assert (some["ResponseMetadata"]["HTTPStatusCode"], some["ContentLength"]) == (206, 3)
    assert s3.head_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_older_signatures_and_forms_are_refused(dev, bucket):
    url = f"{dev.env['AWS_ENDPOINT_URL']}/{bucket}/k"
    for options in [{"headers": {"Authorization": f"AWS {dev.env['AWS_ACCESS_KEY_ID']}:c2lnbmF0dXJl"}}]:
        code, body = fetch(dev, url, **options)
        assert code == 400 and b"InvalidRequest" in body
    code, body = fetch(dev, f"{url}?AWSAccessKeyId={dev.env['AWS_ACCESS_KEY_ID']}&Signature=x&Expires=9999999999")
    assert code == 400 and b"InvalidRequest" in body
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    code, body = fetch(dev, f"{dev.env['AWS_ENDPOINT_URL']}/{bucket}", "POST", b"--x--\r\n", form)
    assert code == 501 and b"NotImplemented" in body


def test_wrong_keys_secrets_and_tokens(dev, bucket):
    refused(newer(dev, aws_secret_access_key="wrong").list_buckets, "SignatureDoesNotMatch")
    refused(newer(dev, aws_access_key_id="AKIAAAAAAAAAAAAAAAAA").list_buckets, "InvalidAccessKeyId")
    refused(newer(dev, aws_session_token="made-up").list_buckets, "InvalidToken")
    nobody = anonymous(dev)
    refused(lambda: nobody.list_objects_v2(Bucket=bucket), "AccessDenied")
    refused(lambda: nobody.put_object(Bucket=bucket, Key="k", Body=b"x"), "AccessDenied")


def test_temporary_credentials(dev, s3, bucket):
    session = client(dev, "sts").get_session_token()["Credentials"]
    temporary = newer(dev, aws_access_key_id=session["AccessKeyId"],
                      aws_secret_access_key=session["SecretAccessKey"], aws_session_token=session["SessionToken"])
    temporary.put_object(Bucket=bucket, Key="k", Body=b"x")
    link = temporary.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    assert fetch(dev, link) == (200, b"x")


def test_the_cli_copies_syncs_and_removes(dev, tmp_path):
    name = f"cli-{uuid.uuid4().hex[:12]}"
    config = tmp_path / "config"
    config.write_text("[default]\ns3 =\n  signature_version = s3v4\n")
    env = dev.env | {"AWS_CONFIG_FILE": str(config)}

    def aws(*arguments):
        done = subprocess.run(["aws", "s3", *arguments], env=env, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        return done.stdout

    aws("mb", f"s3://{name}")
    big = tmp_path / "big"
    big.write_bytes(os.urandom(20 * MIB))
    aws("cp", str(big), f"s3://{name}/folder/big")
    aws("cp", f"s3://{name}/folder/big", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == big.read_bytes()
    tree = tmp_path / "tree"
    for at in range(12):
        path = tree / f"d{at % 3}" / f"f {at}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(at))
    aws("sync", str(tree), f"s3://{name}/tree")
    assert aws("sync", str(tree), f"s3://{name}/tree") == "", "nothing is left to do"
    aws("sync", f"s3://{name}/tree", str(tmp_path / "again"))
    assert {path.name for path in (tmp_path / "again").rglob("*.txt")} == {path.name for path in tree.rglob("*.txt")}
    assert "PRE d0/" in aws("ls", f"s3://{name}/tree/")
    aws("cp", f"s3://{name}/folder/big", f"s3://{name}/folder/copy")
    link = aws("presign", f"s3://{name}/tree/d0/f 0.txt").strip()
    assert fetch(dev, link) == (200, b"0")
    aws("rb", f"s3://{name}", "--force")
    assert name not in aws("ls")


def raw(dev, method, path, headers, body=b""):
    """A request as it is given, byte for byte; signed by botocore, which does not touch the path."""
    host = dev.env["AWS_ENDPOINT_URL"].removeprefix("https://")
    context = ssl.create_default_context(cafile=dev.env["AWS_CA_BUNDLE"])
    connection = http.client.HTTPSConnection(host, context=context, timeout=PATIENCE)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in ({"Host": host} | headers).items():
        connection.putheader(name, value)
    connection.endheaders()
    if body:
        connection.send(body)
    answer = connection.getresponse()
    return answer.status, answer.read()


class Chunked:
    """A body of signed chunks, by the public description of `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`."""

    def __init__(self, dev, path, length, trailer=None):
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
        headers = {"x-amz-content-sha256": kind, "x-amz-decoded-content-length": str(length),
                   "content-encoding": "aws-chunked"}
        if trailer:
            headers["x-amz-trailer"] = trailer
        request = AWSRequest("PUT", dev.env["AWS_ENDPOINT_URL"] + path, headers=headers)
        signer = SigV4Auth(Credentials(dev.env["AWS_ACCESS_KEY_ID"], dev.env["AWS_SECRET_ACCESS_KEY"]),
                           "s3", "us-east-1")
        signer.payload = lambda _: kind
        signer._should_sha256_sign_payload = lambda _: False
        signer.canonical_request = self._canonical(signer, kind)
        signer.add_auth(request)
        self.headers = dict(request.headers.items())
        self.date = request.context["timestamp"]
        self.scope = f"{self.date[:8]}/us-east-1/s3/aws4_request"
        self.signature = self.headers["Authorization"].rsplit("Signature=", 1)[1]
        self.key = self._derive(dev.env["AWS_SECRET_ACCESS_KEY"])

    @staticmethod
    def _canonical(signer, kind):
        plain = type(signer).canonical_request

        def canonical(request):
            return plain(signer, request).rsplit("\n", 1)[0] + "\n" + kind
        return canonical

    def _derive(self, secret):
        import hmac
        key = ("AWS4" + secret).encode()
        for part in (self.date[:8], "us-east-1", "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key

    def _sign(self, kind, *digests):
        import hmac
        text = "\n".join([kind, self.date, self.scope, self.signature, *digests])
        self.signature = hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()
        return self.signature

    def chunk(self, data):
        empty = hashlib.sha256(b"").hexdigest()
        signature = self._sign("AWS4-HMAC-SHA256-PAYLOAD", empty, hashlib.sha256(data).hexdigest())
        return f"{len(data):x};chunk-signature={signature}\r\n".encode() + data + (b"\r\n" if data else b"")

    def trailer(self, name, value):
        digest = hashlib.sha256(f"{name}:{value}\n".encode()).hexdigest()
        signature = self._sign("AWS4-HMAC-SHA256-TRAILER", digest)
        return f"{name}:{value}\r\nx-amz-trailer-signature:{signature}\r\n\r\n".encode()


def test_bodies_of_signed_chunks(dev, s3, bucket):
    path = f"/{bucket}/chunked"
    data = os.urandom(150_000)
    pieces = [data[:65536], data[65536:131072], data[131072:], b""]

    def send(spoil=lambda body: body, length=len(data)):
        chunked = Chunked(dev, path, length)
        body = spoil(b"".join(map(chunked.chunk, pieces)) + b"\r\n")
        return raw(dev, "PUT", path, chunked.headers | {"Content-Length": str(len(body))}, body)

    code, answer = send()
    assert code == 200, answer
    assert read(s3, bucket, "chunked") == data
    assert "aws-chunked" not in s3.head_object(Bucket=bucket, Key="chunked").get("ContentEncoding", "")
    s3.put_object(Bucket=bucket, Key="chunked", Body=b"before")
    flipped = lambda body: body[:70_000] + bytes([body[70_000] ^ 1]) + body[70_001:]
    for spoil, length, wanted in [(flipped, len(data), b"SignatureDoesNotMatch"),
                                  (lambda body: body, len(data) + 1, b"IncompleteBody"),
                                  (lambda body: body, len(data) - 1, b"IncompleteBody"),
                                  (lambda body: b"zz" + body[2:], len(data), b"<Code>")]:
        code, answer = send(spoil, length)
        assert 400 <= code < 500 and wanted in answer, (code, answer)
    assert read(s3, bucket, "chunked") == b"before", "nothing of a broken body is kept"


def test_signed_trailers(dev, s3, bucket):
    path = f"/{bucket}/trailed"
    data = os.urandom(70_000)

    def send(value):
        chunked = Chunked(dev, path, len(data), "x-amz-checksum-crc32")
        body = chunked.chunk(data) + chunked.chunk(b"").rstrip(b"\r\n") + b"\r\n"
        body += chunked.trailer("x-amz-checksum-crc32", value)
        return raw(dev, "PUT", path, chunked.headers | {"Content-Length": str(len(body))}, body)

    right = base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
    code, answer = send(right)
    assert code == 200, answer
    assert s3.head_object(Bucket=bucket, Key="trailed", ChecksumMode="ENABLED")["ChecksumCRC32"] == right
    code, answer = send("AAAAAA==")
    assert code == 400 and b"BadDigest" in answer, answer


def test_objects_outlive_the_server_and_lie_sealed(own_dev):
    s3 = client(own_dev, "s3")
    s3.create_bucket(Bucket="kept")
    body = b"a very plain text " * 100_000
    s3.put_object(Bucket="kept", Key="k", Body=body)
    lost = own_dev.data / "objects" / "ab" / ("ab" * 16)
    lost.write_bytes(b"what a dead upload left")
    own_dev.kill()
    own_dev.start()
    s3 = client(own_dev, "s3")
    assert read(s3, "kept", "k") == body
    eventually(lambda: not lost.exists(), what="an end to nobody's bytes")
    blobs = [path for path in (own_dev.data / "objects").rglob("*") if path.is_file()]
    assert len(blobs) == 1 and b"very plain" not in blobs[0].read_bytes()
    s3.delete_object(Bucket="kept", Key="k")
    eventually(lambda: not blobs[0].exists(), what="the end of the bytes of an object that was deleted")


def test_another_client(dev, s3, bucket, tmp_path):
    minio = pytest.importorskip("minio")
    import urllib3

    http = urllib3.PoolManager(ca_certs=dev.env["AWS_CA_BUNDLE"])
    other = minio.Minio(endpoint=dev.env["AWS_ENDPOINT_URL"].removeprefix("https://"),
                        access_key=dev.env["AWS_ACCESS_KEY_ID"], secret_key=dev.env["AWS_SECRET_ACCESS_KEY"],
                        region="us-east-1", http_client=http)
    big = tmp_path / "big"
    big.write_bytes(os.urandom(12 * MIB))
    other.fput_object(bucket_name=bucket, object_name="dir/big ü", file_path=str(big), part_size=5 * MIB)
    assert read(s3, bucket, "dir/big ü") == big.read_bytes()
    answer = other.get_object(bucket_name=bucket, object_name="dir/big ü", offset=MIB, length=100)
    assert answer.read() == big.read_bytes()[MIB:MIB + 100]
    listed = other.list_objects(bucket_name=bucket, recursive=True)
    assert [it.object_name for it in listed] == ["dir/big ü"]
    assert other.stat_object(bucket_name=bucket, object_name="dir/big ü").size == 12 * MIB
    other.remove_object(bucket_name=bucket, object_name="dir/big ü")


def test_bucket_operations_leave_events(dev, s3):
    name = f"told-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"")
    s3.delete_object(Bucket=name, Key="k")
    s3.delete_bucket(Bucket=name)
    trail = client(dev, "cloudtrail")
    found = trail.lookup_events(LookupAttributes=[{"AttributeKey": "EventSource",
                                                   "AttributeValue": "s3.amazonaws.com"}])["Events"]
    events = [json.loads(event["CloudTrailEvent"]) for event in found]
    names = [event["eventName"] for event in events
             if (event["requestParameters"] or {}).get("bucketName") == name]
    assert sorted(names) == ["CreateBucket", "DeleteBucket"], "objects leave none"
