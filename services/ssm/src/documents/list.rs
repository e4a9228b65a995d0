//! `ListDocuments`: lists the caller's documents, those of every account, and those that others share.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::document::{BUILTIN_NAMES, Provider};
use drawbridge_session::{AccountId, Audit, Call, Caller, Resource, SignedWith, Tag};
use drawbridge_store::{Document, DocumentVersion, SharedWith, TagsOf};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::filter::{Filters, Group};
use super::view::{Facts, Owner};
use super::{SCHEMA_VERSION, SESSION, own};
use crate::error::internal;
use crate::{Operation, Ssm, input, page, wire};

pub(crate) const OPERATION: Operation = Operation {
    name: NAME,
    action: "ssm:ListDocuments",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::READ,
    handler: |ssm, call| Box::pin(list(ssm, call)),
};

const NAME: &str = "ListDocuments";

/// The most that one page may hold, which is what a request gets that asks for no number.
const MAX_RESULTS: usize = 50;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    document_filter_list: Option<Vec<OldFilter>>,
    filters: Option<Vec<NewFilter>>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
struct OldFilter {
    key: String,
    value: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NewFilter {
    key: Option<String>,
    values: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    document_identifiers: Vec<Listed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    name: String,
    #[serde(serialize_with = "wire::epoch")]
    created_date: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    owner: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_name: Option<String>,
    platform_types: Vec<&'static str>,
    document_version: String,
    document_type: &'static str,
    schema_version: &'static str,
    document_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_type: Option<String>,
    tags: Vec<Tag>,
}

impl Listed {
    fn new(facts: Facts, tags: Vec<Tag>) -> Self {
        Self {
            platform_types: facts.platform_names(),
            owner: facts.owner.as_str().to_owned(),
            name: facts.name,
            created_date: facts.version.created_at,
            display_name: facts.version.display_name,
            version_name: facts.version.name,
            document_version: facts.version.number.to_string(),
            document_type: SESSION,
            schema_version: SCHEMA_VERSION,
            document_format: facts.version.format.name(),
            target_type: facts.version.target_type,
            tags,
        }
    }
}

async fn list(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let old = input.document_filter_list.unwrap_or_default();
    let new = input.filters.unwrap_or_default();
    let filters = Filters::new(
        old.into_iter()
            .map(|filter| (filter.key, vec![filter.value]))
            .chain(
                new.into_iter()
                    .map(|filter| (filter.key.unwrap_or_default(), filter.values.unwrap_or_default())),
            ),
    )?;
    let after: Option<Position> = page::last(NAME, input.next_token.as_deref())?;
    let limit = input.max_results.unwrap_or(MAX_RESULTS);
    let (document_identifiers, next) = walk(&ssm, &caller, &filters, after, limit).await?;
    input::write(&Output {
        document_identifiers,
        next_token: next.map(|next| page::token(NAME, next)),
    })
}

/// Lists a page of the documents that the filters let through, and where it ended if there may be more.
async fn walk(
    ssm: &Ssm,
    caller: &Caller,
    filters: &Filters,
    after: Option<Position>,
    limit: usize,
) -> Result<(Vec<Listed>, Option<Position>), AwsError> {
    let mut listed = Vec::new();
    let mut scanned = 0;
    let mut last = after;
    for group in filters.groups() {
        if last.as_ref().is_some_and(|last| last.group() > *group) {
            continue;
        }
        loop {
            let after = last.as_ref().filter(|last| last.group() == *group);
            let batch = read(ssm, caller, *group, after).await?;
            if batch.is_empty() {
                break;
            }
            scanned += batch.len();
            for (position, facts) in batch {
                last = Some(position);
                if !filters.match_facts(&facts) {
                    continue;
                }
                let tags = tags(ssm, caller, &facts).await?;
                if filters.match_tags(&tags) {
                    listed.push(Listed::new(facts, tags));
                }
                if listed.len() == limit {
                    return Ok((listed, last));
                }
            }
            if scanned >= page::MOST_SCANNED {
                return Ok((listed, last));
            }
        }
    }
    Ok((listed, None))
}

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Position {
    Own(String),
    Provided(Provider, String),
    Private(AccountId, String),
    Public(AccountId, String),
}

impl Position {
    fn group(&self) -> Group {
        match self {
            Self::Own(_) => Group::Own,
            Self::Provided(provider, _) => Group::Provided(*provider),
            Self::Private(..) => Group::Private,
            Self::Public(..) => Group::Public,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(name) => write!(f, "own {name}"),
            Self::Provided(Provider::Amazon, name) => write!(f, "amazon {name}"),
            Self::Provided(Provider::Drawbridge, name) => write!(f, "drawbridge {name}"),
            Self::Private(account, name) => write!(f, "private {account} {name}"),
            Self::Public(account, name) => write!(f, "public {account} {name}"),
        }
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (group, rest) = text.split_once(' ').ok_or(())?;
        let in_account = || {
            let (account, name) = rest.split_once(' ').ok_or(())?;
            Ok((AccountId::parse(account).map_err(drop)?, name.to_owned()))
        };
        match group {
            "own" => Ok(Self::Own(rest.to_owned())),
            "amazon" => Ok(Self::Provided(Provider::Amazon, rest.to_owned())),
            "drawbridge" => Ok(Self::Provided(Provider::Drawbridge, rest.to_owned())),
            "private" => in_account().map(|(account, name)| Self::Private(account, name)),
            "public" => in_account().map(|(account, name)| Self::Public(account, name)),
            _ => Err(()),
        }
    }
}

/// Reads the next documents of a group.
async fn read(
    ssm: &Ssm,
    caller: &Caller,
    group: Group,
    after: Option<&Position>,
) -> Result<Vec<(Position, Facts)>, AwsError> {
    let (account, name) = match after {
        None => (None, None),
        Some(Position::Own(name) | Position::Provided(_, name)) => (None, Some(name.as_str())),
        Some(Position::Private(account, name) | Position::Public(account, name)) => {
            (Some(account), Some(name.as_str()))
        }
    };
    let shared_with = |with: SharedWith| async move {
        let after = account.zip(name);
        ssm.store
            .documents_shared_with(&with, &caller.account, &caller.region, after, page::BATCH)
            .await
            .map_err(internal)
    };
    match group {
        Group::Own => {
            let (account, region) = (&caller.account, &caller.region);
            let found = ssm
                .store
                .documents_after(account, region, name, page::BATCH)
                .await;
            Ok(placed(caller, found.map_err(internal)?, |_, name| {
                Position::Own(name)
            }))
        }
        Group::Provided(provider) => Ok(BUILTIN_NAMES
            .into_iter()
            .filter(|known| Provider::of(known) == Some(provider))
            .filter(|known| name.is_none_or(|name| *known > name))
            .filter_map(|known| {
                let position = Position::Provided(provider, known.to_owned());
                Some((position, Facts::provided(known)?))
            })
            .collect()),
        Group::Private => {
            let found = shared_with(SharedWith::Account(caller.account.clone())).await?;
            Ok(placed(caller, found, Position::Private))
        }
        Group::Public => {
            let found = shared_with(SharedWith::All).await?;
            Ok(placed(caller, found, Position::Public))
        }
    }
}

fn placed(
    caller: &Caller,
    found: Vec<(Document, DocumentVersion)>,
    position: impl Fn(AccountId, String) -> Position,
) -> Vec<(Position, Facts)> {
    let place = |(document, version): (Document, DocumentVersion)| {
        let at = position(document.account.clone(), document.name.clone());
        (at, Facts::of(caller, document, version))
    };
    found.into_iter().map(place).collect()
}

/// Reads the tags of what is the caller's; others keep theirs to themselves.
async fn tags(ssm: &Ssm, caller: &Caller, facts: &Facts) -> Result<Vec<Tag>, AwsError> {
    match facts.owner {
        Owner::Caller(_) => {
            let of = TagsOf::document(own(caller, &facts.name));
            ssm.store.tags(of).await.map_err(internal)
        }
        Owner::Provider(_) | Owner::Other(_) => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{House, shell_document};

    /// Lists everything in pages of this size, which must all be full but the last.
    async fn names(house: &House, caller: &Caller, filters: Value, limit: usize) -> Vec<String> {
        let mut all = Vec::new();
        let mut token = Value::Null;
        loop {
            let mut input = filters.clone();
            input["MaxResults"] = json!(limit);
            input["NextToken"] = token;
            let answer = house.done_as(caller.clone(), NAME, input).await;
            let page = answer["DocumentIdentifiers"].as_array().expect("a list").clone();
            all.extend(
                page.iter()
                    .map(|it| it["Name"].as_str().expect("a name").to_owned()),
            );
            token = answer["NextToken"].clone();
            if token.is_null() {
                return all;
            }
            assert_eq!(page.len(), limit, "{answer}");
        }
    }

    fn by(key: &str, value: &str) -> Value {
        json!({"Filters": [{"Key": key, "Values": [value]}]})
    }

    async fn furnished() -> House {
        let house = House::new().await;
        house.give_document("Web-shell", "").await;
        let tagged = json!({
            "Name": "Db-shell", "DocumentType": "Session", "Content": shell_document(""), "DocumentFormat": "JSON",
            "TargetType": "/AWS::EC2::Instance", "Tags": [{"Key": "Team", "Value": "db"}],
        });
        house.done("CreateDocument", tagged).await;
        let linux = json!({
            "schemaVersion": "1.0", "sessionType": "InteractiveCommands",
            "properties": {"linux": {"commands": "uptime"}},
        });
        let commands = json!({"Name": "Commands", "DocumentType": "Session", "Content": linux.to_string()});
        house.done("CreateDocument", commands).await;
        let other = house.other_admin().await;
        for (name, with) in [("One", "123456789012"), ("Two", "all"), ("Three", "333333333333")] {
            let create = json!({"Name": name, "DocumentType": "Session", "Content": shell_document("")});
            house.done_as(other.clone(), "CreateDocument", create).await;
            let share = json!({"Name": name, "PermissionType": "Share", "AccountIdsToAdd": [with]});
            house
                .done_as(other.clone(), "ModifyDocumentPermission", share)
                .await;
        }
        house
    }

    const OWN: [&str; 3] = ["Commands", "Db-shell", "Web-shell"];
    const PRIVATE: &str = "arn:aws:ssm:us-east-1:210987654321:document/One";
    const PUBLIC: &str = "arn:aws:ssm:us-east-1:210987654321:document/Two";

    #[tokio::test]
    async fn lists_by_owner_in_pages_of_any_size() {
        let house = furnished().await;
        let admin = house.admin();
        let (amazons, drawbridges) = BUILTIN_NAMES.split_at(6);
        let own_provided_private = [&OWN[..], &BUILTIN_NAMES[..], &[PRIVATE]].concat();
        let all = [&own_provided_private[..], &[PUBLIC]].concat();
        for limit in [1, 2, 3, 5, 50] {
            assert_eq!(
                names(&house, &admin, json!({}), limit).await,
                own_provided_private
            );
            for (owner, expected) in [
                ("Self", &OWN[..]),
                ("Amazon", amazons),
                ("Drawbridge", drawbridges),
                ("Private", &[PRIVATE]),
                ("Public", &[PUBLIC]),
                ("ThirdParty", &[]),
                ("All", &all),
            ] {
                assert_eq!(
                    names(&house, &admin, by("Owner", owner), limit).await,
                    expected,
                    "{owner}"
                );
            }
        }
        let old = json!({"DocumentFilterList": [{"key": "Owner", "value": "Self"}, {"key": "Name", "value": "Web"}]});
        assert_eq!(names(&house, &admin, old, 50).await, ["Web-shell"]);
        let contradiction = json!({"Filters": [
            {"Key": "Owner", "Values": ["Self"]}, {"Key": "Owner", "Values": ["Amazon"]},
        ]});
        assert_eq!(names(&house, &admin, contradiction, 50).await, [""; 0]);
    }

    #[tokio::test]
    async fn lists_what_the_filters_let_through() {
        let house = furnished().await;
        let admin = house.admin();
        for (key, value, expected) in [
            ("Name", "Db", &["Db-shell"][..]),
            ("Name", "b-shell", &[]),
            ("SearchKeyword", "SHELL", &["Db-shell", "Web-shell"]),
            ("tag:Team", "db", &["Db-shell"]),
            ("tag:team", "db", &[]),
            ("TargetType", "/AWS::EC2::Instance", &["Db-shell"]),
            ("PlatformTypes", "Windows", &["Db-shell", "Web-shell"]),
            ("PlatformTypes", "Linux", &OWN),
            ("DocumentType", "Session", &OWN),
            ("DocumentType", "Command", &[]),
            ("SchemaVersion", "1.0", &OWN),
            ("SchemaVersion", "2.2", &[]),
        ] {
            let filters =
                json!({"Filters": [{"Key": "Owner", "Values": ["Self"]}, {"Key": key, "Values": [value]}]});
            for limit in [1, 50] {
                let found = names(&house, &admin, filters.clone(), limit).await;
                assert_eq!(found, expected, "{key} {value}");
            }
        }
        let either = json!({"Filters": [{"Key": "Name", "Values": ["Db", "Web"]}]});
        assert_eq!(names(&house, &admin, either, 50).await, ["Db-shell", "Web-shell"]);
    }

    #[tokio::test]
    async fn shows_what_clients_print() {
        let house = furnished().await;
        let answer = house.done(NAME, by("Name", "Db")).await;
        let expected = json!([{
            "Name": "Db-shell", "CreatedDate": 1_767_323_045.0, "Owner": "123456789012",
            "PlatformTypes": ["Windows", "Linux", "MacOS"], "DocumentVersion": "1", "DocumentType": "Session",
            "SchemaVersion": "1.0", "DocumentFormat": "JSON", "TargetType": "/AWS::EC2::Instance",
            "Tags": [{"Key": "Team", "Value": "db"}],
        }]);
        assert_eq!(answer["DocumentIdentifiers"], expected);
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        house
            .refuses(
                NAME,
                &[
                    (by("Color", "red"), "InvalidFilterKey"),
                    (by("tag:", "red"), "InvalidFilterKey"),
                    (by("Owner", "Me"), "InvalidFilterKey"),
                    (json!({"Filters": [{"Key": "Name"}]}), "InvalidFilterKey"),
                    (json!({"Filters": [{"Values": ["x"]}]}), "InvalidFilterKey"),
                    (by("Name", ""), "ValidationException"),
                    (json!({"DocumentFilterList": []}), "ValidationException"),
                    (
                        json!({"DocumentFilterList": [{"key": "tag:x", "value": "y"}]}),
                        "ValidationException",
                    ),
                    (json!({"MaxResults": 0}), "ValidationException"),
                    (json!({"MaxResults": 51}), "ValidationException"),
                    (json!({"NextToken": "x"}), "InvalidNextToken"),
                    (
                        json!({"NextToken": page::token(NAME, "other x")}),
                        "InvalidNextToken",
                    ),
                    (
                        json!({"NextToken": page::token(NAME, "private x y")}),
                        "InvalidNextToken",
                    ),
                ],
            )
            .await;
    }
}
