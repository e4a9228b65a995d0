//! Session documents, schema 1.0: what happens in a session.
//!
//! ```text
//! text ─parse─▶ Content (as written, checked) ─resolve(values)─▶ SessionDocument (typed, no placeholder left)
//! ```
//!
//! A [`Content`] holds placeholders, `{{ name }}`, and the definitions of their parameters. Resolving it checks the values
//! that a request gives and puts them in; what comes out is read once more as if it had been written so. Nodes are told
//! the resolved document, so that no value of a request is ever looked through for placeholders again.
//!
//! `{{ssm:name}}` is left for the node, which reads the parameter with its own rights.

mod builtin;
mod content;
mod destination;
mod destination_rule;
mod error;
mod fields;
mod inputs;
mod parameter;
mod placeholder;
mod properties;
mod resolve;
mod run_as;
mod start;
mod transcript;
mod tunnel;

pub use builtin::{BUILTIN_NAMES, Provider, builtin, has_settings_of_preferences};
pub use content::{Content, DocumentFormat, MAX_DOCUMENT_BYTES, Platform, Strictness};
pub use destination::{Destination, DestinationError};
pub use destination_rule::{Admission, DestinationRule, DestinationRuleError};
pub use error::DocumentError;
pub use inputs::{Inputs, OwnInputs, ShellProfile};
pub use parameter::{ParameterDefinition, ParameterError, ParameterType};
pub use placeholder::{FilledBy, put_ssm_values, ssm_references};
pub use properties::{Commands, PlatformCommands, PortSettings, Properties, TUNNEL};
pub use resolve::SessionDocument;
pub use run_as::{RunAsName, RunAsNameError};
pub use start::{SessionStart, SessionType};
pub use tunnel::NeedsOurAgent;

/// Names the document that a session uses when the request names none.
pub const DEFAULT_SHELL_DOCUMENT: &str = "SSM-SessionManagerRunShell";

#[cfg(test)]
mod tests;
