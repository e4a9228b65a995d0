//! The folders of sessions that are running or whose end is not acknowledged yet.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use drawbridge_session::SessionId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Outcome;
use crate::process::ProcessIdentity;
use crate::state::{StateError, StateFolder};

const FOLDER: &str = "sessions";
const SESSION: &str = "session.json";
const WORKER: &str = "worker.json";
const SHELL: &str = "shell.json";
const OUTCOME: &str = "outcome.json";
const LOG: &str = "worker.log";
const OUTPUT: &str = "output.log";
const SHIPPING: &str = "shipping.json";

/// All sessions this node knows, one folder each.
#[derive(Clone, Debug)]
pub struct Registry {
    folder: StateFolder,
}

/// What is known of one session.
#[derive(Clone, Debug)]
pub struct SessionFolder {
    session: SessionId,
    folder: StateFolder,
}

impl Registry {
    /// Opens the registry within the agent's folder.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made or is not this user's.
    pub fn open(state: &StateFolder) -> Result<Self, StateError> {
        Ok(Self {
            folder: StateFolder::create(&state.path().join(FOLDER))?,
        })
    }

    /// Makes the folder of a session that is about to start; `None` when the session is known already.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made.
    pub fn begin(&self, session: &SessionId) -> Result<Option<SessionFolder>, StateError> {
        let path = self.folder.path().join(session.file_name());
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            Err(source) => {
                return Err(StateError::Io {
                    action: "create",
                    path,
                    source,
                });
            }
            Ok(()) => {}
        }
        let begun = SessionFolder {
            session: session.clone(),
            folder: StateFolder::open(&path)?,
        };
        begun.keep(SESSION, session)?;
        Ok(Some(begun))
    }

    /// Lists the sessions that an earlier run of the agent left, and removes what it had not finished making.
    ///
    /// # Errors
    ///
    /// When the registry cannot be read.
    pub fn known(&self) -> Result<Vec<SessionFolder>, StateError> {
        let path = self.folder.path();
        let entries = fs::read_dir(path).map_err(|source| StateError::Io {
            action: "list",
            path: path.to_owned(),
            source,
        })?;
        let mut known = Vec::new();
        for entry in entries.flatten() {
            match SessionFolder::open(&entry.path()) {
                Ok(Some(folder)) => known.push(folder),
                Ok(None) => drop(fs::remove_dir_all(entry.path())),
                Err(error) => tracing::warn!(%error, "cannot read what is known of a session"),
            }
        }
        Ok(known)
    }
}

impl SessionFolder {
    /// Opens the folder of a session; `None` when it was never finished.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn open(path: &Path) -> Result<Option<Self>, StateError> {
        let folder = StateFolder::open(path)?;
        let session: Option<SessionId> = recall(&folder, SESSION)?;
        // A folder that was moved or copied under another name is not the session's.
        let session = session.filter(|session| path.file_name() == Some(session.file_name().as_ref()));
        Ok(session.map(|session| Self { session, folder }))
    }

    /// Which session it is.
    pub fn session(&self) -> &SessionId {
        &self.session
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the worker logs to when the agent has no better place.
    pub fn log(&self) -> PathBuf {
        self.path().join(LOG)
    }

    /// Where the session's output is written down, if its log goes anywhere.
    pub fn output(&self) -> PathBuf {
        self.path().join(OUTPUT)
    }

    /// Says whether the session is over but for its log.
    pub fn is_shipping(&self) -> bool {
        recall(&self.folder, SHIPPING).ok().flatten().unwrap_or(false)
    }

    /// Notes that the session is over but for its log, so that its worker is given time.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn set_shipping(&self) -> Result<(), StateError> {
        self.keep(SHIPPING, &true)
    }

    /// Returns the process that runs the session, if one was started.
    pub fn worker(&self) -> Option<ProcessIdentity> {
        recall(&self.folder, WORKER).ok().flatten()
    }

    /// Notes the process that runs the session.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn set_worker(&self, worker: &ProcessIdentity) -> Result<(), StateError> {
        self.keep(WORKER, worker)
    }

    /// Returns the session's shell, if one was started.
    pub fn shell(&self) -> Option<ProcessIdentity> {
        recall(&self.folder, SHELL).ok().flatten()
    }

    /// Notes the session's shell, so that what it started can be ended should the worker be killed.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn set_shell(&self, shell: &ProcessIdentity) -> Result<(), StateError> {
        self.keep(SHELL, shell)
    }

    /// Returns how the session ended, if it has.
    pub fn outcome(&self) -> Option<Outcome> {
        recall(&self.folder, OUTCOME).ok().flatten()
    }

    /// Notes how the session ended. The first word counts: a later one does not replace it.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn set_outcome(&self, outcome: &Outcome) -> Result<(), StateError> {
        match self.outcome() {
            Some(_) => Ok(()),
            None => self.keep(OUTCOME, outcome),
        }
    }

    /// Forgets the session.
    ///
    /// # Errors
    ///
    /// When the folder cannot be removed.
    pub fn forget(&self) -> Result<(), StateError> {
        let path = self.path().to_owned();
        fs::remove_dir_all(&path).map_err(|source| StateError::Io {
            action: "remove",
            path,
            source,
        })
    }

    fn keep(&self, name: &str, value: &impl Serialize) -> Result<(), StateError> {
        self.folder
            .write(name, &serde_json::to_vec(value).unwrap_or_default())
    }
}

/// Reads a value back; a damaged one counts as none.
fn recall<T: DeserializeOwned>(folder: &StateFolder, name: &str) -> Result<Option<T>, StateError> {
    Ok(folder
        .read(name)?
        .and_then(|content| serde_json::from_slice(&content).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> (tempfile::TempDir, Registry) {
        let parent = tempfile::tempdir().expect("a folder");
        let state = StateFolder::create(&parent.path().join("state")).expect("created");
        let registry = Registry::open(&state).expect("opened");
        (parent, registry)
    }

    fn session(text: &str) -> SessionId {
        SessionId::parse(text).expect("valid")
    }

    #[test]
    fn begins_a_session_once() {
        let (_parent, registry) = registry();
        assert!(registry.begin(&session("a@b.c-01")).expect("made").is_some());
        assert!(registry.begin(&session("a@b.c-01")).expect("known").is_none());
        assert!(
            registry
                .begin(&session(".."))
                .expect("a name like any other")
                .is_some()
        );
        assert_eq!(fs::read_dir(registry.folder.path()).expect("listed").count(), 2);
    }

    #[test]
    fn finds_everything_again() {
        let (_parent, registry) = registry();
        let begun = registry
            .begin(&session("alice-1"))
            .expect("made")
            .expect("not known");
        let own = ProcessIdentity::of(i32::try_from(std::process::id()).expect("small")).expect("running");
        begun.set_worker(&own).expect("kept");
        begun.set_shell(&own).expect("kept");
        begun.set_outcome(&Outcome::failed("first")).expect("kept");
        begun.set_outcome(&Outcome::success()).expect("ignored");

        let known = registry.known().expect("listed");
        let [found] = known.as_slice() else {
            panic!("one session: {known:?}")
        };
        assert_eq!(found.session(), &session("alice-1"));
        assert!(found.worker().expect("noted").is_alive());
        assert_eq!(found.shell(), Some(own));
        assert_eq!(found.outcome(), Some(Outcome::failed("first")));
        found.forget().expect("removed");
        assert!(registry.known().expect("listed").is_empty());
    }

    #[test]
    fn removes_what_was_never_finished() {
        let (_parent, registry) = registry();
        fs::create_dir(registry.folder.path().join("half")).expect("made");
        let begun = registry
            .begin(&session("alice-1"))
            .expect("made")
            .expect("not known");
        fs::rename(begun.path(), registry.folder.path().join("other")).expect("moved");
        assert!(registry.known().expect("listed").is_empty());
        assert_eq!(fs::read_dir(registry.folder.path()).expect("listed").count(), 0);
    }

    #[test]
    fn a_worker_of_an_earlier_boot_is_not_alive() {
        let mut identity =
            ProcessIdentity::of(i32::try_from(std::process::id()).expect("small")).expect("running");
        assert!(identity.is_alive());
        identity.boot_id = "another".to_owned();
        assert!(!identity.is_alive());
    }
}
