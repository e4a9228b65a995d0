//! One control channel: a task around the protocol's core, with a socket and a queue of orders.
//!
//! There is one of these per idle node, so it is one task that owns its socket whole: no second task, no split, no
//! queue for what it sends.

use std::time::Duration;

use drawbridge_protocol::control_channel::server::{Event, ServerControl};
use drawbridge_protocol::payload::TaskComplete;
use drawbridge_protocol::{MessageIds, Time, Transmit};
use drawbridge_session::Clock;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::nodes::Order;
use crate::socket::{Message, Socket, SocketError};

/// A node that takes no byte for this long is gone.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);

/// Serves an accepted control channel until either side leaves.
///
/// `opening` is the node's first text frame, whose token was accepted. A closed queue of orders means that a newer
/// connection of the node has taken over.
pub(crate) async fn serve<S: Socket>(
    opening: &str,
    mut socket: S,
    mut orders: mpsc::Receiver<Order>,
    ids: MessageIds,
    clock: &dyn Clock,
    mut completed: impl FnMut(TaskComplete),
) {
    let now = || Time::new(clock.monotonic(), clock.epoch_ms());
    let mut core = ServerControl::new(ids, now());
    if core.handle_text(opening, now()).is_err() {
        return;
    }
    core.accept(now());
    loop {
        while let Some(event) = core.poll_event() {
            match event {
                Event::Opened(_) => {}
                Event::Completed(complete) => completed(complete),
                Event::Unresponsive => return,
            }
        }
        if send_all(&mut core, &mut socket, now()).await.is_err() {
            return;
        }
        let wait = core.poll_timeout().map(|at| at.saturating_sub(clock.monotonic()));
        let until_deadline = async {
            match wait {
                Some(wait) => sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            message = socket.next() => {
                let Some(Ok(message)) = message else { return };
                if hear(&mut core, message, now()).is_break() {
                    return;
                }
            }
            order = orders.recv() => match order {
                Some(Order::Start(shell)) => core.start(*shell),
                Some(Order::Terminate(session)) => core.terminate(session.to_string()),
                None => {
                    let _goodbye = timeout(WRITE_PATIENCE, socket.close()).await;
                    return;
                }
            },
            () = until_deadline => core.handle_timeout(now()),
        }
    }
}

fn hear(core: &mut ServerControl, message: Message, now: Time) -> std::ops::ControlFlow<()> {
    match message {
        Message::Binary(bytes) => {
            // A frame that breaks a rule changed nothing; the node's sessions do not depend on it.
            if let Err(misbehaved) = core.handle_message(bytes, now) {
                tracing::debug!(
                    error = &misbehaved as &dyn std::error::Error,
                    "ignored a control message"
                );
            }
        }
        Message::Ping(_) => core.handle_ping(now),
        Message::Pong(_) => core.handle_pong(now),
        Message::Text(_) | Message::Close => return std::ops::ControlFlow::Break(()),
    }
    std::ops::ControlFlow::Continue(())
}

async fn send_all<S: Socket>(core: &mut ServerControl, socket: &mut S, now: Time) -> Result<(), SocketError> {
    let mut sent = false;
    while let Some(transmit) = core.poll_transmit(now) {
        let message = match transmit {
            Transmit::Binary(bytes) => Message::Binary(bytes),
            Transmit::Ping(payload) => Message::Ping(payload),
            Transmit::Text(text) => Message::Text(text),
        };
        within_patience(socket.feed(message)).await?;
        sent = true;
    }
    if sent {
        within_patience(socket.flush()).await?;
    }
    Ok(())
}

async fn within_patience(write: impl Future<Output = Result<(), SocketError>>) -> Result<(), SocketError> {
    timeout(WRITE_PATIENCE, write).await.map_err(SocketError::new)?
}
