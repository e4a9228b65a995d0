use std::path::Path;

use jiff::Timestamp;
use secrecy::ExposeSecret as _;

use super::{CredentialsError, Resolved, endpoint_url, region, resolve};
use crate::environment::Environment;

const CREDENTIALS: &str = "\
[default]
aws_access_key_id = AKIADEFAULT
aws_secret_access_key = default/secret+
[temporary]
aws_access_key_id = ASIATEMP
aws_secret_access_key = temp
aws_session_token = token==
[half]
aws_access_key_id = AKIAHALF
";

const CONFIG: &str = "\
[default]
region = eu-default-1
[profile temporary]
region = eu-temp-1
endpoint_url = https://bridge.example:8443
[profile program]
credential_process = echo '{\"Version\": 1, \"AccessKeyId\": \"ASIAPROC\", \"SecretAccessKey\": \"p\", \"SessionToken\": \"t\", \"Expiration\": \"2026-11-20T12:00:00Z\"}'
[profile role]
role_arn = arn:aws:iam::123456789012:role/x
source_profile = default
";

/// A home with both files; the folder lives as long as the test.
fn home() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(".aws")).unwrap();
    std::fs::write(folder.path().join(".aws/credentials"), CREDENTIALS).unwrap();
    std::fs::write(folder.path().join(".aws/config"), CONFIG).unwrap();
    folder
}

fn environment(home: &Path, more: &[(&str, &str)]) -> Environment {
    let home = [("HOME", home.to_str().unwrap())];
    home.iter().chain(more).copied().collect()
}

fn noon() -> Timestamp {
    "2026-11-20T11:00:00Z".parse().unwrap()
}

fn keys(resolved: &Resolved) -> (&str, &str, Option<&str>) {
    let credentials = &resolved.credentials;
    (
        &credentials.access_key_id,
        credentials.secret_access_key.expose_secret(),
        credentials
            .session_token
            .as_ref()
            .map(|token| token.expose_secret()),
    )
}

#[tokio::test]
async fn the_environment_counts_first() {
    let home = home();
    let environment = environment(
        home.path(),
        &[
            ("AWS_ACCESS_KEY_ID", "AKIAENV"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_PROFILE", "temporary"),
        ],
    );
    let resolved = resolve(&environment, None, noon()).await.unwrap();
    assert_eq!(keys(&resolved), ("AKIAENV", "s", None));
    let resolved = resolve(&environment, Some("default"), noon()).await.unwrap();
    assert_eq!(
        keys(&resolved),
        ("AKIADEFAULT", "default/secret+", None),
        "a named profile counts more"
    );
}

#[tokio::test]
async fn profiles_are_found_in_either_file() {
    let home = home();
    let environment = environment(home.path(), &[]);
    let resolved = resolve(&environment, None, noon()).await.unwrap();
    assert_eq!(keys(&resolved).0, "AKIADEFAULT");
    let resolved = resolve(&environment, Some("temporary"), noon()).await.unwrap();
    assert_eq!(keys(&resolved), ("ASIATEMP", "temp", Some("token==")));
    let resolved = resolve(&environment, Some("program"), noon()).await.unwrap();
    assert_eq!(keys(&resolved), ("ASIAPROC", "p", Some("t")));
    assert!(!resolved.is_expired(noon()));
}

#[tokio::test]
async fn files_can_be_elsewhere() {
    let home = home();
    let elsewhere = home.path().join("keys");
    std::fs::write(
        &elsewhere,
        "[default]\naws_access_key_id=AKIAELSE\naws_secret_access_key=e\n",
    )
    .unwrap();
    let environment = environment(home.path(), &[("AWS_SHARED_CREDENTIALS_FILE", "~/keys")]);
    assert_eq!(
        keys(&resolve(&environment, None, noon()).await.unwrap()).0,
        "AKIAELSE"
    );
}

#[tokio::test]
async fn what_cannot_be_used_says_why() {
    let home = home();
    let environment = environment(home.path(), &[]);
    let fails = async |profile| {
        resolve(&environment, Some(profile), noon())
            .await
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        fails("nobody").await,
        "profile `nobody` is not in the shared configuration"
    );
    assert!(fails("half").await.contains("only one of"));
    assert!(
        fails("role")
            .await
            .contains("credentials of a role are not fetched")
    );
    let later = "2026-11-20T12:00:00Z".parse().unwrap();
    let expired = resolve(&environment, Some("program"), later).await.unwrap_err();
    assert!(matches!(expired, CredentialsError::Expired(at) if at == later));
    let none = resolve(&Environment::default(), None, noon()).await.unwrap_err();
    assert!(matches!(none, CredentialsError::NotFound));
    let half = [("AWS_ACCESS_KEY_ID", "A")].into_iter().collect();
    assert!(matches!(
        resolve(&half, None, noon()).await,
        Err(CredentialsError::HalfAPair)
    ));
}

#[test]
fn settings_come_from_the_environment_or_the_profile() {
    let home = home();
    let plain = environment(home.path(), &[]);
    assert_eq!(region(&plain, None).unwrap().as_deref(), Some("eu-default-1"));
    assert_eq!(
        region(&plain, Some("temporary")).unwrap().as_deref(),
        Some("eu-temp-1")
    );
    assert_eq!(
        endpoint_url(&plain, Some("temporary")).unwrap().as_deref(),
        Some("https://bridge.example:8443")
    );
    let set = environment(
        home.path(),
        &[("AWS_DEFAULT_REGION", "env-1"), ("AWS_ENDPOINT_URL", "https://e")],
    );
    assert_eq!(region(&set, Some("temporary")).unwrap().as_deref(), Some("env-1"));
    assert_eq!(endpoint_url(&set, None).unwrap().as_deref(), Some("https://e"));
    assert_eq!(endpoint_url(&plain, None).unwrap(), None);
}

#[test]
fn nothing_prints_a_secret() {
    let environment: Environment = [
        ("AWS_SECRET_ACCESS_KEY", "hush-hush"),
        ("AWS_ACCESS_KEY_ID", "AKIA"),
    ]
    .into_iter()
    .collect();
    assert!(!format!("{environment:?}").contains("hush"));
    let resolved = super::of_environment(&environment).unwrap().unwrap();
    assert!(!format!("{resolved:?}").contains("hush"));
}
