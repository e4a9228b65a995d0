use drawbridge_session::recording::Header;
use drawbridge_session::{Ending, SessionStart, SessionState};

use drawbridge_session::audit::RecordingExpired;

use super::*;
use crate::format::tests::header;

const DAY: i64 = 24 * 3600;

fn day(days: i64) -> Timestamp {
    Timestamp::from_second(days * DAY).expect("a time")
}

fn verified(blocks: u64, is_complete: bool) -> Verified {
    Verified {
        header: Header {
            session_id: SessionId::parse("alice-1").expect("a session id"),
            start_date: day(100),
            ..header()
        },
        blocks,
        events: blocks,
        output_bytes: 10 * blocks,
        bytes: 100 * blocks,
        head: format!("head-{blocks}"),
        is_complete,
    }
}

fn found(stage: Stage, blocks: u64, is_complete: bool) -> Found {
    Found {
        stage,
        ended_at: is_complete.then(|| day(100)),
        verified: Ok(verified(blocks, is_complete)),
    }
}

fn complete(blocks: u64) -> Found {
    found(Stage::Complete, blocks, true)
}

fn told(blocks: u64) -> Evidence {
    Evidence {
        recorded: vec![(day(100), verified(blocks, true).summary())],
        expired: None,
    }
}

fn expired(at: Timestamp, kept_days: u32) -> Option<(Timestamp, RecordingExpired)> {
    Some((at, RecordingExpired { kept_days }))
}

fn session(state: SessionState) -> Session {
    let header = verified(1, false).header;
    Session {
        id: header.session_id,
        account: header.account_id,
        region: header.region,
        node: header.target,
        owner_arn: String::new(),
        owner_id: String::new(),
        reason: None,
        start: SessionStart::default_shell(),
        state,
        started_at: header.start_date,
        grounds: None,
    }
}

fn ended() -> Session {
    session(SessionState::Terminated(Ending {
        at: day(100),
        details: String::new(),
        exit_code: None,
    }))
}

/// A log that has everything up to a day.
fn log_until(days: i64) -> Reach {
    Reach {
        from: None,
        until: Some(day(days)),
    }
}

#[test]
fn what_the_log_has_is_whole_under_either_name() {
    for stage in [Stage::Complete, Stage::Unfinished] {
        let judged = judge(
            Some(found(stage, 3, true)),
            Some(&told(3)),
            Some(&ended()),
            log_until(100),
        );
        assert_eq!(judged, Ok(Some(Judgment::Whole(verified(3, true)))), "{stage:?}");
    }
}

#[test]
fn what_is_not_what_the_log_has_is_broken() {
    let judge = |found, told: &Evidence| judge(found, Some(told), Some(&ended()), log_until(100));
    let missing = Fault::Missing {
        blocks: 3,
        told_at: day(100),
    };
    assert_eq!(judge(None, &told(3)), Err(missing));
    let cut = Fault::CutBack { blocks: 2, told: 3 };
    assert_eq!(
        judge(Some(found(Stage::Unfinished, 2, false)), &told(3)),
        Err(cut.clone())
    );
    assert_eq!(judge(Some(complete(2)), &told(3)), Err(cut));
    let mut other = told(3);
    other.recorded[0].1.head = "other".into();
    let replaced = Fault::Replaced {
        head: "head-3".into(),
        told: "other".into(),
    };
    assert_eq!(judge(Some(complete(3)), &other), Err(replaced));
    let mut longer = told(3);
    longer.recorded[0].1.output_bytes += 1;
    assert!(
        judge(Some(complete(3)), &longer).is_err(),
        "every number has to fit"
    );
    let mut twice = told(3);
    twice.recorded.extend(told(2).recorded);
    let made_twice = Fault::MadeTwice {
        first: "head-3".into(),
        then: "head-2".into(),
    };
    assert_eq!(judge(Some(complete(2)), &twice), Err(made_twice));
}

#[test]
fn a_flaw_of_the_file_comes_first() {
    let flaw = Flaw {
        index: 1,
        what: "was changed".into(),
    };
    for evidence in [None, Some(told(3))] {
        let found = Found {
            stage: Stage::Complete,
            verified: Err(flaw.clone()),
            ended_at: None,
        };
        let judged = judge(Some(found), evidence.as_ref(), Some(&ended()), log_until(100));
        assert_eq!(judged, Err(Fault::Flaw(flaw.clone())));
    }
}

#[test]
fn what_went_for_its_age_is_not_missing_unless_it_went_early() {
    let gone = |at, days| {
        let evidence = Evidence {
            expired: expired(at, days),
            ..told(3)
        };
        judge(None, Some(&evidence), Some(&ended()), log_until(200))
    };
    assert_eq!(gone(day(130), 30), Ok(Some(Judgment::Expired(day(130)))));
    let early = Fault::RemovedEarly {
        at: day(129),
        days: 30,
        told_at: day(100),
    };
    assert_eq!(gone(day(129), 30), Err(early));
    let swept = Evidence {
        recorded: Vec::new(),
        expired: expired(day(130), 30),
    };
    let judged = judge(None, Some(&swept), None, log_until(200));
    assert_eq!(judged, Ok(Some(Judgment::Expired(day(130)))));
    assert_eq!(judge(None, None, None, log_until(200)), Ok(None), "nothing");
}

#[test]
fn a_complete_one_has_its_event_unless_the_log_begins_later() {
    let judge = |from| {
        judge(
            Some(complete(3)),
            None,
            Some(&ended()),
            Reach {
                from,
                until: Some(day(200)),
            },
        )
    };
    assert_eq!(judge(None), Err(Fault::NotInLog));
    assert_eq!(judge(Some(day(98))), Err(Fault::NotInLog));
    let older = Judgment::OlderThanLog(verified(3, true));
    assert_eq!(judge(Some(day(110))), Ok(Some(older)));
}

#[test]
fn an_unfinished_one_is_no_alarm_until_its_end_is_overdue() {
    let (live, over) = (session(SessionState::Connected), ended());
    let judge =
        |found, session, until| judge(Some(found), None, session, log_until(until)).map(Option::unwrap);
    let torn = || found(Stage::Unfinished, 2, false);
    let so_far = || Ok(Judgment::Unfinished(verified(2, false)));
    assert_eq!(judge(torn(), Some(&live), 900), so_far(), "it runs");
    assert_eq!(judge(torn(), Some(&over), 100), so_far(), "it has just ended");
    let no_end = Err(Fault::NoEnd { ended_at: day(100) });
    assert_eq!(judge(torn(), Some(&over), 102), no_end);
    assert_eq!(judge(torn(), None, 100), Err(Fault::UnknownSession));
    let whole = found(Stage::Unfinished, 3, true);
    let untold = Ok(Judgment::Untold(verified(3, true)));
    assert_eq!(judge(whole, Some(&over), 100), untold);
}
