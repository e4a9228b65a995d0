"""What passes through tunnels is in the audit log: who, where to, when, how much; never what."""

import json
import struct
import time

import pytest

from drawbridge import Dev, eventually, free_port
from test_tunnels import Echo, exchange, forwarding, serving
from wire import Door, Node, Session

SYN, FIN, PSH = 0, 1, 2


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    with Dev(tmp_path_factory.mktemp("flows")) as running:
        yield running


def smux(command, stream, body=b""):
    return struct.pack("<BBHI", 1, command, len(body), stream) + body


def say(end, stream_of_bytes, cut):
    """Sends bytes in frames that are cut anywhere."""
    for at in range(0, len(stream_of_bytes), cut):
        end.send(stream_of_bytes[at:at + cut])


def hear(end, count):
    heard = b""
    while len(heard) < count:
        heard += end.hear()
    assert len(heard) == count
    return heard


def records(dev, session):
    """The events about a session's tunnel, the oldest first, as the AWS CLI finds them by the session."""
    found = dev.aws("cloudtrail", "lookup-events", "--lookup-attributes",
                    f"AttributeKey=ResourceName,AttributeValue={session}")["Events"]
    all_of_it = [json.loads(event["CloudTrailEvent"]) for event in reversed(found)]
    return [record for record in all_of_it if record["eventName"] == "TunnelFlows"]


def flows(dev, session, count):
    """The connections in those events, once there are so many."""
    def listed():
        found = [flow for record in records(dev, session) for flow in record["serviceEventDetails"]["flows"]]
        return found if len(found) >= count else None
    return eventually(listed, what=f"{count} connections in the audit log")


def test_connections_of_awss_programs_are_told_apart_wherever_frames_are_cut(dev):
    door, began = Door(dev), time.time() * 1000
    session = Session(door, Node(door).connect(), DocumentName="AWS-StartPortForwardingSessionToRemoteHost",
                      Parameters={"host": ["db.internal"], "portNumber": ["5432"]})
    question, answer = b"SELECT card FROM customers", bytes(range(256)) * 40
    asked = smux(SYN, 3) + smux(PSH, 3, question) + smux(SYN, 5) + smux(PSH, 5, b"never closed")
    say(session.client, asked, cut=7)
    assert hear(session.end, len(asked)) == asked
    answered = smux(PSH, 3, answer) + smux(FIN, 3)
    say(session.end, answered, cut=1000)
    assert hear(session.client, len(answered)) == answered
    say(session.client, smux(FIN, 3), cut=3)
    assert hear(session.end, 8) == smux(FIN, 3)
    session.finish()

    ended, left = flows(dev, session.id, 2)
    assert (ended["bytesToNode"], ended["bytesFromNode"], ended["outcome"]) == (len(question), len(answer), "ended")
    assert (left["bytesToNode"], left["bytesFromNode"], left["outcome"]) == (12, 0, "open")
    for flow in ended, left:
        assert flow["destination"] == "db.internal:5432"
        assert began <= flow["startTimeMillis"] <= flow["endTimeMillis"] <= time.time() * 1000
    # One event, unless the second connection outlived the first by too long.
    for record in records(dev, session.id):
        details = record["serviceEventDetails"]
        assert (details["sessionId"], details["nodeId"]) == (session.id, session.node.id)
        assert record["userIdentity"]["arn"] == dev.session(session.id, "History")["Owner"]
        assert record["eventType"] == "AwsServiceEvent" and record["userIdentity"]["accessKeyId"] == door.admin[0]
        assert "card" not in json.dumps(record) and "others" not in details
    assert dev.cli("audit", "verify", "--data-dir", str(dev.data)).returncode == 0


def test_our_own_ends_also_tell_what_was_reached_and_why_not(dev):
    with serving(Echo) as port:
        with forwarding(dev, port) as tunnel:
            with tunnel.connect() as connection:
                assert exchange(connection, b"x" * 100_000) == b"x" * 100_000
            [flow] = flows(dev, tunnel.session, 1)
        assert (flow["bytesToNode"], flow["bytesFromNode"], flow["outcome"]) == (100_000, 100_000, "ended")
        assert (flow["destination"], flow["address"]) == (f"localhost:{port}", f"127.0.0.1:{port}")

    with forwarding(dev, free_port()) as tunnel:
        with tunnel.connect() as connection, pytest.raises(ConnectionResetError):
            connection.recv(1)
        tunnel.interrupt()
    [flow] = flows(dev, tunnel.session, 1)
    assert (flow["outcome"], flow["code"]) == ("refused", "Refused")
    assert flow["reason"] and flow["bytesFromNode"] == 0


def test_after_a_crash_of_the_server_what_still_passes_is_counted(own_dev):
    with serving(Echo) as port, forwarding(own_dev, port) as tunnel, tunnel.connect() as connection:
        assert exchange(connection, b"before") == b"before"
        own_dev.kill()
        own_dev.start()
        assert exchange(connection, b"x" * 50_000) == b"x" * 50_000
        tunnel.interrupt()
        after = eventually(lambda: records(own_dev, tunnel.session), what="an event of the tunnel")
    [details] = [record["serviceEventDetails"] for record in after]
    assert details["afterRestart"] is True
    # What the server before had not confirmed is sent again: the opening too, if that was not long ago.
    counted = [details["others"], *details["flows"]]
    assert 50_000 <= sum(one["bytesToNode"] for one in counted) < 51_000
    assert 50_000 <= sum(one["bytesFromNode"] for one in counted) < 51_000
