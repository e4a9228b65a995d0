//! The data keys of groups: wrapped by the root key, or by a key of KMS whose policy lets this service use it.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::keys::{EncryptionContext, KeyError, KeyUse, KeyUser};
use drawbridge_session::{Caller, Principal, Random, RandomArray as _};
use drawbridge_store::{LogGroup, LogGroupAt, LogGroupKey, SealError};
use zeroize::Zeroizing;

use crate::Logs;
use crate::error::{internal, invalid_parameter};
use crate::name::group_arn;

const KEY_LENGTH: usize = 32;

/// What the root key wraps data keys for.
const PURPOSE: &str = "data key of a log group";

/// Seals and opens the events of one group.
pub(crate) struct DataKey(LessSafeKey);

impl DataKey {
    pub(crate) fn new(bytes: &[u8]) -> Result<Self, SealError> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_wrong_length| SealError)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Seals `plain`: `nonce (12) ‖ AES-256-GCM ciphertext ‖ tag (16)`. Whoever opens it must name the same context.
    pub(crate) fn seal(&self, context: &[u8], mut plain: Vec<u8>, random: &dyn Random) -> Vec<u8> {
        let nonce = random.array::<NONCE_LEN>();
        let tag = self
            .0
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context),
                &mut plain,
            )
            .expect("a text that fits in memory fits in AES-GCM");
        let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + tag.as_ref().len());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&plain);
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens what [`DataKey::seal`] made.
    pub(crate) fn open(&self, context: &[u8], sealed: Vec<u8>) -> Result<Vec<u8>, SealError> {
        let mut buffer = sealed;
        let nonce = *buffer.first_chunk::<NONCE_LEN>().ok_or(SealError)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let plain = self
            .0
            .open_within(nonce, Aad::from(context), &mut buffer, NONCE_LEN..)
            .map_err(|_| SealError)?
            .len();
        buffer.truncate(plain);
        Ok(buffer)
    }
}

impl Logs {
    /// Draws a data key for a group and has it wrapped.
    pub(crate) async fn draw_key(
        &self,
        caller: &Caller,
        at: LogGroupAt<'_>,
        kms_key: Option<&str>,
    ) -> Result<LogGroupKey, AwsError> {
        let arn = group_arn(at);
        let Some(kms_key) = kms_key else {
            let plain = Zeroizing::new(self.random.array::<KEY_LENGTH>());
            return Ok(LogGroupKey {
                number: 1,
                kms_key: None,
                wrapped: self
                    .root
                    .seal(PURPOSE, arn.as_bytes(), &*plain, self.random.as_ref()),
            });
        };
        // As on AWS: no ids and no aliases.
        if !(kms_key.starts_with("arn:") && kms_key.contains(":key/")) {
            return Err(invalid_parameter(format!(
                "The specified KMS Key Id could not be found or is no key's ARN: {kms_key}"
            )));
        }
        let drawn = self
            .keys
            .generate_data_key(by(&itself(caller, at)), kms_key, KEY_LENGTH, &context(&arn))
            .await
            .map_err(|error| unusable_for(kms_key, &arn, error))?;
        Ok(LogGroupKey {
            number: 1,
            kms_key: Some(drawn.key_arn),
            wrapped: drawn.wrapped,
        })
    }

    /// Unwraps a data key of a group, or finds it unwrapped. Whether the service may still use the key that wraps it is
    /// asked either way.
    pub(crate) async fn open_key(
        &self,
        caller: &Caller,
        group: &LogGroup,
        key: &LogGroupKey,
    ) -> Result<Arc<DataKey>, AwsError> {
        let arn = group_arn(group.at());
        let Some(kms_key) = &key.kms_key else {
            let plain = self.root.open(PURPOSE, arn.as_bytes(), &key.wrapped);
            return opened(&plain.map_err(internal)?);
        };
        let (itself, context, now) = (itself(caller, group.at()), context(&arn), self.clock.now());
        let wrapped = (arn.as_str(), key.wrapped.as_slice());
        if let Some(open) = self.open_keys.find(wrapped, now) {
            let usable = self.keys.check(by(&itself), kms_key, KeyUse::Decrypt, &context);
            if usable.await.is_ok() {
                return Ok(open);
            }
            // What follows is refused, and leaves the audit event of that.
            self.open_keys.close(wrapped);
        }
        let plain = self.keys.decrypt(by(&itself), &key.wrapped, &context).await;
        let data_key = opened(&plain.map_err(unusable)?)?;
        self.open_keys.keep(wrapped, &data_key, now);
        Ok(data_key)
    }
}

/// The service itself, which key policies allow by name, as on AWS: whoever reads or writes a group needs no key.
fn itself(caller: &Caller, at: LogGroupAt<'_>) -> Caller {
    Caller {
        principal: Principal::Service {
            account: at.account.clone(),
            name: format!("logs.{}.amazonaws.com", at.region),
        },
        access_key_id: None,
        grant: None,
        account: at.account.clone(),
        region: at.region.clone(),
        ..caller.clone()
    }
}

fn opened(plain: &[u8]) -> Result<Arc<DataKey>, AwsError> {
    DataKey::new(plain).map(Arc::new).map_err(internal)
}

fn by(caller: &Caller) -> KeyUser<'_> {
    KeyUser { caller, via: None }
}

fn context(arn: &str) -> EncryptionContext {
    EncryptionContext::from([("aws:logs:arn".to_owned(), arn.to_owned())])
}

/// Says why a key is not taken for a group.
fn unusable_for(key: &str, arn: &str, error: KeyError) -> AwsError {
    match error {
        KeyError::Internal(_) => internal(error),
        reason => invalid_parameter(format!(
            "The specified KMS key does not exist or is not allowed to be used with LogGroup '{arn}': {key}: {reason}"
        )),
    }
}

/// Says why the events of a group cannot be read or written.
fn unusable(error: KeyError) -> AwsError {
    match error {
        KeyError::Internal(_) => internal(error),
        KeyError::Denied(reason) => AwsError::new("AccessDeniedException", reason),
        reason => invalid_parameter(format!("The KMS key of the log group cannot be used: {reason}")),
    }
}

#[cfg(test)]
mod tests {
    use drawbridge_session::SeededRandom;

    use super::*;

    #[test]
    fn opens_what_it_sealed_and_nothing_else() {
        let random = SeededRandom::new(1);
        let key = DataKey::new(&[7; KEY_LENGTH]).expect("a key");
        let sealed = key.seal(b"context", b"plain".to_vec(), &random);
        assert_eq!(key.open(b"context", sealed.clone()), Ok(b"plain".to_vec()));
        assert!(key.open(b"another", sealed.clone()).is_err());
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(key.open(b"context", damaged).is_err(), "byte {at}");
            assert!(
                key.open(b"context", sealed[..at].to_vec()).is_err(),
                "cut at {at}"
            );
        }
        assert!(DataKey::new(&[7; 5]).is_err());
    }
}
