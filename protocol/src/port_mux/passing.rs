//! Messages of [`Credited`](super::Credited) that somebody passes on between a client and its node, without being either.
//!
//! Credit, order and ends are between the two; whoever is in the middle gives streams numbers of its own and has to know only
//! where one begins and where it is over.

use bytes::{BufMut, Bytes, BytesMut};

use super::kind::{Kind, header};
use super::{Accepted, Exit, HEADER_BYTES, MuxError, Reset, StreamId};

/// A message whose header has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passing {
    /// Which stream it is of.
    pub stream: StreamId,
    /// What it is to somebody in the middle.
    pub meaning: Meaning,
    message: Bytes,
}

/// Says what a message is to somebody in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A client asks for a stream.
    Opens,
    /// A client or a node goes on with one.
    GoesOn,
    /// A node goes on with one, which no client may say.
    GoesOnAtNode,
    /// A client or a node gives one up.
    GivesUp,
    /// A node ends one, which no client may say.
    EndsAtNode,
    /// It is of no stream.
    Begins,
}

/// What a node's message says, for whoever keeps a log of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saying {
    /// A command was started, of these words.
    Ran(Vec<String>),
    /// A command or a connection wrote this as its output.
    Output(Bytes),
    /// A command wrote this as its errors.
    Errors(Bytes),
    /// A command ended.
    Exited(Exit),
    /// A command or a connection was given up.
    GivenUp,
}

impl Passing {
    /// Reads a message's header.
    ///
    /// # Errors
    ///
    /// It is too short, or of a kind that is not known.
    pub fn read(message: Bytes) -> Result<Passing, MuxError> {
        let Some([number, _, _, _, a, b, c, d]) = message.first_chunk::<HEADER_BYTES>() else {
            return Err(MuxError::Short(message.len()));
        };
        let meaning = match Kind::from_number(*number).ok_or(MuxError::Kind(*number))? {
            Kind::Open => Meaning::Opens,
            Kind::Data | Kind::Finish | Kind::Credit | Kind::Signal => Meaning::GoesOn,
            Kind::Accept | Kind::Errors => Meaning::GoesOnAtNode,
            Kind::Reset => Meaning::GivesUp,
            Kind::Refuse | Kind::Exit => Meaning::EndsAtNode,
            Kind::Begin => Meaning::Begins,
        };
        Ok(Passing {
            stream: StreamId(u32::from_be_bytes([*a, *b, *c, *d])),
            meaning,
            message,
        })
    }

    /// Returns what a node says in it, if it says anything of its own.
    pub fn saying(&self) -> Option<Saying> {
        let body = self.message.slice(HEADER_BYTES..);
        match Kind::from_number(*self.message.first()?)? {
            kind @ Kind::Accept => {
                let accepted: Accepted = kind.read(&body).ok()?;
                (!accepted.command.is_empty()).then_some(Saying::Ran(accepted.command))
            }
            Kind::Data => Some(Saying::Output(body)),
            Kind::Errors => Some(Saying::Errors(body)),
            kind @ Kind::Exit => kind.read(&body).ok().map(Saying::Exited),
            Kind::Reset => Some(Saying::GivenUp),
            Kind::Open | Kind::Finish | Kind::Credit | Kind::Signal | Kind::Refuse | Kind::Begin => None,
        }
    }

    /// Returns the message, as one of another stream.
    pub fn readdressed(&self, stream: StreamId) -> Bytes {
        let mut message = BytesMut::with_capacity(self.message.len());
        message.put_slice(&self.message[..HEADER_BYTES - size_of::<u32>()]);
        message.put_u32(stream.0);
        message.put_slice(&self.message[HEADER_BYTES..]);
        message.freeze()
    }

    /// Makes the message by which either end gives a stream up.
    pub fn giving_up(stream: StreamId, reset: &Reset) -> Bytes {
        let mut message = BytesMut::new();
        message.put_slice(&header(Kind::Reset, stream));
        message.put_slice(&crate::payload::to_bytes(reset));
        message.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Credited, Event, Opening, Side};
    use super::*;

    #[test]
    fn a_message_of_another_stream_is_the_same_but_for_that() {
        let mut client = Credited::new(Side::Client);
        let opening = Opening::command(vec!["true".to_owned()]).unwrap();
        client.open(&opening).unwrap();
        let passing = Passing::read(client.poll_transmit().unwrap()).unwrap();
        assert_eq!((passing.stream, passing.meaning), (StreamId(1), Meaning::Opens));
        let mut node = Credited::new(Side::Node);
        node.receive(passing.readdressed(StreamId(7))).unwrap();
        assert_eq!(node.poll_event(), Some(Event::Opened(StreamId(7), opening)));
        node.receive(Passing::giving_up(StreamId(7), &Reset::default()))
            .unwrap();
        assert_eq!(
            node.poll_event(),
            Some(Event::Reset(StreamId(7), Reset::default()))
        );
    }

    #[test]
    fn what_a_node_says_can_be_kept() {
        let mut node = Credited::new(Side::Node);
        let mut client = Credited::new(Side::Client);
        let words = vec!["echo".to_owned(), "hi".to_owned()];
        client.open(&Opening::command(words.clone()).unwrap()).unwrap();
        let opening = client.poll_transmit().unwrap();
        assert_eq!(Passing::read(opening.clone()).unwrap().saying(), None);
        node.receive(opening).unwrap();
        let accepted = Accepted {
            command: words.clone(),
            ..Accepted::default()
        };
        node.accept(StreamId(1), &accepted);
        let mut said: Vec<_> = std::iter::from_fn(|| node.poll_transmit()).collect();
        for wrap in [Credited::wrap, Credited::wrap_errors] {
            let mut message = BytesMut::zeroed(HEADER_BYTES);
            message.extend_from_slice(b"hi\n");
            said.push(wrap(&mut node, StreamId(1), message));
        }
        node.exit(StreamId(1), &Exit::with(3));
        said.extend(std::iter::from_fn(|| node.poll_transmit()));
        said.push(Passing::giving_up(StreamId(1), &Reset::default()));
        let said: Vec<_> = said
            .into_iter()
            .filter_map(|it| Passing::read(it).unwrap().saying())
            .collect();
        let hi = Bytes::from_static(b"hi\n");
        let expected = [
            Saying::Ran(words),
            Saying::Output(hi.clone()),
            Saying::Errors(hi),
            Saying::Exited(Exit::with(3)),
            Saying::GivenUp,
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn nonsense_is_not_passed_on() {
        assert_eq!(
            Passing::read(Bytes::from_static(b"1234567")),
            Err(MuxError::Short(7))
        );
        assert_eq!(
            Passing::read(Bytes::from_static(b"\xff2345678")),
            Err(MuxError::Kind(255))
        );
    }
}
