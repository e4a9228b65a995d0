//! Passwords as they are kept: hashes that are slow to make.

use std::sync::Arc;

use argon2::password_hash::PasswordHasher as _;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, Version};
use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Random, RandomArray as _, Secret};
use tokio::sync::Semaphore;

use crate::error;

/// How many hashes are made at once: each takes [`MEMORY_KIB`] and a processor.
const AT_ONCE: usize = 4;

/// The least that OWASP's password storage cheat sheet recommends for Argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Makes hashes, a few at a time.
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
}

impl Passwords {
    pub(crate) fn new() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Hashes a password; the answer is a PHC string.
    pub(crate) async fn hash(&self, password: Secret, random: &dyn Random) -> Result<Secret, AwsError> {
        let salt = random.array::<16>();
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(error::internal)?;
        let hashed = tokio::task::spawn_blocking(move || {
            // The turn ends with the work: whoever waits for it may go away before.
            let _turn = turn;
            hash(&password, &salt)
        });
        hashed.await.map_err(error::internal)?.map_err(error::internal)
    }
}

fn hash(password: &Secret, salt: &[u8]) -> Result<Secret, argon2::password_hash::Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash: PasswordHash = argon2.hash_password_with_salt(password.expose().as_bytes(), salt)?;
    Ok(Secret::new(hash.to_string()))
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::PasswordVerifier as _;
    use drawbridge_session::SeededRandom;

    use super::*;

    #[tokio::test]
    async fn a_hash_names_its_parameters_and_proves_its_password_only() {
        let passwords = Passwords::new();
        let random = SeededRandom::new(1);
        let hash = passwords.hash(Secret::new("Correct-Horse-7"), &random).await;
        let hash = hash.expect("hashed");
        assert!(
            hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{}",
            hash.expose()
        );
        let parsed = PasswordHash::new(hash.expose()).expect("a PHC string");
        let proves = |password: &str| {
            Argon2::default()
                .verify_password(password.as_bytes(), &parsed)
                .is_ok()
        };
        assert!(proves("Correct-Horse-7") && !proves("Correct-Horse-8"));
        let again = passwords.hash(Secret::new("Correct-Horse-7"), &random).await;
        assert_ne!(again.expect("hashed"), hash, "the salt is drawn each time");
    }
}
