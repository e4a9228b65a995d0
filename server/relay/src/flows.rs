//! Writes what passed through tunnels to the audit log, off the sessions' own tasks.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use drawbridge_protocol::data_channel::relay::FlowReport;
use drawbridge_protocol::port_mux::{Flow, FlowOutcome, Rest};
use drawbridge_session::audit::{OtherFlows, TunnelFlow, TunnelFlows};
use drawbridge_session::document::Destination;
use drawbridge_session::{AuditEvent, Random, SessionId};
use drawbridge_store::{Store, StoreError};
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Reports that are written together, so that they share a sync.
const GROUP: usize = 64;

/// How often a report is tried while the store fails.
const ATTEMPTS: u32 = 5;

/// Pause between two of them.
const PAUSE: Duration = Duration::from_millis(200);

/// A report of a session's core.
#[derive(Debug)]
pub(crate) struct Passed {
    pub(crate) session: SessionId,
    pub(crate) report: FlowReport,
    pub(crate) at: Timestamp,
}

/// Writes reports until it is told to stop, then what is still queued.
pub(crate) async fn write_down(
    store: Arc<dyn Store>,
    random: Arc<dyn Random>,
    mut reports: mpsc::UnboundedReceiver<Passed>,
    stop: CancellationToken,
) {
    let mut group = Vec::with_capacity(GROUP);
    loop {
        let received = stop
            .run_until_cancelled(reports.recv_many(&mut group, GROUP))
            .await;
        if received == Some(0) {
            return;
        }
        if received.is_none() {
            break;
        }
        write(store.as_ref(), random.as_ref(), &mut group).await;
    }
    while let Ok(report) = reports.try_recv() {
        group.push(report);
    }
    write(store.as_ref(), random.as_ref(), &mut group).await;
}

async fn write(store: &dyn Store, random: &dyn Random, group: &mut Vec<Passed>) {
    let each = group.drain(..).map(|passed| record(store, random, passed));
    join_all(each).await;
}

async fn record(store: &dyn Store, random: &dyn Random, passed: Passed) {
    let id = &passed.session;
    for attempt in 1..=ATTEMPTS {
        match try_to_record(store, random, &passed).await {
            Ok(()) => return,
            Err(error) if attempt < ATTEMPTS => {
                tracing::warn!(session.id = %id, error = &error as &dyn Error, "will try again");
            }
            Err(error) => {
                let connections = passed.report.flows.len();
                tracing::error!(
                    session.id = %id, connections, error = &error as &dyn Error,
                    "the audit log did not take what passed through a tunnel"
                );
                return;
            }
        }
        sleep(PAUSE).await;
    }
}

async fn try_to_record(store: &dyn Store, random: &dyn Random, passed: &Passed) -> Result<(), StoreError> {
    let Some(session) = store.session(&passed.session).await? else {
        return Err(StoreError::new("record a tunnel", "its session is not known"));
    };
    let destinations = session.start.document.destinations();
    let event: AuditEvent = details(&passed.report, &destinations).event(&session, passed.at, random);
    store.record(event).await
}

fn details(report: &FlowReport, destinations: &[Destination]) -> TunnelFlows {
    TunnelFlows {
        flows: report.flows.iter().map(|flow| one(flow, destinations)).collect(),
        others: report.rest.map(others),
        after_restart: report.is_resumed,
    }
}

fn one(flow: &Flow, destinations: &[Destination]) -> TunnelFlow {
    let (outcome, code, reason) = match &flow.outcome {
        FlowOutcome::Ended => ("ended", None, None),
        FlowOutcome::Refused { code, reason } => ("refused", Some(format!("{code:?}")), Some(reason)),
        FlowOutcome::Reset { reason } => ("reset", None, Some(reason)),
        FlowOutcome::Open => ("open", None, None),
        FlowOutcome::Interrupted => ("interrupted", None, None),
    };
    TunnelFlow {
        destination: destinations
            .get(usize::from(flow.destination))
            .map(ToString::to_string),
        address: flow.address.clone(),
        start_time_millis: flow.opened_ms,
        end_time_millis: flow.ended_ms,
        bytes_to_node: flow.to_node,
        bytes_from_node: flow.from_node,
        outcome,
        code,
        reason: reason.filter(|reason| !reason.is_empty()).cloned(),
    }
}

fn others(rest: Rest) -> OtherFlows {
    OtherFlows {
        connections: rest.connections,
        start_time_millis: rest.first_ms,
        end_time_millis: rest.last_ms,
        bytes_to_node: rest.to_node,
        bytes_from_node: rest.from_node,
    }
}
