//! Where the sockets of shared connections are, and who may use them.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, symlink};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use drawbridge_aws_client::Environment;
use drawbridge_tunnel::{Listener, SocketFile};
use rustix::fs::{FlockOperation, flock};
use tokio::net::UnixListener;

use super::frames::{Frames, Greeting};

/// The variables that decide which server is called, and as whom. What they lead to is not looked at: whoever has other ones has
/// a session of their own.
const DECISIVE: [&str; 14] = [
    "HOME",
    "AWS_ENDPOINT_URL_SSM",
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CA_BUNDLE",
];

/// The version of what is spoken there: other versions do not find each other.
const VERSION: u8 = 1;

/// Where the shared connections of one person to one server are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    folder: PathBuf,
    key: String,
}

/// Why there is no such place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// No variable says where.
    #[error("neither XDG_RUNTIME_DIR, XDG_CACHE_HOME nor HOME names a folder")]
    Nowhere,
    /// The folder cannot be used.
    #[error("cannot use the folder {}", folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Others could get at what is in the folder.
    #[error("the folder {} is not this account's alone", .0.display())]
    NotOurs(PathBuf),
    /// The socket cannot be made.
    #[error("cannot listen at {}", path.display())]
    Listen {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A connection to the node is shared already.
    #[error(transparent)]
    Occupied(#[from] Occupied),
}

/// A connection to the node is shared already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a connection to this node is shared already{}", session_id.as_deref().map(|id| format!(", as session {id}")).unwrap_or_default())]
pub struct Occupied {
    /// The session, where it says so in time.
    pub session_id: Option<String>,
}

/// A socket where commands for a node may be asked for, until it is dropped.
#[derive(Debug)]
pub struct Sharing {
    pub(super) listener: UnixListener,
    _file: SocketFile,
    /// A second name, as a person types it.
    _name: Option<Alias>,
}

#[derive(Debug)]
struct Alias(PathBuf);

impl Drop for Alias {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Place {
    /// Finds the place for whoever these variables and arguments make the caller.
    ///
    /// # Errors
    ///
    /// No variable says where.
    pub fn of(
        environment: &Environment,
        endpoint: Option<&str>,
        region: Option<&str>,
        profile: Option<&str>,
    ) -> Result<Place, PlaceError> {
        let named = |name: &str| {
            let value = environment.value(name).filter(|value| value.starts_with('/'));
            value.map(PathBuf::from)
        };
        let folder = named("XDG_RUNTIME_DIR")
            .map(|folder| folder.join("drawbridge"))
            .or_else(|| named("XDG_CACHE_HOME").map(|folder| folder.join("drawbridge/shared")))
            .or_else(|| named("HOME").map(|folder| folder.join(".cache/drawbridge/shared")))
            .ok_or(PlaceError::Nowhere)?;
        let mut key = String::new();
        let arguments = [endpoint, region, profile].into_iter();
        for value in arguments.chain(DECISIVE.iter().map(|name| environment.value(name))) {
            // With its length, so that no two lists read the same.
            let value = value.map(|value| value.trim_end_matches('/'));
            let _ = write!(key, "{:?};", value);
        }
        Ok(Place { folder, key })
    }

    fn path(&self, node: &str) -> PathBuf {
        let digest = digest(&SHA256, format!("{VERSION};{node:?};{}", self.key).as_bytes());
        let mut name = String::new();
        for byte in &digest.as_ref()[..16] {
            let _ = write!(name, "{byte:02x}");
        }
        self.folder.join(name)
    }

    /// Connects to whoever shares a connection to this node, named by its id or as when the connection was made.
    pub fn connect(&self, node: &str) -> Option<UnixStream> {
        // Who cannot be connected to shares nothing.
        let stream = UnixStream::connect(self.path(node)).ok()?;
        let peer = rustix::net::sockopt::socket_peercred(&stream).ok()?;
        (peer.uid == rustix::process::geteuid()).then_some(stream)
    }

    /// Begins to listen for commands for a node, under its id and as it was `named`.
    ///
    /// A socket that nobody listens on any more is replaced. Must be called within a runtime.
    ///
    /// # Errors
    ///
    /// See [`PlaceError`].
    pub fn share(&self, node: &str, named: &str) -> Result<Sharing, PlaceError> {
        let unusable = |source| PlaceError::Folder {
            folder: self.folder.clone(),
            source,
        };
        let folder = self.own_folder()?;
        // Or two that begin at one time would each replace the other's.
        flock(&folder, FlockOperation::LockExclusive).map_err(|error| unusable(error.into()))?;
        let path = self.path(node);
        let (listener, file) = match Listener::unix(&path) {
            Ok(Listener::Unix(listener, file)) => (listener, file),
            Ok(Listener::Tcp(_)) => return Err(unusable(ErrorKind::Unsupported.into())),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                let session_id = self.connect(node).as_ref().and_then(told);
                return Err(Occupied { session_id }.into());
            }
            Err(source) => return Err(PlaceError::Listen { path, source }),
        };
        let name = (named != node).then(|| self.alias(named, &path)).flatten();
        Ok(Sharing {
            listener,
            _file: file,
            _name: name,
        })
    }

    /// Makes a second name, where there is room: without it, the node is found by its id only.
    fn alias(&self, named: &str, path: &Path) -> Option<Alias> {
        let alias = self.path(named);
        let _ = fs::remove_file(&alias);
        symlink(path, &alias).ok().map(|()| Alias(alias))
    }

    fn own_folder(&self) -> Result<File, PlaceError> {
        let unusable = |source| PlaceError::Folder {
            folder: self.folder.clone(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(unusable)?;
        let metadata = fs::symlink_metadata(&self.folder).map_err(unusable)?;
        let is_ours = metadata.is_dir()
            && metadata.uid() == rustix::process::geteuid().as_raw()
            && metadata.mode() & 0o077 == 0;
        if !is_ours {
            return Err(PlaceError::NotOurs(self.folder.clone()));
        }
        File::open(&self.folder).map_err(unusable)
    }
}

/// Reads which session somebody shares; one that is only beginning does not say so yet.
fn told(mut socket: &UnixStream) -> Option<String> {
    socket.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut frames = Frames::default();
    loop {
        if let Some(greeting) = frames.next().ok()? {
            let greeting: Greeting = serde_json::from_slice(&greeting).ok()?;
            return Some(greeting.session_id.chars().filter(|c| !c.is_control()).collect());
        }
        let mut piece = [0; 512];
        let count = socket.read(&mut piece).ok().filter(|count| *count > 0)?;
        frames.buffer().extend_from_slice(&piece[..count]);
    }
}

const PATIENCE: Duration = Duration::from_millis(500);
