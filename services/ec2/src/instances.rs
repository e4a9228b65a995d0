//! `DescribeInstances`: lists enrolled nodes as instances.
//!
//! What the server does not know of a machine is left out. Each is `running`, for nobody but the machine knows more:
//! whether its agent can be reached is for `ssm` to say.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::iam::Directory;
use drawbridge_session::{Audit, Call, Caller, ManagedNode, NodeId, Resource, SignedWith, Tag};
use drawbridge_store::TagsOf;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{check_dry_run, internal};
use crate::filter::{Asked, Filter};
use crate::{Ec2, Operation, page, read};

pub(crate) const OPERATION: Operation = Operation {
    name: NAME,
    action: "ec2:DescribeInstances",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::READ,
    handler: |ec2, call| Box::pin(describe(ec2, call)),
};

const NAME: &str = "DescribeInstances";

/// The state of every instance, with its number.
const RUNNING: (u8, &str) = (16, "running");

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    instance_ids: Option<Vec<String>>,
    filters: Option<Vec<Asked>>,
    max_results: Option<i64>,
    next_token: Option<String>,
    dry_run: Option<bool>,
}

/// What filters compare.
#[derive(Debug)]
enum Compared {
    InstanceId,
    StateName,
    StateCode,
    ProfileArn,
    PrivateAddress,
    TagKey,
    Tag(String),
}

impl Compared {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "instance-id" => Self::InstanceId,
            "instance-state-name" => Self::StateName,
            "instance-state-code" => Self::StateCode,
            "iam-instance-profile.arn" => Self::ProfileArn,
            "private-ip-address" => Self::PrivateAddress,
            "tag-key" => Self::TagKey,
            name => Self::Tag(
                name.strip_prefix("tag:")
                    .filter(|key| !key.is_empty())?
                    .to_owned(),
            ),
        })
    }
}

/// An instance with what is shown of it and compared.
struct Instance {
    node: ManagedNode,
    tags: Vec<Tag>,
    /// The ARN and the unique id of its instance profile.
    profile: Option<(String, String)>,
}

async fn describe(ec2: Arc<Ec2>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = read(input)?;
    let filters = Filter::read_all(input.filters, Compared::of)?;
    let limit = page::limit(input.max_results)?;
    let last: Option<NodeId> = page::last(NAME, input.next_token.as_deref())?;
    let directory = ec2.store.directory(&caller.account);
    let named = input.instance_ids.filter(|ids| !ids.is_empty());
    let (instances, next_token) = match named {
        Some(_) if input.max_results.is_some() => {
            let message = "The parameter instancesSet cannot be used with the parameter maxResults";
            return Err(AwsError::new("InvalidParameterCombination", message));
        }
        Some(ids) => {
            let nodes = ec2.instances(&caller, &ids).await?;
            check_dry_run(input.dry_run)?;
            let mut shown = Vec::with_capacity(nodes.len());
            for node in nodes {
                let instance = Instance::look(&ec2, directory.as_deref(), node).await?;
                shown.extend(instance.passes(&filters).then_some(instance));
            }
            (shown, None)
        }
        None => {
            check_dry_run(input.dry_run)?;
            list(&ec2, &caller, directory.as_deref(), &filters, limit, last).await?
        }
    };
    let reservations: Vec<_> = instances.iter().map(|it| it.reservation()).collect();
    Ok(without_nulls(
        json!({ "Reservations": reservations, "NextToken": next_token }),
    ))
}

/// Lists a page of the instances that every filter lets pass, and the token of the next page.
async fn list(
    ec2: &Ec2,
    caller: &Caller,
    directory: Option<&Directory>,
    filters: &[Filter<Compared>],
    limit: usize,
    mut last: Option<NodeId>,
) -> Result<(Vec<Instance>, Option<String>), AwsError> {
    let (mut shown, mut scanned) = (Vec::new(), 0);
    loop {
        let (nodes, more) = ec2.instances_after(caller, last.as_ref()).await?;
        let read = nodes.len();
        for (at, node) in nodes.into_iter().enumerate() {
            last = Some(node.id.clone());
            let instance = Instance::look(ec2, directory, node).await?;
            shown.extend(instance.passes(filters).then_some(instance));
            if shown.len() == limit {
                let is_end = !more && at + 1 == read;
                return Ok((
                    shown,
                    last.filter(|_| !is_end).map(|last| page::token(NAME, last)),
                ));
            }
        }
        scanned += read;
        if !more {
            return Ok((shown, None));
        }
        if scanned >= page::MOST_SCANNED {
            return Ok((shown, last.map(|last| page::token(NAME, last))));
        }
    }
}

impl Instance {
    async fn look(ec2: &Ec2, directory: Option<&Directory>, node: ManagedNode) -> Result<Self, AwsError> {
        let tags = ec2.store.tags(TagsOf::node(&node)).await.map_err(internal)?;
        let profile = node.instance_profile.as_deref().and_then(|name| {
            let directory = directory?;
            let profile = directory.instance_profile(name).ok()?;
            Some((profile.arn(directory.account()), profile.id.to_string()))
        });
        Ok(Self { node, tags, profile })
    }

    fn passes(&self, filters: &[Filter<Compared>]) -> bool {
        filters.iter().all(|filter| match &filter.name {
            Compared::InstanceId => filter.matches(self.node.id.as_str()),
            Compared::StateName => filter.matches(RUNNING.1),
            Compared::StateCode => filter.matches(&RUNNING.0.to_string()),
            Compared::ProfileArn => self.profile.as_ref().is_some_and(|(arn, _)| filter.matches(arn)),
            Compared::PrivateAddress => {
                let address = self.node.agent.ip_address.as_deref();
                address.is_some_and(|address| filter.matches(address))
            }
            Compared::TagKey => self.tags.iter().any(|tag| filter.matches(&tag.key)),
            Compared::Tag(key) => {
                let mut tags = self.tags.iter();
                tags.any(|tag| tag.key == *key && filter.matches(&tag.value))
            }
        })
    }

    /// Each instance stands in a reservation of its own, as if it had been started alone.
    fn reservation(&self) -> Value {
        let (node, agent) = (&self.node, &self.node.agent);
        let is_windows = agent.platform_type.as_deref() == Some("Windows");
        let profile = self.profile.as_ref();
        let instance = json!({
            "InstanceId": node.id,
            "State": {"Code": RUNNING.0, "Name": RUNNING.1},
            "LaunchTime": node.registered_at.as_second(),
            "IamInstanceProfile": profile.map(|(arn, id)| json!({"Arn": arn, "Id": id})),
            "Placement": agent.availability_zone.as_ref().map(|zone| json!({"AvailabilityZone": zone})),
            "Platform": is_windows.then_some("Windows"),
            "PrivateDnsName": agent.computer_name,
            "PrivateIpAddress": agent.ip_address,
            "Tags": self.tags,
        });
        let number = node.id.as_str().trim_start_matches("i-");
        json!({
            "ReservationId": format!("r-{number}"),
            "OwnerId": node.account,
            "Instances": [without_nulls(instance)],
        })
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(mut members) => {
            members.retain(|_, value| !value.is_null());
            Value::Object(members)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use drawbridge_session::AgentReport;
    use drawbridge_session::Clock as _;
    use drawbridge_session::iam::{NewInstanceProfile, NewRole};
    use drawbridge_store::Nodes as _;

    use super::*;
    use crate::testing::stage;

    fn ids(answer: &Value) -> Vec<&str> {
        let reservations = answer["Reservations"].as_array().expect("a list");
        let instances = reservations.iter().map(|it| &it["Instances"][0]["InstanceId"]);
        instances.map(|id| id.as_str().expect("an id")).collect()
    }

    #[tokio::test]
    async fn shows_what_is_known_of_an_instance() {
        let house = stage().await;
        let bare = house.enrolled_node(&[]).await;
        let answer = house.done(NAME, json!({})).await;
        let number = bare.id.as_str().trim_start_matches("i-");
        let expected = json!({"Reservations": [{
            "ReservationId": format!("r-{number}"), "OwnerId": "123456789012",
            "Instances": [{
                "InstanceId": bare.id, "State": {"Code": 16, "Name": "running"}, "LaunchTime": 1_767_323_045,
                "Tags": [],
            }],
        }]});
        assert_eq!(answer, expected);

        let (now, random) = (house.clock.now(), house.random.as_ref());
        let profile = house
            .change(|directory| {
                let role = NewRole {
                    name: "Web",
                    trust: r#"{"Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}"#,
                    ..NewRole::default()
                };
                directory.create_role(role, &|_| true, now, random)?;
                let profile = NewInstanceProfile {
                    name: "web",
                    path: Some("/team/"),
                    ..NewInstanceProfile::default()
                };
                let profile = directory.create_instance_profile(profile, now, random)?;
                directory.add_role_to_instance_profile("web", "Web")?;
                Ok(profile)
            })
            .await;
        let key = house.node_access_key(&bare.id);
        let renewed = house.store.renew_node(&key, "Web", Some("web")).await;
        assert!(renewed.expect("renewed"));
        let report = AgentReport {
            platform_type: Some("Windows".to_owned()),
            computer_name: Some("web-1.example".to_owned()),
            ip_address: Some("10.0.0.7".to_owned()),
            availability_zone: Some("us-east-1a".to_owned()),
            ..AgentReport::default()
        };
        house
            .store
            .report_node(&bare.id, report, now)
            .await
            .expect("reported");
        let input = json!({"InstanceIds": [bare.id]});
        let answer = house.done(NAME, input).await;
        let instance = &answer["Reservations"][0]["Instances"][0];
        let arn = "arn:aws:iam::123456789012:instance-profile/team/web";
        assert_eq!(
            instance["IamInstanceProfile"],
            json!({"Arn": arn, "Id": profile.id})
        );
        assert_eq!(instance["Platform"], "Windows");
        assert_eq!(instance["PrivateIpAddress"], "10.0.0.7");
        assert_eq!(instance["PrivateDnsName"], "web-1.example");
        assert_eq!(instance["Placement"], json!({"AvailabilityZone": "us-east-1a"}));
        for (name, value) in [
            ("iam-instance-profile.arn", arn),
            ("private-ip-address", "10.0.*"),
        ] {
            let filter = |value: &str| json!({"Filters": [{"Name": name, "Values": [value]}]});
            let found = house.done(NAME, filter(value)).await;
            assert_eq!(ids(&found).len(), 1, "{name}");
            let none = house.done(NAME, filter("none")).await;
            assert_eq!(ids(&none).len(), 0, "{name}");
        }
    }

    #[tokio::test]
    async fn filters_by_ids_states_and_tags() {
        let house = stage().await;
        let prod = house.enrolled_node(&[Tag::new("Environment", "Prod")]).await.id;
        let dev = house.enrolled_node(&[Tag::new("Environment", "Dev")]).await.id;
        let bare = house.enrolled_node(&[]).await.id;
        house.node().await;
        let mut all = [&prod, &dev, &bare];
        all.sort();
        let all = all.map(NodeId::as_str);
        let with = |filters: Value| json!({"Filters": filters});
        let one = |name: &str, values: Value| with(json!([{"Name": name, "Values": values}]));
        for (input, expected) in [
            (json!({}), all.to_vec()),
            (json!({"InstanceIds": []}), all.to_vec()),
            (json!({"InstanceIds": [prod, prod]}), vec![prod.as_str()]),
            (one("instance-id", json!([dev])), vec![dev.as_str()]),
            (one("instance-id", json!(["mi-*"])), vec![]),
            (
                one("instance-state-name", json!(["pending", "running"])),
                all.to_vec(),
            ),
            (one("instance-state-name", json!(["stopped"])), vec![]),
            (one("instance-state-code", json!(["16"])), all.to_vec()),
            (one("tag:Environment", json!(["Prod"])), vec![prod.as_str()]),
            (one("tag:environment", json!(["Prod"])), vec![]),
            (
                with(json!([
                    {"Name": "tag-key", "Values": ["Env*"]}, {"Name": "tag:Environment", "Values": ["D??"]},
                ])),
                vec![dev.as_str()],
            ),
            (
                json!({"InstanceIds": [prod], "Filters": [{"Name": "tag:Environment", "Values": ["Dev"]}]}),
                vec![],
            ),
        ] {
            let answer = house.done(NAME, input.clone()).await;
            assert_eq!(ids(&answer), expected, "{input}");
        }
    }

    #[tokio::test]
    async fn pages_through_all_instances_and_no_registered_nodes() {
        let house = stage().await;
        let mut all = Vec::new();
        for _ in 0..10 {
            all.push(house.enrolled_node(&[]).await.id.to_string());
            house.node().await;
        }
        all.sort();
        let (mut listed, mut token, mut pages) = (Vec::new(), Value::Null, 0);
        loop {
            let mut input = json!({"MaxResults": 5});
            if !token.is_null() {
                input["NextToken"] = token;
            }
            let answer = house.done(NAME, input).await;
            listed.extend(ids(&answer).into_iter().map(str::to_owned));
            pages += 1;
            token = answer["NextToken"].clone();
            if token.is_null() {
                break;
            }
        }
        assert_eq!((listed, pages), (all, 2));
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = stage().await;
        let node = house.enrolled_node(&[]).await.id;
        let registered = house.node().await.id;
        let none = "i-0ffffffffffffffff";
        house
            .refuses(
                NAME,
                &[
                    (json!({"InstanceIds": ["web-1"]}), "InvalidInstanceID.Malformed"),
                    (
                        json!({"InstanceIds": [registered]}),
                        "InvalidInstanceID.Malformed",
                    ),
                    (json!({"InstanceIds": [node, none]}), "InvalidInstanceID.NotFound"),
                    (
                        json!({"InstanceIds": [node], "MaxResults": 5}),
                        "InvalidParameterCombination",
                    ),
                    (json!({"MaxResults": 4}), "InvalidParameterValue"),
                    (json!({"NextToken": "x"}), "InvalidPaginationToken"),
                    (
                        json!({"Filters": [{"Name": "colour", "Values": ["red"]}]}),
                        "InvalidParameterValue",
                    ),
                    (
                        json!({"Filters": [{"Name": "tag:", "Values": ["red"]}]}),
                        "InvalidParameterValue",
                    ),
                    (json!({"DryRun": true}), "DryRunOperation"),
                ],
            )
            .await;
        let two = json!({"InstanceIds": [none, "i-0eeeeeeeeeeeeeeee"]});
        let error = house.ask(NAME, two).await.expect_err("not there");
        assert_eq!(
            error.message(),
            "The instance IDs 'i-0eeeeeeeeeeeeeeee, i-0ffffffffffffffff' do not exist"
        );
        let mut elsewhere = house.admin();
        elsewhere.region = "eu-west-1".parse().expect("valid");
        let error = house
            .ask_as(elsewhere, NAME, json!({"InstanceIds": [node]}))
            .await;
        assert_eq!(
            error.expect_err("not there").message(),
            format!("The instance ID '{node}' does not exist")
        );
    }
}
