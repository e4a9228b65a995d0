//! `NO_PROXY`: the hosts that are reached directly.

use std::net::IpAddr;

/// The parsed list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exemptions {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Debug, Clone)]
enum Hosts {
    /// `*`
    All,
    /// An address or a network of the given prefix length.
    Network(IpAddr, u8),
    /// `example.com`: the name itself and everything below it. With a leading dot: only what is below.
    Domain { name: String, with_itself: bool },
}

impl Exemptions {
    /// Reads a list separated by commas or spaces; entries that make no sense are left out.
    pub(crate) fn parse(list: &str) -> Self {
        let rules = list
            .split([',', ' ', '\t'])
            .filter_map(|entry| Rule::parse(entry.trim()))
            .collect();
        Self { rules }
    }

    /// Whether `host:port` is reached directly.
    pub(crate) fn covers(&self, host: &str, port: u16) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok();
        if host == "localhost" || address.is_some_and(|address| address.to_canonical().is_loopback()) {
            return true;
        }
        self.rules
            .iter()
            .filter(|rule| rule.port.is_none_or(|only| only == port))
            .any(|rule| rule.hosts.contain(&host, address))
    }
}

impl Rule {
    fn parse(entry: &str) -> Option<Self> {
        if entry.is_empty() {
            return None;
        }
        if entry == "*" {
            return Some(Self {
                hosts: Hosts::All,
                port: None,
            });
        }
        if let Some((address, prefix)) = entry.split_once('/') {
            let address = address.parse::<IpAddr>().ok()?;
            let longest = if address.is_ipv4() { 32 } else { 128 };
            let prefix = prefix.parse().ok().filter(|prefix| *prefix <= longest)?;
            return Some(Self {
                hosts: Hosts::Network(address, prefix),
                port: None,
            });
        }
        if let Ok(address) = entry
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>()
        {
            return Some(Self {
                hosts: Hosts::single(address),
                port: None,
            });
        }
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok()?)),
            None => (entry, None),
        };
        let name = name
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_ascii_lowercase();
        if let Ok(address) = name.parse::<IpAddr>() {
            return Some(Self {
                hosts: Hosts::single(address),
                port,
            });
        }
        // `*.example.com` is what people write for `.example.com`.
        let name = name.strip_prefix('*').unwrap_or(&name);
        let hosts = match name.strip_prefix('.') {
            Some(below) => Hosts::Domain {
                name: below.to_owned(),
                with_itself: false,
            },
            None => Hosts::Domain {
                name: name.to_owned(),
                with_itself: true,
            },
        };
        Some(Self { hosts, port })
    }
}

impl Hosts {
    fn single(address: IpAddr) -> Self {
        Self::Network(address, if address.is_ipv4() { 32 } else { 128 })
    }

    fn contain(&self, host: &str, address: Option<IpAddr>) -> bool {
        match self {
            Self::All => true,
            Self::Network(network, prefix) => {
                address.is_some_and(|address| within(address, *network, *prefix))
            }
            Self::Domain { name, with_itself } => {
                (*with_itself && host == name)
                    || host
                        .strip_suffix(name.as_str())
                        .is_some_and(|above| above.ends_with('.'))
            }
        }
    }
}

fn within(address: IpAddr, network: IpAddr, prefix: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::Exemptions;

    #[test]
    fn matches_as_other_programs_do() {
        for (list, host, port, covered) in [
            ("", "example.com", 443, false),
            ("", "localhost", 443, true),
            ("", "127.0.0.1", 443, true),
            ("", "::1", 443, true),
            ("*", "example.com", 443, true),
            ("example.com", "example.com", 443, true),
            ("example.com", "a.example.com", 443, true),
            ("example.com", "badexample.com", 443, false),
            ("Example.COM", "a.EXAMPLE.com.", 443, true),
            (".example.com", "example.com", 443, false),
            (".example.com", "a.example.com", 443, true),
            ("*.example.com", "a.example.com", 443, true),
            ("example.com:8443", "example.com", 443, false),
            ("example.com:8443", "example.com", 8443, true),
            ("other, 10.0.0.0/8", "10.1.2.3", 443, true),
            ("10.0.0.0/8", "11.1.2.3", 443, false),
            ("0.0.0.0/0", "11.1.2.3", 443, true),
            ("10.1.2.3", "10.1.2.3", 443, true),
            ("10.1.2.3:80", "10.1.2.3", 443, false),
            ("fd00::/8", "fd12::1", 443, true),
            ("[fd12::1]:443", "fd12::1", 443, true),
            ("10.0.0.0/99,nonsense:x", "10.0.0.1", 443, false),
        ] {
            assert_eq!(
                Exemptions::parse(list).covers(host, port),
                covered,
                "{list:?} {host}:{port}"
            );
        }
    }
}
