//! The document of an error, where it is not as the dialect writes it.
//!
//! Some errors are a code alone, and clients would print nothing else of them. S3 Control has its errors in one more element,
//! without which its clients find no code.

use http::{HeaderValue, Response, header};
use s3s::Body;

/// Adds the message of its code to an error that has none, and makes it one of S3 Control.
pub(super) fn told(answer: Response<Body>, is_control: bool) -> Response<Body> {
    let Some(document) = answer.body().bytes() else {
        return answer;
    };
    let worded = with_message(&document);
    let wrapped = is_control.then(|| wrapped(worded.as_deref().map_or(&document, str::as_bytes)));
    let Some(text) = wrapped.flatten().or(worded) else {
        return answer;
    };
    let mut answer = answer.map(|_| Body::empty());
    if answer.headers().contains_key(header::CONTENT_LENGTH) {
        let length = HeaderValue::from(text.len());
        answer.headers_mut().insert(header::CONTENT_LENGTH, length);
    }
    *answer.body_mut() = Body::from(text);
    answer
}

fn with_message(document: &[u8]) -> Option<String> {
    let document = std::str::from_utf8(document).ok()?;
    let (before, rest) = document.split_once("<Error><Code>")?;
    let (code, after) = rest.split_once("</Code>")?;
    if after.contains("<Message>") {
        return None;
    }
    let message = message(code)?;
    Some(format!(
        "{before}<Error><Code>{code}</Code><Message>{message}</Message>{after}"
    ))
}

fn wrapped(document: &[u8]) -> Option<String> {
    let document = std::str::from_utf8(document).ok()?;
    let (before, rest) = document.split_once("<Error>")?;
    let (error, after) = rest.split_once("</Error>")?;
    Some(format!(
        "{before}<ErrorResponse><Error>{error}</Error></ErrorResponse>{after}"
    ))
}

fn message(code: &str) -> Option<&'static str> {
    Some(match code {
        "EntityTooLarge" => "Your proposed upload exceeds the maximum allowed size",
        "InvalidBucketName" => "The specified bucket is not valid.",
        "InvalidURI" => "Couldn't parse the specified URI.",
        "KeyTooLongError" => "Your key is too long",
        "MalformedXML" => {
            "The XML you provided was not well-formed or did not validate against our published schema"
        }
        "MethodNotAllowed" => "The specified method is not allowed against this resource.",
        "MissingRequestBodyError" => "Request Body is empty",
        "SignatureDoesNotMatch" => {
            "The request signature we calculated does not match the signature you provided. Check your key and signing method."
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_s3_control_are_in_one_more_element() {
        let body = Body::from("<?xml?><Error><Code>KeyTooLongError</Code></Error>".to_owned());
        let answer = told(Response::new(body), true);
        let told = answer.body().bytes().expect("whole");
        let wanted = "<?xml?><ErrorResponse><Error><Code>KeyTooLongError</Code>\
                      <Message>Your key is too long</Message></Error></ErrorResponse>";
        assert_eq!(told, wanted.as_bytes());
        assert_eq!(wrapped(b"ok"), None);
    }

    #[test]
    fn a_code_alone_gets_its_words() {
        for (document, wanted) in [
            (
                "<?xml?><Error><Code>KeyTooLongError</Code></Error>",
                Some(
                    "<?xml?><Error><Code>KeyTooLongError</Code><Message>Your key is too long</Message></Error>",
                ),
            ),
            (
                "<Error><Code>KeyTooLongError</Code><Message>so</Message></Error>",
                None,
            ),
            ("<Error><Code>Other</Code></Error>", None),
            ("<Error><Code>KeyTooLongError", None),
            ("\u{fffd}", None),
        ] {
            assert_eq!(with_message(document.as_bytes()).as_deref(), wanted, "{document}");
        }
        assert_eq!(
            with_message(b"\xff<Error><Code>KeyTooLongError</Code></Error>"),
            None
        );
    }
}
