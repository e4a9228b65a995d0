//! What the other store's failures are to us.

use std::io;

use drawbridge_store::blobs::Away;

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
    use object_store::Error;
    let kind = match &error {
        // Connections, timeouts, and what the store itself calls a fault.
        Error::Generic { .. } => return Away(Box::new(error)).into(),
        Error::NotFound { .. } => io::ErrorKind::NotFound,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

/// The store sent what it must not have.
pub(crate) fn wrong(sentence: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, sentence)
}
