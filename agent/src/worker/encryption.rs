//! The data key of an encrypted session: made by the client, unwrapped here (`protocol.md` 5.8).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use drawbridge_aws_client::Service;
use drawbridge_protocol::encryption::DataKey;
use drawbridge_session::SessionId;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::identity::{Node, NodeError};
use crate::sessions::chain;

/// How a session comes by its data key.
pub(super) struct Encryption {
    /// The key that wraps it, as the document names it.
    pub(super) kms_key_id: String,
    /// Who can unwrap it.
    pub(super) keys: Box<dyn Unwrap>,
}

/// Unwraps the data key of one session.
pub(super) trait Unwrap {
    /// Returns the key, or why it cannot be had, for the person who asked for the session.
    fn unwrap(&self, wrapped: Vec<u8>) -> Unwrapping;
}

/// A data key on its way.
pub(super) type Unwrapping = Pin<Box<dyn Future<Output = Result<DataKey, String>>>>;

/// Asks the server's key service, with the node's role.
pub(super) struct NodeKeys {
    pub(super) node: Arc<Node>,
    pub(super) session: SessionId,
    pub(super) kms_key_id: String,
}

impl Unwrap for NodeKeys {
    fn unwrap(&self, wrapped: Vec<u8>) -> Unwrapping {
        let node = Arc::clone(&self.node);
        let input = request(&self.session, node.id().as_str(), &self.kms_key_id, &wrapped);
        Box::pin(async move {
            let answer = node.call_at(Service::KMS, "Decrypt", &input).await;
            let answer = answer.map_err(|error| match &error {
                // The service's words say enough; those around them are for logs.
                NodeError::Call(call) if call.code().is_some() => call.to_string(),
                _ => chain(&error),
            })?;
            data_key(answer)
        })
    }
}

/// The same pairs that the client named when the key was made, or it does not unwrap.
fn request(session: &SessionId, node: &str, kms_key_id: &str, wrapped: &[u8]) -> Value {
    json!({
        "CiphertextBlob": STANDARD.encode(wrapped),
        "EncryptionContext": {"aws:ssm:SessionId": session, "aws:ssm:TargetId": node},
        "KeyId": kms_key_id,
    })
}

fn data_key(mut answer: Value) -> Result<DataKey, String> {
    let text = match answer.get_mut("Plaintext").map(Value::take) {
        Some(Value::String(text)) => Zeroizing::new(text),
        _ => return Err("the answer holds no key".to_owned()),
    };
    let bytes = STANDARD.decode(text.as_bytes()).map(Zeroizing::new);
    let bytes = bytes.map_err(|_| "the answer's key is not base64".to_owned())?;
    DataKey::new(&bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_context_that_the_client_names() {
        let session = SessionId::parse("alice-0a1b2c3d4e5f67890").expect("valid");
        assert_eq!(
            request(&session, "mi-0123456789abcdef0", "alias/k", b"wrapped"),
            json!({
                "CiphertextBlob": "d3JhcHBlZA==",
                "EncryptionContext": {
                    "aws:ssm:SessionId": "alice-0a1b2c3d4e5f67890",
                    "aws:ssm:TargetId": "mi-0123456789abcdef0",
                },
                "KeyId": "alias/k",
            })
        );
    }

    #[test]
    fn takes_64_bytes_and_nothing_else() {
        assert!(data_key(json!({"Plaintext": STANDARD.encode([7; 64])})).is_ok());
        for odd in [
            json!(null),
            json!({}),
            json!({"Plaintext": 7}),
            json!({"Plaintext": "%"}),
            json!({"Plaintext": STANDARD.encode([7; 32])}),
        ] {
            let error = data_key(odd).expect_err("no key");
            assert!(!error.contains("Bwc"), "{error}");
        }
    }
}
