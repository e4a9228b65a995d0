//! The sockets of a tunnel, at either end of it.
//!
//! ```text
//!   programs                                                          the data channel
//!   ─ TCP, UNIX ─▶ [ Socket ] ── read, in turns ──▶ ┌────────┐ ── poll ──▶
//!                                                   │  Mux   │
//!   ◀───────────── [ Socket ] ◀── write at once ─── └────────┘ ◀ receive ─
//! ```
//!
//! A [`Tunnel`] joins sockets with the streams of a [`Mux`](drawbridge_protocol::port_mux::Mux). The client's end gets its sockets
//! from listeners and opens a stream for each; the node's end is asked for streams and dials. Everything behind that is the
//! same at both, and is here.
//!
//! Nothing is read from a socket before there is room for it on the way, so that a slow network slows down whoever writes and
//! costs no memory.

mod connection;
mod figures;
mod listener;
mod single;
mod socket;
#[cfg(test)]
mod tests;
mod tunnel;

pub use figures::Figures;
pub use listener::{Arrived, Listener, Listeners, SocketFile};
pub use single::{Said, Single};
pub use socket::Socket;
pub use tunnel::{CHUNK_BYTES, News, Tunnel};
