//! The house of the tests, with this service in it, and keys that can be taken away.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use drawbridge_aws_dialects::error::AwsError;
use drawbridge_aws_dialects::model;
use drawbridge_session::iam::{Holder, NewUser};
use drawbridge_session::keys::{DataKey, EncryptionContext, KeyError, KeyUse, KeyUser, Keys};
use drawbridge_session::{Caller, Clock as _};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::Logs;

/// The one key that the fake has.
pub(crate) const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

pub(crate) struct House {
    pub(crate) logs: Arc<Logs>,
    pub(crate) keys: Arc<FakeKeys>,
    house: drawbridge_house::House,
}

impl Deref for House {
    type Target = drawbridge_house::House;

    fn deref(&self) -> &Self::Target {
        &self.house
    }
}

impl House {
    pub(crate) async fn new() -> Self {
        let house = drawbridge_house::House::new().await;
        let keys = Arc::new(FakeKeys::default());
        let logs = Logs::new(
            house.store.clone(),
            house.root.clone(),
            keys.clone(),
            house.clock.clone(),
            house.random.clone(),
        );
        Self {
            logs: Arc::new(logs),
            keys,
            house,
        }
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

    /// Asks as the administrator.
    pub(crate) async fn ask(&self, name: &str, input: Value) -> Result<Value, AwsError> {
        self.ask_as(self.admin(), name, input).await
    }

    pub(crate) async fn ask_as(&self, caller: Caller, name: &str, input: Value) -> Result<Value, AwsError> {
        let operation = Logs::operation(name).expect("handled");
        self.house
            .ask(&self.logs, model::logs(), operation, caller, input)
            .await
    }

    /// Asks as the administrator for what must succeed.
    pub(crate) async fn done(&self, name: &str, input: Value) -> Value {
        let answer = self.ask(name, input).await;
        answer.unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Asks each input as the administrator and expects its error.
    pub(crate) async fn refuses(&self, operation: &str, table: &[(Value, &str)]) {
        self.refuses_as(&self.admin(), operation, table).await;
    }

    pub(crate) async fn refuses_as(&self, caller: &Caller, operation: &str, table: &[(Value, &str)]) {
        for (input, code) in table {
            match self.ask_as(caller.clone(), operation, input.clone()).await {
                Ok(answer) => panic!("{operation} {input}: answered {answer}, expected {code}"),
                Err(error) => assert_eq!(error.code(), *code, "{operation} {input}: {error}"),
            }
        }
    }

    /// Creates a user with an inline policy of these statements.
    pub(crate) async fn give_user(&self, name: &str, statements: Value) -> Caller {
        let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let (now, random) = (self.clock.now(), self.random.as_ref());
        let user = NewUser {
            name,
            ..NewUser::default()
        };
        self.change(|directory| {
            directory.create_user(user, now, random)?;
            directory.put_inline_policy(Holder::User(name), "own", &policy)
        })
        .await;
        self.user(name)
    }
}

/// Has one key, which can be disabled; remembers what it wrapped, for whom.
#[derive(Default)]
pub(crate) struct FakeKeys {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    is_disabled: bool,
    is_closed: bool,
    wrapped: BTreeMap<Vec<u8>, (EncryptionContext, u8)>,
    uses: u32,
}

impl FakeKeys {
    pub(crate) fn disable(&self, is_disabled: bool) {
        self.state.lock().expect("whole").is_disabled = is_disabled;
    }

    /// Takes the service out of the key's policy.
    pub(crate) fn close(&self, is_closed: bool) {
        self.state.lock().expect("whole").is_closed = is_closed;
    }

    /// How often a data key was opened.
    pub(crate) fn uses(&self) -> u32 {
        self.state.lock().expect("whole").uses
    }
}

#[async_trait]
impl Keys for FakeKeys {
    async fn check(
        &self,
        _: KeyUser<'_>,
        key: &str,
        _: KeyUse,
        _: &EncryptionContext,
    ) -> Result<String, KeyError> {
        Ok(key.to_owned())
    }

    async fn generate_data_key(
        &self,
        user: KeyUser<'_>,
        key: &str,
        length: usize,
        context: &EncryptionContext,
    ) -> Result<DataKey, KeyError> {
        assert_eq!(user.caller.principal.arn(), "logs.us-east-1.amazonaws.com");
        let mut state = self.state.lock().expect("whole");
        if key != KEY {
            return Err(KeyError::NotFound(format!("{key} is not there")));
        }
        if state.is_disabled {
            return Err(KeyError::Disabled(format!("{key} is disabled")));
        }
        let number = u8::try_from(state.wrapped.len()).expect("few") + 1;
        let wrapped = format!("wrapped {number}").into_bytes();
        state.wrapped.insert(wrapped.clone(), (context.clone(), number));
        Ok(DataKey {
            key_arn: KEY.to_owned(),
            plain: Zeroizing::new(vec![number; length]),
            wrapped,
        })
    }

    async fn decrypt(
        &self,
        user: KeyUser<'_>,
        wrapped: &[u8],
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        assert_eq!(user.caller.principal.arn(), "logs.us-east-1.amazonaws.com");
        let mut state = self.state.lock().expect("whole");
        if state.is_disabled {
            return Err(KeyError::Disabled(format!("{KEY} is disabled")));
        }
        if state.is_closed {
            return Err(KeyError::Denied(
                "not authorized to perform: kms:Decrypt".to_owned(),
            ));
        }
        state.uses += 1;
        match state.wrapped.get(wrapped) {
            Some((bound, number)) if bound == context => Ok(Zeroizing::new(vec![*number; 32])),
            _ => Err(KeyError::InvalidCiphertext("another context".to_owned())),
        }
    }
}
