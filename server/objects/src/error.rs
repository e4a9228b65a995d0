//! What the other store's failures are to us.

use std::error::Error;
use std::io;

use drawbridge_aws_client::{CallError, ProxyError, TlsError};
use drawbridge_store::blobs::Away;
use http::StatusCode;

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
    /// The certificate authorities cannot be read.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The environment names a proxy that is none.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// What was configured does not make a client.
    #[error("cannot set up the store of objects")]
    Client(#[from] object_store::Error),
}

/// Sorts an error of the store's: what cannot be reached, what is not there, what is not allowed.
pub(crate) fn of_store(error: object_store::Error) -> io::Error {
    let known = causes(&error).find_map(|cause| cause.downcast_ref::<CallError>());
    match known.filter(|known| !known.is_transient()) {
        Some(known) => refused(known),
        None => Away(Box::new(error)).into(),
    }
}

fn refused(error: &CallError) -> io::Error {
    let (CallError::Aws { status, .. } | CallError::Status { status, .. }) = error else {
        let cause = error.source().map(|cause| format!(": {cause}"));
        return io::Error::other(format!("{error}{}", cause.unwrap_or_default()));
    };
    let kind = match *status {
        // A bucket that is not there is no blob that is not there.
        StatusCode::NOT_FOUND if error.code() != Some("NoSuchBucket") => io::ErrorKind::NotFound,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, format!("the store refuses it: {error}"))
}

/// An error and what caused it, outermost first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| Error::source(*error))
}

/// The store sent what it must not have.
pub(crate) fn wrong(sentence: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, sentence)
}
