//! What a simulation is about: who asks, under which policies and circumstances.

use std::collections::HashMap;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::iam::{Directory, Document, Holder, IamError, PolicyArn, PrincipalPolicies};
use drawbridge_session::policy::{
    Context, Identity, NamedPolicy, Policy, PolicyKind, PolicySet, ResourcePolicy, Span, StatementName,
    Subject,
};
use drawbridge_session::{AccountId, Resource};
use jiff::Timestamp;

use super::work::Work;
use super::{ContextEntry, Input, invalid};

/// The longest value of a context entry, in characters.
const LONGEST_VALUE: usize = 2048;

/// The most that all context entries may take up, in bytes of names and values.
const MOST_CONTEXT: usize = 16 * 1024;

/// Everything but action and resource.
pub(super) struct Scene {
    pub(super) identity: Identity,
    pub(super) context: Context,
    pub(super) policies: PolicySet,
    /// Who owns resources whose ARNs name no account.
    pub(super) owner: AccountId,
    /// Where the statements of the policies stand, by the policies' names.
    spans: HashMap<String, Vec<Span>>,
    work: Work,
}

/// A source that exists.
struct Source {
    policies: PrincipalPolicies,
    /// Who has the policies; a group is nobody who could ask.
    identity: Option<Identity>,
    is_role: bool,
}

impl Scene {
    pub(super) fn new(input: &Input, directory: &Directory) -> Result<Self, AwsError> {
        let account = directory.account();
        let source = match &input.policy_source_arn {
            Some(arn) => Some(source(arn, directory)?),
            None => None,
        };
        let caller = match &input.caller_arn {
            Some(arn) => Some(caller(arn, directory)?),
            None => None,
        };
        let is_role = caller.is_none() && source.as_ref().is_some_and(|source| source.is_role);
        let (own, known) = match source {
            Some(source) => (source.policies, source.identity),
            None => (PrincipalPolicies::default(), None),
        };
        let known = caller.or(known);
        if input.resource_policy.is_some() && (known.is_none() || is_role) {
            return Err(invalid(
                "CallerArn is required, and must be the ARN of an IAM user, when a ResourcePolicy is simulated.",
            ));
        }
        let mut spans = HashMap::new();
        let mut work = Work::default();
        for policy in own.identity.iter().chain(&own.boundary) {
            if let Some(text) = text_of(directory, policy.name()) {
                work.add(text);
                spans.insert(policy.name().to_owned(), Policy::spans(text));
            }
        }
        let mut read = |name: String, text: &str, kind| {
            let policy = Policy::parse(text, kind).map_err(|error| invalid(format!("{name}: {error}")))?;
            work.add(text);
            spans.insert(name.clone(), Policy::spans(text));
            Ok::<_, AwsError>(NamedPolicy::new(name, policy))
        };
        let mut policies = PolicySet {
            identity: own.identity,
            boundary: own.boundary,
            ..PolicySet::default()
        };
        for (index, text) in input.policy_input_list.iter().enumerate() {
            let name = format!("PolicyInputList.{}", index + 1);
            policies.identity.push(read(name, text, PolicyKind::Identity)?);
        }
        match input.permissions_boundary_policy_input_list.as_slice() {
            [] => {}
            [text] => {
                let name = "PermissionsBoundaryPolicyInputList.1".to_owned();
                policies.boundary = Some(read(name, text, PolicyKind::Identity)?);
            }
            _ => {
                return Err(invalid(
                    "Only one permissions boundary policy can be simulated at a time.",
                ));
            }
        }
        if let Some(text) = &input.resource_policy {
            let policy = read("ResourcePolicy".to_owned(), text, PolicyKind::Resource)?;
            policies.resource = Some(ResourcePolicy::sufficient(policy));
        }
        let mut context = known.as_ref().map(Identity::context).unwrap_or_default();
        if is_role {
            // Half of it is the name of a session, which there is none of.
            context.set("aws:userid", Vec::new());
        }
        add_entries(&mut context, &input.context_entries)?;
        Ok(Self {
            identity: known.unwrap_or_else(|| Identity::user(account.clone(), "/", "", "")),
            context,
            policies,
            owner: match &input.resource_owner {
                Some(owner) => account_of(owner)?,
                None => account.clone(),
            },
            spans,
            work,
        })
    }

    /// Returns how many statements each request is compared with.
    pub(super) fn statements(&self) -> usize {
        self.spans.values().map(Vec::len).sum()
    }

    /// Returns what it costs at most to decide on one action and resource, neither of which has more bytes than that.
    pub(super) fn work_of_pair(&self, longest_name: usize) -> usize {
        self.work.of_pair(&self.context, longest_name)
    }

    /// Returns where a statement stands in its policy; one that stands for a policy that is no more has no place.
    pub(super) fn span(&self, statement: &StatementName) -> Option<Span> {
        self.spans.get(&statement.policy)?.get(statement.index).copied()
    }
}

fn source(arn: &str, directory: &Directory) -> Result<Source, AwsError> {
    let wrong = || {
        invalid(format!(
            "Invalid Entity Arn: {arn} does not clearly define entity type and name."
        ))
    };
    let account = directory.account();
    if !arn.starts_with(&format!("arn:aws:iam::{account}:")) {
        return Err(wrong());
    }
    match Resource::at(arn).subject() {
        Subject::User(name) => {
            let user = directory.user(name).map_err(absent)?;
            Ok(Source {
                policies: directory.user_policies(name).unwrap_or_default(),
                identity: Some(Identity::user(
                    account.clone(),
                    user.path.as_str(),
                    &user.name,
                    user.id.as_str(),
                )),
                is_role: false,
            })
        }
        Subject::Group(name) => {
            directory.group(name).map_err(absent)?;
            Ok(Source {
                policies: directory.group_policies(name).unwrap_or_default(),
                identity: None,
                is_role: false,
            })
        }
        Subject::Role(name) => {
            let role = directory.role(name).map_err(absent)?;
            Ok(Source {
                policies: directory.role_policies(name).unwrap_or_default(),
                identity: Some(Identity::role_session(
                    account.clone(),
                    role.path.as_str(),
                    &role.name,
                    "simulation",
                    role.id.as_str(),
                )),
                is_role: true,
            })
        }
        _ => Err(wrong()),
    }
}

/// Returns the user whom a request names as the one who asks; it need not exist in another account.
fn caller(arn: &str, directory: &Directory) -> Result<Identity, AwsError> {
    let wrong = || invalid(format!("Invalid CallerArn: {arn} is not the ARN of an IAM user."));
    let Subject::User(name) = Resource::at(arn).subject().clone() else {
        return Err(wrong());
    };
    let account = account_of(arn).map_err(|_| wrong())?;
    if account == *directory.account()
        && let Ok(user) = directory.user(&name)
    {
        let id = user.id.as_str();
        return Ok(Identity::user(account, user.path.as_str(), &user.name, id));
    }
    let path = arn
        .split_once(":user")
        .and_then(|(_, path)| path.strip_suffix(&name))
        .ok_or_else(wrong)?;
    Ok(Identity::user(account, path, &name, ""))
}

/// Reads an account's id or an ARN that names it.
fn account_of(text: &str) -> Result<AccountId, AwsError> {
    let id = text.split(':').nth(4).unwrap_or(text);
    AccountId::parse(id).map_err(|_| invalid(format!("Invalid ResourceOwner: {text} names no account.")))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` takes")]
fn absent(error: IamError) -> AwsError {
    AwsError::new("NoSuchEntity", error.to_string())
}

/// Finds the text of a policy by the name that decisions show.
fn text_of<'a>(directory: &'a Directory, name: &str) -> Option<&'a str> {
    if let Ok(arn) = PolicyArn::parse(name) {
        let policy = directory.policy(arn.as_str()).ok()?;
        return Some(policy.default_version().document);
    }
    let mut parts = name.splitn(3, '/');
    let (kind, holder, name) = (parts.next()?, parts.next()?, parts.next()?);
    let holder = match kind {
        "user" => Holder::User(holder),
        "group" => Holder::Group(holder),
        "role" => Holder::Role(holder),
        _ => return None,
    };
    directory.inline_policy(holder, name).ok().map(Document::text)
}

fn add_entries(context: &mut Context, entries: &[ContextEntry]) -> Result<(), AwsError> {
    let size: usize = entries.iter().map(ContextEntry::size).sum();
    if size > MOST_CONTEXT {
        return Err(invalid(format!(
            "The context entries have {size} bytes, more than {MOST_CONTEXT}."
        )));
    }
    for entry in entries {
        let name = entry.context_key_name.as_deref().unwrap_or_default();
        if !name.contains(':') {
            return Err(invalid(format!("Invalid Context Key: {name}")));
        }
        let kind = entry.context_key_type.as_deref().unwrap_or("string");
        let (scalar, is_list) = match kind.strip_suffix("List") {
            Some(scalar) => (scalar, true),
            None => (kind, false),
        };
        let values = &entry.context_key_values;
        if !is_list && values.len() > 1 {
            return Err(invalid(format!(
                "Context key {name} of type {kind} has {} values; {kind}List takes several.",
                values.len()
            )));
        }
        let longest = values.iter().map(|value| value.chars().count()).max();
        if let Some(length) = longest.filter(|length| *length > LONGEST_VALUE) {
            return Err(invalid(format!(
                "Context key {name} has a value of {length} characters, more than {LONGEST_VALUE}."
            )));
        }
        if let Some(value) = values.iter().find(|value| !is_of_type(value, scalar)) {
            return Err(invalid(format!(
                "Context key {name} of type {kind} has the invalid value {value}"
            )));
        }
        context.set(name, values.clone());
    }
    Ok(())
}

fn is_of_type(value: &str, scalar: &str) -> bool {
    match scalar {
        "numeric" => value.parse::<f64>().is_ok_and(f64::is_finite),
        "boolean" => value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false"),
        "ip" => {
            let address = value.split_once('/').map_or(value, |(address, _)| address);
            address.parse::<IpAddr>().is_ok()
        }
        "binary" => STANDARD.decode(value).is_ok(),
        "date" => value.parse::<Timestamp>().is_ok() || value.parse::<i64>().is_ok() || is_day(value),
        _ => true,
    }
}

fn is_day(value: &str) -> bool {
    value.parse::<jiff::civil::Date>().is_ok()
}
