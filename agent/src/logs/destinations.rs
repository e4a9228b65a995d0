//! Where a session's log goes.

use drawbridge_session::SessionId;
use drawbridge_session::document::{Inputs, SessionType};
use serde::{Deserialize, Serialize};

/// Where a session's log goes, of which there is at least one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destinations {
    /// The bucket of its transcript.
    pub bucket: Option<BucketPlan>,
    /// The log group of its events.
    pub group: Option<GroupPlan>,
    /// Who asked for the session, an ARN; streamed events say so.
    pub owner: String,
}

/// The bucket of a session's transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketPlan {
    /// Its name.
    pub name: String,
    /// What the transcript's key begins with; may be empty.
    pub prefix: String,
    /// Whether there is no session unless it encrypts.
    pub must_encrypt: bool,
}

/// The log group of a session's events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupPlan {
    /// Its name.
    pub name: String,
    /// Whether there is no session unless it encrypts with a key of its own.
    pub must_encrypt: bool,
    /// Whether events are sent while the session runs.
    pub is_streamed: bool,
}

impl Destinations {
    /// Reads them out of a document; `None` when the session is not logged. Connections never are.
    pub(crate) fn of(inputs: &Inputs, session_type: SessionType, owner: &str) -> Option<Self> {
        let bucket = BucketPlan {
            name: inputs.s3_bucket_name.clone(),
            prefix: inputs.s3_key_prefix.clone(),
            must_encrypt: inputs.s3_encryption_enabled,
        };
        let group = GroupPlan {
            name: inputs.cloud_watch_log_group_name.clone(),
            must_encrypt: inputs.cloud_watch_encryption_enabled,
            // AWS's agent streams shells only (`protocol.md` 11.2).
            is_streamed: inputs.cloud_watch_streaming_enabled && session_type == SessionType::StandardStream,
        };
        let destinations = Self {
            bucket: Some(bucket).filter(|bucket| !bucket.name.is_empty()),
            group: Some(group).filter(|group| !group.name.is_empty()),
            owner: owner.to_owned(),
        };
        let is_logged = destinations.bucket.is_some() || destinations.group.is_some();
        (is_logged && session_type != SessionType::Port).then_some(destinations)
    }
}

impl BucketPlan {
    /// Returns the key of a session's transcript.
    pub(crate) fn key(&self, session: &SessionId) -> String {
        let inputs = Inputs {
            s3_key_prefix: self.prefix.clone(),
            ..Inputs::default()
        };
        inputs.transcript_key(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs() -> Inputs {
        Inputs {
            s3_bucket_name: "logs".to_owned(),
            s3_key_prefix: "dev".to_owned(),
            cloud_watch_log_group_name: "SSM-Logs".to_owned(),
            cloud_watch_streaming_enabled: true,
            ..Inputs::default()
        }
    }

    #[test]
    fn only_shells_are_streamed_and_connections_not_logged() {
        let of = |session_type| Destinations::of(&inputs(), session_type, "arn");
        let shell = of(SessionType::StandardStream).expect("logged");
        assert!(shell.group.is_some_and(|group| group.is_streamed) && shell.bucket.is_some());
        for session_type in [
            SessionType::InteractiveCommands,
            SessionType::NonInteractiveCommands,
        ] {
            let command = of(session_type).expect("logged");
            assert!(command.group.is_some_and(|group| !group.is_streamed));
        }
        assert_eq!(of(SessionType::Port), None);
        assert_eq!(
            Destinations::of(&Inputs::default(), SessionType::StandardStream, "arn"),
            None
        );
    }
}
