//! Pages of lists: a token names the operation and the last item that was seen, and nothing else.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use drawbridge_aws_dialects::error::AwsError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{internal, invalid_token};

/// Tokens of ours are shorter.
const MAX_TOKEN_LENGTH: usize = 4096;

/// Writes the token of a page that ended at `last`.
pub(crate) fn token(operation: &str, last: &impl Serialize) -> Result<String, AwsError> {
    let text = serde_json::to_string(&(operation, last)).map_err(internal)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(text))
}

/// Reads where the page before ended; `None` for the first page.
pub(crate) fn last<T: DeserializeOwned>(operation: &str, token: Option<&str>) -> Result<Option<T>, AwsError> {
    let Some(token) = token else {
        return Ok(None);
    };
    parse(operation, token).map(Some).ok_or_else(invalid_token)
}

fn parse<T: DeserializeOwned>(operation: &str, token: &str) -> Option<T> {
    if token.len() > MAX_TOKEN_LENGTH {
        return None;
    }
    let text = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
    let (of, last): (String, T) = serde_json::from_slice(&text).ok()?;
    (of == operation).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_only_its_own_tokens() {
        let token = token("List", &(7, "x")).expect("written");
        let read = |operation, token| last::<(u32, String)>(operation, token);
        assert_eq!(read("List", Some(&token)), Ok(Some((7, "x".to_owned()))));
        assert_eq!(read("List", None), Ok(None));
        assert!(read("Other", Some(&token)).is_err());
        for wrong in ["", "x", "!", &token[1..], &"A".repeat(9000)] {
            let error = read("List", Some(wrong)).expect_err("wrong");
            assert_eq!(error.code(), "InvalidParameterException");
        }
    }
}
