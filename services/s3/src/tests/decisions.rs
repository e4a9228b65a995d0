use drawbridge_session::AccountId;
use http::{Method, StatusCode};

use crate::testing::World;

/// A method, a path and headers.
type Asked<'a> = (Method, &'a str, &'a [(&'a str, &'a str)]);

/// Asks for everything, and says what was answered with what status.
async fn statuses(world: &World, caller: &drawbridge_session::Caller, asked: &[Asked<'_>]) -> Vec<u16> {
    let mut statuses = Vec::new();
    for (method, path, headers) in asked {
        let answer = world
            .ask_as(caller.clone(), method.clone(), path, headers, b"x")
            .await;
        statuses.push(answer.status.as_u16());
    }
    statuses
}

#[tokio::test]
async fn a_role_writes_below_its_prefix_only() {
    let world = World::new().await;
    world.bucket("logs", &[]).await;
    let policy = r#"{"Statement":[
        {"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::logs/web/*"},
        {"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::logs",
         "Condition":{"StringLike":{"s3:prefix":"web/*"}}}]}"#;
    let web = world.user("web", policy).await;
    let none: &[(&str, &str)] = &[];
    let asked: &[Asked<'_>] = &[
        (Method::PUT, "/logs/web/a", none),
        (Method::PUT, "/logs/web/%2e%2e/db/a", none),
        (Method::PUT, "/logs/web/../db/a", none),
        (Method::PUT, "/logs/db/a", none),
        (Method::PUT, "/logs//web/a", none),
        (Method::PUT, "/logs/web%2fb", none),
        (Method::GET, "/logs/web/a", none),
        (Method::GET, "/logs?list-type=2&prefix=web/", none),
        (Method::GET, "/logs?list-type=2&prefix=db/", none),
        (Method::GET, "/logs?list-type=2", none),
        (Method::PUT, "/logs/web/a", &[("x-amz-tagging", "a=b")]),
        (Method::PUT, "/logs/web/a", &[("x-amz-copy-source", "/logs/db/a")]),
        (Method::DELETE, "/logs/web/a", none),
    ];
    assert_eq!(
        statuses(&world, &web, asked).await,
        [200, 200, 200, 403, 403, 200, 403, 200, 403, 403, 403, 403, 403]
    );
    // What looks like a way out is a key below the prefix.
    let listed = world.ask(Method::GET, "/logs?list-type=2", &[], b"").await;
    assert_eq!(listed.elements("Key"), ["web/../db/a", "web/a", "web/b"]);
}

#[tokio::test]
async fn a_copy_from_what_is_no_bucket_is_decided_on_all_the_same() {
    let world = World::new().await;
    world.bucket("logs", &[]).await;
    let nobody = world
        .user(
            "nobody",
            r#"{"Statement":[{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"}]}"#,
        )
        .await;
    let source = "arn:aws:s3:us-east-1:123456789012:accesspoint/some/object/a";
    let from: &[(&str, &str)] = &[("x-amz-copy-source", source)];
    let asked: &[Asked<'_>] = &[
        (Method::PUT, "/logs/a", from),
        (Method::PUT, "/logs/a?partNumber=1&uploadId=x", from),
    ];
    assert_eq!(statuses(&world, &nobody, asked).await, [403, 403]);
    // Who may write is told what is not there, and not that something is forbidden.
    let answer = world.ask(Method::PUT, "/logs/a", from, b"").await;
    assert_eq!(answer.elements("Code"), ["NotImplemented"]);
}

#[tokio::test]
async fn a_condition_asks_about_headers_tags_and_versions() {
    let world = World::new().await;
    world.bucket("logs", &[]).await;
    let policy = r#"{"Statement":[
        {"Effect":"Allow","Action":"s3:PutObject","Resource":"*",
         "Condition":{"StringEquals":{"s3:x-amz-acl":"bucket-owner-full-control"}}},
        {"Effect":"Allow","Action":"s3:GetObject","Resource":"*",
         "Condition":{"StringEquals":{"s3:ExistingObjectTag/open":"yes"}}}]}"#;
    let user = world.user("some", policy).await;
    world
        .ask(Method::PUT, "/logs/open", &[("x-amz-tagging", "open=yes")], b"")
        .await;
    world
        .ask(Method::PUT, "/logs/closed", &[("x-amz-tagging", "open=no")], b"")
        .await;
    let asked: &[Asked<'_>] = &[
        (
            Method::PUT,
            "/logs/a",
            &[("x-amz-acl", "bucket-owner-full-control")],
        ),
        (Method::PUT, "/logs/a", &[("x-amz-acl", "private")]),
        (Method::PUT, "/logs/a", &[]),
        (Method::GET, "/logs/open", &[]),
        (Method::GET, "/logs/closed", &[]),
        (Method::GET, "/logs/open?versionId=null", &[]),
        (Method::GET, "/logs/none", &[]),
    ];
    assert_eq!(
        statuses(&world, &user, asked).await,
        [200, 403, 403, 200, 403, 403, 403]
    );
}

#[tokio::test]
async fn another_accounts_bucket_is_nobodys_here_and_so_is_its_name() {
    let world = World::new().await;
    world.bucket("logs", &[]).await;
    world.ask(Method::PUT, "/logs/k", &[], b"secret").await;
    let other = AccountId::parse("210987654321").expect("valid");
    world.house.found(&other, "o-anotherorgid").await;
    let stranger = world.house.user_of(&other, "admin");
    let none: &[(&str, &str)] = &[];
    let asked = [
        (Method::GET, "/logs/k", none),
        (Method::HEAD, "/logs", none),
        (Method::PUT, "/logs/k", none),
        (Method::DELETE, "/logs/k", none),
        (Method::DELETE, "/logs", none),
        (Method::GET, "/logs?list-type=2", none),
    ];
    assert_eq!(statuses(&world, &stranger, &asked).await, [403; 6]);
    let answer = world.ask_as(stranger, Method::PUT, "/logs", &[], b"").await;
    assert!(answer.status.is_client_error(), "{}", answer.text());
    let nobody = world.house.anonymous();
    let answer = world.ask_as(nobody, Method::GET, "/logs/k", &[], b"").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

/// What is in a header or a parameter that an operation does not read says nothing of what it will do.
#[tokio::test]
async fn a_condition_is_about_what_the_operation_uses() {
    let world = World::new().await;
    let locks = [("x-amz-bucket-object-lock-enabled", "true")];
    world.bucket("locks", &locks).await;
    world.ask(Method::PUT, "/locks/k", &[], b"kept").await;
    let policy = r#"{"Statement":[
        {"Effect":"Allow","Action":"s3:PutObjectLegalHold","Resource":"*",
         "Condition":{"StringEquals":{"s3:object-lock-legal-hold":"ON"}}},
        {"Effect":"Allow","Action":"s3:PutObjectRetention","Resource":"*",
         "Condition":{"StringEquals":{"s3:object-lock-mode":"COMPLIANCE"}}},
        {"Effect":"Allow","Action":"s3:PutObjectTagging","Resource":"*",
         "Condition":{"StringEquals":{"s3:RequestObjectTag/team":"web"},
                      "ForAllValues:StringEquals":{"s3:RequestObjectTagKeys":["team"]}}},
        {"Effect":"Allow","Action":["s3:List*","s3:GetBucketVersioning"],"Resource":"*",
         "Condition":{"StringEquals":{"s3:prefix":"web/"}}}]}"#;
    let user = world.user("some", policy).await;
    let hold = |status: &str| format!("<LegalHold><Status>{status}</Status></LegalHold>");
    let lock = |mode: &str| {
        let until = "2100-01-01T00:00:00Z";
        format!("<Retention><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>")
    };
    let tag = |key: &str| {
        format!("<Tagging><TagSet><Tag><Key>{key}</Key><Value>web</Value></Tag></TagSet></Tagging>")
    };
    let says_on = [("x-amz-object-lock-legal-hold", "ON")];
    let says_compliance = [("x-amz-object-lock-mode", "COMPLIANCE")];
    let says_team = [("x-amz-tagging", "team=web")];
    let none = &[][..];
    for (path, headers, body, status) in [
        ("?legal-hold", none, hold("ON"), 200),
        ("?legal-hold", none, hold("OFF"), 403),
        ("?legal-hold", &says_on, hold("OFF"), 403),
        ("?retention", &says_compliance, lock("GOVERNANCE"), 403),
        ("?retention", &says_compliance, "<Retention/>".to_owned(), 403),
        ("?retention", none, lock("COMPLIANCE"), 200),
        ("?tagging", &says_team, tag("admin"), 403),
        ("?tagging", none, tag("team"), 200),
    ] {
        let path = format!("/locks/k{path}");
        let answer = world
            .ask_as(user.clone(), Method::PUT, &path, headers, body.as_bytes())
            .await;
        assert_eq!(
            answer.status,
            status,
            "{path} {headers:?} {body}: {}",
            answer.text()
        );
    }
    for (query, status) in [
        ("list-type=2&prefix=web%2F", 200),
        ("list-type=2&prefix=db/&prefix=web/", 400),
        ("list-type=2&prefix=web/&prefix=db/", 400),
        ("prefix=web/", 200),
        ("versions&prefix=web/", 200),
        ("uploads&prefix=web/", 200),
        ("versioning&prefix=web/", 403),
    ] {
        let path = format!("/locks?{query}");
        let answer = world.ask_as(user.clone(), Method::GET, &path, &[], b"").await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn the_source_of_a_copy_is_judged_as_it_is_read() {
    let world = World::new().await;
    world.bucket("logs", &[]).await;
    for path in ["/logs/open/a", "/logs/shut/a"] {
        world.ask(Method::PUT, path, &[], b"x").await;
    }
    let policy = r#"{"Statement":[
        {"Effect":"Allow","Action":["s3:PutObject","s3:GetObject"],"Resource":"*"},
        {"Effect":"Deny","Action":"s3:PutObject","Resource":"*",
         "Condition":{"StringLike":{"s3:x-amz-copy-source":"logs/shut/*"}}}]}"#;
    let user = world.user("some", policy).await;
    let asked: &[Asked<'_>] = &[
        (Method::PUT, "/logs/b", &[("x-amz-copy-source", "logs/open/a")]),
        (Method::PUT, "/logs/b", &[("x-amz-copy-source", "logs/shut/a")]),
        (Method::PUT, "/logs/b", &[("x-amz-copy-source", "/logs/shut/a")]),
        (
            Method::PUT,
            "/logs/b",
            &[("x-amz-copy-source", "logs/%73hut%2Fa")],
        ),
    ];
    assert_eq!(statuses(&world, &user, asked).await, [200, 403, 403, 403]);
}

#[tokio::test]
async fn the_parts_of_an_upload_are_decided_on_as_its_beginning_was() {
    let world = World::new().await;
    world.bucket("logs", &[]).await;
    let begun = async |headers: &[(&str, &str)]| {
        let answer = world.ask(Method::POST, "/logs/big?uploads", headers, b"").await;
        answer.element("UploadId")
    };
    let sealed: &[(&str, &str)] = &[
        ("x-amz-server-side-encryption", "AES256"),
        ("x-amz-tagging", "a=b"),
    ];
    let (fit, unfit) = (begun(sealed).await, begun(&[]).await);
    let policy = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::logs/*",
         "Condition":{"StringNotEquals":{"s3:x-amz-server-side-encryption":"AES256"}}},
        {"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::logs/*",
         "Condition":{"Null":{"s3:RequestObjectTag/a":"true"}}}]}"#;
    let put = world
        .ask(Method::PUT, "/logs?policy", &[], policy.as_bytes())
        .await;
    assert!(put.status.is_success(), "{}", put.text());
    let statuses = async |id: &str, headers: &[(&str, &str)]| {
        let part = format!("/logs/big?partNumber=1&uploadId={id}");
        let sent = world.ask(Method::PUT, &part, headers, b"x").await;
        let etag = sent
            .headers
            .get("etag")
            .and_then(|it| it.to_str().ok())
            .unwrap_or_default();
        let body = format!(
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
        );
        let path = format!("/logs/big?uploadId={id}");
        let done = world.ask(Method::POST, &path, headers, body.as_bytes()).await;
        [sent.status.as_u16(), done.status.as_u16()]
    };
    // What a part says of itself is nothing that will be done.
    assert_eq!(statuses(&unfit, sealed).await, [403, 403]);
    assert_eq!(statuses("unknown", sealed).await, [403, 403]);
    assert_eq!(statuses(&fit, &[]).await, [200, 200]);
}

#[tokio::test]
async fn who_may_not_list_does_not_learn_which_keys_there_are() {
    let world = World::new().await;
    for bucket in ["logs", "mine"] {
        world.bucket(bucket, &[]).await;
    }
    world.ask(Method::PUT, "/logs/there", &[], b"x").await;
    let policy = |list: &str| {
        format!(
            r#"{{"Statement":[
            {{"Effect":"Allow","Action":["s3:GetObject","s3:GetObjectTagging"],"Resource":"*"}},
            {{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::mine/*"}},
            {{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::{list}"}}]}}"#
        )
    };
    let lists = world.user("lists", &policy("logs")).await;
    let reads = world.user("reads", &policy("mine")).await;
    let none: &[(&str, &str)] = &[];
    let asked: &[Asked<'_>] = &[
        (Method::GET, "/logs/there", none),
        (Method::GET, "/logs/missing", none),
        (Method::HEAD, "/logs/missing", none),
        (Method::GET, "/logs/missing?tagging", none),
        (
            Method::PUT,
            "/mine/copy",
            &[("x-amz-copy-source", "/logs/missing")],
        ),
    ];
    assert_eq!(statuses(&world, &lists, asked).await, [200, 404, 404, 404, 404]);
    assert_eq!(statuses(&world, &reads, asked).await, [200, 403, 403, 403, 403]);
    let told = world.ask_as(reads, Method::GET, "/logs/missing", &[], b"").await;
    assert!(
        told.text().contains("s3:ListBucket on resource"),
        "{}",
        told.text()
    );
}
