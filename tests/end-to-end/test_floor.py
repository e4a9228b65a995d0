"""The session floor: documents and sessions below it are refused with the rule's name, and no account gets below its organization's."""

import json
import re
import time

import pytest

from drawbridge import Dev, eventually
from principals import Principal, administrator, allow
from test_first_session import START
from test_revocation import SOON

PREFERENCES = "SSM-SessionManagerRunShell"


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    with Dev(tmp_path_factory.mktemp("floor")) as running:
        yield running


@pytest.fixture(scope="module")
def admin(dev):
    return administrator(dev)


@pytest.fixture(autouse=True)
def no_floor_left(dev):
    yield
    dev.cli("floor", "remove")
    dev.cli("floor", "remove", "--organization")


@pytest.fixture(scope="module")
def member(dev):
    """The administrator of an account that belongs to the organization and does not manage it."""
    done = dev.cli("accounts", "create", "member", "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    principal = Principal(dev, made["AccessKeyId"], made["SecretAccessKey"])
    principal.account = made["AccountId"]
    return principal


def floor(dev, *arguments, env=None):
    done = dev.cli("floor", *arguments, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def shown(dev, *arguments, env=None):
    return json.loads(floor(dev, "show", "--json", *arguments, env=env))


def content(**inputs):
    return json.dumps({"schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": inputs})


def create(dev, name, text, check=True):
    return dev.aws("ssm", "create-document", "--name", name, "--document-type", "Session", "--content", text, check=check)


def refused(done, *texts):
    assert done.returncode != 0, done.stdout
    for text in texts:
        assert text in done.stderr, done.stderr


def start(dev, *arguments):
    """Asks for a session as the AWS CLI does, which is to be refused."""
    return dev.aws("ssm", "start-session", "--target", dev.node, *arguments, check=False)


def in_force(dev, *arguments):
    """Starts a session that is allowed, by a command of our own; answers its output."""
    return dev.cli("exec", *arguments, dev.node, "--", "echo", "through")


def test_a_document_below_the_floor_is_refused_when_it_is_written(dev):
    create(dev, "Before", content())
    floor(dev, "set", "--require", "kms,log-group", "--max-duration", "8h")
    below = ("InvalidDocumentContent", "rule `kms`: `kmsKeyId` is not set", "rule `log-group`", "rule `max-duration`")
    refused(create(dev, "Below", content(), check=False), *below)
    refused(dev.aws("ssm", "update-document", "--name", "Before", "--document-version", "$LATEST", "--content",
                    content(s3KeyPrefix="x"), check=False), *below)
    above = content(kmsKeyId="alias/a", cloudWatchLogGroupName="sessions", maxSessionDuration="480")
    create(dev, "Above", above)
    refused(create(dev, "Longer", above.replace("480", "481"), check=False), "`maxSessionDuration` is 481", "at most 480")


def test_a_document_from_before_the_floor_is_refused_when_it_is_used(dev):
    create(dev, "Old", content())
    floor(dev, "set", "--require", "kms")
    for document in ("Old", PREFERENCES, "AWS-StartInteractiveCommand"):
        more = ["--parameters", "command=id"] if document.startswith("AWS-") else []
        refused(start(dev, "--document-name", document, *more), "AccessDeniedException", f"Document {document} is below",
                "rule `kms`: `kmsKeyId` is not set")
    refused(start(dev), f"Document {PREFERENCES} is below the session floor")
    done = dev.cli("connect", dev.node)
    refused(done, "rule `kms`", "hint: `drawbridge floor show` lists what every session must have")
    assert done.returncode == 8


def test_a_parameter_gets_round_no_rule(dev):
    floor(dev, "set", "--require", "kms")
    open_key = json.loads(content(kmsKeyId="{{ key }}"))
    open_key["parameters"] = {"key": {"type": "String", "default": ""}}
    create(dev, "OpenKey", json.dumps(open_key))
    refused(start(dev, "--document-name", "OpenKey"), "rule `kms`: `kmsKeyId` is not set")


def test_a_reason_is_asked_for(dev):
    floor(dev, "set", "--require", "reason")
    refused(start(dev), "AccessDeniedException", "rule `reason`: no reason was given")
    refused(start(dev, "--reason", " "), "rule `reason`: no reason was given")
    assert in_force(dev).returncode == 255
    assert in_force(dev, "--reason", "ticket 7").stdout == "through\n"


def test_a_missing_reason_is_all_that_is_told(dev):
    floor(dev, "set", "--require", "reason")
    for done in (dev.cli("connect", dev.node), in_force(dev)):
        refused(done, "below the session floor: rule `reason`: no reason was given", "hint: `--reason` says why")


def test_commands_and_copies_have_what_the_preferences_say_where_the_floor_refuses_awss_documents(dev, admin, tmp_path):
    floor(dev, "set", "--require", "bucket,recording", "--allow-port")
    alone = in_force(dev)
    refused(alone, "Document Drawbridge-StartNonInteractiveCommand is below the session floor: rule `bucket`",
            "hint: its settings are those of the account's preferences, `SSM-SessionManagerRunShell`")
    assert alone.returncode == 255
    dev.aws("s3api", "create-bucket", "--bucket", "above-the-floor")
    dev.aws("ssm", "delete-document", "--name", PREFERENCES)
    create(dev, PREFERENCES, content(s3BucketName="above-the-floor"))
    try:
        assert in_force(dev).stdout == "through\n"
        assert in_force(dev, "-t").stdout == "through\n"
        (tmp_path / "from").write_text("content")
        done = dev.cli("cp", str(tmp_path / "from"), f"{dev.node}:{tmp_path}/to")
        assert (done.returncode, (tmp_path / "to").read_text()) == (0, "content"), done.stderr
        ended = dev.aws("ssm", "describe-sessions", "--state", "History")["Sessions"]
        names = {"Drawbridge-StartNonInteractiveCommand", "Drawbridge-StartInteractiveCommand"}
        assert names <= {session["DocumentName"] for session in ended}
        # Policies decide about our documents as about any other.
        ada = admin.new_user("Ada", *[allow("ssm:StartSession", resource) for resource in (
            "arn:aws:ssm:*:*:managed-instance/*", "arn:aws:ssm:*::document/AWS-*")])
        refused(dev.cli("exec", dev.node, "--", "id", env=ada.env), "document/Drawbridge-StartNonInteractiveCommand",
                "hint: it stands in for AWS's document, which the session floor refuses")
    finally:
        dev.aws("ssm", "delete-document", "--name", PREFERENCES)


def test_tunnels_and_ssh_are_refused_unless_they_are_allowed(dev, admin):
    floor(dev, "set", "--require", "recording")
    tunnel = ["--document-name", "AWS-StartPortForwardingSession", "--parameters", "portNumber=22"]
    refused(start(dev, *tunnel), "rule `no-port`: a tunnel is neither encrypted nor recorded")
    refused(start(dev, "--document-name", "AWS-StartSSHSession"), "rule `no-port`")
    refused(dev.cli("forward", dev.node, "0:22"), "rule `no-port`", "hint: `drawbridge floor show`")
    assert in_force(dev).stdout == "through\n"
    floor(dev, "set", "--require", "recording", "--allow-port")
    started = admin.ssm.start_session(Target=dev.node, DocumentName="AWS-StartSSHSession")
    admin.ssm.terminate_session(SessionId=started["SessionId"])


def test_what_nobody_can_edit_gets_the_limits_of_the_floor(dev):
    floor(dev, "set", "--max-duration", "1h", "--idle-timeout", "5m")
    assert in_force(dev).stdout == "through\n"
    refused(start(dev), "`maxSessionDuration` is not set, at most 60", "`idleSessionTimeout` is not set, at most 5")


def test_an_account_gets_below_no_floor_of_its_organization(dev, member):
    floor(dev, "set", "--organization", "--require", "recording,reason", "--max-duration", "2h")
    for arguments in (["remove", "--organization"], ["set", "--organization", "--require", "reason"],
                      ["set", "--account", member.account[::-1], "--require", "reason"]):
        done = dev.cli("floor", *arguments, env=member.env)
        refused(done, "is set from the account that manages it", "hint: ")
        assert done.returncode == 8
    table = floor(dev, "set", "--require", "reason", "--max-duration", "24h", "--allow-port", env=member.env)
    assert re.search(r"^effective +recording,reason,no-port +2h +-$", table, re.MULTILINE), table
    floor(dev, "remove", env=member.env)
    refused(dev.cli("floor", "remove", env=member.env), "There is no session floor of this account")
    effective = {"Requirements": ["recording", "reason", "no-port"], "MaxSessionMinutes": 120}
    assert shown(dev, env=member.env)["Effective"] == effective
    assert shown(dev, "--account", member.account)["Effective"] == effective
    done = member.aws("ssm", "create-document", "--name", "Open", "--document-type", "Session", "--content",
                      content(drawbridge={"failOpen": True}), check=False)
    refused(done, "rule `recording`: `drawbridge.failOpen` is true", "rule `max-duration`")


def test_a_floor_that_is_raised_ends_what_is_below_it(dev, terminal):
    shell = terminal([*START, dev.node], dev.env)
    shell.wait_for(b"Starting session with SessionId: ")
    shell.line("stty -echo; echo mark-''set")
    shell.wait_for(b"mark-set\r\n")
    session = re.search(rb"SessionId: ([\w+=,.@-]+)", bytes(shell.raw)).group(1).decode()
    floor(dev, "set", "--require", "kms")
    changed = time.monotonic()
    while shell.pump():
        assert time.monotonic() - changed < SOON, f"still running; screen:\n{shell.text()}"
    ended = eventually(lambda: dev.session(session, "History"))
    assert "below the session floor: rule `kms`" in ended["Details"]


def test_a_floor_leaves_audit_events(dev, admin):
    floor(dev, "set", "--require", "bucket")
    found = eventually(lambda: admin.cloudtrail.lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "PutSessionFloor"}])["Events"])
    event = json.loads(found[0]["CloudTrailEvent"])
    assert event["requestParameters"] == {"requirements": ["bucket"]}
    assert event["responseElements"]["sessionFloor"]["requirements"] == ["bucket", "no-port"]
