//! The `CONNECT` request and its answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{Proxy, ProxyError};

/// More header than any proxy sends, in bytes.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// The value of `Proxy-Authorization` for a user and a password.
pub(super) fn basic((user, password): &(Vec<u8>, Vec<u8>)) -> Result<SecretString, &'static str> {
    if user.contains(&b':') {
        return Err("its user name contains a colon");
    }
    let pair = [user.as_slice(), b":", password.as_slice()].concat();
    Ok(SecretString::from(format!("Basic {}", STANDARD.encode(pair))))
}

/// Asks the proxy behind `stream` for a tunnel to `host:port`; afterwards the stream is the tunnel.
pub(crate) async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    proxy: &Proxy,
    host: &str,
    port: u16,
) -> Result<(), ProxyError> {
    let failed = |source| ProxyError::Io {
        proxy: proxy.address(),
        source,
    };
    let target = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(authorization) = &proxy.authorization {
        request.push_str("Proxy-Authorization: ");
        request.push_str(authorization.expose_secret());
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await.map_err(failed)?;

    let mut answer = Vec::with_capacity(512);
    while !answer.ends_with(b"\r\n\r\n") {
        // One byte at a time: what follows the header belongs to the tunnel.
        let byte = stream.read_u8().await.map_err(failed)?;
        answer.push(byte);
        if answer.len() > MAX_ANSWER_BYTES {
            return Err(ProxyError::Garbage {
                proxy: proxy.address(),
            });
        }
    }
    match status(&answer) {
        Some(status) if (200..300).contains(&status) => Ok(()),
        Some(status) => Err(ProxyError::Refused {
            proxy: proxy.address(),
            status,
        }),
        None => Err(ProxyError::Garbage {
            proxy: proxy.address(),
        }),
    }
}

fn status(answer: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(answer.split(|byte| *byte == b'\r').next()?).ok()?;
    line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::{Proxy, ProxyError, open};

    async fn converse(answer: &'static [u8]) -> (String, Result<Vec<u8>, ProxyError>) {
        let proxy = Proxy {
            host: "proxy".to_owned(),
            port: 3128,
            authorization: None,
        };
        let (mut near, mut far) = duplex(64 * 1024);
        let script = async move {
            let mut request = vec![0; 1024];
            let length = far.read(&mut request).await.unwrap();
            far.write_all(answer).await.unwrap();
            String::from_utf8(request[..length].to_vec()).unwrap()
        };
        let client = async {
            open(&mut near, &proxy, "example.com", 443).await?;
            let mut rest = Vec::new();
            near.read_to_end(&mut rest).await.unwrap();
            Ok(rest)
        };
        let (request, outcome) = tokio::join!(script, client);
        (request, outcome)
    }

    #[tokio::test]
    async fn asks_for_the_target_and_leaves_the_tunnel_untouched() {
        let (request, rest) =
            converse(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\nfirst bytes").await;
        assert_eq!(
            request,
            "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n"
        );
        assert_eq!(rest.unwrap(), b"first bytes");
    }

    #[tokio::test]
    async fn names_the_refusal() {
        let (_, outcome) = converse(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
        assert_eq!(
            outcome.unwrap_err().to_string(),
            "proxy `proxy:3128` answered 407"
        );
        let (_, outcome) = converse(b"SSH-2.0-x\r\n\r\n").await;
        assert!(matches!(outcome, Err(ProxyError::Garbage { .. })));
        let (_, outcome) = converse(b"HTTP/1.1 200").await;
        assert!(matches!(outcome, Err(ProxyError::Io { .. })));
    }
}
