//! The end that files come to.
//!
//! Whoever sends may be hostile. So every path is walked from the destination's own folder, name by name, without following a
//! link (`folders`); a file grows under a name of its own and takes its place when it is whole (`partial`); and whoever asked
//! for certain things gets no others ([`Asked`]).
//!
//! ```text
//!                         ┌──── refused ────▶ skipping ──┐
//!  between entries ── file ── Go, Start ── Data … ── Sum ┴─▶ Done or Refused
//! ```

mod destination;
mod folders;
mod partial;

use std::io::{self, Read, Write};

use self::destination::Place;
pub use self::destination::{Asked, Destination};
use self::folders::Folders;
use self::partial::{Expected, Partial};
use crate::exchange::{CopyError, FrameReader, FrameWriter};
use crate::frame::{Entry, Frame, Kind, VERSION};
use crate::words::reason;
use crate::{EntryPath, Watcher};

/// Receives what the other end sends, until that is all.
///
/// What fails for one entry is told to `watcher` and to the other end, and the rest goes on.
///
/// # Errors
///
/// When the copy cannot go on. Files that are not whole stay beside their place, to be resumed.
pub fn receive(
    destination: &Destination,
    asked: Asked,
    input: impl Read,
    output: impl Write,
    watcher: &mut dyn Watcher,
) -> Result<(), CopyError> {
    let mut output = FrameWriter::new(output);
    let received = run(destination, asked, input, &mut output, watcher);
    if let Err(error) = &received
        && let Some(word) = error.last_word()
    {
        // The other end may be gone, and then there is nobody to tell.
        let _ = output.say_now(&word);
    }
    received
}

fn run(
    destination: &Destination,
    asked: Asked,
    input: impl Read,
    output: &mut FrameWriter<impl Write>,
    watcher: &mut dyn Watcher,
) -> Result<(), CopyError> {
    output.say_now(&Frame::Hello { version: VERSION })?;
    let mut input = FrameReader::new(input);
    input.greeting()?;
    let Place { folder, name } = destination.find()?;
    let mut receiver = Receiver {
        input,
        output,
        folders: Folders::new(folder, name, destination.resume),
        asked,
        resumes: destination.resume,
        top: None,
        answered: 0,
        watcher,
    };
    receiver.run()
}

struct Receiver<'a, R, W> {
    input: FrameReader<R>,
    output: &'a mut FrameWriter<W>,
    folders: Folders,
    asked: Asked,
    resumes: bool,
    /// The outermost name of the present tree.
    top: Option<Vec<u8>>,
    answered: u64,
    watcher: &'a mut dyn Watcher,
}

impl<R: Read, W: Write> Receiver<'_, R, W> {
    fn run(&mut self) -> Result<(), CopyError> {
        loop {
            match self.input.next()? {
                Frame::Entry(entry) => {
                    self.admit(&entry)?;
                    self.take(&entry)?;
                }
                Frame::Missed { path, why } => self.watcher.fails(&path, &why),
                Frame::End => {
                    self.folders.leave_all();
                    return self.output.say_now(&Frame::Finished);
                }
                _ => return Err(CopyError::Violation("an entry is missing")),
            }
        }
    }

    /// Checks that an entry is one that was asked for, or belongs to the one before.
    fn admit(&mut self, entry: &Entry) -> Result<(), CopyError> {
        if entry.path.is_top() {
            if !self.asked.admits(entry) || (self.folders.has_one_place() && self.top.is_some()) {
                return Err(CopyError::Violation("something was sent that was not asked for"));
            }
            self.top = Some(entry.path.top().to_vec());
        } else if self.top.as_deref() != Some(entry.path.top()) || !self.asked.recursive {
            return Err(CopyError::Violation("something was sent that was not asked for"));
        }
        Ok(())
    }

    fn take(&mut self, entry: &Entry) -> Result<(), CopyError> {
        let Entry {
            path,
            kind,
            mode,
            modified,
        } = entry;
        let made = match kind {
            Kind::File { size, asks } => return self.take_file(entry, *size, *asks),
            Kind::Folder => self.folders.make(path, *mode, *modified),
            Kind::Link { target } => self
                .folders
                .parent_of(path)
                .and_then(|(folder, name)| partial::link(folder, &name, target, *modified)),
        };
        match made {
            Ok(()) => self.done(None),
            Err(error) => self.refuse(path, &reason(&error)),
        }
    }

    fn take_file(&mut self, entry: &Entry, size: u64, asks: bool) -> Result<(), CopyError> {
        let modified = entry.modified;
        let resumed = (asks && self.resumes).then_some(Expected { size, modified });
        let path = &entry.path;
        let opened = self
            .folders
            .parent_of(path)
            .and_then(|(folder, name)| Partial::open(folder, &name, resumed));
        let mut partial = match opened {
            Ok(partial) => partial,
            Err(error) => {
                self.refuse(path, &reason(&error))?;
                return if asks { Ok(()) } else { self.skip() };
            }
        };
        let mut from = 0;
        if asks {
            let (have, sum) = (partial.length(), partial.sum());
            self.output.say_now(&Frame::Go { have, sum })?;
            from = match self.input.next()? {
                Frame::Start { offset } if offset == 0 || offset == have => offset,
                Frame::Abandon(why) => return self.abandoned(path, partial, &why),
                _ => return Err(CopyError::Violation("no data where it has to begin")),
            };
        }
        self.watcher.begins(path.as_bytes(), size, from);
        if from == 0
            && let Err(error) = partial.restart()
        {
            return self.give_up(path, partial, &error);
        }
        loop {
            match self.input.next()? {
                Frame::Data(bytes) => {
                    if size - partial.length() < bytes.len() as u64 {
                        return Err(CopyError::Violation("a file is longer than was said"));
                    }
                    if let Err(error) = partial.write(&bytes) {
                        return self.give_up(path, partial, &error);
                    }
                    self.watcher.moves(bytes.len() as u64);
                }
                Frame::Sum(_) if partial.length() != size => {
                    return Err(CopyError::Violation("a file is shorter than was said"));
                }
                Frame::Sum(sum) if partial.sum() != sum => {
                    partial.discard();
                    return self.refuse(path, "it arrived damaged: its SHA-256 is another one");
                }
                Frame::Sum(sum) => {
                    return match partial.finish(entry.mode, modified) {
                        Ok(()) => {
                            self.watcher.copied(path.as_bytes(), size, from);
                            self.done(Some(sum))
                        }
                        Err(error) => self.refuse(path, &reason(&error)),
                    };
                }
                Frame::Abandon(why) => return self.abandoned(path, partial, &why),
                _ => return Err(CopyError::Violation("no data where it has to go on")),
            }
        }
    }

    /// A file that cannot be written here, whose sender does not know it yet.
    fn give_up(&mut self, path: &EntryPath, partial: Partial, error: &io::Error) -> Result<(), CopyError> {
        partial.discard();
        self.refuse(path, &reason(error))?;
        self.skip()
    }

    fn abandoned(&mut self, path: &EntryPath, partial: Partial, why: &str) -> Result<(), CopyError> {
        partial.discard();
        self.refuse(path, why)
    }

    /// Passes over the data of a file that is refused already.
    fn skip(&mut self) -> Result<(), CopyError> {
        loop {
            match self.input.next()? {
                Frame::Data(_) => {}
                Frame::Sum(_) | Frame::Abandon(_) => return Ok(()),
                _ => return Err(CopyError::Violation("no data where it has to go on")),
            }
        }
    }

    fn done(&mut self, sum: Option<crate::Sum>) -> Result<(), CopyError> {
        let number = self.answer();
        self.output.say_now(&Frame::Done { number, sum })
    }

    fn refuse(&mut self, path: &EntryPath, why: &str) -> Result<(), CopyError> {
        self.watcher.fails(path.as_bytes(), why);
        let number = self.answer();
        let why = why.to_owned();
        self.output.say_now(&Frame::Refused { number, why })
    }

    /// The number of the entry that is answered now.
    fn answer(&mut self) -> u64 {
        self.answered += 1;
        self.answered - 1
    }
}

#[cfg(test)]
mod tests;
