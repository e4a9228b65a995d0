//! What a request calls a document.

use drawbridge_session::document::BUILTIN_NAMES;
use drawbridge_session::{AccountId, Caller};

/// A document as a request names it, there or not; the decision was about the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named<'a> {
    /// The caller's own, by name.
    Own(&'a str),
    /// One that AWS provides.
    Amazon(&'static str),
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
        if is_amazons(text) {
            return Self::amazon(text);
        }
        Self::Own(text)
    }

    fn parse_arn(caller: &Caller, arn: &'a str) -> Option<Self> {
        let rest = arn.strip_prefix("arn:aws:ssm:")?;
        let rest = rest.strip_prefix(caller.region.as_str())?.strip_prefix(':')?;
        let (account, path) = rest.split_once(':')?;
        let name = path.strip_prefix("document/")?;
        if is_amazons(name) || account.is_empty() {
            let own = account.is_empty().then(|| Self::amazon(name));
            return Some(own.unwrap_or(Self::Nowhere));
        }
        let account = AccountId::parse(account).ok()?;
        Some(if account == caller.account {
            Self::Own(name)
        } else {
            Self::Foreign { account, name }
        })
    }

    fn amazon(name: &str) -> Self {
        let known = BUILTIN_NAMES.into_iter().find(|known| *known == name);
        known.map_or(Self::Nowhere, Self::Amazon)
    }
}

/// Says whether a name is one of AWS's, there or not: such belong to no account.
pub(super) fn is_amazons(name: &str) -> bool {
    name.starts_with("AWS-")
}

/// Says whether only AWS may give a document this name.
pub(super) fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["aws", "amazon", "amzn"]
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
            (ssh, Named::Amazon(ssh)),
            (
                "arn:aws:ssm:us-east-1::document/AWS-StartSSHSession",
                Named::Amazon(ssh),
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
                Named::Amazon(name) => assert_eq!(arn, format!("arn:aws:ssm:us-east-1::document/{name}")),
                Named::Foreign { account, name } => {
                    assert_eq!(arn, format!("arn:aws:ssm:us-east-1:{account}:document/{name}"));
                }
                Named::Nowhere => {}
            }
        }
    }

    #[test]
    fn prefixes_of_awss_are_reserved_in_any_case() {
        for name in ["AWS-Doc", "awsDoc", "Amazon_Doc", "AMZN.doc", "AWSEC2-x"] {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["SSM-SessionManagerRunShell", "my-aws-doc", "Am-doc"] {
            assert!(!is_reserved(name), "{name}");
        }
    }
}
