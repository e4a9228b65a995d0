//! Where the connections of a tunnel lead, and whether its document lets them.

use std::net::IpAddr;

use super::destination::Destination;
use super::destination_rule::{Admission, DestinationRule};
use super::error::DocumentError;
use super::placeholder::has_placeholder;
use super::properties::{PORT_RULE, PortSettings, Properties, TUNNEL};
use super::resolve::SessionDocument;

const DESTINATIONS: &str = "inputs.drawbridge.destinations";
const RULES: &str = "inputs.drawbridge.allowedDestinations";

/// Says why AWS's agent cannot do what a document says of tunnels, to complete "document …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NeedsOurAgent {
    /// Whether a connection is allowed shows only on the node, which must look.
    #[error("limits where tunnels lead, which AWS's agent cannot keep")]
    Rules,
    /// It takes one port, and no socket.
    #[error("leads to several destinations or to a socket, which AWS's agent cannot do")]
    Destinations,
}

impl SessionDocument {
    /// Returns where the connections of a tunnel lead, in the order in which its client counts them.
    pub fn destinations(&self) -> Vec<Destination> {
        match (self.listed(), &self.properties) {
            (Some(listed), _) => listed.to_vec(),
            (None, Properties::Port(settings)) => settings.destination().into_iter().collect(),
            (None, Properties::Commands(_) | Properties::None) => Vec::new(),
        }
    }

    /// Returns the rules that say where its connections may lead; `None` where there are none, and all may.
    pub fn destination_rules(&self) -> Option<&[DestinationRule]> {
        self.rules()
    }

    /// Says whether the document lets a connection be made; `address` is what the name resolved to, if that is known.
    ///
    /// A document without rules allows everything. What no document may reach is for the node to know.
    pub fn allows(&self, destination: &Destination, address: Option<IpAddr>) -> bool {
        self.admits(destination, address) == Admission::Allowed
    }

    /// As [`Self::allows`], with an answer of its own where the address decides and is not known.
    pub fn admits(&self, destination: &Destination, address: Option<IpAddr>) -> Admission {
        let Some(rules) = self.rules() else {
            return Admission::Allowed;
        };
        let admissions = rules.iter().map(|rule| rule.admits(destination, address));
        admissions.max().unwrap_or(Admission::Refused)
    }

    /// Returns the document as AWS's agent is told it: without Drawbridge's own settings.
    ///
    /// # Errors
    ///
    /// When it would not do what they say of tunnels.
    pub fn for_awss_agent(&self) -> Result<Self, NeedsOurAgent> {
        let mut told = self.clone();
        told.inputs.drawbridge = None;
        let destinations = self.destinations();
        let is_allowed = |destination| self.allows(destination, None);
        if self.rules().is_some() && (destinations.is_empty() || !destinations.iter().all(is_allowed)) {
            return Err(NeedsOurAgent::Rules);
        }
        if self.listed().is_some() {
            let ([Destination::Port { host, port }], Properties::Port(settings)) =
                (destinations.as_slice(), &mut told.properties)
            else {
                return Err(NeedsOurAgent::Destinations);
            };
            settings.host.clone_from(host);
            settings.port_number = port.to_string();
        }
        Ok(told)
    }

    /// Refuses settings of tunnels that contradict each other, or that are no tunnel's.
    pub(super) fn check_destinations(&self) -> Result<(), DocumentError> {
        let Properties::Port(settings) = &self.properties else {
            let given = [
                (self.listed().is_some(), DESTINATIONS),
                (self.rules().is_some(), RULES),
            ];
            let wrong = given.into_iter().find(|(is_given, _)| *is_given);
            return wrong.map_or(Ok(()), |(_, path)| {
                Err(DocumentError::at(path, "is only for the `sessionType` Port"))
            });
        };
        match self.listed() {
            None if settings.port_number.is_empty() => {
                return Err(DocumentError::at("properties.portNumber", PORT_RULE));
            }
            None => {}
            Some(_) => alone(settings)?,
        }
        let rules = self.rules().filter(|rules| !rules.is_empty());
        let destinations = self.destinations();
        let refused = |destination: &Destination| self.admits(destination, None) == Admission::Refused;
        match (rules, destinations.iter().position(refused)) {
            (Some(rules), Some(nth)) => Err(self.refusal(nth, &destinations[nth], rules)),
            _ => Ok(()),
        }
    }

    fn refusal(&self, nth: usize, destination: &Destination, rules: &[DestinationRule]) -> DocumentError {
        let path = match &self.properties {
            _ if self.listed().is_some() => format!("{DESTINATIONS}.{nth}"),
            Properties::Port(settings) if !settings.host.is_empty() => "properties.host".to_owned(),
            _ => "properties.portNumber".to_owned(),
        };
        let rules: Vec<_> = rules.iter().map(ToString::to_string).collect();
        let rule = format!(
            "leads to {destination}, which `{RULES}` does not allow: {}",
            rules.join(", ")
        );
        DocumentError::at(path, rule)
    }

    fn listed(&self) -> Option<&[Destination]> {
        self.inputs.drawbridge.as_ref()?.destinations.as_deref()
    }

    fn rules(&self) -> Option<&[DestinationRule]> {
        self.inputs.drawbridge.as_ref()?.allowed_destinations.as_deref()
    }
}

/// Refuses settings that say, beside a list of destinations, where the tunnel leads.
fn alone(settings: &PortSettings) -> Result<(), DocumentError> {
    if settings.kind != TUNNEL && !has_placeholder(&settings.kind) {
        let rule = format!("is only for tunnels, whose `properties.type` is {TUNNEL}");
        return Err(DocumentError::at(DESTINATIONS, rule));
    }
    let said = [
        ("properties.portNumber", &settings.port_number),
        ("properties.host", &settings.host),
    ];
    match said.into_iter().find(|(_, text)| !text.is_empty()) {
        None => Ok(()),
        Some((path, _)) => Err(DocumentError::at(
            path,
            format!("must not be given beside `{DESTINATIONS}`"),
        )),
    }
}

#[cfg(test)]
mod tests;
