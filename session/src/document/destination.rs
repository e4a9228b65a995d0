//! Where a connection of a tunnel leads.

use std::fmt;
use std::net::Ipv6Addr;

use serde::{Deserialize, Serialize};

use super::properties::{is_host, is_port};

/// A port on a host, or a UNIX socket on the node.
///
/// Written `host:port`, `[IPv6 address]:port` or as an absolute path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Destination {
    /// A port.
    Port {
        /// Name or address, as the node knows it.
        host: String,
        /// Not 0.
        port: u16,
    },
    /// A UNIX socket on the node.
    Socket {
        /// Its absolute path.
        path: String,
    },
}

/// Says why a text is no destination.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not `host:port`, `[IPv6 address]:port` or the absolute path of a socket", .0.escape_debug())]
pub struct DestinationError(String);

/// The longest path that the address of a socket has room for.
const LONGEST_SOCKET_PATH: usize = 107;

impl Destination {
    /// Reads a destination.
    ///
    /// # Errors
    ///
    /// The text is none of the three forms, or the path is longer than 107 bytes or does not name its socket plainly:
    /// a rule about `/run/app/*` must not be told of `/run/app/../docker.sock`.
    pub fn parse(text: &str) -> Result<Self, DestinationError> {
        let wrong = || DestinationError(text.to_owned());
        if text.starts_with('/') {
            return is_plain_path(text)
                .then(|| Self::Socket {
                    path: text.to_owned(),
                })
                .ok_or_else(wrong);
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => {
                let address = rest.strip_suffix(']').ok_or_else(wrong)?;
                address.parse::<Ipv6Addr>().map_err(|_| wrong())?;
                address
            }
            None if host.contains(':') || !is_host(host) => return Err(wrong()),
            None => host,
        };
        let port = Some(port).filter(|port| is_port(port, 1)).ok_or_else(wrong)?;
        Ok(Self::Port {
            host: host.to_owned(),
            port: port.parse().map_err(|_| wrong())?,
        })
    }
}

/// Says whether a text is an absolute path that a socket can have, and that leads nowhere but down.
pub(super) fn is_plain_path(text: &str) -> bool {
    let mut names = text.split('/');
    text.len() <= LONGEST_SOCKET_PATH
        && !text.chars().any(char::is_control)
        && names.next() == Some("")
        && names.all(|name| !matches!(name, "" | "." | ".."))
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Port { host, port } => write!(f, "{host}:{port}"),
            Self::Socket { path } => f.write_str(path),
        }
    }
}

impl TryFrom<String> for Destination {
    type Error = DestinationError;

    fn try_from(text: String) -> Result<Self, DestinationError> {
        Self::parse(&text)
    }
}

impl From<Destination> for String {
    fn from(destination: Destination) -> Self {
        destination.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_and_written() {
        for text in [
            "db.internal:5432",
            "localhost:80",
            "10.0.0.3:65535",
            "[::1]:22",
            "[fd00:ec2::254]:80",
            "/run/app.sock",
        ] {
            assert_eq!(
                Destination::parse(text).map(|it| it.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in [
            "",
            "db",
            "db:",
            ":80",
            "db:0",
            "db:65536",
            "db:+1",
            "::1:80",
            "[::1]",
            "[db]:80",
            "d b:80",
            "-x:80",
            "run/app.sock",
            "/a\nb",
            "/",
            "/run/",
            "/run//app.sock",
            "/run/./app.sock",
            "/run/app/../docker.sock",
            "/..",
            &format!("/{}", "a".repeat(107)),
        ] {
            assert!(Destination::parse(text).is_err(), "{text:?}");
        }
    }
}
