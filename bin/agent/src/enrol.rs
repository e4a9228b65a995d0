//! `drawbridge-agent enrol`.

use std::io::{self, Read as _};
use std::sync::Arc;

use anyhow::Result;
use drawbridge_agent::identity::{EnrolRequest, Enrolment, enrol as enrol_node};
use drawbridge_agent::state::StateFolder;
use drawbridge_session::{Clock, SystemClock, SystemRandom};

use crate::authorities;
use crate::cli::Enrol;
use crate::exit::{Failure, USAGE};

/// More than the server ever answers.
const MAX_INPUT_BYTES: u64 = 64 * 1024;

/// Makes this machine an enrolled node and prints its id.
pub(crate) async fn enrol(arguments: Enrol) -> Result<()> {
    let enrolment = read()?;
    let (authorities, connector) = authorities::of(arguments.ca.as_deref())?;
    let folder = StateFolder::create(&arguments.state.path())?;
    let request = EnrolRequest {
        enrolment,
        endpoint: arguments.endpoint,
        authorities,
        replace: arguments.force,
    };
    let clock = SystemClock::new();
    let registration = enrol_node(
        &request,
        &folder,
        connector,
        Arc::new(move || clock.now()),
        &SystemRandom,
    )
    .await?;
    println!("{}", registration.node_id);
    eprintln!("enrolled; `drawbridge-agent run` connects this node");
    Ok(())
}

/// Reads the node and its key, which are never arguments: those show in process lists.
fn read() -> Result<Enrolment> {
    let input = io::stdin().lock().take(MAX_INPUT_BYTES);
    Enrolment::read(input).ok_or_else(|| {
        Failure {
            code: USAGE,
            sentence: "standard input holds no enrolled node",
            hint: "`drawbridge nodes enrol --json` prints one",
        }
        .into()
    })
}
