mod follow;

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use drawbridge_session::{FixedClock, SessionId, SystemRandom};
use proptest::prelude::{ProptestConfig, any};
use proptest::{collection, proptest};
use tokio::sync::mpsc;

use super::{
    Append, DiskFolder, FaultyFolder, Journal, JournalConfig, JournalError, JournalFault, JournalKey,
    JournalWriter, RecordKind, SegmentFolder, SessionDigest,
};

#[tokio::test]
async fn reads_back_what_is_durable_in_sequence_order() {
    let journal = Opened::in_memory();
    let session = digest("alice-0a1b2c3d4e5f67890");
    journal.track(session);

    for sequence in [0, 2, 1] {
        journal
            .append(session, RecordKind::Frame, sequence, &[sequence as u8; 10])
            .await
            .expect("durable");
    }

    let frames = journal.handle.read(session, 0, usize::MAX).expect("readable");
    assert_eq!(
        frames.iter().map(|frame| frame.sequence).collect::<Vec<_>>(),
        [0, 1, 2]
    );
    assert_eq!(frames[2].body, Bytes::from_static(&[2; 10]));
    assert_eq!(journal.handle.read(session, 3, usize::MAX).expect("readable"), []);
}

#[tokio::test]
async fn a_read_stops_at_its_byte_limit_but_gives_one_frame() {
    let journal = Opened::in_memory();
    let session = digest("alice-0a1b2c3d4e5f67890");
    journal.track(session);
    for sequence in 0..4 {
        journal
            .append(session, RecordKind::Frame, sequence, &[7; 100])
            .await
            .expect("durable");
    }

    assert_eq!(journal.handle.read(session, 0, 1).expect("readable").len(), 1);
    assert_eq!(journal.handle.read(session, 0, 150).expect("readable").len(), 2);
}

#[tokio::test]
async fn recovers_frames_and_notes_after_a_restart() {
    let folder = FaultyFolder::new();
    let session = digest("alice-0a1b2c3d4e5f67890");
    let other = digest("bob-00000000000000001");
    let journal = Opened::on(folder.clone());
    for sequence in 0..3 {
        journal
            .append(session, RecordKind::Frame, sequence, b"mine")
            .await
            .expect("durable");
        journal
            .append(other, RecordKind::Frame, sequence, b"theirs")
            .await
            .expect("durable");
    }
    journal
        .append(session, RecordKind::Note(3), 0, b"cursor")
        .await
        .expect("durable");
    journal.close().await;

    let reopened = Opened::on(folder);
    reopened
        .append(session, RecordKind::Frame, 3, b"after")
        .await
        .expect("durable");
    let mut found = Vec::new();
    reopened
        .handle
        .recover(&only(session), |_, record| found.push((record.kind, record.body)))
        .expect("readable");

    let frame = |body: &'static [u8]| (RecordKind::Frame, Bytes::from_static(body));
    let note = (RecordKind::Note(3), Bytes::from_static(b"cursor"));
    assert_eq!(
        found,
        [
            frame(b"mine"),
            frame(b"mine"),
            frame(b"mine"),
            note,
            frame(b"after")
        ]
    );
    assert_eq!(
        reopened
            .handle
            .read(session, 0, usize::MAX)
            .expect("readable")
            .len(),
        4
    );
}

#[tokio::test]
async fn stores_nothing_in_the_clear() {
    let folder = FaultyFolder::new();
    let journal = Opened::on(folder.clone());
    let session = digest("alice-0a1b2c3d4e5f67890");
    journal
        .append(session, RecordKind::Frame, 0, b"the launch code is 0000")
        .await
        .expect("durable");

    let file = folder.open(1).expect("segment 1");
    let mut bytes = vec![0; file.length().expect("length") as usize];
    file.read_exact_at(&mut bytes, 0).expect("readable");
    assert!(
        !bytes
            .windows(6)
            .any(|window| window == b"launch" || window == b"alice-")
    );
}

#[tokio::test]
async fn another_root_key_opens_nothing() {
    let folder = FaultyFolder::new();
    let session = digest("alice-0a1b2c3d4e5f67890");
    let journal = Opened::on(folder.clone());
    journal
        .append(session, RecordKind::Frame, 0, b"secret")
        .await
        .expect("durable");
    journal.close().await;

    let stranger = Opened::with(folder, JournalKey::new([9; 32]), JournalConfig::default());
    let mut found = 0;
    stranger
        .handle
        .recover(&only(session), |_, _| found += 1)
        .expect("readable");
    assert_eq!(found, 0);
}

#[tokio::test]
async fn a_full_disk_fails_the_group_and_a_healed_one_goes_on_in_another_segment() {
    let folder = FaultyFolder::new();
    let session = digest("alice-0a1b2c3d4e5f67890");
    let journal = Opened::on(folder.clone());
    journal.track(session);
    journal
        .append(session, RecordKind::Frame, 0, b"stored")
        .await
        .expect("durable");

    folder.inject(Some(JournalFault::DiskFull { after_bytes: 0 }));
    let refused = journal.append(session, RecordKind::Frame, 1, b"lost").await;
    assert!(matches!(
        refused.expect_err("disk is full").as_ref(),
        JournalError::Write(_)
    ));

    folder.inject(None);
    journal
        .append(session, RecordKind::Frame, 1, b"again")
        .await
        .expect("durable");
    let frames = journal.handle.read(session, 0, usize::MAX).expect("readable");
    assert_eq!(frames[1].body, Bytes::from_static(b"again"));
    assert_eq!(folder.list().expect("list"), [1, 2]);
}

#[tokio::test]
async fn a_failed_sync_is_never_acknowledged() {
    let folder = FaultyFolder::new();
    let journal = Opened::on(folder.clone());
    folder.inject(Some(JournalFault::SyncFails));
    let session = digest("alice-0a1b2c3d4e5f67890");
    assert!(
        journal
            .append(session, RecordKind::Frame, 0, b"unsure")
            .await
            .is_err()
    );
}

#[tokio::test]
async fn the_quota_refuses_with_its_reason() {
    let config = JournalConfig {
        quota_bytes: Some(400),
        ..JournalConfig::default()
    };
    let journal = Opened::with(FaultyFolder::new(), JournalKey::new([1; 32]), config);
    let session = digest("alice-0a1b2c3d4e5f67890");
    journal
        .append(session, RecordKind::Frame, 0, &[0; 100])
        .await
        .expect("within the quota");
    let refused = journal
        .append(session, RecordKind::Frame, 1, &[0; 300])
        .await
        .expect_err("over the quota");
    assert_eq!(
        refused.to_string(),
        "the journal is full: its quota of 400 bytes is used up"
    );
}

#[tokio::test]
async fn retention_removes_segments_whose_every_session_is_over_and_old() {
    let config = JournalConfig {
        segment_bytes: 1,
        ..JournalConfig::default()
    };
    let folder = FaultyFolder::new();
    let journal = Opened::with(folder.clone(), JournalKey::new([1; 32]), config);
    let over = digest("alice-0a1b2c3d4e5f67890");
    let live = digest("bob-00000000000000001");
    journal
        .append(over, RecordKind::Frame, 0, b"old")
        .await
        .expect("durable");
    journal
        .append(live, RecordKind::Frame, 0, b"old but live")
        .await
        .expect("durable");
    journal
        .append(over, RecordKind::Frame, 1, b"in the newest segment")
        .await
        .expect("durable");

    assert_eq!(
        journal
            .handle
            .sweep(0, |session| *session == live)
            .expect("sweep"),
        0
    );
    assert_eq!(
        journal
            .handle
            .sweep(u64::MAX, |session| *session == live)
            .expect("sweep"),
        1
    );
    assert_eq!(folder.list().expect("list"), [2, 3]);
}

#[tokio::test]
async fn a_closed_segment_is_known_by_its_footer() {
    let folder = FaultyFolder::new();
    let session = digest("alice-0a1b2c3d4e5f67890");
    let journal = Opened::on(folder.clone());
    journal
        .append(session, RecordKind::Frame, 0, b"body")
        .await
        .expect("durable");
    journal.close().await;
    // A damaged first record would end a scan before it began; the footer still says who is in here.
    folder.damage(45, 0xff);

    let reopened = Opened::on(folder);
    assert_eq!(reopened.handle.shared.index().segments_of(&only(session)), [1]);
}

#[tokio::test]
async fn works_on_a_real_folder_and_keeps_its_files_private() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().expect("temp dir");
    let path = home.path().join("journal");
    let folder = Arc::new(DiskFolder::open(&path).expect("folder"));
    let session = digest("alice-0a1b2c3d4e5f67890");
    let journal = Opened::with(
        SharedFolder(folder),
        JournalKey::new([1; 32]),
        JournalConfig::default(),
    );
    journal
        .append(session, RecordKind::Frame, 0, b"on disk")
        .await
        .expect("durable");
    journal.handle.track(session);
    journal.close().await;

    let mode =
        |path: &std::path::Path| std::fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("0000000001.journal")), 0o600);
}

/// What was acknowledged before power went, whatever part of the rest had reached the disk.
#[tokio::test]
async fn a_power_cut_at_any_write_offset_loses_no_acknowledged_record() {
    let session = digest("alice-0a1b2c3d4e5f67890");
    let folder = FaultyFolder::new();
    let journal = Opened::on(folder.clone());
    for sequence in 0..5 {
        journal
            .append(session, RecordKind::Frame, sequence, &[sequence as u8; 33])
            .await
            .expect("durable");
    }
    // The next write reaches the disk in part, and is not acknowledged.
    let synced = folder.bytes();
    let whole_record = 56 + 33 + 16;
    for reached in 0..=whole_record {
        let crashed = {
            let torn = folder.after_power_cut(0);
            let journal = Opened::on(torn.clone());
            torn.inject(Some(JournalFault::SyncFails));
            let _refused = journal.append(session, RecordKind::Frame, 5, &[5; 33]).await;
            drop(journal);
            torn.after_power_cut(reached)
        };
        assert!(crashed.bytes() >= synced);
        let recovered = recovered_sequences(crashed, session);
        assert_eq!(
            &recovered[..5],
            [0, 1, 2, 3, 4],
            "with {reached} further bytes on disk"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_truncation_recovers_every_whole_record_before_it(
        lengths in collection::vec(0_usize..200, 1..12),
        cut in any::<proptest::sample::Index>(),
    ) {
        let session = digest("alice-0a1b2c3d4e5f67890");
        let folder = FaultyFolder::new();
        let ends = block_on(async {
            let journal = Opened::on(folder.clone());
            let mut ends = Vec::new();
            for (sequence, length) in lengths.iter().enumerate() {
                journal.append(session, RecordKind::Frame, sequence as i64, &vec![1; *length]).await.expect("durable");
                ends.push(folder.bytes());
            }
            ends
        });
        let length = cut.index(folder.bytes() + 1);
        let whole = ends.iter().filter(|end| **end <= length).count();
        let recovered = recovered_sequences(folder.cut_at(length), session);
        assert_eq!(recovered, (0..whole as i64).collect::<Vec<_>>());
    }

    #[test]
    fn a_damaged_byte_never_yields_a_wrong_record(offset in any::<proptest::sample::Index>(), mask in 1_u8..) {
        let session = digest("alice-0a1b2c3d4e5f67890");
        let folder = FaultyFolder::new();
        block_on(async {
            let journal = Opened::on(folder.clone());
            for sequence in 0..4 {
                journal.append(session, RecordKind::Frame, sequence, &[sequence as u8; 20]).await.expect("durable");
            }
        });
        let folder = folder.cut_at(usize::MAX);
        folder.damage(offset.index(folder.bytes()), mask);
        let journal = Opened::on(folder);
        let mut found = Vec::new();
        journal.handle.recover(&only(session), |_, record| found.push(record)).expect("readable");
        // Whatever is found is genuine and in order; a record that the damage hid leaves a gap, which shows.
        assert!(found.is_sorted_by(|a, b| a.sequence < b.sequence));
        for record in found {
            assert_eq!(record.body, Bytes::from(vec![record.sequence as u8; 20]));
        }
    }
}

fn recovered_sequences(folder: FaultyFolder, session: SessionDigest) -> Vec<i64> {
    let journal = Opened::on(folder);
    let mut sequences = Vec::new();
    journal
        .handle
        .recover(&only(session), |_, record| sequences.push(record.sequence))
        .expect("readable");
    sequences
}

fn only(session: SessionDigest) -> HashSet<SessionDigest> {
    HashSet::from([session])
}

fn digest(id: &str) -> SessionDigest {
    SessionDigest::of(&SessionId::parse(id).expect("a session id"))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("runtime")
        .block_on(future)
}

/// A journal whose appends can be awaited one by one.
struct Opened {
    handle: Journal,
    writer: JournalWriter,
}

impl Opened {
    fn in_memory() -> Opened {
        Opened::on(FaultyFolder::new())
    }

    fn on(folder: FaultyFolder) -> Opened {
        Opened::with(folder, JournalKey::new([1; 32]), JournalConfig::default())
    }

    fn with(folder: impl SegmentFolder + 'static, key: JournalKey, config: JournalConfig) -> Opened {
        let clock = Arc::new(FixedClock::default());
        let (handle, writer) =
            Journal::open(config, Arc::new(folder), key, clock, Arc::new(SystemRandom)).expect("opens");
        Opened { handle, writer }
    }

    fn track(&self, session: SessionDigest) {
        self.handle.track(session);
    }

    async fn append(
        &self,
        session: SessionDigest,
        kind: RecordKind,
        sequence: i64,
        body: &[u8],
    ) -> Result<(), Arc<JournalError>> {
        let (done, mut completions) = mpsc::unbounded_channel();
        let body = Bytes::copy_from_slice(body);
        self.handle
            .append(Append {
                session,
                kind,
                sequence,
                body,
                ticket: 7,
                done,
            })
            .await;
        let completion = completions.recv().await.expect("every append is completed");
        assert_eq!(completion.ticket, 7);
        completion.result
    }

    async fn close(self) {
        self.writer.close().await;
    }
}

/// Lets a folder be looked at after the journal took it.
struct SharedFolder<F>(Arc<F>);

impl<F: SegmentFolder> SegmentFolder for SharedFolder<F> {
    fn list(&self) -> std::io::Result<Vec<u32>> {
        self.0.list()
    }

    fn create(&self, number: u32) -> std::io::Result<Arc<dyn super::SegmentFile>> {
        self.0.create(number)
    }

    fn open(&self, number: u32) -> std::io::Result<Arc<dyn super::SegmentFile>> {
        self.0.open(number)
    }

    fn remove(&self, number: u32) -> std::io::Result<()> {
        self.0.remove(number)
    }
}
