//! What a server is opened with, and why it cannot be.

use std::io;
use std::path::PathBuf;

use drawbridge_objects::Backing;
use drawbridge_recorder::FolderConfig;
use drawbridge_relay::RecoveryError;
use drawbridge_relay::journal::JournalError;
use drawbridge_service_ssm::ActivationTier;
use drawbridge_session::{AccountId, Region};
use drawbridge_store::{FolderError, RootKeyError, StoreError};

use crate::ca::AuthorityError;

/// What a server needs to know.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// `HOST:PORT`; port 0 takes a free one.
    pub listen: String,
    /// The account it serves.
    pub account: AccountId,
    /// The region of unsigned requests and of the audit events of global services; signed requests name their own.
    pub region: Region,
    /// `HOST[:PORT]` by which clients reach it, for stream URLs where a request does not say.
    pub public_host: Option<String>,
    /// Further names and addresses for the certificate.
    pub certificate_hosts: Vec<String>,
    /// Whether it also answers for AWS's names of `region`.
    pub private_names: bool,
    /// Whether the administrator gets a new access key in the place of one that was deleted.
    pub renew_administrator_key: bool,
    /// Whether live sessions end that a change of policies, tags or keys no longer allows.
    pub end_disallowed_sessions: bool,
    /// What registered nodes can be used for in accounts and regions that have not chosen.
    pub activation_tier: ActivationTier,
    /// How much is kept of recordings, and how long.
    pub recordings: FolderConfig,
    /// What uploads leave free on the disk of the data folder; as the disk is large without it, nothing with 0.
    pub reserve_bytes: Option<u64>,
    /// The bucket of another store that the bytes of objects lie in; the data folder without one.
    pub objects: Option<Backing>,
}

/// Why a server cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data folder is in use, or cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The address is taken, or not this machine's.
    #[error("cannot listen on `{address}`")]
    Address {
        /// The configured address.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The root key cannot be read or made.
    #[error(transparent)]
    RootKey(#[from] RootKeyError),
    /// The store cannot be opened.
    #[error("cannot open the store")]
    Store(#[from] StoreError),
    /// The certificate authority cannot be loaded or made.
    #[error("cannot use the certificate authority")]
    Authority(#[from] AuthorityError),
    /// The bytes of objects are not where they are said to be, or their place cannot be used.
    #[error(transparent)]
    Objects(#[from] drawbridge_objects::OpenError),
    /// The journal cannot be opened.
    #[error("cannot open the journal")]
    Journal(#[from] JournalError),
    /// The recordings cannot be taken up.
    #[error(transparent)]
    Recordings(#[from] drawbridge_recorder::OpenError),
    /// The sessions of the last server cannot be taken up.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
}
