//! Answers, before they are HTTP.

use bytes::Bytes;
use drawbridge_aws_dialects::error::AwsError;
use drawbridge_aws_dialects::{json11, query, xml};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::Value;
use uuid::Uuid;

/// Printed and logged by every client.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// An answer that still lacks the id of its request.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Answer {
    /// The output of a JSON operation.
    pub(crate) fn json(output: &Value) -> Answer {
        // An operation without output answers an empty object: AWS's agent parses it.
        let body = if output.is_null() {
            "{}".to_owned()
        } else {
            output.to_string()
        };
        Answer::new(StatusCode::OK, json11::CONTENT_TYPE, body)
    }

    /// An error of a JSON operation.
    pub(crate) fn json_error(error: &AwsError) -> Answer {
        let body = json11::error_body(error.code(), error.message());
        let mut answer = Answer::new(error.status(), json11::CONTENT_TYPE, body);
        if let Ok(code) = HeaderValue::from_str(error.code()) {
            answer.headers.push((ERROR_TYPE, code));
        }
        answer
    }

    /// The XML of a query operation.
    pub(crate) fn query(status: StatusCode, body: String) -> Answer {
        Answer::new(status, query::CONTENT_TYPE, body)
    }

    /// The output of a message-gateway operation: 201, or its callers take it for a failure.
    pub(crate) fn rest(operation: &str, output: &Value) -> Answer {
        let mut document = xml::Writer::new();
        document.open(&format!("{operation}Response"));
        for (name, value) in output.as_object().into_iter().flatten() {
            document.element(name, value.as_str().unwrap_or_default());
        }
        Answer::new(StatusCode::CREATED, "application/xml", document.finish())
    }

    /// An error of a message-gateway operation: an element named after its code.
    pub(crate) fn rest_error(error: &AwsError) -> Answer {
        let mut document = xml::Writer::new();
        document.open(error.code()).element("Message", error.message());
        Answer::new(error.status(), "application/xml", document.finish())
    }

    /// Text for people.
    pub(crate) fn text(status: StatusCode, text: &'static str) -> Answer {
        Answer::new(status, "text/plain; charset=utf-8", text)
    }

    /// The consent to a websocket.
    pub(crate) fn switching_protocols(accept: HeaderValue) -> Answer {
        let mut answer = Answer::new(StatusCode::SWITCHING_PROTOCOLS, "", Bytes::new());
        answer.headers = vec![
            (header::CONNECTION, HeaderValue::from_static("Upgrade")),
            (header::UPGRADE, HeaderValue::from_static("websocket")),
            (header::SEC_WEBSOCKET_ACCEPT, accept),
        ];
        answer
    }

    fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
        Answer {
            status,
            content_type,
            body: body.into(),
            headers: Vec::new(),
        }
    }

    pub(crate) fn into_response(self, request_id: Uuid) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if !self.content_type.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        headers.extend(self.headers);
        let id = HeaderValue::from_str(&request_id.to_string()).expect("a UUID is a valid header value");
        headers.insert(REQUEST_ID, id);
        response
    }
}
