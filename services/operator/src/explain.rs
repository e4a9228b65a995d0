//! `ExplainDecision`: how a decision about somebody would come out, and what each statement said to it.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::policy::{Explanation, Step, Verdict};
use drawbridge_session::{Audit, Call, Need, Resource, SignedWith};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::internal;
use crate::principals::Named;
use crate::question::{self, Fact, Statement};
use crate::{Operation, Operator};

/// The action that lets people ask, here as on AWS: whoever may simulate may have it explained.
pub(crate) const SIMULATE: &str = "iam:SimulatePrincipalPolicy";

pub(crate) const OPERATION: Operation = Operation {
    name: "ExplainDecision",
    action: "drawbridge:ExplainDecision",
    signed_with: SignedWith::AccessKey,
    needs: |caller, input| {
        let principal = input.get("Principal").and_then(Value::as_str).unwrap_or_default();
        let named = Named::parse(principal, &caller.account);
        // A name that means nobody is refused by the handler.
        let resource = named.map_or_else(Resource::any, |named| named.resource(&caller.account));
        Need::also(SIMULATE, resource).into()
    },
    audit: Audit::READ,
    handler: |operator, call| Box::pin(explain(operator, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    principal: String,
    action: String,
    resource: String,
    #[serde(default)]
    context: Vec<Fact>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output<'a> {
    principal: String,
    action: &'a str,
    resource: &'a str,
    decision: &'static str,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<Statement<'a>>,
    steps: Vec<StepOutput<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct StepOutput<'a> {
    layer: &'static str,
    statement: Statement<'a>,
    effect: &'static str,
    applies: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    obstacle: Option<&'a str>,
}

async fn explain(operator: Arc<Operator>, call: Call) -> Result<Value, AwsError> {
    let (mut caller, _, input) = call.into_parts();
    let input: Input = question::read(input)?;
    let named = Named::parse(&input.principal, &caller.account).ok_or_else(|| {
        AwsError::validation(format!(
            "`{}` is not a principal of account {}: expected an ARN, user/NAME, role/NAME or role/NAME/SESSION",
            input.principal, caller.account
        ))
    })?;
    let facts = question::facts(input.context)?;
    let need = question::need(&input.action, &input.resource, &mut caller)?;
    let imagined = operator.imagine(&named, &caller).await?;
    let explained = operator.explainer.explain(&imagined, &need, &facts).await;
    let Explanation { verdict, steps } = explained.map_err(internal)?;
    let output = Output {
        principal: imagined.principal.arn(),
        action: need.action(),
        resource: need.resource().arn(),
        decision: match verdict {
            Verdict::Allow { .. } => "allowed",
            Verdict::ExplicitDeny { .. } => "explicitDeny",
            Verdict::ImplicitDeny { .. } => "implicitDeny",
        },
        reason: verdict.to_string(),
        statement: verdict.statement().map(Statement::from),
        steps: steps.iter().map(StepOutput::from).collect(),
    };
    serde_json::to_value(output).map_err(internal)
}

impl<'a> From<&'a Step> for StepOutput<'a> {
    fn from(step: &'a Step) -> Self {
        Self {
            layer: step.layer.name(),
            statement: Statement::from(&step.statement),
            effect: step.effect,
            applies: step.obstacle.is_none(),
            obstacle: step.obstacle.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use drawbridge_session::iam::Holder;
    use serde_json::json;

    use super::*;
    use crate::testing::Lab;

    const POLICY: &str = "arn:aws:iam::123456789012:policy/DevAccess";

    async fn ask(lab: &Lab, input: Value) -> Result<Value, AwsError> {
        lab.ask(&OPERATION, lab.house.admin(), input).await
    }

    async fn decision(lab: &Lab, principal: &str, resource: &str, context: Value) -> String {
        let input = json!({
            "Principal": principal, "Action": "ssm:StartSession", "Resource": resource, "Context": context,
        });
        let answer = ask(lab, input).await.expect("answered");
        answer["Reason"].as_str().expect("text").to_owned()
    }

    #[tokio::test]
    async fn tells_the_decision_and_every_statement_about_the_action() {
        let lab = Lab::new().await;
        let resource = "arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0";
        let answer = ask(
            &lab,
            json!({
                "Principal": "user/alice", "Action": "ssm:StartSession", "Resource": resource,
                "Context": [{"Key": "ssm:resourceTag/Environment", "Values": ["Prod"]}],
            }),
        )
        .await;
        assert_eq!(
            answer,
            Ok(json!({
                "Principal": "arn:aws:iam::123456789012:user/alice",
                "Action": "ssm:StartSession",
                "Resource": resource,
                "Decision": "explicitDeny",
                "Reason": format!("denied by {POLICY}/NotToProd, with an explicit deny in an identity-based policy"),
                "Statement": {"Policy": POLICY, "Index": 2, "Sid": "NotToProd"},
                "Steps": [
                    {"Layer": "identity-based policy", "Statement": {"Policy": POLICY, "Index": 0},
                     "Effect": "Allow", "Applies": true},
                    {"Layer": "identity-based policy", "Statement": {"Policy": POLICY, "Index": 2, "Sid": "NotToProd"},
                     "Effect": "Deny", "Applies": true},
                ],
            }))
        );
    }

    #[tokio::test]
    async fn knows_what_a_real_request_would_and_takes_other_facts_in_its_place() {
        let lab = Lab::new().await;
        let (dev, prod) = (lab.dev.id.as_str(), lab.prod.id.as_str());
        let by_team = "allowed by role/Team/own/Statement[0]";
        assert_eq!(decision(&lab, "role/Team", prod, json!([])).await, by_team);
        assert!(
            decision(&lab, "role/Team/bob", dev, json!([]))
                .await
                .starts_with("denied")
        );
        let own_team = json!([{"Key": "aws:resourcetag/team", "Values": ["a"]}]);
        assert_eq!(decision(&lab, "role/Team", dev, own_team).await, by_team);
        let other_team = json!([{"Key": "aws:PrincipalTag/Team", "Values": ["b"]}]);
        assert!(
            decision(&lab, "role/Team", prod, other_team)
                .await
                .starts_with("denied")
        );
        // The hole that lint finds: the deny is about the other kind of node.
        let open = format!("allowed by {POLICY}/Statement[0]");
        assert_eq!(decision(&lab, "user/alice", prod, json!([])).await, open);
    }

    #[tokio::test]
    async fn decides_as_the_server_does() {
        let lab = Lab::new().await;
        let need = |node: &str| Need::on(Resource::node(&lab.house.region, &lab.house.account, node));
        for (principal, caller) in [
            ("user/alice", lab.house.user("alice")),
            ("user/guest", lab.house.user("guest")),
            ("role/Team", lab.house.role("Team", "explain")),
            ("root", lab.house.root_user()),
        ] {
            for node in [&lab.dev, &lab.prod] {
                let id = node.id.as_str();
                let input = json!({"Principal": principal, "Action": "ssm:StartSession", "Resource": id});
                let explained = ask(&lab, input).await.expect("answered");
                let needs = [need(id).or_action("ssm:StartSession")];
                let decided = drawbridge_session::Authority::decide(&lab.house.access, &caller, &needs).await;
                let allowed = matches!(decided, Ok(drawbridge_session::Decision::Allow(_)));
                assert_eq!(explained["Decision"] == "allowed", allowed, "{principal} {id}");
            }
        }
    }

    #[tokio::test]
    async fn a_session_named_like_a_node_of_the_role_is_the_node() {
        let lab = Lab::new().await;
        let principal = format!("role/{}/{}", drawbridge_house::NODE_ROLE, lab.dev.id);
        for (node, allowed) in [(&lab.dev, true), (&lab.prod, false)] {
            let input = json!({
                "Principal": principal, "Action": "ssm:UpdateInstanceInformation", "Resource": node.id,
            });
            let answer = ask(&lab, input).await.expect("answered");
            assert_eq!(answer["Decision"] == "allowed", allowed, "{answer}");
        }
    }

    #[tokio::test]
    async fn policies_say_about_whom_somebody_may_ask() {
        let lab = Lab::new().await;
        let document = r#"{"Statement": {"Effect": "Allow", "Action": "iam:SimulatePrincipalPolicy",
            "Resource": "arn:aws:iam::123456789012:role/teams/*"}}"#;
        lab.house
            .change(|directory| directory.put_inline_policy(Holder::User("guest"), "ask", document))
            .await;
        for (principal, allowed) in [
            ("role/Team", true),
            ("arn:aws:sts::123456789012:assumed-role/Team/bob", true),
            ("role/NoSuchRole", false),
            ("user/alice", false),
            ("user/nobody", false),
            ("root", false),
            ("nonsense", false),
        ] {
            let input = json!({"Principal": principal, "Action": "ssm:StartSession", "Resource": "*"});
            let answer = lab.ask(&OPERATION, lab.house.user("guest"), input).await;
            let denied = answer.is_err_and(|error| error.code() == "AccessDeniedException");
            assert_eq!(denied, !allowed, "{principal}");
        }
    }

    #[tokio::test]
    async fn what_is_wrong_is_named() {
        let lab = Lab::new().await;
        let good = json!({"Principal": "user/alice", "Action": "ssm:StartSession", "Resource": "*"});
        for (member, value, code, text) in [
            (
                "Principal",
                json!("alice"),
                "ValidationException",
                "`alice` is not a principal",
            ),
            (
                "Principal",
                json!("user/bob"),
                "DoesNotExistException",
                "no user `bob`",
            ),
            (
                "Principal",
                json!("role/bob"),
                "DoesNotExistException",
                "no role `bob`",
            ),
            ("Action", json!("StartSession"), "ValidationException", "'action'"),
            ("Action", json!("ssm:*"), "ValidationException", "'action'"),
            (
                "Resource",
                json!("web-1"),
                "ValidationException",
                "`web-1` is not a resource",
            ),
            (
                "Context",
                json!([{"Key": "user", "Values": ["x"]}]),
                "ValidationException",
                "`user` is not",
            ),
            (
                "Context",
                json!(vec![
                    json!({"Key": "aws:TagKeys", "Values": ["x".repeat(2000)]});
                    10
                ]),
                "ValidationException",
                "more than 16384",
            ),
        ] {
            let mut input = good.clone();
            input[member] = value;
            let error = ask(&lab, input).await.expect_err("refused");
            assert_eq!(error.code(), code, "{error}");
            assert!(error.message().contains(text), "{error}");
        }
    }
}
