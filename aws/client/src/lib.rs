//! A light client for the AWS dialects: JSON 1.1 calls, the message gateway's REST calls and websocket upgrades.
//!
//! This crate owns the way out of a machine: endpoints, trusted roots, proxies, credentials, signatures on requests,
//! limits and timeouts. It refuses to know what is said over a websocket, and reads no clock: [`Client`] takes one.
//! It is shared by the agent, whose whole process must stay below 10 MiB, so there is no connection pool, no
//! redirect handling and no HTTP/2: one kept connection per [`Client`] and a new one when that is busy.

mod auth;
mod bucket;
mod call;
mod client;
mod connect;
pub mod credentials;
mod endpoint;
mod environment;
mod failure;
mod kept;
mod proxy;
mod stream;
mod tls;
mod websocket;

pub use auth::Auth;
pub use bucket::{Bucket, Encryption, PartNumber, Upload};
pub use call::{CallError, Service};
pub use client::{Answer, Client, Now};
pub use connect::{Connector, Timeouts};
pub use endpoint::{Endpoint, EndpointError};
pub use environment::Environment;
pub use proxy::{Proxies, ProxyError};
pub use stream::Stream;
pub use tls::{Tls, TlsError};
pub use websocket::{MAX_MESSAGE_BYTES, WebSocket};

pub use drawbridge_aws_dialects::sigv4::{Credentials, RsaSigner};
