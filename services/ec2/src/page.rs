//! Pages: a token names the operation and the last item that was seen, and nothing else.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use drawbridge_aws_dialects::error::AwsError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::invalid_value;

/// How many instances one call looks at before it answers a shorter page, so that a filter which matches little
/// cannot keep a server busy.
pub(crate) const MOST_SCANNED: usize = 2000;

/// How many nodes are read from the store at once.
pub(crate) const BATCH: u32 = 200;

/// The most that one page may hold, which is what a request gets that asks for no number.
const MAX_RESULTS: usize = 1000;

const MIN_RESULTS: usize = 5;

/// Tokens of ours are shorter: a tag's key has at most 128 characters.
const MAX_TOKEN_LENGTH: usize = 2048;

/// Reads how many items a page may hold.
pub(crate) fn limit(asked: Option<i64>) -> Result<usize, AwsError> {
    let Some(asked) = asked else {
        return Ok(MAX_RESULTS);
    };
    let limit = usize::try_from(asked).ok();
    limit
        .filter(|limit| (MIN_RESULTS..=MAX_RESULTS).contains(limit))
        .ok_or_else(|| {
            invalid_value(format!(
                "Value ( {asked} ) for parameter maxResults is invalid. Expecting a value between {MIN_RESULTS} and \
                 {MAX_RESULTS}."
            ))
        })
}

/// Writes the token of a page that ended at `last`.
pub(crate) fn token(operation: &str, last: impl Serialize) -> String {
    let text = serde_json::to_vec(&(operation, last)).expect("plain data is serializable");
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

/// Reads where the page before ended; `None` for the first page.
pub(crate) fn last<T: DeserializeOwned>(operation: &str, token: Option<&str>) -> Result<Option<T>, AwsError> {
    match token {
        None | Some("") => Ok(None),
        Some(token) => parse(operation, token).map(Some).ok_or_else(|| {
            let message = "The specified pagination token is not valid or is expired.";
            AwsError::new("InvalidPaginationToken", message)
        }),
    }
}

fn parse<T: DeserializeOwned>(operation: &str, token: &str) -> Option<T> {
    if token.len() > MAX_TOKEN_LENGTH {
        return None;
    }
    let text = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
    let (named, last): (String, T) = serde_json::from_slice(&text).ok()?;
    (named == operation).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_only_its_own_tokens() {
        let token = token("List", ("i-1", "key"));
        let read = |operation, token: &str| last::<(String, String)>(operation, Some(token));
        assert_eq!(
            read("List", &token),
            Ok(Some(("i-1".to_owned(), "key".to_owned())))
        );
        assert_eq!(read("List", ""), Ok(None));
        for (operation, token) in [
            ("Other", token.as_str()),
            ("List", "x"),
            ("List", &token[1..]),
            ("List", &"A".repeat(5000)),
        ] {
            let error = read(operation, token).expect_err("wrong");
            assert_eq!(error.code(), "InvalidPaginationToken");
        }
    }

    #[test]
    fn a_page_holds_five_to_a_thousand() {
        assert_eq!(
            (limit(None), limit(Some(5)), limit(Some(1000))),
            (Ok(1000), Ok(5), Ok(1000))
        );
        for wrong in [-1, 0, 4, 1001] {
            assert_eq!(
                limit(Some(wrong)).expect_err("wrong").code(),
                "InvalidParameterValue"
            );
        }
    }
}
