//! What a bucket loses by and by, and what it never does.

use std::time::Duration;

use http::{Method, StatusCode};

use crate::testing::World;

const DAY: Duration = Duration::from_secs(24 * 3600);

const RULES: &str = "<LifecycleConfiguration><Rule><ID>old</ID><Filter><Prefix>logs/</Prefix></Filter><Status>Enabled</Status>\
    <Expiration><Days>2</Days></Expiration><NoncurrentVersionExpiration><NoncurrentDays>2</NoncurrentDays>\
    </NoncurrentVersionExpiration><AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation>\
    </AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>";

async fn world(headers: &[(&str, &str)]) -> World {
    let world = World::new().await;
    world.bucket("keep", headers).await;
    let put = world
        .ask(Method::PUT, "/keep?lifecycle", &[], RULES.as_bytes())
        .await;
    assert_eq!(put.status, StatusCode::OK, "{}", put.text());
    world
}

impl World {
    async fn write(&self, key: &str, headers: &[(&str, &str)]) {
        let put = self
            .ask(Method::PUT, &format!("/keep/{key}"), headers, b"bytes")
            .await;
        assert_eq!(put.status, StatusCode::OK, "{}", put.text());
    }

    async fn keys(&self, listing: &str) -> Vec<String> {
        let listed = self.ask(Method::GET, &format!("/keep?{listing}"), &[], b"").await;
        assert_eq!(listed.status, StatusCode::OK, "{}", listed.text());
        listed.elements("Key")
    }

    async fn days_later(&self, days: u32) -> u64 {
        self.house.clock.advance(DAY * days);
        self.s3.expire().await.expect("expires")
    }
}

#[tokio::test]
async fn objects_and_uploads_go_after_their_days_and_others_stay() {
    let world = world(&[]).await;
    world.write("logs/a", &[]).await;
    world.write("other", &[]).await;
    let begun = world.ask(Method::POST, "/keep/logs/b?uploads", &[], b"").await;
    assert_eq!(begun.status, StatusCode::OK);
    assert_eq!(world.days_later(1).await, 0);
    assert_eq!(world.days_later(2).await, 2);
    assert_eq!(world.keys("list-type=2").await, ["other"]);
    assert_eq!(world.keys("uploads").await, Vec::<String>::new());
    assert_eq!(world.days_later(9).await, 0);
}

#[tokio::test]
async fn a_version_that_is_locked_outlives_every_rule() {
    let world = world(&[("x-amz-bucket-object-lock-enabled", "true")]).await;
    let locked = [
        ("x-amz-object-lock-mode", "COMPLIANCE"),
        ("x-amz-object-lock-retain-until-date", "2026-02-01T00:00:00Z"),
    ];
    world.write("logs/locked", &locked).await;
    world
        .write("logs/held", &[("x-amz-object-lock-legal-hold", "ON")])
        .await;
    world.write("logs/free", &[]).await;
    // First each gets a delete marker, then the version behind it would go.
    assert_eq!(world.days_later(3).await, 3);
    world.days_later(3).await;
    let versions = world.keys("versions").await;
    assert_eq!(
        versions.iter().filter(|key| *key == "logs/locked").count(),
        2,
        "{versions:?}"
    );
    assert_eq!(
        versions.iter().filter(|key| *key == "logs/held").count(),
        2,
        "{versions:?}"
    );
    assert_eq!(
        versions.iter().filter(|key| *key == "logs/free").count(),
        1,
        "{versions:?}"
    );
    // The lock ends, the hold does not.
    world.days_later(40).await;
    world.days_later(1).await;
    let versions = world.keys("versions").await;
    assert!(!versions.iter().any(|key| key == "logs/locked"), "{versions:?}");
    assert!(versions.iter().any(|key| key == "logs/held"), "{versions:?}");
}
