//! `WatchSession`: lets someone see a live session without typing into it.

use drawbridge_session::{Audit, SignedWith};
use drawbridge_store::ChannelEnd;

use super::{join, needs_session};
use crate::Operation;

pub(crate) const OPERATION: Operation = Operation {
    name: "WatchSession",
    action: "drawbridge:WatchSession",
    signed_with: SignedWith::AccessKey,
    needs: needs_session,
    audit: Audit::WRITE.hiding(&["TokenValue"]),
    handler: |ssm, call| Box::pin(async move { join(&ssm, call, ChannelEnd::Watcher).await }),
};

#[cfg(test)]
mod tests {
    use drawbridge_session::Clock as _;
    use drawbridge_store::Tokens as _;
    use serde_json::json;

    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn many_may_watch_and_the_client_keeps_its_token() {
        let house = House::new().await;
        let (id, token) = house.started().await;
        let one = house.done("WatchSession", json!({"SessionId": id})).await;
        let two = house.done("WatchSession", json!({"SessionId": id})).await;
        for answer in [one, two] {
            assert_eq!(
                house
                    .redeem(answer["TokenValue"].as_str().expect("a token"))
                    .await,
                Some(ChannelEnd::Watcher.of(&id))
            );
        }
        assert!(house.redeem(&token).await.is_some());
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        let (ended, _) = house.started().await;
        house.end(&ended).await;
        house
            .refuses(
                "WatchSession",
                &[
                    (json!({}), "ValidationException"),
                    (json!({"SessionId": ""}), "ValidationException"),
                    (json!({"SessionId": 1}), "SerializationException"),
                    (
                        json!({"SessionId": "admin-00000000000000000"}),
                        "DoesNotExistException",
                    ),
                    (json!({"SessionId": ended}), "DoesNotExistException"),
                ],
            )
            .await;
    }

    #[tokio::test]
    async fn others_see_nothing() {
        let house = House::new().await;
        let (id, _) = house.started().await;
        let answer = house
            .ask_as(house.as_role("bob"), "WatchSession", json!({"SessionId": id}))
            .await;
        assert_eq!(answer.expect_err("denied").code(), "AccessDeniedException");
    }

    #[tokio::test]
    async fn a_watchers_token_knows_what_it_was_given_on() {
        let house = House::new().await;
        let (id, owners) = house.started().await;
        let answer = house.done("WatchSession", json!({"SessionId": id})).await;
        let watchers = answer["TokenValue"].as_str().expect("a token");
        let redeem = async |token: &str| {
            let redeemed = house.store.redeem_token(token, house.clock.now()).await;
            redeemed.expect("asked").expect("valid").grounds
        };
        let grounds = redeem(watchers).await.expect("grounds");
        assert_eq!(grounds.caller.principal, house.admin().principal);
        assert_eq!(grounds.needs[0].action(), "drawbridge:WatchSession");
        assert_eq!(
            redeem(&owners).await,
            None,
            "the owner's end goes with the session"
        );
    }
}
