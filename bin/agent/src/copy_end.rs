//! `drawbridge-agent copy-end`: the node's end of `drawbridge cp`.
//!
//! Runs as the account of the session, which limits what it can read and write. It says nothing on standard error: the client
//! is told of everything that fails, and otherwise there is no client any more.

use std::fs::File;
use std::io::{stdin, stdout};
use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result};
use drawbridge_copy::{Asked, Destination, Sources, Unwatched, receive, send};

use crate::cli::CopyEnd;

/// Copies over standard input and output.
pub(crate) fn copy_end(end: CopyEnd) -> Result<()> {
    // Without the buffer of lines that the standard library keeps there.
    let output = stdout().as_fd().try_clone_to_owned();
    let output = File::from(output.context("cannot use standard output")?);
    let _told = match end {
        CopyEnd::Send { recursive, paths } => {
            let sources = Sources { paths, recursive };
            send(&sources, stdin(), output, &mut Unwatched)
        }
        CopyEnd::Receive {
            into_folder,
            resume,
            path,
        } => {
            let destination = Destination {
                path,
                must_be_folder: into_folder,
                resume,
            };
            let asked = Asked::anything();
            receive(&destination, asked, stdin().lock(), output, &mut Unwatched)
        }
    };
    Ok(())
}
