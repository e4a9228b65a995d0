use super::*;
use crate::log_events::MAX_LOG_BATCH_SPAN_MS;
use crate::{
    CreateLogGroupError, CreateLogStreamError, LogBatch, LogBatchesOf, LogDirection, LogEvents as _,
    LogGroup, LogGroupAt, LogGroupChange, LogGroupClass, LogGroupKey, LogGroups as _, LogStream, NewLogBatch,
    NewLogGroup, WantedLogBatches,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

impl House {
    fn log_group_at<'a>(&'a self, name: &'a str) -> LogGroupAt<'a> {
        LogGroupAt {
            account: &self.account,
            region: &self.region,
            name,
        }
    }

    async fn create_log_group(&self, name: &str, tags: &[Tag]) -> Result<(), CreateLogGroupError> {
        let key = LogGroupKey {
            number: 1,
            kms_key: None,
            wrapped: b"wrapped".to_vec(),
        };
        let new = NewLogGroup {
            at: self.log_group_at(name),
            class: LogGroupClass::Standard,
            created_at: self.clock.now(),
            is_protected: false,
            key: &key,
            tags,
        };
        self.store.create_log_group(new).await
    }

    /// Has a group with one stream, both of this name.
    async fn log_stream(&self, name: &str) -> (LogGroup, LogStream) {
        self.create_log_group(name, &[]).await.expect("created");
        let group = self.store.log_group(self.log_group_at(name)).await;
        let group = group.expect("read").expect("there");
        let created = self
            .store
            .create_log_stream(group.id, name, self.clock.now())
            .await;
        created.expect("created");
        let stream = self.store.log_stream(group.id, name).await.expect("read");
        (group, stream.expect("there"))
    }

    async fn add_batch(
        &self,
        (group, stream): &(LogGroup, LogStream),
        first_ms: i64,
        last_ms: i64,
    ) -> Option<i64> {
        let batch = NewLogBatch {
            group: group.id,
            stream: stream.id,
            first_ms,
            last_ms,
            ingested_at: self.clock.now(),
            bytes: 100,
            key_number: 1,
            sealed: b"sealed",
        };
        self.store.add_log_batch(batch).await.expect("asked")
    }

    async fn batches(
        &self,
        of: LogBatchesOf<'_>,
        (from_ms, to_ms): (i64, i64),
        direction: LogDirection,
    ) -> Vec<LogBatch> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let wanted = WantedLogBatches {
                of,
                from_ms,
                to_ms,
                direction,
                after,
                limit: 2,
            };
            let page = self.store.log_batches(wanted).await.expect("read");
            let Some(last) = page.last() else {
                return all;
            };
            let edge = match direction {
                LogDirection::Forward => last.first_ms,
                LogDirection::Backward => last.last_ms,
            };
            after = Some((edge, last.id));
            all.extend(page);
        }
    }

    async fn stored(&self, name: &str) -> u64 {
        let group = self.store.log_group(self.log_group_at(name)).await;
        group.expect("read").expect("there").stored_bytes
    }
}

#[tokio::test]
async fn a_batch_is_found_by_every_time_that_it_spans() {
    let house = House::new().await;
    let own = house.log_stream("own").await;
    let span = MAX_LOG_BATCH_SPAN_MS;
    for (first, last) in [(1000, 1000 + span), (500, 600), (2000, 2000), (span, 2 * span)] {
        assert!(house.add_batch(&own, first, last).await.is_some());
    }
    let other = house.log_stream("other").await;
    house.add_batch(&other, 1500, 1500).await;
    let firsts = async |of, times, direction| {
        let batches = house.batches(of, times, direction).await;
        batches.iter().map(|it| it.first_ms).collect::<Vec<_>>()
    };
    let of_group = LogBatchesOf::Prefixed(own.0.id, "");
    for of in [LogBatchesOf::Stream(own.1.id), of_group] {
        for (times, expected) in [
            ((0, i64::MAX), vec![500, 1000, 2000, span]),
            ((i64::MIN, i64::MAX), vec![500, 1000, 2000, span]),
            ((600, 999), vec![500]),
            ((601, 999), vec![]),
            ((1000 + span, i64::MAX), vec![1000, span]),
            ((1001 + span, i64::MAX), vec![span]),
            ((2 * span, 2 * span), vec![span]),
            ((2 * span + 1, i64::MAX), vec![]),
        ] {
            assert_eq!(
                firsts(of, times, LogDirection::Forward).await,
                expected,
                "{times:?}"
            );
            let mut back = firsts(of, times, LogDirection::Backward).await;
            back.sort_unstable();
            assert_eq!(back, expected, "{times:?} backward");
        }
    }
    let names = ["own".to_owned(), "x".to_owned()];
    let named = LogBatchesOf::Named(own.0.id, &names);
    assert_eq!(firsts(named, (0, i64::MAX), LogDirection::Forward).await.len(), 4);
    let prefixed = LogBatchesOf::Prefixed(own.0.id, "ow");
    assert_eq!(
        firsts(prefixed, (0, i64::MAX), LogDirection::Backward).await,
        [span, 1000, 2000, 500]
    );
    for of in [
        LogBatchesOf::Named(own.0.id, &names[1..]),
        LogBatchesOf::Prefixed(own.0.id, "wn"),
    ] {
        assert!(firsts(of, (0, i64::MAX), LogDirection::Forward).await.is_empty());
    }
}

#[tokio::test]
async fn what_is_past_its_retention_goes_and_the_rest_stays() {
    let house = House::new().await;
    let (kept, swept) = (house.log_stream("kept").await, house.log_stream("swept").await);
    let start = house.clock.now().as_millisecond();
    for of in [&kept, &swept] {
        house.add_batch(of, start - 10, start - 1).await;
        house.add_batch(of, start - 10, start).await;
    }
    let change = LogGroupChange::Retention(Some(1));
    let changed = house.store.change_log_group(swept.0.id, change).await;
    assert!(changed.expect("changed"));
    house.clock.advance(DAY);
    let sweep = async || {
        house
            .store
            .sweep_log_events(house.clock.now())
            .await
            .expect("swept")
    };
    assert_eq!(sweep().await, 1);
    assert_eq!(sweep().await, 0);
    assert_eq!(
        (house.stored("kept").await, house.stored("swept").await),
        (200, 100)
    );
    let left = house
        .batches(
            LogBatchesOf::Stream(swept.1.id),
            (0, i64::MAX),
            LogDirection::Forward,
        )
        .await;
    assert_eq!(left.iter().map(|it| it.last_ms).collect::<Vec<_>>(), [start]);
    house.clock.advance(DAY);
    assert_eq!(sweep().await, 1);
    let stream = house.store.log_stream(swept.0.id, "swept").await;
    let stream = stream.expect("read").expect("it stays");
    assert_eq!((stream.first_event_ms, stream.last_event_ms), (None, start));
}

#[tokio::test]
async fn a_removed_group_leaves_nothing_to_the_next_of_its_name() {
    let house = House::new().await;
    let old = house.log_stream("group").await;
    // More than go at once.
    for at in 0..450 {
        house.add_batch(&old, at, at).await;
    }
    let again = house.create_log_group("group", &[]).await;
    assert!(matches!(again, Err(CreateLogGroupError::Exists)));
    assert!(house.store.remove_log_group(old.0.at()).await.expect("removed"));
    assert!(!house.store.remove_log_group(old.0.at()).await.expect("asked"));
    let everything = LogBatchesOf::Prefixed(old.0.id, "");
    assert!(
        house
            .batches(everything, (0, i64::MAX), LogDirection::Forward)
            .await
            .is_empty()
    );
    assert_eq!(
        house
            .store
            .sweep_log_events(house.clock.now())
            .await
            .expect("swept"),
        0,
        "nothing was left"
    );
    assert_eq!(house.store.log_group_key(old.0.id, 1).await.expect("read"), None);
    assert_eq!(house.add_batch(&old, 1, 1).await, None, "its stream is gone");
    let late = house
        .store
        .create_log_stream(old.0.id, "s", house.clock.now())
        .await;
    assert!(matches!(late, Err(CreateLogStreamError::NoGroup)));
    let new = house.log_stream("group").await;
    assert_ne!(new.0.id, old.0.id);
    assert_eq!(house.stored("group").await, 0);
}

#[tokio::test]
async fn a_key_follows_the_one_that_was_seen() {
    let house = House::new().await;
    let (group, _) = house.log_stream("group").await;
    let change = |after| LogGroupChange::Key {
        after,
        kms_key: Some("arn"),
        wrapped: b"second",
    };
    let changed = async |after| {
        house
            .store
            .change_log_group(group.id, change(after))
            .await
            .expect("asked")
    };
    assert!(changed(1).await);
    assert!(!changed(1).await, "somebody was faster");
    let now = house
        .store
        .log_group(group.at())
        .await
        .expect("read")
        .expect("there");
    assert_eq!((now.key.number, now.key.kms_key.as_deref()), (2, Some("arn")));
    let first = house.store.log_group_key(group.id, 1).await.expect("read");
    assert_eq!(first, Some(group.key));
}

#[tokio::test]
async fn what_a_removal_left_when_it_was_broken_off_goes_with_the_next_sweep() {
    let house = House::new().await;
    let (whole, broken) = (house.log_stream("whole").await, house.log_stream("broken").await);
    for at in 0..3 {
        house.add_batch(&whole, at, at).await;
        house.add_batch(&broken, at, at).await;
    }
    let mut writing = house.store.write(Durability::Buffered).await.expect("begins");
    sqlx::query("DELETE FROM log_streams WHERE name = 'broken'")
        .execute(&mut *writing)
        .await
        .expect("removed");
    writing.commit().await.expect("committed");
    let swept = house.store.sweep_log_events(house.clock.now()).await;
    assert_eq!(swept.expect("swept"), 3);
    assert_eq!(
        (house.stored("whole").await, house.stored("broken").await),
        (300, 0)
    );
}
