use std::net::Ipv6Addr;

use proptest::prelude::*;

use super::*;

fn admits(rule: &str, destination: &str, address: Option<&str>) -> Admission {
    let rule = DestinationRule::parse(rule).expect(rule);
    let destination = Destination::parse(destination).expect(destination);
    rule.admits(
        &destination,
        address.map(|address| address.parse().expect("an address")),
    )
}

/// Whatever the name leads to.
#[track_caller]
fn always(rule: &str, destination: &str, expected: Admission) {
    for address in [None, Some("10.0.0.1"), Some("127.0.0.1"), Some("fd00::1")] {
        let admission = admits(rule, destination, address);
        assert_eq!(admission, expected, "{rule} {destination} {address:?}");
    }
}

#[test]
fn names_are_matched_label_by_label_as_they_are_written() {
    for (rule, destination) in [
        ("db.internal:5432", "db.internal:5432"),
        ("db.internal:5432", "DB.Internal.:5432"),
        ("Db.Internal.:5432", "db.internal:5432"),
        ("*.internal:*", "db.internal:65535"),
        ("db-*.*.internal:1-80", "db-1.eu.internal:80"),
        ("db-*:80", "db-:80"),
        ("localhost:80", "localhost:80"),
        ("*:80", "a.b.c:80"),
        ("*:80", "[::1]:80"),
        ("a*c:80", "abbc:80"),
    ] {
        always(rule, destination, Admission::Allowed);
    }
    for (rule, destination) in [
        ("db.internal:5432", "db.internal:5433"),
        ("db.internal:5432", "xdb.internal:5432"),
        ("db.internal:5432", "db.internal.evil.example:5432"),
        ("*.internal:*", "a.b.internal:1"),
        ("*.internal:*", "internal:1"),
        ("*.internal:*", "db-internal:1"),
        ("*.internal:1-80", "db.internal:81"),
        ("*:80", "/run/app.sock"),
        ("*:*", "/run/app.sock"),
    ] {
        always(rule, destination, Admission::Refused);
    }
}

#[test]
fn what_a_resolver_takes_for_an_address_is_no_name() {
    for destination in [
        "0x7f.1:80",
        "0X7F.0x1:80",
        "127.1:80",
        "2130706433:80",
        "0177.0.0.1:80",
        "10.0.0.1:80",
        "10.0.0.1.:80",
        "0x:80",
        "[fd00::b]:80",
        "[::ffff:10.0.0.1]:80",
    ] {
        for rule in ["a*:80", "*b:80", "*.*:80", "*.*.*.*:80", "**:80", "*f*:80"] {
            always(rule, destination, Admission::Refused);
        }
        always("*:80", destination, Admission::Allowed);
    }
}

#[test]
fn blocks_are_about_addresses() {
    for (rule, destination, expected) in [
        ("10.0.0.0/8:80", "10.255.0.1:80", Admission::Allowed),
        ("10.0.0.0/8:80", "11.0.0.1:80", Admission::Refused),
        ("10.0.0.0/8:80", "10.0.0.1:81", Admission::Refused),
        ("10.0.0.0/8:80", "[::ffff:10.0.0.1]:80", Admission::Allowed),
        ("10.0.0.0/8:80", "[::ffff:a00:1]:80", Admission::Allowed),
        ("10.0.0.0/8:80", "[::10.0.0.1]:80", Admission::Refused),
        ("[::ffff:10.0.0.0/104]:80", "10.0.0.1:80", Admission::Allowed),
        ("[::/0]:80", "10.0.0.1:80", Admission::Refused),
        ("[::/0]:80", "[::ffff:10.0.0.1]:80", Admission::Refused),
        ("0.0.0.0/0:80", "[::1]:80", Admission::Refused),
        ("[fd00::/8]:80", "[fdff::1]:80", Admission::Allowed),
        ("[fd00::7]:80", "[FD00:0::7]:80", Admission::Allowed),
        ("[fd00::7]:80", "[fd00::8]:80", Admission::Refused),
        ("10.0.0.7:80", "10.0.0.7:80", Admission::Allowed),
        ("10.0.0.7:80", "10.0.0.70:80", Admission::Refused),
        ("10.0.0.0/8:80", "db.internal:80", Admission::OnceResolved),
        ("10.0.0.0/8:80", "db.internal:81", Admission::Refused),
        ("127.0.0.0/8:80", "0x7f.1:80", Admission::OnceResolved),
        ("127.0.0.0/8:80", "127.1:80", Admission::OnceResolved),
        ("10.0.0.1:80", "10.0.0.1.:80", Admission::OnceResolved),
        ("10.0.0.0/8:80", "/10.0.0.1:80", Admission::Refused),
    ] {
        assert_eq!(admits(rule, destination, None), expected, "{rule} {destination}");
    }
    let resolved = |address| admits("10.0.0.0/8:80", "db.internal:80", Some(address));
    assert_eq!(resolved("10.1.2.3"), Admission::Allowed);
    assert_eq!(resolved("::ffff:10.1.2.3"), Admission::Allowed);
    assert_eq!(resolved("127.0.0.1"), Admission::Refused);
    assert_eq!(resolved("::1"), Admission::Refused);
}

#[test]
fn sockets_are_matched_name_by_name() {
    for (rule, destination) in [
        ("/run/app.sock", "/run/app.sock"),
        ("/run/*/s-*", "/run/app/s-1"),
        ("/run/?.sock", "/run/?.sock"),
    ] {
        always(rule, destination, Admission::Allowed);
    }
    for (rule, destination) in [
        ("/run/app.sock", "/run/App.sock"),
        ("/run/*", "/run/app/docker.sock"),
        ("/*", "/run/docker.sock"),
        ("/run/?.sock", "/run/a.sock"),
        ("/run/*", "localhost:80"),
    ] {
        always(rule, destination, Admission::Refused);
    }
    let rule = DestinationRule::parse("/run/*/*").expect("valid");
    for path in [
        "/run/../docker.sock",
        "/run/./docker.sock",
        "/run//docker.sock",
        "/run/a/",
        "run/a/b",
    ] {
        let climbing = Destination::Socket {
            path: path.to_owned(),
        };
        assert!(!rule.allows(&climbing, None), "{path}");
    }
}

#[test]
fn refuses_what_is_no_rule() {
    for text in [
        "",
        "*",
        ":80",
        "*:",
        "*:0",
        "*:65536",
        "*:80-",
        "*:-80",
        "*:80-79",
        "*:1-2-3",
        "*:+1",
        "*:**",
        "db:80,81",
        "db.*.:0",
        "d b:80",
        "-x:80",
        "db..internal:80",
        ".internal:80",
        "a_b?:80",
        "db/8:80",
        "{{x}}:80",
        "10.0.0.0/33:80",
        "10.0.0.0/:80",
        "10.0.0:80",
        "10.0.*:80",
        "10.0.*.*:80",
        "0x7f.1:80",
        "*.1:80",
        "1*:80",
        "[10.0.0.0/8]:80",
        "[fd00::]/8:80",
        "fd00::/8:80",
        "[fd00::/129]:80",
        "[fd00::*]:80",
        "[db]:80",
        "[::1:80",
        "::1]:80",
        "/",
        "/run/",
        "//run",
        "/run/../x",
        "/run/./*",
        "/run/a\nb",
        "run/*",
        "*/run",
    ] {
        assert!(DestinationRule::parse(text).is_err(), "{text:?}");
    }
    assert!(DestinationRule::parse(&format!("/{}", "a".repeat(107))).is_err());
    assert!(DestinationRule::parse(&format!("{}:80", "a".repeat(64))).is_err());
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z][a-z0-9_]{0,4}(\\.[a-z][a-z0-9-]{0,4}){0,3}\\.?",
        any::<[u8; 4]>().prop_map(|octets| std::net::Ipv4Addr::from(octets).to_string()),
        any::<u128>().prop_map(|bits| format!("[{}]", Ipv6Addr::from_bits(bits))),
    ]
}

proptest! {
    #[test]
    fn no_text_brings_the_parser_down(text in ".{0,40}|[a0*:./\\[\\]x-]{0,20}") {
        if let Ok(rule) = DestinationRule::parse(&text) {
            prop_assert_eq!(DestinationRule::parse(&rule.to_string()), Ok(rule));
        }
    }

    #[test]
    fn a_destination_is_a_rule_for_itself_only(
        one in host(), other in host(), port in 1..=u16::MAX, other_port in 1..=u16::MAX,
    ) {
        let rule = DestinationRule::parse(&format!("{one}:{port}")).expect("a rule");
        let allows = |host: &str, port| {
            rule.allows(&Destination::parse(&format!("{host}:{port}")).expect("a destination"), None)
        };
        prop_assert!(allows(&one, port));
        prop_assert_eq!(allows(&one, other_port), port == other_port);
        prop_assert_eq!(allows(&other, port), name(&one) == name(&other));
    }

    #[test]
    fn the_address_changes_only_what_waits_for_it(
        rule in "[ab*]{1,2}(\\.[ab*]{1,2}){0,2}:80|10\\.0\\.0\\.0/(8|31):80|\\*:8?0?[1-9]",
        name in "[ab]{1,2}(\\.[ab]{1,2}){0,2}", address: [u8; 4],
    ) {
        let Ok(rule) = DestinationRule::parse(&rule) else { return Ok(()) };
        let destination = Destination::parse(&format!("{name}:80")).expect("a destination");
        let resolved = rule.admits(&destination, Some(IpAddr::from(address)));
        let mapped = IpAddr::from(std::net::Ipv4Addr::from(address).to_ipv6_mapped());
        prop_assert_ne!(resolved, Admission::OnceResolved);
        prop_assert_eq!(rule.admits(&destination, Some(mapped)), resolved);
        let before = rule.admits(&destination, None);
        prop_assert!(before == resolved || before == Admission::OnceResolved);
    }

    #[test]
    fn a_block_allows_what_shares_its_prefix(block: u32, prefix in 0..=32u32, address: u32) {
        let text = format!("{}/{prefix}:*", std::net::Ipv4Addr::from_bits(block));
        let rule = DestinationRule::parse(&text).expect("a rule");
        let shares = u64::from(block) >> (32 - prefix) == u64::from(address) >> (32 - prefix);
        let literal = Destination::parse(&format!("{}:1", std::net::Ipv4Addr::from_bits(address)));
        prop_assert_eq!(rule.allows(&literal.expect("a destination"), None), shares);
    }

    #[test]
    fn no_rule_allows_a_path_that_climbs(rule in "(/[a.*]{1,3}){1,4}", path in "(/(a|\\.|\\.\\.|)){1,4}") {
        let Ok(rule) = DestinationRule::parse(&rule) else { return Ok(()) };
        let plain = path.split('/').skip(1).all(|name| name == "a");
        let allowed = rule.allows(&Destination::Socket { path }, None);
        prop_assert!(!allowed || plain);
    }
}
