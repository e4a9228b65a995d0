//! What the two ends say to each other, and its bytes.
//!
//! A frame is one byte for its type, four for the length of what follows (big-endian, as every number), and that.
//!
//! | type | frame | from | content |
//! |---|---|---|---|
//! | 1 | [`Hello`](Frame::Hello) | both, first | `drawbridge-copy`, version (2) |
//! | 2 | [`Entry`](Frame::Entry) | sender | kind (1), asks (1), mode (2), seconds (8), nanoseconds (4), size (8), length of path (2), path, target of a link |
//! | 3 | [`Start`](Frame::Start) | sender, after `Go` | offset (8) |
//! | 4 | [`Data`](Frame::Data) | sender | bytes |
//! | 5 | [`Sum`](Frame::Sum) | sender, after the last byte | SHA-256 of the whole file |
//! | 6 | [`Abandon`](Frame::Abandon) | sender, in the place of `Sum` | reason |
//! | 7 | [`Missed`](Frame::Missed) | sender, between entries | length of path (2), path, reason |
//! | 8 | [`End`](Frame::End) | sender, last | |
//! | 9 | [`Go`](Frame::Go) | receiver, to an entry that asks | bytes that are there (8), their SHA-256 |
//! | 10 | [`Done`](Frame::Done) | receiver | number of the entry (8), SHA-256 of a file or nothing |
//! | 11 | [`Refused`](Frame::Refused) | receiver | number of the entry (8), reason |
//! | 12 | [`Finished`](Frame::Finished) | receiver, to `End` | |
//! | 13 | [`Stop`](Frame::Stop) | either, last | reason |
//!
//! Entries are counted from 0, and each is answered once, by `Done` or `Refused`. The sender waits for an answer only to an entry
//! that asks for one ahead of its data, as large files do: the answer is `Go`, or `Refused` and then no data follows.

use crate::digest::Sum;
use crate::path::{EntryPath, MAX_PATH, PathError};

/// The version of the protocol that is spoken here.
pub const VERSION: u16 = 1;
/// The most bytes of a file that one frame has.
pub const MAX_DATA: usize = 64 * 1024;
/// The longest reason, in bytes.
const MAX_REASON: usize = 512;
const MAGIC: &[u8] = b"drawbridge-copy";
const HEAD: usize = 5;

/// One thing that one end says to the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The protocol, in the words of whoever speaks it.
    Hello {
        /// Its version.
        version: u16,
    },
    /// Something to copy.
    Entry(Entry),
    /// Where the data begins: at 0, or after what the receiver has.
    Start {
        /// In bytes.
        offset: u64,
    },
    /// The next bytes of the file; not empty.
    Data(Vec<u8>),
    /// The file is complete.
    Sum(Sum),
    /// The file will not be complete.
    Abandon(String),
    /// Something that was to be copied cannot be read.
    Missed {
        /// What it is called at the sender; only for showing.
        path: Vec<u8>,
        /// Why.
        why: String,
    },
    /// There is nothing more to copy.
    End,
    /// The file may come.
    Go {
        /// How much of it is there.
        have: u64,
        /// What that is.
        sum: Sum,
    },
    /// An entry is in its place.
    Done {
        /// Which.
        number: u64,
        /// What was received, of a file.
        sum: Option<Sum>,
    },
    /// An entry is not in its place.
    Refused {
        /// Which.
        number: u64,
        /// Why.
        why: String,
    },
    /// Everything is answered.
    Finished,
    /// This end cannot go on.
    Stop(String),
}

/// Something to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it belongs.
    pub path: EntryPath,
    /// What it is.
    pub kind: Kind,
    /// Who may do what with it; of the mode only the last nine bits.
    pub mode: u16,
    /// When it was changed last.
    pub modified: Modified,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder; what is in it follows as entries of their own.
    Folder,
    /// A file, whose data follows.
    File {
        /// In bytes.
        size: u64,
        /// Whether the sender waits before the data.
        asks: bool,
    },
    /// A symbolic link.
    Link {
        /// Where it leads; any bytes but zero.
        target: Vec<u8>,
    },
}

/// A time, since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modified {
    /// Whole seconds.
    pub seconds: i64,
    /// Below 1,000,000,000.
    pub nanoseconds: u32,
}

/// Which rule a frame breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not this protocol.
    #[error("it does not speak this protocol")]
    Stranger,
    /// A type that this version does not know.
    #[error("frame of unknown type {0}")]
    Type(u8),
    /// Longer than any frame may be.
    #[error("frame of {0} bytes")]
    Long(u32),
    /// Not as long as its type asks, or with a value that may not be.
    #[error("frame of type {0} is malformed")]
    Content(u8),
    /// The path of an entry.
    #[error("entry refused: {0}")]
    Path(#[from] PathError),
}

/// Finds frames in bytes that come in pieces.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    taken: usize,
}

impl Decoder {
    /// Adds what has arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next frame; `None` until more of it has arrived.
    ///
    /// # Errors
    ///
    /// See [`FrameError`]; nothing that follows has a meaning then.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let rest = self.buffer.get(self.taken..).unwrap_or_default();
        let Some((head, rest)) = rest.split_first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let [kind, length @ ..] = *head;
        let length = u32::from_be_bytes(length);
        if kind == 0 || kind > 13 {
            return Err(FrameError::Type(kind));
        }
        let size = usize::try_from(length).unwrap_or(usize::MAX);
        if size > MAX_DATA {
            return Err(FrameError::Long(length));
        }
        let Some(content) = rest.get(..size) else {
            return Ok(None);
        };
        let frame = Frame::read(kind, content)?;
        self.taken += HEAD + size;
        Ok(Some(frame))
    }

    /// Whether a frame has begun and not ended.
    pub fn is_amid(&self) -> bool {
        self.taken < self.buffer.len()
    }
}

impl Frame {
    /// Appends the bytes of this frame. Reasons are cut where they are too long.
    pub fn write(&self, to: &mut Vec<u8>) {
        let start = to.len();
        to.extend([self.kind(), 0, 0, 0, 0]);
        match self {
            Self::Hello { version } => {
                to.extend(MAGIC);
                to.extend(version.to_be_bytes());
            }
            Self::Entry(entry) => entry.write(to),
            Self::Start { offset } => to.extend(offset.to_be_bytes()),
            Self::Data(bytes) => to.extend(bytes),
            Self::Sum(sum) => to.extend(sum),
            Self::Abandon(why) | Self::Stop(why) => to.extend(cut(why)),
            Self::Missed { path, why } => {
                write_path(path.get(..MAX_PATH).unwrap_or(path), to);
                to.extend(cut(why));
            }
            Self::End | Self::Finished => {}
            Self::Go { have, sum } => {
                to.extend(have.to_be_bytes());
                to.extend(sum);
            }
            Self::Done { number, sum } => {
                to.extend(number.to_be_bytes());
                to.extend(sum.iter().flatten());
            }
            Self::Refused { number, why } => {
                to.extend(number.to_be_bytes());
                to.extend(cut(why));
            }
        }
        let length = u32::try_from(to.len() - start - HEAD).unwrap_or(u32::MAX);
        to[start + 1..start + HEAD].copy_from_slice(&length.to_be_bytes());
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Hello { .. } => 1,
            Self::Entry(_) => 2,
            Self::Start { .. } => 3,
            Self::Data(_) => 4,
            Self::Sum(_) => 5,
            Self::Abandon(_) => 6,
            Self::Missed { .. } => 7,
            Self::End => 8,
            Self::Go { .. } => 9,
            Self::Done { .. } => 10,
            Self::Refused { .. } => 11,
            Self::Finished => 12,
            Self::Stop(_) => 13,
        }
    }

    fn read(kind: u8, content: &[u8]) -> Result<Self, FrameError> {
        let mut rest = Rest { kind, bytes: content };
        let frame = match kind {
            1 => {
                let version = content.strip_prefix(MAGIC).ok_or(FrameError::Stranger)?;
                rest.bytes = version;
                Self::Hello {
                    version: u16::from_be_bytes(rest.array()?),
                }
            }
            2 => Self::Entry(Entry::read(&mut rest)?),
            3 => Self::Start {
                offset: rest.number()?,
            },
            4 if content.is_empty() => return Err(rest.malformed()),
            4 => Self::Data(rest.all().to_vec()),
            5 => Self::Sum(rest.array()?),
            6 => Self::Abandon(rest.reason()?),
            7 => Self::Missed {
                path: rest.path()?.to_vec(),
                why: rest.reason()?,
            },
            8 => Self::End,
            9 => Self::Go {
                have: rest.number()?,
                sum: rest.array()?,
            },
            10 => Self::Done {
                number: rest.number()?,
                sum: match rest.bytes {
                    [] => None,
                    _ => Some(rest.array()?),
                },
            },
            11 => Self::Refused {
                number: rest.number()?,
                why: rest.reason()?,
            },
            12 => Self::Finished,
            13 => Self::Stop(rest.reason()?),
            _ => return Err(FrameError::Type(kind)),
        };
        match rest.bytes {
            [] => Ok(frame),
            _ => Err(rest.malformed()),
        }
    }
}

impl Entry {
    fn write(&self, to: &mut Vec<u8>) {
        let (kind, asks, size, target) = match &self.kind {
            Kind::Folder => (0, false, 0, &[][..]),
            Kind::File { size, asks } => (1, *asks, *size, &[][..]),
            Kind::Link { target } => (2, false, 0, &target[..]),
        };
        to.extend([kind, u8::from(asks)]);
        to.extend(self.mode.to_be_bytes());
        to.extend(self.modified.seconds.to_be_bytes());
        to.extend(self.modified.nanoseconds.to_be_bytes());
        to.extend(size.to_be_bytes());
        write_path(self.path.as_bytes(), to);
        to.extend(target);
    }

    fn read(rest: &mut Rest<'_>) -> Result<Self, FrameError> {
        let [kind, asks] = rest.array()?;
        let mode = u16::from_be_bytes(rest.array()?);
        let modified = Modified {
            seconds: i64::from_be_bytes(rest.array()?),
            nanoseconds: u32::from_be_bytes(rest.array()?),
        };
        let size = rest.number()?;
        let path = EntryPath::parse(rest.path()?.to_vec())?;
        let target = rest.all();
        let kind = match (kind, asks, size, target) {
            (0, 0, 0, []) => Kind::Folder,
            (1, 0 | 1, size, []) => Kind::File {
                size,
                asks: asks == 1,
            },
            (2, 0, 0, [_, ..]) if target.len() < MAX_PATH && !target.contains(&0) => Kind::Link {
                target: target.to_vec(),
            },
            _ => return Err(rest.malformed()),
        };
        if mode > 0o777 || modified.nanoseconds >= 1_000_000_000 {
            return Err(rest.malformed());
        }
        Ok(Self {
            path,
            kind,
            mode,
            modified,
        })
    }
}

fn write_path(path: &[u8], to: &mut Vec<u8>) {
    let length = u16::try_from(path.len()).unwrap_or(u16::MAX);
    to.extend(length.to_be_bytes());
    to.extend(path);
}

/// The beginning of a reason that fits.
fn cut(why: &str) -> &[u8] {
    why.as_bytes()
        .get(..why.floor_char_boundary(MAX_REASON))
        .unwrap_or_default()
}

/// What of a frame is not read yet.
struct Rest<'a> {
    kind: u8,
    bytes: &'a [u8],
}

impl<'a> Rest<'a> {
    fn malformed(&self) -> FrameError {
        FrameError::Content(self.kind)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let (first, rest) = self.bytes.split_first_chunk().ok_or(self.malformed())?;
        self.bytes = rest;
        Ok(*first)
    }

    fn number(&mut self) -> Result<u64, FrameError> {
        self.array().map(u64::from_be_bytes)
    }

    fn path(&mut self) -> Result<&'a [u8], FrameError> {
        let length = usize::from(u16::from_be_bytes(self.array()?));
        let (path, rest) = self.bytes.split_at_checked(length).ok_or(self.malformed())?;
        if length > MAX_PATH {
            return Err(self.malformed());
        }
        self.bytes = rest;
        Ok(path)
    }

    fn all(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.bytes)
    }

    fn reason(&mut self) -> Result<String, FrameError> {
        let text = self.all();
        if text.len() > MAX_REASON {
            return Err(self.malformed());
        }
        Ok(String::from_utf8_lossy(text).into_owned())
    }
}

#[cfg(test)]
mod tests;
