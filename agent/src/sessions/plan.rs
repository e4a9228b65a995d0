//! What a session is to do, taken from its document and checked before anything is started.

use std::collections::BTreeMap;
use std::path::PathBuf;

use drawbridge_protocol::payload::ShellContent;
use drawbridge_protocol::{DEFAULT_MAX_PAYLOAD, NodeExtension};
use drawbridge_session::ParseError;
use drawbridge_session::document::{
    Commands, Content, Destination, DestinationRule, DocumentError, Inputs, ParameterError, Platform,
    PlatformCommands, PortSettings, Properties, SessionDocument, SessionType, Strictness, TUNNEL,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::account::RunAs;
use crate::logs::Destinations;

/// A session that has passed every check that needs no look at the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What is done.
    pub task: Task,
    /// What may be used towards the server beyond the public protocol; none towards AWS's own.
    pub extension: Option<NodeExtension>,
    /// The key that wraps the data key of an encrypted session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
    /// Where its log goes, if anywhere.
    #[serde(default)]
    pub logs: Option<Box<Destinations>>,
}

/// What a session does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// A login shell on a terminal.
    Shell {
        /// Whose, and where.
        login: Login,
        /// What is typed into it once it is there; may be empty.
        profile: String,
    },
    /// A command line on a terminal.
    CommandLine {
        /// Whose, and where.
        login: Login,
        /// What the account's shell reads.
        line: String,
    },
    /// A program without a terminal and without a shell.
    Command {
        /// Whose, and where.
        login: Login,
        /// The program, as it is named.
        program: String,
        /// What it is given.
        arguments: Vec<String>,
        /// How its output and errors are told apart, where they are.
        separation: Option<Separation>,
    },
    /// A connection to one port.
    Connection {
        /// Where to.
        destination: Destination,
        /// Which addresses it may have; `None` for all.
        rules: Option<Vec<DestinationRule>>,
        /// What the document says of it, for the client.
        properties: Value,
    },
    /// As many connections as the client asks for.
    Tunnel {
        /// Where they may lead, as the client counts them.
        destinations: Vec<Destination>,
        /// Which addresses they may have; `None` for all.
        rules: Option<Vec<DestinationRule>>,
        /// Whose rights count for the sockets among them.
        login: Login,
        /// What the document says of it, for the client.
        properties: Value,
    },
}

/// Whom a program runs as, and where it starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The account, as far as the document names one.
    pub run_as: RunAs,
    /// The folder; the account's home where there is none.
    pub folder: Option<PathBuf>,
}

/// What stands before the pieces of output and errors; may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Separation {
    /// Before output.
    pub output_prefix: String,
    /// Before errors.
    pub error_prefix: String,
}

/// Why a session is refused. `Display` is shown to the person who asked for it.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The request names no usable session; there is nobody to report to.
    #[error(transparent)]
    Session(#[from] ParseError),
    /// The document is not one of schema 1.0.
    #[error("session document is invalid: {0}")]
    Document(#[from] DocumentError),
    /// A value of a parameter is missing or not allowed.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// There is nothing to run on this platform.
    #[error("Commands cannot be empty for session type {0}")]
    NoCommands(&'static str),
    /// The words of a command cannot be told apart.
    #[error("the quotes in the command do not match")]
    Quotes,
    /// The port is not one.
    #[error("`{}` is not a port number", .0.escape_debug())]
    Port(String),
}

impl Plan {
    /// Plans a request whose document refers to nothing.
    ///
    /// # Errors
    ///
    /// See [`PlanError`].
    pub(super) fn parse(content: &ShellContent) -> Result<Self, PlanError> {
        Self::of(&resolve(content)?, content)
    }

    /// Plans what a document without placeholders says.
    pub(super) fn of(document: &SessionDocument, content: &ShellContent) -> Result<Self, PlanError> {
        let inputs = &document.inputs;
        let run_as_user = &content.run_as_user;
        let task = match &document.properties {
            Properties::Port(settings) => connections(settings, document, run_as_user)?,
            Properties::None => Task::Shell {
                login: login(inputs, run_as_user, false),
                profile: inputs.shell_profile.linux.clone(),
            },
            Properties::Commands(commands) => command(document.session_type, commands, inputs, run_as_user)?,
        };
        // The protocol has no encrypted tunnels, whatever their documents say.
        let is_tunnel = matches!(document.properties, Properties::Port(_));
        let kms_key_id = Some(&inputs.kms_key_id).filter(|key| !is_tunnel && !key.is_empty());
        Ok(Self {
            task,
            extension: content.drawbridge,
            kms_key_id: kms_key_id.cloned(),
            logs: Destinations::of(inputs, document.session_type, &content.session_owner).map(Box::new),
        })
    }

    /// Returns how many bytes of payload one frame may have.
    pub fn max_payload(&self) -> usize {
        self.extension
            .map_or(DEFAULT_MAX_PAYLOAD, |extension| extension.max_payload())
    }
}

/// Puts the values of a request in their places. Our own server has done so already.
pub(super) fn resolve(content: &ShellContent) -> Result<SessionDocument, PlanError> {
    let document = Content::read(&content.document_content, Strictness::Lenient)?;
    let (document, _) = document.resolve(&values(&content.parameters))?;
    Ok(document)
}

/// The values as lists of texts. Servers flatten those of one (`protocol.md` 11.3).
fn values(parameters: &Map<String, Value>) -> BTreeMap<String, Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let list = |value: &Value| match value {
        Value::Array(values) => values.iter().map(text).collect(),
        value => vec![text(value)],
    };
    parameters
        .iter()
        .map(|(name, value)| (name.clone(), list(value)))
        .collect()
}

fn login(inputs: &Inputs, requested: &str, elevated: bool) -> Login {
    let requested = requested.trim();
    let user = if requested.is_empty() {
        inputs.run_as_default_user.clone()
    } else {
        requested.to_owned()
    };
    let folder = inputs.drawbridge.as_ref().map(|own| &own.working_directory);
    Login {
        run_as: RunAs {
            elevated,
            enabled: inputs.run_as_enabled,
            user,
        },
        folder: folder.filter(|path| !path.is_empty()).map(PathBuf::from),
    }
}

fn command(
    session_type: SessionType,
    commands: &PlatformCommands,
    inputs: &Inputs,
    run_as_user: &str,
) -> Result<Task, PlanError> {
    let missing = PlanError::NoCommands(session_type.as_str());
    let own = commands
        .on(Platform::Linux)
        .filter(|own| !own.commands.trim().is_empty());
    let Some(own) = own else { return Err(missing) };
    let login = login(inputs, run_as_user, own.run_as_elevated);
    if session_type == SessionType::InteractiveCommands {
        return Ok(Task::CommandLine {
            login,
            line: own.commands.clone(),
        });
    }
    let mut words = shlex::split(&own.commands).ok_or(PlanError::Quotes)?.into_iter();
    Ok(Task::Command {
        login,
        program: words.next().ok_or(missing)?,
        arguments: words.collect(),
        separation: separation(own),
    })
}

fn separation(own: &Commands) -> Option<Separation> {
    own.separate_output_stream.then(|| Separation {
        output_prefix: own.std_out_separator_prefix.clone(),
        error_prefix: own.std_err_separator_prefix.clone(),
    })
}

fn connections(
    settings: &PortSettings,
    document: &SessionDocument,
    run_as_user: &str,
) -> Result<Task, PlanError> {
    let properties = serde_json::to_value(settings).unwrap_or_default();
    let destinations = document.destinations();
    let rules = document.destination_rules().map(<[_]>::to_vec);
    let nowhere = || PlanError::Port(settings.port_number.clone());
    if settings.kind == TUNNEL {
        return match destinations.is_empty() {
            true => Err(nowhere()),
            false => Ok(Task::Tunnel {
                destinations,
                rules,
                login: login(&document.inputs, run_as_user, false),
                properties,
            }),
        };
    }
    Ok(Task::Connection {
        destination: destinations.into_iter().next().ok_or_else(nowhere)?,
        rules,
        properties,
    })
}

#[cfg(test)]
mod tests;
