//! One TLS stack and one crypto provider: what must never appear in `Cargo.lock`, even where cargo-deny is not installed.

use std::path::Path;

use anyhow::{Context, Result, bail};

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

/// Fails for a banned crate and for two versions of a stack.
pub(crate) fn check(root: &Path) -> Result<()> {
    let path = root.join("Cargo.lock");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let lock: toml::Value = toml::from_str(&text).context("cannot parse `Cargo.lock`")?;
    let packages = lock["package"]
        .as_array()
        .context("`Cargo.lock` lists no packages")?;
    let names: Vec<&str> = packages
        .iter()
        .filter_map(|package| package["name"].as_str())
        .collect();
    for (banned, reason) in BANNED {
        if names.contains(&banned) {
            bail!(
                "`{banned}` is in the tree: {reason}\nhint: `cargo tree --invert {banned}` says who brought it"
            );
        }
    }
    for single in SINGLE {
        if names.iter().filter(|name| **name == single).count() > 1 {
            bail!("two versions of `{single}` are in the tree\nhint: `cargo tree --duplicates`");
        }
    }
    Ok(())
}
