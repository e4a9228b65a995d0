//! How requests name groups and streams, and what policies call them.
//!
//! Policies know a group as `…:log-group:NAME:*` in most actions, since what is asked about lies at
//! `…:log-group:NAME:log-stream:STREAM`, with an empty stream for the group itself. The actions on tags by ARN take
//! `…:log-group:NAME` alone. Both are AWS's rules.

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{AccountId, Caller, Needs, Region, Resource};
use drawbridge_store::{LogGroup, LogGroupAt, LogStream};
use serde_json::Value;

use crate::error::{internal, invalid_parameter, no_group, no_stream};
use crate::{Logs, input};

/// Returns the ARN of a group, as tags and keys know it.
pub(crate) fn group_arn(at: LogGroupAt<'_>) -> String {
    arn(at.account, at.region, at.name)
}

fn arn(account: &AccountId, region: &Region, name: &str) -> String {
    format!("arn:aws:logs:{region}:{account}:log-group:{name}")
}

/// Needs the operation's action on the group that `logGroupName` or an identifier names.
pub(crate) fn on_group(caller: &Caller, input: &Value) -> Needs {
    on_stream_called(caller, input, "")
}

/// Needs the operation's action on the stream of `logStreamName`.
pub(crate) fn on_stream(caller: &Caller, input: &Value) -> Needs {
    on_stream_called(caller, input, input::text(input, "logStreamName"))
}

fn on_stream_called(caller: &Caller, input: &Value, stream: &str) -> Needs {
    let group = named(caller, input);
    Resource::at(&format!("{group}:log-stream:{stream}")).into()
}

/// Returns the ARN, without `:*`, of the group that a request names.
pub(crate) fn named(caller: &Caller, input: &Value) -> String {
    let name = input::text(input, "logGroupName");
    let name = if name.is_empty() {
        ["logGroupIdentifier", "resourceIdentifier", "resourceArn"]
            .into_iter()
            .map(|member| input::text(input, member))
            .find(|text| !text.is_empty())
            .unwrap_or("")
    } else {
        name
    };
    let name = name.strip_suffix(":*").unwrap_or(name);
    if name.starts_with("arn:") {
        return name.to_owned();
    }
    arn(&caller.account, &caller.region, name)
}

/// Reads which group a request means that may name it in one of two ways.
pub(crate) fn one_of<'a>(name: Option<&'a str>, identifier: Option<&'a str>) -> Result<&'a str, AwsError> {
    match (name, identifier) {
        (Some(name), None) => Ok(name),
        (None, Some(identifier)) => Ok(identifier),
        (Some(_), Some(_)) => Err(AwsError::validation(
            "LogGroup name and LogGroup ARN are mutually exclusive parameters.",
        )),
        (None, None) => Err(invalid_parameter(
            "One of logGroupName and logGroupIdentifier (or resourceIdentifier) must be specified.",
        )),
    }
}

/// Returns the name of the caller's own group that a name or an ARN names; that of another account or region is none.
pub(crate) fn own<'a>(caller: &Caller, identifier: &'a str) -> Option<&'a str> {
    let name = if identifier.starts_with("arn:") {
        let name = identifier.strip_prefix(&arn(&caller.account, &caller.region, ""))?;
        name.strip_suffix(":*").unwrap_or(name)
    } else {
        identifier
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/#".contains(&byte);
    (!name.is_empty() && name.len() <= 512 && name.bytes().all(plain)).then_some(name)
}

impl Logs {
    /// Finds the caller's group by its name or its ARN.
    pub(crate) async fn group(&self, caller: &Caller, identifier: &str) -> Result<LogGroup, AwsError> {
        let name = own(caller, identifier).ok_or_else(no_group)?;
        let at = LogGroupAt {
            account: &caller.account,
            region: &caller.region,
            name,
        };
        let group = self.store.log_group(at).await.map_err(internal)?;
        group.ok_or_else(no_group)
    }

    /// Finds a stream of a group.
    pub(crate) async fn stream(&self, group: &LogGroup, name: &str) -> Result<LogStream, AwsError> {
        let stream = self.store.log_stream(group.id, name).await.map_err(internal)?;
        stream.ok_or_else(no_stream)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::House;

    const GROUP: &str = "arn:aws:logs:us-east-1:123456789012:log-group:team/web";

    fn input(group: &str, stream: &str) -> Value {
        json!({"logGroupName": group, "logStreamName": stream})
    }

    async fn allows(house: &House, caller: &Caller, operation: &str, input: Value) -> bool {
        let operation = Logs::operation(operation).expect("handled");
        house.allows(operation, caller.clone(), input).await
    }

    #[tokio::test]
    async fn a_group_is_named_with_and_without_an_asterisk_where_aws_does() {
        let house = House::new().await;
        let on = |resource: String| json!([{"Effect": "Allow", "Action": "logs:*", "Resource": resource}]);
        let with = house.give_user("with", on(format!("{GROUP}:*"))).await;
        let without = house.give_user("without", on(GROUP.to_owned())).await;
        let by_arn = json!({"resourceArn": GROUP});
        for (operation, input, is_with, is_without) in [
            ("CreateLogGroup", input("team/web", ""), true, false),
            ("DescribeLogStreams", input("team/web", ""), true, false),
            ("PutLogEvents", input("team/web", "s"), true, false),
            ("ListTagsLogGroup", input("team/web", ""), true, false),
            ("ListTagsForResource", by_arn, false, true),
            ("PutLogEvents", input("team/db", "s"), false, false),
            ("PutLogEvents", input("team/web2", "s"), false, false),
            ("DescribeLogGroups", json!({}), false, false),
        ] {
            let of_with = allows(&house, &with, operation, input.clone()).await;
            let of_without = allows(&house, &without, operation, input).await;
            assert_eq!((of_with, of_without), (is_with, is_without), "{operation}");
        }
    }

    #[tokio::test]
    async fn a_stream_is_named_by_itself() {
        let house = House::new().await;
        let own = json!([{
            "Effect": "Allow", "Action": ["logs:PutLogEvents", "logs:CreateLogStream", "logs:GetLogEvents"],
            "Resource": format!("{GROUP}:log-stream:own-*"),
        }]);
        let user = house.give_user("alice", own).await;
        for operation in ["PutLogEvents", "CreateLogStream", "GetLogEvents"] {
            assert!(allows(&house, &user, operation, input("team/web", "own-1")).await);
            assert!(!allows(&house, &user, operation, input("team/web", "other")).await);
        }
        let identified = json!({"logGroupIdentifier": GROUP, "logStreamName": "own-1"});
        assert!(allows(&house, &user, "GetLogEvents", identified).await);
        let elsewhere = GROUP.replace("us-east-1", "eu-west-1");
        let identified = json!({"logGroupIdentifier": elsewhere, "logStreamName": "own-1"});
        assert!(!allows(&house, &user, "GetLogEvents", identified).await);
    }

    #[tokio::test]
    async fn all_groups_are_listed_by_whoever_may_see_all() {
        let house = House::new().await;
        for (name, resource, may) in [
            ("all", "arn:aws:logs:us-east-1:123456789012:log-group:*", true),
            ("any", "*", true),
            (
                "some",
                "arn:aws:logs:us-east-1:123456789012:log-group:team/*",
                false,
            ),
        ] {
            let policy =
                json!([{"Effect": "Allow", "Action": "logs:DescribeLogGroups", "Resource": resource}]);
            let user = house.give_user(name, policy).await;
            assert_eq!(
                allows(&house, &user, "DescribeLogGroups", json!({})).await,
                may,
                "{name}"
            );
        }
    }

    #[tokio::test]
    async fn a_node_writes_where_its_role_lets_it_and_nowhere_else() {
        let house = House::with_stream("team/web", "own").await;
        house
            .done("CreateLogGroup", json!({"logGroupName": "team/db"}))
            .await;
        house.give_stream("team/db", "own").await;
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": format!("{GROUP}:*"),
        }]});
        let policy = policy.to_string();
        house
            .change(|directory| {
                let role = drawbridge_session::iam::Holder::Role(drawbridge_house::NODE_ROLE);
                directory.put_inline_policy(role, "own", &policy)
            })
            .await;
        let node = house.node_role(&house.node().await);
        let event = json!({"timestamp": house.now(), "message": "x"});
        let put = |group: &str| json!({"logGroupName": group, "logStreamName": "own", "logEvents": [event]});
        let own = house.ask_as(node.clone(), "PutLogEvents", put("team/web")).await;
        assert!(own.is_ok(), "{own:?}");
        for group in ["team/db", "team/web/2", "nothing"] {
            let denied = [(put(group), "AccessDeniedException")];
            house.refuses_as(&node, "PutLogEvents", &denied).await;
        }
        let read = [(input("team/web", "own"), "AccessDeniedException")];
        house.refuses_as(&node, "GetLogEvents", &read).await;
    }

    #[test]
    fn only_names_and_own_arns_are_own() {
        let house = tokio::runtime::Runtime::new()
            .expect("a runtime")
            .block_on(House::new());
        let caller = house.admin();
        for (identifier, name) in [
            ("team/web", Some("team/web")),
            (GROUP, Some("team/web")),
            (&format!("{GROUP}:*"), Some("team/web")),
            (&format!("{GROUP}:log-stream:x"), None),
            (&GROUP.replace("us-east-1", "eu-west-1"), None),
            (&GROUP.replace("123456789012", "210987654321"), None),
            ("arn:aws:logs:us-east-1:123456789012:log-group:", None),
            ("", None),
            ("a b", None),
        ] {
            assert_eq!(own(&caller, identifier), name, "{identifier}");
        }
    }
}
