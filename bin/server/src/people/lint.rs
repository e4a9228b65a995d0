//! `drawbridge policy lint`: policies that do not do what they look like.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use drawbridge_plugin::api::{PolicyHolder, PolicyText};
use drawbridge_session::policy::{
    AttachedTo, Finding, MAX_DOCUMENT_BYTES, NamedPolicy, Policy, PolicyError, PolicyKind, Severity,
    lint as judge,
};
use serde::Serialize;
use serde_json::Value;

use super::style::{Style, Tone};
use super::table::{json, printable};
use super::{api, refused};
use crate::cli::Lint;
use crate::exit::{BAD_CONFIGURATION, FINDINGS, Failure};

/// A finding, and who has the policies in which it was found.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    finding: Finding,
    /// Empty for a file.
    of: Vec<String>,
}

/// `drawbridge policy lint`.
pub(crate) async fn lint(arguments: Lint) -> Result<ExitCode> {
    let found = if arguments.all || arguments.principal.is_some() {
        of_server(&arguments).await?
    } else {
        of_files(&arguments)?
    };
    if arguments.json {
        let list: Vec<_> = found.iter().map(Output::from).collect();
        print!("{}", json(&list)?);
    } else {
        print!("{}", text(&found, Style::of_standard_output()));
    }
    let bad = found.iter().any(|found| found.finding.severity > Severity::Note);
    Ok(if bad {
        ExitCode::from(FINDINGS)
    } else {
        ExitCode::SUCCESS
    })
}

fn of_files(arguments: &Lint) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    let mut malformed = Vec::new();
    for file in &arguments.files {
        let name = if file.as_os_str() == "-" {
            "standard input".to_owned()
        } else {
            file.display().to_string()
        };
        let text = read(file).with_context(|| format!("cannot read `{name}`"))?;
        match parse(&text) {
            Ok(policy) => {
                let findings = judge(&[NamedPolicy::new(name, policy)], AttachedTo::Unknown);
                found.extend(findings.into_iter().map(|finding| Found {
                    finding,
                    of: Vec::new(),
                }));
            }
            Err(error) => malformed.push(format!("`{name}`: {error}")),
        }
    }
    if malformed.is_empty() {
        return Ok(found);
    }
    let sentence = format!("MalformedPolicyDocument: {}", malformed.join("\n  and "));
    Err(Failure::new(BAD_CONFIGURATION, sentence).into())
}

async fn of_server(arguments: &Lint) -> Result<Vec<Found>> {
    let holders = arguments.principal.as_deref().map(holder).transpose()?;
    let api = api(&arguments.server)?;
    let holders = match holders {
        Some(holder) => vec![holder],
        None => api.policy_holders().await.map_err(refused)?,
    };
    let mut reader = api.policies();
    let mut found: Vec<Found> = Vec::new();
    for holder in holders {
        let attached = match holder {
            PolicyHolder::User(_) => AttachedTo::User,
            PolicyHolder::Role(_) => AttachedTo::Role,
        };
        let texts = reader.of(&holder).await.map_err(refused)?;
        let policies = texts.iter().map(named).collect::<Result<Vec<_>>>()?;
        for finding in judge(&policies, attached) {
            match found.iter_mut().find(|found| found.finding == finding) {
                Some(found) => found.of.push(holder.to_string()),
                None => found.push(Found {
                    finding,
                    of: vec![holder.to_string()],
                }),
            }
        }
    }
    found.sort_by_key(|found| std::cmp::Reverse(found.finding.severity));
    Ok(found)
}

fn holder(text: &str) -> Result<PolicyHolder> {
    match text.split_once('/') {
        Some(("user", name)) if !name.is_empty() => Ok(PolicyHolder::User(name.to_owned())),
        Some(("role", name)) if !name.is_empty() => Ok(PolicyHolder::Role(name.to_owned())),
        _ => Err(Failure::new(
            BAD_CONFIGURATION,
            format!("`{text}` is not a principal: expected user/NAME or role/NAME"),
        )
        .into()),
    }
}

fn named(text: &PolicyText) -> Result<NamedPolicy> {
    let policy = Policy::parse(&text.document, PolicyKind::Identity)
        .with_context(|| format!("cannot read the policy `{}`", text.name))?;
    Ok(NamedPolicy::new(&text.name, policy))
}

/// Reads no more than tells that a document is too long.
fn read(file: &Path) -> std::io::Result<String> {
    let most = MAX_DOCUMENT_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(file)?.take(most).read_to_end(&mut bytes)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads a document of any kind; those that name principals are of a resource, or of a role's trust.
fn parse(text: &str) -> Result<Policy, PolicyError> {
    let document: Value = serde_json::from_str(text).unwrap_or_default();
    let statements = match &document["Statement"] {
        Value::Array(list) => list.as_slice(),
        single => std::slice::from_ref(single),
    };
    let has = |names: [&str; 2]| {
        let mut elements = statements.iter().filter_map(Value::as_object);
        elements.any(|statement| names.iter().any(|name| statement.contains_key(*name)))
    };
    let kind = if !has(["Principal", "NotPrincipal"]) {
        PolicyKind::Identity
    } else if has(["Resource", "NotResource"]) {
        PolicyKind::Resource
    } else {
        PolicyKind::Trust
    };
    Policy::parse(text, kind)
}

fn text(found: &[Found], style: Style) -> String {
    if found.is_empty() {
        return "no findings\n".to_owned();
    }
    let mut text = String::new();
    for Found { finding, of } in found {
        let tone = match finding.severity {
            Severity::Note => Tone::Faint,
            Severity::Warning => Tone::Warning,
            Severity::Danger => Tone::Bad,
        };
        // The lines of a finding are its own; what policies say stays within them.
        let shown = finding.to_string();
        for (index, line) in shown.lines().map(printable).enumerate() {
            let line = match line.split_once(':') {
                Some((severity, rest)) if index == 0 => format!("{}:{rest}", style.paint(tone, severity)),
                _ => line,
            };
            writeln!(text, "{line}").expect("writing to a String cannot fail");
        }
        if !of.is_empty() {
            let of = printable(&of.join(", "));
            writeln!(text, "of: {of}").expect("writing to a String cannot fail");
        }
        text.push('\n');
    }
    text.push_str(&summary(found));
    text
}

fn summary(found: &[Found]) -> String {
    let count = |severity, noun: &str| {
        let count = found.iter().filter(|it| it.finding.severity == severity).count();
        (count > 0).then(|| format!("{count} {noun}{}", if count == 1 { "" } else { "s" }))
    };
    let counts = [
        count(Severity::Danger, "danger"),
        count(Severity::Warning, "warning"),
        count(Severity::Note, "note"),
    ];
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    format!("{}\n", counts.join(", "))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output<'a> {
    policy: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    severity: &'static str,
    rule: &'static str,
    message: &'a str,
    hint: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    of: &'a [String],
}

impl<'a> From<&'a Found> for Output<'a> {
    fn from(Found { finding, of }: &'a Found) -> Self {
        let statement = finding.statement.as_ref();
        Self {
            policy: &finding.policy,
            index: statement.map(|statement| statement.index),
            sid: statement.and_then(|statement| statement.sid.as_deref()),
            severity: finding.severity.name(),
            rule: finding.rule,
            message: &finding.message,
            hint: &finding.hint,
            of,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEV_ACCESS: &str = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "ssm:StartSession", "Resource": "*"},
        {"Sid": "DenySMtoProd", "Effect": "Deny", "Action": "ssm:StartSession",
         "Resource": ["arn:aws:ec2:*:*:instance/*"],
         "Condition": {"StringLike": {"ssm:resourceTag/Environment": "Prod"}}}
    ]}"#;

    fn found(document: &str, of: &[&str]) -> Vec<Found> {
        let policy = NamedPolicy::new("SSMDevAccess", parse(document).expect("valid"));
        let found = |finding| Found {
            finding,
            of: of.iter().map(|name| (*name).to_owned()).collect(),
        };
        judge(&[policy], AttachedTo::User)
            .into_iter()
            .map(found)
            .collect()
    }

    #[test]
    fn a_finding_says_what_is_open_and_what_to_add() {
        let text = text(&found(DEV_ACCESS, &["user/alice", "user/bob"]), Style::Plain);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("danger: `SSMDevAccess/DenySMtoProd` "),
            "{text}"
        );
        assert!(
            lines[0].ends_with("(tag-deny-misses-managed-instances)"),
            "{text}"
        );
        assert!(lines[1].starts_with("hint: "), "{text}");
        assert!(lines[1].contains("arn:aws:ssm:*:*:managed-instance/*"), "{text}");
        assert_eq!(lines[2], "of: user/alice, user/bob");
        assert!(text.ends_with("\n\n1 danger\n"), "{text}");
    }

    #[test]
    fn nothing_is_a_sentence() {
        assert_eq!(text(&[], Style::Plain), "no findings\n");
    }

    #[test]
    fn tells_the_kinds_of_documents_apart() {
        let kind =
            |statement: &str| parse(&format!(r#"{{"Statement": {statement}}}"#)).map(|policy| policy.kind());
        let allow = r#""Effect": "Allow", "Action": "s3:GetObject""#;
        assert_eq!(
            kind(&format!(r#"[{{{allow}, "Resource": "*"}}]"#)),
            Ok(PolicyKind::Identity)
        );
        assert_eq!(
            kind(&format!(r#"{{{allow}, "Resource": "*", "Principal": "*"}}"#)),
            Ok(PolicyKind::Resource)
        );
        assert_eq!(
            kind(&format!(r#"{{{allow}, "Principal": "*"}}"#)),
            Ok(PolicyKind::Trust)
        );
        let error = kind(r#"[{"Effect": "Permit", "Action": "*", "Resource": "*"}]"#).expect_err("malformed");
        assert_eq!(error.to_string(), "Statement[0].Effect: must be Allow or Deny");
        assert!(parse("[").is_err() && parse("").is_err());
    }
}
