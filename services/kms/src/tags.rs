//! The operations on tags of keys.

use std::collections::HashSet;
use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith, Tag};
use drawbridge_store::tags::MAX_TAGS;
use drawbridge_store::{TagError, TagsOf};
use serde_json::{Value, json};

use crate::error::{internal, wrong_state};
use crate::page::Paging;
use crate::{Kms, Operation, input, needs};

pub(crate) const TAG: Operation = Operation {
    name: "TagResource",
    action: "kms:TagResource",
    signed_with: SignedWith::AccessKey,
    needs: |caller, input| {
        let need = needs::key(caller, input);
        need.with_request_tags(&input::tags(input)).into()
    },
    audit: Audit::WRITE,
    handler: |kms, call| Box::pin(tag(kms, call)),
};

pub(crate) const UNTAG: Operation = Operation {
    name: "UntagResource",
    action: "kms:UntagResource",
    signed_with: SignedWith::AccessKey,
    needs: |caller, input| {
        let need = needs::key(caller, input);
        need.with_tag_keys(input::texts(input, "TagKeys")).into()
    },
    audit: Audit::WRITE,
    handler: |kms, call| Box::pin(untag(kms, call)),
};

pub(crate) const LIST: Operation = Operation {
    name: LIST_NAME,
    action: "kms:ListResourceTags",
    signed_with: SignedWith::AccessKey,
    needs: needs::just_key,
    audit: Audit::READ,
    handler: |kms, call| Box::pin(list(kms, call)),
};

const LIST_NAME: &str = "ListResourceTags";

async fn tag(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let key = kms.own(call.caller(), call.allowed(), 0).await?;
    let (_, _, input) = call.into_parts();
    let tags = input::tags(&input);
    check(&tags)?;
    key.changeable().map_err(|wrong| wrong_state(&key, wrong))?;
    match kms.store.add_tags(TagsOf::key(&key), &tags).await {
        Ok(()) => Ok(json!({})),
        Err(TagError::TooMany) => Err(AwsError::new(
            "LimitExceededException",
            format!("A key has at most {MAX_TAGS} tags."),
        )),
        Err(TagError::SameKey) => Err(invalid("Tag keys of a key must differ by more than their case.")),
        Err(TagError::Store(error)) => Err(internal(error)),
    }
}

async fn untag(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let key = kms.own(call.caller(), call.allowed(), 0).await?;
    let (_, _, input) = call.into_parts();
    let keys: Vec<_> = input::texts(&input, "TagKeys").map(str::to_owned).collect();
    if keys.len() > MAX_TAGS {
        return Err(invalid(format!("At most {MAX_TAGS} tag keys can be given.")));
    }
    key.changeable().map_err(|wrong| wrong_state(&key, wrong))?;
    let removed = kms.store.remove_tags(TagsOf::key(&key), &keys).await;
    removed.map_err(internal)?;
    Ok(json!({}))
}

async fn list(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let key = kms.own(call.caller(), call.allowed(), 0).await?;
    let (_, _, input) = call.into_parts();
    let page = input::read::<Paging>(input)?.page(LIST_NAME)?;
    let tags = kms.store.tags(TagsOf::key(&key)).await.map_err(internal)?;
    let name = |tag: &Tag| tag.key.clone();
    let tags = page.cut(tags, name);
    Ok(page.answer(
        "Tags",
        tags,
        name,
        |tag| json!({"TagKey": tag.key, "TagValue": tag.value}),
    ))
}

/// Refuses tags that a key cannot have.
pub(crate) fn check(tags: &[Tag]) -> Result<(), AwsError> {
    if tags.len() > MAX_TAGS {
        return Err(invalid(format!("At most {MAX_TAGS} tags can be given.")));
    }
    let mut keys = HashSet::new();
    for tag in tags {
        if tag.key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid("Tag keys that start with aws: are reserved."));
        }
        if !keys.insert(tag.key.to_ascii_lowercase()) {
            return Err(invalid(format!("Tag key {} is given more than once.", tag.key)));
        }
    }
    Ok(())
}

fn invalid(text: impl Into<String>) -> AwsError {
    AwsError::new("TagException", text)
}
