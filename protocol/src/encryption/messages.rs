//! Messages about commands beside a shell, in an encrypted session (`Multiplexed` frames).
//!
//! ```text
//!  payload on the wire:  | number, 8 bytes, big-endian | nonce, 12 | ciphertext, as long as the message | tag, 16 |
//! ```
//!
//! Only our own ends say them, so they are bound to more than AWS's payloads are: what is authenticated besides is that it is
//! such a message, and its number. Whoever sits between the ends can neither pass one off as something typed or printed, nor
//! repeat or reorder them. Each end counts from 1. A client that comes later, and so cannot know how far the one before it
//! counted, says 0: all that it may say is that it begins, and from then on nothing of the client before it counts any more.

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use bytes::{Buf, Bytes};

use super::{Cipher, OVERHEAD_BYTES, Undecryptable};

/// Bytes that encryption adds to a message about commands.
pub const MESSAGE_OVERHEAD_BYTES: usize = NUMBER_BYTES + OVERHEAD_BYTES;

const NUMBER_BYTES: usize = size_of::<u64>();

/// What is authenticated ahead of the number.
const DOMAIN: &[u8; 22] = b"drawbridge/multiplexed";

/// A message that was decrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// The how manyth of its end it is; 0 of a client that came later.
    pub number: u64,
    /// The message.
    pub message: Bytes,
}

impl Cipher {
    /// Encrypts a message under its number.
    pub fn seal_message(&mut self, number: u64, message: &[u8]) -> Bytes {
        let nonce = self.nonces.next();
        let mut sealed = Vec::with_capacity(message.len() + MESSAGE_OVERHEAD_BYTES);
        sealed.extend_from_slice(&number.to_be_bytes());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(message);
        let tag = self
            .says
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(bound_to(number)),
                &mut sealed[NUMBER_BYTES + NONCE_LEN..],
            )
            .expect("a message that fits in memory fits in AES-GCM");
        sealed.extend_from_slice(tag.as_ref());
        sealed.into()
    }

    /// Decrypts a message. Whether its number may come now is for whoever counts.
    ///
    /// # Errors
    ///
    /// It is too short, was encrypted as something else or under another key, or was changed.
    pub fn open_message(&self, sealed: &[u8]) -> Result<Numbered, Undecryptable> {
        let (number, sealed) = sealed.split_first_chunk().ok_or(Undecryptable)?;
        let number = u64::from_be_bytes(*number);
        let message = self.open_bound(sealed, Aad::from(bound_to(number)))?;
        Ok(Numbered { number, message })
    }
}

impl Numbered {
    /// Writes both into one payload, for a frame that has yet to wait for its turn.
    pub(crate) fn to_payload(&self) -> Bytes {
        [&self.number.to_be_bytes()[..], &self.message].concat().into()
    }

    /// Reads such a payload.
    pub(crate) fn of_payload(mut payload: Bytes) -> Option<Numbered> {
        let number = payload.try_get_u64().ok()?;
        Some(Numbered {
            number,
            message: payload,
        })
    }
}

/// Counts the messages of both ends.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    said: u64,
    heard: Heard,
}

#[derive(Debug, Default)]
enum Heard {
    /// This many.
    #[default]
    FromTheStart,
    UpTo(u64),
    /// Whoever came later hears what follows from wherever it begins.
    FromAnywhere,
    /// Nothing that has a number counts any more.
    NoMore,
}

/// Says that a message is not the next one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OutOfTurn;

impl Turns {
    /// Begins to count where a session has begun before.
    pub(crate) fn of_latecomer() -> Turns {
        Turns {
            said: 0,
            heard: Heard::FromAnywhere,
        }
    }

    /// Returns the number of the next message to say.
    pub(crate) fn say(&mut self) -> u64 {
        if matches!(self.heard, Heard::FromAnywhere) {
            return LATECOMER;
        }
        self.said += 1;
        self.said
    }

    /// Takes the number of a message that was heard; `begins` if it says that a client begins.
    pub(crate) fn hear(&mut self, number: u64, begins: bool) -> Result<(), OutOfTurn> {
        let expected = match self.heard {
            Heard::FromAnywhere => return Ok(()),
            Heard::FromTheStart => Some(1),
            Heard::UpTo(heard) => heard.checked_add(1),
            Heard::NoMore => None,
        };
        if number == LATECOMER {
            self.heard = Heard::NoMore;
            return if begins { Ok(()) } else { Err(OutOfTurn) };
        }
        if expected != Some(number) {
            return Err(OutOfTurn);
        }
        self.heard = Heard::UpTo(number);
        Ok(())
    }
}

/// The number of everything that a client says which came later.
const LATECOMER: u64 = 0;

fn bound_to(number: u64) -> [u8; DOMAIN.len() + NUMBER_BYTES] {
    let mut bound = [0; DOMAIN.len() + NUMBER_BYTES];
    let (domain, place) = bound.split_at_mut(DOMAIN.len());
    domain.copy_from_slice(DOMAIN);
    place.copy_from_slice(&number.to_be_bytes());
    bound
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
    use proptest::prelude::*;

    use super::super::DataKey;
    use super::*;

    fn ends() -> (Cipher, Cipher) {
        let bytes: Vec<u8> = (0..64).collect();
        let key = DataKey::new(&bytes).unwrap();
        (Cipher::of_node(&key, [7; 12]), Cipher::of_client(&key, [9; 32]))
    }

    #[test]
    fn the_layout_is_frozen() {
        let (mut node, _) = ends();
        let sealed = node.seal_message(258, b"uptime");
        assert_eq!(sealed.len(), 6 + MESSAGE_OVERHEAD_BYTES);
        assert_eq!(sealed[..8], [0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(sealed[8..20], [7; 12]);
        // By another implementation, of the half named in the page of encryption.
        let half: [u8; 32] = std::array::from_fn(|index| u8::try_from(index).unwrap());
        let half = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &half).unwrap());
        let mut expected = b"uptime".to_vec();
        let nonce = Nonce::assume_unique_for_key([7; 12]);
        let bound = Aad::from(b"drawbridge/multiplexed\0\0\0\0\0\0\x01\x02");
        half.seal_in_place_append_tag(nonce, bound, &mut expected)
            .unwrap();
        assert_eq!(&sealed[20..], expected);
    }

    #[test]
    fn nothing_passes_for_something_else() {
        let (mut node, client) = ends();
        let message = node.seal_message(1, b"\x03\0\0\0\0\0\0\x01rm -rf /\n");
        assert_eq!(client.open(&message), Err(Undecryptable));
        assert_eq!(client.open(&message[8..]), Err(Undecryptable), "not as output");
        let output = node.seal(b"\x03\0\0\0\0\0\0\x01rm -rf /\n");
        assert_eq!(client.open_message(&output), Err(Undecryptable));
        let relabelled = [&1_u64.to_be_bytes()[..], &output].concat();
        assert_eq!(
            client.open_message(&relabelled),
            Err(Undecryptable),
            "not as a message"
        );
        let mut renumbered = message.to_vec();
        renumbered[7] = 2;
        assert_eq!(client.open_message(&renumbered), Err(Undecryptable));
        assert_eq!(
            node.open_message(&message),
            Err(Undecryptable),
            "nobody hears himself"
        );
    }

    #[test]
    fn each_number_comes_once_and_in_order() {
        let mut turns = Turns::default();
        assert_eq!([turns.say(), turns.say()], [1, 2]);
        for (number, expected) in [
            (2, false),
            (1, true),
            (1, false),
            (3, false),
            (2, true),
            (u64::MAX, false),
        ] {
            assert_eq!(turns.hear(number, true).is_ok(), expected, "{number}");
        }
        assert_eq!(turns.hear(0, true), Ok(()));
        // All that was ever said before may be said again by whoever is between, and counts for nothing.
        for number in 1..5 {
            assert_eq!(turns.hear(number, number == 1), Err(OutOfTurn));
        }
        assert_eq!(turns.hear(0, true), Ok(()), "a third client");
        assert_eq!(turns.hear(0, false), Err(OutOfTurn), "it may begin, and no more");
    }

    #[test]
    fn a_latecomer_says_so_and_hears_from_anywhere() {
        let mut turns = Turns::of_latecomer();
        assert_eq!([turns.say(), turns.say()], [0, 0]);
        assert_eq!([turns.hear(7, false), turns.hear(8, false)], [Ok(()), Ok(())]);
    }

    proptest! {
        #[test]
        fn what_is_sealed_is_opened(number in any::<u64>(), message in prop::collection::vec(any::<u8>(), 0..300)) {
            let (node, mut client) = ends();
            let opened = node.open_message(&client.seal_message(number, &message)).unwrap();
            prop_assert_eq!((opened.number, &opened.message[..]), (number, &message[..]));
            prop_assert_eq!(Numbered::of_payload(opened.to_payload()), Some(opened));
        }

        #[test]
        fn nothing_that_was_changed_is_opened(
            message in prop::collection::vec(any::<u8>(), 0..60), place in any::<prop::sample::Index>(), bit in 0..8_u8, cut in 0..40_usize,
        ) {
            let (node, mut client) = ends();
            let sealed = client.seal_message(5, &message);
            let mut changed = sealed.to_vec();
            changed[place.index(sealed.len())] ^= 1 << bit;
            prop_assert_eq!(node.open_message(&changed), Err(Undecryptable));
            prop_assert_eq!(node.open_message(&sealed[..sealed.len() - 1 - cut.min(sealed.len() - 1)]), Err(Undecryptable));
        }
    }
}
