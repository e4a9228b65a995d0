//! What AWS's own programs put on the wire is read, and written again to the same bytes.
//!
//! `vectors/observed` was recorded while `session-manager-plugin` and `amazon-ssm-agent`, built from their public source of
//! October 2024, held a shell session through a Drawbridge server. `docs/interop.md` says what else was tried.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use drawbridge_protocol::encryption::{Cipher, DataKey};
use drawbridge_protocol::payload::{
    self, Acknowledge, AgentSessionState, OpenControlChannel, OpenDataChannel, SessionState, Size,
    TaskComplete, TaskStatus,
};
use drawbridge_protocol::wire::{Frame, MessageType, PayloadType};
use uuid::{Uuid, uuid};

const SESSION: &str = "admin-031fbe94cf7d74902";
const NODE: &str = "mi-0dd579dc8f44fb362";
/// The first output frame, `$ `.
const PROMPT: Uuid = uuid!("caaec5e5-c202-4eb8-9d19-8e770a981293");
/// The first input frame, the terminal's size.
const SIZE: Uuid = uuid!("74c59808-b97a-458c-bc0a-fb16e49a094b");

#[test]
fn plugin_opens_a_data_channel() {
    let text = include_str!("vectors/observed/plugin_open_data_channel.json").trim_end();
    let open = OpenDataChannel::parse(text).unwrap();
    assert_eq!(open.client_version.as_deref(), Some("1.2.650.0"));
    assert_eq!(open.client_instance_id, None);
    assert_eq!(open.client_id, "cc5bd01d-169d-467a-859f-008dae161241");
    assert_eq!(open.capabilities, None);
    assert_eq!(payload::to_text(&open), text);
}

#[test]
fn agent_opens_its_channels() {
    let text = include_str!("vectors/observed/agent_open_data_channel.json").trim_end();
    let open = OpenDataChannel::parse(text).unwrap();
    assert_eq!(open.client_instance_id.as_deref(), Some(NODE));
    assert_eq!(open.client_id, "");
    assert_eq!(open.client_version, None);
    assert_eq!(payload::to_text(&open), text);

    let text = include_str!("vectors/observed/agent_open_control_channel.json").trim_end();
    let open = OpenControlChannel::parse(text).unwrap();
    assert_eq!(open.agent_version, "3.3.987.0");
    assert_eq!(open.platform_type, "linux");
    assert_eq!(open.capabilities, None);
    assert_eq!(payload::to_text(&open), text);
}

#[test]
fn agent_says_when_it_is_there_and_when_it_goes() {
    for (name, session_state) in [
        ("agent_session_state_connected", SessionState::Connected),
        ("agent_session_state_terminating", SessionState::Terminating),
    ] {
        let frame = same(name, MessageType::AgentSessionState, 3);
        let state: AgentSessionState = payload::parse(&frame.payload).unwrap();
        assert_eq!(state.session_state, session_state);
        assert_eq!(state.session_id, SESSION);
        assert_eq!(state.exit_code, None);
        assert_eq!(payload::to_bytes(&state), frame.payload);
    }
}

#[test]
fn agent_sends_output() {
    let first = same("agent_first_output", MessageType::OutputStreamData, 1);
    assert_eq!((first.sequence, first.payload_type), (0, PayloadType::Output));
    assert_eq!((first.message_id, &first.payload[..]), (PROMPT, &b"$ "[..]));
    let later = same("agent_later_output", MessageType::OutputStreamData, 0);
    assert_eq!((later.sequence, &later.payload[..]), (2, &b"hi\r\n$ "[..]));
}

#[test]
fn plugin_sends_input() {
    let size = same("plugin_size", MessageType::InputStreamData, 0);
    assert_eq!((size.sequence, size.payload_type), (0, PayloadType::Size));
    assert_eq!(Size { cols: 120, rows: 40 }.to_bytes(), size.payload);
    // A line that was typed in one piece keeps its newline; a lone one would be a carriage return.
    let line = same("plugin_line", MessageType::InputStreamData, 0);
    assert_eq!((line.sequence, &line.payload[..]), (1, &b"echo hi\n"[..]));
    let interrupt = same("plugin_interrupt", MessageType::InputStreamData, 0);
    assert_eq!(
        (interrupt.payload_type, &interrupt.payload[..]),
        (PayloadType::Output, &b"\x03"[..])
    );
}

#[test]
fn both_acknowledge() {
    for (name, of, id) in [
        (
            "plugin_acknowledge_first_output",
            MessageType::OutputStreamData,
            PROMPT,
        ),
        ("agent_acknowledge_size", MessageType::InputStreamData, SIZE),
    ] {
        let frame = same(name, MessageType::Acknowledge, 3);
        let acknowledge = Acknowledge::new(of, id, 0);
        assert_eq!(Acknowledge::parse(&frame.payload), Ok(acknowledge));
        assert_eq!(acknowledge.to_bytes(), frame.payload);
    }
}

#[test]
fn agent_reports_the_end() {
    let frame = same("agent_task_complete", MessageType::AgentTaskComplete, 0);
    let complete = TaskComplete::new(SESSION, NODE, TaskStatus::Success, "");
    assert_eq!(payload::parse(&frame.payload), Ok(complete.clone()));
    assert_eq!(payload::to_bytes(&complete), frame.payload);
}

/// Reads a vector that must have this type and these flags, and writes it again.
fn same(name: &str, message_type: MessageType, flags: u64) -> Frame {
    let path = format!("{}/tests/vectors/observed/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    let digits = std::fs::read_to_string(&path).unwrap().replace('\n', "");
    let observed = hex::decode(digits).unwrap();
    let frame = Frame::decode(observed.clone().into()).unwrap();
    assert_eq!(frame.encode(), observed, "{name}");
    assert_eq!(
        (&frame.message_type, frame.flags),
        (&message_type, flags),
        "{name}"
    );
    assert_eq!(frame.schema_version, 1, "{name}");
    frame
}

/// The data key was thrown away with the server that it was made for.
#[test]
fn agent_encrypts_as_our_node_does() {
    let bytes = |text: &str| hex::decode(text.trim_end()).unwrap();
    let key = DataKey::new(&bytes(include_str!("vectors/observed/agent_data_key.hex"))).unwrap();
    let payloads = [
        bytes(include_str!("vectors/observed/agent_encrypted_payload.hex")),
        bytes(include_str!("vectors/observed/agent_encrypted_next_payload.hex")),
    ];
    let first_nonce = *payloads[0].first_chunk().unwrap();
    let client = Cipher::of_client(&key, [0; 32]);
    let mut node = Cipher::of_node(&key, first_nonce);
    for (payload, words) in payloads.iter().zip(["printf 'golden one'\r\n", "golden one$ "]) {
        assert_eq!(client.open(payload).unwrap(), words);
        assert_eq!(node.seal(words.as_bytes()), payload);
    }
}
