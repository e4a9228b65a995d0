//! From a caller and an input to an answer: the decision, the handler, and the audit event around both.
//!
//! ```text
//! input ─▶ model ─▶ decision ─▶ event intended ─▶ handler ─▶ event recorded ─▶ answer
//!            │         │          (changes only)                   ▲
//!            └─────────┴───────────── refused ─────────────────────┘
//! ```
//!
//! The intent is in the store before a change is: whatever dies in between, no change lacks its event. The answer
//! leaves after its event is stored. A caller who goes away does not stop what was begun.

use std::borrow::Cow;
use std::sync::Arc;

use drawbridge_aws_dialects::error::{AwsError, Family};
use drawbridge_service_sts::authorization_message;
use drawbridge_session::audit::Intent;
use drawbridge_session::policy::StatementName;
use drawbridge_session::{Call, Caller, Denied, Need, Operation, Principal, Refusal};
use drawbridge_store::StoreError;
use http::StatusCode;
use serde_json::Value;

use super::Gateway;

/// A request whose caller is known, before anyone has looked at what it asks for.
pub(crate) struct Asked {
    pub(crate) caller: Caller,
    /// The input, for the decision and the audit log.
    pub(crate) input: Value,
    /// What its model says of it.
    pub(crate) valid: Result<(), AwsError>,
    pub(crate) family: Family,
}

/// How an operation takes more than its call, and gives what is no JSON.
pub(crate) struct Carriage<I, O> {
    /// Puts the call beside what else is taken.
    pub(crate) take: Box<dyn FnOnce(Call) -> I + Send + Sync>,
    /// What the audit log is shown of the answer.
    pub(crate) show: fn(&O) -> Cow<'_, Value>,
}

/// Decides on a request, carries it out, and keeps its event. Of those that nobody signed only so many may fail.
pub(crate) async fn perform<S: Send + Sync + 'static>(
    gateway: &Arc<Gateway>,
    service: &Arc<S>,
    operation: &'static Operation<S, AwsError>,
    asked: Asked,
) -> Result<Value, AwsError> {
    let carriage = Carriage {
        take: Box::new(|call| call),
        show: |output| Cow::Borrowed(output),
    };
    perform_with(gateway, service, operation, asked, carriage).await
}

/// The same for an operation that takes or gives more than JSON.
pub(crate) async fn perform_with<S, I, O>(
    gateway: &Arc<Gateway>,
    service: &Arc<S>,
    operation: &'static Operation<S, AwsError, I, O>,
    asked: Asked,
    carriage: Carriage<I, O>,
) -> Result<O, AwsError>
where
    S: Send + Sync + 'static,
    I: Send + 'static,
    O: Send + 'static,
{
    let Principal::Anonymous { .. } = asked.caller.principal else {
        return perform_heard(gateway, service, operation, asked, carriage).await;
    };
    let address = asked.caller.source_ip;
    if !gateway.strangers.admit(address, gateway.clock.monotonic()) {
        return Err(match asked.family {
            Family::S3 => AwsError::new("SlowDown", "Please reduce your request rate.")
                .with_status(StatusCode::SERVICE_UNAVAILABLE),
            Family::Json | Family::Query | Family::Ec2 | Family::Rest => {
                AwsError::new("ThrottlingException", "Rate exceeded")
            }
        });
    }
    let answer = perform_heard(gateway, service, operation, asked, carriage).await;
    if answer.is_ok() {
        gateway.strangers.succeeded(address);
    }
    answer
}

async fn perform_heard<S, I, O>(
    gateway: &Arc<Gateway>,
    service: &Arc<S>,
    operation: &'static Operation<S, AwsError, I, O>,
    asked: Asked,
    carriage: Carriage<I, O>,
) -> Result<O, AwsError>
where
    S: Send + Sync + 'static,
    I: Send + 'static,
    O: Send + 'static,
{
    let family = asked.family;
    let run = Run {
        gateway: Arc::clone(gateway),
        service: Arc::clone(service),
        operation,
        carriage,
        family,
    };
    match operation.audited() {
        None => {
            let call = run.authorized(asked).await.map_err(|(error, _)| error)?;
            run.handled(call).await
        }
        Some(audited) => {
            let at = asked.caller.received_at;
            let mut intent = Intent::of(&asked.caller, audited, &asked.input, at, gateway.random.as_ref());
            if audited.is_global() {
                intent = intent.in_region(gateway.region.clone());
            }
            if audited.is_write() {
                let running = tokio::spawn(async move { run.change(asked, intent).await });
                running.await.unwrap_or_else(|panicked| {
                    tracing::error!(operation = operation.name, %panicked, "an operation failed inside");
                    Err(family.internal())
                })
            } else {
                run.read(asked, intent).await
            }
        }
    }
}

struct Run<S: 'static, I: 'static, O: 'static> {
    gateway: Arc<Gateway>,
    service: Arc<S>,
    operation: &'static Operation<S, AwsError, I, O>,
    carriage: Carriage<I, O>,
    family: Family,
}

/// Why a request was turned away, and the statement that did.
type TurnedAway = (AwsError, Option<StatementName>);

impl<S: Send + Sync, I: Send, O: Send> Run<S, I, O> {
    async fn change(self, asked: Asked, intent: Intent) -> Result<O, AwsError> {
        let call = match self.authorized(asked).await {
            Ok(call) => call,
            Err(turned_away) => return Err(self.refuse(intent, turned_away).await),
        };
        let intent = intent.touching(call.allowed().needs().iter().map(Need::resource));
        let intended = self.gateway.store.intend(&intent).await;
        intended.map_err(|error| cannot_store(self.operation.name, self.family, &error))?;
        self.answer(call, intent).await
    }

    async fn read(self, asked: Asked, intent: Intent) -> Result<O, AwsError> {
        match self.authorized(asked).await {
            Ok(call) => {
                let intent = intent.touching(call.allowed().needs().iter().map(Need::resource));
                self.answer(call, intent).await
            }
            Err(turned_away) => Err(self.refuse(intent, turned_away).await),
        }
    }

    async fn authorized(&self, asked: Asked) -> Result<Call, TurnedAway> {
        asked.valid.map_err(|error| (error, None))?;
        let principal = asked.caller.principal.clone();
        let authorized = self
            .operation
            .authorize(asked.caller, asked.input, &self.gateway.access)
            .await;
        authorized.map_err(|refusal| match refusal {
            Refusal::Denied(denied) => {
                let statement = denied.statement().cloned();
                (self.denied(&denied, &principal), statement)
            }
            Refusal::Undecided(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(
                    operation = self.operation.name,
                    error,
                    "cannot decide on a request"
                );
                (self.family.internal(), None)
            }
        })
    }

    fn denied(&self, denied: &Denied, principal: &Principal) -> AwsError {
        let mut reason = denied.to_string();
        // EC2 also says it sealed, for those whom the plain words are not enough.
        if self.family == Family::Ec2 {
            let (root, random) = (&self.gateway.root, self.gateway.random.as_ref());
            let sealed = authorization_message::encode(denied, principal, root, random);
            reason.push_str(". Encoded authorization failure message: ");
            reason.push_str(&sealed);
        }
        self.family.access_denied(&reason)
    }

    async fn handled(self, call: Call) -> Result<O, AwsError> {
        (self.operation.handler)(self.service, (self.carriage.take)(call)).await
    }

    async fn answer(self, call: Call, intent: Intent) -> Result<O, AwsError> {
        let allowed_by = call.allowed().statement().cloned();
        let (gateway, name, family) = (Arc::clone(&self.gateway), self.operation.name, self.family);
        let show = self.carriage.show;
        let answered = self.handled(call).await;
        let mut event = match &answered {
            Ok(output) => intent.answered(&show(output), allowed_by.as_ref()),
            Err(error) => intent.failed(error.code(), error.message(), allowed_by.as_ref()),
        };
        let others = event.for_owners(gateway.random.as_ref());
        for event in std::iter::once(event).chain(others) {
            let recorded = gateway.store.record(event).await;
            recorded.map_err(|error| cannot_store(name, family, &error))?;
        }
        answered
    }

    async fn refuse(&self, intent: Intent, (error, denied_by): TurnedAway) -> AwsError {
        let event = intent.failed(error.code(), error.message(), denied_by.as_ref());
        match self.gateway.store.record(event).await {
            Ok(()) => error,
            Err(error) => cannot_store(self.operation.name, self.family, &error),
        }
    }
}

fn cannot_store(operation: &'static str, family: Family, error: &StoreError) -> AwsError {
    let cause = error as &dyn std::error::Error;
    tracing::error!(operation, error = cause, "cannot store an audit event");
    match error.lacks_room() {
        true => family.no_room(),
        false => family.internal(),
    }
}
