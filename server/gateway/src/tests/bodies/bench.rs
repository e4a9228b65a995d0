//! A server with a bucket, and a client that writes bodies in each of the ways that S3 knows.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use drawbridge_aws_client::Credentials;
use drawbridge_aws_dialects::sigv4::{self, Payload, Signing};
use futures_util::stream;
use http::request::Parts;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use s3s::crypto::{Checksum as _, Crc32};
use secrecy::ExposeSecret as _;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::connection::Peer;
use crate::http::s3;
use crate::tests::lab::Lab;

/// How a body says that it is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its digest is signed.
    Digest,
    /// Its checksum is in a header.
    Checksum,
    /// Its checksum is behind its chunks.
    Trailer,
    /// Its chunks are signed.
    SignedChunks,
    /// Its chunks are signed, and so is the checksum behind them.
    SignedTrailer,
}

pub(super) const KINDS: [Kind; 5] = [
    Kind::Digest,
    Kind::Checksum,
    Kind::Trailer,
    Kind::SignedChunks,
    Kind::SignedTrailer,
];

pub(super) const CHUNKED: [Kind; 3] = [Kind::Trailer, Kind::SignedChunks, Kind::SignedTrailer];

impl Kind {
    fn payload(self) -> Payload {
        match self {
            Self::Digest => Payload::Signed,
            Self::Checksum => Payload::Unsigned,
            Self::Trailer => Payload::StreamingUnsignedTrailer,
            Self::SignedChunks => Payload::StreamingSigned,
            Self::SignedTrailer => Payload::StreamingSignedTrailer,
        }
    }

    pub(super) fn signs_chunks(self) -> bool {
        matches!(self, Self::SignedChunks | Self::SignedTrailer)
    }

    fn trails(self) -> bool {
        matches!(self, Self::Trailer | Self::SignedTrailer)
    }
}

/// An object on its way.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    pub(super) kind: Kind,
    pub(super) data: Vec<u8>,
    /// The lengths of its chunks, over and over.
    pub(super) chunks: Vec<usize>,
}

/// A server with a bucket, and the administrator as its client.
pub(super) struct Bench {
    runtime: Runtime,
    lab: Lab,
    credentials: Credentials,
    keys: AtomicUsize,
}

pub(super) struct Told {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

impl Bench {
    pub(super) fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let lab = runtime.block_on(Lab::open());
        let credentials = lab.administrators_credentials();
        let bench = Self {
            runtime,
            lab,
            credentials,
            keys: AtomicUsize::new(0),
        };
        let made = bench.ask(Method::PUT, "/bodies", &[], b"");
        assert_eq!(made.status, StatusCode::OK, "{:?}", made.body);
        bench
    }

    /// A path that no object has yet.
    pub(super) fn path(&self) -> String {
        format!("/bodies/{}", self.keys.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn parts(&self, method: Method, uri: &str) -> Parts {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("host", self.lab.address.to_string());
        request.body(()).expect("a request").into_parts().0
    }

    pub(super) fn sign(
        &self,
        parts: &mut Parts,
        payload: Payload,
        body: &[u8],
    ) -> Result<(), sigv4::SignError> {
        let signing = Signing {
            region: "us-east-1",
            service: "s3",
            now: self.lab.gateway.clock.now(),
        };
        sigv4::sign(parts, payload, &sha256(body), &self.credentials, signing)
    }

    /// Writes an upload as a client does: the head, and the body.
    pub(super) fn wire(&self, path: &str, upload: &Upload) -> (Parts, Vec<u8>) {
        self.wire_with(path, upload, &[])
    }

    /// The same with further lines in the head.
    pub(super) fn wire_with(
        &self,
        path: &str,
        upload: &Upload,
        headers: &[(&'static str, &str)],
    ) -> (Parts, Vec<u8>) {
        let Upload { kind, data, .. } = upload;
        let mut parts = self.parts(Method::PUT, path);
        let mut set = |name: &'static str, value: String| {
            parts.headers.insert(name, value.parse().expect("a value"));
        };
        if kind.trails() {
            set("x-amz-trailer", "x-amz-checksum-crc32".into());
        }
        match kind {
            Kind::Digest => {}
            Kind::Checksum => set("x-amz-checksum-crc32", crc32(data)),
            Kind::Trailer | Kind::SignedChunks | Kind::SignedTrailer => {
                set("x-amz-decoded-content-length", data.len().to_string());
                set("content-encoding", "aws-chunked".into());
            }
        }
        for (name, value) in headers {
            parts.headers.append(*name, value.parse().expect("a value"));
        }
        self.sign(&mut parts, kind.payload(), data).expect("signed");
        let body = match kind {
            Kind::Digest | Kind::Checksum => data.clone(),
            Kind::Trailer | Kind::SignedChunks | Kind::SignedTrailer => {
                Chain::of(&parts, &self.credentials).body(upload)
            }
        };
        parts.headers.insert("content-length", body.len().into());
        (parts, body)
    }

    /// Sends a request whose body comes in pieces of these lengths.
    pub(super) fn send(&self, parts: Parts, body: &[u8], pieces: &[usize]) -> Told {
        let mut lengths = pieces.iter().cycle();
        let (mut rest, mut frames) = (body, Vec::new());
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at((*lengths.next().unwrap_or(&1)).min(rest.len()));
            frames.push(Ok::<_, Infallible>(Frame::data(Bytes::copy_from_slice(piece))));
            rest = behind;
        }
        self.send_body(parts, StreamBody::new(stream::iter(frames)))
    }

    pub(super) fn send_body<B>(&self, parts: Parts, body: B) -> Told
    where
        B: hyper::body::Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
    {
        self.runtime.block_on(async {
            let place = Arc::new(Semaphore::new(1)).try_acquire_owned().expect("free");
            let peer = Peer {
                address: SocketAddr::from(([127, 0, 0, 1], 1)),
                tls_version: Some("TLSv1.3"),
                _place: Arc::new(place),
                unwrap: |_| None,
            };
            let answer = s3::answer(&self.lab.gateway, parts, body, &peer, Uuid::nil()).await;
            Told {
                status: answer.status(),
                body: answer.into_body().collect().await.expect("a body").to_bytes(),
            }
        })
    }

    pub(super) fn ask(
        &self,
        method: Method,
        uri: &str,
        headers: &[(&'static str, &str)],
        body: &[u8],
    ) -> Told {
        let mut parts = self.parts(method, uri);
        for (name, value) in headers {
            parts.headers.insert(*name, value.parse().expect("a value"));
        }
        self.sign(&mut parts, Payload::Signed, body).expect("signed");
        parts.headers.insert("content-length", body.len().into());
        self.send(parts, body, &[usize::MAX])
    }

    /// What is stored; `None` for nothing.
    pub(super) fn stored(&self, path: &str) -> Option<Bytes> {
        let got = self.ask(Method::GET, path, &[], b"");
        match got.status {
            StatusCode::OK => Some(got.body),
            StatusCode::NOT_FOUND => None,
            other => panic!("{other}: {:?}", got.body),
        }
    }
}

/// The signatures of one body's chunks, each of which covers the one before.
struct Chain {
    key: Vec<u8>,
    date: String,
    scope: String,
    signature: String,
}

impl Chain {
    fn of(parts: &Parts, credentials: &Credentials) -> Self {
        let text = |name: &str| parts.headers[name].to_str().expect("text").to_owned();
        let date = text("x-amz-date");
        let mut key = [b"AWS4", credentials.secret_access_key.expose_secret().as_bytes()].concat();
        for part in [&date[..8], "us-east-1", "s3", "aws4_request"] {
            key = mac(&key, part.as_bytes());
        }
        let authorization = text("authorization");
        let (_, signature) = authorization.rsplit_once("Signature=").expect("one");
        Self {
            key,
            scope: format!("{}/us-east-1/s3/aws4_request", &date[..8]),
            date,
            signature: signature.to_owned(),
        }
    }

    fn sign(&mut self, what: &str, digests: &[String]) -> &str {
        let head = [what, &self.date, &self.scope, &self.signature].map(str::to_owned);
        let text = [&head[..], digests].concat().join("\n");
        self.signature = hex::encode(mac(&self.key, text.as_bytes()));
        &self.signature
    }

    fn body(mut self, upload: &Upload) -> Vec<u8> {
        let mut lengths = upload.chunks.iter().cycle();
        let (mut rest, mut body) = (&upload.data[..], Vec::new());
        loop {
            let (chunk, behind) = rest.split_at((*lengths.next().unwrap_or(&1)).min(rest.len()));
            rest = behind;
            body.extend_from_slice(format!("{:x}", chunk.len()).as_bytes());
            if upload.kind.signs_chunks() {
                let digests = [b"", chunk].map(|bytes| hex::encode(sha256(bytes)));
                let signature = self.sign("AWS4-HMAC-SHA256-PAYLOAD", &digests);
                body.extend_from_slice(format!(";chunk-signature={signature}").as_bytes());
            }
            body.extend_from_slice(b"\r\n");
            if chunk.is_empty() {
                break;
            }
            body.extend_from_slice(chunk);
            body.extend_from_slice(b"\r\n");
        }
        if upload.kind.trails() {
            let trailer = format!("x-amz-checksum-crc32:{}", crc32(&upload.data));
            body.extend_from_slice(format!("{trailer}\r\n").as_bytes());
            if upload.kind == Kind::SignedTrailer {
                let digest = hex::encode(sha256(format!("{trailer}\n").as_bytes()));
                let signature = self.sign("AWS4-HMAC-SHA256-TRAILER", &[digest]);
                body.extend_from_slice(format!("x-amz-trailer-signature:{signature}\r\n").as_bytes());
            }
        }
        body.extend_from_slice(b"\r\n");
        body
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    sum
}

fn mac(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, bytes).as_ref().to_vec()
}

fn crc32(bytes: &[u8]) -> String {
    let mut sum = Crc32::new();
    sum.update(bytes);
    BASE64_STANDARD.encode(sum.finalize())
}
