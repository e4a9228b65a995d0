//! `ListAliases`: the aliases of the caller's account and region, or those of one key.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Resource, SignedWith};
use drawbridge_store::{Alias, KeyPlace, KeyRef};
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
    target_key_id: &'a str,
    #[serde(serialize_with = "wire::epoch")]
    creation_date: Timestamp,
    #[serde(serialize_with = "wire::epoch")]
    last_updated_date: Timestamp,
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
    Ok(page.answer(
        "Aliases",
        found.map_err(internal)?,
        |alias| alias.name.clone(),
        |alias| input::write(&Shown::of(alias)).unwrap_or_default(),
    ))
}

impl<'a> Shown<'a> {
    fn of(alias: &'a Alias) -> Self {
        Self {
            alias_name: &alias.name,
            alias_arn: alias.arn(),
            target_key_id: alias.key.as_str(),
            creation_date: alias.created_at,
            last_updated_date: alias.updated_at,
        }
    }
}
