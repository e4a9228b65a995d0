//! The house of the tests, with this service in it.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use drawbridge_aws_dialects::model;
use drawbridge_house::{FakeKeys, Stage};
use drawbridge_session::iam::NewRole;
use drawbridge_session::recording::{Event, Header, Page, ReadError, RecordingState, Recordings};
use drawbridge_session::{AccountId, Caller, Clock as _, Ending, ManagedNode, SessionId, SessionState};
use drawbridge_store::{Directories as _, Sessions as _, TokenBinding, Tokens as _};
use serde_json::json;

use crate::{ActivationTier, Parts, Settings, Ssm};

/// A role without policies, which anyone of the account may assume.
pub(crate) const EMPTY_ROLE: &str = "Ops";

pub(crate) struct House {
    pub(crate) recordings: Arc<FakeRecordings>,
    pub(crate) keys: Arc<FakeKeys>,
    stage: Stage<Ssm>,
}

impl Deref for House {
    type Target = Stage<Ssm>;

    fn deref(&self) -> &Self::Target {
        &self.stage
    }
}

impl House {
    pub(crate) async fn new() -> Self {
        let house = drawbridge_house::House::new().await;
        let recordings = Arc::new(FakeRecordings::default());
        let keys = Arc::new(FakeKeys::default());
        let parts = Parts {
            relay: house.relay.clone(),
            authority: Arc::new(house.access.clone()),
            keys: keys.clone(),
            recordings: recordings.clone(),
            settings: Settings {
                // Most tests start sessions on registered nodes.
                activation_tier: ActivationTier::Advanced,
                ..Settings::new("public.example")
            },
        };
        let ssm = Ssm::new(house.foundation(), parts);
        let (now, random) = (house.clock.now(), house.random.as_ref());
        house
            .change(|directory| {
                let role = NewRole {
                    name: EMPTY_ROLE,
                    trust: r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}}"#,
                    ..NewRole::default()
                };
                directory.create_role(role, &|_| true, now, random)
            })
            .await;
        let stage = Stage::new(house, ssm, |name| {
            let own = || Some((Ssm::drawbridge_operation(name)?, model::drawbridge()));
            Ssm::operation(name).map(|it| (it, model::ssm())).or_else(own)
        });
        Self {
            recordings,
            keys,
            stage,
        }
    }

    /// Creates a role without policies that a service may take on.
    pub(crate) async fn give_role(&self, name: &str, path: &str, service: &str) {
        let trust = json!({"Statement": {
            "Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole",
        }});
        let (trust, now, random) = (trust.to_string(), self.clock.now(), self.random.as_ref());
        let role = NewRole {
            name,
            path: Some(path),
            trust: &trust,
            ..NewRole::default()
        };
        self.change(|directory| directory.create_role(role, &|_| true, now, random))
            .await;
    }

    /// Makes a document of a shell with this description.
    pub(crate) async fn give_document(&self, name: &str, description: &str) {
        let input = json!({"Name": name, "DocumentType": "Session", "Content": shell_document(description)});
        self.done("CreateDocument", input).await;
    }

    /// The administrator of another account, in an organization of its own.
    pub(crate) async fn other_admin(&self) -> Caller {
        let account = AccountId::parse("210987654321").expect("valid");
        if self.store.directory(&account).is_none() {
            self.found(&account, "o-anotherorgid").await;
        }
        self.user_of(&account, "admin")
    }

    /// Someone who holds [`EMPTY_ROLE`].
    pub(crate) fn as_role(&self, session_name: &str) -> Caller {
        self.role(EMPTY_ROLE, session_name)
    }

    /// Starts a session on a new node; returns its id and its client's token.
    pub(crate) async fn started(&self) -> (SessionId, String) {
        let node = self.online_node().await;
        self.started_on(&node).await
    }

    pub(crate) async fn started_on(&self, node: &ManagedNode) -> (SessionId, String) {
        let answer = self.done("StartSession", json!({"Target": node.id})).await;
        let text = |member: &str| answer[member].as_str().expect("a text").to_owned();
        (
            SessionId::parse(&text("SessionId")).expect("valid"),
            text("TokenValue"),
        )
    }

    pub(crate) async fn end(&self, session: &SessionId) {
        let ending = Ending {
            at: self.clock.now(),
            details: "exit".into(),
            exit_code: Some(0),
        };
        let ended = self
            .store
            .change_session(session, SessionState::Terminated(ending));
        ended.await.expect("ended");
    }

    pub(crate) async fn redeem(&self, token: &str) -> Option<TokenBinding> {
        let redeemed = self.store.redeem_token(token, self.clock.now());
        Some(redeemed.await.expect("asked")?.binding)
    }
}

/// Recordings in memory.
#[derive(Default)]
pub(crate) struct FakeRecordings(Mutex<HashMap<SessionId, (Header, Recorded)>>);

/// A recording that is complete.
#[derive(Clone)]
pub(crate) struct Recorded {
    pub(crate) events: Vec<Event>,
    pub(crate) per_page: usize,
}

impl FakeRecordings {
    pub(crate) async fn give(&self, house: &House, id: &SessionId, recorded: Recorded) {
        let session = house.store.session(id).await.expect("asked").expect("there");
        let header = Header::of(&session);
        self.0
            .lock()
            .expect("whole")
            .insert(id.clone(), (header, recorded));
    }

    fn of(&self, session: &SessionId) -> Option<(Header, Recorded)> {
        self.0.lock().expect("whole").get(session).cloned()
    }
}

#[async_trait]
impl Recordings for FakeRecordings {
    async fn describe(&self, session: &SessionId) -> Result<Option<RecordingState>, ReadError> {
        Ok(self.of(session).map(|(header, _)| RecordingState {
            header,
            blocks: 2,
            bytes: 100,
            is_complete: true,
            head: "00".into(),
            broken: None,
        }))
    }

    async fn read(&self, session: &SessionId, from: Option<&str>) -> Result<Option<Page>, ReadError> {
        let Some((header, Recorded { events, per_page })) = self.of(session) else {
            return Ok(None);
        };
        let first: usize = from.unwrap_or("0").parse().map_err(|_| ReadError::Position)?;
        let end = events.len().min(first + per_page);
        Ok(Some(Page {
            header,
            events: events[first..end].to_vec(),
            next: end.to_string(),
            is_complete: end == events.len(),
        }))
    }
}

/// The text of a document of a shell.
pub(crate) fn shell_document(description: &str) -> String {
    let content =
        json!({"schemaVersion": "1.0", "description": description, "sessionType": "Standard_Stream"});
    content.to_string()
}
