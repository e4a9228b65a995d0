//! The end that files come from.
//!
//! Entries follow each other without waiting for their answers, up to a limit; only a large file is asked for first, so that
//! nobody sends a gigabyte to where it cannot go, and so that it can be resumed.

mod answers;
mod source;

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::path::PathBuf;

use self::answers::Answers;
use self::source::{Found, Reading};
use crate::digest::Hasher;
use crate::exchange::{CopyError, FrameWriter};
use crate::frame::{Entry, Frame, Kind, MAX_DATA, VERSION};
use crate::words::reason;
use crate::{EntryPath, Sum, Watcher};

/// Files larger than this are asked for.
const ASK_ABOVE: u64 = 256 * 1024;

/// What to send.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The paths, whose links are followed: whoever sends has named them.
    pub paths: Vec<PathBuf>,
    /// Whether folders are sent with what is in them. Links in them stay links.
    pub recursive: bool,
}

/// Sends files and trees, until the other end has all of them.
///
/// What fails for one entry is told to `watcher` and to the other end, and the rest goes on.
///
/// # Errors
///
/// When the copy cannot go on.
pub fn send(
    sources: &Sources,
    input: impl Read + Send + 'static,
    output: impl Write,
    watcher: &mut dyn Watcher,
) -> Result<(), CopyError> {
    let mut output = FrameWriter::new(output);
    let sent = run(sources, input, &mut output, watcher);
    if let Err(error) = &sent
        && let Some(word) = error.last_word()
    {
        // The other end may be gone, and then there is nobody to tell.
        let _ = output.say_now(&word);
    }
    sent
}

fn run(
    sources: &Sources,
    input: impl Read + Send + 'static,
    output: &mut FrameWriter<impl Write>,
    watcher: &mut dyn Watcher,
) -> Result<(), CopyError> {
    output.say_now(&Frame::Hello { version: VERSION })?;
    let answers = Answers::listen(input)?;
    let mut sender = Sender {
        output,
        answers,
        watcher,
    };
    match sender.run(sources) {
        // Whoever takes no more may have said why.
        Err(CopyError::Stream(error)) => Err(sender.answers.last_word().unwrap_or(CopyError::Stream(error))),
        sent => sent,
    }
}

struct Sender<'a, W> {
    output: &'a mut FrameWriter<W>,
    answers: Answers,
    watcher: &'a mut dyn Watcher,
}

impl<W: Write> Reading for Sender<'_, W> {
    fn found(&mut self, path: EntryPath, found: Found) -> Result<(), CopyError> {
        let (kind, file) = match found.content {
            source::Content::Folder => (Kind::Folder, None),
            source::Content::Link(target) => (Kind::Link { target }, None),
            source::Content::File(file, size) => {
                let asks = size > ASK_ABOVE;
                (Kind::File { size, asks }, Some((file, size, asks)))
            }
        };
        let entry = Entry {
            path,
            kind,
            mode: found.mode,
            modified: found.modified,
        };
        self.answers.make_room(self.output, self.watcher)?;
        let number = self.answers.expect(entry.path.as_bytes());
        let path = entry.path.clone();
        self.output.say(&Frame::Entry(entry))?;
        match file {
            Some((file, size, asks)) => self.send_file(number, &path, file, size, asks),
            None => Ok(()),
        }
    }

    fn missed(&mut self, path: &[u8], why: &str) -> Result<(), CopyError> {
        self.watcher.fails(path, why);
        let (path, why) = (path.to_vec(), why.to_owned());
        self.output.say(&Frame::Missed { path, why })
    }
}

/// How the data of a file came to its end.
enum Sent {
    Whole(Sum),
    /// The receiver wants no more of it.
    Refused,
    /// It cannot be read.
    Unreadable(String),
}

impl<W: Write> Sender<'_, W> {
    fn run(&mut self, sources: &Sources) -> Result<(), CopyError> {
        for path in &sources.paths {
            source::walk(path, sources.recursive, self)?;
        }
        self.output.say_now(&Frame::End)?;
        self.answers.finish(self.watcher)
    }

    fn send_file(
        &mut self,
        number: u64,
        path: &EntryPath,
        mut file: File,
        size: u64,
        asks: bool,
    ) -> Result<(), CopyError> {
        let mut hasher = Hasher::new();
        let mut from = 0;
        if asks {
            let Some((have, sum)) = self.answers.permission(number, self.output, self.watcher)? else {
                return Ok(());
            };
            from = match resume(&mut file, size, have, &sum, &mut hasher) {
                Ok(from) => from,
                Err(error) => return self.abandon(number, path, reason(&error)),
            };
            self.output.say(&Frame::Start { offset: from })?;
        }
        self.watcher.begins(path.as_bytes(), size, from);
        match self.send_data(number, &mut file, size - from, hasher)? {
            Sent::Whole(sum) => {
                self.answers.sent(number, sum, size, from);
                self.output.say(&Frame::Sum(sum))
            }
            Sent::Refused => self.output.say(&Frame::Abandon(String::new())),
            Sent::Unreadable(why) => self.abandon(number, path, why),
        }
    }

    fn send_data(
        &mut self,
        number: u64,
        file: &mut File,
        length: u64,
        mut hasher: Hasher,
    ) -> Result<Sent, CopyError> {
        let mut buffer = vec![0; MAX_DATA];
        let mut rest = length;
        while rest > 0 {
            self.answers.look(self.watcher)?;
            if !self.answers.is_open(number) {
                return Ok(Sent::Refused);
            }
            let most = usize::try_from(rest).unwrap_or(MAX_DATA).min(MAX_DATA);
            let read = match file.read(&mut buffer[..most]) {
                Ok(0) => return Ok(Sent::Unreadable("it became shorter while it was read".to_owned())),
                Ok(count) => &buffer[..count],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Ok(Sent::Unreadable(reason(&error))),
            };
            hasher.update(read);
            self.output.say(&Frame::Data(read.to_vec()))?;
            rest -= read.len() as u64;
            self.watcher.moves(read.len() as u64);
        }
        Ok(Sent::Whole(hasher.sum()))
    }

    fn abandon(&mut self, number: u64, path: &EntryPath, why: String) -> Result<(), CopyError> {
        self.watcher.fails(path.as_bytes(), &why);
        self.answers.told(number);
        self.output.say(&Frame::Abandon(why))
    }
}

/// Finds out where to begin: after what the receiver has, if that is how this file begins.
fn resume(file: &mut File, size: u64, have: u64, sum: &Sum, hasher: &mut Hasher) -> io::Result<u64> {
    if have == 0 || have > size {
        return Ok(0);
    }
    let mut of_prefix = hasher.clone();
    if of_prefix.read(file, have)? == have && of_prefix.sum() == *sum {
        *hasher = of_prefix;
        return Ok(have);
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(0)
}
