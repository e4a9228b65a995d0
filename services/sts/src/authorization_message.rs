//! Why a request was denied, sealed: `ec2` answers it in this form, and `sts:DecodeAuthorizationMessage` opens it for
//! whoever may know.
//!
//! *Shape* of a message: URL-safe base64 of a sealed JSON text, in the members of AWS's:
//!
//! ```json
//! {"allowed": false, "explicitDeny": true,
//!  "matchedStatements": {"items": [{"statementId": "NoTags", "effect": "DENY", "sourcePolicyId": "Limits"}]},
//!  "failures": {"items": []},
//!  "context": {"principal": {"id": "AIDA…", "name": "bob", "arn": "arn:aws:iam::123456789012:user/bob"},
//!              "action": "ec2:CreateTags", "resource": "arn:aws:ec2:…", "conditions": {"items": []}}}
//! ```

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use drawbridge_session::{AccountId, Denied, Principal, Random};
use drawbridge_store::RootKey;
use serde_json::{Value, json};

const PURPOSE: &str = "authorization message 1";

/// A request may call its resource what it likes; a message must fit into the request that decodes it.
const MAX_RESOURCE_CHARS: usize = 1024;

/// Seals the denial of a principal's request; only the principal's account can have it decoded.
pub fn encode(denied: &Denied, principal: &Principal, root: &RootKey, random: &dyn Random) -> String {
    let message = message(denied, principal).to_string();
    let context = principal.account().as_str().as_bytes();
    BASE64_URL_SAFE_NO_PAD.encode(root.seal(PURPOSE, context, message.as_bytes(), random))
}

/// Opens a message of an account; `None` for anything that is not one.
pub(crate) fn decode(encoded: &str, account: &AccountId, root: &RootKey) -> Option<String> {
    let sealed = BASE64_URL_SAFE_NO_PAD.decode(encoded).ok()?;
    let opened = root.open(PURPOSE, account.as_str().as_bytes(), &sealed).ok()?;
    String::from_utf8(opened.to_vec()).ok()
}

fn message(denied: &Denied, principal: &Principal) -> Value {
    let matched = denied.statement().map(|statement| {
        json!({
            "statementId": statement.sid.as_deref().unwrap_or_default(),
            "effect": "DENY",
            "sourcePolicyId": statement.policy,
        })
    });
    let resource: String = denied.resource_arn().chars().take(MAX_RESOURCE_CHARS).collect();
    json!({
        "allowed": false,
        "explicitDeny": matched.is_some(),
        "matchedStatements": {"items": Vec::from_iter(matched)},
        "failures": {"items": []},
        "context": {
            "principal": {
                "id": principal.user_id(),
                "name": principal.session_prefix(),
                "arn": principal.arn(),
            },
            "action": denied.action(),
            "resource": resource,
            "conditions": {"items": []},
        },
    })
}

#[cfg(test)]
mod tests {
    use drawbridge_session::policy::{StatementName, Verdict};
    use drawbridge_session::{EntityName, SeededRandom};

    use super::*;

    fn account() -> AccountId {
        AccountId::parse("123456789012").expect("valid")
    }

    fn bob() -> Principal {
        Principal::User {
            account: account(),
            user: EntityName::new("bob", "AIDABOB"),
        }
    }

    fn denied(verdict: &Verdict, resource: &str) -> Denied {
        Denied::by(verdict, &bob().arn(), "ec2:CreateTags", resource).expect("denied")
    }

    fn explicit() -> Verdict {
        Verdict::ExplicitDeny {
            layer: drawbridge_session::policy::Layer::Identity,
            by: StatementName {
                policy: "Limits".to_owned(),
                index: 0,
                sid: Some("NoTags".to_owned()),
            },
        }
    }

    #[test]
    fn says_who_what_and_which_statement() {
        let random = SeededRandom::new(1);
        let root = RootKey::ephemeral(&random);
        let sealed = encode(&denied(&explicit(), "*"), &bob(), &root, &random);
        let opened = decode(&sealed, &account(), &root).expect("ours");
        let opened: Value = serde_json::from_str(&opened).expect("JSON");
        let expected = json!({
            "allowed": false,
            "explicitDeny": true,
            "matchedStatements": {
                "items": [{"statementId": "NoTags", "effect": "DENY", "sourcePolicyId": "Limits"}],
            },
            "failures": {"items": []},
            "context": {
                "principal": {"id": "AIDABOB", "name": "bob", "arn": "arn:aws:iam::123456789012:user/bob"},
                "action": "ec2:CreateTags",
                "resource": "*",
                "conditions": {"items": []},
            },
        });
        assert_eq!(opened, expected);
    }

    #[test]
    fn fits_into_the_request_that_decodes_it() {
        let random = SeededRandom::new(1);
        let root = RootKey::ephemeral(&random);
        let sealed = encode(
            &denied(&explicit(), &"\u{1}".repeat(100_000)),
            &bob(),
            &root,
            &random,
        );
        assert!(sealed.len() <= 10_240, "{}", sealed.len());
        assert!(decode(&sealed, &account(), &root).is_some());
    }

    #[test]
    fn opens_for_its_own_account_only() {
        let random = SeededRandom::new(1);
        let root = RootKey::ephemeral(&random);
        let sealed = encode(&denied(&explicit(), "*"), &bob(), &root, &random);
        let other = AccountId::parse("210987654321").expect("valid");
        assert_eq!(decode(&sealed, &other, &root), None);
        assert_eq!(decode(&sealed, &account(), &RootKey::ephemeral(&random)), None);
        for wrong in [
            "",
            "AAAA",
            "not base64 !",
            &sealed[1..],
            &sealed[..sealed.len() - 2],
        ] {
            assert_eq!(decode(wrong, &account(), &root), None, "{wrong}");
        }
    }
}
