//! The credentials of a node's role, and its key, renewed as the server has it.

use std::sync::PoisonError;

use drawbridge_aws_client::{Auth, CallError, Credentials, RsaSigner, Service};
use serde_json::{Value, json};

use super::{KeyRotation, Node, NodeError};
use crate::identity::credentials::{self, RoleCredentials};
use crate::identity::enrolment::AccessKey;
use crate::identity::key::{self, KeyError, Slot};

impl Node {
    /// Returns credentials that work: the present ones until half of their life is over, then new ones.
    ///
    /// An enrolled node has one access key, which somebody may have replaced since the last call.
    ///
    /// While the server cannot be reached, the present ones are used until they expire.
    ///
    /// # Errors
    ///
    /// When there are none that work and no new ones can be had.
    pub async fn credentials(&self) -> Result<Credentials, NodeError> {
        if !self.id().is_registered() {
            let key = AccessKey::load(&self.folder)?.ok_or(NodeError::NotRegistered)?;
            return Ok(key.signing());
        }
        if let Some(kept) = self.kept().filter(|kept| kept.is_fresh(self.clock.now())) {
            return Ok(kept.signing());
        }
        let _fetching = self.fetching.lock().await;
        let now = self.clock.now();
        let known = match self.kept().filter(|kept| kept.is_fresh(now)) {
            Some(kept) => Some(kept),
            // Another process of this node may have fetched new ones.
            None => credentials::load(&self.folder)?.or_else(|| self.kept()),
        };
        if let Some(fresh) = known.as_ref().filter(|known| known.is_fresh(now)) {
            self.keep(Some(fresh.clone()));
            return Ok(fresh.signing());
        }
        match (self.fetch().await, known.filter(|known| known.is_usable(now))) {
            (Ok(fetched), _) => Ok(fetched.signing()),
            (Err(error), Some(usable)) => {
                tracing::warn!(%error, "cannot renew role credentials, using the present ones");
                Ok(usable.signing())
            }
            (Err(error), None) => Err(error),
        }
    }

    async fn fetch(&self) -> Result<RoleCredentials, NodeError> {
        let answer = self.request_token().await?;
        let fetched = RoleCredentials::from_answer(&answer, self.clock.now()).ok_or(NodeError::Answer)?;
        credentials::store(&self.folder, &fetched)?;
        self.keep(Some(fetched.clone()));
        let asked_for_key = answer
            .get("UpdateKeyPair")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        if asked_for_key && self.rotation == KeyRotation::Allowed {
            // The credentials are good whether or not this succeeds; the server will ask again.
            if let Err(error) = self.replace_key().await {
                tracing::warn!(%error, "cannot replace the node's key");
            }
        }
        Ok(fetched)
    }

    async fn request_token(&self) -> Result<Value, NodeError> {
        let input = json!({"Fingerprint": self.registration.fingerprint});
        let current = key::load(&self.folder, Slot::Current)?;
        let refused = match self
            .call_as_key(current, "RequestManagedInstanceRoleToken", &input)
            .await
        {
            Err(error) if error.code().is_some() => error,
            other => return other.map_err(NodeError::Call),
        };
        // A replacement may have been cut short after the server took the new key.
        match key::load(&self.folder, Slot::Next) {
            Ok(next) if self.rotation == KeyRotation::Allowed => {
                let answer = self
                    .call_as_key(next, "RequestManagedInstanceRoleToken", &input)
                    .await
                    .map_err(|_| NodeError::Call(refused))?;
                key::promote(&self.folder)?;
                Ok(answer)
            }
            _ => Err(NodeError::Call(refused)),
        }
    }

    async fn replace_key(&self) -> Result<(), NodeError> {
        let next = tokio::task::spawn_blocking(key::generate)
            .await
            .map_err(|_| KeyError::Generate)??;
        key::store(&self.folder, Slot::Next, &next)?;
        let input = json!({"NewPublicKey": key::public_text(&next)?, "NewPublicKeyType": "Rsa"});
        let current = key::load(&self.folder, Slot::Current)?;
        self.call_as_key(current, "UpdateManagedInstancePublicKey", &input)
            .await
            .map_err(NodeError::Call)?;
        key::promote(&self.folder)?;
        tracing::info!("the node's key was replaced");
        Ok(())
    }

    async fn call_as_key(
        &self,
        key: aws_lc_rs::rsa::KeyPair,
        operation: &str,
        input: &Value,
    ) -> Result<Value, CallError> {
        let signer = RsaSigner::new(self.id().as_str(), key);
        self.ssm
            .call_json(Service::SSM, operation, input, Auth::Node(&signer))
            .await
    }

    /// Drops credentials that the server does not accept, so that the next call fetches new ones.
    pub fn forget_credentials(&self) {
        self.keep(None);
        if let Err(error) = credentials::forget(&self.folder) {
            tracing::warn!(%error, "cannot remove refused credentials");
        }
    }

    fn kept(&self) -> Option<RoleCredentials> {
        self.credentials
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn keep(&self, credentials: Option<RoleCredentials>) {
        *self.credentials.lock().unwrap_or_else(PoisonError::into_inner) = credentials;
    }
}
