//! What a backup says of itself: its header, its manifest, and by what they are known to be whole.

use aws_lc_rs::{digest, hmac};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::BackupError;
use crate::RootKey;

/// The layout of archives that this program writes and reads.
const FORMAT: u32 = 1;

/// What wrote a backup, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    format: u32,
    /// When it was begun.
    pub created_at: Timestamp,
    /// The version of the program.
    pub program: String,
    /// A value derived from the root key, by which the right one is known; it tells nothing of the key.
    root_key_check: String,
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// When it was begun.
    pub created_at: Timestamp,
    /// How many files.
    pub files: usize,
    /// How many bytes they have.
    pub bytes: u64,
    /// Whether the root key is among them.
    pub root_key_included: bool,
    /// Where the bytes of objects lie that are not among them, if they lie outside of the data folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects_at: Option<String>,
}

/// Every file of a backup, in the order of the archive.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) files: Vec<Listed>,
}

/// A file of a backup.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listed {
    /// The entry of the archive.
    pub(super) entry: String,
    pub(super) size: u64,
    /// In hex.
    pub(super) sha256: String,
}

impl Header {
    pub(super) fn new(root: &RootKey, now: Timestamp) -> Self {
        Self {
            format: FORMAT,
            created_at: now,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            root_key_check: check_value(root),
        }
    }

    /// Reads a header, if this program knows the layout.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, BackupError> {
        let header: Self = serde_json::from_slice(bytes)
            .map_err(|error| BackupError::Malformed(format!("its header cannot be read: {error}")))?;
        if header.format != FORMAT {
            return Err(BackupError::Malformed(format!(
                "it has format {}, and this program knows {FORMAT}",
                header.format
            )));
        }
        Ok(header)
    }

    /// Says whether a root key is the one that the backup was made with.
    pub(super) fn is_of(&self, root: &RootKey) -> bool {
        self.root_key_check == check_value(root)
    }
}

impl Manifest {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, BackupError> {
        serde_json::from_slice(bytes)
            .map_err(|error| BackupError::Malformed(format!("its manifest cannot be read: {error}")))
    }
}

/// What is computed of a file while it passes.
pub(super) struct Hasher {
    context: digest::Context,
    size: u64,
}

impl Hasher {
    pub(super) fn new() -> Self {
        Self {
            context: digest::Context::new(&digest::SHA256),
            size: 0,
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
        self.size += bytes.len() as u64;
    }

    pub(super) fn listed(self, entry: impl Into<String>) -> Listed {
        Listed {
            entry: entry.into(),
            size: self.size,
            sha256: hex::encode(self.context.finish()),
        }
    }
}

/// Authenticates a manifest.
pub(super) fn tag(root: &RootKey, manifest: &[u8]) -> Vec<u8> {
    hmac::sign(&tag_key(root), manifest).as_ref().to_vec()
}

/// Says whether a manifest is what whoever has the root key wrote.
pub(super) fn is_tagged(root: &RootKey, manifest: &[u8], tag: &[u8]) -> bool {
    hmac::verify(&tag_key(root), manifest, tag).is_ok()
}

fn tag_key(root: &RootKey) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &*root.derive("backup manifest"))
}

fn check_value(root: &RootKey) -> String {
    hex::encode(*root.derive("backup root key check"))
}
