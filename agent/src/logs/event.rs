//! Events of a log group: what AWS's agent streams, and what it sends afterwards.

use drawbridge_session::SessionId;
use jiff::Timestamp;
use serde::Serialize;

/// The most bytes of lines in one streamed event, unless a single line has more.
const STREAMED_BYTES: usize = 33_000;
/// The most bytes of an event that is sent after the session.
const PLAIN_BYTES: usize = 200_000;

/// Who did what where, as streamed events say it.
#[derive(Clone, Debug)]
pub(super) struct Author {
    pub(super) session: SessionId,
    pub(super) node: String,
    pub(super) region: String,
    /// An ARN.
    pub(super) owner: String,
    /// The account on the node.
    pub(super) run_as: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    event_version: &'static str,
    event_time: String,
    aws_region: &'a str,
    target: Target<'a>,
    user_identity: UserIdentity<'a>,
    run_as_user: &'a str,
    session_id: &'a str,
    session_data: &'a [String],
}

#[derive(Serialize)]
struct Target<'a> {
    id: &'a str,
}

#[derive(Serialize)]
struct UserIdentity<'a> {
    arn: &'a str,
}

impl Author {
    /// Writes lines as one streamed event (`protocol.md` 10.4).
    pub(super) fn event(&self, lines: &[String], at: Timestamp) -> String {
        let event = Event {
            event_version: "1.0",
            event_time: at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            aws_region: &self.region,
            target: Target { id: &self.node },
            user_identity: UserIdentity { arn: &self.owner },
            run_as_user: &self.run_as,
            session_id: self.session.as_str(),
            session_data: lines,
        };
        serde_json::to_string(&event).expect("texts and lists of texts")
    }
}

/// Joins lines to events as long as they fit into one.
#[derive(Debug, Default)]
pub(super) struct Joined {
    lines: Vec<String>,
    bytes: usize,
}

impl Joined {
    /// Adds a line, and returns those before it when it does not fit any more.
    pub(super) fn push(&mut self, line: String) -> Option<Vec<String>> {
        let full = (self.bytes + line.len() > STREAMED_BYTES)
            .then(|| self.take())
            .flatten();
        self.bytes += line.len();
        self.lines.push(line);
        full
    }

    /// Returns the lines that are there, if any.
    pub(super) fn take(&mut self) -> Option<Vec<String>> {
        self.bytes = 0;
        Some(std::mem::take(&mut self.lines)).filter(|lines| !lines.is_empty())
    }
}

/// Joins lines of a transcript to plain texts.
#[derive(Debug, Default)]
pub(super) struct Plain {
    text: String,
}

impl Plain {
    /// Adds a line with its end, and returns what was before it when it does not fit any more.
    pub(super) fn push(&mut self, line: &[u8]) -> Option<String> {
        let line = match line.strip_suffix(b"\r\n") {
            Some(line) => [line, b"\n"].concat(),
            None => line.to_vec(),
        };
        let line = String::from_utf8_lossy(&line);
        let full = (self.text.len() + line.len() > PLAIN_BYTES)
            .then(|| self.take())
            .flatten();
        self.text.push_str(&line);
        full
    }

    /// Returns what is there, if anything.
    pub(super) fn take(&mut self) -> Option<String> {
        Some(std::mem::take(&mut self.text)).filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_streamed_event_is_the_one_of_protocol_10_4() {
        let author = Author {
            session: SessionId::parse("alice-1").expect("valid"),
            node: "mi-0a1b2c3d4e5f67890".to_owned(),
            region: "us-east-1".to_owned(),
            owner: "arn:aws:iam::123456789012:user/alice".to_owned(),
            run_as: "ssm-user".to_owned(),
        };
        let lines = ["sh-5.2$ echo \"x\"".to_owned(), "\u{7}x".to_owned()];
        assert_eq!(
            author.event(&lines, "2024-01-01T00:00:00.9Z".parse().expect("a time")),
            "{\"eventVersion\":\"1.0\",\"eventTime\":\"2024-01-01T00:00:00Z\",\"awsRegion\":\"us-east-1\",\
             \"target\":{\"id\":\"mi-0a1b2c3d4e5f67890\"},\
             \"userIdentity\":{\"arn\":\"arn:aws:iam::123456789012:user/alice\"},\"runAsUser\":\"ssm-user\",\
             \"sessionId\":\"alice-1\",\"sessionData\":[\"sh-5.2$ echo \\\"x\\\"\",\"\\u0007x\"]}"
        );
    }

    #[test]
    fn an_event_grows_until_the_next_line_would_pass_its_limit() {
        let mut joined = Joined::default();
        let line = "x".repeat(11_000);
        for _ in 0..3 {
            assert_eq!(joined.push(line.clone()), None);
        }
        assert_eq!(joined.push("y".to_owned()).map(|lines| lines.len()), Some(3));
        assert_eq!(joined.take(), Some(vec!["y".to_owned()]));
        assert_eq!(joined.take(), None);
        assert_eq!(
            joined.push("z".repeat(40_000)),
            None,
            "there is nothing before it"
        );
    }

    #[test]
    fn plain_events_have_unix_ends_of_lines() {
        let mut plain = Plain::default();
        assert_eq!(plain.push(b"\x1b[1ma\r\n"), None);
        assert_eq!(plain.push(b"b\r"), None);
        assert_eq!(plain.push(b"\n"), None);
        assert_eq!(plain.take().as_deref(), Some("\x1b[1ma\nb\r\n"));
        assert_eq!(plain.push(&b"x".repeat(199_999)), None);
        assert_eq!(plain.push(b"yz").map(|text| text.len()), Some(199_999));
    }
}
