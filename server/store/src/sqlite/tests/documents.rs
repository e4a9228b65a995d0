use drawbridge_session::document::{DocumentFormat, Platform};

use super::*;
use crate::documents::{MAX_DOCUMENT_SHARES, MAX_DOCUMENT_VERSIONS, MAX_DOCUMENTS};
use crate::{
    ChangeDocumentError, CreateDocumentError, DocumentAt, DocumentVersion, Documents as _,
    NewDocumentVersion, ShareChange, SharedVersions, SharedWith, WantedVersion,
};

impl House {
    fn at<'a>(&'a self, name: &'a str) -> DocumentAt<'a> {
        DocumentAt {
            account: &self.account,
            region: &self.region,
            name,
        }
    }

    fn text<'a>(&self, content: &'a str) -> NewDocumentVersion<'a> {
        NewDocumentVersion {
            name: None,
            display_name: None,
            target_type: None,
            format: DocumentFormat::Json,
            platforms: &Platform::ALL,
            content,
            created_at: self.clock.now(),
        }
    }

    async fn add(&self, name: &str, content: &str) -> Result<u32, ChangeDocumentError> {
        let version = self.text(content);
        let added = self
            .store
            .add_document_version(self.at(name), WantedVersion::Latest, version);
        Ok(added.await?.version.number)
    }

    async fn contents(&self, name: &str) -> Option<(String, String)> {
        let (default, latest) = (WantedVersion::Default, WantedVersion::Latest);
        let default = self.store.document_version(self.at(name), default).await;
        let latest = self.store.document_version(self.at(name), latest).await;
        Some((default.expect("read")?.content, latest.expect("read")?.content))
    }

    async fn numbers(&self, name: &str) -> Vec<u32> {
        let listed = self.store.document_versions(self.at(name), None, 1000).await;
        listed
            .expect("listed")
            .iter()
            .map(|version| version.number)
            .collect()
    }
}

fn account(id: &str) -> AccountId {
    AccountId::parse(id).expect("valid")
}

const OTHER: &str = "210987654321";

#[tokio::test]
async fn versions_follow_one_another_and_the_default_stays() {
    let house = House::new().await;
    let (store, at) = (&house.store, house.at("Doc"));
    let first = NewDocumentVersion {
        name: Some("one"),
        display_name: Some("A document"),
        target_type: Some("/AWS::EC2::Instance"),
        format: DocumentFormat::Yaml,
        ..house.text("a")
    };
    let tags = [Tag::new("Team", "web")];
    let created = store.create_document(at, first, &tags).await.expect("created");
    assert_eq!((created.default_version, created.latest_version), (1, 1));
    assert!(!created.automatic);
    assert_eq!(store.tags(TagsOf::document(at)).await.expect("listed"), tags);
    let again = store.create_document(at, first, &[]).await;
    assert!(matches!(again, Err(CreateDocumentError::Exists)));

    assert_eq!(house.add("Doc", "a").await.expect("another format"), 2);
    assert!(matches!(
        house.add("Doc", "a").await,
        Err(ChangeDocumentError::SameContent)
    ));
    let named = NewDocumentVersion {
        name: Some("one"),
        ..house.text("b")
    };
    let taken = store.add_document_version(at, WantedVersion::Latest, named).await;
    assert!(matches!(taken, Err(ChangeDocumentError::SameName)));
    let old = store
        .add_document_version(at, WantedVersion::Number(1), house.text("b"))
        .await;
    assert!(matches!(old, Err(ChangeDocumentError::WrongVersion)));
    let old = store
        .add_document_version(at, WantedVersion::Default, house.text("b"))
        .await;
    assert!(matches!(old, Err(ChangeDocumentError::WrongVersion)));
    let third = NewDocumentVersion {
        platforms: &[Platform::Linux, Platform::MacOs],
        ..house.text("b")
    };
    let third = store
        .add_document_version(at, WantedVersion::Number(2), third)
        .await
        .expect("added");
    assert_eq!((third.document.default_version, third.version.number), (1, 3));
    let expected = DocumentVersion {
        number: 3,
        name: None,
        display_name: Some("A document".to_owned()),
        target_type: Some("/AWS::EC2::Instance".to_owned()),
        format: DocumentFormat::Json,
        platforms: vec![Platform::Linux, Platform::MacOs],
        // printf b | sha256sum
        sha256: "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d".to_owned(),
        created_at: house.clock.now(),
    };
    assert_eq!(third.version, expected);
    assert_eq!(house.numbers("Doc").await, [3, 2, 1]);
    let page = store.document_versions(at, Some(3), 1).await.expect("listed");
    assert_eq!(page.iter().map(|it| it.number).collect::<Vec<_>>(), [2]);

    let chosen = store.set_default_document_version(at, 3).await.expect("chosen");
    assert_eq!(chosen.content, "b");
    assert_eq!(house.contents("Doc").await, Some(("b".into(), "b".into())));
    let unknown = store.set_default_document_version(at, 4).await;
    assert!(matches!(unknown, Err(ChangeDocumentError::WrongVersion)));
    let one = store.document_version(at, WantedVersion::Named("one")).await;
    assert_eq!(one.expect("read").expect("there").version.number, 1);
}

#[tokio::test]
async fn the_number_of_a_removed_version_is_not_given_again() {
    let house = House::new().await;
    let (store, at) = (&house.store, house.at("Doc"));
    store
        .create_document(at, house.text("a"), &[])
        .await
        .expect("created");
    for content in ["b", "c"] {
        house.add("Doc", content).await.expect("added");
    }
    let default = store.remove_document_version(at, WantedVersion::Number(1)).await;
    assert!(matches!(default, Err(ChangeDocumentError::WrongVersion)));
    store
        .remove_document_version(at, WantedVersion::Latest)
        .await
        .expect("removed");
    assert_eq!(house.contents("Doc").await, Some(("a".into(), "b".into())));
    assert_eq!(house.add("Doc", "c").await.expect("added"), 4);
    assert_eq!(house.numbers("Doc").await, [4, 2, 1]);
}

#[tokio::test]
async fn a_removed_document_leaves_nothing_to_the_next_of_its_name() {
    let house = House::new().await;
    let (store, at) = (&house.store, house.at("Doc"));
    let tags = [Tag::new("Team", "web")];
    store
        .create_document(at, house.text("a"), &tags)
        .await
        .expect("created");
    house.add("Doc", "b").await.expect("added");
    store.remove_document(at).await.expect("removed");
    assert_eq!(store.document(at).await.expect("read"), None);
    assert!(matches!(
        store.remove_document(at).await,
        Err(ChangeDocumentError::Unknown)
    ));
    assert!(matches!(
        house.add("Doc", "b").await,
        Err(ChangeDocumentError::Unknown)
    ));
    // Somebody who had found it before tags it now.
    store.add_tags(TagsOf::document(at), &tags).await.expect("added");
    store
        .create_document(at, house.text("c"), &[])
        .await
        .expect("created");
    assert_eq!(house.numbers("Doc").await, [1]);
    assert_eq!(store.tags(TagsOf::document(at)).await.expect("listed"), []);
}

#[tokio::test]
async fn what_was_made_at_first_use_gives_way_until_somebody_touches_it() {
    let house = House::new().await;
    let (store, at) = (&house.store, house.at("Default"));
    let made = store.ensure_document(at, house.text("ours")).await.expect("made");
    assert!(made.document.automatic);
    let again = store
        .ensure_document(at, house.text("later"))
        .await
        .expect("there");
    assert_eq!(again.content, "ours");
    store
        .create_document(at, house.text("theirs"), &[])
        .await
        .expect("adopted");
    assert_eq!(
        house.contents("Default").await,
        Some(("theirs".into(), "theirs".into()))
    );
    assert_eq!(house.numbers("Default").await, [1]);
    let twice = store.create_document(at, house.text("x"), &[]).await;
    assert!(matches!(twice, Err(CreateDocumentError::Exists)));
    let there = store
        .ensure_document(at, house.text("ours"))
        .await
        .expect("there");
    assert_eq!(there.content, "theirs");

    for touch in ["edited", "tagged", "shared"] {
        let at = house.at(touch);
        store.ensure_document(at, house.text("ours")).await.expect("made");
        match touch {
            "edited" => drop(house.add(touch, "theirs").await.expect("edited")),
            "tagged" => store
                .add_tags(TagsOf::document(at), &[Tag::new("a", "")])
                .await
                .expect("tagged"),
            _ => store
                .share_document(
                    at,
                    ShareChange {
                        add: &[SharedWith::All],
                        remove: &[],
                        versions: SharedVersions::Default,
                    },
                )
                .await
                .expect("shared"),
        }
        let refused = store.create_document(at, house.text("x"), &[]).await;
        assert!(matches!(refused, Err(CreateDocumentError::Exists)), "{touch}");
    }
}

#[tokio::test]
async fn those_who_use_a_document_first_at_once_make_one() {
    let house = House::new().await;
    let made: Vec<_> = (0..8)
        .map(|at| {
            let (store, region, account) = (house.store.clone(), house.region.clone(), house.account.clone());
            let (now, content) = (house.clock.now(), format!("{at}"));
            tokio::spawn(async move {
                let at = DocumentAt {
                    account: &account,
                    region: &region,
                    name: "Default",
                };
                let first = NewDocumentVersion {
                    name: None,
                    display_name: None,
                    target_type: None,
                    format: DocumentFormat::Json,
                    platforms: &[Platform::Linux],
                    content: &content,
                    created_at: now,
                };
                store.ensure_document(at, first).await.expect("made").content
            })
        })
        .collect();
    let mut contents = Vec::new();
    for made in made {
        contents.push(made.await.expect("runs"));
    }
    contents.dedup();
    assert_eq!(contents.len(), 1, "{contents:?}");
}

#[tokio::test]
async fn a_shared_document_is_seen_by_those_it_is_shared_with() {
    let house = House::new().await;
    let (store, at) = (&house.store, house.at("Doc"));
    let (other, third) = (account(OTHER), account("333333333333"));
    store
        .create_document(at, house.text("a"), &[])
        .await
        .expect("created");
    house.add("Doc", "b").await.expect("added");
    let share = async |add: &[SharedWith], remove: &[SharedWith], versions| {
        let change = ShareChange {
            add,
            remove,
            versions,
        };
        store.share_document(at, change).await
    };
    let with_other = SharedWith::Account(other.clone());
    share(std::slice::from_ref(&with_other), &[], SharedVersions::Latest)
        .await
        .expect("shared");
    share(&[SharedWith::All], &[], SharedVersions::Default)
        .await
        .expect("shared");
    let seen = async |account: &AccountId| store.document_share(at, account).await.expect("read");
    assert_eq!(seen(&other).await, Some(SharedVersions::Latest));
    assert_eq!(seen(&third).await, Some(SharedVersions::Default));
    let listed = async |with: &SharedWith, not: &AccountId, after| {
        let listed = store
            .documents_shared_with(with, not, &house.region, after, 10)
            .await;
        let listed = listed.expect("listed");
        listed
            .iter()
            .map(|(document, version)| (document.name.clone(), version.number))
            .collect::<Vec<_>>()
    };
    assert_eq!(listed(&with_other, &other, None).await, [("Doc".to_owned(), 2)]);
    assert_eq!(
        listed(&SharedWith::All, &other, None).await,
        [("Doc".to_owned(), 1)]
    );
    assert_eq!(listed(&SharedWith::All, &house.account, None).await, []);
    let after = Some((&house.account, "Doc"));
    assert_eq!(listed(&SharedWith::All, &other, after).await, []);
    assert!(matches!(
        store.remove_document(at).await,
        Err(ChangeDocumentError::Shared)
    ));
    let shares = store.document_shares(at, None, 10).await.expect("listed");
    assert_eq!(
        shares.iter().map(|share| share.with.as_str()).collect::<Vec<_>>(),
        [OTHER, "all"]
    );
    share(&[], &[with_other, SharedWith::All], SharedVersions::Default)
        .await
        .expect("not shared");
    assert_eq!(seen(&other).await, None);
    store.remove_document(at).await.expect("removed");
    let gone = share(&[SharedWith::All], &[], SharedVersions::All).await;
    assert!(matches!(gone, Err(ChangeDocumentError::Unknown)));
}

#[tokio::test]
async fn quotas_hold() {
    let house = House::new().await;
    let store = &house.store;
    for number in 0..MAX_DOCUMENTS {
        let name = format!("Doc{number}");
        store
            .create_document(house.at(&name), house.text("a"), &[])
            .await
            .expect("created");
    }
    let one_more = store
        .create_document(house.at("More"), house.text("a"), &[])
        .await;
    assert!(matches!(one_more, Err(CreateDocumentError::TooMany)));
    store
        .ensure_document(house.at("Default"), house.text("a"))
        .await
        .expect("sessions start nevertheless");
    let listed = store
        .documents_after(&house.account, &house.region, Some("Doc98"), 2)
        .await
        .expect("listed");
    let names: Vec<_> = listed
        .iter()
        .map(|(document, _)| document.name.as_str())
        .collect();
    assert_eq!(names, ["Doc99"]);

    for number in 1..MAX_DOCUMENT_VERSIONS {
        house.add("Doc0", &number.to_string()).await.expect("added");
    }
    assert!(matches!(
        house.add("Doc0", "x").await,
        Err(ChangeDocumentError::TooMany)
    ));
    let many: Vec<_> = (0..=MAX_DOCUMENT_SHARES)
        .map(|number| SharedWith::Account(account(&format!("{:012}", number + 1))))
        .collect();
    let change = ShareChange {
        add: &many,
        remove: &[],
        versions: SharedVersions::Default,
    };
    let shared = store.share_document(house.at("Doc0"), change).await;
    assert!(matches!(shared, Err(ChangeDocumentError::TooMany)));
    let none = store
        .document_shares(house.at("Doc0"), None, 1)
        .await
        .expect("listed");
    assert_eq!(none, []);
}

#[tokio::test]
async fn documents_survive_a_restart_and_keep_to_their_place() {
    let house = House::new().await;
    let at = house.at("Doc");
    house
        .store
        .create_document(at, house.text("a"), &[])
        .await
        .expect("created");
    let again = house.reopened().await;
    let found = again.document_version(at, WantedVersion::Default).await;
    assert_eq!(found.expect("read").expect("there").content, "a");
    let (other, elsewhere) = (account(OTHER), Region::parse("eu-west-1").expect("valid"));
    for place in [
        DocumentAt {
            account: &other,
            ..at
        },
        DocumentAt {
            region: &elsewhere,
            ..at
        },
        DocumentAt { name: "doc", ..at },
    ] {
        assert_eq!(again.document(place).await.expect("read"), None, "{place:?}");
    }
}
