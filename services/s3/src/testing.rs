//! A service without its sockets: requests go through the dialect, the real decisions and the handlers.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use drawbridge_aws_dialects::error::{AwsError, Family};
use drawbridge_house::{FakeKeys, House};
use drawbridge_session::{Authority, Caller, Decision, Need, Refusal};
use drawbridge_store::blobs::{BlobFolder, Blobs};
use drawbridge_store::{Buckets as _, Reserve};
use http::{HeaderMap, Method, Request, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::{Body, S3Response};
use serde_json::Value;

use crate::{Document, Gate, Operation, RequestFacts, S3, Took, dialect};

/// What clients leave as it is in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

/// Writes a key as clients do.
pub(crate) fn path_of(bucket: &str, key: &str) -> String {
    format!("/{bucket}/{}", utf8_percent_encode(key, PATH))
}

pub(crate) struct World {
    pub(crate) house: House,
    pub(crate) s3: Arc<S3>,
    /// What the decisions were told.
    pub(crate) seen: Arc<Mutex<Vec<Value>>>,
    _folder: tempfile::TempDir,
}

/// An answer, its body read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of an error; empty for what is none.
    pub(crate) fn code(&self) -> String {
        self.element("Code")
    }

    /// What the first element of a name holds.
    pub(crate) fn element(&self, name: &str) -> String {
        let text = self.text();
        let after = text.split_once(&format!("<{name}>")).map(|(_, after)| after);
        let inside = after.and_then(|after| after.split_once(&format!("</{name}>")));
        inside.map(|(inside, _)| inside.to_owned()).unwrap_or_default()
    }

    /// What every element of a name holds.
    pub(crate) fn elements(&self, name: &str) -> Vec<String> {
        let text = self.text();
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let pieces = text.split(&open).skip(1);
        pieces
            .filter_map(|piece| piece.split_once(&close).map(|(inside, _)| inside.to_owned()))
            .collect()
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_keys(Arc::default()).await
    }

    /// The same with a service of keys.
    pub(crate) async fn with_keys(keys: Arc<FakeKeys>) -> Self {
        Self::with(House::new().await, keys, Reserve::none())
    }

    /// The same in a house, with what uploads leave of its disk.
    pub(crate) fn with(house: House, keys: Arc<FakeKeys>, reserve: Reserve) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let blobs: Arc<dyn Blobs> = Arc::new(BlobFolder::open(folder.path()).expect("opens"));
        let s3 = S3::new(house.foundation(), blobs, keys, Arc::new(reserve));
        Self {
            house,
            s3: Arc::new(s3),
            seen: Arc::default(),
            _folder: folder,
        }
    }

    /// Makes a bucket of the administrator's.
    pub(crate) async fn bucket(&self, name: &str, headers: &[(&str, &str)]) {
        let answer = self.ask(Method::PUT, &format!("/{name}"), headers, b"").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }

    /// Makes a user with one policy.
    pub(crate) async fn user(&self, name: &str, policy: &str) -> Caller {
        let policy: Value = serde_json::from_str(policy).expect("a policy");
        self.house.give_user(name, policy["Statement"].clone()).await
    }

    /// Asks as the administrator.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        self.ask_as(self.house.admin(), method, path, headers, body).await
    }

    pub(crate) async fn ask_as(
        &self,
        caller: Caller,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "127.0.0.1")
            .header("content-length", body.len());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Bytes::copy_from_slice(body);
        let request = request.extension(Document(body.clone())).body(Body::from(body));
        self.send(caller, request.expect("a request")).await
    }

    pub(crate) async fn send(&self, caller: Caller, request: Request<Body>) -> Answer {
        let gate = TestGate {
            s3: Arc::clone(&self.s3),
            access: Arc::new(self.house.access.clone()),
            caller,
            seen: Arc::clone(&self.seen),
        };
        let service = dialect(Arc::new(gate), RequestFacts::default()).build();
        let answer = service.call(request).await.expect("answered");
        let (parts, mut body) = answer.into_parts();
        let body = body.store_all_limited(64 << 20).await.expect("read");
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    pub(crate) async fn versioning(&self, bucket: &str, versioning: drawbridge_store::Versioning) {
        let changed = self.house.store.set_versioning(bucket, versioning).await;
        assert!(changed.expect("changed"));
    }
}

struct TestGate {
    s3: Arc<S3>,
    access: Arc<dyn Authority>,
    caller: Caller,
    seen: Arc<Mutex<Vec<Value>>>,
}

#[async_trait]
impl Gate for TestGate {
    async fn pass<I, O>(
        &self,
        operation: &'static Operation<I, O>,
        summary: Value,
        took: Took<I>,
    ) -> Result<S3Response<O>, AwsError>
    where
        I: Send + Sync + 'static,
        O: Send + 'static,
    {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(summary.clone());
        let call = operation
            .authorize(self.caller.clone(), summary, self.access.as_ref())
            .await;
        let call = call.map_err(|refusal| match refusal {
            Refusal::Denied(denied) => Family::S3.access_denied(&denied.to_string()),
            Refusal::Undecided(error) => panic!("undecided: {error}"),
        })?;
        (operation.handler)(Arc::clone(&self.s3), took.called(call)).await
    }

    async fn refuses_list(&self, need: Need) -> Option<AwsError> {
        let decision = self.access.decide(&self.caller, &[need]).await;
        match decision.expect("decided") {
            Decision::Allow(_) => None,
            Decision::Deny(denied) => Some(Family::S3.access_denied(&denied.to_string())),
        }
    }

    async fn region_of(&self, _bucket: &str) -> Option<String> {
        None
    }
}
