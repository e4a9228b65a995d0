//! Listings: scans of an index between two keys.

use sqlx::SqlitePool;

use super::rows::read;
use crate::objects::Place;
use crate::{KeyRange, ObjectVersion};

pub(super) async fn current(
    readers: &SqlitePool,
    range: KeyRange<'_>,
    limit: u32,
) -> Result<Vec<ObjectVersion>, sqlx::Error> {
    let Bounds { from, below, .. } = Bounds::of(&range);
    let rows = sqlx::query(
        "SELECT * FROM objects INDEXED BY current_objects \
         WHERE bucket = ?1 AND key >= ?2 AND (?3 IS NULL OR key < ?3) AND latest = 1 AND content IS NOT NULL \
         ORDER BY key LIMIT ?4",
    )
    .bind(range.bucket)
    .bind(from)
    .bind(below)
    .bind(limit)
    .fetch_all(readers)
    .await?;
    rows.iter().map(read).collect()
}

pub(super) async fn versions(
    readers: &SqlitePool,
    range: KeyRange<'_>,
    limit: u32,
) -> Result<Vec<ObjectVersion>, sqlx::Error> {
    let Bounds {
        from,
        below,
        older_than,
    } = Bounds::of(&range);
    let rows = sqlx::query(
        "SELECT * FROM objects WHERE bucket = ?1 AND key >= ?2 AND (?3 IS NULL OR key < ?3) \
         AND (?5 IS NULL OR key > ?2 OR number < ?5) ORDER BY key, number DESC LIMIT ?4",
    )
    .bind(range.bucket)
    .bind(from)
    .bind(below)
    .bind(limit)
    .bind(older_than)
    .fetch_all(readers)
    .await?;
    rows.iter().map(read).collect()
}

/// The keys from `from` on and below `below`; of `from` itself only the versions with lower numbers than `older_than`.
pub(in super::super) struct Bounds {
    pub(in super::super) from: Vec<u8>,
    pub(in super::super) below: Option<Vec<u8>>,
    older_than: Option<i64>,
}

impl Bounds {
    pub(in super::super) fn of(range: &KeyRange<'_>) -> Self {
        let prefix = range.prefix.as_bytes();
        let (from, older_than) = match range.from {
            Place::Start => (prefix.to_vec(), None),
            // No key is between one and the same with a zero byte behind it.
            Place::After(key) => ([key, &[0]].concat(), None),
            Place::At(key) => (key.to_vec(), None),
            Place::AfterVersion(key, number) => (key.to_vec(), Some(number)),
        };
        let before_prefix = from.as_slice() < prefix;
        Self {
            older_than: older_than.filter(|_| !before_prefix),
            from: if before_prefix { prefix.to_vec() } else { from },
            below: successor(prefix),
        }
    }
}

/// The first text that is after all that begin with `prefix`; `None` where nothing is.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut after = prefix.get(..=last)?.to_vec();
    *after.last_mut()? += 1;
    Some(after)
}

#[cfg(test)]
mod tests {
    use super::successor;

    #[test]
    fn the_successor_of_a_prefix_is_after_all_that_begin_with_it() {
        for (prefix, after) in [
            (&b""[..], None),
            (b"a", Some(&b"b"[..])),
            (b"a/", Some(b"a0")),
            (b"a\xff", Some(b"b")),
            (b"\xff\xff", None),
        ] {
            assert_eq!(successor(prefix).as_deref(), after, "{prefix:?}");
        }
    }
}
