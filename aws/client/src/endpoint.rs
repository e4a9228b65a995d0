//! Where a service is called.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::Scheme;

/// A service endpoint: scheme, host and port, such as `https://bridge.example:8443`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    tls: bool,
    host: String,
    port: u16,
}

/// Why a text is not an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an endpoint: {reason}")]
pub struct EndpointError {
    text: String,
    reason: &'static str,
}

impl EndpointError {
    /// What is wrong, without the text it is wrong in.
    pub(crate) fn reason(&self) -> &'static str {
        self.reason
    }
}

impl Endpoint {
    /// AWS's own endpoint of a service, used when nothing else is configured.
    pub fn aws(service: &str, region: &str) -> Self {
        Self {
            tls: true,
            host: format!("{service}.{region}.amazonaws.com"),
            port: 443,
        }
    }

    /// Whether the endpoint is called over TLS (`https`, `wss`).
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The value of a `Host` header: the port only when it is not the scheme's own.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        let default = if self.tls { 443 } else { 80 };
        if self.port == default {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    /// Takes the endpoint out of an absolute `http`, `https`, `ws` or `wss` URL, whatever its path.
    ///
    /// # Errors
    /// Says which part is missing.
    pub fn of_uri(uri: &Uri) -> Result<Self, EndpointError> {
        let fail = |reason| EndpointError {
            text: uri.to_string(),
            reason,
        };
        let tls = match uri.scheme().map(Scheme::as_str) {
            Some("https" | "wss") => true,
            Some("http" | "ws") => false,
            _ => return Err(fail("it must start with `https://`")),
        };
        let authority = uri.authority().ok_or_else(|| fail("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(fail("it must not contain a user name"));
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        if host.is_empty() {
            return Err(fail("it names no host"));
        }
        let port = match (authority.port_u16(), authority.as_str().rsplit_once(':')) {
            (Some(0), _) => return Err(fail("port 0 cannot be called")),
            (Some(port), _) => port,
            (None, Some((_, rest))) if !rest.ends_with(']') => return Err(fail("its port is not a number")),
            (None, _) => {
                if tls {
                    443
                } else {
                    80
                }
            }
        };
        Ok(Self { tls, host, port })
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    /// Parses an endpoint URL; it must not carry a path or a query.
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let fail = |reason| EndpointError {
            text: text.to_owned(),
            reason,
        };
        let uri: Uri = text.parse().map_err(|_| fail("it is not a URL"))?;
        let endpoint = Self::of_uri(&uri).map_err(|error| fail(error.reason))?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(fail("it must not have a path"));
        }
        Ok(endpoint)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}",
            if self.tls { "https" } else { "http" },
            self.authority()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    fn authority(text: &str) -> String {
        text.parse::<Endpoint>()
            .map_or_else(|error| error.to_string(), |endpoint| endpoint.authority())
    }

    #[test]
    fn the_authority_has_a_port_only_when_it_is_unusual() {
        for (text, expected) in [
            ("https://bridge.example", "bridge.example"),
            ("https://bridge.example:443/", "bridge.example"),
            ("https://bridge.example:8443", "bridge.example:8443"),
            ("http://127.0.0.1:80", "127.0.0.1"),
            ("http://127.0.0.1:443", "127.0.0.1:443"),
            ("https://[::1]:7443", "[::1]:7443"),
            ("https://[::1]", "[::1]"),
        ] {
            assert_eq!(authority(text), expected, "{text}");
        }
        assert_eq!("https://[::1]:7443".parse::<Endpoint>().unwrap().host(), "::1");
        assert_eq!(
            Endpoint::aws("ssm", "eu-x-1").to_string(),
            "https://ssm.eu-x-1.amazonaws.com"
        );
    }

    #[test]
    fn what_is_not_an_endpoint_says_why() {
        for (text, reason) in [
            ("bridge.example:8443", "it must start with `https://`"),
            ("/path", "it must start with `https://`"),
            ("ftp://x", "it must start with `https://`"),
            ("https://x/path", "it must not have a path"),
            ("https://x/?q", "it must not have a path"),
            ("https://user@x", "it must not contain a user name"),
            ("https://x:0", "port 0 cannot be called"),
            ("https://x:99999", "its port is not a number"),
            ("", "it is not a URL"),
            ("https://", "it is not a URL"),
        ] {
            assert_eq!(authority(text), format!("`{text}` is not an endpoint: {reason}"));
        }
    }

    #[test]
    fn websocket_urls_name_endpoints_too() {
        let url = "wss://bridge.example:8443/v1/data-channel/a%2Bb?role=x"
            .parse()
            .unwrap();
        let endpoint = Endpoint::of_uri(&url).unwrap();
        assert_eq!(
            (endpoint.host(), endpoint.port(), endpoint.is_tls()),
            ("bridge.example", 8443, true)
        );
    }
}
