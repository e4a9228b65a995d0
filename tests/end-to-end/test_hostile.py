"""Attacks on a running server, while someone who has done nothing wrong keeps a shell open.

The server is this file's own and logs everything it can, so that the last tests can look for secrets in what it wrote.
"""

import base64
import collections
import contextlib
import hashlib
import json
import os
import pathlib
import re
import signal
import ssl
import threading
import time

import pytest
import websocket

from drawbridge import Dev, Terminal, eventually
from principals import AWS_POLICY, NODE_ROLE, administrator, allow, document, refused, trust
from test_first_session import started
from wire import (
    BINARY, CLOSE, FLAG, OUTPUT, PING, SIZE, TEXT, Client, Door, EnrolledNode, Node, NodeEnd, Session, activate, at_once, encode,
    hmac, new_key, register, rsa_pss, websocket_frame,
)

MIB = 1 << 20
REFUSED = (400, 403)


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    with Dev(tmp_path_factory.mktemp("hostile"), log="debug") as running:
        yield running


@pytest.fixture(scope="module")
def door(dev):
    return Door(dev)


@pytest.fixture(scope="module")
def innocent(dev, idlers):
    """A shell through the AWS CLI and our plugin on the real node."""
    opened = []

    def start(argv, env, **options):
        opened.append(Terminal(argv, env, **options))
        return opened[-1]

    shell, _ = started(start, dev)
    shell.line("stty -echo; echo qui''et")
    shell.wait_for(b"quiet\r\n")
    yield shell
    shell.close()


@pytest.fixture(autouse=True)
def nobody_else_notices(innocent, node, other, request):
    """After each attack the innocent session still answers."""
    for one in (node, other):
        one.pulse()
    yield
    innocent.forget()
    innocent.line(f"echo unmo''ved-by-{abs(hash(request.node.name))}")
    innocent.wait_for(b"unmoved-by-%d\r\n" % abs(hash(request.node.name)))


@pytest.fixture(scope="module")
def node(door):
    return Node(door).connect()


@pytest.fixture(scope="module")
def other(door):
    """Another node, that wants what is not its own."""
    return Node(door).connect()


@pytest.fixture
def session(door, node):
    """A hand-written client joined with a hand-written node."""
    joined = Session(door, node)
    joined.works()
    yield joined
    door.call("TerminateSession", {"SessionId": joined.id})
    joined.client.drop()
    joined.end.drop()


def resident(dev):
    """The server's memory in bytes."""
    status = pathlib.Path(f"/proc/{dev.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024


def faults(dev, session):
    """What the server counted against the peers of a session that is over."""
    pattern = rf"peers of a session broke rules session.id={re.escape(session)} faults=Faults {{ (.*?) }}"
    found = eventually(lambda: re.search(pattern, dev.log.read_text()), what="the count of faults")
    counts = (entry.split(": ") for entry in found.group(1).split(", "))
    return {name: int(count) for name, count in counts if count != "0"}


# --- those who say nothing ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def idlers(door):
    """Connections that begin something and never finish it; they are opened first and looked after at the end."""
    silent = [door.tcp() for _ in range(300)]
    no_request, trickling = door.tls(), door.tls()
    upgraded = door.dial_data("admin-00000000000000000")
    node = Node(door)
    control = door.dial_control(node.id, node.signed())
    activation = activate(door, ExpirationDate=time.time() + 3, RegistrationLimit=1000)
    stop = threading.Event()

    def trickle():
        with contextlib.suppress(OSError):
            trickling.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n")
            while not stop.wait(1):
                trickling.sendall(b"X-More: 1\r\n")

    threading.Thread(target=trickle, daemon=True).start()
    yield {"silent": silent, "no_request": no_request, "trickling": trickling, "upgraded": upgraded,
           "control": control, "opened": time.monotonic(), "activation": activation}
    stop.set()
    for one in [*silent, no_request, trickling]:
        one.close()


# --- signatures -----------------------------------------------------------------------------------------------------


def spoilt_header(name, value):
    def spoil(request):
        del request.headers[name]
        request.headers[name] = value
    return spoil


def spoilt_authorization(old, new):
    def spoil(request):
        value = request.headers["Authorization"]
        assert re.search(old, value)
        del request.headers["Authorization"]
        request.headers["Authorization"] = re.sub(old, new, value, count=1)
    return spoil


def flip_signature(request):
    value = request.headers["Authorization"]
    del request.headers["Authorization"]
    request.headers["Authorization"] = value[:-1] + ("0" if value[-1] != "0" else "1")


#: How each is signed (from the right key, secret, token, service) and what is done to it afterwards.
WRONGLY_SIGNED = {
    "not at all": (lambda *_: None, None),
    "with another secret": (lambda key, secret, token, service: hmac(key, secret[::-1], token, service), None),
    "with another key": (lambda key, secret, token, service: hmac("AKIAXXXXXXXXXXXXXXXX", secret, token, service), None),
    "for another service": (lambda key, secret, token, service: hmac(key, secret, token, "iam"), None),
    "for another region than it says": (None, spoilt_authorization("us-east-1", "eu-west-1")),
    "for another day": (None, spoilt_authorization(r"/\d{8}/", "/20200101/")),
    "with an empty secret": (lambda key, secret, token, service: hmac(key, "", token, service), None),
    "with one digit changed": (None, flip_signature),
    "with a signature cut short": (None, spoilt_authorization(r"Signature=(\w{32})\w{32}", r"Signature=\1")),
    "with an empty signature": (None, spoilt_authorization(r"Signature=\w+", "Signature=")),
    "with another algorithm": (None, spoilt_authorization("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1")),
    "without its host": (None, spoilt_authorization("host;", "")),
    "with a date moved": (None, spoilt_header("X-Amz-Date", "20260101T000000Z")),
    "with a token nobody gave": (None, spoilt_header("X-Amz-Security-Token", "AAAA")),
    "with rubbish": (None, spoilt_header("Authorization", "AWS4-HMAC-SHA256 \xff=,=,;;/////")),
    "with a bearer's word": (None, spoilt_header("Authorization", "Bearer root")),
    "by a path that is none": (lambda key, secret, token, service: hmac("../../root.key", secret, token, service), None),
}


@pytest.mark.parametrize("how", WRONGLY_SIGNED)
def test_nothing_opens_to_a_request_signed(door, node, session, how):
    make, spoil = WRONGLY_SIGNED[how]
    admin, own = (*door.admin, None), node.credentials

    def sign(identity, service):
        return (make or (lambda key, secret, token, service: hmac(key, secret, token, service)))(*identity, service)

    for answer in (
        door.call("DescribeSessions", {"State": "Active"}, sign(admin, "ssm") or False, spoil),
        door.call("WatchSession", {"SessionId": session.id}, sign(admin, "ssm") or False, spoil, prefix="Drawbridge"),
        door.call("GetMessages", {"Destination": node.id}, sign(own, "ec2messages") or False, spoil,
                  prefix="EC2WindowsMessageDeliveryService"),
        door.request("POST", "/", "Action=GetCallerIdentity&Version=2011-06-15",
                     {"Content-Type": "application/x-www-form-urlencoded"}, sign(admin, "sts"), spoil),
        door.create_channel("control", node.id, sign(own, "ssmmessages"), spoil),
        door.create_channel("data", session.id, sign(own, "ssmmessages"), spoil),
    ):
        assert answer.status in REFUSED, answer
        assert answer.code, answer
        assert not answer.token
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        door.dial_control(node.id, sign(own, "ssmmessages"), spoil)
    assert refused.value.status_code in REFUSED


@pytest.mark.parametrize("service", ["ssm", "sts", "ec2messages", "ssmmessages"])
def test_a_signature_for_one_service_opens_no_other(door, node, session, service):
    admin, own = hmac(*door.admin, service=service), hmac(*node.credentials, service=service)
    answers = {
        "ssm": door.call("DescribeSessions", {"State": "Active"}, admin),
        "sts": door.request("POST", "/", "Action=GetCallerIdentity&Version=2011-06-15",
                            {"Content-Type": "application/x-www-form-urlencoded"}, admin),
        "ec2messages": door.call("GetEndpoint", {"Protocol": "1.0", "Destination": node.id}, own,
                                 prefix="EC2WindowsMessageDeliveryService"),
        "ssmmessages": door.create_channel("data", session.id, own),
    }
    for name, answer in answers.items():
        assert (answer.status < 300) == (name == service), (name, answer)


def test_a_body_is_what_was_signed(door, node):
    def spoil(request):
        request.data = json.dumps({"State": "History"})
    answer = door.call("DescribeSessions", {"State": "Active"}, spoil=spoil)
    assert answer.status in REFUSED, answer
    assert answer.code == "InvalidSignatureException"


@pytest.mark.parametrize("how", [how for how in WRONGLY_SIGNED if how not in ("not at all", "with another key")])
def test_a_data_channel_with_a_right_token_is_closed_when_its_upgrade_is_signed(door, node, how):
    make, spoil = WRONGLY_SIGNED[how]
    identity = (*door.admin, None)
    sign = make(*identity, "ssmmessages") if make else hmac(*door.admin, service="ssmmessages")
    session, token = door.start(node.id)
    client = Client(door, session, token, sign=sign, spoil=spoil)
    if how in ("by a path that is none", "with rubbish", "with a bearer's word"):
        # A key that nobody here has, or another scheme, is no signature of ours; the token decides.
        client.drop()
    else:
        assert client.ends(), "told why"
    door.call("TerminateSession", {"SessionId": session})


# --- activations ----------------------------------------------------------------------------------------------------


def test_an_activation_registers_as_many_as_it_says_however_many_ask_at_once(door):
    activation = activate(door, RegistrationLimit=10)
    keys = [new_key() for _ in range(16)]
    answers = at_once(len(keys), lambda index: register(door, activation, keys[index]))
    won = [answer.json["InstanceId"] for answer in answers if answer.status == 200]
    assert len(won) == len(set(won)) == 10
    assert {answer.code for answer in answers if answer.status != 200} == {"InvalidActivation"}
    assert register(door, activation, new_key()).code == "InvalidActivation"
    filters = [{"FilterKey": "ActivationIds", "FilterValues": [activation["ActivationId"]]}]
    listed = door.call("DescribeActivations", {"Filters": filters}).json["ActivationList"]
    assert listed[0]["RegistrationsCount"] == 10
    for one in won:
        door.call("DeregisterManagedInstance", {"InstanceId": one})


def test_an_activation_that_was_used_is_worth_nothing_more(door, node):
    activation = activate(door)
    key = new_key()
    first = register(door, activation, key)
    assert first.status == 200
    assert register(door, activation, key).status in REFUSED
    assert register(door, activation, new_key()).code == "InvalidActivation"
    again = activate(door)
    assert register(door, again, node.key).code == "PublicKeyAlreadyRegistered", "nobody becomes a node that is there"
    assert register(door, {**again, "ActivationCode": again["ActivationCode"].swapcase()}, new_key()).status in REFUSED
    assert register(door, {**again, "ActivationId": activation["ActivationId"]}, new_key()).status in REFUSED
    door.call("DeleteActivation", {"ActivationId": again["ActivationId"]})
    assert register(door, again, new_key()).code == "InvalidActivation"


def test_an_activation_that_expired_registers_nobody(door, idlers):
    activation = idlers["activation"]
    filters = [{"FilterKey": "ActivationIds", "FilterValues": [activation["ActivationId"]]}]
    eventually(lambda: door.call("DescribeActivations", {"Filters": filters}).json["ActivationList"][0]["Expired"])
    assert register(door, activation, new_key()).code == "ActivationExpired"


# --- one node as another --------------------------------------------------------------------------------------------


def test_a_node_gets_no_control_channel_of_anothers(door, node, other):
    assert door.create_channel("control", node.id, other.signed()).code == "AccessDeniedException"
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        door.dial_control(node.id, other.signed())
    assert refused.value.status_code == 403
    stolen = door.create_channel("control", node.id, node.signed()).token
    channel = door.dial_control(other.id, other.signed())
    channel.text({"MessageSchemaVersion": "1.0", "RequestId": "a", "TokenValue": stolen})
    assert channel.ends() is None
    assert door.call("GetConnectionStatus", {"Target": node.id}).json["Status"] == "connected"
    assert door.create_channel("control", node.id, hmac(*door.admin, service="ssmmessages")).status == 403


def test_a_node_gets_no_session_of_anothers(door, node, other, session):
    denied = door.create_channel("data", session.id, other.signed())
    assert denied.code == "AccessDeniedException"
    unknown = door.create_channel("data", "admin-00000000000000000", other.signed())
    assert unknown.body.replace("admin-00000000000000000", session.id) == denied.body, "ids are not to be found by asking"

    stolen = node.data_token(session.id)
    thief = NodeEnd(door, session.id, stolen, other.id, other.signed())
    thief.send(b"echo pwned")
    assert thief.ends()
    session.works()
    own = NodeEnd(door, session.id, stolen, node.id, node.signed())
    assert own.ends(), "a token that was shown is used up"
    for sign in (None, hmac(*door.admin, service="ssmmessages"), other.signed()):
        assert NodeEnd(door, session.id, node.data_token(session.id), node.id, sign).ends()
    session.works()


NOT_A_NODES = {
    "StartSession": {"Target": "OTHER"}, "ResumeSession": {"SessionId": "SESSION"},
    "TerminateSession": {"SessionId": "SESSION"}, "DescribeSessions": {"State": "Active"},
    "DescribeInstanceInformation": {}, "DescribeInstanceProperties": {}, "GetConnectionStatus": {"Target": "OTHER"},
    "CreateActivation": {"IamRole": NODE_ROLE}, "DescribeActivations": {},
    "DeleteActivation": {"ActivationId": "a1b2c3d4-0000-4000-8000-000000000000"},
    "DeregisterManagedInstance": {"InstanceId": "OTHER"},
    "UpdateManagedInstanceRole": {"InstanceId": "OTHER", "IamRole": NODE_ROLE},
    "UpdateInstanceInformation": {"InstanceId": "OTHER", "AgentVersion": "3.3.0.0", "AgentStatus": "Active"},
    "AddTagsToResource": {"ResourceType": "ManagedInstance", "ResourceId": "OTHER", "Tags": [{"Key": "k", "Value": "v"}]},
    "RemoveTagsFromResource": {"ResourceType": "ManagedInstance", "ResourceId": "OTHER", "TagKeys": ["k"]},
    "ListTagsForResource": {"ResourceType": "ManagedInstance", "ResourceId": "OTHER"},
    "WatchSession": {"SessionId": "SESSION"}, "AttachSession": {"SessionId": "SESSION"},
    "RequestManagedInstanceRoleToken": {"Fingerprint": "x"},
    "UpdateManagedInstancePublicKey": {"NewPublicKey": "A" * 392, "NewPublicKeyType": "Rsa"},
}


def test_a_nodes_credentials_do_nothing_of_a_persons(door, node, other, session):
    for name, input in NOT_A_NODES.items():
        for owner in (node, other):
            # Its own node and session are no exception.
            input = {key: {"OTHER": node.id, "SESSION": session.id}.get(value, value) if isinstance(value, str) else value
                     for key, value in input.items()}
            if name == "UpdateInstanceInformation" and owner is node:
                continue
            prefix = "Drawbridge" if name in ("WatchSession", "AttachSession") else "AmazonSSM"
            answer = door.call(name, input, owner.signed("ssm"), prefix=prefix)
            assert answer.code == "AccessDeniedException", (name, answer)
            by_key = door.call(name, input, rsa_pss(owner.id, owner.key), prefix=prefix)
            if name not in ("RequestManagedInstanceRoleToken", "UpdateManagedInstancePublicKey"):
                assert by_key.code == "AccessDeniedException", (name, by_key)
    session.works()


def test_an_enrolled_nodes_key_is_a_nodes_whatever_its_role_may(door, node, session):
    admin = administrator(door.dev)
    admin.new_role("instance", {"Service": "ec2.amazonaws.com"})
    admin.iam.attach_role_policy(RoleName="instance", PolicyArn=AWS_POLICY + "AmazonSSMManagedInstanceCore")
    enrolled = EnrolledNode(door, "--role", "instance").connect()
    about_node = {name: {key: {"OTHER": node.id, "SESSION": session.id}.get(value, value) if isinstance(value, str) else value
                         for key, value in input.items()} for name, input in NOT_A_NODES.items()}
    for name, input in about_node.items():
        prefix = "Drawbridge" if name in ("WatchSession", "AttachSession") else "AmazonSSM"
        assert door.call(name, input, enrolled.signed("ssm"), prefix=prefix).code == "AccessDeniedException", name

    # Someone is careless with the role; even so nobody is another node.
    admin.iam.attach_role_policy(RoleName="instance", PolicyArn=AWS_POLICY + "AdministratorAccess")
    assert door.call("DescribeSessions", {"State": "Active"}, enrolled.signed("ssm")).status == 200
    for name in ("UpdateInstanceInformation", "RequestManagedInstanceRoleToken", "UpdateManagedInstancePublicKey"):
        assert door.call(name, about_node[name], enrolled.signed("ssm")).code == "AccessDeniedException", name
    assert door.call("GetMessages", {"Destination": node.id, "MessagesRequestId": "1", "VisibilityTimeoutInSeconds": 10},
                     enrolled.signed("ec2messages"), prefix="EC2WindowsMessageDeliveryService").status in REFUSED
    assert door.create_channel("control", node.id, enrolled.signed()).code == "AccessDeniedException"
    assert door.create_channel("data", session.id, enrolled.signed()).code == "AccessDeniedException"
    session.works()

    joined = Session(door, enrolled)
    joined.works()
    assert door.call("RemoveNode", {"InstanceId": enrolled.id}, prefix="Drawbridge").status == 200
    assert enrolled.control.ends() is None
    joined.client.ends()
    assert door.create_channel("control", enrolled.id, enrolled.signed()).status in REFUSED


def test_a_nodes_role_is_given_to_its_own_key_and_machine_only(door, node, other):
    assert node.ask_role_token(key=other.key).code == "InvalidSignatureException"
    assert node.ask_role_token(fingerprint=other.fingerprint).code == "MachineFingerprintDoesNotMatch"
    assert node.ask_role_token(node=other.id).code == "InvalidSignatureException"
    assert node.ask_role_token(node="mi-00000000000000000").status in REFUSED
    asked = {"Fingerprint": node.fingerprint}
    for sign in (
        hmac(*door.admin), node.signed("ssm"), False,
        # The public key is no secret, and must not do for one.
        hmac(node.id, node.key.public_key().public_numbers().n.to_bytes(256, "big").hex()), hmac(node.id, ""),
    ):
        answer = door.call("RequestManagedInstanceRoleToken", asked, sign)
        assert answer.status in REFUSED, answer
    assert node.ask_role_token().status == 200


def test_a_nodes_session_token_is_sealed(door, node, other):
    key, secret, token = node.credentials

    def refused(*credentials):
        answer = door.create_channel("control", node.id, hmac(*credentials, service="ssmmessages"))
        assert answer.status in REFUSED, answer

    refused(key, secret)
    refused(key, secret, other.credentials[2])
    refused(other.credentials[0], secret, token)
    refused(*door.admin, token)
    for index in range(0, len(token), 17):
        refused(key, secret, token[:index] + ("A" if token[index] != "A" else "B") + token[index + 1:])
    refused(key, secret, token[:-4])
    refused(key, secret, token * 2)


def test_a_node_that_was_removed_is_out_at_once(door):
    gone = Node(door).connect()
    joined = Session(door, gone)
    joined.works()
    assert door.call("DeregisterManagedInstance", {"InstanceId": gone.id}).status == 200
    assert gone.control.ends() is None
    joined.client.ends()
    assert door.create_channel("control", gone.id, gone.signed()).status in REFUSED
    assert door.create_channel("data", joined.id, gone.signed()).status in REFUSED
    assert gone.ask_role_token().status in REFUSED
    assert door.call("StartSession", {"Target": gone.id}).code == "TargetNotConnected"


# --- tokens ---------------------------------------------------------------------------------------------------------


def changed(token):
    """A token with its last bit changed that is still part of its alphabet."""
    return ("B" if token[0] == "A" else "A") + token[1:]


NOT_THE_TOKEN = {
    "cut short": lambda token: token[:-1], "made longer": lambda token: token + "A", "changed": changed,
    "in another case": str.swapcase, "padded": lambda token: token + "=", "with space": lambda token: f" {token}",
    "with a NUL": lambda token: token + "\0", "empty": lambda _: "", "a pattern": lambda _: "%",
    "a number": lambda _: 1, "nothing": lambda _: None, "a list": lambda token: [token],
}


@pytest.mark.parametrize("how", NOT_THE_TOKEN)
def test_a_clients_token_opens_nothing(door, node, how):
    session, token = door.start(node.id)
    assert Client(door, session, NOT_THE_TOKEN[how](token)).ends(), "told why"
    right = Client(door, session, token)
    node.is_asked_to_start(session)
    end = node.join(session)
    end.send(b"hello")
    assert right.hear() == b"hello", "a guess does not use up the real one"
    door.call("TerminateSession", {"SessionId": session})


def test_a_clients_token_opens_its_session_once(door, node, session):
    assert Client(door, session.id, session.token).ends(), "used already"
    session.works()
    second, token = door.start(node.id)
    assert Client(door, session.id, token).ends(), "another session's"
    assert Client(door, second, token).ends(), "shown, so used up"
    for token, sign in (
        (door.start(node.id)[1], None), (node.data_token(session.id), None),
        (door.create_channel("control", node.id, node.signed()).token, None),
        (door.admin[1], None), (node.credentials[2], None),
    ):
        assert Client(door, session.id, token, sign=sign).ends()
    session.works()


def test_a_clients_token_does_not_open_the_nodes_end(door, node, other):
    for sign in (None, node.signed(), other.signed()):
        session, token = door.start(node.id)
        assert NodeEnd(door, session, token, node.id, sign).ends()
        assert Client(door, session, token).ends(), "shown, so used up"
        door.call("TerminateSession", {"SessionId": session})


def test_a_nodes_token_does_not_open_the_clients_end(door, node, other, session):
    for sign in (None, hmac(*door.admin, service="ssmmessages"), other.signed()):
        assert Client(door, session.id, node.data_token(session.id), sign=sign).ends()
    session.works()


def test_of_clients_that_race_with_one_token_one_wins(door, node):
    session, token = door.start(node.id)
    racers = [None] * 8

    def race(index):
        racers[index] = Client(door, session, token)
        return racers[index].receive().message_type

    def feed():
        node.is_asked_to_start(session)
        node.join(session).send(b"hello")

    feeder = threading.Thread(target=feed)
    feeder.start()
    answers = at_once(len(racers), race)
    feeder.join()
    assert sorted(answers) == ["channel_closed"] * 7 + ["output_stream_data"]
    door.call("TerminateSession", {"SessionId": session})


def test_an_older_resume_token_is_worth_nothing_after_a_newer_one(door, session):
    resume = {"SessionId": session.id}
    stolen = door.call("ResumeSession", resume).json["TokenValue"]
    newer = door.call("ResumeSession", resume).json["TokenValue"]
    assert Client(door, session.id, stolen, session.client.client_id).ends()
    session.works()
    session.client = Client(door, session.id, newer, session.client.client_id).continues(session.client)
    session.works()
    assert Client(door, session.id, newer, session.client.client_id).ends(), "and the newer one once"
    session.works()


def test_a_stolen_resume_token_does_not_show_another_client_the_session(door, session):
    stolen = door.call("ResumeSession", {"SessionId": session.id}).json["TokenValue"]
    thief = Client(door, session.id, stolen)
    thief.send(b"pwned")
    assert "taken over" in thief.ends()
    session.works()


def test_an_ended_session_is_not_resumed(door, node):
    over = Session(door, node)
    token = door.call("ResumeSession", {"SessionId": over.id}).json["TokenValue"]
    node_token = node.data_token(over.id)
    over.finish()
    eventually(lambda: door.state(over.id) == "Terminated")
    assert "TokenValue" not in door.call("ResumeSession", {"SessionId": over.id}).json
    assert Client(door, over.id, token, over.client.client_id).ends()
    assert NodeEnd(door, over.id, node_token, node.id, node.signed()).ends()
    refused = door.create_channel("data", over.id, node.signed())
    assert refused.status != 201 and "Session is already terminated" in refused.body
    assert door.call("ResumeSession", {"SessionId": "admin-00000000000000000"}).code == "DoesNotExistException"


def test_a_watcher_only_looks(dev, door, node):
    watched = Session(door, node)
    given = door.call("WatchSession", {"SessionId": watched.id}, prefix="Drawbridge").json
    watcher = Client(door, watched.id, given["TokenValue"])
    watched.end.send(b"seen by all")
    assert watcher.hear() == b"seen by all"
    assert watched.client.hear() == b"seen by all"
    watcher.send(b"rm -rf /\n")
    watcher.send(json.dumps({"cols": 1, "rows": 1}).encode(), SIZE)
    watcher.say(encode("agent_session_state", {"SessionState": "Terminating", "SessionId": watched.id}))
    watched.works()
    watcher.hear()
    watcher.say(encode("channel_closed", {"SessionId": watched.id, "Output": ""}))
    assert watcher.ends() is None, "that was goodbye for the watcher alone"
    watched.works()
    watched.finish()
    assert faults(dev, watched.id)["watcher_input"] >= 2


# --- frames ---------------------------------------------------------------------------------------------------------


def flipped(payload, bit):
    digest = bytearray(hashlib.sha256(payload).digest())
    digest[bit // 8] ^= 1 << bit % 8
    return bytes(digest)


#: What is sent in the place of a stream's frame (its type, its next number), and what it is counted as.
BAD_FRAMES = {
    "no header": (lambda kind, number: encode(kind, b"x", number, payload_type=OUTPUT, header_length=0), "undecodable"),
    "a header one byte short": (lambda kind, number: encode(kind, b"x", number, header_length=115), "undecodable"),
    "a header one byte long": (lambda kind, number: encode(kind, b"x", number, header_length=117), "undecodable"),
    "a header past 32 bits": (lambda kind, number: encode(kind, b"x", number, header_length=0xFFFFFFFB), "undecodable"),
    "the longest header": (lambda kind, number: encode(kind, b"x", number, header_length=0xFFFFFFFF), "undecodable"),
    "fewer bytes than announced": (lambda kind, number: encode(kind, b"x", number, length=2), "undecodable"),
    "more bytes than announced": (lambda kind, number: encode(kind, b"xy", number, length=1), "undecodable"),
    "bytes after an empty payload": (lambda kind, number: encode(kind, b"x", number, length=0), "undecodable"),
    "1 GiB announced": (lambda kind, number: encode(kind, b"x", number, length=1 << 30), "undecodable"),
    "no frame at all": (lambda kind, number: b"", "undecodable"),
    "half a header": (lambda kind, number: encode(kind, b"x", number)[:60], "undecodable"),
    "a created date of zero": (lambda kind, number: encode(kind, b"x", number, created=0), "undecodable"),
    "no message type": (lambda kind, number: encode(b" " * 32, b"x", number), "undecodable"),
    "the first bit of the digest wrong": (lambda kind, number: encode(kind, b"x", number, digest=flipped(b"x", 0)), "bad_digest"),
    "the last bit of the digest wrong": (lambda kind, number: encode(kind, b"x", number, digest=flipped(b"x", 255)), "bad_digest"),
    "another payload's digest": (lambda kind, number: encode(kind, b"x", number, digest=flipped(b"y", 7)), "bad_digest"),
    "a type of the future": (lambda kind, number: encode("self_destruct", b"x", number), "unknown_type"),
    "a type that is not text": (lambda kind, number: encode(b"\xff" * 32, b"x", number), "unknown_type"),
    "a type with NULs inside": (lambda kind, number: encode(b"a\0b".ljust(32), b"x", number), "unknown_type"),
    "a type in another case": (lambda kind, number: encode(kind.upper(), b"x", number), "unknown_type"),
    "number -1": (lambda kind, number: encode(kind, b"x", -1), "out_of_range"),
    "the least number": (lambda kind, number: encode(kind, b"x", -(1 << 63)), "out_of_range"),
    "the greatest number": (lambda kind, number: encode(kind, b"x", (1 << 63) - 1), "out_of_range"),
    "a number a million ahead": (lambda kind, number: encode(kind, b"x", number + 1_000_000), "out_of_range"),
    "a start order": (lambda kind, number: encode("interactive_shell", b"{}", number), "wrong_direction"),
    "a pause": (lambda kind, number: encode("pause_publication", b"{}"), "wrong_direction"),
    "an acknowledgement of the next frame": (
        lambda kind, number: encode("acknowledge", {
            "AcknowledgedMessageType": "x", "AcknowledgedMessageId": "00000000-0000-4000-8000-000000000000",
            "AcknowledgedMessageSequenceNumber": 1 << 40, "IsSequentialMessage": True}, flags=3),
        "unknown_acknowledgement"),
    "an acknowledgement that is not JSON": (lambda kind, number: encode("acknowledge", b"\xff{"), "bad_payload"),
    "an acknowledgement 10 000 lists deep": (lambda kind, number: encode("acknowledge", b"[" * 10_000), "bad_payload"),
}


def test_a_frame_that_breaks_a_rule_is_counted_and_changes_nothing(dev, door, node):
    joined = Session(door, node)
    joined.works()
    expected = collections.Counter()
    for make, fault in BAD_FRAMES.values():
        for end in (joined.client, joined.end):
            end.say(make(end.sends, end.sequence))
            expected[fault] += 1
        # What comes next arrives, so nothing of it took its place.
        joined.works()
    joined.finish()
    assert faults(dev, joined.id) == expected


@pytest.mark.parametrize("how", [how for how, (_, fault) in BAD_FRAMES.items() if fault in ("bad_digest", "undecodable")])
def test_a_damaged_frame_is_not_acknowledged(session, how):
    for end, far in ((session.client, session.end), (session.end, session.client)):
        end.say(BAD_FRAMES[how][0](end.sends, end.sequence))
        # An answer to the damaged frame would come before this.
        far.send(b"round trip")
        assert end.hear() == b"round trip"
        assert end.sequence not in end.acknowledged
    session.works()


def test_frames_out_of_order_and_again_are_heard_once_in_order(session):
    words = [b"%d" % number for number in range(200)]
    for end, far in ((session.client, session.end), (session.end, session.client)):
        first = end.sequence
        frames = [encode(end.sends, word, first + number, payload_type=OUTPUT) for number, word in enumerate(words)]
        for frame in [*frames[1:][::-1], frames[0], *frames, *frames[::2]]:
            end.say(frame)
        end.sequence += len(words)
        assert [far.hear() for _ in words] == words
    session.works()


def test_a_whole_session_replayed_into_another_is_not_heard_again(door, node, session):
    recorded = [encode("input_stream_data", b"%d" % number, number, payload_type=OUTPUT) for number in range(50)]
    for frame in recorded:
        session.client.say(frame)
    session.client.sequence = 50
    session.end.hear_text(b"49")
    for frame in recorded:
        session.client.say(frame)
    session.works()


def test_a_flood_of_acknowledgements_keeps_nobody_waiting(dev, door, node, innocent):
    joined = Session(door, node)
    joined.works()
    before = resident(dev)
    for end in (joined.client, joined.end):
        joined.works()
        flood = websocket_frame(encode("acknowledge", {
            "AcknowledgedMessageType": end.hears, "AcknowledgedMessageId": "00000000-0000-4000-8000-000000000000",
            "AcknowledgedMessageSequenceNumber": 4_000_000, "IsSequentialMessage": True}, flags=3))
        for _ in range(50):
            end.raw(flood * 1000)
        joined.works()
    assert resident(dev) - before < 32 * MIB
    joined.finish()
    assert faults(dev, joined.id) == {"unknown_acknowledgement": 100_000}


def test_a_flood_of_frames_far_ahead_fills_no_memory(dev, session):
    before = resident(dev)
    for end in (session.client, session.end):
        payload = bytes(60_000)
        for number in range(2000):
            end.say(encode(end.sends, payload, end.sequence + 2 + number * 2, payload_type=OUTPUT))
        session.end.send(b"still there") if end is session.client else session.client.send(b"still there")
    assert session.client.hear() == b"still there"
    assert resident(dev) - before < 96 * MIB


# --- websockets -----------------------------------------------------------------------------------------------------

#: Bytes that break RFC 6455 or the server's bounds, and the codes with which the server may close.
BAD_WEBSOCKET = {
    "2^63 bytes announced": (websocket_frame(announced=1 << 63), (1002, 1009)),
    "2^64 - 1 bytes announced": (websocket_frame(announced=(1 << 64) - 1), (1002, 1009)),
    "1 GiB announced": (websocket_frame(announced=1 << 30), (1009,)),
    "1 GiB announced in parts": (
        websocket_frame(bytes(60_000), fin=False) + websocket_frame(announced=1 << 30, opcode=0), (1009,)),
    "a frame without a mask": (websocket_frame(b"x" * 8, masked=False), (1002,)),
    "the first reserved bit": (websocket_frame(b"x", reserved=4), (1002,)),
    "the second reserved bit": (websocket_frame(b"x", reserved=2), (1002,)),
    "the third reserved bit": (websocket_frame(b"x", reserved=1), (1002,)),
    "an opcode of no meaning": (websocket_frame(b"x", opcode=3), (1002,)),
    "a control opcode of no meaning": (websocket_frame(b"x", opcode=11), (1002,)),
    "a ping in parts": (websocket_frame(b"x", opcode=PING, fin=False), (1002,)),
    "a ping of 126 bytes": (websocket_frame(bytes(126), opcode=PING), (1002,)),
    "the rest of nothing": (websocket_frame(b"x", opcode=0), (1002,)),
    "a message inside a message": (websocket_frame(b"x", fin=False) + websocket_frame(b"y"), (1002,)),
    "a second text": (websocket_frame(b"{}", opcode=TEXT), (None, 1000)),
    "a text that is not UTF-8": (websocket_frame(b"\xff\xfe", opcode=TEXT), (1007,)),
    "a goodbye of one byte": (websocket_frame(b"x", opcode=CLOSE), (None, 1000, 1002)),
    "2 MiB in one message": (websocket_frame(bytes(2 * MIB)), (None, 1009)),
}


@pytest.mark.parametrize("how", BAD_WEBSOCKET)
def test_a_socket_is_closed_and_its_session_goes_on_after(dev, door, other, session, how):
    before = resident(dev)
    data, codes = BAD_WEBSOCKET[how]
    seen = set()
    for attacked in (session.client, session.end, other.control):
        with contextlib.suppress(OSError):
            attacked.raw(data)
        attacked.ends()
        seen.add(attacked.close_code)
    # A reset may overtake the code, but not thrice.
    assert seen <= {*codes, None} and seen & set(codes)
    other.connect()
    session.resume()
    session.rejoin()
    session.works()
    assert resident(dev) - before < 32 * MIB


#: What comes first on a channel in the place of the text frame.
BAD_FIRST = {
    "binary": (b"\0" * 200, BINARY), "a frame": (encode("input_stream_data", b"id\n", payload_type=OUTPUT), BINARY),
    "1 MiB of text": (json.dumps({"TokenValue": "x" * MIB}), TEXT), "no JSON": ("hello", TEXT), "nothing": ("", TEXT),
    "a list": ("[]", TEXT), "no token": ('{"MessageSchemaVersion":"1.0","RequestId":"x","ClientId":"x"}', TEXT),
    "10 000 lists": ("[" * 8000, TEXT), "a token of objects": ('{"TokenValue":{"a":1},"ClientId":"x"}', TEXT),
    "a goodbye": (b"", CLOSE), "two tokens": ('{"TokenValue":"a","TokenValue":"b","ClientId":"x"}', TEXT),
}


@pytest.mark.parametrize("how", BAD_FIRST)
def test_a_channel_does_not_open_with(door, node, session, how):
    data, opcode = BAD_FIRST[how]
    for opened in (door.dial_data(session.id), door.dial_data(session.id, node.signed()),
                   door.dial_control(node.id, node.signed())):
        with contextlib.suppress(OSError, websocket.WebSocketException):
            opened.say(data, opcode)
        opened.ends()
    session.works()
    assert door.call("GetConnectionStatus", {"Target": node.id}).json["Status"] == "connected"


BAD_NAMES = ["..", ".", "../../etc/passwd", "..%2f..%2froot.key", "%00", "a%00b", "%ff%fe", "%2e%2e%2f", "x" * 4096,
             "/etc/passwd", "admin-00000000000000000/..", "%252e%252e", "", "admin-0000000000000000%30%0d%0aX:1", "~root", "*"]


@pytest.mark.parametrize("name", BAD_NAMES, ids=range(len(BAD_NAMES)))
def test_a_name_that_is_a_path_names_nothing(door, node, session, name):
    token = door.call("ResumeSession", {"SessionId": session.id}).json["TokenValue"]
    try:
        channel = door.dial(f"/v1/data-channel/{name}?role=publish_subscribe")
    except websocket.WebSocketBadStatusException as refused:
        assert refused.status_code in (400, 404)
    else:
        channel.text({"TokenValue": token, "ClientId": "x"})
        assert channel.ends()
    for kind in ("control", "data"):
        answer = door.request("POST", f"/v1/{kind}-channel/{name}", "{}", {"Content-Type": "application/json"},
                              node.signed())
        assert answer.status in (400, 403, 404), answer
    for operation, member in (("StartSession", "Target"), ("ResumeSession", "SessionId"), ("StartSession", "DocumentName"),
                              ("TerminateSession", "SessionId"), ("GetConnectionStatus", "Target")):
        answer = door.call(operation, {member: name} if member == "SessionId" else {"Target": node.id, member: name})
        if answer.status == 200:
            # The end of what is not there is no error.
            assert answer.json in ({"SessionId": name}, {"Target": name, "Status": "notconnected"}), (operation, answer)
        else:
            assert answer.status == 400, (operation, answer)
    session.works()


# --- HTTP -----------------------------------------------------------------------------------------------------------


def asked(door, data, stream=None):
    """The whole answer to raw bytes over TLS; empty when the connection is just closed."""
    opened = stream or door.tls()
    answer = b""
    with contextlib.suppress(OSError):
        opened.sendall(data)
    with contextlib.suppress(OSError):
        while more := opened.recv(65536):
            answer += more
    opened.close()
    return answer


def post(headers=b"", body=b"", path=b"/", method=b"POST", version=b"HTTP/1.1"):
    return (method + b" " + path + b" " + version + b"\r\nHost: localhost\r\n"
            b"X-Amz-Target: AmazonSSM.DescribeSessions\r\nConnection: close\r\n" + headers + b"\r\n" + body)


BAD_REQUESTS = {
    "17 KiB of headers": post(b"X-Long: " + b"x" * 17 * 1024 + b"\r\n"),
    "1000 headers": post(b"".join(b"X-%d: 1\r\n" % number for number in range(1000))),
    "a path of 20 KiB": post(path=b"/" + b"x" * 20 * 1024),
    "2 MiB announced": post(b"Content-Length: 2097152\r\n"),
    "2 MiB in chunks": post(b"Transfer-Encoding: chunked\r\n", b"10000\r\n" + bytes(65536) + b"\r\n" + (
        b"10000\r\n" + bytes(65536) + b"\r\n") * 31 + b"0\r\n\r\n"),
    "two hosts": post(b"Host: other\r\nContent-Length: 2\r\n", b"{}"),
    "two lengths": post(b"Content-Length: 2\r\nContent-Length: 3\r\n", b"{}"),
    "a list of lengths": post(b"Content-Length: 2, 3\r\n", b"{}"),
    "a length below zero": post(b"Content-Length: -1\r\n"),
    "a length with a sign": post(b"Content-Length: +2\r\n", b"{}"),
    "a length past 64 bits": post(b"Content-Length: 99999999999999999999999\r\n"),
    "a length and chunks": post(b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    "chunks of rubbish": post(b"Transfer-Encoding: chunked\r\n", b"zz\r\n{}\r\n"),
    "a chunk past 64 bits": post(b"Transfer-Encoding: chunked\r\n", b"fffffffffffffffff\r\n"),
    "another coding": post(b"Transfer-Encoding: gzip\r\n", b"{}"),
    "a header over two lines": post(b"X-A: 1\r\n 2\r\n"),
    "a header with a NUL": post(b"X-A: \0\r\n"),
    "a header with a space": post(b"X-A : 1\r\n"),
    "a header without a colon": post(b"X-A\r\n"),
    "no version": b"GET /\r\n\r\n",
    "a version of the future": post(version=b"HTTP/9.9"),
    "HTTP/2 unasked": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(64),
    "rubbish": bytes(range(256)) * 8,
    "a TLS greeting inside TLS": b"\x16\x03\x01\x02\0" + bytes(512),
    **{f"path {path.decode()}": post(path=path) for path in (
        b"//", b"/..", b"/../", b"/../../root.key", b"/./", b"/%2e%2e/root.key", b"/v1", b"/v1/", b"/v1//control-channel/x",
        b"/v1/control-channel/../data-channel/x", b"/health/../", b"/?x=%zz", b"*", b"http://other/", b"/\x7f", b"\\")},
    **{f"method {method.decode()}": post(method=method) for method in (
        b"PUT", b"DELETE", b"PATCH", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT", b"post", b"PROPFIND", b"X" * 300, b"")},
}


ABOUT_THE_BODY = ("2 MiB announced", "2 MiB in chunks", "a length and chunks", "chunks of rubbish", "a chunk past 64 bits")


@pytest.mark.parametrize("how", BAD_REQUESTS)
def test_a_request_is_refused_that_has(dev, door, how):
    before = resident(dev)
    request = BAD_REQUESTS[how]
    if request.startswith(b"POST / ") and how not in ABOUT_THE_BODY:
        # Nothing else is wrong with this one.
        request = request.replace(b"POST / ", b"GET /health ", 1)
    answer = asked(door, request)
    status = re.match(rb"HTTP/1\.[01] (\d{3}) ", answer)
    assert status or not answer, answer[:200]
    # What no other service answers to is S3's, which says 501 of an operation that it does not have.
    assert not status or 400 <= int(status.group(1)) < 500 or status.group(1) == b"501", answer[:400]
    assert not status or re.search(rb"\r\nx-amz(n-requestid|-request-id): [0-9a-f-]{36}\r\n", answer.lower()), answer[:400]
    assert asked(door, post(path=b"/health", method=b"GET")).endswith(b"ok\n"), "without what is wrong it is answered"
    assert answer.count(b"HTTP/1.1 ") <= 1, "nothing behind a bad request is answered"
    assert resident(dev) - before < 16 * MIB


def test_a_request_hidden_behind_another_is_not_answered(door):
    hidden = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for headers, body in (
        (b"Content-Length: 2\r\nContent-Length: %d\r\n" % len(hidden), hidden),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n" + hidden),
        (b"Transfer-Encoding: xchunked\r\n", hidden),
        (b"Transfer-Encoding: chunked\r\n", b"0\n\n" + hidden),
    ):
        request = post(headers, body).replace(b"Connection: close\r\n", b"")
        with door.tls() as opened:
            opened.settimeout(5)
            answer = asked(door, request, opened)
        assert b"\r\n\r\nok\n" not in answer, (headers, answer)


def test_a_header_that_is_not_signed_for_carries_no_identity(door, node):
    _, _, token = node.credentials

    def smuggle(request):
        request.headers["X-Amz-Security-Token"] = token
    assert door.call("DescribeSessions", {"State": "Active"}, spoil=smuggle).status in REFUSED

    request_headers = {}

    def keep(request):
        hmac(*door.admin)(request)
        request_headers.update(request.headers.items())
    door.call("DescribeSessions", {"State": "Active"}, keep)
    signed = "".join(f"{name}: {value}\r\n" for name, value in request_headers.items())
    for extra in (f"Authorization: {request_headers['Authorization']}\r\n", "Host: other\r\n",
                  f"X-Amz-Date: {request_headers['X-Amz-Date']}\r\n", "X-Amz-Target: AmazonSSM.DescribeActivations\r\n"):
        body = b'{"State": "Active"}'
        head = f"POST / HTTP/1.1\r\n{signed}{extra}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        answer = asked(door, head.encode() + body)
        assert answer.startswith(b"HTTP/1.1 4"), (extra, answer)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_and_no_tls_get_no_answer(door):
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = old.maximum_version = version
        with door.tcp() as opened, pytest.raises(ssl.SSLError) as refused:
            old.wrap_socket(opened)
        assert "PROTOCOL_VERSION" in str(refused.value) or "ALERT" in str(refused.value), refused.value
    for said in (b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", bytes(1000), b"\x16\x03\x01\xff\xff" + bytes(70_000),
                 b"SSH-2.0-OpenSSH_9.2\r\n"):
        answer = asked(door, said, door.tcp())
        assert b"HTTP" not in answer
        assert len(answer) < 100, "an alert at most"


def test_a_certificate_is_for_this_server_only(door):
    for context, name in ((ssl.create_default_context(), "127.0.0.1"),
                          (ssl.create_default_context(cafile=door.bundle), "ssm.us-east-1.amazonaws.com")):
        with door.tcp() as opened, pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(opened, server_hostname=name)


# --- nodes and clients that say too much ----------------------------------------------------------------------------


def test_a_node_ends_its_own_session_only_and_once(door, node, other, session):
    for status in ("Success", "Failed", "TimedOut", "Nonsense"):
        other.complete(session.id, status)
    session.works()
    victim = Session(door, other)
    victim.works()
    # The session is the channel's, whatever is said on it.
    session.end.state(victim.id, "Connected")
    session.works()
    session.end.state(victim.id, "Terminating")
    session.end.state(session.id, "Terminating")
    closed = 0
    while frame := session.client.receive():
        closed += frame.message_type == "channel_closed"
    assert closed == 1
    node.complete(session.id)
    node.complete(session.id)
    victim.works()
    assert eventually(lambda: door.state(session.id) == "Terminated")
    assert eventually(lambda: door.state(victim.id) == "Connected")
    victim.finish()


def test_a_report_of_nothing_is_answered_or_ignored(node, session):
    for task in ("", "../../x", "admin-00000000000000000", "x" * 10_000, "\0"):
        node.complete(task)
    for said in (encode("agent_task_complete", b"{"), encode("agent_task_complete", b"[" * 9000), encode("x" * 32, b"y"),
                 encode("agent_job_reply", b"\xff"), encode("channel_closed", {"SessionId": session.id}),
                 encode("agent_task_acknowledge", b"{}"), encode("input_stream_data", b"id\n"), b"", b"\xff" * 119):
        node.control.say(said)
    node.complete("admin-00000000000000000")
    session.works()


def test_neither_end_speaks_for_the_other(dev, door, node):
    joined = Session(door, node)
    joined.works()
    closed = {"MessageType": "channel_closed", "SessionId": joined.id, "Output": "pwned", "SchemaVersion": 1}
    joined.client.say(encode("output_stream_data", b"pwned", joined.client.expected, payload_type=OUTPUT))
    joined.client.say(encode("agent_session_state", {"SchemaVersion": 1, "SessionState": "Terminating",
                                                     "SessionId": joined.id}))
    joined.client.say(encode("agent_task_complete", {"TaskId": joined.id, "FinalTaskStatus": "Success"}))
    joined.client.say(encode("channel_closed", closed))
    joined.end.say(encode("input_stream_data", b"pwned", joined.end.expected, payload_type=OUTPUT))
    joined.end.say(encode("channel_closed", closed))
    joined.end.say(encode("drawbridge_hello", {}))
    joined.works()
    joined.finish()
    assert faults(dev, joined.id) == {"wrong_direction": 7}


def test_a_node_keeps_its_shell_whatever_its_user_sends(dev, door):
    session, token = door.start(dev.node)
    client = Client(door, session, token)
    client.hear()
    size = lambda columns, rows: json.dumps({"cols": columns, "rows": rows}).encode()
    for payload, payload_type in (
        (size(0, 0), SIZE), (size(65535, 65535), SIZE), (size(-1, -1), SIZE), (size(1 << 40, 1), SIZE),
        (b'{"cols":NaN,"rows":1}', SIZE), (b"{}", SIZE), (b"[" * 9000, SIZE), (b'{"cols":1,"x":"' + b"x" * 900_000 + b'"}', SIZE),
        (b"\0\0\0", FLAG), (b"\xff" * 4, FLAG), (b"\xff" * 100, FLAG), (b"{}", 6), (b"\xff", 9), (b"{}", 5), (b"x", 0),
        (b"x", 99), (b"x", 0xFFFFFFFF), (b"stty rows 30 cols 100; echo a''live\n", OUTPUT),
    ):
        client.send(payload, payload_type)
    client.hear_text(b"alive")
    client.send(b"exit\n")
    client.ends()
    eventually(lambda: door.state(session) == "Terminated")


# --- those who take more than their share ---------------------------------------------------------------------------


def test_strangers_fill_no_memory(dev, door):
    before = resident(dev)
    channels = [door.dial_data("admin-00000000000000000") for _ in range(100)]
    for channel in channels:
        with contextlib.suppress(OSError):
            channel.raw(websocket_frame(bytes(900_000), announced=MIB))
    assert [channel.ends() for channel in channels] == [None] * len(channels)

    bodies = [door.tls() for _ in range(200)]
    for body in bodies:
        # A socket that takes no more is one that is not read from.
        body.settimeout(0.02)
        with contextlib.suppress(OSError):
            body.sendall(post(b"Content-Length: 1000000\r\n", bytes(900_000)))
    assert resident(dev) - before < 100 * MIB, "64 of them are read at a time"
    assert door.call("DescribeSessions", {"State": "Active"}).status == 200
    for body in bodies:
        body.close()


def test_pings_without_end_are_not_hoarded(dev, session):
    before = resident(dev)
    pings = websocket_frame(bytes(125), opcode=PING) * 1000
    for end in (session.client, session.end):
        # Who does not read the answers is cut off at some point.
        end.socket.settimeout(1)
        with contextlib.suppress(OSError):
            for _ in range(100):
                end.raw(pings)
        assert resident(dev) - before < 32 * MIB
        end.drop()
    session.resume()
    session.rejoin()
    session.works()


def test_reports_without_end_are_not_hoarded(dev, door, other):
    flood = websocket_frame(encode("agent_task_complete", {
        "SchemaVersion": 1, "TaskId": "x" * 3000, "FinalTaskStatus": "Success"})) * 1000
    other.connect()
    before = resident(dev)
    # From the moment it is let in, and without reading a single answer.
    other.control.socket.settimeout(1)
    with contextlib.suppress(OSError):
        for _ in range(30):
            other.control.raw(flood)
    assert resident(dev) - before < 24 * MIB
    other.control.drop()
    other.connect()
    other.complete("admin-00000000000000000")


def http2_frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


HTTP2_HEADERS = b"\x83\x84\x87\x01\x09localhost"  # POST, /, https, :authority
BAD_HTTP2 = {
    "headers that never end": http2_frame(1, 0, 1, HTTP2_HEADERS) + http2_frame(
        9, 0, 1, (b"\0\x01a\x7f\x81\x7f" + b"x" * 256) * 60) * 200,
    "20 000 requests that are taken back": b"".join(
        http2_frame(1, 4, stream, HTTP2_HEADERS) + http2_frame(3, 0, stream, b"\0\0\0\x08")
        for stream in range(1, 40_001, 2)),
    "more streams than it may have": b"".join(http2_frame(1, 4, stream, HTTP2_HEADERS) for stream in range(1, 2001, 2)),
    "a body of 2 MiB unasked": http2_frame(1, 4, 1, HTTP2_HEADERS) + http2_frame(0, 0, 1, bytes(16_384)) * 128,
    "settings without end": http2_frame(4, 0, 0) * 20_000, "pings without end": http2_frame(6, 0, 0, bytes(8)) * 20_000,
    "a frame of 16 MiB": b"\xff\xff\xff\0\0\0\0\0\x01" + bytes(100_000),
    "a table of 4 GiB": http2_frame(4, 0, 0, b"\0\x01\xff\xff\xff\xff") + http2_frame(1, 5, 1, b"\x3f\xff\xff\xff\x7f" + HTTP2_HEADERS),
    "an index of nothing": http2_frame(1, 5, 1, b"\xff\xff\xff\xff\x7f"),
    "data for no stream": http2_frame(0, 1, 7, b"x"), "a stream of the server's": http2_frame(1, 5, 2, HTTP2_HEADERS),
    "HTTP/1": post(),
}


@pytest.mark.parametrize("how", BAD_HTTP2)
def test_http2_is_refused_or_bounded_with(dev, door, how):
    before = resident(dev)
    context = ssl.create_default_context(cafile=door.bundle)
    context.set_alpn_protocols(["h2"])
    with context.wrap_socket(door.tcp(), server_hostname=door.host) as opened:
        assert opened.selected_alpn_protocol() == "h2"
        opened.settimeout(0.5)
        with contextlib.suppress(OSError):
            opened.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + http2_frame(4, 0, 0) + BAD_HTTP2[how])
        assert resident(dev) - before < 32 * MIB
    assert door.call("DescribeSessions", {"State": "Active"}).status == 200


# --- what people read -----------------------------------------------------------------------------------------------

#: A line of its own for logs, and what a terminal takes for an order.
FORGED = ["x\r\n2026-01-01T00:00:00Z  INFO FORGED", "x\x1b]0;FORGED\x07\x1b[31m\x9b31m\u202e", "x\tFORGED\0"]


@pytest.mark.parametrize("forged", FORGED, ids=range(len(FORGED)))
def test_nothing_that_is_said_writes_a_line_or_a_colour_of_its_own(dev, door, node, other, session, forged):
    watched = door.call("StartSession", {"Target": node.id, "Reason": forged})
    for operation, input in (
        ("ResumeSession", {"SessionId": forged}), ("StartSession", {"Target": forged}),
        ("CreateActivation", {"IamRole": NODE_ROLE, "Description": forged, "DefaultInstanceName": forged}),
        ("StartSession", {"Target": node.id, "DocumentName": forged}), ("TerminateSession", {"SessionId": forged}),
        ("AddTagsToResource", {"ResourceType": "ManagedInstance", "ResourceId": other.id,
                               "Tags": [{"Key": "Name", "Value": forged}]}),
    ):
        assert door.call(operation, input).status < 500
    said = {"AgentVersion": "3.3.0.0", "AgentStatus": "Active", "InstanceId": other.id, "ComputerName": forged,
            "PlatformType": "Linux", "PlatformName": forged, "PlatformVersion": forged, "IPAddress": forged}
    for left_out in said.keys() - {"InstanceId"}:
        one = {name: value for name, value in said.items() if name == left_out or value != forged}
        assert door.call("UpdateInstanceInformation", one, other.signed("ssm")).status < 500
    Client(door, session.id, forged, forged, ClientVersion=forged).ends()
    token = door.create_channel("control", other.id, other.signed()).token
    other.control = door.dial_control(other.id, other.signed())
    other.control.text({"MessageSchemaVersion": "1.0", "RequestId": forged, "TokenValue": token, "AgentVersion": forged,
                        "PlatformType": forged})
    other.complete(forged, forged)
    asked(door, post(b"User-Agent: \x1b[31mFORGED\r\nX-Forwarded-For: \x1b[31mFORGED\r\n"))
    for listed in (dev.cli("sessions", "list"), dev.cli("connect", "FORGED")):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", listed.stdout + listed.stderr)
        assert not re.search("^2026-01-01", listed.stdout + listed.stderr, re.MULTILINE)
    log = dev.log.read_bytes()
    assert not re.search(rb"[\x00-\x08\x0b-\x1f]", log)
    assert not re.search(rb"^2026-01-01", log, re.MULTILINE)
    if watched.status == 200:
        door.call("TerminateSession", {"SessionId": watched.json["SessionId"]})


#: Each with a piece of what IAM says about it.
BAD_POLICIES = {
    "no JSON": ("{", "Syntax errors in policy"),
    "nothing": (" ", "Syntax errors in policy"),
    "a comment": ('{"Version": "2012-10-17", /* all */ "Statement": []}', "Syntax errors in policy"),
    "two documents": (document(allow("*")) * 2, "Syntax errors in policy"),
    "a list": ("[]", "Syntax errors in policy"),
    "a number": ("7", "Syntax errors in policy"),
    "a surrogate": ('{"Statement": {"Effect": "Allow", "Action": "\\ud800", "Resource": "*"}}', "Syntax errors in policy"),
    "an effect that is there twice": (
        '{"Statement": {"Effect": "Deny", "Effect": "Allow", "Action": "*", "Resource": "*"}}', "duplicate key `Effect`"),
    "a depth of 5000": ('{"Statement":' * 5000 + "{}" + "}" * 5000, "nested too deeply"),
    "no statement": ('{"Version": "2012-10-17"}', "Missing required field Statement"),
    "no statements": (document(), "at least one statement"),
    "another year": (document(allow("*")).replace("2012", "2013"), "Version"),
    "an unknown element": (document(allow("*") | {"Note": "x"}), "Note"),
    "no effect": (document({"Action": "*", "Resource": "*"}), "Missing required field Effect"),
    "an unknown effect": (document(allow("*") | {"Effect": "allow"}), "Effect"),
    "no action": (document({"Effect": "Allow", "Resource": "*"}), "Policy statement must contain actions."),
    "no resource": (document({"Effect": "Allow", "Action": "*"}), "Policy statement must contain resources."),
    "both actions": (document(allow("*") | {"NotAction": "iam:*"}), "NotAction"),
    "a principal": (document(allow("*") | {"Principal": "*"}), "Policy document should not specify a principal."),
    "an unknown operator": (document(allow("*", "*", StringEqual={"aws:username": "a"})), "StringEqual"),
    "an operator of nothing": (document(allow("*", "*", Kaboom={})), "Kaboom"),
    "a date that is none": (document(allow("*", "*", DateLessThan={"aws:CurrentTime": "tomorrow"})), "DateLessThan"),
    "an address that is none": (document(allow("*", "*", IpAddress={"aws:SourceIp": "300.0.0.0/8"})), "IpAddress"),
    "a resource that is no ARN": (document(allow("*", "web-1")), "Resource"),
    "an action without a service": (document(allow("StartSession")), "Action"),
    "a variable without an end": (document(allow("*", "arn:aws:iam::*:user/${aws:username")), "Resource"),
    "one id twice": (document(allow("*") | {"Sid": "A"}, allow("*") | {"Sid": "A"}),
                     "Statement IDs (SID) in a single policy must be unique."),
}


@pytest.fixture(scope="module")
def keeper(dev):
    """The administrator, with a role, a user and a policy whose documents must stay as they are."""
    admin = administrator(dev)
    admin.iam.create_user(UserName="kept")
    admin.iam.put_user_policy(UserName="kept", PolicyName="own", PolicyDocument=document(allow("ssm:DescribeSessions")))
    admin.new_role("kept", {"Service": "ssm.amazonaws.com"})
    admin.policy = admin.new_policy("kept", allow("ssm:DescribeSessions"))
    return admin


def kept(admin):
    iam = admin.iam
    return (
        iam.get_user_policy(UserName="kept", PolicyName="own")["PolicyDocument"], iam.list_user_policies(UserName="kept")["PolicyNames"],
        iam.get_role(RoleName="kept")["Role"]["AssumeRolePolicyDocument"], iam.list_role_policies(RoleName="kept")["PolicyNames"],
        iam.list_policy_versions(PolicyArn=admin.policy)["Versions"], [one["Arn"] for one in iam.list_policies(Scope="Local")["Policies"]],
        [one["RoleName"] for one in iam.list_roles()["Roles"]],
    )


@pytest.mark.parametrize("how", BAD_POLICIES)
def test_a_policy_that_means_nothing_is_refused_and_not_kept(keeper, how):
    text, reason = BAD_POLICIES[how]
    iam, before = keeper.iam, kept(keeper)
    for call, arguments in (
        (iam.create_policy, {"PolicyName": "bad"}), (iam.create_policy_version, {"PolicyArn": keeper.policy}),
        (iam.put_user_policy, {"UserName": "kept", "PolicyName": "own"}), (iam.put_role_policy, {"RoleName": "kept", "PolicyName": "bad"}),
    ):
        message = refused(call, "MalformedPolicyDocument", reason, PolicyDocument=text, **arguments)
        assert len(message) < 1024, "an answer is not longer than it needs to be"
    assert kept(keeper) == before


#: What a role may not be entrusted to.
BAD_TRUST = {
    "no JSON": ("{", "Syntax errors in policy"),
    "nobody": (document({"Effect": "Allow", "Action": "sts:AssumeRole"}), "Missing required field Principal"),
    "a resource": (document({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*", "Resource": "*"}),
                   "Has prohibited field Resource"),
    "all but one": (document({"Effect": "Allow", "Action": "sts:AssumeRole", "NotPrincipal": {"AWS": "123456789012"}}),
                    "Has prohibited field NotPrincipal"),
    "someone who is not there": (trust({"AWS": "arn:aws:iam::123456789012:user/nobody"}), "Invalid principal in policy"),
    "a word": (trust({"AWS": "everyone"}), "principal"),
    "another kind": (trust({"Azure": "*"}), "Azure"),
}


@pytest.mark.parametrize("how", BAD_TRUST)
def test_a_trust_that_means_nothing_is_refused_and_not_kept(keeper, how):
    text, reason = BAD_TRUST[how]
    before = kept(keeper)
    refused(keeper.iam.create_role, "MalformedPolicyDocument", reason, RoleName="bad", AssumeRolePolicyDocument=text)
    refused(keeper.iam.update_assume_role_policy, "MalformedPolicyDocument", reason, RoleName="kept", PolicyDocument=text)
    assert kept(keeper) == before


def test_a_policy_has_a_size(keeper):
    before = kept(keeper)
    longer = document(allow("*", [f"arn:aws:iam::123456789012:user/{number:0200}" for number in range(40)]))
    refused(keeper.iam.create_policy, "LimitExceeded", "6144", PolicyName="bad", PolicyDocument=longer)
    refused(keeper.iam.put_user_policy, "LimitExceeded", "2048", UserName="kept", PolicyName="bad", PolicyDocument=longer)
    refused(keeper.iam.create_role, "LimitExceeded", "2048", RoleName="bad", AssumeRolePolicyDocument=trust(
        {"AWS": "123456789012"}, StringEquals={"aws:username": ["x" * 200] * 20}))
    refused(keeper.client("iam", validate=False).create_policy, "ValidationError", "131072", PolicyName="bad",
            PolicyDocument=document(allow("*", ["*"])) + " " * 131072)
    assert kept(keeper) == before


FORM = "Version=2010-05-08&Action="
BAD_FORMS = {
    "nothing": "", "no action": "Version=2010-05-08", "no version": "Action=ListUsers", "another's version": "Version=2011-06-15&Action=ListUsers",
    "an action that is none": FORM + "Fly", "two actions": FORM + "ListUsers&Action=CreateUser&UserName=twice",
    "a name twice": FORM + "CreateUser&UserName=twice&UserName=twice2",
    "the ten-millionth tag": FORM + "TagUser&UserName=kept&Tags.member.10000000.Key=k&Tags.member.10000000.Value=v",
    "tag 2^64": FORM + "TagUser&UserName=kept&Tags.member.18446744073709551617.Key=k&Tags.member.18446744073709551617.Value=v",
    "tag -1": FORM + "TagUser&UserName=kept&Tags.member.-1.Key=k&Tags.member.-1.Value=v",
    "a list of texts": FORM + "TagUser&UserName=kept&Tags.member.1=k", "a text as a list": FORM + "TagUser&UserName.member.1=kept&Tags.member.1.Key=k",
    "10 000 tags": FORM + "TagUser&UserName=kept&" + "&".join(
        f"Tags.member.{number}.Key=k{number}&Tags.member.{number}.Value=v" for number in range(1, 10_001)),
    "100 000 names": FORM + "CreateUser&" + "&".join(f"x{number}=1" for number in range(100_000)),
    "a path of 100 000 steps": FORM + "CreateUser&" + "UserName" + ".a" * 100_000 + "=1",
    "a name with NUL": FORM + "CreateUser&UserName=twice%00", "half an escape": FORM + "CreateUser&UserName=twice%4",
    "bytes that are no text": FORM + "CreateUser&UserName=twice%ff%fe", "two lines": FORM + "CreateUser&UserName=twice%0d%0atwice",
    "JSON": '{"UserName": "twice"}', "XML": "<?xml version='1.0'?><!DOCTYPE x SYSTEM 'file:///etc/passwd'><UserName>twice</UserName>",
    "a number that is none": FORM + "ListUsers&MaxItems=1e3", "a number beyond": FORM + "ListUsers&MaxItems=99999999999999999999",
}


@pytest.mark.parametrize("how", BAD_FORMS)
def test_a_form_that_means_nothing_is_refused_in_words(dev, door, keeper, how):
    before, users, memory = kept(keeper), keeper.iam.list_users()["Users"], resident(dev)
    answer = door.request("POST", "/", BAD_FORMS[how].encode(), {"Content-Type": "application/x-www-form-urlencoded"},
                          hmac(*door.admin, service="iam"))
    assert answer.status == 400, answer
    assert answer.code and len(answer.body) < 4096, answer.body[:1000]
    assert resident(dev) - memory < 32 * MIB
    assert (kept(keeper), keeper.iam.list_users()["Users"]) == (before, users)
    assert keeper.iam.list_user_tags(UserName="kept")["Tags"] == []


BAD_JSON = [
    "[" * 500_000, '{"State":' * 10_000, '{"State":"Active","State":"History","x":1e999}', '"Active"', "null", "[]", "{",
    '{"State":"\\ud800"}', '{"State":"\\u0000"}', "\ufeff{}", '{"State":{"a":1}}', '{"State":["Active"]}',
    '{"State":"Active","MaxResults":1e400}', '{"State":"Active","MaxResults":-9223372036854775809}',
    '{"State":"Active","MaxResults":1.5}', '{"State":"Active","NextToken":"' + "A" * 900_000 + '"}',
    '{"State":"Active","Filters":[' + ",".join(['{"key":"Owner","value":"x"}'] * 20_000) + "]}",
    '{"State":"Active","Filters":[{"key":"InvokedAfter","value":"9999999999999999999999"}]}',
    '{"State":"Active","Filters":[{"key":"Owner","value":"\' OR 1=1 --"}]}', "\0" * 100,
]


@pytest.mark.parametrize("body", BAD_JSON, ids=range(len(BAD_JSON)))
def test_a_body_that_means_nothing_is_refused_in_words(door, body):
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AmazonSSM.DescribeSessions"}
    answer = door.request("POST", "/", body.encode(errors="surrogatepass"), headers, hmac(*door.admin))
    assert answer.status in (200, 400), answer
    if answer.status == 400:
        assert answer.code
        assert len(answer.body) < 4096, "an answer is not longer than it needs to be"
    else:
        assert answer.json["Sessions"] == [] or body.startswith('{"State":"Active","State"')


def test_a_key_that_anyone_could_forge_or_nobody_could_check_is_refused(door):
    activation = activate(door, RegistrationLimit=100)

    def try_to_register(der):
        return door.call("RegisterManagedInstance", {
            "ActivationId": activation["ActivationId"], "ActivationCode": activation["ActivationCode"],
            "Fingerprint": "x", "PublicKey": base64.b64encode(der).decode(), "PublicKeyType": "Rsa"}, sign=False)

    def integer(value):
        data = value.to_bytes(value.bit_length() // 8 + 1, "big")
        return tagged(2, data)

    def tagged(tag, data):
        size = len(data)
        length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
        return bytes([tag]) + length + data

    def spki(modulus, exponent):
        algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
        return tagged(0x30, algorithm + tagged(3, b"\0" + tagged(0x30, integer(modulus) + integer(exponent))))

    modulus = new_key().public_key().public_numbers().n
    for der in (
        spki(modulus, 1), spki(modulus, 2), spki(modulus >> 1024 | 1, 65537), spki(1, 65537), spki(0, 65537),
        spki(modulus & ~1, 65537), spki((1 << 16_000) | 1, 65537), spki(modulus, (1 << 2000) | 1),
        spki(modulus, 65537)[:-1], spki(modulus, 65537) + bytes(300), bytes(300),
        bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200") + bytes(65) + bytes(200),
    ):
        answer = try_to_register(der)
        assert answer.status == 400, (der[:40].hex(), answer)
        assert answer.code in ("InvalidPublicKey", "ValidationException", "InvalidPublicKeyException"), answer
    assert try_to_register(spki(modulus, 65537)).status == 200, "the encoding here is right otherwise"


CAPABILITIES = [
    {"LargeFrames": 0}, {"LargeFrames": 4294967295}, {"LargeFrames": -1}, {"LargeFrames": 1e99}, {"LargeFrames": "x"}, [], 1,
    {"CumulativeAck": True, "ExitCode": True, "LargeFrames": 1}, {"x" * 4000: True}, None,
]


@pytest.mark.parametrize("capabilities", CAPABILITIES, ids=range(len(CAPABILITIES)))
def test_capabilities_that_nobody_can_have_harm_nobody(door, session, capabilities):
    token = door.call("ResumeSession", {"SessionId": session.id}).json["TokenValue"]
    named = Client(door, session.id, token, session.client.client_id, Capabilities=capabilities)
    for number in (-1, 1 << 40, (1 << 63) - 1, -(1 << 63)):
        with contextlib.suppress(OSError, websocket.WebSocketException):
            named.say(encode("acknowledge", {
                "AcknowledgedMessageType": "output_stream_data", "AcknowledgedMessageSequenceNumber": number,
                "AcknowledgedMessageId": "00000000-0000-4000-8000-000000000000", "IsSequentialMessage": True,
                "Cumulative": True}, flags=3))
    named.drop()
    session.resume()
    session.works()


def test_a_shell_is_given_nothing_but_its_terminal(innocent):
    innocent.forget()
    innocent.line("ls -l /proc/$$/fd | cat; echo lis''ted")
    innocent.wait_for(b"listed\r\n")
    open_files = re.findall(rb"-> (\S+)\r\n", bytes(innocent.raw))
    assert len(open_files) >= 3 and all(re.fullmatch(rb"/dev/pts/\d+|/dev/tty", file) for file in open_files), open_files


def test_a_killed_worker_ends_its_session_and_hinders_no_other(dev, door):
    session, token = door.start(dev.node)
    client = Client(door, session, token)
    client.send(b"stty -echo; echo worker-$PPID-work''er\n")
    heard = client.hear_text(b"-worker\r\n")
    os.kill(int(re.search(rb"worker-(\d+)-worker", heard).group(1)), signal.SIGKILL)
    client.ends()
    eventually(lambda: door.state(session) in ("Terminated", "Failed"))
    session, token = door.start(dev.node)
    client = Client(door, session, token)
    client.send(b"echo next''one\n")
    client.hear_text(b"nextone")
    client.send(b"exit\n")
    client.ends()


# --- what is left afterwards ----------------------------------------------------------------------------------------


def test_those_who_say_nothing_are_shown_out(idlers):
    def gone(one, deadline):
        one.settimeout(max(idlers["opened"] + deadline - time.monotonic(), 1))
        try:
            while one.recv(4096):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    assert all(gone(one, 40) for one in idlers["silent"]), "a TLS handshake has 10 s"
    for channel in ("upgraded", "control"):
        assert gone(idlers[channel].socket.sock, 40), "a first text frame has 10 s"
    for request in ("no_request", "trickling"):
        assert gone(idlers[request], 60), "headers have 30 s"


def test_no_secret_was_written_anywhere(dev, door, innocent):
    plugin = [entry for entry in pathlib.Path("/proc").iterdir() if entry.name.isdigit() and is_plugin_of(entry, dev)]
    assert plugin, "the innocent session's plugin runs"
    secrets = {secret for secret in door.secrets if len(secret) >= 20}
    for one in plugin:
        found = re.search(rb'"TokenValue": ?"([^"]+)"', (one / "environ").read_bytes())
        if found:
            secrets.add(found.group(1).decode())
        assert (one / "environ").stat().st_mode & 0o077 == 0
    assert len(secrets) > 100
    beginnings = {secret[:16].encode() for secret in secrets}
    own = door.admin[1].encode()

    def leaked(text, allowed=b""):
        """Whether any secret begins in any long word."""
        return [word for word in re.findall(rb"[\w+/=-]{16,}", text)
                if any(word[start:start + 16] in beginnings for start in range(len(word) - 15)) and not (allowed and allowed in word)]

    assert leaked(b"x" * 5 + next(iter(beginnings)) + b"y"), "the search finds"
    # The environment file and its copy on the terminal are how a person is given the administrator's key.
    assert not leaked(dev.log.read_bytes().replace(b"AWS_SECRET_ACCESS_KEY=" + own, b""))
    assert not leaked("\n".join(door.refusals).encode())
    assert not leaked(bytes(innocent.raw))
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                assert not leaked((entry / "cmdline").read_bytes()), entry
    for file in dev.data.rglob("*"):
        # Journals and recordings come and go meanwhile.
        with contextlib.suppress(FileNotFoundError):
            if file.is_file():
                content = file.read_bytes()
                assert not leaked(content, own if file.name == "env" else b""), file
                assert b"unmoved-by-" not in content, f"{file} shows what a person saw"
            if file.name != "ca.pem" and not file.is_symlink():
                assert file.stat().st_mode & 0o077 == 0, f"{file} is open to others"


def test_a_node_that_floods_a_client_that_hears_nothing_fills_neither_memory_nor_disk(dev, door, node):
    joined = Session(door, node)
    joined.works()
    memory, disk = resident(dev), recorded(dev)
    joined.end.socket.settimeout(1)
    payload = bytes(100_000)
    # It does not listen when it is told to pause.
    with contextlib.suppress(OSError, websocket.WebSocketException):
        for number in range(2000):
            joined.end.say(encode(joined.end.sends, payload, joined.end.sequence + number, payload_type=OUTPUT))
    assert recorded(dev) - disk < 150 * MIB
    assert resident(dev) - memory < 64 * MIB
    door.call("TerminateSession", {"SessionId": joined.id})
    joined.client.drop()
    joined.end.drop()


def recorded(dev):
    total = 0
    for file in (dev.data / "journal").iterdir():
        with contextlib.suppress(FileNotFoundError):
            total += file.stat().st_size
    return total


def test_the_server_was_never_at_a_loss(dev, door):
    log = dev.log.read_text()
    assert "panicked" not in log
    assert not re.findall(r"^\S+ ERROR .*", log, re.MULTILINE)
    assert not [answer for answer in door.refusals if re.search("Internal(Server|Failure)", answer)]

    def connections():
        return sum(map(is_socket, pathlib.Path(f"/proc/{dev.process.pid}/fd").iterdir()))
    eventually(lambda: connections() < 200, what="an end to the connections that ended")


def is_socket(entry):
    with contextlib.suppress(OSError):
        return entry.readlink().name.startswith("socket:")
    return False


def is_plugin_of(entry, dev):
    with contextlib.suppress(OSError):
        return b"session-manager-plugin" in (entry / "cmdline").read_bytes() and dev.env["AWS_ENDPOINT_URL"].encode() in (
            entry / "cmdline").read_bytes()
    return False
