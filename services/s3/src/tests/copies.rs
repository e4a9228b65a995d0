//! Copies: which object they read, and what may be in their way.

use http::{Method, StatusCode};

use crate::testing::World;

async fn copied(world: &World, source: &str, more: &[(&str, &str)]) -> (StatusCode, String) {
    let mut headers = vec![("x-amz-copy-source", source)];
    headers.extend(more);
    let answer = world.ask(Method::PUT, "/box/copy", &headers, b"").await;
    (answer.status, answer.code())
}

#[tokio::test]
async fn in_a_source_a_plus_sign_is_a_space() {
    let world = World::new().await;
    world.bucket("box", &[]).await;
    world.ask(Method::PUT, "/box/a%20b", &[], b"space").await;
    world.ask(Method::PUT, "/box/a+b", &[], b"plus").await;
    for (source, wanted) in [
        ("box%2Fa+b", "space"),
        ("/box/a%20b", "space"),
        ("box/a%2Bb", "plus"),
        ("box%2Fa%2Bb", "plus"),
    ] {
        assert_eq!(copied(&world, source, &[]).await.0, StatusCode::OK, "{source}");
        assert_eq!(
            world.ask(Method::GET, "/box/copy", &[], b"").await.text(),
            wanted,
            "{source}"
        );
    }
}

#[tokio::test]
async fn a_copy_replaces_only_what_its_conditions_say() {
    let world = World::new().await;
    world.bucket("box", &[]).await;
    world.ask(Method::PUT, "/box/k", &[], b"source").await;
    let refused = (StatusCode::PRECONDITION_FAILED, "PreconditionFailed".to_owned());
    let absent = &[("if-none-match", "*")];
    assert_eq!(copied(&world, "box/k", absent).await.0, StatusCode::OK);
    assert_eq!(copied(&world, "box/k", absent).await, refused);
    assert_eq!(copied(&world, "box/k", &[("if-match", "\"00\"")]).await, refused);
    let answer = world.ask(Method::HEAD, "/box/copy", &[], b"").await;
    let etag = answer.headers["etag"].to_str().expect("text");
    assert_eq!(
        copied(&world, "box/k", &[("if-match", etag)]).await.0,
        StatusCode::OK
    );
}

#[tokio::test]
async fn grants_are_refused_wherever_an_object_is_made() {
    let world = World::new().await;
    world.bucket("box", &[]).await;
    world.ask(Method::PUT, "/box/k", &[], b"source").await;
    let grant = (
        "x-amz-grant-read",
        "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\"",
    );
    for (method, path, headers) in [
        (Method::PUT, "/box/new", vec![grant]),
        (
            Method::PUT,
            "/box/new",
            vec![grant, ("x-amz-copy-source", "box/k")],
        ),
        (Method::POST, "/box/new?uploads", vec![grant]),
        (Method::PUT, "/box/k?acl", vec![grant]),
    ] {
        let answer = world.ask(method, path, &headers, b"").await;
        let got = (answer.status, answer.code());
        let refused = (
            StatusCode::BAD_REQUEST,
            "AccessControlListNotSupported".to_owned(),
        );
        assert_eq!(got, refused, "{path} {headers:?}");
    }
    assert_eq!(
        world.ask(Method::HEAD, "/box/new", &[], b"").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_storage_class_is_one_of_s3s() {
    let world = World::new().await;
    world.bucket("box", &[]).await;
    for (class, status, code) in [
        ("STANDARD_IA", StatusCode::OK, ""),
        ("BOGUS", StatusCode::BAD_REQUEST, "InvalidStorageClass"),
    ] {
        let answer = world
            .ask(Method::PUT, "/box/k", &[("x-amz-storage-class", class)], b"")
            .await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{class}");
    }
}
