//! The client against small in-process servers, with real TCP and TLS on free ports.

#![expect(
    clippy::unwrap_used,
    reason = "a test program: what cannot be set up should stop it"
)]

mod buckets;
mod calls;
mod server;
mod websockets;
