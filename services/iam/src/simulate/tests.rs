use std::sync::Arc;

use drawbridge_aws_dialects::model;
use drawbridge_house::House;
use drawbridge_session::Clock as _;
use drawbridge_session::iam::{Bounded, Holder, NewGroup, NewPolicy, NewRole, NewUser};
use serde_json::json;

use super::*;

const OWN: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": "ssm:TerminateSession",
      "Resource": "arn:aws:ssm:*:*:session/${aws:username}-*"
    },
    {
      "Effect": "Deny",
      "Action": "ssm:StartSession",
      "Resource": "arn:aws:ec2:*:*:instance/*",
      "Condition": {"StringLike": {"ssm:resourceTag/Environment": "Prod"}}
    }
  ]
}"#;
const START: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ssm:StartSession","Resource":"*"}]}"#;
const ALICE: &str = "arn:aws:iam::123456789012:user/alice";
const INSTANCE: &str = "arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0";

struct Lab {
    house: House,
    iam: Arc<Iam>,
}

impl Lab {
    /// Has alice with the inline policy `Own`, in the group `dev` that gives `Start`, and the role `/app/Web` with
    /// `Start`, bounded by AWS's read-only policy.
    async fn new() -> Self {
        let house = House::new().await;
        let (now, random) = (house.clock.now(), Arc::clone(&house.random));
        house
            .change(|directory| {
                let user = NewUser {
                    name: "alice",
                    ..NewUser::default()
                };
                directory.create_user(user, now, random.as_ref())?;
                directory.put_inline_policy(Holder::User("alice"), "Own", OWN)?;
                let group = NewGroup {
                    name: "dev",
                    path: None,
                };
                directory.create_group(group, now, random.as_ref())?;
                directory.add_user_to_group("dev", "alice")?;
                let policy = NewPolicy {
                    name: "Start",
                    document: START,
                    ..NewPolicy::default()
                };
                let start = directory.create_policy(policy, now, random.as_ref())?.arn.to_string();
                directory.attach_policy(Holder::Group("dev"), &start)?;
                let role = NewRole {
                    name: "Web",
                    path: Some("/app/"),
                    trust: r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}}"#,
                    ..NewRole::default()
                };
                directory.create_role(role, &|_| true, now, random.as_ref())?;
                directory.attach_policy(Holder::Role("Web"), &start)?;
                directory.put_boundary(Bounded::Role("Web"), "arn:aws:iam::aws:policy/ReadOnlyAccess")
            })
            .await;
        let iam = Iam::new(house.foundation());
        Self {
            iam: Arc::new(iam),
            house,
        }
    }

    async fn ask(&self, operation: &Operation, input: Value) -> Result<Value, AwsError> {
        self.house
            .ask(&self.iam, model::iam(), operation, self.house.admin(), input)
            .await
    }

    async fn result(&self, operation: &Operation, input: Value) -> Value {
        let answer = self.ask(operation, input).await.expect("answered");
        assert_eq!(answer["IsTruncated"], false);
        answer["EvaluationResults"][0].clone()
    }

    async fn decision(&self, operation: &Operation, input: Value) -> String {
        let result = self.result(operation, input).await;
        result["EvalDecision"].as_str().expect("text").to_owned()
    }
}

fn prod() -> Value {
    json!([{"ContextKeyName": "ssm:resourceTag/Environment", "ContextKeyType": "string", "ContextKeyValues": ["Prod"]}])
}

#[tokio::test]
async fn a_user_has_its_own_policies_and_those_of_its_groups() {
    let lab = Lab::new().await;
    let input = json!({"PolicySourceArn": ALICE, "ActionNames": ["ssm:StartSession"]});
    assert_eq!(
        lab.result(&PRINCIPAL, input.clone()).await,
        json!({
            "EvalActionName": "ssm:StartSession",
            "EvalResourceName": "*",
            "EvalDecision": "allowed",
            "MatchedStatements": [{
                "SourcePolicyId": "Start", "SourcePolicyType": "IAM Policy",
                "StartPosition": {"Line": 1, "Column": 38}, "EndPosition": {"Line": 1, "Column": 99},
            }],
            "MissingContextValues": ["ssm:resourceTag/Environment"],
            "OrganizationsDecisionDetail": {"AllowedByOrganizations": true},
        })
    );
    let mut denied = input;
    denied["ResourceArns"] = json!([INSTANCE]);
    denied["ContextEntries"] = prod();
    let statement = json!([{
        "SourcePolicyId": "user_alice_Own", "SourcePolicyType": "IAM Policy",
        "StartPosition": {"Line": 8, "Column": 7}, "EndPosition": {"Line": 14, "Column": 6},
    }]);
    let result = lab.result(&PRINCIPAL, denied).await;
    assert_eq!(result["EvalDecision"], "explicitDeny");
    assert_eq!(result["MatchedStatements"], statement);
    assert_eq!(
        result["ResourceSpecificResults"],
        json!([{
            "EvalResourceName": INSTANCE, "EvalResourceDecision": "explicitDeny",
            "MatchedStatements": statement, "MissingContextValues": [],
        }])
    );
}

#[tokio::test]
async fn groups_and_roles_are_sources_and_boundaries_limit() {
    let lab = Lab::new().await;
    let input = |source: &str| {
        let source = format!("arn:aws:iam::123456789012:{source}");
        json!({"PolicySourceArn": source, "ActionNames": ["ssm:StartSession"]})
    };
    assert_eq!(lab.decision(&PRINCIPAL, input("group/dev")).await, "allowed");
    let result = lab.result(&PRINCIPAL, input("role/app/Web")).await;
    assert_eq!(result["EvalDecision"], "implicitDeny");
    assert_eq!(
        result["PermissionsBoundaryDecisionDetail"],
        json!({"AllowedByPermissionsBoundary": false})
    );
    let mut other_boundary = input("role/app/Web");
    other_boundary["PermissionsBoundaryPolicyInputList"] = json!([START]);
    assert_eq!(lab.decision(&PRINCIPAL, other_boundary).await, "allowed");
}

#[tokio::test]
async fn further_policies_count_with_those_of_the_source() {
    let lab = Lab::new().await;
    let deny = START.replace("Allow", "Deny");
    let result = lab
        .result(
            &PRINCIPAL,
            json!({"PolicySourceArn": ALICE, "ActionNames": ["ssm:StartSession"], "PolicyInputList": [START, deny]}),
        )
        .await;
    assert_eq!(result["EvalDecision"], "explicitDeny");
    assert_eq!(
        result["MatchedStatements"][0]["SourcePolicyId"],
        "PolicyInputList.2"
    );
    assert_eq!(result["MatchedStatements"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_caller_gives_names_to_the_variables() {
    let lab = Lab::new().await;
    let session = "arn:aws:ssm:us-east-1:123456789012:session/alice-0123456789abcdef0";
    let input = json!({
        "PolicyInputList": [OWN], "ActionNames": ["ssm:TerminateSession"], "ResourceArns": [session],
    });
    let result = lab.result(&CUSTOM, input.clone()).await;
    assert_eq!(result["EvalDecision"], "implicitDeny");
    assert_eq!(result["MatchedStatements"], json!([]));
    assert_eq!(
        result["ResourceSpecificResults"][0]["MissingContextValues"],
        json!(["aws:username"])
    );
    for (caller, decision) in [
        (ALICE, "allowed"),
        ("arn:aws:iam::123456789012:user/x/bob", "implicitDeny"),
        ("arn:aws:iam::210987654321:user/y/alice", "implicitDeny"),
    ] {
        let mut input = input.clone();
        input["CallerArn"] = json!(caller);
        let result = lab.result(&CUSTOM, input).await;
        assert_eq!(result["EvalDecision"], decision, "{caller}");
        assert_eq!(
            result["ResourceSpecificResults"][0]["MissingContextValues"],
            json!([])
        );
    }
}

#[tokio::test]
async fn a_resource_policy_counts_within_and_across_accounts() {
    let lab = Lab::new().await;
    let bucket = r#"{"Statement": {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:user/alice"},
        "Action": "s3:GetObject", "Resource": "*"}}"#;
    let nothing = START;
    let everything = r#"{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}"#;
    let input = |own: &str, owner: &str| {
        json!({
            "PolicyInputList": [own], "ActionNames": ["s3:GetObject"], "ResourceArns": ["arn:aws:s3:::bucket/key"],
            "ResourcePolicy": bucket, "CallerArn": ALICE, "ResourceOwner": owner,
        })
    };
    let (here, there) = ("arn:aws:iam::123456789012:root", "210987654321");
    let result = lab.result(&CUSTOM, input(nothing, here)).await;
    assert_eq!(result["EvalDecision"], "allowed");
    assert_eq!(
        result["MatchedStatements"][0]["SourcePolicyType"],
        "Resource Policy"
    );
    assert_eq!(result.get("EvalDecisionDetails"), None);
    let result = lab.result(&CUSTOM, input(nothing, there)).await;
    assert_eq!(result["EvalDecision"], "implicitDeny");
    assert_eq!(
        result["EvalDecisionDetails"],
        json!({"IAM Policy": "implicitDeny", "Resource Policy": "allowed"})
    );
    assert_eq!(lab.decision(&CUSTOM, input(everything, there)).await, "allowed");
}

#[tokio::test]
async fn every_action_meets_every_resource_page_by_page() {
    let lab = Lab::new().await;
    let mut input = json!({
        "PolicyInputList": [START], "ActionNames": ["ssm:StartSession", "ssm:ResumeSession"],
        "ResourceArns": [INSTANCE, "*"], "MaxItems": 3,
    });
    let first = lab.ask(&CUSTOM, input.clone()).await.expect("answered");
    assert_eq!(first["IsTruncated"], true);
    input["Marker"] = first["Marker"].clone();
    let second = lab.ask(&CUSTOM, input).await.expect("answered");
    assert_eq!(second["IsTruncated"], false);
    let pairs: Vec<_> = [first, second]
        .iter()
        .flat_map(|answer| answer["EvaluationResults"].as_array().expect("a list").clone())
        .map(|result| format!("{} {}", result["EvalActionName"], result["EvalDecision"]))
        .collect();
    let (start, resume) = (
        r#""ssm:StartSession" "allowed""#,
        r#""ssm:ResumeSession" "implicitDeny""#,
    );
    assert_eq!(pairs, [start, start, resume, resume]);
}

#[tokio::test]
async fn context_entries_have_the_types_of_aws() {
    let lab = Lab::new().await;
    let decide = async |operator: &str, wanted: &str, kind: &str, values: Value| {
        let policy = json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {operator: {"aws:Some": wanted}},
        }});
        let input = json!({
            "PolicyInputList": [policy.to_string()], "ActionNames": ["ssm:StartSession"],
            "ContextEntries": [{"ContextKeyName": "aws:Some", "ContextKeyType": kind, "ContextKeyValues": values}],
        });
        let answer = lab.ask(&CUSTOM, input).await;
        answer.map(|answer| answer["EvaluationResults"][0]["EvalDecision"] == "allowed")
    };
    for (operator, wanted, kind, values) in [
        ("StringEquals", "a", "string", json!(["a"])),
        ("ForAllValues:StringLike", "a*", "stringList", json!(["a", "ab"])),
        ("NumericLessThan", "5", "numeric", json!(["4.5"])),
        ("ForAnyValue:NumericEquals", "5", "numericList", json!(["4", "5"])),
        ("Bool", "true", "boolean", json!(["True"])),
        (
            "ForAnyValue:Bool",
            "true",
            "booleanList",
            json!(["false", "true"]),
        ),
        ("IpAddress", "10.0.0.0/8", "ip", json!(["10.1.2.3"])),
        (
            "ForAllValues:IpAddress",
            "10.0.0.0/8",
            "ipList",
            json!(["10.1.2.3"]),
        ),
        ("BinaryEquals", "QQ==", "binary", json!(["QQ=="])),
        ("ForAnyValue:BinaryEquals", "QQ==", "binaryList", json!(["QQ=="])),
        (
            "DateGreaterThan",
            "2018-08-16T12:00:00Z",
            "date",
            json!(["2019-04-25T11:00:00Z"]),
        ),
        (
            "ForAnyValue:DateLessThan",
            "2018-08-16T12:00:00Z",
            "dateList",
            json!(["2017-01-01"]),
        ),
    ] {
        assert_eq!(
            decide(operator, wanted, kind, values).await,
            Ok(true),
            "{operator} {kind}"
        );
    }
    for (kind, values) in [
        ("numeric", json!(["four"])),
        ("boolean", json!(["yes"])),
        ("ip", json!(["localhost"])),
        ("binary", json!(["!"])),
        ("date", json!(["tomorrow"])),
        ("string", json!(["a", "b"])),
    ] {
        let error = decide("StringEquals", "a", kind, values).await.expect_err(kind);
        assert_eq!(error.code(), "InvalidInput");
        assert!(error.message().contains("aws:Some of type"), "{error}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let lab = Lab::new().await;
    let good = json!({"PolicySourceArn": ALICE, "ActionNames": ["ssm:StartSession"]});
    let user = |name: &str| format!("arn:aws:iam::123456789012:user/{name}");
    for (member, value, code, text) in [
        ("PolicySourceArn", json!(user("nobody")), "NoSuchEntity", "nobody"),
        (
            "PolicySourceArn",
            json!("arn:aws:sts::123456789012:assumed-role/a/b"),
            "InvalidInput",
            "assumed-role",
        ),
        ("ActionNames", json!(["ssm:*"]), "InvalidInput", "ssm:*"),
        (
            "ActionNames",
            json!(["StartSession"]),
            "InvalidInput",
            "StartSession",
        ),
        ("ResourceArns", json!(["web-1"]), "InvalidInput", "web-1"),
        (
            "PolicyInputList",
            json!([START, "{}"]),
            "InvalidInput",
            "PolicyInputList.2: Statement: Missing required field",
        ),
        (
            "PermissionsBoundaryPolicyInputList",
            json!([START, START]),
            "InvalidInput",
            "Only one",
        ),
        (
            "ResourcePolicy",
            json!(START),
            "InvalidInput",
            "Missing required field Principal",
        ),
        (
            "ResourceOwner",
            json!("me"),
            "InvalidInput",
            "me names no account",
        ),
        (
            "CallerArn",
            json!("arn:aws:iam::123456789012:role/app/Web"),
            "InvalidInput",
            "CallerArn",
        ),
        (
            "ContextEntries",
            json!([{"ContextKeyName": "username", "ContextKeyValues": ["a"]}]),
            "InvalidInput",
            "username",
        ),
        ("Marker", json!("x"), "InvalidInput", "Marker: x"),
    ] {
        let mut input = good.clone();
        input[member] = value;
        let error = lab.ask(&PRINCIPAL, input).await.expect_err(member);
        assert_eq!(error.code(), code, "{error}");
        assert!(error.message().contains(text), "{error}");
    }
    let elsewhere = json!({
        "PolicySourceArn": "arn:aws:iam::210987654321:user/alice", "ActionNames": ["ssm:StartSession"],
    });
    let error = lab.ask(&PRINCIPAL, elsewhere).await.expect_err("refused");
    assert_eq!(error.code(), "AccessDenied");
    let role = json!({
        "PolicySourceArn": "arn:aws:iam::123456789012:role/app/Web", "ActionNames": ["s3:GetObject"],
        "ResourcePolicy": r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}}"#,
    });
    let error = lab.ask(&PRINCIPAL, role).await.expect_err("refused");
    assert!(error.message().starts_with("CallerArn is required"), "{error}");
}

#[tokio::test]
async fn policies_say_whose_policies_somebody_may_simulate() {
    let lab = Lab::new().await;
    let document = r#"{"Statement": {"Effect": "Allow", "Action": "iam:SimulatePrincipalPolicy",
        "Resource": "arn:aws:iam::123456789012:role/app/*"}}"#;
    lab.house
        .change(|directory| directory.put_inline_policy(Holder::User("alice"), "ask", document))
        .await;
    for (source, allowed) in [
        ("arn:aws:iam::123456789012:role/app/Web", true),
        ("arn:aws:iam::123456789012:role/Web", true),
        ("arn:aws:iam::123456789012:role/app2/No", false),
        (ALICE, false),
    ] {
        let input = json!({"PolicySourceArn": source, "ActionNames": ["ssm:StartSession"]});
        let caller = lab.house.user("alice");
        assert_eq!(
            lab.house.allows(&PRINCIPAL, caller, input).await,
            allowed,
            "{source}"
        );
    }
    let custom = json!({"PolicyInputList": [START], "ActionNames": ["ssm:StartSession"]});
    assert!(!lab.house.allows(&CUSTOM, lab.house.user("alice"), custom).await);
}

#[tokio::test]
async fn policies_that_meet_many_pairs_are_answered_in_shorter_pages() {
    let lab = Lab::new().await;
    let statement = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
    let long = format!(r#"{{"Statement":[{}]}}"#, [statement; 2000].join(","));
    let resources: Vec<_> = (0..200).map(|n| format!("arn:aws:s3:::bucket/{n}")).collect();
    let input = json!({
        "PolicyInputList": [long], "ActionNames": ["s3:GetObject"], "ResourceArns": resources, "MaxItems": 1000,
    });
    let answer = lab.ask(&CUSTOM, input).await.expect("answered");
    assert_eq!(answer["IsTruncated"], true);
    let results = answer["EvaluationResults"].as_array().expect("a list").len();
    assert!((1..=MOST_STATEMENTS / 2000 + 1).contains(&results), "{results}");
}

/// Asks with one context entry about one policy, whose only condition has these values.
async fn with_context(lab: &Lab, wanted: &str, values: &[String]) -> Result<Value, AwsError> {
    let policy = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": {"ForAnyValue:StringLike": {"aws:Some": wanted}},
    }});
    let input = json!({
        "PolicyInputList": [policy.to_string()], "ActionNames": ["ssm:StartSession"],
        "ContextEntries": [{
            "ContextKeyName": "aws:Some", "ContextKeyType": "stringList", "ContextKeyValues": values,
        }],
    });
    lab.ask(&CUSTOM, input).await
}

#[tokio::test]
async fn context_entries_are_bounded() {
    let lab = Lab::new().await;
    let pattern = format!("*a{}b*", "?".repeat(50_000));
    let long = |length: usize| "\u{e9}".repeat(length);
    for (values, text) in [
        (vec!["a".repeat(300_000)], "300008 bytes, more than 16384"),
        (
            vec![long(2049)],
            "aws:Some has a value of 2049 characters, more than 2048",
        ),
        (vec!["a".repeat(2047); 9], "18431 bytes, more than 16384"),
    ] {
        let error = with_context(&lab, &pattern, &values).await.expect_err(text);
        assert_eq!(error.code(), "InvalidInput");
        assert!(error.message().contains(text), "{error}");
    }
    let answer = with_context(&lab, "*", &[long(2048)]).await.expect("answered");
    assert_eq!(answer["EvaluationResults"][0]["EvalDecision"], "allowed");
}

#[tokio::test]
async fn simulations_that_cost_too_much_even_for_one_pair_are_refused() {
    let lab = Lab::new().await;
    let pattern = format!("*a{}b*", "?".repeat(50_000));
    let long = with_context(&lab, &pattern, &["a".repeat(2048)]).await;
    let many = with_context(&lab, &pattern, &vec![String::new(); 3000]).await;
    let grown = with_context(&lab, &"${aws:Some}".repeat(1000), &["a".repeat(2048)]).await;
    for refused in [long, many, grown] {
        let error = refused.expect_err("refused");
        assert_eq!(error.code(), "InvalidInput");
        assert!(error.message().contains("more than 100000000"), "{error}");
    }
}

#[tokio::test]
async fn long_resources_and_patterns_make_pages_shorter() {
    let lab = Lab::new().await;
    let arn = |n: usize| format!("arn:aws:s3:::{n:04}{}", "a".repeat(1983));
    let pattern = format!("arn:aws:s3:::*{}b", "?a".repeat(500));
    let ask = async |patterns: usize, first: usize| {
        let policy = json!({"Statement": {
            "Effect": "Allow", "Action": "*", "Resource": vec![&pattern; patterns],
        }});
        let input = json!({
            "PolicyInputList": [policy.to_string()], "ActionNames": ["s3:GetObject"],
            "ResourceArns": (0..20).map(arn).collect::<Vec<_>>(), "MaxItems": 1000, "Marker": first.to_string(),
        });
        let answer = lab.ask(&CUSTOM, input).await;
        answer.map(|answer| answer["EvaluationResults"].as_array().expect("a list").clone())
    };
    // Each pair costs its ten patterns of a good 1,000 bytes times 2,000.
    let results = ask(10, 16).await.expect("answered");
    assert_eq!(results.len(), 4);
    assert_eq!(results[0]["EvalResourceName"], arn(16));
    let bytes = 20 * (pattern.len() + 3);
    let results = ask(20, 0).await.expect("answered");
    assert!(
        (1..=MOST_WORK / (bytes * 2000)).contains(&results.len()),
        "{}",
        results.len()
    );
    let error = ask(100, 0).await.expect_err("refused");
    assert!(error.message().contains("too large"), "{error}");
    assert_eq!(ask(1, usize::MAX).await, Ok(Vec::new()));
}

#[tokio::test]
async fn simulations_wait_for_their_turn() {
    let lab = Lab::new().await;
    let turns = Arc::clone(&lab.iam.simulations);
    let taken = turns.acquire_many(2).await.expect("open");
    tokio::time::pause();
    let input = json!({"PolicyInputList": [START], "ActionNames": ["ssm:StartSession"]});
    let waiting = lab.ask(&CUSTOM, input.clone());
    let waited = tokio::time::timeout(std::time::Duration::from_secs(60), waiting).await;
    assert!(waited.is_err(), "answered out of turn");
    drop(taken);
    assert_eq!(lab.decision(&CUSTOM, input).await, "allowed");
}
