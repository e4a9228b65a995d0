//! `AssociateKmsKey` and `DisassociateKmsKey`: which key seals the events that come from then on.
//!
//! Events that are there keep the data key that they were sealed with, as on AWS.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use drawbridge_store::LogGroupChange;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::internal;
use crate::name::{on_group, one_of};
use crate::{Logs, Operation, input};

pub(crate) const ASSOCIATE: Operation = Operation {
    name: "AssociateKmsKey",
    action: "logs:AssociateKmsKey",
    signed_with: SignedWith::AccessKey,
    needs: on_group,
    audit: Audit::WRITE,
    handler: |logs, call| Box::pin(change(logs, call)),
};

pub(crate) const DISASSOCIATE: Operation = Operation {
    name: "DisassociateKmsKey",
    action: "logs:DisassociateKmsKey",
    signed_with: SignedWith::AccessKey,
    needs: on_group,
    audit: Audit::WRITE,
    handler: |logs, call| Box::pin(change(logs, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name: Option<String>,
    resource_identifier: Option<String>,
    /// Not there when the key is to be let go.
    kms_key_id: Option<String>,
}

async fn change(logs: Arc<Logs>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let identifier = one_of(
        input.log_group_name.as_deref(),
        input.resource_identifier.as_deref(),
    )?;
    let group = logs.group(&caller, identifier).await?;
    if input.kms_key_id.is_none() && group.key.kms_key.is_none() {
        return Ok(json!({}));
    }
    let key = logs
        .draw_key(&caller, group.at(), input.kms_key_id.as_deref())
        .await?;
    let change = LogGroupChange::Key {
        after: group.key.number,
        kms_key: key.kms_key.as_deref(),
        wrapped: &key.wrapped,
    };
    match logs.store.change_log_group(group.id, change).await {
        Ok(true) => Ok(json!({})),
        Ok(false) => Err(AwsError::new(
            "OperationAbortedException",
            "Multiple concurrent requests to update the same resource were in conflict.",
        )),
        Err(error) => Err(internal(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::open_keys::OPEN_FOR;
    use crate::testing::House;
    use drawbridge_house::KEY;
    use drawbridge_session::{KeyError, KeyUse};

    fn group(more: &Value) -> Value {
        let mut input = json!({"logGroupName": "group"});
        for (key, value) in more.as_object().into_iter().flatten() {
            input[key] = value.clone();
        }
        input
    }

    async fn messages(house: &House) -> Vec<String> {
        let input = group(&json!({"logStreamName": "stream"}));
        let answer = house.done("GetLogEvents", input).await;
        let events = answer["events"].as_array().expect("a list");
        let texts = events.iter().filter_map(|event| event["message"].as_str());
        texts.map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn events_of_before_and_after_are_read_and_only_the_latter_need_the_key() {
        let house = House::with_stream("group", "stream").await;
        house.put("group", "stream", &[(0, "before")]).await;
        let associate = group(&json!({ "kmsKeyId": KEY }));
        house.done("AssociateKmsKey", associate).await;
        let listed = house.done("DescribeLogGroups", json!({})).await;
        assert_eq!(listed["logGroups"][0]["kmsKeyId"], KEY);
        house.put("group", "stream", &[(1, "with")]).await;
        assert_eq!(messages(&house).await, ["before", "with"]);
        house.done("DisassociateKmsKey", group(&json!({}))).await;
        house.done("DisassociateKmsKey", group(&json!({}))).await;
        house.put("group", "stream", &[(2, "after")]).await;
        house.keys.used();
        house
            .clock
            .advance(Duration::try_from(OPEN_FOR).expect("positive"));
        assert_eq!(messages(&house).await, ["before", "with", "after"]);
        let [used] = house
            .keys
            .used()
            .try_into()
            .expect("once, for the events between");
        assert_eq!(used.caller.principal.arn(), "logs.us-east-1.amazonaws.com");
        let listed = house.done("DescribeLogGroups", json!({})).await;
        assert_eq!(listed["logGroups"][0].get("kmsKeyId"), None);
    }

    #[tokio::test]
    async fn without_its_key_a_group_is_neither_read_nor_written() {
        let house = House::new().await;
        house
            .done("CreateLogGroup", group(&json!({ "kmsKeyId": KEY })))
            .await;
        house.give_stream("group", "stream").await;
        house.put("group", "stream", &[(0, "sealed")]).await;
        let event = json!({"timestamp": house.now(), "message": "x"});
        let put = group(&json!({"logStreamName": "stream", "logEvents": [event]}));
        let get = group(&json!({"logStreamName": "stream"}));
        house
            .keys
            .obey(|_| Err(KeyError::Disabled("the key is disabled".to_owned())));
        for (operation, input) in [
            ("PutLogEvents", &put),
            ("GetLogEvents", &get),
            ("FilterLogEvents", &group(&json!({}))),
        ] {
            let error = house.ask(operation, input.clone()).await.expect_err("refused");
            assert_eq!(error.code(), "InvalidParameterException", "{operation}");
            assert!(error.message().contains("is disabled"), "{error}");
        }
        house.keys.obey(|_| Ok(()));
        assert_eq!(messages(&house).await, ["sealed"]);
        let all = json!([{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]);
        let keyless = house.give_user("keyless", all).await;
        let read = house.ask_as(keyless, "GetLogEvents", get.clone()).await;
        assert!(read.is_ok(), "the service uses the key, not who reads: {read:?}");
        house.keys.obey(|used| match used.usage {
            KeyUse::Decrypt => Err(KeyError::Denied(
                "not authorized to perform: kms:Decrypt".to_owned(),
            )),
            _ => Ok(()),
        });
        house
            .refuses("PutLogEvents", &[(put, "AccessDeniedException")])
            .await;
        house
            .refuses("GetLogEvents", &[(get, "AccessDeniedException")])
            .await;
    }

    /// How often the data key was unwrapped since this was asked last.
    fn unwrapped(house: &House) -> usize {
        let used = house.keys.used().into_iter();
        used.filter(|used| used.usage == KeyUse::Decrypt && !used.only_asked)
            .count()
    }

    #[tokio::test]
    async fn a_data_key_is_unwrapped_once_in_a_while_and_its_use_is_allowed_every_time() {
        let house = House::new().await;
        house
            .done("CreateLogGroup", group(&json!({ "kmsKeyId": KEY })))
            .await;
        house.give_stream("group", "stream").await;
        for second in 0..3 {
            house.put("group", "stream", &[(second, "line")]).await;
        }
        assert_eq!(messages(&house).await.len(), 3);
        assert_eq!(unwrapped(&house), 1);
        house
            .clock
            .advance(Duration::try_from(OPEN_FOR).expect("positive"));
        house.put("group", "stream", &[(0, "later")]).await;
        assert_eq!(messages(&house).await.len(), 4);
        assert_eq!(unwrapped(&house), 1);
        // Refused at once, and by what leaves an audit event.
        house
            .keys
            .obey(|_| Err(KeyError::Disabled("the key is disabled".to_owned())));
        let read = [(
            group(&json!({"logStreamName": "stream"})),
            "InvalidParameterException",
        )];
        house.refuses("GetLogEvents", &read).await;
        assert_eq!(unwrapped(&house), 1);
        house.keys.obey(|_| Ok(()));
        messages(&house).await;
        assert_eq!(unwrapped(&house), 1, "what was refused is unwrapped anew");
        // Another key of the group is another data key.
        house
            .done("AssociateKmsKey", group(&json!({ "kmsKeyId": KEY })))
            .await;
        house.put("group", "stream", &[(1, "under the next")]).await;
        assert_eq!(unwrapped(&house), 1);
        assert_eq!(messages(&house).await.len(), 5);
        assert_eq!(unwrapped(&house), 0);
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::with_stream("group", "stream").await;
        let other = KEY.replace("1234abcd", "00000000");
        let to = |key: &str| group(&json!({ "kmsKeyId": key }));
        house
            .refuses(
                "AssociateKmsKey",
                &[
                    (group(&json!({})), "InvalidParameterException"),
                    (json!({ "kmsKeyId": KEY }), "InvalidParameterException"),
                    (to("alias/x"), "InvalidParameterException"),
                    (to("1234abcd-12ab-34cd-56ef-1234567890ab"), "InvalidParameterException"),
                    (to(&other), "InvalidParameterException"),
                    (
                        json!({"kmsKeyId": KEY, "logGroupName": "other"}),
                        "ResourceNotFoundException",
                    ),
                    (
                        json!({"kmsKeyId": KEY, "resourceIdentifier": "arn:aws:logs:us-east-1:123456789012:log-group:o"}),
                        "ResourceNotFoundException",
                    ),
                ],
            )
            .await;
        house
            .keys
            .obey(|_| Err(KeyError::Disabled("the key is disabled".to_owned())));
        house
            .refuses("AssociateKmsKey", &[(to(KEY), "InvalidParameterException")])
            .await;
        let create = [(
            json!({"logGroupName": "new", "kmsKeyId": KEY}),
            "InvalidParameterException",
        )];
        house.refuses("CreateLogGroup", &create).await;
    }
}
