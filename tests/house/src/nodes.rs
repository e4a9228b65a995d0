//! Managed nodes.

use std::time::Duration;

use drawbridge_session::{Activation, ActivationId, Clock as _, ManagedNode, NodeId, RandomArray as _, Tag};
use drawbridge_store::{Activations as _, Nodes as _, Registration, Tags as _, TagsOf, TokenHash};

use crate::{House, NODE_ROLE};

impl House {
    /// Registers a node with a name, the tag `Environment` = `Dev`, and no connection.
    pub async fn node(&self) -> ManagedNode {
        self.node_tagged(vec![Tag::new("Environment", "Dev")]).await
    }

    /// Registers a node with these tags.
    pub async fn node_tagged(&self, tags: Vec<Tag>) -> ManagedNode {
        let id = NodeId::generate(self.random.as_ref());
        self.node_called(id, tags).await
    }

    /// Makes a node of this id, with these tags.
    pub async fn node_called(&self, id: NodeId, tags: Vec<Tag>) -> ManagedNode {
        let now = self.clock.now();
        let code = TokenHash::of("code");
        let activation = Activation {
            id: ActivationId::generate(self.random.as_ref()),
            account: self.account.clone(),
            region: self.region.clone(),
            description: None,
            default_instance_name: Some("web-1".to_owned()),
            iam_role: NODE_ROLE.to_owned(),
            registration_limit: 1,
            registrations_count: 0,
            expires_at: now.checked_add(Duration::from_secs(60)).expect("in range"),
            created_at: now,
            tags: tags.clone(),
        };
        let created = self.store.create_activation(&activation, &code).await;
        created.expect("created");
        let registration = Registration {
            activation: activation.id,
            code,
            node: id,
            public_key: self.random.array::<16>().to_vec(),
            fingerprint: "machine".to_owned(),
        };
        let registered = self.store.register_node(&registration, now).await;
        let node = registered.expect("registered");
        let tagged = self.store.add_tags(TagsOf::node(&node), &tags).await;
        tagged.expect("tagged");
        node
    }

    /// Registers a node and brings its control channel up.
    pub async fn online_node(&self) -> ManagedNode {
        let node = self.node().await;
        self.relay.connect(&node.id);
        node
    }
}
