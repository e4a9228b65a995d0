//! `AttachSession`: lets another client take a live session over from its present one.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use drawbridge_store::ChannelEnd;
use serde_json::Value;

use super::{OneSession, join, needs_session};
use crate::{Operation, Ssm, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "AttachSession",
    action: "drawbridge:AttachSession",
    signed_with: SignedWith::AccessKey,
    needs: needs_session,
    audit: Audit::WRITE.hiding(&["TokenValue"]),
    handler: |ssm, call| Box::pin(attach(ssm, call)),
};

async fn attach(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let OneSession { session_id } = input::read(input)?;
    join(&ssm, &caller, &session_id, ChannelEnd::ClientAttach).await
}

#[cfg(test)]
mod tests {
    use drawbridge_store::TokenBinding;
    use serde_json::json;

    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn withdraws_the_token_of_the_client_before() {
        let house = House::new().await;
        let (id, token) = house.started().await;
        let answer = house
            .ask("AttachSession", json!({"SessionId": id}))
            .await
            .expect("attached");
        assert_eq!(house.redeem(&token).await, None);
        assert_eq!(
            house
                .redeem(answer["TokenValue"].as_str().expect("a token"))
                .await,
            Some(TokenBinding::DataChannel {
                session: id,
                end: ChannelEnd::ClientAttach
            })
        );
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        let (ended, _) = house.started().await;
        house.end(&ended).await;
        house
            .refuses(
                "AttachSession",
                &[
                    (json!({}), "ValidationException"),
                    (json!({"SessionId": "x".repeat(97)}), "ValidationException"),
                    (json!({"SessionId": true}), "SerializationException"),
                    (
                        json!({"SessionId": "admin-00000000000000000"}),
                        "DoesNotExistException",
                    ),
                    (json!({"SessionId": ended}), "DoesNotExistException"),
                ],
            )
            .await;
    }
}
