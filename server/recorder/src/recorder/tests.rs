//! The recordings of a server that starts, is killed, runs out of room, and starts again.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use drawbridge_house::House;
use drawbridge_protocol::Time;
use drawbridge_protocol::wire::{Frame, MessageType, PayloadType};
use drawbridge_relay::journal::{
    Append, Completion, FaultyFolder, JournalConfig, JournalKey, JournalWriter, RecordKind,
};
use drawbridge_session::audit::{RecordingExpired, SessionRecorded};
use drawbridge_session::document::OwnInputs;
use drawbridge_session::recording::{Happening, ReadError, Recordings as _, Shelf, ShelfError};
use drawbridge_session::{AuthorizedSession, NodeId, Relay, SessionStart, SessionState};
use drawbridge_store::{
    AuditLog as _, ChannelEnd, EventAttribute, EventPage, SessionLimits, Sessions as _, TokenGrant,
};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::*;
use crate::folder::FolderConfig;

/// What outlives a server.
struct Machine {
    house: House,
    disk: FaultyFolder,
    home: tempfile::TempDir,
    config: FolderConfig,
}

/// A server that runs.
struct Running {
    recorder: JournalRecorder,
    task: Option<RecorderTask>,
    journal: Journal,
    writer: JournalWriter,
}

impl Machine {
    async fn new() -> Self {
        Self {
            house: House::new().await,
            disk: FaultyFolder::new(),
            home: tempfile::tempdir().expect("a folder"),
            config: FolderConfig::default(),
        }
    }

    async fn start(&self) -> Running {
        let (journal, writer) = Journal::open(
            JournalConfig::default(),
            Arc::new(self.disk.clone()),
            JournalKey::new([1; 32]),
            self.house.clock.clone(),
            self.house.random.clone(),
        )
        .expect("a journal");
        let (recorder, task) = JournalRecorder::open(
            Folder::open(&self.home.path().join("recordings"), self.config.clone()).expect("a folder"),
            RecordingKeys::of(&self.house.root),
            journal.clone(),
            self.house.store.clone(),
            self.house.clock.clone(),
            self.house.random.clone(),
        )
        .await
        .expect("opened");
        Running {
            recorder,
            task: Some(task),
            journal,
            writer,
        }
    }

    /// Stores a session that has started.
    async fn session(&self, id: &str, start: SessionStart) -> SessionId {
        let id = SessionId::parse(id).expect("a session id");
        let now = self.house.clock.now();
        let session = Session {
            id: id.clone(),
            account: self.house.account.clone(),
            region: self.house.region.clone(),
            node: NodeId::parse("mi-0a1b2c3d4e5f67890").expect("a node"),
            owner_arn: "arn:aws:iam::123456789012:user/alice".into(),
            owner_id: "AIDAALICE".into(),
            reason: None,
            start,
            state: SessionState::Connecting,
            started_at: now,
            grounds: None,
        };
        let binding = ChannelEnd::ClientStart.of(&id);
        let (_, grant) = TokenGrant::draw(binding, now, Duration::ZERO, self.house.random.as_ref());
        let limits = SessionLimits::default();
        let created = self.house.store.create_session(&session, &grant, limits);
        created.await.expect("stored");
        id
    }

    async fn shell(&self, id: &str) -> SessionId {
        self.session(id, SessionStart::default_shell()).await
    }

    async fn end_in_store(&self, id: &SessionId) {
        let ended = SessionState::Terminated(ending());
        self.house.store.change_session(id, ended).await.expect("ended");
    }

    /// A session that was recorded.
    async fn recorded(&self, id: &str, output: &str) -> SessionId {
        let running = self.start().await;
        let session = self.shell(id).await;
        running.recorder.begin(&session).await.expect("begun");
        running.output(&session, 0, output).await;
        self.end_in_store(&session).await;
        running.recorder.end(&session, &ending());
        running.run_once(&self.house.relay).await;
        session
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.path().join("recordings").join(name)
    }

    /// What the audit log was told of recordings.
    async fn told(&self) -> Vec<String> {
        self.told_as(SessionRecorded::NAME).await
    }

    async fn told_as(&self, name: &str) -> Vec<String> {
        let page = EventPage {
            account: &self.house.account,
            region: &self.house.region,
            attribute: Some(EventAttribute::Name(name.to_owned())),
            since: Timestamp::UNIX_EPOCH,
            until: Timestamp::MAX,
            before: None,
            limit: 50,
        };
        let events = self.house.store.events(page).await.expect("listed");
        events.into_iter().map(|stored| stored.text).collect()
    }
}

impl Running {
    async fn output(&self, session: &SessionId, sequence: i64, text: &str) {
        let (done, mut completions) = mpsc::unbounded_channel();
        self.journal_output(session, sequence, text.as_bytes(), done)
            .await;
        let completed = completions.recv().await.expect("completed");
        completed.result.expect("durable");
    }

    async fn journal_output(
        &self,
        session: &SessionId,
        sequence: i64,
        bytes: &[u8],
        done: mpsc::UnboundedSender<Completion>,
    ) {
        let now = Time::new(Duration::ZERO, 1);
        let payload = Bytes::copy_from_slice(bytes);
        let frame = Frame {
            sequence,
            payload_type: PayloadType::Output,
            ..Frame::control(MessageType::OutputStreamData, Uuid::nil(), payload, now)
        };
        self.journal
            .append(Append {
                session: SessionDigest::of(session),
                kind: RecordKind::Frame,
                sequence,
                body: frame.encode(),
                ticket: 1,
                done,
            })
            .await;
    }

    /// Lets the task run once, and stops the server.
    async fn run_once(mut self, relay: &Arc<drawbridge_session::FakeRelay>) -> JournalRecorder {
        let stop = CancellationToken::new();
        stop.cancel();
        let task = self.task.take().expect("a task");
        task.run(Arc::clone(relay) as _, stop).await;
        self.writer.close().await;
        self.recorder
    }

    async fn die(self) {
        self.writer.close().await;
    }
}

fn ending() -> Ending {
    Ending {
        at: Timestamp::UNIX_EPOCH,
        details: "exit".into(),
        exit_code: Some(0),
    }
}

async fn output_of(recorder: &JournalRecorder, session: &SessionId) -> (String, bool) {
    let (bytes, is_complete) = bytes_of(recorder, session).await;
    (String::from_utf8(bytes).expect("text"), is_complete)
}

async fn bytes_of(recorder: &JournalRecorder, session: &SessionId) -> (Vec<u8>, bool) {
    let mut output = Vec::new();
    let mut from = None;
    loop {
        let page = recorder.read(session, from.as_deref()).await;
        let page = page.expect("read").expect("there");
        for event in &page.events {
            if let Happening::Output(bytes) = &event.what {
                output.extend_from_slice(bytes);
            }
        }
        if page.is_complete || page.events.is_empty() {
            return (output, page.is_complete);
        }
        from = Some(page.next);
    }
}

#[tokio::test]
async fn a_session_is_recorded_and_the_audit_log_told_once() {
    let machine = Machine::new().await;
    let running = machine.start().await;
    let session = machine.shell("alice-1").await;
    running.recorder.begin(&session).await.expect("begun");
    running.recorder.begin(&session).await.expect("begun already");
    running.output(&session, 0, "hello").await;
    running.recorder.end(&session, &ending());
    let recorder = running.run_once(&machine.house.relay).await;
    assert_eq!(output_of(&recorder, &session).await, ("hello".to_owned(), true));
    let state = recorder
        .describe(&session)
        .await
        .expect("described")
        .expect("there");
    assert_eq!((state.is_complete, state.broken), (true, None));
    let told = machine.told().await;
    assert_eq!(told.len(), 1);
    assert!(
        told[0].contains(&state.head) && told[0].contains("alice-1"),
        "{told:?}"
    );
    machine.start().await.run_once(&machine.house.relay).await;
    assert_eq!(machine.told().await.len(), 1, "a restart tells nothing again");
}

#[tokio::test]
async fn a_live_recording_is_read_up_to_where_it_is() {
    let machine = Machine::new().await;
    let running = machine.start().await;
    let session = machine.shell("alice-1").await;
    running.recorder.begin(&session).await.expect("begun");
    assert_eq!(
        output_of(&running.recorder, &session).await,
        (String::new(), false)
    );
    running.output(&session, 0, "hello").await;
    let recorder = running.run_once(&machine.house.relay).await;
    assert_eq!(output_of(&recorder, &session).await, ("hello".to_owned(), false));
    let head = recorder
        .describe(&session)
        .await
        .expect("described")
        .expect("there")
        .head;
    for made_up in [
        String::new(),
        "x".to_owned(),
        format!("0.0.{head}"),
        format!("33.1.{head}"),
        format!("96.1.{head}"),
        format!("{}.1.{head}", u64::MAX),
        format!("96.1.{head}.1"),
    ] {
        let read = recorder.read(&session, Some(&made_up)).await;
        let gave_nothing = match &read {
            Err(ReadError::Position) => true,
            Ok(Some(page)) => page.events.is_empty() && !page.is_complete,
            _ => false,
        };
        assert!(gave_nothing, "{made_up}: {read:?}");
    }
    let unknown = SessionId::parse("bob-1").expect("a session id");
    assert_eq!(recorder.read(&unknown, None).await.expect("asked"), None);
}

#[tokio::test]
async fn what_a_killed_server_left_is_finished_from_the_journal() {
    let machine = Machine::new().await;
    let running = machine.start().await;
    let [live, ended, early] = ["live-1", "ended-1", "early-1"];
    let (live, ended, early) = (
        machine.shell(live).await,
        machine.shell(ended).await,
        machine.shell(early).await,
    );
    for session in [&live, &ended] {
        running.recorder.begin(session).await.expect("begun");
        running.output(session, 0, "before ").await;
        running.output(session, 1, "the end").await;
    }
    machine.end_in_store(&ended).await;
    // Of this one the server had not begun a recording, and its end was asked for.
    running.output(&early, 0, "short").await;
    let terminating = machine
        .house
        .store
        .change_session(&early, SessionState::Terminating)
        .await;
    terminating.expect("changed");
    running.die().await;

    let running = machine.start().await;
    // As the relay does.
    let live_ones = [&live, &early];
    let digests = live_ones.map(SessionDigest::of).into_iter().collect();
    running.journal.recover(&digests, |_, _| {}).expect("read");
    for session in live_ones {
        running.recorder.begin(session).await.expect("taken up");
    }
    running.recorder.end(&early, &ending());
    let recorder = running.run_once(&machine.house.relay).await;
    let of = async |session| output_of(&recorder, session).await;
    assert_eq!(of(&ended).await, ("before the end".to_owned(), true));
    assert_eq!(of(&early).await, ("short".to_owned(), true));
    let (_, is_complete) = of(&live).await;
    assert!(!is_complete);
    assert_eq!(machine.told().await.len(), 2);
}

#[tokio::test]
async fn without_room_sessions_end_unless_they_fail_open() {
    let mut machine = Machine::new().await;
    machine.config.quota_bytes = Some(1000);
    let relay = Arc::clone(&machine.house.relay);
    let running = machine.start().await;
    let closed = machine.shell("closed-1").await;
    let mut start = SessionStart::default_shell();
    start.document.inputs.drawbridge = Some(OwnInputs {
        fail_open: true,
        ..OwnInputs::default()
    });
    let open = machine.session("open-1", start.clone()).await;
    for session in [&closed, &open] {
        running.recorder.begin(session).await.expect("there is room yet");
        make_live(&relay, session, start.clone(), &machine).await;
    }
    running.recorder.inner.folder.grew(1000);
    let late = machine.shell("late-1").await;
    let refused = running.recorder.begin(&late).await.expect_err("no room");
    assert!(refused.to_string().contains("quota of 1000 bytes"), "{refused}");
    running.output(&closed, 0, "more").await;
    running.output(&open, 0, "more").await;
    running.run_once(&relay).await;
    let terminated = relay.terminated();
    let [(session, reason)] = terminated.as_slice() else {
        panic!("{terminated:?}")
    };
    assert_eq!(session, &closed);
    assert!(reason.contains("cannot be recorded"), "{reason}");
}

/// Has the relay know of a session, so that it can be asked to end it.
async fn make_live(
    relay: &drawbridge_session::FakeRelay,
    session: &SessionId,
    start: SessionStart,
    machine: &Machine,
) {
    let stored = machine
        .house
        .store
        .session(session)
        .await
        .expect("asked")
        .expect("there");
    relay.connect(&stored.node);
    let started = relay.start(AuthorizedSession::recall(&stored), start).await;
    started.expect("started");
}

/// Keeps what it is given in memory, and refuses at first.
#[derive(Default)]
struct FussyShelf {
    refusals: Mutex<u32>,
    kept: Mutex<HashMap<String, String>>,
}

#[async_trait]
impl Shelf for FussyShelf {
    async fn put(
        &self,
        _: &drawbridge_session::AccountId,
        _: &drawbridge_session::Region,
        name: &str,
        _: &str,
        bytes: Vec<u8>,
    ) -> Result<String, ShelfError> {
        let mut refusals = self.refusals.lock().expect("whole");
        if *refusals > 0 {
            *refusals -= 1;
            return Err(ShelfError {
                name: name.to_owned(),
                source: "the bucket is gone".into(),
            });
        }
        let text = String::from_utf8(bytes).expect("text");
        self.kept.lock().expect("whole").insert(name.to_owned(), text);
        Ok(name.to_owned())
    }
}

#[tokio::test]
async fn readable_copies_are_published_again_until_they_are_kept() {
    let machine = Machine::new().await;
    let shelf = Arc::new(FussyShelf::default());
    *shelf.refusals.lock().expect("whole") = u32::MAX;
    let mut running = machine.start().await;
    running.task = running.task.map(|task| task.with_shelf(shelf.clone()));
    let session = machine.shell("alice-1").await;
    running.recorder.begin(&session).await.expect("begun");
    running.output(&session, 0, "hello\r\n").await;
    running.recorder.end(&session, &ending());
    machine.end_in_store(&session).await;
    running.run_once(&machine.house.relay).await;
    assert_eq!(machine.told().await.len(), 1, "whether or not it is kept");
    *shelf.refusals.lock().expect("whole") = 0;
    let mut running = machine.start().await;
    running.task = running.task.map(|task| task.with_shelf(shelf.clone()));
    running.run_once(&machine.house.relay).await;
    assert_eq!(machine.told().await.len(), 1, "not again");
    assert!(machine.file("alice-1.recording").exists(), "it is done");
    let kept = shelf.kept.lock().expect("whole").clone();
    assert_eq!(kept["alice-1.txt"], "hello\n[session ended: exit]\n");
    assert!(kept["alice-1.cast"].starts_with("{\"version\":2"), "{kept:?}");
}

/// Notes how many recordings the audit log knows of whenever it is given something.
struct WatchfulShelf {
    machine: Machine,
    told: Mutex<Vec<usize>>,
}

#[async_trait]
impl Shelf for WatchfulShelf {
    async fn put(
        &self,
        _: &drawbridge_session::AccountId,
        _: &drawbridge_session::Region,
        name: &str,
        _: &str,
        _: Vec<u8>,
    ) -> Result<String, ShelfError> {
        let told = self.machine.told().await.len();
        self.told.lock().expect("whole").push(told);
        Ok(name.to_owned())
    }
}

#[tokio::test]
async fn no_copy_is_made_before_the_audit_log_has_every_recording() {
    let shelf = Arc::new(WatchfulShelf {
        machine: Machine::new().await,
        told: Mutex::default(),
    });
    let machine = &shelf.machine;
    let mut running = machine.start().await;
    running.task = running.task.map(|task| task.with_shelf(shelf.clone()));
    for id in ["alice-1", "alice-2", "alice-3"] {
        let session = machine.shell(id).await;
        running.recorder.begin(&session).await.expect("begun");
        running.recorder.end(&session, &ending());
    }
    running.recorder.inner.advance_all();
    running.run_once(&machine.house.relay).await;
    assert_eq!(*shelf.told.lock().expect("whole"), [3; 6]);
}

#[tokio::test]
async fn of_encrypted_sessions_nothing_is_published() {
    let machine = Machine::new().await;
    let shelf = Arc::new(FussyShelf::default());
    let mut running = machine.start().await;
    running.task = running.task.map(|task| task.with_shelf(shelf.clone()));
    let mut start = SessionStart::default_shell();
    start.document.inputs.kms_key_id = "alias/sessions".into();
    let session = machine.session("alice-1", start).await;
    running.recorder.begin(&session).await.expect("begun");
    running.output(&session, 0, "ciphertext").await;
    running.recorder.end(&session, &ending());
    running.run_once(&machine.house.relay).await;
    assert_eq!(machine.told().await.len(), 1);
    assert!(shelf.kept.lock().expect("whole").is_empty());
}

#[tokio::test]
async fn the_audit_log_is_told_before_an_old_recording_goes() {
    let mut machine = Machine::new().await;
    machine.config.keep_days = Some(30);
    machine.recorded("alice-1", "hello").await;
    let day = Duration::from_secs(24 * 3600);
    machine.house.clock.advance(29 * day);
    let swept = async || machine.start().await.recorder.sweep().await.expect("swept");
    assert_eq!(swept().await, 0);
    machine.house.clock.advance(day + Duration::from_secs(2));
    assert_eq!(swept().await, 1);
    assert!(!machine.file("alice-1.recording").exists());
    let told = machine.told_as(RecordingExpired::NAME).await;
    let [told] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert!(
        told.contains("\"keptDays\":30") && told.contains("alice-1"),
        "{told}"
    );
    assert_eq!(swept().await, 0, "once");
}

#[tokio::test]
async fn the_audit_log_is_told_of_a_recording_that_was_taken_away_while_it_was_made() {
    let machine = Machine::new().await;
    let mut running = machine.start().await;
    running.task = running
        .task
        .map(|task| task.with_shelf(Arc::new(FussyShelf::default())));
    let session = machine.shell("alice-1").await;
    running.recorder.begin(&session).await.expect("begun");
    running.output(&session, 0, "hello").await;
    fs::remove_file(machine.file("alice-1.unfinished")).expect("removed");
    running.recorder.end(&session, &ending());
    let recorder = running.run_once(&machine.house.relay).await;
    assert_eq!(machine.told().await.len(), 1);
    assert!(recorder.inner.finished().is_empty(), "nothing is left to do");
}

#[tokio::test]
async fn what_was_cut_back_after_it_was_told_is_not_made_again() {
    let machine = Machine::new().await;
    machine.recorded("alice-1", "evidence").await;
    let cut = machine.file("alice-1.unfinished");
    fs::rename(machine.file("alice-1.recording"), &cut).expect("renamed");
    let bytes = fs::read(&cut).expect("read");
    fs::write(&cut, &bytes[..bytes.len() - 1]).expect("cut");
    machine.start().await.run_once(&machine.house.relay).await;
    assert_eq!(machine.told().await.len(), 1, "no second end");
    assert_eq!(fs::read(&cut).expect("there").len(), bytes.len() - 1);
    // What a server left that was killed between the two is finished.
    fs::write(&cut, &bytes).expect("whole again");
    machine.start().await.run_once(&machine.house.relay).await;
    assert_eq!(machine.told().await.len(), 1);
    assert!(machine.file("alice-1.recording").exists());
}

/// Noise in frames of every size, the empty and the largest among them; another for each session.
fn noise(machine: &Machine, session: usize) -> [Vec<u8>; 4] {
    let largest = if session.is_multiple_of(50) { 64 * 1024 } else { 3 };
    [session % 40, 0, largest, 1].map(|length| {
        let mut bytes = vec![0; length];
        machine.house.random.fill(&mut bytes);
        bytes
    })
}

/// How many sessions there are at once; `DRAWBRIDGE_RECORDED_SESSIONS` says another number.
fn many() -> usize {
    let told = std::env::var("DRAWBRIDGE_RECORDED_SESSIONS");
    told.map_or(200, |number| number.parse().expect("a number of sessions"))
}

#[tokio::test]
async fn of_many_sessions_at_once_each_is_recorded_as_it_was() {
    let machine = Machine::new().await;
    let running = machine.start().await;
    let mut sessions = Vec::new();
    for number in 0..many() {
        let session = machine.shell(&format!("alice-{number}")).await;
        running.recorder.begin(&session).await.expect("begun");
        sessions.push((session, noise(&machine, number)));
    }
    for sequence in 0..4_usize {
        let (done, mut completions) = mpsc::unbounded_channel();
        for (session, frames) in &sessions {
            let number = i64::try_from(sequence).expect("small");
            let journaled = running.journal_output(session, number, &frames[sequence], done.clone());
            journaled.await;
        }
        drop(done);
        while let Some(completed) = completions.recv().await {
            completed.result.expect("durable");
        }
        running.recorder.inner.advance_all();
    }
    for (session, _) in &sessions {
        running.recorder.end(session, &ending());
    }
    let recorder = running.run_once(&machine.house.relay).await;
    for (session, frames) in &sessions {
        assert_eq!(
            bytes_of(&recorder, session).await,
            (frames.concat(), true),
            "{session}"
        );
    }
}

/// Keeps whoever wants to put something waiting.
struct StuckShelf;

#[async_trait]
impl Shelf for StuckShelf {
    async fn put(
        &self,
        _: &drawbridge_session::AccountId,
        _: &drawbridge_session::Region,
        _: &str,
        _: &str,
        _: Vec<u8>,
    ) -> Result<String, ShelfError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_shelf_that_never_answers_keeps_the_audit_log_from_nothing_and_no_server_from_stopping() {
    let machine = Machine::new().await;
    let mut running = machine.start().await;
    let mut task = running
        .task
        .take()
        .expect("a task")
        .with_shelf(Arc::new(StuckShelf));
    task.last_copies_within = Duration::ZERO;
    let relay = Arc::clone(&machine.house.relay);
    let stop = CancellationToken::new();
    let serving = tokio::spawn(task.run(relay, stop.clone()));
    let told = async |count| {
        while machine.told().await.len() < count {
            tokio::task::yield_now().await;
        }
    };
    for (number, id) in ["alice-1", "bob-1", "carol-1"].into_iter().enumerate() {
        let session = machine.shell(id).await;
        running.recorder.begin(&session).await.expect("begun");
        running.output(&session, 0, id).await;
        running.recorder.end(&session, &ending());
        machine.end_in_store(&session).await;
        let waiting = timeout(Duration::from_secs(30), told(number + 1));
        waiting
            .await
            .expect("told, although the shelf keeps the first one");
    }
    stop.cancel();
    let stopped = timeout(Duration::from_secs(30), serving).await;
    stopped.expect("without its shelf").expect("no panic");
    running.die().await;
    // Nothing is lost by it.
    let shelf = Arc::new(FussyShelf::default());
    let mut running = machine.start().await;
    running.task = running.task.map(|task| task.with_shelf(shelf.clone()));
    running.run_once(&machine.house.relay).await;
    assert_eq!(shelf.kept.lock().expect("whole").len(), 6, "two copies of each");
}
