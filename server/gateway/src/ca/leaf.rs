//! Which certificate a connection is answered with.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivateKeyDer;

use super::{AuthorityError, CertificateAuthority};

/// Services that AWS's programs look for under names of their own (private-names mode).
const PRIVATE_SERVICES: [&str; 7] = ["ssm", "ssmmessages", "ec2messages", "kms", "logs", "s3", "sts"];

/// Those that have a label before their name: a bucket, and an account.
const LABELLED_SERVICES: [&str; 2] = ["s3", "s3-control"];

/// The region whose buckets have names without a region, too.
const FIRST_REGION: &str = "us-east-1";

/// The names of AWS's that this server also answers for, once the operator points them at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateNames {
    /// As a certificate has them: `*.` stands for one label.
    names: Vec<String>,
}

impl PrivateNames {
    /// The names of one region.
    pub fn of_region(region: &str) -> PrivateNames {
        let plain = PRIVATE_SERVICES.iter().map(|service| (*service).to_owned());
        let labelled = LABELLED_SERVICES.iter().map(|service| format!("*.{service}"));
        let mut names: Vec<_> = plain
            .chain(labelled)
            .map(|service| format!("{service}.{region}.amazonaws.com"))
            .collect();
        if region == FIRST_REGION {
            names.extend(["s3.amazonaws.com", "*.s3.amazonaws.com"].map(str::to_owned));
        }
        PrivateNames { names }
    }

    /// Whether a requested name is one of them.
    pub fn covers(&self, name: &str) -> bool {
        let labelled = |own: &str| {
            let label = own.strip_prefix('*').and_then(|rest| name.strip_suffix(rest));
            label.is_some_and(|label| !label.is_empty() && !label.contains('.'))
        };
        self.names.iter().any(|own| own == name || labelled(own))
    }
}

/// The server's certificates, renewed as they age.
#[derive(Debug)]
pub struct LeafCertificates {
    authority: CertificateAuthority,
    own: Slot,
    private: Option<(PrivateNames, Slot)>,
}

impl LeafCertificates {
    /// Issues certificates for the server's own `hosts` (names or addresses) and, if given, for AWS's names.
    ///
    /// # Errors
    ///
    /// When a host is not a name a certificate can carry.
    pub fn new(
        authority: CertificateAuthority,
        hosts: Vec<String>,
        private: Option<PrivateNames>,
    ) -> Result<LeafCertificates, AuthorityError> {
        let own = Slot::issue(&authority, hosts)?;
        let private = match private {
            Some(names) => {
                let slot = Slot::issue(&authority, names.names.clone())?;
                Some((names, slot))
            }
            None => None,
        };
        Ok(LeafCertificates {
            authority,
            own,
            private,
        })
    }

    pub(crate) fn for_name(&self, name: Option<&str>) -> Arc<CertifiedKey> {
        match (&self.private, name) {
            (Some((names, slot)), Some(name)) if names.covers(name) => slot.current(&self.authority),
            _ => self.own.current(&self.authority),
        }
    }
}

impl ResolvesServerCert for LeafCertificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.for_name(hello.server_name()))
    }
}

/// One set of names and its present certificate.
#[derive(Debug)]
struct Slot {
    names: Vec<String>,
    current: Mutex<(Arc<CertifiedKey>, Timestamp)>,
}

impl Slot {
    fn issue(authority: &CertificateAuthority, names: Vec<String>) -> Result<Slot, AuthorityError> {
        let current = Mutex::new(certify(authority, &names)?);
        Ok(Slot { names, current })
    }

    fn current(&self, authority: &CertificateAuthority) -> Arc<CertifiedKey> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if authority.now() >= current.1 {
            match certify(authority, &self.names) {
                Ok(renewed) => *current = renewed,
                // A third of its life is left: the next handshake tries again.
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "cannot renew a certificate"
                    );
                }
            }
        }
        Arc::clone(&current.0)
    }
}

fn certify(
    authority: &CertificateAuthority,
    names: &[String],
) -> Result<(Arc<CertifiedKey>, Timestamp), AuthorityError> {
    let issued = authority.issue(names)?;
    let key = any_supported_type(&PrivateKeyDer::Pkcs8(issued.key))
        .expect("a key that was just generated is of a supported type");
    Ok((
        Arc::new(CertifiedKey::new(vec![issued.certificate], key)),
        issued.renew_at,
    ))
}
