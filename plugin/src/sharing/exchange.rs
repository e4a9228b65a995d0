//! The middle of a shared connection: callers on one side, the session on the other.
//!
//! Nothing is read of a caller before there is room for it on the way to the node, so that a slow network slows down who calls.
//! What comes back is at most what the caller gave credit for; one that gives more than it takes is hung up on.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::io::{self, ErrorKind};

use bytes::{Buf as _, Bytes};
use drawbridge_protocol::port_mux::{Meaning, Passing, Reset, StreamId};
use futures_util::future::select_all;
use tokio::net::UnixStream;

use super::Sharing;
use super::frames::{Frames, Greeting, framed};

/// Callers at one time. The node allows fewer commands, and says so.
const MOST_CALLERS: usize = 256;

/// Bytes that may wait for a caller: what one stream may be ahead, and a little.
const MOST_WAITING: usize = 65 * 1024 * 1024;

/// The only stream that a caller has.
const ONLY: StreamId = StreamId(1);

/// Passes messages between callers and the session.
#[derive(Debug)]
pub(crate) struct Exchange {
    sharing: Sharing,
    greeting: Bytes,
    callers: BTreeMap<CallerId, Caller>,
    next_caller: u64,
    /// Whose a stream of the session is.
    streams: BTreeMap<StreamId, CallerId>,
    next_stream: u32,
    /// What is said of callers that are gone.
    resets: VecDeque<Bytes>,
    /// Whose turn it was last.
    last: CallerId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct CallerId(u64);

#[derive(Debug)]
struct Caller {
    socket: UnixStream,
    frames: Frames,
    /// Whether there may be something to read.
    is_readable: bool,
    call: Stage,
    waiting: VecDeque<Bytes>,
    waiting_bytes: usize,
}

/// How far a caller's command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Unasked,
    Asked(StreamId),
    Over,
}

/// A caller broke a rule, or is gone.
struct HungUp;

enum Ready {
    Arrived(UnixStream),
    Readable(CallerId),
    Writable(CallerId),
}

impl Exchange {
    /// Opens the exchange of a session.
    pub(crate) fn new(sharing: Sharing, session_id: &str) -> Self {
        let greeting = Greeting {
            session_id: session_id.to_owned(),
        };
        Self {
            sharing,
            greeting: framed(&serde_json::to_vec(&greeting).unwrap_or_default()),
            callers: BTreeMap::new(),
            next_caller: 0,
            streams: BTreeMap::new(),
            next_stream: 1,
            resets: VecDeque::new(),
            last: CallerId(0),
        }
    }

    /// Takes a message of the node.
    pub(crate) fn receive(&mut self, message: Bytes) {
        let passing = match Passing::read(message) {
            Ok(passing) => passing,
            Err(error) => return tracing::warn!(%error, "message of the shared connection ignored"),
        };
        // One that is not there has hung up, which the node may not know yet.
        let Some(&id) = self.streams.get(&passing.stream) else {
            return;
        };
        let is_over = match passing.meaning {
            Meaning::Opens | Meaning::Begins => return,
            Meaning::GoesOn | Meaning::GoesOnAtNode => false,
            Meaning::GivesUp | Meaning::EndsAtNode => true,
        };
        if is_over {
            self.streams.remove(&passing.stream);
        }
        let Some(caller) = self.callers.get_mut(&id) else {
            return;
        };
        if is_over {
            caller.call = Stage::Over;
        }
        caller.push(framed(&passing.readdressed(ONLY)));
        self.write(id);
    }

    /// Returns the next message for the node; reads callers for it.
    pub(crate) fn poll(&mut self) -> Option<Bytes> {
        if let Some(reset) = self.resets.pop_front() {
            return Some(reset);
        }
        let readable = |(id, caller): (&CallerId, &Caller)| caller.is_readable.then_some(*id);
        let (before, after): (Vec<_>, Vec<_>) = self
            .callers
            .iter()
            .filter_map(readable)
            .partition(|id| *id <= self.last);
        for id in after.into_iter().chain(before) {
            match self.read(id) {
                Ok(Some(message)) => {
                    self.last = id;
                    return Some(message);
                }
                Ok(None) => {}
                Err(HungUp) => self.hang_up(id),
            }
        }
        self.resets.pop_front()
    }

    /// Waits until there may be something to pass on. Cancel safe.
    pub(crate) async fn next(&mut self) {
        let waits = self
            .callers
            .iter()
            .map(|(id, caller)| Box::pin(caller.ready(*id)));
        let ready = tokio::select! {
            Ok((socket, _)) = self.sharing.listener.accept() => Ready::Arrived(socket),
            ready = first(waits.collect()) => ready,
        };
        match ready {
            Ready::Arrived(socket) => self.admit(socket),
            Ready::Readable(id) => {
                if let Some(caller) = self.callers.get_mut(&id) {
                    caller.is_readable = true;
                }
            }
            Ready::Writable(id) => self.write(id),
        }
    }

    fn admit(&mut self, socket: UnixStream) {
        let own = rustix::process::geteuid().as_raw();
        let is_own = socket.peer_cred().is_ok_and(|peer| peer.uid() == own);
        if !is_own || self.callers.len() >= MOST_CALLERS {
            return;
        }
        self.next_caller += 1;
        let id = CallerId(self.next_caller);
        let mut caller = Caller {
            socket,
            frames: Frames::default(),
            // It has said what it wants, most likely.
            is_readable: true,
            call: Stage::Unasked,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
        };
        caller.push(self.greeting.clone());
        self.callers.insert(id, caller);
        self.write(id);
    }

    /// Reads a caller's next message, as one of the session's.
    fn read(&mut self, id: CallerId) -> Result<Option<Bytes>, HungUp> {
        let Some(caller) = self.callers.get_mut(&id) else {
            return Ok(None);
        };
        let Some(message) = caller.next_message()? else {
            return Ok(None);
        };
        let passing = Passing::read(message).map_err(|_| HungUp)?;
        match (passing.meaning, caller.call) {
            _ if passing.stream != ONLY => Err(HungUp),
            (Meaning::Opens, Stage::Unasked) => {
                let stream = StreamId(self.next_stream);
                self.next_stream = self.next_stream.checked_add(1).ok_or(HungUp)?;
                caller.call = Stage::Asked(stream);
                self.streams.insert(stream, id);
                Ok(Some(passing.readdressed(stream)))
            }
            (Meaning::GoesOn, Stage::Asked(stream)) => Ok(Some(passing.readdressed(stream))),
            (Meaning::GivesUp, Stage::Asked(stream)) => {
                caller.call = Stage::Over;
                self.streams.remove(&stream);
                Ok(Some(passing.readdressed(stream)))
            }
            // It did not know yet.
            (Meaning::GoesOn | Meaning::GivesUp, Stage::Over) => Ok(None),
            _ => Err(HungUp),
        }
    }

    fn write(&mut self, id: CallerId) {
        let Some(caller) = self.callers.get_mut(&id) else {
            return;
        };
        let written = caller.write();
        let is_done = caller.call == Stage::Over && caller.waiting.is_empty();
        if written.is_err() || caller.waiting_bytes > MOST_WAITING || is_done {
            self.hang_up(id);
        }
    }

    /// Forgets a caller, and has the node end what it asked for.
    fn hang_up(&mut self, id: CallerId) {
        let Some(caller) = self.callers.remove(&id) else {
            return;
        };
        if let Stage::Asked(stream) = caller.call {
            self.streams.remove(&stream);
            let reset = Reset {
                reason: "Whoever asked for it is gone.".to_owned(),
            };
            self.resets.push_back(Passing::giving_up(stream, &reset));
        }
    }
}

impl Caller {
    fn push(&mut self, frame: Bytes) {
        self.waiting_bytes += frame.len();
        self.waiting.push_back(frame);
    }

    fn next_message(&mut self) -> Result<Option<Bytes>, HungUp> {
        loop {
            if let Some(message) = self.frames.next().map_err(|_| HungUp)? {
                return Ok(Some(message));
            }
            match self.socket.try_read_buf(self.frames.buffer()) {
                Ok(0) => return Err(HungUp),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.is_readable = false;
                    return Ok(None);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(HungUp),
            }
        }
    }

    fn write(&mut self) -> io::Result<()> {
        while let Some(front) = self.waiting.front_mut() {
            match self.socket.try_write(front) {
                Ok(count) => {
                    self.waiting_bytes -= count;
                    front.advance(count);
                    if front.is_empty() {
                        self.waiting.pop_front();
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn ready(&self, id: CallerId) -> Ready {
        // What is wrong with the socket, the next call says.
        tokio::select! {
            _ = self.socket.writable(), if !self.waiting.is_empty() => Ready::Writable(id),
            _ = self.socket.readable(), if !self.is_readable => Ready::Readable(id),
            () = std::future::pending() => Ready::Readable(id),
        }
    }
}

/// Waits for the first of some futures, and for ever where there are none.
async fn first<T>(futures: Vec<impl Future<Output = T> + Unpin>) -> T {
    if futures.is_empty() {
        return std::future::pending().await;
    }
    select_all(futures).await.0
}
