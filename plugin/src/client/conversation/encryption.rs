//! A session that is encrypted.

use drawbridge_protocol::encryption::Cipher;
use drawbridge_session::RandomArray;

use super::Conversation;
use crate::client::run::chain;
use crate::client::{ClientError, DataKeyError, MadeKey, Remote};
use crate::terminal::Terminal;

impl<R: Remote, T: Terminal> Conversation<'_, R, T> {
    /// Unwraps the key of a session that began without this client, before it takes anything from anybody.
    pub(super) async fn join_encryption(&mut self) -> Result<(), ClientError> {
        let joined = self.remote.joined_data_key().await;
        let joined = joined.map_err(|source| ClientError::DataKey {
            session_id: self.ticket.session_id.clone(),
            source,
        })?;
        if let Some(key) = joined {
            let cipher = Cipher::of_client(&key, self.random.array());
            self.core.join_encrypted(cipher);
        }
        Ok(())
    }

    pub(super) fn begin_data_key(&mut self, kms_key_id: String) {
        self.making = Some(Box::pin(self.remote.make_data_key(kms_key_id)));
    }

    /// Goes on with the key; without one the node ends the session, and repeats the reason.
    pub(super) fn take_data_key(&mut self, made: Result<MadeKey, DataKeyError>) {
        self.making = None;
        match made {
            Ok(MadeKey { key, wrapped }) => {
                let cipher = Cipher::of_client(&key, self.random.array());
                self.core.handle_data_key(cipher, &wrapped);
            }
            Err(error) => {
                let why = chain(&error);
                tracing::info!(session.id = %self.ticket.session_id, error = why, "no data key");
                self.core.handle_data_key_refused(&why);
            }
        }
    }
}
