//! The account on the node that a session runs as, where its document wants a particular one.
//!
//! As on AWS: the tag `SSMSessionRunAs` of whoever starts the session, else the document's default, else nobody.

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::document::RunAsName;
use drawbridge_session::{Caller, SessionDocument};

use crate::Ssm;

/// The tag of a user, role or session that names its account on nodes.
const TAG: &str = "SSMSessionRunAs";

/// Returns the account that the caller's tag names, where the document leaves it to that; `None` leaves it to the
/// document or, where that has no say, to the node.
///
/// # Errors
///
/// `ValidationException` where nobody names an account, or a name that no account of a person can have.
pub(super) fn run_as(
    ssm: &Ssm,
    caller: &Caller,
    document: &SessionDocument,
) -> Result<Option<String>, AwsError> {
    let inputs = &document.inputs;
    if !inputs.run_as_enabled || !document.runs_as_an_account() {
        return Ok(None);
    }
    let directory = ssm.store.directory(caller.principal.account());
    let tags = directory.map(|directory| directory.principal_tags(caller));
    let tags = tags.unwrap_or_default();
    let tagged = tags.into_iter().find(|tag| tag.key.eq_ignore_ascii_case(TAG));
    match tagged {
        Some(tag) => match RunAsName::parse(tag.value.trim()) {
            Ok(name) if !name.is_root() => Ok(Some(name.to_string())),
            Ok(_) => Err(AwsError::validation(format!(
                "Tag {TAG} names root, which no session runs as."
            ))),
            Err(wrong) => Err(AwsError::validation(format!("Tag {TAG}: {wrong}."))),
        },
        None if inputs.run_as_default_user.is_empty() => Err(AwsError::validation(format!(
            "The session document enables RunAs, and neither the tag {TAG} of the caller nor runAsDefaultUser of the \
             document names a user."
        ))),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use drawbridge_session::document::{Content, DocumentFormat};
    use drawbridge_session::iam::Tagged;
    use drawbridge_session::{SessionGrant, Tag};
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::House;

    fn document(session_type: &str, inputs: &Value) -> SessionDocument {
        let document = json!({
            "schemaVersion": "1.0", "sessionType": session_type, "inputs": inputs,
            "properties": {"portNumber": "22"},
        });
        let content = Content::parse(&document.to_string(), DocumentFormat::Json).expect("valid");
        content.resolve(&[].into()).expect("resolved").0
    }

    /// Asks for whom a user with this tag starts a session.
    async fn tagged(tag: Option<&str>, document: &SessionDocument) -> Result<Option<String>, AwsError> {
        let house = House::new().await;
        let may = json!([{"Effect": "Allow", "Action": "ssm:StartSession", "Resource": "*"}]);
        let alice = house.give_user("alice", may).await;
        if let Some(value) = tag {
            house
                .change(|directory| {
                    directory.tag(Tagged::User("alice"), vec![Tag::new("SSMSessionRunAs", value)])
                })
                .await;
        }
        run_as(&house.service, &alice, document)
    }

    #[tokio::test]
    async fn the_tag_goes_before_the_document() {
        let enabled = document(
            "Standard_Stream",
            &json!({"runAsEnabled": true, "runAsDefaultUser": "bob"}),
        );
        assert_eq!(tagged(Some("carol"), &enabled).await, Ok(Some("carol".into())));
        assert_eq!(
            tagged(None, &enabled).await,
            Ok(None),
            "the node reads the document"
        );
        let disabled = document("Standard_Stream", &json!({"runAsDefaultUser": "bob"}));
        assert_eq!(tagged(Some("carol"), &disabled).await, Ok(None));
        let tunnel = document("Port", &json!({"runAsEnabled": true}));
        assert_eq!(
            tagged(Some("carol"), &tunnel).await,
            Ok(None),
            "a tunnel runs as nobody"
        );
    }

    #[tokio::test]
    async fn the_tag_of_a_session_goes_before_that_of_its_role() {
        let house = House::new().await;
        let enabled = document("Standard_Stream", &json!({"runAsEnabled": true}));
        let mut caller = house.as_role("deploy");
        let tag = |value: &str| vec![Tag::new("ssmsessionrunas", value)];
        house
            .change(|directory| directory.tag(Tagged::Role(crate::testing::EMPTY_ROLE), tag("bob")))
            .await;
        assert_eq!(run_as(&house.service, &caller, &enabled), Ok(Some("bob".into())));
        caller.grant = Some(Arc::new(SessionGrant {
            tags: tag("carol"),
            ..SessionGrant::plain(caller.received_at)
        }));
        assert_eq!(
            run_as(&house.service, &caller, &enabled),
            Ok(Some("carol".into()))
        );
    }

    #[tokio::test]
    async fn nobody_and_root_are_refused() {
        let enabled = document("Standard_Stream", &json!({"runAsEnabled": true}));
        for tag in [
            None,
            Some("root"),
            Some(" root "),
            Some("a:b"),
            Some("-x"),
            Some("a@b;c"),
            Some(""),
        ] {
            let error = tagged(tag, &enabled).await.expect_err("refused");
            assert_eq!(error.code(), "ValidationException", "{tag:?}");
            assert!(error.message().contains("SSMSessionRunAs"), "{tag:?}: {error}");
        }
    }
}
