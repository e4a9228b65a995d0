//! Reaching the port that a tunnel leads to.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use drawbridge_protocol::port_mux::{Refusal, RefusalCode};
use drawbridge_session::document::{Destination, DestinationRule};
use drawbridge_tunnel::Socket;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;

use crate::account::{Account, acting_as};

/// Why the target was not reached. `Display` is shown to the person who asked for it, in the words of AWS's agent where
/// it has any (`protocol.md` 6.3 and 6.4).
#[derive(Debug, thiserror::Error)]
pub(super) enum TargetError {
    #[error("Forwarding to IP address {0} is forbidden.")]
    Forbidden(String),
    #[error("Unable to connect to specified port: {0} has no address: {1}")]
    Unknown(String, io::Error),
    #[error("Unable to connect to specified port: {address}: {source}")]
    Refused { address: SocketAddr, source: io::Error },
    #[error("Unable to connect to specified port: {0} did not answer in time")]
    Silent(Destination),
    #[error("The session's document does not allow a connection to {0}.")]
    NotAllowed(Destination),
    #[error("Unable to connect to socket {path}: {source}")]
    Socket { path: String, source: io::Error },
}

impl TargetError {
    /// Says it to a client of ours.
    pub(super) fn refusal(&self) -> Refusal {
        let code = match self {
            Self::Forbidden(_) => RefusalCode::Forbidden,
            Self::NotAllowed(_) => RefusalCode::NotAllowed,
            Self::Unknown(..) => RefusalCode::NotFound,
            Self::Silent(_) => RefusalCode::TimedOut,
            Self::Refused { source, .. } | Self::Socket { source, .. } => code_of(source),
        };
        Refusal {
            code,
            reason: self.to_string(),
        }
    }
}

fn code_of(error: &io::Error) -> RefusalCode {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => RefusalCode::Refused,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => RefusalCode::Unreachable,
        io::ErrorKind::TimedOut => RefusalCode::TimedOut,
        io::ErrorKind::NotFound => RefusalCode::NotFound,
        _ => RefusalCode::Failed,
    }
}

/// What connections may be made, and as whom.
#[derive(Clone, Debug, Default)]
pub(super) struct Reach {
    /// Those of the document; `None` allows all.
    pub(super) rules: Option<Vec<DestinationRule>>,
    /// Whose rights count for UNIX sockets; this process's own where there is none.
    pub(super) account: Option<Account>,
}

impl Reach {
    fn allows(&self, destination: &Destination, address: Option<IpAddr>) -> bool {
        let allows = |rule: &DestinationRule| rule.allows(destination, address);
        self.rules.as_ref().is_none_or(|rules| rules.iter().any(allows))
    }
}

/// What was reached, and what it says of itself.
#[derive(Debug)]
pub(super) struct Reached {
    pub(super) socket: Socket,
    /// Address and port, or path.
    pub(super) address: String,
}

/// How long finding and trying all addresses may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one address may take to answer.
const PATIENCE_PER_ADDRESS: Duration = Duration::from_secs(10);

/// Connects to a destination. Its addresses are looked up once, and the ones that were looked at are the ones that are
/// dialled, in their order.
pub(super) async fn dial(destination: &Destination, reach: &Reach) -> Result<Reached, TargetError> {
    let not_allowed = || TargetError::NotAllowed(destination.clone());
    let dialled = async {
        match destination {
            Destination::Port { host, port } => {
                let mut addresses = addresses_of(host, *port).await?;
                let before = addresses.len();
                addresses.retain(|address| reach.allows(destination, Some(address.ip())));
                if addresses.is_empty() && before > 0 {
                    return Err(not_allowed());
                }
                connect(destination, &addresses).await
            }
            Destination::Socket { .. } if !reach.allows(destination, None) => Err(not_allowed()),
            Destination::Socket { path } => connect_socket(path, reach.account.as_ref()),
        }
    };
    timeout(PATIENCE, dialled)
        .await
        .unwrap_or_else(|_| Err(TargetError::Silent(destination.clone())))
}

async fn addresses_of(host: &str, port: u16) -> Result<Vec<SocketAddr>, TargetError> {
    let addresses: Vec<SocketAddr> = lookup_host((host, port))
        .await
        .map_err(|error| TargetError::Unknown(host.to_owned(), error))?
        .collect();
    // One of them is enough: a name that leads to such an address has no good reason to.
    if addresses.iter().any(|address| is_forbidden(address.ip())) {
        return Err(TargetError::Forbidden(host.to_owned()));
    }
    Ok(addresses)
}

async fn connect(destination: &Destination, addresses: &[SocketAddr]) -> Result<Reached, TargetError> {
    let mut refusal = TargetError::Unknown(destination.to_string(), io::ErrorKind::NotFound.into());
    for address in addresses {
        let connected = match timeout(PATIENCE_PER_ADDRESS, TcpStream::connect(address)).await {
            Ok(connected) => connected.and_then(Socket::tcp),
            Err(_) => {
                refusal = TargetError::Silent(destination.clone());
                continue;
            }
        };
        match connected {
            Ok(socket) => {
                return Ok(Reached {
                    socket,
                    address: address.to_string(),
                });
            }
            Err(source) => {
                refusal = TargetError::Refused {
                    address: *address,
                    source,
                }
            }
        }
    }
    Err(refusal)
}

fn connect_socket(path: &str, account: Option<&Account>) -> Result<Reached, TargetError> {
    let connected = match account {
        Some(account) => acting_as(account, || open_socket(path)).and_then(|opened| opened),
        None => open_socket(path),
    };
    let failed = |source| TargetError::Socket {
        path: path.to_owned(),
        source,
    };
    let stream = connected
        .and_then(|socket| UnixStream::from_std(socket.into()))
        .map_err(failed)?;
    Ok(Reached {
        socket: Socket::Unix(stream),
        address: path.to_owned(),
    })
}

/// Connects at once or not at all: a server whose queue is full says so, and nothing waits as somebody else.
fn open_socket(path: &str) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// Says whether nobody may be led to this address: what answers there gives this machine's own secrets to whoever asks.
///
/// All link-local addresses, which is where clouds keep those services (169.254.169.254 and its neighbours, and the ones
/// of containers at 169.254.170.2), and AWS's block for the same under IPv6. And addresses that are no host's, which lead to this
/// machine itself or to nobody. However the address is written.
fn is_forbidden(address: IpAddr) -> bool {
    const AWS_LOCAL: [u16; 2] = [0xfd00, 0x0ec2];
    match address {
        IpAddr::V4(address) => is_forbidden_v4(address),
        IpAddr::V6(address) => {
            let segments = address.segments();
            address.is_unicast_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                || segments[..2] == AWS_LOCAL
                || (!address.is_loopback() && embedded(address).is_some_and(is_forbidden_v4))
        }
    }
}

fn is_forbidden_v4(address: Ipv4Addr) -> bool {
    address.is_link_local() || address.is_unspecified() || address.is_multicast() || address.is_broadcast()
}

/// The IPv4 address that packets to this one end at: mapped, compatible, or translated by NAT64 or 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    const NAT64: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];
    const SIX_TO_FOUR: u16 = 0x2002;
    let segments = address.segments();
    let of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    if segments[0] == SIX_TO_FOUR {
        return Some(of(segments[1], segments[2]));
    }
    if segments[..6] == NAT64 {
        return Some(of(segments[6], segments[7]));
    }
    address.to_ipv4()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn port(host: &str, port: u16) -> Destination {
        Destination::Port {
            host: host.to_owned(),
            port,
        }
    }

    #[test]
    fn refuses_the_services_that_give_secrets_away_however_they_are_written() {
        for address in [
            "169.254.169.254",
            "169.254.169.253",
            "169.254.169.123",
            "169.254.169.250",
            "169.254.169.251",
            "169.254.170.2",
            "fd00:ec2::254",
            "fd00:ec2::253",
            "fd00:ec2::123",
            "fd00:ec2::240",
            "fe80::1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "0.0.0.0",
            "::",
            "::ffff:0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "ff02::1",
        ] {
            assert!(is_forbidden(address.parse().expect("an address")), "{address}");
        }
        for address in [
            "127.0.0.1",
            "::1",
            "10.0.0.1",
            "169.253.0.1",
            "fd00:ec3::1",
            "64:ff9b::a00:1",
        ] {
            assert!(!is_forbidden(address.parse().expect("an address")), "{address}");
        }
    }

    #[tokio::test]
    async fn looks_at_the_address_and_not_at_the_spelling() {
        for host in [
            "169.254.169.254",
            "0xA9FEA9FE",
            "2852039166",
            "169.254.43518",
            "::ffff:a9fe:a9fe",
            "0",
            "0.0.0.0",
            "fe80::1%lo",
        ] {
            let error = dial(&port(host, 80), &Reach::default())
                .await
                .expect_err("refused");
            assert_eq!(
                error.to_string(),
                format!("Forwarding to IP address {host} is forbidden.")
            );
        }
    }

    #[tokio::test]
    async fn tries_the_addresses_in_order() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let open = listener.local_addr().expect("an address");
        let gone = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let closed = gone.local_addr().expect("an address");
        drop(gone);
        let target = port("localhost", open.port());
        let reached = connect(&target, &[closed, open])
            .await
            .expect("the second answers");
        assert_eq!(reached.address, open.to_string());

        let error = connect(&target, &[closed]).await.expect_err("nobody listens");
        let text = error.to_string();
        assert!(
            text.starts_with("Unable to connect to specified port: 127.0.0.1:"),
            "{text}"
        );
    }
}
