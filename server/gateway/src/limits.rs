//! What one peer, and all of them together, may take.

use std::time::Duration;

/// Bounds and deadlines of the gateway.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at one time, websockets included; more wait in the kernel's queue.
    pub connections: usize,
    /// From the accepted connection to the end of its TLS handshake.
    pub handshake_within: Duration,
    /// From the first possible byte of a request to the end of its headers; an idle connection ends after it too.
    pub headers_within: Duration,
    /// All headers of a request, in bytes.
    pub header_bytes: usize,
    /// From the headers to the end of the body.
    pub body_within: Duration,
    /// A request's body, in bytes.
    pub body_bytes: usize,
    /// Bodies longer than this share `long_bodies`.
    pub short_body_bytes: usize,
    /// Long bodies that are read at one time: nobody is known before the body is there to check a signature against.
    pub long_bodies: usize,
    /// From a request to its answer, long polls included.
    pub answer_within: Duration,
    /// Requests at one time on one HTTP/2 connection.
    pub streams: u32,
    /// From a websocket's upgrade to its first text frame.
    pub first_frame_within: Duration,
    /// That text frame, in bytes.
    pub first_frame_bytes: usize,
    /// How long requests under way may take once the server stops.
    pub drain_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 20_000,
            handshake_within: Duration::from_secs(10),
            headers_within: Duration::from_secs(30),
            header_bytes: 16 * 1024,
            body_within: Duration::from_secs(30),
            body_bytes: 1024 * 1024,
            short_body_bytes: 16 * 1024,
            long_bodies: 64,
            answer_within: Duration::from_secs(90),
            streams: 32,
            first_frame_within: Duration::from_secs(10),
            first_frame_bytes: 8 * 1024,
            drain_within: Duration::from_secs(2),
        }
    }
}
