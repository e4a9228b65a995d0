//! One HTTPS port: TLS, requests and websockets, and the server behind it.
//!
//! | module | owns |
//! |---|---|
//! | [`ca`] | the built-in certificate authority and the server's certificates |
//! | `listener`, `connection` | the accept loop; TLS, HTTP/1.1 and HTTP/2; deadlines and caps |
//! | `http` | signatures, routing, and each service's dialect |
//! | `channels` | websocket upgrades and the first text frame; what follows is the relay's |
//! | `server` | the wiring of the whole server |
//!
//! Whatever is wrong with a request is answered in the caller's dialect with a code that its program knows; whatever is
//! wrong with a websocket is answered by closing it. Neither is noticed by anyone else.

pub mod ca;
mod channels;
mod connection;
mod first_start;
mod housekeeping;
mod http;
mod limits;
mod listener;
mod request_ids;
mod server;
#[cfg(test)]
mod tests;
mod tls;

pub use drawbridge_recorder::FolderConfig as RecordingsConfig;
pub use drawbridge_service_ssm::ActivationTier;
pub use first_start::{AdministratorKey, NODE_ROLE};
pub use limits::Limits;
pub use server::{OpenError, RECORDINGS_FOLDER, Server, ServerConfig};
