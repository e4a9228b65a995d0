//! The tags of buckets: given with the bucket, and one by one through S3 Control.

use http::{Method, StatusCode};

use crate::testing::{Answer, World};

const MINE: &str = "/v20180820/tags/arn%3Aaws%3As3%3A%3A%3Abox";

impl World {
    async fn control(&self, method: Method, path: &str, body: &str) -> Answer {
        let account = self.house.admin().account.to_string();
        let headers = [("x-amz-account-id", account.as_str())];
        self.ask(method, path, &headers, body.as_bytes()).await
    }

    /// The tags of the bucket, through both interfaces.
    async fn tags(&self) -> Vec<String> {
        let answer = self.control(Method::GET, MINE, "").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let pairs = |answer: &Answer| -> Vec<String> {
            let values = answer.elements("Value");
            let keys = answer.elements("Key").into_iter().zip(values);
            keys.map(|(key, value)| format!("{key}={value}")).collect()
        };
        let plain = self.ask(Method::GET, "/box?tagging", &[], b"").await;
        assert_eq!(pairs(&answer), pairs(&plain));
        pairs(&answer)
    }
}

fn configuration(tags: &str) -> String {
    format!(
        r#"<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{tags}</CreateBucketConfiguration>"#
    )
}

fn tag_request(tags: &[(&str, &str)]) -> String {
    format!(
        r#"<TagResourceRequest xmlns="http://awss3control.amazonaws.com/doc/2018-08-20/">{}</TagResourceRequest>"#,
        elements(tags)
    )
}

fn elements(tags: &[(&str, &str)]) -> String {
    let tags = tags
        .iter()
        .map(|(key, value)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>"));
    format!("<Tags>{}</Tags>", tags.collect::<String>())
}

#[tokio::test]
async fn tags_are_added_replaced_and_taken_away() {
    let world = World::new().await;
    world.bucket("box", &[]).await;
    assert!(world.tags().await.is_empty());
    let tag = tag_request(&[("one", "1"), ("two words", "2")]);
    let answer = world.control(Method::POST, MINE, &tag).await;
    assert_eq!(
        (answer.status, answer.text()),
        (StatusCode::NO_CONTENT, String::new())
    );
    assert_eq!(world.tags().await, ["one=1", "two words=2"]);
    let tag = tag_request(&[("one", "uno"), ("three", "3")]);
    world.control(Method::POST, MINE, &tag).await;
    assert_eq!(world.tags().await, ["two words=2", "one=uno", "three=3"]);
    for _ in 0..2 {
        let path = format!("{MINE}?tagKeys=two%20words&tagKeys=one");
        let answer = world.control(Method::DELETE, &path, "").await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        assert_eq!(world.tags().await, ["three=3"]);
    }
    world
        .control(Method::DELETE, &format!("{MINE}?tagKeys=three"), "")
        .await;
    assert!(world.tags().await.is_empty());
    assert_eq!(
        world.ask(Method::GET, "/box?tagging", &[], b"").await.code(),
        "NoSuchTagSet"
    );
}

#[tokio::test]
async fn tags_that_many_add_at_once_are_all_there() {
    let world = World::new().await;
    world.bucket("box", &[]).await;
    let adding = (0..20).map(|number| {
        let world = &world;
        async move {
            let tag = tag_request(&[(&format!("tag-{number}"), "x")]);
            world.control(Method::POST, MINE, &tag).await.status
        }
    });
    let answers = futures_util::future::join_all(adding).await;
    assert!(answers.iter().all(|status| *status == StatusCode::NO_CONTENT));
    assert_eq!(world.tags().await.len(), 20);
}

#[tokio::test]
async fn what_is_no_tag_or_no_bucket_is_refused() {
    let world = World::new().await;
    world.bucket("box", &[]).await;
    let many: Vec<_> = (0..51).map(|number| format!("k{number}")).collect();
    let many: Vec<_> = many.iter().map(|key| (key.as_str(), "v")).collect();
    for (path, body, code) in [
        (MINE, "", "MalformedXML"),
        (MINE, "<TagResourceRequest/>", "MalformedXML"),
        (
            MINE,
            "<TagResourceRequest><Tags><Tag><Key>a</Key>",
            "MalformedXML",
        ),
        (MINE, &tag_request(&[("aws:mine", "v")]), "InvalidTag"),
        (MINE, &tag_request(&[("a", "1"), ("a", "2")]), "InvalidTag"),
        (MINE, &tag_request(&many), "BadRequest"),
        (
            MINE,
            &tag_request(&[("a", &"long".repeat(20_000))]),
            "MalformedXML",
        ),
        (
            "/v20180820/tags/arn:aws:s3:::none",
            &tag_request(&[("a", "1")]),
            "NoSuchResource",
        ),
        (
            "/v20180820/tags/arn:aws:s3:eu-west-1:000000000000:accesspoint/a",
            &tag_request(&[("a", "1")]),
            "NoSuchResource",
        ),
        ("/v20180820/configuration/publicAccessBlock", "", "NotImplemented"),
    ] {
        let answer = world.control(Method::POST, path, body).await;
        assert_eq!(answer.code(), code, "{path} {body}: {}", answer.text());
    }
    let put = world.control(Method::PUT, MINE, "").await;
    assert_eq!(put.code(), "NotImplemented");
    let other = [("x-amz-account-id", "999999999999")];
    let answer = world.ask(Method::GET, MINE, &other, b"").await;
    assert_eq!(answer.code(), "AccessDenied");
    assert!(world.tags().await.is_empty());
}

#[tokio::test]
async fn a_bucket_of_that_name_is_a_bucket() {
    let world = World::new().await;
    world.bucket("v20180820", &[]).await;
    let put = world.ask(Method::PUT, "/v20180820/tags/mine", &[], b"kept").await;
    assert_eq!(put.status, StatusCode::OK);
    let got = world.ask(Method::GET, "/v20180820/tags/mine", &[], b"").await;
    assert_eq!(got.text(), "kept");
}

#[tokio::test]
async fn a_new_bucket_has_the_tags_of_its_document() {
    let world = World::new().await;
    let document = configuration(&elements(&[("team", "ops"), ("x", "")]));
    let made = world.ask(Method::PUT, "/box", &[], document.as_bytes()).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text());
    assert_eq!(world.tags().await, ["team=ops", "x="]);
    for (name, tags, code) in [
        ("bad-1", elements(&[("aws:x", "1")]), "InvalidTag"),
        ("bad-2", elements(&[("a", "1"), ("a", "1")]), "InvalidTag"),
        ("bad-3", "<Tags><Tag>".to_owned(), "MalformedXML"),
        (
            "bad-4",
            "<Bucket><Type>Directory</Type></Bucket>".to_owned(),
            "MalformedXML",
        ),
    ] {
        let document = configuration(&tags);
        let path = format!("/{name}");
        let made = world.ask(Method::PUT, &path, &[], document.as_bytes()).await;
        assert_eq!(made.code(), code, "{name}: {}", made.text());
        let there = world.ask(Method::HEAD, &path, &[], b"").await;
        assert_eq!(there.status, StatusCode::NOT_FOUND, "{name}");
    }
}

#[tokio::test]
async fn who_may_tag_is_decided_with_the_tags() {
    let world = World::new().await;
    world.bucket("box", &[]).await;
    let policy = r#"{"Statement": [
        {"Effect": "Allow", "Action": "s3:CreateBucket", "Resource": "*"},
        {"Effect": "Allow", "Action": ["s3:TagResource", "s3:UntagResource"], "Resource": "*",
         "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]},
                       "StringLikeIfExists": {"aws:RequestTag/team": "web*"}}}
    ]}"#;
    let user = world.user("tagger", policy).await;
    let account = user.account.to_string();
    let headers = [("x-amz-account-id", account.as_str())];
    for (method, path, body, allowed) in [
        (
            Method::POST,
            MINE.to_owned(),
            tag_request(&[("team", "web-1")]),
            true,
        ),
        (
            Method::POST,
            MINE.to_owned(),
            tag_request(&[("team", "db")]),
            false,
        ),
        (
            Method::POST,
            MINE.to_owned(),
            tag_request(&[("other", "web-1")]),
            false,
        ),
        (
            Method::DELETE,
            format!("{MINE}?tagKeys=other"),
            String::new(),
            false,
        ),
        (
            Method::DELETE,
            format!("{MINE}?tagKeys=team"),
            String::new(),
            true,
        ),
        (Method::GET, MINE.to_owned(), String::new(), false),
    ] {
        let answer = world
            .ask_as(user.clone(), method.clone(), &path, &headers, body.as_bytes())
            .await;
        assert_eq!(
            answer.code() != "AccessDenied",
            allowed,
            "{method} {path} {body}: {}",
            answer.text()
        );
    }
    for (name, value, allowed) in [("new-1", "web", true), ("new-2", "db", false)] {
        let document = configuration(&elements(&[("team", value)]));
        let made = world
            .ask_as(
                user.clone(),
                Method::PUT,
                &format!("/{name}"),
                &[],
                document.as_bytes(),
            )
            .await;
        assert_eq!(made.status == StatusCode::OK, allowed, "{name}: {}", made.text());
    }
}
