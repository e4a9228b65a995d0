//! What leads where, as people write it.

use std::fmt;
use std::path::PathBuf;

use drawbridge_session::document::Destination;

/// One tunnel: where programs connect, and where that leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForwardSpec {
    pub(crate) local: Local,
    pub(crate) destination: Destination,
}

/// Where programs connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Local {
    /// A port of this machine, 0 for any that is free.
    Port { host: String, port: u16 },
    /// A socket.
    Socket(PathBuf),
}

/// Where a port is listened on unless an address is given, and where a port leads unless a host is.
const OWN_HOST: &str = "localhost";

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port { host, port } => write!(f, "{host}:{port}"),
            Self::Socket(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Reads `[[BIND:]PORT:][HOST:]PORT` and the forms with sockets.
pub(crate) fn forward_spec(text: &str) -> Result<ForwardSpec, String> {
    let parts = parts(text)?;
    let (local, rest) = local(&parts)?;
    let destination = destination(rest)?;
    // `5432` alone is the same port on both sides.
    let destination = match (destination, &local) {
        (Some(destination), _) => destination,
        (None, Local::Port { port: port @ 1.., .. }) => Destination::Port {
            host: OWN_HOST.to_owned(),
            port: *port,
        },
        (None, _) => return Err("it does not say where it leads".to_owned()),
    };
    Ok(ForwardSpec { local, destination })
}

/// Cuts at colons outside brackets; a path is one part with everything behind it, but for a local socket.
fn parts(text: &str) -> Result<Vec<String>, String> {
    let mut parts = vec![String::new()];
    let mut in_brackets = false;
    for c in text.chars() {
        match c {
            '[' if !in_brackets => in_brackets = true,
            ']' if in_brackets => in_brackets = false,
            ':' if !in_brackets => parts.push(String::new()),
            c => {
                if let Some(part) = parts.last_mut() {
                    part.push(c);
                }
            }
        }
    }
    if in_brackets || parts.iter().any(String::is_empty) {
        return Err("a part between colons is empty, or a bracket is not closed".to_owned());
    }
    Ok(parts)
}

fn local(parts: &[String]) -> Result<(Local, &[String]), String> {
    let port_at = |host: &str, port: &str| {
        port.parse().map(|port| Local::Port {
            host: host.to_owned(),
            port,
        })
    };
    match parts {
        [path, rest @ ..] if is_path(path) => Ok((Local::Socket(PathBuf::from(path)), rest)),
        [port, rest @ ..] if is_number(port) => match port_at(OWN_HOST, port) {
            Ok(local) => Ok((local, rest)),
            Err(_) => Err(format!("`{port}` is no port")),
        },
        [host, port, rest @ ..] if is_number(port) && !rest.is_empty() => match port_at(host, port) {
            Ok(local) => Ok((local, rest)),
            Err(_) => Err(format!("`{port}` is no port")),
        },
        _ => Err("it does not begin with a port or a socket of this machine".to_owned()),
    }
}

fn destination(parts: &[String]) -> Result<Option<Destination>, String> {
    let text = match parts {
        [] => return Ok(None),
        [path] if path.starts_with('/') => path.clone(),
        [port] => format!("{OWN_HOST}:{port}"),
        [host, port] if host.contains(':') => format!("[{host}]:{port}"),
        [host, port] => format!("{host}:{port}"),
        _ => return Err("it has too many parts".to_owned()),
    };
    Destination::parse(&text)
        .map(Some)
        .map_err(|error| error.to_string())
}

fn is_path(text: &str) -> bool {
    text.contains('/')
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_for_ssh_and_shorter() {
        for (text, local, destination) in [
            ("8080:db.internal:5432", "localhost:8080", "db.internal:5432"),
            ("8080:80", "localhost:8080", "localhost:80"),
            ("5432", "localhost:5432", "localhost:5432"),
            ("0:80", "localhost:0", "localhost:80"),
            ("127.0.0.2:8080:db:80", "127.0.0.2:8080", "db:80"),
            ("127.0.0.2:8080:80", "127.0.0.2:8080", "localhost:80"),
            ("[::1]:8080:[fd00::1]:80", "::1:8080", "[fd00::1]:80"),
            ("*:8080:db:80", "*:8080", "db:80"),
            ("8080:/run/app.sock", "localhost:8080", "/run/app.sock"),
            ("/tmp/db.sock:db:5432", "/tmp/db.sock", "db:5432"),
            ("./db.sock:5432", "./db.sock", "localhost:5432"),
            ("/tmp/a:/run/b", "/tmp/a", "/run/b"),
        ] {
            let spec = forward_spec(text).expect(text);
            assert_eq!(
                (
                    spec.local.to_string().as_str(),
                    spec.destination.to_string().as_str()
                ),
                (local, destination)
            );
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for text in [
            "",
            ":",
            "db",
            "0",
            "8080:",
            ":80",
            "70000:80",
            "8080:db:0",
            "8080:db:70000",
            "8080:d b:80",
            "db:80",
            "[::1:8080:80",
            "8080:a:b:c:80",
            "/tmp/a",
            "8080:db:80:90:100",
        ] {
            assert!(forward_spec(text).is_err(), "{text:?}");
        }
    }
}
