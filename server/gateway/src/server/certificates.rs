//! The server's certificates, and the names in them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use drawbridge_session::Clock;

use super::ServerConfig;
use crate::ca::{AuthorityError, CertificateAuthority, LeafCertificates, PrivateNames};

/// Loads the authority, or makes one, and has it certify the server.
pub(super) fn certificates(
    config: &ServerConfig,
    folder: &Path,
    address: SocketAddr,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<LeafCertificates>, AuthorityError> {
    let private = config
        .private_names
        .then(|| PrivateNames::of_region(config.region.as_str()));
    let authority = CertificateAuthority::load_or_create(folder, Arc::clone(clock))?;
    let hosts = certificate_hosts(config, address);
    Ok(Arc::new(LeafCertificates::new(authority, hosts, private)?))
}

/// What the certificate names: this machine by every name it may be called, and what the operator adds.
fn certificate_hosts(config: &ServerConfig, address: SocketAddr) -> Vec<String> {
    let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if !address.ip().is_unspecified() {
        hosts.push(address.ip().to_string());
    }
    hosts.extend(hostname());
    hosts.extend(config.public_host.as_deref().map(without_port));
    hosts.extend(config.certificate_hosts.iter().cloned());
    let mut seen = std::collections::HashSet::new();
    hosts.retain(|host| !host.is_empty() && seen.insert(host.clone()));
    hosts
}

fn hostname() -> Option<String> {
    let name = rustix::system::uname();
    let name = name.nodename().to_str().ok()?;
    // A name that a certificate cannot carry must not keep the server from starting.
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    plain.then(|| name.to_owned())
}

fn without_port(host: &str) -> String {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            name.trim_start_matches('[').trim_end_matches(']').to_owned()
        }
        _ => host.to_owned(),
    }
}
