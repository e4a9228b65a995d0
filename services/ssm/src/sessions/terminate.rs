//! `TerminateSession`: ends a session at both ends; an id that is not there is answered all the same.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Caller, Ending, RelayError, Session, SessionState, SignedWith};
use drawbridge_store::StateChangeError;
use serde_json::{Value, json};

use super::{OneSession, needs_session};
use crate::error::internal;
use crate::{Operation, Ssm, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "TerminateSession",
    action: "ssm:TerminateSession",
    signed_with: SignedWith::AccessKey,
    needs: needs_session,
    audit: Audit::WRITE,
    handler: |ssm, call| Box::pin(terminate(ssm, call)),
};

async fn terminate(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let OneSession { session_id } = input::read(input)?;
    match ssm.session(&caller, &session_id).await? {
        Some(session) if session.state.ending().is_none() => end(&ssm, &caller, &session).await?,
        Some(_) | None => {}
    }
    Ok(json!({ "SessionId": session_id }))
}

async fn end(ssm: &Ssm, caller: &Caller, session: &Session) -> Result<(), AwsError> {
    let reason = format!("terminated by {}", caller.principal.arn());
    // First of all: a server that is killed in the next moment must not go on with what was said to be ended.
    change(ssm, session, SessionState::Terminating).await?;
    match ssm.relay.terminate(&session.id, &reason).await {
        Ok(()) => Ok(()),
        // A record without a live session: what ended it could not say so.
        Err(RelayError::UnknownSession(_)) => {
            let ending = Ending {
                at: ssm.clock.now(),
                details: reason,
                exit_code: None,
            };
            change(ssm, session, SessionState::Terminated(ending)).await
        }
        Err(error) => Err(internal(error)),
    }
}

/// Changes the record of a session, unless it has ended meanwhile.
async fn change(ssm: &Ssm, session: &Session, state: SessionState) -> Result<(), AwsError> {
    match ssm.store.change_session(&session.id, state).await {
        Ok(_) | Err(StateChangeError::Illegal(_)) => Ok(()),
        Err(error) => Err(internal(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn asks_the_relay_to_end_it_and_says_who_did() {
        let house = House::new().await;
        let (id, _) = house.started().await;
        let answer = house.done("TerminateSession", json!({"SessionId": id})).await;
        assert_eq!(answer, json!({"SessionId": id}));
        let reason = "terminated by arn:aws:iam::123456789012:user/admin".to_owned();
        assert_eq!(house.relay.terminated(), vec![(id.clone(), reason)]);
        // On record before it was answered, whatever becomes of the relay.
        let record = house.service.store.session(&id).await.expect("read");
        assert_eq!(record.expect("kept").state, SessionState::Terminating);
    }

    #[tokio::test]
    async fn ends_the_record_of_a_session_that_no_relay_knows() {
        let house = House::new().await;
        let (id, token) = house.started().await;
        house.done("TerminateSession", json!({"SessionId": id})).await;
        // The fake relay has forgotten it, and nothing has ended the record.
        house.done("TerminateSession", json!({"SessionId": id})).await;
        let record = house
            .service
            .store
            .session(&id)
            .await
            .expect("read")
            .expect("kept");
        assert!(matches!(record.state, SessionState::Terminated(_)));
        assert_eq!(house.redeem(&token).await, None);
        house.done("TerminateSession", json!({"SessionId": id})).await;
    }

    #[tokio::test]
    async fn echoes_an_id_that_it_does_not_know() {
        let house = House::new().await;
        for id in ["admin-00000000000000000", "../x", "ü"] {
            let answer = house.done("TerminateSession", json!({"SessionId": id})).await;
            assert_eq!(answer, json!({"SessionId": id}));
        }
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        house
            .refuses(
                "TerminateSession",
                &[
                    (json!({}), "ValidationException"),
                    (json!({"SessionId": ""}), "ValidationException"),
                    (json!({"SessionId": "x".repeat(97)}), "ValidationException"),
                    (json!({"SessionId": 1}), "SerializationException"),
                ],
            )
            .await;
    }

    #[tokio::test]
    async fn others_end_nothing() {
        let house = House::new().await;
        let node = house.online_node().await;
        let (id, _) = house.started_on(&node).await;
        for caller in [house.as_role("bob"), house.node_role(&node)] {
            let error = house
                .ask_as(caller, "TerminateSession", json!({"SessionId": id}))
                .await
                .expect_err("denied");
            assert_eq!(error.code(), "AccessDeniedException");
        }
        let mut elsewhere = house.admin();
        elsewhere.region = "eu-west-1".parse().expect("valid");
        house
            .done_as(elsewhere, "TerminateSession", json!({"SessionId": id}))
            .await;
        assert_eq!(house.relay.terminated(), vec![]);
    }
}
