//! Frames on a pair of streams.

use std::io::{self, Read, Write};

use crate::frame::{Decoder, Frame, FrameError, MAX_DATA, VERSION};

/// Why a copy could not be carried through.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The other end speaks another version.
    #[error("the other end speaks version {0} of the copy protocol, and this one version {VERSION}")]
    Version(u16),
    /// The other end says something that it may not say.
    #[error("the other end broke the rules of the copy: {0}")]
    Frame(#[from] FrameError),
    /// The same, where each frame for itself is right.
    #[error("the other end broke the rules of the copy: {0}")]
    Violation(&'static str),
    /// The other end has gone without a word.
    #[error("nobody answered at the other end")]
    Unanswered,
    /// The other end has gone.
    #[error("the copy was interrupted")]
    Interrupted,
    /// The other end cannot go on, and says why.
    #[error("{0}")]
    Stopped(String),
    /// This end cannot go on.
    #[error("{0}")]
    Unable(String),
    /// The way to the other end is broken.
    #[error("the copy was interrupted")]
    Stream(#[source] io::Error),
}

impl CopyError {
    /// What the other end is to be told of it.
    pub(crate) fn last_word(&self) -> Option<Frame> {
        match self {
            // To whom this means nothing.
            Self::Frame(FrameError::Stranger) => None,
            Self::Version(_) | Self::Frame(_) | Self::Violation(_) | Self::Unable(_) => {
                Some(Frame::Stop(self.to_string()))
            }
            Self::Unanswered | Self::Interrupted | Self::Stopped(_) | Self::Stream(_) => None,
        }
    }
}

/// What the other end says.
pub(crate) struct FrameReader<R> {
    input: R,
    decoder: Decoder,
    buffer: Vec<u8>,
}

impl<R: Read> FrameReader<R> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            input,
            decoder: Decoder::default(),
            buffer: vec![0; MAX_DATA],
        }
    }

    /// Waits for the next frame; `Stop` is an error.
    pub(crate) fn next(&mut self) -> Result<Frame, CopyError> {
        loop {
            match self.decoder.next_frame()? {
                Some(Frame::Stop(why)) => return Err(CopyError::Stopped(why)),
                Some(frame) => return Ok(frame),
                None => {}
            }
            match self.input.read(&mut self.buffer) {
                Ok(0) => return Err(CopyError::Interrupted),
                Ok(count) => self.decoder.push(&self.buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(CopyError::Stream(error)),
            }
        }
    }

    /// Waits for the greeting of the other end.
    pub(crate) fn greeting(&mut self) -> Result<(), CopyError> {
        match self.next() {
            Ok(Frame::Hello { version: VERSION }) => Ok(()),
            Ok(Frame::Hello { version }) => Err(CopyError::Version(version)),
            Ok(_) => Err(FrameError::Stranger.into()),
            Err(CopyError::Frame(_)) => Err(FrameError::Stranger.into()),
            Err(CopyError::Interrupted | CopyError::Stream(_)) => Err(CopyError::Unanswered),
            Err(error) => Err(error),
        }
    }
}

/// What this end says.
pub(crate) struct FrameWriter<W> {
    output: W,
    buffer: Vec<u8>,
}

impl<W: Write> FrameWriter<W> {
    pub(crate) fn new(output: W) -> Self {
        Self {
            output,
            buffer: Vec::new(),
        }
    }

    /// Says it soon: with what follows, or at [`FrameWriter::flush`].
    pub(crate) fn say(&mut self, frame: &Frame) -> Result<(), CopyError> {
        frame.write(&mut self.buffer);
        if self.buffer.len() >= MAX_DATA {
            self.flush()?;
        }
        Ok(())
    }

    /// Says everything that has not been said.
    pub(crate) fn flush(&mut self) -> Result<(), CopyError> {
        let said = self
            .output
            .write_all(&self.buffer)
            .and_then(|()| self.output.flush());
        self.buffer.clear();
        said.map_err(CopyError::Stream)
    }

    /// Says it now.
    pub(crate) fn say_now(&mut self, frame: &Frame) -> Result<(), CopyError> {
        self.say(frame)?;
        self.flush()
    }
}
