//! The canonical form of a request, the same for signing and checking.
//!
//! Source: the public AWS documentation "Create a canonical request".

use std::borrow::Cow;

use aws_lc_rs::{digest, hmac};
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};

use super::{ALGORITHM, Scope};

/// The request target is not valid percent-encoding.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Query parameter that carries a presigned request's signature, the only one the signature cannot cover.
pub(super) const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

/// Writes everything of the canonical request that precedes the payload hash, the line break included.
///
/// `host` is what the `host` line says; the other names in `signed_headers` are looked up, and an absent one
/// yields an empty line.
pub(super) fn head(
    parts: &Parts,
    host: &[u8],
    signed_headers: &[HeaderName],
    service: &str,
) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(parts.method.as_str().as_bytes());
    out.push(b'\n');
    out.extend_from_slice(path(parts.uri.path(), service)?.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(query(parts.uri.query().unwrap_or_default())?.as_bytes());
    out.push(b'\n');
    for name in signed_headers {
        out.extend_from_slice(name.as_str().as_bytes());
        out.push(b':');
        if name == header::HOST {
            out.extend_from_slice(host);
        } else {
            header_value(&parts.headers, name, &mut out);
        }
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend_from_slice(list(signed_headers).as_bytes());
    out.push(b'\n');
    Ok(out)
}

/// The `SignedHeaders` list.
pub(super) fn list(signed_headers: &[HeaderName]) -> String {
    signed_headers
        .iter()
        .map(HeaderName::as_str)
        .collect::<Vec<_>>()
        .join(";")
}

/// Writes the string to sign.
pub(super) fn string_to_sign(amz_date: &str, scope: &Scope, head: &[u8], payload_hash: &str) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(head);
    context.update(payload_hash.as_bytes());
    format!(
        "{ALGORITHM}\n{amz_date}\n{scope}\n{}",
        hex::encode(context.finish())
    )
}

/// The HMAC of the string to sign, with the key derived from the secret for one scope.
pub(super) fn hmac_signature(secret_access_key: &str, scope: &Scope, string_to_sign: &str) -> [u8; 32] {
    let mut key = [b"AWS4", secret_access_key.as_bytes()].concat();
    for part in [scope.date.as_str(), &scope.region, &scope.service, "aws4_request"] {
        key = sign(&key, part.as_bytes()).to_vec();
    }
    sign(&key, string_to_sign.as_bytes())
}

/// The canonical path: S3 signs what it names, every other service signs the encoded path encoded once more.
pub(super) fn path(raw: &str, service: &str) -> Result<String, Malformed> {
    let raw = if raw.is_empty() { "/" } else { raw };
    if service == "s3" {
        return Ok(encode(&decode(raw, Plus::Literal)?, true));
    }
    decode(raw, Plus::Literal)?;
    Ok(encode(normalize(raw).as_bytes(), true))
}

/// Whether a path is its own normal form: no `.` or `..` and no empty segment.
pub(super) fn is_normal(raw: &str) -> bool {
    raw.is_empty() || normalize(raw) == raw
}

/// Resolves dot segments and drops empty ones (RFC 3986, section 5.2.4).
fn normalize(raw: &str) -> Cow<'_, str> {
    let mut kept: Vec<&str> = Vec::new();
    for segment in raw.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    let folder = raw.ends_with('/') || raw.ends_with("/.") || raw.ends_with("/..");
    let normal = match (kept.is_empty(), folder) {
        (true, _) => "/".to_owned(),
        (false, true) => format!("/{}/", kept.join("/")),
        (false, false) => format!("/{}", kept.join("/")),
    };
    if normal == raw {
        Cow::Borrowed(raw)
    } else {
        Cow::Owned(normal)
    }
}

/// The canonical query: parameters decoded, encoded alike and sorted, without the signature itself.
fn query(raw: &str) -> Result<String, Malformed> {
    let mut pairs = parameters(raw)?
        .into_iter()
        .filter(|(name, _)| name != SIGNATURE_PARAMETER.as_bytes())
        .map(|(name, value)| (encode(&name, false), encode(&value, false)))
        .collect::<Vec<_>>();
    pairs.sort_unstable();
    Ok(pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("&"))
}

/// A decoded name and value.
pub(super) type Parameter = (Vec<u8>, Vec<u8>);

/// A query's parameters, decoded, in order; `+` is a space, as in every form parser.
pub(super) fn parameters(raw: &str) -> Result<Vec<Parameter>, Malformed> {
    raw.split('&')
        .filter(|piece| !piece.is_empty())
        .map(|piece| {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            Ok((decode(name, Plus::Space)?, decode(value, Plus::Space)?))
        })
        .collect()
}

/// Percent-encodes everything but the unreserved characters, and slashes where asked.
pub(super) fn encode(bytes: &[u8], keep_slash: bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            b'/' if keep_slash => out.push('/'),
            _ => {
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
    out
}

/// Appends a header's values: joined by commas, trimmed, runs of spaces shortened to one.
fn header_value(headers: &HeaderMap, name: &HeaderName, out: &mut Vec<u8>) {
    for (index, value) in headers.get_all(name).iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let mut words = value.as_bytes().split(|byte| *byte == b' ' || *byte == b'\t');
        let mut first = true;
        for word in words.by_ref().filter(|word| !word.is_empty()) {
            if !first {
                out.push(b' ');
            }
            first = false;
            out.extend_from_slice(word);
        }
    }
}

/// What a `+` stands for.
#[derive(Clone, Copy, PartialEq)]
enum Plus {
    Literal,
    Space,
}

fn decode(text: &str, plus: Plus) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let high = bytes.next().and_then(nibble).ok_or(Malformed)?;
                let low = bytes.next().and_then(nibble).ok_or(Malformed)?;
                out.push(high << 4 | low);
            }
            b'+' if plus == Plus::Space => out.push(b' '),
            _ => out.push(byte),
        }
    }
    Ok(out)
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

fn sign(key: &[u8], message: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    let mut out = [0; 32];
    out.copy_from_slice(tag.as_ref());
    out
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

#[cfg(test)]
mod tests {
    use super::{Malformed, encode, is_normal, path, query};

    #[test]
    fn encodes_paths_twice_except_for_s3() {
        assert_eq!(
            path("/v1/data-channel/a%2Bb", "ssmmessages").unwrap(),
            "/v1/data-channel/a%252Bb"
        );
        assert_eq!(path("/bucket/a%2Bb c", "s3").unwrap(), "/bucket/a%2Bb%20c");
        assert_eq!(path("", "ssm").unwrap(), "/");
    }

    #[test]
    fn resolves_dot_segments_except_for_s3() {
        assert_eq!(path("/example1/example2/../..", "service").unwrap(), "/");
        assert_eq!(path("/./example", "service").unwrap(), "/example");
        assert_eq!(path("//example//", "service").unwrap(), "/example/");
        assert_eq!(path("/../../a/./b/..", "service").unwrap(), "/a/");
        assert_eq!(path("/bucket//a/../b", "s3").unwrap(), "/bucket//a/../b");
        assert!(is_normal("/v1/control-channel/mi-1"));
        assert!(is_normal("/") && is_normal("") && is_normal("/a/"));
        assert!(!is_normal("/a/../b") && !is_normal("//") && !is_normal("/a//b") && !is_normal("/a/."));
    }

    #[test]
    fn sorts_queries_by_name_then_value() {
        assert_eq!(query("b=2&a=2&a=1&A=x").unwrap(), "A=x&a=1&a=2&b=2");
        assert_eq!(query("flag&x=%7e%2f").unwrap(), "flag=&x=~%2F");
        assert_eq!(query("a=b+c&X-Amz-Signature=zz").unwrap(), "a=b%20c");
        assert_eq!(query("").unwrap(), "");
    }

    #[test]
    fn refuses_broken_percent_encoding() {
        for broken in ["%", "%2", "%zz", "a=%+1"] {
            assert_eq!(query(broken), Err(Malformed), "{broken}");
        }
        assert_eq!(path("/a%", "ssm"), Err(Malformed));
    }

    #[test]
    fn encodes_every_reserved_byte() {
        assert_eq!(encode("/ü=".as_bytes(), false), "%2F%C3%BC%3D");
        assert_eq!(encode(b"aZ09-._~", false), "aZ09-._~");
    }
}
