//! The operations on keys as such.

pub(crate) mod create;
pub(crate) mod deletion;
pub(crate) mod describe;
pub(crate) mod list;
pub(crate) mod switch;
pub(crate) mod update_description;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::Call;
use drawbridge_store::Key;
use drawbridge_store::keyring::WrongState;

use crate::Kms;
use crate::error::{unchanged, wrong_state};

/// Changes the caller's own key by a rule of its states; returns what the rule does, and the key as it is then.
pub(crate) async fn change<T>(
    kms: &Kms,
    call: &Call,
    rule: impl FnOnce(&mut Key) -> Result<T, WrongState>,
) -> Result<(Key, T), AwsError> {
    let mut key = kms.own(call.caller(), call.allowed(), 0).await?;
    let done = rule(&mut key).map_err(|wrong| wrong_state(&key, wrong))?;
    kms.store.change_key(&key, None).await.map_err(unchanged)?;
    Ok((key, done))
}
