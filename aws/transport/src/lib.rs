//! What lies between TCP and TLS, at the server and at its clients.

mod read_ahead;

pub use read_ahead::ReadAhead;
