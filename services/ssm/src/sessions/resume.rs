//! `ResumeSession`: gives the client of a session that lost its stream another token.
//!
//! A session that has ended is answered without a token and without an error, for any id ever issued: AWS's plugin
//! hangs on an error and ends on a missing token. One that is ending may have last words for its client.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Grounds, SignedWith};
use drawbridge_store::ChannelEnd;
use serde_json::Value;

use super::{OneSession, Stream, does_not_exist, grant, needs_session};
use crate::{Operation, Ssm, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "ResumeSession",
    action: "ssm:ResumeSession",
    signed_with: SignedWith::AccessKey,
    needs: needs_session,
    audit: Audit::WRITE.hiding(&["TokenValue"]),
    handler: |ssm, call| Box::pin(resume(ssm, call)),
};

async fn resume(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let grounds = Grounds::of(&call);
    let (caller, _, input) = call.into_parts();
    let OneSession { session_id } = input::read(input)?;
    let session = ssm
        .session(&caller, &session_id)
        .await?
        .ok_or_else(|| does_not_exist(&session_id))?;
    // Its owner's end goes with the session; anybody else's is a right of their own.
    let is_own = session.owner_id == caller.principal.user_id();
    let grounds = (!is_own).then_some(grounds);
    let token = match session.state.ending() {
        None => Some(grant(&ssm, &session.id, ChannelEnd::ClientResume, grounds).await?),
        Some(_) => None,
    };
    input::write(&Stream::new(&ssm, &caller, session.id, token.as_ref()))
}

#[cfg(test)]
mod tests {
    use drawbridge_session::SessionState;
    use serde_json::json;

    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn gives_a_fresh_token_and_withdraws_the_older_ones() {
        let house = House::new().await;
        let (id, first) = house.started().await;
        let second = house.done("ResumeSession", json!({"SessionId": id})).await;
        let third = house.done("ResumeSession", json!({"SessionId": id})).await;
        let token = |answer: &Value| answer["TokenValue"].as_str().expect("a token").to_owned();
        assert_eq!(house.redeem(&first).await, None);
        assert_eq!(house.redeem(&token(&second)).await, None);
        assert_eq!(
            house.redeem(&token(&third)).await,
            Some(ChannelEnd::ClientResume.of(&id))
        );
        let url = format!("wss://bridge.example:8443/v1/data-channel/{id}?role=publish_subscribe");
        assert_eq!(third["StreamUrl"], url);
    }

    #[tokio::test]
    async fn gives_a_token_for_the_last_words_of_a_session_that_is_ending() {
        let house = House::new().await;
        let (id, _) = house.started().await;
        house
            .service
            .store
            .change_session(&id, SessionState::Terminating)
            .await
            .expect("ending");
        let ending = house.done("ResumeSession", json!({"SessionId": id})).await;
        assert!(ending["TokenValue"].is_string());
    }

    #[tokio::test]
    async fn answers_an_ended_session_without_a_token_however_long_ago() {
        let house = House::new().await;
        let (id, _) = house.started().await;
        house.end(&id).await;
        house
            .clock
            .advance(std::time::Duration::from_secs(400 * 24 * 3600));
        let ended = house.done("ResumeSession", json!({"SessionId": id})).await;
        assert_eq!(ended["SessionId"], id.as_str());
        assert!(ended.get("TokenValue").is_none());
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        house
            .refuses(
                "ResumeSession",
                &[
                    (json!({}), "ValidationException"),
                    (json!({"SessionId": ""}), "ValidationException"),
                    (json!({"SessionId": "x".repeat(97)}), "ValidationException"),
                    (json!({"SessionId": ["x"]}), "SerializationException"),
                    (
                        json!({"SessionId": "admin-00000000000000000"}),
                        "DoesNotExistException",
                    ),
                    (json!({"SessionId": "../x"}), "DoesNotExistException"),
                ],
            )
            .await;
    }

    #[tokio::test]
    async fn another_principal_another_region_and_the_node_itself_get_nothing() {
        let house = House::new().await;
        let node = house.online_node().await;
        let (id, token) = house.started_on(&node).await;
        for caller in [house.as_role("bob"), house.node_role(&node)] {
            let error = house
                .ask_as(caller, "ResumeSession", json!({"SessionId": id}))
                .await
                .expect_err("denied");
            assert_eq!(error.code(), "AccessDeniedException");
        }
        let mut elsewhere = house.admin();
        elsewhere.region = "eu-west-1".parse().expect("valid");
        let error = house
            .ask_as(elsewhere, "ResumeSession", json!({"SessionId": id}))
            .await
            .expect_err("not there");
        assert_eq!(error.code(), "DoesNotExistException");
        assert!(house.redeem(&token).await.is_some(), "refusals withdraw nothing");
    }
}
