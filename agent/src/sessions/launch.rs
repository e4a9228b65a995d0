//! Starting the worker process of a session.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::{Order, SessionFolder};
use crate::account::DefaultAccount;
use crate::process::{ProcessHandle, ProcessIdentity};
use crate::pty;
use crate::state::StateError;

/// The longest specification that is handed over: a shell profile can be long, but not this long.
const MAX_SPEC_BYTES: usize = 512 * 1024;

/// Everything a worker needs, handed over on its standard input so that none of it shows in a process list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerSpec {
    /// The agent's folder.
    pub state: PathBuf,
    /// The session's folder.
    pub session_folder: PathBuf,
    /// What to do.
    pub order: Order,
    /// The account where the document names none.
    pub default_account: DefaultAccount,
}

/// How a worker is executed.
#[derive(Clone, Debug)]
pub struct WorkerProgram {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// Why a worker could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The system refused to execute it.
    #[error("cannot start a session worker")]
    Start(#[source] io::Error),
    /// It ended before it was told what to do.
    #[error("cannot hand the session over to its worker")]
    HandOver(#[source] io::Error),
    /// What is known of the session cannot be written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The specification is too long to be one.
    #[error("session request is longer than {MAX_SPEC_BYTES} bytes")]
    TooLong,
}

impl WorkerProgram {
    /// The program that is running, even if its file has been replaced since: `/proc/self/exe worker`.
    pub fn this_program() -> Self {
        Self {
            program: PathBuf::from("/proc/self/exe"),
            arguments: vec![OsString::from("worker")],
        }
    }

    /// Starts a worker in a session of its own and hands the specification over.
    ///
    /// The process is noted in the session's folder before it is told anything, so a worker that does something is
    /// one that a restarted agent finds.
    ///
    /// # Errors
    ///
    /// See [`LaunchError`]; the worker is then ending or was never there.
    pub fn launch(&self, spec: &WorkerSpec, folder: &SessionFolder) -> Result<ProcessHandle, LaunchError> {
        let content = serde_json::to_vec(spec).map_err(|error| LaunchError::HandOver(error.into()))?;
        if content.len() > MAX_SPEC_BYTES {
            return Err(LaunchError::TooLong);
        }
        let mut command = Command::new(&self.program);
        command
            .arg0("drawbridge-agent")
            .args(&self.arguments)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log_target(folder).map_err(LaunchError::Start)?);
        pty::detach(&mut command);
        let mut child = command.spawn().map_err(LaunchError::Start)?;

        let vanished = || LaunchError::HandOver(io::ErrorKind::BrokenPipe.into());
        let identity = i32::try_from(child.id())
            .ok()
            .and_then(ProcessIdentity::of)
            .ok_or_else(vanished)?;
        folder.set_worker(&identity)?;
        let handle = ProcessHandle::open(identity)
            .map_err(LaunchError::HandOver)?
            .ok_or_else(vanished)?;
        let mut input = child.stdin.take().ok_or_else(vanished)?;
        input.write_all(&content).map_err(LaunchError::HandOver)?;
        Ok(handle)
    }
}

impl WorkerSpec {
    /// Reads the specification in the worker.
    ///
    /// # Errors
    ///
    /// When the agent ended before it had handed everything over, or this is not what it sends.
    pub fn read(input: impl Read) -> io::Result<Self> {
        let mut content = Vec::new();
        input.take(MAX_SPEC_BYTES as u64 + 1).read_to_end(&mut content)?;
        serde_json::from_slice(&content).map_err(io::Error::from)
    }
}

/// The journal of systemd takes the lines of workers as it takes the agent's; any other descriptor may be a pipe that
/// ends with whoever started the agent, which a worker must survive.
fn log_target(folder: &SessionFolder) -> io::Result<Stdio> {
    if is_journal() {
        return Ok(Stdio::inherit());
    }
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(folder.log())?;
    Ok(Stdio::from(file))
}

/// systemd names the device and inode of the journal's socket in `JOURNAL_STREAM` (systemd.exec(5)).
fn is_journal() -> bool {
    let Ok(announced) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let Ok(own) = std::fs::metadata("/proc/self/fd/2") else {
        return false;
    };
    announced == format!("{}:{}", own.dev(), own.ino())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use drawbridge_session::SessionId;
    use drawbridge_session::document::SessionType;

    use super::*;
    use crate::process::stat;
    use crate::sessions::{Login, Plan, Registry, Task, Work};
    use crate::state::StateFolder;

    const PATIENCE: Duration = Duration::from_secs(30);

    struct Fixture {
        _parent: tempfile::TempDir,
        registry: Registry,
        folder: SessionFolder,
        spec: WorkerSpec,
    }

    fn fixture() -> Fixture {
        let parent = tempfile::tempdir().expect("a folder");
        let state = StateFolder::create(&parent.path().join("state")).expect("created");
        let registry = Registry::open(&state).expect("opened");
        let session = SessionId::parse("alice-1").expect("valid");
        let folder = registry.begin(&session).expect("made").expect("not known");
        let spec = WorkerSpec {
            state: state.path().to_owned(),
            session_folder: folder.path().to_owned(),
            order: Order {
                session,
                session_type: SessionType::StandardStream,
                work: Work::Planned(Box::new(Plan {
                    task: Task::Shell {
                        login: Login::default(),
                        profile: "echo s3cret".to_owned(),
                    },
                    extension: None,
                    kms_key_id: None,
                    logs: None,
                })),
            },
            default_account: DefaultAccount::AgentUser,
        };
        Fixture {
            _parent: parent,
            registry,
            folder,
            spec,
        }
    }

    fn script(text: &str) -> WorkerProgram {
        WorkerProgram {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), text.into()],
        }
    }

    async fn ended(handle: &ProcessHandle) {
        tokio::time::timeout(PATIENCE, handle.ended())
            .await
            .expect("the worker ends");
    }

    #[tokio::test]
    async fn hands_the_specification_over_where_nobody_else_sees_it() {
        let Fixture {
            _parent,
            folder,
            spec,
            ..
        } = fixture();
        let copy = folder.path().join("copy");
        let worker = script(&format!(
            "tr '\\0' ' ' </proc/$$/cmdline >&2; cat >{}",
            copy.display()
        ));
        let handle = worker.launch(&spec, &folder).expect("started");
        ended(&handle).await;
        let file = std::fs::File::open(&copy).expect("copied");
        assert_eq!(WorkerSpec::read(file).expect("whole"), spec);
        let shown = std::fs::read_to_string(folder.log()).expect("logged");
        assert!(shown.contains("cat") && !shown.contains("s3cret"), "{shown}");
    }

    #[tokio::test]
    async fn a_worker_has_a_session_of_its_own_and_is_found_again() {
        let Fixture {
            _parent,
            registry,
            folder,
            spec,
        } = fixture();
        let handle = script("cat >/dev/null; exec sleep 1000")
            .launch(&spec, &folder)
            .expect("started");
        let pid = handle.identity().pid;
        assert_eq!(stat(pid).expect("running").session, pid);
        drop(handle);

        let [found] = &registry.known().expect("listed")[..] else {
            panic!("one session")
        };
        let again = ProcessHandle::open(found.worker().expect("noted"))
            .expect("opened")
            .expect("running");
        again.terminate().expect("signalled");
        ended(&again).await;
        assert!(
            ProcessHandle::open(found.worker().expect("noted"))
                .expect("opened")
                .is_none()
        );
    }

    #[tokio::test]
    async fn says_when_a_worker_cannot_be_started() {
        let Fixture {
            _parent,
            folder,
            spec,
            ..
        } = fixture();
        let missing = WorkerProgram {
            program: "/no/such/program".into(),
            arguments: Vec::new(),
        };
        assert!(matches!(
            missing.launch(&spec, &folder),
            Err(LaunchError::Start(_))
        ));
    }

    #[test]
    fn does_nothing_on_half_a_specification() {
        assert!(WorkerSpec::read(&b""[..]).is_err());
        assert!(WorkerSpec::read(&br#"{"state":"/var"#[..]).is_err());
    }
}
