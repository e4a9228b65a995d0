//! `drawbridge-agent register`.

use std::io::BufRead as _;
use std::sync::Arc;

use anyhow::{Context, Result};
use drawbridge_agent::identity::{RegisterRequest, register as register_node};
use drawbridge_agent::state::StateFolder;
use drawbridge_session::{Clock, Secret, SystemClock, SystemRandom};

use crate::authorities;
use crate::cli::Register;
use crate::exit::{Failure, USAGE};

/// Registers this machine and prints its new id.
pub(crate) async fn register(arguments: Register) -> Result<()> {
    let code = activation_code(&arguments.activation_code)?;
    let (authorities, connector) = authorities::of(arguments.ca.as_deref())?;
    let folder = StateFolder::create(&arguments.state.path())?;
    let request = RegisterRequest {
        activation_id: arguments.activation_id,
        activation_code: code,
        region: arguments.region,
        endpoint: arguments.endpoint,
        authorities,
        replace: arguments.force,
    };
    let clock = SystemClock::new();
    let registration = register_node(
        &request,
        &folder,
        connector,
        Arc::new(move || clock.now()),
        &SystemRandom,
    )
    .await?;
    println!("{}", registration.node_id);
    eprintln!("registered; `drawbridge-agent run` connects this node");
    Ok(())
}

fn activation_code(argument: &str) -> Result<Secret> {
    let mut text = argument.to_owned();
    if argument == "-" {
        text.clear();
        std::io::stdin()
            .lock()
            .read_line(&mut text)
            .context("cannot read the activation code")?;
    }
    let text = text.trim();
    if text.is_empty() {
        let hint = "`--activation-code -` reads one line from standard input";
        return Err(Failure {
            code: USAGE,
            sentence: "the activation code is empty",
            hint,
        }
        .into());
    }
    Ok(Secret::new(text))
}
