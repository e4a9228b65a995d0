//! A small TLS server on a free port, with a certificate authority of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use drawbridge_aws_client::{Client, Connector, Endpoint, Proxies, Tls};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A certificate authority that tests trust, or do not.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        // Two authorities of one name would be told apart by their signatures only.
        let name = format!("authority {:02x?}", &key.public_key_raw()[..8]);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A client's trust in exactly this authority.
    pub(crate) fn trusted(&self) -> Tls {
        Tls::of_pem(self.pem.as_bytes(), "the test's authority").unwrap()
    }

    fn server_config(&self, name: &str, expired: bool) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        Arc::new(config)
    }
}

/// A listening server; it stops with the test's runtime.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) authority: Authority,
    /// Connections accepted so far.
    pub(crate) accepted: Arc<AtomicUsize>,
}

impl Server {
    /// Answers every request with what `answer` makes of it.
    pub(crate) async fn answering<F>(answer: F) -> Self
    where
        F: Fn(Request<Bytes>) -> Response<Bytes> + Clone + Send + Sync + 'static,
    {
        Self::handling("localhost", false, move |stream| {
            let answer = answer.clone();
            async move {
                let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let answer = answer.clone();
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await?.to_bytes();
                        Ok::<_, hyper::Error>(answer(Request::from_parts(head, body)).map(Full::new))
                    }
                });
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            }
        })
        .await
    }

    /// Hands every TLS connection to `handle`, under a certificate for `name`.
    pub(crate) async fn handling<F, R>(name: &str, expired: bool, handle: F) -> Self
    where
        F: Fn(TlsStream<TcpStream>) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let authority = Authority::new();
        let acceptor = TlsAcceptor::from(authority.server_config(name, expired));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                if let Ok(stream) = acceptor.accept(stream).await {
                    tokio::spawn(handle(stream));
                }
            }
        });
        Self {
            address,
            authority,
            accepted,
        }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        format!("https://localhost:{}", self.address.port())
            .parse()
            .unwrap()
    }

    pub(crate) fn connector(&self) -> Connector {
        Connector::new(self.authority.trusted(), Proxies::none())
    }

    /// A client that trusts this server and believes it is `now`.
    pub(crate) fn client(&self, now: Timestamp) -> Client {
        Client::new(
            self.endpoint(),
            "us-east-1",
            self.connector(),
            Arc::new(move || now),
        )
    }
}

/// The time in all tests.
pub(crate) fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}
