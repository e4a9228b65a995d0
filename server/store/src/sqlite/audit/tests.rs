use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use drawbridge_session::{
    AccessKeyId, AccountId, Audit, AuditEvent, Audited, Caller, Clock as _, EntityName, Intent, Operation,
    Principal, Random as _, Region, Resource, SignedWith,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::sqlite::tests::House;
use crate::{Broken, EventAttribute, Inspection};

impl House {
    fn intent(&self, user: &str, name: &'static str, audit: Audit) -> Intent {
        let caller = Caller {
            principal: Principal::User {
                account: self.account.clone(),
                user: EntityName::new(user, "AIDAUSER"),
            },
            signed_with: SignedWith::AccessKey,
            access_key_id: Some(AccessKeyId::parse("AKIAEXAMPLEEXAMPLE").expect("valid")),
            grant: None,
            account: self.account.clone(),
            region: self.region.clone(),
            source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            user_agent: "test".into(),
            request_id: self.random.uuid(),
            host: "bridge.example".into(),
            received_at: self.clock.now(),
        };
        let input = json!({"Target": "mi-0a1b2c3d4e5f67890"});
        let now = self.clock.now();
        Intent::of(&caller, audited(name, audit), &input, now, &self.random)
    }

    fn write(&self, user: &str) -> AuditEvent {
        let node = Resource::node(&self.region, &self.account, "mi-0a1b2c3d4e5f67890");
        let document = Resource::document(&self.region, &self.account, "SSM-sudo");
        self.intent(user, "StartSession", Audit::WRITE)
            .touching([&node, &document])
            .answered(&Value::Null, None)
    }

    fn read(&self, user: &str) -> AuditEvent {
        self.intent(user, "DescribeSessions", Audit::READ)
            .answered(&Value::Null, None)
    }

    /// Records writes of users `0`, `1`, …, a second after another by their times, and all at once.
    async fn recorded(&self, count: usize) {
        let record = |user: usize| {
            self.clock.advance(Duration::from_secs(1));
            let (store, event) = (self.store.clone(), self.write(&user.to_string()));
            tokio::spawn(async move { store.record(event).await })
        };
        let recorders: Vec<_> = (0..count).map(record).collect();
        for recorder in recorders {
            recorder.await.expect("joined").expect("recorded");
        }
    }

    fn events(&self, attribute: Option<EventAttribute>) -> EventPage<'_> {
        EventPage {
            account: &self.account,
            region: &self.region,
            attribute,
            since: Timestamp::UNIX_EPOCH,
            until: self.clock.now(),
            before: None,
            limit: 50,
        }
    }

    /// The users of the events of a page.
    async fn users(&self, page: EventPage<'_>) -> Vec<String> {
        let events = self.store.events(page).await.expect("listed");
        let user = |it: StoredEvent| it.event.user_name().unwrap_or_default().to_owned();
        events.into_iter().map(user).collect()
    }

    async fn sql(&self, statements: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statements.to_owned()))
            .execute(&mut *self.store.writer.acquire().await.expect("open"))
            .await
            .expect("executed");
    }

    async fn verified(&self) -> Verified {
        self.store.verify_events(None).await.expect("whole")
    }

    /// The index of the first event that is not as it was recorded.
    async fn broken(&self) -> Option<u64> {
        match self.store.verify_events(None).await {
            Err(VerifyError::Broken(Broken { index, .. })) => Some(index),
            Ok(_) => None,
            Err(error) => panic!("{error}"),
        }
    }

    async fn newest(&self) -> Checkpoint {
        let newest = self.store.newest_checkpoint().await.expect("read");
        newest.expect("a checkpoint")
    }
}

fn audited(name: &'static str, audit: Audit) -> Audited {
    let operation: Operation<(), ()> = Operation {
        name,
        action: "ssm:Action",
        signed_with: SignedWith::AccessKey,
        needs: |_, _| Resource::any().into(),
        audit,
        handler: |_, _| Box::pin(async { Err(()) }),
    };
    operation.audited().expect("audited")
}

#[tokio::test]
async fn keeps_events_as_they_were_recorded() {
    let mut house = House::new().await;
    let event = house.write("alice");
    house.store.record(event.clone()).await.expect("recorded");
    house.store = house.reopened().await;
    let events = house.store.events(house.events(None)).await.expect("listed");
    let [stored] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!((&stored.event, &stored.text), (&event, &event.to_json()));
    assert_eq!(stored.position.to_string().parse(), Ok(stored.position));
}

#[tokio::test]
async fn pages_go_back_in_time_and_lose_nobody() {
    let house = House::new().await;
    for user in 0..7 {
        // Three in each second.
        if user % 3 == 0 {
            house.clock.advance(Duration::from_secs(1));
        }
        house
            .store
            .record(house.write(&user.to_string()))
            .await
            .expect("recorded");
    }
    for attribute in [None, Some(EventAttribute::ResourceName("SSM-sudo".into()))] {
        let mut page = house.events(attribute);
        page.limit = 2;
        let mut users = Vec::new();
        loop {
            let events = house.store.events(page.clone()).await.expect("listed");
            let Some(last) = events.last() else { break };
            page.before = Some(last.position);
            users.extend(
                events
                    .iter()
                    .map(|it| it.event.user_name().expect("a user").to_owned()),
            );
        }
        assert_eq!(users, ["6", "5", "4", "3", "2", "1", "0"]);
    }
}

#[tokio::test]
async fn finds_events_by_each_attribute() {
    let house = House::new().await;
    house.store.record(house.write("writer")).await.expect("recorded");
    let event = house.read("reader");
    let id = event.id().to_string();
    house.store.record(event).await.expect("recorded");
    let both = &["reader", "writer"][..];
    let (reader, writer) = (&["reader"][..], &["writer"][..]);
    for (attribute, expected) in [
        (EventAttribute::Id(id), reader),
        (EventAttribute::Id("x".into()), &[]),
        (EventAttribute::Name("StartSession".into()), writer),
        (EventAttribute::Name("startsession".into()), &[]),
        (EventAttribute::ReadOnly(true), reader),
        (EventAttribute::ReadOnly(false), writer),
        (EventAttribute::UserName("reader".into()), reader),
        (EventAttribute::Source("ssm.amazonaws.com".into()), both),
        (EventAttribute::AccessKeyId("AKIAEXAMPLEEXAMPLE".into()), both),
        (
            EventAttribute::ResourceType("AWS::SSM::ManagedNode".into()),
            writer,
        ),
        (EventAttribute::ResourceType("AWS::IAM::Role".into()), &[]),
        (
            EventAttribute::ResourceName("mi-0a1b2c3d4e5f67890".into()),
            writer,
        ),
        (EventAttribute::ResourceName("' OR 1=1 --".into()), &[]),
    ] {
        assert_eq!(
            house.users(house.events(Some(attribute.clone()))).await,
            expected,
            "{attribute:?}"
        );
    }
}

#[tokio::test]
async fn lists_one_place_and_time() {
    let house = House::new().await;
    house.recorded(3).await;
    let now = house.clock.now();
    let second = now.checked_sub(Duration::from_secs(1)).expect("in range");
    let between = EventPage {
        since: second,
        until: second,
        ..house.events(None)
    };
    assert_eq!(house.users(between).await, ["1"]);
    let other = AccountId::parse("000000000000").expect("valid");
    let elsewhere = Region::parse("elsewhere").expect("valid");
    let page = house.events(None);
    assert!(
        house
            .users(EventPage {
                account: &other,
                ..page.clone()
            })
            .await
            .is_empty()
    );
    assert!(
        house
            .users(EventPage {
                region: &elsewhere,
                ..page
            })
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn an_intent_without_an_outcome_becomes_an_event() {
    let mut house = House::new().await;
    let [settled, left] = ["settled", "left"].map(|user| house.intent(user, "StartSession", Audit::WRITE));
    for intent in [&settled, &left] {
        house.store.intend(intent).await.expect("intended");
    }
    house
        .store
        .record(settled.answered(&Value::Null, None))
        .await
        .expect("recorded");
    for _ in 0..2 {
        house.store = house.reopened().await;
        let events = house.store.events(house.events(None)).await.expect("listed");
        let outcomes: Vec<_> = events
            .iter()
            .map(|it| (it.event.user_name(), it.event.error_code()))
            .collect();
        assert_eq!(
            outcomes,
            [(Some("left"), Some("Interrupted")), (Some("settled"), None)]
        );
        assert_eq!(events[0].event.id(), left.event_id());
        assert_eq!(house.verified().await.events, 2);
    }
}

#[tokio::test]
async fn makes_no_event_of_an_intent_that_somebody_else_wrote() {
    let mut house = House::new().await;
    let intent = house.intent("alice", "StartSession", Audit::WRITE);
    house.store.intend(&intent).await.expect("intended");
    house
        .sql("CREATE TABLE copies AS SELECT * FROM audit_intents")
        .await;
    house
        .store
        .record(intent.answered(&Value::Null, None))
        .await
        .expect("recorded");
    let again = "INSERT INTO audit_intents SELECT 'w', intent, tag FROM copies;";
    let changed = "INSERT INTO audit_intents \
        SELECT 'x', replace(replace(intent, 'alice', 'bob'), id, '00000000-0000-4000-8000-000000000000'), tag \
        FROM copies;";
    house.sql(&format!("{again} {changed}")).await;
    house.store = house.reopened().await;
    assert_eq!(house.users(house.events(None)).await, ["alice"]);
}

#[tokio::test]
async fn events_that_come_together_are_one_chain() {
    let house = Arc::new(House::new().await);
    let recorders: Vec<_> = (0..300)
        .map(|user| {
            let house = Arc::clone(&house);
            tokio::spawn(async move { house.store.record(house.read(&user.to_string())).await })
        })
        .collect();
    for recorder in recorders {
        recorder.await.expect("joined").expect("recorded");
    }
    assert_eq!(house.verified().await.events, 300);
    let batches: i64 = sqlx::query_scalar("SELECT count(*) FROM audit_checkpoints")
        .fetch_one(&house.store.readers)
        .await
        .expect("counted");
    assert_eq!(batches, 1, "one checkpoint is left of the batches of a block");
}

#[tokio::test]
async fn an_event_is_written_even_if_nobody_waits_for_it() {
    let mut house = House::new().await;
    let event = house.write("alice");
    {
        let record = house.store.record(event);
        tokio::pin!(record);
        let polled =
            std::future::poll_fn(|context| std::task::Poll::Ready(record.as_mut().poll(context))).await;
        assert!(polled.is_pending());
    }
    house.store = house.reopened().await;
    assert_eq!(house.users(house.events(None)).await, ["alice"]);
}

#[tokio::test]
async fn records_nothing_after_it_was_closed() {
    let house = House::new().await;
    house.store.close().await;
    let error = house
        .store
        .record(house.write("alice"))
        .await
        .expect_err("closed");
    assert_eq!(error.to_string(), "the store cannot write its audit log");
}

#[tokio::test]
async fn goes_on_after_a_batch_that_failed() {
    let house = House::new().await;
    house.recorded(2).await;
    house.sql("ALTER TABLE audit_checkpoints RENAME TO away").await;
    assert!(house.store.record(house.write("lost")).await.is_err());
    house.sql("ALTER TABLE away RENAME TO audit_checkpoints").await;
    house.recorded(2).await;
    assert_eq!(house.verified().await.events, 4);
}

#[tokio::test]
async fn verifies_a_whole_log_beside_a_running_server() {
    let mut house = House::new().await;
    assert_eq!(house.verified().await.newest, None);
    house.recorded(3).await;
    house.store = house.reopened().await;
    house.recorded(2).await;
    let inspection = Inspection::open(&house.file()).await.expect("opened");
    let mut seen = Vec::new();
    let verified = inspection
        .verify_audit_log(&house.root, None, |event| seen.push(event.id()))
        .await
        .expect("whole");
    assert_eq!(seen.len(), 5);
    let newest = house.newest().await;
    assert_eq!(newest.index(), 5);
    assert_eq!(
        verified,
        Verified {
            events: 5,
            first: 1,
            swept_until: None,
            checkpoints: 1,
            newest: Some(newest)
        }
    );
}

#[tokio::test]
async fn names_the_first_event_that_is_not_as_it_was_recorded() {
    const SHIFT: &str = "UPDATE audit_events SET idx = -idx WHERE idx > 4; \
        UPDATE audit_events SET idx = 1 - idx WHERE idx < 0; \
        INSERT INTO audit_events SELECT 5, hash, account, region, at, id, name, source, read_only, user_name, \
        access_key, event FROM audit_events WHERE idx = 4;";
    for (what, sql, first) in [
        ("delete one", "DELETE FROM audit_events WHERE idx = 4", 4),
        ("delete the first", "DELETE FROM audit_events WHERE idx = 1", 1),
        ("delete all", "DELETE FROM audit_events", 1),
        (
            "delete one and close the gap",
            "DELETE FROM audit_events WHERE idx = 4; UPDATE audit_events SET idx = idx - 1 WHERE idx > 4",
            4,
        ),
        ("truncate the tail", "DELETE FROM audit_events WHERE idx > 6", 7),
        ("duplicate", SHIFT, 5),
        (
            "duplicate at the end",
            "INSERT INTO audit_events SELECT 9, hash, account, region, at, id, name, source, read_only, user_name, \
             access_key, event FROM audit_events WHERE idx = 8",
            9,
        ),
        (
            "reorder",
            "UPDATE audit_events SET idx = -3 WHERE idx = 3; UPDATE audit_events SET idx = 3 WHERE idx = 5; \
             UPDATE audit_events SET idx = 5 WHERE idx = -3",
            3,
        ),
        (
            "edit",
            "UPDATE audit_events SET event = replace(event, '\"4\"', '\"bob\"') WHERE idx = 5",
            5,
        ),
        (
            "edit a hash",
            "UPDATE audit_events SET hash = zeroblob(32) WHERE idx = 2",
            2,
        ),
        (
            "cut a hash",
            "UPDATE audit_events SET hash = x'00' WHERE idx = 2",
            2,
        ),
        (
            "hide from a user",
            "UPDATE audit_events SET user_name = 'bob' WHERE idx = 6",
            6,
        ),
        (
            "hide from a time",
            "UPDATE audit_events SET at = 0 WHERE idx = 6",
            6,
        ),
        (
            "hide from a resource",
            "DELETE FROM audit_resources WHERE idx = 7 AND kind = 'AWS::SSM::Document'",
            7,
        ),
        (
            "list under another resource",
            "INSERT INTO audit_resources SELECT 2, 'x', kind, account, region, at FROM audit_resources WHERE idx = 2 \
             LIMIT 1",
            2,
        ),
        ("remove the checkpoint", "DELETE FROM audit_checkpoints", 1),
        (
            "move the checkpoint",
            "DELETE FROM audit_events WHERE idx > 6; UPDATE audit_checkpoints SET idx = 6, \
             hash = (SELECT hash FROM audit_events WHERE idx = 6)",
            6,
        ),
        (
            "pretend a sweep",
            "DELETE FROM audit_events WHERE idx <= 3; UPDATE audit_checkpoints SET kind = 'anchor'",
            8,
        ),
        (
            "change the writer",
            "UPDATE settings SET value = '00000000-0000-4000-8000-000000000000'",
            8,
        ),
    ] {
        let house = House::new().await;
        house.recorded(8).await;
        assert_eq!(house.broken().await, None);
        house.sql(sql).await;
        assert_eq!(house.broken().await, Some(first), "{what}");
    }
}

#[tokio::test]
async fn a_rewritten_chain_ends_at_the_next_checkpoint() {
    let house = House::new().await;
    house.recorded(4).await;
    // Without the root key the hashes can be made to fit; the signature cannot.
    let events = house.store.events(house.events(None)).await.expect("listed");
    let mut head = crate::audit::Head::origin(house.newest().await.writer);
    for StoredEvent { text, .. } in events.into_iter().rev() {
        let text = text.replace("\"userName\":\"1\"", "\"userName\":\"bob\"");
        head = head.then(&text);
        sqlx::query("UPDATE audit_events SET event = ?, hash = ? WHERE idx = ?")
            .bind(text)
            .bind(head.hash.as_slice())
            .bind(rows::from_index(head.index))
            .execute(&mut *house.store.writer.acquire().await.expect("open"))
            .await
            .expect("rewritten");
    }
    house
        .sql("UPDATE audit_events SET user_name = 'bob' WHERE idx = 2")
        .await;
    assert_eq!(house.broken().await, Some(4));
}

#[tokio::test]
async fn a_log_that_was_rolled_back_does_not_lead_to_the_checkpoint_that_was_kept() {
    let mut house = House::new().await;
    house.recorded(3).await;
    house.store.close().await;
    let copy = house.folder.path().join("copy.db");
    std::fs::copy(house.file(), &copy).expect("copied");
    house.store = house.reopened().await;
    house.recorded(2).await;
    let kept: Checkpoint = house.newest().await.to_string().parse().expect("a checkpoint");
    assert_eq!(
        house
            .store
            .verify_events(Some(&kept))
            .await
            .expect("whole")
            .events,
        5
    );
    house.recorded(2).await;
    assert_eq!(
        house
            .store
            .verify_events(Some(&kept))
            .await
            .expect("whole")
            .events,
        7
    );

    house.store.close().await;
    std::fs::copy(&copy, house.file()).expect("rolled back");
    house.store = house.reopened().await;
    assert_eq!(house.verified().await.events, 3, "nothing inside tells");
    let rolled_back = |error| matches!(error, VerifyError::Broken(Broken { index: 4, .. }));
    assert!(rolled_back(
        house
            .store
            .verify_events(Some(&kept))
            .await
            .expect_err("not there")
    ));

    // Another history of the same length is not that one either.
    house.recorded(4).await;
    let error = house.store.verify_events(Some(&kept)).await.expect_err("another");
    assert!(
        matches!(error, VerifyError::Broken(Broken { index: 5, .. })),
        "{error}"
    );
}

#[tokio::test]
async fn refuses_a_checkpoint_of_another_log() {
    let house = House::new().await;
    house.recorded(1).await;
    let other = House::new().await;
    other.recorded(1).await;
    let kept = other.newest().await;
    let error = house
        .store
        .verify_events(Some(&kept))
        .await
        .expect_err("not ours");
    assert!(matches!(error, VerifyError::Foreign), "{error}");
}

#[tokio::test]
async fn does_not_grow_over_a_tail_that_was_removed() {
    let mut house = House::new().await;
    house.recorded(4).await;
    house.sql("DELETE FROM audit_events WHERE idx > 2").await;
    house.store = house.reopened().await;
    house.recorded(2).await;
    assert_eq!(house.broken().await, Some(3));
}

#[tokio::test]
async fn sweeps_the_old_and_stays_whole() {
    let mut house = House::new().await;
    house.recorded(1100).await;
    let early = house.newest().await;
    let border = house.clock.now();
    house.recorded(3).await;
    assert_eq!(house.store.sweep_events(border).await.expect("swept"), 1099);
    let verified = house.verified().await;
    assert_eq!((verified.first, verified.events), (1100, 4));
    assert_eq!(house.store.sweep_events(border).await.expect("swept"), 0);
    assert!(house.store.verify_events(Some(&early)).await.is_ok());

    let later = house
        .clock
        .now()
        .checked_add(Duration::from_secs(1))
        .expect("in range");
    assert_eq!(house.store.sweep_events(later).await.expect("swept"), 4);
    assert_eq!(house.verified().await.events, 0);
    let error = house.store.verify_events(Some(&early)).await.expect_err("swept");
    assert!(
        matches!(
            error,
            VerifyError::TooOld {
                index: 1100,
                first: 1104
            }
        ),
        "{error}"
    );
    house.store = house.reopened().await;
    house.recorded(2).await;
    let verified = house.verified().await;
    assert_eq!((verified.first, verified.events), (1104, 2));
    house
        .sql("DELETE FROM audit_checkpoints WHERE kind = 'anchor'")
        .await;
    assert_eq!(house.broken().await, Some(1));
}

#[tokio::test]
async fn keeps_a_checkpoint_of_each_block() {
    let house = House::new().await;
    house.recorded(2001).await;
    assert_eq!(house.verified().await.checkpoints, 3);
}
