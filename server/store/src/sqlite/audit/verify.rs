//! Whether the log is whole: every event again through the chain, every checkpoint by its signature.

use drawbridge_session::AuditEvent;
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection as _, Row as _, SqliteConnection, SqlitePool};

use super::recorder::known_writer_id;
use super::rows::{self, Found, FoundResource};
use crate::audit::{Head, Mark, Signer};
use crate::{Broken, Checkpoint, RootKey, StoreError, Verified, VerifyError};

/// Events that are read at once.
const AT_ONCE: u32 = 200;

/// Checks the log, and shows each event that is as it was recorded.
pub(in crate::sqlite) async fn verify(
    readers: &SqlitePool,
    root: &RootKey,
    kept: Option<&Checkpoint>,
    visit: impl FnMut(&AuditEvent) + Send,
) -> Result<Verified, VerifyError> {
    let failed = || StoreError::doing("read the audit log");
    let mut connection = readers.acquire().await.map_err(failed())?;
    // One transaction sees one moment of the log, whatever is appended and swept meanwhile.
    let mut moment = connection.begin().await.map_err(failed())?;
    let Some(writer) = known_writer_id(&mut moment).await.map_err(failed())? else {
        return Ok(Verified {
            events: 0,
            first: 1,
            swept_until: None,
            checkpoints: 0,
            newest: None,
        });
    };
    let signer = Signer::new(writer, root);
    if kept.is_some_and(|kept| !signer.signed(kept)) {
        return Err(VerifyError::Foreign);
    }
    let checkpoints = checkpoints(&mut moment, &signer).await?;
    let mut walk = Walk::begin(&signer, checkpoints, kept, visit)?;
    while walk.batch(&mut moment).await? {}
    walk.end()
}

/// Reads the checkpoints in their order, and refuses one that was not signed here.
async fn checkpoints(
    connection: &mut SqliteConnection,
    signer: &Signer,
) -> Result<Vec<Checkpoint>, VerifyError> {
    let failed = || StoreError::doing("read the checkpoints of the audit log");
    let rows = sqlx::query("SELECT * FROM audit_checkpoints ORDER BY idx, kind")
        .fetch_all(connection)
        .await
        .map_err(failed())?;
    let mut checkpoints = Vec::with_capacity(rows.len());
    for row in &rows {
        let checkpoint = rows::checkpoint(row, signer.writer()).map_err(failed())?;
        if !signer.signed(&checkpoint) {
            return Err(broken(
                checkpoint.index(),
                "has a checkpoint that was not signed under this root key",
            ));
        }
        checkpoints.push(checkpoint);
    }
    Ok(checkpoints)
}

/// The way from the first event to the last.
struct Walk<'a, V> {
    visit: V,
    kept: Option<&'a Checkpoint>,
    /// What was signed about events that are still to come.
    ahead: std::iter::Peekable<std::vec::IntoIter<Checkpoint>>,
    newest: Option<Checkpoint>,
    start: Head,
    swept_until: Option<Timestamp>,
    head: Head,
    passed: u64,
}

impl<'a, V: FnMut(&AuditEvent)> Walk<'a, V> {
    /// Begins behind what was swept, or at the very first event.
    fn begin(
        signer: &Signer,
        checkpoints: Vec<Checkpoint>,
        kept: Option<&'a Checkpoint>,
        visit: V,
    ) -> Result<Self, VerifyError> {
        let is_anchor = |it: &&Checkpoint| it.mark == Mark::Anchor;
        let anchor = checkpoints.iter().rfind(is_anchor);
        let swept_until = anchor.map(Checkpoint::at);
        let start = anchor.map_or_else(|| Head::origin(signer.writer()), |it| it.head);
        if let Some(kept) = kept.filter(|kept| kept.index() < start.index) {
            return Err(VerifyError::TooOld {
                index: kept.index(),
                first: start.index + 1,
            });
        }
        let newest = checkpoints.iter().rfind(|it| it.mark == Mark::Head).cloned();
        let ahead: Vec<_> = checkpoints
            .into_iter()
            .filter(|it| it.mark == Mark::Head)
            .collect();
        let mut walk = Self {
            visit,
            kept,
            ahead: ahead.into_iter().peekable(),
            newest,
            start,
            swept_until,
            head: start,
            passed: 0,
        };
        walk.pass_checkpoints()?;
        Ok(walk)
    }

    /// Goes on by some events; answers whether there may be more.
    async fn batch(&mut self, connection: &mut SqliteConnection) -> Result<bool, VerifyError> {
        let failed = || StoreError::doing("read audit events");
        let after = rows::from_index(self.head.index);
        let events = sqlx::query("SELECT * FROM audit_events WHERE idx > ? ORDER BY idx LIMIT ?")
            .bind(after)
            .bind(AT_ONCE)
            .fetch_all(&mut *connection)
            .await
            .map_err(failed())?;
        let Some(last) = events.last() else {
            return Ok(false);
        };
        let last = rows::index(last).map_err(failed())?;
        let resources =
            sqlx::query("SELECT * FROM audit_resources WHERE idx > ? AND idx <= ? ORDER BY idx, name, kind")
                .bind(after)
                .bind(rows::from_index(last))
                .fetch_all(connection)
                .await
                .map_err(failed())?;
        let mut resources = resources.iter().peekable();
        for row in &events {
            let index = rows::index(row).map_err(failed())?;
            let mut found = Vec::new();
            while let Some(row) = resources.next_if(|row| rows::index(row).is_ok_and(|of| of <= index)) {
                found.push(FoundResource::read(row).map_err(failed())?);
            }
            self.step(row, &found)?;
            self.pass_checkpoints()?;
        }
        Ok(true)
    }

    fn step(&mut self, row: &SqliteRow, resources: &[FoundResource]) -> Result<(), VerifyError> {
        let failed = || StoreError::doing("read an audit event");
        let stored = rows::head(row).map_err(failed())?;
        let text: &str = row.try_get("event").map_err(failed())?;
        let next = self.head.then(text);
        if stored.index != next.index {
            return Err(broken(next.index, "is missing"));
        }
        if stored.hash != next.hash {
            return Err(broken(next.index, "is not the one that was recorded there"));
        }
        let found = Found::read(row).map_err(failed())?;
        let is_found_by_itself =
            |event: &AuditEvent| Found::of(event) == found && FoundResource::of(event) == resources;
        let event = AuditEvent::from_json(text).ok().filter(is_found_by_itself);
        let event = event.ok_or_else(|| broken(next.index, "is listed as something that it is not"))?;
        (self.visit)(&event);
        self.head = next;
        Ok(())
    }

    /// Compares where the walk is with what was signed about it.
    fn pass_checkpoints(&mut self) -> Result<(), VerifyError> {
        let head = self.head;
        while let Some(checkpoint) = self.ahead.next_if(|it| it.index() <= head.index) {
            if checkpoint.head != head {
                return Err(broken(
                    head.index,
                    "is not the one that a checkpoint was signed of",
                ));
            }
            self.passed += 1;
        }
        match self.kept {
            Some(kept) if kept.index() == head.index && kept.head != head => Err(broken(
                head.index,
                "is not the one that the given checkpoint is of",
            )),
            Some(_) | None => Ok(()),
        }
    }

    fn end(mut self) -> Result<Verified, VerifyError> {
        let next = self.head.index + 1;
        if self.ahead.next().is_some() {
            return Err(broken(next, "is missing: a checkpoint was signed behind it"));
        }
        if self.kept.is_some_and(|kept| kept.index() >= next) {
            return Err(broken(
                next,
                "is missing: the given checkpoint was signed behind it",
            ));
        }
        let signed = self.newest.as_ref().map_or(self.start.index, Checkpoint::index);
        if signed.max(self.start.index) < self.head.index {
            return Err(broken(signed + 1, "is in no signed checkpoint"));
        }
        Ok(Verified {
            events: self.head.index - self.start.index,
            first: self.start.index + 1,
            swept_until: self.swept_until,
            checkpoints: self.passed,
            newest: self.newest,
        })
    }
}

fn broken(index: u64, what: &'static str) -> VerifyError {
    Broken { index, what }.into()
}
