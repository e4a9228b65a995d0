//! Which certificate is shown to whom.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use drawbridge_session::FixedClock;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::lab::Lab;
use crate::ca::{CertificateAuthority, LeafCertificates, PrivateNames};

fn roots(pem: &str) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM"))
        .expect("a root");
    Arc::new(roots)
}

pub(super) fn client_config(pem: &str, alpn: &[&[u8]]) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots(pem))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

/// A TLS connection to the lab's server that trusts its authority.
pub(super) async fn connect_tls(lab: &Lab, alpn: &[&[u8]], name: &str) -> TlsStream<TcpStream> {
    let pem = std::fs::read_to_string(&lab.authority).expect("readable");
    let address: SocketAddr = lab.address;
    let stream = TcpStream::connect(address).await.expect("connected");
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let stream = TlsConnector::from(client_config(&pem, alpn))
        .connect(name, stream)
        .await
        .expect("trusted");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn[0]));
    stream
}

/// Whether a leaf is good for a name at some moment, as a client would judge.
fn is_good_for(authority_pem: &str, leaf: &CertificateDer<'_>, name: &str, at: jiff::Timestamp) -> bool {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots(authority_pem), provider)
        .build()
        .expect("a verifier");
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let now = UnixTime::since_unix_epoch(Duration::from_secs(at.as_second().unsigned_abs()));
    verifier.verify_server_cert(leaf, &[], &name, &[], now).is_ok()
}

#[test]
fn the_authority_is_made_once_and_kept_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("temp dir");
    let clock = Arc::new(FixedClock::default());
    let made = CertificateAuthority::load_or_create(folder.path(), clock.clone()).expect("made");
    let mode = std::fs::metadata(folder.path().join("ca.key"))
        .expect("key")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let pem = made.certificate_pem().to_owned();
    let loaded = CertificateAuthority::load_or_create(folder.path(), clock.clone()).expect("loaded");
    assert_eq!(loaded.certificate_pem(), pem);

    // What the loaded one signs is trusted by who trusts the made one.
    let certificates = LeafCertificates::new(loaded, vec!["localhost".to_owned()], None).expect("leaves");
    let now = drawbridge_session::Clock::now(clock.as_ref());
    let leaf = certificates.for_name(None);
    assert!(is_good_for(&pem, &leaf.cert[0], "localhost", now));
    assert!(!is_good_for(&pem, &leaf.cert[0], "example.com", now));
}

#[test]
fn a_damaged_authority_is_refused_and_not_replaced() {
    let folder = tempfile::tempdir().expect("temp dir");
    std::fs::write(folder.path().join("ca.key"), "nonsense").expect("written");
    let error = CertificateAuthority::load_or_create(folder.path(), Arc::new(FixedClock::default()))
        .expect_err("unusable");
    assert!(
        error
            .to_string()
            .contains("does not hold a certificate authority"),
        "{error}"
    );
}

#[test]
fn leaves_are_renewed_before_they_expire() {
    let folder = tempfile::tempdir().expect("temp dir");
    let clock = Arc::new(FixedClock::default());
    let authority = CertificateAuthority::load_or_create(folder.path(), clock.clone()).expect("made");
    let pem = authority.certificate_pem().to_owned();
    let certificates = LeafCertificates::new(authority, vec!["127.0.0.1".to_owned()], None).expect("leaves");
    let first = certificates.for_name(None);
    for _ in 0..40 {
        clock.advance(Duration::from_secs(10 * 24 * 3600));
        let leaf = certificates.for_name(None);
        assert!(is_good_for(
            &pem,
            &leaf.cert[0],
            "127.0.0.1",
            drawbridge_session::Clock::now(clock.as_ref())
        ));
    }
    assert_ne!(first.cert, certificates.for_name(None).cert);
}

#[test]
fn awss_names_have_a_certificate_of_their_own_in_private_names_mode_only() {
    let folder = tempfile::tempdir().expect("temp dir");
    let clock = Arc::new(FixedClock::default());
    let now = drawbridge_session::Clock::now(clock.as_ref());
    let authority = CertificateAuthority::load_or_create(folder.path(), clock.clone()).expect("made");
    let pem = authority.certificate_pem().to_owned();
    let names = Some(PrivateNames::of_region("eu-west-1"));
    let certificates = LeafCertificates::new(authority, vec!["localhost".to_owned()], names).expect("leaves");
    let good = |name: &str| is_good_for(&pem, &certificates.for_name(Some(name)).cert[0], name, now);
    for service in [
        "ssm",
        "ssmmessages",
        "ec2messages",
        "kms",
        "logs",
        "s3",
        "sts",
        "some-bucket.s3",
        "123456789012.s3-control",
    ] {
        assert!(good(&format!("{service}.eu-west-1.amazonaws.com")), "{service}");
    }
    for other in [
        "ssm.us-east-1.amazonaws.com",
        "iam.amazonaws.com",
        "a.b.s3.eu-west-1.amazonaws.com",
        "s3.amazonaws.com",
        "example.com",
    ] {
        assert!(!good(other), "{other}");
    }
    assert!(good("localhost"));
}

#[test]
fn the_first_regions_buckets_have_names_without_it() {
    let names = PrivateNames::of_region("us-east-1");
    for name in [
        "s3.amazonaws.com",
        "logs.s3.amazonaws.com",
        "logs.s3.us-east-1.amazonaws.com",
    ] {
        assert!(names.covers(name), "{name}");
    }
    for name in ["iam.amazonaws.com", ".s3.amazonaws.com", "a.b.s3.amazonaws.com"] {
        assert!(!names.covers(name), "{name}");
    }
}
