use http::{Method, Request, StatusCode};
use proptest::prelude::*;
use s3s::Body;

use crate::testing::{World, path_of};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Keys that somebody might take for more than text.
fn key() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("..".to_owned()),
        Just(".".to_owned()),
        Just("/".to_owned()),
        Just("//".to_owned()),
        Just("%2e%2e".to_owned()),
        Just("%00".to_owned()),
        Just("?versionId=x".to_owned()),
        Just("+ ".to_owned()),
        Just("\\".to_owned()),
        Just("&amp;<Key>".to_owned()),
        any::<char>().prop_map(String::from),
        "[a-z]{1,8}",
    ];
    prop::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_key_is_what_the_decision_saw_what_is_stored_and_what_is_listed(keys in prop::collection::btree_set(key(), 1..6)) {
        runtime().block_on(async {
            let world = World::new().await;
            world.bucket("keys", &[]).await;
            for key in &keys {
                let put = world.ask(Method::PUT, &path_of("keys", key), &[], key.as_bytes()).await;
                prop_assert_eq!(put.status, StatusCode::OK, "{:?}: {}", key, put.text());
                let seen = world.seen.lock().expect("not poisoned").last().cloned().expect("one");
                prop_assert_eq!(seen["key"].as_str(), Some(key.as_str()));
            }
            for key in &keys {
                let got = world.ask(Method::GET, &path_of("keys", key), &[], b"").await;
                prop_assert_eq!(&got.body[..], key.as_bytes(), "{:?}", key);
            }
            let listed = world.ask(Method::GET, "/keys?list-type=2&encoding-type=url", &[], b"").await;
            let decoded: Vec<String> = listed
                .elements("Key")
                .iter()
                .map(|key| percent_encoding::percent_decode_str(key).decode_utf8_lossy().into_owned())
                .collect();
            let expected: Vec<String> = keys.iter().cloned().collect();
            prop_assert_eq!(decoded, expected);
            Ok(())
        })?;
    }

    #[test]
    fn any_path_query_and_document_is_answered(
        method in prop::sample::select(vec![Method::GET, Method::PUT, Method::POST, Method::DELETE, Method::HEAD]),
        path in "/(keys|[a-z.%0-9]{0,12})(/[ -~]{0,20})?",
        query in "(|\\?[a-zA-Z=&%0-9+-]{0,30}|\\?(delete|tagging|uploads|versions|list-type=2|partNumber=1&uploadId=x))",
        body in prop_oneof![prop::collection::vec(any::<u8>(), 0..200), "<[A-Za-z]{1,10}><.{0,60}".prop_map(String::into_bytes)],
    ) {
        let Ok(uri) = format!("{path}{query}").replace(' ', "%20").parse::<http::Uri>() else { return Ok(()) };
        runtime().block_on(async {
            let world = World::new().await;
            world.bucket("keys", &[]).await;
            let request = Request::builder().method(method).uri(uri).header("content-length", body.len());
            let request = request.body(Body::from(body)).expect("a request");
            let answer = world.send(world.house.admin(), request).await;
            prop_assert_ne!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{}", answer.text());
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn a_key_has_at_most_1024_bytes() {
    let world = World::new().await;
    world.bucket("keys", &[]).await;
    let most = "é".repeat(512);
    let put = world.ask(Method::PUT, &path_of("keys", &most), &[], b"").await;
    assert_eq!(put.status, StatusCode::OK);
    let put = world
        .ask(Method::PUT, &path_of("keys", &format!("{most}x")), &[], b"")
        .await;
    assert_eq!(put.code(), "KeyTooLongError");
}
