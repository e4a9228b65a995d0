//! Blocks of addresses.

use std::net::IpAddr;

/// A CIDR block of either family; a single address is a block of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// Parses `203.0.113.0/24`, `2001:db8::/32` or a single address; bits behind the prefix do not matter.
    ///
    /// A block of IPv4 addresses written as IPv6 is the IPv4 block.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix: u32 = match prefix {
            None => longest,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
        };
        if prefix > longest {
            return None;
        }
        let canonical = address.to_canonical();
        match (address.is_ipv6() && canonical.is_ipv4(), prefix.checked_sub(96)) {
            (true, Some(prefix)) => Some(Self {
                address: canonical,
                prefix,
            }),
            _ => Some(Self { address, prefix }),
        }
    }

    /// Says whether the block is no wider than blocks with these prefixes are.
    pub(crate) fn is_within(self, widest_v4: u32, widest_v6: u32) -> bool {
        let widest = if self.address.is_ipv4() {
            widest_v4
        } else {
            widest_v6
        };
        self.prefix >= widest
    }

    /// Says whether an address is inside; an IPv4 address that came as IPv6 counts as IPv4.
    pub(crate) fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let distance = own.to_bits() ^ other.to_bits();
                distance.checked_shr(32 - self.prefix).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let distance = own.to_bits() ^ other.to_bits();
                distance.checked_shr(128 - self.prefix).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contains_what_shares_its_prefix() {
        let inside = |block: &str, address: &str| {
            Network::parse(block)
                .expect("valid")
                .contains(address.parse().expect("valid"))
        };
        assert!(inside("203.0.113.0/24", "203.0.113.255"));
        assert!(!inside("203.0.113.0/24", "203.0.114.0"));
        assert!(inside("203.0.113.9/24", "::ffff:203.0.113.1"));
        assert!(inside("::ffff:203.0.113.0/120", "203.0.113.1"));
        assert!(!inside("::ffff:203.0.113.0/120", "203.0.114.1"));
        assert!(!inside("::ffff:203.0.113.0/95", "203.0.113.1"));
        assert!(inside("0.0.0.0/0", "255.1.2.3"));
        assert!(!inside("0.0.0.0/0", "2001:db8::1"));
        assert!(inside("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(inside("::/0", "::1"));
        assert!(inside("10.0.0.1", "10.0.0.1") && !inside("10.0.0.1", "10.0.0.2"));
    }

    #[test]
    fn refuses_what_is_no_block() {
        for text in [
            "",
            "10.0.0/8",
            "10.0.0.0/33",
            "::/129",
            "::ffff:10.0.0.0/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "a",
        ] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
