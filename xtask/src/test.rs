//! `cargo xtask test`: the README's second command, and what continuous integration runs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::Result;

use crate::demo::PROGRAMS;
use crate::run::{cargo, run as run_command, run_beside, target_folder};
use crate::{apt, check};

/// What the end-to-end tests start that is not ours.
const PACKAGES: &[&str] = &[
    "iproute2",
    "libnss-extrausers",
    "openssh-client",
    "openssh-server",
    "postgresql",
    "procps",
    "python3",
    "python3-venv",
    "redis-server",
    "rsync",
    "sudo",
    "tmux",
];

/// Checks, unit tests, simulation, and (unless `quick`) the end-to-end tests with the real AWS CLI.
pub(crate) fn run(root: &Path, quick: bool) -> Result<()> {
    check::run(root)?;
    run_command(cargo(root).args(["test", "--workspace", "--locked"]))?;
    if quick {
        return Ok(());
    }
    let mut build = cargo(root);
    build.args(["build", "--locked"]);
    for program in PROGRAMS {
        build.args(["--package", program]);
    }
    run_command(&mut build)?;
    apt::ensure(PACKAGES)?;
    let python = virtual_environment(root)?;
    let tests = |marked: &str| {
        let mut pytest = Command::new(&python);
        pytest
            .args([
                "-m",
                "pytest",
                "-q",
                "--durations=8",
                "-m",
                marked,
                "tests/end-to-end",
            ])
            .env("DRAWBRIDGE_PROGRAMS", target_folder(root).join("debug"))
            .current_dir(root);
        pytest
    };
    // Each of the two starts a server of its own.
    thread::scope(|scope| {
        let beside = scope.spawn(|| run_beside(&mut tests("terraform")));
        let others = run_command(&mut tests("not terraform"));
        let beside = beside.join().expect("nothing in it panics");
        others.and(beside)
    })
}

/// Makes or refreshes `.venv` with the pinned AWS CLI and boto3; answers its python.
pub(crate) fn virtual_environment(root: &Path) -> Result<PathBuf> {
    let folder = root.join(".venv");
    let python = folder.join("bin/python");
    if !python.exists() {
        run_command(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    }
    run_command(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--requirement"])
            .arg(root.join("tests/end-to-end/requirements.txt")),
    )?;
    Ok(python)
}
