//! The house of the tests, with this service in it.

use std::ops::Deref;
use std::sync::Arc;

use drawbridge_aws_dialects::model;
use drawbridge_house::{FakeKeys, Stage};
use drawbridge_session::Clock as _;
use drawbridge_store::Reserve;
use serde_json::{Value, json};

use crate::Logs;

pub(crate) struct House {
    pub(crate) keys: Arc<FakeKeys>,
    stage: Stage<Logs>,
}

impl Deref for House {
    type Target = Stage<Logs>;

    fn deref(&self) -> &Self::Target {
        &self.stage
    }
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(drawbridge_house::House::new().await, Reserve::none())
    }

    /// The same in a house, with what events leave of its disk.
    pub(crate) fn with(house: drawbridge_house::House, reserve: Reserve) -> Self {
        let keys = Arc::new(FakeKeys::default());
        let logs = Logs::new(house.foundation(), keys.clone(), Arc::new(reserve));
        let stage = Stage::new(house, logs, |name| Some((Logs::operation(name)?, model::logs())));
        Self { keys, stage }
    }

    /// Has a group with a stream.
    pub(crate) async fn with_stream(group: &str, stream: &str) -> Self {
        let house = Self::new().await;
        house.done("CreateLogGroup", json!({"logGroupName": group})).await;
        house.give_stream(group, stream).await;
        house
    }

    pub(crate) async fn give_stream(&self, group: &str, stream: &str) {
        let input = json!({"logGroupName": group, "logStreamName": stream});
        self.done("CreateLogStream", input).await;
    }

    /// The time, in milliseconds.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now().as_millisecond()
    }

    /// Puts events, each so many milliseconds from now.
    pub(crate) async fn put(&self, group: &str, stream: &str, events: &[(i64, &str)]) -> Value {
        let now = self.now();
        let events: Vec<_> = events
            .iter()
            .map(|(at, message)| json!({"timestamp": now + at, "message": message}))
            .collect();
        let input = json!({"logGroupName": group, "logStreamName": stream, "logEvents": events});
        self.done("PutLogEvents", input).await
    }
}
