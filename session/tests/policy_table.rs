//! The table of decisions: every case of `tests/policy/*.json`, its verdict and the statement that made it.

use std::collections::{BTreeMap, BTreeSet};

use drawbridge_session::AccountId;
use drawbridge_session::policy::{
    Context, Identity, NamedPolicy, Policy, PolicyKind, PolicySet, Request, ResourcePolicy, Verdict,
    evaluate, explain, managed_policies,
};
use serde::Deserialize;
use serde_json::{Value, json};

const TABLES: &[(&str, &str)] = &[
    ("combinations", include_str!("policy/combinations.json")),
    ("conditions", include_str!("policy/conditions.json")),
    ("elements", include_str!("policy/elements.json")),
    ("samples", include_str!("policy/samples.json")),
    ("seeds", include_str!("policy/seeds.json")),
    ("variables", include_str!("policy/variables.json")),
];
const MALFORMED: &str = include_str!("policy/malformed.json");

/// One file of cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Those that AWS manages are known by their names as well.
    policies: BTreeMap<String, Value>,
    groups: Vec<Group>,
}

/// Cases with what they have in common.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    #[serde(default)]
    common: Case,
    cases: Vec<Case>,
}

/// A case; what it leaves out is as the group says.
#[derive(Deserialize, Default, Clone)]
#[serde(deny_unknown_fields, default)]
struct Case {
    /// `user/<account>/<name>`, `session/<account>/<role>/<session>`, `root/<account>`, `service/<name>`,
    /// `federated/<provider>` or `anonymous`.
    who: Option<String>,
    action: Option<String>,
    on: Option<String>,
    owner: Option<AccountId>,
    /// A value, a list of values, or null for a key that the request does not have.
    context: BTreeMap<String, Value>,
    identity: Option<Vec<String>>,
    boundary: Option<String>,
    session: Option<Vec<String>>,
    /// The resource's policy, which may allow on its own.
    resource: Option<String>,
    /// The resource's policy, without which nobody is allowed.
    required: Option<String>,
    trust: Option<String>,
    controls: Option<Vec<Vec<String>>>,
    /// Elements that replace those of `probe`, a policy of one statement that allows everything.
    probe: Option<BTreeMap<String, Value>>,
    version: Option<String>,
    /// `allow: <statement>`, `deny: <statement>`, `none: <layer>`; `holds` and `fails` for a probe.
    expect: String,
}

impl Case {
    fn within(mut self, common: &Self) -> Self {
        let common = common.clone();
        self.who = self.who.or(common.who);
        self.action = self.action.or(common.action);
        self.on = self.on.or(common.on);
        self.owner = self.owner.or(common.owner);
        self.identity = self.identity.or(common.identity);
        self.boundary = self.boundary.or(common.boundary);
        self.session = self.session.or(common.session);
        self.resource = self.resource.or(common.resource);
        self.required = self.required.or(common.required);
        self.trust = self.trust.or(common.trust);
        self.controls = self.controls.or(common.controls);
        self.probe = self.probe.or(common.probe);
        self.version = self.version.or(common.version);
        for (key, value) in common.context {
            self.context.entry(key).or_insert(value);
        }
        self
    }

    fn identity(&self) -> Identity {
        let who = self.who.as_deref().unwrap_or("user/123456789012/alice");
        let account = |text: &str| AccountId::parse(text).expect("an account");
        if let Some(provider) = who.strip_prefix("federated/") {
            return Identity::federated(provider);
        }
        match who.split('/').collect::<Vec<_>>().as_slice() {
            ["user", owner, name] => Identity::user(account(owner), "/", name, "AIDAEXAMPLE00000001"),
            ["session", owner, role, session] => {
                Identity::role_session(account(owner), "/", role, session, "AROAEXAMPLE00000001")
            }
            ["root", owner] => Identity::root(account(owner)),
            ["service", name] => Identity::service(name),
            ["anonymous"] => Identity::anonymous(),
            _ => panic!("who is {who}?"),
        }
    }

    fn context(&self, identity: &Identity) -> Context {
        let known = [
            "aws:PrincipalAccount",
            "aws:PrincipalArn",
            "aws:PrincipalType",
            "aws:userid",
            "aws:username",
        ];
        let mut context = Context::new();
        let facts = identity.context();
        for key in known {
            if !self.context.contains_key(key) {
                for value in facts.values(key).unwrap_or_default() {
                    context.add(key, value);
                }
            }
        }
        for (key, value) in &self.context {
            match value {
                Value::Null => {}
                Value::Array(values) => values
                    .iter()
                    .for_each(|value| context.add(key, value.as_str().expect("a string"))),
                value => context.add(key, value.as_str().expect("a string")),
            }
        }
        context
    }

    fn policies(&self, documents: &BTreeMap<String, Value>) -> PolicySet {
        let named = |name: &String, kind| match documents.get(name) {
            Some(document) => {
                let policy = Policy::parse(&document.to_string(), kind)
                    .unwrap_or_else(|error| panic!("policy {name}: {error}"));
                NamedPolicy::new(name, policy)
            }
            None => {
                let managed = managed_policies()
                    .find(|managed| managed.name == name)
                    .unwrap_or_else(|| panic!("no policy {name}"));
                NamedPolicy::shared(name, managed.policy())
            }
        };
        let identity = |name: &String| named(name, PolicyKind::Identity);
        let list = |names: &Vec<String>| names.iter().map(identity).collect::<Vec<_>>();
        let resource = |name: &String| named(name, PolicyKind::Resource);
        let trust = |name: &String| named(name, PolicyKind::Trust);
        PolicySet {
            identity: self.identity.iter().flat_map(list).chain(self.probe()).collect(),
            boundary: self.boundary.as_ref().map(identity),
            session: self.session.as_ref().map(list),
            resource: match (&self.resource, &self.required, &self.trust) {
                (Some(name), ..) => Some(ResourcePolicy::sufficient(resource(name))),
                (_, Some(name), ..) => Some(ResourcePolicy::required(resource(name))),
                (.., Some(name)) => Some(ResourcePolicy::required(trust(name))),
                _ => None,
            },
            service_control: self.controls.iter().flatten().map(list).collect(),
        }
    }

    fn probe(&self) -> Option<NamedPolicy> {
        let elements = self.probe.as_ref()?;
        let mut statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
        for (name, value) in elements {
            if let Some(positive) = name.strip_prefix("Not") {
                statement[positive].take();
            }
            statement[name.as_str()] = value.clone();
        }
        let statement = statement.as_object().expect("an object").clone();
        let kept: serde_json::Map<_, _> = statement
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .collect();
        let version = self.version.as_deref().unwrap_or("2012-10-17");
        let document = json!({"Version": version, "Statement": [kept]}).to_string();
        let policy = Policy::parse(&document, PolicyKind::Identity)
            .unwrap_or_else(|error| panic!("{document}: {error}"));
        Some(NamedPolicy::new("probe", policy))
    }

    fn expected(&self) -> &str {
        match self.expect.as_str() {
            "holds" => "allow: probe/Statement[0]",
            "fails" => "none: identity-based policy",
            other => other,
        }
    }
}

fn show(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Allow { by: Some(by) } => format!("allow: {by}"),
        Verdict::Allow { by: None } => "allow: root".to_owned(),
        Verdict::ExplicitDeny { by, .. } => format!("deny: {by}"),
        Verdict::ImplicitDeny { layer } => format!("none: {}", layer.name()),
    }
}

#[test]
fn every_case_is_decided_as_written() {
    let (mut count, mut wrong) = (0, String::new());
    for (file, text) in TABLES {
        let table: Table = serde_json::from_str(text).unwrap_or_else(|error| panic!("{file}: {error}"));
        let mut unused: BTreeSet<_> = table.policies.keys().cloned().collect();
        for group in table.groups {
            for (index, case) in group.cases.into_iter().enumerate() {
                let case = case.within(&group.common);
                let identity = case.identity();
                let context = case.context(&identity);
                let action = case.action.as_deref().unwrap_or("ssm:StartSession");
                let on = case.on.as_deref().unwrap_or("*");
                let mut request = Request::new(&identity, action, on, &context);
                if let Some(owner) = &case.owner {
                    request = request.owned_by(owner);
                }
                let policies = case.policies(&table.policies);
                let explanation = explain(&request, &policies);
                assert_eq!(explanation.verdict, evaluate(&request, &policies));
                let actual = show(&explanation.verdict);
                if actual != case.expected() {
                    wrong.push_str(&format!(
                        "{file}, {}, case {index}: expected {}, but {explanation}",
                        group.name,
                        case.expected()
                    ));
                }
                count += 1;
                let names = case
                    .identity
                    .iter()
                    .flatten()
                    .chain(&case.boundary)
                    .chain(case.session.iter().flatten())
                    .chain(
                        [&case.resource, &case.required, &case.trust]
                            .into_iter()
                            .flatten(),
                    )
                    .chain(case.controls.iter().flatten().flatten());
                names.for_each(|name| {
                    unused.remove(name);
                });
            }
        }
        assert!(unused.is_empty(), "{file}: no case uses {unused:?}");
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count >= 300, "only {count} cases");
}

/// A document that is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Malformed {
    #[serde(default)]
    kind: Option<String>,
    document: Value,
    error: String,
}

#[test]
fn every_malformed_document_is_refused_with_its_place() {
    let cases: Vec<Malformed> = serde_json::from_str(MALFORMED).expect("valid");
    for case in cases {
        let kind = match case.kind.as_deref() {
            None => PolicyKind::Identity,
            Some("resource") => PolicyKind::Resource,
            Some("trust") => PolicyKind::Trust,
            Some(kind) => panic!("what is {kind}?"),
        };
        let text = match &case.document {
            Value::String(text) => text.clone(),
            document => document.to_string(),
        };
        let error = Policy::parse(&text, kind).expect_err(&case.error);
        assert_eq!(error.to_string(), case.error, "{text}");
    }
}
