"""`drawbridge serve`, and nodes that join it as an operator joins them."""

import re
import subprocess

import pytest

from drawbridge import PATIENCE, Node, Server, clean_environment, eventually, program
from principals import NODE_ROLE
from test_first_session import START
from test_network import COUNT, lines


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("serve")) as running:
        yield running


def test_a_deploy_does_not_end_sessions(tmp_path, terminal):
    with Server(tmp_path / "serve") as server, Node(server, tmp_path / "node", server.env["AWS_ENDPOINT_URL"]) as node:
        shell = terminal([*START, node.node], server.env, errors=tmp_path / "errors")
        shell.wait_for(b"Starting session with SessionId: ")
        shell.line("stty -echo; echo mark-''set")
        shell.wait_for(b"mark-set\r\n")
        shell.forget()
        shell.line(COUNT % 20000)
        shell.wait_for(b"line-50\r\n")
        server.stop()
        server.start()
        shell.wait_for(b"counted\r\n")
        assert lines(bytes(shell.raw)) == list(range(1, 20001))
        shell.line("exit")
        assert shell.end() == 0


def register(server, state, *more, code=None, activation=None):
    made = activation or server.aws("ssm", "create-activation", "--iam-role", NODE_ROLE)
    env = clean_environment() | {"DRAWBRIDGE_ACTIVATION_CODE": code or made["ActivationCode"]}
    return subprocess.run(
        [program("drawbridge-agent"), "register", "--endpoint", server.env["AWS_ENDPOINT_URL"], "--activation-id",
         made["ActivationId"], "--state-dir", state, *more], env=env, capture_output=True, text=True, timeout=PATIENCE)


def test_registration_is_refused_in_a_sentence(server, tmp_path):
    ca = ["--ca", server.env["AWS_CA_BUNDLE"]]
    wrong_code = register(server, tmp_path / "a", *ca, code="x" * 20)
    assert wrong_code.returncode != 0 and "InvalidActivation" in wrong_code.stderr

    untrusted = register(server, tmp_path / "b", "--ca", str(other_authority(tmp_path)))
    assert untrusted.returncode != 0 and "certificate" in untrusted.stderr

    made = server.aws("ssm", "create-activation", "--iam-role", NODE_ROLE)
    assert register(server, tmp_path / "c", *ca, activation=made).returncode == 0
    used_up = register(server, tmp_path / "d", *ca, activation=made)
    assert used_up.returncode != 0 and "InvalidActivation" in used_up.stderr

    again = register(server, tmp_path / "c", *ca)
    assert again.returncode != 0 and "--force" in again.stderr
    assert register(server, tmp_path / "c", *ca, "--force").returncode == 0
    for refused in (wrong_code, untrusted, used_up, again):
        assert len([line for line in refused.stderr.splitlines() if line.startswith("error:")]) == 1


def other_authority(folder):
    with Server(folder / "other") as other:
        return other.data / "ca.pem"


def test_tags_of_the_activation_become_tags_of_the_node(server, tmp_path):
    made = server.aws("ssm", "create-activation", "--iam-role", NODE_ROLE, "--default-instance-name", "db-1",
                      "--tags", "Key=Environment,Value=Prod")
    done = register(server, tmp_path / "state", "--ca", server.env["AWS_CA_BUNDLE"], activation=made)
    node = re.search(r"mi-[0-9a-f]{17}", done.stdout).group()
    tags = server.aws("ssm", "list-tags-for-resource", "--resource-type", "ManagedInstance", "--resource-id", node)
    assert {"Key": "Environment", "Value": "Prod"} in tags["TagList"]


def test_a_deregistered_node_is_cut_off(server, tmp_path, terminal):
    joined = Node(server, tmp_path, server.env["AWS_ENDPOINT_URL"])
    shell = terminal([*START, joined.node], server.env)
    shell.wait_for(b"Starting session with SessionId: ")
    shell.line("echo mark-''set")
    shell.wait_for(b"mark-set\r\n")
    joined.__exit__()
    shell.end()
    nodes = server.aws("ssm", "describe-instance-information")["InstanceInformationList"]
    assert joined.node not in [node["InstanceId"] for node in nodes]
    refused = server.aws("ssm", "start-session", "--target", joined.node, check=False)
    assert "TargetNotConnected" in refused.stderr
    joined.start()
    eventually(lambda: joined.process.poll() is not None or b"InvalidInstanceId" in log_of(joined)
               or b"Unrecognized" in log_of(joined), what="a refusal in the agent's log")
    joined.process.kill()
    joined.process.wait()


def log_of(node):
    return (node.folder / "agent.log").read_bytes()


def test_completions_and_the_manual_page_are_printed(server):
    for shell in ("bash", "zsh", "fish"):
        assert "drawbridge" in server.cli("completions", shell).stdout
    assert ".TH drawbridge" in server.cli("man").stdout
