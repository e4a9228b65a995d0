//! Pages: a token names the operation and the last item that was seen, and nothing else.

use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use drawbridge_aws_dialects::error::AwsError;

use crate::error::invalid_next_token;

/// How many stored items one call looks at before it answers a shorter page, so that a filter which matches little
/// cannot keep a server busy.
pub(crate) const MOST_SCANNED: usize = 2000;

/// How many items are read from the store at once.
pub(crate) const BATCH: u32 = 200;

/// Tokens of ours are shorter.
const MAX_TOKEN_LENGTH: usize = 1024;

/// Writes the token of a page that ended at `last`.
pub(crate) fn token(operation: &str, last: impl std::fmt::Display) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("1 {operation} {last}"))
}

/// Reads where the page before ended; `None` for the first page.
pub(crate) fn last<T: FromStr>(operation: &str, token: Option<&str>) -> Result<Option<T>, AwsError> {
    match token {
        None | Some("") => Ok(None),
        Some(token) => parse(operation, token).map(Some).ok_or_else(invalid_next_token),
    }
}

fn parse<T: FromStr>(operation: &str, token: &str) -> Option<T> {
    if token.len() > MAX_TOKEN_LENGTH {
        return None;
    }
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    text.strip_prefix("1 ")?
        .strip_prefix(operation)?
        .strip_prefix(' ')?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_only_its_own_tokens() {
        let token = token("List", 7);
        assert_eq!(last::<u32>("List", Some(&token)), Ok(Some(7)));
        assert_eq!(last::<u32>("List", None), Ok(None));
        for wrong in ["x", "!", &token[1..], &"A".repeat(5000)] {
            assert_eq!(
                last::<u32>("List", Some(wrong)).expect_err("wrong").code(),
                "InvalidNextToken"
            );
        }
        assert!(last::<u32>("Other", Some(&token)).is_err());
        assert!(last::<bool>("List", Some(&token)).is_err());
    }
}
