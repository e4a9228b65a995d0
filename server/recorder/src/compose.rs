//! What a record of the journal says, as events of a recording.

use bytes::Bytes;
use drawbridge_protocol::data_channel::relay::JournalRecord;
use drawbridge_protocol::payload::{HandshakeResponse, Size};
use drawbridge_protocol::port_mux::Passing;
use drawbridge_protocol::wire::{Frame, PayloadType};
use drawbridge_relay::journal::{RecordKind, Recorded};
use drawbridge_session::recording::Happening;

/// Translates the records of one session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Composer {
    /// Whether the output is ciphertext.
    pub(crate) is_encrypted: bool,
}

impl Composer {
    /// Returns what happened by a record; `None` where it is nothing that is recorded.
    pub(crate) fn happening(self, record: &Recorded) -> Option<Happening> {
        match record.kind {
            RecordKind::Frame => self.of_output(record),
            RecordKind::Mark => of_mark(record),
            RecordKind::Note(_) => None,
        }
    }

    fn of_output(self, record: &Recorded) -> Option<Happening> {
        let Ok(frame) = Frame::decode(record.body.clone()) else {
            let note = format!("frame {} cannot be read", record.sequence);
            return Some(Happening::Note(note));
        };
        match frame.payload_type {
            PayloadType::Output => Some(Happening::Output(frame.payload.to_vec())),
            PayloadType::StdErr => Some(Happening::Errors(frame.payload.to_vec())),
            PayloadType::ExitCode if !self.is_encrypted => exit_code(&frame.payload).map(Happening::Exit),
            PayloadType::Multiplexed if self.is_encrypted || is_of_a_command(&frame.payload) => {
                Some(Happening::Beside(frame.payload.to_vec()))
            }
            _ => None,
        }
    }
}

fn exit_code(payload: &[u8]) -> Option<i32> {
    let text = str::from_utf8(payload).ok()?;
    text.strip_prefix("EXIT_CODE:")?.trim().parse().ok()
}

/// Says whether a message is kept: what a command wrote and how it went is, what the two ends agree on to bring it is not.
fn is_of_a_command(message: &Bytes) -> bool {
    Passing::read(message.clone()).is_ok_and(|message| message.saying().is_some())
}

fn of_mark(record: &Recorded) -> Option<Happening> {
    let JournalRecord::Client { frame, .. } = JournalRecord::decode(record.body.clone())? else {
        return None;
    };
    let frame = Frame::decode(frame).ok()?;
    match frame.payload_type {
        PayloadType::Size => {
            let size = Size::parse(&frame.payload).ok()?;
            Some(Happening::Resize {
                columns: u16::try_from(size.cols).unwrap_or(u16::MAX),
                rows: u16::try_from(size.rows).unwrap_or(u16::MAX),
            })
        }
        PayloadType::HandshakeResponse => wrapped_key(&frame.payload).map(Happening::Key),
        _ => None,
    }
}

/// The relay lets an answer pass only where everybody finds the same key in it.
fn wrapped_key(payload: &[u8]) -> Option<Vec<u8>> {
    HandshakeResponse::parse(payload).ok()?.wrapped_key()
}

#[cfg(test)]
mod tests {
    use drawbridge_protocol::Time;
    use drawbridge_protocol::wire::MessageType;
    use uuid::Uuid;

    use super::*;

    fn frame(payload_type: PayloadType, payload: &[u8]) -> Bytes {
        let now = Time::new(std::time::Duration::ZERO, 1);
        let payload = Bytes::copy_from_slice(payload);
        let control = Frame::control(MessageType::OutputStreamData, Uuid::nil(), payload, now);
        Frame {
            payload_type,
            ..control
        }
        .encode()
    }

    fn recorded(kind: RecordKind, body: Bytes) -> Recorded {
        Recorded {
            kind,
            sequence: 7,
            written_ms: 1,
            body,
        }
    }

    fn of_output(is_encrypted: bool, payload_type: PayloadType, payload: &[u8]) -> Option<Happening> {
        let composer = Composer { is_encrypted };
        composer.happening(&recorded(RecordKind::Frame, frame(payload_type, payload)))
    }

    fn of_client(payload_type: PayloadType, payload: &[u8]) -> Option<Happening> {
        let record = JournalRecord::Client {
            sequence: 3,
            frame: frame(payload_type, payload),
        };
        let composer = Composer { is_encrypted: false };
        composer.happening(&recorded(RecordKind::Mark, record.encode()))
    }

    #[test]
    fn output_is_kept_as_it_was() {
        let bytes = b"\x1b[1m\xff\0";
        assert_eq!(
            of_output(false, PayloadType::Output, bytes),
            Some(Happening::Output(bytes.to_vec()))
        );
        assert_eq!(
            of_output(true, PayloadType::StdErr, bytes),
            Some(Happening::Errors(bytes.to_vec()))
        );
        assert_eq!(of_output(false, PayloadType::HandshakeRequest, b"{}"), None);
        let broken = recorded(RecordKind::Frame, Bytes::from_static(b"no frame"));
        let composer = Composer { is_encrypted: false };
        assert_eq!(
            composer.happening(&broken),
            Some(Happening::Note("frame 7 cannot be read".to_owned()))
        );
    }

    #[test]
    fn an_exit_code_is_read_where_it_is_not_sealed() {
        let of = |text: &[u8]| of_output(false, PayloadType::ExitCode, text);
        assert_eq!(of(b"EXIT_CODE: 3"), Some(Happening::Exit(3)));
        assert_eq!(of(b"EXIT_CODE: -1"), Some(Happening::Exit(-1)));
        for wrong in [&b""[..], b"EXIT_CODE: ", b"EXIT_CODE: 99999999999", b"3", b"\xff"] {
            assert_eq!(of(wrong), None);
        }
        assert_eq!(of_output(true, PayloadType::ExitCode, b"EXIT_CODE: 3"), None);
    }

    #[test]
    fn what_commands_beside_the_shell_are_and_write_is_kept() {
        let of = |payload: &[u8]| of_output(false, PayloadType::Multiplexed, payload);
        for kept in [
            &b"\x01\0\0\0\0\0\0\x01{\"Command\":[\"ls\",\"-l\"]}"[..],
            b"\x03\0\0\0\0\0\0\x01written",
            b"\x07\0\0\0\0\0\0\x01complained",
            b"\x08\0\0\0\0\0\0\x01{\"Code\":2}",
            b"\x05\0\0\0\0\0\0\x01{}",
        ] {
            assert_eq!(of(kept), Some(Happening::Beside(kept.to_vec())));
        }
        for passing in [
            &b"\x01\0\0\0\0\0\0\x01{\"Address\":\"::1\"}"[..],
            b"\x06\0\0\0\0\0\0\x01\0\0\0\0\0\x10\0\0",
            b"\x04\0\0\0\0\0\0\x01",
            b"\x63\0\0\0\0\0\0\x01",
            b"\x08",
            b"",
        ] {
            assert_eq!(of(passing), None);
        }
        let sealed = b"nobody knows";
        assert_eq!(
            of_output(true, PayloadType::Multiplexed, sealed),
            Some(Happening::Beside(sealed.to_vec()))
        );
    }

    #[test]
    fn sizes_and_the_wrapped_key_are_what_is_kept_of_the_client() {
        assert_eq!(
            of_client(PayloadType::Size, br#"{"cols":120,"rows":40}"#),
            Some(Happening::Resize {
                columns: 120,
                rows: 40
            })
        );
        let answer = br#"{"ProcessedClientActions":[{"ActionType":"KMSEncryption","ActionStatus":1,
            "ActionResult":{"KMSCipherTextKey":"AQID"},"Error":""}]}"#;
        assert_eq!(
            of_client(PayloadType::HandshakeResponse, answer),
            Some(Happening::Key(vec![1, 2, 3]))
        );
        let plain = br#"{"ProcessedClientActions":[{"ActionType":"SessionType","ActionStatus":1,"ActionResult":null,"Error":""}]}"#;
        assert_eq!(of_client(PayloadType::HandshakeResponse, plain), None);
        assert_eq!(of_client(PayloadType::Output, b"typed"), None);
    }
}
