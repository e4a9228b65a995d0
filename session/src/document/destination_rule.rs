//! Rules that say where a connection of a tunnel may lead.
//!
//! | rule | allows |
//! | --- | --- |
//! | `*:443` | port 443 of every host |
//! | `10.0.0.0/8:5432`, `[fd00::/8]:5432` | that port of every address in the block, and of every name that leads to one |
//! | `10.0.0.7:1024-65535`, `[fd00::7]:*` | these ports of one address, and of every name that leads to it |
//! | `*.db.internal:5432` | that port of names as they are written, whatever they lead to |
//! | `/run/app/*.sock` | UNIX sockets by their paths as they are written, whatever they lead to |
//!
//! `*` stands for any characters, none included, inside one label of a name or one name of a path: it spans neither `.`
//! nor `/`, except that alone it is every host.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::destination::{Destination, is_plain_path};
use super::properties::{is_host, is_port};
use crate::policy::glob::Glob;
use crate::policy::network::Network;

/// Allows connections to some destinations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DestinationRule {
    text: String,
    places: Places,
}

/// Says why a text is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is not `HOST:PORTS` or the absolute path of a socket. HOST is `*`, an address, a block such as `10.0.0.0/8` or \
     `[fd00::/8]`, or a name that may hold `*`; PORTS is `*`, a port, or `from-to`",
    .0.escape_debug()
)]
pub struct DestinationRuleError(String);

/// What a rule, or all rules of a document, say of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Admission {
    /// It may not be connected to, whatever its address is.
    Refused,
    /// That is known only once its name is resolved.
    OnceResolved,
    /// It may be connected to.
    Allowed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Places {
    Ports {
        hosts: Hosts,
        ports: RangeInclusive<u16>,
    },
    /// By the names of the path.
    Sockets(Vec<Glob>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    All,
    Block(Network),
    /// By the labels of the name, in small letters.
    Named(Vec<Glob>),
}

impl DestinationRule {
    /// Reads a rule.
    ///
    /// # Errors
    ///
    /// The text is none of the forms, or stands for no destination at all.
    pub fn parse(text: &str) -> Result<Self, DestinationRuleError> {
        let places = Places::parse(text).ok_or_else(|| DestinationRuleError(text.to_owned()))?;
        Ok(Self {
            text: text.to_owned(),
            places,
        })
    }

    /// Says whether a connection is allowed; `address` is what the name resolved to, if that is known.
    ///
    /// Blocks are about the address, with an IPv4 address that came as IPv6 counted as IPv4, and names about the host
    /// as it was asked for.
    pub fn allows(&self, destination: &Destination, address: Option<IpAddr>) -> bool {
        self.admits(destination, address) == Admission::Allowed
    }

    /// As [`Self::allows`], with an answer of its own where the address decides and is not known.
    pub fn admits(&self, destination: &Destination, address: Option<IpAddr>) -> Admission {
        match (&self.places, destination) {
            (Places::Ports { hosts, ports }, Destination::Port { host, port }) if ports.contains(port) => {
                hosts.admit(host, address)
            }
            (Places::Sockets(names), Destination::Socket { path }) => admitted(path_matches(names, path)),
            (
                Places::Ports { .. } | Places::Sockets(_),
                Destination::Port { .. } | Destination::Socket { .. },
            ) => Admission::Refused,
        }
    }
}

impl Places {
    fn parse(text: &str) -> Option<Self> {
        if let Some(names) = text.strip_prefix('/') {
            let names = names.split('/').map(wild).collect();
            return is_plain_path(text).then_some(Self::Sockets(names));
        }
        let (hosts, ports) = text.rsplit_once(':')?;
        Some(Self::Ports {
            hosts: Hosts::parse(hosts)?,
            ports: parse_ports(ports)?,
        })
    }
}

impl Hosts {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::All);
        }
        match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(block) if block.contains(':') => Network::parse(block).map(Self::Block),
            Some(_) => None,
            None if text.contains(':') => None,
            None => Network::parse(text)
                .map(Self::Block)
                .or_else(|| Self::named(text)),
        }
    }

    /// Reads a name. One that only an address could match is a mistake, since names never match addresses.
    fn named(text: &str) -> Option<Self> {
        let name = name(text);
        let some_host = name.replace('*', "a");
        let letter = name.contains(|c: char| c.is_ascii_alphabetic());
        let digit = name.contains(|c: char| c.is_ascii_digit());
        let could_match = is_host(&some_host) && !ends_in_number(&name) && (letter || !digit);
        could_match.then(|| Self::Named(name.split('.').map(wild).collect()))
    }

    fn admit(&self, host: &str, address: Option<IpAddr>) -> Admission {
        let address = address.or_else(|| host.parse().ok());
        match (self, address) {
            (Self::All, _) => Admission::Allowed,
            (Self::Block(block), Some(address)) => admitted(block.contains(address)),
            (Self::Block(_), None) => Admission::OnceResolved,
            (Self::Named(labels), _) => admitted(name_matches(labels, host)),
        }
    }
}

fn admitted(matches: bool) -> Admission {
    if matches {
        Admission::Allowed
    } else {
        Admission::Refused
    }
}

/// Compiles a label or the name of a file, in which only `*` is special.
fn wild(text: &str) -> Glob {
    let mut glob = Glob::new();
    for (nth, literal) in text.split('*').enumerate() {
        if nth > 0 {
            glob.push_wild("*");
        }
        glob.push_literal(literal);
    }
    glob
}

/// Writes a host in the one way in which names are compared.
fn name(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// Says whether resolvers may take a name for an address, as they do with `127.1` and `0x7f.1`.
fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    match last.strip_prefix("0x") {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => last.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

fn name_matches(labels: &[Glob], host: &str) -> bool {
    let name = name(host);
    if name.parse::<IpAddr>().is_ok() || ends_in_number(&name) {
        return false;
    }
    all_match(labels, name.split('.'))
}

fn path_matches(names: &[Glob], path: &str) -> bool {
    is_plain_path(path) && all_match(names, path.split('/').skip(1))
}

/// Says whether there is one pattern for each part, and each matches. No part is empty.
fn all_match<'a>(patterns: &[Glob], parts: impl Iterator<Item = &'a str> + Clone) -> bool {
    let matches = |(pattern, part): (&Glob, &str)| !part.is_empty() && pattern.matches(part);
    parts.clone().count() == patterns.len() && patterns.iter().zip(parts).all(matches)
}

fn parse_ports(text: &str) -> Option<RangeInclusive<u16>> {
    let port = |text: &str| text.parse().ok().filter(|_| is_port(text, 1));
    if text == "*" {
        return Some(1..=u16::MAX);
    }
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let ports = port(from)?..=port(to)?;
    (!ports.is_empty()).then_some(ports)
}

impl fmt::Display for DestinationRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for DestinationRule {
    type Error = DestinationRuleError;

    fn try_from(text: String) -> Result<Self, DestinationRuleError> {
        Self::parse(&text)
    }
}

impl From<DestinationRule> for String {
    fn from(rule: DestinationRule) -> Self {
        rule.text
    }
}

#[cfg(test)]
mod tests;
