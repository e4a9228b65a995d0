//! Where the bucket is, and how it is called.

use std::fmt;
use std::path::PathBuf;

use drawbridge_aws_client::{Endpoint, Environment};
use serde::Deserialize;

use crate::owner::OwnerId;

/// The section `[objects]` of the server's configuration. It holds no secret: those are in a file of their own, or in the
/// environment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketConfig {
    /// The bucket.
    pub bucket: BucketName,
    /// What every key begins with; everything below it is this server's.
    #[serde(default)]
    pub prefix: Prefix,
    /// The region that requests are signed for.
    pub region: StoreRegion,
    /// Where the store is, unless it is AWS's.
    #[serde(default)]
    pub endpoint: Option<StoreEndpoint>,
    /// Whether the bucket stands in the path and not in the host's name; by default it does at an endpoint of its own.
    #[serde(default)]
    pub path_style: Option<bool>,
    /// The certificate authorities that are trusted, and no others; the system's where absent.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// A file with an access key, as AWS's programs have it.
    #[serde(default)]
    pub credentials_file: Option<PathBuf>,
    /// The section of that file.
    #[serde(default)]
    pub profile: Option<String>,
    /// The data folder whose place this one takes, after its server was stopped for good.
    #[serde(default)]
    pub take_over: Option<OwnerId>,
}

impl BucketConfig {
    /// Where the blobs lie, in one line: it is kept, and compared at the next start.
    pub(crate) fn place(&self) -> String {
        format!("{}/{}/{}", self.origin(), self.bucket, self.prefix)
    }

    /// Tells whether the bucket stands in the path.
    pub(crate) fn is_path_style(&self) -> bool {
        // A certificate for the names below a host does not cover two labels.
        let needed = self.bucket.0.contains('.');
        self.path_style.unwrap_or(self.endpoint.is_some() || needed)
    }

    /// The address that requests go to, with the bucket in it where it does not stand in the path.
    pub(crate) fn address(&self) -> String {
        match (&self.endpoint, self.is_path_style()) {
            (Some(endpoint), false) => {
                let scheme = if endpoint.0.is_tls() { "https" } else { "http" };
                format!("{scheme}://{}.{}", self.bucket, endpoint.0.authority())
            }
            (_, true) => self.origin(),
            (None, false) => Endpoint::aws(&format!("{}.s3", self.bucket), &self.region.0).to_string(),
        }
    }

    fn origin(&self) -> String {
        let aws = || Endpoint::aws("s3", &self.region.0);
        let endpoint = self.endpoint.as_ref().map_or_else(aws, |it| it.0.clone());
        endpoint.to_string()
    }
}

/// A bucket, and the environment that may have the credentials for it.
#[derive(Debug, Clone)]
pub struct Backing {
    /// The bucket.
    pub bucket: BucketConfig,
    /// The server's environment.
    pub environment: Environment,
}

/// Why a value cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("must be {rule}, is `{value}`")]
pub struct ValueError {
    rule: &'static str,
    value: String,
}

/// Makes a type of texts that follow a rule, and says the rule where one does not.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl TryFrom<String> for $name {
            type Error = ValueError;

            fn try_from(value: String) -> Result<Self, ValueError> {
                let check: fn(&str) -> bool = $check;
                if check(&value) { Ok(Self(value)) } else { Err(ValueError { rule: $rule, value }) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text!(
    /// The name of a bucket.
    BucketName,
    "a bucket's name: 3 to 63 lower-case letters, digits, hyphens and dots",
    |text| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let ends = |byte: Option<&u8>| byte.is_some_and(|byte| plain(*byte));
        let bytes = text.as_bytes();
        (3..=63).contains(&bytes.len())
            && bytes.iter().all(|byte| plain(*byte) || matches!(byte, b'-' | b'.'))
            && ends(bytes.first())
            && ends(bytes.last())
            && !text.contains("..")
    }
);

text!(
    /// What keys begin with: nothing, or segments that each end with a slash.
    #[derive(Default)]
    Prefix,
    "segments of letters, digits, `.`, `_` and `-`, each followed by `/`, such as `bridge/`, 200 bytes at most",
    |text| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let segment = |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(plain);
        match text.strip_suffix('/') {
            None => text.is_empty(),
            Some(segments) => text.len() <= 200 && segments.split('/').all(segment),
        }
    }
);

text!(
    /// The name of the other store's region.
    StoreRegion,
    "1 to 100 letters, digits and hyphens",
    |text| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=100).contains(&text.len()) && text.bytes().all(plain)
    }
);

impl StoreRegion {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where another store is: over TLS, or on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct StoreEndpoint(Endpoint);

impl StoreEndpoint {
    pub(crate) fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}

impl TryFrom<String> for StoreEndpoint {
    type Error = ValueError;

    fn try_from(value: String) -> Result<Self, ValueError> {
        let local = |endpoint: &Endpoint| matches!(endpoint.host(), "127.0.0.1" | "::1" | "localhost");
        match value.parse::<Endpoint>() {
            Ok(endpoint) if endpoint.is_tls() || local(&endpoint) => Ok(Self(endpoint)),
            // A store that anybody on the way can stand for would take writes and lose them.
            _ => Err(ValueError {
                rule: "`https://HOST[:PORT]`, or `http://` for a store on this machine",
                value,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(more: &[(&str, serde_json::Value)]) -> Result<BucketConfig, String> {
        let mut section = serde_json::json!({"bucket": "blobs", "region": "eu-west-1"});
        for (key, value) in more {
            section[*key] = value.clone();
        }
        serde_json::from_value(section).map_err(|error| error.to_string())
    }

    #[test]
    fn the_bucket_stands_in_the_name_at_aws_and_in_the_path_elsewhere() {
        let address = |more: &[(&str, serde_json::Value)]| config(more).expect("right").address();
        assert_eq!(address(&[]), "https://blobs.s3.eu-west-1.amazonaws.com");
        assert_eq!(
            address(&[("bucket", "my.blobs".into())]),
            "https://s3.eu-west-1.amazonaws.com"
        );
        let own = ("endpoint", "https://minio.example:9000".into());
        assert_eq!(address(std::slice::from_ref(&own)), "https://minio.example:9000");
        assert_eq!(
            address(&[own.clone(), ("path_style", false.into())]),
            "https://blobs.minio.example:9000"
        );
        let place = config(&[own, ("prefix", "a/b/".into())]).expect("right").place();
        assert_eq!(place, "https://minio.example:9000/blobs/a/b/");
    }

    #[test]
    fn what_breaks_a_rule_is_told_with_the_value_and_the_rule() {
        for (key, value, told) in [
            ("bucket", "Blobs", "must be a bucket's name"),
            ("bucket", "a/b", "is `a/b`"),
            ("bucket", "-ab", "is `-ab`"),
            ("prefix", "a", "each followed by `/`"),
            ("prefix", "/", "is `/`"),
            ("prefix", "a//", "is `a//`"),
            ("prefix", "../", "is `../`"),
            ("prefix", "a b/", "is `a b/`"),
            ("region", "", "must be 1 to 100"),
            ("endpoint", "minio.example", "`https://HOST[:PORT]`"),
            (
                "endpoint",
                "http://minio.example:9000",
                "`http://` for a store on this machine",
            ),
            (
                "endpoint",
                "https://minio.example/path",
                "is `https://minio.example/path`",
            ),
            ("take_over", "me", "32 hex digits"),
            ("secret_access_key", "s", "unknown field `secret_access_key`"),
        ] {
            let error = config(&[(key, value.into())]).expect_err(value);
            assert!(error.contains(told), "{key} = {value}: {error}");
        }
        for value in ["http://127.0.0.1:9000", "http://[::1]:9000", "https://x"] {
            config(&[("endpoint", value.into())]).expect(value);
        }
    }
}
