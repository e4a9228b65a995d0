//! What the receiver answers, and to which entries it has not answered yet.
//!
//! A thread of its own reads the answers, so that the receiver can always speak: otherwise both ends could wait for each other
//! to read.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

use crate::exchange::{CopyError, FrameReader, FrameWriter};
use crate::frame::Frame;
use crate::{Sum, Watcher};

/// How many entries may be unanswered.
const MAX_OPEN: usize = 256;
/// Each has two answers at most, so the thread never waits for this end but when the receiver breaks the rules.
const MAX_UNREAD: usize = 2 * MAX_OPEN + 2;

/// The dialogue with a receiver.
pub(super) struct Answers {
    frames: Receiver<Result<Frame, CopyError>>,
    open: BTreeMap<u64, Open>,
    next: u64,
}

struct Open {
    path: Vec<u8>,
    /// What must have arrived; nothing of what is no file.
    sum: Option<Sum>,
    size: u64,
    from: u64,
    /// Whether everybody knows already that it failed.
    is_told: bool,
}

const VIOLATION: CopyError = CopyError::Violation("an answer that belongs to nothing");

impl Answers {
    /// Starts to listen, and hears the receiver's greeting.
    pub(super) fn listen(input: impl Read + Send + 'static) -> Result<Self, CopyError> {
        let (sender, frames) = sync_channel(MAX_UNREAD);
        let mut input = FrameReader::new(input);
        let listen = move || {
            let mut heard = input.greeting().map(|()| None);
            loop {
                let is_last = heard.is_err();
                if let Some(heard) = heard.transpose()
                    && (sender.send(heard).is_err() || is_last)
                {
                    return;
                }
                heard = input.next().map(Some);
            }
        };
        std::thread::Builder::new()
            .name("answers".into())
            .spawn(listen)
            .map_err(CopyError::Stream)?;
        Ok(Self {
            frames,
            open: BTreeMap::new(),
            next: 0,
        })
    }

    /// Returns the number of an entry that is sent now.
    pub(super) fn expect(&mut self, path: &[u8]) -> u64 {
        let number = self.next;
        self.next += 1;
        let open = Open {
            path: path.to_vec(),
            sum: None,
            size: 0,
            from: 0,
            is_told: false,
        };
        self.open.insert(number, open);
        number
    }

    /// Notes what a file was when it was sent.
    pub(super) fn sent(&mut self, number: u64, sum: Sum, size: u64, from: u64) {
        if let Some(open) = self.open.get_mut(&number) {
            *open = Open {
                path: std::mem::take(&mut open.path),
                sum: Some(sum),
                size,
                from,
                is_told: false,
            };
        }
    }

    /// Notes that everybody knows of a failure.
    pub(super) fn told(&mut self, number: u64) {
        if let Some(open) = self.open.get_mut(&number) {
            open.is_told = true;
        }
    }

    /// Whether an entry is not answered yet.
    pub(super) fn is_open(&self, number: u64) -> bool {
        self.open.contains_key(&number)
    }

    /// Takes the answers that have come.
    pub(super) fn look(&mut self, watcher: &mut dyn Watcher) -> Result<(), CopyError> {
        loop {
            match self.frames.try_recv() {
                Ok(frame) => self.settle(frame?, watcher)?,
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return Err(CopyError::Interrupted),
            }
        }
    }

    /// Waits until another entry may be sent.
    pub(super) fn make_room(
        &mut self,
        output: &mut FrameWriter<impl Write>,
        watcher: &mut dyn Watcher,
    ) -> Result<(), CopyError> {
        self.look(watcher)?;
        while self.open.len() >= MAX_OPEN {
            output.flush()?;
            let frame = self.wait()?;
            self.settle(frame, watcher)?;
        }
        Ok(())
    }

    /// Waits until a file may be sent, and returns what is there of it; `None` if it is refused.
    pub(super) fn permission(
        &mut self,
        number: u64,
        output: &mut FrameWriter<impl Write>,
        watcher: &mut dyn Watcher,
    ) -> Result<Option<(u64, Sum)>, CopyError> {
        output.flush()?;
        while self.is_open(number) {
            match self.wait()? {
                // Answers come in the order of their entries, so this one is to the last.
                Frame::Go { have, sum } if self.open.len() == 1 => return Ok(Some((have, sum))),
                frame => self.settle(frame, watcher)?,
            }
        }
        Ok(None)
    }

    /// Waits for the answers to everything.
    pub(super) fn finish(&mut self, watcher: &mut dyn Watcher) -> Result<(), CopyError> {
        loop {
            match self.wait()? {
                Frame::Finished if self.open.is_empty() => return Ok(()),
                frame => self.settle(frame, watcher)?,
            }
        }
    }

    /// Waits for the other end to go, and returns why if more is known than that it did.
    pub(super) fn last_word(&mut self) -> Option<CopyError> {
        self.frames
            .iter()
            .find_map(Result::err)
            .filter(|error| !matches!(error, CopyError::Interrupted | CopyError::Stream(_)))
    }

    fn wait(&mut self) -> Result<Frame, CopyError> {
        self.frames.recv().unwrap_or(Err(CopyError::Interrupted))
    }

    fn settle(&mut self, frame: Frame, watcher: &mut dyn Watcher) -> Result<(), CopyError> {
        match frame {
            Frame::Done { number, sum } => {
                let open = self.open.remove(&number).ok_or(VIOLATION)?;
                match sum {
                    _ if sum != open.sum => {
                        return Err(CopyError::Violation("a file has become another one there"));
                    }
                    Some(_) => watcher.copied(&open.path, open.size, open.from),
                    None => {}
                }
            }
            Frame::Refused { number, why } => {
                let open = self.open.remove(&number).ok_or(VIOLATION)?;
                if !open.is_told {
                    watcher.fails(&open.path, &why);
                }
            }
            _ => return Err(VIOLATION),
        }
        Ok(())
    }
}
