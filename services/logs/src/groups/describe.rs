//! `DescribeLogGroups`: lists groups.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{AccountId, Audit, Call, Caller, Resource, SignedWith};
use drawbridge_store::{LogGroup, LogGroupAt};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{internal, invalid_parameter};
use crate::name::{group_arn, own};
use crate::{Logs, Operation, input, page};

pub(crate) const OPERATION: Operation = Operation {
    name: NAME,
    action: "logs:DescribeLogGroups",
    signed_with: SignedWith::AccessKey,
    // On all of them, whatever prefix is asked for, as on AWS.
    needs: |caller, _| {
        let (account, region) = (&caller.account, &caller.region);
        Resource::plain(format!("arn:aws:logs:{region}:{account}:log-group::log-stream:")).into()
    },
    audit: Audit::READ,
    handler: |logs, call| Box::pin(describe(logs, call)),
};

const NAME: &str = "DescribeLogGroups";

/// The most groups of a page, which is also the default.
const MAX_GROUPS: usize = 50;

/// How many groups are read from the store at once.
const READ_AT_ONCE: u32 = 200;

/// How many groups a page looks at before it is answered as far as it has come.
const MOST_SCANNED: usize = 5000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    account_identifiers: Option<Vec<AccountId>>,
    log_group_name_prefix: Option<String>,
    log_group_name_pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<usize>,
    log_group_class: Option<String>,
    log_group_identifiers: Option<Vec<String>>,
}

impl Input {
    /// Says whether a group is asked for, its prefix aside.
    fn asks_for(&self, group: &LogGroup) -> bool {
        let pattern = self.log_group_name_pattern.as_deref().unwrap_or_default();
        let class = self.log_group_class.as_deref();
        group.name.contains(pattern) && class.is_none_or(|class| class == group.class.as_str())
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    log_groups: Vec<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    log_group_name: String,
    creation_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    retention_in_days: Option<u32>,
    metric_filter_count: u32,
    arn: String,
    stored_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    kms_key_id: Option<String>,
    log_group_class: &'static str,
    log_group_arn: String,
    deletion_protection_enabled: bool,
}

impl From<LogGroup> for Shown {
    fn from(group: LogGroup) -> Self {
        let arn = group_arn(group.at());
        Self {
            log_group_name: group.name,
            creation_time: group.created_at.as_millisecond(),
            retention_in_days: group.retention_days,
            metric_filter_count: 0,
            arn: format!("{arn}:*"),
            stored_bytes: group.stored_bytes,
            kms_key_id: group.key.kms_key,
            log_group_class: group.class.as_str(),
            log_group_arn: arn,
            deletion_protection_enabled: group.is_protected,
        }
    }
}

async fn describe(logs: Arc<Logs>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    if input.log_group_name_prefix.is_some() && input.log_group_name_pattern.is_some() {
        return Err(invalid_parameter(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        ));
    }
    let others = input.account_identifiers.as_ref();
    if others.is_some_and(|accounts| !accounts.is_empty() && !accounts.contains(&caller.account)) {
        return input::write(&Output {
            log_groups: Vec::new(),
            next_token: None,
        });
    }
    let output = match &input.log_group_identifiers {
        Some(identifiers) => {
            let alone = input.log_group_name_prefix.is_none() && input.log_group_name_pattern.is_none();
            if !alone {
                return Err(invalid_parameter(
                    "logGroupIdentifiers cannot be combined with logGroupNamePrefix or logGroupNamePattern.",
                ));
            }
            called(&logs, &caller, &input, identifiers).await?
        }
        None => listed(&logs, &caller, &input).await?,
    };
    input::write(&output)
}

/// Finds the groups that were named; those that are not there are left out.
async fn called(
    logs: &Logs,
    caller: &Caller,
    input: &Input,
    identifiers: &[String],
) -> Result<Output, AwsError> {
    let mut log_groups = Vec::new();
    for name in identifiers.iter().filter_map(|it| own(caller, it)) {
        let at = LogGroupAt {
            account: &caller.account,
            region: &caller.region,
            name,
        };
        let group = logs.store.log_group(at).await.map_err(internal)?;
        log_groups.extend(group.filter(|it| input.asks_for(it)).map(Shown::from));
    }
    Ok(Output {
        log_groups,
        next_token: None,
    })
}

async fn listed(logs: &Logs, caller: &Caller, input: &Input) -> Result<Output, AwsError> {
    let prefix = input.log_group_name_prefix.as_deref().unwrap_or_default();
    let limit = input.limit.unwrap_or(MAX_GROUPS);
    let mut last: Option<String> = page::last(NAME, input.next_token.as_deref())?;
    let mut log_groups = Vec::new();
    let mut scanned = 0;
    loop {
        let after = last.as_deref();
        let read = logs
            .store
            .log_groups_after(&caller.account, &caller.region, prefix, after, READ_AT_ONCE)
            .await
            .map_err(internal)?;
        if read.is_empty() {
            return Ok(Output {
                log_groups,
                next_token: None,
            });
        }
        for group in read {
            if log_groups.len() == limit || scanned == MOST_SCANNED {
                let next_token = last.map(|last| page::token(NAME, &last)).transpose()?;
                return Ok(Output {
                    log_groups,
                    next_token,
                });
            }
            scanned += 1;
            last = Some(group.name.clone());
            if input.asks_for(&group) {
                log_groups.push(group.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::House;

    async fn house(names: &[&str]) -> House {
        let house = House::new().await;
        for name in names {
            house.done("CreateLogGroup", json!({"logGroupName": name})).await;
        }
        house
    }

    async fn names(house: &House, mut input: Value) -> Vec<String> {
        let mut names = Vec::new();
        loop {
            let answer = house.done("DescribeLogGroups", input.clone()).await;
            let groups = answer["logGroups"].as_array().expect("a list");
            names.extend(
                groups
                    .iter()
                    .filter_map(|it| it["logGroupName"].as_str().map(str::to_owned)),
            );
            match answer["nextToken"].as_str() {
                Some(token) => input["nextToken"] = token.into(),
                None => return names,
            }
        }
    }

    #[tokio::test]
    async fn shows_what_aws_does() {
        let house = House::new().await;
        let create = json!({
            "logGroupName": "/ssm/sessions", "logGroupClass": "INFREQUENT_ACCESS", "deletionProtectionEnabled": true,
        });
        house.done("CreateLogGroup", create).await;
        let retention = json!({"logGroupName": "/ssm/sessions", "retentionInDays": 30});
        house.done("PutRetentionPolicy", retention).await;
        let arn = "arn:aws:logs:us-east-1:123456789012:log-group:/ssm/sessions";
        let expected = json!({"logGroups": [{
            "logGroupName": "/ssm/sessions",
            "creationTime": house.now(),
            "retentionInDays": 30,
            "metricFilterCount": 0,
            "arn": format!("{arn}:*"),
            "storedBytes": 0,
            "logGroupClass": "INFREQUENT_ACCESS",
            "logGroupArn": arn,
            "deletionProtectionEnabled": true,
        }]});
        assert_eq!(house.done("DescribeLogGroups", json!({})).await, expected);
        let protected = [(json!({"logGroupName": "/ssm/sessions"}), "ValidationException")];
        house.refuses("DeleteLogGroup", &protected).await;
        house.give_stream("/ssm/sessions", "stream").await;
        let stream = json!({"logGroupName": "/ssm/sessions", "logStreamName": "stream"});
        house
            .refuses("DeleteLogStream", &[(stream, "ValidationException")])
            .await;
    }

    #[tokio::test]
    async fn finds_by_prefix_part_class_and_name_whatever_the_page_size() {
        let house = house(&["a", "a/b", "a/c", "b/A", "c"]).await;
        let delivery = json!({"logGroupName": "d", "logGroupClass": "DELIVERY"});
        house.done("CreateLogGroup", delivery).await;
        for limit in 1..8 {
            let by = |member: &str, value: &str| json!({"limit": limit, member: value});
            assert_eq!(
                names(&house, json!({ "limit": limit })).await,
                ["a", "a/b", "a/c", "b/A", "c", "d"]
            );
            assert_eq!(
                names(&house, by("logGroupNamePrefix", "a/")).await,
                ["a/b", "a/c"]
            );
            assert_eq!(names(&house, by("logGroupNamePattern", "A")).await, ["b/A"]);
            assert_eq!(names(&house, by("logGroupNamePattern", "/b")).await, ["a/b"]);
            assert_eq!(names(&house, by("logGroupClass", "DELIVERY")).await, ["d"]);
        }
        let called = json!({"logGroupIdentifiers": [
            "c", "none", "arn:aws:logs:us-east-1:123456789012:log-group:a/b",
            "arn:aws:logs:us-east-1:210987654321:log-group:a",
        ]});
        assert_eq!(names(&house, called).await, ["c", "a/b"]);
        let others = json!({"accountIdentifiers": ["210987654321"], "includeLinkedAccounts": true});
        assert!(names(&house, others).await.is_empty());
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = house(&["a"]).await;
        let exists = [
            (json!({"logGroupName": "a"}), "ResourceAlreadyExistsException"),
            (json!({"logGroupName": "a b"}), "InvalidParameterException"),
            (
                json!({"logGroupName": "x".repeat(513)}),
                "InvalidParameterException",
            ),
            (json!({"logGroupName": "aws/x"}), "InvalidParameterException"),
            (
                json!({"logGroupName": "x", "logGroupClass": "OTHER"}),
                "InvalidParameterException",
            ),
        ];
        house.refuses("CreateLogGroup", &exists).await;
        let both = json!({"logGroupNamePrefix": "a", "logGroupNamePattern": "a"});
        house
            .refuses(
                "DescribeLogGroups",
                &[
                    (both, "InvalidParameterException"),
                    (json!({"limit": 51}), "InvalidParameterException"),
                    (json!({"nextToken": "!"}), "InvalidParameterException"),
                    (
                        json!({"logGroupIdentifiers": ["a"], "logGroupNamePrefix": "a"}),
                        "InvalidParameterException",
                    ),
                ],
            )
            .await;
        let days = |days: i64| json!({"logGroupName": "a", "retentionInDays": days});
        house
            .refuses(
                "PutRetentionPolicy",
                &[
                    (days(0), "InvalidParameterException"),
                    (days(2), "InvalidParameterException"),
                    (days(-1), "InvalidParameterException"),
                    (days(4000), "InvalidParameterException"),
                    (json!({"logGroupName": "a"}), "InvalidParameterException"),
                    (
                        json!({"logGroupName": "b", "retentionInDays": 1}),
                        "ResourceNotFoundException",
                    ),
                ],
            )
            .await;
        let gone = [(json!({"logGroupName": "b"}), "ResourceNotFoundException")];
        house.refuses("DeleteLogGroup", &gone).await;
        house.refuses("DeleteRetentionPolicy", &gone).await;
    }
}
