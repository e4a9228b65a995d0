//! Role credentials and the copy of them that the agent and its workers share.

use drawbridge_aws_client::Credentials;
use drawbridge_session::Secret;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::state::{StateError, StateFolder};

const FILE: &str = "credentials.json";

/// Temporary credentials of the node's role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleCredentials {
    access_key_id: String,
    secret_access_key: Secret,
    session_token: Secret,
    obtained_at: Timestamp,
    expires_at: Timestamp,
}

impl RoleCredentials {
    /// Reads the answer to `RequestManagedInstanceRoleToken`; `None` when a member is missing or has a wrong type.
    ///
    /// The expiry comes as epoch seconds or as ISO 8601 text, depending on the server.
    pub(super) fn from_answer(answer: &Value, now: Timestamp) -> Option<Self> {
        let text = |name: &str| answer.get(name)?.as_str().map(str::to_owned);
        let expiry = answer.get("TokenExpirationDate")?;
        let expires_at = match expiry {
            Value::String(text) => text.parse().ok()?,
            other => Timestamp::from_millisecond((other.as_f64()? * 1000.0) as i64).ok()?,
        };
        Some(Self {
            access_key_id: text("AccessKeyId")?,
            secret_access_key: Secret::new(text("SecretAccessKey")?),
            session_token: Secret::new(text("SessionToken")?),
            obtained_at: now,
            expires_at,
        })
    }

    /// Returns them in the form that signs requests.
    pub fn signing(&self) -> Credentials {
        Credentials {
            access_key_id: self.access_key_id.clone(),
            secret_access_key: self.secret_access_key.expose().into(),
            session_token: Some(self.session_token.expose().into()),
        }
    }

    /// Says whether half of their life is left, so that nothing needs to be done.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        let half = self.expires_at.duration_since(self.obtained_at) / 2;
        // A clock that was set back must not keep them for longer than they live.
        now >= self.obtained_at && self.expires_at.duration_since(now) > half
    }

    /// Says whether they still work, with a margin for the way to the server.
    pub fn is_usable(&self, now: Timestamp) -> bool {
        const MARGIN: jiff::SignedDuration = jiff::SignedDuration::from_secs(30);
        self.expires_at.duration_since(now) > MARGIN
    }
}

/// Reads the shared copy; a damaged one counts as none.
pub(super) fn load(folder: &StateFolder) -> Result<Option<RoleCredentials>, StateError> {
    let content = folder.read(FILE)?.map(zeroize::Zeroizing::new);
    Ok(content.and_then(|content| serde_json::from_slice(&content).ok()))
}

/// Replaces the shared copy.
pub(super) fn store(folder: &StateFolder, credentials: &RoleCredentials) -> Result<(), StateError> {
    let content = zeroize::Zeroizing::new(serde_json::to_vec(credentials).unwrap_or_default());
    folder.write(FILE, &content)
}

/// Removes the shared copy.
pub(super) fn forget(folder: &StateFolder) -> Result<(), StateError> {
    folder.remove(FILE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(expiry: &Value) -> Value {
        json!({"AccessKeyId": "ASIA1", "SecretAccessKey": "s3cret", "SessionToken": "t0ken",
               "TokenExpirationDate": expiry, "UpdateKeyPair": false})
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("valid")
    }

    #[test]
    fn reads_both_forms_of_the_expiry() {
        let expiries = [json!(4600), json!(4600.0), json!("1970-01-01T01:16:40Z")];
        for expiry in &expiries {
            let credentials = RoleCredentials::from_answer(&answer(expiry), at(1000)).expect("complete");
            assert_eq!(credentials.expires_at, at(4600), "{expiry}");
        }
        assert!(RoleCredentials::from_answer(&answer(&json!(null)), at(0)).is_none());
        assert!(RoleCredentials::from_answer(&json!({"AccessKeyId": "ASIA1"}), at(0)).is_none());
    }

    #[test]
    fn wants_new_ones_at_half_life() {
        let credentials = RoleCredentials::from_answer(&answer(&json!(4600)), at(1000)).expect("complete");
        assert!(credentials.is_fresh(at(2799)));
        assert!(!credentials.is_fresh(at(2800)));
        assert!(!credentials.is_fresh(at(999)));
        assert!(credentials.is_usable(at(4569)));
        assert!(!credentials.is_usable(at(4570)));
    }

    #[test]
    fn never_prints_a_secret() {
        let credentials = RoleCredentials::from_answer(&answer(&json!(4600)), at(1000)).expect("complete");
        let printed = format!("{credentials:?} {:?}", credentials.signing());
        assert!(
            !printed.contains("s3cret") && !printed.contains("t0ken"),
            "{printed}"
        );
    }
}
