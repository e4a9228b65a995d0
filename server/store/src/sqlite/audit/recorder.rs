//! The task that appends: whatever came while it was writing is its next batch, with one transaction and one sync.

use std::sync::Arc;

use drawbridge_session::{AuditEvent, Intent, Random as _, SystemRandom};
use sqlx::{Row as _, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::super::undecodable;
use super::super::writer::{Durability, Writer};
use super::rows::{self, Chained};
use crate::audit::{Head, Mark, Signer};
use crate::{RootKey, StoreError};

/// Events that wait to be written; whoever brings one more waits for a place, because none may be dropped.
const QUEUE: usize = 256;

/// In each block of so many events the newest checkpoint stays; those before it go when it is signed.
const CHECKPOINT_BLOCK: u64 = 1000;

/// The setting that names the writer of this store's chain.
const WRITER: &str = "audit.writer";

/// Hands events to the task.
#[derive(Clone)]
pub(in crate::sqlite) struct Recorder {
    queue: mpsc::Sender<Order>,
    signer: Arc<Signer>,
}

enum Order {
    Intend(Uuid, String, Done),
    Append(Box<Entry>, Done),
    Stop,
}

/// Tells whoever gave an order what became of it.
type Done = oneshot::Sender<Result<(), StoreError>>;

/// The orders that came while the task was busy.
#[derive(Default)]
struct Batch {
    intents: Vec<(Uuid, String)>,
    intending: Vec<Done>,
    entries: Vec<Entry>,
    appending: Vec<Done>,
    stop: bool,
}

struct Entry {
    event: AuditEvent,
    text: String,
}

struct Chain {
    writer: Writer,
    signer: Arc<Signer>,
    /// Where it ends; `None` where that must be read again, because a batch failed.
    end: Option<End>,
}

#[derive(Clone, Copy)]
struct End {
    head: Head,
    /// The index of the newest checkpoint; 0 for none.
    signed: u64,
}

impl Recorder {
    /// Turns the intents that an earlier run left into events, and starts the task.
    ///
    /// The task ends when it is told to, or when nobody can hand it events any more.
    pub(in crate::sqlite) async fn start(writer: &Writer, root: &RootKey) -> Result<Self, StoreError> {
        let failed = || StoreError::doing("take up its audit log");
        let mut connection = writer.acquire().await.map_err(failed())?;
        let id = writer_id(&mut connection).await.map_err(failed())?;
        let signer = Arc::new(Signer::new(id, root));
        let left = left_intents(&mut connection, &signer)
            .await
            .map_err(StoreError::doing("read the intents of its last run"))?;
        drop(connection);
        let mut chain = Chain {
            writer: writer.clone(),
            signer: Arc::clone(&signer),
            end: None,
        };
        if !left.is_empty() {
            chain.append(&left).await?;
        }
        chain.forget_intents().await?;
        let (queue, orders) = mpsc::channel(QUEUE);
        tokio::spawn(run(chain, orders));
        Ok(Self { queue, signer })
    }

    /// Stores an intent, without waiting for the disk.
    pub(super) async fn intend(&self, intent: &Intent) -> Result<(), StoreError> {
        let (id, text) = (intent.event_id(), intent.to_json());
        self.order(|done| Order::Intend(id, text, done)).await
    }

    /// Appends an event, and waits until it is on the disk. It is written even if the caller stops waiting.
    pub(super) async fn record(&self, event: AuditEvent) -> Result<(), StoreError> {
        let text = event.to_json();
        let entry = Box::new(Entry { event, text });
        self.order(|done| Order::Append(entry, done)).await
    }

    async fn order(&self, order: impl FnOnce(Done) -> Order) -> Result<(), StoreError> {
        let closed = || StoreError::new("write its audit log", "it is closed");
        let (done, outcome) = oneshot::channel();
        self.queue.send(order(done)).await.map_err(|_| closed())?;
        outcome.await.map_err(|_| closed())?
    }

    /// Writes what was handed over and ends the task.
    pub(in crate::sqlite) async fn stop(&self) {
        // An error says that the task has ended already.
        let _ = self.queue.send(Order::Stop).await;
        self.queue.closed().await;
    }

    pub(super) fn signer(&self) -> &Signer {
        &self.signer
    }
}

async fn run(mut chain: Chain, mut queue: mpsc::Receiver<Order>) {
    let mut orders = Vec::with_capacity(QUEUE);
    let mut stopped = false;
    while !stopped && queue.recv_many(&mut orders, QUEUE).await > 0 {
        let batch: Batch = orders.drain(..).collect();
        if !batch.intents.is_empty() {
            // They wait for no disk, and their changes wait for them.
            answer(batch.intending, chain.intend(&batch.intents).await);
        }
        if !batch.entries.is_empty() {
            answer(batch.appending, chain.append(&batch.entries).await);
        }
        stopped = batch.stop;
    }
}

fn answer(waiting: Vec<Done>, outcome: Result<(), StoreError>) {
    let outcome = outcome.map_err(Arc::new);
    for done in waiting {
        let outcome = outcome.clone();
        // Whoever no longer waits does not want to know.
        let _ = done.send(outcome.map_err(|error| StoreError::new("write its audit log", error)));
    }
}

impl FromIterator<Order> for Batch {
    fn from_iter<I: IntoIterator<Item = Order>>(orders: I) -> Self {
        let mut batch = Self::default();
        for order in orders {
            match order {
                Order::Intend(id, text, done) => {
                    batch.intents.push((id, text));
                    batch.intending.push(done);
                }
                Order::Append(entry, done) => {
                    batch.entries.push(*entry);
                    batch.appending.push(done);
                }
                Order::Stop => batch.stop = true,
            }
        }
        batch
    }
}

impl Chain {
    async fn intend(&self, intents: &[(Uuid, String)]) -> Result<(), StoreError> {
        let failed = || StoreError::doing("store the intents of audit events");
        let mut transaction = self.writer.begin(Durability::Buffered).await?;
        rows::insert_intents(&mut transaction, &self.signer, intents)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())
    }

    async fn forget_intents(&self) -> Result<(), StoreError> {
        let failed = || StoreError::doing("forget the intents of its last run");
        let mut transaction = self.writer.begin(Durability::Buffered).await?;
        sqlx::query("DELETE FROM audit_intents")
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())
    }

    /// Appends events in one synced transaction, signs where the chain then ends, and forgets their intents.
    async fn append(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin(Durability::Synced).await?;
        // Taken, so that what a failure leaves is not trusted.
        let end = match self.end.take() {
            Some(end) => Ok(end),
            None => end_of(&mut transaction, self.signer.writer()).await,
        };
        let failed = || StoreError::doing("append audit events");
        let end = extend(&mut transaction, &self.signer, end.map_err(failed())?, entries)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        self.end = Some(end);
        Ok(())
    }
}

/// Writes events behind the end of the chain, and returns the new end.
async fn extend(
    connection: &mut SqliteConnection,
    signer: &Signer,
    end: End,
    entries: &[Entry],
) -> Result<End, sqlx::Error> {
    let Some(last) = entries.last() else {
        return Ok(end);
    };
    let mut head = end.head;
    let mut chained = Vec::with_capacity(entries.len());
    for Entry { event, text } in entries {
        head = head.then(text);
        chained.push(Chained { head, event, text });
    }
    rows::insert_events(connection, &chained).await?;
    let events = entries.iter().map(|entry| &entry.event);
    let settled: Vec<_> = events
        .filter(|it| !it.is_read_only())
        .map(AuditEvent::id)
        .collect();
    rows::delete_intents(connection, &settled).await?;

    if end.signed / CHECKPOINT_BLOCK == head.index / CHECKPOINT_BLOCK {
        rows::delete_head(connection, end.signed).await?;
    }
    let checkpoint = signer.sign(Mark::Head, head, last.event.at());
    rows::insert_checkpoint(connection, &checkpoint).await?;
    Ok(End {
        head,
        signed: head.index,
    })
}

/// Finds where the chain ends: at its last event, or at a checkpoint behind it. A tail that somebody removed is not
/// grown over: the gap stays to be found.
async fn end_of(connection: &mut SqliteConnection, writer: Uuid) -> Result<End, sqlx::Error> {
    let mut end = End {
        head: Head::origin(writer),
        signed: 0,
    };
    let event = sqlx::query("SELECT idx, hash FROM audit_events ORDER BY idx DESC LIMIT 1")
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(row) = event {
        end.head = rows::head(&row)?;
    }
    let checkpoint = sqlx::query("SELECT idx, hash FROM audit_checkpoints ORDER BY idx DESC LIMIT 1")
        .fetch_optional(connection)
        .await?;
    if let Some(row) = checkpoint {
        let signed = rows::head(&row)?;
        end.signed = signed.index;
        if signed.index > end.head.index {
            end.head = signed;
        }
    }
    Ok(end)
}

/// Reads the id under which this store chains its events, drawn once.
async fn writer_id(connection: &mut SqliteConnection) -> Result<Uuid, sqlx::Error> {
    sqlx::query("INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO NOTHING")
        .bind(WRITER)
        .bind(SystemRandom.uuid().to_string())
        .execute(&mut *connection)
        .await?;
    known_writer_id(connection).await?.ok_or(sqlx::Error::RowNotFound)
}

/// Reads the id under which a store chains its events; `None` where none was opened yet.
pub(super) async fn known_writer_id(connection: &mut SqliteConnection) -> Result<Option<Uuid>, sqlx::Error> {
    let id: Option<String> = sqlx::query_scalar("SELECT value FROM settings WHERE name = ?")
        .bind(WRITER)
        .fetch_optional(connection)
        .await?;
    let parse = |id: String| {
        id.parse()
            .map_err(|error: uuid::Error| undecodable("value", error))
    };
    id.map(parse).transpose()
}

/// Reads the intents that an earlier run left as events, but for those that are not ours or have their event.
async fn left_intents(connection: &mut SqliteConnection, signer: &Signer) -> Result<Vec<Entry>, sqlx::Error> {
    // Their ids begin with the time.
    let rows = sqlx::query("SELECT intent, tag FROM audit_intents ORDER BY id")
        .fetch_all(&mut *connection)
        .await?;
    let mut entries = Vec::with_capacity(rows.len());
    for row in &rows {
        let (intent, tag): (&str, &[u8]) = (row.try_get("intent")?, row.try_get("tag")?);
        if !signer.tagged(intent, tag) {
            continue;
        }
        let event = AuditEvent::interrupted(intent).map_err(|error| undecodable("intent", error))?;
        let known = sqlx::query("SELECT 1 FROM audit_events WHERE id = ?")
            .bind(event.id().to_string())
            .fetch_optional(&mut *connection)
            .await?;
        if known.is_none() {
            let text = event.to_json();
            entries.push(Entry { event, text });
        }
    }
    Ok(entries)
}
