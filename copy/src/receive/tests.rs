//! A hostile sender.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

use super::*;
use crate::frame::Modified;
use crate::{Hasher, Unwatched};

struct Attack {
    folder: tempfile::TempDir,
    said: Vec<u8>,
}

impl Attack {
    fn new() -> Self {
        let mut said = Vec::new();
        Frame::Hello { version: VERSION }.write(&mut said);
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("to")).expect("made");
        Self { folder, said }
    }

    fn to(&self) -> std::path::PathBuf {
        self.folder.path().join("to")
    }

    fn says(mut self, frames: &[Frame]) -> Self {
        for frame in frames {
            frame.write(&mut self.said);
        }
        self
    }

    /// What the receiver made of it, and what it answered after its greeting.
    fn received(&self, to: &Path, asked: Asked) -> (Result<(), CopyError>, Vec<Frame>) {
        let destination = Destination {
            path: to.to_owned(),
            must_be_folder: false,
            resume: true,
        };
        let mut answered = Vec::new();
        let received = receive(&destination, asked, &self.said[..], &mut answered, &mut Unwatched);
        let mut decoder = crate::frame::Decoder::default();
        decoder.push(&answered);
        let mut frames = Vec::new();
        while let Some(frame) = decoder.next_frame().expect("well-formed") {
            frames.push(frame);
        }
        assert_eq!(frames.remove(0), Frame::Hello { version: VERSION });
        (received, frames)
    }
}

const MODIFIED: Modified = Modified {
    seconds: 1,
    nanoseconds: 0,
};

fn entry(path: &str, kind: Kind) -> Frame {
    Frame::Entry(Entry {
        path: EntryPath::parse(path.into()).expect("valid"),
        kind,
        mode: 0o644,
        modified: MODIFIED,
    })
}

fn file(path: &str, content: &str) -> Vec<Frame> {
    let size = content.len() as u64;
    let mut hasher = Hasher::new();
    hasher.update(content.as_bytes());
    vec![
        entry(path, Kind::File { size, asks: false }),
        Frame::Data(content.into()),
        Frame::Sum(hasher.sum()),
    ]
}

fn link(path: &str, target: &str) -> Frame {
    let target = target.into();
    entry(path, Kind::Link { target })
}

fn refused(answers: &[Frame], number: u64) -> bool {
    answers
        .iter()
        .any(|frame| matches!(frame, Frame::Refused { number: refused, .. } if *refused == number))
}

fn tree_of(asked: &str) -> Asked {
    Asked::for_paths([Path::new(asked)], true)
}

#[test]
fn a_link_that_was_sent_is_not_written_through() {
    let mut attack = Attack::new();
    let outside = attack.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "precious").unwrap();
    attack = attack
        .says(&[entry("tree", Kind::Folder), link("tree/out", "../../outside")])
        .says(&file("tree/out/precious", "overwritten"))
        .says(&[
            entry("tree/out", Kind::Folder),
            entry("tree/out/made", Kind::Folder),
            link("tree/out/link", "x"),
            link("tree/leaf", "../../outside/precious"),
        ])
        .says(&file("tree/leaf", "replaces the link"))
        .says(&[Frame::End]);
    let (received, answers) = attack.received(&attack.to(), tree_of("tree"));
    received.expect("goes on");
    for number in [2, 3, 4, 5] {
        assert!(refused(&answers, number), "{number}: {answers:?}");
    }
    assert_eq!(fs::read(outside.join("precious")).unwrap(), b"precious");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    let leaf = attack.to().join("tree/leaf");
    assert!(leaf.symlink_metadata().unwrap().is_file());
    assert_eq!(fs::read(leaf).unwrap(), b"replaces the link");
}

#[test]
fn links_that_were_there_are_not_followed_below_the_destination() {
    let attack = Attack::new()
        .says(&[entry("tree", Kind::Folder)])
        .says(&file("tree/f", "x"))
        .says(&[Frame::End]);
    let outside = attack.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, attack.to().join("tree")).unwrap();
    let (_, answers) = attack.received(&attack.to(), tree_of("tree"));
    assert!(refused(&answers, 0) && refused(&answers, 1));
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn paths_that_lead_out_end_the_copy() {
    for path in ["../x", "/x", "tree/../../x", "tree//x"] {
        let mut attack = Attack::new().says(&[entry("tree", Kind::Folder)]);
        let start = attack.said.len();
        attack = attack.says(&file(&"a".repeat(path.len()), "x"));
        // The path stands after the head of the frame and 26 bytes of the entry.
        let at = start + 5 + 26;
        attack.said[at..at + path.len()].copy_from_slice(path.as_bytes());
        let (received, answers) = attack.received(&attack.to(), tree_of("tree"));
        assert!(
            matches!(received, Err(CopyError::Frame(_))),
            "{path}: {received:?}"
        );
        assert!(matches!(answers.last(), Some(Frame::Stop(_))));
        assert_eq!(fs::read_dir(attack.folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn only_what_was_asked_for_is_taken() {
    let one_file = || Asked::for_paths([Path::new("/var/log/one")], false);
    let twice = [file("one", "1"), file("one", "2")].concat();
    let nested = [vec![entry("one", Kind::Folder)], file("one/two", "2")].concat();
    let beside = [file("one", "1"), file("two", "2")].concat();
    for (what, frames, asked) in [
        ("another name", file(".bashrc", "x"), one_file()),
        ("a second time", twice, one_file()),
        ("one more", beside, one_file()),
        ("a folder", nested, one_file()),
        ("a link", vec![link("one", "x")], one_file()),
        ("below a file", file("one/two", "2"), one_file()),
        ("beside a tree", file("other/x", "2"), tree_of("one")),
        ("a tree that was not begun", file("one/x", "2"), tree_of("one")),
        ("a link as a tree", vec![link("one", "x")], tree_of("one")),
    ] {
        let attack = Attack::new().says(&frames).says(&[Frame::End]);
        let (received, _) = attack.received(&attack.to(), asked);
        assert!(
            matches!(received, Err(CopyError::Violation(_))),
            "{what}: {received:?}"
        );
        assert!(fs::read_dir(attack.to()).unwrap().count() <= 1, "{what}");
    }
}

#[test]
fn the_name_that_the_person_chose_is_the_only_one() {
    let attack = Attack::new()
        .says(&file("one", "1"))
        .says(&file("two", "2"))
        .says(&[Frame::End]);
    let (received, _) = attack.received(&attack.to().join("chosen"), Asked::anything());
    assert!(matches!(received, Err(CopyError::Violation(_))));
    assert_eq!(fs::read(attack.to().join("chosen")).unwrap(), b"1");
    assert_eq!(fs::read_dir(attack.to()).unwrap().count(), 1);
}

#[test]
fn more_or_less_than_was_said_is_not_put_in_place() {
    let sum = Frame::Sum([0; 32]);
    let sized = |size| entry("one", Kind::File { size, asks: false });
    let data = |length| Frame::Data(vec![7; length]);
    for (what, frames) in [
        ("longer", vec![sized(3), data(4)]),
        ("longer, in pieces", vec![sized(3), data(2), data(2)]),
        ("shorter", vec![sized(u64::MAX), data(2), sum.clone()]),
        ("an entry amid data", vec![sized(3), sized(3)]),
        ("the end amid data", vec![sized(3), Frame::End]),
        ("data without an entry", vec![data(4)]),
        ("a sum without an entry", vec![sum.clone()]),
        ("an answer", vec![Frame::Finished]),
        (
            "a start that was not asked for",
            vec![sized(3), Frame::Start { offset: 0 }],
        ),
    ] {
        let attack = Attack::new().says(&frames);
        fs::write(attack.to().join("one"), "before").unwrap();
        let (received, _) = attack.received(&attack.to(), Asked::anything());
        assert!(
            matches!(received, Err(CopyError::Violation(_))),
            "{what}: {received:?}"
        );
        assert_eq!(fs::read(attack.to().join("one")).unwrap(), b"before", "{what}");
    }
}

#[test]
fn a_start_that_was_not_offered_ends_the_copy() {
    for offset in [1, u64::MAX] {
        let attack = Attack::new().says(&[
            entry("one", Kind::File { size: 9, asks: true }),
            Frame::Start { offset },
        ]);
        let (received, answers) = attack.received(&attack.to(), Asked::anything());
        assert!(matches!(received, Err(CopyError::Violation(_))));
        assert!(matches!(answers[0], Frame::Go { have: 0, .. }));
    }
}

#[test]
fn a_wrong_hash_keeps_what_was_there_and_the_rest_goes_on() {
    let mut frames = file("one", "new");
    frames[2] = Frame::Sum([0; 32]);
    let attack = Attack::new()
        .says(&[entry("tree", Kind::Folder)])
        .says(&[])
        .says(
            &frames
                .iter()
                .map(|frame| match frame {
                    Frame::Entry(one) => Frame::Entry(Entry {
                        path: EntryPath::parse(b"tree/one".to_vec()).unwrap(),
                        ..one.clone()
                    }),
                    other => other.clone(),
                })
                .collect::<Vec<_>>(),
        )
        .says(&file("tree/two", "2"))
        .says(&[Frame::End]);
    fs::create_dir(attack.to().join("tree")).unwrap();
    fs::write(attack.to().join("tree/one"), "before").unwrap();
    let (received, answers) = attack.received(&attack.to(), Asked::anything());
    received.expect("goes on");
    assert!(refused(&answers, 1) && !refused(&answers, 2));
    assert_eq!(fs::read(attack.to().join("tree/one")).unwrap(), b"before");
    assert_eq!(fs::read(attack.to().join("tree/two")).unwrap(), b"2");
    assert_eq!(fs::read_dir(attack.to().join("tree")).unwrap().count(), 2);
}

#[test]
fn a_stream_that_ends_early_leaves_a_part_to_resume() {
    let attack = Attack::new().says(&[
        entry("one", Kind::File { size: 9, asks: true }),
        Frame::Start { offset: 0 },
        Frame::Data(b"1234".to_vec()),
    ]);
    fs::write(attack.to().join("one"), "before").unwrap();
    let (received, _) = attack.received(&attack.to(), Asked::anything());
    assert!(matches!(received, Err(CopyError::Interrupted)));
    assert_eq!(fs::read(attack.to().join("one")).unwrap(), b"before");
    let partial = attack.to().join(".one.drawbridge-partial");
    assert_eq!(fs::read(&partial).unwrap(), b"1234");
    assert_eq!(partial.metadata().unwrap().mode() & 0o777, 0o600);
}

#[test]
fn strangers_are_told_apart() {
    for (said, expected) in [
        (
            &b"Starting session with SessionId: alice-1\n"[..],
            CopyError::Frame(crate::frame::FrameError::Stranger),
        ),
        (b"", CopyError::Unanswered),
        (b"\x01\0\0\0\x11drawbridge-copy\0\x02", CopyError::Version(2)),
    ] {
        let attack = Attack {
            said: said.to_vec(),
            ..Attack::new()
        };
        let (received, _) = attack.received(&attack.to(), Asked::anything());
        let error = received.unwrap_err();
        assert_eq!(error.to_string(), expected.to_string());
    }
}

/// Says what it has to say, and does something else in between.
struct Interleaved<'a> {
    parts: Vec<&'a [u8]>,
    between: Box<dyn FnMut() + 'a>,
}

impl Read for Interleaved<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.parts.is_empty() {
            return Ok(0);
        }
        let part = self.parts.remove(0);
        if self.parts.is_empty() {
            (self.between)();
        }
        buffer[..part.len()].copy_from_slice(part);
        Ok(part.len())
    }
}

#[test]
fn the_part_of_another_copy_is_not_put_in_place() {
    let frames = file("one", "whole");
    let attack = Attack::new().says(&frames).says(&[Frame::End]);
    let partial = attack.to().join(".one.drawbridge-partial");
    let before_sum = attack.said.len() - (5 + 32) - 5;
    let (first, second) = attack.said.split_at(before_sum);
    let input = Interleaved {
        parts: vec![first, second],
        between: Box::new(|| {
            fs::remove_file(&partial).unwrap();
            fs::write(&partial, "part").unwrap();
        }),
    };
    let destination = Destination {
        path: attack.to(),
        must_be_folder: false,
        resume: false,
    };
    let mut answered = Vec::new();
    receive(
        &destination,
        Asked::anything(),
        input,
        &mut answered,
        &mut Unwatched,
    )
    .expect("goes on");
    assert!(!attack.to().join("one").exists());
    assert!(String::from_utf8_lossy(&answered).contains("another copy"));
}
