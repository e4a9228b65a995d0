//! Removing what is old enough: a segment goes once every session in it wrote its last record before a
//! given time and is over.

use std::collections::HashMap;

use super::{Journal, JournalError, SessionDigest};

impl Journal {
    /// Removes the segments whose every session wrote its last record before `before_ms` (epoch
    /// milliseconds) and is not live; how many went.
    ///
    /// `is_live` speaks for sessions the caller knows; sessions this journal tracks are live anyway.
    ///
    /// # Errors
    ///
    /// When a file cannot be removed; those before it are gone.
    pub fn sweep(
        &self,
        before_ms: u64,
        is_live: impl Fn(&SessionDigest) -> bool,
    ) -> Result<usize, JournalError> {
        let old = self.old_segments(before_ms, is_live);
        for number in &old {
            self.shared.folder.remove(*number).map_err(JournalError::Remove)?;
            self.shared.index().remove_segment(*number);
        }
        Ok(old.len())
    }

    fn old_segments(&self, before_ms: u64, is_live: impl Fn(&SessionDigest) -> bool) -> Vec<u32> {
        let index = self.shared.index();
        let mut last_records: HashMap<SessionDigest, u64> = HashMap::new();
        for (_, segment) in index.segments() {
            for (session, last_ms) in &segment.holders {
                let last = last_records.entry(*session).or_default();
                *last = (*last).max(*last_ms);
            }
        }
        let is_over = |session: &SessionDigest| {
            let wrote_recently = last_records.get(session).is_some_and(|last| *last >= before_ms);
            !wrote_recently && !index.is_tracked(session) && !is_live(session)
        };
        // The newest segment may be the one being written.
        let newest = index.segments().map(|(number, _)| number).max();
        index
            .segments()
            .filter(|(number, _)| Some(*number) != newest)
            .filter(|(_, segment)| segment.holders.keys().all(is_over))
            .map(|(number, _)| number)
            .collect()
    }
}
