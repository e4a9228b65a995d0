//! The operations on the tags of groups: by ARN, and the older ones by name.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Caller, Need, Resource, SignedWith, Tag};
use drawbridge_store::{LogGroup, TagError, TagsOf};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{internal, invalid_parameter};
use crate::name::named;
use crate::{Logs, Operation, input};

/// Tags as this service writes them.
pub(crate) type TagMap = BTreeMap<String, String>;

pub(crate) const TAG: Operation = Operation {
    name: "TagResource",
    action: "logs:TagResource",
    signed_with: SignedWith::AccessKey,
    needs: |caller, input| by_arn(caller, input).with_request_tags(&asked(input)).into(),
    audit: Audit::WRITE,
    handler: |logs, call| Box::pin(tag(logs, call)),
};

pub(crate) const TAG_GROUP: Operation = Operation {
    name: "TagLogGroup",
    action: "logs:TagLogGroup",
    signed_with: SignedWith::AccessKey,
    needs: |caller, input| by_name(caller, input).with_request_tags(&asked(input)).into(),
    audit: Audit::WRITE,
    handler: |logs, call| Box::pin(tag(logs, call)),
};

pub(crate) const UNTAG: Operation = Operation {
    name: "UntagResource",
    action: "logs:UntagResource",
    signed_with: SignedWith::AccessKey,
    needs: |caller, input| {
        let keys = input["tagKeys"].as_array().into_iter().flatten();
        by_arn(caller, input)
            .with_tag_keys(keys.filter_map(Value::as_str))
            .into()
    },
    audit: Audit::WRITE,
    handler: |logs, call| Box::pin(untag(logs, call)),
};

pub(crate) const UNTAG_GROUP: Operation = Operation {
    name: "UntagLogGroup",
    action: "logs:UntagLogGroup",
    signed_with: SignedWith::AccessKey,
    needs: |caller, input| {
        let keys = input["tags"].as_array().into_iter().flatten();
        by_name(caller, input)
            .with_tag_keys(keys.filter_map(Value::as_str))
            .into()
    },
    audit: Audit::WRITE,
    handler: |logs, call| Box::pin(untag(logs, call)),
};

pub(crate) const LIST: Operation = Operation {
    name: "ListTagsForResource",
    action: "logs:ListTagsForResource",
    signed_with: SignedWith::AccessKey,
    needs: |caller, input| by_arn(caller, input).into(),
    audit: Audit::READ,
    handler: |logs, call| Box::pin(list(logs, call)),
};

pub(crate) const LIST_OF_GROUP: Operation = Operation {
    name: "ListTagsLogGroup",
    action: "logs:ListTagsLogGroup",
    signed_with: SignedWith::AccessKey,
    needs: |caller, input| by_name(caller, input).into(),
    audit: Audit::READ,
    handler: |logs, call| Box::pin(list(logs, call)),
};

fn by_arn(caller: &Caller, input: &Value) -> Need {
    Need::on(Resource::at(&named(caller, input)))
}

fn by_name(caller: &Caller, input: &Value) -> Need {
    Need::on(Resource::at(&format!("{}:log-stream:", named(caller, input))))
}

/// Returns the tags of an input that was not read yet: for the facts of a request.
pub(crate) fn asked(input: &Value) -> Vec<Tag> {
    let tags = input.get("tags").and_then(Value::as_object).into_iter().flatten();
    tags.filter_map(|(key, value)| Some(Tag::new(key, value.as_str()?)))
        .collect()
}

/// Refuses keys that are reserved, and those that differ by their case alone, which conditions would see as one.
pub(crate) fn checked(tags: &TagMap) -> Result<Vec<Tag>, AwsError> {
    let mut keys = HashSet::new();
    for key in tags.keys().map(|key| key.to_ascii_lowercase()) {
        if key.starts_with("aws:") {
            return Err(invalid_parameter("Tag keys that start with aws: are reserved."));
        }
        if !keys.insert(key) {
            return Err(invalid_parameter(
                "Tag keys of a log group must differ by more than their case.",
            ));
        }
    }
    Ok(tags.iter().map(|(key, value)| Tag::new(key, value)).collect())
}

/// What is tagged, by its ARN or by its name.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tagged {
    resource_arn: Option<String>,
    log_group_name: Option<String>,
}

impl Tagged {
    async fn find(&self, logs: &Logs, caller: &Caller) -> Result<LogGroup, AwsError> {
        if let Some(name) = &self.log_group_name {
            return logs.group(caller, name).await;
        }
        let arn = self.resource_arn.as_deref().unwrap_or_default();
        if !arn.starts_with("arn:") {
            return Err(invalid_parameter(format!("{arn} is not the ARN of a log group.")));
        }
        logs.group(caller, arn).await
    }
}

#[derive(Debug, Deserialize)]
struct TagInput {
    #[serde(flatten)]
    tagged: Tagged,
    tags: TagMap,
}

async fn tag(logs: Arc<Logs>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: TagInput = input::read(input)?;
    let tags = checked(&input.tags)?;
    let group = input.tagged.find(&logs, &caller).await?;
    match logs.store.add_tags(TagsOf::log_group(group.at()), &tags).await {
        Ok(()) => Ok(json!({})),
        // The older operation has no error of its own for it.
        Err(TagError::TooMany) if input.tagged.resource_arn.is_some() => Err(AwsError::new(
            "TooManyTagsException",
            "A log group can have no more than 50 tags.",
        )),
        Err(TagError::TooMany) => Err(invalid_parameter("A log group can have no more than 50 tags.")),
        Err(TagError::SameKey) => Err(invalid_parameter(
            "Tag keys of a log group must differ by more than their case.",
        )),
        Err(TagError::Store(error)) => Err(internal(error)),
    }
}

#[derive(Debug, Deserialize)]
struct UntagInput {
    #[serde(flatten)]
    tagged: Tagged,
    #[serde(alias = "tagKeys")]
    tags: Vec<String>,
}

async fn untag(logs: Arc<Logs>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: UntagInput = input::read(input)?;
    let group = input.tagged.find(&logs, &caller).await?;
    let of = TagsOf::log_group(group.at());
    logs.store.remove_tags(of, &input.tags).await.map_err(internal)?;
    Ok(json!({}))
}

async fn list(logs: Arc<Logs>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let tagged: Tagged = input::read(input)?;
    let group = tagged.find(&logs, &caller).await?;
    let tags = logs
        .store
        .tags(TagsOf::log_group(group.at()))
        .await
        .map_err(internal)?;
    let tags: TagMap = tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
    Ok(json!({ "tags": tags }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    const ARN: &str = "arn:aws:logs:us-east-1:123456789012:log-group:group";

    async fn house() -> House {
        let house = House::new().await;
        let create = json!({"logGroupName": "group", "tags": {"Team": "web"}});
        house.done("CreateLogGroup", create).await;
        house
    }

    #[tokio::test]
    async fn both_ways_see_the_same_tags() {
        let house = house().await;
        let tag = json!({"resourceArn": ARN, "tags": {"Env": "dev"}});
        house.done("TagResource", tag).await;
        let tag = json!({"logGroupName": "group", "tags": {"Team": "db", "Cost": ""}});
        house.done("TagLogGroup", tag).await;
        let expected = json!({"tags": {"Cost": "", "Env": "dev", "Team": "db"}});
        let by_arn = house
            .done("ListTagsForResource", json!({"resourceArn": ARN}))
            .await;
        assert_eq!(by_arn, expected);
        let untag = json!({"logGroupName": "group", "tags": ["Cost", "x"]});
        house.done("UntagLogGroup", untag).await;
        let untag = json!({"resourceArn": ARN, "tagKeys": ["Env"]});
        house.done("UntagResource", untag).await;
        let by_name = house
            .done("ListTagsLogGroup", json!({"logGroupName": "group"}))
            .await;
        assert_eq!(by_name, json!({"tags": {"Team": "db"}}));
        house
            .done("DeleteLogGroup", json!({"logGroupName": "group"}))
            .await;
        house
            .done("CreateLogGroup", json!({"logGroupName": "group"}))
            .await;
        let fresh = house
            .done("ListTagsForResource", json!({"resourceArn": ARN}))
            .await;
        assert_eq!(fresh, json!({"tags": {}}));
    }

    #[tokio::test]
    async fn decisions_see_the_tags_of_the_group_and_of_the_request() {
        let house = house().await;
        let own = json!([
            {"Effect": "Allow", "Action": "logs:*", "Resource": "*",
             "Condition": {"StringEquals": {"aws:ResourceTag/Team": "web"}}},
            {"Effect": "Allow", "Action": ["logs:CreateLogGroup", "logs:TagResource"], "Resource": "*",
             "Condition": {"StringEquals": {"aws:RequestTag/Team": "web"}}},
            {"Effect": "Deny", "Action": ["logs:Untag*"], "Resource": "*",
             "Condition": {"ForAnyValue:StringEquals": {"aws:TagKeys": "Team"}}},
        ]);
        let user = house.give_user("alice", own).await;
        let on = json!({"logGroupName": "group"});
        assert!(house.ask_as(user.clone(), "DescribeLogStreams", on).await.is_ok());
        house
            .done("CreateLogGroup", json!({"logGroupName": "other"}))
            .await;
        let create = |tags: Value| json!({"logGroupName": "new", "tags": tags});
        let denied = "AccessDeniedException";
        for (operation, input) in [
            ("DescribeLogStreams", json!({"logGroupName": "other"})),
            ("CreateLogGroup", json!({"logGroupName": "new"})),
            ("CreateLogGroup", create(json!({"Team": "db"}))),
            (
                "UntagLogGroup",
                json!({"logGroupName": "group", "tags": ["Team"]}),
            ),
            ("UntagResource", json!({"resourceArn": ARN, "tagKeys": ["Team"]})),
        ] {
            house.refuses_as(&user, operation, &[(input, denied)]).await;
        }
        let created = house
            .ask_as(user, "CreateLogGroup", create(json!({"Team": "web"})))
            .await;
        assert!(created.is_ok(), "{created:?}");
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = house().await;
        let tag = |tags: Value| json!({"resourceArn": ARN, "tags": tags});
        let many: serde_json::Map<_, _> = (0..50).map(|it| (format!("k{it}"), json!(""))).collect();
        house
            .refuses(
                "TagResource",
                &[
                    (tag(json!({})), "InvalidParameterException"),
                    (tag(json!({"": ""})), "InvalidParameterException"),
                    (tag(json!({"a": "x".repeat(257)})), "InvalidParameterException"),
                    (tag(json!({"aws:x": ""})), "InvalidParameterException"),
                    (tag(json!({"TEAM": ""})), "InvalidParameterException"),
                    (tag(json!({"a": "", "A": ""})), "InvalidParameterException"),
                    (tag(json!(many)), "TooManyTagsException"),
                    (
                        json!({"resourceArn": "group", "tags": {"a": ""}}),
                        "InvalidParameterException",
                    ),
                    (
                        json!({"resourceArn": format!("{ARN}2"), "tags": {"a": ""}}),
                        "ResourceNotFoundException",
                    ),
                ],
            )
            .await;
        let many = json!({"logGroupName": "group", "tags": many});
        house
            .refuses("TagLogGroup", &[(many, "InvalidParameterException")])
            .await;
    }
}
