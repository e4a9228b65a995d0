//! Tests of what documents say of tunnels.

use drawbridge_aws_dialects::error::AwsError;
use serde_json::{Value, json};

use crate::testing::House;

/// Starts a session on a new node of a document of tunnels, whose settings of our own are these.
async fn start_tunnel(house: &House, own: Value, host: &str, awss_agent: bool) -> Result<(), AwsError> {
    let mut properties = json!({"type": "LocalPortForwarding"});
    if !host.is_empty() {
        properties["host"] = json!(host);
        properties["portNumber"] = json!("5432");
    }
    let content = json!({
        "schemaVersion": "1.0", "sessionType": "Port", "properties": properties,
        "inputs": {"drawbridge": own}, "parameters": {"to": {"type": "StringList", "default": ["db:5432"]}},
    });
    let create = json!({"Name": "tunnel", "DocumentType": "Session", "Content": content.to_string()});
    house.ask("CreateDocument", create).await?;
    let node = house.online_node().await.id;
    if awss_agent {
        house.relay.give_awss_agent(&node);
    }
    let started = house
        .ask("StartSession", json!({"Target": node, "DocumentName": "tunnel"}))
        .await;
    house.ask("DeleteDocument", json!({"Name": "tunnel"})).await?;
    started.map(drop)
}

#[tokio::test]
async fn what_only_our_agent_keeps_starts_on_no_other() {
    let house = House::new().await;
    let limits = "Document tunnel limits where tunnels lead, which AWS's agent cannot keep.";
    let several =
        "Document tunnel leads to several destinations or to a socket, which AWS's agent cannot do.";
    for (own, host, message) in [
        (json!({"allowedDestinations": ["10.0.0.0/8:*"]}), "db", limits),
        (
            json!({"destinations": "{{ to }}", "allowedDestinations": ["10.0.0.0/8:*"]}),
            "",
            limits,
        ),
        (json!({"destinations": ["a:1", "b:1"]}), "", several),
        (json!({"destinations": ["/run/app.sock"]}), "", several),
    ] {
        let error = start_tunnel(&house, own.clone(), host, true)
            .await
            .expect_err("refused");
        assert_eq!((error.code(), error.message()), ("InvalidDocument", message));
        let sessions = house.done("DescribeSessions", json!({"State": "History"})).await;
        assert_eq!(sessions["Sessions"], json!([]), "no session was made");
        assert_eq!(house.relay.started().len(), 0);
    }
    for (own, host) in [
        (json!({"allowedDestinations": ["d*:5432"]}), "db"),
        (json!({"destinations": "{{ to }}"}), ""),
    ] {
        start_tunnel(&house, own, host, true).await.expect("started");
        let (authorized, start) = house.relay.started().pop().expect("a start");
        let told = start.interactive_shell(&authorized, false).expect("told");
        assert_eq!(
            told["DocumentContent"]["properties"],
            json!({"host": "db", "portNumber": "5432", "type": "LocalPortForwarding"})
        );
        assert_eq!(told["DocumentContent"]["inputs"]["drawbridge"], Value::Null);
    }
    let started = house.relay.started().len();
    let own =
        json!({"destinations": ["db:1", "/run/app.sock"], "allowedDestinations": ["10.0.0.0/8:1", "/run/*"]});
    start_tunnel(&house, own.clone(), "", false)
        .await
        .expect("started");
    let (authorized, start) = house.relay.started().pop().expect("a start");
    let told = start.interactive_shell(&authorized, true).expect("told");
    assert_eq!(
        told["DocumentContent"]["inputs"]["drawbridge"]["destinations"],
        own["destinations"]
    );
    assert_eq!(house.relay.started().len(), started + 1);
}

#[tokio::test]
async fn what_the_rules_refuse_for_sure_does_not_start() {
    let house = House::new().await;
    let own = json!({"destinations": "{{ to }}", "allowedDestinations": ["*.internal:5432", "/run/*"]});
    let error = start_tunnel(&house, own, "", false).await.expect_err("refused");
    assert_eq!(error.code(), "InvalidParameters");
    assert_eq!(
        error.message(),
        "Parameter \"to\" cannot be \"db:5432\": `inputs.drawbridge.destinations.0` leads to db:5432, which \
         `inputs.drawbridge.allowedDestinations` does not allow: *.internal:5432, /run/*."
    );
    assert!(house.relay.started().is_empty());
}

#[tokio::test]
async fn ports_of_our_own_document_are_for_everyone_and_sockets_are_not() {
    let house = House::new().await;
    let node = house.online_node().await.id;
    let start = |to: Value| {
        json!({
            "Target": node, "DocumentName": "Drawbridge-StartPortForwarding", "Parameters": {"destinations": to},
        })
    };
    let two = json!(["localhost:80", "[fd00::7]:5432"]);
    house.done("StartSession", start(two.clone())).await;
    let [(_, started)] = house.relay.started().try_into().expect("one start");
    let destinations: Vec<_> = started
        .document
        .destinations()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(json!(destinations), two);
    for wrong in [
        json!(["/run/docker.sock"]),
        json!(["localhost:80", "/run/docker.sock"]),
        json!([]),
    ] {
        house
            .refuses("StartSession", &[(start(wrong), "InvalidParameters")])
            .await;
    }
}
