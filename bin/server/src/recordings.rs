//! `drawbridge recordings`: what can be said about recordings without their server.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use drawbridge_gateway::RECORDINGS_FOLDER;
use drawbridge_recorder::{Folder, FolderConfig, Judgment, RecordingKeys, Told, Verified};
use drawbridge_session::SessionId;
use drawbridge_store::{Inspection, RootKey, Sqlite, VerifyError};

use crate::exit::{AUDIT_LOG_BROKEN, FOLDER_UNUSABLE, Failure, RECORDING_BROKEN};
use crate::root_key;

/// Checks one recording of a data folder, or all of them, against themselves and the audit log, and prints what they hold.
pub(crate) async fn verify(data_folder: &Path, session: Option<SessionId>) -> Result<()> {
    let auditor = Auditor::open(data_folder).await?;
    let (judgments, told) = auditor.judge_all(session.as_ref()).await?;
    if let Some(session) = session.filter(|session| !judgments.contains_key(session)) {
        let sentence = format!("there is no recording of {session}");
        return Err(Failure::new(FOLDER_UNUSABLE, sentence).into());
    }
    for (session, judgment) in &judgments {
        println!("{}", line(session, judgment));
    }
    println!("{}", compared(&told));
    match judgments.values().filter(|judgment| is_broken(judgment)).count() {
        0 => Ok(()),
        broken => {
            let sentence = format!("{broken} of {} recordings are broken", judgments.len());
            Err(Failure::new(RECORDING_BROKEN, sentence).into())
        }
    }
}

type Judgments = BTreeMap<SessionId, Judgment>;

/// What recordings are judged by.
struct Auditor {
    folder: Folder,
    store: Inspection,
    root: RootKey,
    keys: RecordingKeys,
}

impl Auditor {
    async fn open(data_folder: &Path) -> Result<Self> {
        let (path, file) = (
            data_folder.join(RECORDINGS_FOLDER),
            data_folder.join(Sqlite::FILE_NAME),
        );
        let unusable = |what| Failure::new(FOLDER_UNUSABLE, format!("`{}` {what}", data_folder.display()));
        if !path.is_dir() {
            return Err(unusable("holds no recordings").into());
        }
        if !file.is_file() {
            return Err(unusable("holds no audit log to compare the recordings with").into());
        }
        let root = RootKey::load(data_folder).map_err(|error| root_key::unusable(&error))?;
        Ok(Self {
            folder: Folder::open(&path, FolderConfig::default()).context("cannot read the recordings")?,
            store: Inspection::open(&file)
                .await
                .context("cannot read the audit log")?,
            keys: RecordingKeys::of(&root),
            root,
        })
    }

    /// Judges a session's recording, or all that there are or should be.
    async fn judge_all(&self, session: Option<&SessionId>) -> Result<(Judgments, Told)> {
        let mut told = self.told().await?;
        let sessions = match session {
            Some(session) => BTreeSet::from([session.clone()]),
            None => {
                let listed = self.folder.sessions().context("cannot list the recordings")?;
                listed.into_iter().chain(told.sessions().cloned()).collect()
            }
        };
        let mut judgments = self.judge(sessions, &told).await?;
        let broken =
            |(session, judgment): (&SessionId, &Judgment)| is_broken(judgment).then(|| session.clone());
        let suspects: BTreeSet<_> = judgments.iter().filter_map(broken).collect();
        if !suspects.is_empty() {
            // A server may have completed or removed one between the two looks.
            told = self.told().await?;
            judgments.extend(self.judge(suspects, &told).await?);
        }
        Ok((judgments, told))
    }

    async fn told(&self) -> Result<Told> {
        match Told::read(&self.store, &self.root).await {
            Ok(told) => Ok(told),
            Err(VerifyError::Store(error)) => Err(error).context("cannot read the audit log"),
            Err(error) => {
                let sentence = format!("the audit log is broken: {error}");
                Err(Failure::new(AUDIT_LOG_BROKEN, sentence).into())
            }
        }
    }

    async fn judge(&self, sessions: BTreeSet<SessionId>, told: &Told) -> Result<Judgments> {
        let mut judgments = Judgments::new();
        for id in sessions {
            let session = self
                .store
                .session(&id)
                .await
                .context("cannot read the sessions")?;
            let judgment = self
                .folder
                .judge(&id, &self.keys, told, session.as_ref())
                .with_context(|| format!("cannot read the recording of {id}"))?;
            judgments.extend(judgment.map(|judgment| (id, judgment)));
        }
        Ok(judgments)
    }
}

fn is_broken(judgment: &Judgment) -> bool {
    matches!(judgment, Judgment::Broken(_))
}

fn line(session: &SessionId, judgment: &Judgment) -> String {
    let held = |what, Verified { blocks, head, .. }: &Verified| {
        format!(
            "{session}: {what}: blocks 0 to {}, head {head}",
            blocks.saturating_sub(1)
        )
    };
    match judgment {
        Judgment::Whole(verified) => held("whole", verified),
        Judgment::OlderThanLog(verified) => held("whole, and older than the audit log", verified),
        Judgment::Untold(verified) => held("whole, and not yet in the audit log", verified),
        Judgment::Unfinished(verified) => held("whole so far, without its end", verified),
        Judgment::Expired(at) => format!("{session}: removed {at} for its age"),
        Judgment::Broken(fault) => format!("{session}: BROKEN: {fault}"),
    }
}

/// Says what the recordings were compared with.
fn compared(told: &Told) -> String {
    let log = told.log();
    match log.events {
        0 => "the audit log is whole: it holds no event".to_owned(),
        events => format!(
            "the audit log is whole: events {} to {}",
            log.first,
            log.first + events - 1
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use drawbridge_session::SystemRandom;

    use super::*;
    use crate::exit;

    #[tokio::test]
    async fn makes_nothing_where_there_is_no_server() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = verify(folder.path(), None).await.expect_err("no folder");
        assert_eq!(exit::report(&error), FOLDER_UNUSABLE.into());
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }

    #[tokio::test]
    async fn names_the_broken_ones() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = RootKey::load_or_create(folder.path(), &SystemRandom).expect("made");
        std::fs::create_dir(folder.path().join(RECORDINGS_FOLDER)).expect("made");
        let error = verify(folder.path(), None)
            .await
            .expect_err("nothing to compare with");
        assert_eq!(exit::report(&error), FOLDER_UNUSABLE.into());
        let store = Sqlite::open(&folder.path().join(Sqlite::FILE_NAME), Arc::new(root)).await;
        let _running = store.expect("opens");
        assert!(verify(folder.path(), None).await.is_ok(), "none is broken");
        let file = folder.path().join(RECORDINGS_FOLDER).join("alice-1.recording");
        std::fs::write(file, "not a recording").expect("written");
        let error = verify(folder.path(), None).await.expect_err("broken");
        assert_eq!(error.to_string(), "1 of 1 recordings are broken");
        assert_eq!(exit::report(&error), RECORDING_BROKEN.into());
        let other = SessionId::parse("bob-1").expect("a session id");
        assert_eq!(
            exit::report(&verify(folder.path(), Some(other)).await.expect_err("unknown")),
            FOLDER_UNUSABLE.into()
        );
    }
}
