//! Signed, authorised, audited calls per second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drawbridge_aws_client::{
    Auth, Client, Connector, Credentials, Endpoint, Environment, Proxies, Service, Tls, credentials,
};
use drawbridge_session::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::disk;

/// Callers at one time, each with a connection of its own.
const CALLERS: usize = 32;

/// How long each kind of call is made.
const FOR: Duration = Duration::from_secs(6);

struct Kind {
    name: &'static str,
    operation: &'static str,
    input: fn(&str, u64) -> Value,
    /// Whether the server is expected to refuse.
    refused: bool,
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "refused before any decision (unknown operation)",
        operation: "NoSuchOperation",
        input: |_, _| json!({}),
        refused: true,
    },
    Kind {
        name: "read (GetConnectionStatus)",
        operation: "GetConnectionStatus",
        input: |node, _| json!({ "Target": node }),
        refused: false,
    },
    Kind {
        name: "write (AddTagsToResource)",
        operation: "AddTagsToResource",
        input: |node, number| {
            json!({
                "ResourceType": "ManagedInstance", "ResourceId": node,
                "Tags": [{ "Key": "bench", "Value": number.to_string() }],
            })
        },
        refused: false,
    },
];

pub(crate) async fn run() -> Result<()> {
    let environment = Environment::of_process();
    let endpoint = environment
        .value("AWS_ENDPOINT_URL")
        .context("AWS_ENDPOINT_URL is not set")?;
    let node = environment
        .value("DRAWBRIDGE_NODE_ID")
        .context("DRAWBRIDGE_NODE_ID is not set")?;
    let administrator = credentials::resolve(&environment, None, SystemClock::new().now())
        .await?
        .credentials;
    let folder = environment.value("DRAWBRIDGE_DATA_DIR").unwrap_or("/tmp");
    let syncs = disk::syncs_per_second(folder.as_ref(), Duration::from_secs(2))?;
    println!("fdatasync of 4 KiB on this disk, one after the other: {syncs:.0} /s");
    for kind in &KINDS {
        let mut clients = Vec::with_capacity(CALLERS);
        for _ in 0..CALLERS {
            clients.push(client(&environment, endpoint)?);
        }
        let rate = rate(kind, clients, &administrator, node).await?;
        println!("{}: {rate:.0} calls/s", kind.name);
    }
    Ok(())
}

fn client(environment: &Environment, endpoint: &str) -> Result<Client> {
    let connector = Connector::new(Tls::of_environment(environment)?, Proxies::none());
    let clock = SystemClock::new();
    Ok(Client::new(
        endpoint.parse::<Endpoint>()?,
        "us-east-1",
        connector,
        Arc::new(move || clock.now()),
    ))
}

async fn rate(
    kind: &'static Kind,
    clients: Vec<Client>,
    administrator: &Credentials,
    node: &str,
) -> Result<f64> {
    let (answered, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let callers: Vec<_> = clients
        .into_iter()
        .map(|client| {
            let (answered, stop) = (Arc::clone(&answered), Arc::clone(&stop));
            let (administrator, node) = (administrator.clone(), node.to_owned());
            tokio::spawn(async move {
                let mut outcome = Ok(());
                while outcome.is_ok() && !stop.load(Ordering::Relaxed) {
                    let number = answered.fetch_add(1, Ordering::Relaxed);
                    outcome = call(kind, &client, &administrator, &node, number).await;
                }
                outcome
            })
        })
        .collect();
    // What connecting costs does not count.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let clock = SystemClock::new();
    let (count, before) = (answered.load(Ordering::Relaxed), clock.monotonic());
    tokio::time::sleep(FOR).await;
    let counted = answered.load(Ordering::Relaxed) - count;
    let took = clock.monotonic() - before;
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await??;
    }
    Ok(counted as f64 / took.as_secs_f64())
}

async fn call(
    kind: &Kind,
    client: &Client,
    administrator: &Credentials,
    node: &str,
    number: u64,
) -> Result<()> {
    let input = (kind.input)(node, number);
    let answer = client
        .call_json(
            Service::SSM,
            kind.operation,
            &input,
            Auth::Credentials(administrator),
        )
        .await;
    ensure!(answer.is_err() == kind.refused, "{}: {answer:?}", kind.name);
    Ok(())
}
