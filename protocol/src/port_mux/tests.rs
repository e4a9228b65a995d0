use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;

use super::credited::{FIRST_CREDIT, MOST_CREDIT};
use super::*;

fn opening(destination: u16) -> Opening {
    Opening::destination(destination)
}

fn reset(reason: &str) -> Reset {
    Reset {
        reason: reason.to_owned(),
    }
}

fn wrapped(mux: &mut Mux, stream: StreamId, bytes: &[u8]) -> Bytes {
    assert!(
        bytes.len() <= mux.capacity(stream),
        "no more than there is room for"
    );
    let mut buffer = BytesMut::zeroed(HEADER_BYTES);
    buffer.put_slice(bytes);
    mux.wrap(stream, buffer)
}

/// Both ends of a tunnel, and nothing between them.
struct Pair {
    client: Mux,
    node: Mux,
}

impl Pair {
    fn credited() -> Pair {
        Pair {
            client: Mux::Credited(Credited::new(Side::Client)),
            node: Mux::Credited(Credited::new(Side::Node)),
        }
    }

    fn smux() -> Pair {
        Pair {
            client: Mux::Smux(Smux::new(Side::Client)),
            node: Mux::Smux(Smux::new(Side::Node)),
        }
    }

    /// Delivers what the ends have to say of their own; returns what happened at the client and at the node.
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
                return (events(&mut self.client), events(&mut self.node));
            }
        }
    }

    fn open(&mut self) -> StreamId {
        let stream = self.client.open(&opening(0)).expect("room");
        self.settle();
        stream
    }
}

fn events(mux: &mut Mux) -> Vec<Event> {
    std::iter::from_fn(|| mux.poll_event()).collect()
}

mod between_our_ends {
    use super::*;

    #[test]
    fn a_connection_is_asked_for_accepted_used_and_ended_by_halves() {
        let mut pair = Pair::credited();
        let stream = pair.client.open(&opening(2)).expect("room");
        let early = wrapped(&mut pair.client, stream, b"hello");
        let (_, node) = pair.settle();
        assert_eq!(node, [Event::Opened(stream, opening(2))]);
        pair.node.receive(early).expect("data before an answer");
        assert_eq!(
            pair.node.poll_event(),
            Some(Event::Data(stream, Bytes::from_static(b"hello")))
        );

        let accepted = Accepted {
            address: "10.0.0.3:5432".to_owned(),
            ..Accepted::default()
        };
        pair.node.accept(stream, &accepted);
        pair.client.finish(stream);
        let (client, node) = pair.settle();
        assert_eq!(client, [Event::Accepted(stream, accepted)]);
        assert_eq!(node, [Event::Finished(stream)]);
        assert_eq!(pair.client.capacity(stream), 0);

        let answer = wrapped(&mut pair.node, stream, b"bye");
        pair.client.receive(answer).expect("the other half is open");
        pair.node.finish(stream);
        let (client, node) = pair.settle();
        assert_eq!(
            client,
            [
                Event::Data(stream, Bytes::from_static(b"bye")),
                Event::Finished(stream),
                Event::Closed(stream)
            ]
        );
        assert_eq!(node, [Event::Closed(stream)]);
        assert_eq!((pair.client.streams(), pair.node.streams()), (0, 0));
    }

    #[test]
    fn a_refusal_says_why() {
        let mut pair = Pair::credited();
        let stream = pair.open();
        let refusal = Refusal {
            code: RefusalCode::Refused,
            reason: "connection refused".to_owned(),
        };
        pair.node.refuse(stream, &refusal);
        let (client, _) = pair.settle();
        assert_eq!(client, [Event::Refused(stream, refusal)]);
        assert_eq!((pair.client.streams(), pair.node.streams()), (0, 0));
    }

    #[test]
    fn a_reason_of_a_later_version_is_a_failure() {
        let parsed: Refusal =
            serde_json::from_str(r#"{"Code":"Eclipsed","Reason":"x\u001b[2J"}"#).expect("read");
        assert_eq!(parsed.code, RefusalCode::Failed);
        assert_eq!(parsed.to_string(), "x[2J");
    }

    #[test]
    fn a_slow_reader_stops_its_own_connection_only() {
        let mut pair = Pair::credited();
        let (slow, fast) = (pair.open(), pair.open());
        let credit = pair.client.capacity(slow);
        let all = wrapped(&mut pair.client, slow, &vec![7; credit]);
        pair.node.receive(all).expect("within credit");
        assert_eq!(pair.client.capacity(slow), 0);
        let passed = wrapped(&mut pair.client, fast, b"passes");
        pair.node.receive(passed).expect("within credit");
        assert!(events(&mut pair.node).contains(&Event::Data(fast, Bytes::from_static(b"passes"))));

        pair.node.consumed(slow, credit / 4);
        pair.settle();
        assert_eq!(pair.client.capacity(slow), 0, "a little is not worth a message");
        pair.node.consumed(slow, credit / 4);
        assert_eq!(pair.settle().0, [Event::Room(slow)]);
        assert_eq!(pair.client.capacity(slow), credit / 2);
    }

    #[test]
    fn credit_grows_while_the_reader_keeps_up_and_not_beyond_its_bounds() {
        let mut pair = Pair::credited();
        let streams = [pair.open(), pair.open(), pair.open(), pair.open()];
        let mut most = 0;
        for _ in 0..12 {
            for stream in streams {
                let room = pair.client.capacity(stream);
                let bytes = wrapped(&mut pair.client, stream, &vec![0; room]);
                pair.node.receive(bytes).expect("within credit");
                pair.node.consumed(stream, room);
            }
            pair.settle();
            most = streams.map(|stream| pair.client.capacity(stream)).iter().sum();
        }
        let most = most as u64;
        assert!(pair.client.capacity(streams[0]) as u64 <= MOST_CREDIT);
        assert!(most > 2 * MOST_CREDIT, "{most}");
        assert!(most <= 2 * MOST_CREDIT + 4 * FIRST_CREDIT, "{most}");
    }

    #[test]
    fn more_than_there_is_credit_for_resets_the_connection() {
        let mut pair = Pair::credited();
        let stream = pair.open();
        let mut message = BytesMut::from(&[3, 0, 0, 0, 0, 0, 0, 1][..]);
        message.resize(HEADER_BYTES + pair.client.capacity(stream) + 1, 0);
        let error = pair.node.receive(message.freeze()).expect_err("too much");
        assert_eq!(error, MuxError::Credit { stream: 1, excess: 1 });
        let (client, node) = pair.settle();
        assert!(matches!(&client[..], [Event::Reset(of, _)] if *of == stream));
        assert!(matches!(&node[..], [Event::Reset(of, _)] if *of == stream));
    }

    #[test]
    fn messages_that_make_no_sense_change_nothing() {
        let body = |text: &str| text.as_bytes().to_vec();
        let at_node: [(&str, u8, u32, Vec<u8>); 10] = [
            ("open again", 0, 1, body("{}")),
            ("open without a document", 0, 9, body("nothing")),
            ("accept", 1, 1, body("{}")),
            ("refuse", 2, 1, body(r#"{"Code":"Refused"}"#)),
            ("data for nobody", 3, 77, body("x")),
            ("data for stream 0", 3, 0, body("x")),
            ("finish for nobody", 4, 77, Vec::new()),
            ("short credit", 6, 1, body("1234567")),
            ("a long document", 5, 1, vec![b' '; 5000]),
            ("unknown", 200, 1, Vec::new()),
        ];
        for (what, kind, stream, body) in at_node {
            let mut pair = Pair::credited();
            let open = pair.open();
            let mut message = BytesMut::from(&[kind, 0, 0, 0][..]);
            message.put_u32(stream);
            message.put_slice(&body);
            assert!(pair.node.receive(message.freeze()).is_err(), "{what}");
            assert_eq!(pair.node.streams(), 1, "{what}");
            let bytes = wrapped(&mut pair.client, open, b"x");
            pair.node.receive(bytes).expect(what);
        }
        assert_eq!(
            Pair::credited().node.receive(Bytes::from_static(b"1234567")),
            Err(MuxError::Short(7))
        );
    }

    #[test]
    fn what_comes_for_a_connection_that_is_gone_here_is_dropped() {
        let mut pair = Pair::credited();
        let stream = pair.open();
        let late = wrapped(&mut pair.client, stream, b"late");
        pair.node.reset(stream, &reset("cable cut"));
        pair.node.receive(late).expect("the client cannot know");
        assert_eq!(events(&mut pair.node), []);
        assert_eq!(pair.settle().0, [Event::Reset(stream, reset("cable cut"))]);
    }

    #[test]
    fn one_too_many_is_refused_and_the_others_stay() {
        let mut pair = Pair::credited();
        for _ in 0..MAX_STREAMS {
            pair.client.open(&opening(0)).expect("room");
        }
        assert_eq!(pair.client.open(&opening(0)), None);
        pair.settle();
        let mut message = BytesMut::from(&[0, 0, 0, 0][..]);
        message.put_u32(5000);
        message.put_slice(b"{}");
        pair.node.receive(message.freeze()).expect("read");
        assert_eq!(
            (pair.node.streams(), events(&mut pair.node).len()),
            (MAX_STREAMS, 0)
        );
        let refusal = pair.node.poll_transmit().expect("an answer");
        assert_eq!(refusal[0], 2);
    }

    #[test]
    fn a_peer_that_never_reads_is_not_heard_for_ever() {
        let mut pair = Pair::credited();
        let mut asked = 0;
        while !pair.node.is_full() {
            asked += 1;
            assert!(asked < 100_000);
            let mut message = BytesMut::from(&[0, 0, 0, 0][..]);
            message.put_u32(asked);
            message.put_slice(b"{}");
            pair.node.receive(message.freeze()).expect("read");
        }
    }
}

mod towards_awss_programs {
    use super::*;

    /// As observed (`protocol.md` 6.6).
    #[test]
    fn the_bytes_are_theirs() {
        let mut client = Mux::Smux(Smux::new(Side::Client));
        let stream = client.open(&opening(0)).expect("room");
        assert_eq!(stream, StreamId(3));
        assert_eq!(&client.poll_transmit().expect("SYN")[..], hex("0100000003000000"));
        assert_eq!(
            &wrapped(&mut client, stream, b"abc")[..],
            hex("0102030003000000616263")
        );
        client.finish(stream);
        assert_eq!(&client.poll_transmit().expect("FIN")[..], hex("0101000003000000"));
        assert_eq!(client.open(&opening(0)), Some(StreamId(5)));
    }

    fn hex(text: &str) -> Vec<u8> {
        hex::decode(text).expect("hexadecimal")
    }

    #[test]
    fn an_end_is_the_end_of_both_directions_but_what_was_sent_arrives() {
        let mut pair = Pair::smux();
        let stream = pair.open();
        let answer = wrapped(&mut pair.node, stream, b"answer");
        pair.client.finish(stream);
        assert_eq!(pair.client.capacity(stream), 0);
        pair.client.receive(answer).expect("read");
        let (client, node) = pair.settle();
        assert_eq!(
            client,
            [
                Event::Data(stream, Bytes::from_static(b"answer")),
                Event::Closed(stream)
            ]
        );
        assert_eq!(node, [Event::Closed(stream)]);
        assert_eq!((pair.client.streams(), pair.node.streams()), (0, 0));
    }

    #[test]
    fn a_sign_of_life_is_returned() {
        let mut node = Mux::Smux(Smux::new(Side::Node));
        node.receive(Bytes::from(hex("0103000000000000"))).expect("read");
        assert_eq!(&node.poll_transmit().expect("NOP")[..], hex("0103000000000000"));
    }

    #[test]
    fn another_version_or_command_is_refused() {
        for (bytes, error) in [
            ("0200000003000000", MuxError::Version(2)),
            ("0104000003000000", MuxError::Kind(4)),
        ] {
            let mut node = Mux::Smux(Smux::new(Side::Node));
            assert_eq!(node.receive(Bytes::from(hex(bytes))), Err(error));
        }
    }

    #[test]
    fn a_hostile_client_gets_nothing_for_it() {
        let message = |command: u8, stream: u32, body: &[u8]| {
            let mut message = BytesMut::from(&[1, command][..]);
            message.put_u16_le(body.len() as u16);
            message.put_u32_le(stream);
            message.put_slice(body);
            message.freeze()
        };
        let (open, data) = (
            |stream| message(0, stream, b""),
            |stream| message(2, stream, b"x"),
        );
        let mut node = Mux::Smux(Smux::new(Side::Node));
        for sent in [
            open(3),
            open(3),
            open(1),
            data(7),
            message(1, 7, b""),
            message(2, 3, &[0; 65_535]),
        ] {
            node.receive(sent).expect("ignored or taken");
        }
        assert_eq!(node.streams(), 1, "one of the three opened a stream");
        let heard = events(&mut node);
        assert_eq!(
            heard.len(),
            2,
            "the opening and the data of the one that is there"
        );
        node.receive(open(u32::MAX)).expect("the last id there is");
        node.receive(open(5)).expect("ignored");
        assert_eq!(node.streams(), 2);

        for flood in [|_| 3, |at: u32| (at % 2) as u8] {
            let mut node = Mux::Smux(Smux::new(Side::Node));
            let mut sent = 0_u32;
            while !node.is_full() {
                sent += 1;
                assert!(sent < 200_000, "it is left unacknowledged some time");
                node.receive(message(flood(sent), 3 + sent / 2, b""))
                    .expect("taken");
                assert!(node.streams() <= MAX_STREAMS);
                while node.poll_event().is_some() {}
            }
        }
    }

    #[test]
    fn too_much_unread_fills_it() {
        let mut pair = Pair::smux();
        let stream = pair.open();
        let mut waiting = 0;
        while !pair.node.is_full() {
            assert!(waiting < 2 * MAX_SMUX_BUFFER);
            let bytes = wrapped(&mut pair.client, stream, &[0; 32 * 1024]);
            pair.node.receive(bytes).expect("read");
            waiting += 32 * 1024;
        }
        pair.node.consumed(stream, 32 * 1024);
        assert!(!pair.node.is_full());
    }
}

/// What a local program does with one of its connections.
#[derive(Clone, Debug)]
enum Act {
    Open,
    Send {
        from_client: bool,
        which: usize,
        length: usize,
    },
    Finish {
        from_client: bool,
        which: usize,
    },
    Read {
        at_client: bool,
        which: usize,
    },
    Reset {
        from_client: bool,
        which: usize,
    },
    Settle,
}

fn act() -> impl Strategy<Value = Act> {
    let which = 0..6_usize;
    prop_oneof![
        2 => Just(Act::Open),
        8 => (any::<bool>(), which.clone(), 1..100_000_usize)
            .prop_map(|(from_client, which, length)| Act::Send { from_client, which, length }),
        2 => (any::<bool>(), which.clone()).prop_map(|(from_client, which)| Act::Finish { from_client, which }),
        6 => (any::<bool>(), which.clone()).prop_map(|(at_client, which)| Act::Read { at_client, which }),
        1 => (any::<bool>(), which).prop_map(|(from_client, which)| Act::Reset { from_client, which }),
        3 => Just(Act::Settle),
    ]
}

/// Runs programs over a pair of ends whose bytes are cut as `cuts` says, and holds what arrives against what was sent.
struct Run {
    pair: Pair,
    streams: Vec<StreamId>,
    /// Bytes sent, arrived and consumed, by stream, towards the node and towards the client.
    tallies: [BTreeMap<StreamId, [usize; 3]>; 2],
    cuts: usize,
}

impl Run {
    fn new(pair: Pair, cuts: usize) -> Run {
        Run {
            pair,
            streams: Vec::new(),
            tallies: [BTreeMap::new(), BTreeMap::new()],
            cuts,
        }
    }

    fn carry(&mut self, from_client: bool, message: Bytes) {
        let to = if from_client {
            &mut self.pair.node
        } else {
            &mut self.pair.client
        };
        let whole = message.len();
        let cut = match to {
            Mux::Smux(_) => self.cuts.max(1),
            Mux::Credited(_) => whole,
        };
        let mut rest = message;
        while !rest.is_empty() {
            let part = rest.split_to(rest.len().min(cut));
            to.receive(part).expect("sound");
        }
        self.look();
    }

    fn settle(&mut self) {
        loop {
            if let Some(message) = self.pair.client.poll_transmit() {
                self.carry(true, message);
            } else if let Some(message) = self.pair.node.poll_transmit() {
                self.carry(false, message);
            } else {
                return;
            }
        }
    }

    fn look(&mut self) {
        for (tally, mux) in self
            .tallies
            .iter_mut()
            .zip([&mut self.pair.node, &mut self.pair.client])
        {
            for event in events(mux) {
                if let Event::Data(stream, bytes) = event {
                    let counts = tally.entry(stream).or_default();
                    for (at, byte) in bytes.iter().enumerate() {
                        assert_eq!(*byte, pattern(stream, counts[1] + at), "in order, exactly once");
                    }
                    counts[1] += bytes.len();
                    assert!(counts[1] <= counts[0], "nothing that was not sent");
                }
            }
        }
    }

    fn act(&mut self, act: &Act) {
        let stream = |which: usize, streams: &[StreamId]| streams.get(which % streams.len().max(1)).copied();
        match act {
            Act::Open => self.streams.extend(self.pair.client.open(&opening(0))),
            Act::Settle => self.settle(),
            Act::Send {
                from_client,
                which,
                length,
            } => {
                // A node can only send on what it has heard of.
                self.settle();
                let Some(stream) = stream(*which, &self.streams) else {
                    return;
                };
                let from = if *from_client {
                    &mut self.pair.client
                } else {
                    &mut self.pair.node
                };
                let length = (*length).min(from.capacity(stream));
                let counts = self.tallies[usize::from(!from_client)].entry(stream).or_default();
                let bytes: Vec<u8> = (0..length).map(|at| pattern(stream, counts[0] + at)).collect();
                counts[0] += length;
                if length > 0 {
                    let message = wrapped(from, stream, &bytes);
                    self.carry(*from_client, message);
                }
            }
            Act::Finish { from_client, which } => {
                let Some(stream) = stream(*which, &self.streams) else {
                    return;
                };
                let from = if *from_client {
                    &mut self.pair.client
                } else {
                    &mut self.pair.node
                };
                from.finish(stream);
            }
            Act::Reset { from_client, which } => {
                let Some(stream) = stream(*which, &self.streams) else {
                    return;
                };
                let from = if *from_client {
                    &mut self.pair.client
                } else {
                    &mut self.pair.node
                };
                from.reset(stream, &reset("test"));
            }
            Act::Read { at_client, which } => {
                let Some(stream) = stream(*which, &self.streams) else {
                    return;
                };
                let counts = self.tallies[usize::from(*at_client)].entry(stream).or_default();
                let at = if *at_client {
                    &mut self.pair.client
                } else {
                    &mut self.pair.node
                };
                at.consumed(stream, counts[1] - counts[2]);
                counts[2] = counts[1];
            }
        }
    }
}

fn pattern(stream: StreamId, at: usize) -> u8 {
    (stream.0 as usize * 31 + at * 7 + at / 251) as u8
}

proptest! {
    #[test]
    fn what_arrives_is_what_was_sent(acts in prop::collection::vec(act(), 1..60), cuts in 1..2000_usize, credited: bool) {
        let pair = if credited { Pair::credited() } else { Pair::smux() };
        let mut run = Run::new(pair, cuts);
        for act in &acts {
            run.act(act);
        }
        run.settle();
        // Once everybody hangs up, nothing is left.
        for stream in run.streams.clone() {
            run.pair.client.finish(stream);
            run.settle();
            run.pair.node.finish(stream);
            run.settle();
        }
        prop_assert_eq!((run.pair.client.streams(), run.pair.node.streams()), (0, 0));
    }

    #[test]
    fn nothing_that_is_sent_breaks_an_end(
        messages in prop::collection::vec((0..9_u8, 0..6_u32, prop::collection::vec(any::<u8>(), 0..40)), 1..40),
        smux: bool,
        at_client: bool,
    ) {
        let side = if at_client { Side::Client } else { Side::Node };
        let mut mux = if smux { Mux::Smux(Smux::new(side)) } else { Mux::Credited(Credited::new(side)) };
        for stream in 0..3 {
            mux.open(&opening(stream));
        }
        for (kind, stream, body) in messages {
            let mut message = BytesMut::new();
            if smux {
                message.put_slice(&[1, kind % 5]);
                message.put_u16_le(body.len() as u16 + u16::from(kind > 5));
                message.put_u32_le(stream);
            } else {
                message.put_slice(&[kind, 0, 0, 0]);
                message.put_u32(stream);
            }
            message.put_slice(&body);
            let _ = mux.receive(message.freeze());
            for event in events(&mut mux) {
                if let Event::Opened(stream, _) = event {
                    mux.accept(stream, &Accepted::default());
                }
            }
            prop_assert!(mux.streams() <= 60);
        }
    }

    #[test]
    fn bytes_of_no_meaning_are_refused_or_ignored(bytes in prop::collection::vec(any::<u8>(), 0..2000), smux: bool) {
        let mut mux = if smux { Mux::Smux(Smux::new(Side::Node)) } else { Mux::Credited(Credited::new(Side::Node)) };
        let _ = mux.receive(Bytes::from(bytes));
        while mux.poll_event().is_some() {}
    }
}
