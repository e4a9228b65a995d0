"""Session documents and parameters, by the AWS CLI, boto3 and Terraform."""

import hashlib
import json

import pytest

from drawbridge import Dev
from principals import ACCOUNT, Principal, administrator, allow, denied, refused
from terraform import Terraform

DEFAULT = "SSM-SessionManagerRunShell"

# A document as a public guide has it in a heredoc, with the values that Terraform would put in.
PREFERENCES = """{
    "schemaVersion": "1.0",
    "description": "SSM document to house preferences for session manager",
    "sessionType": "Standard_Stream",
    "inputs": {
        "s3BucketName": "secure-ssm-s3",
        "s3KeyPrefix": "AWSLogs/123456789012/ssm_session_logs",
        "s3EncryptionEnabled": false,
        "cloudWatchLogGroupName": "ssm-log-group-20260102030405",
        "cloudWatchEncryptionEnabled": false,
        "runAsEnabled": false,
        "kmsKeyId": "",
        "cloudWatchStreamingEnabled": true,
        "idleSessionTimeout": "20"
    }
}
"""


def class_of_users(user):
    """A document as a public module has it for a class of users: texts where AWS wants booleans."""
    return json.dumps({
        "schemaVersion": "1.0",
        "description": "Session Manager preferences",
        "sessionType": "Standard_Stream",
        "inputs": {
            "s3BucketName": "ssm-session-logs-dev", "s3KeyPrefix": "dev", "s3EncryptionEnabled": "true",
            "cloudWatchLogGroupName": "", "cloudWatchEncryptionEnabled": "false", "kmsKeyId": "",
            "runAsEnabled": "true", "runAsDefaultUser": user,
        },
    }, indent=2)


YAML = """---
# Nobody is in a hurry.
schemaVersion: '1.0'
sessionType: InteractiveCommands
parameters:
  path:
    type: String
    allowedPattern: '[a-z/]+'
    default: /var/log
properties:
  linux:
    commands: 'ls {{ path }}'
"""


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    with Dev(tmp_path_factory.mktemp("documents")) as running:
        yield running


@pytest.fixture(scope="module")
def admin(dev):
    return administrator(dev)


@pytest.fixture(scope="module")
def other(dev):
    """The administrator of a second account, and its number."""
    done = dev.cli("accounts", "create", "other", "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    return Principal(dev, made["AccessKeyId"], made["SecretAccessKey"]), made["AccountId"]


def shell(description="", **inputs):
    return json.dumps({"schemaVersion": "1.0", "description": description, "sessionType": "Standard_Stream",
                       "inputs": inputs})


def test_the_cli_makes_reads_changes_and_deletes_a_document(dev, tmp_path):
    def ssm(*arguments, **options):
        return dev.aws("ssm", *arguments, **options)

    first, second = tmp_path / "first.json", tmp_path / "second.json"
    first.write_text(PREFERENCES)
    second.write_text(PREFERENCES.replace('"20"', '"30"'))

    made = ssm("create-document", "--name", "Guide", "--document-type", "Session", "--document-format", "JSON",
               "--content", f"file://{first}", "--tags", "Key=Team,Value=web")["DocumentDescription"]
    assert made["Hash"] == hashlib.sha256(PREFERENCES.encode()).hexdigest()
    assert (made["HashType"], made["Status"], made["Owner"]) == ("Sha256", "Active", ACCOUNT)
    assert ssm("get-document", "--name", "Guide")["Content"] == PREFERENCES
    described = ssm("describe-document", "--name", "Guide")["Document"]
    assert described["Tags"] == [{"Key": "Team", "Value": "web"}]
    assert described["PlatformTypes"] == ["Windows", "Linux", "MacOS"]

    changed = ssm("update-document", "--name", "Guide", "--content", f"file://{second}",
                  "--document-version", "$LATEST")["DocumentDescription"]
    assert (changed["LatestVersion"], changed["DefaultVersion"]) == ("2", "1")
    assert ssm("get-document", "--name", "Guide")["Content"] == PREFERENCES
    ssm("update-document-default-version", "--name", "Guide", "--document-version", "2")
    assert ssm("get-document", "--name", "Guide")["Content"] == second.read_text()
    versions = ssm("list-document-versions", "--name", "Guide")["DocumentVersions"]
    assert [(it["DocumentVersion"], it["IsDefaultVersion"]) for it in versions] == [("2", True), ("1", False)]

    listed = ssm("list-documents", "--filters", "Key=Owner,Values=Self", "Key=tag:Team,Values=web")
    assert [it["Name"] for it in listed["DocumentIdentifiers"]] == ["Guide"]
    amazons = ssm("list-documents", "--filters", "Key=Owner,Values=Amazon")["DocumentIdentifiers"]
    assert "AWS-StartPortForwardingSessionToRemoteHost" in [it["Name"] for it in amazons]

    ssm("delete-document", "--name", "Guide")
    gone = ssm("describe-document", "--name", "Guide", check=False)
    assert "An error occurred (InvalidDocument)" in gone.stderr
    assert "Document with name Guide does not exist." in gone.stderr


def test_a_document_in_yaml_is_answered_in_either_format(dev, tmp_path):
    written = tmp_path / "logs.yaml"
    written.write_text(YAML)
    made = dev.aws("ssm", "create-document", "--name", "Logs", "--document-type", "Session",
                   "--document-format", "YAML", "--content", f"file://{written}")["DocumentDescription"]
    assert made["Parameters"] == [{"Name": "path", "Type": "String", "DefaultValue": "/var/log"}]
    assert made["PlatformTypes"] == ["Linux"]

    def get(*options):
        return dev.aws("ssm", "get-document", "--name", "Logs", *options)

    assert get("--document-format", "YAML")["Content"] == YAML
    as_json = get()
    assert as_json["DocumentFormat"] == "JSON"
    assert json.loads(as_json["Content"])["properties"]["linux"]["commands"] == "ls {{ path }}"


def test_documents_of_public_guides_are_taken_as_they_are(admin):
    bodies = {"Guide-1": PREFERENCES, "SSM-sudo": class_of_users("user-sudo"),
              "SSM-no-sudo": class_of_users("user-no-sudo")}
    for name, body in bodies.items():
        admin.ssm.create_document(Name=name, DocumentType="Session", DocumentFormat="JSON", Content=body)
        assert admin.ssm.get_document(Name=name)["Content"] == body
        admin.ssm.delete_document(Name=name)


def test_what_is_wrong_is_named(dev, admin):
    create, update = admin.ssm.create_document, admin.ssm.update_document
    new = {"Name": "Wrong", "DocumentType": "Session"}
    refused(create, "InvalidDocumentContent", "`inputs.idleSessionTimeout` ", Content=shell(idleSessionTimeout="61"), **new)
    refused(create, "InvalidDocumentContent", "`inputs.runAsEnabled` ", Content=shell(runAsEnabled="maybe"), **new)
    refused(create, "InvalidDocumentContent", "`inputs.s3Bucket` ", Content=shell(s3Bucket="x"), **new)
    refused(create, "InvalidDocumentContent", Content="{", **new)
    refused(create, "InvalidDocumentSchemaVersion", Content='{"schemaVersion": "2.2"}', **new)
    refused(create, "MaxDocumentSizeExceeded", Content=shell("x" * 65536), **new)
    refused(create, "InvalidDocumentContent", "documents of type Session only", Name="Wrong", Content=shell())
    refused(create, "ValidationException", "reserved", Content=shell(), Name="AWS-Mine", DocumentType="Session")

    create(Name="Right", DocumentType="Session", Content=shell("one"), VersionName="one")
    refused(create, "DocumentAlreadyExists", Name="Right", DocumentType="Session", Content=shell())
    refused(update, "DuplicateDocumentContent", Name="Right", Content=shell("one"), DocumentVersion="$LATEST")
    refused(update, "DuplicateDocumentVersionName", Name="Right", Content=shell("two"), VersionName="one")
    update(Name="Right", Content=shell("two"))
    refused(update, "InvalidDocumentVersion", Name="Right", Content=shell("three"), DocumentVersion="1")
    refused(update, "InvalidDocumentOperation", Name="AWS-StartSSHSession", Content=shell())
    refused(admin.ssm.get_document, "InvalidDocumentVersion", Name="Right", DocumentVersion="3")
    refused(admin.ssm.delete_document, "InvalidDocumentOperation", Name="Right", DocumentVersion="1")
    refused(admin.ssm.list_documents, "InvalidFilterKey", Filters=[{"Key": "Color", "Values": ["red"]}])
    refused(admin.ssm.modify_document_permission, "InvalidPermissionType", Name="Right", PermissionType="Own")
    refused(admin.ssm.start_session, "InvalidDocument", "Document with name Wrong does not exist.",
            Target=dev.node, DocumentName="Wrong")
    admin.ssm.delete_document(Name="Right")


def tunnel(own, **properties):
    """A document of tunnels, with the parameter `to` and settings of Drawbridge's own."""
    return json.dumps({
        "schemaVersion": "1.0", "sessionType": "Port", "inputs": {"drawbridge": own},
        "parameters": {"to": {"type": "StringList", "default": ["db.internal:5432"]}},
        "properties": {"type": "LocalPortForwarding", **properties},
    })


def test_a_document_says_where_tunnels_may_lead(dev, admin, tmp_path):
    written = tmp_path / "tunnel.json"
    rules = ["*.internal:5432", "10.0.0.0/8:1024-65535", "[fd00::/8]:443", "/run/app/*.sock"]

    def create(own, **properties):
        written.write_text(tunnel(own, **properties))
        return dev.aws("ssm", "create-document", "--name", "Databases", "--document-type", "Session",
                       "--content", f"file://{written}", check=False)

    def refuses(message, own, **properties):
        made = create(own, **properties)
        assert made.returncode and "(InvalidDocumentContent)" in made.stderr and message in made.stderr, made.stderr

    refuses("`inputs.drawbridge.destinations` must have 1 to 64 entries, not 0", {"destinations": []})
    refuses("`inputs.drawbridge.destinations.1` cannot be read: `db` is not", {"destinations": ["db:80", "db"]})
    refuses("`inputs.drawbridge.allowedDestinations.0` cannot be read: `10.0.*:80` is not",
            {"allowedDestinations": ["10.0.*:80"]}, portNumber="80")
    refuses("`properties.portNumber` must not be given beside", {"destinations": ["db:80"]}, portNumber="80")
    refuses("`properties.portNumber` leads to localhost:22, which", {"allowedDestinations": rules}, portNumber="22")
    made = create({"destinations": "{{ to }}", "allowedDestinations": rules})
    assert made.returncode == 0, made.stderr

    def start(name, *to):
        parameters = json.dumps({"to" if name == "Databases" else "destinations": to})
        return dev.aws("ssm", "start-session", "--target", dev.node, "--document-name", name,
                       "--parameters", parameters, check=False)

    for to in ["evil.example:22", "db.internal.evil.example:22", "127.0.0.1:5432", "[::ffff:127.0.0.1]:5432",
               "/run/docker.sock"]:
        started = start("Databases", "db.internal:5432", to)
        assert "(InvalidParameters)" in started.stderr, started.stderr
        assert f"leads to {to}, which `inputs.drawbridge.allowedDestinations` does not allow" in started.stderr
    climbing = start("Databases", "/run/app/../x.sock")
    assert "`/run/app/../x.sock` is not" in climbing.stderr
    # What only the node can know is left to it, and so is what is allowed.
    for to in [["db.internal:5432"], ["name:2000"], ["0x7f.1:2000"], ["[fd00::7]:443", "/run/app/a.sock"]]:
        session = admin.ssm.start_session(Target=dev.node, DocumentName="Databases", Parameters={"to": to})
        admin.ssm.terminate_session(SessionId=session["SessionId"])
    admin.ssm.delete_document(Name="Databases")

    for socket in ["/run/docker.sock", "/run/docker.sock:1", "x:1/run"]:
        refusal = start("Drawbridge-StartPortForwarding", "localhost:80", socket).stderr
        assert "(InvalidParameters)" in refusal and "must match" in refusal, refusal


def test_our_own_document_is_in_every_account_and_cannot_be_changed(dev, admin, other):
    name = "Drawbridge-StartPortForwarding"
    theirs, _ = other
    for somebody in (admin, theirs):
        assert somebody.ssm.describe_document(Name=name)["Document"]["Owner"] == "Drawbridge"
    listed = dev.aws("ssm", "list-documents", "--filters", "Key=Owner,Values=Drawbridge")["DocumentIdentifiers"]
    assert [it["Name"] for it in listed] == [
        "Drawbridge-StartInteractiveCommand", "Drawbridge-StartNonInteractiveCommand", name]
    assert {it["Owner"] for it in listed} == {"Drawbridge"}
    amazons = dev.aws("ssm", "list-documents", "--filters", "Key=Owner,Values=Amazon")["DocumentIdentifiers"]
    assert amazons and all(it["Name"].startswith("AWS-") for it in amazons)
    refused(admin.ssm.create_document, "ValidationException", "reserved", Content=shell(), Name="Drawbridge-Mine",
            DocumentType="Session")
    refused(admin.ssm.delete_document, "InvalidDocumentOperation", "belongs to Drawbridge", Name=name)

    arn = f"arn:aws:ssm:us-east-1::document/{name}"
    node = allow("ssm:StartSession", f"arn:aws:ssm:us-east-1:{ACCOUNT}:managed-instance/*")
    forward = {"Target": dev.node, "DocumentName": name, "Parameters": {"destinations": ["localhost:80", "db:1"]}}
    without = admin.new_user("without", node)
    assert arn in denied(without.ssm.start_session, "ssm:StartSession", **forward)
    session = admin.new_user("with", node, allow("ssm:StartSession", arn)).ssm.start_session(**forward)
    admin.ssm.terminate_session(SessionId=session["SessionId"])


def test_a_document_is_shared_between_accounts(admin, other):
    theirs, number = other
    arn = f"arn:aws:ssm:us-east-1:{ACCOUNT}:document/Shared"
    admin.ssm.create_document(Name="Shared", DocumentType="Session", Content=shell("ours"))
    hidden = denied(theirs.ssm.get_document, "ssm:GetDocument", Name=arn)
    absent = denied(theirs.ssm.get_document, "ssm:GetDocument", Name=f"{arn}d")
    assert hidden == absent.replace(f"{arn}d", arn), "what is not shared looks as if it were not there"

    def share(**change):
        admin.ssm.modify_document_permission(Name="Shared", PermissionType="Share", **change)

    for with_them in (number, "All"):
        share(AccountIdsToAdd=[with_them])
        assert theirs.ssm.get_document(Name=arn)["Content"] == shell("ours")
        assert theirs.ssm.describe_document(Name=arn)["Document"]["Owner"] == ACCOUNT
        owner = "Public" if with_them == "All" else "Private"
        listed = theirs.ssm.list_documents(Filters=[{"Key": "Owner", "Values": [owner]}])["DocumentIdentifiers"]
        assert [it["Name"] for it in listed] == [arn]
        # Past the decision and the document; there is no such node.
        refused(theirs.ssm.start_session, "TargetNotConnected", Target="mi-00000000000000000", DocumentName=arn)
        told = admin.ssm.describe_document_permission(Name="Shared", PermissionType="Share")["AccountIds"]
        assert told == [with_them.lower()]
        refused(admin.ssm.delete_document, "InvalidDocumentOperation", "still shared", Name="Shared")
        share(AccountIdsToRemove=[with_them])
        denied(theirs.ssm.get_document, "ssm:GetDocument", Name=arn)
    nobody = theirs.new_user("nobody", allow("sts:GetCallerIdentity"))
    share(AccountIdsToAdd=["All"])
    denied(nobody.ssm.get_document, "ssm:GetDocument", Name=arn)
    share(AccountIdsToRemove=["All"])
    admin.ssm.delete_document(Name="Shared")


def test_preferences_give_way_until_somebody_touches_them(dev, admin):
    def use():
        session = admin.ssm.start_session(Target=dev.node)["SessionId"]
        admin.ssm.terminate_session(SessionId=session)
        return admin.ssm.describe_document(Name=DEFAULT)["Document"]

    create = {"Name": DEFAULT, "DocumentType": "Session"}
    assert use()["Description"] == "Preferences of this account and region for sessions"
    admin.ssm.create_document(Content=shell("ours"), **create)
    ours = use()
    assert (ours["Description"], ours["LatestVersion"]) == ("ours", "1")
    message = refused(admin.ssm.create_document, "DocumentAlreadyExists", Content=shell("again"), **create)
    assert "Hint: change it with UpdateDocument" in message
    admin.ssm.delete_document(Name=DEFAULT)

    use()
    admin.ssm.update_document(Name=DEFAULT, Content=shell("edited"), DocumentVersion="$LATEST")
    refused(admin.ssm.create_document, "DocumentAlreadyExists", Content=shell("ours"), **create)
    admin.ssm.delete_document(Name=DEFAULT)
    refused(admin.ssm.delete_document, "InvalidDocument", f"Document with name {DEFAULT} does not exist.", Name=DEFAULT)


def test_a_document_and_who_changed_it_are_on_record(admin):
    admin.ssm.create_document(Name="Recorded", DocumentType="Session", Content=shell("kept"))
    admin.ssm.delete_document(Name="Recorded")
    found = admin.cloudtrail.lookup_events(
        LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": "Recorded"}])["Events"]
    assert [event["EventName"] for event in found] == ["DeleteDocument", "CreateDocument"]
    record = json.loads(found[1]["CloudTrailEvent"])
    assert record["requestParameters"]["content"] == shell("kept")
    assert record["responseElements"]["documentDescription"]["name"] == "Recorded"


def test_parameters_are_kept_and_their_values_are_not_on_record(dev, admin):
    put = dev.aws("ssm", "put-parameter", "--name", "/web/motd", "--type", "String", "--value", "w3lc0me",
                  "--allowed-pattern", "[a-z0-9]+", "--tags", "Key=Team,Value=web")
    assert put == {"Version": 1, "Tier": "Standard"}
    assert dev.aws("ssm", "put-parameter", "--name", "/web/motd", "--value", "hi", "--overwrite")["Version"] == 2
    got = dev.aws("ssm", "get-parameter", "--name", "/web/motd")["Parameter"]
    assert (got["Value"], got["Version"], got["DataType"]) == ("hi", 2, "text")
    assert got["ARN"] == f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/web/motd"
    many = dev.aws("ssm", "get-parameters", "--names", "/web/motd:1", "/web/none")
    assert [it["Value"] for it in many["Parameters"]] == ["w3lc0me"]
    assert many["InvalidParameters"] == ["/web/none"]

    ssm = admin.ssm
    refused(ssm.put_parameter, "ParameterAlreadyExists", Name="/web/motd", Value="x", Type="String")
    refused(ssm.put_parameter, "ParameterPatternMismatchException", Name="/web/motd", Value="X", Overwrite=True)
    refused(ssm.put_parameter, "UnsupportedParameterType", Name="/web/secret", Value="x", Type="SecureString")
    refused(ssm.get_parameter, "ParameterVersionNotFound", Name="/web/motd:9")
    found = admin.cloudtrail.lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "PutParameter"}])["Events"]
    assert found and not any("w3lc0me" in event["CloudTrailEvent"] for event in found)
    ssm.delete_parameter(Name="/web/motd")
    refused(ssm.get_parameter, "ParameterNotFound", Name="/web/motd")


CONFIGURATION = """
variable "timeout" {
  default = "20"
}

variable "shared_with" {
  type    = list(string)
  default = ["%(other)s"]
}

resource "aws_ssm_document" "preferences" {
  name            = "SSM-SessionManagerRunShell"
  document_type   = "Session"
  document_format = "JSON"
  tags            = { Timeout = var.timeout }

  content = jsonencode({
    schemaVersion = "1.0"
    description   = "SSM document to house preferences for session manager"
    sessionType   = "Standard_Stream"
    inputs = {
      s3BucketName        = ""
      s3EncryptionEnabled = "true"
      runAsEnabled        = false
      idleSessionTimeout  = var.timeout
    }
  })
}

resource "aws_ssm_document" "logs" {
  name            = "tf-logs"
  document_type   = "Session"
  document_format = "YAML"
  version_name    = "v${var.timeout}"

  permissions = {
    type        = "Share"
    account_ids = join(",", var.shared_with)
  }

  content = <<-DOC
    schemaVersion: '1.0'
    sessionType: InteractiveCommands
    parameters:
      lines: {type: String, default: '${var.timeout}', allowedPattern: '[0-9]+'}
    properties:
      linux: {commands: 'tail -n {{ lines }} /var/log/syslog'}
  DOC
}

data "aws_ssm_document" "ssh" {
  name            = "AWS-StartSSHSession"
  document_format = "JSON"
}

output "ssh" {
  value = jsondecode(data.aws_ssm_document.ssh.content).sessionType
}
"""


@pytest.mark.terraform
def test_terraform_manages_documents_on_an_account_that_was_used(dev, admin, other, tmp_path):
    _, number = other
    terraform = Terraform(dev, tmp_path, CONFIGURATION % {"other": number})
    session = admin.ssm.start_session(Target=dev.node)["SessionId"]
    admin.ssm.terminate_session(SessionId=session)
    assert admin.ssm.describe_document(Name=DEFAULT)["Document"]["Owner"] == ACCOUNT, "made at first use"

    _, applied = terraform("apply", "-auto-approve")
    assert "Apply complete! Resources: 2 added" in applied
    different, plan = terraform("plan", "-detailed-exitcode", check=(0, 2))
    assert not different, plan
    _, session_type = terraform("output", "-raw", "ssh")
    assert session_type == "Port"

    change = ["-var", "timeout=30"]
    _, changed = terraform("apply", "-auto-approve", *change)
    assert "2 changed" in changed
    preferences = admin.ssm.describe_document(Name=DEFAULT)["Document"]
    assert (preferences["DefaultVersion"], preferences["LatestVersion"]) == ("2", "2")
    assert preferences["Tags"] == [{"Key": "Timeout", "Value": "30"}]
    different, plan = terraform("plan", "-detailed-exitcode", *change, check=(0, 2))
    assert not different, plan
    told = admin.ssm.describe_document_permission(Name="tf-logs", PermissionType="Share")
    assert told["AccountIds"] == [number]

    _, destroyed = terraform("destroy", "-auto-approve", *change)
    assert "Destroy complete! Resources: 2 destroyed." in destroyed
    refused(admin.ssm.describe_document, "InvalidDocument", Name=DEFAULT)
    refused(admin.ssm.describe_document, "InvalidDocument", Name="tf-logs")
