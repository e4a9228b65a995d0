//! The environment that points the AWS CLI, boto3 and Terraform at this server.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use drawbridge_gateway::AdministratorKey;

/// What a shell needs to use this server.
pub(crate) struct Environment {
    /// `https://HOST:PORT`.
    pub(crate) endpoint: String,
    /// The administrator's access key, unless somebody deleted it.
    pub(crate) administrator: Option<AdministratorKey>,
    /// The region to sign for.
    pub(crate) region: String,
    /// PEM bundle of the system's roots and ours.
    pub(crate) certificate_bundle: PathBuf,
    /// The folder that holds our `session-manager-plugin`.
    pub(crate) programs: PathBuf,
    /// The managed node of `drawbridge dev`.
    pub(crate) node: Option<String>,
}

impl Environment {
    /// `export NAME=value` lines for a POSIX shell.
    pub(crate) fn export_lines(&self) -> String {
        let bundle = self.certificate_bundle.display().to_string();
        let mut pairs = vec![("AWS_ENDPOINT_URL", self.endpoint.clone())];
        if let Some(key) = &self.administrator {
            pairs.push(("AWS_ACCESS_KEY_ID", key.id.to_string()));
            pairs.push(("AWS_SECRET_ACCESS_KEY", key.secret.expose().to_owned()));
        }
        pairs.extend([
            ("AWS_DEFAULT_REGION", self.region.clone()),
            ("AWS_REGION", self.region.clone()),
            ("AWS_CA_BUNDLE", bundle.clone()),
            ("SSL_CERT_FILE", bundle),
        ]);
        if let Some(node) = &self.node {
            pairs.push(("DRAWBRIDGE_NODE_ID", node.clone()));
        }
        let mut lines = String::new();
        for (name, value) in pairs {
            writeln!(lines, "export {name}={}", quoted(&value)).expect("writing to a String cannot fail");
        }
        // A key of another session token would make every signature of ours wrong.
        lines.push_str("unset AWS_SESSION_TOKEN AWS_PROFILE\n");
        let programs = quoted(&self.programs.display().to_string());
        writeln!(lines, "export PATH={programs}:\"$PATH\"").expect("writing to a String cannot fail");
        lines
    }

    /// Writes the export lines to `path`, readable by the owner only, replacing it whole.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        write_private(path, self.export_lines().as_bytes())
            .with_context(|| format!("cannot write the environment file `{}`", path.display()))
    }
}

/// Replaces `path` whole with a file of mode 0600.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let partial = path.with_file_name(name);
    match std::fs::remove_file(&partial) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&partial)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(partial, path)
}

/// `value` as one word of a POSIX shell, plain where no quoting is needed.
fn quoted(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/:._-+=@%,".contains(&byte);
    if !value.is_empty() && value.bytes().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use drawbridge_session::Secret;

    use super::*;

    #[test]
    fn quotes_only_what_a_shell_would_read_otherwise() {
        assert_eq!(quoted("https://127.0.0.1:8443"), "https://127.0.0.1:8443");
        assert_eq!(quoted("/home/a b/$x"), "'/home/a b/$x'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn file_is_private_and_sources_in_a_shell() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("env file");
        let environment = Environment {
            endpoint: "https://127.0.0.1:1".to_owned(),
            administrator: Some(AdministratorKey {
                id: "AKIAABCDEFGHIJKLMNOP".parse().unwrap(),
                secret: Secret::new("se'cret $HOME".to_owned()),
            }),
            region: "us-east-1".to_owned(),
            certificate_bundle: folder.path().join("ca bundle.pem"),
            programs: folder.path().to_owned(),
            node: Some("mi-0123456789abcdef0".to_owned()),
        };
        environment.write(&path).unwrap();
        environment.write(&path).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        let shown = std::process::Command::new("sh")
            .args(["-c", ". \"$1\"; printf %s \"$AWS_SECRET_ACCESS_KEY\"", "sh"])
            .arg(&path)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&shown.stdout), "se'cret $HOME");
    }
}
