//! What a reader that follows a session is given.

use crate::journal::{FaultyFolder, JournalPosition, RecordKind, SessionDigest};

use super::{Opened, digest, only};

const ALL: usize = usize::MAX;

/// What is written where a test writes it: a frame of a number, or a mark.
async fn write(journal: &Opened, session: SessionDigest, written: &[Option<i64>]) {
    for one in written {
        let (kind, sequence) = match one {
            Some(sequence) => (RecordKind::Frame, *sequence),
            None => (RecordKind::Mark, 0),
        };
        journal
            .append(session, kind, sequence, b"x")
            .await
            .expect("durable");
    }
}

/// What follows a position, as it was written.
fn follow(journal: &Opened, session: SessionDigest, position: &mut JournalPosition) -> Vec<Option<i64>> {
    let followed = journal.handle.follow(session, *position, ALL).expect("readable");
    *position = followed.position;
    let shown = |kind, sequence| (kind == RecordKind::Frame).then_some(sequence);
    let records = followed.records.into_iter();
    records.map(|one| shown(one.kind, one.sequence)).collect()
}

#[tokio::test]
async fn a_mark_stands_before_the_frames_that_came_after_it() {
    let journal = Opened::in_memory();
    let session = digest("alice-0a1b2c3d4e5f67890");
    journal.track(session);
    write(&journal, session, &[None, Some(0), Some(2), None, Some(1), None]).await;
    let mut position = JournalPosition::default();
    let shown = follow(&journal, session, &mut position);
    assert_eq!(shown, [None, Some(0), None, Some(1), Some(2), None]);
    assert_eq!(follow(&journal, session, &mut position), []);
    write(&journal, session, &[Some(4), None]).await;
    assert_eq!(
        follow(&journal, session, &mut position),
        [None],
        "frame 3 is missing"
    );
    assert_eq!(journal.handle.first_frame_from(session, 3), Some(4));
    assert_eq!(journal.handle.first_frame_from(session, 5), None);
    write(&journal, session, &[Some(3)]).await;
    assert_eq!(follow(&journal, session, &mut position), [Some(3), Some(4)]);
}

#[tokio::test]
async fn a_reader_goes_on_after_a_restart() {
    let folder = FaultyFolder::new();
    let session = digest("alice-0a1b2c3d4e5f67890");
    let journal = Opened::on(folder.clone());
    journal.track(session);
    write(&journal, session, &[Some(0), None]).await;
    let mut position = JournalPosition::default();
    assert_eq!(follow(&journal, session, &mut position), [Some(0), None]);
    write(&journal, session, &[Some(1), None, Some(2)]).await;
    journal.close().await;

    let reopened = Opened::on(folder);
    reopened.track(session);
    reopened
        .handle
        .recover(&only(session), |_, _| {})
        .expect("readable");
    assert_eq!(
        follow(&reopened, session, &mut position),
        [Some(1), None, Some(2)]
    );
}

#[tokio::test]
async fn what_one_reader_lets_go_of_another_still_reads() {
    let journal = Opened::in_memory();
    let session = digest("alice-0a1b2c3d4e5f67890");
    journal.track(session);
    journal.track(session);
    write(&journal, session, &[Some(0)]).await;
    journal.handle.forget(session);
    assert_eq!(journal.handle.first_frame_from(session, 0), Some(0));
    journal.handle.forget(session);
    assert_eq!(journal.handle.first_frame_from(session, 0), None);
}
