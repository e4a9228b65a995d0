//! Live sessions and what is kept of them: the journal, the relay that writes it, and the recorder that reads it.

use std::path::Path;
use std::sync::Arc;

use drawbridge_protocol::data_channel::relay::Timers;
use drawbridge_recorder::{Folder, FolderConfig, JournalRecorder, RecorderTask, RecordingKeys};
use drawbridge_relay::SessionRelay;
use drawbridge_relay::journal::{
    DiskFolder, Journal, JournalConfig, JournalError, JournalKey, JournalWriter,
};
use drawbridge_store::Foundation;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::OpenError;

/// The folder of the journal, inside the data folder.
const JOURNAL_FOLDER: &str = "journal";

/// The folder of recordings, inside the data folder.
pub const RECORDINGS_FOLDER: &str = "recordings";

/// The sessions of the last server, taken up.
pub(super) struct Sessions {
    pub(super) journal: Journal,
    pub(super) writer: JournalWriter,
    pub(super) recorder: JournalRecorder,
    pub(super) recorder_task: RecorderTask,
    pub(super) relay: SessionRelay,
}

impl Sessions {
    pub(super) async fn open(
        folder: &Path,
        recordings: FolderConfig,
        foundation: &Foundation,
    ) -> Result<Self, OpenError> {
        let Foundation {
            store,
            root,
            clock,
            random,
        } = foundation;
        let (journal, writer) = open_journal(folder, foundation)?;
        let recordings = Folder::open(&folder.join(RECORDINGS_FOLDER), recordings);
        let (recorder, recorder_task) = JournalRecorder::open(
            recordings.map_err(drawbridge_recorder::OpenError::Folder)?,
            RecordingKeys::of(root),
            journal.clone(),
            Arc::clone(store),
            Arc::clone(clock),
            Arc::clone(random),
        )
        .await?;
        let relay = SessionRelay::open(
            Arc::clone(store),
            journal.clone(),
            Arc::new(recorder.clone()),
            Arc::clone(clock),
            Arc::clone(random),
            Timers::default(),
        )
        .await?;
        Ok(Self {
            journal,
            writer,
            recorder,
            recorder_task,
            relay,
        })
    }
}

fn open_journal(folder: &Path, foundation: &Foundation) -> Result<(Journal, JournalWriter), OpenError> {
    let segments = DiskFolder::open(&folder.join(JOURNAL_FOLDER)).map_err(JournalError::List)?;
    let key = JournalKey::new(*foundation.root.derive("journal 1"));
    let opened = Journal::open(
        JournalConfig::default(),
        Arc::new(segments),
        key,
        Arc::clone(&foundation.clock),
        Arc::clone(&foundation.random),
    );
    Ok(opened?)
}

/// The task that makes recordings.
pub(super) struct Recording {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Recording {
    pub(super) fn start(task: RecorderTask, relay: &SessionRelay) -> Self {
        let stop = CancellationToken::new();
        let relay = Arc::new(relay.clone());
        Self {
            task: tokio::spawn(task.run(relay, stop.clone())),
            stop,
        }
    }

    /// Waits until it has taken over what the journal has.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        if self.task.await.is_err() {
            tracing::error!("the task that makes recordings panicked");
        }
    }
}
