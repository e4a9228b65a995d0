//! `cargo xtask bench`: ratios against OpenSSH in the same run.

use std::path::Path;

use anyhow::{Result, bail};

/// Measures and prints.
pub(crate) fn run(_root: &Path) -> Result<()> {
    bail!("not built yet")
}
