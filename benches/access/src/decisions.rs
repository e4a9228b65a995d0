//! Decisions over 20 policies of 20 statements, where every statement is about the action.

use std::hint::black_box;

use drawbridge_session::policy::{Identity, NamedPolicy, Policy, PolicyKind, PolicySet, Request, evaluate};
use drawbridge_session::{AccountId, Clock as _, SystemClock};
use serde_json::{Value, json};

const POLICIES: usize = 20;
const STATEMENTS: usize = 20;
const ROUNDS: usize = 15;
const DECISIONS_PER_ROUND: usize = 5_000;

pub(crate) fn run() {
    let account = AccountId::parse("123456789012").expect("an account");
    let identity = Identity::user(account, "/", "alice", "AIDAALICE");
    let context = identity
        .context()
        .with("ssm:resourceTag/Environment", "Dev")
        .with("aws:SourceIp", "192.0.2.7")
        .with("aws:CurrentTime", "2026-01-02T03:04:05Z");
    let arn = "arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0";
    for (what, last) in [
        ("allowed by the last statement", true),
        ("allowed by none", false),
    ] {
        let policies = policies(last);
        let decide = || {
            let request = Request::new(&identity, "ssm:StartSession", arn, &context);
            evaluate(&request, &policies)
        };
        assert_eq!(
            decide().is_allowed(),
            last,
            "the policies are what they are meant to be"
        );
        println!(
            "decision over {POLICIES} x {STATEMENTS} statements, {what}: {:.2} us",
            median_us(&decide)
        );
    }
}

fn median_us<T>(decide: &dyn Fn() -> T) -> f64 {
    let clock = SystemClock::new();
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let before = clock.monotonic();
            for _ in 0..DECISIONS_PER_ROUND {
                black_box(decide());
            }
            let took = clock.monotonic() - before;
            took.as_secs_f64() * 1e6 / DECISIONS_PER_ROUND as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn policies(allowing: bool) -> PolicySet {
    let identity = (0..POLICIES).map(|number| {
        let is_last = number + 1 == POLICIES;
        let statements: Vec<Value> = (0..STATEMENTS)
            .map(|at| statement(number, at, allowing && is_last && at + 1 == STATEMENTS))
            .collect();
        let text = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
        let policy = Policy::parse(&text, PolicyKind::Identity).expect("a valid document");
        NamedPolicy::new(format!("policy-{number}"), policy)
    });
    PolicySet {
        identity: identity.collect(),
        ..PolicySet::default()
    }
}

/// Statements as people write them: each looks at the resource, most at a tag, some at the address or the hour.
fn statement(policy: usize, at: usize, allows: bool) -> Value {
    let tag = if allows {
        "Dev".to_owned()
    } else {
        format!("Team-{policy}-{at}")
    };
    let mut conditions = json!({ "StringLike": { "ssm:resourceTag/Environment": tag } });
    if at % 4 == 1 {
        conditions["IpAddress"] = json!({ "aws:SourceIp": ["10.0.0.0/8", "192.0.2.0/24"] });
    }
    if at % 4 == 2 {
        conditions["DateGreaterThan"] = json!({ "aws:CurrentTime": "2020-01-01T00:00:00Z" });
    }
    json!({
        "Effect": if at % 5 == 4 && !allows { "Deny" } else { "Allow" },
        "Action": ["ssm:StartSession", "ssm:TerminateSession"],
        "Resource": ["arn:aws:ec2:*:*:instance/*", "arn:aws:ssm:*:*:document/SSM-*"],
        "Condition": conditions,
    })
}
