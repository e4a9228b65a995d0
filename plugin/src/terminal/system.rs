//! The process's own standard streams and signals as a [`Terminal`].

use std::future::pending;
use std::io::{self, IsTerminal, stderr, stdin, stdout};
use std::os::fd::{AsFd, OwnedFd};

use bytes::Bytes;
use drawbridge_protocol::payload::Size;
use rustix::io::Errno;
use rustix::process::{getpgrp, getpid, getsid, kill_current_process_group};

use super::input::InputReader;
use super::output::OutputWriter;
use super::signals::Signals;
use super::size::window_size;
use super::{Channel, Occurrence, RawMode, Signal, Terminal};

/// Standard input, output and error, or pipes that serve as such, and the signals of this process.
///
/// Nothing is read from standard input before the first [`Terminal::next`] that wants input, so that what is typed
/// ahead is neither lost nor taken from a program that runs later. Dropping it restores the terminal.
#[derive(Debug)]
pub struct SystemTerminal {
    interactive: bool,
    raw: Option<RawMode>,
    input: Input,
    output: OutputWriter,
    output_failed: bool,
    most_unwritten: usize,
    /// Whether the last byte printed leaves the cursor in the middle of a line.
    line_is_open: bool,
    signals: Signals,
}

#[derive(Debug)]
enum Input {
    Unread,
    Open(InputReader),
    Ended,
}

impl SystemTerminal {
    /// Takes over the standard streams and the signals of this process.
    ///
    /// Must be called within a runtime whose I/O is enabled. Errors: a stream is closed, or no thread can be started.
    pub fn open() -> io::Result<Self> {
        Ok(Self {
            interactive: stdin().is_terminal(),
            raw: None,
            input: Input::Unread,
            output: OutputWriter::spawn(
                stdout().as_fd().try_clone_to_owned()?,
                stderr().as_fd().try_clone_to_owned()?,
            )?,
            output_failed: false,
            most_unwritten: if stdout().is_terminal() {
                SCREENFULS_BYTES
            } else {
                PAGER_BYTES
            },
            line_is_open: false,
            signals: Signals::install()?,
        })
    }

    /// Takes over the signals of this process, with pipes in the place of its standard streams.
    ///
    /// Must be called within a runtime whose I/O is enabled. Errors: no thread can be started.
    pub fn on_pipes(input: OwnedFd, output: OwnedFd, errors: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            interactive: false,
            raw: None,
            input: Input::Open(InputReader::open(input)?),
            output: OutputWriter::spawn(output, errors)?,
            output_failed: false,
            most_unwritten: SCREENFULS_BYTES,
            line_is_open: false,
            signals: Signals::install()?,
        })
    }

    async fn next_input(input: &mut Input, want_input: bool) -> Occurrence {
        match input {
            Input::Open(reader) if want_input => match reader.next().await {
                Some(bytes) => Occurrence::Input(bytes),
                None => {
                    *input = Input::Ended;
                    Occurrence::EndOfInput
                }
            },
            Input::Unread | Input::Open(_) | Input::Ended => pending().await,
        }
    }

    async fn next_output(output: &OutputWriter, failed: &mut bool) -> Occurrence {
        if *failed {
            pending::<()>().await;
        }
        output.progress().await;
        match output.failure() {
            Some(error) => {
                *failed = true;
                // Only terminals fail so, when they have hung up; the signal may still be on its way.
                match error.raw_os_error() == Some(Errno::IO.raw_os_error()) {
                    true => Occurrence::Signal(Signal::Hangup),
                    false => Occurrence::OutputFailed(error),
                }
            }
            None => Occurrence::Written,
        }
    }
}

impl Terminal for SystemTerminal {
    fn is_interactive(&self) -> bool {
        self.interactive
    }

    fn enter_raw(&mut self) -> io::Result<()> {
        if self.interactive && self.raw.is_none() {
            self.raw = Some(RawMode::enter(stdin())?);
        }
        Ok(())
    }

    fn leave_raw(&mut self) {
        self.raw = None;
    }

    fn stop(&mut self) -> bool {
        // The whole job, as the AWS CLI waits for us and would not notice that we alone have stopped. A job that the
        // session's leader is part of (`xterm -e`, a container's first process) has no shell to bring it back.
        let leads_session = getsid(None).is_ok_and(|session| session == getpgrp());
        if leads_session || getpid().is_init() {
            return false;
        }
        kill_current_process_group(rustix::process::Signal::STOP).is_ok()
    }

    fn size(&self) -> Size {
        window_size(stdout())
    }

    fn write(&mut self, channel: Channel, bytes: Bytes) {
        if let Some(last) = bytes.last() {
            self.line_is_open = *last != b'\n';
        }
        self.output.write(channel, bytes);
    }

    fn notice(&mut self, sentence: &str) {
        let before = if std::mem::take(&mut self.line_is_open) {
            "\n"
        } else {
            ""
        };
        let mut text = format!("{before}{sentence}\n");
        if self.raw.is_some() {
            // Nobody else returns to the first column.
            text = text.replace('\n', "\r\n");
        }
        self.output.write(Channel::Notice, text.into());
    }

    fn backlog(&self) -> usize {
        self.output.backlog()
    }

    fn room(&self) -> usize {
        self.most_unwritten.saturating_sub(self.output.backlog())
    }

    async fn next(&mut self, want_input: bool) -> Occurrence {
        if want_input && matches!(self.input, Input::Unread) {
            let reader = stdin().as_fd().try_clone_to_owned().and_then(InputReader::open);
            // Without a standard input there is nothing to read, which is what its end means.
            match reader {
                Ok(reader) => self.input = Input::Open(reader),
                Err(_) => {
                    self.input = Input::Ended;
                    return Occurrence::EndOfInput;
                }
            }
        }
        tokio::select! {
            biased;
            signal = self.signals.next() => Occurrence::Signal(signal),
            occurrence = Self::next_output(&self.output, &mut self.output_failed) => occurrence,
            occurrence = Self::next_input(&mut self.input, want_input) => occurrence,
        }
    }

    async fn drained(&mut self) {
        self.output.drained().await;
    }
}

/// What a person who presses Ctrl-C still has to see go by: a blink.
const SCREENFULS_BYTES: usize = 256 * 1024;

/// A pager takes no more while somebody reads, and a session that ends meanwhile does not wait for readers.
const PAGER_BYTES: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, Read as _, Write as _};

    use super::*;

    #[tokio::test]
    async fn pipes_serve_as_streams_and_end_with_the_terminal() {
        let (input, mut typed) = io::pipe().unwrap();
        let (mut output, output_end) = io::pipe().unwrap();
        let (mut errors, errors_end) = io::pipe().unwrap();
        let mut terminal =
            SystemTerminal::on_pipes(input.into(), output_end.into(), errors_end.into()).unwrap();
        assert!(!terminal.is_interactive());
        typed.write_all(b"typed").unwrap();
        assert!(matches!(terminal.next(true).await, Occurrence::Input(bytes) if bytes == "typed"));
        terminal.write(Channel::Output, "shown".into());
        terminal.notice("told");
        terminal.drained().await;
        drop(terminal);
        let all = |pipe: &mut PipeReader| {
            let mut text = String::new();
            pipe.read_to_string(&mut text).unwrap();
            text
        };
        assert_eq!((&*all(&mut output), &*all(&mut errors)), ("shown", "\ntold\n"));
        assert_eq!(
            typed.write(b"more").unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
    }
}
