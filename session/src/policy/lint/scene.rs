//! Made-up requests.

use super::AttachedTo;
use super::place::{Place, example};
use crate::ids::AccountId;
use crate::policy::condition::Condition;
use crate::policy::context::Context;
use crate::policy::document::Statement;
use crate::policy::evaluate::evaluate;
use crate::policy::identity::Identity;
use crate::policy::request::Request;
use crate::policy::set::PolicySet;
use crate::policy::verdict::Verdict;

/// A value that no policy names.
pub(super) const UNNAMED: &str = "drawbridge-lint";

/// Someone under circumstances.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    identity: Identity,
    context: Context,
}

impl Scene {
    pub(super) fn new(place: &Place, attached: AttachedTo) -> Self {
        let account = AccountId::parse(&place.account)
            .or_else(|_| AccountId::parse("123456789012"))
            .expect("twelve digits are an account");
        let identity = match attached {
            AttachedTo::Role => {
                Identity::role_session(account, "/", UNNAMED, UNNAMED, "AROADRAWBRIDGELINT000")
            }
            AttachedTo::User | AttachedTo::Unknown => {
                Identity::user(account, "/", UNNAMED, "AIDADRAWBRIDGELINT000")
            }
        };
        let context = identity.context();
        Self { identity, context }
    }

    #[must_use]
    pub(super) fn with(mut self, key: &str, value: &str) -> Self {
        self.context.add(key, value);
        self
    }

    /// Adds facts until every condition of the statement holds; `None` where none are found that do.
    pub(super) fn satisfy(mut self, statement: &Statement) -> Option<Self> {
        for condition in &statement.conditions {
            if self.context.lower(condition.key()).is_some() {
                continue;
            }
            let present = candidates(condition, &self.context)
                .into_iter()
                .map(|value| self.context.clone().with(condition.key(), value))
                .find(|context| condition.holds(context, statement.effect));
            if let Some(context) = present {
                self.context = context;
            }
        }
        let satisfied = |condition: &Condition| condition.holds(&self.context, statement.effect);
        statement.conditions.iter().all(satisfied).then_some(self)
    }

    /// Says whether the statement applies to a request.
    pub(super) fn meets(&self, statement: &Statement, action: &str, arn: &str) -> bool {
        statement.applies(&self.request(action, arn)).is_ok()
    }

    pub(super) fn verdict(&self, policies: &PolicySet, action: &str, arn: &str) -> Verdict {
        evaluate(&self.request(action, arn), policies)
    }

    fn request<'a>(&'a self, action: &str, arn: &'a str) -> Request<'a> {
        Request::new(&self.identity, action, arn, &self.context)
    }
}

/// Returns values that may make a condition hold, those that it names first.
fn candidates(condition: &Condition, context: &Context) -> Vec<String> {
    let named = condition.values().iter().filter_map(|value| {
        let network = value
            .split_once('/')
            .map_or(value.as_str(), |(address, _)| address);
        let is_address = network.parse::<std::net::IpAddr>().is_ok();
        resolve(if is_address { network } else { value }, context)
    });
    named.chain([UNNAMED.to_owned(), "0".to_owned()]).collect()
}

/// Puts in wildcards and the one variable that a value may be.
fn resolve(value: &str, context: &Context) -> Option<String> {
    match value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
        Some(key) => context.values(key)?.first().cloned(),
        None => (!value.contains("${")).then(|| example(value)),
    }
}
