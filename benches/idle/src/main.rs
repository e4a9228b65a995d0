//! Registers many nodes and keeps their control channels open, idle, so that their cost at the server can be measured.
//!
//! `drawbridge-bench-idle COUNT`, in the environment that `drawbridge dev` gives. Prints one line per stage and holds the
//! channels until its standard input closes.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use drawbridge_aws_client::{
    Auth, Client, Connector, Credentials, Endpoint, Environment, Proxies, RsaSigner, Service, Tls, WebSocket,
    credentials,
};
use drawbridge_protocol::payload::OpenControlChannel;
use drawbridge_session::{Clock as _, Random as _, SystemClock, SystemRandom};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio_tungstenite::tungstenite::Message;

const NODES_PER_ACTIVATION: usize = 1000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let count: usize = std::env::args()
        .nth(1)
        .context("usage: drawbridge-bench-idle COUNT")?
        .parse()?;
    let environment = Environment::of_process();
    let endpoint = environment
        .value("AWS_ENDPOINT_URL")
        .context("AWS_ENDPOINT_URL is not set")?;
    let clock = Arc::new(SystemClock::new());
    let connector = Connector::new(Tls::of_environment(&environment)?, Proxies::none());
    let now = Arc::clone(&clock);
    let client = Client::new(
        endpoint.parse::<Endpoint>()?,
        "us-east-1",
        connector,
        Arc::new(move || now.now()),
    );
    let administrator = credentials::resolve(&environment, None, clock.now())
        .await?
        .credentials;

    let mut channels = Vec::with_capacity(count);
    while channels.len() < count {
        let wanted = NODES_PER_ACTIVATION.min(count - channels.len());
        let activation = activate(&client, &administrator, wanted).await?;
        for _ in 0..wanted {
            channels.push(open_channel(&client, &activation).await?);
        }
    }
    println!("{count} nodes are idle");
    let answering = channels.into_iter().map(|mut channel| {
        tokio::spawn(async move { while channel.next().await.is_some_and(|message| message.is_ok()) {} })
    });
    let answering: Vec<_> = answering.collect();
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    let lost = answering.iter().filter(|task| task.is_finished()).count();
    ensure!(lost == 0, "{lost} of {count} control channels did not last");
    Ok(())
}

async fn activate(client: &Client, administrator: &Credentials, limit: usize) -> Result<Value> {
    let input = json!({ "IamRole": "DrawbridgeNodeRole", "RegistrationLimit": limit });
    Ok(client
        .call_json(
            Service::SSM,
            "CreateActivation",
            &input,
            Auth::Credentials(administrator),
        )
        .await?)
}

async fn open_channel(client: &Client, activation: &Value) -> Result<WebSocket> {
    let random = SystemRandom;
    let fingerprint = random.uuid().to_string();
    let key = KeyPair::generate(KeySize::Rsa2048).context("cannot make a key")?;
    let public = key.public_key().as_der().context("cannot encode the key")?;
    let registration = json!({
        "ActivationId": activation["ActivationId"],
        "ActivationCode": activation["ActivationCode"],
        "Fingerprint": fingerprint,
        "PublicKey": STANDARD.encode(public.as_ref()),
        "PublicKeyType": "Rsa",
    });
    let registered = client
        .call_json(
            Service::SSM,
            "RegisterManagedInstance",
            &registration,
            Auth::Unsigned,
        )
        .await?;
    let node = registered["InstanceId"]
        .as_str()
        .context("no node id")?
        .to_owned();
    let signer = RsaSigner::new(node.clone(), key);
    let role = client
        .call_json(
            Service::SSM,
            "RequestManagedInstanceRoleToken",
            &json!({ "Fingerprint": fingerprint }),
            Auth::Node(&signer),
        )
        .await?;
    let text = |key: &str| role[key].as_str().unwrap_or_default().to_owned();
    let credentials = Credentials {
        access_key_id: text("AccessKeyId"),
        secret_access_key: text("SecretAccessKey").into(),
        session_token: Some(text("SessionToken").into()),
    };
    let path = format!("/v1/control-channel/{node}");
    let request = json!({ "MessageSchemaVersion": "1.0", "RequestId": random.uuid().to_string() });
    let answer = client
        .post(
            Service::SSMMESSAGES,
            &path,
            &request,
            Auth::Credentials(&credentials),
        )
        .await?;
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    let token = body
        .split_once("<TokenValue>")
        .and_then(|(_, rest)| rest.split_once("</TokenValue>"))
        .map(|(token, _)| token.to_owned())
        .with_context(|| format!("no token in the answer: {body}"))?;
    let url = format!(
        "wss://{}{path}?role=subscribe&stream=input",
        client.endpoint().authority()
    );
    let mut channel = client
        .open_websocket(&url, Auth::Credentials(&credentials))
        .await?;
    let open = OpenControlChannel {
        message_schema_version: "1.0".to_owned(),
        request_id: random.uuid().to_string(),
        token_value: token.into(),
        agent_version: "3.3.987.0".to_owned(),
        platform_type: "linux".to_owned(),
        ..OpenControlChannel::default()
    };
    channel.send(Message::text(serde_json::to_string(&open)?)).await?;
    Ok(channel)
}
