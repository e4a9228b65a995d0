//! smux, version 1, as both of AWS's programs speak it (`protocol.md` 6.6).
//!
//! ```text
//! offset length field
//!      0      1 version, 1
//!      1      1 command: 0 SYN, 1 FIN, 2 PSH, 3 NOP
//!      2      2 length of the body, little-endian; 0 but for PSH
//!      4      4 stream id, little-endian; the client counts 3, 5, 7, …
//! ```
//!
//! The messages are one stream of bytes, and the frames that carry it cut it anywhere.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Buf, Bytes, BytesMut};

use super::{Event, HEADER_BYTES, MAX_STREAMS, MuxError, Opening, Side, StreamId};

/// Bytes of all streams together that may wait to be written before the other end is left unacknowledged: as many as AWS's
/// programs keep.
pub const MAX_SMUX_BUFFER: usize = 4 * 1024 * 1024;

/// Bytes of one PSH at most: as many as AWS's programs put into one.
const LONGEST_PUSH: usize = 32 * 1024;

/// Messages of its own that may wait; only NOP and FIN are sent unasked, one for each that came.
const MOST_OWED: usize = 4096;

pub(super) const VERSION: u8 = 1;
pub(super) const SYN: u8 = 0;
pub(super) const FIN: u8 = 1;
pub(super) const PSH: u8 = 2;
pub(super) const NOP: u8 = 3;

/// Multiplexes towards AWS's programs.
#[derive(Debug)]
pub struct Smux {
    side: Side,
    streams: BTreeMap<StreamId, Stream>,
    /// The client's next id; at the node, the lowest that is new.
    next: u32,
    /// The start of a header that is not all there.
    partial: BytesMut,
    /// What the body at hand is for, and how much of it is to come.
    body: Option<(StreamId, usize)>,
    /// Bytes given out and not consumed.
    waiting: usize,
    outbox: VecDeque<Bytes>,
    events: VecDeque<Event>,
}

/// Is a stream with at least one direction open.
#[derive(Debug, Default)]
struct Stream {
    /// FIN was sent: the other end closes, and what it sent before is still on its way.
    is_closed: bool,
}

impl Smux {
    /// Starts without streams.
    pub fn new(side: Side) -> Smux {
        Smux {
            side,
            streams: BTreeMap::new(),
            next: FIRST_ID,
            partial: BytesMut::new(),
            body: None,
            waiting: 0,
            outbox: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    pub(super) fn receive(&mut self, mut bytes: Bytes) -> Result<(), MuxError> {
        while !bytes.is_empty() {
            match &mut self.body {
                Some((stream, left)) => {
                    let part = bytes.split_to(bytes.len().min(*left));
                    let stream = *stream;
                    *left -= part.len();
                    if *left == 0 {
                        self.body = None;
                    }
                    self.data(stream, part);
                }
                None => {
                    let missing = HEADER_BYTES - self.partial.len();
                    let part = bytes.split_to(bytes.len().min(missing));
                    self.partial.extend_from_slice(&part);
                    if self.partial.len() == HEADER_BYTES {
                        let header = self.partial.split();
                        self.header(header)?;
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Bytes> {
        self.outbox.pop_front()
    }

    pub(super) fn open(&mut self) -> Option<StreamId> {
        if self.streams.len() >= MAX_STREAMS {
            return None;
        }
        let stream = StreamId(self.next);
        self.next = self.next.checked_add(2)?;
        self.streams.insert(stream, Stream::default());
        self.say(SYN, stream);
        Some(stream)
    }

    pub(super) fn capacity(&self, stream: StreamId) -> usize {
        match self.streams.get(&stream) {
            Some(Stream { is_closed: false }) => LONGEST_PUSH,
            Some(Stream { is_closed: true }) | None => 0,
        }
    }

    pub(super) fn wrap(&mut self, stream: StreamId, mut buffer: BytesMut) -> Bytes {
        let length = u16::try_from(buffer.len() - HEADER_BYTES).unwrap_or(u16::MAX);
        buffer[..HEADER_BYTES].copy_from_slice(&header(PSH, length, stream));
        buffer.freeze()
    }

    /// Ends both directions.
    pub(super) fn close(&mut self, stream: StreamId) {
        if let Some(known) = self.streams.get_mut(&stream)
            && !std::mem::replace(&mut known.is_closed, true)
        {
            self.say(FIN, stream);
        }
    }

    pub(super) fn consumed(&mut self, bytes: usize) {
        self.waiting = self.waiting.saturating_sub(bytes);
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting >= MAX_SMUX_BUFFER || self.outbox.len() >= MOST_OWED
    }

    pub(super) fn streams(&self) -> usize {
        self.streams.len()
    }

    fn header(&mut self, mut header: BytesMut) -> Result<(), MuxError> {
        let version = header.get_u8();
        if version != VERSION {
            return Err(MuxError::Version(version));
        }
        let command = header.get_u8();
        let length = usize::from(header.get_u16_le());
        let stream = StreamId(header.get_u32_le());
        match command {
            SYN => self.opened(stream),
            FIN => self.finished(stream),
            PSH if length > 0 => self.body = Some((stream, length)),
            PSH => {}
            // Whoever sends these gives the session up when it hears nothing for a while.
            NOP => self.say(NOP, StreamId(0)),
            other => return Err(MuxError::Kind(other)),
        }
        Ok(())
    }

    fn opened(&mut self, stream: StreamId) {
        // As AWS's agent does with what makes no sense: nothing.
        if self.side == Side::Client || stream.0 < self.next {
            return;
        }
        self.next = stream.0.saturating_add(1);
        if self.streams.len() >= MAX_STREAMS {
            self.say(FIN, stream);
            return;
        }
        self.streams.insert(stream, Stream::default());
        self.events.push_back(Event::Opened(stream, Opening::default()));
    }

    fn data(&mut self, stream: StreamId, bytes: Bytes) {
        if self.streams.contains_key(&stream) {
            self.waiting += bytes.len();
            self.events.push_back(Event::Data(stream, bytes));
        }
    }

    fn finished(&mut self, stream: StreamId) {
        if let Some(known) = self.streams.remove(&stream) {
            if !known.is_closed {
                self.say(FIN, stream);
            }
            self.events.push_back(Event::Closed(stream));
        }
    }

    fn say(&mut self, command: u8, stream: StreamId) {
        self.outbox
            .push_back(Bytes::copy_from_slice(&header(command, 0, stream)));
    }
}

fn header(command: u8, length: u16, stream: StreamId) -> [u8; HEADER_BYTES] {
    let [a, b] = length.to_le_bytes();
    let [c, d, e, f] = stream.0.to_le_bytes();
    [VERSION, command, a, b, c, d, e, f]
}

/// The library that AWS's programs use begins behind 1.
const FIRST_ID: u32 = 3;
