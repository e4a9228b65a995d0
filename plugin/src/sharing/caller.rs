//! One command over a shared connection, from the side of who wants it.
//!
//! ```text
//!            the node starts it                  it exits
//!   Asked ──────────────────────▶ Running ────────────────────▶ over
//!     └── the node refuses ────────────────────────────────────▶
//! ```
//!
//! Standard input is left alone until the command is known to run: until then it may have to be run in a session of its own.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream as StdUnixStream;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use drawbridge_protocol::port_mux::{Credited, Event, Exit, HEADER_BYTES, Opening, Refusal, Side, StreamId};
use tokio::net::UnixStream;

use super::frames::{Frames, Greeting, framed};
use crate::terminal::{Channel, Occurrence, Signal, Terminal};

/// A command that was asked for.
#[derive(Debug)]
pub struct Call {
    socket: UnixStream,
    frames: Frames,
    unsent: VecDeque<Bytes>,
    /// Whether nobody hears any more: what they said before can still be read, and may be the end.
    is_unheard: bool,
    mux: Credited,
    stream: StreamId,
    session_id: Option<String>,
    is_running: bool,
    input: Input,
    interrupted: bool,
    /// Bytes given to the terminal and not yet known to be written.
    unwritten: usize,
    end: Option<CallEnd>,
}

#[derive(Debug, PartialEq, Eq)]
enum Input {
    Open,
    /// What was read and does not fit.
    Held(Bytes),
    Ended,
}

/// How a command over a shared connection ended.
#[derive(Debug)]
pub enum CallEnd {
    /// It exited, or could not be executed.
    Exited(Exit),
    /// The node did not start it.
    Refused(Refusal),
    /// Nobody was there after all, and nothing was started.
    Unheard,
    /// The shared connection went away, and the command with it; the reason, if one was told.
    Lost(String),
    /// This program was told to end.
    Signalled(Signal),
    /// Standard output takes no more.
    Output(io::Error),
}

/// Bytes read of standard input at once, and those that may wait for the socket.
const CHUNK_BYTES: usize = 64 * 1024;

impl Call {
    /// Asks for a command; `None` if nobody can be asked. Must be called within a runtime whose I/O is enabled.
    pub fn new(socket: StdUnixStream, opening: &Opening) -> Option<Self> {
        socket.set_nonblocking(true).ok()?;
        let mut mux = Credited::new(Side::Client);
        let stream = mux.open(opening)?;
        let mut call = Self {
            socket: UnixStream::from_std(socket).ok()?,
            frames: Frames::default(),
            unsent: VecDeque::new(),
            is_unheard: false,
            mux,
            stream,
            session_id: None,
            is_running: false,
            input: Input::Open,
            interrupted: false,
            unwritten: 0,
            end: None,
        };
        // Before anything else that takes time.
        call.send();
        Some(call)
    }

    /// Runs the command on this terminal. `greeted` is told the id of the session that is shared.
    pub async fn run<T: Terminal>(mut self, terminal: &mut T, greeted: impl FnOnce(&str)) -> CallEnd {
        let mut greeted = Some(greeted);
        loop {
            if let Err(end) = self.step(terminal).await {
                return end;
            }
            if let Some(session_id) = &self.session_id
                && let Some(greeted) = greeted.take()
            {
                greeted(session_id);
            }
            if let Some(end) = self.end.take() {
                return match printed(terminal).await {
                    Ok(()) => end,
                    Err(error) => CallEnd::Output(error),
                };
            }
        }
    }

    async fn step<T: Terminal>(&mut self, terminal: &mut T) -> Result<(), CallEnd> {
        self.note_written(terminal.backlog());
        self.send_input();
        self.send();
        let wants_input = self.is_running
            && self.input == Input::Open
            && self.unsent.is_empty()
            && self.mux.capacity(self.stream) > 0;
        tokio::select! {
            occurrence = terminal.next(wants_input) => self.handle_terminal(occurrence, terminal),
            _ = self.socket.readable() => self.receive(terminal),
            _ = self.socket.writable(), if !self.unsent.is_empty() => Ok(()),
        }
    }

    fn handle_terminal<T: Terminal>(
        &mut self,
        occurrence: Occurrence,
        terminal: &mut T,
    ) -> Result<(), CallEnd> {
        match occurrence {
            Occurrence::Input(bytes) => self.input = Input::Held(bytes),
            Occurrence::EndOfInput => {
                self.input = Input::Ended;
                self.mux.finish(self.stream);
            }
            Occurrence::Written => {}
            Occurrence::OutputFailed(error) => return Err(CallEnd::Output(error)),
            Occurrence::Signal(Signal::WindowChanged | Signal::Continued) => {}
            Occurrence::Signal(Signal::Stop) => {
                terminal.stop();
            }
            Occurrence::Signal(signal) => return self.handle_signal(signal),
        }
        Ok(())
    }

    /// The first time the command is told, as if it ran here; the second time it is given up.
    fn handle_signal(&mut self, signal: Signal) -> Result<(), CallEnd> {
        let is_first = !std::mem::replace(&mut self.interrupted, true);
        if self.is_running && is_first && signal != Signal::Hangup {
            self.mux.signal(self.stream, signal.number());
            return Ok(());
        }
        Err(CallEnd::Signalled(signal))
    }

    fn receive<T: Terminal>(&mut self, terminal: &mut T) -> Result<(), CallEnd> {
        match self.socket.try_read_buf(self.frames.buffer()) {
            Ok(0) => return Err(self.lost("")),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => return Err(self.lost("")),
        }
        while let Some(message) = self
            .frames
            .next()
            .map_err(|error| self.lost(&error.to_string()))?
        {
            if self.session_id.is_none() {
                let greeting = serde_json::from_slice::<Greeting>(&message);
                let greeting = greeting.map_err(|_| CallEnd::Unheard)?;
                self.session_id = Some(greeting.session_id.chars().filter(|c| !c.is_control()).collect());
                continue;
            }
            if let Err(error) = self.mux.receive(message) {
                return Err(self.lost(&error.to_string()));
            }
            while let Some(event) = self.mux.poll_event() {
                self.handle_event(event, terminal);
            }
        }
        Ok(())
    }

    fn handle_event<T: Terminal>(&mut self, event: Event, terminal: &mut T) {
        match event {
            Event::Accepted(..) => self.is_running = true,
            Event::Data(_, bytes) => self.print(Channel::Output, bytes, terminal),
            Event::Errors(_, bytes) => self.print(Channel::Notice, bytes, terminal),
            Event::Exited(_, exit) => self.end = Some(CallEnd::Exited(exit)),
            Event::Refused(_, refusal) => self.end = Some(CallEnd::Refused(refusal)),
            Event::Reset(_, reset) => self.end = Some(self.lost(&reset.reason)),
            Event::Closed(_) => self.end = Some(self.lost("")),
            // The end of its output is not its end.
            Event::Finished(_) | Event::Room(_) => {}
            // Only clients say so.
            Event::Opened(..) | Event::Signalled(..) => {}
        }
    }

    fn print<T: Terminal>(&mut self, channel: Channel, bytes: Bytes, terminal: &mut T) {
        self.unwritten += bytes.len();
        terminal.write(channel, bytes);
    }

    /// More may come once what came is written.
    fn note_written(&mut self, backlog: usize) {
        let written = self.unwritten.saturating_sub(backlog);
        if written > 0 {
            self.unwritten -= written;
            self.mux.consumed(self.stream, written);
        }
    }

    fn send_input(&mut self) {
        while let Input::Held(bytes) = &mut self.input {
            let count = self.mux.capacity(self.stream).min(CHUNK_BYTES).min(bytes.len());
            if count == 0 || !self.unsent.is_empty() {
                return;
            }
            let mut message = BytesMut::with_capacity(HEADER_BYTES + count);
            message.put_bytes(0, HEADER_BYTES);
            message.put_slice(&bytes.split_to(count));
            if bytes.is_empty() {
                self.input = Input::Open;
            }
            let message = self.mux.wrap(self.stream, message);
            self.unsent.push_back(framed(&message));
        }
    }

    fn send(&mut self) {
        while let Some(message) = self.mux.poll_transmit() {
            self.unsent.push_back(framed(&message));
        }
        while !self.is_unheard
            && let Some(front) = self.unsent.front_mut()
        {
            match self.socket.try_write(front) {
                Ok(count) => {
                    front.advance(count);
                    if front.is_empty() {
                        self.unsent.pop_front();
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                    return;
                }
                Err(_) => self.is_unheard = true,
            }
        }
        if self.is_unheard {
            self.unsent.clear();
        }
    }

    /// What it means that the other side is gone: whoever was not greeted was not heard.
    fn lost(&self, reason: &str) -> CallEnd {
        match self.session_id {
            Some(_) => CallEnd::Lost(reason.chars().filter(|c| !c.is_control()).collect()),
            None => CallEnd::Unheard,
        }
    }
}

/// Waits until everything is printed, unless it cannot be.
async fn printed<T: Terminal>(terminal: &mut T) -> io::Result<()> {
    while terminal.backlog() > 0 {
        match terminal.next(false).await {
            Occurrence::OutputFailed(error) => return Err(error),
            Occurrence::Signal(Signal::Interrupt | Signal::Terminate | Signal::Hangup) => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}
