//! What people are told of a root key that cannot be used.

use std::error::Error;
use std::path::Path;

use drawbridge_store::root_key::FILE_NAME;
use drawbridge_store::{RootKeyError, SealError, StoreError};

use crate::exit::{FOLDER_UNUSABLE, Failure};

/// The key of a data folder cannot be read.
pub(crate) fn unusable(error: &RootKeyError) -> Failure {
    match error {
        RootKeyError::Lost(_) => Failure::new(FOLDER_UNUSABLE, error.to_string())
            .hint("put the copy of it back; without it nothing that is sealed in the folder can be opened"),
        RootKeyError::Io { source, .. } => Failure::new(FOLDER_UNUSABLE, format!("{error}: {source}")),
        RootKeyError::TooOpen(..) | RootKeyError::WrongLength(_) => {
            Failure::new(FOLDER_UNUSABLE, error.to_string())
        }
    }
}

/// The key is that of another folder.
pub(crate) fn another(folder: &Path) -> Failure {
    let file = folder.join(FILE_NAME);
    let sentence = format!(
        "root key file `{}` does not open what is sealed in the data folder",
        file.display()
    );
    Failure::new(FOLDER_UNUSABLE, sentence).hint("put the copy of the folder's own root key in its place")
}

/// Whether the store failed because its secrets are sealed under another key.
pub(crate) fn is_another(error: &StoreError) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<SealError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_to_do() {
        let lost = unusable(&RootKeyError::Lost("/data/root.key".into()));
        assert_eq!(
            lost.to_string(),
            "root key file `/data/root.key` is missing, and the data folder was made with it"
        );
        assert!(
            lost.told_hint()
                .is_some_and(|hint| hint.starts_with("put the copy of it back"))
        );
        let other = another(Path::new("/data"));
        assert_eq!(
            other.to_string(),
            "root key file `/data/root.key` does not open what is sealed in the data folder"
        );
    }

    #[test]
    fn tells_another_key_from_another_failure() {
        assert!(is_another(&StoreError::new("open a secret", SealError)));
        assert!(!is_another(&StoreError::new("open a secret", "the disk is gone")));
    }
}
