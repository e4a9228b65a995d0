"""Private-names mode: the AWS CLI with no endpoint setting, in a network of its own whose names lead to us."""

import os
import shutil
import subprocess

import pytest

from drawbridge import PATIENCE, clean_environment, program

BEGIN = r"""
set -eu
ip link set lo up
mount --bind "$FOLDER/hosts" /etc/hosts
"$DRAWBRIDGE" dev --data-dir "$FOLDER/data" --listen 127.0.0.1:443 --private-names >"$FOLDER/log" 2>&1 &
server=$!
trap 'kill $server; wait $server || :' EXIT
eventually() {
    for _ in $(seq 1200); do
        "$@" && return
        kill -0 $server
        read -r -t 0.05 _ <>"$FOLDER/fifo" || :
    done
    echo "never: $*" >&2
    return 1
}
is_over() {
    [ "$(aws ssm describe-sessions --state History --query 'Sessions[0].Status' --output text)" = Terminated ]
}
eventually [ -e "$FOLDER/data/env" ]
. "$FOLDER/data/env"
unset AWS_ENDPOINT_URL
"""

PLAIN = r"""
aws sts get-caller-identity --region us-east-1 --endpoint-url https://ssm.us-east-1.amazonaws.com --query Account --output text
echo "echo through-''private-names; exit" | aws ssm start-session --target "$DRAWBRIDGE_NODE_ID"
eventually is_over
"""

NAMES = ["ssm", "ssmmessages", "ec2messages", "kms", "logs", "s3", "123456789012.s3-control"]
# S3's names have no region in the first one.
GLOBAL_NAMES = ["s3", "tagged.s3"]


pytestmark = pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("ip"), reason="needs root and `ip` for a network of its own")


def in_private_network(dev, folder, script):
    """Runs a script in a network of its own; answers the finished process."""
    hosts = ["127.0.0.1 localhost"] + [f"127.0.0.1 {name}.us-east-1.amazonaws.com" for name in NAMES]
    hosts += [f"127.0.0.1 {name}.amazonaws.com" for name in GLOBAL_NAMES]
    (folder / "hosts").write_text("\n".join(hosts) + "\n")
    os.mkfifo(folder / "fifo")
    env = clean_environment() | {"PATH": dev.env["PATH"], "FOLDER": str(folder), "DRAWBRIDGE": program("drawbridge"),
                                 "HOME": str(folder)}
    done = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "bash", "-c", script],
                          env=env, capture_output=True, text=True, timeout=2 * PATIENCE, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr + (folder / "log").read_text()
    return done


def test_the_aws_cli_without_an_endpoint_setting(dev, tmp_path):
    done = in_private_network(dev, tmp_path, BEGIN + PLAIN)
    assert "123456789012" in done.stdout
    assert "through-private-names" in done.stdout


ENCRYPTED = r"""
role="arn:aws:iam::123456789012:role/DrawbridgeNodeRole"
aws kms create-key --query KeyMetadata.KeyId --output text --policy '{"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "kms:*", "Resource": "*"},
    {"Effect": "Allow", "Principal": {"AWS": "'$role'"}, "Action": "kms:Decrypt", "Resource": "*"}]}' >"$FOLDER/key"
aws ssm create-document --name Encrypted --document-type Session --query DocumentDescription.Name --content \
    '{"schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": {"kmsKeyId": "'$(cat "$FOLDER/key")'"}}'
echo "echo through-''private-keys; exit" | aws ssm start-session --target "$DRAWBRIDGE_NODE_ID" --document-name Encrypted
eventually is_over
"""


def test_an_encrypted_session_finds_the_keys_under_awss_name(dev, tmp_path):
    """Nothing points our plugin at a key service: it looks where AWS's plugin does."""
    done = in_private_network(dev, tmp_path, BEGIN + ENCRYPTED)
    assert "This session is encrypted using AWS KMS." in done.stdout
    assert "through-private-keys" in done.stdout


TAGGED = r"""
aws s3api create-bucket --bucket tagged --create-bucket-configuration 'Tags=[{Key=team,Value=ops}]' >&2
control() { aws s3control "$1" --account-id 123456789012 --resource-arn arn:aws:s3:::tagged "${@:2}"; }
control tag-resource --tags Key=stage,Value=live
control untag-resource --tag-keys team
control list-tags-for-resource --query Tags --output text
control list-tags-for-resource --query Tags --output text --resource-arn arn:aws:s3:::another 2>&1 || echo refused
"""


def test_tags_of_buckets_through_s3_control(dev, tmp_path):
    """An account stands before the name of S3 Control, whose errors clients look for in an element of their own."""
    done = in_private_network(dev, tmp_path, BEGIN + TAGGED)
    assert done.stdout.splitlines() == [
        "stage\tlive", "",
        "An error occurred (NoSuchResource) when calling the ListTagsForResource operation: "
        "The specified resource doesn't exist.", "refused"], done.stdout
