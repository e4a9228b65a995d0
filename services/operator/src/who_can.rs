//! `WhoCan`: the users and roles of the account that may do something, and the statements that let them.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::policy::{StatementName, Verdict};
use drawbridge_session::{Audit, Call, Caller, Need, Resource, SignedWith, Tag};
use drawbridge_store::TagsOf;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::internal;
use crate::explain::SIMULATE;
use crate::principals::{self, Named};
use crate::question::{self, Fact, Statement};
use crate::{Operation, Operator};

pub(crate) const OPERATION: Operation = Operation {
    name: "WhoCan",
    action: "drawbridge:WhoCan",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Need::also(SIMULATE, Resource::any()).into(),
    audit: Audit::READ,
    handler: |operator, call| Box::pin(who_can(operator, call)),
};

/// How many principals one answer judges where the request does not say.
const PAGE: usize = 100;

/// The most nodes that one question is about: with a page of principals, what is decided in some tenths of a second.
const MOST_NODES: usize = 500;

/// How many nodes are read from the store at once.
const BATCH: u32 = 200;

/// Stand for the nodes of either kind that may yet get the tag; no node has these ids.
const IMAGINED: [(&str, &str); 2] = [("mi-*", "mi-00000000000000000"), ("i-*", "i-00000000000000000")];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    action: String,
    resource: Option<String>,
    tag: Option<Tag>,
    #[serde(default)]
    context: Vec<Fact>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// What the question is about: a resource, or one of several nodes.
struct Target {
    id: String,
    need: Need,
    imagined: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output<'a> {
    targets: Vec<TargetSummary<'a>>,
    principals: Vec<Grantee<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct TargetSummary<'a> {
    id: &'a str,
    resource: &'a str,
    imagined: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Grantee<'a> {
    principal: String,
    grants: Vec<Grant<'a>>,
}

/// The targets that one statement opens.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Grant<'a> {
    targets: Vec<&'a str>,
    statement: Statement<'a>,
}

async fn who_can(operator: Arc<Operator>, call: Call) -> Result<Value, AwsError> {
    let (mut caller, _, input) = call.into_parts();
    let input: Input = question::read(input)?;
    let facts = question::facts(input.context)?;
    let targets = match (&input.resource, &input.tag) {
        (Some(resource), None) => vec![Target {
            id: resource.clone(),
            need: question::need(&input.action, resource, &mut caller)?,
            imagined: false,
        }],
        (None, Some(tag)) => operator.tagged(&input.action, tag, &caller).await?,
        _ => return Err(AwsError::validation("Give either Resource or Tag.")),
    };
    let after = input
        .next_token
        .as_deref()
        .map(|token| {
            Named::parse(token, &caller.account)
                .ok_or_else(|| AwsError::validation(format!("`{token}` is not a token of this operation")))
        })
        .transpose()?;
    let limit = input.max_results.unwrap_or(PAGE);
    let directory = operator.directory(&caller)?;
    let mut judged: Vec<Caller> = principals::everyone(&directory, after.as_ref(), &caller)
        .take(limit + 1)
        .collect();
    let more = judged.len() > limit;
    judged.truncate(limit);

    let needs: Vec<Need> = targets.iter().map(|target| target.need.clone()).collect();
    let surveyed = operator.explainer.survey(&judged, &needs, &facts).await;
    let verdicts = surveyed.map_err(internal)?;
    let grantees = judged.iter().zip(&verdicts).map(|(caller, verdicts)| Grantee {
        principal: shown(caller),
        grants: grants(&targets, verdicts),
    });
    let output = Output {
        targets: targets.iter().map(TargetSummary::from).collect(),
        principals: grantees.filter(|grantee| !grantee.grants.is_empty()).collect(),
        next_token: judged
            .last()
            .filter(|_| more)
            .map(|caller| principals::place_of(&caller.principal)),
    };
    serde_json::to_value(output).map_err(internal)
}

impl Operator {
    /// Finds the nodes with a tag, and imagines one of either kind that has no other.
    async fn tagged(&self, action: &str, tag: &Tag, caller: &Caller) -> Result<Vec<Target>, AwsError> {
        let target = |id: &str, node: &str, imagined| Target {
            id: id.to_owned(),
            need: question::asked(action, Resource::node(&caller.region, &caller.account, node)),
            imagined,
        };
        let mut targets = Vec::new();
        let mut after = None;
        loop {
            let nodes = self
                .store
                .nodes_after(&caller.account, &caller.region, after.as_ref(), BATCH)
                .await
                .map_err(internal)?;
            for node in &nodes {
                let tags = self.store.tags(TagsOf::node(node)).await.map_err(internal)?;
                if tags.contains(tag) {
                    targets.push(target(node.id.as_str(), node.id.as_str(), false));
                }
            }
            if targets.len() > MOST_NODES {
                return Err(AwsError::validation(format!(
                    "More than {MOST_NODES} nodes have the tag {}={}; ask about one of them by its id.",
                    tag.key, tag.value
                )));
            }
            match nodes.last() {
                Some(last) if nodes.len() >= BATCH as usize => after = Some(last.id.clone()),
                _ => break,
            }
        }
        let service = if action.starts_with("ec2:") {
            "ec2:ResourceTag"
        } else {
            "ssm:resourceTag"
        };
        for (id, node) in IMAGINED {
            let mut imagined = target(id, node, true);
            for prefix in [service, "aws:ResourceTag"] {
                let key = format!("{prefix}/{}", tag.key);
                imagined.need = imagined.need.with(&key, tag.value.as_str());
            }
            targets.push(imagined);
        }
        Ok(targets)
    }
}

/// Groups the targets that somebody may by the statement that allows them.
fn grants<'a>(targets: &'a [Target], verdicts: &'a [Verdict]) -> Vec<Grant<'a>> {
    let mut groups: Vec<(&StatementName, Vec<&str>)> = Vec::new();
    for (target, verdict) in targets.iter().zip(verdicts) {
        let Verdict::Allow { by: Some(by) } = verdict else {
            continue;
        };
        match groups.iter_mut().find(|(name, _)| *name == by) {
            Some((_, ids)) => ids.push(&target.id),
            None => groups.push((by, vec![&target.id])),
        }
    }
    let grant = |(name, targets): (&'a StatementName, Vec<&'a str>)| Grant {
        targets,
        statement: Statement::from(name),
    };
    groups.into_iter().map(grant).collect()
}

/// Returns the ARN of a user or role.
fn shown(caller: &Caller) -> String {
    match caller.principal.role() {
        Some(role) => format!("arn:aws:iam::{}:role{}{}", caller.account, role.path, role.name),
        None => caller.principal.arn(),
    }
}

impl<'a> From<&'a Target> for TargetSummary<'a> {
    fn from(target: &'a Target) -> Self {
        Self {
            id: &target.id,
            resource: target.need.resource().arn(),
            imagined: target.imagined,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::Lab;

    const ADMIN: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
    const DEV: &str = "arn:aws:iam::123456789012:policy/DevAccess";

    async fn ask(lab: &Lab, input: Value) -> Result<Value, AwsError> {
        lab.ask(&OPERATION, lab.house.admin(), input).await
    }

    fn on_prod() -> Value {
        json!({"Action": "ssm:StartSession", "Tag": {"Key": "Environment", "Value": "Prod"}})
    }

    #[tokio::test]
    async fn lists_who_may_on_nodes_with_a_tag_and_by_which_statement() {
        let lab = Lab::new().await;
        let prod = lab.prod.id.as_str();
        let arn = |resource: &str| format!("arn:aws:{resource}");
        let statement = |policy: &str| json!({"Policy": policy, "Index": 0});
        let node = "ssm:us-east-1:123456789012:managed-instance";
        assert_eq!(
            ask(&lab, on_prod()).await,
            Ok(json!({
                "Targets": [
                    {"Id": prod, "Resource": arn(&format!("{node}/{prod}")), "Imagined": false},
                    {"Id": "mi-*", "Resource": arn(&format!("{node}/mi-00000000000000000")), "Imagined": true},
                    {"Id": "i-*", "Resource": arn("ec2:us-east-1:123456789012:instance/i-00000000000000000"),
                     "Imagined": true},
                ],
                "Principals": [
                    {"Principal": "arn:aws:iam::123456789012:user/admin",
                     "Grants": [{"Targets": [prod, "mi-*", "i-*"], "Statement": statement(ADMIN)}]},
                    // The deny keeps her from one kind of node only.
                    {"Principal": "arn:aws:iam::123456789012:user/alice",
                     "Grants": [{"Targets": [prod, "mi-*"], "Statement": statement(DEV)}]},
                    // Of the team's: the tag of the question says nothing about the team.
                    {"Principal": "arn:aws:iam::123456789012:role/teams/Team",
                     "Grants": [{"Targets": [prod], "Statement": statement("role/Team/own")}]},
                ],
            }))
        );
    }

    #[tokio::test]
    async fn answers_about_one_node_or_any_resource() {
        let lab = Lab::new().await;
        let names = |answer: Value| -> Vec<String> {
            let principals = answer["Principals"].as_array().expect("a list").clone();
            let name = |one: Value| one["Principal"].as_str().expect("text").to_owned();
            principals.into_iter().map(name).collect()
        };
        let node = json!({"Action": "ssm:StartSession", "Resource": lab.dev.id});
        let both = [
            "arn:aws:iam::123456789012:user/admin",
            "arn:aws:iam::123456789012:user/alice",
        ];
        assert_eq!(names(ask(&lab, node).await.expect("answered")), both);
        let own = json!({
            "Action": "ssm:TerminateSession",
            "Resource": "arn:aws:ssm:us-east-1:123456789012:session/alice-0123456789abcdef0",
        });
        assert_eq!(names(ask(&lab, own).await.expect("answered")), both);
        let anything = json!({"Action": "iam:CreateUser", "Resource": "*"});
        assert_eq!(names(ask(&lab, anything).await.expect("answered")), both[..1]);
    }

    #[tokio::test]
    async fn pages_go_through_users_and_roles_once_each() {
        let lab = Lab::new().await;
        let (mut seen, mut token) = (Vec::new(), None);
        for _ in 0..10 {
            let mut input = on_prod();
            input["MaxResults"] = json!(1);
            if let Some(token) = token {
                input["NextToken"] = token;
            }
            let answer = ask(&lab, input).await.expect("answered");
            seen.extend(answer["Principals"].as_array().expect("a list").clone());
            token = answer.get("NextToken").cloned();
            if token.is_none() {
                break;
            }
        }
        let whole = ask(&lab, on_prod()).await.expect("answered");
        assert_eq!(Value::Array(seen), whole["Principals"]);
    }

    #[tokio::test]
    async fn asks_for_the_permission_over_everybody() {
        let lab = Lab::new().await;
        let answer = lab.ask(&OPERATION, lab.house.user("alice"), on_prod()).await;
        let error = answer.expect_err("denied");
        assert!(
            error
                .message()
                .contains("perform: iam:SimulatePrincipalPolicy on resource: *"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn what_is_wrong_is_named() {
        let lab = Lab::new().await;
        for (input, text) in [
            (json!({"Action": "ssm:StartSession"}), "Give either"),
            (
                json!({"Action": "a:b", "Resource": "*", "Tag": {"Key": "k", "Value": "v"}}),
                "Give either",
            ),
            (
                json!({"Action": "a:b", "Resource": "*", "NextToken": "x"}),
                "`x` is not a token",
            ),
            (json!({"Action": "a:b", "Resource": "x"}), "`x` is not a resource"),
        ] {
            let error = ask(&lab, input).await.expect_err("refused");
            assert_eq!(error.code(), "ValidationException");
            assert!(error.message().contains(text), "{error}");
        }
    }
}
