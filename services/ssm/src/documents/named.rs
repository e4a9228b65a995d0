//! What a request calls a document.

use drawbridge_session::document::{BUILTIN_NAMES, Provider};
use drawbridge_session::{AccountId, Caller};

/// A document as a request names it, there or not; the decision was about the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named<'a> {
    /// The caller's own, by name.
    Own(&'a str),
    /// One that is in every account.
    Provided(&'static str),
    /// One of another account.
    Foreign {
        /// That account.
        account: AccountId,
        /// Its name there.
        name: &'a str,
    },
    /// None that could be found from here: of another region, or no document's ARN.
    Nowhere,
}

impl<'a> Named<'a> {
    pub(super) fn parse(caller: &Caller, text: &'a str) -> Self {
        if text.starts_with("arn:") {
            return Self::parse_arn(caller, text).unwrap_or(Self::Nowhere);
        }
        if Provider::of(text).is_some() {
            return Self::provided(text);
        }
        Self::Own(text)
    }

    fn parse_arn(caller: &Caller, arn: &'a str) -> Option<Self> {
        let rest = arn.strip_prefix("arn:aws:ssm:")?;
        let rest = rest.strip_prefix(caller.region.as_str())?.strip_prefix(':')?;
        let (account, path) = rest.split_once(':')?;
        let name = path.strip_prefix("document/")?;
        if Provider::of(name).is_some() || account.is_empty() {
            let provided = account.is_empty().then(|| Self::provided(name));
            return Some(provided.unwrap_or(Self::Nowhere));
        }
        let account = AccountId::parse(account).ok()?;
        Some(if account == caller.account {
            Self::Own(name)
        } else {
            Self::Foreign { account, name }
        })
    }

    fn provided(name: &str) -> Self {
        let known = BUILTIN_NAMES.into_iter().find(|known| *known == name);
        known.map_or(Self::Nowhere, Self::Provided)
    }
}

/// Says whether no account may give a document this name.
pub(super) fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["aws", "amazon", "amzn", "drawbridge-"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn a_name_and_an_arn_name_the_same_document() {
        let house = House::new().await;
        let caller = house.admin();
        let ssh = "AWS-StartSSHSession";
        let forward = "Drawbridge-StartPortForwarding";
        let foreign = Named::Foreign {
            account: "210987654321".parse().expect("valid"),
            name: "Doc",
        };
        for (text, expected) in [
            ("Doc", Named::Own("Doc")),
            (
                "arn:aws:ssm:us-east-1:123456789012:document/Doc",
                Named::Own("Doc"),
            ),
            ("arn:aws:ssm:us-east-1:210987654321:document/Doc", foreign),
            (ssh, Named::Provided(ssh)),
            (forward, Named::Provided(forward)),
            (
                "arn:aws:ssm:us-east-1::document/Drawbridge-StartPortForwarding",
                Named::Provided(forward),
            ),
            ("Drawbridge-Nothing", Named::Nowhere),
            (
                "arn:aws:ssm:us-east-1:123456789012:document/Drawbridge-StartPortForwarding",
                Named::Nowhere,
            ),
            (
                "arn:aws:ssm:us-east-1::document/AWS-StartSSHSession",
                Named::Provided(ssh),
            ),
            ("AWS-Nothing", Named::Nowhere),
            ("arn:aws:ssm:us-east-1::document/Doc", Named::Nowhere),
            (
                "arn:aws:ssm:us-east-1:123456789012:document/AWS-StartSSHSession",
                Named::Nowhere,
            ),
            ("arn:aws:ssm:us-east-1:123456789012:parameter/Doc", Named::Nowhere),
            ("arn:aws:ssm:eu-west-1:123456789012:document/Doc", Named::Nowhere),
            ("arn:aws:ssm:us-east-1:12345:document/Doc", Named::Nowhere),
            ("arn:", Named::Nowhere),
        ] {
            assert_eq!(Named::parse(&caller, text), expected, "{text}");
            // Whatever is found is what the decision was about.
            let arn = crate::documents::resource(&caller, text).arn().to_owned();
            match expected {
                Named::Own(name) => {
                    assert_eq!(arn, format!("arn:aws:ssm:us-east-1:123456789012:document/{name}"));
                }
                Named::Provided(name) => assert_eq!(arn, format!("arn:aws:ssm:us-east-1::document/{name}")),
                Named::Foreign { account, name } => {
                    assert_eq!(arn, format!("arn:aws:ssm:us-east-1:{account}:document/{name}"));
                }
                Named::Nowhere => {}
            }
        }
    }

    #[test]
    fn prefixes_of_providers_are_reserved_in_any_case() {
        for name in [
            "AWS-Doc",
            "awsDoc",
            "Amazon_Doc",
            "AMZN.doc",
            "AWSEC2-x",
            "Drawbridge-x",
            "drawbridge-X",
        ] {
            assert!(is_reserved(name), "{name}");
        }
        for name in [
            "SSM-SessionManagerRunShell",
            "my-aws-doc",
            "Am-doc",
            "drawbridges",
        ] {
            assert!(!is_reserved(name), "{name}");
        }
    }
}
