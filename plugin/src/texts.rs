//! The texts on standard output that scripts read; byte for byte those of AWS's plugin.

use drawbridge_tunnel::Listener;

use crate::client::SessionEnd;

/// Said when the session begins.
pub fn starting(session_id: &str) -> String {
    format!("\nStarting session with SessionId: {session_id}\n")
}

/// Said when programs may connect to a tunnel.
pub fn opened(session_id: &str, listener: &Listener, multiplexed: bool) -> String {
    let what = match listener {
        Listener::Tcp(_) => {
            let port = listener.addresses().first().map_or(0, std::net::SocketAddr::port);
            format!("Port {port}")
        }
        Listener::Unix(..) => format!("Unix socket {}", listener.name()),
    };
    let waiting = if multiplexed {
        "\nWaiting for connections..."
    } else {
        ""
    };
    format!("{what} opened for sessionId {session_id}.{waiting}\n")
}

/// Said when the first program connects.
pub fn accepted(session_id: &str) -> String {
    format!("\nConnection accepted for session [{session_id}]\n")
}

/// Said when the far end of a connection could not be reached.
pub const NOT_CONNECTED: &str = "\nConnection to destination port failed, check SSM Agent logs.\n";

/// Said when a signal ends a tunnel.
pub const TERMINATING: &str = "Terminate signal received, exiting.\n";

/// Said when the session is over; `None` where this client left and the session's end is not what happened.
pub fn ended(session_id: &str, end: &SessionEnd) -> Option<String> {
    match end {
        SessionEnd::Closed { output, .. } if output.is_empty() => {
            Some(format!("\n\nExiting session with sessionId: {session_id}.\n\n"))
        }
        SessionEnd::Closed { output, .. } => Some(format!("\n\nSessionId: {session_id} : {output}\n\n")),
        SessionEnd::TimedOut => Some(format!("Session: {session_id} timed out.\n")),
        SessionEnd::Left { .. } | SessionEnd::Detached | SessionEnd::Finished | SessionEnd::Signalled(_) => {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_that_scripts_depend_on() {
        let closed = |output: &str| SessionEnd::Closed {
            kind: None,
            output: output.into(),
            exit_code: None,
            failed: false,
        };
        assert_eq!(starting("a-1"), "\nStarting session with SessionId: a-1\n");
        assert_eq!(
            ended("a-1", &closed("")).unwrap(),
            "\n\nExiting session with sessionId: a-1.\n\n"
        );
        assert_eq!(
            ended("a-1", &closed("node lost")).unwrap(),
            "\n\nSessionId: a-1 : node lost\n\n"
        );
        assert_eq!(
            ended("a-1", &SessionEnd::TimedOut).unwrap(),
            "Session: a-1 timed out.\n"
        );
        assert_eq!(ended("a-1", &SessionEnd::Detached), None);
    }
}
