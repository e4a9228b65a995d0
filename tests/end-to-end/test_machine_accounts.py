"""Accounts as the machine knows them: its PAM, and users that are not in `/etc/passwd`."""

import json
import subprocess

import pytest

from drawbridge import PATIENCE, Dev, eventually
from machine import Machine, needs_root
from principals import administrator

pytestmark = needs_root


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    with Dev(tmp_path_factory.mktemp("accounts")) as running:
        yield running


@pytest.fixture(scope="module")
def admin(dev):
    return administrator(dev)


# What a directory knows: names as people have them there, groups of its own, one who left long ago, one with a stale password.
DIRECTORY = {
    "passwd": """\
ada.lovelace:x:40001:40000:Ada:/home/ada.lovelace:/bin/bash
Grace:x:40002:40000:Grace:/home/Grace:/bin/dash
carol@corp.example:x:40003:40000:Carol:/home/corp/carol:/bin/bash
eve:x:40004:40000:Eve:/home/eve:/bin/bash
mallory:x:40005:40000:Mallory:/home/mallory:/bin/bash
trent:x:40006:40000:Trent:/home/trent:/bin/bash
""",
    "group": "people:x:40000:\nengineers:x:40010:ada.lovelace,carol@corp.example\n",
    "shadow": "eve:*:19000:0:99999:7:::\nmallory:*:19000:0:99999:7::10:\ntrent:*:0:0:99999:7:::\n",
}


@pytest.fixture(scope="module")
def machine(dev, tmp_path_factory):
    with Machine(dev, tmp_path_factory.mktemp("machine")) as running:
        running.add_user("ann")
        use_directory(running)
        yield running


def use_directory(machine):
    """Gives the machine a second source of users, which its programs ask as they would ask one on the network."""
    machine.shell("""
        mount -t tmpfs tmpfs /var/lib/extrausers
        sed -i -E 's/^(passwd|group|shadow):.*/\\1: files extrausers/' /etc/nsswitch.conf
        usermod() { sed -i -E "s/^($1:.*)$/\\1$2/" /etc/group; }
        usermod video ada.lovelace
        mkdir -p /home/ada.lovelace /home/Grace /home/corp/carol
        chown 40001 /home/ada.lovelace; chown 40002 /home/Grace; chown 40003 /home/corp/carol
    """)
    for name, lines in DIRECTORY.items():
        machine.run("tee", f"/var/lib/extrausers/{name}", input=lines)


@pytest.fixture(scope="module")
def sessions(dev, admin, machine):
    return Sessions(dev, admin, machine)


class Sessions:
    """Command lines and shells as accounts of the machine, by a document for each."""

    def __init__(self, dev, admin, machine):
        self.dev, self.admin, self.machine, self.documents = dev, admin, machine, {}

    def document(self, user, session_type):
        """The name of the document of an account."""
        key = (user, session_type)
        if key not in self.documents:
            self.documents[key] = f"as-{len(self.documents)}"
            properties = {} if session_type == "Standard_Stream" else {"properties": {"linux": {"commands": "{{ line }}"}}}
            self.admin.ssm.create_document(Name=self.documents[key], DocumentType="Session", Content=json.dumps({
                "schemaVersion": "1.0", "sessionType": session_type, "parameters": {"line": {"type": "String", "default": ""}},
                "inputs": {"runAsEnabled": True, "runAsDefaultUser": user}, **properties}))
        return self.documents[key]

    def start(self, user, session_type, **parameters):
        """The command line of the AWS CLI that starts a session."""
        given = ["--parameters", json.dumps(parameters)] if parameters else []
        return ["aws", "ssm", "start-session", "--target", self.machine.node, "--document-name",
                self.document(user, session_type), *given]

    def say(self, user, script):
        """Runs a script as an account, without a terminal; answers what it prints, refusals included."""
        argv = self.start(user, "NonInteractiveCommands", line=[f"sh -c '{script}'"])
        done = subprocess.run(argv, env=self.dev.env, capture_output=True, text=True, timeout=PATIENCE,
                              stdin=subprocess.DEVNULL)
        return done.stdout + done.stderr


@pytest.fixture
def service(machine):
    """Writes the agent's own PAM service, for one test."""
    path = machine.box / "etc/pam.d/drawbridge-agent"
    yield lambda *rules: path.write_text("".join(f"{rule}\n" for rule in rules))
    path.unlink(missing_ok=True)


def test_environment_and_limits_come_from_pam(machine, service, sessions, terminal):
    (machine.box / "etc/security/pam_env.conf").write_text("SITE DEFAULT=north-@{HOME}\nHOME DEFAULT=/elsewhere\n")
    (machine.box / "etc/security/limits.d/ann.conf").write_text("ann hard nofile 321\nann soft nofile 123\n")
    service("account required pam_unix.so", "session required pam_limits.so", "session required pam_env.so")
    script = 'echo "<$SITE $HOME $(ulimit -Sn) $(ulimit -Hn)>"'
    assert sessions.say("ann", script) == "<north-/home/ann /home/ann 123 321>\n"
    shell = terminal(sessions.start("ann", "Standard_Stream"), sessions.dev.env)
    shell.wait_for("Starting session with SessionId:")
    shell.line(f"{script}; exit")
    assert shell.end() == 0
    assert b"<north-/home/ann /home/ann 123 321>" in shell.raw


def test_groups_come_from_pam_too(machine, service, sessions):
    (machine.box / "etc/security/group.conf").write_text("*; drawbridge; ann; Al0000-2400; video\n")
    service("auth required pam_group.so", "account required pam_unix.so", "session required pam_permit.so")
    assert sessions.say("ann", "id -Gn") == "ann video\n"


def test_the_session_is_closed_when_it_is_over(machine, service, sessions):
    log = machine.box / "etc/pam.log"
    note = machine.box / "etc/note"
    note.write_text('#!/bin/sh\necho "$PAM_TYPE $PAM_USER $PAM_SERVICE" >> /etc/pam.log\n')
    note.chmod(0o755)
    service("account required pam_unix.so", "session required pam_exec.so /etc/note")
    assert sessions.say("ann", "cat /etc/pam.log") == "open_session ann drawbridge-agent\n"
    eventually(lambda: log.read_text() == "open_session ann drawbridge-agent\nclose_session ann drawbridge-agent\n",
               what="the end of the PAM session")


REFUSALS = {
    "nologin": ("eve", "account required pam_nologin.so", "the disks are being replaced"),
    "access": ("eve", "account required pam_access.so", "Permission denied"),
    "time": ("eve", "account required pam_time.so", "Permission denied"),
    "password": ("trent", "account required pam_unix.so", "You are required to change your password immediately"),
}


@pytest.mark.parametrize("reason", REFUSALS)
def test_a_refused_account_gets_no_session_and_the_person_sees_why(machine, service, sessions, terminal, reason):
    user, rule, words = REFUSALS[reason]
    etc = machine.box / "etc"
    (etc / "nologin").write_text("the disks are\nbeing replaced\n")
    (etc / "security/access.conf").write_text("-:eve:drawbridge\n+:ALL:ALL\n")
    (etc / "security/time.conf").write_text("drawbridge-agent;*;eve;!Al0000-2400\n")
    (etc / "was-opened").unlink(missing_ok=True)
    service(rule, "session required pam_exec.so /bin/touch /etc/was-opened")
    said = sessions.say(user, "echo started")
    assert f"refuses the account `{user}`" in said and words in said and "started" not in said.splitlines(), said
    shell = terminal(sessions.start(user, "Standard_Stream"), sessions.dev.env)
    shell.end()
    shown = " ".join(shell.raw.decode().split())
    assert f"refuses the account `{user}`" in shown and words in shown, shown
    assert not (etc / "was-opened").exists()
    if reason != "nologin":
        assert sessions.say("ann", "echo started") == "started\n", "others are let in"
        assert (etc / "was-opened").exists()


def test_an_account_that_its_directory_let_expire_is_refused_without_pam_too(sessions):
    said = sessions.say("mallory", "echo started")
    assert "account mallory has expired" in said and "started" not in said.splitlines(), said


PEOPLE = {
    "ada.lovelace": ("/home/ada.lovelace", "bash", "people video engineers"),
    "Grace": ("/home/Grace", "dash", "people"),
    "carol@corp.example": ("/home/corp/carol", "bash", "people engineers"),
}


@pytest.mark.parametrize("name", PEOPLE)
def test_people_of_a_directory_land_as_themselves(sessions, terminal, name):
    home, shell_name, groups = PEOPLE[name]
    said = sessions.say(name, 'echo "$(id -un) $USER $LOGNAME $HOME $PWD $SHELL"; id -Gn; touch mine')
    assert said == f"{name} {name} {name} {home} {home} /bin/{shell_name}\n{groups}\n"
    shell = terminal(sessions.start(name, "Standard_Stream"), sessions.dev.env)
    shell.wait_for("Starting session with SessionId:")
    shell.line('echo "<$0 $(id -un) $PWD>"; exit')
    assert shell.end() == 0
    assert f"<-{shell_name} {name} {home}>".encode() in shell.raw
