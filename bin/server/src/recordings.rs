//! `drawbridge recordings`: what can be said about recordings without their server.

use std::path::Path;

use anyhow::{Context, Result};
use drawbridge_gateway::RECORDINGS_FOLDER;
use drawbridge_recorder::{Flaw, Folder, FolderConfig, RecordingKeys, Verified};
use drawbridge_session::SessionId;
use drawbridge_store::RootKey;

use crate::exit::{FOLDER_UNUSABLE, Failure, RECORDING_BROKEN};

/// Checks one recording of a data folder, or all of them, and prints what they hold.
pub(crate) fn verify(data_folder: &Path, session: Option<SessionId>) -> Result<()> {
    let path = data_folder.join(RECORDINGS_FOLDER);
    if !path.is_dir() {
        let sentence = format!("`{}` holds no recordings", data_folder.display());
        return Err(Failure::new(FOLDER_UNUSABLE, sentence).into());
    }
    let keys = RecordingKeys::of(&RootKey::load(data_folder).context("cannot open recordings")?);
    let folder = Folder::open(&path, FolderConfig::default()).context("cannot read the recordings")?;
    let sessions = match session {
        Some(session) => vec![session],
        None => folder.sessions().context("cannot list the recordings")?,
    };
    let (checked, mut broken) = (sessions.len(), 0);
    for session in sessions {
        let verified = folder
            .verify(&session, &keys, |_| {})
            .with_context(|| format!("cannot read the recording of {session}"))?
            .ok_or_else(|| Failure::new(FOLDER_UNUSABLE, format!("there is no recording of {session}")))?;
        broken += usize::from(verified.is_err());
        println!("{}", line(&session, &verified));
    }
    match broken {
        0 => Ok(()),
        _ => {
            let sentence = format!("{broken} of {checked} recordings are broken");
            Err(Failure::new(RECORDING_BROKEN, sentence).into())
        }
    }
}

fn line(session: &SessionId, verified: &Result<Verified, Flaw>) -> String {
    match verified {
        Ok(verified) => {
            let end = if verified.is_complete {
                "whole"
            } else {
                "whole so far, without its end"
            };
            let Verified { blocks, head, .. } = verified;
            format!(
                "{session}: {end}: blocks 0 to {}, head {head}",
                blocks.saturating_sub(1)
            )
        }
        Err(flaw) => format!("{session}: BROKEN: {flaw}"),
    }
}

#[cfg(test)]
mod tests {
    use drawbridge_session::SystemRandom;

    use super::*;
    use crate::exit;

    #[test]
    fn makes_nothing_where_there_is_no_server() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = verify(folder.path(), None).expect_err("no folder");
        assert_eq!(exit::report(&error), FOLDER_UNUSABLE.into());
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }

    #[test]
    fn names_the_broken_ones() {
        let folder = tempfile::tempdir().expect("a folder");
        RootKey::load_or_create(folder.path(), &SystemRandom).expect("made");
        std::fs::create_dir(folder.path().join(RECORDINGS_FOLDER)).expect("made");
        assert!(verify(folder.path(), None).is_ok(), "none is broken");
        let file = folder.path().join(RECORDINGS_FOLDER).join("alice-1.recording");
        std::fs::write(file, "not a recording").expect("written");
        let error = verify(folder.path(), None).expect_err("broken");
        assert_eq!(error.to_string(), "1 of 1 recordings are broken");
        assert_eq!(exit::report(&error), RECORDING_BROKEN.into());
        let other = SessionId::parse("bob-1").expect("a session id");
        assert_eq!(
            exit::report(&verify(folder.path(), Some(other)).expect_err("unknown")),
            FOLDER_UNUSABLE.into()
        );
    }
}
