use drawbridge_session::AccessKeyId;
use drawbridge_session::iam::SealedSecret;

use super::*;
use crate::NodeAccessKey;

impl House {
    fn enrolled(&self) -> ManagedNode {
        ManagedNode {
            id: NodeId::generate_enrolled(&self.random),
            account: self.account.clone(),
            region: self.region.clone(),
            activation: None,
            iam_role: "Web".to_owned(),
            instance_profile: Some("web".to_owned()),
            name: None,
            public_key: None,
            fingerprint: String::new(),
            registered_at: self.clock.now(),
            last_ping_at: None,
            agent: AgentReport::default(),
        }
    }

    fn key(&self, node: &ManagedNode) -> NodeAccessKey {
        NodeAccessKey {
            id: AccessKeyId::generate(&self.random),
            node: node.id.clone(),
            sealed_secret: SealedSecret::new(b"sealed".to_vec()),
            created_at: self.clock.now(),
        }
    }
}

#[tokio::test]
async fn an_enrolled_node_is_there_with_its_tags_and_its_key() {
    let house = House::new().await;
    let (first, second) = (house.enrolled(), house.enrolled());
    let tags = [Tag::new("Environment", "Prod")];
    for node in [&first, &second] {
        let enrolled = house.store.enrol_node(node, &house.key(node), &tags).await;
        assert!(enrolled.expect("enrolled"), "neither has a public key");
    }
    let third = house.enrolled();
    let key = house.key(&third);
    assert!(house.store.enrol_node(&third, &key, &[]).await.expect("enrolled"));
    let store = house.reopened().await;
    assert_eq!(store.node(&first.id).await.expect("read"), Some(first.clone()));
    assert_eq!(store.tags(TagsOf::node(&first)).await.expect("listed"), tags);
    assert_eq!(store.tags(TagsOf::node(&third)).await.expect("listed"), []);
    assert_eq!(store.node_access_key(&key.id).await.expect("read"), Some(key));
    let stranger = AccessKeyId::generate(&house.random);
    assert_eq!(store.node_access_key(&stranger).await.expect("read"), None);
}

#[tokio::test]
async fn an_id_is_taken_once_and_the_node_that_has_it_stays_as_it_is() {
    let house = House::new().await;
    let node = house.enrolled();
    let key = house.key(&node);
    assert!(house.store.enrol_node(&node, &key, &[]).await.expect("enrolled"));
    let mut thief = house.enrolled();
    thief.id = node.id.clone();
    thief.region = Region::parse("eu-west-1").expect("valid");
    let other = house.key(&thief);
    let tags = [Tag::new("Environment", "Dev")];
    assert!(
        !house
            .store
            .enrol_node(&thief, &other, &tags)
            .await
            .expect("asked")
    );
    assert_eq!(
        house.store.node(&node.id).await.expect("read"),
        Some(node.clone())
    );
    assert_eq!(house.store.node_access_key(&other.id).await.expect("read"), None);
    assert_eq!(house.store.tags(TagsOf::node(&thief)).await.expect("listed"), []);
}

#[tokio::test]
async fn a_renewed_node_has_its_new_key_and_role_only() {
    let house = House::new().await;
    let node = house.enrolled();
    let (first, second) = (house.key(&node), house.key(&node));
    assert!(
        house
            .store
            .enrol_node(&node, &first, &[])
            .await
            .expect("enrolled")
    );
    let renewed = house.store.renew_node(&second, "Other", None).await;
    assert!(renewed.expect("renewed"));
    assert_eq!(house.store.node_access_key(&first.id).await.expect("read"), None);
    let found = house.store.node_access_key(&second.id).await.expect("read");
    assert_eq!(found, Some(second));
    let found = house.store.node(&node.id).await.expect("read").expect("there");
    assert_eq!((found.iam_role.as_str(), found.instance_profile), ("Other", None));

    let registered = house.node(b"key").await;
    for node in [&registered, &house.enrolled()] {
        let key = house.key(node);
        let renewed = house.store.renew_node(&key, "Other", None).await;
        assert!(!renewed.expect("asked"), "{}", node.id);
        assert_eq!(house.store.node_access_key(&key.id).await.expect("read"), None);
    }
    let found = house.store.node(&registered.id).await.expect("read");
    assert_eq!(found, Some(registered));
}

#[tokio::test]
async fn a_removed_node_leaves_neither_key_nor_tags_behind() {
    let house = House::new().await;
    let node = house.enrolled();
    let key = house.key(&node);
    let tags = [Tag::new("Environment", "Prod")];
    assert!(
        house
            .store
            .enrol_node(&node, &key, &tags)
            .await
            .expect("enrolled")
    );
    assert!(house.store.remove_node(&node.id).await.expect("removed"));
    assert_eq!(house.store.node_access_key(&key.id).await.expect("read"), None);
    assert_eq!(house.store.tags(TagsOf::node(&node)).await.expect("listed"), []);
    let again = house.store.enrol_node(&node, &house.key(&node), &[]).await;
    assert!(again.expect("enrolled"), "its id is free again");
}

#[tokio::test]
async fn an_enrolled_node_gets_no_public_key() {
    let house = House::new().await;
    let node = house.enrolled();
    assert!(
        house
            .store
            .enrol_node(&node, &house.key(&node), &[])
            .await
            .expect("enrolled")
    );
    assert!(!house.store.set_node_key(&node.id, b"key").await.expect("asked"));
    let found = house.store.node(&node.id).await.expect("read").expect("there");
    assert_eq!(found.public_key, None);
}
