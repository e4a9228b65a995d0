//! The operations on aliases.

pub(crate) mod change;
pub(crate) mod delete;
pub(crate) mod list;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Caller, Need, Needs, Resource};
use drawbridge_store::{KeyPlace, KeyRef, provided};
use serde_json::Value;

use crate::{input, needs};

/// Needs the operation's action on the alias, where the account's own policies decide, and on the key.
fn needs_both(caller: &Caller, input: &Value) -> Needs {
    let key = needs::key_at(caller, input, "TargetKeyId");
    vec![key, alias(caller, input)].into()
}

/// Needs the operation's action on the alias that a request names.
fn alias(caller: &Caller, input: &Value) -> Need {
    let name = input::text(input, "AliasName");
    Need::on(Resource::plain(arn(caller, name)))
}

fn arn(caller: &Caller, name: &str) -> String {
    format!("arn:aws:kms:{}:{}:{name}", caller.region, caller.account)
}

/// Refuses a name that aliases of customers cannot have.
fn check_name<'a>(caller: &Caller, name: &'a str) -> Result<&'a str, AwsError> {
    let invalid = |text: String| Err(AwsError::new("InvalidAliasNameException", text));
    let place = KeyPlace::parse(&arn(caller, name));
    if !place.is_some_and(|place| matches!(place.key, KeyRef::Alias(_))) {
        return invalid(format!("Alias names begin with alias/; {name} does not."));
    }
    if name.starts_with(provided::PREFIX) {
        return invalid(format!(
            "Aliases under {} are the server's own.",
            provided::PREFIX
        ));
    }
    Ok(name)
}

fn not_found(caller: &Caller, name: &str) -> AwsError {
    AwsError::new(
        "NotFoundException",
        format!("Alias {} is not found.", arn(caller, name)),
    )
}
