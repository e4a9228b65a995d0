use super::*;
use crate::parameters::MAX_PARAMETER_VERSIONS;
use crate::{Parameter, ParameterAt, ParameterKind, Parameters as _, PutParameterError};

impl House {
    fn parameter(&self, name: &str, version: u32) -> Parameter {
        Parameter {
            account: self.account.clone(),
            region: self.region.clone(),
            name: name.to_owned(),
            version,
            kind: ParameterKind::StringList,
            value: format!("value {version}"),
            description: "for tests".to_owned(),
            allowed_pattern: "value .*".to_owned(),
            modified_at: self.clock.now(),
            modified_by: "arn:aws:iam::123456789012:user/alice".to_owned(),
        }
    }
}

#[tokio::test]
async fn versions_follow_one_another_and_the_oldest_go() {
    let house = House::new().await;
    let first = house.parameter("/a/b", 1);
    let (store, at) = (&house.store, first.at());
    let tags = [Tag::new("Team", "web")];
    store.put_parameter(&first, &tags).await.expect("stored");
    assert_eq!(
        store.parameter(at, None).await.expect("read"),
        Some(first.clone())
    );
    assert_eq!(store.tags(TagsOf::parameter(at)).await.expect("listed"), tags);
    for wrong in [1, 3] {
        let refused = store.put_parameter(&house.parameter("/a/b", wrong), &[]).await;
        assert!(matches!(refused, Err(PutParameterError::Changed)), "{wrong}");
    }
    let last = MAX_PARAMETER_VERSIONS + 1;
    for version in 2..=last {
        let next = house.parameter("/a/b", version);
        store.put_parameter(&next, &[]).await.expect("stored");
    }
    let version = async |version| {
        store
            .parameter(at, version)
            .await
            .expect("read")
            .map(|it| it.version)
    };
    assert_eq!(version(None).await, Some(last));
    assert_eq!(version(Some(2)).await, Some(2));
    assert_eq!(version(Some(1)).await, None, "too old");
    assert_eq!(version(Some(last + 1)).await, None);
    let again = house.reopened().await;
    let kept = again.parameter(at, None).await.expect("read");
    assert_eq!(kept, Some(house.parameter("/a/b", last)));
}

#[tokio::test]
async fn a_removed_parameter_leaves_nothing_to_the_next_of_its_name() {
    let house = House::new().await;
    let first = house.parameter("a", 1);
    let (store, at) = (&house.store, first.at());
    let tags = [Tag::new("Team", "web")];
    store.put_parameter(&first, &tags).await.expect("stored");
    store
        .put_parameter(&house.parameter("a", 2), &[])
        .await
        .expect("stored");
    assert!(store.remove_parameter(at).await.expect("removed"));
    assert!(!store.remove_parameter(at).await.expect("not there"));
    assert_eq!(store.parameter(at, None).await.expect("read"), None);
    assert_eq!(store.tags(TagsOf::parameter(at)).await.expect("listed"), []);
    store.put_parameter(&first, &[]).await.expect("from 1 again");
    assert_eq!(store.parameter(at, Some(2)).await.expect("read"), None);
    for other in [ParameterAt { name: "/a", ..at }, ParameterAt { name: "A", ..at }] {
        assert_eq!(store.parameter(other, None).await.expect("read"), None);
    }
}
