//! `drawbridge audit`: what can be said about the audit log without its server.

use std::path::Path;

use anyhow::{Context, Result};
use drawbridge_store::{Checkpoint, Inspection, RootKey, Sqlite, Verified, VerifyError};

use crate::exit::{AUDIT_LOG_BROKEN, BAD_CONFIGURATION, FOLDER_UNUSABLE, Failure};
use crate::root_key;

/// Checks the log of a data folder, and prints what it holds.
pub(crate) async fn verify(folder: &Path, kept: Option<&Checkpoint>) -> Result<()> {
    let file = folder.join(Sqlite::FILE_NAME);
    if !file.is_file() {
        let sentence = format!("`{}` is not the data folder of a server", folder.display());
        return Err(Failure::new(FOLDER_UNUSABLE, sentence).into());
    }
    let root = RootKey::load(folder).map_err(|error| root_key::unusable(&error))?;
    let inspection = Inspection::open(&file)
        .await
        .context("cannot verify the audit log")?;
    let verified = match inspection.verify_audit_log(&root, kept, |_| {}).await {
        Ok(verified) => verified,
        Err(VerifyError::Broken(broken)) => {
            let sentence = format!("the audit log is broken: {broken}");
            return Err(Failure::new(AUDIT_LOG_BROKEN, sentence).into());
        }
        Err(error @ (VerifyError::Foreign | VerifyError::TooOld { .. })) => {
            return Err(Failure::new(BAD_CONFIGURATION, error.to_string()).into());
        }
        Err(VerifyError::Store(error)) => return Err(error).context("cannot verify the audit log"),
    };
    println!("{}", summary(&verified));
    Ok(())
}

fn summary(verified: &Verified) -> String {
    let Verified {
        events,
        first,
        newest,
        ..
    } = verified;
    let held = match events {
        0 => "the audit log is whole: it holds no event".to_owned(),
        _ => format!("the audit log is whole: events {first} to {}", first + events - 1),
    };
    match newest {
        Some(newest) => format!("{held}\ncheckpoint: {newest}"),
        None => held,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use drawbridge_session::SystemRandom;

    use super::*;
    use crate::exit;

    fn code(outcome: Result<()>) -> std::process::ExitCode {
        exit::report(&outcome.expect_err("failed"))
    }

    #[tokio::test]
    async fn verifies_a_folder_beside_its_server() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = RootKey::load_or_create(folder.path(), &SystemRandom).expect("made");
        let file = folder.path().join(Sqlite::FILE_NAME);
        let _running = Sqlite::open(&file, Arc::new(root)).await.expect("opens");
        assert!(verify(folder.path(), None).await.is_ok());
    }

    #[tokio::test]
    async fn makes_nothing_where_there_is_no_server() {
        let folder = tempfile::tempdir().expect("a folder");
        let outcome = verify(folder.path(), None).await;
        assert_eq!(code(outcome), FOLDER_UNUSABLE.into());
        let left = std::fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(left, 0);
    }

    #[test]
    fn says_what_the_log_holds() {
        let verified = |events| Verified {
            events,
            first: 11,
            swept_until: None,
            checkpoints: 0,
            newest: None,
        };
        assert_eq!(summary(&verified(5)), "the audit log is whole: events 11 to 15");
        assert_eq!(summary(&verified(0)), "the audit log is whole: it holds no event");
    }
}
