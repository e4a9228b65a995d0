//! `StartSession`: asks for a shell, a command or a tunnel on a node.

use std::collections::BTreeMap;
use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{
    Audit, Call, Caller, Ending, Grounds, Need, Needs, NodeId, RelayError, Resource, Session, SessionId,
    SessionStart, SessionState, SignedWith,
};
use drawbridge_store::{ChannelEnd, CreateSessionError};
use serde::Deserialize;
use serde_json::Value;

use super::Stream;
use super::run_as::run_as;
use crate::error::internal;
use crate::service_settings::{allows_sessions_on_registered_nodes, session_limits};
use crate::{Operation, Ssm, documents, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "StartSession",
    action: "ssm:StartSession",
    signed_with: SignedWith::AccessKey,
    needs,
    audit: Audit::WRITE.hiding(&["TokenValue"]),
    handler: |ssm, call| Box::pin(start(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    target: String,
    document_name: Option<String>,
    reason: Option<String>,
    parameters: Option<BTreeMap<String, Vec<String>>>,
}

/// The node, and the document where the request names one: each must be allowed.
///
/// `ssm:SessionDocumentAccessCheck` says whether a document was named, so that a policy can insist on it.
fn needs(caller: &Caller, input: &Value) -> Needs {
    let document = input::text(input, "DocumentName");
    let named = if document.is_empty() { "false" } else { "true" };
    let on = |resource| Need::on(resource).with("ssm:SessionDocumentAccessCheck", named);
    let target = input::text(input, "Target");
    let mut needs = vec![on(Resource::node(&caller.region, &caller.account, target))];
    if !document.is_empty() {
        needs.push(on(Resource::document(&caller.region, &caller.account, document)));
    }
    needs.into()
}

async fn start(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let grounds = Grounds::of(&call);
    let (caller, allowed, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let start = prepare(&ssm, &caller, &input).await?;
    let node = find_connected(&ssm, &caller, &input.target).await?;

    let id = SessionId::generate(caller.principal.session_prefix(), ssm.random.as_ref());
    let authorized = allowed
        .open_session(id.clone(), node)
        .ok_or_else(|| AwsError::internal("InternalServerError"))?;
    let session = Session {
        grounds: Some(grounds.clone()),
        ..Session::new(
            &authorized,
            caller.region.clone(),
            input.reason,
            start.clone(),
            ssm.clock.now(),
        )
    };
    let (token, grant) = ssm.draw_token(&id, ChannelEnd::ClientStart);
    let limits = session_limits(&ssm, &caller).await?;
    let created = ssm.store.create_session(&session, &grant, limits).await;
    created.map_err(|error| refused(&session, error))?;

    // The wait for the node was long enough for policies to change. From here on a change finds the session's record.
    if let Some(objection) = ssm.authority.objection(&grounds).await.map_err(internal)? {
        fail(&ssm, &id, &objection).await?;
        return Err(AwsError::new("AccessDeniedException", objection));
    }
    if let Err(error) = ssm.relay.start(authorized, start).await {
        fail(&ssm, &id, &error.to_string()).await?;
        return Err(match error {
            RelayError::NodeNotConnected(_) => not_connected(&input.target),
            RelayError::UnknownSession(_) | RelayError::Unavailable(_) => internal(error),
        });
    }
    tracing::info!(session.id = %id, node.id = %session.node, principal.id = session.owner_id, "session started");
    input::write(&Stream::new(&ssm, &caller, id, Some(&token)))
}

async fn fail(ssm: &Ssm, id: &SessionId, details: &str) -> Result<(), AwsError> {
    let failed = SessionState::Failed(Ending {
        at: ssm.clock.now(),
        details: details.to_owned(),
        exit_code: None,
    });
    ssm.store
        .change_session(id, failed)
        .await
        .map(drop)
        .map_err(internal)
}

/// Settles what the session runs, before anything is started.
async fn prepare(ssm: &Ssm, caller: &Caller, input: &Input) -> Result<SessionStart, AwsError> {
    let start = choose_document(ssm, caller, input).await?;
    let run_as_user = run_as(ssm, caller, &start.document)?;
    Ok(SessionStart { run_as_user, ..start })
}

async fn choose_document(ssm: &Ssm, caller: &Caller, input: &Input) -> Result<SessionStart, AwsError> {
    let chosen = documents::choose::choose(ssm, caller, input.document_name.as_deref()).await?;
    let given = input.parameters.clone().unwrap_or_default();
    let resolved = chosen.content.resolve(&given);
    let (document, parameters) =
        resolved.map_err(|error| AwsError::new("InvalidParameters", error.to_string()))?;
    Ok(SessionStart {
        document_name: chosen.name,
        document,
        parameters,
        run_as_user: None,
    })
}

/// Says why a session was not made.
fn refused(session: &Session, error: CreateSessionError) -> AwsError {
    let quota = |text: String| AwsError::new("ServiceQuotaExceededException", text);
    match error {
        CreateSessionError::TooManyOfOwner(limit) => quota(format!(
            "{} has {limit} live sessions already, which is the limit of the service setting /drawbridge/sessions/per-user.",
            session.owner_arn
        )),
        CreateSessionError::TooManyOnNode(limit) => quota(format!(
            "{} has {limit} live sessions already, which is the limit of the service setting /drawbridge/sessions/per-node.",
            session.node
        )),
        CreateSessionError::Store(error) => internal(error),
    }
}

/// Finds the node by its id and waits for it where it is expected back; one that is not there, belongs to someone
/// else or is down looks the same.
async fn find_connected(ssm: &Ssm, caller: &Caller, target: &str) -> Result<NodeId, AwsError> {
    let node = ssm
        .node(caller, target)
        .await?
        .ok_or_else(|| not_connected(target))?;
    if node.id.is_registered() && !allows_sessions_on_registered_nodes(ssm, caller).await? {
        return Err(AwsError::new(
            "BadRequest",
            "Enable advanced-instances tier to use Session Manager with your on-premises instances",
        ));
    }
    if ssm
        .relay
        .node_connected(&node.id, ssm.settings.node_patience)
        .await
    {
        Ok(node.id)
    } else {
        Err(not_connected(target))
    }
}

fn not_connected(target: &str) -> AwsError {
    AwsError::new("TargetNotConnected", format!("{target} is not connected."))
}

#[cfg(test)]
mod tests {
    use drawbridge_session::document::DEFAULT_SHELL_DOCUMENT;
    use drawbridge_session::{PingStatus, Principal};
    use drawbridge_store::TokenBinding;
    use serde_json::json;

    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn opens_a_shell_with_a_token_for_its_client() {
        let house = House::new().await;
        let node = house.online_node().await;
        let answer = house
            .ask(
                "StartSession",
                json!({"Target": node.id, "Reason": "to look", "Parameters": {}}),
            )
            .await
            .expect("started");

        let id = SessionId::parse(answer["SessionId"].as_str().expect("an id")).expect("valid");
        assert!(id.as_str().starts_with("admin-0"), "{id}");
        assert_eq!(
            answer["StreamUrl"],
            format!("wss://bridge.example:8443/v1/data-channel/{id}?role=publish_subscribe")
        );
        let token = answer["TokenValue"].as_str().expect("a token");
        assert_eq!(
            house.redeem(token).await,
            Some(TokenBinding::DataChannel {
                session: id.clone(),
                end: ChannelEnd::ClientStart
            })
        );
        assert_eq!(house.redeem(token).await, None, "single use");

        let [(authorized, start)] = house.relay.started().try_into().expect("one start");
        assert_eq!((authorized.session(), authorized.node()), (&id, &node.id));
        let content = start.interactive_shell(&authorized, true);
        assert_eq!(content["SessionOwner"], "arn:aws:iam::123456789012:user/admin");
        assert_eq!(content["DocumentName"], DEFAULT_SHELL_DOCUMENT);
        let record = house
            .ssm
            .store
            .session(&id)
            .await
            .expect("read")
            .expect("recorded");
        assert_eq!(record.reason.as_deref(), Some("to look"));
        assert_eq!(record.state, SessionState::Connecting);
    }

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
        let content = start.interactive_shell(&authorized, true);
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
            start.interactive_shell(&authorized, to_our_agent)["DocumentContent"]["inputs"]["drawbridge"]
                .clone()
        };
        assert_eq!(inputs(true), json!({"workingDirectory": "/srv"}));
        assert_eq!(inputs(false), Value::Null);
    }

    #[tokio::test]
    async fn no_more_sessions_than_the_account_allows() {
        let house = House::new().await;
        let (first, second) = (house.online_node().await.id, house.online_node().await.id);
        let limit = async |of: &str, value: &str| {
            let id = format!("/drawbridge/sessions/{of}");
            let input = json!({"SettingId": id, "SettingValue": value});
            house.ask("UpdateServiceSetting", input).await.expect("set");
        };
        let start = async |caller: Caller, node: &NodeId| {
            let answer = house
                .ask_as(caller, "StartSession", json!({"Target": node}))
                .await;
            answer.map(|it| SessionId::parse(it["SessionId"].as_str().expect("an id")).expect("valid"))
        };
        let may = json!([{"Effect": "Allow", "Action": "ssm:StartSession", "Resource": "*"}]);
        let alice = house.give_user("alice", may).await;

        limit("per-user", "1").await;
        let session = start(house.admin(), &first).await.expect("the first");
        let error = start(house.admin(), &second).await.expect_err("one too many");
        assert_eq!(error.code(), "ServiceQuotaExceededException");
        assert_eq!(
            error.message(),
            "arn:aws:iam::123456789012:user/admin has 1 live sessions already, which is the limit of the service \
             setting /drawbridge/sessions/per-user."
        );
        start(alice.clone(), &first).await.expect("another's first");

        limit("per-user", "unlimited").await;
        limit("per-node", "2").await;
        let error = start(house.admin(), &first).await.expect_err("one too many");
        assert!(error.message().starts_with(first.as_str()), "{error}");
        start(house.admin(), &second).await.expect("on another node");
        house.end(&session).await;
        start(alice, &first).await.expect("there is room again");
    }

    #[tokio::test]
    async fn a_token_waits_no_longer_than_its_lifetime() {
        let house = House::new().await;
        let node = house.online_node().await;
        let answer = house
            .ask("StartSession", json!({"Target": node.id}))
            .await
            .expect("started");
        house.clock.advance(house.ssm.settings.token_lifetime);
        assert_eq!(
            house
                .redeem(answer["TokenValue"].as_str().expect("a token"))
                .await,
            None
        );
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        let node = house.online_node().await.id;
        let offline = house.node().await.id;
        let none = "mi-0fffffffffffffff0";
        let shell = DEFAULT_SHELL_DOCUMENT;
        house
            .refuses(
                "StartSession",
                &[
                    (json!({}), "ValidationException"),
                    (json!({"Target": ""}), "ValidationException"),
                    (json!({"Target": "x".repeat(401)}), "ValidationException"),
                    (json!({"Target": node, "Reason": ""}), "ValidationException"),
                    (
                        json!({"Target": node, "Reason": "x".repeat(257)}),
                        "ValidationException",
                    ),
                    (
                        json!({"Target": node, "DocumentName": "a b"}),
                        "ValidationException",
                    ),
                    (json!({"Target": 7}), "SerializationException"),
                    (
                        json!({"Target": node, "Parameters": {"a": "b"}}),
                        "SerializationException",
                    ),
                    (json!({"Target": offline}), "TargetNotConnected"),
                    (json!({"Target": none}), "TargetNotConnected"),
                    (json!({"Target": "web-1"}), "TargetNotConnected"),
                    (json!({"Target": "../../etc/passwd"}), "TargetNotConnected"),
                    (
                        json!({"Target": node, "DocumentName": "AWS-RunShellScript"}),
                        "InvalidDocument",
                    ),
                    (
                        json!({"Target": node, "DocumentName": "AWS-StartInteractiveCommand"}),
                        "InvalidParameters",
                    ),
                    (
                        json!({
                            "Target": node, "DocumentName": "AWS-StartSSHSession",
                            "Parameters": {"portNumber": ["22; id"]},
                        }),
                        "InvalidParameters",
                    ),
                    (
                        json!({"Target": node, "DocumentName": "SSM-sessionmanagerrunshell"}),
                        "InvalidDocument",
                    ),
                    (
                        json!({"Target": node, "Parameters": {"host": ["x"]}}),
                        "InvalidParameters",
                    ),
                    (
                        json!({"Target": node, "DocumentName": shell, "Parameters": {"portNumber": ["22"]}}),
                        "InvalidParameters",
                    ),
                ],
            )
            .await;
        assert!(house.relay.started().is_empty());
        let error = house
            .ask("StartSession", json!({"Target": none}))
            .await
            .expect_err("not there");
        assert_eq!(error.message(), "mi-0fffffffffffffff0 is not connected.");
    }

    #[tokio::test]
    async fn a_registered_node_takes_sessions_in_the_advanced_tier_only() {
        let house = House::new().await;
        let node = house.online_node().await;
        let (running, _) = house.started_on(&node).await;
        let set = json!({"SettingId": "/ssm/managed-instance/activation-tier", "SettingValue": "standard"});
        house.ask("UpdateServiceSetting", set.clone()).await.expect("set");
        let error = house.ask("StartSession", json!({"Target": node.id})).await;
        let error = error.expect_err("refused");
        assert_eq!(error.code(), "BadRequest");
        assert_eq!(
            error.message(),
            "Enable advanced-instances tier to use Session Manager with your on-premises instances"
        );
        let none = json!({"Target": "mi-0fffffffffffffff0"});
        let error = house.ask("StartSession", none).await.expect_err("not there");
        assert_eq!(error.code(), "TargetNotConnected");
        // What runs goes on.
        let resumed = house.ask("ResumeSession", json!({"SessionId": running})).await;
        assert!(resumed.expect("resumed")["TokenValue"].is_string());
        house
            .ask("ResetServiceSetting", json!({"SettingId": set["SettingId"]}))
            .await
            .expect("reset");
        house.started_on(&node).await;
    }

    #[tokio::test]
    async fn waits_a_little_for_a_node_that_was_there() {
        let house = House::new().await;
        let node = house.node().await;
        assert!(
            house
                .ask("StartSession", json!({"Target": node.id}))
                .await
                .is_err()
        );
        assert_eq!(
            house.relay.longest_patience(),
            Some(house.ssm.settings.node_patience)
        );
        assert!(house.ssm.settings.node_patience < PingStatus::PATIENCE);
    }

    #[tokio::test]
    async fn a_node_of_another_region_is_not_there() {
        let house = House::new().await;
        let node = house.online_node().await;
        let mut caller = house.admin();
        caller.region = "eu-west-1".parse().expect("valid");
        let error = house
            .ask_as(caller, "StartSession", json!({"Target": node.id}))
            .await
            .expect_err("elsewhere");
        assert_eq!(error.code(), "TargetNotConnected");
    }

    #[tokio::test]
    async fn nodes_and_roles_without_policies_may_not() {
        let house = House::new().await;
        let node = house.online_node().await;
        for caller in [house.node_role(&node), house.as_role("bob")] {
            let arn = caller.principal.arn();
            let error = house
                .ask_as(caller, "StartSession", json!({"Target": node.id}))
                .await
                .expect_err("denied");
            assert_eq!(error.code(), "AccessDeniedException");
            assert_eq!(
                error.message(),
                format!(
                    "User: {arn} is not authorized to perform: ssm:StartSession on resource: \
                     arn:aws:ssm:us-east-1:123456789012:managed-instance/{} because no identity-based policy allows \
                     the ssm:StartSession action",
                    node.id
                )
            );
        }
        assert!(house.relay.started().is_empty());
    }

    #[tokio::test]
    async fn a_node_lost_between_the_look_and_the_start_fails_the_session() {
        let house = House::new().await;
        let node = house.online_node().await;
        house.relay.refuse_starts();
        let error = house
            .ask("StartSession", json!({"Target": node.id}))
            .await
            .expect_err("lost");
        assert_eq!(error.code(), "TargetNotConnected");
        let history = house
            .ask("DescribeSessions", json!({"State": "History"}))
            .await
            .expect("listed");
        assert_eq!(history["Sessions"][0]["Status"], "Failed");
    }

    #[tokio::test]
    async fn announces_the_name_by_which_it_was_reached() {
        let house = House::new().await;
        let node = house.online_node().await;
        for (host, announced) in [
            ("127.0.0.1:4443", "127.0.0.1:4443"),
            ("[::1]:4443", "[::1]:4443"),
            (
                "ssm.us-east-1.amazonaws.com",
                "ssmmessages.us-east-1.amazonaws.com",
            ),
            ("evil.example/x?y=", "public.example"),
            ("", "public.example"),
        ] {
            let mut caller = house.admin();
            caller.host = host.into();
            let answer = house
                .ask_as(caller, "StartSession", json!({"Target": node.id}))
                .await
                .expect("started");
            let url = answer["StreamUrl"].as_str().expect("a URL");
            assert!(
                url.starts_with(&format!("wss://{announced}/v1/data-channel/admin-0")),
                "{host}: {url}"
            );
        }
    }

    #[tokio::test]
    async fn the_root_of_the_account_has_sessions_named_root() {
        let house = House::new().await;
        let node = house.online_node().await;
        let mut caller = house.admin();
        caller.principal = Principal::Root {
            account: caller.account.clone(),
        };
        let answer = house
            .ask_as(caller, "StartSession", json!({"Target": node.id}))
            .await
            .expect("started");
        assert!(answer["SessionId"].as_str().expect("an id").starts_with("root-0"));
    }

    #[tokio::test]
    async fn what_is_no_longer_allowed_when_the_node_is_there_does_not_start() {
        let house = House::new().await;
        let node = house.online_node().await;
        // The decision is about policies; that the key is gone shows only when it is looked at again.
        let caller = Caller {
            access_key_id: "AKIAAAAAAAAAAAAAAAAA".parse().ok(),
            ..house.admin()
        };
        let error = house
            .ask_as(caller, "StartSession", json!({"Target": node.id}))
            .await
            .expect_err("too late");
        assert_eq!(error.code(), "AccessDeniedException");
        assert!(error.message().contains("not active any more"), "{error}");
        assert!(house.relay.started().is_empty());
        let history = house
            .ask("DescribeSessions", json!({"State": "History"}))
            .await
            .expect("listed");
        assert_eq!(history["Sessions"][0]["Status"], "Failed");
    }
}
