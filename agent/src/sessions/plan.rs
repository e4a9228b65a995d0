//! What a session is to do, taken from its document and checked before anything is started.

use std::collections::BTreeMap;

use drawbridge_protocol::NodeExtension;
use drawbridge_protocol::payload::ShellContent;
use drawbridge_session::document::{Content, DocumentError, ParameterError, SessionType, Strictness};
use drawbridge_session::{ParseError, SessionDocument, SessionId};
use serde::{Deserialize, Serialize};

use crate::account::RunAs;

/// A shell session that has passed every check that needs no look at the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShellPlan {
    /// The session.
    pub session: SessionId,
    /// The account, as far as the document names one.
    pub run_as: RunAs,
    /// What is typed into the shell once it is there; may be empty.
    pub profile: String,
    /// What may be used towards the server beyond the public protocol; none towards AWS's own.
    pub extension: Option<NodeExtension>,
}

/// Why a session is refused. `Display` is shown to the person who asked for it.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The request names no usable session; there is nobody to report to.
    #[error(transparent)]
    Session(#[from] ParseError),
    /// The document is not one of schema 1.0.
    #[error("session document is invalid: {0}")]
    Document(#[from] DocumentError),
    /// A parameter of the document has no value, or one that it cannot have.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The kind of session is not one that this agent runs.
    #[error("unsupported session type: {0}")]
    SessionType(&'static str),
    /// The document asks for something that this agent cannot do, and doing without would break its promise.
    #[error("session document asks for {0}, which this agent does not support")]
    Unsupported(&'static str),
}

impl ShellPlan {
    /// Reads and checks a request to start a session.
    ///
    /// # Errors
    ///
    /// See [`PlanError`].
    pub fn parse(content: &ShellContent) -> Result<Self, PlanError> {
        let session = SessionId::parse(&content.session_id)?;
        let document = read(content)?;
        match document.session_type {
            SessionType::StandardStream => {}
            other => return Err(PlanError::SessionType(other.as_str())),
        }
        let inputs = document.inputs;
        let demands = [
            (!inputs.kms_key_id.is_empty(), "encryption with `kmsKeyId`"),
            (!inputs.s3_bucket_name.is_empty(), "session logs in an S3 bucket"),
            (
                !inputs.cloud_watch_log_group_name.is_empty(),
                "session logs in a CloudWatch log group",
            ),
        ];
        if let Some((_, demand)) = demands.into_iter().find(|(demanded, _)| *demanded) {
            return Err(PlanError::Unsupported(demand));
        }
        let requested = content.run_as_user.trim();
        let user = if requested.is_empty() {
            inputs.run_as_default_user
        } else {
            requested.to_owned()
        };
        Ok(Self {
            session,
            run_as: RunAs {
                enabled: inputs.run_as_enabled,
                user,
            },
            profile: inputs.shell_profile.linux,
            extension: content.drawbridge,
        })
    }
}

fn read(content: &ShellContent) -> Result<SessionDocument, PlanError> {
    let read = Content::read(&content.document_content, Strictness::Lenient)?;
    let (document, _) = read.resolve(&BTreeMap::new())?;
    Ok(document)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn request(inputs: &Value, run_as_user: &str) -> ShellContent {
        ShellContent {
            document_content: json!({"schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": inputs,
                                     "parameters": {}, "properties": null}),
            session_id: "alice-0a1b2c3d4e5f67890".to_owned(),
            run_as_user: run_as_user.to_owned(),
            ..ShellContent::default()
        }
    }

    #[test]
    fn reads_a_plain_shell() {
        let plan = ShellPlan::parse(&request(&json!({}), "")).expect("accepted");
        assert_eq!(plan.session.as_str(), "alice-0a1b2c3d4e5f67890");
        assert_eq!(plan.run_as, RunAs::default());
        assert_eq!(plan.extension, None);
    }

    #[test]
    fn the_request_overrides_the_documents_user() {
        let inputs =
            json!({"runAsEnabled": "true", "runAsDefaultUser": "bob", "shellProfile": {"linux": "date"}});
        let user = |run_as_user| {
            ShellPlan::parse(&request(&inputs, run_as_user))
                .expect("accepted")
                .run_as
        };
        assert_eq!(
            user(" "),
            RunAs {
                enabled: true,
                user: "bob".to_owned()
            }
        );
        assert_eq!(
            user("carol"),
            RunAs {
                enabled: true,
                user: "carol".to_owned()
            }
        );
    }

    #[test]
    fn refuses_what_it_could_not_keep() {
        for inputs in [
            json!({"kmsKeyId": "alias/x"}),
            json!({"s3BucketName": "logs"}),
            json!({"cloudWatchLogGroupName": "logs"}),
        ] {
            let error = ShellPlan::parse(&request(&inputs, "")).expect_err("refused");
            assert!(matches!(error, PlanError::Unsupported(_)), "{error}");
        }
    }

    #[test]
    fn refuses_documents_with_wrong_types() {
        for inputs in [
            json!({"runAsEnabled": "perhaps"}),
            json!({"kmsKeyId": 7}),
            json!([1]),
        ] {
            assert!(
                matches!(
                    ShellPlan::parse(&request(&inputs, "")),
                    Err(PlanError::Document(_))
                ),
                "{inputs}"
            );
        }
    }

    #[test]
    fn refuses_session_ids_that_are_paths() {
        for id in ["../../etc/cron.d/x", "a/b", "", "a\0b", "x\n", &"a".repeat(4096)] {
            let mut bad = request(&json!({}), "");
            bad.session_id = id.to_owned();
            assert!(
                matches!(ShellPlan::parse(&bad), Err(PlanError::Session(_))),
                "{id:?}"
            );
        }
    }

    #[test]
    fn refuses_other_kinds_of_session_by_name() {
        let mut content = request(&json!({}), "");
        content.document_content["sessionType"] = json!("Port");
        content.document_content["properties"] = json!({"portNumber": "22"});
        let error = ShellPlan::parse(&content).expect_err("refused");
        assert_eq!(error.to_string(), "unsupported session type: Port");
    }
}
