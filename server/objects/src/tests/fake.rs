//! A small store that speaks as much S3 as blobs need, and fails when it is told to.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;

type Body = BoxBody<Bytes, io::Error>;

/// Keys of one page of a listing: few, so that there are pages.
const PAGE: usize = 2;

/// Where a machine asks for the credentials of its role.
pub(super) const CREDENTIALS: &str = "/credentials";

/// How a request goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A status in the place of the answer.
    Status(u16),
    /// The connection ends in the middle of the answer.
    Cut,
    /// The answer is whole, and shorter than it says of the range.
    Short,
    /// It is longer than that.
    Long,
    /// A bit of it is another.
    Altered,
    /// Success, with an error in the place of the answer.
    ErrorInBody,
    /// It is done, and the answer is lost.
    LostAnswer,
    /// A listing begins with the last.
    Reversed,
}

struct Planned {
    method: Method,
    /// What the path, the query and the range have in them.
    part: &'static str,
    times: usize,
    fault: Fault,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Bytes>,
    uploads: BTreeMap<String, (String, BTreeMap<u32, Bytes>)>,
    begun: u32,
    planned: Vec<Planned>,
}

/// The running store; its address stays refused after [`Fake::stop`] until [`Fake::start_again`].
#[derive(Clone)]
pub(super) struct Fake {
    state: Arc<Mutex<State>>,
    address: SocketAddr,
    running: Arc<Mutex<Option<tokio::task::AbortHandle>>>,
    /// Counts the answers, for those who wait for something to happen.
    answers: Arc<watch::Sender<u64>>,
}

impl Fake {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let fake = Self {
            state: Arc::default(),
            address: listener.local_addr().expect("an address"),
            running: Arc::default(),
            answers: Arc::new(watch::channel(0).0),
        };
        fake.serve(listener);
        fake
    }

    /// Refuses connections from now on, and ends those that there are.
    pub(super) fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        running.expect("runs").abort();
    }

    pub(super) async fn start_again(&self) {
        let listener = TcpListener::bind(self.address).await.expect("the same port");
        self.serve(listener);
    }

    fn serve(&self, listener: TcpListener) {
        let fake = self.clone();
        let serving = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let fake = fake.clone();
                let service = service_fn(move |request| {
                    let fake = fake.clone();
                    async move { fake.answer(request).await }
                });
                connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(serving.abort_handle());
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Has some requests of a kind fail.
    pub(super) fn plan(&self, method: Method, part: &'static str, times: usize, fault: Fault) {
        self.state().planned.push(Planned {
            method,
            part,
            times,
            fault,
        });
    }

    pub(super) fn forgive(&self) {
        self.state().planned.clear();
    }

    pub(super) fn uploads(&self) -> usize {
        self.state().uploads.len()
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.state().objects.keys().cloned().collect()
    }

    pub(super) fn put(&self, key: &str, bytes: &'static [u8]) {
        self.state()
            .objects
            .insert(key.to_owned(), Bytes::from_static(bytes));
    }

    pub(super) fn forget(&self, key: &str) {
        self.state().objects.remove(key);
    }

    /// Begins an upload that nobody completes.
    pub(super) fn leave_upload(&self, key: &str, id: &str) {
        let upload = (key.to_owned(), BTreeMap::from([(1, Bytes::from_static(b"part"))]));
        self.state().uploads.insert(id.to_owned(), upload);
    }

    /// Waits until something is so.
    pub(super) async fn until(&self, so: impl Fn(&Self) -> bool) {
        let mut answers = self.answers.subscribe();
        let waiting = async {
            while !so(self) {
                answers.changed().await.expect("the store runs");
            }
        };
        let waited = tokio::time::timeout(std::time::Duration::from_secs(30), waiting).await;
        assert!(waited.is_ok(), "it never came true: {:?}", self.keys());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error of it ends the connection.
    async fn answer(&self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let target = head.uri.path_and_query().map_or("", |it| it.as_str());
        let target = &target.replace("%2F", "/");
        let range = head.headers.get("range").and_then(|range| range.to_str().ok());
        let fault = self.fault(&head.method, &format!("{target} {}", range.unwrap_or_default()));
        let answer = match fault {
            Some(Fault::Status(status)) => Ok(plain(status, "")),
            Some(Fault::ErrorInBody) => Ok(plain(200, "<Error><Code>InternalError</Code></Error>")),
            other => {
                let answer = self.state().answer(&head.method, target, range, body);
                damaged(answer, other)
            }
        };
        self.answers.send_modify(|count| *count += 1);
        answer
    }

    fn fault(&self, method: &Method, target: &str) -> Option<Fault> {
        let mut state = self.state();
        let mut planned = state.planned.iter_mut();
        let found = planned.find(|it| it.times > 0 && it.method == *method && target.contains(it.part))?;
        found.times -= 1;
        Some(found.fault)
    }
}

impl State {
    fn answer(&mut self, method: &Method, target: &str, range: Option<&str>, body: Bytes) -> Response<Bytes> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if path == CREDENTIALS {
            // As a machine of AWS's is given them.
            return xml(
                r#"{"AccessKeyId":"ASIAROLE","SecretAccessKey":"s","Token":"t","Expiration":"2999-01-01T00:00:00Z"}"#,
            );
        }
        let Some(key) = path.strip_prefix("/blobs") else {
            return status(404);
        };
        let key = key.trim_start_matches('/').to_owned();
        let value = |name: &str| {
            let mut pairs = query
                .split('&')
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            pairs
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.to_owned())
        };
        match (method.as_str(), value("uploadId")) {
            ("GET", _) if key.is_empty() => {
                let after = value("continuation-token").or_else(|| value("start-after"));
                self.list(&value("prefix").unwrap_or_default(), after.as_deref())
            }
            ("GET", _) => self.read(&key, range),
            ("POST", None) => {
                self.begun += 1;
                let id = format!("upload-{}", self.begun);
                self.uploads.insert(id.clone(), (key, BTreeMap::new()));
                xml(&format!(
                    "<R><Bucket>b</Bucket><Key>k</Key><UploadId>{id}</UploadId></R>"
                ))
            }
            ("PUT", Some(id)) => {
                let number = value("partNumber").and_then(|number| number.parse().ok());
                match (self.uploads.get_mut(&id), number) {
                    (Some((_, parts)), Some(number)) => {
                        parts.insert(number, body);
                        status(200)
                    }
                    _ => status(404),
                }
            }
            ("PUT", None) => {
                self.objects.insert(key, body);
                status(200)
            }
            ("POST", Some(id)) => match self.uploads.remove(&id) {
                Some((key, parts)) => {
                    let whole: Vec<u8> = parts.into_values().flatten().collect();
                    self.objects.insert(key, whole.into());
                    xml("<R><ETag>\"1\"</ETag></R>")
                }
                None => status(404),
            },
            ("DELETE", Some(id)) => status(if self.uploads.remove(&id).is_some() {
                204
            } else {
                404
            }),
            ("DELETE", None) => {
                self.objects.remove(&key);
                status(204)
            }
            other => panic!("{other:?} of `{target}`"),
        }
    }

    fn read(&self, key: &str, range: Option<&str>) -> Response<Bytes> {
        let Some(object) = self.objects.get(key) else {
            return status(404);
        };
        let Some(range) = range.and_then(|range| range.strip_prefix("bytes=")) else {
            return with_body(200, object.clone());
        };
        let (first, last) = range.split_once('-').expect("a range");
        let (first, last): (usize, usize) =
            (first.parse().expect("a number"), last.parse().expect("a number"));
        if first >= object.len() {
            return status(416);
        }
        let last = last.min(object.len() - 1);
        let mut answer = with_body(206, object.slice(first..=last));
        let said = format!("bytes {first}-{last}/{}", object.len());
        answer
            .headers_mut()
            .insert("content-range", said.parse().expect("a header"));
        answer
    }

    fn list(&self, prefix: &str, after: Option<&str>) -> Response<Bytes> {
        let mut keys = self
            .objects
            .iter()
            .filter(|(key, _)| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after));
        let page: Vec<_> = keys.by_ref().take(PAGE).collect();
        let mut text = String::from("<ListBucketResult><Name>blobs</Name>");
        for (key, object) in &page {
            let _ = write!(
                text,
                "<Contents><Key>{key}</Key><Size>{}</Size><ETag>\"1\"</ETag>\
                 <LastModified>2026-11-22T00:00:00Z</LastModified></Contents>",
                object.len()
            );
        }
        if let (Some(_), Some((last, _))) = (keys.next(), page.last()) {
            let _ = write!(
                text,
                "<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>"
            );
        }
        xml(&format!("{text}</ListBucketResult>"))
    }
}

fn status(status: u16) -> Response<Bytes> {
    with_body(status, Bytes::new())
}

fn xml(text: &str) -> Response<Bytes> {
    with_body(200, Bytes::from(text.to_owned()))
}

fn with_body(status: u16, body: Bytes) -> Response<Bytes> {
    let answer = Response::builder()
        .status(StatusCode::from_u16(status).expect("a status"))
        .header("etag", "\"1\"")
        .header("last-modified", "Sun, 22 Nov 2026 00:00:00 GMT");
    answer.body(body).expect("an answer")
}

fn plain(code: u16, text: &'static str) -> Response<Body> {
    whole(with_body(code, Bytes::from_static(text.as_bytes())))
}

fn whole(answer: Response<Bytes>) -> Response<Body> {
    answer.map(|body| Full::new(body).map_err(|never| match never {}).boxed())
}

fn damaged(answer: Response<Bytes>, fault: Option<Fault>) -> io::Result<Response<Body>> {
    let (head, body) = answer.into_parts();
    let body = match fault {
        Some(Fault::Short) => body.slice(..body.len().saturating_sub(1)),
        Some(Fault::Long) => [body.as_ref(), b"and more"].concat().into(),
        Some(Fault::Altered) => {
            let mut bytes = body.to_vec();
            if let Some(byte) = bytes.get_mut(body.len() / 2) {
                *byte ^= 1;
            }
            bytes.into()
        }
        Some(Fault::Cut) => return Ok(cut(head, &body)),
        Some(Fault::LostAnswer) => return Err(io::Error::other("lost")),
        Some(Fault::Reversed) => reversed(&body),
        _ => body,
    };
    Ok(whole(Response::from_parts(head, body)))
}

/// Turns the entries of a listing round.
fn reversed(listing: &Bytes) -> Bytes {
    let text = String::from_utf8_lossy(listing);
    let mut entries: Vec<&str> = text.split_inclusive("</Contents>").collect();
    let end = entries.pop().unwrap_or_default();
    let (begin, first) = entries[0].split_at(entries[0].find("<Contents>").expect("an entry"));
    entries[0] = first;
    entries.reverse();
    format!("{begin}{}{end}", entries.concat()).into()
}

/// Sends a half, and ends the connection.
fn cut(mut head: http::response::Parts, body: &Bytes) -> Response<Body> {
    let half = body.slice(..body.len() / 2);
    let length = body.len().max(1);
    head.headers.insert("content-length", length.into());
    let frames = [Ok(Frame::data(half)), Err(io::Error::other("cut"))];
    let body = StreamBody::new(stream::iter(frames));
    Response::from_parts(head, body.boxed())
}
