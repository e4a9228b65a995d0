//! Where the transcript of a session lies in its bucket.

use super::inputs::Inputs;
use crate::ids::SessionId;

impl Inputs {
    /// Returns the key of a session's transcript, as AWS's agent makes it (`protocol.md` 10.3).
    pub fn transcript_key(&self, session: &SessionId) -> String {
        let prefix = self.s3_key_prefix.replace(':', "");
        let mut key: Vec<&str> = prefix.split('/').filter(|folder| !folder.is_empty()).collect();
        let file = format!("{}.log", session.as_str().replace(':', ""));
        key.push(&file);
        key.join("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_as_in_protocol_10_3() {
        let session = SessionId::parse("alice-0a1b2c3d4e5f67890").expect("valid");
        for (prefix, key) in [
            ("", "alice-0a1b2c3d4e5f67890.log"),
            ("dev", "dev/alice-0a1b2c3d4e5f67890.log"),
            ("/a//b:c/", "a/bc/alice-0a1b2c3d4e5f67890.log"),
        ] {
            let inputs = Inputs {
                s3_key_prefix: prefix.to_owned(),
                ..Inputs::default()
            };
            assert_eq!(inputs.transcript_key(&session), key);
        }
    }
}
