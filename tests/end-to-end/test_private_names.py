"""Private-names mode: the AWS CLI with no endpoint setting, in a network of its own whose names lead to us."""

import os
import shutil
import subprocess

import pytest

from drawbridge import clean_environment, program

SCRIPT = r"""
set -eu
ip link set lo up
mount --bind "$FOLDER/hosts" /etc/hosts
"$DRAWBRIDGE" dev --data-dir "$FOLDER/data" --listen 127.0.0.1:443 --private-names >"$FOLDER/log" 2>&1 &
server=$!
trap 'kill $server; wait $server || :' EXIT
for _ in $(seq 600); do
    [ -e "$FOLDER/data/env" ] && break
    kill -0 $server
    read -r -t 0.05 _ <>"$FOLDER/fifo" || :
done
. "$FOLDER/data/env"
unset AWS_ENDPOINT_URL
aws sts get-caller-identity --region us-east-1 --endpoint-url https://ssm.us-east-1.amazonaws.com --query Account --output text
echo "echo through-''private-names; exit" | aws ssm start-session --target "$DRAWBRIDGE_NODE_ID"
aws ssm describe-sessions --state History --query 'Sessions[0].Status' --output text
"""

NAMES = ["ssm", "ssmmessages", "ec2messages", "kms", "logs", "s3"]


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("ip"), reason="needs root and `ip` for a network of its own")
def test_the_aws_cli_without_an_endpoint_setting(dev, tmp_path):
    hosts = ["127.0.0.1 localhost"] + [f"127.0.0.1 {name}.us-east-1.amazonaws.com" for name in NAMES]
    (tmp_path / "hosts").write_text("\n".join(hosts) + "\n")
    os.mkfifo(tmp_path / "fifo")
    env = clean_environment() | {"PATH": dev.env["PATH"], "FOLDER": str(tmp_path), "DRAWBRIDGE": program("drawbridge"),
                                 "HOME": str(tmp_path)}
    done = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "bash", "-c", SCRIPT],
                          env=env, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr + (tmp_path / "log").read_text()
    assert "123456789012" in done.stdout
    assert "through-private-names" in done.stdout
    assert done.stdout.rstrip().endswith("Terminated")
