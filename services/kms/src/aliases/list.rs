//! `ListAliases`: the aliases of the caller's account and region, or those of one key.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Caller, Resource, SignedWith};
use drawbridge_store::{Alias, KeyPlace, KeyRef, provided};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::error::internal;
use crate::page::Paging;
use crate::{Kms, Operation, input, wire};

pub(crate) const OPERATION: Operation = Operation {
    name: NAME,
    action: "kms:ListAliases",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::READ,
    handler: |kms, call| Box::pin(list(kms, call)),
};

const NAME: &str = "ListAliases";

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Shown<'a> {
    alias_name: &'a str,
    alias_arn: String,
    #[serde(flatten)]
    target: Option<Target<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Target<'a> {
    target_key_id: &'a str,
    #[serde(serialize_with = "wire::epoch")]
    creation_date: Timestamp,
    #[serde(serialize_with = "wire::epoch")]
    last_updated_date: Timestamp,
}

/// What is listed.
enum Listed {
    /// An alias with its key.
    There(Alias),
    /// The name of one of the server's own, whose key is made at its first use. Clients look for the name here before
    /// they ask for the key.
    Promised(String),
}

async fn list(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let (account, region) = (&caller.account, &caller.region);
    let key = match input::text(&input, "KeyId") {
        "" => None,
        text => {
            let resource = Resource::key(region, account, text);
            let place = KeyPlace::parse(resource.arn());
            let own = place.filter(|it| it.account == *account && it.region == *region);
            match own.map(|it| it.key) {
                Some(KeyRef::Id(id)) => Some(id),
                // Another account's aliases are its own affair, and an alias has none.
                Some(KeyRef::Alias(_)) | None => {
                    return Err(AwsError::new(
                        "NotFoundException",
                        format!("{text} is not the id or ARN of a key in this account and region."),
                    ));
                }
            }
        }
    };
    let page = input::read::<Paging>(input)?.page(NAME)?;
    let found = kms
        .store
        .aliases(account, region, key.as_ref(), page.after(), page.wanted())
        .await;
    let found = found.map_err(internal)?;
    let mut listed: Vec<_> = found.into_iter().map(Listed::There).collect();
    if key.is_none() {
        listed.extend(promised(&kms, &caller, page.after()).await?);
        listed.sort_by(|one, other| one.name().cmp(other.name()));
        listed.truncate(page.wanted() as usize);
    }
    Ok(page.answer(
        "Aliases",
        listed,
        |listed| listed.name().to_owned(),
        |listed| input::write(&listed.shown(&caller)).unwrap_or_default(),
    ))
}

/// Finds the server's own aliases that have no key in the caller's account and region.
async fn promised(kms: &Kms, caller: &Caller, after: Option<&str>) -> Result<Vec<Listed>, AwsError> {
    let mut promised = Vec::new();
    for name in provided::aliases().filter(|name| after.is_none_or(|after| name.as_str() > after)) {
        let found = kms.store.alias(&caller.account, &caller.region, &name).await;
        if found.map_err(internal)?.is_none() {
            promised.push(Listed::Promised(name));
        }
    }
    Ok(promised)
}

impl Listed {
    fn name(&self) -> &str {
        match self {
            Self::There(alias) => &alias.name,
            Self::Promised(name) => name,
        }
    }

    fn shown(&self, caller: &Caller) -> Shown<'_> {
        Shown {
            alias_name: self.name(),
            alias_arn: super::arn(caller, self.name()),
            target: match self {
                Self::There(alias) => Some(Target::of(alias)),
                Self::Promised(_) => None,
            },
        }
    }
}

impl<'a> Target<'a> {
    fn of(alias: &'a Alias) -> Self {
        Self {
            target_key_id: alias.key.as_str(),
            creation_date: alias.created_at,
            last_updated_date: alias.updated_at,
        }
    }
}
