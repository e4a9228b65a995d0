//! Pages of events.

use drawbridge_session::AuditEvent;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _, SqlitePool};

use super::super::{moment, ms, undecodable};
use super::rows;
use crate::{EventAttribute, EventPage, EventPosition, StoredEvent};

/// How one attribute is looked up: by which index, or in which column of the resources.
enum Lookup<'a> {
    Event {
        index: &'static str,
        condition: &'static str,
        value: Option<&'a str>,
    },
    Resource {
        column: &'static str,
        value: &'a str,
    },
}

pub(super) async fn read(
    readers: &SqlitePool,
    page: &EventPage<'_>,
) -> Result<Vec<StoredEvent>, sqlx::Error> {
    let lookup = Lookup::of(page.attribute.as_ref());
    let (before_at, before_index) = match page.before {
        Some(EventPosition { at, index }) => (ms(at), rows::from_index(index)),
        None => (i64::MAX, i64::MAX),
    };
    let mut query = sqlx::query(AssertSqlSafe(lookup.sql()))
        .bind(page.account.as_str())
        .bind(page.region.as_str())
        .bind(ms(page.since))
        .bind(ms(page.until))
        .bind(before_at)
        .bind(before_index);
    if let Some(value) = lookup.value() {
        query = query.bind(value);
    }
    let rows = query.bind(page.limit).fetch_all(readers).await?;
    rows.iter().map(stored).collect()
}

impl<'a> Lookup<'a> {
    fn of(attribute: Option<&'a EventAttribute>) -> Self {
        let event = |index, condition, value| Self::Event {
            index,
            condition,
            value,
        };
        let by = |index, condition, value: &'a String| event(index, condition, Some(value.as_str()));
        match attribute {
            // Most events are reads, so that skipping the others costs little.
            Some(EventAttribute::ReadOnly(true)) => event("by_time", "AND read_only = 1", None),
            Some(EventAttribute::ReadOnly(false)) => event("that_write", "AND read_only = 0", None),
            Some(EventAttribute::Id(id)) => by("by_id", "AND id = ?", id),
            Some(EventAttribute::Name(name)) => by("by_name", "AND name = ?", name),
            Some(EventAttribute::Source(source)) => by("by_source", "AND source = ?", source),
            Some(EventAttribute::UserName(name)) => by("by_user", "AND user_name = ?", name),
            Some(EventAttribute::AccessKeyId(id)) => by("by_key", "AND access_key = ?", id),
            Some(EventAttribute::ResourceName(value)) => Self::Resource {
                column: "name",
                value,
            },
            Some(EventAttribute::ResourceType(value)) => Self::Resource {
                column: "kind",
                value,
            },
            None => event("by_time", "", None),
        }
    }

    /// Writes the query, all of whose texts are from this file. The index is named, because the planner knows no
    /// better than to take the one by time for everything.
    fn sql(&self) -> String {
        const PLACE: &str = "account = ? AND region = ? AND at BETWEEN ? AND ? AND (at, idx) < (?, ?)";
        match self {
            Self::Event { index, condition, .. } => format!(
                "SELECT idx, at, event FROM audit_events INDEXED BY audit_events_{index} \
                 WHERE {PLACE} {condition} ORDER BY at DESC, idx DESC LIMIT ?"
            ),
            Self::Resource { column, .. } => format!(
                "SELECT idx, at, event FROM audit_events WHERE idx IN \
                 (SELECT DISTINCT idx FROM audit_resources INDEXED BY audit_resources_by_{column} \
                 WHERE {PLACE} AND {column} = ? ORDER BY at DESC, idx DESC LIMIT ?) ORDER BY at DESC, idx DESC"
            ),
        }
    }

    fn value(&self) -> Option<&'a str> {
        match self {
            Self::Event { value, .. } => *value,
            Self::Resource { value, .. } => Some(value),
        }
    }
}

fn stored(row: &SqliteRow) -> Result<StoredEvent, sqlx::Error> {
    let text: String = row.try_get("event")?;
    Ok(StoredEvent {
        position: EventPosition {
            at: moment(row, "at")?,
            index: rows::index(row)?,
        },
        event: AuditEvent::from_json(&text).map_err(|error| undecodable("event", error))?,
        text,
    })
}
