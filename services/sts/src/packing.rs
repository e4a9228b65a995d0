//! How much of a session token the policies and tags of a session may fill.
//!
//! The token travels in a header of every request, so it has a fixed size at most; AWS packs and limits it likewise.

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::SessionGrant;
use serde::Serialize;

/// What policies and tags may take, in bytes of JSON.
///
/// With the longest of everything else that is sealed beside them a token stays within
/// [`drawbridge_store::credentials::MAX_TOKEN_LENGTH`].
const ALLOTTED: usize = 4096;

/// Returns how much of the allotted space is used, in percent rounded up; `None` where there is nothing to pack.
pub(crate) fn packed_size(grant: &SessionGrant) -> Result<Option<usize>, AwsError> {
    let mut used = 0;
    if let Some(policies) = &grant.policies {
        used += length(policies);
    }
    if !grant.tags.is_empty() {
        used += length(&grant.tags) + length(&grant.transitive_tag_keys);
    }
    let percent = (used * 100).div_ceil(ALLOTTED);
    if percent > 100 {
        let what = match grant.policies {
            Some(_) => {
                format!("Packed policy consumes {percent}% of allotted space, please use smaller policy.")
            }
            None => format!("Packed size of session tags consumes {percent}% of allotted space."),
        };
        return Err(AwsError::new("PackedPolicyTooLarge", what));
    }
    Ok((used > 0).then_some(percent))
}

fn length(part: &impl Serialize) -> usize {
    serde_json::to_vec(part).map_or(usize::MAX / 256, |json| json.len())
}

#[cfg(test)]
mod tests {
    use drawbridge_session::{AccountId, SeededRandom, SessionPolicies, Tag};
    use drawbridge_store::credentials::MAX_TOKEN_LENGTH;
    use drawbridge_store::{Holder, RootKey, TemporaryCredentials};
    use jiff::Timestamp;

    use super::*;

    fn tagged(count: usize, length: usize) -> SessionGrant {
        let mut grant = SessionGrant::plain(Timestamp::UNIX_EPOCH);
        grant.tags = (0..count)
            .map(|n| Tag::new(format!("key{n}"), "v".repeat(length)))
            .collect();
        grant
    }

    #[test]
    fn a_hundred_percent_is_the_most() {
        assert_eq!(packed_size(&SessionGrant::plain(Timestamp::UNIX_EPOCH)), Ok(None));
        assert_eq!(packed_size(&tagged(1, 0)), Ok(Some(1)));
        let error = packed_size(&tagged(50, 256)).expect_err("too much");
        assert_eq!(error.code(), "PackedPolicyTooLarge");
        assert_eq!(
            error.message(),
            "Packed size of session tags consumes 346% of allotted space."
        );
        let mut with_policy = tagged(50, 256);
        with_policy.policies = Some(SessionPolicies::default());
        let error = packed_size(&with_policy).expect_err("too much");
        assert!(
            error.message().starts_with("Packed policy consumes 346%"),
            "{error}"
        );
    }

    #[test]
    fn the_fullest_token_is_still_accepted() {
        let mut grant = SessionGrant::plain(Timestamp::MAX);
        grant.source_identity = Some("s".repeat(64));
        grant.external_id = Some("e".repeat(1224));
        let text = |length| SessionPolicies {
            inline: Some("\"".repeat(length)),
            managed: Vec::new(),
        };
        let length = (1..2048)
            .rev()
            .find(|length| {
                grant.policies = Some(text(*length));
                packed_size(&grant).is_ok()
            })
            .expect("some length fits");
        grant.policies = Some(text(length));
        assert_eq!(packed_size(&grant), Ok(Some(100)));
        let random = SeededRandom::new(1);
        let holder = Holder::Role {
            account: AccountId::parse("123456789012").expect("valid"),
            id: "A".repeat(21),
            session_name: "n".repeat(64),
        };
        let root = RootKey::ephemeral(&random);
        let made = TemporaryCredentials::mint(holder, Some(grant), Timestamp::MAX, &root, &random);
        let length = made.session_token.expose().len();
        assert!((7000..=MAX_TOKEN_LENGTH).contains(&length), "{length}");
    }
}
