//! What the relay of one session is told before it starts.

use std::time::Duration;

use crate::{Capabilities, CommandKind};

/// Describes one session to its relay.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// The session's id, as it stands in `channel_closed`.
    pub session_id: String,
    /// The managed node's id, as it stands in the `channel_closed` sent to it.
    pub node_id: String,
    /// What kind of stream the session is; decides who owns the output.
    pub kind: SessionKind,
    /// Which kind of command it is, for clients that come after its handshake; `None` for others.
    pub command: Option<CommandKind>,
    /// Whether its ends encrypt what is typed and printed. What passes beside that they do not.
    pub encrypted: bool,
    /// What the agent named in its control channel; `None` for AWS's.
    pub node: Option<Capabilities>,
    /// What the server offers, as told to a client in its hello.
    pub server: Capabilities,
    /// Bounds on memory and on what may be outstanding.
    pub limits: Limits,
    /// Deadlines and periods.
    pub timers: Timers,
    /// Whether the session goes on, unrecorded, when the journal cannot be written.
    pub fail_open: bool,
}

impl RelayConfig {
    /// Describes a session with every bound and deadline at its default.
    pub fn new(session_id: impl Into<String>, kind: SessionKind) -> RelayConfig {
        RelayConfig {
            session_id: session_id.into(),
            node_id: String::new(),
            kind,
            command: (kind == SessionKind::Command).then_some(CommandKind::NonInteractiveCommands),
            encrypted: false,
            node: None,
            server: Capabilities::OURS,
            limits: Limits::default(),
            timers: Timers::default(),
            fail_open: false,
        }
    }
}

/// Tells apart the streams that the relay treats differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// A terminal: `Standard_Stream` or `InteractiveCommands`. The journal owns the output.
    Shell,
    /// A command without a terminal: `NonInteractiveCommands`. The journal owns the output.
    Command,
    /// A tunnel. Output stays the node's until a client has confirmed it; the journal keeps positions only.
    Port {
        /// Whether many connections share the stream (`LocalPortForwarding`).
        multiplexed: bool,
    },
}

impl SessionKind {
    /// Says whether output is appended to the journal, and so acknowledged to the node before a client has it.
    pub fn is_recorded(self) -> bool {
        !self.is_port()
    }

    /// Says whether the stream belongs to one client and dies with it.
    pub fn is_port(self) -> bool {
        matches!(self, SessionKind::Port { .. })
    }

    /// Says whether AWS's plugin must be left in peace after its handshake (`protocol.md` 6.6).
    pub fn is_multiplexed(self) -> bool {
        self == SessionKind::Port { multiplexed: true }
    }
}

/// Bounds what one session may hold in memory or leave outstanding.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes sent to a client and not confirmed by it.
    pub client_window_bytes: usize,
    /// Frames sent to a client of ours and not confirmed by it.
    pub client_window_frames: usize,
    /// The same for a client that named no capabilities.
    pub plain_window_frames: usize,
    /// Bytes of recorded output kept in memory beyond what is in a window.
    pub tail_bytes: usize,
    /// Bytes appended and not yet durable at which reading from the node stops.
    pub unsynced_bytes: usize,
    /// Bytes of input that the node has not acknowledged at which reading from the client stops.
    pub input_bytes: usize,
    /// Bytes an attached client may be behind before the node is paused; half of it lets the node go on.
    pub lag_bytes: u64,
    /// The same while no client is attached: the session's share of the journal. Twice as much is taken of a node that
    /// does not pause; frames beyond are refused unacknowledged.
    pub detached_bytes: u64,
    /// Bytes of a tunnel's output that no client has confirmed; frames beyond are refused unacknowledged.
    pub undelivered_bytes: usize,
    /// How far ahead of the first missing frame a sequence number may be; AWS's agent queues 100 000 messages.
    pub frames_ahead: i64,
    /// Bytes asked of the journal in one read.
    pub journal_read_bytes: usize,
    /// Watchers at one time; one more is turned away.
    pub watchers: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            client_window_bytes: MIB,
            client_window_frames: 4096,
            plain_window_frames: 512,
            tail_bytes: MIB / 4,
            unsynced_bytes: 4 * MIB,
            input_bytes: 4 * MIB,
            lag_bytes: 4 * MIB as u64,
            detached_bytes: 64 * MIB as u64,
            undelivered_bytes: 4 * MIB,
            frames_ahead: 100_000,
            journal_read_bytes: MIB / 4,
            watchers: 32,
        }
    }
}

impl Limits {
    /// The bounds of a tunnel to a node of ours: enough for what its two ends may have on their way over a long path.
    ///
    /// It is used as far as an end is far away. What an end does not read it gives no credit for.
    pub fn tunnel() -> Limits {
        Limits {
            client_window_bytes: 64 * MIB,
            client_window_frames: 16 * 1024,
            input_bytes: 64 * MIB,
            undelivered_bytes: 128 * MIB,
            ..Limits::default()
        }
    }
}

/// Sets the relay's deadlines and periods.
#[derive(Clone, Copy, Debug)]
pub struct Timers {
    /// From the creation of the session to its first client.
    pub first_client_within: Duration,
    /// From the request on the control channel to the node's data channel; a bad request draws no answer at all.
    pub start_within: Duration,
    /// Period at which the request is repeated meanwhile: an agent that has just connected drops it silently.
    pub start_again_every: Duration,
    /// How long a node may be without its data channel.
    pub node_return_within: Duration,
    /// How long a tunnel may be without its client; shells wait for their idle timeout.
    pub client_return_within: Duration,
    /// The same of a client of ours with listeners, which says goodbye when it leaves: one that did not sleeps in somebody's bag.
    pub sleeping_client_return_within: Duration,
    /// Silence after which a client is pinged.
    pub client_ping_every: Duration,
    /// Patience for the answer.
    pub client_pong_within: Duration,
    /// How long AWS's plugin is left in peace after the handshake of a multiplexed tunnel.
    pub quiet_after_handshake: Duration,
    /// How long input is kept from AWS's agent after it has sent `HandshakeComplete`: it drops what comes too soon.
    pub input_grace: Duration,
    /// How long a client that may have set up its handler silently is held to be without one.
    pub handler_patience: Duration,
    /// How long an ended session waits for its client to confirm the last output.
    pub drain_within: Duration,
    /// How long an ended session then waits for the node to hang up.
    pub linger: Duration,
    /// Longest time that a position moves without being recorded, where nothing waits for it.
    pub positions_every: Duration,
    /// Longest time that an end waits for an acknowledgement whose promise is a record of positions. A record costs a sync, and
    /// an end with a large window has no use for one per frame.
    pub acknowledge_within: Duration,
    /// First resend of a frame that drew no confirmation.
    pub first_resend: Duration,
    /// Slowest period of resends.
    pub slowest_resend: Duration,
    /// Time without input after which the session ends; of anything but a terminal, without traffic either way.
    pub idle: Option<Duration>,
    /// Longest life of the session, counted from the node's arrival.
    pub max_duration: Option<Duration>,
}

impl Default for Timers {
    fn default() -> Timers {
        Timers {
            first_client_within: Duration::from_secs(180),
            start_within: Duration::from_secs(30),
            start_again_every: Duration::from_secs(10),
            node_return_within: Duration::from_secs(60),
            client_return_within: Duration::from_secs(90),
            sleeping_client_return_within: Duration::from_secs(60 * 60),
            client_ping_every: Duration::from_secs(30),
            client_pong_within: Duration::from_secs(15),
            quiet_after_handshake: Duration::from_secs(1),
            input_grace: Duration::from_millis(50),
            handler_patience: Duration::from_secs(10),
            drain_within: Duration::from_secs(5),
            linger: Duration::from_secs(3),
            positions_every: Duration::from_secs(1),
            acknowledge_within: Duration::ZERO,
            first_resend: Duration::from_millis(200),
            slowest_resend: Duration::from_secs(1),
            idle: None,
            max_duration: None,
        }
    }
}

const MIB: usize = 1024 * 1024;
