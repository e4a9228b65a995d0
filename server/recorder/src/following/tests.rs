//! Whatever order frames come in and whenever the server dies: what was acknowledged is in the recording, once and in order.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use drawbridge_protocol::Time;
use drawbridge_protocol::data_channel::relay::JournalRecord;
use drawbridge_protocol::payload::Size;
use drawbridge_protocol::wire::{Frame, MessageType, PayloadType};
use drawbridge_relay::journal::{
    Append, FaultyFolder, Journal, JournalConfig, JournalKey, JournalWriter, RecordKind,
};
use drawbridge_session::{FixedClock, Random as _, SeededRandom, SystemRandom};
use drawbridge_store::RootKey;
use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any};
use proptest::{prop_oneof, proptest};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::*;
use crate::folder::{Folder, FolderConfig};
use crate::format::Opened;
use crate::format::tests::{header, session};

/// A server's journal and folder of recordings, which outlive it.
struct Machine {
    home: tempfile::TempDir,
    disk: FaultyFolder,
    keys: RecordingKeys,
    random: SeededRandom,
}

/// A server that runs.
struct Running {
    journal: Journal,
    writer: JournalWriter,
    following: Following,
}

fn frame(message_type: MessageType, payload_type: PayloadType, sequence: i64, payload: Bytes) -> Bytes {
    let now = Time::new(std::time::Duration::ZERO, 1);
    let control = Frame::control(message_type, Uuid::nil(), payload, now);
    Frame {
        sequence,
        payload_type,
        ..control
    }
    .encode()
}

fn payload_of(sequence: i64) -> Vec<u8> {
    format!("<{sequence}>").into_bytes()
}

impl Machine {
    fn new() -> Self {
        let random = SeededRandom::new(1);
        Self {
            home: tempfile::tempdir().expect("a folder"),
            disk: FaultyFolder::new(),
            keys: RecordingKeys::of(&RootKey::ephemeral(&random)),
            random,
        }
    }

    fn folder(&self) -> Folder {
        Folder::open(&self.home.path().join("recordings"), FolderConfig::default()).expect("opened")
    }

    /// Starts a server, which goes on with what is there.
    fn start(&self) -> Running {
        self.start_by(FixedClock::default())
    }

    /// The same by another clock.
    fn start_by(&self, clock: FixedClock) -> Running {
        let (journal, writer) = Journal::open(
            JournalConfig {
                segment_bytes: 2000,
                ..JournalConfig::default()
            },
            Arc::new(self.disk.clone()),
            JournalKey::new([1; 32]),
            Arc::new(clock),
            Arc::new(SystemRandom),
        )
        .expect("a journal");
        let digest = SessionDigest::of(&session());
        journal.track(digest);
        journal
            .recover(&HashSet::from([digest]), |_, _| {})
            .expect("recovered");
        Running {
            following: self.open_recording(),
            journal,
            writer,
        }
    }

    fn open_recording(&self) -> Following {
        let folder = self.folder();
        let file = match folder.open_unfinished(&session()).expect("opened") {
            None => folder.create(&session()).expect("created"),
            Some(file) => match Writer::open(file, &self.keys, &session()).expect("read") {
                Opened::Unfinished(header, writer) => return Following::new(header, *writer),
                Opened::Empty(file) => file,
                Opened::Complete => panic!("not yet"),
            },
        };
        let created = Writer::create(file, &self.keys, &header(), &self.random);
        Following::new(header(), created.expect("created"))
    }

    /// Tears what the last server wrote last.
    fn tear(&self, bytes: u64) {
        if let Some(file) = self.folder().open_unfinished(&session()).expect("opened") {
            let length = file.metadata().expect("a file").len();
            file.set_len(length.saturating_sub(bytes)).expect("cut");
        }
    }

    /// The recording's events, once it is complete.
    fn events(&self) -> Vec<Happening> {
        let mut events = Vec::new();
        let verified = self
            .folder()
            .verify(&session(), &self.keys, |event| events.push(event));
        let verified = verified.expect("read").expect("there").expect("whole");
        assert!(verified.is_complete);
        assert!(events.is_sorted_by_key(|event| event.at_ms));
        events.into_iter().map(|event| event.what).collect()
    }
}

impl Running {
    /// Journals a record; when this returns, its sender was told that it is durable.
    async fn acknowledge(&self, kind: RecordKind, sequence: i64, body: Bytes) {
        let (done, mut completions) = mpsc::unbounded_channel();
        let session = SessionDigest::of(&session());
        self.journal
            .append(Append {
                session,
                kind,
                sequence,
                body,
                ticket: 1,
                done,
            })
            .await;
        completions
            .recv()
            .await
            .expect("completed")
            .result
            .expect("durable");
    }

    async fn output(&self, sequence: i64) {
        self.write(sequence, payload_of(sequence).into()).await;
    }

    async fn write(&self, sequence: i64, payload: Bytes) {
        let body = frame(
            MessageType::OutputStreamData,
            PayloadType::Output,
            sequence,
            payload,
        );
        self.acknowledge(RecordKind::Frame, sequence, body).await;
    }

    async fn resize(&self, cols: u32) {
        let payload = Size { cols, rows: 24 }.to_bytes();
        let record = JournalRecord::Client {
            sequence: 0,
            frame: frame(MessageType::InputStreamData, PayloadType::Size, 0, payload),
        };
        self.acknowledge(RecordKind::Mark, 0, record.encode()).await;
    }

    fn tick(&mut self, machine: &Machine) {
        self.following
            .advance(&self.journal, &machine.random)
            .expect("advanced");
    }

    fn finish(&mut self, machine: &Machine) {
        let ending = Ending {
            at: Timestamp::UNIX_EPOCH,
            details: "done".into(),
            exit_code: None,
        };
        let (journal, keys) = (&self.journal, &machine.keys);
        self.following
            .finish(journal, keys, &ending, &machine.random)
            .expect("finished");
    }
}

fn output_of(events: &[Happening]) -> Vec<u8> {
    let bytes = events.iter().filter_map(|event| match event {
        Happening::Output(bytes) => Some(bytes.as_slice()),
        _ => None,
    });
    bytes.collect::<Vec<_>>().concat()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// What happens between two frames.
#[derive(Debug, Clone, Copy)]
enum Between {
    Nothing,
    Tick,
    Resize(u32),
    /// The server dies, and so many bytes that it wrote last never reached the disk.
    Crash {
        torn: u64,
    },
}

fn between() -> impl Strategy<Value = Between> {
    prop_oneof![
        3 => Just(Between::Nothing),
        3 => Just(Between::Tick),
        1 => (1_u32..4).prop_map(Between::Resize),
        2 => (0_u64..600).prop_map(|torn| Between::Crash { torn }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_recording_is_what_was_acknowledged(steps in vec((any::<u32>(), between()), 1..25)) {
        // A permutation of the sequence numbers: the order of arrival.
        let mut order: Vec<_> = steps.iter().zip(0_i64..).map(|((key, _), number)| (*key, number)).collect();
        order.sort_unstable();
        let events = run(async {
            let machine = Machine::new();
            let mut running = machine.start();
            for ((_, sequence), (_, between)) in order.iter().zip(&steps) {
                running.output(*sequence).await;
                match between {
                    Between::Nothing => {}
                    Between::Tick => running.tick(&machine),
                    Between::Resize(cols) => running.resize(*cols).await,
                    Between::Crash { torn } => {
                        running.writer.close().await;
                        machine.tear(*torn);
                        running = machine.start();
                    }
                }
            }
            running.finish(&machine);
            machine.events()
        });
        let expected: Vec<u8> = (0..steps.len() as i64).flat_map(payload_of).collect();
        assert_eq!(output_of(&events), expected);
        assert!(matches!(events.last(), Some(Happening::End { .. })));
    }
}

#[test]
fn frames_that_never_came_are_noted_and_those_behind_them_kept() {
    let events = run(async {
        let machine = Machine::new();
        let mut running = machine.start();
        for sequence in [0, 3, 4, 7] {
            running.output(sequence).await;
        }
        running.tick(&machine);
        running.finish(&machine);
        machine.events()
    });
    assert_eq!(output_of(&events), b"<0><3><4><7>");
    let notes: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Happening::Note(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(
        notes,
        [
            "frames 1 to 2 are not on record",
            "frames 5 to 6 are not on record"
        ]
    );
}

#[test]
fn a_clock_that_jumps_takes_nothing_and_turns_no_time_back() {
    let events = run(async {
        let machine = Machine::new();
        for (sequence, second) in [
            (0, 1_767_323_045),
            (1, 1_767_000_000),
            (2, -5),
            (3, 4_102_444_800),
        ] {
            let clock = FixedClock::new(Timestamp::from_second(second).expect("a time"));
            let mut running = machine.start_by(clock);
            running.output(sequence).await;
            running.tick(&machine);
            running.writer.close().await;
        }
        machine.start().finish(&machine);
        // Looks at their times, too.
        machine.events()
    });
    assert_eq!(output_of(&events), b"<0><1><2><3>");
}

#[test]
fn a_size_is_told_when_it_changes() {
    let events = run(async {
        let machine = Machine::new();
        let mut running = machine.start();
        for cols in [80, 80, 81, 80] {
            running.resize(cols).await;
        }
        running.output(0).await;
        running.finish(&machine);
        machine.events()
    });
    let columns: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Happening::Resize { columns, .. } => Some(*columns),
            _ => None,
        })
        .collect();
    assert_eq!(columns, [80, 81, 80]);
}

/// A frame of no byte, of one, and of as many as the largest has, with a size before and behind each.
#[test]
fn frames_of_every_size_in_a_storm_of_sizes_are_kept_whole() {
    let lengths = [0, 1, 64 * 1024, 0, 0, 300, 64 * 1024, 1, 0];
    let frames = lengths.map(|length| {
        let mut bytes = vec![0; length];
        SystemRandom.fill(&mut bytes);
        bytes
    });
    let events = run(async {
        let machine = Machine::new();
        let mut running = machine.start();
        for (sequence, frame) in (0_i64..).zip(&frames) {
            for cols in 1..=50 {
                running.resize(cols).await;
            }
            running.write(sequence, frame.clone().into()).await;
            if sequence % 3 == 0 {
                running.tick(&machine);
            }
        }
        running.finish(&machine);
        machine.events()
    });
    assert_eq!(output_of(&events), frames.concat());
    let resizes = events
        .iter()
        .filter(|event| matches!(event, Happening::Resize { .. }));
    assert_eq!(resizes.count(), 50 * frames.len());
}
