//! What lint says about the documents of the table of decisions: every finding in them is real and listed here.

use std::collections::BTreeMap;

use drawbridge_session::policy::{AttachedTo, NamedPolicy, Policy, PolicyKind, lint};
use serde::Deserialize;
use serde_json::Value;

const TABLES: &[&str] = &[
    include_str!("policy/samples.json"),
    include_str!("policy/seeds.json"),
];

/// Policy, findings as `<severity> <rule> <statement>`.
const EXPECTED: &[(&str, &[&str])] = &[
    // Made to be wide.
    ("admin", &["note allow-everything admin/Statement[0]"]),
    // Whoever may start SSH only may start a shell: a session without a document name asks for no document.
    ("by-tag", &["danger document-check-missing by-tag/Finance"]),
    // The shell is denied by its document's name, which a request need not give.
    ("mfa", &["danger document-check-missing mfa/Statement[0]"]),
    // The lab's own gap, which its last task walks through.
    (
        "SSMDevAccess",
        &["danger tag-deny-misses-managed-instances SSMDevAccess/DenySMtoProd"],
    ),
];

#[derive(Deserialize)]
struct Table {
    policies: BTreeMap<String, Value>,
}

fn judge(attached: AttachedTo) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for table in TABLES {
        let table: Table = serde_json::from_str(table).expect("a table");
        for (name, document) in table.policies {
            let text = document.to_string();
            let policy = [PolicyKind::Identity, PolicyKind::Resource, PolicyKind::Trust]
                .into_iter()
                .find_map(|kind| Policy::parse(&text, kind).ok())
                .unwrap_or_else(|| panic!("{name} is no policy"));
            let findings = lint(&[NamedPolicy::new(&name, policy)], attached);
            let show = findings.iter().map(|finding| {
                let statement = finding.statement.as_ref().expect("every rule names a statement");
                format!("{} {} {statement}", finding.severity.name(), finding.rule)
            });
            if !findings.is_empty() {
                found.push((name, show.collect()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_finding_in_a_known_policy_is_a_real_one() {
    let mut expected: Vec<_> = EXPECTED
        .iter()
        .map(|(name, findings)| {
            (
                name.to_string(),
                findings
                    .iter()
                    .map(|finding| finding.to_string())
                    .collect::<Vec<_>>(),
            )
        })
        .collect();
    expected.sort();
    assert_eq!(judge(AttachedTo::User), expected);
}

#[test]
fn what_is_written_for_users_is_noted_where_it_may_be_for_roles() {
    let rule = "note username-variable-for-roles";
    let noted = judge(AttachedTo::Unknown)
        .into_iter()
        .filter(|(_, findings)| findings.iter().any(|finding| finding.starts_with(rule)));
    let names: Vec<_> = noted.map(|(name, _)| name).collect();
    assert_eq!(
        names,
        ["SSMDevAccess", "administrator", "by-tag", "s3-no-sudo", "s3-sudo"]
    );
}
