//! Whether a recording is the one that the audit log has.

use std::io;

use drawbridge_session::audit::SessionRecorded;
use drawbridge_session::recording::Happening;
use drawbridge_session::{Session, SessionId};
use jiff::{SignedDuration, Timestamp};

use crate::folder::{Folder, Stage};
use crate::format::{Flaw, RecordingKeys, Verified};
use crate::told::{Evidence, Told};

/// Events of the log stand roughly, not exactly, in the order of their times, and a server needs its moment between the end of
/// a session and that of its recording.
const TOLERANCE: SignedDuration = SignedDuration::from_hours(24);

/// What an auditor is told of one recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgment {
    /// It is complete, and the audit log has it like this.
    Whole(Verified),
    /// It is complete and has no flaw, and the events of its time were swept from the audit log.
    OlderThanLog(Verified),
    /// It is complete and has no flaw, and the audit log is about to be told.
    Untold(Verified),
    /// It has no end yet, and no flaw so far.
    Unfinished(Verified),
    /// It was removed for its age.
    Expired(Timestamp),
    /// It is not as it was made.
    Broken(Fault),
}

/// What is wrong with a recording.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The file itself shows it.
    #[error(transparent)]
    Flaw(#[from] Flaw),
    /// There is no file.
    #[error("it is missing: the audit log has it with {blocks} blocks, told {told_at}")]
    Missing {
        /// How many blocks it had.
        blocks: u64,
        /// When the log was told.
        told_at: Timestamp,
    },
    /// The file has less than it had.
    #[error("it was cut back: it has {blocks} blocks, and the audit log has it complete with {told}")]
    CutBack {
        /// How many blocks it has.
        blocks: u64,
        /// How many it had.
        told: u64,
    },
    /// The file is another one.
    #[error("it was replaced: it ends in {head}, and the audit log has it with the end {told}")]
    Replaced {
        /// The hash of its last block.
        head: String,
        /// The hash in the audit log.
        told: String,
    },
    /// The log was told of two ends.
    #[error("it was made twice: the audit log has it with the end {first}, and then with {then}")]
    MadeTwice {
        /// The hash that was told first.
        first: String,
        /// The hash that was told later.
        then: String,
    },
    /// Nobody told of it.
    #[error("it is complete, and the audit log has no `SessionRecorded` of it")]
    NotInLog,
    /// Its session is not in the store.
    #[error("nobody knows its session")]
    UnknownSession,
    /// Its session is over, and it has no end.
    #[error("it has no end, and its session ended {ended_at}")]
    NoEnd {
        /// When the session ended.
        ended_at: Timestamp,
    },
    /// It was removed for its age before it had that age.
    #[error("it was removed {at}, before the {days} days since {told_at} were over")]
    RemovedEarly {
        /// When it was removed.
        at: Timestamp,
        /// How long recordings were kept.
        days: u32,
        /// When the log was told of it.
        told_at: Timestamp,
    },
}

/// What there is of a recording in the folder.
struct Found {
    stage: Stage,
    verified: Result<Verified, Flaw>,
    /// When its session ended, as its last block says.
    ended_at: Option<Timestamp>,
}

impl Folder {
    /// Compares a session's recording with what the audit log has of it; `None` where there is neither.
    ///
    /// `session` is what the store has of the session. What happens between the two looks may show as a fault; it is gone
    /// when both are looked at again.
    ///
    /// # Errors
    ///
    /// When the recording cannot be read; one that is not as it was made is an answer.
    pub fn judge(
        &self,
        id: &SessionId,
        keys: &RecordingKeys,
        told: &Told,
        session: Option<&Session>,
    ) -> io::Result<Option<Judgment>> {
        let mut end_ms = None;
        let checked = self.check(id, keys, |event| {
            if matches!(event.what, Happening::End { .. }) {
                end_ms = Some(event.at_ms);
            }
        })?;
        let found = checked.map(|(stage, verified)| Found {
            ended_at: ended_at(verified.as_ref().ok(), end_ms),
            stage,
            verified,
        });
        let log = Reach {
            from: told.log().swept_until,
            until: told.log().newest.as_ref().map(|newest| newest.at()),
        };
        Ok(judge(found, told.of(id), session, log).unwrap_or_else(|fault| Some(Judgment::Broken(fault))))
    }
}

fn ended_at(verified: Option<&Verified>, end_ms: Option<u64>) -> Option<Timestamp> {
    let end = SignedDuration::from_millis(i64::try_from(end_ms?).ok()?);
    verified?.header.start_date.checked_add(end).ok()
}

/// The time that the events of the log cover.
#[derive(Debug, Clone, Copy, Default)]
struct Reach {
    /// From here on; `None` where it has every event there ever was.
    from: Option<Timestamp>,
    /// Up to the last event.
    until: Option<Timestamp>,
}

impl Reach {
    /// Says whether what was told at this time or later is still in the log.
    fn has_all_since(self, time: Timestamp) -> bool {
        self.from.is_none_or(|from| time.duration_since(from) > TOLERANCE)
    }

    /// Says whether the server was at work long after this time.
    fn goes_far_beyond(self, time: Timestamp) -> bool {
        let until = self.until.max(self.from);
        until.is_some_and(|until| until.duration_since(time) > TOLERANCE)
    }
}

fn judge(
    found: Option<Found>,
    told: Option<&Evidence>,
    session: Option<&Session>,
    log: Reach,
) -> Result<Option<Judgment>, Fault> {
    let recorded = told.map_or(&[][..], |told| &told.recorded);
    if let [(_, first), (_, then), ..] = recorded {
        return Err(Fault::MadeTwice {
            first: first.head.clone(),
            then: then.head.clone(),
        });
    }
    let recorded = recorded.first();
    let Some(found) = found else {
        return absent(recorded, told);
    };
    let verified = found.verified?;
    match recorded {
        Some((_, recorded)) => compare(verified, recorded).map(Some),
        None if found.stage == Stage::Unfinished => unfinished(verified, session, log).map(Some),
        None => match found.ended_at {
            Some(ended_at) if !log.has_all_since(ended_at) => Ok(Some(Judgment::OlderThanLog(verified))),
            Some(_) | None => Err(Fault::NotInLog),
        },
    }
}

fn absent(
    recorded: Option<&(Timestamp, SessionRecorded)>,
    told: Option<&Evidence>,
) -> Result<Option<Judgment>, Fault> {
    let expired = told.and_then(|told| told.expired.as_ref());
    match (recorded, expired) {
        (None, None) => Ok(None),
        (None, Some((at, _))) => Ok(Some(Judgment::Expired(*at))),
        (Some((told_at, recorded)), None) => Err(Fault::Missing {
            blocks: recorded.blocks,
            told_at: *told_at,
        }),
        (Some((told_at, _)), Some((at, expired))) => {
            let kept = SignedDuration::from_hours(24 * i64::from(expired.kept_days));
            if at.duration_since(*told_at) < kept {
                return Err(Fault::RemovedEarly {
                    at: *at,
                    days: expired.kept_days,
                    told_at: *told_at,
                });
            }
            Ok(Some(Judgment::Expired(*at)))
        }
    }
}

/// Of one that the log was told of, the name does not matter: it changes after the telling.
fn compare(verified: Verified, recorded: &SessionRecorded) -> Result<Judgment, Fault> {
    if verified.summary() == *recorded {
        Ok(Judgment::Whole(verified))
    } else if verified.blocks < recorded.blocks {
        Err(Fault::CutBack {
            blocks: verified.blocks,
            told: recorded.blocks,
        })
    } else {
        Err(Fault::Replaced {
            head: verified.head,
            told: recorded.head.clone(),
        })
    }
}

fn unfinished(verified: Verified, session: Option<&Session>, log: Reach) -> Result<Judgment, Fault> {
    let session = session.ok_or(Fault::UnknownSession)?;
    if verified.is_complete {
        return Ok(Judgment::Untold(verified));
    }
    match session.state.ending() {
        Some(ending) if log.goes_far_beyond(ending.at) => Err(Fault::NoEnd { ended_at: ending.at }),
        Some(_) | None => Ok(Judgment::Unfinished(verified)),
    }
}

#[cfg(test)]
mod tests;
