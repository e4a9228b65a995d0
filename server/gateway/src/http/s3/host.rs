//! Hosts that name a bucket.

use std::net::IpAddr;
use std::sync::Arc;

use drawbridge_session::Region;
use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};

/// The names under which S3 is asked for, with or without a bucket before them.
#[derive(Debug, Clone)]
pub(crate) struct S3Hosts {
    /// Whatever ends in one of these is meant for S3.
    own: Arc<[String]>,
    /// The server's own name: with a bucket before it, for S3; alone, for whatever else says so.
    shared: Option<Arc<str>>,
}

impl S3Hosts {
    /// Gathers AWS's names of a region, and those under the server's own name.
    pub(crate) fn new(region: &Region, public_host: Option<&str>) -> Self {
        let mut own = vec![
            format!("s3.{region}.amazonaws.com"),
            format!("s3-{region}.amazonaws.com"),
            format!("s3.dualstack.{region}.amazonaws.com"),
            "s3.amazonaws.com".to_owned(),
        ];
        let shared = public_host
            .map(|host| name_of(host).to_ascii_lowercase())
            .filter(|name| !name.is_empty() && name.parse::<IpAddr>().is_err());
        if let Some(name) = &shared {
            own.push(format!("s3.{name}"));
        }
        own.push("s3.localhost".to_owned());
        Self {
            own: own.into(),
            shared: shared.map(Arc::from),
        }
    }

    /// Whether a host is S3's.
    pub(crate) fn claim(&self, host: &str) -> bool {
        let name = name_of(host).to_ascii_lowercase();
        self.own.iter().any(|own| before(&name, own).is_some())
            || self
                .shared
                .as_deref()
                .and_then(|shared| before(&name, shared))
                .is_some_and(|bucket| !bucket.is_empty())
    }

    /// The bucket before one of the names.
    pub(super) fn bucket(&self, host: &str) -> Option<String> {
        let name = name_of(host).to_ascii_lowercase();
        let names = self.own.iter().map(String::as_str).chain(self.shared.as_deref());
        let bucket = names.filter_map(|own| before(&name, own)).next()?;
        Some(bucket.to_owned()).filter(|bucket| !bucket.is_empty())
    }
}

impl S3Host for S3Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let virtual_host = VirtualHost::new(host);
        Ok(match self.bucket(host) {
            Some(bucket) => virtual_host.with_bucket(bucket),
            None => virtual_host,
        })
    }
}

/// What stands before a name: nothing, or labels without their last dot.
fn before<'a>(host: &'a str, name: &str) -> Option<&'a str> {
    let rest = host.strip_suffix(name)?;
    if rest.is_empty() {
        return Some(rest);
    }
    rest.strip_suffix('.').filter(|labels| !labels.is_empty())
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_stands_before_a_name_of_s3() {
        let region = Region::parse("eu-west-1").expect("valid");
        let hosts = S3Hosts::new(&region, Some("Drawbridge.example.com:8443"));
        for (host, claimed, bucket) in [
            ("s3.eu-west-1.amazonaws.com", true, None),
            ("logs.s3.eu-west-1.amazonaws.com", true, Some("logs")),
            ("Logs.S3.eu-west-1.amazonaws.com:443", true, Some("logs")),
            ("a.b.s3.amazonaws.com", true, Some("a.b")),
            ("s3.drawbridge.example.com", true, None),
            ("logs.s3.drawbridge.example.com:8443", true, Some("logs")),
            ("logs.drawbridge.example.com:8443", true, Some("logs")),
            ("drawbridge.example.com:8443", false, None),
            ("ssm.eu-west-1.amazonaws.com", false, None),
            ("evils3.eu-west-1.amazonaws.com", false, None),
            (".s3.eu-west-1.amazonaws.com", false, None),
            ("127.0.0.1:8443", false, None),
            ("[::1]:8443", false, None),
            ("", false, None),
        ] {
            assert_eq!(hosts.claim(host), claimed, "{host}");
            assert_eq!(hosts.bucket(host).as_deref(), bucket, "{host}");
        }
    }
}
