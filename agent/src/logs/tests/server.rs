//! A server of a few lines that keeps buckets and log groups, and fails when it is told to.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

pub(crate) const BUCKET: &str = "logs";
pub(crate) const GROUP: &str = "SSM-Logs";

/// What was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) operation: String,
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What the server has and does.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) requests: Vec<Request>,
    /// Codes with which the next calls of an operation are refused, each with its status.
    pub(crate) refusals: HashMap<&'static str, VecDeque<(u16, &'static str)>>,
    /// Codes with which all other calls of an operation are.
    pub(crate) always: HashMap<&'static str, (u16, &'static str)>,
    pub(crate) objects: BTreeMap<String, Vec<u8>>,
    /// How the bucket encrypts.
    pub(crate) encryption: Option<String>,
    /// The log group, with its key.
    pub(crate) group: Option<Option<String>>,
    pub(crate) events: Vec<String>,
    parts: BTreeMap<u16, Vec<u8>>,
}

#[derive(Clone)]
pub(crate) struct FakeServer {
    pub(crate) endpoint: String,
    state: Arc<Mutex<State>>,
    asked: Arc<Notify>,
}

impl FakeServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server = Self {
            endpoint: format!("http://{}", listener.local_addr().expect("bound")),
            state: Arc::default(),
            asked: Arc::default(),
        };
        server.state().group = Some(None);
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        server
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses the next calls of an operation.
    pub(crate) fn refuse(&self, operation: &'static str, refusals: &[(u16, &'static str)]) {
        self.state()
            .refusals
            .insert(operation, refusals.iter().copied().collect());
    }

    pub(crate) fn of(&self, operation: &str) -> Vec<Request> {
        let requests = self.state().requests.clone();
        requests
            .into_iter()
            .filter(|request| request.operation == operation)
            .collect()
    }

    /// Waits until something is true of what the server has.
    pub(crate) async fn until(&self, is_true: impl Fn(&State) -> bool) {
        while !is_true(&self.state()) {
            self.asked.notified().await;
        }
    }

    async fn serve(self, mut stream: TcpStream) {
        while let Some(request) = read(&mut stream).await {
            let (status, headers, body) = self.answer(&request);
            let head = format!(
                "HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n",
                body.len()
            );
            if stream.write_all((head + &body).as_bytes()).await.is_err() {
                return;
            }
        }
    }

    fn answer(&self, request: &Request) -> (u16, String, String) {
        let mut state = self.state();
        state.requests.push(request.clone());
        self.asked.notify_one();
        let operation = request.operation.as_str();
        let next = state.refusals.get_mut(operation).and_then(VecDeque::pop_front);
        if let Some((status, code)) = next.or_else(|| state.always.get(operation).copied()) {
            let message = if code == "AccessDenied" {
                "Access Denied"
            } else {
                "no"
            };
            return (status, String::new(), refusal(request, code, message));
        }
        state.answer(request)
    }
}

fn refusal(request: &Request, code: &str, message: &str) -> String {
    if request.header("x-amz-target").is_empty() {
        format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>")
    } else {
        json!({"__type": code, "message": message}).to_string()
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> (u16, String, String) {
        let ok = |body: String| (200, String::new(), body);
        let missing = |code: &str| {
            (
                400,
                String::new(),
                json!({"__type": code, "message": "no"}).to_string(),
            )
        };
        let key = request
            .path
            .strip_prefix(&format!("/{BUCKET}/"))
            .unwrap_or_default();
        match request.operation.as_str() {
            "HeadBucket" => (
                200,
                "x-amz-bucket-region: eu-west-1\r\n".to_owned(),
                String::new(),
            ),
            "GetBucketEncryption" => match &self.encryption {
                Some(encryption) => ok(encryption.clone()),
                None => {
                    let code = "ServerSideEncryptionConfigurationNotFoundError";
                    (404, String::new(), refusal(request, code, "no"))
                }
            },
            "PutObject" => {
                self.objects.insert(key.to_owned(), request.body.clone());
                ok(String::new())
            }
            "CreateMultipartUpload" => ok("<R><UploadId>u/1 &amp;=</UploadId></R>".to_owned()),
            "UploadPart" => {
                let number = self.parts.len() as u16 + 1;
                self.parts.insert(number, request.body.clone());
                (200, format!("ETag: \"tag-{number}\"\r\n"), String::new())
            }
            "CompleteMultipartUpload" => {
                let parts = std::mem::take(&mut self.parts);
                self.objects
                    .insert(key.to_owned(), parts.into_values().collect::<Vec<_>>().concat());
                ok("<R/>".to_owned())
            }
            "AbortMultipartUpload" => (204, String::new(), String::new()),
            "DescribeLogGroups" => ok(self.log_groups(request)),
            _ if self.group.is_none() => missing("ResourceNotFoundException"),
            "CreateLogStream" => ok(String::new()),
            "DescribeLogStreams" => {
                let stream = request.json()["logStreamNamePrefix"].clone();
                ok(
                    json!({"logStreams": [{"logStreamName": stream, "uploadSequenceToken": "t0"}]})
                        .to_string(),
                )
            }
            "PutLogEvents" => {
                let events = request.json()["logEvents"].clone();
                let messages = events.as_array().into_iter().flatten();
                self.events
                    .extend(messages.filter_map(|event| event["message"].as_str().map(str::to_owned)));
                ok(json!({"nextSequenceToken": format!("t{}", self.events.len())}).to_string())
            }
            _ => missing("UnknownOperationException"),
        }
    }

    /// The group is on the second page, behind one whose name only begins like it.
    fn log_groups(&self, request: &Request) -> String {
        let Some(key) = &self.group else {
            return json!({"logGroups": []}).to_string();
        };
        if request.json()["nextToken"].is_null() {
            let other = json!({"logGroupName": format!("{GROUP}-2"), "kmsKeyId": "other"});
            return json!({"logGroups": [other], "nextToken": "2"}).to_string();
        }
        let mut group = json!({"logGroupName": GROUP});
        if let Some(key) = key {
            group["kmsKeyId"] = key.as_str().into();
        }
        json!({"logGroups": [group]}).to_string()
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        let count = stream.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers
        .get("content-length")
        .and_then(|it| it.parse().ok())
        .unwrap_or(0);
    let mut body = bytes.split_off(head_end + 4);
    while body.len() < length {
        let count = stream.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
        body.extend_from_slice(&chunk[..count]);
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let operation = match headers.get("x-amz-target") {
        Some(target) => target.rsplit('.').next()?.to_owned(),
        None => rest(method, query).to_owned(),
    };
    Some(Request {
        operation,
        path: path.to_owned(),
        headers,
        body,
    })
}

fn rest(method: &str, query: &str) -> &'static str {
    match (method, query.split('=').next().unwrap_or_default()) {
        ("HEAD", "") => "HeadBucket",
        ("GET", "encryption") => "GetBucketEncryption",
        ("PUT", "") => "PutObject",
        ("POST", "uploads") => "CreateMultipartUpload",
        ("PUT", "partNumber") => "UploadPart",
        ("POST", "uploadId") => "CompleteMultipartUpload",
        ("DELETE", "uploadId") => "AbortMultipartUpload",
        _ => "unknown",
    }
}
