//! The documents that are in every account: AWS's, by their names and with their parameters, and Drawbridge's own.

use std::sync::LazyLock;

use super::content::{Content, DocumentFormat};

/// Their names, in the order of the alphabet.
pub const BUILTIN_NAMES: [&str; 9] = [
    "AWS-StartInteractiveCommand",
    "AWS-StartNonInteractiveCommand",
    "AWS-StartPortForwardingSession",
    "AWS-StartPortForwardingSessionToRemoteHost",
    "AWS-StartPortForwardingSessionToSocket",
    "AWS-StartSSHSession",
    "Drawbridge-StartInteractiveCommand",
    "Drawbridge-StartNonInteractiveCommand",
    "Drawbridge-StartPortForwarding",
];

const TEXTS: [&str; 9] = [
    include_str!("builtin/AWS-StartInteractiveCommand.json"),
    include_str!("builtin/AWS-StartNonInteractiveCommand.json"),
    include_str!("builtin/AWS-StartPortForwardingSession.json"),
    include_str!("builtin/AWS-StartPortForwardingSessionToRemoteHost.json"),
    include_str!("builtin/AWS-StartPortForwardingSessionToSocket.json"),
    include_str!("builtin/AWS-StartSSHSession.json"),
    include_str!("builtin/Drawbridge-StartInteractiveCommand.json"),
    include_str!("builtin/Drawbridge-StartNonInteractiveCommand.json"),
    include_str!("builtin/Drawbridge-StartPortForwarding.json"),
];

/// Says whether sessions of a built-in document have the settings of the account's preferences; AWS's have none, as on AWS.
pub fn has_settings_of_preferences(name: &str) -> bool {
    matches!(
        name,
        "Drawbridge-StartInteractiveCommand" | "Drawbridge-StartNonInteractiveCommand"
    )
}

/// Who provides documents to every account. They are nobody's to change, and have ARNs without account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provider {
    /// AWS, or we in its place.
    Amazon,
    /// We, for what AWS has no document for.
    Drawbridge,
}

impl Provider {
    /// Returns whose a document of this name is, there or not; those of accounts have none.
    pub fn of(name: &str) -> Option<Self> {
        if name.starts_with("AWS-") {
            Some(Self::Amazon)
        } else if name.starts_with("Drawbridge-") {
            Some(Self::Drawbridge)
        } else {
            None
        }
    }

    /// Returns the name of the owner as it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Amazon => "Amazon",
            Self::Drawbridge => "Drawbridge",
        }
    }
}

/// Returns a built-in document: its text and what it says.
pub fn builtin(name: &str) -> Option<(&'static str, &'static Content)> {
    static CONTENTS: LazyLock<Vec<Content>> = LazyLock::new(|| {
        let parse = |text: &&str| Content::parse(text, DocumentFormat::Json);
        let contents = TEXTS.iter().map(parse).collect::<Result<_, _>>();
        contents.expect("built-in documents are valid")
    });
    let at = BUILTIN_NAMES.iter().position(|known| *known == name)?;
    Some((TEXTS[at], CONTENTS.get(at)?))
}
