//! Telling the server that this node is there, and what it is.

use std::time::Duration;

use drawbridge_session::RandomArray;
use serde_json::{Value, json};

use crate::backoff::Backoff;
use crate::identity::{AGENT_NAME, AGENT_VERSION, Node};
use crate::platform::{Platform, address_towards};
use crate::sessions::chain;

/// Time between two reports; the server calls a node lost after several times this.
const INTERVAL: Duration = Duration::from_secs(5 * 60);
/// Up to this much is taken off an interval by chance, so that nodes started together drift apart.
const SPREAD: Duration = Duration::from_secs(30);

/// Reports for as long as it is polled.
pub(crate) async fn report(node: &Node, platform: &Platform) {
    let mut backoff = Backoff::CONTROL;
    let mut complaint = String::new();
    loop {
        let input = describe(node, platform).await;
        let wait = match node.call("UpdateInstanceInformation", &input).await {
            Ok(_) => {
                backoff.reset();
                complaint.clear();
                let [chance] = node.random().array();
                INTERVAL - SPREAD.mul_f64(f64::from(chance) / f64::from(u8::MAX))
            }
            Err(error) => {
                let error = chain(&error);
                // Once for each thing that is wrong: a server may be away for days.
                if error != complaint {
                    tracing::warn!(error, "cannot report this node to the server");
                    complaint = error;
                }
                backoff.next(node.random().as_ref())
            }
        };
        tokio::time::sleep(wait).await;
    }
}

async fn describe(node: &Node, platform: &Platform) -> Value {
    let address = address_towards(node.gateway().endpoint()).await;
    json!({
        "AgentName": AGENT_NAME,
        "AgentVersion": AGENT_VERSION,
        "AgentStatus": "Active",
        "InstanceId": node.id(),
        "ComputerName": platform.computer,
        "IPAddress": address.map(|address| address.to_string()).unwrap_or_default(),
        "PlatformType": "Linux",
        "PlatformName": platform.name,
        "PlatformVersion": platform.version,
        "SSMConnectionChannel": "ssmmessages",
    })
}
