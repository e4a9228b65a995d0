//! The built-in certificate authority: one key per data folder, short-lived leaf certificates in memory.
//!
//! The authority's certificate is what operators hand out (`ca.pem`); its key (`ca.key`, mode 0600) never
//! leaves the data folder. Leaf keys are made at each start and never touch the disk, so there is nothing to
//! renew by hand and nothing to steal from a backup but the authority itself.

mod leaf;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use drawbridge_session::Clock;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls_pki_types::PrivatePkcs8KeyDer;

pub use leaf::{LeafCertificates, PrivateNames};

/// File of the authority's certificate, PEM, inside its folder.
pub const CERTIFICATE_FILE: &str = "ca.pem";

/// File of the authority's key, PEM, mode 0600, inside its folder.
pub const KEY_FILE: &str = "ca.key";

/// How long the authority itself is trusted.
const AUTHORITY_DAYS: i64 = 3650;

/// How long a leaf is valid. Well under the 398 days some clients insist on.
const LEAF_DAYS: i64 = 90;

/// Certificates start this much earlier than now, for peers whose clocks are behind.
const BACKDATE_DAYS: i64 = 1;

/// Why the authority could not be loaded or used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file could not be read or written.
    #[error("cannot access `{}`", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Only one of the two files is there, or they are not what this program wrote.
    #[error("`{}` does not hold a certificate authority of this program: {reason}", folder.display())]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Issue(#[source] rcgen::Error),
}

/// Signs the server's certificates.
pub struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateAuthority").finish_non_exhaustive()
    }
}

impl CertificateAuthority {
    /// Loads the authority of a folder, making it first when the folder holds none.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or created, or does not hold what it should.
    pub fn load_or_create(
        folder: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<CertificateAuthority, AuthorityError> {
        let key_path = folder.join(KEY_FILE);
        match std::fs::read_to_string(&key_path) {
            Ok(key_pem) => CertificateAuthority::load(folder, &key_pem, clock),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                CertificateAuthority::create(folder, clock)
            }
            Err(source) => Err(AuthorityError::File {
                path: key_path,
                source,
            }),
        }
    }

    /// The authority's certificate, PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    fn load(
        folder: &Path,
        key_pem: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<CertificateAuthority, AuthorityError> {
        let unusable = |reason: String| AuthorityError::Unusable {
            folder: folder.to_owned(),
            reason,
        };
        let key = KeyPair::from_pem(key_pem).map_err(|error| unusable(error.to_string()))?;
        let path = folder.join(CERTIFICATE_FILE);
        let certificate_pem = std::fs::read_to_string(&path).map_err(|source| AuthorityError::File {
            path: path.clone(),
            source,
        })?;
        if !certificate_pem.contains("-----BEGIN CERTIFICATE-----") {
            return Err(unusable(format!("`{CERTIFICATE_FILE}` holds no certificate")));
        }
        let issuer = Issuer::new(authority_params(&key, clock.now()), key);
        Ok(CertificateAuthority {
            issuer,
            certificate_pem,
            clock,
        })
    }

    fn create(folder: &Path, clock: Arc<dyn Clock>) -> Result<CertificateAuthority, AuthorityError> {
        let key = KeyPair::generate().map_err(AuthorityError::Issue)?;
        let params = authority_params(&key, clock.now());
        let certificate_pem = params.self_signed(&key).map_err(AuthorityError::Issue)?.pem();
        // The certificate first: a start that dies between the two leaves no key, and the next one begins anew.
        let certificate_path = folder.join(CERTIFICATE_FILE);
        std::fs::write(&certificate_path, &certificate_pem).map_err(|source| AuthorityError::File {
            path: certificate_path,
            source,
        })?;
        let key_path = folder.join(KEY_FILE);
        write_private(&key_path, key.serialize_pem().as_bytes()).map_err(|source| AuthorityError::File {
            path: key_path,
            source,
        })?;
        let issuer = Issuer::new(params, key);
        Ok(CertificateAuthority {
            issuer,
            certificate_pem,
            clock,
        })
    }

    /// Issues a certificate for these names and addresses, with a key of its own.
    pub(crate) fn issue(&self, names: &[String]) -> Result<Issued, AuthorityError> {
        let key = KeyPair::generate().map_err(AuthorityError::Issue)?;
        let mut params = CertificateParams::new(names).map_err(AuthorityError::Issue)?;
        let now = self.clock.now();
        set_validity(&mut params, now, LEAF_DAYS);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // rcgen puts its own name here by default; the names that count are the alternative ones.
        params.distinguished_name.remove(DnType::CommonName);
        params
            .distinguished_name
            .push(DnType::OrganizationName, "Drawbridge");
        let certificate = params
            .signed_by(&key, &self.issuer)
            .map_err(AuthorityError::Issue)?;
        Ok(Issued {
            certificate: certificate.into(),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()),
            renew_at: now + SignedDuration::from_hours(24 * LEAF_DAYS * 2 / 3),
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// A fresh leaf.
pub(crate) struct Issued {
    pub(crate) certificate: rustls_pki_types::CertificateDer<'static>,
    pub(crate) key: PrivatePkcs8KeyDer<'static>,
    pub(crate) renew_at: Timestamp,
}

/// The authority's own certificate. Everything in it that a leaf repeats follows from the key, so that it can
/// be made again from the key alone.
fn authority_params(key: &KeyPair, now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Drawbridge");
    let name = format!("Drawbridge authority {}", fingerprint(key));
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, now, AUTHORITY_DAYS);
    params
}

/// Tells apart the authorities of two data folders in one bundle.
fn fingerprint(key: &KeyPair) -> String {
    use rcgen::PublicKeyData;
    // The end of an uncompressed point is as good as random.
    let public = key.der_bytes();
    public[public.len().saturating_sub(4)..]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Makes a certificate valid from a little before now for some days, by midnights.
fn set_validity(params: &mut CertificateParams, now: Timestamp, days: i64) {
    let midnight = |days: i64| {
        let then = now
            .saturating_add(SignedDuration::from_hours(24 * days))
            .unwrap_or(now);
        let date = then.to_zoned(TimeZone::UTC).date();
        rcgen::date_time_ymd(i32::from(date.year()), date.month() as u8, date.day() as u8)
    };
    params.not_before = midnight(-BACKDATE_DAYS);
    params.not_after = midnight(days);
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
