//! HTTP proxies: which hosts go through one, and the `CONNECT` that opens the tunnel.

mod exempt;
mod tunnel;

use std::io;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;

use crate::environment::Environment;
use exempt::Exemptions;

pub(crate) use tunnel::open as open_tunnel;

/// The proxies a process is told to use: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, in either case.
///
/// Loopback addresses and `localhost` never go through a proxy.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    secure: Option<Proxy>,
    plain: Option<Proxy>,
    exempt: Exemptions,
}

/// One proxy: where it is and what it asks for.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The value of `Proxy-Authorization`.
    pub(crate) authorization: Option<SecretString>,
}

/// Why a tunnel did not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// The variable holds something that is not a proxy URL.
    #[error("`{variable}` is not a proxy URL: {reason}")]
    BadUrl {
        /// Name of the variable; its value may hold a password.
        variable: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The connection to the proxy failed.
    #[error("cannot talk to proxy `{proxy}`")]
    Io {
        /// `host:port` of the proxy.
        proxy: String,
        /// What the system said.
        source: io::Error,
    },
    /// The proxy said no.
    #[error("proxy `{proxy}` answered {status}")]
    Refused {
        /// `host:port` of the proxy.
        proxy: String,
        /// HTTP status.
        status: u16,
    },
    /// The proxy's answer is not HTTP or too long.
    #[error("proxy `{proxy}` does not speak HTTP")]
    Garbage {
        /// `host:port` of the proxy.
        proxy: String,
    },
}

impl Proxies {
    /// Uses no proxy at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads the proxy variables; lower case wins, as in other programs.
    ///
    /// # Errors
    /// [`ProxyError::BadUrl`].
    pub fn of_environment(environment: &Environment) -> Result<Self, ProxyError> {
        let find = |names: [&'static str; 2]| {
            names
                .into_iter()
                .find_map(|name| Some((name, environment.value(name)?)))
        };
        let proxy = |names| find(names).map(|(name, url)| Proxy::parse(name, url)).transpose();
        let exempt = find(["no_proxy", "NO_PROXY"]).map(|(_, list)| Exemptions::parse(list));
        Ok(Self {
            secure: proxy(["https_proxy", "HTTPS_PROXY"])?,
            plain: proxy(["http_proxy", "HTTP_PROXY"])?,
            exempt: exempt.unwrap_or_default(),
        })
    }

    /// The proxy that a connection to `host:port` goes through.
    pub(crate) fn of(&self, tls: bool, host: &str, port: u16) -> Option<&Proxy> {
        let proxy = if tls {
            self.secure.as_ref()
        } else {
            self.plain.as_ref()
        };
        proxy.filter(|_| !self.exempt.covers(host, port))
    }
}

impl Proxy {
    fn parse(variable: &str, url: &str) -> Result<Self, ProxyError> {
        let fail = |reason| ProxyError::BadUrl {
            variable: variable.to_owned(),
            reason,
        };
        let rest = match url.split_once("://") {
            None => url,
            Some(("http", rest)) => rest,
            Some(_) => return Err(fail("only `http://` proxies are supported")),
        };
        let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (user, address) = match rest.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, rest),
        };
        let authority: http::uri::Authority = address
            .parse()
            .map_err(|_| fail("it does not name a host and a port"))?;
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        if host.is_empty() {
            return Err(fail("it names no host"));
        }
        let authorization = user
            .map(|user| tunnel::basic(&decoded(user)))
            .transpose()
            .map_err(fail)?;
        Ok(Self {
            host,
            port: authority.port_u16().unwrap_or(80),
            authorization,
        })
    }

    /// `host:port`, for messages.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// Splits `user:password` and decodes both.
fn decoded(user_information: &str) -> (Vec<u8>, Vec<u8>) {
    let (user, password) = user_information.split_once(':').unwrap_or((user_information, ""));
    (
        percent_decode_str(user).collect(),
        percent_decode_str(password).collect(),
    )
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::{Proxies, ProxyError};
    use crate::environment::Environment;

    fn proxies(pairs: &[(&str, &str)]) -> Result<Proxies, ProxyError> {
        Proxies::of_environment(&pairs.iter().copied().collect::<Environment>())
    }

    #[test]
    fn picks_the_proxy_by_scheme() {
        let proxies = proxies(&[
            ("HTTPS_PROXY", "http://secure:3128"),
            ("http_proxy", "plain:8080/"),
        ])
        .unwrap();
        assert_eq!(
            proxies.of(true, "example.com", 443).unwrap().address(),
            "secure:3128"
        );
        assert_eq!(
            proxies.of(false, "example.com", 80).unwrap().address(),
            "plain:8080"
        );
        assert!(Proxies::none().of(true, "example.com", 443).is_none());
    }

    #[test]
    fn lower_case_wins_and_empty_is_unset() {
        let proxies = proxies(&[
            ("HTTPS_PROXY", "http://upper:1"),
            ("https_proxy", "http://lower:2"),
            ("http_proxy", ""),
        ])
        .unwrap();
        assert_eq!(proxies.of(true, "a.b", 443).unwrap().address(), "lower:2");
        assert!(proxies.of(false, "a.b", 80).is_none());
    }

    #[test]
    fn user_and_password_are_decoded_and_hidden() {
        let proxies = proxies(&[("https_proxy", "http://me:p%40ss@[::1]:99")]).unwrap();
        let proxy = proxies.of(true, "example.com", 443).unwrap();
        assert_eq!(proxy.address(), "::1:99");
        assert_eq!(
            proxy.authorization.as_ref().unwrap().expose_secret(),
            "Basic bWU6cEBzcw=="
        );
        assert!(!format!("{proxies:?}").contains("p@ss"));
        assert!(!format!("{proxies:?}").contains("bWU6"));
    }

    #[test]
    fn refuses_what_is_not_an_http_proxy() {
        for url in ["socks5://x:1", "https://x:1", "http://", "http://a b"] {
            let error = proxies(&[("https_proxy", url)]).unwrap_err();
            assert!(
                error.to_string().starts_with("`https_proxy` is not a proxy URL"),
                "{error}"
            );
        }
    }
}
