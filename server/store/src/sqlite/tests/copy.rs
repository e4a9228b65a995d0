use super::*;
use crate::blobs::{OWNER_SETTING, PLACE_SETTING};

#[tokio::test]
async fn a_restored_store_has_no_live_session_and_no_token() {
    let house = House::new().await;
    let node = house.node(b"key").await;
    let (live, token) = house.started(&node).await;
    let (ended, _) = house.started(&node).await;
    let before = SessionState::Terminated(ending(house.clock.now()));
    house
        .store
        .change_session(&ended.id, before.clone())
        .await
        .expect("ended");
    let (control, grant) = house.grant(TokenBinding::ControlChannel {
        node: node.id.clone(),
    });
    house.store.grant_token(&grant).await.expect("granted");

    for setting in [OWNER_SETTING, PLACE_SETTING] {
        house.store.set_setting(setting, "x").await.expect("stored");
    }

    let now = house.clock.now();
    let count = house.store.end_what_was_live("restored", now).await;
    assert_eq!(count.expect("ended"), 1);
    let state = async |id| house.store.session(id).await.expect("read").expect("there").state;
    let failed = SessionState::Failed(Ending {
        at: now,
        details: "restored".to_owned(),
        exit_code: None,
    });
    assert_eq!(state(&live.id).await, failed);
    assert_eq!(state(&ended.id).await, before, "it had ended by itself");
    for token in [&token, &control] {
        let redeemed = house.store.redeem_token(token.expose(), now).await;
        assert!(
            redeemed.expect("asked").is_none(),
            "used or not, it opens nothing"
        );
    }
    let owner = house.store.setting(OWNER_SETTING).await;
    assert_eq!(owner.expect("read"), None, "the blobs are another folder's");
    let place = house.store.setting(PLACE_SETTING).await;
    assert!(place.expect("read").is_some(), "they lie where they lay");
    let count = house.store.end_what_was_live("restored", now).await;
    assert_eq!(count.expect("nothing left"), 0);
}
