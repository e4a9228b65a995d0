//! What passes, in words, for whoever looks into a failing seed.

use bytes::Bytes;
use drawbridge_protocol::data_channel::relay::{Effect, JournalRecord};
use drawbridge_protocol::payload::Acknowledge;
use drawbridge_protocol::wire::{Frame, MessageType};

use crate::pipe::Message;

pub(crate) fn show_effect(effect: &Effect) -> String {
    match effect {
        Effect::ToClient { conn, bytes } => format!("to client {}: {}", conn.0, show_frame(bytes)),
        Effect::ToNode { conn, bytes } => format!("to node {}: {}", conn.0, show_frame(bytes)),
        Effect::Append {
            id,
            record: JournalRecord::Output { sequence, .. },
            ..
        } => {
            format!("append {} output {sequence}", id.0)
        }
        Effect::Append {
            id,
            record: JournalRecord::Client { sequence, .. },
            ..
        } => {
            format!("append {} input {sequence}", id.0)
        }
        other => format!("{other:?}"),
    }
}

pub(crate) fn show(message: &Message) -> String {
    match message {
        Message::Binary(bytes) => show_frame(bytes),
        Message::Text => "text".to_owned(),
        Message::Ping(payload) => format!("ping {payload:?}"),
        Message::Pong(payload) => format!("pong {payload:?}"),
    }
}

fn show_frame(bytes: &Bytes) -> String {
    let Ok(frame) = Frame::decode(bytes.clone()) else {
        return "garbage".to_owned();
    };
    let (kind, sequence, payload) = (frame.message_type, frame.sequence, frame.payload_type);
    match kind {
        MessageType::OutputStreamData => format!("o#{sequence} {payload} {} bytes", frame.payload.len()),
        MessageType::InputStreamData => format!("i#{sequence} {payload} {} bytes", frame.payload.len()),
        MessageType::Acknowledge => Acknowledge::parse(&frame.payload).map_or_else(
            |error| error.to_string(),
            |ack| {
                format!(
                    "ack {} {}{}",
                    ack.message_type,
                    ack.sequence,
                    if ack.cumulative { " and before" } else { "" }
                )
            },
        ),
        _ => format!("{kind} {}", String::from_utf8_lossy(&frame.payload)),
    }
}
