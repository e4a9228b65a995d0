//! A shell whose client may have commands run beside it.

use bytes::Bytes;
use drawbridge_protocol::payload::Size;
use drawbridge_protocol::port_mux::HEADER_BYTES;
use drawbridge_protocol::wire::PayloadType;

use super::commands::Commands;
use super::far_end::{FarEnd, FarEvent, Introduction};

/// Bytes of the terminal's output that are taken at once.
const TERMINAL_CHUNK: usize = 32 * 1024;

/// A terminal, and commands beside it. The end of the terminal is the end of all.
pub(super) struct SharedEnd<T> {
    terminal: T,
    commands: Commands,
}

impl<T: FarEnd> SharedEnd<T> {
    pub(super) fn new(terminal: T, commands: Commands) -> Self {
        Self { terminal, commands }
    }
}

impl<T: FarEnd> FarEnd for SharedEnd<T> {
    fn introduction(&self) -> Option<Introduction> {
        self.terminal.introduction()
    }

    fn begin(&mut self, client_version: &str) {
        self.terminal.begin(client_version);
    }

    fn handle_input(&mut self, bytes: Bytes) {
        self.terminal.handle_input(bytes);
    }

    fn handle_message(&mut self, message: Bytes) {
        self.commands.receive(message);
    }

    fn handle_size(&mut self, size: Size) {
        self.terminal.handle_size(size);
    }

    fn is_read_by_people(&self) -> bool {
        self.terminal.is_read_by_people()
    }

    fn refuses(&self, frame: &[u8]) -> bool {
        self.terminal.refuses(frame) || (self.commands.is_full() && super::input::is_input(frame))
    }

    fn poll(&mut self, room: usize) -> Option<FarEvent> {
        // A key's echo goes before everything else.
        if let Some(event) = self.terminal.poll(room.min(TERMINAL_CHUNK)) {
            return Some(event);
        }
        let message = self.commands.poll(room)?;
        Some(FarEvent::Said(PayloadType::Multiplexed, message))
    }

    async fn next(&mut self, room: usize) {
        tokio::select! {
            () = self.terminal.next(room.min(TERMINAL_CHUNK)) => {}
            () = self.commands.next(room) => {}
        }
    }

    fn chunk(&self) -> usize {
        drawbridge_tunnel::CHUNK_BYTES + HEADER_BYTES
    }

    async fn end(&mut self) {
        // Commands descend from this process, as everything of the session does.
        self.terminal.end().await;
    }
}
