use drawbridge_store::Versioning;
use http::{Method, StatusCode};

use crate::testing::World;

async fn put(world: &World, body: &str) -> String {
    let answer = world.ask(Method::PUT, "/bbb/k", &[], body.as_bytes()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let version = answer.headers.get("x-amz-version-id");
    version.map_or(String::new(), |id| id.to_str().expect("text").to_owned())
}

async fn bodies(world: &World) -> Vec<String> {
    let listed = world.ask(Method::GET, "/bbb?versions", &[], b"").await;
    let mut bodies = Vec::new();
    for id in listed.elements("VersionId") {
        let answer = world
            .ask(Method::GET, &format!("/bbb/k?versionId={id}"), &[], b"")
            .await;
        bodies.push(if answer.status == StatusCode::OK {
            answer.text()
        } else {
            answer.code()
        });
    }
    bodies
}

#[tokio::test]
async fn versions_are_kept_as_the_bucket_says() {
    let world = World::new().await;
    world.bucket("bbb", &[]).await;
    assert_eq!(put(&world, "1").await, "");
    assert_eq!(put(&world, "2").await, "", "nothing is kept");
    assert_eq!(bodies(&world).await, ["2"]);
    world.versioning("bbb", Versioning::Enabled).await;
    let third = put(&world, "3").await;
    assert_eq!(third.len(), 32);
    put(&world, "4").await;
    assert_eq!(bodies(&world).await, ["4", "3", "2"]);
    world.versioning("bbb", Versioning::Suspended).await;
    assert_eq!(put(&world, "5").await, "");
    assert_eq!(
        bodies(&world).await,
        ["5", "4", "3"],
        "the one without an id is replaced"
    );
    let deleted = world.ask(Method::DELETE, "/bbb/k", &[], b"").await;
    assert_eq!(deleted.headers["x-amz-delete-marker"], "true");
    assert_eq!(
        world.ask(Method::GET, "/bbb/k", &[], b"").await.code(),
        "NoSuchKey"
    );
    let deleted = world.ask(Method::DELETE, "/bbb/k?versionId=null", &[], b"").await;
    assert_eq!(deleted.headers["x-amz-delete-marker"], "true");
    assert_eq!(world.ask(Method::GET, "/bbb/k", &[], b"").await.text(), "4");
    world
        .ask(Method::DELETE, &format!("/bbb/k?versionId={third}"), &[], b"")
        .await;
    assert_eq!(bodies(&world).await, ["4"]);
}

#[tokio::test]
async fn a_version_without_an_id_is_called_null_once_versions_are_kept() {
    let world = World::new().await;
    world.bucket("bbb", &[]).await;
    put(&world, "1").await;
    let told = async |method: Method, path: &str| {
        let answer = world
            .ask(method, path, &[("x-amz-object-attributes", "ETag")], b"")
            .await;
        let version = answer.headers.get("x-amz-version-id");
        version.map_or(String::new(), |id| id.to_str().expect("text").to_owned())
    };
    for (versioning, wanted) in [
        (None, ""),
        (Some(Versioning::Enabled), "null"),
        (Some(Versioning::Suspended), "null"),
    ] {
        if let Some(versioning) = versioning {
            world.versioning("bbb", versioning).await;
        }
        for (method, path) in [
            (Method::GET, "/bbb/k"),
            (Method::HEAD, "/bbb/k"),
            (Method::GET, "/bbb/k?attributes"),
            (Method::GET, "/bbb/k?tagging"),
        ] {
            assert_eq!(told(method, path).await, wanted, "{versioning:?} {path}");
        }
    }
    assert_eq!(
        put(&world, "2").await,
        "",
        "as on AWS, who writes it is told nothing"
    );
}
