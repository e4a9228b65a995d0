//! What the audit log keeps of those who would rather fill it, or not be found in it.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use drawbridge_aws_client::{Auth, CallError, Client, Service};
use drawbridge_session::{ActivationId, SystemRandom};
use serde_json::{Value, json};

use super::lab::Lab;

const CLOUDTRAIL: Service = Service {
    signing_name: "cloudtrail",
    target_prefix: "CloudTrail_20131101",
};

/// A region that nobody looks into.
const NOWHERE: &str = "xx-nowhere-9";

/// The regions that the events of an operation name, as they are found in the region of `client`.
async fn regions_of(lab: &Lab, client: &Client, operation: &str) -> Vec<String> {
    let credentials = lab.administrators_credentials();
    let input = json!({"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": operation}]});
    let answer = client
        .call_json(
            CLOUDTRAIL,
            "LookupEvents",
            &input,
            Auth::Credentials(&credentials),
        )
        .await
        .expect("found");
    let events = answer["Events"].as_array().expect("events");
    events
        .iter()
        .map(|event| {
            let record = event["CloudTrailEvent"].as_str().expect("a record");
            let record: Value = serde_json::from_str(record).expect("JSON");
            record["awsRegion"].as_str().expect("a region").to_owned()
        })
        .collect()
}

async fn register_with_nothing(lab: &Lab) -> CallError {
    let input = json!({
        "ActivationId": ActivationId::generate(&SystemRandom),
        "ActivationCode": "a code that is none",
        "Fingerprint": "f".repeat(36),
        "PublicKey": "k".repeat(300),
        "PublicKeyType": "Rsa",
    });
    lab.client()
        .call_json(Service::SSM, "RegisterManagedInstance", &input, Auth::Unsigned)
        .await
        .expect_err("nothing to register with")
}

#[tokio::test]
async fn a_flood_without_signatures_is_turned_away_and_leaves_no_events() {
    let lab = Lab::open().await;
    let refused = register_with_nothing(&lab).await;
    assert_ne!(refused.code(), Some("ThrottlingException"), "{refused:?}");

    // An hour ahead, so that nothing refills while the test runs.
    let later = lab.gateway.clock.monotonic() + Duration::from_secs(3600);
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    while lab.gateway.strangers.admit(address, later) {}

    for _ in 0..3 {
        match register_with_nothing(&lab).await {
            CallError::Aws {
                code,
                message,
                status,
                ..
            } => assert_eq!(
                (code.as_str(), message.as_str(), status.as_u16()),
                ("ThrottlingException", "Rate exceeded", 400)
            ),
            other => panic!("{other:?}"),
        }
    }
    // Those who sign are heard.
    let found = regions_of(&lab, &lab.client(), "RegisterManagedInstance").await;
    assert_eq!(found.len(), 1, "the one before the flood");
    lab.close().await;
}

#[tokio::test]
async fn a_made_up_region_hides_no_event_of_a_global_service() {
    let lab = Lab::open().await;
    let credentials = lab.administrators_credentials();
    let (home, nowhere) = (lab.client(), lab.client_in(NOWHERE));
    let auth = || Auth::Credentials(&credentials);
    nowhere
        .call_iam("CreateUser", &[("UserName", "hidden")], auth())
        .await
        .expect("created");
    nowhere
        .call_json(Service::DRAWBRIDGE, "ListAccounts", &json!({}), auth())
        .await
        .expect("listed");
    nowhere
        .call_json(Service::SSM, "DescribeActivations", &json!({}), auth())
        .await
        .expect("described");
    for global in ["CreateUser", "ListAccounts"] {
        assert_eq!(regions_of(&lab, &home, global).await, ["us-east-1"], "{global}");
        assert!(regions_of(&lab, &nowhere, global).await.is_empty(), "{global}");
    }
    let regional = "DescribeActivations";
    assert!(regions_of(&lab, &home, regional).await.is_empty());
    assert_eq!(regions_of(&lab, &nowhere, regional).await, [NOWHERE]);
    lab.close().await;
}
