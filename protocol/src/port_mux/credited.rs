//! The protocol between our own ends: connections with credit.
//!
//! One message is the payload of one stream frame of type [`PayloadType::Multiplexed`](crate::wire::PayloadType::Multiplexed):
//!
//! ```text
//! offset length field
//!      0      1 kind
//!      1      3 zero
//!      4      4 stream id, big-endian; the client counts up from 1
//!      8      n body
//!
//! kind  name    sent by body
//!    0  open    client  JSON, Opening
//!    1  accept  node    JSON, Accepted
//!    2  refuse  node    JSON, Refusal; the stream is gone
//!    3  data    both    bytes
//!    4  finish  both    nothing; the sender's direction is over, and with both over the stream is gone
//!    5  reset   both    JSON, Reset; the stream is gone
//!    6  credit  both    u64, big-endian: how many bytes may be sent on the stream in all
//!    7  errors  node    bytes that a command wrote as its errors, for the same credit as data
//!    8  exit    node    JSON, Exit: how a command ended; the stream is gone
//!    9  begin   client  nothing, and stream 0: this client has no streams, and counts from 1
//!   10  signal  client  u8: the number of a signal for a command
//! ```
//!
//! A stream is a connection, or a command with its three pipes: data is its input in one direction and its output in the other.
//! A client that takes a session over from another says `begin`, and the node gives up what the former client had.
//!
//! Each direction begins with a credit of [`FIRST_CREDIT`] bytes, so that a client can send before the node has reached
//! anything, and gets [`EARLY_CREDIT`] at once while there are few connections. While everything that came has also left,
//! credit is given ever further ahead, up to [`MOST_CREDIT`], so that one connection can fill a long path; a connection
//! whose reader is slow keeps what it has and stops only itself.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::Serialize;

use super::kind::{Kind, header};
use super::{
    Accepted, Event, Exit, HEADER_BYTES, MuxError, Opening, Refusal, RefusalCode, Reset, Side, StreamId,
};

/// Connections at one time in one tunnel.
pub const MAX_STREAMS: usize = 1024;

/// Bytes that may be sent on a stream before the other end has said anything.
pub(super) const FIRST_CREDIT: u64 = 256 * 1024;

/// Bytes that the first connections of a tunnel may be ahead from the beginning: every doubling costs a round trip.
const EARLY_CREDIT: u64 = 8 * 1024 * 1024;

/// Bytes that one stream may be ahead of its reader.
pub(super) const MOST_CREDIT: u64 = 64 * 1024 * 1024;

/// How many times as far credit is given the next time. Over a long path each time is a round trip.
const GROWTH: u64 = 4;

/// Bytes that all streams of a tunnel together may be ahead of their readers, beyond what each begins with.
const SHARED_CREDIT: u64 = 128 * 1024 * 1024;

/// Messages owed to the other end at which it is not heard any more until some of them are sent.
const MOST_OWED: usize = 8192;

/// Multiplexes between our own ends.
#[derive(Debug)]
pub struct Credited {
    side: Side,
    streams: BTreeMap<StreamId, Stream>,
    /// The client's next id; at the node, the lowest that is new.
    next: u32,
    /// What is left of [`SHARED_CREDIT`].
    shared: u64,
    outbox: VecDeque<Bytes>,
    events: VecDeque<Event>,
}

#[derive(Debug)]
struct Stream {
    is_accepted: bool,
    sending: Sending,
    receiving: Receiving,
}

/// The direction from here.
#[derive(Debug)]
struct Sending {
    sent: u64,
    /// How much may be sent in all.
    credit: u64,
    is_finished: bool,
}

/// The direction to here.
#[derive(Debug)]
struct Receiving {
    received: u64,
    consumed: u64,
    /// How much the other end may send in all.
    granted: u64,
    /// How far ahead of what was consumed credit is given.
    window: u64,
    is_finished: bool,
}

impl Stream {
    fn new() -> Stream {
        Stream {
            is_accepted: false,
            sending: Sending {
                sent: 0,
                credit: FIRST_CREDIT,
                is_finished: false,
            },
            receiving: Receiving {
                received: 0,
                consumed: 0,
                granted: FIRST_CREDIT,
                window: FIRST_CREDIT,
                is_finished: false,
            },
        }
    }
}

impl Credited {
    /// Starts without streams.
    pub fn new(side: Side) -> Credited {
        Credited {
            side,
            streams: BTreeMap::new(),
            next: 1,
            shared: SHARED_CREDIT,
            outbox: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Takes a message; see [`Mux::receive`](super::Mux::receive).
    ///
    /// # Errors
    ///
    /// See [`MuxError`].
    pub fn receive(&mut self, mut payload: Bytes) -> Result<(), MuxError> {
        if payload.len() < HEADER_BYTES {
            return Err(MuxError::Short(payload.len()));
        }
        let number = payload.get_u8();
        payload.advance(3);
        let stream = StreamId(payload.get_u32());
        let kind = Kind::from_number(number).ok_or(MuxError::Kind(number))?;
        match (kind, self.side) {
            (Kind::Open, Side::Node) => self.opened(stream, &payload),
            (Kind::Begin, Side::Node) => self.begun(stream),
            (Kind::Accept, Side::Client) => self.accepted(stream, &payload),
            (Kind::Refuse, Side::Client) => self.refused(stream, &payload),
            (Kind::Exit, Side::Client) => self.exited(stream, &payload),
            (Kind::Errors, Side::Client) => self.data(stream, kind, payload),
            (Kind::Signal, Side::Node) => self.signalled(stream, &payload),
            (Kind::Open | Kind::Begin | Kind::Signal, Side::Client)
            | (Kind::Accept | Kind::Refuse | Kind::Exit | Kind::Errors, Side::Node) => {
                Err(kind.unexpected(stream))
            }
            (Kind::Data, _) => self.data(stream, kind, payload),
            (Kind::Finish, _) => self.finished(stream),
            (Kind::Reset, _) => self.was_reset(stream, &payload),
            (Kind::Credit, _) => self.credited(stream, &payload),
        }
    }

    /// Returns the next thing that the other end did.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Returns the next message of the mux's own to send, before any data.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.outbox.pop_front()
    }

    /// Asks the node for a connection or a command; `None` when there are too many.
    pub fn open(&mut self, opening: &Opening) -> Option<StreamId> {
        if self.streams.len() >= MAX_STREAMS {
            return None;
        }
        let stream = StreamId(self.next);
        self.next = self.next.checked_add(1)?;
        self.streams.insert(stream, Stream::new());
        self.say_document(Kind::Open, stream, opening);
        self.give_early_credit(stream);
        Some(stream)
    }

    /// Tells the client that it has what it asked for.
    pub fn accept(&mut self, stream: StreamId, accepted: &Accepted) {
        if let Some(known) = self.streams.get_mut(&stream)
            && !std::mem::replace(&mut known.is_accepted, true)
        {
            self.say_document(Kind::Accept, stream, accepted);
        }
    }

    /// Tells the client that it gets nothing, and forgets the stream.
    pub fn refuse(&mut self, stream: StreamId, refusal: &Refusal) {
        if self.forget(stream) {
            self.say_document(Kind::Refuse, stream, refusal);
        }
    }

    /// Returns how many bytes may be wrapped for a stream now.
    pub fn capacity(&self, stream: StreamId) -> usize {
        let sending = self.streams.get(&stream).map(|known| &known.sending);
        let open = sending.filter(|sending| !sending.is_finished);
        open.map_or(0, |sending| {
            usize::try_from(sending.credit - sending.sent).unwrap_or(usize::MAX)
        })
    }

    /// Makes a message of bytes for a stream; see [`Mux::wrap`](super::Mux::wrap).
    pub fn wrap(&mut self, stream: StreamId, buffer: BytesMut) -> Bytes {
        self.wrap_as(Kind::Data, stream, buffer)
    }

    /// Makes a message of bytes that a command wrote as its errors, like [`wrap`](Credited::wrap).
    pub fn wrap_errors(&mut self, stream: StreamId, buffer: BytesMut) -> Bytes {
        self.wrap_as(Kind::Errors, stream, buffer)
    }

    fn wrap_as(&mut self, kind: Kind, stream: StreamId, mut buffer: BytesMut) -> Bytes {
        if let Some(known) = self.streams.get_mut(&stream) {
            let sending = &mut known.sending;
            sending.sent = (sending.sent + (buffer.len() - HEADER_BYTES) as u64).min(sending.credit);
        }
        buffer[..HEADER_BYTES].copy_from_slice(&header(kind, stream));
        buffer.freeze()
    }

    /// Tells the other end that nothing more will be sent.
    pub fn finish(&mut self, stream: StreamId) {
        if let Some(known) = self.streams.get_mut(&stream)
            && !std::mem::replace(&mut known.sending.is_finished, true)
        {
            self.say(Kind::Finish, stream, &[]);
            self.forget_if_over(stream);
        }
    }

    /// Tells the client how its command ended, and forgets the stream.
    pub fn exit(&mut self, stream: StreamId, exit: &Exit) {
        if self.forget(stream) {
            self.say_document(Kind::Exit, stream, exit);
        }
    }

    /// Has the node signal a command.
    pub fn signal(&mut self, stream: StreamId, number: u8) {
        if self.streams.contains_key(&stream) {
            self.say(Kind::Signal, stream, &[number]);
        }
    }

    /// Tells the node that this client has no streams, whatever one before it had.
    pub fn begin(&mut self) {
        self.say(Kind::Begin, StreamId(0), &[]);
    }

    /// Gives a stream up because something broke.
    pub fn reset(&mut self, stream: StreamId, reset: &Reset) {
        if self.forget(stream) {
            self.say_document(Kind::Reset, stream, reset);
        }
    }

    /// Notes that bytes of a stream have left this end, so that more may come.
    pub fn consumed(&mut self, stream: StreamId, bytes: usize) {
        let Some(known) = self.streams.get_mut(&stream) else {
            return;
        };
        let receiving = &mut known.receiving;
        receiving.consumed = (receiving.consumed + bytes as u64).min(receiving.received);
        let ahead = receiving.granted - receiving.consumed;
        if receiving.is_finished || ahead > receiving.window / 2 {
            return;
        }
        let keeps_up = receiving.consumed == receiving.received;
        if keeps_up {
            let wanted = (receiving.window * GROWTH).min(MOST_CREDIT) - receiving.window;
            let more = wanted.min(self.shared);
            receiving.window += more;
            self.shared -= more;
        }
        receiving.granted = receiving.consumed + receiving.window;
        let granted = receiving.granted;
        self.say(Kind::Credit, stream, &granted.to_be_bytes());
    }

    /// Says whether what the other end sends should be left unacknowledged for now.
    pub fn is_full(&self) -> bool {
        self.outbox.len() >= MOST_OWED
    }

    /// Returns how many streams there are.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    fn opened(&mut self, stream: StreamId, body: &[u8]) -> Result<(), MuxError> {
        if stream.0 < self.next {
            return Err(Kind::Open.unexpected(stream));
        }
        let opening: Opening = Kind::Open.read(body)?;
        self.next = stream.0.saturating_add(1);
        if self.streams.len() >= MAX_STREAMS {
            let refusal = Refusal {
                code: RefusalCode::TooMany,
                reason: format!("This tunnel has {MAX_STREAMS} connections already."),
            };
            self.say_document(Kind::Refuse, stream, &refusal);
            return Ok(());
        }
        self.streams.insert(stream, Stream::new());
        self.give_early_credit(stream);
        self.events.push_back(Event::Opened(stream, opening));
        Ok(())
    }

    fn accepted(&mut self, stream: StreamId, body: &[u8]) -> Result<(), MuxError> {
        let accepted: Accepted = Kind::Accept.read(body)?;
        if let Some(known) = self.known(stream, Kind::Accept)? {
            if std::mem::replace(&mut known.is_accepted, true) {
                return Err(Kind::Accept.unexpected(stream));
            }
            self.events.push_back(Event::Accepted(stream, accepted));
        }
        Ok(())
    }

    fn refused(&mut self, stream: StreamId, body: &[u8]) -> Result<(), MuxError> {
        let refusal: Refusal = Kind::Refuse.read(body)?;
        if let Some(known) = self.known(stream, Kind::Refuse)? {
            if known.is_accepted {
                return Err(Kind::Refuse.unexpected(stream));
            }
            self.forget(stream);
            self.events.push_back(Event::Refused(stream, refusal));
        }
        Ok(())
    }

    fn exited(&mut self, stream: StreamId, body: &[u8]) -> Result<(), MuxError> {
        let exit = Kind::Exit.read(body)?;
        if self.known(stream, Kind::Exit)?.is_some() {
            self.forget(stream);
            self.events.push_back(Event::Exited(stream, exit));
        }
        Ok(())
    }

    fn signalled(&mut self, stream: StreamId, body: &[u8]) -> Result<(), MuxError> {
        let &[number] = body else {
            return Err(Kind::Signal.unreadable());
        };
        if self.known(stream, Kind::Signal)?.is_some() {
            self.events.push_back(Event::Signalled(stream, number));
        }
        Ok(())
    }

    /// Another client is there: it knows nothing of what the one before it was owed.
    fn begun(&mut self, stream: StreamId) -> Result<(), MuxError> {
        if stream.0 != 0 {
            return Err(Kind::Begin.unexpected(stream));
        }
        let reset = Reset {
            reason: "Another client has taken the session over.".to_owned(),
        };
        for stream in std::mem::take(&mut self.streams).into_keys() {
            self.events.push_back(Event::Reset(stream, reset.clone()));
        }
        self.outbox.clear();
        self.shared = SHARED_CREDIT;
        self.next = 1;
        Ok(())
    }

    fn data(&mut self, stream: StreamId, kind: Kind, bytes: Bytes) -> Result<(), MuxError> {
        let Some(known) = self.known(stream, kind)? else {
            return Ok(());
        };
        let receiving = &mut known.receiving;
        if receiving.is_finished {
            return Err(kind.unexpected(stream));
        }
        let received = receiving.received + bytes.len() as u64;
        if let Some(excess @ 1..) = received.checked_sub(receiving.granted) {
            let reset = Reset {
                reason: "More was sent than there was credit for.".to_owned(),
            };
            self.reset(stream, &reset);
            self.events.push_back(Event::Reset(stream, reset));
            return Err(MuxError::Credit {
                stream: stream.0,
                excess,
            });
        }
        receiving.received = received;
        if !bytes.is_empty() {
            self.events.push_back(match kind {
                Kind::Errors => Event::Errors(stream, bytes),
                _ => Event::Data(stream, bytes),
            });
        }
        Ok(())
    }

    fn finished(&mut self, stream: StreamId) -> Result<(), MuxError> {
        if let Some(known) = self.known(stream, Kind::Finish)? {
            if std::mem::replace(&mut known.receiving.is_finished, true) {
                return Err(Kind::Finish.unexpected(stream));
            }
            self.events.push_back(Event::Finished(stream));
            self.forget_if_over(stream);
        }
        Ok(())
    }

    fn was_reset(&mut self, stream: StreamId, body: &[u8]) -> Result<(), MuxError> {
        let reset = Kind::Reset.read(body)?;
        if self.known(stream, Kind::Reset)?.is_some() {
            self.forget(stream);
            self.events.push_back(Event::Reset(stream, reset));
        }
        Ok(())
    }

    fn credited(&mut self, stream: StreamId, body: &[u8]) -> Result<(), MuxError> {
        let body = body.try_into().map_err(|_| Kind::Credit.unreadable())?;
        let credit = u64::from_be_bytes(body);
        if let Some(known) = self.known(stream, Kind::Credit)? {
            let sending = &mut known.sending;
            let was_empty = sending.sent == sending.credit;
            sending.credit = sending.credit.max(credit);
            if was_empty && sending.credit > sending.sent && !sending.is_finished {
                self.events.push_back(Event::Room(stream));
            }
        }
        Ok(())
    }

    /// Finds a stream; `None` if it is gone here, which the other end may not know yet.
    fn known(&mut self, stream: StreamId, kind: Kind) -> Result<Option<&mut Stream>, MuxError> {
        if stream.0 == 0 || stream.0 >= self.next {
            return Err(kind.unexpected(stream));
        }
        Ok(self.streams.get_mut(&stream))
    }

    /// Lets the other end send more at once, while half of what all share is left for those that need it later.
    fn give_early_credit(&mut self, stream: StreamId) {
        let more = EARLY_CREDIT - FIRST_CREDIT;
        if self.shared < SHARED_CREDIT / 2 + more {
            return;
        }
        if let Some(known) = self.streams.get_mut(&stream) {
            self.shared -= more;
            known.receiving.window += more;
            known.receiving.granted += more;
            let granted = known.receiving.granted;
            self.say(Kind::Credit, stream, &granted.to_be_bytes());
        }
    }

    fn forget_if_over(&mut self, stream: StreamId) {
        let over = self
            .streams
            .get(&stream)
            .is_some_and(|known| known.sending.is_finished && known.receiving.is_finished);
        if over {
            self.forget(stream);
            self.events.push_back(Event::Closed(stream));
        }
    }

    fn forget(&mut self, stream: StreamId) -> bool {
        let forgotten = self.streams.remove(&stream);
        if let Some(known) = &forgotten {
            self.shared += known.receiving.window - FIRST_CREDIT;
        }
        forgotten.is_some()
    }

    fn say_document<T: Serialize>(&mut self, kind: Kind, stream: StreamId, document: &T) {
        self.say(kind, stream, &crate::payload::to_bytes(document));
    }

    fn say(&mut self, kind: Kind, stream: StreamId, body: &[u8]) {
        let mut message = BytesMut::with_capacity(HEADER_BYTES + body.len());
        message.put_slice(&header(kind, stream));
        message.put_slice(body);
        self.outbox.push_back(message.freeze());
    }
}
