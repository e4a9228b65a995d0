//! One TLS stack and one crypto provider: what must never be built in, checked even where cargo-deny is not installed.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::run::cargo;

/// Crates that bring a second stack, and why one is enough.
const BANNED: [(&str, &str); 4] = [
    ("ring", "the crypto provider is aws-lc-rs"),
    ("openssl-sys", "the TLS stack is rustls"),
    ("native-tls", "the TLS stack is rustls"),
    (
        "reqwest",
        "drawbridge-aws-client is the way out, and the agent must stay small",
    ),
];

/// Crates of which two versions in one tree would be two stacks.
const SINGLE: [&str; 5] = ["rustls", "aws-lc-rs", "tokio", "hyper", "tungstenite"];

/// Fails for a banned crate and for two versions of a stack in what is built for this machine.
///
/// `Cargo.lock` would not do: it also lists what no feature of ours turns on.
pub(crate) fn check(root: &Path) -> Result<()> {
    let output = cargo(root)
        .args([
            "tree",
            "--workspace",
            "--locked",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .output()
        .context("cannot start `cargo tree`")?;
    if !output.status.success() {
        bail!(
            "`cargo tree` failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let tree = String::from_utf8(output.stdout).context("`cargo tree` did not print text")?;
    let packages: BTreeSet<(&str, &str)> = tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.next()?))
        })
        .collect();
    for (banned, reason) in BANNED {
        if packages.iter().any(|(name, _)| *name == banned) {
            bail!(
                "`{banned}` is in the tree: {reason}\nhint: `cargo tree --invert {banned}` says who brought it"
            );
        }
    }
    for single in SINGLE {
        let versions: Vec<&str> = packages
            .iter()
            .filter(|(name, _)| *name == single)
            .map(|(_, version)| *version)
            .collect();
        if versions.len() > 1 {
            bail!(
                "several versions of `{single}` are in the tree: {versions:?}\nhint: `cargo tree --duplicates`"
            );
        }
    }
    eprintln!(
        "crates: {} in the tree, one TLS stack, one crypto provider",
        packages.len()
    );
    Ok(())
}
