//! Keys used in the name of callers, by services of this server and by sessions.
//!
//! Each use is decided on as the operation of the same name is, with `kms:ViaService` where a service uses the key, and
//! leaves the same audit event.

use async_trait::async_trait;
use drawbridge_session::{
    Allowed, DataKey, Decision, EncryptionContext, Intent, KeyError, KeyUse, KeyUser, Keys, Need, Needs,
    Principal,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::blob::Blob;
use crate::data::{decrypt, generate_data_key, invalid_ciphertext};
use crate::error::{code, fault, unusable};
use crate::keys::describe;
use crate::{Kms, Operation, context};

#[async_trait]
impl Keys for Kms {
    async fn check(
        &self,
        user: KeyUser<'_>,
        key: &str,
        usage: KeyUse,
        context: &EncryptionContext,
    ) -> Result<String, KeyError> {
        let operation = match usage {
            KeyUse::GenerateDataKey => generate_data_key::OPERATION,
            KeyUse::Decrypt => decrypt::OPERATION,
            KeyUse::Describe => describe::OPERATION,
        };
        check_context(context)?;
        let input = json!({"KeyId": key, "EncryptionContext": context});
        let allowed = self.allowed(user, &operation, &input).await?;
        let key = self.decided(user.caller, &allowed, 0).await?;
        match usage {
            KeyUse::Describe => {}
            KeyUse::GenerateDataKey | KeyUse::Decrypt => {
                key.usable().map_err(|wrong| unusable(&key, wrong))?;
            }
        }
        Ok(key.arn())
    }

    async fn generate_data_key(
        &self,
        user: KeyUser<'_>,
        key: &str,
        length: usize,
        context: &EncryptionContext,
    ) -> Result<DataKey, KeyError> {
        let operation = &generate_data_key::OPERATION;
        let input = json!({"KeyId": key, "NumberOfBytes": length, "EncryptionContext": context});
        let (allowed, done) = match self.allowed(user, operation, &input).await {
            Ok(allowed) => {
                let done = self.drawn(user, &allowed, length, context).await;
                (Some(allowed), done)
            }
            Err(denied) => (None, Err(denied)),
        };
        self.note(user, operation, &input, allowed.as_ref(), &done)
            .await?;
        done
    }

    async fn decrypt(
        &self,
        user: KeyUser<'_>,
        wrapped: &[u8],
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let operation = &decrypt::OPERATION;
        let blob = Blob::parse(wrapped).ok_or_else(invalid_ciphertext)?;
        let key = blob.key_arn(&user.caller.region);
        let input = json!({"KeyId": key, "EncryptionContext": context});
        let (allowed, done) = match self.allowed(user, operation, &input).await {
            Ok(allowed) => {
                let done = self.opened(user, &allowed, &blob, context).await;
                (Some(allowed), done)
            }
            Err(denied) => (None, Err(denied)),
        };
        self.note(user, operation, &input, allowed.as_ref(), &done)
            .await?;
        done
    }
}

impl Kms {
    /// Asks for the decision that the operation needs.
    async fn allowed(
        &self,
        user: KeyUser<'_>,
        operation: &Operation,
        input: &Value,
    ) -> Result<Allowed, KeyError> {
        // The policies of keys mean everyone who signs, and an account that somebody is of.
        if let Principal::Anonymous { .. } = user.caller.principal {
            return Err(KeyError::Denied(
                "Requests that use keys must be signed.".to_owned(),
            ));
        }
        let Needs::All(needs) = (operation.needs)(user.caller, input) else {
            return Err(invalid_ciphertext());
        };
        let needs: Vec<Need> = needs
            .into_iter()
            .map(|need| via(need.or_action(operation.action), user))
            .collect();
        match self.authority.decide(user.caller, &needs).await.map_err(fault)? {
            Decision::Allow(allowed) => Ok(allowed),
            Decision::Deny(denied) => Err(KeyError::Denied(denied.to_string())),
        }
    }

    async fn drawn(
        &self,
        user: KeyUser<'_>,
        allowed: &Allowed,
        length: usize,
        context: &EncryptionContext,
    ) -> Result<DataKey, KeyError> {
        check_context(context)?;
        let key = self.decided(user.caller, allowed, 0).await?;
        let mut plain = Zeroizing::new(vec![0; length]);
        self.random.fill(&mut plain);
        let wrapped = self.seal(&key, context, &plain).await?;
        Ok(DataKey {
            key_arn: key.arn(),
            plain,
            wrapped,
        })
    }

    async fn opened(
        &self,
        user: KeyUser<'_>,
        allowed: &Allowed,
        blob: &Blob,
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        check_context(context)?;
        let key = self.decided(user.caller, allowed, 0).await?;
        self.open(&key, blob, context).await
    }

    /// Leaves the event of a use, and those for the owners of keys of other accounts.
    async fn note<T: Sync>(
        &self,
        user: KeyUser<'_>,
        operation: &Operation,
        input: &Value,
        allowed: Option<&Allowed>,
        done: &Result<T, KeyError>,
    ) -> Result<(), KeyError> {
        let Some(audited) = operation.audited() else {
            return Ok(());
        };
        let (now, random) = (self.clock.now(), self.random.as_ref());
        let mut intent = Intent::of(user.caller, audited, input, now, random);
        if let Some(service) = user.via {
            intent = intent.invoked_by(service);
        }
        if let Some(allowed) = allowed {
            intent = intent.touching(allowed.needs().iter().map(Need::resource));
        }
        let decided_by = allowed.and_then(Allowed::statement);
        let mut event = match done {
            Ok(_) => intent.answered(&Value::Null, decided_by),
            Err(error) => intent.failed(code(error), &error.to_string(), decided_by),
        };
        let others = event.for_owners(random);
        for event in std::iter::once(event).chain(others) {
            self.store.record(event).await.map_err(fault)?;
        }
        Ok(())
    }
}

/// Says which service uses the key.
fn via(need: Need, user: KeyUser<'_>) -> Need {
    match user.via {
        None => need,
        Some(service) => {
            let name = format!("{service}.{}.amazonaws.com", user.caller.region);
            need.with("kms:ViaService", name)
        }
    }
}

fn check_context(context: &EncryptionContext) -> Result<(), KeyError> {
    context::check(context).map_err(|error| KeyError::InvalidState(error.message().to_owned()))
}
