"""Recordings: what the server keeps of sessions, whoever dies meanwhile, and what may be seen of them."""

import json
import os
import re
import subprocess
import sys
import tempfile
import uuid

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from drawbridge import PATIENCE, Node, eventually, program
from principals import ACCOUNT, administrator, allow, document, refused
from test_encrypted_sessions import MARK, lives, session_document
from test_first_session import session_of
from test_s3 import newer
from test_shared import Shared

HOSTILE = (
    rb"\033]52;c;aGFja2Vk\007\033]0;title\007\033]8;;file:///etc/passwd\033\\link\033]8;;\033\\"
    rb"\033[6n\033[c\033[>c\033[21t\033P$qm\033\\\033[?1003h\033[?1004h\005\033Ptmux;\033\033]52;c;eA==\007\033\\"
)

# Takes what the audit log has of recordings out of it.
FORGET = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as store:
    store.execute("DELETE FROM audit_events WHERE name = 'SessionRecorded'")
"""


def connected(terminal, dev, node=None, **options):
    """A shell by `drawbridge connect`; answers the terminal and the session's id, which the shell does not tell."""
    reason = uuid.uuid4().hex
    argv = [program("drawbridge"), "connect", "--reason", reason, node or dev.node]
    shell = terminal(argv, dev.env, **options)

    def found():
        sessions = dev.aws("ssm", "describe-sessions", "--state", "Active")["Sessions"]
        return [one["SessionId"] for one in sessions if one.get("Reason") == reason]
    [session] = eventually(found, what="the session of the shell")
    return shell, session


def replay(dev, session, *options, env=None):
    """Runs `drawbridge replay`; answers the finished process."""
    return subprocess.run([program("drawbridge"), "replay", session, *options], env=env or dev.env,
                          capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)


def text(dev, session):
    done = replay(dev, session, "--text")
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def recorded(dev, session):
    """What there is of a session once its recording is complete."""
    def complete():
        done = dev.cli("sessions", "show", session, "--json")
        assert done.returncode == 0, done.stderr
        shown = json.loads(done.stdout)
        return shown if shown.get("Complete") and shown["Status"] != "Terminating" else None
    return eventually(complete, what="the end of the recording")


def executed(dev, *command):
    """Runs `drawbridge exec` on its own session; answers the finished process and the session's id."""
    done = subprocess.run([program("drawbridge"), "exec", "--verbose", dev.node, "--", *command], env=dev.env,
                          capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
    found = re.search(r"[\w+=,.@-]+-0[0-9a-f]{16}\b", done.stderr.decode())
    assert found, done.stderr
    return done, found[0]


def test_a_shell_is_recorded_and_replayed(dev, terminal):
    shell, session = connected(terminal, dev, rows=30, columns=100)
    shell.line("stty -echo; PS1='> '")
    shell.line("echo first; echo sec''ond; stty size")
    shell.wait_for(b"30 100\r\n")
    shell.resize(20, 70)
    shell.line("until [ \"$(stty size)\" = '20 70' ]; do :; done; stty size")
    shell.wait_for(b"20 70\r\n")
    shell.line("exit 0")
    shell.end()
    shown = recorded(dev, session)
    assert shown["Status"] == "Terminated" and shown["Blocks"] >= 3 and "Broken" not in shown
    lines = text(dev, session)
    for line in ["first\nsecond\n30 100\n", "20 70", "[session ended: "]:
        assert line in lines, lines
    cast = replay(dev, session, "--asciicast", "-").stdout.decode().splitlines()
    head, *events = [json.loads(line) for line in cast]
    assert (head["version"], head["width"], head["height"]) == (2, 100, 30)
    assert [event[2] for event in events if event[1] == "r"] == ["70x20"]
    assert [event[0] for event in events] == sorted(event[0] for event in events)
    assert "complete and whole" in dev.cli("sessions", "show", session).stdout


def test_a_command_is_recorded_with_its_code_and_every_byte(dev):
    done, session = executed(dev, "sh", "-c", "head -c 300000 /dev/urandom | base64; echo oops >&2; exit 7")
    assert done.returncode == 7
    shown = recorded(dev, session)
    assert shown["Header"]["SessionType"] == "NonInteractiveCommands"
    events = []
    page = {}
    while not page.get("Complete"):
        page = call(dev, "GetSessionRecording", {"SessionId": session} |
                    ({"NextToken": page["NextToken"]} if page else {}))
        events += page["Events"]
    def bytes_of(kind):
        return b"".join(subprocess.run(["base64", "-d"], input=one["Bytes"].encode(), capture_output=True,
                                       check=True).stdout for one in events if one["Kind"] == kind)
    assert bytes_of("Output") == done.stdout
    assert bytes_of("Errors") == b"oops\n"
    assert [one["ExitCode"] for one in events if one["Kind"] == "Exit"] == [7]
    assert events[-1]["Kind"] == "End"


def call(dev, operation, request):
    """Calls one of Drawbridge's own operations as the administrator."""
    credentials = boto3.Session(dev.env["AWS_ACCESS_KEY_ID"], dev.env["AWS_SECRET_ACCESS_KEY"]).get_credentials()
    headers = {"X-Amz-Target": f"Drawbridge.{operation}", "Content-Type": "application/x-amz-json-1.1"}
    asked = AWSRequest("POST", dev.env["AWS_ENDPOINT_URL"] + "/", headers, json.dumps(request).encode())
    SigV4Auth(credentials, "ssm", dev.env.get("AWS_REGION", "us-east-1")).add_auth(asked)
    answer = URLLib3Session(verify=dev.env["AWS_CA_BUNDLE"]).send(asked.prepare())
    assert answer.status_code == 200, answer.text
    return json.loads(answer.text)


def test_a_server_that_is_killed_loses_nothing_that_was_seen(own_dev, terminal):
    shell, session = connected(terminal, own_dev)
    shell.line("stty -echo; PS1='> '")
    shell.line("for i in $(seq 300); do echo line-$i-; sleep 0.01; done; echo fini''shed")
    shell.wait_for(b"line-100-")
    own_dev.kill()
    own_dev.start()
    shell.wait_for("finished")
    shell.line("exit 0")
    shell.end()
    shown = recorded(own_dev, session)
    assert "Broken" not in shown
    lines = text(own_dev, session)
    assert re.findall(r"^line-(\d+)-$", lines, re.MULTILINE) == [str(i) for i in range(1, 301)]


def test_a_killed_agent_leaves_its_recording(own_dev, tmp_path, terminal):
    with Node(own_dev, tmp_path / "node", own_dev.env["AWS_ENDPOINT_URL"]) as node:
        shell, session = connected(terminal, own_dev, node.node)
        shell.line("stty -echo; PS1='> '; echo be''fore; echo $PPID ag''ain")
        shell.wait_for("again")
        worker = int(re.search(r"before\s+(\d+)", shell.text())[1])
        node.process.kill()
        os.kill(worker, 9)
        own_dev.cli("sessions", "terminate", session)
        shell.end()
        recorded(own_dev, session)
        assert "before\n" in text(own_dev, session)


def test_a_live_session_is_followed(dev, terminal):
    shell, session = connected(terminal, dev)
    shell.line("stty -echo; PS1='> '")
    shell.line("echo ear''ly")
    shell.wait_for("early")
    argv = [program("drawbridge"), "replay", session, "--follow", "--asciicast", "-"]
    with subprocess.Popen(argv, env=dev.env, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as following:
        seen = b""
        while b"early" not in seen:
            seen += following.stdout.readline()
        shell.line("echo la''ter")
        while b"later" not in seen:
            seen += following.stdout.readline()
        shell.line("exit 0")
        shell.end()
        rest = following.stdout.read()
        assert b"session ended" in seen + rest
        assert following.wait(PATIENCE) == 0


def test_a_storm_of_sizes(dev, terminal):
    shell, session = connected(terminal, dev)
    shell.line("stty -echo; PS1='> '")
    shell.line("trap 'echo size-$(stty size)-' WINCH; echo rea''dy")
    shell.wait_for("ready")
    for number in range(200):
        shell.resize(20 + number % 7, 60 + number % 11)
    shell.resize(41, 121)
    shell.line("until [ \"$(stty size)\" = '41 121' ]; do :; done; echo size-$(stty size)-")
    shell.wait_for("size-41 121-")
    shell.line("exit 0")
    shell.end()
    shown = recorded(dev, session)
    assert "Broken" not in shown
    assert "size-41 121-" in text(dev, session)


def test_commands_beside_a_shell_are_on_record_with_what_they_wrote(dev):
    with tempfile.TemporaryDirectory() as folder, Shared(dev, folder) as shared:
        assert shared.run("sh", "-c", "echo one; echo wrong >&2; exit 3").returncode == 3
        mark = "beside-" + "the-shell"
        assert shared.run("printf", "%s\\r\\n%s", "\033[31mred\033]0;title\a", mark).returncode == 0
        assert shared.run("seq", "100000").returncode == 0
        session = shared.session
    recorded(dev, session)
    lines = text(dev, session).splitlines()
    for line in ["[command 1 was started beside the shell: sh -c echo one; echo wrong >&2; exit 3]", "[command 1: one]",
                 "[command 1, errors: wrong]", "[command 1 ended with code 3]", "[command 2: red]", f"[command 2: {mark}]",
                 "[command 3: 1]", "[command 3 wrote more, which --command 3 shows]", "[command 3 ended with code 0]"]:
        assert line in lines, line
    assert "[command 3: 100000]" not in lines and not any("\x1b" in line for line in lines)
    done = replay(dev, session, "--command", "3")
    assert done.stdout.decode().split() == [str(number) for number in range(1, 100_001)]
    assert done.stderr.decode().splitlines()[-1] == "[command 3 ended with code 0]"
    none = replay(dev, session, "--command", "4")
    assert none.returncode == 1 and b"no command 4 ran beside the shell" in none.stderr
    cast = [json.loads(line) for line in replay(dev, session, "--asciicast", "-").stdout.decode().splitlines()[1:]]
    assert "command 2 ended with code 0" in [event[2] for event in cast if event[1] == "m"]
    assert mark not in "".join(event[2] for event in cast if event[1] == "o")


def test_others_see_nothing(dev):
    _, session = executed(dev, "echo", "secret")
    recorded(dev, session)
    admin = administrator(dev)
    stranger = admin.new_user("recordings-stranger", allow("ssm:*"))
    for command in [("replay", session, "--text"), ("sessions", "show", session)]:
        done = dev.cli(*command, env=stranger.env)
        assert done.returncode == 8 and "AccessDenied" in done.stderr, done
        assert "secret" not in done.stdout
    made_up = dev.cli("replay", "admin-00000000000000000", "--text")
    assert made_up.returncode == 8 and "DoesNotExist" in made_up.stderr
    reader = admin.new_user("recordings-reader", allow("drawbridge:GetSessionRecording", f"arn:aws:ssm:*:*:session/{session}"))
    assert "secret\n" in dev.cli("replay", session, "--text", env=reader.env).stdout
    events = admin.cloudtrail.lookup_events(LookupAttributes=[
        {"AttributeKey": "EventName", "AttributeValue": "GetSessionRecording"}])["Events"]
    assert "recordings-reader" in [event.get("Username") for event in events]


def test_a_hostile_recording_draws_and_does_nothing_else(dev, terminal):
    done, session = executed(dev, "printf", f"harmless {HOSTILE.decode()} text\\n")
    assert b"\x1b]52" in done.stdout
    recorded(dev, session)
    for options in [(), ("--text",), ("--asciicast", "-")]:
        shown = replay(dev, session, *options).stdout
        assert b"\x1b]" not in shown and b"\x1bP" not in shown and b"\x05" not in shown
        assert b"harmless" in shown
    player = terminal([program("drawbridge"), "replay", session], dev.env)
    player.wait_for("harmless")
    player.wait_for("end 0:")
    for hostile in [b"\x1b]", b"\x1bP", b"\x05", b"\x1b[6n", b"\x1b[c", b"\x1b[>c", b"21t", b"?1003h", b"?1004h"]:
        assert hostile not in bytes(player.raw), hostile
    player.send("q")
    assert player.end() == 0


def test_the_player_obeys_its_keys(dev, terminal):
    _, session = executed(dev, "sh", "-c", "echo one; sleep 2; echo two; sleep 1; echo and three")
    recorded(dev, session)
    player = terminal([program("drawbridge"), "replay", session, "--speed", "0.25"], dev.env)
    player.wait_for("one")
    assert "two" not in player.text()
    player.send(" ")
    player.wait_for("paused")
    player.send("/three\r")
    # Not what was typed.
    player.wait_for("and three")
    player.send("0")
    player.wait_for("0:00/")
    eventually(lambda: player.pump() and "three" not in player.text(), what="the start")
    player.send("G")
    player.wait_for("end 0:")
    player.wait_for("three")
    player.send("q")
    assert player.end() == 0
    done = replay(dev, session, "--json")
    assert json.loads(done.stdout)["SessionId"] == session


def test_what_was_changed_is_named(own_dev):
    _, first = executed(own_dev, "echo", "evidence")
    _, second = executed(own_dev, "echo", "other")
    recorded(own_dev, first)
    recorded(own_dev, second)
    folder = own_dev.data / "recordings"
    eventually(lambda: len(list(folder.glob("*.recording"))) == 2, what="both complete")
    own_dev.stop()
    verify = [program("drawbridge"), "recordings", "verify", "--data-dir", own_dev.data]
    done = subprocess.run(verify, capture_output=True, text=True, check=True)
    assert done.stdout.count(": whole: ") == 2
    file = next(path for path in folder.iterdir() if first.split("-")[-1] in path.name)
    assert file.stat().st_mode & 0o777 == 0o600
    assert b"evidence" not in file.read_bytes()
    changed = bytearray(file.read_bytes())
    changed[-1] ^= 1
    file.write_bytes(changed)
    done = subprocess.run(verify, capture_output=True, text=True)
    assert done.returncode == 12, done
    assert re.search(rf"^{re.escape(first)}: BROKEN: block \d+ was changed$", done.stdout, re.MULTILINE)
    assert re.search(rf"^{re.escape(second)}: whole: ", done.stdout, re.MULTILINE)
    file.write_bytes(bytes(changed[:-200]))
    done = subprocess.run([*verify, first], capture_output=True, text=True)
    assert done.returncode == 12 and "the recording was complete once" in done.stdout


def complete_recordings(dev, count):
    """The files of so many complete recordings."""
    def found():
        files = sorted((dev.data / "recordings").glob("*.recording"))
        return files if len(files) == count else None
    return eventually(found, what=f"{count} complete recordings")


def executed_in_two_blocks(dev, release):
    """Runs a command whose recording has two blocks of events; answers the session's id."""
    script = f"echo evidence; until [ -e {release} ]; do sleep 0.05; done; echo more"
    with subprocess.Popen([program("drawbridge"), "exec", "--verbose", dev.node, "--", "sh", "-c", script], env=dev.env,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as command:
        session = command.stderr.readline().split()[1]

        def has_a_block():
            files = (dev.data / "recordings").glob("*.unfinished")
            return any(file.read_bytes().count(b"DRB1") >= 2 for file in files)
        assert command.stdout.readline() == "evidence\n"
        eventually(has_a_block, what="the first block of events")
        release.touch()
        assert command.stdout.read() == "more\n"
    return session


def test_what_the_audit_log_has_is_missed(own_dev, tmp_path):
    verify = [program("drawbridge"), "recordings", "verify", "--data-dir", own_dev.data]

    def verified(*session):
        return subprocess.run([*verify, *session], capture_output=True, text=True, timeout=PATIENCE)

    def broken(session, what):
        for done in [verified(), verified(session)]:
            assert done.returncode == 12, done
            assert re.search(rf"^{re.escape(session)}: BROKEN: {what}", done.stdout, re.MULTILINE), done.stdout
        assert re.search(rf"^{re.escape(other)}: whole: ", verified().stdout, re.MULTILINE)

    session = executed_in_two_blocks(own_dev, tmp_path / "release")
    _, other = executed(own_dev, "echo", "other")
    files = complete_recordings(own_dev, 2)
    file = next(path for path in files if session.split("-")[-1] in path.name)
    unfinished = file.with_suffix(".unfinished")
    # Beside the server that runs.
    done = verified()
    assert done.returncode == 0 and done.stdout.count(": whole: ") == 2, done
    whole = file.read_bytes()
    file.rename(file.with_suffix(".away"))
    broken(session, r"it is missing: the audit log has it with \d+ blocks")
    file.with_suffix(".away").rename(file)
    assert verified().returncode == 0
    own_dev.stop()
    # At the end of a block, so that nothing in the file tells; and in the midst of one.
    at = [found.start() for found in re.finditer(rb"DRB1", whole)]
    assert len(at) >= 4, "a header, two blocks of events, the end"
    for cut in [at[-1], at[2], at[1] + 10, len(whole) - 1]:
        file.unlink(missing_ok=True)
        unfinished.write_bytes(whole[:cut])
        broken(session, r"it was cut back: it has \d+ blocks")
        # Another name does not help, and both names neither.
        file.write_bytes(whole)
        broken(session, r"it was cut back: it has \d+ blocks")
        file.unlink()
    # The server does not make it again and tell of another end.
    own_dev.start()
    own_dev.stop()
    broken(session, r"it was cut back: it has \d+ blocks")
    unfinished.unlink()
    # The recording of another session.
    file.write_bytes(next(path for path in files if path != file).read_bytes())
    broken(session, "block 0 ")
    file.write_bytes(whole)
    done = verified()
    assert done.returncode == 0 and done.stdout.count(": whole: ") == 2, done
    # A complete one of which the log has nothing: here, because the log is rolled back.
    store = own_dev.data / "drawbridge.sqlite"
    assert verified("alice-00000000000000000").returncode == 4
    changed = subprocess.run([sys.executable, "-c", FORGET, store], capture_output=True, text=True)
    assert changed.returncode == 0, changed.stderr
    done = verified()
    assert done.returncode == 9 and "audit event" in done.stderr, done


def test_an_older_copy_is_not_the_recording(own_dev, terminal):
    shell, session = connected(terminal, own_dev)
    shell.line("stty -echo; PS1='> '; echo fir''st")
    shell.wait_for("first")
    folder = own_dev.data / "recordings"
    verify = [program("drawbridge"), "recordings", "verify", "--data-dir", own_dev.data]

    def copied():
        [file] = folder.glob("*.unfinished")
        older = file.read_bytes()
        return older if older.count(b"DRB1") >= 2 else None

    older = eventually(copied, what="a block of events")
    done = subprocess.run(verify, capture_output=True, text=True)
    assert done.returncode == 0 and f"{session}: whole so far, without its end" in done.stdout, done
    shell.line("echo sec''ond")
    shell.wait_for("second")
    shell.line("exit 0")
    shell.end()
    [file] = complete_recordings(own_dev, 1)
    file.unlink()
    file.with_suffix(".unfinished").write_bytes(older)
    done = subprocess.run(verify, capture_output=True, text=True)
    assert done.returncode == 12 and f"{session}: BROKEN: it was cut back" in done.stdout, done


def test_an_encrypted_session_is_replayed_by_those_who_may_decrypt(dev, terminal):
    admin = administrator(dev)
    key = admin.client("kms").create_key()["KeyMetadata"]
    role = next(role for role in admin.iam.list_roles()["Roles"] if role["RoleName"] == "DrawbridgeNodeRole")
    admin.iam.put_role_policy(RoleName=role["RoleName"], PolicyName="keys",
                              PolicyDocument=document(allow("kms:Decrypt")))
    name = session_document(admin, "RecordedAndEncrypted", key["KeyId"])
    shell = lives(terminal, dev.env, dev.node, name, leave=None)
    session = session_of(shell)
    shell.line("exit")
    shell.end()
    recorded(dev, session)
    assert f"{MARK}-42\n" in text(dev, session)
    readers = allow(["drawbridge:GetSessionRecording"], f"arn:aws:ssm:*:*:session/{session}")
    blind = admin.new_user("recordings-blind", readers)
    done = dev.cli("replay", session, "--text", env=blind.env)
    assert done.returncode == 8 and "Decrypt" in done.stderr and MARK not in done.stdout
    events = call(dev, "GetSessionRecording", {"SessionId": session})["Events"]
    assert "Key" in [event["Kind"] for event in events]
    assert MARK not in json.dumps(events)


def test_an_ended_session_leaves_copies_that_only_the_server_writes(dev):
    _, session = executed(dev, "sh", "-c", "echo a line of the copy; echo another")
    admin = administrator(dev)
    s3, bucket = admin.client("s3"), f"drawbridge-recordings-{ACCOUNT}-us-east-1"

    def copy(name):
        def found():
            listed = s3.list_objects_v2(Bucket=bucket, Prefix=session).get("Contents", [])
            return any(one["Key"] == name for one in listed) or None
        recorded(dev, session)
        eventually(found, what=name)
        return s3.get_object(Bucket=bucket, Key=name)

    # No terminal made two characters of its line feeds; its lines begin where lines do all the same.
    assert copy(f"{session}.txt")["Body"].read().startswith(b"a line of the copy\nanother\n")
    assert text(dev, session).startswith("a line of the copy\nanother\n")
    cast = copy(f"{session}.cast")["Body"].read().decode().splitlines()
    assert json.loads(cast[0])["version"] == 2
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    refused(s3.put_object, "AccessDenied", "the server alone", Bucket=bucket, Key=f"{session}.txt", Body=b"forged")
    refused(s3.create_multipart_upload, "AccessDenied", Bucket=bucket, Key=f"{session}.txt")
    refused(s3.copy_object, "AccessDenied", Bucket=bucket, Key="other.txt", CopySource=f"{bucket}/{session}.txt")
    refused(s3.create_bucket, "AccessDenied", Bucket="drawbridge-recordings-of-mine")
    reader = admin.new_user("copy-reader", allow("s3:ListBucket"))
    theirs, place = reader.client("s3"), {"Bucket": bucket, "Key": f"{session}.txt"}
    refused(theirs.get_object, "AccessDenied", **place)
    refused(theirs.get_object, "AccessDenied", **place, Range="bytes=0-3")
    refused(theirs.get_object_attributes, "AccessDenied", **place, ObjectAttributes=["ObjectSize"])
    refused(theirs.copy_object, "AccessDenied", Bucket=bucket, Key="k", CopySource=place)
    for name in [f"{session}.txt", "admin-00000000000000000.txt"]:
        with pytest.raises(ClientError) as caught:
            theirs.head_object(Bucket=bucket, Key=name)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in (403, 404)

    def fetched(link):
        answer = URLLib3Session(verify=dev.env["AWS_CA_BUNDLE"]).send(AWSRequest("GET", link).prepare())
        return answer.status_code, answer.content

    mine = newer(dev).generate_presigned_url("get_object", Params=place)
    not_theirs = newer(dev, aws_access_key_id=reader.key, aws_secret_access_key=reader.secret)
    assert fetched(mine) == (200, s3.get_object(**place)["Body"].read())
    for link in [not_theirs.generate_presigned_url("get_object", Params=place), mine.split("?")[0],
                 mine.replace("X-Amz-Expires=3600", "X-Amz-Expires=7200"),
                 re.sub(r"\b20\d{6}(?=T|%2F)|(?<=%2F)20\d{6}", "20200101", mine)]:
        assert fetched(link)[0] == 403, link
