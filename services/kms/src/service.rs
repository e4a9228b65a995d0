//! What the operations share: the store, the root key, the decisions, time and chance.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Allowed, Authority, Caller, Clock, KeyError, Need, Random};
use drawbridge_store::{Foundation, Key, KeyPlace, KeyRef, RootKey, Store, provided};

use crate::error::{answer, fault};
use crate::{OPERATIONS, Operation};

/// The `kms` service of one server.
pub struct Kms {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) root: Arc<RootKey>,
    pub(crate) authority: Arc<dyn Authority>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl Kms {
    /// Brings the parts together.
    pub fn new(foundation: Foundation, authority: Arc<dyn Authority>) -> Self {
        Self {
            store: foundation.store,
            root: foundation.root,
            authority,
            clock: foundation.clock,
            random: foundation.random,
        }
    }

    /// Finds an operation.
    pub fn operation(name: &str) -> Option<&'static Operation> {
        OPERATIONS.iter().find(|operation| operation.name == name)
    }

    /// Finds the key that a decision was about, at this place among its needs.
    ///
    /// It is the one that was decided on, whatever an alias has been given since.
    pub(crate) async fn decided(
        &self,
        caller: &Caller,
        allowed: &Allowed,
        need: usize,
    ) -> Result<Key, KeyError> {
        let resource = allowed.needs().get(need).map(Need::resource);
        let Some(resource) = resource else {
            return Err(KeyError::NotFound("The request names no key.".to_owned()));
        };
        let named = resource.named();
        let place = KeyPlace::parse(resource.arn())
            .ok_or_else(|| KeyError::NotFound(format!("Invalid keyId or ARN: {named}")))?;
        if place.region != caller.region {
            return Err(KeyError::NotFound(format!(
                "{named} is in another region than this request, {}.",
                caller.region
            )));
        }
        let found = match &place.key {
            KeyRef::Id(_) => self.store.key_at(&place).await.map_err(fault)?,
            KeyRef::Alias(name) => match provided::service(name) {
                Some(service) if place.account == caller.account => {
                    return self.provided_key(service, &place).await;
                }
                Some(_) | None => None,
            },
        };
        found.ok_or_else(|| match place.key {
            KeyRef::Id(_) => KeyError::NotFound(format!("Key '{named}' does not exist")),
            KeyRef::Alias(_) => KeyError::NotFound(format!("Alias {named} is not found.")),
        })
    }

    /// Finds the key that a decision was about, which must be of the caller's account and named by its id or ARN.
    pub(crate) async fn own(&self, caller: &Caller, allowed: &Allowed, need: usize) -> Result<Key, AwsError> {
        let key = self.decided(caller, allowed, need).await.map_err(answer)?;
        let named = allowed.needs().get(need).map(|need| need.resource().named());
        let by_alias = named.is_some_and(|named| named.contains(":alias/"));
        if by_alias || key.account != caller.account {
            return Err(AwsError::new(
                "NotFoundException",
                format!(
                    "{} is not the id or ARN of a key in this account.",
                    named.unwrap_or_default()
                ),
            ));
        }
        Ok(key)
    }
}
