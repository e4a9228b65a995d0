//! What one end keeps from whoever sits between the ends.

use bytes::Bytes;

use super::{Cipher, Numbered, Turns, Undecryptable, max_plain};
use crate::PeerMisbehaved;
use crate::stream::Outbound;
use crate::wire::{Frame, PayloadType};

/// Encrypts what an end says and decrypts what it hears, from when it has a data key.
#[derive(Debug)]
pub(crate) struct Secrecy {
    cipher: Option<Cipher>,
    /// The order of messages about commands, where they are encrypted.
    turns: Turns,
    /// Which payloads this end encrypts.
    seals: fn(PayloadType) -> bool,
    /// Which payloads the other end encrypts.
    opens: fn(PayloadType) -> bool,
}

impl Secrecy {
    /// Makes the node's, which has no key yet.
    pub(crate) fn of_node() -> Secrecy {
        Secrecy {
            cipher: None,
            turns: Turns::default(),
            seals: is_sealed_by_node,
            opens: is_sealed_by_client,
        }
    }

    /// Makes the client's, which has no key yet.
    pub(crate) fn of_client() -> Secrecy {
        Secrecy {
            seals: is_sealed_by_client,
            opens: is_sealed_by_node,
            ..Secrecy::of_node()
        }
    }

    /// Encrypts from now on.
    pub(crate) fn begin(&mut self, cipher: Cipher) {
        self.cipher = Some(cipher);
    }

    /// Encrypts from now on, in a session that has begun before.
    pub(crate) fn join(&mut self, cipher: Cipher) {
        self.begin(cipher);
        self.turns = Turns::of_latecomer();
    }

    /// Returns what encrypts, once there is a data key.
    pub(crate) fn cipher(&mut self) -> Option<&mut Cipher> {
        self.cipher.as_mut()
    }

    /// Says whether there is a data key.
    pub(crate) fn has_begun(&self) -> bool {
        self.cipher.is_some()
    }

    /// Says whether payloads of this kind have no business in the session.
    pub(crate) fn refuses(&self, payload_type: PayloadType) -> bool {
        self.has_begun() && is_never_sealed(payload_type)
    }

    /// Queues what is to be said, cut as the other end can take it.
    pub(crate) fn push(
        &mut self,
        outbound: &mut Outbound,
        payload_type: PayloadType,
        bytes: Bytes,
        max_payload: usize,
    ) {
        match &mut self.cipher {
            Some(cipher) if (self.seals)(payload_type) => {
                for plain in bytes.chunks(max_plain(max_payload)) {
                    outbound.push(payload_type, cipher.seal(plain));
                }
            }
            // One frame carries one message.
            Some(cipher) if payload_type == PayloadType::Multiplexed => {
                outbound.push(payload_type, cipher.seal_message(self.turns.say(), &bytes));
            }
            // Nothing of a user's leaves in the clear.
            Some(_) if is_never_sealed(payload_type) => {}
            None if payload_type == PayloadType::Multiplexed => {
                outbound.push(payload_type, bytes);
            }
            _ => outbound.push_cut(payload_type, bytes, max_payload),
        }
    }

    /// Decrypts what the other end encrypts, before it counts as arrived; `read` takes its part in the `challenge`.
    pub(crate) fn decrypt(
        &self,
        frame: Frame,
        challenge: PayloadType,
        read: impl FnOnce(&[u8], &Cipher) -> Result<Bytes, Undecryptable>,
    ) -> Result<Frame, PeerMisbehaved> {
        let Some(cipher) = &self.cipher else {
            return Ok(frame);
        };
        let payload_type = frame.payload_type;
        let opened = match payload_type {
            part if part == challenge => read(&frame.payload, cipher),
            sealed if (self.opens)(sealed) => cipher.open(&frame.payload),
            PayloadType::Multiplexed => cipher
                .open_message(&frame.payload)
                .map(|numbered| numbered.to_payload()),
            _ => Ok(frame.payload),
        };
        match opened {
            Ok(payload) => Ok(Frame { payload, ..frame }),
            Err(source) => Err(PeerMisbehaved::Undecryptable { payload_type, source }),
        }
    }

    /// Takes a message about commands whose frame is in order; one that was encrypted only if it is the next.
    ///
    /// `begins` says whether it is a client's that begins.
    pub(crate) fn take_message(
        &mut self,
        payload: Bytes,
        begins: impl FnOnce(&Bytes) -> bool,
    ) -> Result<Bytes, PeerMisbehaved> {
        if !self.has_begun() {
            return Ok(payload);
        }
        let unexpected = || PeerMisbehaved::UnexpectedPayload(PayloadType::Multiplexed);
        let Numbered { number, message } = Numbered::of_payload(payload).ok_or_else(unexpected)?;
        let heard = self.turns.hear(number, begins(&message));
        heard.map(|()| message).map_err(|_| unexpected())
    }
}

/// Says whether payloads of this kind are encrypted on their way from the node.
fn is_sealed_by_node(payload_type: PayloadType) -> bool {
    matches!(
        payload_type,
        PayloadType::Output | PayloadType::StdErr | PayloadType::ExitCode
    )
}

/// Says whether payloads of this kind are encrypted on their way from the client.
fn is_sealed_by_client(payload_type: PayloadType) -> bool {
    payload_type == PayloadType::Output
}

/// Says whether payloads of this kind carry bytes of users for which no encryption is agreed, so that they have no business in
/// an encrypted session. Sizes, flags and the handshake stay in the clear, as AWS's programs have it.
fn is_never_sealed(payload_type: PayloadType) -> bool {
    matches!(
        payload_type,
        PayloadType::None | PayloadType::Error | PayloadType::Parameter | PayloadType::Unknown(_)
    )
}

/// Says whether payloads of this kind carry bytes of users, so that a node has none to send before there is a key.
pub(crate) fn is_of_users(payload_type: PayloadType) -> bool {
    is_sealed_by_node(payload_type)
        || is_never_sealed(payload_type)
        || payload_type == PayloadType::Multiplexed
}
