//! How operations are declared, and how a call becomes a rule's arguments and its outcome an answer.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::iam::{Directory, IamError};
use drawbridge_session::operation::Answer;
use drawbridge_session::{Audit, Call, Caller, Need, Needs, Random, SignedWith};
use drawbridge_store::{ChangeError, change_directory};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Iam, Operation, error};

/// What must be allowed for a request.
type NeedsOf = fn(&Caller, &Value) -> Needs;

type Handler = fn(Arc<Iam>, Call) -> Answer<AwsError>;

/// Declares an operation that only answers.
pub(crate) const fn read(action: &'static str, needs: NeedsOf, handler: Handler) -> Operation {
    declare(action, needs, Audit::READ, handler)
}

/// Declares an operation that changes something.
pub(crate) const fn write(action: &'static str, needs: NeedsOf, handler: Handler) -> Operation {
    declare(action, needs, Audit::WRITE, handler)
}

/// An operation is named after its action.
const fn declare(action: &'static str, needs: NeedsOf, audit: Audit, handler: Handler) -> Operation {
    let (_, name) = action.split_at("iam:".len());
    Operation {
        name,
        action,
        signed_with: SignedWith::AccessKey,
        needs,
        audit,
        handler,
    }
}

/// What a rule may want to know besides the directory and the input.
pub(crate) struct Occasion<'a> {
    /// The service.
    pub(crate) iam: &'a Iam,
    /// Who asks.
    pub(crate) caller: &'a Caller,
    /// The operation's action.
    pub(crate) action: &'a str,
    /// When.
    pub(crate) now: Timestamp,
}

impl<'a> Occasion<'a> {
    /// Returns the source of chance.
    pub(crate) fn random(&self) -> &'a dyn Random {
        self.iam.random.as_ref()
    }
}

/// A call whose input was read.
pub(crate) struct Asked<I> {
    /// Who asks.
    pub(crate) caller: Caller,
    /// The operation's action.
    pub(crate) action: String,
    /// For what.
    pub(crate) input: I,
}

impl Iam {
    /// Answers from the directory of the caller's account as it is.
    pub(crate) fn look<I, O>(
        self: Arc<Self>,
        call: Call,
        rule: fn(&Directory, I, &Occasion<'_>) -> Result<O, IamError>,
    ) -> Answer<AwsError>
    where
        I: DeserializeOwned + 'static,
        O: Serialize + 'static,
    {
        Box::pin(async move {
            let (asked, input) = Asked::read(call)?.apart();
            let directory = self.directory(&asked.caller)?;
            let output = rule(&directory, input, &self.occasion(&asked));
            answer(&output.map_err(|error| error::refused(&error))?)
        })
    }

    /// Changes the directory of the caller's account by a rule, and answers what the rule says.
    pub(crate) fn change<I, O>(
        self: Arc<Self>,
        call: Call,
        rule: fn(&mut Directory, I, &Occasion<'_>) -> Result<O, IamError>,
    ) -> Answer<AwsError>
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
    {
        Box::pin(async move {
            let asked = Asked::read(call)?;
            let output = self.changed(asked, rule).await?;
            answer(&output)
        })
    }

    /// Changes the directory of the caller's account by a rule, for handlers that do more than that.
    pub(crate) async fn changed<I: Send, O: Send>(
        &self,
        asked: Asked<I>,
        rule: impl FnOnce(&mut Directory, I, &Occasion<'_>) -> Result<O, IamError> + Send,
    ) -> Result<O, AwsError> {
        let (asked, input) = asked.apart();
        let occasion = self.occasion(&asked);
        let store = self.store.as_ref();
        let changed = change_directory(store, &asked.caller.account, |directory| {
            rule(directory, input, &occasion)
        });
        changed.await.map_err(error::unchanged)
    }

    /// Returns the directory of the caller's account as it is.
    pub(crate) fn directory(&self, caller: &Caller) -> Result<Arc<Directory>, AwsError> {
        let directory = self.store.directory(&caller.account);
        directory.ok_or_else(|| error::internal(ChangeError::UnknownAccount(caller.account.clone())))
    }

    /// Returns what there is to know about a request besides its input.
    pub(crate) fn occasion<'a, I>(&'a self, asked: &'a Asked<I>) -> Occasion<'a> {
        Occasion {
            iam: self,
            caller: &asked.caller,
            action: &asked.action,
            now: self.clock.now(),
        }
    }
}

impl<I: DeserializeOwned> Asked<I> {
    /// Reads the input of a call; the model was checked before, so a failure means that model and type disagree.
    pub(crate) fn read(call: Call) -> Result<Self, AwsError> {
        // The first need is always the operation's own.
        let action = call.needs().first().map(Need::action).unwrap_or_default();
        let action = action.to_owned();
        let (caller, _, input) = call.into_parts();
        let input = serde_json::from_value(input)
            .map_err(|error| AwsError::new("SerializationException", error.to_string()))?;
        Ok(Self {
            caller,
            action,
            input,
        })
    }
}

impl<I> Asked<I> {
    fn apart(self) -> (Asked<()>, I) {
        let Self {
            caller,
            action,
            input,
        } = self;
        let input_taken = Asked {
            caller,
            action,
            input: (),
        };
        (input_taken, input)
    }
}

/// Writes an output; an operation without one answers an empty object.
pub(crate) fn answer(output: &impl Serialize) -> Result<Value, AwsError> {
    match serde_json::to_value(output).map_err(error::internal)? {
        Value::Null => Ok(Value::Object(Map::new())),
        output => Ok(output),
    }
}
