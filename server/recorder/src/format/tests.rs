//! What a recording gives back, and what is noticed of whatever happens to its file.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use drawbridge_session::document::SessionType;
use drawbridge_session::recording::{Event, Happening, Header};
use drawbridge_session::{AccountId, Ending, NodeId, Region, SeededRandom, SessionId};
use drawbridge_store::RootKey;
use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::proptest;

use super::block::HEADER_BYTES;
use super::{BlockError, Cursor, FILE_HEADER_BYTES, Flaw, Opened, RecordingKeys, Verified, Writer, verify};

/// A recording in a folder of its own.
struct Made {
    home: tempfile::TempDir,
    keys: RecordingKeys,
    random: SeededRandom,
}

/// Blocks of events in the recordings of most tests; with the header and the end there are two more.
const EVENT_BLOCKS: u64 = 4;

pub(crate) fn session() -> SessionId {
    SessionId::parse("alice-0a1b2c3d4e5f67890").expect("a session id")
}

pub(crate) fn header() -> Header {
    Header {
        session_id: session(),
        account_id: AccountId::parse("123456789012").expect("an account"),
        region: Region::parse("us-east-1").expect("a region"),
        target: NodeId::parse("mi-0a1b2c3d4e5f67890").expect("a node"),
        owner: "arn:aws:iam::123456789012:user/alice".into(),
        reason: None,
        document_name: "SSM-SessionManagerRunShell".into(),
        session_type: SessionType::StandardStream,
        start_date: Timestamp::UNIX_EPOCH,
        kms_key_id: None,
    }
}

fn output(number: u64) -> Event {
    Event {
        at_ms: number,
        what: Happening::Output(format!("output {number}").into_bytes()),
    }
}

fn ending() -> Ending {
    Ending {
        at: Timestamp::UNIX_EPOCH,
        details: "done".into(),
        exit_code: Some(3),
    }
}

impl Made {
    fn new() -> Self {
        let random = SeededRandom::new(1);
        Self {
            home: tempfile::tempdir().expect("a folder"),
            keys: RecordingKeys::of(&RootKey::ephemeral(&random)),
            random,
        }
    }

    /// A recording of [`EVENT_BLOCKS`] blocks of events and its end.
    fn complete() -> Self {
        let made = Self::new();
        let mut writer = made.unfinished();
        made.finish(&mut writer);
        made
    }

    fn unfinished(&self) -> Writer {
        let mut writer = Writer::create(self.file(), &self.keys, &header(), &self.random).expect("created");
        for number in 0..EVENT_BLOCKS {
            self.append(&mut writer, number);
        }
        writer
    }

    fn append(&self, writer: &mut Writer, number: u64) {
        let mut cursor = writer.cursor();
        cursor.events += 1;
        cursor.journal.sequence += 1;
        writer
            .append(&[output(number)], cursor, &self.random)
            .expect("appended");
    }

    fn finish(&self, writer: &mut Writer) {
        writer
            .finish(&self.keys, &session(), &ending(), 99, &self.random)
            .expect("finished");
    }

    fn path(&self) -> PathBuf {
        self.home.path().join("recording")
    }

    fn file(&self) -> File {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.path())
            .expect("opened")
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.path()).expect("read")
    }

    /// The blocks as they stand in the file.
    fn blocks(&self) -> Vec<Vec<u8>> {
        let bytes = self.bytes();
        let mut rest = &bytes[FILE_HEADER_BYTES..];
        let mut blocks = Vec::new();
        while !rest.is_empty() {
            let length = u32::from_be_bytes(rest[4..8].try_into().expect("four bytes")) as usize;
            let (block, behind) = rest.split_at(HEADER_BYTES + length);
            blocks.push(block.to_vec());
            rest = behind;
        }
        blocks
    }

    /// Puts other blocks behind the file's header.
    fn rewrite(&self, blocks: &[Vec<u8>]) {
        let start = self.bytes()[..FILE_HEADER_BYTES].to_vec();
        std::fs::write(self.path(), [start, blocks.concat()].concat()).expect("written");
    }

    fn read(&self) -> Result<(Verified, Vec<Event>), Flaw> {
        self.read_as(&self.keys, &session())
    }

    fn read_as(&self, keys: &RecordingKeys, session: &SessionId) -> Result<(Verified, Vec<Event>), Flaw> {
        let mut events = Vec::new();
        match verify(&self.file(), keys, session, |event| events.push(event)) {
            Ok(verified) => Ok((verified, events)),
            Err(BlockError::Flaw(flaw)) => Err(flaw),
            Err(BlockError::Io(error)) => panic!("{error}"),
        }
    }

    /// The first bad block after the blocks were changed in some way.
    fn first_bad(change: impl FnOnce(&mut Vec<Vec<u8>>)) -> (u64, String) {
        let made = Made::complete();
        let mut blocks = made.blocks();
        assert_eq!(blocks.len() as u64, EVENT_BLOCKS + 2);
        change(&mut blocks);
        made.rewrite(&blocks);
        let flaw = made.read().expect_err("noticed");
        (flaw.index, flaw.what)
    }
}

#[test]
fn gives_back_what_was_written() {
    let made = Made::complete();
    let (verified, events) = made.read().expect("whole");
    let mut expected: Vec<_> = (0..EVENT_BLOCKS).map(output).collect();
    expected.push(Event {
        at_ms: 99,
        what: Happening::End {
            exit_code: Some(3),
            why: "done".into(),
        },
    });
    assert_eq!(events, expected);
    assert_eq!(verified.header, header());
    assert!(verified.is_complete);
    assert_eq!(verified.blocks, EVENT_BLOCKS + 2);
    assert_eq!(verified.bytes, made.bytes().len() as u64);
}

#[test]
fn nothing_of_it_can_be_read_in_the_file() {
    let bytes = Made::complete().bytes();
    for word in [&b"output"[..], b"alice", b"done"] {
        assert!(!bytes.windows(word.len()).any(|window| window == word));
    }
}

#[test]
fn another_key_or_session_opens_nothing() {
    let made = Made::complete();
    let others = RecordingKeys::of(&RootKey::ephemeral(&SeededRandom::new(2)));
    assert_eq!(made.read_as(&others, &session()).expect_err("foreign").index, 0);
    let other = SessionId::parse("bob-1").expect("a session id");
    assert_eq!(made.read_as(&made.keys, &other).expect_err("foreign").index, 0);
}

#[test]
fn names_the_first_block_that_is_not_as_it_was_written() {
    let missing = Made::first_bad(|blocks| drop(blocks.remove(2)));
    assert_eq!(missing, (2, "is missing: block 3 stands in its place".to_owned()));
    let doubled = Made::first_bad(|blocks| blocks.insert(3, blocks[2].clone()));
    assert_eq!(
        doubled,
        (3, "is out of place: block 2 stands there again".to_owned())
    );
    let reordered = Made::first_bad(|blocks| blocks.swap(2, 4));
    assert_eq!(reordered.0, 2);
    let edited = Made::first_bad(|blocks| *blocks[3].last_mut().expect("bytes") ^= 1);
    assert_eq!(edited, (3, "was changed".to_owned()));
    let renumbered = Made::first_bad(|blocks| {
        drop(blocks.remove(2));
        for block in &mut blocks[2..] {
            block[15] -= 1;
        }
    });
    assert_eq!(renumbered, (2, "was changed".to_owned()));
    let no_header = Made::first_bad(|blocks| drop(blocks.remove(0)));
    assert_eq!(no_header.0, 0);
    let longer = Made::first_bad(|blocks| blocks.push(b"more".to_vec()));
    assert_eq!(longer, (EVENT_BLOCKS + 2, "stands behind the end".to_owned()));
    let nothing_like_it = Made::first_bad(|blocks| blocks[4][..4].copy_from_slice(b"XXXX"));
    assert_eq!(nothing_like_it, (4, "is not a block".to_owned()));
}

#[test]
fn the_blocks_of_another_recording_do_not_fit_in() {
    let other = Made::complete();
    let foreign = other.blocks()[3].clone();
    let (index, _) = Made::first_bad(|blocks| {
        // The same content under the same root key, and another file's salt.
        blocks[3] = foreign;
        blocks[3][20] ^= 1;
    });
    assert_eq!(index, 3);
}

#[test]
fn a_recording_that_was_cut_or_rolled_back_is_not_complete() {
    let made = Made::complete();
    let blocks = made.blocks();
    for left in 1..blocks.len() {
        made.rewrite(&blocks[..left]);
        let (verified, events) = made.read().expect("a shorter one");
        assert!(!verified.is_complete);
        assert_eq!(verified.blocks, left as u64);
        assert_eq!(events.len(), left - 1);
    }
}

#[test]
fn every_byte_counts() {
    let made = Made::complete();
    let bytes = made.bytes();
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 0x10;
        std::fs::write(made.path(), &changed).expect("written");
        let noticed = match made.read() {
            Err(_) => true,
            // A length that leads out of the file reads as a block that was torn.
            Ok((verified, _)) => !verified.is_complete,
        };
        assert!(noticed, "byte {place}");
    }
}

#[test]
fn a_torn_block_is_written_again() {
    let made = Made::new();
    drop(made.unfinished());
    let whole = made.bytes();
    let last = made.blocks().last().expect("a block").len();
    for torn in 1..last {
        std::fs::write(made.path(), &whole[..whole.len() - torn]).expect("written");
        let (verified, events) = made.read().expect("a torn block is no flaw");
        assert_eq!(
            (verified.is_complete, events.len() as u64),
            (false, EVENT_BLOCKS - 1)
        );
    }
    let Ok(Opened::Unfinished(_, mut writer)) = Writer::open(made.file(), &made.keys, &session()) else {
        panic!("unfinished")
    };
    assert_eq!(writer.cursor().journal.sequence.unsigned_abs(), EVENT_BLOCKS - 1);
    made.append(&mut writer, 77);
    made.finish(&mut writer);
    let (verified, events) = made.read().expect("whole");
    assert!(verified.is_complete);
    assert_eq!(events[events.len() - 2], output(77));
    assert!(matches!(
        Writer::open(made.file(), &made.keys, &session()),
        Ok(Opened::Complete)
    ));
}

#[test]
fn what_cannot_be_gone_on_with_is_begun_again() {
    let made = Made::new();
    let opened = |bytes: &[u8]| {
        std::fs::write(made.path(), bytes).expect("written");
        let opened = Writer::open(made.file(), &made.keys, &session());
        matches!(opened, Ok(Opened::Empty(_)))
    };
    assert!(opened(b""));
    assert!(opened(b"DRAWRECD"));
    assert!(opened(&[0; 100]));
    assert!(opened(&[7; 100]));
}

#[test]
fn room_that_was_set_aside_is_no_flaw() {
    let made = Made::new();
    let writer = made.unfinished();
    made.file()
        .write_all_at(&[0; 10_000], writer.bytes())
        .expect("written");
    let (verified, _) = made.read().expect("unfinished");
    assert_eq!(verified.bytes, writer.bytes());
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn nothing_brings_the_reader_down(bytes in vec(any::<u8>(), 0..300), place in any::<u16>()) {
        let made = Made::complete();
        let mut whole = made.bytes();
        let place = usize::from(place) % whole.len();
        whole.splice(place..(place + bytes.len()).min(whole.len()), bytes);
        std::fs::write(made.path(), &whole).expect("written");
        let _ = made.read();
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written(sequence in any::<i64>(), rest in any::<[u64; 4]>()) {
        let mut cursor = Cursor::default();
        cursor.journal.sequence = sequence;
        [cursor.journal.marks, cursor.at_ms, cursor.events, cursor.output_bytes] = rest;
        assert_eq!(Cursor::read(&cursor.body(&[])), Ok((cursor, Vec::new())));
        assert!(Cursor::read(&cursor.body(&[])[1..]).is_err());
    }
}
