//! What a person sees of a copy, on standard error.

use std::io::{IsTerminal as _, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use drawbridge_copy::{Watcher, shown};
use indicatif::{ProgressBar, ProgressStyle};

/// A bar for the present file where a person looks, and lines for everything that must be known.
#[derive(Clone)]
pub(super) struct Progress {
    bar: ProgressBar,
    tells_files: bool,
    failed: Arc<AtomicBool>,
}

/// The name, and right of it how far it is, in a width of 80 columns and more.
const TEMPLATE: &str =
    "{wide_msg} {bytes:>10} of {total_bytes:<10} {bytes_per_sec:>12} {eta:>4} {percent:>3}%";

impl Progress {
    /// Shows a bar on a terminal, unless `quiet`. With `verbose` it tells each file.
    pub(super) fn new(quiet: bool, verbose: bool) -> Self {
        let bar = if quiet || !stderr().is_terminal() {
            ProgressBar::hidden()
        } else {
            let style =
                ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::no_length().with_style(style)
        };
        Self {
            bar,
            tells_files: verbose,
            failed: Arc::default(),
        }
    }

    /// Tells one line.
    pub(super) fn line(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    /// Whether something was not copied.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Watcher for Progress {
    fn begins(&mut self, path: &[u8], size: u64, from: u64) {
        self.bar.set_length(size);
        self.bar.set_position(from);
        self.bar.reset_eta();
        self.bar.set_message(shown(path));
    }

    fn moves(&mut self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn copied(&mut self, path: &[u8], size: u64, from: u64) {
        if self.tells_files {
            let path = shown(path);
            self.line(&match from {
                0 => format!("`{path}`: {size} bytes"),
                _ => format!("`{path}`: {size} bytes, {from} of them were there already"),
            });
        }
    }

    fn fails(&mut self, path: &[u8], why: &str) {
        self.failed.store(true, Ordering::Release);
        let why = shown(why.as_bytes());
        self.line(&format!("error: cannot copy `{}`: {why}", shown(path)));
    }
}
