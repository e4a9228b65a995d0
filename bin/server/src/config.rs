//! The configuration file of `drawbridge serve`, and what is wrong with one.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use drawbridge_gateway::ActivationTier;
use drawbridge_objects::BucketConfig;
use drawbridge_session::{AccountId, Region};
use serde::Deserialize;

use crate::exit::{BAD_CONFIGURATION, Failure};

/// Everything `drawbridge serve` can be told. Unknown keys are refused by name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Folder for state, journal, keys and certificates.
    pub(crate) data_dir: PathBuf,
    /// `HOST:PORT` to listen on; port 0 takes a free one.
    #[serde(default = "default_listen")]
    pub(crate) listen: String,
    /// The account that the first administrator belongs to: 12 digits.
    #[serde(default = "default_account")]
    pub(crate) account: String,
    /// The region that answers name; any name a client signs for is accepted.
    #[serde(default = "default_region")]
    pub(crate) region: String,
    /// `HOST[:PORT]` that clients and nodes reach this server under; the request's own Host where absent.
    #[serde(default)]
    pub(crate) public_host: Option<String>,
    /// More host names and addresses for the certificate.
    #[serde(default)]
    pub(crate) certificate_hosts: Vec<String>,
    /// Answer for AWS's own host names too (see the README's table of clients).
    #[serde(default)]
    pub(crate) private_names: bool,
    /// End live sessions that a change of policies, tags or keys no longer allows, within 5 s.
    #[serde(default = "default_end_disallowed_sessions")]
    pub(crate) end_disallowed_sessions: bool,
    /// Sessions on registered nodes, where an account has not chosen: refused (`standard`, as on AWS) or `advanced`.
    #[serde(default)]
    pub(crate) activation_tier: ActivationTier,
    /// Days that a recording is kept after its session's end; 0 for ever.
    #[serde(default = "default_recordings_days")]
    pub(crate) recordings_days: u32,
    /// Room for all recordings, in MiB; without it, as much as the disk holds.
    #[serde(default)]
    pub(crate) recordings_quota_mib: Option<u64>,
    /// What uploads leave free on the disk of the data folder, in MiB; 0 for nothing.
    #[serde(default)]
    pub(crate) reserve_mib: Option<u64>,
    /// The bucket of another store that the bytes of objects lie in; the data folder without one.
    #[serde(default)]
    pub(crate) objects: Option<BucketConfig>,
}

impl Config {
    /// Reads and checks `path`; the error names the line, the key and the rule.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| Failure::new(BAD_CONFIGURATION, format!("cannot read `{}`", path.display())))?;
        Self::parse(&text).map_err(|problem| {
            Failure::new(BAD_CONFIGURATION, format!("`{}`, {problem}", path.display()))
                .hint("docs/reference/configuration.md lists every key")
                .into()
        })
    }

    /// Parses and checks `text`; the error begins with `line N`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            format!("line {line}: {}", error.message().trim_end())
        })?;
        if let Some((key, problem)) = config.problem() {
            let line = text
                .lines()
                .position(|line| line.trim_start().starts_with(key))
                .map_or(1, |index| index + 1);
            return Err(format!("line {line}: `{key}` {problem}"));
        }
        Ok(config)
    }

    /// The first key whose value breaks its rule.
    fn problem(&self) -> Option<(&'static str, String)> {
        let port = self.listen.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) {
            return Some(("listen", format!("must be `HOST:PORT`, is `{}`", self.listen)));
        }
        if AccountId::parse(&self.account).is_err() {
            return Some(("account", format!("must be 12 digits, is `{}`", self.account)));
        }
        if Region::parse(&self.region).is_err() {
            let rule = "must be 1 to 100 letters, digits and hyphens";
            return Some(("region", format!("{rule}, is `{}`", self.region)));
        }
        None
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::new(),
            listen: default_listen(),
            account: default_account(),
            region: default_region(),
            public_host: None,
            certificate_hosts: Vec::new(),
            private_names: false,
            end_disallowed_sessions: default_end_disallowed_sessions(),
            activation_tier: ActivationTier::default(),
            recordings_days: default_recordings_days(),
            recordings_quota_mib: None,
            reserve_mib: None,
            objects: None,
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()
        .iter()
        .take(offset)
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

fn default_listen() -> String {
    "0.0.0.0:8443".to_owned()
}

fn default_account() -> String {
    "123456789012".to_owned()
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

fn default_recordings_days() -> u32 {
    365
}

fn default_end_disallowed_sessions() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_in_defaults() {
        let config = Config::parse("data_dir = \"/srv/drawbridge\"").unwrap();
        assert_eq!(config.listen, "0.0.0.0:8443");
        assert_eq!(config.account, "123456789012");
        assert!(!config.private_names);
        assert_eq!(config.activation_tier, ActivationTier::Standard);
        assert_eq!(config.recordings_days, 365);
        assert_eq!(config.recordings_quota_mib, None);
        assert_eq!(config.reserve_mib, None);
        assert!(config.objects.is_none());
    }

    #[test]
    fn a_bucket_for_objects_is_a_section_of_its_own() {
        let text = "data_dir = \"/d\"\n[objects]\nbucket = \"blobs\"\nregion = \"eu-west-1\"\n";
        let bucket = Config::parse(text).unwrap().objects.unwrap();
        assert_eq!(bucket.bucket.to_string(), "blobs");
        for (line, expected) in [
            ("region = \"a b\"", "line 6: duplicate key"),
            ("prefix = \"x\"", "line 6: must be segments of letters, digits"),
            (
                "endpoint = \"http://far.example\"",
                "line 6: must be `https://HOST[:PORT]`",
            ),
            (
                "secret_access_key = \"s3cr3t\"",
                "line 6: unknown field `secret_access_key`",
            ),
        ] {
            let problem = Config::parse(&format!("{text}\n{line}\n")).unwrap_err();
            assert!(problem.starts_with(expected), "{problem:?}");
            assert!(!problem.contains("s3cr3t"), "{problem}");
        }
        let problem = Config::parse("data_dir = \"/d\"\n[objects]\nregion = \"r\"\n").unwrap_err();
        assert!(problem.contains("missing field `bucket`"), "{problem}");
    }

    #[test]
    fn names_line_and_key_of_each_mistake() {
        let cases = [
            (
                "data_dir = \"/d\"\nlisen = \":1\"\n",
                "line 2: unknown field `lisen`",
            ),
            (
                "data_dir = \"/d\"\n\naccount = \"12\"\n",
                "line 3: `account` must be 12 digits, is `12`",
            ),
            (
                "data_dir = \"/d\"\nlisten = \"nowhere\"\n",
                "line 2: `listen` must be `HOST:PORT`, is `nowhere`",
            ),
            (
                "data_dir = \"/d\"\nregion = \"a b\"\n",
                "line 2: `region` must be 1 to 100",
            ),
            (
                "data_dir = 3\n",
                "line 1: invalid type: integer `3`, expected path string",
            ),
            (
                "data_dir = \"/d\"\nactivation_tier = \"gold\"\n",
                "line 2: unknown variant `gold`, expected `standard` or `advanced`",
            ),
            (
                "data_dir = \"/d\"\nrecordings_days = -1\n",
                "line 2: invalid value: integer `-1`, expected u32",
            ),
            ("listen = \"[::]:1\"\n", "line 1: missing field `data_dir`"),
        ];
        for (text, expected) in cases {
            let problem = Config::parse(text).unwrap_err();
            assert!(
                problem.starts_with(expected),
                "for {text:?}: {problem:?} does not start with {expected:?}"
            );
        }
    }
}
