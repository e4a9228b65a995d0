//! What this machine is, for the server's inventory.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use drawbridge_aws_client::Endpoint;

/// What is told of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Platform {
    /// The distribution's name, as `NAME` in os-release(5).
    pub name: String,
    /// The distribution's version; empty for those that have none.
    pub version: String,
    /// The machine's host name.
    pub computer: String,
}

impl Platform {
    /// Looks at this machine; what it does not say is left empty.
    pub(crate) fn of_this_machine() -> Self {
        let release = ["/etc/os-release", "/usr/lib/os-release"]
            .into_iter()
            .find_map(|path| fs::read_to_string(path).ok());
        let (name, version) = describe(&release.unwrap_or_default());
        let computer = fs::read_to_string("/proc/sys/kernel/hostname")
            .unwrap_or_default()
            .trim()
            .to_owned();
        Self {
            name,
            version,
            computer,
        }
    }
}

/// Returns the address this machine has towards the server, which is the one of its many that means something to it.
pub(crate) async fn address_towards(endpoint: &Endpoint) -> Option<IpAddr> {
    let servers = tokio::net::lookup_host((endpoint.host(), endpoint.port()))
        .await
        .ok()?;
    servers.into_iter().find_map(route_to)
}

/// Connecting a datagram socket sends nothing; it only asks the system for the way.
fn route_to(server: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if server.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        std::net::Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(server).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

fn describe(release: &str) -> (String, String) {
    let value = |name: &str| {
        let line = release
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.map(|value| value.trim().trim_matches(['"', '\'']).to_owned())
            .unwrap_or_default()
    };
    let name = value("NAME");
    (
        if name.is_empty() { "Linux".to_owned() } else { name },
        value("VERSION_ID"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_distribution() {
        let debian =
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n";
        assert_eq!(describe(debian), ("Debian GNU/Linux".to_owned(), "12".to_owned()));
        assert_eq!(describe("NAME=Arch\n"), ("Arch".to_owned(), String::new()));
        assert_eq!(describe(""), ("Linux".to_owned(), String::new()));
    }

    #[tokio::test]
    async fn finds_its_address() {
        let endpoint = "https://127.0.0.1:1".parse().expect("an endpoint");
        assert_eq!(address_towards(&endpoint).await, Some(Ipv4Addr::LOCALHOST.into()));
    }
}
