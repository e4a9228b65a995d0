//! The record, and how it comes to be.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::audited::{Audited, OURS};
use super::identity::UserIdentity;
use super::parameters::{self, Limit};
use super::resource::Touched;
use super::{line, resource};
use crate::caller::Caller;
use crate::ids::{AccountId, Region, SessionId};
use crate::policy::{Resource, StatementName};
use crate::principal::Principal;
use crate::random::{Random, RandomArray as _};
use crate::record::Session;

/// The first half of an event: who asks for what. It is stored before a change is made, so that no change lacks its
/// event when the server dies between the two.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    event: AuditEvent,
    keeps_answer: bool,
    hides: &'static [&'static str],
}

/// What is remembered of one call, or of something that the server has to tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    event_version: String,
    user_identity: UserIdentity,
    /// Whole seconds.
    event_time: Timestamp,
    event_source: String,
    event_name: String,
    aws_region: Region,
    /// An address, or the service for what nobody called.
    #[serde(rename = "sourceIPAddress")]
    source_address: String,
    user_agent: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error_code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
    request_parameters: Option<Value>,
    response_elements: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    additional_event_data: Option<AdditionalEventData>,
    /// What the service tells of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service_event_details: Option<Value>,
    #[serde(rename = "requestID", default, skip_serializing_if = "Option::is_none")]
    request_id: Option<Uuid>,
    #[serde(rename = "eventID")]
    event_id: Uuid,
    /// The same in the events of several accounts about one call.
    #[serde(rename = "sharedEventID", default, skip_serializing_if = "Option::is_none")]
    shared_event_id: Option<Uuid>,
    read_only: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    resources: Vec<Touched>,
    event_type: String,
    management_event: bool,
    recipient_account_id: AccountId,
    event_category: String,
}

/// What CloudTrail's fields have no place for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AdditionalEventData {
    /// The statement that allowed or denied, such as `SSMDevAccess/DenySMtoProd`.
    decided_by: String,
}

/// What the server itself tells of a session.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionDetails<'a, T> {
    session_id: &'a str,
    node_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    document_name: Option<&'a str>,
    #[serde(flatten)]
    told: &'a T,
}

/// The one service whose codes say whose fault it was.
const EC2: &str = "ec2.amazonaws.com";

/// The version of the record format that the fields are from.
const EVENT_VERSION: &str = "1.08";

/// The most bytes of a user agent, an error code and an error message, as CloudTrail cuts them.
const MAX_TEXT: usize = 1024;

impl Intent {
    /// Notes a request at the moment when it came, whether or not its input is what the operation takes.
    ///
    /// The event's id is drawn here. It is a version 7 UUID, so that events near in time are near in an index.
    pub fn of(
        caller: &Caller,
        operation: Audited,
        input: &Value,
        at: Timestamp,
        random: &dyn Random,
    ) -> Self {
        let limit = match caller.principal {
            Principal::Anonymous { .. } => Limit::ANONYMOUS,
            Principal::Root { .. }
            | Principal::User { .. }
            | Principal::AssumedRole { .. }
            | Principal::Node { .. }
            | Principal::Service { .. } => Limit::SIGNED,
        };
        let event = AuditEvent {
            event_version: EVENT_VERSION.to_owned(),
            user_identity: UserIdentity::of(caller),
            event_time: whole_second(at),
            event_source: operation.source(),
            event_name: operation.name.to_owned(),
            aws_region: caller.region.clone(),
            source_address: caller.source_ip.to_string(),
            user_agent: line::cut(&caller.user_agent, MAX_TEXT),
            error_code: None,
            error_message: None,
            request_parameters: parameters::recorded(input, operation.hides, limit, "requestParameters"),
            response_elements: None,
            additional_event_data: None,
            service_event_details: None,
            request_id: Some(caller.request_id),
            event_id: event_id(at, random),
            shared_event_id: None,
            read_only: !operation.is_write(),
            resources: Vec::new(),
            event_type: "AwsApiCall".to_owned(),
            management_event: true,
            recipient_account_id: caller.account.clone(),
            event_category: "Management".to_owned(),
        };
        Self {
            event,
            keeps_answer: operation.keeps_answer,
            hides: operation.hides,
        }
    }

    /// Moves the event to a region, instead of the one that the request was signed for.
    #[must_use]
    pub fn in_region(mut self, region: Region) -> Self {
        self.event.aws_region = region;
        self
    }

    /// Notes that a service of the server asks in the caller's name.
    #[must_use]
    pub fn invoked_by(mut self, service: &str) -> Self {
        let service = format!("{service}.amazonaws.com");
        self.event.source_address.clone_from(&service);
        self.event.user_agent.clone_from(&service);
        self.event.user_identity.invoked_by = Some(service);
        self
    }

    /// Notes what the request touches, once that is known.
    #[must_use]
    pub fn touching<'a>(mut self, resources: impl IntoIterator<Item = &'a Resource>) -> Self {
        self.event.resources = resource::touched(resources, &self.event.recipient_account_id);
        self
    }

    /// Notes that the operation answered, and the statement that allowed it. The answer itself is kept of operations
    /// that may change something or hand out credentials, as CloudTrail does.
    #[must_use]
    pub fn answered(self, output: &Value, allowed_by: Option<&StatementName>) -> AuditEvent {
        let mut event = self.event;
        if self.keeps_answer {
            event.response_elements =
                parameters::recorded(output, self.hides, Limit::SIGNED, "responseElements");
        }
        event.decided_by(allowed_by)
    }

    /// Notes that the operation failed or was refused, with the error that the caller is shown, and the statement that
    /// decided, if one did.
    #[must_use]
    pub fn failed(self, code: &str, message: &str, decided_by: Option<&StatementName>) -> AuditEvent {
        let mut event = self.event;
        // As CloudTrail has it: one word for denials, whichever the dialect uses, and EC2's codes with whose fault it was.
        let code = match (event.event_source.as_str(), code) {
            (EC2, "InternalError") => format!("Server.{code}"),
            (EC2, _) => format!("Client.{code}"),
            (_, "AccessDeniedException") => "AccessDenied".to_owned(),
            (_, other) => other.to_owned(),
        };
        event.error_code = Some(line::cut(&code, MAX_TEXT));
        event.error_message = Some(line::cut(message, MAX_TEXT));
        event.decided_by(decided_by)
    }

    /// Returns the id that the event will have.
    pub fn event_id(&self) -> Uuid {
        self.event.event_id
    }

    /// Writes the intent as one line of JSON, for [`AuditEvent::interrupted`].
    pub fn to_json(&self) -> String {
        line::of(&self.event)
    }
}

impl AuditEvent {
    /// Makes the event of something that the server itself has to tell of a session; it is found like the call that started
    /// the session.
    pub(super) fn of_session(
        name: &str,
        told: &impl Serialize,
        document_name: Option<&str>,
        session: &Session,
        at: Timestamp,
        random: &dyn Random,
    ) -> Self {
        let (region, account) = (&session.region, &session.account);
        let details = SessionDetails {
            session_id: session.id.as_str(),
            node_id: session.node.as_str(),
            document_name,
            told,
        };
        let touched = [
            Resource::session(region, account, session.id.as_str()),
            Resource::node(region, account, session.node.as_str()),
        ];
        Self {
            event_version: EVENT_VERSION.to_owned(),
            user_identity: UserIdentity::of_owner(session),
            event_time: whole_second(at),
            event_source: OURS.to_owned(),
            event_name: name.to_owned(),
            aws_region: region.clone(),
            source_address: OURS.to_owned(),
            user_agent: OURS.to_owned(),
            error_code: None,
            error_message: None,
            request_parameters: None,
            response_elements: None,
            additional_event_data: None,
            service_event_details: Some(serde_json::to_value(details).unwrap_or_default()),
            request_id: None,
            event_id: event_id(at, random),
            shared_event_id: None,
            read_only: false,
            resources: resource::touched(&touched, account),
            event_type: "AwsServiceEvent".to_owned(),
            management_event: true,
            recipient_account_id: account.clone(),
            event_category: "Management".to_owned(),
        }
    }

    /// Makes the event of a stored intent whose outcome the server did not live to see.
    pub fn interrupted(intent: &str) -> Result<Self, serde_json::Error> {
        let mut event: Self = serde_json::from_str(intent)?;
        event.error_code = Some("Interrupted".to_owned());
        event.error_message = Some("the server stopped before the outcome was known".to_owned());
        Ok(event)
    }

    /// Reads an event from the JSON that it wrote.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Writes the event as one line of JSON, in which nothing is left that a terminal would act on.
    pub fn to_json(&self) -> String {
        line::of(self)
    }

    /// Reads what the server itself told of a session under a name; `None` for any other event.
    pub(super) fn told_of_session<'a, T: Deserialize<'a>>(&'a self, name: &str) -> Option<(SessionId, T)> {
        let details = self.service_event_details.as_ref();
        let details = details.filter(|_| self.event_name == name && self.event_source == OURS)?;
        let session = SessionId::parse(details["sessionId"].as_str()?).ok()?;
        Some((session, T::deserialize(details).ok()?))
    }

    /// Returns the account that the call acted in.
    pub fn account(&self) -> &AccountId {
        &self.recipient_account_id
    }

    /// Returns the region that the call acted in.
    pub fn region(&self) -> &Region {
        &self.aws_region
    }

    /// Returns when the request came, in whole seconds.
    pub fn at(&self) -> Timestamp {
        self.event_time
    }

    /// Returns the event's id.
    pub fn id(&self) -> Uuid {
        self.event_id
    }

    /// Returns the name of the operation.
    pub fn name(&self) -> &str {
        &self.event_name
    }

    /// Returns the service, such as `ssm.amazonaws.com`.
    pub fn source(&self) -> &str {
        &self.event_source
    }

    /// Returns whether the operation only answers.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Returns the user's name, the name of a role's session, or `root`; nobody has none.
    pub fn user_name(&self) -> Option<&str> {
        self.user_identity.lookup_name()
    }

    /// Returns the access key that signed.
    pub fn access_key_id(&self) -> Option<&str> {
        self.user_identity.access_key_id()
    }

    /// Returns what the call touched.
    pub fn resources(&self) -> &[Touched] {
        &self.resources
    }

    /// Returns the code of the error that the call ended with.
    pub fn error_code(&self) -> Option<&str> {
        self.error_code.as_deref()
    }

    /// Makes the events for the other accounts whose keys or buckets the call was about: their owners find every use in their own
    /// log.
    ///
    /// What decided stays with the caller's account.
    pub fn for_owners(&mut self, random: &dyn Random) -> Vec<Self> {
        let mut owners: Vec<AccountId> = Vec::new();
        for touched in &self.resources {
            let is_other = *touched.account() != self.recipient_account_id;
            let is_shared = touched
                .kind()
                .is_some_and(|kind| resource::SHARED.contains(&kind));
            if is_other && is_shared && !owners.contains(touched.account()) {
                owners.push(touched.account().clone());
            }
        }
        if owners.is_empty() {
            return Vec::new();
        }
        self.shared_event_id = Some(event_id(self.event_time, random));
        let copies = owners.into_iter().map(|owner| {
            let own = |touched: &&Touched| *touched.account() == owner;
            Self {
                user_identity: self.user_identity.as_seen_elsewhere(),
                additional_event_data: None,
                event_id: event_id(self.event_time, random),
                resources: self.resources.iter().filter(own).cloned().collect(),
                recipient_account_id: owner.clone(),
                ..self.clone()
            }
        });
        copies.collect()
    }

    fn decided_by(mut self, statement: Option<&StatementName>) -> Self {
        self.additional_event_data = statement.map(|statement| AdditionalEventData {
            decided_by: line::cut(&statement.to_string(), MAX_TEXT),
        });
        self
    }
}

fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn event_id(at: Timestamp, random: &dyn Random) -> Uuid {
    let ms = u64::try_from(at.as_millisecond()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(ms, &random.array()).into_uuid()
}
