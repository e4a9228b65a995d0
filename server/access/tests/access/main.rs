//! Decisions over a house with users, roles, nodes and sessions, and what becomes of sessions when they change.

mod buckets;
mod callers;
mod documents;
mod entities;
mod limits;
mod nodes;
mod revocation;
mod sessions;

use drawbridge_house::House;
use drawbridge_session::iam::{Holder, NewRole, NewUser};
use drawbridge_session::{Authority as _, Caller, Clock as _, Decision, ManagedNode, Need, Resource, Tag};
use drawbridge_store::Nodes as _;
use serde_json::{Value, json};

/// What every test stands on.
struct Lab {
    house: House,
}

impl Lab {
    async fn new() -> Self {
        Self {
            house: House::new().await,
        }
    }

    /// Creates a user with an inline policy of these statements.
    async fn user(&self, name: &str, statements: Value) -> Caller {
        let (now, random) = (self.house.clock.now(), self.house.random.as_ref());
        let new = NewUser {
            name,
            ..NewUser::default()
        };
        self.house
            .change(|directory| {
                directory.create_user(new, now, random)?;
                directory.put_inline_policy(Holder::User(name), "own", &document(&statements))
            })
            .await;
        self.house.user(name)
    }

    /// Creates a role with an inline policy of these statements, and assumes it.
    async fn role(&self, name: &str, statements: Value) -> Caller {
        let (now, random) = (self.house.clock.now(), self.house.random.as_ref());
        let new = NewRole {
            name,
            trust: r#"{"Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}"#,
            ..NewRole::default()
        };
        self.house
            .change(|directory| {
                directory.create_role(new, &|_| true, now, random)?;
                directory.put_inline_policy(Holder::Role(name), "own", &document(&statements))
            })
            .await;
        self.house.role(name, "bob")
    }

    /// Gives a node another role.
    async fn with_role(&self, node: &ManagedNode, role: &str) -> ManagedNode {
        let changed = self.house.store.set_node_role(&node.id, role).await;
        assert!(changed.expect("changed"));
        let node = self.house.store.node(&node.id).await;
        node.expect("read").expect("there")
    }

    /// Enrols a node, tagged with its environment.
    async fn enrolled(&self, environment: &str) -> ManagedNode {
        let tags = [Tag::new("Environment", environment)];
        self.house.enrolled_node(&tags).await
    }

    /// Registers a node, tagged with its environment.
    async fn registered(&self, environment: &str) -> ManagedNode {
        let tags = vec![Tag::new("Environment", environment)];
        self.house.node_tagged(tags).await
    }

    fn target(&self, node: &ManagedNode) -> Resource {
        Resource::node(&self.house.region, &self.house.account, node.id.as_str())
    }

    /// Needs to start a session on the node, without naming a document.
    fn start(&self, node: &ManagedNode) -> Need {
        Need::also("ssm:StartSession", self.target(node)).with("ssm:SessionDocumentAccessCheck", "false")
    }

    /// Returns the denial, if there is one.
    async fn denial(&self, caller: &Caller, need: Need) -> Option<String> {
        let decided = self.house.access.decide(caller, &[need]).await;
        match decided.expect("decided") {
            Decision::Allow(_) => None,
            Decision::Deny(denied) => Some(denied.to_string()),
        }
    }

    async fn allows(&self, caller: &Caller, need: Need) -> bool {
        self.denial(caller, need).await.is_none()
    }
}

fn document(statements: &Value) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

/// Allows these actions on everything, under a condition.
fn allow_if(actions: &Value, condition: &Value) -> Value {
    json!([{"Effect": "Allow", "Action": actions, "Resource": "*", "Condition": condition}])
}

/// Allows everything.
fn allow_all() -> Value {
    json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}])
}
