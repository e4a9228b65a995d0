//! The session's task.

use std::collections::HashMap;
use std::sync::Arc;

use drawbridge_protocol::data_channel::relay::{
    AppendId, ConnectionId, Effect, JournalFrame, JournalRecord, RelayCore,
};
use drawbridge_protocol::{Capabilities, Time};
use drawbridge_session::Clock;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::recording::{Progress, Recording};
use super::{Command, Inbox, Particulars, SharedObserver};
use crate::ending;
use crate::journal::{Completion, Journal, JournalError, SessionDigest};
use crate::socket::{FromPeer, Message, Outgoing, PeerEvent};

/// Answers of the journal that may wait; one per reader is under way at most.
const READS: usize = 64;

/// What a session's task is given of the server around it.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) journal: Journal,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: SharedObserver,
    /// Stops the task without ending the session: the server goes, the session stays.
    pub(crate) stop: CancellationToken,
}

/// Runs one session.
pub(crate) struct Actor {
    particulars: Particulars,
    core: RelayCore,
    inbox: Inbox,
    clock: Arc<dyn Clock>,
    observer: SharedObserver,
    stop: CancellationToken,
    recording: Recording,
    completions: mpsc::UnboundedReceiver<Completion>,
    read_answers: mpsc::Sender<ReadAnswer>,
    reads: mpsc::Receiver<ReadAnswer>,
    clients: HashMap<ConnectionId, Outgoing>,
    nodes: HashMap<ConnectionId, Outgoing>,
    /// What the client that connected last can do.
    client: Option<Capabilities>,
    /// Why the session is not recorded any more, where its document lets it go on.
    unrecorded: Option<String>,
}

struct ReadAnswer {
    reader: ConnectionId,
    frames: Result<Vec<JournalFrame>, JournalError>,
}

/// Everything that can happen to a session.
enum Event {
    Command(Command),
    Client(FromPeer),
    Node(FromPeer),
    Journal(Completion),
    Read(ReadAnswer),
    Deadline,
    Stop,
}

impl Actor {
    pub(crate) fn new(
        particulars: Particulars,
        core: RelayCore,
        inbox: Inbox,
        surroundings: Surroundings,
    ) -> Actor {
        let session = SessionDigest::of(particulars.authorized.session());
        let (recording, completions) = Recording::new(surroundings.journal, session);
        let (read_answers, reads) = mpsc::channel(READS);
        Actor {
            particulars,
            core,
            inbox,
            clock: surroundings.clock,
            observer: surroundings.observer,
            stop: surroundings.stop,
            recording,
            completions,
            read_answers,
            reads,
            clients: HashMap::new(),
            nodes: HashMap::new(),
            client: None,
            unrecorded: None,
        }
    }

    /// Writes down what a recovery will need beside the core's own records.
    pub(crate) async fn note_node(&self, capabilities: Option<Capabilities>) {
        self.recording.note_node(capabilities).await;
    }

    /// Runs the session to its end, or until the server stops.
    pub(crate) async fn run(mut self) {
        loop {
            if self.carry_out_effects().await {
                break;
            }
            match self.next_event().await {
                Event::Command(command) => self.obey(command),
                Event::Client(FromPeer { conn, event, .. }) => self.handle_client(conn, event),
                Event::Node(FromPeer { conn, event, .. }) => self.handle_node(conn, event),
                Event::Journal(completion) => self.handle_completion(completion),
                Event::Read(answer) => self.handle_read(answer),
                Event::Deadline => self.core.handle_timeout(self.now()),
                Event::Stop => {
                    self.core.handle_server_stopping(self.now());
                    self.carry_out_effects().await;
                    break;
                }
            }
        }
        self.recording.journal().forget(self.recording.session());
    }

    /// Waits for the next thing to happen. No source goes before another: a node that floods must not keep the
    /// client's Ctrl-C waiting.
    async fn next_event(&mut self) -> Event {
        let wait = self
            .core
            .poll_timeout()
            .map(|at| at.saturating_sub(self.clock.monotonic()));
        let until_deadline = async {
            match wait {
                Some(wait) => sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        let (read_clients, read_nodes) = (!self.core.client_input_paused(), !self.core.node_output_paused());
        tokio::select! {
            Some(completion) = self.completions.recv() => Event::Journal(completion),
            Some(command) = self.inbox.commands.recv() => Event::Command(command),
            Some(event) = self.inbox.clients.recv(), if read_clients => Event::Client(event),
            Some(event) = self.inbox.nodes.recv(), if read_nodes => Event::Node(event),
            Some(answer) = self.reads.recv() => Event::Read(answer),
            () = until_deadline => Event::Deadline,
            () = self.stop.cancelled() => Event::Stop,
        }
    }

    fn obey(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Client {
                attachment,
                outgoing,
                accepted,
            } => {
                self.clients.insert(attachment.conn, outgoing);
                self.client = attachment.capabilities;
                self.core.handle_client_connected(attachment, now);
                // A connection that is gone again says so in the queue of its messages.
                let _ = accepted.send(());
            }
            Command::Watcher {
                attachment,
                outgoing,
                accepted,
            } => {
                self.clients.insert(attachment.conn, outgoing);
                self.core.handle_watcher_connected(attachment, now);
                let _ = accepted.send(());
            }
            Command::Node {
                conn,
                outgoing,
                accepted,
            } => {
                self.nodes.insert(conn, outgoing);
                self.core.handle_node_connected(conn, now);
                let _ = accepted.send(());
            }
            Command::DataKey(answer) => {
                // Whoever asked may have given up.
                let _ = answer.send(self.core.wrapped_data_key());
            }
            Command::TaskComplete(complete) => self.core.handle_task_complete(&complete, now),
            Command::Terminate { cause, output } => self.core.terminate(cause, &output, now),
        }
    }

    fn handle_client(&mut self, conn: ConnectionId, event: PeerEvent) {
        let now = self.now();
        match event {
            PeerEvent::Message(bytes) => self.core.handle_client_message(conn, bytes, now),
            PeerEvent::Pong(payload) => self.core.handle_client_pong(conn, payload, now),
            PeerEvent::Gone => {
                self.clients.remove(&conn);
                self.core.handle_client_disconnected(conn, now);
            }
        }
    }

    fn handle_node(&mut self, conn: ConnectionId, event: PeerEvent) {
        let now = self.now();
        match event {
            PeerEvent::Message(bytes) => self.core.handle_node_message(conn, bytes, now),
            PeerEvent::Pong(_) => {}
            PeerEvent::Gone => {
                self.nodes.remove(&conn);
                self.core.handle_node_disconnected(conn, now);
            }
        }
    }

    /// Takes this completion and those behind it: groups complete together, and only the last one counts.
    fn handle_completion(&mut self, first: Completion) {
        let mut durable = None;
        let mut next = Some(first);
        while let Some(completion) = next {
            match Progress::from(completion) {
                Progress::Durable(id) => durable = Some(id),
                Progress::Nothing => {}
                Progress::Failed(error) => {
                    self.journal_failed(error.as_ref());
                    return;
                }
            }
            next = self.completions.try_recv().ok();
        }
        if let Some(through) = durable {
            self.core.handle_durable(through, self.now());
        }
    }

    fn handle_read(&mut self, answer: ReadAnswer) {
        match answer.frames {
            Ok(frames) => self.core.handle_journal_read(answer.reader, frames, self.now()),
            Err(error) => self.journal_failed(&error),
        }
    }

    fn journal_failed(&mut self, error: &JournalError) {
        let reason = error_chain(error);
        self.core.handle_journal_failed(&reason, self.now());
        if self.particulars.config.fail_open && self.unrecorded.is_none() {
            let session = self.particulars.authorized.session();
            tracing::warn!(session.id = %session, reason, "a session goes on unrecorded");
            self.unrecorded = Some(reason);
        }
    }

    /// Does what the core asks for; `true` when the session is over.
    ///
    /// What is to be sent goes out before anything is handed to the journal: an echo must not compete with its own
    /// record for a processor.
    async fn carry_out_effects(&mut self) -> bool {
        let mut appends = Vec::new();
        let is_over = self.carry_out_all_but_appends(&mut appends);
        if !appends.is_empty() {
            tokio::task::yield_now().await;
        }
        for (id, record) in appends {
            self.recording.append(id, record).await;
        }
        is_over
    }

    fn carry_out_all_but_appends(&mut self, appends: &mut Vec<(AppendId, JournalRecord)>) -> bool {
        while let Some(effect) = self.core.poll_effect() {
            match effect {
                Effect::ToClient { conn, bytes } => self.to_client(conn, Message::Binary(bytes)),
                Effect::PingClient { conn, payload } => self.to_client(conn, Message::Ping(payload)),
                Effect::CloseClient { conn } => {
                    if let Some(outgoing) = self.clients.remove(&conn) {
                        outgoing.close();
                    }
                }
                Effect::ToNode { conn, bytes } => {
                    if let Some(outgoing) = self.nodes.get(&conn) {
                        outgoing.send(Message::Binary(bytes));
                    }
                }
                Effect::CloseNode { conn } => {
                    if let Some(outgoing) = self.nodes.remove(&conn) {
                        outgoing.close();
                    }
                }
                Effect::Append {
                    id,
                    record,
                    epoch_ms: _,
                } => appends.push((id, record)),
                Effect::ReadJournal {
                    reader,
                    from_sequence,
                    max_bytes,
                } => {
                    self.read_journal(reader, from_sequence, max_bytes);
                }
                Effect::StartOnNode => self.observer.start_on_node(&self.particulars, self.client),
                Effect::TerminateOnNode => self.observer.terminate_on_node(&self.particulars.authorized),
                Effect::StateChanged(state) => {
                    self.observer.state_changed(&self.particulars.authorized, state);
                }
                Effect::Flows(report) => self.observer.passed(&self.particulars.authorized, report),
                Effect::Ended { mut outcome } => {
                    if let Some(reason) = &self.unrecorded {
                        ending::not_recorded_to_its_end(&mut outcome, reason);
                    }
                    self.observer
                        .ended(&self.particulars.authorized, outcome, self.core.faults());
                    return true;
                }
            }
        }
        false
    }

    fn to_client(&self, conn: ConnectionId, message: Message) {
        if let Some(outgoing) = self.clients.get(&conn) {
            outgoing.send(message);
        }
    }

    fn read_journal(&self, reader: ConnectionId, from_sequence: i64, max_bytes: usize) {
        let answers = self.read_answers.clone();
        let (journal, session) = (self.recording.journal().clone(), self.recording.session());
        tokio::spawn(async move {
            let frames = Recording::read(journal, session, from_sequence, max_bytes).await;
            // A session that ended meanwhile no longer reads.
            let _ = answers.send(ReadAnswer { reader, frames }).await;
        });
    }

    fn now(&self) -> Time {
        Time::new(self.clock.monotonic(), self.clock.epoch_ms())
    }
}

/// The error and its causes in one sentence.
fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        sentence.push_str(": ");
        sentence.push_str(&error.to_string());
        cause = error.source();
    }
    sentence
}
