//! Managed nodes.

use std::time::Duration;

use drawbridge_session::{
    AccessKeyId, Activation, ActivationId, AgentReport, Clock as _, ManagedNode, NodeId, RandomArray as _,
    Tag,
};
use drawbridge_store::{Activations as _, NodeAccessKey, Nodes as _, Registration, TokenHash, credentials};

use crate::{House, NODE_ROLE};

impl House {
    /// Registers a node with a name, the tag `Environment` = `Dev`, and no connection.
    pub async fn node(&self) -> ManagedNode {
        self.node_tagged(vec![Tag::new("Environment", "Dev")]).await
    }

    /// Registers a node with these tags.
    pub async fn node_tagged(&self, tags: Vec<Tag>) -> ManagedNode {
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
            tags,
        };
        let created = self.store.create_activation(&activation, &code).await;
        created.expect("created");
        let registration = Registration {
            activation: activation.id,
            code,
            node: NodeId::generate(self.random.as_ref()),
            public_key: self.random.array::<16>().to_vec(),
            fingerprint: "machine".to_owned(),
        };
        let registered = self.store.register_node(&registration, now).await;
        registered.expect("registered")
    }

    /// Enrols a node of the role of nodes, with these tags.
    pub async fn enrolled_node(&self, tags: &[Tag]) -> ManagedNode {
        let now = self.clock.now();
        let node = ManagedNode {
            id: NodeId::generate_enrolled(self.random.as_ref()),
            account: self.account.clone(),
            region: self.region.clone(),
            activation: None,
            iam_role: NODE_ROLE.to_owned(),
            instance_profile: None,
            name: None,
            public_key: None,
            fingerprint: String::new(),
            registered_at: now,
            last_ping_at: None,
            agent: AgentReport::default(),
        };
        let key = self.node_access_key(&node.id);
        let enrolled = self.store.enrol_node(&node, &key, tags).await;
        assert!(enrolled.expect("enrolled"), "the id is free");
        node
    }

    /// Draws an access key for an enrolled node.
    pub fn node_access_key(&self, node: &NodeId) -> NodeAccessKey {
        let id = AccessKeyId::generate(self.random.as_ref());
        let secret = credentials::draw_secret(self.random.as_ref());
        NodeAccessKey {
            sealed_secret: credentials::seal_secret(&self.root, &id, &secret, self.random.as_ref()),
            id,
            node: node.clone(),
            created_at: self.clock.now(),
        }
    }

    /// Registers a node and brings its control channel up.
    pub async fn online_node(&self) -> ManagedNode {
        let node = self.node().await;
        self.relay.connect(&node.id);
        node
    }
}
