use std::time::Duration;

use bytes::Bytes;

use super::{Arrival, Inbound, InboundLimits, Outbound, RetransmissionTimer, SequenceError, Window};
use crate::payload::Acknowledge;
use crate::wire::{Frame, MessageType, PayloadType};
use crate::{MessageIds, Time};

const MS: Duration = Duration::from_millis(1);

mod outbound {
    use super::*;

    #[test]
    fn numbers_frames_from_zero_and_flags_the_first_output() {
        let mut stream = Sender::new(MessageType::OutputStreamData);
        stream.push("a");
        stream.push("b");
        let frames = stream.poll_all(at(0));
        assert_eq!(
            frames
                .iter()
                .map(|frame| (frame.sequence, frame.flags))
                .collect::<Vec<_>>(),
            [(0, 1), (1, 0)]
        );
        let mut input = Sender::new(MessageType::InputStreamData);
        input.push("a");
        assert_eq!(input.poll_all(at(0))[0].flags, 0);
    }

    #[test]
    fn makes_no_frame_of_nothing() {
        let mut stream = Sender::online();
        assert_eq!(stream.push(""), None);
        assert!(stream.poll_all(at(0)).is_empty());
        assert_eq!(stream.push("a"), Some(0));
    }

    #[test]
    fn cuts_long_payloads() {
        let mut stream = Sender::online();
        stream
            .outbound
            .push_cut(PayloadType::Output, vec![7; 2500].into(), 1024);
        let lengths: Vec<_> = stream
            .poll_all(at(0))
            .iter()
            .map(|frame| frame.payload.len())
            .collect();
        assert_eq!(lengths, [1024, 1024, 452]);
    }

    #[test]
    fn sends_nothing_while_offline() {
        let mut stream = Sender::online();
        stream.outbound.handle_disconnected();
        stream.push("a");
        assert!(stream.poll_all(at(0)).is_empty());
        assert_eq!(stream.outbound.poll_timeout(), None);
    }

    #[test]
    fn resends_the_oldest_as_the_same_bytes_after_the_timeout() {
        let mut stream = Sender::online();
        stream.push("a");
        stream.push("b");
        let first = stream.poll_bytes(at(0));
        assert_eq!(stream.outbound.poll_timeout(), Some(200 * MS));
        stream.outbound.handle_timeout(at(199));
        assert!(stream.poll_bytes(at(199)).is_empty());
        stream.outbound.handle_timeout(at(200));
        assert_eq!(stream.poll_bytes(at(200)), first[..1]);
        assert_eq!(stream.outbound.poll_timeout(), Some(600 * MS));
    }

    #[test]
    fn resends_known_gaps_together() {
        let mut stream = Sender::online();
        stream.push_many(10, "a");
        stream.poll_all(at(0));
        for sequence in [3, 5] {
            assert!(stream.outbound.handle_acknowledge(sequence, at(10)));
        }
        stream.outbound.handle_timeout(at(1000));
        let sequences: Vec<_> = stream
            .poll_all(at(1000))
            .iter()
            .map(|frame| frame.sequence)
            .collect();
        assert_eq!(sequences, [0, 1, 2, 4]);
    }

    #[test]
    fn resends_everything_in_order_after_a_reconnect() {
        let mut stream = Sender::online();
        stream.push_many(5, "a");
        let before = stream.poll_bytes(at(0));
        stream.outbound.handle_acknowledge(0, at(1));
        stream.outbound.handle_acknowledge(2, at(1));
        stream.outbound.handle_disconnected();
        stream.outbound.handle_connected();
        let after = stream.poll_bytes(at(50));
        assert_eq!(after, [before[1].clone(), before[3].clone(), before[4].clone()]);
    }

    #[test]
    fn an_acknowledgement_finds_a_frame_that_was_only_just_polled() {
        let mut stream = Sender::online();
        stream.push("a");
        stream.outbound.poll(at(0), &mut stream.ids).unwrap();
        assert!(stream.outbound.handle_acknowledge(0, at(0)));
        assert!(stream.outbound.is_drained());
        assert_eq!(stream.outbound.poll_timeout(), None);
    }

    #[test]
    fn acknowledgements_of_anything_else_change_nothing() {
        let mut stream = Sender::online();
        stream.push("a");
        stream.push("b");
        for sequence in [i64::MIN, -1, 0, 1, 2, i64::MAX] {
            assert!(
                !stream.outbound.handle_acknowledge(sequence, at(0)),
                "never sent: {sequence}"
            );
            assert!(
                !stream.outbound.handle_cumulative_acknowledge(sequence, at(0)),
                "never sent: {sequence}"
            );
        }
        stream.poll_all(at(0));
        assert!(stream.outbound.handle_acknowledge(0, at(1)));
        for sequence in [i64::MIN, -1, 0, 2, i64::MAX] {
            assert!(!stream.outbound.handle_acknowledge(sequence, at(2)), "{sequence}");
            assert!(
                !stream.outbound.handle_cumulative_acknowledge(sequence, at(2)),
                "{sequence}"
            );
        }
        assert_eq!(stream.outbound.held_frames(), 1);
    }

    #[test]
    fn a_cumulative_acknowledgement_releases_everything_before_it() {
        let mut stream = Sender::online();
        stream.push_many(10, "abc");
        stream.poll_all(at(0));
        stream.outbound.handle_acknowledge(7, at(1));
        stream.outbound.handle_acknowledge(2, at(1));
        assert!(stream.outbound.handle_cumulative_acknowledge(6, at(2)));
        assert_eq!(stream.outbound.held_frames(), 2);
        assert_eq!(stream.outbound.capacity(), Window::DEFAULT.bytes - 6);
        assert!(stream.outbound.handle_cumulative_acknowledge(9, at(3)));
        assert!(stream.outbound.is_drained());
        assert_eq!(stream.outbound.capacity(), Window::DEFAULT.bytes);
    }

    #[test]
    fn capacity_is_what_the_window_leaves() {
        let mut outbound = Outbound::new(MessageType::OutputStreamData, Window { bytes: 10, frames: 3 });
        let mut ids = MessageIds::new([0; 16]);
        outbound.handle_connected();
        assert_eq!(outbound.capacity(), 10);
        outbound.push(PayloadType::Output, "abcd".into());
        assert_eq!(outbound.capacity(), 6);
        outbound.push(PayloadType::Output, "a".into());
        outbound.push(PayloadType::Output, "a".into());
        assert_eq!(outbound.capacity(), 0, "no frame is left");
        while outbound.poll(at(0), &mut ids).is_some() {}
        outbound.handle_acknowledge(1, at(1));
        assert_eq!(outbound.capacity(), 5);
    }

    #[test]
    fn a_stream_starts_elsewhere_only_when_untouched() {
        let mut stream = Sender::online();
        assert!(!stream.outbound.start_at(-1) && !stream.outbound.start_at(i64::MAX));
        assert!(stream.outbound.start_at(12));
        assert!(!stream.outbound.start_at(13));
        assert_eq!(stream.push("a"), Some(12));
        assert_eq!(stream.poll_all(at(0))[0].sequence, 12);
        assert!(stream.outbound.handle_cumulative_acknowledge(12, at(0)));
    }

    #[test]
    fn the_round_trip_of_a_resent_frame_is_not_flattering() {
        let mut stream = Sender::online();
        stream.push("a");
        stream.poll_all(at(0));
        stream.outbound.handle_timeout(at(200));
        stream.poll_all(at(200));
        // A path of 210 ms: measured from the second sending it would look like 10.
        stream.outbound.handle_acknowledge(0, at(210));
        stream.push("b");
        stream.poll_all(at(300));
        assert!(stream.outbound.poll_timeout().unwrap() >= 510 * MS);
    }

    struct Sender {
        outbound: Outbound,
        ids: MessageIds,
    }

    impl Sender {
        fn new(message_type: MessageType) -> Sender {
            let mut outbound = Outbound::new(message_type, Window::DEFAULT);
            outbound.handle_connected();
            Sender {
                outbound,
                ids: MessageIds::new([1; 16]),
            }
        }

        fn online() -> Sender {
            Sender::new(MessageType::OutputStreamData)
        }

        fn push(&mut self, payload: &'static str) -> Option<i64> {
            self.outbound.push(PayloadType::Output, payload.into())
        }

        fn push_many(&mut self, count: usize, payload: &'static str) {
            for _ in 0..count {
                self.push(payload);
            }
        }

        fn poll_bytes(&mut self, now: Time) -> Vec<Bytes> {
            std::iter::from_fn(|| self.outbound.poll(now, &mut self.ids)).collect()
        }

        fn poll_all(&mut self, now: Time) -> Vec<Frame> {
            self.poll_bytes(now)
                .into_iter()
                .map(|bytes| Frame::decode(bytes).unwrap())
                .collect()
        }
    }
}

mod inbound {
    use super::*;

    #[test]
    fn delivers_in_order_whatever_the_order_of_arrival() {
        let mut stream = Receiver::new(InboundLimits::DEFAULT);
        assert_eq!(stream.receive(2), Ok(Arrival::Early));
        assert_eq!(stream.receive(1), Ok(Arrival::Early));
        assert_eq!(stream.receive(0), Ok(Arrival::InOrder(frame(0))));
        assert_eq!(stream.inbound.next_in_order(), Some(frame(1)));
        assert_eq!(stream.inbound.next_in_order(), Some(frame(2)));
        assert_eq!(stream.inbound.next_in_order(), None);
        assert_eq!(stream.acknowledged(), [(2, false), (1, false), (0, false)]);
    }

    #[test]
    fn acknowledges_duplicates_of_every_age_again() {
        let mut stream = Receiver::new(InboundLimits::DEFAULT);
        assert_eq!(stream.receive(0), Ok(Arrival::InOrder(frame(0))));
        assert_eq!(stream.receive(2), Ok(Arrival::Early));
        stream.acknowledged();
        assert_eq!(stream.receive(0), Ok(Arrival::Duplicate));
        assert_eq!(stream.receive(2), Ok(Arrival::Duplicate));
        assert_eq!(stream.acknowledged(), [(0, false), (2, false)]);
    }

    #[test]
    fn one_cumulative_acknowledgement_stands_for_a_burst() {
        let mut stream = Receiver::new(InboundLimits::DEFAULT);
        stream.inbound.set_cumulative(true);
        for sequence in 0..100 {
            stream.receive(sequence).unwrap();
        }
        assert_eq!(stream.acknowledged(), [(99, true)]);
        stream.receive(3).unwrap();
        assert_eq!(stream.acknowledged(), [(99, true)], "a duplicate repeats it");
        stream.receive(102).unwrap();
        stream.receive(101).unwrap();
        stream.receive(100).unwrap();
        while stream.inbound.next_in_order().is_some() {}
        assert_eq!(stream.acknowledged(), [(102, false), (101, false), (102, true)]);
    }

    #[test]
    fn stops_being_cumulative_without_forgetting() {
        let mut stream = Receiver::new(InboundLimits::DEFAULT);
        stream.inbound.set_cumulative(true);
        stream.receive(0).unwrap();
        stream.inbound.set_cumulative(false);
        assert_eq!(stream.acknowledged(), [(0, false)]);
    }

    #[test]
    fn refuses_numbers_out_of_reach() {
        let mut stream = Receiver::new(InboundLimits {
            frames: 5,
            bytes: 1000,
        });
        for sequence in [-1, i64::MIN] {
            assert_eq!(
                stream.receive(sequence),
                Err(SequenceError::Negative { sequence })
            );
        }
        for sequence in [6, 1_000_000, i64::MAX] {
            assert_eq!(
                stream.receive(sequence),
                Err(SequenceError::TooFarAhead {
                    sequence,
                    expected: 0
                })
            );
        }
        assert_eq!(stream.receive(5), Ok(Arrival::Early));
        assert_eq!(stream.acknowledged(), [(5, false)]);
    }

    #[test]
    fn keeps_no_more_bytes_than_allowed() {
        let mut stream = Receiver::new(InboundLimits {
            frames: 1000,
            bytes: 3 * frame(0).payload.len(),
        });
        let kept = (1..100)
            .filter(|sequence| stream.receive(*sequence) == Ok(Arrival::Early))
            .count();
        assert_eq!(kept, 3);
        assert_eq!(
            stream.acknowledged().len(),
            3,
            "what is not kept is not acknowledged"
        );
        stream.receive(0).unwrap();
        while stream.inbound.next_in_order().is_some() {}
        assert_eq!(stream.receive(5), Ok(Arrival::Early), "room comes back");
    }

    #[test]
    fn a_flood_owes_a_bounded_number_of_acknowledgements() {
        let mut stream = Receiver::new(InboundLimits::DEFAULT);
        stream.receive(0).unwrap();
        for _ in 0..100_000 {
            stream.receive(0).unwrap();
        }
        assert!(stream.acknowledged().len() <= 16 * 1024);
    }

    struct Receiver {
        inbound: Inbound,
        ids: MessageIds,
    }

    impl Receiver {
        fn new(limits: InboundLimits) -> Receiver {
            let inbound = Inbound::new(MessageType::OutputStreamData, limits);
            Receiver {
                inbound,
                ids: MessageIds::new([2; 16]),
            }
        }

        fn receive(&mut self, sequence: i64) -> Result<Arrival, SequenceError> {
            self.inbound.receive(frame(sequence))
        }

        /// Takes all acknowledgements owed: sequence number, cumulative.
        fn acknowledged(&mut self) -> Vec<(i64, bool)> {
            std::iter::from_fn(|| self.inbound.poll_acknowledge(at(0), &mut self.ids))
                .map(|bytes| {
                    let acknowledge = Acknowledge::parse(&Frame::decode(bytes).unwrap().payload).unwrap();
                    (acknowledge.sequence, acknowledge.cumulative)
                })
                .collect()
        }
    }

    fn frame(sequence: i64) -> Frame {
        let frame = Frame::control(
            MessageType::OutputStreamData,
            Default::default(),
            "payload".into(),
            at(1),
        );
        Frame {
            sequence,
            payload_type: PayloadType::Output,
            ..frame
        }
    }
}

mod timer {
    use super::*;

    #[test]
    fn follows_the_public_formula() {
        let mut timer = RetransmissionTimer::new();
        assert_eq!(timer.timeout(), 200 * MS);
        // R = 300: V = 0.75·0 + 0.25·|100 − 300| = 50; RTT = 0.875·100 + 0.125·300 = 125; RTO = 125 + 4·50.
        timer.sample(300 * MS);
        assert_eq!(timer.timeout(), 325 * MS);
    }

    #[test]
    fn stays_between_its_bounds() {
        let mut timer = RetransmissionTimer::new();
        (0..100).for_each(|_| timer.sample(MS));
        assert_eq!(timer.timeout(), 100 * MS);
        (0..100).for_each(|_| timer.sample(Duration::from_secs(3600)));
        assert_eq!(timer.timeout(), 1000 * MS);
    }

    #[test]
    fn backs_off_to_a_second_until_the_next_sample() {
        let mut timer = RetransmissionTimer::new();
        for expected in [400, 800, 1000, 1000] {
            timer.back_off();
            assert_eq!(timer.timeout(), expected * MS);
        }
        timer.sample(100 * MS);
        assert_eq!(timer.timeout(), 110 * MS);
    }
}

fn at(ms: u64) -> Time {
    Time::new(Duration::from_millis(ms), 1_000_000 + ms)
}
