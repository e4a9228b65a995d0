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
    house.done("StartSession", input).await;
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
    house.done("CreateDocument", document).await;
    let input = json!({"Target": node, "DocumentName": "in-srv"});
    house.done("StartSession", input).await;
    let [(authorized, start)] = house.relay.started().try_into().expect("one start");
    let inputs = |to_our_agent| {
        let told = start.interactive_shell(&authorized, to_our_agent).expect("told");
        told["DocumentContent"]["inputs"]["drawbridge"].clone()
    };
    assert_eq!(inputs(true), json!({"workingDirectory": "/srv"}));
    assert_eq!(inputs(false), Value::Null);
}

/// Gives the account preferences that say this.
async fn prefer(house: &House, content: Value) {
    let preferences = "SSM-SessionManagerRunShell";
    let create = json!({"Name": preferences, "DocumentType": "Session", "Content": content.to_string()});
    house.done("CreateDocument", create).await;
}

fn command(node: &NodeId, document: &str) -> Value {
    json!({"Target": node, "DocumentName": document, "Parameters": {"command": ["ls -l"]}})
}

#[tokio::test]
async fn our_own_commands_have_the_settings_of_the_preferences_and_awss_have_none() {
    let house = House::new().await;
    let node = house.online_node().await.id;
    let inputs = json!({
        "s3BucketName": "logs", "cloudWatchLogGroupName": "sessions", "maxSessionDuration": "30",
        "runAsEnabled": true, "runAsDefaultUser": "operator", "shellProfile": {"linux": "cd /srv"},
        "drawbridge": {"workingDirectory": "/srv"},
    });
    let content = json!({"schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": inputs});
    prefer(&house, content).await;
    for name in [
        "Drawbridge-StartNonInteractiveCommand",
        "arn:aws:ssm:us-east-1::document/Drawbridge-StartInteractiveCommand",
        "AWS-StartNonInteractiveCommand",
    ] {
        house.done("StartSession", command(&node, name)).await;
    }
    let [(_, ours), (_, on_terminal), (_, awss)] = house.relay.started().try_into().expect("three starts");
    let inputs = &ours.document.inputs;
    assert_eq!(inputs, &on_terminal.document.inputs);
    assert_eq!(
        (
            inputs.s3_bucket_name.as_str(),
            inputs.cloud_watch_log_group_name.as_str()
        ),
        ("logs", "sessions")
    );
    assert_eq!(
        (inputs.longest_minutes(), inputs.run_as_default_user.as_str()),
        (Some(30), "operator")
    );
    assert_eq!(
        inputs
            .drawbridge
            .as_ref()
            .map(|own| own.working_directory.as_str()),
        Some("/srv")
    );
    assert_eq!(inputs.shell_profile.linux, "", "a command is not typed into");
    assert_eq!(ours.document.session_type, SessionType::NonInteractiveCommands);
    assert_eq!(awss.document.inputs, Inputs::default());
}

#[tokio::test]
async fn our_own_commands_follow_the_preferences_as_they_are() {
    let house = House::new().await;
    let node = house.online_node().await.id;
    let ours = command(&node, "Drawbridge-StartNonInteractiveCommand");
    house.done("StartSession", ours.clone()).await;
    let content =
        json!({"schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": {"s3BucketName": "logs"}});
    let update = json!({"Name": "SSM-SessionManagerRunShell", "Content": content.to_string()});
    house.done("UpdateDocument", update).await;
    house.done("StartSession", ours.clone()).await;
    let buckets: Vec<String> = house
        .relay
        .started()
        .into_iter()
        .map(|(_, start)| start.document.inputs.s3_bucket_name)
        .collect();
    assert_eq!(buckets, ["", "logs"]);
    house
        .done("DeleteDocument", json!({"Name": "SSM-SessionManagerRunShell"}))
        .await;
    let tunnel = json!({"schemaVersion": "1.0", "sessionType": "Port", "properties": {"portNumber": "22"}});
    prefer(&house, tunnel).await;
    let error = house.ask("StartSession", ours).await.expect_err("refused");
    assert_eq!(
        error.to_string(),
        "InvalidDocument: Document SSM-SessionManagerRunShell cannot be used: it is no shell's."
    );
}
