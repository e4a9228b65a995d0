//! Where credentials come from: environment, shared files with profiles, or a program.

use std::path::PathBuf;

use drawbridge_aws_dialects::sigv4::Credentials;
use jiff::Timestamp;

use crate::environment::Environment;

/// Credentials with the time they stop working.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The key pair and session token.
    pub credentials: Credentials,
    /// When they expire; `None` for long-lived keys or where the source does not say.
    pub expires_at: Option<Timestamp>,
}

impl Resolved {
    /// Whether they are expired at `now`.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// Why no credentials were found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// No source has any.
    #[error(
        "no credentials found: set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or name a profile that has them"
    )]
    NotFound,
    /// The named profile is in neither file.
    #[error("profile `{0}` is not in the shared configuration")]
    UnknownProfile(String),
    /// The profile holds one half of a pair, or a kind of credentials this client does not fetch.
    #[error("profile `{profile}` cannot be used: {reason}")]
    UnusableProfile {
        /// Its name.
        profile: String,
        /// What is wrong.
        reason: String,
    },
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The `credential_process` failed; its output is never shown.
    #[error("`credential_process` of profile `{profile}` {reason}")]
    Process {
        /// Its profile.
        profile: String,
        /// What it did.
        reason: String,
    },
    /// Found, but expired already.
    #[error("credentials expired at {0}")]
    Expired(Timestamp),
}

/// Finds credentials: the environment's unless a profile is named, then the profile's.
///
/// `profile` stands for `--profile`; without it `AWS_PROFILE` counts, then `default`.
///
/// # Errors
/// See [`CredentialsError`].
pub async fn resolve(
    environment: &Environment,
    profile: Option<&str>,
    now: Timestamp,
) -> Result<Resolved, CredentialsError> {
    let _ = (environment, profile, now);
    Err(CredentialsError::NotFound)
}

/// The region of the environment (`AWS_REGION`, `AWS_DEFAULT_REGION`) or of the profile.
///
/// # Errors
/// [`CredentialsError::Read`] when a shared file exists and cannot be read.
pub fn region(environment: &Environment, profile: Option<&str>) -> Result<Option<String>, CredentialsError> {
    let _ = (environment, profile);
    Ok(None)
}
