//! `drawbridge explain`: why somebody may or may not do something, and who may.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use drawbridge_plugin::api::{Api, ExplainedDecision, Fact, Grantees, On, Question, Step};

use super::style::{Style, Tone};
use super::table::{columns, json, printable};
use super::{api, node_id, refused};
use crate::cli::Explain;
use crate::exit::DENIED;

/// The most targets that a cell of the table names.
const MOST_NAMED: usize = 3;

/// `drawbridge explain`.
pub(crate) async fn explain(arguments: Explain) -> Result<ExitCode> {
    let api = api(&arguments.server)?;
    let facts = facts(arguments.context);
    if let (Some(action), Some(on)) = (&arguments.who_can, &arguments.on) {
        let on = target(&api, on).await?;
        let grantees = api.who_can(action, &on, &facts).await.map_err(refused)?;
        if arguments.json {
            print!("{}", json(&grantees)?);
            return Ok(ExitCode::SUCCESS);
        }
        print!("{}", who_can(action, &on, &grantees));
        if !grantees.principals.is_empty() && grantees.targets.iter().any(|target| target.imagined) {
            eprintln!("`mi-*` and `i-*` stand for any other node that gets the tag and has no other");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let question = Question {
        principal: arguments.principal.unwrap_or_default(),
        action: arguments.action.unwrap_or_default(),
        resource: resource(&api, &arguments.resource.unwrap_or_default()).await?,
        facts,
    };
    let decision = api.explain_decision(&question).await.map_err(refused)?;
    if arguments.json {
        print!("{}", json(&decision)?);
    } else {
        print!("{}", trace(&decision, Style::of_standard_output()));
    }
    Ok(if decision.decision == "allowed" {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(DENIED)
    })
}

fn facts(pairs: Vec<(String, String)>) -> Vec<Fact> {
    let mut facts: Vec<Fact> = Vec::new();
    for (key, value) in pairs {
        match facts.iter_mut().find(|fact| fact.key.eq_ignore_ascii_case(&key)) {
            Some(fact) => fact.values.push(value),
            None => facts.push(Fact {
                key,
                values: vec![value],
            }),
        }
    }
    facts
}

async fn target(api: &Api, on: &str) -> Result<On> {
    let tag = on.strip_prefix("tag:").and_then(|tag| tag.split_once('='));
    Ok(match tag {
        Some((key, value)) => On::Tag {
            key: key.to_owned(),
            value: value.to_owned(),
        },
        None => On::Resource(resource(api, on).await?),
    })
}

/// What the server takes: an ARN or `*` as it is, the id of a node that was named in any way.
async fn resource(api: &Api, named: &str) -> Result<String> {
    if named == "*" || named.starts_with("arn:") {
        return Ok(named.to_owned());
    }
    node_id(api, named).await
}

/// The verdict, then by layer each statement about the action.
fn trace(decision: &ExplainedDecision, style: Style) -> String {
    let ExplainedDecision {
        principal,
        action,
        resource,
        reason,
        steps,
        ..
    } = decision;
    let allowed = decision.decision == "allowed";
    let (verdict, tone, verb) = if allowed {
        ("allowed", Tone::Good, "may")
    } else {
        ("denied", Tone::Bad, "may not")
    };
    let mut text = String::new();
    let mut line = |cells: &str| writeln!(text, "{cells}").expect("writing to a String cannot fail");
    line(&format!(
        "{}: {} {verb} {} on {}",
        style.paint(tone, verdict),
        printable(principal),
        printable(action),
        printable(resource)
    ));
    line(&format!("  {}", printable(reason)));
    if steps.is_empty() {
        line("");
        line(&format!("no policy has a statement about {}", printable(action)));
    }
    let width = steps.iter().map(|step| name(step).chars().count()).max();
    let width = width.unwrap_or_default();
    let mut layer = "";
    for step in steps {
        if step.layer != layer {
            layer = &step.layer;
            line("");
            line(&style.paint(Tone::Heading, &printable(layer)));
        }
        let effect = format!("{:<5}", printable(&step.effect));
        let outcome = match &step.obstacle {
            None if step.effect == "Deny" => style.paint(Tone::Bad, "applies"),
            None => style.paint(Tone::Good, "applies"),
            Some(obstacle) => style.paint(Tone::Faint, &format!("does not apply: {}", printable(obstacle))),
        };
        line(&format!("  {effect}  {:<width$}  {outcome}", name(step)));
    }
    text
}

fn name(step: &Step) -> String {
    printable(&step.statement.to_string())
}

/// One row for each statement that lets somebody.
fn who_can(action: &str, on: &On, grantees: &Grantees) -> String {
    if grantees.principals.is_empty() {
        let on = match on {
            On::Resource(resource) => resource.clone(),
            On::Tag { key, value } => format!("tag:{key}={value}"),
        };
        return format!("no user or role may {action} on {on}\n");
    }
    let rows: Vec<[String; 3]> = grantees
        .principals
        .iter()
        .flat_map(|grantee| grantee.grants.iter().map(move |grant| (grantee, grant)))
        .map(|(grantee, grant)| {
            [
                printable(&grantee.principal),
                printable(&listed(&grant.targets, grantees.targets.len())),
                printable(&grant.statement.to_string()),
            ]
        })
        .collect();
    columns(["PRINCIPAL", "MAY ON", "BECAUSE OF"], &rows)
}

fn listed(targets: &[String], of: usize) -> String {
    if targets.len() == of && of > 1 {
        return format!("all {of}");
    }
    // Those that stand for others come last and say the most.
    let mut shown: Vec<&str> = targets.iter().map(String::as_str).collect();
    if shown.len() > MOST_NAMED {
        let left = shown.len() - MOST_NAMED;
        shown.drain(1..=left);
        return format!("{} and {left} more", shown.join(", "));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use drawbridge_plugin::api::{Grant, Grantee, Statement, Target};

    use super::*;

    const NODE: &str = "arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0";

    fn statement(policy: &str, index: usize, sid: Option<&str>) -> Statement {
        Statement {
            policy: policy.to_owned(),
            index,
            sid: sid.map(str::to_owned),
        }
    }

    fn decision() -> ExplainedDecision {
        let step = |layer: &str, statement, effect: &str, obstacle: Option<&str>| Step {
            layer: layer.to_owned(),
            statement,
            effect: effect.to_owned(),
            applies: obstacle.is_none(),
            obstacle: obstacle.map(str::to_owned),
        };
        let identity = "identity-based policy";
        ExplainedDecision {
            principal: "arn:aws:iam::123456789012:user/alice".to_owned(),
            action: "ssm:StartSession".to_owned(),
            resource: NODE.to_owned(),
            decision: "explicitDeny".to_owned(),
            reason: "denied by Dev/NotToProd, with an explicit deny in an identity-based policy".to_owned(),
            statement: Some(statement("Dev", 2, Some("NotToProd"))),
            steps: vec![
                step(identity, statement("Dev", 0, None), "Allow", None),
                step(identity, statement("Dev", 2, Some("NotToProd")), "Deny", None),
                step(
                    "permissions boundary",
                    statement("Limit", 0, None),
                    "Allow",
                    Some("StringEquals aws:PrincipalTag/Team: the request has \"\u{1b}[2Ja\""),
                ),
            ],
        }
    }

    #[test]
    fn the_verdict_comes_first_and_then_each_layer() {
        assert_eq!(
            trace(&decision(), Style::Plain),
            "\
denied: arn:aws:iam::123456789012:user/alice may not ssm:StartSession on arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0
  denied by Dev/NotToProd, with an explicit deny in an identity-based policy

identity-based policy
  Allow  Dev/Statement[0]    applies
  Deny   Dev/NotToProd       applies

permissions boundary
  Allow  Limit/Statement[0]  does not apply: StringEquals aws:PrincipalTag/Team: the request has \"\u{fffd}[2Ja\"
"
        );
    }

    #[test]
    fn colours_change_nothing_but_the_colour() {
        let coloured = trace(&decision(), Style::Coloured);
        assert!(coloured.starts_with("\u{1b}[31mdenied\u{1b}[0m: "));
        let mut plain = coloured;
        for code in ["0", "1", "2", "31", "32", "33"] {
            plain = plain.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(plain, trace(&decision(), Style::Plain));
    }

    #[test]
    fn says_so_when_no_statement_is_about_it() {
        let decision = ExplainedDecision {
            decision: "implicitDeny".to_owned(),
            reason: "denied because no identity-based policy allows it".to_owned(),
            steps: Vec::new(),
            ..decision()
        };
        assert!(trace(&decision, Style::Plain).ends_with(
            "\n  denied because no identity-based policy allows it\n\nno policy has a statement about \
                 ssm:StartSession\n"
        ));
    }

    #[test]
    fn a_row_for_each_statement_that_lets_somebody() {
        let target = |id: &str| Target {
            id: id.to_owned(),
            resource: String::new(),
            imagined: false,
        };
        let grant = |targets: &[&str], statement| Grant {
            targets: targets.iter().map(|id| (*id).to_owned()).collect(),
            statement,
        };
        let ids = ["mi-1", "mi-2", "mi-3", "mi-*", "i-*"];
        let grantees = Grantees {
            targets: ids.map(target).to_vec(),
            principals: vec![
                Grantee {
                    principal: "user/admin".to_owned(),
                    grants: vec![grant(&ids, statement("Admin", 0, None))],
                },
                Grantee {
                    principal: "user/alice".to_owned(),
                    grants: vec![
                        grant(&ids[..4], statement("Dev", 0, None)),
                        grant(&ids[4..], statement("Dev", 1, Some("Instances"))),
                    ],
                },
            ],
        };
        let on = On::Tag {
            key: "Environment".to_owned(),
            value: "Prod".to_owned(),
        };
        assert_eq!(
            who_can("ssm:StartSession", &on, &grantees),
            "\
PRINCIPAL   MAY ON                       BECAUSE OF
user/admin  all 5                        Admin/Statement[0]
user/alice  mi-1, mi-3, mi-* and 1 more  Dev/Statement[0]
user/alice  i-*                          Dev/Instances
"
        );
        assert_eq!(
            who_can("ssm:StartSession", &on, &Grantees::default()),
            "no user or role may ssm:StartSession on tag:Environment=Prod\n"
        );
    }

    #[test]
    fn values_of_one_key_are_put_together() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let given = facts(vec![
            pair("aws:TagKeys", "a"),
            pair("aws:SourceIp", "10.0.0.1"),
            pair("AWS:tagkeys", "b=c"),
        ]);
        assert_eq!(given[0].values, ["a", "b=c"]);
        assert_eq!(given.len(), 2);
    }
}
