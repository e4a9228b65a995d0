//! Both ends, joined by pipes.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::*;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    copied: Vec<(String, u64, u64)>,
    failed: Vec<(String, String)>,
    moved: u64,
}

impl Watcher for Seen {
    fn begins(&mut self, _: &[u8], _: u64, _: u64) {}
    fn moves(&mut self, bytes: u64) {
        self.moved += bytes;
    }
    fn copied(&mut self, path: &[u8], size: u64, from: u64) {
        self.copied.push((shown(path), size, from));
    }
    fn fails(&mut self, path: &[u8], why: &str) {
        self.failed.push((shown(path), why.to_owned()));
    }
}

struct Copied {
    sender: Seen,
    receiver: Seen,
    sent: Result<(), CopyError>,
    received: Result<(), CopyError>,
}

fn copy(sources: &[&Path], to: &Path, recursive: bool, resume: bool) -> Copied {
    let (there_out, there_in) = std::io::pipe().expect("a pipe");
    let (back_out, back_in) = std::io::pipe().expect("a pipe");
    let paths: Vec<PathBuf> = sources.iter().map(|path| path.to_path_buf()).collect();
    let destination = Destination {
        path: to.to_owned(),
        must_be_folder: paths.len() > 1,
        resume,
    };
    let asked = Asked::for_paths(paths.iter().map(PathBuf::as_path), recursive);
    let sending = std::thread::spawn(move || {
        let mut sender = Seen::default();
        let sources = Sources { paths, recursive };
        (send(&sources, back_out, there_in, &mut sender), sender)
    });
    let mut receiver = Seen::default();
    let received = receive(&destination, asked, there_out, back_in, &mut receiver);
    let (sent, sender) = sending.join().expect("the sender ends");
    Copied {
        sender,
        receiver,
        sent,
        received,
    }
}

fn whole(sources: &[&Path], to: &Path) -> Copied {
    let copied = copy(sources, to, true, false);
    copied.sent.as_ref().expect("sent");
    copied.received.as_ref().expect("received");
    assert_eq!(copied.sender.failed, []);
    assert_eq!(copied.receiver.failed, []);
    assert_eq!(copied.sender.copied, copied.receiver.copied);
    copied
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 7 + at / 1031) as u8).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("listed")
        .map(|entry| entry.expect("read").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_takes_the_name_or_goes_into_the_folder() {
    let (from, to) = (folder(), folder());
    let source = from.path().join("source");
    fs::write(&source, bytes(1_000_000)).unwrap();
    fs::set_permissions(&source, fs::Permissions::from_mode(0o751)).unwrap();
    whole(&[&source], to.path());
    whole(&[&source], &to.path().join("other"));
    assert_eq!(names(to.path()), ["other", "source"]);
    for name in ["other", "source"] {
        let copy = to.path().join(name);
        assert_eq!(fs::read(&copy).unwrap(), bytes(1_000_000));
        let (copy, source) = (copy.metadata().unwrap(), source.metadata().unwrap());
        assert_eq!(copy.mode() & 0o7777, 0o751);
        assert_eq!(
            (copy.mtime(), copy.mtime_nsec()),
            (source.mtime(), source.mtime_nsec())
        );
    }
}

#[test]
fn a_tree_keeps_its_links_modes_times_and_odd_names() {
    let (from, to) = (folder(), folder());
    let tree = from.path().join("tree");
    fs::create_dir_all(tree.join("deep/er")).unwrap();
    let odd = [
        &b"a b"[..],
        b"line\nline",
        b"\xff\xfe",
        "é".as_bytes(),
        b"-rf",
        &[b'n'; 255],
    ];
    for name in odd {
        fs::write(tree.join(OsStr::from_bytes(name)), name).unwrap();
    }
    fs::write(tree.join("deep/er/empty"), "").unwrap();
    symlink("/etc/passwd", tree.join("link")).unwrap();
    symlink("deep", tree.join("to-deep")).unwrap();
    fs::set_permissions(tree.join("deep"), fs::Permissions::from_mode(0o555)).unwrap();
    whole(&[&tree], to.path());
    let copy = to.path().join("tree");
    assert_eq!(names(&copy), names(&tree));
    for name in odd {
        assert_eq!(fs::read(copy.join(OsStr::from_bytes(name))).unwrap(), name);
    }
    assert_eq!(fs::read(copy.join("deep/er/empty")).unwrap(), b"");
    assert_eq!(
        fs::read_link(copy.join("link")).unwrap(),
        Path::new("/etc/passwd")
    );
    assert_eq!(fs::read_link(copy.join("to-deep")).unwrap(), Path::new("deep"));
    for name in ["deep", "deep/er", "link", ""] {
        let of = |tree: &Path| {
            let found = tree.join(name).symlink_metadata().unwrap();
            (found.mode(), found.mtime(), found.mtime_nsec())
        };
        assert_eq!(of(&copy), of(&tree), "{name}");
    }
    whole(&[&tree], &to.path().join("renamed"));
    assert_eq!(names(&to.path().join("renamed")), names(&tree));
}

#[test]
fn more_files_than_may_be_unanswered() {
    let (from, to) = (folder(), folder());
    for number in 0..2000 {
        fs::write(from.path().join(format!("file-{number}")), format!("{number}")).unwrap();
    }
    let copied = whole(&[from.path()], &to.path().join("copy"));
    assert_eq!(copied.sender.copied.len(), 2000);
    assert_eq!(names(&to.path().join("copy")), names(from.path()));
}

#[test]
fn what_fails_is_told_at_the_end_that_can_know_and_the_rest_goes_on() {
    let (from, to) = (folder(), folder());
    let here = |name: &str| from.path().join(name);
    fs::write(here("one"), "1").unwrap();
    fs::create_dir(here("folder")).unwrap();
    fs::write(here("blocked"), bytes(700_000)).unwrap();
    fs::write(here("small"), "small").unwrap();
    fs::create_dir_all(to.path().join("blocked/full")).unwrap();
    fs::create_dir_all(to.path().join("small")).unwrap();
    fs::write(here("last"), "last").unwrap();
    let sources = ["one", "missing", "folder", "blocked", "small", "last"].map(here);
    let sources: Vec<&Path> = sources.iter().map(PathBuf::as_path).collect();
    let copied = copy(&sources, to.path(), false, false);
    copied.sent.expect("sent");
    copied.received.expect("received");
    let failed = |seen: &Seen| -> Vec<String> {
        let mut failed: Vec<String> = seen
            .failed
            .iter()
            .map(|(path, _)| path.rsplit('/').next().unwrap().to_owned())
            .collect();
        failed.sort();
        failed
    };
    assert_eq!(failed(&copied.sender), ["blocked", "folder", "missing", "small"]);
    assert_eq!(failed(&copied.receiver), failed(&copied.sender));
    assert_eq!(names(to.path()), ["blocked", "last", "one", "small"]);
}

#[test]
fn what_cannot_be_received_is_not_sent() {
    let (from, to) = (folder(), folder());
    let source = from.path().join("large");
    fs::write(&source, bytes(9_000_000)).unwrap();
    for in_the_way in ["large", ".large.drawbridge-partial"] {
        fs::create_dir(to.path().join(in_the_way)).unwrap();
        let copied = copy(&[&source], to.path(), false, false);
        assert_eq!(copied.sender.moved, 0);
        assert_eq!(copied.sender.failed, copied.receiver.failed);
        assert_eq!(copied.sender.failed.len(), 1);
        fs::remove_dir(to.path().join(in_the_way)).unwrap();
    }
}

#[test]
fn a_resumed_file_is_sent_from_where_it_ended() {
    let (from, to) = (folder(), folder());
    let source = from.path().join("file");
    fs::write(&source, bytes(1_000_000)).unwrap();
    let partial = to.path().join(".file.drawbridge-partial");
    fs::write(&partial, bytes(600_000)).unwrap();
    let copied = copy(&[&source], to.path(), false, true);
    assert_eq!(copied.sender.moved, 400_000);
    assert_eq!(copied.receiver.copied, [("file".to_owned(), 1_000_000, 600_000)]);
    assert_eq!(fs::read(to.path().join("file")).unwrap(), bytes(1_000_000));
    assert_eq!(names(to.path()), ["file"]);
}

#[test]
fn a_file_that_arrived_before_is_not_sent_again_when_a_tree_is_resumed() {
    let (from, to) = (folder(), folder());
    for name in ["one", "two"] {
        fs::write(from.path().join(name), bytes(1_000_000)).unwrap();
    }
    let tree = to.path().join("tree");
    whole(&[from.path()], &tree);
    // It has another inode than before if it is replaced.
    let inode = |name: &str| tree.join(name).metadata().unwrap().ino();
    let (one, two) = (inode("one"), inode("two"));
    let mut other = bytes(1_000_000);
    other[7] ^= 1;
    let written = tree.join("two").metadata().unwrap().modified().unwrap();
    fs::write(tree.join("two"), other).unwrap();
    fs::File::options()
        .write(true)
        .open(tree.join("two"))
        .and_then(|file| file.set_modified(written))
        .unwrap();
    let name = from.path().file_name().unwrap();
    fs::rename(&tree, to.path().join(name)).unwrap();
    let copied = copy(&[from.path()], to.path(), true, true);
    copied.sent.unwrap();
    copied.received.unwrap();
    assert_eq!(copied.sender.moved, 1_000_000);
    let tree = to.path().join(name);
    let inode = |name: &str| tree.join(name).metadata().unwrap().ino();
    assert_eq!((inode("one") == one, inode("two") == two), (true, false));
    assert_eq!(fs::read(tree.join("two")).unwrap(), bytes(1_000_000));
    assert_eq!(names(&tree), ["one", "two"]);
}

#[test]
fn a_folder_that_was_there_keeps_its_mode_unless_it_is_resumed() {
    let (from, to) = (folder(), folder());
    let (source, copied) = (from.path().join("tree"), to.path().join("tree"));
    for folder in [&source, &copied] {
        fs::create_dir(folder).unwrap();
    }
    fs::write(source.join("file"), "x").unwrap();
    fs::set_permissions(&source, fs::Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(&copied, fs::Permissions::from_mode(0o700)).unwrap();
    let mode = || copied.metadata().unwrap().mode() & 0o777;
    copy(&[&source], to.path(), true, false).sent.unwrap();
    assert_eq!(mode(), 0o700);
    for _ in 0..2 {
        let resumed = copy(&[&source], to.path(), true, true);
        assert_eq!((resumed.receiver.failed, mode()), (vec![], 0o555));
        assert_eq!(
            copied.metadata().unwrap().mtime_nsec(),
            source.metadata().unwrap().mtime_nsec()
        );
    }
}

#[test]
fn a_part_of_another_file_is_not_gone_on_with() {
    let (from, to) = (folder(), folder());
    let source = from.path().join("file");
    fs::write(&source, bytes(1_000_000)).unwrap();
    let partial = to.path().join(".file.drawbridge-partial");
    let mut other = bytes(600_000);
    other[300_000] ^= 1;
    for left in [other, vec![0; 2_000_000]] {
        fs::write(&partial, left).unwrap();
        let copied = copy(&[&source], to.path(), false, true);
        assert_eq!(copied.sender.moved, 1_000_000);
        assert_eq!(fs::read(to.path().join("file")).unwrap(), bytes(1_000_000));
        fs::remove_file(to.path().join("file")).unwrap();
    }
    // Without being asked, it is not gone on with at all.
    fs::write(&partial, bytes(600_000)).unwrap();
    assert_eq!(copy(&[&source], to.path(), false, false).sender.moved, 1_000_000);
}

#[test]
fn a_part_that_is_a_link_or_has_another_name_is_not_written_to() {
    let (from, to) = (folder(), folder());
    let source = from.path().join("file");
    fs::write(&source, bytes(1_000_000)).unwrap();
    let precious = from.path().join("precious");
    let partial = to.path().join(".file.drawbridge-partial");
    for plant in [
        |precious: &Path, partial: &Path| symlink(precious, partial).unwrap(),
        |precious: &Path, partial: &Path| fs::hard_link(precious, partial).unwrap(),
    ] {
        fs::write(&precious, bytes(1000)).unwrap();
        plant(&precious, &partial);
        whole(&[&source], to.path());
        plant(&precious, &partial);
        fs::remove_file(to.path().join("file")).unwrap();
        copy(&[&source], to.path(), false, true).sent.unwrap();
        assert_eq!(fs::read(&precious).unwrap(), bytes(1000));
        assert_eq!(names(to.path()), ["file"]);
    }
}

#[test]
fn a_link_that_is_named_as_the_destination_stays_one() {
    let (from, to) = (folder(), folder());
    let source = from.path().join("source");
    fs::write(&source, "new").unwrap();
    let (file, link) = (to.path().join("file"), to.path().join("link"));
    fs::write(&file, "old").unwrap();
    symlink("file", &link).unwrap();
    whole(&[&source], &link);
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("file"));
    assert_eq!(fs::read(&file).unwrap(), b"new");
}

#[test]
fn a_pipe_at_the_destination_does_not_give_way() {
    let (from, to) = (folder(), folder());
    let source = from.path().join("source");
    fs::write(&source, bytes(600_000)).unwrap();
    let pipe = to.path().join("pipe");
    make_pipe(&pipe);
    let copied = copy(&[&source], &pipe, false, true);
    assert_eq!((copied.sender.moved, copied.sender.failed.len()), (0, 1));
    assert_eq!(names(to.path()), ["pipe"]);
}

fn make_pipe(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).unwrap();
}

#[test]
fn what_is_not_a_file_is_said_and_not_waited_for() {
    let (from, to) = (folder(), folder());
    let pipe = from.path().join("pipe");
    make_pipe(&pipe);
    let copied = copy(&[from.path(), &pipe], to.path(), true, false);
    let said: Vec<&str> = copied.receiver.failed.iter().map(|(_, why)| &why[..]).collect();
    assert_eq!(said, ["it is neither a file, a folder nor a link"; 2]);
}

#[test]
fn a_destination_that_is_not_there_stops_both_ends() {
    let (from, to) = (folder(), folder());
    let source = from.path().join("file");
    fs::write(&source, "x").unwrap();
    for (sources, to) in [
        (vec![source.as_path()], to.path().join("missing/name")),
        (vec![source.as_path()], to.path().join("missing/")),
        (
            vec![source.as_path(), source.as_path()],
            to.path().join("missing"),
        ),
    ] {
        let copied = copy(&sources, &to, false, false);
        let (here, there) = (copied.received.unwrap_err(), copied.sent.unwrap_err());
        assert!(matches!(here, CopyError::Unable(_)), "{here}");
        assert_eq!(here.to_string(), there.to_string());
    }
    assert_eq!(names(to.path()), [""; 0]);
}

#[test]
fn terminals_are_told_nothing() {
    assert_eq!(shown(b"a\x1b[2Jb\n\x9b\xff"), "a\\u{1b}[2Jb\\n\u{fffd}\u{fffd}");
}
