//! `cargo xtask check`: everything that can be said about the code without running it.

use std::path::Path;

use anyhow::Result;

use crate::run::{cargo, run as run_command, succeeds};
use crate::{arrows, banned};

/// Runs every static check; the first failure ends it.
pub(crate) fn run(root: &Path) -> Result<()> {
    run_command(cargo(root).args(["fmt", "--all", "--check"]))?;
    arrows::check(root)?;
    banned::check(root)?;
    run_command(cargo(root).args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "--deny",
        "warnings",
    ]))?;
    run_command(
        cargo(root)
            .args(["doc", "--workspace", "--no-deps", "--locked"])
            .env("RUSTDOCFLAGS", "--deny warnings"),
    )?;
    if succeeds(cargo(root).args(["deny", "--version"])) {
        run_command(cargo(root).args(["deny", "check", "licenses", "bans", "sources"]))?;
    } else {
        eprintln!("skipped: cargo-deny is not installed (`cargo install cargo-deny`)");
    }
    Ok(())
}
