//! What the other store's failures are to us.

use std::io;

use drawbridge_store::blobs::Away;
use http::StatusCode;

use crate::refusal::{Refusal, causes};

/// Why the bucket cannot even be called.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A file of the configuration cannot be read.
    #[error("cannot read `{path}`")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Others can read the file with the credentials.
    #[error("credentials file `{path}` has mode {mode:03o}, others can read it; expected 600")]
    TooOpen {
        /// The file.
        path: String,
        /// Its mode.
        mode: u32,
    },
    /// There are no credentials where they are said to be.
    #[error("cannot find credentials for the store of objects")]
    Credentials(#[from] drawbridge_aws_client::credentials::CredentialsError),
    /// What was configured does not make a client.
    #[error("cannot set up the store of objects")]
    Client(#[from] object_store::Error),
}

/// Sorts an error of the store's: what cannot be reached, what is not there, what is not allowed.
pub(crate) fn of_store(error: object_store::Error) -> io::Error {
    if let Some(refusal) = Refusal::behind(&error) {
        let kind = match refusal.status() {
            // A bucket that is not there is no blob that is not there.
            Some(StatusCode::NOT_FOUND) if refusal.code() != Some("NoSuchBucket") => io::ErrorKind::NotFound,
            Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => io::ErrorKind::PermissionDenied,
            _ => io::ErrorKind::Other,
        };
        return io::Error::new(kind, refusal.to_string());
    }
    if is_untrusted(&error) {
        return io::Error::new(io::ErrorKind::InvalidData, error);
    }
    Away(Box::new(error)).into()
}

/// Tells a certificate that is not trusted, or whatever else is no TLS: that does not pass.
fn is_untrusted(error: &object_store::Error) -> bool {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::InvalidData)
}

/// The store sent what it must not have.
pub(crate) fn wrong(sentence: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, sentence)
}
