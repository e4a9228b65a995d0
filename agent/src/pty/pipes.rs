//! The pipes of a program that has no terminal.

use std::fs::File;
use std::io;
use std::process::Stdio;

use tokio::io::Interest;

use super::stream::Stream;

/// Our ends of a program's standard descriptors.
#[derive(Debug)]
pub(crate) struct Pipes {
    /// What the program reads; none when it reads nothing.
    pub input: Option<Stream>,
    /// What the program writes.
    pub output: Stream,
    /// What it writes as its errors; none when that goes the way of its output, in the order in which it was written.
    pub errors: Option<Stream>,
}

/// Which of a program's standard descriptors are pipes of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plumbing {
    /// Whether somebody writes what the program reads. Otherwise it reads the end of its input at once.
    pub has_input: bool,
    /// Whether errors are told apart from output.
    pub separates_errors: bool,
}

/// The program's ends.
#[derive(Debug)]
pub(super) struct ProgramEnds {
    pub(super) input: Stdio,
    pub(super) output: Stdio,
    pub(super) errors: Stdio,
}

impl Plumbing {
    /// Makes the pipes and returns both ends.
    pub(super) fn lay(self) -> io::Result<(Pipes, ProgramEnds)> {
        let (input, program_input) = if self.has_input {
            let (reader, writer) = io::pipe()?;
            let writer = Stream::new(writer.into(), Interest::WRITABLE)?;
            (Some(writer), Stdio::from(reader))
        } else {
            (None, Stdio::from(File::open("/dev/null")?))
        };
        let (output, program_output) = io::pipe()?;
        let (errors, program_errors) = if self.separates_errors {
            let (reader, writer) = io::pipe()?;
            (Some(Stream::new(reader.into(), Interest::READABLE)?), writer)
        } else {
            (None, program_output.try_clone()?)
        };
        let pipes = Pipes {
            input,
            output: Stream::new(output.into(), Interest::READABLE)?,
            errors,
        };
        let ends = ProgramEnds {
            input: program_input,
            output: program_output.into(),
            errors: program_errors.into(),
        };
        Ok((pipes, ends))
    }
}
