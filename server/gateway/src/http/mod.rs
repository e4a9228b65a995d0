//! Requests: who asks, which service is meant, and the answer in that service's dialect.

mod answer;
mod authenticate;
mod body;
mod json;
mod pipeline;
mod query;
mod rest;
pub(crate) mod s3;
mod services;
mod strangers;

use std::sync::Arc;

use bytes::Bytes;
use drawbridge_access::{Access, OpenChannels};
use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{AccountId, Caller, Clock, Random, Region};
use drawbridge_store::{RootKey, Store};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub(crate) use answer::{Answer, REQUEST_ID};
pub(crate) use authenticate::{AuthenticationError, Identity, authenticate};
pub(crate) use rest::path_segment;
pub(crate) use s3::S3Hosts;
pub(crate) use services::Services;
pub(crate) use strangers::Strangers;

use crate::channels;
use crate::connection::Peer;
use crate::limits::Limits;

/// The paths of the message gateway.
const CONTROL_CHANNELS: &str = "/v1/control-channel/";
const DATA_CHANNELS: &str = "/v1/data-channel/";

/// Characters of a `User-Agent` that are kept.
const MAX_USER_AGENT: usize = 1024;

/// Everything a request may need.
pub(crate) struct Gateway {
    pub(crate) services: Services,
    pub(crate) access: Access,
    pub(crate) open_channels: Arc<OpenChannels>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) root: Arc<RootKey>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) account: AccountId,
    pub(crate) region: Region,
    /// Hosts that name S3, or a bucket.
    pub(crate) s3_hosts: S3Hosts,
    pub(crate) limits: Limits,
    pub(crate) strangers: Strangers,
    /// Places for bodies that are long.
    pub(crate) long_bodies: Semaphore,
    /// Websockets, which outlive the requests that opened them.
    pub(crate) channels: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// The body of an answer: whole, or a stream of S3's.
pub(crate) type AnswerBody = Either<Full<Bytes>, s3s::Body>;

/// What a request is for, by its path and headers alone.
enum Route<'a> {
    Health,
    ControlChannel { node: &'a str },
    DataChannel { session: &'a str },
    Json,
    Query,
    Unknown,
}

impl Gateway {
    /// Answers a request, whatever it is. Every answer carries its request's id.
    pub(crate) async fn answer(
        self: &Arc<Self>,
        request: Request<Incoming>,
        peer: Peer,
    ) -> Response<AnswerBody> {
        let id = self.random.uuid();
        let (parts, body) = request.into_parts();
        // Of two hosts, a proxy before us may have believed the other one.
        if parts.headers.get_all(header::HOST).iter().nth(1).is_some() {
            let text = "the request names more than one host\n";
            let answer = Answer::text(StatusCode::BAD_REQUEST, text);
            return answer.into_response(id).map(Either::Left);
        }
        let known_path = !matches!(Route::of(&parts, parts.uri.path()), Route::Unknown);
        if s3::claims(self, &parts, known_path) {
            // Bodies there take as long as they are long.
            return s3::answer(self, parts, body, &peer, id).await.map(Either::Right);
        }
        let within = self.limits.answer_within;
        let answer = match timeout(within, self.route(parts, body, peer, id)).await {
            Ok(answer) => answer,
            Err(_elapsed) => {
                tracing::error!(request.id = %id, "a request took longer than {} s", within.as_secs());
                Answer::json_error(&AwsError::internal("InternalServerError"))
            }
        };
        answer.into_response(id).map(Either::Left)
    }

    async fn route(self: &Arc<Self>, parts: Parts, body: Incoming, peer: Peer, id: Uuid) -> Answer {
        let path = parts.uri.path().to_owned();
        match Route::of(&parts, &path) {
            Route::Health if parts.method == Method::GET => Answer::text(StatusCode::OK, "ok\n"),
            Route::ControlChannel { node } if channels::is_upgrade(&parts) => {
                channels::open_control_channel(self, parts, peer, node).await
            }
            Route::DataChannel { session } if channels::is_upgrade(&parts) => {
                channels::open_data_channel(self, parts, peer, session).await
            }
            Route::ControlChannel { node } if parts.method == Method::POST => {
                rest::create_control_channel(self, parts, body, &peer, id, node).await
            }
            Route::DataChannel { session } if parts.method == Method::POST => {
                rest::create_data_channel(self, parts, body, &peer, id, session).await
            }
            Route::Json => json::answer(self, parts, body, &peer, id).await,
            Route::Query => query::answer(self, parts, body, &peer, id).await,
            Route::ControlChannel { .. } | Route::DataChannel { .. } => {
                let error = AwsError::new(
                    "UnknownOperationException",
                    "no operation of a channel has this form",
                );
                Answer::rest_error(&error)
            }
            Route::Health | Route::Unknown => {
                Answer::json_error(&AwsError::unknown_operation("").with_status(StatusCode::NOT_FOUND))
            }
        }
    }

    /// What an operation is told of its caller.
    pub(crate) fn caller(&self, identity: Identity, parts: &Parts, peer: &Peer, request_id: Uuid) -> Caller {
        let account = identity.principal.account().clone();
        Caller {
            principal: identity.principal,
            signed_with: identity.signed_with,
            access_key_id: identity.access_key_id,
            grant: identity.grant,
            account,
            region: identity.region,
            source_ip: peer.address.ip(),
            user_agent: user_agent(parts),
            request_id,
            host: host(parts).to_owned(),
            received_at: self.clock.now(),
        }
    }
}

impl<'a> Route<'a> {
    fn of(parts: &Parts, path: &'a str) -> Route<'a> {
        if let Some(node) = path.strip_prefix(CONTROL_CHANNELS) {
            return Route::ControlChannel { node };
        }
        if let Some(session) = path.strip_prefix(DATA_CHANNELS) {
            return Route::DataChannel { session };
        }
        match (path, &parts.method) {
            ("/health", _) => Route::Health,
            ("/", &Method::POST) if has_form_body(parts) => Route::Query,
            ("/", &Method::POST) => Route::Json,
            ("/", &Method::GET) if parts.uri.query().is_some() => Route::Query,
            _ => Route::Unknown,
        }
    }
}

fn has_form_body(parts: &Parts) -> bool {
    let content_type = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    content_type.is_some_and(|content_type| {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}

/// What the client calls itself, cut to what is kept.
fn user_agent(parts: &Parts) -> String {
    let header = parts.headers.get(header::USER_AGENT);
    let text = header.and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.chars().take(MAX_USER_AGENT).collect()
}

/// The host that the caller used, with its port: `Host`, or `:authority` in HTTP/2.
fn host(parts: &Parts) -> &str {
    let header = parts
        .headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok());
    header
        .or_else(|| parts.uri.authority().map(|authority| authority.as_str()))
        .unwrap_or_default()
}
