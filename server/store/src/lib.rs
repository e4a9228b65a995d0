//! What the server remembers: a trait per noun, one SQLite implementation, and the root key that seals secrets.
//!
//! Lookups return `Option`; errors are the store's own trouble ([`StoreError`]) or, where an operation can be refused
//! for a reason that a caller must tell apart, an enum of its own. Writers are given the time.

pub mod access_keys;
pub mod activations;
pub mod audit;
pub mod backup;
pub mod blobs;
pub mod buckets;
pub mod credentials;
pub mod directories;
pub mod documents;
mod error;
pub mod floors;
pub mod folder;
mod foundation;
pub mod keyring;
pub mod log_events;
pub mod log_groups;
pub mod nodes;
pub mod objects;
pub mod parameters;
mod reserve;
pub mod root_key;
pub mod sessions;
pub mod settings;
mod sqlite;
pub mod tags;
pub mod tokens;
pub mod uploads;

pub use access_keys::{KeyUse, KeyUses};
pub use activations::Activations;
pub use audit::{
    AuditLog, Broken, Checkpoint, CheckpointError, EventAttribute, EventPage, EventPosition, StoredEvent,
    Verified, VerifyError,
};
pub use buckets::{
    Bucket, Buckets, CreateBucketError, DefaultRetention, PublicAccess, RemoveBucketError, Versioning,
};
pub use credentials::{Credential, CredentialError, Holder, TemporaryCredentials};
pub use directories::{ChangeError, Directories, DirectoryEdit, change_directory, principal_exists};
pub use documents::{
    ChangeDocumentError, CreateDocumentError, Document, DocumentAt, DocumentShare, DocumentVersion,
    Documents, FoundDocument, NewDocumentVersion, ShareChange, SharedVersions, SharedWith, WantedVersion,
};
pub use error::StoreError;
pub use floors::{floor_over, floors_over, remove_floor, set_floor};
pub use folder::{DataFolder, FolderError};
pub use foundation::Foundation;
pub use keyring::{
    Alias, ChangeKeyError, CreateAliasError, CreateGrantError, CreateKeyError, Grant, GrantConstraint,
    GrantOperation, Key, KeyManager, KeyMaterial, KeyPlace, KeyRef, KeyState, Keyring, MaterialCause,
    MaterialId, Rotation, provided,
};
pub use log_events::{LogBatch, LogBatchesOf, LogDirection, LogEvents, NewLogBatch, WantedLogBatches};
pub use log_groups::{
    CreateLogGroupError, CreateLogStreamError, ListedLogStreams, LogGroup, LogGroupAt, LogGroupChange,
    LogGroupClass, LogGroupId, LogGroupKey, LogGroups, LogStream, LogStreamId, LogStreamOrder, NewLogGroup,
};
pub use nodes::{NodeAccessKey, Nodes, Registration, RegistrationError};
pub use objects::{
    Checksum, Condition, Content, Deleted, KeyRange, LockError, ObjectAt, ObjectVersion, Objects, Piece,
    Place, PutObjectError, Retention, RetentionMode, Sealing,
};
pub use parameters::{Parameter, ParameterAt, ParameterKind, Parameters, PutParameterError};
pub use reserve::{NoRoom, Reserve, Space, Uploading};
pub use root_key::{RootKey, RootKeyError, SealError};
pub use sessions::{CreateSessionError, SessionLimits, SessionPage, Sessions, StateChangeError};
pub use settings::Settings;
pub use sqlite::{Inspection, Sqlite};
pub use tags::{TagError, TagTarget, Tags, TagsOf};
pub use tokens::{ChannelEnd, Redeemed, Token, TokenBinding, TokenGrant, TokenHash, Tokens};
pub use uploads::{Part, Upload, UploadedObject, Uploads};

/// Everything that the server remembers.
pub trait Store:
    Activations
    + AuditLog
    + Buckets
    + Directories
    + Documents
    + KeyUses
    + Keyring
    + LogEvents
    + LogGroups
    + Nodes
    + Objects
    + Parameters
    + Sessions
    + Settings
    + Tags
    + Tokens
    + Uploads
{
}
