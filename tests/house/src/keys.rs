//! Keys that wrap by remembering.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use drawbridge_session::{Caller, DataKey, EncryptionContext, KeyError, KeyUse, KeyUser, Keys};
use zeroize::Zeroizing;

/// The one key that [`FakeKeys`] have; whatever is no ARN is a name of it.
pub const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// One use of a key, or a question about one.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyUsed {
    /// In whose name.
    pub caller: Caller,
    /// The service that used it for them.
    pub via: Option<&'static str>,
    /// What for.
    pub usage: KeyUse,
    /// Whether it was only asked about.
    pub only_asked: bool,
    /// The key as it was named; [`KEY`] of what was wrapped.
    pub key: String,
    /// What the data key is bound to.
    pub context: EncryptionContext,
}

type Rule = Box<dyn Fn(&KeyUsed) -> Result<(), KeyError> + Send>;

/// Keys that anyone may use, until a rule says otherwise; they note who used them for what.
#[derive(Default)]
pub struct FakeKeys(Mutex<State>);

#[derive(Default)]
struct State {
    rule: Option<Rule>,
    used: Vec<KeyUsed>,
    drawn: BTreeMap<Vec<u8>, EncryptionContext>,
}

impl FakeKeys {
    /// Returns what was used since this was asked last, in order.
    pub fn used(&self) -> Vec<KeyUsed> {
        std::mem::take(&mut self.state().used)
    }

    /// Asks this rule from now on.
    pub fn obey(&self, rule: impl Fn(&KeyUsed) -> Result<(), KeyError> + Send + 'static) {
        self.state().rule = Some(Box::new(rule));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(
        &self,
        user: KeyUser<'_>,
        (usage, only_asked): (KeyUse, bool),
        key: &str,
        context: &EncryptionContext,
    ) -> Result<MutexGuard<'_, State>, KeyError> {
        if key.starts_with("arn:") && key != KEY {
            return Err(KeyError::NotFound(format!("key {key} does not exist")));
        }
        let used = KeyUsed {
            caller: user.caller.clone(),
            via: user.via,
            usage,
            only_asked,
            key: key.to_owned(),
            context: context.clone(),
        };
        let mut state = self.state();
        let answer = state.rule.as_ref().map_or(Ok(()), |rule| rule(&used));
        state.used.push(used);
        answer.map(|()| state)
    }
}

#[async_trait]
impl Keys for FakeKeys {
    async fn check(
        &self,
        user: KeyUser<'_>,
        key: &str,
        usage: KeyUse,
        context: &EncryptionContext,
    ) -> Result<String, KeyError> {
        self.note(user, (usage, true), key, context)
            .map(|_| KEY.to_owned())
    }

    async fn generate_data_key(
        &self,
        user: KeyUser<'_>,
        key: &str,
        length: usize,
        context: &EncryptionContext,
    ) -> Result<DataKey, KeyError> {
        let mut state = self.note(user, (KeyUse::GenerateDataKey, false), key, context)?;
        let number = u8::try_from(state.drawn.len()).expect("few");
        let wrapped = vec![number; length];
        state.drawn.insert(wrapped.clone(), context.clone());
        Ok(DataKey {
            key_arn: KEY.to_owned(),
            plain: plain(&wrapped),
            wrapped,
        })
    }

    async fn decrypt(
        &self,
        user: KeyUser<'_>,
        wrapped: &[u8],
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let state = self.note(user, (KeyUse::Decrypt, false), KEY, context)?;
        match state.drawn.get(wrapped) {
            Some(bound) if bound == context => Ok(plain(wrapped)),
            _ => Err(KeyError::InvalidCiphertext("it was changed".to_owned())),
        }
    }
}

fn plain(wrapped: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(wrapped.iter().map(|byte| byte ^ 0x5a).collect())
}
