//! Names of accounts on a node.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An account name that is safe in a path, an argument, a log line and, for AWS's agent, a shell command.
///
/// Letters, digits and `_.@-`, beginning with a letter or `_`, optionally with a `$` at the end; at most 64 characters.
/// So useradd(8) names them, and directory services with their dots, capitals and domains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunAsName(String);

/// Why a text is no account name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a valid name for a RunAs user", .0.escape_debug())]
pub struct RunAsNameError(String);

/// The longest name.
const LONGEST: usize = 64;

impl RunAsName {
    /// Parses an account name.
    ///
    /// # Errors
    ///
    /// Quotes a text of another form.
    pub fn parse(name: &str) -> Result<Self, RunAsNameError> {
        let stem = name.strip_suffix('$').unwrap_or(name);
        let first = |c: char| c.is_ascii_alphabetic() || c == '_';
        let later = |c: char| first(c) || c.is_ascii_digit() || matches!(c, '.' | '@' | '-');
        if stem.starts_with(first) && stem.chars().all(later) && stem.len() <= LONGEST {
            Ok(Self(name.to_owned()))
        } else {
            Err(RunAsNameError(name.to_owned()))
        }
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says whether it is root's; that an account has root's rights under another name only its node can know.
    pub fn is_root(&self) -> bool {
        self.0 == "root"
    }
}

impl fmt::Display for RunAsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RunAsName {
    type Error = RunAsNameError;

    fn try_from(name: String) -> Result<Self, RunAsNameError> {
        Self::parse(&name)
    }
}

impl From<RunAsName> for String {
    fn from(name: RunAsName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_names_that_need_no_quotes() {
        let long = "a".repeat(LONGEST);
        for name in [
            "alice",
            "_apt",
            "build-1",
            "First.Last",
            "host$",
            "ann@example.org",
            &long,
        ] {
            assert!(RunAsName::parse(name).is_ok(), "{name:?}");
        }
        let longer = "a".repeat(LONGEST + 1);
        for name in [
            "", "-x", "a b", "a:b", "a\nb", "alice\n", "a;id", "../a", "$(id)", "Ünicode", "0", "a$b", ".x",
            "$", "@a", &longer,
        ] {
            assert!(RunAsName::parse(name).is_err(), "{name:?}");
        }
    }
}
