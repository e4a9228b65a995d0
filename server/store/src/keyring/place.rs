use drawbridge_session::{AccountId, KeyId, Region};

/// Where a key is, as an ARN says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPlace {
    /// The account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// Which of the keys there.
    pub key: KeyRef,
}

/// A key by one of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRef {
    /// Its id.
    Id(KeyId),
    /// An alias, with `alias/` before it.
    Alias(String),
}

/// The longest name of an alias (the model's limit).
const MAX_ALIAS: usize = 256;

impl KeyPlace {
    /// Reads the ARN of a key or of an alias; `None` for what is neither.
    pub fn parse(arn: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", "aws", "kms", region, account, name] = parts[..] else {
            return None;
        };
        Some(Self {
            account: AccountId::parse(account).ok()?,
            region: Region::parse(region).ok()?,
            key: KeyRef::parse(name)?,
        })
    }
}

impl KeyRef {
    fn parse(name: &str) -> Option<Self> {
        match name.split_once('/')? {
            ("key", id) => KeyId::parse(id).ok().map(Self::Id),
            ("alias", rest) if !rest.is_empty() && name.len() <= MAX_ALIAS => {
                Some(Self::Alias(name.to_owned()))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_arns_of_keys_and_aliases_and_nothing_else() {
        let id = "1234abcd-12ab-34cd-56ef-1234567890ab";
        let at = |name: &str| format!("arn:aws:kms:us-east-1:123456789012:{name}");
        let read = |name: &str| KeyPlace::parse(&at(name)).map(|place| place.key);
        assert_eq!(read(&format!("key/{id}")), KeyId::parse(id).ok().map(KeyRef::Id));
        assert_eq!(read("alias/a/b"), Some(KeyRef::Alias("alias/a/b".to_owned())));
        for wrong in [
            "key/x",
            "alias/",
            "alias",
            "",
            "other/x",
            &format!("alias/{}", "x".repeat(251)),
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        for wrong in [
            "",
            "arn:aws:kms:us-east-1:1:alias/x",
            "arn:aws:s3:us-east-1:123456789012:alias/x",
        ] {
            assert_eq!(KeyPlace::parse(wrong), None, "{wrong}");
        }
    }
}
