//! The documents that are in every account, named and with parameters as AWS's.

use std::sync::LazyLock;

use super::content::{Content, DocumentFormat};

/// Their names, in the order of the alphabet.
pub const BUILTIN_NAMES: [&str; 6] = [
    "AWS-StartInteractiveCommand",
    "AWS-StartNonInteractiveCommand",
    "AWS-StartPortForwardingSession",
    "AWS-StartPortForwardingSessionToRemoteHost",
    "AWS-StartPortForwardingSessionToSocket",
    "AWS-StartSSHSession",
];

const TEXTS: [&str; 6] = [
    include_str!("builtin/AWS-StartInteractiveCommand.json"),
    include_str!("builtin/AWS-StartNonInteractiveCommand.json"),
    include_str!("builtin/AWS-StartPortForwardingSession.json"),
    include_str!("builtin/AWS-StartPortForwardingSessionToRemoteHost.json"),
    include_str!("builtin/AWS-StartPortForwardingSessionToSocket.json"),
    include_str!("builtin/AWS-StartSSHSession.json"),
];

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
