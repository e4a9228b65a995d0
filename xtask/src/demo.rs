//! `cargo xtask demo`: the README's first command.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Error, Result};

use crate::run::{cargo, run as run_command, target_folder};

/// The programs a demonstration needs beside each other.
pub(crate) const PROGRAMS: [&str; 3] = [
    "drawbridge-bin-server",
    "drawbridge-bin-agent",
    "drawbridge-bin-plugin",
];

/// Builds the three programs with the release profile and becomes `drawbridge dev`.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<()> {
    let mut build = cargo(root);
    build.args(["build", "--release", "--locked"]);
    for program in PROGRAMS {
        build.args(["--package", program]);
    }
    run_command(&mut build)?;
    let program = target_folder(root).join("release/drawbridge");
    // In place of this process, so that Ctrl-C reaches the server alone and the shell waits for its end.
    let error = Command::new(&program).arg("dev").args(arguments).exec();
    Err(Error::new(error).context(format!("cannot start `{}`", program.display())))
}
