//! What of a document reaches the node.

use super::*;

#[tokio::test]
async fn a_document_runs_with_the_values_of_the_request() {
    let house = House::new().await;
    let node = house.online_node().await.id;
    let input = json!({
        "Target": node, "DocumentName": "AWS-StartNonInteractiveCommand",
        "Parameters": {"command": ["ls -l"], "separateOutputStream": ["true"]},
    });
    house.ask("StartSession", input).await.expect("started");
    let [(authorized, start)] = house.relay.started().try_into().expect("one start");
    let content = start.interactive_shell(&authorized, true).expect("told");
    assert_eq!(content["DocumentName"], "AWS-StartNonInteractiveCommand");
    assert_eq!(content["Parameters"], json!({}));
    assert_eq!(
        content["DocumentContent"]["properties"]["linux"],
        json!({
            "commands": "ls -l", "runAsElevated": false, "separateOutputStream": true,
            "stdOutSeparatorPrefix": "", "stdErrSeparatorPrefix": "",
        })
    );
    assert_eq!(start.parameters["command"], ["ls -l"]);
}

#[tokio::test]
async fn only_our_agent_is_told_of_our_own_settings() {
    let house = House::new().await;
    let node = house.online_node().await.id;
    let content = json!({
        "schemaVersion": "1.0", "sessionType": "Standard_Stream",
        "inputs": {"drawbridge": {"workingDirectory": "/srv"}},
    });
    let document = json!({"Name": "in-srv", "DocumentType": "Session", "Content": content.to_string()});
    house.ask("CreateDocument", document).await.expect("created");
    let input = json!({"Target": node, "DocumentName": "in-srv"});
    house.ask("StartSession", input).await.expect("started");
    let [(authorized, start)] = house.relay.started().try_into().expect("one start");
    let inputs = |to_our_agent| {
        let told = start.interactive_shell(&authorized, to_our_agent).expect("told");
        told["DocumentContent"]["inputs"]["drawbridge"].clone()
    };
    assert_eq!(inputs(true), json!({"workingDirectory": "/srv"}));
    assert_eq!(inputs(false), Value::Null);
}
