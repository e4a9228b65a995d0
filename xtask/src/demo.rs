//! `cargo xtask demo`: the README's first command.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::run::{cargo, run as run_command, target_folder};

/// The programs a demonstration needs beside each other.
pub(crate) const PROGRAMS: [&str; 3] = [
    "drawbridge-bin-server",
    "drawbridge-bin-agent",
    "drawbridge-bin-plugin",
];

/// Builds the three programs with the release profile and runs `drawbridge dev`.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<()> {
    let mut build = cargo(root);
    build.args(["build", "--release", "--locked"]);
    for program in PROGRAMS {
        build.args(["--package", program]);
    }
    run_command(&mut build)?;
    run_command(
        Command::new(target_folder(root).join("release/drawbridge"))
            .arg("dev")
            .args(arguments),
    )
}
