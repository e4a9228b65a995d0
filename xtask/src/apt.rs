//! Debian packages the suite needs, installed only when something is missing.

use std::process::Command;

use anyhow::{Result, bail};

use crate::run::{run, succeeds};

/// Makes sure that every one of `packages` is installed.
pub(crate) fn ensure(packages: &[&str]) -> Result<()> {
    let missing: Vec<&str> = packages
        .iter()
        .copied()
        .filter(|package| !installed(package))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !succeeds(Command::new("apt-get").arg("--version")) {
        bail!("missing packages {missing:?}\nhint: this is not Debian; install their equivalents by hand");
    }
    let privileged = succeeds(Command::new("sh").args(["-c", "test $(id -u) -eq 0"]));
    let apt = || {
        let mut command = if privileged {
            Command::new("apt-get")
        } else {
            let mut command = Command::new("sudo");
            command.arg("apt-get");
            command
        };
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    run(apt().args(["update", "-q"]))?;
    run(apt()
        .args(["install", "-q", "-y", "--no-install-recommends"])
        .args(&missing))
}

fn installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["-W", "-f=${Status}", package])
        .output()
        .is_ok_and(|output| output.stdout.ends_with(b"ok installed"))
}
