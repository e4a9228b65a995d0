use drawbridge_session::AccessKeyId;

use super::*;
use crate::{KeyUse, KeyUses as _};

impl House {
    fn usage(&self, service: &str) -> KeyUse {
        KeyUse {
            at: self.clock.now(),
            service: service.to_owned(),
            region: self.region.clone(),
        }
    }
}

#[tokio::test]
async fn tells_the_last_use_of_each_key_before_and_after_it_is_stored() {
    let house = House::new().await;
    let (key, other) = (
        AccessKeyId::generate(&house.random),
        AccessKeyId::generate(&house.random),
    );
    assert_eq!(house.store.last_use(&key).await.expect("asked"), None);
    house.store.access_key_used(&key, house.usage("ssm"));
    house.clock.advance(Duration::from_secs(60));
    let last = house.usage("sts");
    house.store.access_key_used(&key, last.clone());
    assert_eq!(
        house.store.last_use(&key).await.expect("asked"),
        Some(last.clone())
    );
    house.store.store_key_uses().await.expect("stored");
    assert_eq!(house.store.last_use(&key).await.expect("asked"), Some(last));
    assert_eq!(house.store.last_use(&other).await.expect("asked"), None);

    house.clock.advance(Duration::from_secs(60));
    let later = house.usage("iam");
    house.store.access_key_used(&key, later.clone());
    house.store.store_key_uses().await.expect("stored");
    house.store.store_key_uses().await.expect("nothing to store");
    let again = house.reopened().await;
    assert_eq!(again.last_use(&key).await.expect("asked"), Some(later));
}
