//! Blobs under a data key: chunks of 64 KiB, each AES-256-GCM, so that any range is read without the rest.
//!
//! The nonce of a chunk is its number and whether it is the last: none can be moved, left out or cut off. A data key seals
//! one blob only, so that no nonce is used twice.

use std::io;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use drawbridge_session::{Random, RandomArray as _};
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::{BlobReader, BlobWriter, Blobs, draw_id};
use crate::objects::{Piece, Sealing};
use crate::{RootKey, SealError};

/// Bytes of a chunk in the clear.
const CHUNK: usize = 64 * 1024;

/// Bytes that sealing adds to a chunk.
const TAG: usize = 16;

/// Chunks that are read before anyone asks for them.
const AHEAD: usize = 4;

/// What data keys are sealed for under the root key, each with its blob's name.
const PURPOSE: &str = "objects 1";

/// What comes before a blob's name where its key is derived.
const BLOB_PURPOSE: &str = "objects 1 blob ";

/// The key of one blob.
#[derive(Clone)]
pub struct DataKey(Zeroizing<[u8; 32]>);

impl DataKey {
    /// Draws a key.
    pub fn draw(random: &dyn Random) -> Self {
        Self(Zeroizing::new(random.array()))
    }

    /// Takes a key that another drew; `None` unless it has 32 bytes.
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    /// Seals it under the root key, for a blob.
    pub fn seal(&self, root: &RootKey, blob: &str, random: &dyn Random) -> Sealing {
        let sealed = root.seal(PURPOSE, blob.as_bytes(), self.0.as_slice(), random);
        Sealing::Root(BASE64_STANDARD.encode(sealed))
    }

    /// Opens what [`DataKey::seal`] made for a blob.
    ///
    /// # Errors
    ///
    /// It is another blob's, or was made under another root key.
    pub fn open(root: &RootKey, blob: &str, sealed: &str) -> Result<Self, SealError> {
        let sealed = BASE64_STANDARD.decode(sealed).map_err(|_| SealError)?;
        let plain = root.open(PURPOSE, blob.as_bytes(), &sealed)?;
        Self::of_bytes(&plain).ok_or(SealError)
    }

    /// Derives the key of one blob, for data keys that stand for several.
    #[must_use]
    pub fn of_blob(&self, blob: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_slice());
        let tag = hmac::sign(&key, format!("{BLOB_PURPOSE}{blob}").as_bytes());
        Self::of_bytes(tag.as_ref()).expect("a tag of HMAC-SHA256 has 32 bytes")
    }

    fn aead(&self) -> LessSafeKey {
        LessSafeKey::new(
            UnboundKey::new(&AES_256_GCM, self.0.as_slice()).expect("an AES-256 key has 32 bytes"),
        )
    }
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey(..)")
    }
}

fn nonce(number: u64, last: bool) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[..8].copy_from_slice(&number.to_be_bytes());
    nonce[NONCE_LEN - 1] = u8::from(last);
    Nonce::assume_unique_for_key(nonce)
}

/// Seals what is written to it.
pub struct SealedWriter {
    id: String,
    writer: Box<dyn BlobWriter>,
    key: LessSafeKey,
    /// The chunk that may be the last.
    chunk: BytesMut,
    number: u64,
    size: u64,
}

impl SealedWriter {
    /// Begins a blob of a name that it draws.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub async fn create(blobs: &dyn Blobs, id: String, key: &DataKey) -> io::Result<Self> {
        Ok(Self {
            writer: blobs.create(&id).await?,
            id,
            key: key.aead(),
            chunk: BytesMut::with_capacity(CHUNK + TAG),
            number: 0,
            size: 0,
        })
    }

    /// Appends bytes.
    ///
    /// # Errors
    ///
    /// They cannot be written.
    pub async fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            if self.chunk.len() == CHUNK {
                self.seal(false).await?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.chunk.len()));
            self.chunk.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Makes the blob durable, and says what it is.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub async fn finish(mut self, sealing: Sealing) -> io::Result<Piece> {
        self.seal(true).await?;
        self.writer.finish().await?;
        Ok(Piece {
            blob: self.id,
            size: self.size,
            sealing,
        })
    }

    async fn seal(&mut self, last: bool) -> io::Result<()> {
        let mut chunk = std::mem::replace(&mut self.chunk, BytesMut::with_capacity(CHUNK + TAG));
        let tag = self
            .key
            .seal_in_place_separate_tag(
                nonce(self.number, last),
                Aad::from(self.id.as_bytes()),
                &mut chunk,
            )
            .map_err(|_| io::Error::other("a chunk cannot be sealed"))?;
        chunk.extend_from_slice(tag.as_ref());
        self.number += 1;
        self.writer.write(chunk.freeze()).await
    }
}

impl std::fmt::Debug for SealedWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedWriter")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A piece with its data key.
pub type Opened = (Piece, DataKey);

/// Reads `length` bytes from `from` on of the bytes of some pieces, in order, a few chunks ahead of its reader.
///
/// A chunk that was changed ends the bytes with an error. The reading stops when nobody listens.
pub fn unsealed(
    blobs: Arc<dyn Blobs>,
    pieces: Vec<Opened>,
    from: u64,
    length: u64,
) -> mpsc::Receiver<io::Result<Bytes>> {
    let (chunks, reader) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        if let Err(error) = read_all(blobs.as_ref(), pieces, from, length, &chunks).await {
            // Nobody listens any more, or this is the last that they hear.
            let _ = chunks.send(Err(error)).await;
        }
    });
    reader
}

async fn read_all(
    blobs: &dyn Blobs,
    pieces: Vec<Opened>,
    mut from: u64,
    mut length: u64,
    chunks: &mpsc::Sender<io::Result<Bytes>>,
) -> io::Result<()> {
    for (piece, key) in pieces {
        if length == 0 {
            break;
        }
        if from >= piece.size {
            from -= piece.size;
            continue;
        }
        let wanted = length.min(piece.size - from);
        let mut open = OpenPiece::at(blobs, &piece, &key, from).await?;
        let mut left = wanted;
        while left > 0 {
            let mut chunk = open.next().await?;
            chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= chunk.len() as u64;
            if chunks.send(Ok(chunk)).await.is_err() {
                return Ok(());
            }
        }
        (from, length) = (0, length - wanted);
    }
    Ok(())
}

struct OpenPiece {
    reader: BlobReader,
    key: LessSafeKey,
    id: String,
    size: u64,
    number: u64,
    /// Bytes of the first chunk that nobody asked for.
    skip: usize,
}

impl OpenPiece {
    async fn at(blobs: &dyn Blobs, piece: &Piece, key: &DataKey, from: u64) -> io::Result<Self> {
        let number = from / CHUNK as u64;
        Ok(Self {
            reader: blobs.open(&piece.blob, number * (CHUNK + TAG) as u64).await?,
            key: key.aead(),
            id: piece.blob.clone(),
            size: piece.size,
            number,
            skip: usize::try_from(from % CHUNK as u64).unwrap_or_default(),
        })
    }

    /// Reads the next chunk; the caller knows that there is one.
    async fn next(&mut self) -> io::Result<Bytes> {
        let begin = self.number * CHUNK as u64;
        let length = self.size.saturating_sub(begin).min(CHUNK as u64);
        let last = begin + length == self.size;
        let mut chunk = vec![0; usize::try_from(length).map_err(io::Error::other)? + TAG];
        self.reader.read_exact(&mut chunk).await?;
        let nonce = nonce(self.number, last);
        let plain = self
            .key
            .open_in_place(nonce, Aad::from(self.id.as_bytes()), &mut chunk);
        let plain = plain.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a chunk was changed"))?;
        let length = plain.len();
        chunk.truncate(length);
        self.number += 1;
        let mut chunk = Bytes::from(chunk);
        let skipped = std::mem::take(&mut self.skip).min(chunk.len());
        Ok(chunk.split_off(skipped))
    }
}

/// Begins a blob under a new data key that the root key seals.
///
/// # Errors
///
/// It cannot be made.
pub async fn create_sealed(
    blobs: &dyn Blobs,
    root: &RootKey,
    random: &dyn Random,
) -> io::Result<(SealedWriter, Sealing)> {
    let (id, key) = (draw_id(random), DataKey::draw(random));
    let sealing = key.seal(root, &id, random);
    Ok((SealedWriter::create(blobs, id, &key).await?, sealing))
}

/// Begins a blob under the key that a data key has for it; the data key is kept elsewhere.
///
/// # Errors
///
/// It cannot be made.
pub async fn create_sealed_under(
    blobs: &dyn Blobs,
    key: &DataKey,
    random: &dyn Random,
) -> io::Result<SealedWriter> {
    let id = draw_id(random);
    let key = key.of_blob(&id);
    SealedWriter::create(blobs, id, &key).await
}

#[cfg(test)]
mod tests {
    use drawbridge_session::SeededRandom;

    use super::super::BlobFolder;
    use super::*;

    struct World {
        folder: tempfile::TempDir,
        blobs: Arc<dyn Blobs>,
        root: RootKey,
        random: SeededRandom,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let random = SeededRandom::new(1);
            Self {
                blobs: Arc::new(BlobFolder::open(folder.path()).expect("opens")),
                root: RootKey::ephemeral(&random),
                folder,
                random,
            }
        }

        async fn store(&self, bytes: &[u8]) -> Opened {
            let created = create_sealed(self.blobs.as_ref(), &self.root, &self.random).await;
            let (mut writer, sealing) = created.expect("begins");
            for some in bytes.chunks(10_007) {
                writer.write(some).await.expect("written");
            }
            let piece = writer.finish(sealing).await.expect("finished");
            let Sealing::Root(sealed) = &piece.sealing else {
                panic!("sealed under the root key");
            };
            let key = DataKey::open(&self.root, &piece.blob, sealed).expect("its key");
            (piece, key)
        }

        async fn read(&self, pieces: &[Opened], from: u64, length: u64) -> io::Result<Vec<u8>> {
            let mut chunks = unsealed(Arc::clone(&self.blobs), pieces.to_vec(), from, length);
            let mut all = Vec::new();
            while let Some(chunk) = chunks.recv().await {
                all.extend_from_slice(&chunk?);
            }
            Ok(all)
        }
    }

    fn some_bytes(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at * 31 % 251) as u8).collect()
    }

    #[tokio::test]
    async fn any_range_of_any_pieces_comes_back() {
        let world = World::new();
        let lengths = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK];
        let mut pieces = Vec::new();
        let mut whole = Vec::new();
        for length in lengths {
            let bytes = some_bytes(length);
            pieces.push(world.store(&bytes).await);
            whole.extend(bytes);
        }
        let edges = [
            0,
            1,
            CHUNK - 1,
            CHUNK,
            CHUNK + 1,
            2 * CHUNK,
            3 * CHUNK + 1,
            whole.len(),
        ];
        for from in edges {
            for to in edges.into_iter().filter(|to| *to >= from) {
                let read = world.read(&pieces, from as u64, (to - from) as u64).await;
                assert!(read.expect("read") == whole[from..to], "{from}..{to}");
            }
        }
    }

    #[tokio::test]
    async fn what_was_changed_moved_or_cut_off_is_not_handed_out() {
        let world = World::new();
        let (piece, key) = world.store(&some_bytes(3 * CHUNK)).await;
        let file = world.folder.path().join(&piece.blob[..2]).join(&piece.blob);
        let sealed = std::fs::read(&file).expect("there");
        let sealed_chunk = CHUNK + TAG;
        let swapped = [
            &sealed[sealed_chunk..2 * sealed_chunk],
            &sealed[..sealed_chunk],
            &sealed[2 * sealed_chunk..],
        ]
        .concat();
        let mut flipped = sealed.clone();
        flipped[CHUNK / 2] ^= 1;
        let cut = sealed[..2 * sealed_chunk].to_vec();
        let whole = [(piece.clone(), key.clone())];
        for (what, damaged) in [("swapped", swapped), ("flipped", flipped), ("cut", cut)] {
            std::fs::write(&file, damaged).expect("written");
            let read = world.read(&whole, 0, piece.size).await;
            assert!(read.is_err(), "{what}");
        }
        std::fs::write(&file, &sealed[..2 * sealed_chunk]).expect("written");
        let shorter = Piece {
            size: 2 * CHUNK as u64,
            ..piece
        };
        let read = world.read(&[(shorter, key)], 0, 2 * CHUNK as u64).await;
        assert!(read.is_err(), "a chunk in the middle does not pass for the last");
    }

    #[tokio::test]
    async fn what_lies_on_the_disk_is_not_the_bytes() {
        let world = World::new();
        let (piece, _) = world.store(&b"a very plain text ".repeat(10_000)).await;
        let file = world.folder.path().join(&piece.blob[..2]).join(&piece.blob);
        let sealed = std::fs::read(&file).expect("there");
        assert!(!sealed.windows(10).any(|window| window == b"very plain"));
    }

    #[tokio::test]
    async fn what_is_not_finished_is_not_there_and_names_from_outside_are_none() {
        let world = World::new();
        let created = create_sealed(world.blobs.as_ref(), &world.root, &world.random).await;
        let (mut writer, _) = created.expect("begins");
        writer.write(b"half").await.expect("written");
        drop(writer);
        assert_eq!(
            world.blobs.list(None).await.expect("listed"),
            Vec::<String>::new()
        );
        for name in [
            "../../../../etc/passwd",
            "",
            "ab",
            "ABCDEF0123456789ABCDEF0123456789",
        ] {
            assert!(world.blobs.create(name).await.is_err(), "{name}");
            assert!(world.blobs.open(name, 0).await.is_err(), "{name}");
            assert!(world.blobs.remove(name).await.is_err(), "{name}");
        }
    }
}
