"""`drawbridge cp`: files and trees, there and back, whole or not at all."""

import filecmp
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from drawbridge import PATIENCE, clean_environment, eventually, finished, processes_with, program, unhurried
from machine import Machine, needs_root

MEGABYTE = 1 << 20
PARTIAL = ".{}.drawbridge-partial"


def cp(dev, *arguments, env=None):
    return finished([program("drawbridge"), "cp", *map(str, arguments)], env=env or dev.env, stdin=subprocess.DEVNULL)


def start(dev, *arguments, env=None):
    return subprocess.Popen([program("drawbridge"), "cp", *map(str, arguments)], env=env or dev.env,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def there(dev, path):
    """A path on the node of `drawbridge dev`, which is this machine."""
    return f"{dev.node}:{path}"


def done(process):
    assert (process.returncode, process.stdout, process.stderr) == (0, b"", b"")


def digest(path):
    return hashlib.sha256(path.read_bytes()).digest()


def length(path):
    """How long a file is; nothing, when it is not there yet or no more."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def some_file(path, size):
    path.write_bytes(os.urandom(size))
    return path


@pytest.fixture
def sides(tmp_path):
    """A folder here and one there."""
    here, far = tmp_path / "here", tmp_path / "far"
    here.mkdir()
    far.mkdir()
    return here, far


def either_way(dev, up, source, destination):
    return (source, there(dev, destination)) if up else (there(dev, source), destination)


def both_ways(test):
    return pytest.mark.parametrize("up", [True, False], ids=["up", "down"])(test)


@both_ways
def test_a_file_with_its_mode_and_time(dev, sides, up):
    here, far = sides
    source = some_file(here / "source", 8 * MEGABYTE)
    source.chmod(0o751)
    os.utime(source, ns=(1, 1_000_000_000_123_456_789))
    done(cp(dev, *either_way(dev, up, source, far)))
    done(cp(dev, *either_way(dev, up, source, far / "other")))
    assert sorted(os.listdir(far)) == ["other", "source"]
    for copy in far.iterdir():
        assert digest(copy) == digest(source)
        assert copy.stat().st_mode & 0o7777 == 0o751
        assert copy.stat().st_mtime_ns == source.stat().st_mtime_ns


def described(tree):
    found = {}
    for path in [tree, *tree.rglob("*")]:
        status = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[os.fsencode(path.relative_to(tree))] = (status.st_mode, status.st_mtime_ns, content)
    return found


@both_ways
def test_a_tree_with_everything_that_names_and_files_can_be(dev, sides, up):
    here, far = sides
    tree = here / "-tree"
    (tree / "deep" / "er").mkdir(parents=True)
    for name in [b"a b", b"line\nline", "é".encode(), b"\xff", b"-rf", b"{{ x }}", b"'", b"n" * 255]:
        pathlib.Path(os.fsdecode(os.path.join(os.fsencode(tree), name))).write_bytes(name)
    (tree / "deep" / "er" / "empty").touch()
    some_file(tree / "deep" / "large", MEGABYTE)
    (tree / "link").symlink_to("deep/er/empty")
    (tree / "dangling").symlink_to("/no/such/file")
    (tree / "to-folder").symlink_to("deep")
    (tree / "deep").chmod(0o555)
    done(cp(dev, "-r", *either_way(dev, up, tree, far)))
    done(cp(dev, "-r", *either_way(dev, up, tree, far / "an other")))
    assert described(far / "-tree") == described(tree)
    assert described(far / "an other") == described(tree)


def test_paths_on_the_node_begin_in_its_home(dev, sides):
    here, _ = sides
    name = f"cp-{os.getpid()}"
    source = some_file(here / name, 1000)
    copy = pathlib.Path.home() / name
    try:
        done(cp(dev, source, f"{dev.node}:"))
        assert copy.read_bytes() == source.read_bytes()
        done(cp(dev, f"{dev.node}:{name}", here / "back"))
        assert (here / "back").read_bytes() == source.read_bytes()
    finally:
        copy.unlink(missing_ok=True)


@both_ways
def test_a_network_that_is_cut_costs_nothing(dev, proxy, sides, up):
    here, far = sides
    source = some_file(here / "source", 32 * MEGABYTE)
    partial = far / PARTIAL.format("source")
    with start(dev, *either_way(dev, up, source, far), env=dev.through(proxy)) as process:
        for cuts in range(1, 4):
            grown = cuts * 4 * MEGABYTE
            # Whatever has come through already, it cannot be cut before it is back.
            eventually(lambda: process.poll() is not None
                       or length(partial) > grown and proxy.live(),
                       what="the copy's progress")
            assert process.poll() is None, process.stderr.read()
            assert proxy.cut() >= 1
        assert process.wait(PATIENCE) == 0
    assert digest(far / "source") == digest(source)
    assert os.listdir(far) == ["source"]


@both_ways
def test_a_copy_that_was_killed_is_resumed_from_where_it_ended(dev, sides, up):
    here, far = sides
    size = 48 * MEGABYTE
    source = some_file(here / "source", size)
    partial = far / PARTIAL.format("source")
    with start(dev, *either_way(dev, up, source, far)) as process:
        eventually(lambda: length(partial) > 6 * MEGABYTE, what="the copy's progress")
        process.kill()
        process.wait(PATIENCE)
    assert os.listdir(far) == [partial.name]
    # The session of a client that vanished goes on for a while, but its end of the copy is told apart by its path.
    session_ids = [one["SessionId"] for one in dev.aws("ssm", "describe-sessions", "--state", "Active")["Sessions"]]
    for session_id in session_ids:
        dev.cli("sessions", "terminate", session_id)
    eventually(lambda: not processes_with(f"copy-end\0{'receive' if up else 'send'}"), what="the node's end of the copy")
    kept = partial.stat().st_size
    assert 6 * MEGABYTE < kept < size
    resumed = cp(dev, "--resume", "--verbose", *either_way(dev, up, source, far))
    assert resumed.returncode == 0, resumed.stderr
    assert f"`source`: {size} bytes, {kept} of them were there already".encode() in resumed.stderr
    assert digest(far / "source") == digest(source)
    assert os.listdir(far) == ["source"]


@both_ways
def test_a_tree_is_resumed_with_what_is_missing(dev, sides, up):
    here, far = sides
    tree = here / "tree"
    tree.mkdir()
    for name in ["one", "two", "three"]:
        some_file(tree / name, MEGABYTE)
    done(cp(dev, "-r", *either_way(dev, up, tree, far)))
    (far / "tree" / "two").unlink()
    resumed = cp(dev, "-rv", "--resume", *either_way(dev, up, tree, far))
    assert resumed.returncode == 0, resumed.stderr
    said = resumed.stderr.decode().splitlines()[1:]
    there_already = f"{MEGABYTE} bytes, {MEGABYTE} of them were there already"
    assert said == [f"`tree/one`: {there_already}", f"`tree/three`: {there_already}",
                    f"`tree/two`: {MEGABYTE} bytes"]
    assert described(far / "tree") == described(tree)


class PrivateAgent(Machine):
    """A machine whose agent is in a folder that only root may look into, and is removed while it runs."""

    def start(self):
        own = self.folder / "private" / "drawbridge-agent"
        own.parent.mkdir(mode=0o700)
        shutil.copy(program("drawbridge-agent"), own)
        with open(self.folder / "agent.log", "ab") as log:
            self.process = subprocess.Popen(self.inside(own, "run", "--state-dir", self.state), stdout=log, stderr=log,
                                            env=clean_environment(), stdin=subprocess.DEVNULL)
        self.wait_connected()
        own.unlink()


@needs_root
def test_the_account_of_the_session_is_what_limits_it(dev, tmp_path, sides):
    here, far = sides
    source = some_file(here / "source", MEGABYTE)
    with PrivateAgent(dev, tmp_path / "machine") as machine:
        def on_machine(path):
            return f"{machine.node}:{path}"
        done(cp(dev, source, on_machine("")))
        assert machine.shell("stat -c '%U %s' /home/ssm-user/source") == f"ssm-user {MEGABYTE}"
        done(cp(dev, on_machine("source"), far))
        assert digest(far / "source") == digest(source)
        machine.shell("umask 077; echo secret > /root/secret")
        for arguments in [(source, on_machine("/etc/source")), (on_machine("/root/secret"), far),
                          (on_machine("/etc/shadow"), far)]:
            failed = cp(dev, *arguments)
            assert failed.returncode == 1 and b"Permission denied" in failed.stderr, failed.stderr
        assert os.listdir(far) == ["source"]


@both_ways
def test_what_cannot_be_copied_is_named_and_the_rest_is_copied(dev, sides, up):
    here, far = sides
    one = some_file(here / "one", 1000)
    blocked = some_file(here / "blocked", MEGABYTE)
    (far / "blocked").mkdir()
    (here / "folder").mkdir()
    sources = [one, here / "missing", here / "folder", blocked]
    if up:
        failed = cp(dev, *sources, there(dev, far))
    else:
        failed = cp(dev, *(there(dev, source) for source in sources), far)
    assert failed.returncode == 1
    said = failed.stderr.decode().splitlines()
    assert len(said) == 3 and all(line.startswith("error: cannot copy `") for line in said), said
    assert any("missing`: No such file or directory" in line for line in said)
    assert any("folder`: it is a folder, which needs `--recursive`" in line for line in said)
    assert any("blocked`: Is a directory" in line for line in said)
    assert sorted(os.listdir(far)) == ["blocked", "one"]


@both_ways
def test_a_destination_that_cannot_be_written(dev, sides, up):
    here, far = sides
    source = some_file(here / "source", 1000)
    for destination, says in [(far / "missing" / "name", b"No such file or directory"),
                              (f"{far}/missing/", b"is not an existing folder"),
                              (source / "below", b"Not a directory"), ("/proc/x", b"")]:
        failed = cp(dev, *either_way(dev, up, source, destination))
        assert failed.returncode == (1 if destination == "/proc/x" else 255), destination
        assert failed.stderr.startswith(b"error: ") and says in failed.stderr
    assert os.listdir(far) == []


@both_ways
def test_what_is_there_stays_until_a_whole_file_takes_its_place(dev, sides, up):
    here, far = sides
    source = some_file(here / "source", 48 * MEGABYTE)
    partial = far / PARTIAL.format("source")
    (far / "source").write_text("before")
    with start(dev, *either_way(dev, up, source, far)) as process:
        eventually(lambda: length(partial) > MEGABYTE, what="the copy's progress")
        assert (far / "source").read_text() == "before"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        assert (process.stdout.read(), unhurried(process.stderr.read())) == (b"", b"")
    assert (far / "source").read_text() == "before"
    eventually(lambda: not processes_with("copy-end\0"), what="the end of the node's end of the copy")
    done(cp(dev, *either_way(dev, up, source, far)))
    assert filecmp.cmp(source, far / "source", shallow=False)


def test_a_link_at_the_destination_is_not_followed_below_it(dev, sides):
    here, far = sides
    (here / "tree").mkdir()
    some_file(here / "tree" / "file", 10)
    (far / "outside").mkdir()
    (far / "to").mkdir()
    (far / "to" / "tree").symlink_to(far / "outside")
    for arguments in [(here / "tree", there(dev, far / "to")), (there(dev, here / "tree"), far / "to")]:
        assert cp(dev, "-r", *arguments).returncode == 1
    assert os.listdir(far / "outside") == []


def test_a_terminal_shows_how_far_it_is_and_nothing_is_left_of_that(dev, sides, terminal):
    here, far = sides
    source = some_file(here / "source", 16 * MEGABYTE)
    shown = terminal([program("drawbridge"), "cp", source, there(dev, far)], dev.env)
    shown.wait_for(b"source")
    assert shown.end() == 0
    assert b"16.00 MiB" in shown.raw
    assert shown.text() == ""
    quiet = terminal([program("drawbridge"), "cp", "--quiet", source, there(dev, far)], dev.env)
    assert (quiet.end(), bytes(quiet.raw)) == (0, b"")


def test_what_goes_wrong_on_this_side(dev, sides):
    here, _ = sides
    source = some_file(here / "source", 10)
    for arguments in [(source, here / "other"), (there(dev, "a"), there(dev, "b")), (there(dev, ".."), here)]:
        failed = cp(dev, *arguments)
        assert failed.returncode == 2 and failed.stderr.startswith(b"error: "), arguments
    failed = cp(dev, source, "no-such-node:x")
    assert failed.returncode == 255 and b"no-such-node" in failed.stderr
