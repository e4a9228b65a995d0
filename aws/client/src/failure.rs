//! Reading a service's error out of an answer, whatever dialect it is in.

use drawbridge_aws_dialects::xml;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::call::CallError;

/// Characters of a body that a person is shown when nothing better is known.
const EXCERPT: usize = 200;

/// Turns an unsuccessful answer into the error it states.
pub(crate) fn of_answer(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> CallError {
    let request_id = header(headers, "x-amzn-requestid").map(str::to_owned);
    let typed = header(headers, "x-amzn-errortype");
    match code_and_message(typed, body) {
        Some((code, message)) => CallError::Aws {
            code: printable(&code),
            message: printable(&message),
            status,
            request_id,
        },
        None => CallError::Status {
            status,
            excerpt: printable(&String::from_utf8_lossy(body))
                .chars()
                .take(EXCERPT)
                .collect(),
        },
    }
}

fn code_and_message(typed: Option<&str>, body: &[u8]) -> Option<(String, String)> {
    if let Ok(Value::Object(object)) = serde_json::from_slice(body) {
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        let code = typed.or_else(|| text("__type")).or_else(|| text("code"))?;
        let message = text("message").or_else(|| text("Message")).unwrap_or_default();
        return Some((bare(code).to_owned(), message.to_owned()));
    }
    let body = std::str::from_utf8(body).unwrap_or_default();
    let message = xml::element_text(body, "Message").or_else(|| xml::element_text(body, "message"));
    // Query answers name the code in an element; REST answers name an element after the code.
    let code = typed
        .map(|code| bare(code).to_owned())
        .or_else(|| xml::element_text(body, "Code"))
        .or_else(|| {
            xml::root_name(body)
                .filter(|name| name.ends_with("Exception"))
                .map(str::to_owned)
        })?;
    Some((code, message.unwrap_or_default()))
}

/// Drops what some services put around a code: `namespace#Code:uri`.
fn bare(code: &str) -> &str {
    let code = code.split(':').next().unwrap_or(code);
    code.rsplit('#').next().unwrap_or(code)
}

/// Makes text safe for a terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::of_answer;
    use crate::call::CallError;

    fn read(body: &str) -> CallError {
        of_answer(StatusCode::BAD_REQUEST, &HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn finds_codes_in_every_dialect() {
        for (body, code, text) in [
            (
                r#"{"__type":"TargetNotConnected","message":"x is not connected."}"#,
                "TargetNotConnected",
                "x is not connected.",
            ),
            (
                r#"{"__type":"com.amazon#Bad:http://x","Message":"m"}"#,
                "Bad",
                "m",
            ),
            (
                "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>a &amp; b</Message></Error></ErrorResponse>",
                "ExpiredToken",
                "a & b",
            ),
            (
                "<AccessDeniedException><Message>no</Message></AccessDeniedException>",
                "AccessDeniedException",
                "no",
            ),
        ] {
            let error = read(body);
            assert_eq!(error.code(), Some(code), "{body}");
            assert_eq!(error.to_string(), format!("{code}: {text}"));
        }
    }

    #[test]
    fn the_header_names_the_code_first() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amzn-errortype", "Right:http://x".parse().unwrap());
        headers.insert("x-amzn-requestid", "id-1".parse().unwrap());
        let error = of_answer(StatusCode::BAD_REQUEST, &headers, br#"{"__type":"Wrong"}"#);
        assert!(
            matches!(error, CallError::Aws { code, request_id: Some(id), .. } if code == "Right" && id == "id-1")
        );
    }

    #[test]
    fn other_peoples_pages_are_excerpts() {
        let error = read(&format!("<html>\x1b[31mblocked{}", "x".repeat(5000)));
        let CallError::Status { excerpt, .. } = error else {
            panic!("{error}")
        };
        assert!(excerpt.len() <= 200 && !excerpt.contains('\x1b'));
    }
}
