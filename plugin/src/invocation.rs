//! How the AWS CLI starts its plugin: the arguments and the environment variable.
//!
//! | argument | holds |
//! |---|---|
//! | 1 | the answer of `StartSession` as JSON, or the name of an environment variable that holds it |
//! | 2 | region |
//! | 3 | operation: only `StartSession` |
//! | 4 | profile, empty for none |
//! | 5 | the request of `StartSession` as JSON |
//! | 6 | endpoint that the CLI called |
//!
//! Older CLIs stop after 3, 4 or 5; what comes after 6 is ignored.

use std::ffi::OsString;

use drawbridge_aws_client::Environment;
use drawbridge_protocol::Token;
use serde::Deserialize;

use crate::SessionTicket;

/// The version that `--version` prints and that peers are told.
///
/// The CLI hands the answer over in the environment only to plugins above 1.2.497.0 (in the arguments of a process the
/// token would be visible to everybody on the machine), and newer ones still want 1.2.764.0.
pub const VERSION: &str = "1.2.800.0";

/// What a command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Invocation {
    /// No arguments: say that the plugin is in place.
    Installed,
    /// `--version`.
    Version,
    /// Run the session that the CLI has started.
    Session(Box<Arguments>),
}

/// The arguments of a session.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// What the server answered to `StartSession`.
    pub ticket: SessionTicket,
    /// Region that calls are signed for.
    pub region: String,
    /// Named profile to take credentials from.
    pub profile: Option<String>,
    /// Endpoint for further calls; `None` with an old CLI.
    pub endpoint: Option<String>,
}

/// Why a command line cannot be used. Never quotes the answer, which holds a token.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvocationError {
    /// One or two arguments that are not `--version`.
    #[error("Unknown operation {0}. The AWS CLI starts this program; by hand only `--version` is of use.")]
    UnknownOperation(String),
    /// The third argument is not `StartSession`.
    #[error("Invalid Operation: expected `StartSession`")]
    InvalidOperation,
    /// An argument is not UTF-8.
    #[error("argument {0} is not UTF-8")]
    NotUtf8(usize),
    /// The environment variable named by the first argument is not there.
    #[error("environment variable `{0}` is not set")]
    MissingVariable(String),
    /// The answer is not a JSON object with the three strings.
    #[error("cannot read the answer of StartSession: {0}")]
    Response(&'static str),
}

impl Invocation {
    /// Reads a command line, program name first; `variable` looks up the environment.
    pub fn parse(
        arguments: impl IntoIterator<Item = OsString>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, InvocationError> {
        let arguments = arguments
            .into_iter()
            .enumerate()
            .skip(1)
            .map(|(at, argument)| argument.into_string().map_err(|_| InvocationError::NotUtf8(at)))
            .collect::<Result<Vec<_>, _>>()?;
        match arguments.as_slice() {
            [] => Ok(Self::Installed),
            [only] if only == "--version" => Ok(Self::Version),
            [first] | [first, _] => Err(InvocationError::UnknownOperation(shown(first))),
            [_, _, operation, ..] if operation != "StartSession" => Err(InvocationError::InvalidOperation),
            [response, region, _, rest @ ..] => {
                let optional = |at: usize| rest.get(at).filter(|value| !value.is_empty()).cloned();
                let target = optional(1).and_then(|request| target(&request));
                Ok(Self::Session(Box::new(Arguments {
                    ticket: SessionTicket {
                        target,
                        ..ticket(response, variable)?
                    },
                    region: region.clone(),
                    profile: optional(0),
                    endpoint: optional(2),
                })))
            }
        }
    }
}

/// Takes a snapshot of the environment for calls to come, without the answer that the CLI has put there.
///
/// What is started on the way, a `credential_process` for example, must not inherit the token.
pub fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| !name.starts_with(RESPONSE_VARIABLE))
        .collect()
}

/// The first argument is a name and not an answer if it starts with this.
const RESPONSE_VARIABLE: &str = "AWS_SSM_START_SESSION_RESPONSE";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Response {
    #[serde(default)]
    session_id: Option<String>,
    #[serde(default)]
    token_value: Option<Token>,
    #[serde(default)]
    stream_url: Option<String>,
}

fn ticket(
    response: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<SessionTicket, InvocationError> {
    let from_variable;
    let json = if response.starts_with(RESPONSE_VARIABLE) {
        from_variable =
            variable(response).ok_or_else(|| InvocationError::MissingVariable(shown(response)))?;
        &from_variable
    } else {
        response
    };
    // The parser's own words may quote what it read.
    let fail = InvocationError::Response;
    let response: Response = serde_json::from_str(json).map_err(|_| fail("not a JSON object of strings"))?;
    let session_id = response
        .session_id
        .filter(|id| !id.is_empty())
        .ok_or(fail("no `SessionId`"))?;
    if session_id.chars().any(char::is_control) {
        return Err(fail("`SessionId` holds control characters"));
    }
    Ok(SessionTicket {
        session_id,
        token: response
            .token_value
            .filter(|token| !token.is_empty())
            .ok_or(fail("no `TokenValue`"))?,
        stream_url: response
            .stream_url
            .filter(|url| !url.is_empty())
            .ok_or(fail("no `StreamUrl`"))?,
        target: None,
        joined_key: None,
    })
}

/// `Target` of a request; absent or odd requests have none.
fn target(request: &str) -> Option<String> {
    let request: serde_json::Value = serde_json::from_str(request).ok()?;
    Some(request.get("Target")?.as_str()?.to_owned())
}

/// An argument as it may be shown: a mistyped call must not print an answer with its token.
fn shown(argument: &str) -> String {
    if argument.len() > 64 || argument.contains('{') {
        return "(not shown)".into();
    }
    argument.escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSE: &str = r#"{"SessionId":"a-1","TokenValue":"s3cret","StreamUrl":"wss://h/v1/data-channel/a-1","ResponseMetadata":{}}"#;

    fn parse(arguments: &[&str]) -> Result<Invocation, InvocationError> {
        let program = std::iter::once(&"session-manager-plugin");
        Invocation::parse(program.chain(arguments).map(OsString::from), |name| {
            (name == "AWS_SSM_START_SESSION_RESPONSE_1").then(|| RESPONSE.to_owned())
        })
    }

    fn session(arguments: &[&str]) -> Arguments {
        match parse(arguments) {
            Ok(Invocation::Session(arguments)) => *arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn reads_the_normal_form() {
        let request = r#"{"Target":"mi-0123","DocumentName":"x"}"#;
        let normal = [
            RESPONSE,
            "eu-west-1",
            "StartSession",
            "dev",
            request,
            "https://bridge:8443",
        ];
        let arguments = session(&normal);
        assert_eq!(arguments.ticket.session_id, "a-1");
        assert_eq!(arguments.ticket.token.expose(), "s3cret");
        assert_eq!(arguments.ticket.stream_url, "wss://h/v1/data-channel/a-1");
        assert_eq!(arguments.region, "eu-west-1");
        assert_eq!(arguments.profile.as_deref(), Some("dev"));
        assert_eq!(arguments.ticket.target.as_deref(), Some("mi-0123"));
        assert_eq!(arguments.endpoint.as_deref(), Some("https://bridge:8443"));
    }

    #[test]
    fn reads_the_environment_form() {
        let direct = session(&[RESPONSE, "r", "StartSession", "", "{}", "https://h"]);
        let named = session(&[
            "AWS_SSM_START_SESSION_RESPONSE_1",
            "r",
            "StartSession",
            "",
            "{}",
            "https://h",
        ]);
        assert_eq!(direct, named);
        assert_eq!(direct.profile, None);
        assert_eq!(
            parse(&["AWS_SSM_START_SESSION_RESPONSE", "r", "StartSession"]),
            Err(InvocationError::MissingVariable(
                "AWS_SSM_START_SESSION_RESPONSE".into()
            ))
        );
    }

    #[test]
    fn accepts_older_and_newer_argument_counts() {
        assert_eq!(session(&[RESPONSE, "r", "StartSession"]).endpoint, None);
        assert_eq!(
            session(&[RESPONSE, "r", "StartSession", "p"]).profile.as_deref(),
            Some("p")
        );
        let newer = session(&[RESPONSE, "r", "StartSession", "", "{}", "https://h", "more"]);
        assert_eq!(newer.endpoint.as_deref(), Some("https://h"));
    }

    #[test]
    fn knows_its_short_forms() {
        assert_eq!(parse(&[]), Ok(Invocation::Installed));
        assert_eq!(parse(&["--version"]), Ok(Invocation::Version));
        for unknown in [&["--help"][..], &["a", "b"]] {
            assert!(matches!(
                parse(unknown),
                Err(InvocationError::UnknownOperation(_))
            ));
        }
        assert_eq!(
            parse(&[RESPONSE, "r", "StopSession"]),
            Err(InvocationError::InvalidOperation)
        );
    }

    #[test]
    fn a_start_session_answer_without_one_of_the_three_keys_is_a_sentence() {
        // Hazard 7: AWS's plugin crashes here.
        for bad in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"SessionId":"a","TokenValue":"s3cret"}"#,
            r#"{"SessionId":"a","StreamUrl":"wss://h"}"#,
            r#"{"TokenValue":"s3cret","StreamUrl":"wss://h"}"#,
            r#"{"SessionId":null,"TokenValue":"s3cret","StreamUrl":"wss://h"}"#,
            r#"{"SessionId":"a","TokenValue":"","StreamUrl":"wss://h"}"#,
            r#"{"SessionId":"a\u001b[2J","TokenValue":"s3cret","StreamUrl":"wss://h"}"#,
            r#"{"SessionId":"a","TokenValue":["s3cret"],"StreamUrl":"wss://h"}"#,
            r#""s3cret"#,
        ] {
            let error = parse(&[bad, "r", "StartSession", "", "{}", "https://h"]).unwrap_err();
            assert!(matches!(error, InvocationError::Response(_)), "{bad}: {error}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn odd_requests_have_no_target() {
        for odd in ["", "{", "[]", "7", r#"{"Target":7}"#, r#"{"target":"x"}"#] {
            assert_eq!(
                session(&[RESPONSE, "r", "StartSession", "", odd, "https://h"])
                    .ticket
                    .target,
                None
            );
        }
    }

    #[test]
    fn never_prints_the_token() {
        let error = parse(&[RESPONSE, "r"]).unwrap_err();
        assert!(!error.to_string().contains("s3cret"), "{error}");
        assert!(!format!("{:?}", session(&[RESPONSE, "r", "StartSession"])).contains("s3cret"));
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_no_text_are_a_sentence() {
        use std::os::unix::ffi::OsStringExt;
        let odd = OsString::from_vec(vec![0xff]);
        let parsed = Invocation::parse([OsString::from("p"), odd], |_| None);
        assert_eq!(parsed, Err(InvocationError::NotUtf8(1)));
    }
}
