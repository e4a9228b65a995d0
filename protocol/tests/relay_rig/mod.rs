//! Drives a relay by hand: every effect is looked at, and time passes only when told.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test binary uses a part of the rig"
)]

use std::time::Duration;

use bytes::Bytes;
use drawbridge_protocol::data_channel::relay::{
    AppendId, AttachKind, ClientAttachment, ConnectionId, Effect, JournalFrame, JournalRecord, Outcome,
    Recovered, RelayConfig, RelayCore, SessionKind,
};
use drawbridge_protocol::payload::{self, Acknowledge, AgentSessionState, ChannelClosed, SessionState};
use drawbridge_protocol::wire::{Frame, MessageType, PayloadType};
use drawbridge_protocol::{Capabilities, MessageIds, Time};
use uuid::Uuid;

pub const CLIENT: ConnectionId = ConnectionId(1);
pub const NODE: ConnectionId = ConnectionId(2);
pub const OTHER: ConnectionId = ConnectionId(3);

/// Holds a relay, what it asked for, and the records it appended.
pub struct Rig {
    pub core: RelayCore,
    pub now: Duration,
    pub records: Vec<JournalRecord>,
    last_append: Option<AppendId>,
    unanswered: Vec<(ConnectionId, Bytes)>,
}

impl Rig {
    pub fn new(config: RelayConfig) -> Rig {
        Rig::with(|now| RelayCore::new(config, MessageIds::new([1; 16]), now))
    }

    /// Recovers a relay from the records of another one.
    pub fn recover(config: RelayConfig, records: &[JournalRecord]) -> Rig {
        let mut recovered = Recovered::default();
        records.iter().for_each(|record| recovered.absorb(record));
        Rig::with(|now| RelayCore::recover(config, recovered, MessageIds::new([2; 16]), now))
    }

    fn with(make: impl FnOnce(Time) -> RelayCore) -> Rig {
        let now = Duration::from_secs(1000);
        let core = make(Time::new(now, 1));
        let mut rig = Rig {
            core,
            now,
            records: Vec::new(),
            last_append: None,
            unanswered: Vec::new(),
        };
        rig.effects();
        rig
    }

    /// A session whose client (without capabilities unless told) and node are there.
    pub fn started(config: RelayConfig, capabilities: Option<Capabilities>) -> Rig {
        let mut rig = Rig::new(config);
        rig.connect(CLIENT, AttachKind::Start, "first", capabilities);
        rig.node_connects(NODE);
        rig.sync();
        rig.pong_all();
        rig
    }

    pub fn shell() -> Rig {
        Rig::started(shell(), None)
    }

    /// Does something and returns what the relay asks for in answer.
    pub fn act(&mut self, act: impl FnOnce(&mut RelayCore, Time)) -> Vec<Effect> {
        let now = self.time();
        act(&mut self.core, now);
        self.effects()
    }

    pub fn connect(
        &mut self,
        conn: ConnectionId,
        kind: AttachKind,
        client_id: &str,
        capabilities: Option<Capabilities>,
    ) -> Vec<Effect> {
        let client_id = client_id.to_owned();
        let client = ClientAttachment {
            conn,
            kind,
            capabilities,
            client_id,
        };
        self.act(|core, now| core.handle_client_connected(client, now))
    }

    pub fn node_connects(&mut self, conn: ConnectionId) -> Vec<Effect> {
        self.act(|core, now| core.handle_node_connected(conn, now))
    }

    pub fn node_sends(&mut self, message: Bytes) -> Vec<Effect> {
        self.act(|core, now| core.handle_node_message(NODE, message, now))
    }

    pub fn client_sends(&mut self, message: Bytes) -> Vec<Effect> {
        self.act(|core, now| core.handle_client_message(CLIENT, message, now))
    }

    /// Says that everything appended so far is durable.
    pub fn sync(&mut self) -> Vec<Effect> {
        let mut all = Vec::new();
        // What is appended in answer is made durable too.
        while let Some(through) = self.last_append.take() {
            all.extend(self.act(|core, now| core.handle_durable(through, now)));
        }
        all
    }

    /// Answers the read requests among effects from the rig's records.
    pub fn answer_reads(&mut self, effects: &[Effect]) -> Vec<Effect> {
        let mut all = Vec::new();
        for effect in effects {
            if let Effect::ReadJournal {
                reader,
                from_sequence,
                max_bytes,
            } = effect
            {
                let frames = self.read(*from_sequence, *max_bytes);
                all.extend(self.act(|core, now| core.handle_journal_read(*reader, frames, now)));
            }
        }
        all
    }

    fn read(&self, from: i64, max_bytes: usize) -> Vec<JournalFrame> {
        let mut frames: Vec<JournalFrame> = self
            .records
            .iter()
            .filter_map(|record| match record {
                JournalRecord::Output { sequence, frame } if *sequence >= from => Some(JournalFrame {
                    sequence: *sequence,
                    bytes: frame.clone(),
                }),
                _ => None,
            })
            .collect();
        frames.sort_by_key(|frame| frame.sequence);
        let mut bytes = 0;
        let mut fits = |frame: &JournalFrame| {
            let first = bytes == 0;
            bytes += frame.bytes.len();
            first || bytes <= max_bytes
        };
        let count = frames.iter().take_while(|frame| fits(frame)).count();
        frames.truncate(count);
        frames
    }

    /// Lets time pass, waking the relay whenever it asks for it.
    pub fn pass(&mut self, duration: Duration) -> Vec<Effect> {
        let end = self.now + duration;
        let mut all = Vec::new();
        for _ in 0..100_000 {
            let Some(at) = self.core.poll_timeout().filter(|at| *at <= end) else {
                self.now = end;
                return all;
            };
            self.now = self.now.max(at);
            all.extend(self.act(RelayCore::handle_timeout));
        }
        panic!(
            "the relay keeps asking to be woken at {:?}",
            self.core.poll_timeout()
        );
    }

    /// Lets time pass with a client that answers pings, those that wait for it too.
    pub fn pass_with_pongs(&mut self, duration: Duration) -> Vec<Effect> {
        let end = self.now + duration;
        let mut all = Vec::new();
        while self.now < end {
            for (conn, payload) in std::mem::take(&mut self.unanswered) {
                all.extend(self.act(|core, now| core.handle_client_pong(conn, payload, now)));
            }
            all.extend(self.pass(millis(10)));
        }
        all
    }

    /// Answers every ping sent on the first client's connection.
    pub fn pong(&mut self, effects: &[Effect]) -> Vec<Effect> {
        let mut all = Vec::new();
        for effect in effects {
            if let Effect::PingClient { conn, payload } = effect {
                let (conn, payload) = (*conn, payload.clone());
                all.extend(self.act(|core, now| core.handle_client_pong(conn, payload, now)));
            }
        }
        all
    }

    /// Answers the ping that greets a client, whose payload is the first number.
    pub fn pong_all(&mut self) {
        let payload = Bytes::copy_from_slice(&1_u64.to_be_bytes());
        self.act(|core, now| core.handle_client_pong(CLIENT, payload, now));
    }

    pub fn time(&self) -> Time {
        Time::new(self.now, 1_700_000_000_000 + self.now.as_millis() as u64)
    }

    fn effects(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(effect) = self.core.poll_effect() {
            if let Effect::Append { id, record, .. } = &effect {
                self.last_append = Some(*id);
                self.records.push(record.clone());
            }
            if let Effect::PingClient { conn, payload } = &effect {
                self.unanswered.push((*conn, payload.clone()));
            }
            effects.push(effect);
        }
        effects
    }
}

pub fn shell() -> RelayConfig {
    RelayConfig::new("session", SessionKind::Shell)
}

pub fn tunnel() -> RelayConfig {
    RelayConfig::new("session", SessionKind::Port { multiplexed: true })
}

/// The same session with our agent.
pub fn with_our_node(mut config: RelayConfig) -> RelayConfig {
    config.node = Some(Capabilities::OURS);
    config
}

pub fn output(sequence: i64, payload: &str) -> Bytes {
    stream(
        MessageType::OutputStreamData,
        sequence,
        PayloadType::Output,
        payload.as_bytes(),
    )
}

pub fn input(sequence: i64, payload: &str) -> Bytes {
    stream(
        MessageType::InputStreamData,
        sequence,
        PayloadType::Output,
        payload.as_bytes(),
    )
}

pub fn stream(message_type: MessageType, sequence: i64, payload_type: PayloadType, payload: &[u8]) -> Bytes {
    let id = Uuid::from_u128(sequence as u128);
    let frame = Frame::control(
        message_type,
        id,
        Bytes::copy_from_slice(payload),
        Time::new(Duration::ZERO, 5),
    );
    Frame {
        sequence,
        payload_type,
        ..frame
    }
    .encode()
}

pub fn control(message_type: MessageType, payload: Bytes) -> Bytes {
    Frame::control(
        message_type,
        Uuid::from_u128(77),
        payload,
        Time::new(Duration::ZERO, 5),
    )
    .encode()
}

/// An acknowledgement of a client.
pub fn ack_output(sequence: i64) -> Bytes {
    let ack = Acknowledge::new(MessageType::OutputStreamData, Uuid::nil(), sequence);
    control(MessageType::Acknowledge, ack.to_bytes())
}

/// An acknowledgement of a node.
pub fn ack_input(sequence: i64) -> Bytes {
    let ack = Acknowledge::new(MessageType::InputStreamData, Uuid::nil(), sequence);
    control(MessageType::Acknowledge, ack.to_bytes())
}

pub fn terminating(exit_code: Option<i32>) -> Bytes {
    let state = AgentSessionState {
        schema_version: 1,
        session_state: SessionState::Terminating,
        session_id: "session".to_owned(),
        exit_code,
    };
    control(MessageType::AgentSessionState, payload::to_bytes(&state))
}

/// What is sent on a client's connection, decoded.
pub fn to_client(effects: &[Effect], wanted: ConnectionId) -> Vec<Frame> {
    let sent = effects.iter().filter_map(|effect| match effect {
        Effect::ToClient { conn, bytes } if *conn == wanted => Some(bytes.clone()),
        _ => None,
    });
    sent.map(|bytes| Frame::decode(bytes).expect("the relay sends frames"))
        .collect()
}

/// What is sent to the node, decoded.
pub fn to_node(effects: &[Effect]) -> Vec<Frame> {
    let sent = effects.iter().filter_map(|effect| match effect {
        Effect::ToNode { bytes, .. } => Some(bytes.clone()),
        _ => None,
    });
    sent.map(|bytes| Frame::decode(bytes).expect("the relay sends frames"))
        .collect()
}

/// The sequence numbers of stream frames.
pub fn numbers(frames: &[Frame]) -> Vec<i64> {
    let stream = frames.iter().filter(|frame| frame.message_type.is_stream_data());
    stream.map(|frame| frame.sequence).collect()
}

/// The sequence numbers acknowledged one by one.
pub fn acknowledged(frames: &[Frame]) -> Vec<i64> {
    acks(frames)
        .into_iter()
        .filter(|ack| !ack.cumulative)
        .map(|ack| ack.sequence)
        .collect()
}

pub fn acks(frames: &[Frame]) -> Vec<Acknowledge> {
    let acks = frames
        .iter()
        .filter(|frame| frame.message_type == MessageType::Acknowledge);
    acks.map(|frame| Acknowledge::parse(&frame.payload).expect("readable"))
        .collect()
}

pub fn types(frames: &[Frame]) -> Vec<MessageType> {
    frames.iter().map(|frame| frame.message_type).collect()
}

/// The last words to a client.
pub fn goodbye(effects: &[Effect], conn: ConnectionId) -> Option<ChannelClosed> {
    let frames = to_client(effects, conn);
    let closed = frames
        .iter()
        .find(|frame| frame.message_type == MessageType::ChannelClosed)?;
    let closed: ChannelClosed = payload::parse(&closed.payload).expect("readable");
    let closes = effects.contains(&Effect::CloseClient { conn });
    assert!(
        closes != closed.confirm,
        "the connection ends behind a goodbye, or behind its confirmation"
    );
    Some(closed)
}

pub fn ended(effects: &[Effect]) -> Option<Outcome> {
    effects.iter().find_map(|effect| match effect {
        Effect::Ended { outcome } => Some(outcome.clone()),
        _ => None,
    })
}

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
