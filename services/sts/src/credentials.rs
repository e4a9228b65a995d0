//! Credentials as both operations answer them.

use drawbridge_session::SessionGrant;
use drawbridge_store::{Holder, TemporaryCredentials};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::Sts;

impl Sts {
    /// Makes credentials that last so many seconds from `now` on.
    pub(crate) fn credentials(
        &self,
        holder: Holder,
        grant: SessionGrant,
        now: Timestamp,
        seconds: u32,
    ) -> Value {
        let ends = now.saturating_add(SignedDuration::from_secs(seconds.into()));
        let ends = ends.expect("a duration of seconds has no calendar units");
        let made = TemporaryCredentials::mint(holder, Some(grant), ends, &self.root, self.random.as_ref());
        json!({
            "AccessKeyId": made.access_key_id,
            "SecretAccessKey": made.secret_access_key,
            "SessionToken": made.session_token,
            "Expiration": made.expires_at.as_second(),
        })
    }
}
