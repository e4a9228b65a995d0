//! Reading recordings of encrypted sessions: the key is unwrapped in the reader's name, and opens frames here.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use drawbridge_protocol::encryption::Cipher;
use drawbridge_session::random::RandomArray as _;
use drawbridge_session::recording::{Event, Happening, Header};
use drawbridge_session::{Random, SystemRandom};

use super::{Api, ApiError, KeyContext};

/// Opens what the node of an encrypted session wrote.
#[derive(Debug)]
pub struct RecordingKey(Cipher);

impl RecordingKey {
    /// Opens an event; what was not encrypted with this key becomes a note.
    pub fn open(&self, event: Event) -> Event {
        let opened = |sealed: &[u8], kind: fn(Vec<u8>) -> Happening| match self.0.open(sealed) {
            Ok(bytes) => kind(bytes.to_vec()),
            Err(undecryptable) => Happening::Note(undecryptable.to_string()),
        };
        let what = match event.what {
            Happening::Output(sealed) => opened(&sealed, Happening::Output),
            Happening::Errors(sealed) => opened(&sealed, Happening::Errors),
            Happening::Beside(sealed) => match self.0.open_message(&sealed) {
                Ok(numbered) => Happening::Beside(numbered.message.to_vec()),
                Err(undecryptable) => Happening::Note(undecryptable.to_string()),
            },
            other => other,
        };
        Event { what, ..event }
    }
}

impl Api {
    /// Has the key of a session unwrap the session's own; `None` if what came is no key of a session.
    pub async fn recording_key(
        &self,
        header: &Header,
        wrapped: &[u8],
    ) -> Result<Option<RecordingKey>, ApiError> {
        let context = KeyContext {
            session_id: header.session_id.to_string(),
            target: header.target.to_string(),
        };
        let wrapped = BASE64_STANDARD.encode(wrapped);
        let key_id = header.kms_key_id.as_deref().unwrap_or_default();
        let given = self.decrypt_data_key(key_id, &wrapped, &context).await?;
        let random: &dyn Random = &SystemRandom;
        Ok(given
            .of_recording()
            .map(|key| RecordingKey(Cipher::of_client(&key, random.array()))))
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use drawbridge_protocol::encryption::DataKey;
    use serde_json::json;

    use super::*;
    use crate::api::keys::GivenKey;

    /// A client may have chosen such a key so that its session is not played.
    #[test]
    fn a_key_whose_second_half_is_short_opens_what_the_node_wrote() {
        let plain: Vec<u8> = (0..48).collect();
        let answer = json!({"Plaintext": STANDARD.encode(&plain)});
        let given: GivenKey = serde_json::from_value(answer).expect("an answer");
        let key = given.of_recording().expect("a key");
        let reader = RecordingKey(Cipher::of_client(&key, [2; 32]));
        let whole: Vec<u8> = plain.iter().copied().chain([9; 16]).collect();
        let mut node = Cipher::of_node(&DataKey::new(&whole).expect("64 bytes"), [1; 12]);
        let sealed = Happening::Output(node.seal(b"secret").to_vec());
        let opened = reader.open(Event {
            at_ms: 5,
            what: sealed,
        });
        assert_eq!(opened.what, Happening::Output(b"secret".to_vec()));
    }

    #[test]
    fn opens_what_the_node_wrote_and_notes_what_it_did_not() {
        let key = DataKey::new(&[7; 64]).expect("64 bytes");
        let mut node = Cipher::of_node(&key, [1; 12]);
        let reader = RecordingKey(Cipher::of_client(&key, [2; 32]));
        let open = |what| reader.open(Event { at_ms: 5, what }).what;
        let sealed = node.seal(b"secret").to_vec();
        assert_eq!(
            open(Happening::Output(sealed.clone())),
            Happening::Output(b"secret".to_vec())
        );
        assert_eq!(
            open(Happening::Errors(sealed.clone())),
            Happening::Errors(b"secret".to_vec())
        );
        assert!(matches!(open(Happening::Beside(sealed)), Happening::Note(_)));
        let message = node.seal_message(1, b"secret").to_vec();
        assert_eq!(
            open(Happening::Beside(message.clone())),
            Happening::Beside(b"secret".to_vec())
        );
        assert!(matches!(open(Happening::Output(message)), Happening::Note(_)));
        assert!(matches!(
            open(Happening::Output(b"in the clear".to_vec())),
            Happening::Note(_)
        ));
        assert_eq!(open(Happening::Exit(3)), Happening::Exit(3));
    }
}
