//! A node whose server may move.

use std::sync::{Arc, Mutex, PoisonError};

use super::Node;
use crate::sessions::chain;

/// This node as it is to be called at present: the agent that notices a new address of the server may have been started after
/// the process that asks here.
#[derive(Debug)]
pub struct PresentNode {
    node: Mutex<Arc<Node>>,
}

impl PresentNode {
    /// Begins with a node as it was opened.
    pub fn new(node: Node) -> Self {
        Self {
            node: Mutex::new(Arc::new(node)),
        }
    }

    /// Looks where the server is, and returns the node that calls it there.
    pub fn get(&self) -> Arc<Node> {
        let mut node = self.node.lock().unwrap_or_else(PoisonError::into_inner);
        match node.moved() {
            Ok(Some(moved)) => *node = Arc::new(moved),
            Ok(None) => {}
            Err(error) => tracing::warn!(error = chain(&error), "cannot look where the server is"),
        }
        Arc::clone(&node)
    }
}
