//! A certificate bundle that other tools in the same shell can live with: the system's roots and ours.

use std::path::Path;

use anyhow::{Context, Result};

/// Where distributions keep the system's roots.
const SYSTEM_BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
];

/// Writes the system's roots followed by `authority` to `bundle`.
pub(crate) fn write(authority: &Path, bundle: &Path) -> Result<()> {
    let mut text = SYSTEM_BUNDLES
        .iter()
        .find_map(|path| std::fs::read(path).ok())
        .unwrap_or_default();
    if text.last().is_some_and(|byte| *byte != b'\n') {
        text.push(b'\n');
    }
    let ours = std::fs::read(authority)
        .with_context(|| format!("cannot read the certificate authority `{}`", authority.display()))?;
    text.extend(ours);
    crate::environment::write_private(bundle, &text)
        .with_context(|| format!("cannot write the certificate bundle `{}`", bundle.display()))
}
