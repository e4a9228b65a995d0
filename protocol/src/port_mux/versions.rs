//! Which of AWS's programs multiplex (`protocol.md` 5.7).
//!
//! Each end decides by what the other one says its version is. The two rules are independent, so that an end must report a
//! version that passes the other's.

/// Says whether a client of this version speaks smux; an older one makes one connection after the other.
pub fn client_multiplexes(version: &str) -> bool {
    numbers(version).is_some_and(|version| version >= [1, 1, 70, 0])
}

/// Says whether an agent of this version speaks smux.
pub fn node_multiplexes(version: &str) -> bool {
    numbers(version).is_some_and(|version| version > [3, 0, 196, 0])
}

/// Reads up to four numbers; those that are not there are 0.
fn numbers(version: &str) -> Option<[u64; 4]> {
    let mut numbers = [0; 4];
    let mut parts = version.trim().split('.');
    for number in &mut numbers {
        match parts.next() {
            Some(part) => *number = part.parse().ok()?,
            None => break,
        }
    }
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::{client_multiplexes, node_multiplexes};

    #[test]
    fn the_first_versions_that_multiplex_are_awss() {
        for version in ["1.1.70.0", "1.1.70", "1.2.0.0", "1.2.677.0", "2"] {
            assert!(client_multiplexes(version), "{version}");
        }
        for version in ["1.1.69.0", "1.1.61.0", "", "latest", "1.1.70.0.1", "1.1.-70.0"] {
            assert!(!client_multiplexes(version), "{version}");
        }
        for version in ["3.0.197.0", "3.3.987.0"] {
            assert!(node_multiplexes(version), "{version}");
        }
        for version in ["3.0.196.0", "2.3.722.0", "", "3.x.0.0"] {
            assert!(!node_multiplexes(version), "{version}");
        }
    }
}
