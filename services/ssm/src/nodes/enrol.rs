//! `EnrolNode`: makes a machine a node under an `i-` id, for which whoever asks vouches, and gives it an access key.
//!
//! Where AWS's instances are vouched for by their metadata service, these have a long-lived key, which an agent takes
//! as the credentials of a custom identity. It proves the node and has the rights of its role. A node has one key:
//! `Rotate` puts another in its place, and the role is named again because whoever holds the key holds the role.

use std::sync::Arc;

use drawbridge_aws_dialects::error::{AwsError, Family};
use drawbridge_session::iam::{InstanceProfile, Role};
use drawbridge_session::policy::Denied;
use drawbridge_session::{
    AccessKeyId, AgentReport, Audit, Call, Caller, ManagedNode, Need, Needs, NodeId, Region, Resource,
    Secret, SignedWith, Tag,
};
use drawbridge_store::NodeAccessKey;
use drawbridge_store::credentials::{draw_secret, seal_secret};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{internal, invalid_instance_id};
use crate::{Operation, Ssm, input, passed_role, tags};

pub(crate) const OPERATION: Operation = Operation {
    name: "EnrolNode",
    action: "drawbridge:EnrolNode",
    signed_with: SignedWith::AccessKey,
    needs,
    audit: Audit::WRITE.hiding(&["SecretAccessKey"]),
    handler: |ssm, call| Box::pin(enrol(ssm, call)),
};

/// The service that takes a role on for an enrolled node.
const EC2: &str = "ec2.amazonaws.com";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    instance_id: Option<String>,
    instance_profile: Option<String>,
    iam_role: Option<String>,
    tags: Option<Vec<Tag>>,
    rotate: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    instance_id: NodeId,
    region: Region,
    iam_role: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_profile: Option<String>,
    access_key_id: AccessKeyId,
    secret_access_key: Secret,
}

/// The role of a node, and the instance profile that it is in.
struct Given {
    role: Arc<Role>,
    profile: Option<Arc<InstanceProfile>>,
}

/// The instance, and the role that it gets.
fn needs(caller: &Caller, input: &Value) -> Needs {
    let (region, account) = (&caller.region, &caller.account);
    let instance = match input::text(input, "InstanceId") {
        "" => Resource::plain(format!("arn:aws:ec2:{region}:{account}:instance/*")),
        id => Resource::node(region, account, id),
    };
    let mut needs = vec![Need::on(instance).with_request_tags(&input::tags(input, "Tags"))];
    let given = [
        ("IamRole", Resource::role as fn(&_, &_) -> _),
        ("InstanceProfile", Resource::instance_profile),
    ];
    for (member, resource) in given {
        let name = input::text(input, member);
        if !name.is_empty() {
            needs.push(passed_role::need(resource(account, name), EC2));
        }
    }
    needs.into()
}

async fn enrol(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let named = input.instance_id.as_deref().map(parse_id).transpose()?;
    let tags = input.tags.unwrap_or_default();
    let rotate = input.rotate.unwrap_or(false);
    let id = named
        .clone()
        .unwrap_or_else(|| NodeId::generate_enrolled(ssm.random.as_ref()));
    let given = find_role(
        &ssm,
        &caller,
        &id,
        input.iam_role.as_deref(),
        input.instance_profile.as_deref(),
    )?;
    let (key, secret) = draw_key(&ssm, &id);
    if rotate {
        if named.is_none() {
            return Err(AwsError::validation(
                "Rotate needs the InstanceId of an enrolled node.",
            ));
        }
        if !tags.is_empty() {
            return Err(AwsError::validation(
                "Tags cannot be given with Rotate; use ec2:CreateTags.",
            ));
        }
        renew(&ssm, &caller, &id, &key, &given).await?;
    } else {
        add(&ssm, &caller, &id, &key, &given, &tags).await?;
    }
    tracing::info!(node.id = %id, principal.id = caller.principal.user_id(), rotate, "node enrolled");
    input::write(&Output {
        instance_id: id,
        region: caller.region,
        iam_role: given.role.name.clone(),
        instance_profile: given.profile.map(|profile| profile.name.clone()),
        access_key_id: key.id,
        secret_access_key: secret,
    })
}

async fn add(
    ssm: &Ssm,
    caller: &Caller,
    id: &NodeId,
    key: &NodeAccessKey,
    given: &Given,
    tags: &[Tag],
) -> Result<(), AwsError> {
    if let Some(fault) = tags::fault(tags) {
        return Err(AwsError::validation(fault));
    }
    let node = ManagedNode {
        id: id.clone(),
        account: caller.account.clone(),
        region: caller.region.clone(),
        activation: None,
        iam_role: given.role.name.clone(),
        instance_profile: given.profile.as_ref().map(|profile| profile.name.clone()),
        name: None,
        public_key: None,
        fingerprint: String::new(),
        registered_at: key.created_at,
        last_ping_at: None,
        agent: AgentReport::default(),
    };
    if ssm.store.enrol_node(&node, key, tags).await.map_err(internal)? {
        return Ok(());
    }
    if ssm.node(caller, id.as_str()).await?.is_some() {
        return Err(AwsError::new(
            "AlreadyExistsException",
            format!("Node {id} is enrolled already; Rotate gives it another access key."),
        ));
    }
    tracing::warn!(node.id = %id, account.id = %caller.account, "node not enrolled: its id is taken elsewhere");
    let instance = Resource::node(&caller.region, &caller.account, id.as_str());
    let denied = Denied::implicit(&caller.principal, OPERATION.action, Some(&instance)).without_reason();
    Err(Family::Json.access_denied(&denied.to_string()))
}

async fn renew(
    ssm: &Ssm,
    caller: &Caller,
    id: &NodeId,
    key: &NodeAccessKey,
    given: &Given,
) -> Result<(), AwsError> {
    let absent = || invalid_instance_id(id.as_str());
    ssm.node(caller, id.as_str()).await?.ok_or_else(absent)?;
    let profile = given.profile.as_ref().map(|profile| profile.name.as_str());
    let renewed = ssm.store.renew_node(key, &given.role.name, profile).await;
    if renewed.map_err(internal)? {
        Ok(())
    } else {
        Err(absent())
    }
}

fn parse_id(text: &str) -> Result<NodeId, AwsError> {
    let id = NodeId::parse(text).ok().filter(|id| !id.is_registered());
    id.ok_or_else(|| invalid_instance_id(text))
}

/// Finds the role that a request names in one way or the other, if the service may take it on for this node.
fn find_role(
    ssm: &Ssm,
    caller: &Caller,
    id: &NodeId,
    role: Option<&str>,
    profile: Option<&str>,
) -> Result<Given, AwsError> {
    let account = &caller.account;
    let directory = ssm.store.directory(account);
    let directory = directory.ok_or_else(|| AwsError::internal("InternalServerError"))?;
    let given = match (role, profile) {
        (Some(name), None) => directory.role(name).map(|role| Given {
            role: Arc::clone(role),
            profile: None,
        }),
        (None, Some(name)) => match directory.instance_profile(name) {
            Ok(profile) => {
                let role = directory
                    .role_in(profile)
                    .ok_or_else(|| AwsError::validation(format!("Instance Profile {name} has no role.")))?;
                Ok(Given {
                    role: Arc::clone(role),
                    profile: Some(Arc::clone(profile)),
                })
            }
            Err(error) => Err(error),
        },
        (None, None) | (Some(_), Some(_)) => {
            return Err(AwsError::validation(
                "Name either an InstanceProfile or an IamRole for the node.",
            ));
        }
    };
    let given = given.map_err(|absent| AwsError::validation(absent.to_string()))?;
    let instance = Resource::node(&caller.region, account, id.as_str());
    if given.role.trusts_service(EC2, account, instance.arn()) {
        return Ok(given);
    }
    Err(AwsError::validation(format!(
        "The trust policy of {} does not let {EC2} assume the role.",
        given.role.arn(account)
    )))
}

fn draw_key(ssm: &Ssm, node: &NodeId) -> (NodeAccessKey, Secret) {
    let random = ssm.random.as_ref();
    let (id, secret) = (AccessKeyId::generate(random), draw_secret(random));
    let key = NodeAccessKey {
        sealed_secret: seal_secret(&ssm.root, &id, &secret, random),
        id,
        node: node.clone(),
        created_at: ssm.clock.now(),
    };
    (key, secret)
}

#[cfg(test)]
mod tests {
    use drawbridge_session::Clock as _;
    use drawbridge_session::iam::{Holder, NewInstanceProfile};
    use drawbridge_store::{Credential, CredentialError, Nodes as _, Tags as _, TagsOf, credentials};
    use serde_json::json;

    use super::*;
    use crate::testing::House;

    const ID: &str = "i-0123456789abcdef0";

    impl House {
        /// Makes a role that nodes may have, in an instance profile of the same name.
        async fn give_profile(&self, name: &str) {
            self.give_role(name, "/team/", EC2).await;
            let (now, random) = (self.clock.now(), self.random.as_ref());
            let new = NewInstanceProfile {
                name,
                ..NewInstanceProfile::default()
            };
            self.change(|directory| {
                let core = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";
                directory.attach_policy(Holder::Role(name), core)?;
                directory.create_instance_profile(new, now, random)?;
                directory.add_role_to_instance_profile(name, name)
            })
            .await;
        }

        /// Finds out whom the key of an answer proves.
        async fn proven_by(&self, answer: &Value) -> Result<Caller, CredentialError> {
            let text = |member: &str| answer[member].as_str().expect("a text");
            let (store, root) = (self.store.as_ref(), &self.root);
            let (id, now) = (text("AccessKeyId"), self.clock.now());
            let found = credentials::credential(store, root, id, None, &self.region, now).await?;
            let Credential::Secret {
                secret, principal, ..
            } = found
            else {
                panic!("not a secret")
            };
            assert!(secret.equals(text("SecretAccessKey")));
            Ok(self.caller(principal, SignedWith::AccessKey))
        }
    }

    #[tokio::test]
    async fn the_key_proves_the_node_with_its_role() {
        let house = House::new().await;
        house.give_profile("Web").await;
        let input = json!({
            "InstanceId": ID, "InstanceProfile": "web", "Tags": [{"Key": "Environment", "Value": "Prod"}],
        });
        let answer = house.done("EnrolNode", input).await;
        assert_eq!(answer["InstanceId"], ID);
        assert_eq!(
            (&answer["IamRole"], &answer["InstanceProfile"]),
            (&json!("Web"), &json!("Web"))
        );
        assert_eq!(answer["Region"], "us-east-1");

        let node = house.proven_by(&answer).await.expect("known");
        assert_eq!(
            node.principal.arn(),
            format!("arn:aws:sts::123456789012:assumed-role/Web/{ID}")
        );
        let report = json!({
            "InstanceId": ID, "AgentName": "amazon-ssm-agent", "AgentVersion": "3.3.0.0", "PlatformType": "Linux",
        });
        let reported = house.ask_as(node, "UpdateInstanceInformation", report).await;
        assert_eq!(reported, Ok(json!({})));
        let listed = house.ask("DescribeInstanceInformation", json!({})).await;
        assert_eq!(
            listed,
            Ok(json!({"InstanceInformationList": [{
                "InstanceId": ID, "PingStatus": "Online", "LastPingDateTime": 1_767_323_045.0,
                "AgentVersion": "3.3.0.0", "PlatformType": "Linux", "ResourceType": "EC2Instance",
                "SourceId": ID, "SourceType": "AWS::EC2::Instance",
            }]}))
        );
        let tagged = json!({"Filters": [{"Key": "tag:Environment", "Values": ["Prod"]}]});
        let listed = house.done("DescribeInstanceInformation", tagged).await;
        assert_eq!(listed["InstanceInformationList"][0]["InstanceId"], ID);
    }

    #[tokio::test]
    async fn an_id_is_drawn_where_none_is_given() {
        let house = House::new().await;
        house.give_role("Web", "/", EC2).await;
        let input = json!({"IamRole": "Web"});
        let first = house.done("EnrolNode", input.clone()).await;
        let second = house.done("EnrolNode", input).await;
        let id = NodeId::parse(first["InstanceId"].as_str().expect("an id")).expect("valid");
        assert!(!id.is_registered());
        assert_ne!(first["InstanceId"], second["InstanceId"]);
        assert!(first.get("InstanceProfile").is_none());
    }

    #[tokio::test]
    async fn another_key_takes_the_place_of_the_one_before() {
        let house = House::new().await;
        house.give_profile("Web").await;
        house.give_profile("Database").await;
        let input = json!({"InstanceId": ID, "InstanceProfile": "Web"});
        let first = house.done("EnrolNode", input).await;
        let rotate = json!({"InstanceId": ID, "InstanceProfile": "Database", "Rotate": true});
        let second = house.done("EnrolNode", rotate.clone()).await;
        assert!(matches!(
            house.proven_by(&first).await,
            Err(CredentialError::Unknown)
        ));
        let node = house.proven_by(&second).await.expect("known");
        assert!(node.principal.arn().contains("assumed-role/Database/"));

        let mut elsewhere = house.admin();
        elsewhere.region = "eu-west-1".parse().expect("valid");
        let error = house.ask_as(elsewhere, "EnrolNode", rotate).await;
        assert_eq!(error.expect_err("not there").code(), "InvalidInstanceId");
        assert!(house.proven_by(&second).await.is_ok(), "nothing changed");
    }

    #[tokio::test]
    async fn an_id_that_is_taken_elsewhere_is_not_theirs_to_have() {
        let house = House::new().await;
        house.give_role("Web", "/", EC2).await;
        let input = json!({"InstanceId": ID, "IamRole": "Web"});
        let mut elsewhere = house.admin();
        elsewhere.region = "eu-west-1".parse().expect("valid");
        house.done_as(elsewhere, "EnrolNode", input.clone()).await;
        let error = house.ask("EnrolNode", input).await.expect_err("taken");
        assert_eq!(error.code(), "AccessDeniedException");
        assert_eq!(
            error.message(),
            format!(
                "User: {} is not authorized to perform: drawbridge:EnrolNode \
                 on resource: arn:aws:ec2:us-east-1:123456789012:instance/{ID}",
                house.admin().principal.arn()
            )
        );
    }

    #[tokio::test]
    async fn a_session_needs_no_tier() {
        let house = House::new().await;
        house.give_role("Web", "/", EC2).await;
        let standard =
            json!({"SettingId": "/ssm/managed-instance/activation-tier", "SettingValue": "standard"});
        house.done("UpdateServiceSetting", standard).await;
        let input = json!({"InstanceId": ID, "IamRole": "Web"});
        house.done("EnrolNode", input).await;
        house.relay.connect(&NodeId::parse(ID).expect("valid"));
        let started = house.ask("StartSession", json!({"Target": ID})).await;
        assert!(started.is_ok(), "{started:?}");
    }

    #[tokio::test]
    async fn whoever_enrols_must_be_allowed_to_pass_the_role() {
        let house = House::new().await;
        house.give_profile("Web").await;
        house.give_profile("Database").await;
        let may = json!([
            {"Effect": "Allow", "Action": "drawbridge:EnrolNode", "Resource": "arn:aws:ec2:*:*:instance/*"},
            {
                "Effect": "Allow", "Action": "iam:PassRole", "Resource": "arn:aws:iam::123456789012:role/team/Web",
                "Condition": {"StringEquals": {"iam:PassedToService": EC2}},
            },
        ]);
        let alice = house.give_user("alice", may).await;
        let ask = async |input: Value| house.ask_as(alice.clone(), "EnrolNode", input).await;
        let enrolled = ask(json!({"InstanceId": ID, "InstanceProfile": "Web"})).await;
        assert!(enrolled.is_ok(), "{enrolled:?}");
        assert!(ask(json!({"IamRole": "Web"})).await.is_ok());
        for input in [
            json!({"InstanceProfile": "Database"}),
            json!({"IamRole": "Database"}),
            json!({"InstanceProfile": "None"}),
            json!({"InstanceId": ID, "InstanceProfile": "Database", "Rotate": true}),
            json!({"InstanceProfile": "Web", "IamRole": "Database"}),
        ] {
            let error = ask(input.clone()).await.expect_err("denied");
            assert_eq!(error.code(), "AccessDeniedException", "{input}");
            assert!(error.message().contains("to perform: iam:PassRole on"), "{error}");
        }
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        house.give_profile("Web").await;
        house.give_role("Ssm", "/", passed_role::SSM).await;
        let empty = NewInstanceProfile {
            name: "empty",
            ..NewInstanceProfile::default()
        };
        let (now, random) = (house.clock.now(), house.random.as_ref());
        house
            .change(|directory| directory.create_instance_profile(empty, now, random))
            .await;
        let input = json!({"InstanceId": ID, "InstanceProfile": "Web"});
        house.done("EnrolNode", input.clone()).await;
        let web = |member: &str, value: Value| {
            let mut input = json!({"IamRole": "Web"});
            input[member] = value;
            input
        };
        let tags = |tags: Value| web("Tags", tags);
        let many: Value = (0..51)
            .map(|it| json!({"Key": format!("k{it}"), "Value": ""}))
            .collect();
        house
            .refuses(
                "EnrolNode",
                &[
                    (json!({}), "ValidationException"),
                    (web("InstanceProfile", json!("Web")), "ValidationException"),
                    (web("InstanceId", json!("mi-0123456789abcdef0")), "ValidationException"),
                    (web("InstanceId", json!("i-0123456789ABCDEF0")), "ValidationException"),
                    (web("InstanceId", json!(1)), "SerializationException"),
                    (web("IamRole", json!("a/b")), "ValidationException"),
                    (web("IamRole", json!("Nobodys")), "ValidationException"),
                    (web("IamRole", json!("Ssm")), "ValidationException"),
                    (json!({"InstanceProfile": "none"}), "ValidationException"),
                    (json!({"InstanceProfile": "empty"}), "ValidationException"),
                    (tags(many), "ValidationException"),
                    (tags(json!([{"Key": "aws:a", "Value": ""}])), "ValidationException"),
                    (
                        tags(json!([{"Key": "a", "Value": ""}, {"Key": "a", "Value": "b"}])),
                        "ValidationException",
                    ),
                    (input, "AlreadyExistsException"),
                    (web("Rotate", json!(true)), "ValidationException"),
                    (
                        json!({"InstanceId": ID, "IamRole": "Web", "Rotate": true, "Tags": [{"Key": "a", "Value": ""}]}),
                        "ValidationException",
                    ),
                    (
                        json!({"InstanceId": "i-0fffffffffffffff0", "IamRole": "Web", "Rotate": true}),
                        "InvalidInstanceId",
                    ),
                ],
            )
            .await;
        let error = house.ask("EnrolNode", web("IamRole", json!("Ssm"))).await;
        assert_eq!(
            error.expect_err("untrusting").message(),
            "The trust policy of arn:aws:iam::123456789012:role/Ssm does not let ec2.amazonaws.com assume the role."
        );
    }

    #[tokio::test]
    async fn an_enrolled_node_is_called_what_its_tag_says() {
        let house = House::new().await;
        house.give_profile("Web").await;
        let input = json!({
            "InstanceId": ID, "InstanceProfile": "Web", "Tags": [{"Key": "Name", "Value": "web-1"}],
        });
        house.done("EnrolNode", input).await;
        let named = async || {
            let listed = house.ask("DescribeInstanceInformation", json!({})).await;
            listed.expect("listed")["InstanceInformationList"][0]["Name"].clone()
        };
        assert_eq!(named().await, "web-1");
        let id = NodeId::parse(ID).expect("valid");
        let node = house.store.node(&id).await.expect("read").expect("there");
        let tags = [Tag::new("Name", "web-2")];
        house
            .store
            .add_tags(TagsOf::node(&node), &tags)
            .await
            .expect("stored");
        assert_eq!(named().await, "web-2");
    }
}
