//! Requests of `tests/fixtures`, which `tests/make_fixtures.py` makes.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use drawbridge_aws_dialects::sigv4::{self, SignatureError, SignedRequest, Verified};
use http::Request;
use http::request::Parts;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde::Deserialize;

pub(crate) const KEY: &str = "AKIDEXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

#[derive(Deserialize)]
pub(crate) struct Fixtures {
    pub(crate) now: Timestamp,
    pub(crate) requests: Vec<Fixture>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Fixture {
    pub(crate) name: String,
    pub(crate) service: String,
    pub(crate) token: Option<String>,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

#[derive(Deserialize)]
pub(crate) struct NodeFixture {
    pub(crate) now: Timestamp,
    pub(crate) node_id: String,
    pub(crate) public_key: String,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

pub(crate) fn botocore() -> &'static Fixtures {
    static FIXTURES: LazyLock<Fixtures> =
        LazyLock::new(|| serde_json::from_str(include_str!("../fixtures/botocore.json")).unwrap());
    &FIXTURES
}

pub(crate) fn node() -> NodeFixture {
    serde_json::from_str(include_str!("../fixtures/node.json")).unwrap()
}

pub(crate) fn named(name: &str) -> Fixture {
    botocore()
        .requests
        .iter()
        .find(|fixture| fixture.name == name)
        .unwrap()
        .clone()
}

pub(crate) fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

impl Fixture {
    /// The request, unless a mutation made it something that HTTP cannot carry.
    pub(crate) fn parts(&self) -> Option<Parts> {
        parts(&self.method, &self.target, &self.headers)
    }

    /// Does what a server does: parse, look the key up, check the token, verify.
    pub(crate) fn verify(&self, now: Timestamp) -> Result<Verified, SignatureError> {
        let parts = self.parts().ok_or(SignatureError::MalformedTarget)?;
        let signed = sigv4::parse(&parts)?;
        if signed.access_key_id() != KEY {
            return Err(SignatureError::UnknownAccessKey);
        }
        if signed.session_token().map(|token| token.expose_secret()) != self.token.as_deref() {
            return Err(SignatureError::InvalidSessionToken);
        }
        signed.verify(SECRET, &sha256(self.body.as_bytes()), now)
    }

    pub(crate) fn parsed(&self) -> SignedRequest {
        sigv4::parse(&self.parts().unwrap()).unwrap()
    }

    pub(crate) fn header(&mut self, name: &str) -> &mut String {
        &mut self
            .headers
            .iter_mut()
            .find(|(found, _)| found == name)
            .unwrap()
            .1
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(found, _)| found != name);
        self
    }
}

impl NodeFixture {
    pub(crate) fn parts(&self) -> Parts {
        parts(&self.method, &self.target, &self.headers).unwrap()
    }
}

pub(crate) fn parts(method: &str, target: &str, headers: &[(String, String)]) -> Option<Parts> {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(name, value.trim());
    }
    Some(request.body(()).ok()?.into_parts().0)
}

pub(crate) fn sha256(body: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, body).as_ref().try_into().unwrap()
}
