//! What a link says in its query instead of in headers.
//!
//! Whoever uses a link sends no headers but the usual ones. So some clients sign what would be headers of theirs, such as metadata
//! or how the object is to be encrypted, as parameters. As on AWS these count like the headers; a checksum among them, which can
//! only be that of no body, does not.

use drawbridge_aws_dialects::error::AwsError;
use http::header::Entry;
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use percent_encoding::percent_decode_str;

/// Parameters of the signature itself, and what is only known when the body is there.
const NO_HEADERS: &[&str] = &[
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-expires",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
    "x-amz-trailer",
    "x-amz-user-agent",
];

/// Makes headers of a link's parameters.
///
/// # Errors
///
/// A parameter says something else than the header that is there, or cannot be one.
pub(super) fn move_parameters(parts: &mut Parts) -> Result<(), AwsError> {
    let query = parts.uri.query().unwrap_or_default();
    for (name, value) in query.split('&').filter_map(|piece| piece.split_once('=')) {
        let name = percent_decode_str(name).decode_utf8_lossy().to_ascii_lowercase();
        if !is_header(&name) {
            continue;
        }
        let value: Vec<u8> = percent_decode_str(value).collect();
        let (Ok(header), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_bytes(&value)) else {
            return Err(AwsError::new(
                "InvalidArgument",
                format!("The parameter {name} is no header"),
            ));
        };
        match parts.headers.entry(header) {
            Entry::Vacant(vacant) => {
                vacant.insert(value);
            }
            Entry::Occupied(present) if present.get() == value => {}
            Entry::Occupied(_) => {
                return Err(AwsError::new(
                    "AccessDenied",
                    format!("The header {name} is not what the link says"),
                )
                .with_status(StatusCode::FORBIDDEN));
            }
        }
    }
    Ok(())
}

fn is_header(name: &str) -> bool {
    let is_amazons =
        name.starts_with("x-amz-") && !name.starts_with("x-amz-checksum-") && !NO_HEADERS.contains(&name);
    is_amazons || ["if-match", "if-none-match"].contains(&name)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn moved(query: &str, headers: &[(&str, &str)]) -> Result<Vec<String>, AwsError> {
        let mut request = Request::put(format!("/bucket/key?{query}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).expect("a request").into_parts();
        move_parameters(&mut parts)?;
        let headers = parts.headers.iter();
        let mut told: Vec<_> = headers
            .map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")))
            .collect();
        told.sort();
        Ok(told)
    }

    #[test]
    fn what_would_be_headers_become_headers() {
        for (query, headers) in [
            ("x-amz-meta-a=b%20c+d", &["x-amz-meta-a: b c+d"][..]),
            ("X-Amz-Acl=private&x-id=PutObject", &["x-amz-acl: private"]),
            ("If-None-Match=%2A", &["if-none-match: *"]),
            (
                "X-Amz-Signature=00&X-Amz-Date=1&X-Amz-Security-Token=t&X-Amz-Content-Sha256=STREAMING-x",
                &[],
            ),
            (
                "x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32",
                &[],
            ),
            (
                "content-type=text%2Fhtml&host=other&authorization=x&range=bytes%3D0-1",
                &[],
            ),
            ("versionId=1&x-amz-meta-flag&=", &[]),
        ] {
            assert_eq!(moved(query, &[]).expect("moved"), headers, "{query}");
        }
    }

    #[test]
    fn a_header_that_says_something_else_is_refused() {
        let present = [("x-amz-acl", "private")];
        assert_eq!(
            moved("x-amz-acl=private", &present).expect("the same"),
            ["x-amz-acl: private"]
        );
        for query in ["x-amz-acl=public-read", "x-amz-acl=private&X-Amz-Acl=public-read"] {
            let error = moved(query, &present).expect_err(query);
            assert_eq!(
                (error.code(), error.status()),
                ("AccessDenied", StatusCode::FORBIDDEN)
            );
        }
        for query in ["x-amz-meta-a=b%0d%0aHost:%20c", "x-amz-meta-%20=b"] {
            assert_eq!(
                moved(query, &[]).expect_err(query).code(),
                "InvalidArgument",
                "{query}"
            );
        }
    }
}
