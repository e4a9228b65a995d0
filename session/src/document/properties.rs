//! The particulars of a session's type: `properties`.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::content::{Platform, Strictness};
use super::destination::Destination;
use super::error::DocumentError;
use super::fields::Fields;
use super::placeholder::has_placeholder;
use super::start::SessionType;

/// The `type` of a tunnel with a listener on the client's machine; without one, a port session is the client's
/// standard input and output.
pub const TUNNEL: &str = "LocalPortForwarding";

/// What a tunnel leads to where its document does not say: the node itself.
const OWN_HOST: &str = "localhost";

/// What the number of a port must be.
pub(super) const PORT_RULE: &str = "must be a port from 1 to 65535";

/// The particulars of a session's type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Properties {
    /// Those of a tunnel.
    Port(PortSettings),
    /// Those of a command.
    Commands(PlatformCommands),
    /// A shell has none.
    None,
}

/// The commands of a document, by platform.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlatformCommands {
    /// On Windows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<Commands>,
    /// On Linux.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linux: Option<Commands>,
    /// On macOS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macos: Option<Commands>,
}

/// What a command session runs on one platform.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Commands {
    /// A shell's text, or, for `NonInteractiveCommands`, words in a shell's quotes.
    pub commands: String,
    /// Whether it runs as the agent itself does, which is root.
    pub run_as_elevated: bool,
    /// Whether standard error and the exit code come apart from standard output.
    pub separate_output_stream: bool,
    /// What stands before pieces of standard output.
    pub std_out_separator_prefix: String,
    /// What stands before pieces of standard error.
    pub std_err_separator_prefix: String,
}

/// Where a tunnel leads; all are texts, because AWS's agent reads nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PortSettings {
    /// The port on the node, or on `host`; empty where `inputs.drawbridge.destinations` say where the tunnel leads.
    pub port_number: String,
    /// The host as the node knows it; empty for the node itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// [`TUNNEL`], or empty for standard input and output.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The port on the client's machine; `0` or empty for any.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub local_port_number: String,
    /// `unix` for a socket on the client's machine.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub local_connection_type: String,
    /// Its path.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub local_unix_socket: String,
}

impl PortSettings {
    /// Returns where the tunnel leads; `None` while a placeholder says so.
    pub fn destination(&self) -> Option<Destination> {
        let host = match self.host.as_str() {
            "" => OWN_HOST,
            host if has_placeholder(host) => return None,
            host => host,
        };
        Some(Destination::Port {
            host: host.to_owned(),
            port: self.port_number.parse().ok().filter(|port| *port != 0)?,
        })
    }
}

impl Properties {
    pub(super) fn read(
        value: Option<&Value>,
        of: SessionType,
        strictness: Strictness,
    ) -> Result<Self, DocumentError> {
        match of {
            // Whatever stands there, no agent reads it.
            SessionType::StandardStream => Ok(Self::None),
            SessionType::InteractiveCommands | SessionType::NonInteractiveCommands => {
                PlatformCommands::read(value, strictness).map(Self::Commands)
            }
            SessionType::Port => PortSettings::read(value, strictness).map(Self::Port),
        }
    }

    /// Returns the platforms that a session can run on.
    pub fn platforms(&self) -> Vec<Platform> {
        let Self::Commands(commands) = self else {
            return Platform::ALL.to_vec();
        };
        let given = |platform: &Platform| commands.on(*platform).is_some();
        Platform::ALL.into_iter().filter(given).collect()
    }
}

impl PlatformCommands {
    fn read(value: Option<&Value>, strictness: Strictness) -> Result<Self, DocumentError> {
        let mut fields = Fields::of(value, "properties", strictness)?;
        let mut on = |key| Commands::read(&mut fields, key);
        let commands = Self {
            windows: on("windows")?,
            linux: on("linux")?,
            macos: on("macos")?,
        };
        fields.finish()?;
        if Platform::ALL
            .iter()
            .all(|platform| commands.on(*platform).is_none())
        {
            let rule = "must have `commands` under `linux`, `macos` or `windows`";
            return Err(DocumentError::at("properties", rule));
        }
        Ok(commands)
    }

    /// Returns what runs on a platform.
    pub fn on(&self, platform: Platform) -> Option<&Commands> {
        match platform {
            Platform::Windows => self.windows.as_ref(),
            Platform::Linux => self.linux.as_ref(),
            Platform::MacOs => self.macos.as_ref(),
        }
    }
}

impl Commands {
    fn read(fields: &mut Fields<'_>, key: &'static str) -> Result<Option<Self>, DocumentError> {
        if fields.value(key).is_none() {
            return Ok(None);
        }
        let mut own = fields.object(key)?;
        let commands = Self {
            commands: own.text("commands")?,
            run_as_elevated: own.flag("runAsElevated")?,
            separate_output_stream: own.flag("separateOutputStream")?,
            std_out_separator_prefix: prefix(&mut own, "stdOutSeparatorPrefix")?,
            std_err_separator_prefix: prefix(&mut own, "stdErrSeparatorPrefix")?,
        };
        if commands.commands.trim().is_empty() {
            return Err(own.wrong("commands", "must not be empty"));
        }
        own.finish()?;
        Ok(Some(commands))
    }
}

fn prefix(fields: &mut Fields<'_>, key: &'static str) -> Result<String, DocumentError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '\r' | '\n' | '_' | ':' | '-');
    let rule = "must have at most 30 letters, digits, line ends and `_:-`";
    fields.text_where(key, rule, |text| text.len() <= 30 && text.chars().all(allowed))
}

impl PortSettings {
    fn read(value: Option<&Value>, strictness: Strictness) -> Result<Self, DocumentError> {
        let mut fields = Fields::of(value, "properties", strictness)?;
        let port = |least: u16| move |text: &str| is_port(text, least);
        // The longest that the address of a socket has room for.
        let socket = |path: &str| path.len() <= 107 && !path.contains('\0');
        let settings = Self {
            port_number: fields.text_where("portNumber", PORT_RULE, port(1))?,
            host: fields.text_where("host", "must be a host name or an address", is_host)?,
            kind: fields.text_where("type", "must be LocalPortForwarding or absent", |kind| {
                kind == TUNNEL
            })?,
            local_port_number: fields.text_where(
                "localPortNumber",
                "must be a port from 0 to 65535",
                port(0),
            )?,
            local_connection_type: fields.text_where(
                "localConnectionType",
                "must be `tcp` or `unix`",
                |kind| matches!(kind, "tcp" | "unix"),
            )?,
            local_unix_socket: fields.text_where(
                "localUnixSocket",
                "must be a path of 107 bytes at most",
                socket,
            )?,
        };
        fields.finish()?;
        Ok(settings)
    }
}

pub(super) fn is_port(text: &str, least: u16) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse().is_ok_and(|port: u16| port >= least)
}

/// Says whether a text is an address or could be a name in DNS.
pub(super) fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len()) && label.bytes().all(inner) && !label.starts_with('-')
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    text.parse::<IpAddr>().is_ok() || (name.len() <= 253 && name.split('.').all(label))
}
