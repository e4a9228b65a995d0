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
