//! Bodies of S3's requests, whole, cut in any way, damaged in any way, and of any bytes: from the pieces that the network brings,
//! through signatures, the dialect, the gate and the handlers, into the store and out again.

mod bench;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use drawbridge_aws_dialects::sigv4::Payload;
use futures_util::stream;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::StreamBody;
use hyper::body::Frame;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use bench::{Bench, CHUNKED, KINDS, Kind, Upload};

fn upload(kinds: &'static [Kind]) -> impl Strategy<Value = Upload> {
    let lengths = prop::collection::vec(1_usize..900, 1..4);
    (
        prop::sample::select(kinds),
        prop::collection::vec(any::<u8>(), 0..1500),
        lengths,
    )
        .prop_map(|(kind, data, chunks)| Upload { kind, data, chunks })
}

/// Lengths of what the network brings, over and over.
fn pieces() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1_usize..4, 1_usize..2000], 1..5)
}

/// What somebody does to a body; places count from its end as often as from its start.
#[derive(Debug, Clone)]
enum Damage {
    Change(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Insert(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Double(prop::sample::Index, prop::sample::Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = any::<prop::sample::Index>;
    let byte = || {
        prop_oneof![
            any::<u8>(),
            prop::sample::select(b"\r\n;:0123456789abcdefAF= ".to_vec())
        ]
    };
    prop_oneof![
        (place(), 1_u8..).prop_map(|(at, change)| Damage::Change(at, change)),
        place().prop_map(Damage::Remove),
        (place(), byte()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        place().prop_map(Damage::Cut),
        (place(), place()).prop_map(|(from, to)| Damage::Double(from, to)),
    ]
}

impl Damage {
    fn act(&self, body: &mut Vec<u8>) {
        let length = body.len();
        match self {
            Self::Change(at, change) if length > 0 => body[at.index(length)] ^= change,
            Self::Remove(at) if length > 0 => drop(body.remove(at.index(length))),
            Self::Insert(at, byte) => body.insert(at.index(length + 1), *byte),
            Self::Cut(at) if length > 0 => body.truncate(at.index(length)),
            Self::Double(from, to) if length > 0 => {
                let (from, to) = (from.index(length), to.index(length));
                let again = body[from.min(to)..=from.max(to)].to_vec();
                body.splice(from.min(to)..from.min(to), again);
            }
            Self::Change(..) | Self::Remove(_) | Self::Cut(_) | Self::Double(..) => body.push(0),
        }
    }
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        source_file: Some(file!()),
        ..Config::default()
    })
}

#[test]
fn a_body_is_the_same_however_it_is_cut() {
    let bench = Bench::open();
    let tried = runner(96).run(&(upload(&KINDS), pieces()), |(upload, pieces)| {
        let path = bench.path();
        let (parts, body) = bench.wire(&path, &upload);
        let told = bench.send(parts, &body, &pieces);
        prop_assert_eq!(told.status, StatusCode::OK, "{:?}", told.body);
        prop_assert_eq!(bench.stored(&path).map(Vec::from), Some(upload.data));
        Ok(())
    });
    tried.unwrap();
}

#[test]
fn a_damaged_body_is_refused_or_still_means_the_same() {
    let bench = Bench::open();
    let tried = runner(384).run(
        &(upload(&KINDS), pieces(), damage()),
        |(upload, pieces, damage)| {
            let path = bench.path();
            let (parts, mut body) = bench.wire(&path, &upload);
            damage.act(&mut body);
            let told = bench.send(parts, &body, &pieces);
            match bench.stored(&path) {
                Some(stored) => {
                    prop_assert_eq!(told.status, StatusCode::OK);
                    prop_assert_eq!(&stored[..], &upload.data[..]);
                }
                None => prop_assert!(told.status.is_client_error(), "{} {:?}", told.status, told.body),
            }
            Ok(())
        },
    );
    tried.unwrap();
}

/// Something like chunks.
fn rubbish() -> impl Strategy<Value = Vec<u8>> {
    let any_bytes = || prop::collection::vec(any::<u8>(), 0..40);
    let chunk =
        any_bytes().prop_map(|data| [format!("{:x}\r\n", data.len()).as_bytes(), &data, b"\r\n"].concat());
    let lying = (any::<u32>(), any_bytes())
        .prop_map(|(length, data)| [format!("{length:x}\r\n").as_bytes(), &data, b"\r\n"].concat());
    let token = prop_oneof![
        4 => chunk,
        1 => lying,
        1 => any_bytes(),
        2 => Just(b"0\r\n".to_vec()),
        1 => "[0-9a-f]{1,20}\r\n".prop_map(String::into_bytes),
        1 => "[0-9a-f]{1,3};chunk-signature=[0-9a-f]{63,65}\r\n".prop_map(String::into_bytes),
        1 => "x-amz-checksum-crc32:[a-zA-Z0-9+/]{6}==\r\n".prop_map(String::into_bytes),
        1 => "(x-amz-[a-z]{1,9}|x|):[ -~]{0,30}\r?\n".prop_map(String::into_bytes),
    ];
    prop::collection::vec(token, 0..8).prop_map(|tokens| tokens.concat())
}

/// What a body of chunks holds, by its description; `None` for what is none.
fn decoded(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    loop {
        let end = body.iter().position(|byte| *byte == b'\n')?;
        let (line, rest) = body.split_at(end + 1);
        let line = std::str::from_utf8(line).ok()?.trim_end_matches("\r\n");
        let length = usize::from_str_radix(line.split(';').next()?, 16).ok()?;
        if length == 0 {
            return Some(data);
        }
        data.extend_from_slice(rest.get(..length)?);
        body = rest.get(length..)?.strip_prefix(b"\r\n")?;
    }
}

#[test]
fn any_bytes_are_refused_or_are_what_they_say() {
    let bench = Bench::open();
    let asked = (
        prop::sample::select(&CHUNKED[..]),
        rubbish(),
        pieces(),
        0_usize..60,
    );
    let tried = runner(256).run(&asked, |(kind, body, pieces, length)| {
        let path = bench.path();
        // One that says the right length of what it holds gets furthest.
        let held = decoded(&body);
        let data = held.clone().unwrap_or_else(|| vec![0; length]);
        let upload = Upload {
            kind,
            data,
            chunks: vec![1],
        };
        let (mut parts, _) = bench.wire(&path, &upload);
        parts.headers.insert("content-length", body.len().into());
        let told = bench.send(parts, &body, &pieces);
        match bench.stored(&path) {
            Some(stored) => {
                prop_assert!(!kind.signs_chunks(), "nobody signed it");
                prop_assert_eq!(Some(stored.to_vec()), held);
                prop_assert_eq!(told.status, StatusCode::OK);
            }
            None => prop_assert!(told.status.is_client_error(), "{} {:?}", told.status, told.body),
        }
        Ok(())
    });
    tried.unwrap();
}

const HEADERS: [&str; 34] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-md5",
    "content-type",
    "expires",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "range",
    "transfer-encoding",
    "x-amz-acl",
    "x-amz-bypass-governance-retention",
    "x-amz-checksum-algorithm",
    "x-amz-checksum-crc32",
    "x-amz-checksum-mode",
    "x-amz-checksum-sha256",
    "x-amz-copy-source",
    "x-amz-copy-source-range",
    "x-amz-decoded-content-length",
    "x-amz-expected-bucket-owner",
    "x-amz-meta-a",
    "x-amz-metadata-directive",
    "x-amz-mfa",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-context",
    "x-amz-tagging",
    "x-amz-trailer",
    "x-amz-website-redirect-location",
];

const SAID: [&str; 15] = [
    "aws-chunked",
    "bytes=0-",
    "bytes=-0",
    "bytes=18446744073709551615-",
    "/bodies/0",
    "/bodies/%2e%2e/%ff?versionId=null",
    "GOVERNANCE",
    "2999-01-01T00:00:00Z",
    "-1",
    "18446744073709551616",
    "aws:kms",
    "*",
    "\"\"",
    "x-amz-checksum-crc32",
    "chunked",
];

fn header_value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::sample::select(&SAID[..]).prop_map(|text| text.as_bytes().to_vec()),
        "[ -~]{0,40}".prop_map(String::into_bytes),
        prop::collection::vec(32_u8.., 0..40),
    ]
}

#[test]
fn any_head_is_answered() {
    let bench = Bench::open();
    let methods = [
        Method::GET,
        Method::PUT,
        Method::POST,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
        Method::PATCH,
    ];
    let query = prop_oneof![
        "(|\\?[a-zA-Z=&%0-9+-]{0,30})",
        "\\?(delete|tagging|uploads|versions|retention|legal-hold|acl|attributes|policy|lifecycle|cors|website|list-type=2)(&[a-z-]{0,12}=[!-~&&[^#]]{0,20})?",
        "\\?partNumber=[0-9-]{1,12}&uploadId=[!-~&&[^#]]{0,20}",
    ];
    let asked = (
        prop::sample::select(methods.to_vec()),
        "/(bodies|[!-~&&[^#?]]{0,12})(/[!-~&&[^#?]]{0,20}){0,2}",
        query,
        prop::collection::vec((prop::sample::select(&HEADERS[..]), header_value()), 0..5),
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            "<[A-Za-z]{1,10}><.{0,60}".prop_map(String::into_bytes),
        ],
        any::<bool>(),
    );
    let tried = runner(512).run(&asked, |(method, path, query, headers, body, signed)| {
        let Ok(uri) = format!("{path}{query}").parse::<http::Uri>() else {
            return Ok(());
        };
        let mut parts = bench.parts(method, &uri.to_string());
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                parts.headers.append(HeaderName::from_static(name), value);
            }
        }
        parts.headers.insert("content-length", body.len().into());
        if signed && bench.sign(&mut parts, Payload::Signed, &body).is_err() {
            return Ok(());
        }
        let told = bench.send(parts, &body, &[7]);
        let is_told = match told.status {
            StatusCode::NOT_IMPLEMENTED => true,
            // Strangers are asked to wait when they are many.
            StatusCode::SERVICE_UNAVAILABLE => !signed,
            other => !other.is_server_error(),
        };
        prop_assert!(is_told, "{} {:?}", told.status, told.body);
        Ok(())
    });
    tried.unwrap();
}

/// A body that never ends, and how much of it was read.
fn endless(
    begin: String,
) -> (
    impl hyper::body::Body<Data = Bytes, Error = Infallible> + Send + Unpin,
    Arc<AtomicUsize>,
) {
    let read = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&read);
    let frames = stream::unfold(Some(Bytes::from(begin)), move |next| {
        let bytes = next.unwrap_or_else(|| Bytes::from_static(&[7; 64 * 1024]));
        counted.fetch_add(bytes.len(), Ordering::Relaxed);
        std::future::ready(Some((Ok(Frame::data(bytes)), None)))
    });
    (StreamBody::new(frames), read)
}

#[test]
fn a_chunk_that_announces_gigabytes_is_not_held_in_memory() {
    let bench = Bench::open();
    for kind in CHUNKED {
        let upload = Upload {
            kind,
            data: vec![7; 10],
            chunks: vec![1000],
        };
        let (parts, _) = bench.wire(&bench.path(), &upload);
        let extension = match kind.signs_chunks() {
            true => format!(";chunk-signature={}", "0".repeat(64)),
            false => String::new(),
        };
        let (body, read) = endless(format!("ffffffff{extension}\r\n"));
        let told = bench.send_body(parts, body);
        assert_eq!(told.status, StatusCode::BAD_REQUEST, "{kind:?}: {:?}", told.body);
        let read = read.load(Ordering::Relaxed);
        assert!(read < 1024 * 1024, "{kind:?}: {read} bytes were read");
    }
}

#[test]
fn an_object_in_one_chunk_of_any_length_is_stored() {
    let bench = Bench::open();
    let upload = Upload {
        kind: Kind::Trailer,
        data: vec![7; 20 * 1024 * 1024],
        chunks: vec![usize::MAX],
    };
    let path = bench.path();
    let (parts, body) = bench.wire(&path, &upload);
    let told = bench.send(parts, &body, &[64 * 1024]);
    assert_eq!(told.status, StatusCode::OK, "{:?}", told.body);
    assert_eq!(
        bench.stored(&path).map(|bytes| bytes.len()),
        Some(upload.data.len())
    );
}

#[test]
fn encodings_on_two_lines_are_read_as_one() {
    let bench = Bench::open();
    for kind in [
        Kind::Trailer,
        Kind::SignedChunks,
        Kind::SignedTrailer,
        Kind::Digest,
    ] {
        let path = bench.path();
        let upload = Upload {
            kind,
            data: b"encoded".to_vec(),
            chunks: vec![7],
        };
        let (parts, body) = bench.wire_with(&path, &upload, &[("content-encoding", "gzip")]);
        assert_eq!(
            parts.headers.get_all("content-encoding").iter().count(),
            if kind == Kind::Digest { 1 } else { 2 }
        );
        let told = bench.send(parts, &body, &[usize::MAX]);
        assert_eq!(told.status, StatusCode::OK, "{kind:?} {:?}", told.body);
        assert_eq!(bench.stored(&path).as_deref(), Some(b"encoded".as_slice()));
    }
}

#[test]
fn chunks_that_nobody_takes_apart_are_not_kept_as_they_are() {
    let bench = Bench::open();
    let path = bench.path();
    let body = b"3\r\nabc\r\n0\r\n\r\n";
    let told = bench.ask(
        Method::PUT,
        &path,
        &[("content-encoding", "gzip, aws-chunked")],
        body,
    );
    assert_eq!(told.status, StatusCode::BAD_REQUEST, "{:?}", told.body);
    assert_eq!(bench.stored(&path), None);
}
