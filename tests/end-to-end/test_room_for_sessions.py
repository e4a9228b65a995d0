"""Whoever may upload can fill the disk up to what is kept for sessions, and no further (`docs/reference/configuration.md`)."""

import os
import shutil
import time

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from drawbridge import Server, eventually
from principals import client
from test_enrolled_nodes import EnrolledNode
from test_faults_of_logging import (
    ROLE, counts, has_everything, numbers, on_a_disk, prepared, quiet, streamed, transcript, up_to)
from test_recordings import text
from test_session_logs import complaint

MIB = 1024 * 1024
DISK = 160  # MiB
RESERVE = 48  # MiB
FLOOD = "flood"


class Reserved(Server):
    """A server that keeps room for itself."""

    def command(self):
        command = super().command()
        with open(command[-1], "a") as config:
            config.write(f"reserve_mib = {RESERVE}\n")
        return command


@pytest.fixture
def dev(tmp_path):
    with on_a_disk(Reserved(tmp_path / "dev"), DISK) as running:
        yield running


class Flood:
    """Somebody who may upload, and does."""

    def __init__(self, dev, admin):
        self.dev = dev
        self.s3, self.logs = admin.client("s3"), admin.client("logs")
        self.s3.create_bucket(Bucket=FLOOD)
        self.logs.create_log_group(logGroupName=FLOOD)
        self.logs.create_log_stream(logGroupName=FLOOD, logStreamName=FLOOD)
        self.stored = 0

    def put_object(self):
        self.s3.put_object(Bucket=FLOOD, Key=str(self.stored), Body=os.urandom(MIB))
        self.stored += 1

    def put_events(self):
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": os.urandom(100_000).hex()} for _ in range(4)]
        self.logs.put_log_events(logGroupName=FLOOD, logStreamName=FLOOD, logEvents=events)

    def until_refused(self, put):
        """The code that it is refused with in the end."""
        for _ in range(DISK):
            code = refused(put)
            if code:
                return code
        raise AssertionError(f"never refused; {self.free() / MIB} MiB are free")

    def free(self):
        return shutil.disk_usage(self.dev.data).free

    def remove(self, count):
        for number in range(count):
            self.s3.delete_object(Bucket=FLOOD, Key=str(number))


def refused(put):
    """The code that a call is refused with, if it is."""
    try:
        put()
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 503, error
        assert f"Its last {RESERVE} MiB (reserve_mib) are kept for sessions and their recordings." in str(error)
        return error.response["Error"]["Code"]
    return None


def test_a_flood_of_uploads_ends_no_session_and_keeps_none_from_starting(dev, tmp_path, terminal):
    admin = prepared(dev)
    flood = Flood(dev, admin)
    with EnrolledNode(dev, tmp_path / "node", "--instance-profile", ROLE) as node:
        early = quiet(terminal, dev, node)
        counts(early, 100)
        early.terminal.wait_for(b"line-100-\r\n")

        for _ in range(20):
            flood.put_events()
        assert flood.until_refused(flood.put_object) == "ServiceUnavailable"
        assert flood.stored > 20
        assert flood.until_refused(flood.put_events) == "ServiceUnavailableException"
        # The database writes its log into its file by and by.
        assert RESERVE / 2 * MIB <= flood.free() <= (RESERVE + 4) * MIB

        # The one that runs goes on; its log is tried for its time, and then given up.
        counts(early, 200, first=101)
        early.terminal.wait_for(b"line-200-\r\n")
        early.exit()
        assert has_everything(dev, early) == up_to(200)
        why = "The disk of the server is nearly full."
        complaint(node, f"Failed uploading {early.id}.log", f"err:ServiceUnavailable: {why}")
        complaint(node, early.id, "Failed sending the session's log", f"err:ServiceUnavailableException: {why}")

        # Another starts, is recorded and can be replayed.
        late = quiet(terminal, dev, node)
        counts(late, 5000)
        late.terminal.wait_for(b"line-5000-\r\n")
        eventually(lambda: numbers(text(dev, late.id)) == up_to(5000), what="the session in its recording")
        assert flood.until_refused(flood.put_object) == "ServiceUnavailable"
        late.exit()
        # Its log is given up a quarter of a minute later, so nothing else is done before there is room.
        flood.remove(RESERVE // 2)
        eventually(lambda: refused(flood.put_object) is None, what="room for objects")
        flood.put_events()
        assert has_everything(dev, late) == up_to(5000)
        assert numbers(transcript(admin, late.id)) == up_to(5000)
        streamed(admin, late, 5000)
    log = dev.log.read_text()
    assert log.count("the disk is nearly full") == 1 and log.count("the disk has room again") == 1


def test_a_body_that_is_longer_than_the_disk_stops(dev):
    flood = Flood(dev, prepared(dev))
    # Its answer may be lost with the connection, to which the client still writes.
    with pytest.raises((ClientError, BotoCoreError)):
        flood.s3.put_object(Bucket=FLOOD, Key="long", Body=bytes(2 * DISK * MIB))
    assert dev.log.read_text().count("the disk is nearly full") == 1
    # What came of it is removed, and there is room.
    eventually(lambda: refused(flood.put_object) is None, what="room for objects")
    assert [found["Key"] for found in flood.s3.list_objects_v2(Bucket=FLOOD)["Contents"]] == ["0"]


def test_boto3_tries_again_by_itself(dev):
    flood = Flood(dev, prepared(dev))
    with open(dev.data / "filler", "wb") as filler:
        filler.write(bytes(flood.free() - RESERVE * MIB // 2))
    for mode in ("legacy", "standard"):
        for service, put in (
            ("s3", lambda s3: s3.put_object(Bucket=FLOOD, Key="a", Body=b"x")),
            ("logs", lambda logs: logs.put_log_events(
                logGroupName=FLOOD, logStreamName=FLOOD,
                logEvents=[{"timestamp": int(time.time() * 1000), "message": "x"}])),
        ):
            patient = client(dev, service, retries={"total_max_attempts": 2, "mode": mode})
            with pytest.raises(ClientError) as caught:
                put(patient)
            assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 1, (service, mode)
