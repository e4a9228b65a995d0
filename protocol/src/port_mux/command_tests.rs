use bytes::{BufMut, Bytes, BytesMut};

use super::*;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

struct Pair {
    client: Credited,
    node: Credited,
}

impl Pair {
    fn new() -> Pair {
        Pair {
            client: Credited::new(Side::Client),
            node: Credited::new(Side::Node),
        }
    }

    fn settle(&mut self) -> (Vec<Event>, Vec<Event>) {
        loop {
            let mut quiet = true;
            while let Some(message) = self.client.poll_transmit() {
                self.node.receive(message).expect("understood");
                quiet = false;
            }
            while let Some(message) = self.node.poll_transmit() {
                self.client.receive(message).expect("understood");
                quiet = false;
            }
            if quiet {
                let client = std::iter::from_fn(|| self.client.poll_event()).collect();
                return (client, std::iter::from_fn(|| self.node.poll_event()).collect());
            }
        }
    }

    fn run(&mut self, command: &[&str]) -> StreamId {
        let opening = Opening::command(words(command)).expect("fits");
        let stream = self.client.open(&opening).expect("room");
        let (_, node) = self.settle();
        assert_eq!(node, [Event::Opened(stream, opening)]);
        stream
    }
}

fn buffer(bytes: &[u8]) -> BytesMut {
    let mut buffer = BytesMut::zeroed(HEADER_BYTES);
    buffer.put_slice(bytes);
    buffer
}

fn message(kind: u8, stream: u32, body: &[u8]) -> Bytes {
    let mut message = BytesMut::from(&[kind, 0, 0, 0][..]);
    message.put_u32(stream);
    message.put_slice(body);
    message.freeze()
}

#[test]
fn a_command_has_three_pipes_and_an_end() {
    let mut pair = Pair::new();
    let stream = pair.run(&["sort", "-u"]);
    let input = pair.client.wrap(stream, buffer(b"b"));
    pair.node.receive(input).unwrap();
    pair.client.finish(stream);
    pair.client.signal(stream, 2);
    let (_, node) = pair.settle();
    let data = Event::Data(stream, Bytes::from_static(b"b"));
    assert_eq!(node, [data, Event::Finished(stream), Event::Signalled(stream, 2)]);

    let errors = pair.node.wrap_errors(stream, buffer(b"oh"));
    let output = pair.node.wrap(stream, buffer(b"b"));
    pair.client.receive(errors).unwrap();
    pair.client.receive(output).unwrap();
    pair.node.exit(stream, &Exit::with(3));
    let (client, _) = pair.settle();
    assert_eq!(
        client,
        [
            Event::Errors(stream, Bytes::from_static(b"oh")),
            Event::Data(stream, Bytes::from_static(b"b")),
            Event::Exited(stream, Exit::with(3)),
        ]
    );
    assert_eq!((pair.client.streams(), pair.node.streams()), (0, 0));
}

#[test]
fn errors_and_output_share_one_credit() {
    let mut pair = Pair::new();
    let stream = pair.run(&["yes"]);
    let all = pair.node.capacity(stream);
    let errors = pair
        .node
        .wrap_errors(stream, BytesMut::zeroed(HEADER_BYTES + all));
    pair.client.receive(errors).unwrap();
    assert_eq!(pair.node.capacity(stream), 0);
    let excess = pair.node.wrap(stream, buffer(b"x"));
    assert_eq!(
        pair.client.receive(excess),
        Err(MuxError::Credit {
            stream: stream.0,
            excess: 1
        })
    );
}

#[test]
fn a_client_that_comes_later_begins_with_nothing() {
    let mut pair = Pair::new();
    let old = pair.run(&["sleep", "9"]);
    pair.node.accept(old, &Accepted::default());
    pair.client = Credited::new(Side::Client);
    pair.client.begin();
    // What was meant for the client before is never said to this one.
    let begin = pair.client.poll_transmit().unwrap();
    pair.node.receive(begin).unwrap();
    assert!(matches!(pair.node.poll_event(), Some(Event::Reset(stream, _)) if stream == old));
    assert_eq!(pair.node.poll_transmit(), None);
    assert_eq!(pair.run(&["true"]), StreamId(1));
}

#[test]
fn what_only_one_side_may_say_is_refused_from_the_other() {
    for (side, kinds) in [(Side::Node, &[1, 2, 7, 8][..]), (Side::Client, &[0, 9, 10])] {
        for &kind in kinds {
            let mut mux = Credited::new(side);
            let refused = mux.receive(message(kind, 0, b"{}"));
            assert!(
                matches!(refused, Err(MuxError::Unexpected { .. })),
                "{kind}: {refused:?}"
            );
            assert_eq!(mux.poll_event(), None);
        }
    }
    let mut node = Credited::new(Side::Node);
    assert!(
        node.receive(message(9, 1, b"")).is_err(),
        "a beginning is of no stream"
    );
    assert!(node.receive(message(10, 1, b"\x02")).is_err(), "no such stream");
    let mut pair = Pair::new();
    let stream = pair.run(&["true"]);
    for body in [&b""[..], b"12"] {
        assert!(pair.node.receive(message(10, stream.0, body)).is_err());
    }
}

#[test]
fn words_fit_into_one_message_or_are_not_asked_for() {
    assert_eq!(Opening::command(Vec::new()), None);
    let longest = "x".repeat(LONGEST_OPENING - 200);
    let mut pair = Pair::new();
    let stream = pair.run(&["echo", &longest]);
    pair.node.accept(
        stream,
        &Accepted {
            command: words(&["echo", &longest]),
            ..Accepted::default()
        },
    );
    let (client, _) = pair.settle();
    assert!(
        matches!(&client[..], [Event::Accepted(..)]),
        "the node can repeat them"
    );
    assert_eq!(Opening::command(words(&[&"x".repeat(LONGEST_OPENING)])), None);
    // Quoting makes it longer.
    assert_eq!(
        Opening::command(words(&[&"\n".repeat(LONGEST_OPENING / 2)])),
        None
    );
    let long = message(
        0,
        2,
        format!("{{\"Command\":[\"{}\"]}}", "x".repeat(LONGEST_OPENING)).as_bytes(),
    );
    assert!(pair.node.receive(long).is_err());
}
