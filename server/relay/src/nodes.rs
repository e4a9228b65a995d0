//! Which managed nodes are there, and how to reach them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drawbridge_protocol::Capabilities;
use drawbridge_protocol::payload::InteractiveShell;
use drawbridge_session::{Clock, NodeId, SessionId};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

/// A node that left this recently may be back any moment.
const SEEN_MOMENTS_AGO: Duration = Duration::from_secs(60);

/// For this long after its start a server takes every node for one that is about to return: AWS's agent needs up
/// to 12 s.
const AFTER_START: Duration = Duration::from_secs(30);

/// Orders that may wait for one node.
const ORDERS: usize = 64;

/// Sessions remembered per node that it may still be running although they are over here.
const LEFTOVERS: usize = 256;

/// What a control channel is asked to send.
#[derive(Debug)]
pub(crate) enum Order {
    Start(Box<InteractiveShell>),
    Terminate(Box<SessionId>),
}

/// The nodes of one relay.
pub(crate) struct Nodes {
    present: Mutex<HashMap<NodeId, Presence>>,
    arrivals: Notify,
    clock: Arc<dyn Clock>,
    opened_at: Duration,
}

#[derive(Debug, Default)]
struct Presence {
    channel: Option<Channel>,
    last_seen: Option<Duration>,
    leftovers: BTreeSet<SessionId>,
    /// Sessions to start when it is back, by their ids.
    starts: BTreeMap<String, InteractiveShell>,
}

/// The way to a node that is there. Dropping it closes the connection.
#[derive(Debug)]
struct Channel {
    generation: u64,
    orders: mpsc::Sender<Order>,
    capabilities: Option<Capabilities>,
}

impl Nodes {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Nodes {
        let opened_at = clock.monotonic();
        Nodes {
            present: Mutex::default(),
            arrivals: Notify::new(),
            clock,
            opened_at,
        }
    }

    /// Takes a new control channel in the place of an older one, and tells the node which sessions are over and which
    /// are to start.
    pub(crate) fn connect(
        &self,
        node: &NodeId,
        generation: u64,
        capabilities: Option<Capabilities>,
    ) -> mpsc::Receiver<Order> {
        let (orders, queue) = mpsc::channel(ORDERS);
        let mut present = self.present();
        let presence = present.entry(node.clone()).or_default();
        let leftovers = std::mem::take(&mut presence.leftovers);
        for session in leftovers {
            if orders
                .try_send(Order::Terminate(Box::new(session.clone())))
                .is_err()
            {
                presence.leftovers.insert(session);
            }
        }
        for shell in std::mem::take(&mut presence.starts).into_values() {
            // What finds no room is asked for again by its session's core.
            let _full_queue = orders.try_send(Order::Start(Box::new(shell)));
        }
        presence.channel = Some(Channel {
            generation,
            orders,
            capabilities,
        });
        drop(present);
        self.arrivals.notify_waiters();
        queue
    }

    /// Notes that a control channel is gone; one that was replaced changes nothing.
    pub(crate) fn disconnect(&self, node: &NodeId, generation: u64) {
        let mut present = self.present();
        let Some(presence) = present.get_mut(node) else {
            return;
        };
        presence.last_seen = Some(self.clock.monotonic());
        if presence
            .channel
            .as_ref()
            .is_some_and(|channel| channel.generation == generation)
        {
            presence.channel = None;
        }
    }

    /// Forgets a node and closes its control channel.
    pub(crate) fn remove(&self, node: &NodeId) {
        self.present().remove(node);
    }

    /// Whether the control channel is up, waiting up to `patience` for a node that may be about to return.
    pub(crate) async fn wait_for(&self, node: &NodeId, patience: Duration) -> bool {
        let arrived = async {
            loop {
                let arrival = self.arrivals.notified();
                tokio::pin!(arrival);
                // Registered before looking, so that an arrival in between is not missed.
                arrival.as_mut().enable();
                if self.is_connected(node) {
                    return;
                }
                arrival.await;
            }
        };
        if self.is_connected(node) {
            return true;
        }
        self.may_return(node) && timeout(patience, arrived).await.is_ok()
    }

    pub(crate) fn is_connected(&self, node: &NodeId) -> bool {
        self.present()
            .get(node)
            .is_some_and(|presence| presence.channel.is_some())
    }

    /// What the node named when it connected; `None` for AWS's agent and for one that is away.
    pub(crate) fn capabilities(&self, node: &NodeId) -> Option<Capabilities> {
        self.present().get(node)?.channel.as_ref()?.capabilities
    }

    /// Sends an order, now or when the node is back. One that is lost on its way is asked for again by its session's core.
    pub(crate) fn start(&self, node: &NodeId, shell: InteractiveShell) {
        let mut present = self.present();
        let presence = present.entry(node.clone()).or_default();
        if let Some(channel) = &presence.channel {
            let _full_queue = channel.orders.try_send(Order::Start(Box::new(shell)));
        } else if presence.starts.len() < ORDERS {
            tracing::debug!(node.id = %node, "a start order waits for the node to return");
            presence.starts.insert(shell.task_id.clone(), shell);
        }
    }

    /// Orders the end of a session, now or when the node is back.
    pub(crate) fn terminate(&self, node: &NodeId, session: &SessionId) {
        let mut present = self.present();
        let presence = present.entry(node.clone()).or_default();
        presence.starts.remove(session.as_str());
        if let Some(channel) = &presence.channel {
            let _full_queue = channel
                .orders
                .try_send(Order::Terminate(Box::new(session.clone())));
        }
        // Also when it was sent: a connection that dies now may take the order with it.
        if presence.leftovers.len() < LEFTOVERS {
            presence.leftovers.insert(session.clone());
        }
    }

    /// Notes that the node itself says a session is over.
    pub(crate) fn completed(&self, node: &NodeId, session: &SessionId) {
        if let Some(presence) = self.present().get_mut(node) {
            presence.leftovers.remove(session);
        }
    }

    fn may_return(&self, node: &NodeId) -> bool {
        let now = self.clock.monotonic();
        if now.saturating_sub(self.opened_at) < AFTER_START {
            return true;
        }
        let last_seen = self.present().get(node).and_then(|presence| presence.last_seen);
        last_seen.is_some_and(|last_seen| now.saturating_sub(last_seen) < SEEN_MOMENTS_AGO)
    }

    fn present(&self) -> MutexGuard<'_, HashMap<NodeId, Presence>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use drawbridge_session::SystemClock;

    use super::*;

    const SESSION: &str = "alice-00000000000000001";

    #[test]
    fn a_start_order_waits_for_its_node() {
        let (nodes, node) = (nodes(), node());
        nodes.start(&node, shell(SESSION));
        nodes.start(&node, shell(SESSION));
        assert_eq!(orders(&nodes, &node), [format!("start {SESSION}")]);
        assert_eq!(orders(&nodes, &node), [""; 0], "sent once");
    }

    #[test]
    fn a_session_that_is_over_is_not_started_any_more() {
        let (nodes, node) = (nodes(), node());
        let session = SessionId::parse(SESSION).unwrap();
        nodes.start(&node, shell(SESSION));
        nodes.terminate(&node, &session);
        assert_eq!(orders(&nodes, &node), [format!("terminate {SESSION}")]);
    }

    #[test]
    fn only_so_many_orders_wait() {
        let (nodes, node) = (nodes(), node());
        for session in 0..1000 {
            nodes.start(&node, shell(&format!("alice-{session:017x}")));
        }
        assert_eq!(orders(&nodes, &node).len(), ORDERS);
    }

    /// What a new connection of the node is asked to send at once.
    fn orders(nodes: &Nodes, node: &NodeId) -> Vec<String> {
        let mut queue = nodes.connect(node, 1, None);
        let mut orders = Vec::new();
        while let Ok(order) = queue.try_recv() {
            orders.push(match order {
                Order::Start(shell) => format!("start {}", shell.task_id),
                Order::Terminate(session) => format!("terminate {session}"),
            });
        }
        orders
    }

    fn nodes() -> Nodes {
        Nodes::new(Arc::new(SystemClock::new()))
    }

    fn node() -> NodeId {
        NodeId::parse("mi-0a1b2c3d4e5f67890").unwrap()
    }

    fn shell(session: &str) -> InteractiveShell {
        InteractiveShell {
            content: String::new(),
            task_id: session.to_owned(),
            topic: "interactive_shell".to_owned(),
            schema_version: 1,
        }
    }
}
