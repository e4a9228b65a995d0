//! Whose place it is, whether the blobs are in it, and what a server that died has left.

use std::sync::Arc;
use std::time::Duration;

use drawbridge_session::{AccountId, Region, SeededRandom};
use drawbridge_store::blobs::{Blobs, OWNER_SETTING, is_away};
use drawbridge_store::objects::Sealing;
use drawbridge_store::{
    Bucket, Buckets as _, Condition, Content, ObjectVersion, Objects as _, Piece, RootKey, Settings as _,
    Sqlite, Store, Versioning,
};
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::fake::{Fake, Fault};
use super::{backing, clock, id, impatient, read};
use crate::opening::{Patience, open_with};
use crate::{OpenError, open_folder};

/// A data folder with a database.
struct House {
    folder: tempfile::TempDir,
    store: Arc<Sqlite>,
    random: Arc<SeededRandom>,
}

impl House {
    async fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let random = Arc::new(SeededRandom::new(seed));
        let root = Arc::new(RootKey::ephemeral(random.as_ref()));
        let store = Sqlite::open(&folder.path().join(Sqlite::FILE_NAME), root).await;
        Self {
            folder,
            store: Arc::new(store.expect("opens")),
            random,
        }
    }

    /// Has an object refer to a blob.
    async fn refers_to(&self, blob: &str) {
        let bucket = Bucket {
            name: "logs".to_owned(),
            account: AccountId::parse("123456789012").expect("an account"),
            region: Region::parse("us-east-1").expect("a region"),
            created_at: Timestamp::UNIX_EPOCH,
            versioning: Versioning::Never,
            locks: false,
            retention: None,
        };
        // The second time it is there.
        let _ = self.store.create_bucket(&bucket, &[]).await;
        let piece = Piece {
            blob: blob.to_owned(),
            size: 1,
            sealing: Sealing::Root(String::new()),
        };
        let object = ObjectVersion {
            key: blob.to_owned(),
            number: 0,
            version: "null".to_owned(),
            latest: true,
            modified_at: Timestamp::UNIX_EPOCH,
            content: Some(Content {
                pieces: vec![piece],
                ..Content::default()
            }),
            tags: Vec::new(),
            retention: None,
            held: None,
        };
        let put = self.store.put_object("logs", object, Condition::None).await;
        put.expect("stored");
    }

    /// The key by which a place is this folder's.
    async fn owner(&self) -> String {
        let id = self.store.setting(OWNER_SETTING).await.expect("read");
        format!("bridge/owner/{}", id.expect("drawn"))
    }

    async fn open(&self, fake: &Fake, more: &Value) -> Result<Arc<dyn Blobs>, OpenError> {
        let patience = Patience {
            retries: impatient(),
            ask_again: Duration::from_millis(1),
        };
        let store = Arc::clone(&self.store) as Arc<dyn Store>;
        open_with(
            &backing(fake, more),
            store,
            &clock(),
            self.random.clone(),
            patience,
        )
        .await
    }
}

#[tokio::test]
async fn a_place_has_one_owner_until_another_takes_it_over_by_name() {
    let fake = Fake::start().await;
    let (first, second) = (House::new(1).await, House::new(2).await);
    for _ in 0..2 {
        first.open(&fake, &Value::Null).await.expect("its own");
    }
    let refused = second.open(&fake, &Value::Null).await.err().expect("another's");
    let OpenError::Owned { owner, place } = &refused else {
        panic!("{refused}");
    };
    assert_eq!(*place, format!("{}/blobs/bridge/", fake.endpoint()));
    let wrong = second.open(&fake, &json!({"take_over": id(1)})).await;
    assert!(matches!(wrong, Err(OpenError::Owned { .. })), "it names no owner");
    first
        .open(&fake, &Value::Null)
        .await
        .expect("who was refused left nothing");
    let named = json!({"take_over": owner.to_string()});
    for _ in 0..2 {
        second.open(&fake, &named).await.expect("taken over");
    }
    let lost = first.open(&fake, &named).await;
    assert!(
        matches!(lost, Err(OpenError::Owned { .. })),
        "it is no longer its own"
    );
}

#[tokio::test]
async fn what_a_server_that_died_has_left_is_removed_and_nothing_else() {
    let fake = Fake::start().await;
    let house = House::new(1).await;
    house.refers_to(&id(1)).await;
    fake.put("bridge/blobs/01/01000000000000000000000000000001", b"known");
    fake.put("bridge/blobs/02/02000000000000000000000000000002", b"unknown");
    fake.put("bridge/uploads/03000000000000000000000000000003", b"left");
    fake.leave_upload("bridge/blobs/03/03000000000000000000000000000003", "left");
    fake.put("bridge/uploads/04000000000000000000000000000004", b"completed");
    fake.leave_upload("elsewhere", "another's");
    let blobs = house.open(&fake, &Value::Null).await.expect("opened");
    assert_eq!(blobs.list(None).await.expect("listed"), [id(1)]);
    assert_eq!(
        fake.keys(),
        [
            "bridge/blobs/01/01000000000000000000000000000001",
            &house.owner().await
        ]
    );
    assert_eq!(fake.uploads(), 1, "another's stays");
}

#[tokio::test]
async fn blobs_that_lie_elsewhere_are_told_and_moved_blobs_are_found() {
    let fake = Fake::start().await;
    let house = House::new(1).await;
    for number in [1, 2, 3] {
        house.refers_to(&id(number)).await;
    }
    fake.put("bridge/blobs/01/01000000000000000000000000000001", b"a");
    let refused = house.open(&fake, &Value::Null).await.err().expect("not moved");
    assert!(
        matches!(&refused, OpenError::Elsewhere { before, missing: 2, .. } if before == "the data folder"),
        "{refused}"
    );
    fake.put("bridge/blobs/02/02000000000000000000000000000002", b"b");
    fake.put("bridge/blobs/03/03000000000000000000000000000003", b"c");
    let blobs = house.open(&fake, &Value::Null).await.expect("moved");
    assert_eq!(read(blobs.as_ref(), &id(3), 0).await.expect("read"), "c");
    let back = open_folder(house.folder.path(), house.store.as_ref()).await;
    let refused = back.expect_err("the section was forgotten");
    assert!(
        matches!(&refused, OpenError::Elsewhere { missing: 3, .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("/blobs/bridge/"), "{refused}");
    // What is lost is lost, and no reason to keep the server from starting where it was.
    fake.forget("bridge/blobs/03/03000000000000000000000000000003");
    house.open(&fake, &Value::Null).await.expect("the same place");
}

#[tokio::test]
async fn a_store_that_is_away_at_the_start_is_waited_for() {
    let fake = Fake::start().await;
    let house = House::new(1).await;
    house.refers_to(&id(1)).await;
    fake.put("bridge/blobs/01/01000000000000000000000000000001", b"known");
    fake.stop();
    let blobs = house.open(&fake, &Value::Null).await.expect("the server starts");
    for _ in 0..2 {
        let error = read(blobs.as_ref(), &id(1), 0).await.expect_err("away");
        assert!(is_away(&error), "{error}");
    }
    fake.start_again().await;
    fake.until(|fake| fake.keys().iter().any(|key| key.starts_with("bridge/owner/")))
        .await;
    let opened = async {
        loop {
            if let Ok(bytes) = read(blobs.as_ref(), &id(1), 0).await {
                return bytes;
            }
            tokio::task::yield_now().await;
        }
    };
    let bytes = tokio::time::timeout(Duration::from_secs(30), opened).await;
    assert_eq!(bytes.expect("in time"), "known");
}

#[tokio::test]
async fn of_two_that_came_at_one_time_neither_has_the_place() {
    let fake = Fake::start().await;
    let house = House::new(1).await;
    house.open(&fake, &Value::Null).await.expect("its own");
    fake.put("bridge/owner/ffffffffffffffffffffffffffffffff", b"");
    let refused = house.open(&fake, &Value::Null).await;
    assert!(
        matches!(refused, Err(OpenError::Owned { .. })),
        "who wrote what cannot be told"
    );
    let named = json!({"take_over": "ffffffffffffffffffffffffffffffff"});
    house.open(&fake, &named).await.expect("told who goes");
    house.open(&fake, &Value::Null).await.expect("the other is gone");
}

#[tokio::test]
async fn a_store_that_refuses_keeps_the_server_from_starting() {
    let fake = Fake::start().await;
    let house = House::new(1).await;
    for (method, part, status) in [
        (Method::GET, "owner", 403),
        (Method::GET, "owner", 301),
        (Method::GET, "owner", 400),
        (Method::PUT, "owner", 403),
        (Method::GET, "uploads", 403),
        (Method::GET, "prefix=bridge/blobs", 403),
    ] {
        fake.plan(method.clone(), part, 1, Fault::Status(status));
        let refused = house.open(&fake, &Value::Null).await.err();
        let refused = refused.unwrap_or_else(|| panic!("{method} {part} {status}"));
        assert!(matches!(refused, OpenError::Blobs(_)), "{refused}");
    }
    let none = house.open(&fake, &json!({"bucket": "other"})).await;
    assert!(
        matches!(none, Err(OpenError::Blobs(_))),
        "there is no such bucket"
    );
    house
        .open(&fake, &Value::Null)
        .await
        .expect("nothing is in the way");
}
