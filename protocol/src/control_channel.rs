//! One managed node and the server.

mod node;
mod server;
