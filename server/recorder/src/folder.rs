//! The folder of recordings: names, room, and what is old enough to go.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use drawbridge_session::SessionId;
use drawbridge_session::recording::Event;
use rustix::fs::OFlags;

use crate::format::{BlockError, Flaw, RecordingKeys, Verified, verify};

/// How much is kept, and how long.
#[derive(Debug, Clone, Default)]
pub struct FolderConfig {
    /// Days that a recording is kept after it is complete; `None` for ever.
    pub keep_days: Option<u32>,
    /// Bytes of all recordings; sessions beyond it are not begun. `None` for as much as the disk holds.
    pub quota_bytes: Option<u64>,
}

/// The recordings of one server.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    config: FolderConfig,
    used: AtomicU64,
}

/// Whether a recording has its end, and everything was told that is told of it. Its file's name says so, so that a server
/// that starts need not open every file there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Unfinished,
    Complete,
}

impl Stage {
    const ALL: [Self; 2] = [Self::Unfinished, Self::Complete];

    fn extension(self) -> &'static str {
        match self {
            Self::Unfinished => ".unfinished",
            Self::Complete => ".recording",
        }
    }
}

impl Folder {
    /// Opens the folder, creating it (mode 0700) when it is missing.
    ///
    /// # Errors
    ///
    /// When it cannot be created or listed.
    pub fn open(path: &Path, config: FolderConfig) -> io::Result<Self> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        let folder = Self {
            path: path.to_owned(),
            config,
            used: AtomicU64::new(0),
        };
        let mut used = 0;
        for (session, stage) in folder.list()? {
            used += fs::symlink_metadata(folder.path_of(&session, stage))?.size();
        }
        folder.used.store(used, Ordering::Relaxed);
        Ok(folder)
    }

    /// Lists whose recordings there are, complete or not.
    ///
    /// # Errors
    ///
    /// When the folder cannot be listed.
    pub fn sessions(&self) -> io::Result<Vec<SessionId>> {
        let mut sessions: Vec<_> = self.list()?.into_iter().map(|(session, _)| session).collect();
        sessions.sort_unstable();
        sessions.dedup();
        Ok(sessions)
    }

    /// Lists whose recordings have no end yet.
    pub(crate) fn unfinished(&self) -> io::Result<Vec<SessionId>> {
        let listed = self.list()?.into_iter();
        let unfinished = listed.filter(|(_, stage)| *stage == Stage::Unfinished);
        Ok(unfinished.map(|(session, _)| session).collect())
    }

    fn list(&self) -> io::Result<Vec<(SessionId, Stage)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let named = name.to_str().and_then(session_of);
            if let Some(named) = named.filter(|_| entry.file_type().is_ok_and(|kind| kind.is_file())) {
                found.push(named);
            }
        }
        Ok(found)
    }

    /// Checks a session's recording, and passes its events on; `None` where there is none.
    ///
    /// # Errors
    ///
    /// When it cannot be read; a recording that is not as it was made is an answer.
    pub fn verify(
        &self,
        session: &SessionId,
        keys: &RecordingKeys,
        visit: impl FnMut(Event),
    ) -> io::Result<Option<Result<Verified, Flaw>>> {
        let checked = self.check(session, keys, visit)?;
        Ok(checked.map(|(_, verified)| verified))
    }

    /// Checks a session's recording like [`verify`](Self::verify), and says what its name says.
    pub(crate) fn check(
        &self,
        session: &SessionId,
        keys: &RecordingKeys,
        visit: impl FnMut(Event),
    ) -> io::Result<Option<(Stage, Result<Verified, Flaw>)>> {
        let Some((file, stage)) = self.find(session)? else {
            return Ok(None);
        };
        let verified = match verify(&file, keys, session, visit) {
            Ok(verified) if stage == Stage::Complete && !verified.is_complete => Err(Flaw {
                index: verified.blocks,
                what: "is missing: the recording was complete once".to_owned(),
            }),
            Ok(verified) => Ok(verified),
            Err(BlockError::Flaw(flaw)) => Err(flaw),
            Err(BlockError::Io(error)) => return Err(error),
        };
        Ok(Some((stage, verified)))
    }

    pub(crate) fn open_to_read(&self, session: &SessionId) -> io::Result<Option<File>> {
        Ok(self.find(session)?.map(|(file, _)| file))
    }

    fn find(&self, session: &SessionId) -> io::Result<Option<(File, Stage)>> {
        // In this order: one that is missing as unfinished may have been completed meanwhile, never the other way round.
        for stage in Stage::ALL {
            let mut options = OpenOptions::new();
            options.read(true);
            if let Some(file) = self.open_if_there(&mut options, session, stage)? {
                return Ok(Some((file, stage)));
            }
        }
        Ok(None)
    }

    /// Opens the file of a recording that has no end yet; `None` where there is none.
    pub(crate) fn open_unfinished(&self, session: &SessionId) -> io::Result<Option<File>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        self.open_if_there(&mut options, session, Stage::Unfinished)
    }

    fn open_if_there(
        &self,
        options: &mut OpenOptions,
        session: &SessionId,
        stage: Stage,
    ) -> io::Result<Option<File>> {
        let path = self.path_of(session, stage);
        match options.custom_flags(no_follow()).open(path) {
            Ok(file) if file.metadata()?.is_file() => Ok(Some(file)),
            Ok(_) => Err(io::Error::other("a recording is not a plain file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes the file of a recording that is to begin; its name lasts when this returns.
    pub(crate) fn create(&self, session: &SessionId) -> io::Result<File> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(no_follow())
            .open(self.path_of(session, Stage::Unfinished))?;
        self.sync_names()?;
        Ok(file)
    }

    /// Says for good that a recording is complete, and from when on it is kept.
    ///
    /// # Errors
    ///
    /// When it cannot be renamed; of the kind `NotFound` when somebody removed it.
    pub(crate) fn complete(&self, session: &SessionId, now_ms: u64) -> io::Result<()> {
        let file = self.open_unfinished(session)?.ok_or(io::ErrorKind::NotFound)?;
        file.set_modified(UNIX_EPOCH + Duration::from_millis(now_ms))?;
        let [from, to] = Stage::ALL.map(|stage| self.path_of(session, stage));
        fs::rename(from, to)?;
        self.sync_names()
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    /// Takes note of room that was taken.
    pub(crate) fn grew(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Says whether there is room for more.
    ///
    /// # Errors
    ///
    /// When the quota is used up.
    pub(crate) fn check_quota(&self) -> io::Result<()> {
        match self.config.quota_bytes {
            Some(quota) if self.used.load(Ordering::Relaxed) >= quota => Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                format!("the quota of {quota} bytes for recordings is used up"),
            )),
            _ => Ok(()),
        }
    }

    /// How many days a recording is kept after it is complete; `None` for ever.
    pub(crate) fn keep_days(&self) -> Option<u32> {
        self.config.keep_days
    }

    /// Lists the complete recordings that are older than they are kept.
    pub(crate) fn expired(&self, now_ms: u64) -> io::Result<Vec<SessionId>> {
        let Some(days) = self.config.keep_days else {
            return Ok(Vec::new());
        };
        let before_ms = now_ms.saturating_sub(u64::from(days) * MS_PER_DAY);
        let mut expired = Vec::new();
        for (session, stage) in self.list()? {
            let metadata = fs::symlink_metadata(self.path_of(&session, stage))?;
            let written_ms = u64::try_from(metadata.mtime()).unwrap_or(0) * 1000;
            if written_ms < before_ms && stage == Stage::Complete {
                expired.push(session);
            }
        }
        Ok(expired)
    }

    /// Removes a complete recording.
    pub(crate) fn remove(&self, session: &SessionId) -> io::Result<()> {
        let path = self.path_of(session, Stage::Complete);
        let size = fs::symlink_metadata(&path)?.size();
        fs::remove_file(path)?;
        self.used.fetch_sub(size, Ordering::Relaxed);
        Ok(())
    }

    fn path_of(&self, session: &SessionId, stage: Stage) -> PathBuf {
        self.path.join(session.file_name() + stage.extension())
    }
}

const MS_PER_DAY: u64 = 24 * 3600 * 1000;

/// The session whose recording has this name.
fn session_of(name: &str) -> Option<(SessionId, Stage)> {
    let (escaped, stage) = Stage::ALL
        .into_iter()
        .find_map(|stage| Some((name.strip_suffix(stage.extension())?, stage)))?;
    let mut text = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((plain, behind)) = rest.split_once('%') {
        text.push_str(plain);
        let (digits, behind) = behind.split_at_checked(2)?;
        text.push(char::from(u8::from_str_radix(digits, 16).ok()?));
        rest = behind;
    }
    text.push_str(rest);
    let session = SessionId::parse(&text).ok()?;
    (session.file_name() == escaped).then_some((session, stage))
}

/// A name in the folder is a file and never a way out of it.
fn no_follow() -> i32 {
    (OFlags::NOFOLLOW | OFlags::CLOEXEC).bits().cast_signed()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn session(text: &str) -> SessionId {
        SessionId::parse(text).expect("a session id")
    }

    #[test]
    fn every_session_has_a_file_of_its_own_that_only_the_server_reads() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(&home.path().join("recordings"), FolderConfig::default()).expect("opened");
        let ids = [".-00000000000000001", "a@b,c=d+e.f-00000000000000002", "plain-1"];
        for id in ids {
            let file = folder.create(&session(id)).expect("created");
            let mode = file.metadata().expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            assert!(folder.create(&session(id)).is_err(), "there already");
        }
        let mut listed = folder.sessions().expect("listed");
        let mut expected: Vec<_> = ids.into_iter().map(session).collect();
        listed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(listed, expected);
    }

    #[test]
    fn a_link_is_never_followed() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(&home.path().join("recordings"), FolderConfig::default()).expect("opened");
        let elsewhere = home.path().join("elsewhere");
        fs::write(&elsewhere, "mine").expect("written");
        let name = folder.path_of(&session("alice-1"), Stage::Unfinished);
        std::os::unix::fs::symlink(&elsewhere, &name).expect("linked");
        assert!(folder.create(&session("alice-1")).is_err());
        assert!(folder.open_unfinished(&session("alice-1")).is_err());
        assert!(folder.open_to_read(&session("alice-1")).is_err());
        assert_eq!(folder.sessions().expect("listed"), []);
    }

    #[test]
    fn names_of_others_are_left_alone() {
        for name in [
            "x",
            ".recording",
            "a%2.recording",
            "a%zz.recording",
            "a.b.recording",
            "a%41.recording",
        ] {
            assert_eq!(session_of(name), None, "{name}");
        }
        assert_eq!(
            session_of("a%2Eb.recording"),
            Some((session("a.b"), Stage::Complete))
        );
    }

    #[test]
    fn what_is_old_goes_unless_it_is_unfinished() {
        let home = tempfile::tempdir().expect("a folder");
        let config = FolderConfig {
            keep_days: Some(1),
            quota_bytes: Some(1),
        };
        let folder = Folder::open(&home.path().join("recordings"), config).expect("opened");
        for id in ["alice-1", "bob-1"] {
            folder.create(&session(id)).expect("created");
        }
        let day_ms = 24 * 3600 * 1000;
        folder.complete(&session("alice-1"), day_ms).expect("renamed");
        let again = folder
            .complete(&session("alice-1"), day_ms)
            .expect_err("renamed already");
        assert_eq!(again.kind(), io::ErrorKind::NotFound);
        assert!(folder.check_quota().is_ok());
        folder.grew(1);
        assert!(folder.check_quota().is_err());
        assert_eq!(folder.expired(2 * day_ms).expect("listed"), [], "kept for a day");
        let expired = folder.expired(2 * day_ms + 1).expect("listed");
        assert_eq!(expired, [session("alice-1")]);
        folder.remove(&expired[0]).expect("removed");
        assert_eq!(folder.sessions().expect("listed"), [session("bob-1")]);
    }
}
