//! All connections of one end.

use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::rc::Rc;

use bytes::{BufMut, Bytes, BytesMut};
use drawbridge_protocol::port_mux::{
    Accepted, Event, HEADER_BYTES, Mux, MuxError, Opening, Refusal, Reset, StreamId,
};
use drawbridge_protocol::wire::PayloadType;
use futures_util::StreamExt as _;
use futures_util::future::{AbortHandle, Abortable, Aborted, LocalBoxFuture};
use futures_util::stream::FuturesUnordered;

use crate::connection::{Afterwards, Connection, Written};
use crate::{Figures, Socket};

/// Bytes read from one socket before it is another's turn.
///
/// With the headers of message, frame and websocket they are four records of TLS, which are encrypted and written with one call.
pub const CHUNK_BYTES: usize = 64 * 1024 - 256;

/// What the caller has to do, or wants to show.
#[derive(Debug, PartialEq, Eq)]
pub enum News {
    /// The client asks for a connection: give it with [`connected`](Tunnel::connected), or [`refuse`](Tunnel::refuse) it.
    Opened(StreamId, Opening),
    /// The node has reached the destination.
    Accepted(StreamId, Accepted),
    /// The node has not; the program has been hung up on.
    Refused(StreamId, Refusal),
    /// The connection is over, having carried so much; `broken` says why it did not end by itself.
    Ended {
        /// The connection.
        stream: StreamId,
        /// What it carried.
        figures: Figures,
        /// Why it broke, if it did.
        broken: Option<String>,
    },
}

/// One end of a tunnel with its sockets.
#[derive(Debug)]
pub struct Tunnel {
    mux: Mux,
    connections: BTreeMap<StreamId, Connection>,
    /// Sockets that may have something to read, in turns.
    readable: VecDeque<StreamId>,
    waits: FuturesUnordered<LocalBoxFuture<'static, Result<Ready, Aborted>>>,
    aborts: BTreeMap<(StreamId, Interest), AbortHandle>,
    chunk: usize,
    news: VecDeque<News>,
}

/// What a socket is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Interest {
    Read,
    Write,
}

type Ready = (StreamId, Interest);

impl Tunnel {
    /// Starts without connections. Messages have at most `max_payload` bytes.
    pub fn new(mux: Mux, max_payload: usize) -> Tunnel {
        let chunk = match &mux {
            Mux::Credited(_) => max_payload.saturating_sub(HEADER_BYTES).clamp(1, CHUNK_BYTES),
            // Its messages are cut, wherever that may be, into frames.
            Mux::Smux(_) => CHUNK_BYTES,
        };
        Tunnel {
            mux,
            connections: BTreeMap::new(),
            readable: VecDeque::new(),
            waits: FuturesUnordered::new(),
            aborts: BTreeMap::new(),
            chunk,
            news: VecDeque::new(),
        }
    }

    /// Takes a payload of the data channel.
    ///
    /// # Errors
    ///
    /// The other end broke a rule of the mux. Between our own ends the tunnel goes on; with a [`Mux::Smux`] it cannot.
    pub fn receive(&mut self, payload: Bytes) -> Result<(), MuxError> {
        let result = self.mux.receive(payload);
        while let Some(event) = self.mux.poll_event() {
            self.handle_event(event);
        }
        result
    }

    /// Opens a stream for a program that has connected; `None`, and the program is hung up on, when there are too many.
    pub fn open(&mut self, socket: Socket, opening: &Opening) -> Option<StreamId> {
        let socket = Rc::new(socket);
        let Some(stream) = self.mux.open(opening) else {
            socket.break_off();
            return None;
        };
        self.connections.insert(stream, Connection::new(Some(socket)));
        self.queue(stream);
        Some(stream)
    }

    /// Gives a stream that the client asked for its socket.
    pub fn connected(&mut self, stream: StreamId, socket: Socket, accepted: &Accepted) {
        // The client may have hung up meanwhile.
        if let Some(connection) = self.connections.get_mut(&stream) {
            connection.socket = Some(Rc::new(socket));
            self.mux.accept(stream, accepted);
            self.queue(stream);
            self.write(stream);
        }
    }

    /// Says that a stream that the client asked for gets no socket.
    pub fn refuse(&mut self, stream: StreamId, refusal: &Refusal) {
        if self.drop_connection(stream, true).is_some() {
            self.mux.refuse(stream, refusal);
        }
    }

    /// Returns the next payload to send, of at most `room` bytes; reads from sockets for it.
    pub fn poll(&mut self, room: usize) -> Option<Bytes> {
        if room <= HEADER_BYTES {
            return None;
        }
        if let Some(message) = self.mux.poll_transmit() {
            return Some(message);
        }
        while let Some(stream) = self.readable.pop_front() {
            if let Some(message) = self.read(stream, room - HEADER_BYTES) {
                return Some(message);
            }
            // It may have ended, and there is something to say about that.
            if let Some(message) = self.mux.poll_transmit() {
                return Some(message);
            }
        }
        None
    }

    /// Waits until a socket has something to read or room to write. Cancel safe.
    pub async fn next(&mut self) {
        loop {
            match self.waits.next().await {
                Some(Ok((stream, interest))) => {
                    self.aborts.remove(&(stream, interest));
                    match interest {
                        Interest::Read => self.queue(stream),
                        Interest::Write => {
                            if let Some(connection) = self.connections.get_mut(&stream) {
                                connection.waits_to_write = false;
                            }
                            self.write(stream);
                        }
                    }
                    return;
                }
                Some(Err(Aborted)) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Returns the next thing that the caller has to know.
    pub fn poll_news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// Says whether what the other end sends should be left unacknowledged for now.
    pub fn is_full(&self) -> bool {
        self.mux.is_full()
    }

    /// Returns what the payloads are called in the data channel.
    pub fn payload_type(&self) -> PayloadType {
        self.mux.payload_type()
    }

    /// Returns what the present connections have carried.
    pub fn figures(&self) -> impl Iterator<Item = (StreamId, Figures)> + '_ {
        self.connections
            .iter()
            .map(|(stream, connection)| (*stream, connection.figures))
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Opened(stream, opening) => {
                self.connections.insert(stream, Connection::default());
                self.news.push_back(News::Opened(stream, opening));
            }
            Event::Accepted(stream, accepted) => self.news.push_back(News::Accepted(stream, accepted)),
            Event::Refused(stream, refusal) => {
                self.drop_connection(stream, true);
                self.news.push_back(News::Refused(stream, refusal));
            }
            Event::Data(stream, bytes) => match self.connections.get_mut(&stream) {
                Some(connection) => {
                    connection.push(bytes);
                    if !connection.waits_to_write {
                        self.write(stream);
                    }
                }
                // Its program is gone.
                None => self.mux.consumed(stream, bytes.len()),
            },
            // There are no commands in a tunnel, so nobody has any business to say so.
            Event::Signalled(..) => {}
            Event::Errors(stream, bytes) => self.mux.consumed(stream, bytes.len()),
            Event::Exited(stream, _) => self.end(stream, Some("It is no connection.".to_owned())),
            Event::Room(stream) => self.queue(stream),
            Event::Finished(stream) => self.afterwards(stream, Afterwards::Finish),
            Event::Closed(stream) => self.afterwards(stream, Afterwards::Close),
            Event::Reset(stream, reset) => {
                let plain = reset.reason.chars().filter(|c| !c.is_control()).collect();
                self.end(stream, Some(plain));
            }
        }
    }

    fn afterwards(&mut self, stream: StreamId, afterwards: Afterwards) {
        if let Some(connection) = self.connections.get_mut(&stream) {
            connection.afterwards = afterwards;
            if !connection.waits_to_write {
                self.write(stream);
            }
        }
    }

    /// Gives a socket its turn to be read.
    fn queue(&mut self, stream: StreamId) {
        if let Some(connection) = self.connections.get_mut(&stream)
            && !std::mem::replace(&mut connection.is_queued, true)
        {
            self.readable.push_back(stream);
        }
    }

    /// Reads one chunk of a socket as a message, if there is one.
    fn read(&mut self, stream: StreamId, room: usize) -> Option<Bytes> {
        let connection = self.connections.get_mut(&stream)?;
        connection.is_queued = false;
        let socket = Rc::clone(connection.socket.as_ref()?);
        if connection.is_read {
            return None;
        }
        // Without credit it is left alone until there is some.
        let most = self.mux.capacity(stream).min(self.chunk).min(room);
        if most == 0 {
            return None;
        }
        let mut buffer = BytesMut::with_capacity(HEADER_BYTES + most);
        buffer.put_bytes(0, HEADER_BYTES);
        match socket.try_read(&mut buffer, most) {
            Ok(0) => {
                connection.is_read = true;
                self.mux.finish(stream);
                if connection.afterwards == Afterwards::Finished {
                    // Both directions are over now, and the mux forgets the stream.
                    self.end(stream, None);
                }
                None
            }
            Ok(read) => {
                connection.figures.read += read as u64;
                self.queue(stream);
                // What is kept until it is acknowledged must not be many times what it holds.
                let message = if read < most / 2 {
                    BytesMut::from(&buffer[..])
                } else {
                    buffer
                };
                Some(self.mux.wrap(stream, message))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.wait(stream, Interest::Read, socket);
                None
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                self.queue(stream);
                None
            }
            Err(error) => {
                self.give_up(stream, error.to_string());
                None
            }
        }
    }

    /// Writes what can be written, and does what is to be done when nothing is left.
    fn write(&mut self, stream: StreamId) {
        let Some(connection) = self.connections.get_mut(&stream) else {
            return;
        };
        match connection.write() {
            Written::All(count) => {
                self.consumed(stream, count);
                self.written(stream);
            }
            Written::Some(count) => {
                if let Some(socket) = connection.socket.clone() {
                    connection.waits_to_write = true;
                    self.wait(stream, Interest::Write, socket);
                }
                self.consumed(stream, count);
            }
            Written::Broken(error) => self.give_up(stream, error.to_string()),
        }
    }

    fn consumed(&mut self, stream: StreamId, count: usize) {
        if count > 0 {
            self.mux.consumed(stream, count);
        }
    }

    fn written(&mut self, stream: StreamId) {
        let Some(connection) = self.connections.get_mut(&stream) else {
            return;
        };
        match connection.afterwards {
            Afterwards::Nothing | Afterwards::Finished => {}
            Afterwards::Close => self.end(stream, None),
            Afterwards::Finish => {
                connection.afterwards = Afterwards::Finished;
                if let Some(socket) = &connection.socket {
                    socket.finish();
                }
                if connection.is_read {
                    self.end(stream, None);
                }
            }
        }
    }

    /// Ends a connection whose program has broken it off.
    fn give_up(&mut self, stream: StreamId, reason: String) {
        self.mux.reset(
            stream,
            &Reset {
                reason: reason.clone(),
            },
        );
        self.end(stream, Some(reason));
    }

    fn end(&mut self, stream: StreamId, broken: Option<String>) {
        if let Some(figures) = self.drop_connection(stream, broken.is_some()) {
            self.news.push_back(News::Ended {
                stream,
                figures,
                broken,
            });
        }
    }

    fn drop_connection(&mut self, stream: StreamId, is_broken: bool) -> Option<Figures> {
        let connection = self.connections.remove(&stream)?;
        // Nobody will read it, so it must not count as waiting for ever.
        self.consumed(stream, connection.waiting());
        for interest in [Interest::Read, Interest::Write] {
            if let Some(wait) = self.aborts.remove(&(stream, interest)) {
                wait.abort();
            }
        }
        if is_broken && let Some(socket) = &connection.socket {
            socket.break_off();
        }
        Some(connection.figures)
    }

    fn wait(&mut self, stream: StreamId, interest: Interest, socket: Rc<Socket>) {
        if self.aborts.contains_key(&(stream, interest)) {
            return;
        }
        let (abort, registration) = AbortHandle::new_pair();
        self.aborts.insert((stream, interest), abort);
        let ready = async move {
            match interest {
                Interest::Read => socket.readable().await,
                Interest::Write => socket.writable().await,
            }
            (stream, interest)
        };
        self.waits.push(Box::pin(Abortable::new(ready, registration)));
    }
}
