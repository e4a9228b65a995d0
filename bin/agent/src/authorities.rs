//! Whom to trust for the server.

use std::path::Path;

use anyhow::{Context, Result};
use drawbridge_aws_client::{Connector, Environment, Proxies, Tls};

/// Reads the certificate authorities of a file, if one is named, and the way to a server that they vouch for.
pub(crate) fn of(file: Option<&Path>) -> Result<(Option<Vec<u8>>, Connector)> {
    let environment = Environment::of_process();
    let (authorities, tls) = match file {
        Some(file) => {
            let pem = std::fs::read(file)
                .with_context(|| format!("cannot read certificate authorities from `{}`", file.display()))?;
            let tls = Tls::of_pem(&pem, &file.display().to_string())?;
            (Some(pem), tls)
        }
        None => (None, Tls::of_environment(&environment)?),
    };
    let connector = Connector::new(tls, Proxies::of_environment(&environment)?);
    Ok((authorities, connector))
}
