//! `AttachSession`: lets another client take a live session over from its present one.

use drawbridge_session::{Audit, SignedWith};
use drawbridge_store::ChannelEnd;

use super::{join, needs_session};
use crate::Operation;

pub(crate) const OPERATION: Operation = Operation {
    name: "AttachSession",
    action: "drawbridge:AttachSession",
    signed_with: SignedWith::AccessKey,
    needs: needs_session,
    audit: Audit::WRITE.hiding(&["TokenValue"]),
    handler: |ssm, call| Box::pin(async move { join(&ssm, call, ChannelEnd::ClientAttach).await }),
};

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn withdraws_the_token_of_the_client_before() {
        let house = House::new().await;
        let (id, token) = house.started().await;
        let answer = house.done("AttachSession", json!({"SessionId": id})).await;
        assert_eq!(house.redeem(&token).await, None);
        assert_eq!(
            house
                .redeem(answer["TokenValue"].as_str().expect("a token"))
                .await,
            Some(ChannelEnd::ClientAttach.of(&id))
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
