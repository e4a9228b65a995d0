//! Names and paths, which together make ARNs.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::IamError;

/// A name in lower case: names are kept as written and unique whatever their case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FoldedName(Arc<str>);

/// Where an entity stands within its account: `/`, or names between slashes such as `/common/examples/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Path(String);

/// The longest path, in bytes.
const MAX_PATH: usize = 512;

impl FoldedName {
    /// Folds a name.
    pub fn new(name: &str) -> Self {
        Self(fold(name).into())
    }

    /// Returns the name in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for FoldedName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FoldedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Path {
    /// Parses a path.
    pub fn parse(text: &str) -> Result<Self, IamError> {
        let segments = text.strip_prefix('/').and_then(|rest| match rest {
            "" => Some(""),
            rest => rest.strip_suffix('/').filter(|inner| !inner.is_empty()),
        });
        let printable = text.bytes().all(|byte| matches!(byte, 0x21..=0x7e));
        let valid = printable
            && segments
                .is_some_and(|inner| inner.is_empty() || inner.split('/').all(|name| !name.is_empty()));
        if !valid {
            return Err(IamError::ValidationError(
                "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric \
                 characters and/or / characters."
                    .to_owned(),
            ));
        }
        if text.len() > MAX_PATH {
            let rule = format!("have length less than or equal to {MAX_PATH}");
            return Err(IamError::constraint(text, "path", &rule));
        }
        Ok(Self(text.to_owned()))
    }

    /// Parses a path that may be left out, which is `/`.
    pub(super) fn parse_or_root(text: Option<&str>) -> Result<Self, IamError> {
        text.map_or_else(|| Ok(Self::default()), Self::parse)
    }

    /// Returns the text, which begins and ends with a slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Path {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl TryFrom<String> for Path {
    type Error = IamError;

    fn try_from(text: String) -> Result<Self, IamError> {
        Self::parse(&text)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns the name in lower case, borrowed where it is so already.
pub(super) fn fold(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// Says whether a text can be part of an ARN and of a key of the store.
pub(super) fn is_name(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(is_name_byte)
}

/// Checks a name that the request gives in `field`.
pub(super) fn check_name(name: &str, field: &str, longest: usize) -> Result<(), IamError> {
    if !name.bytes().all(is_name_byte) {
        return Err(IamError::ValidationError(format!(
            "The specified value for {field} is invalid. It must contain only alphanumeric characters and/or the \
             following: +=,.@_-"
        )));
    }
    if name.is_empty() {
        return Err(IamError::constraint(
            name,
            field,
            "have length greater than or equal to 1",
        ));
    }
    if name.len() > longest {
        let rule = format!("have length less than or equal to {longest}");
        return Err(IamError::constraint(name, field, &rule));
    }
    Ok(())
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_begins_and_ends_with_a_slash_and_has_no_empty_segment() {
        for text in ["/", "/a/", "/common/examples/", "/service-role/"] {
            assert_eq!(Path::parse(text).expect(text).as_str(), text);
        }
        for text in ["", "a", "/a", "a/", "//", "/a//b/", "/a b/", "/é/", "/a\n/"] {
            let error = Path::parse(text).expect_err(text);
            assert_eq!(error.code(), "ValidationError", "{text}");
            assert!(
                error.to_string().contains("It must begin and end with /"),
                "{text}"
            );
        }
        assert!(Path::parse(&format!("/{}/", "a".repeat(510))).is_ok());
        let error = Path::parse(&format!("/{}/", "a".repeat(511))).expect_err("long");
        assert!(
            error.to_string().ends_with("length less than or equal to 512"),
            "{error}"
        );
    }

    #[test]
    fn a_name_has_only_awss_characters() {
        assert_eq!(check_name("A.b+c=d,e@f_g-1", "userName", 64), Ok(()));
        for (name, end) in [
            ("a/b", "following: +=,.@_-"),
            ("é", "following: +=,.@_-"),
            ("", "length greater than or equal to 1"),
            ("aaaaa", "length less than or equal to 4"),
        ] {
            let error = check_name(name, "userName", 4).expect_err(name);
            assert_eq!(error.code(), "ValidationError");
            assert!(
                error.to_string().contains("userName") && error.to_string().ends_with(end),
                "{error}"
            );
        }
    }
}
