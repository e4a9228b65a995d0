//! `DescribeTags`: lists the tags of instances, in the order of their ids and keys.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Caller, ManagedNode, NodeId, Resource, SignedWith, Tag};
use drawbridge_store::TagsOf;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{check_dry_run, internal};
use crate::filter::{Asked, Filter};
use crate::{Ec2, Operation, page, read};

pub(crate) const OPERATION: Operation = Operation {
    name: NAME,
    action: "ec2:DescribeTags",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::READ,
    handler: |ec2, call| Box::pin(describe(ec2, call)),
};

const NAME: &str = "DescribeTags";

/// The kind of everything that has tags here.
const RESOURCE_TYPE: &str = "instance";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    filters: Option<Vec<Asked>>,
    max_results: Option<i64>,
    next_token: Option<String>,
    dry_run: Option<bool>,
}

/// What filters compare.
#[derive(Debug)]
enum Compared {
    ResourceId,
    ResourceType,
    Key,
    Value,
    Tag(String),
}

impl Compared {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "resource-id" => Self::ResourceId,
            "resource-type" => Self::ResourceType,
            "key" => Self::Key,
            "value" => Self::Value,
            name => Self::Tag(
                name.strip_prefix("tag:")
                    .filter(|key| !key.is_empty())?
                    .to_owned(),
            ),
        })
    }
}

/// One tag of one instance.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    resource_id: NodeId,
    resource_type: &'static str,
    key: String,
    value: String,
}

/// Where a page ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Place {
    instance: NodeId,
    key: String,
}

async fn describe(ec2: Arc<Ec2>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = read(input)?;
    let listing = Listing {
        filters: Filter::read_all(input.filters, Compared::of)?,
        limit: page::limit(input.max_results)?,
    };
    let last: Option<Place> = page::last(NAME, input.next_token.as_deref())?;
    check_dry_run(input.dry_run)?;
    let (tags, next) = listing.list(&ec2, &caller, last).await?;
    let mut output = json!({ "Tags": tags });
    if let Some(next) = next {
        output["NextToken"] = page::token(NAME, next).into();
    }
    Ok(output)
}

struct Listing {
    filters: Vec<Filter<Compared>>,
    limit: usize,
}

impl Listing {
    /// Lists a page, and says where it ended if there may be more.
    async fn list(
        &self,
        ec2: &Ec2,
        caller: &Caller,
        last: Option<Place>,
    ) -> Result<(Vec<Described>, Option<Place>), AwsError> {
        let (mut shown, mut scanned) = (Vec::new(), 0);
        let mut after = None;
        if let Some(Place { instance, key }) = last {
            if let Some(node) = ec2.instance(caller, &instance).await? {
                let full = self.take(ec2, &node, Some(&key), &mut shown).await?;
                if full.is_some() {
                    return Ok((shown, full));
                }
            }
            after = Some(instance);
        }
        loop {
            let (nodes, more) = ec2.instances_after(caller, after.as_ref()).await?;
            scanned += nodes.len();
            for node in nodes {
                let full = self.take(ec2, &node, None, &mut shown).await?;
                if full.is_some() {
                    return Ok((shown, full));
                }
                after = Some(node.id);
            }
            if !more {
                return Ok((shown, None));
            }
            if scanned >= page::MOST_SCANNED {
                // No key comes after this one: the next page begins with the next instance.
                let place = after.map(|instance| Place {
                    instance,
                    key: char::MAX.to_string(),
                });
                return Ok((shown, place));
            }
        }
    }

    /// Takes the tags of one instance, and says where the page is full.
    async fn take(
        &self,
        ec2: &Ec2,
        node: &ManagedNode,
        after: Option<&str>,
        shown: &mut Vec<Described>,
    ) -> Result<Option<Place>, AwsError> {
        if !self.wants(node) {
            return Ok(None);
        }
        let tags = ec2.store.tags(TagsOf::node(node)).await.map_err(internal)?;
        let tags = tags
            .into_iter()
            .filter(|tag| after.is_none_or(|after| tag.key.as_str() > after) && self.passes(node, tag));
        for Tag { key, value } in tags {
            if shown.len() == self.limit {
                return Ok(shown.last().map(|last| Place {
                    instance: last.resource_id.clone(),
                    key: last.key.clone(),
                }));
            }
            shown.push(Described {
                resource_id: node.id.clone(),
                resource_type: RESOURCE_TYPE,
                key,
                value,
            });
        }
        Ok(None)
    }

    /// Says whether any tag of the instance may pass: a request for one instance reads the tags of no other.
    fn wants(&self, node: &ManagedNode) -> bool {
        self.filters.iter().all(|filter| match &filter.name {
            Compared::ResourceId => filter.matches(node.id.as_str()),
            Compared::ResourceType => filter.matches(RESOURCE_TYPE),
            Compared::Key | Compared::Value | Compared::Tag(_) => true,
        })
    }

    fn passes(&self, node: &ManagedNode, tag: &Tag) -> bool {
        self.wants(node)
            && self.filters.iter().all(|filter| match &filter.name {
                Compared::ResourceId | Compared::ResourceType => true,
                Compared::Key => filter.matches(&tag.key),
                Compared::Value => filter.matches(&tag.value),
                Compared::Tag(key) => tag.key == *key && filter.matches(&tag.value),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::stage;

    fn shown(answer: &Value) -> Vec<String> {
        let tags = answer["Tags"].as_array().expect("a list").iter();
        let text = |tag: &Value, member: &str| tag[member].as_str().expect("a text").to_owned();
        tags.map(|tag| format!("{} {}", text(tag, "ResourceId"), text(tag, "Key")))
            .collect()
    }

    #[tokio::test]
    async fn filters_by_each_name() {
        let house = stage().await;
        let tags = [Tag::new("Environment", "Prod"), Tag::new("Team", "web")];
        let one = house.enrolled_node(&tags).await.id;
        let two = house.enrolled_node(&[Tag::new("Environment", "Dev")]).await.id;
        house.node().await;
        for (name, values, expected) in [
            (
                "resource-id",
                json!([one]),
                vec![(&one, "Environment"), (&one, "Team")],
            ),
            ("resource-id", json!(["vol-1"]), vec![]),
            (
                "resource-type",
                json!(["instance", "vpc"]),
                vec![(&one, "Environment"), (&one, "Team"), (&two, "Environment")],
            ),
            ("resource-type", json!(["vpc"]), vec![]),
            ("key", json!(["Team"]), vec![(&one, "Team")]),
            ("key", json!(["aws:ec2launchtemplate:id"]), vec![]),
            (
                "value",
                json!(["D*", "web"]),
                vec![(&one, "Team"), (&two, "Environment")],
            ),
            ("tag:Environment", json!(["Dev"]), vec![(&two, "Environment")]),
            ("tag:environment", json!(["Dev"]), vec![]),
        ] {
            let input = json!({"Filters": [{"Name": name, "Values": values}]});
            let answer = house.done(NAME, input).await;
            let mut expected: Vec<_> = expected.iter().map(|(id, key)| format!("{id} {key}")).collect();
            expected.sort();
            assert_eq!(shown(&answer), expected, "{name}");
        }
        let both = json!({"Filters": [
            {"Name": "resource-id", "Values": [one]}, {"Name": "key", "Values": ["Environment"]},
        ]});
        let expected = json!({"Tags": [{
            "ResourceId": one, "ResourceType": "instance", "Key": "Environment", "Value": "Prod",
        }]});
        assert_eq!(house.ask(NAME, both).await, Ok(expected));
    }

    #[tokio::test]
    async fn pages_end_anywhere_and_lose_nothing() {
        let house = stage().await;
        let mut all = Vec::new();
        for count in [3, 0, 7, 1, 4] {
            let tags: Vec<_> = (0..count).map(|at| Tag::new(format!("k{at}"), "")).collect();
            let node = house.enrolled_node(&tags).await;
            all.extend(tags.iter().map(|tag| format!("{} {}", node.id, tag.key)));
        }
        all.sort();
        let (mut listed, mut sizes, mut token) = (Vec::new(), Vec::new(), Value::Null);
        loop {
            let mut input = json!({"MaxResults": 5});
            if !token.is_null() {
                input["NextToken"] = token;
            }
            let answer = house.done(NAME, input).await;
            let page = shown(&answer);
            sizes.push(page.len());
            listed.extend(page);
            token = answer["NextToken"].clone();
            if token.is_null() {
                break;
            }
        }
        assert_eq!(listed, all);
        assert_eq!(sizes, [5, 5, 5]);
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = stage().await;
        let filter = |name: &str| json!({"Filters": [{"Name": name, "Values": ["x"]}]});
        house
            .refuses(
                NAME,
                &[
                    (filter("colour"), "InvalidParameterValue"),
                    (filter("tag:"), "InvalidParameterValue"),
                    (json!({"Filters": [{"Name": "key"}]}), "InvalidParameterValue"),
                    (json!({"MaxResults": 1001}), "InvalidParameterValue"),
                    (json!({"NextToken": "x"}), "InvalidPaginationToken"),
                    (json!({"DryRun": true}), "DryRunOperation"),
                ],
            )
            .await;
    }

    #[tokio::test]
    async fn another_account_and_region_have_tags_of_their_own() {
        let house = stage().await;
        house.enrolled_node(&[Tag::new("Environment", "Prod")]).await;
        let other = "210987654321".parse().expect("valid");
        house.found(&other, "").await;
        let mut elsewhere = house.admin();
        elsewhere.region = "eu-west-1".parse().expect("valid");
        for caller in [elsewhere, house.user_of(&other, "admin")] {
            assert_eq!(
                house.ask_as(caller, NAME, json!({})).await,
                Ok(json!({"Tags": []}))
            );
        }
        let may = json!([{"Effect": "Allow", "Action": "ec2:DescribeInstances", "Resource": "*"}]);
        let alice = house.give_user("alice", may).await;
        let error = house.ask_as(alice, NAME, json!({})).await.expect_err("denied");
        assert_eq!(error.code(), "UnauthorizedOperation");
    }
}
