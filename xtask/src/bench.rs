//! `cargo xtask bench`: ratios against OpenSSH in the same run, what decisions and audited calls cost, and tunnels.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::demo::PROGRAMS;
use crate::run::{cargo, run as run_command, target_folder};
use crate::{apt, test};

/// Builds the programs with the release profile, measures, and prints Markdown tables.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<()> {
    let mut build = cargo(root);
    build.args(["build", "--release", "--locked"]);
    for program in PROGRAMS {
        build.args(["--package", program]);
    }
    for bench in [
        "drawbridge-bench-idle",
        "drawbridge-bench-access",
        "drawbridge-bench-tunnel",
    ] {
        build.args(["--package", bench]);
    }
    run_command(&mut build)?;
    apt::ensure(&["openssh-client", "openssh-server", "python3", "python3-venv"])?;
    let python = test::virtual_environment(root)?;
    for measurement in ["terminal.py", "recording.py", "exec.py", "access.py", "tunnel.py"] {
        run_command(
            Command::new(&python)
                .arg(root.join("benches").join(measurement))
                .args(arguments)
                .env("DRAWBRIDGE_PROGRAMS", target_folder(root).join("release")),
        )?;
    }
    Ok(())
}
