//! The operations on aliases.

pub(crate) mod change;
pub(crate) mod delete;
pub(crate) mod list;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Caller, Need, Needs, Resource};
use drawbridge_store::provided;
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

/// Refuses what is no name of an alias, and the server's own names.
fn check_name(name: &str) -> Result<&str, AwsError> {
    check_form(name)?;
    if name.starts_with(provided::PREFIX) {
        return Err(AwsError::new(
            "InvalidAliasNameException",
            format!("Aliases under {} are the server's own.", provided::PREFIX),
        ));
    }
    Ok(name)
}

/// Refuses what is no name of an alias.
fn check_form(name: &str) -> Result<(), AwsError> {
    let Some(rest) = name.strip_prefix("alias/") else {
        return Err(AwsError::validation(format!(
            "Alias must start with the prefix \"alias/\"; {name} does not."
        )));
    };
    // The model lets colons pass, which part an ARN.
    if rest.is_empty() || rest.contains(':') {
        return Err(AwsError::validation(format!(
            "{name} contains invalid characters for an alias, or nothing after its prefix."
        )));
    }
    Ok(())
}

fn not_found(caller: &Caller, name: &str) -> AwsError {
    AwsError::new(
        "NotFoundException",
        format!("Alias {} is not found.", arn(caller, name)),
    )
}
