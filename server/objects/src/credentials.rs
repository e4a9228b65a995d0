//! Who the server is to the other store.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use drawbridge_aws_client::Environment;
use drawbridge_aws_client::credentials::{CredentialsError, resolve};
use drawbridge_session::Clock;
use object_store::CredentialProvider;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential};
use secrecy::ExposeSecret as _;
use tokio::sync::Mutex;

use crate::config::Backing;
use crate::error::ConnectError;

/// How long credentials are used before they are read again: a key is changed without a restart.
const KEEP: Duration = Duration::from_secs(60);

/// The variables by which a machine of AWS's says where its credentials are.
const OF_MACHINES: [(&str, AmazonS3ConfigKey); 6] = [
    (
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        AmazonS3ConfigKey::WebIdentityTokenFile,
    ),
    ("AWS_ROLE_ARN", AmazonS3ConfigKey::RoleArn),
    ("AWS_ROLE_SESSION_NAME", AmazonS3ConfigKey::RoleSessionName),
    (
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        AmazonS3ConfigKey::ContainerCredentialsRelativeUri,
    ),
    (
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        AmazonS3ConfigKey::ContainerCredentialsFullUri,
    ),
    (
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        AmazonS3ConfigKey::ContainerAuthorizationTokenFile,
    ),
];

/// Has a client use the file's credentials, else the environment's, else those that the machine has as one of AWS's.
pub(crate) async fn put_into(
    builder: AmazonS3Builder,
    backing: &Backing,
    clock: &Arc<dyn Clock>,
) -> Result<AmazonS3Builder, ConnectError> {
    let environment = &backing.environment;
    let (environment, profile) = match &backing.bucket.credentials_file {
        Some(file) => {
            check_mode(file)?;
            let profile = backing.bucket.profile.as_deref().unwrap_or("default");
            (of_file(file, environment), Some(profile.to_owned()))
        }
        None if environment.value("AWS_ACCESS_KEY_ID").is_some() => (environment.clone(), None),
        None => return Ok(of_machine(builder, environment)),
    };
    let kept = Kept {
        environment,
        profile,
        clock: Arc::clone(clock),
        last: Mutex::default(),
    };
    // What is wrong with them is told at the start, not by the first object.
    kept.read().await?;
    Ok(builder.with_credentials(Arc::new(kept)))
}

fn of_machine(builder: AmazonS3Builder, environment: &Environment) -> AmazonS3Builder {
    OF_MACHINES
        .into_iter()
        .fold(builder, |builder, (name, key)| match environment.value(name) {
            Some(value) => builder.with_config(key, value),
            None => builder,
        })
}

/// The environment with that file in the place of the shared ones.
fn of_file(file: &Path, environment: &Environment) -> Environment {
    let others = environment
        .variables()
        .filter(|(name, _)| !name.starts_with("AWS_"));
    let own = [
        (
            "AWS_SHARED_CREDENTIALS_FILE".to_owned(),
            file.display().to_string(),
        ),
        ("AWS_CONFIG_FILE".to_owned(), file.display().to_string()),
    ];
    let others = others.map(|(name, value)| (name.to_owned(), value.to_owned()));
    others.chain(own).collect()
}

fn check_mode(file: &Path) -> Result<(), ConnectError> {
    let path = || file.display().to_string();
    let found = std::fs::metadata(file).map_err(|source| ConnectError::File { path: path(), source })?;
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(ConnectError::TooOpen { path: path(), mode });
    }
    Ok(())
}

/// Credentials that are read again now and then.
struct Kept {
    environment: Environment,
    profile: Option<String>,
    clock: Arc<dyn Clock>,
    /// The last ones, and when they were read.
    last: Mutex<Option<(Arc<AwsCredential>, Duration)>>,
}

impl Kept {
    async fn read(&self) -> Result<Arc<AwsCredential>, CredentialsError> {
        let mut last = self.last.lock().await;
        let now = self.clock.monotonic();
        if let Some((credential, read_at)) = last.as_ref()
            && now.saturating_sub(*read_at) < KEEP
        {
            return Ok(Arc::clone(credential));
        }
        let found = resolve(&self.environment, self.profile.as_deref(), self.clock.now()).await?;
        let found = found.credentials;
        let credential = Arc::new(AwsCredential {
            key_id: found.access_key_id,
            secret_key: found.secret_access_key.expose_secret().to_owned(),
            token: found.session_token.map(|token| token.expose_secret().to_owned()),
        });
        *last = Some((Arc::clone(&credential), now));
        Ok(credential)
    }
}

#[async_trait]
impl CredentialProvider for Kept {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let read = self.read().await;
        read.map_err(|error| object_store::Error::Generic {
            store: "credentials",
            source: Box::new(error),
        })
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::OpenOptionsExt as _;

    use drawbridge_session::FixedClock;
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::exchange::WayOut;

    fn write(file: &Path, mode: u32, text: &str) {
        use std::io::Write as _;
        let mut options = std::fs::OpenOptions::new();
        let opened = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(file);
        opened
            .expect("a file")
            .write_all(text.as_bytes())
            .expect("written");
    }

    fn section(name: &str, key: &str) -> String {
        format!("[{name}]\naws_access_key_id = {key}\naws_secret_access_key = s3cr3t\n")
    }

    fn backing(file: Option<&Path>, more: &serde_json::Value, environment: &[(&str, &str)]) -> Backing {
        let mut section = json!({"bucket": "blobs", "region": "r", "credentials_file": file});
        for (key, value) in more.as_object().into_iter().flatten() {
            section[key] = value.clone();
        }
        Backing {
            bucket: serde_json::from_value(section).expect("a section"),
            environment: environment.iter().copied().collect(),
        }
    }

    async fn key_of(backing: &Backing, clock: &Arc<dyn Clock>) -> Result<AmazonS3Builder, String> {
        let way = WayOut::new(backing).expect("roots");
        let builder = AmazonS3Builder::new()
            .with_bucket_name("b")
            .with_http_connector(way);
        let put = put_into(builder, backing, clock).await;
        put.map_err(|error| format!("{error}, {error:?}"))
    }

    #[tokio::test]
    async fn a_file_that_changes_is_read_again_and_comes_before_the_environment() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("credentials");
        write(&file, 0o600, &section("default", "FIRST"));
        let fixed = Arc::new(FixedClock::new(Timestamp::UNIX_EPOCH));
        let clock = Arc::clone(&fixed) as Arc<dyn Clock>;
        let environment = [("AWS_ACCESS_KEY_ID", "OTHER"), ("AWS_SECRET_ACCESS_KEY", "other")];
        let backing = backing(Some(&file), &json!({}), &environment);
        let s3 = key_of(&backing, &clock)
            .await
            .expect("credentials")
            .build()
            .expect("a client");
        let key = async || {
            s3.credentials()
                .get_credential()
                .await
                .expect("there")
                .key_id
                .clone()
        };
        assert_eq!(key().await, "FIRST");
        write(&file, 0o600, &section("default", "SECOND"));
        assert_eq!(key().await, "FIRST", "it is kept for a while");
        fixed.advance(KEEP);
        assert_eq!(key().await, "SECOND");
    }

    #[tokio::test]
    async fn what_is_wrong_is_said_without_the_secret() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock: Arc<dyn Clock> = Arc::new(FixedClock::new(Timestamp::UNIX_EPOCH));
        let (good, loose) = (folder.path().join("good"), folder.path().join("loose"));
        write(&good, 0o600, &section("own", "KEY"));
        write(&loose, 0o640, &section("default", "KEY"));
        let half = [("AWS_ACCESS_KEY_ID", "KEY"), ("AWS_SECRET_ACCESS_KEY", "")];
        for (backing, told) in [
            (backing(Some(&good), &json!({"profile": "own"}), &[]), None),
            (backing(None, &json!({}), &[]), None),
            (
                backing(Some(&good), &json!({}), &[]),
                Some("cannot find credentials"),
            ),
            (
                backing(Some(&good), &json!({"profile": "x"}), &[]),
                Some("UnknownProfile(\"x\")"),
            ),
            (
                backing(Some(&loose), &json!({}), &[]),
                Some("has mode 640, others can read it"),
            ),
            (
                backing(Some(&folder.path().join("none")), &json!({}), &[]),
                Some("cannot read `"),
            ),
            (backing(None, &json!({}), &half), Some("HalfAPair")),
        ] {
            match (key_of(&backing, &clock).await, told) {
                (Ok(_), None) => {}
                (Err(error), Some(told)) => {
                    assert!(error.contains(told), "{error}");
                    assert!(!error.contains("s3cr3t"), "{error}");
                }
                (outcome, _) => panic!("{:?} of {backing:?}", outcome.map(drop)),
            }
        }
    }
}
