//! Where credentials come from: environment, shared files with profiles, or a program.

mod process;
mod profile;

use std::path::PathBuf;

use drawbridge_aws_dialects::sigv4::Credentials;
use jiff::Timestamp;
use secrecy::SecretString;

use crate::environment::Environment;
use profile::{Profile, Settings};

/// Credentials with the time they stop working.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The key pair and session token.
    pub credentials: Credentials,
    /// When they expire; `None` for long-lived keys or where the source does not say.
    pub expires_at: Option<Timestamp>,
}

impl Resolved {
    /// Whether they are expired at `now`.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// Why no credentials were found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// No source has any.
    #[error(
        "no credentials found: set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or name a profile that has them"
    )]
    NotFound,
    /// The named profile is in neither file.
    #[error("profile `{0}` is not in the shared configuration")]
    UnknownProfile(String),
    /// The profile holds one half of a pair, or a kind of credentials this client does not fetch.
    #[error("profile `{profile}` cannot be used: {reason}")]
    UnusableProfile {
        /// Its name.
        profile: String,
        /// What is wrong.
        reason: String,
    },
    /// The environment holds one half of a pair.
    #[error("`AWS_ACCESS_KEY_ID` is set but `AWS_SECRET_ACCESS_KEY` is not")]
    HalfAPair,
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The `credential_process` failed; its output is never shown.
    #[error("`credential_process` of profile `{profile}` {reason}")]
    Process {
        /// Its profile.
        profile: String,
        /// What it did.
        reason: String,
    },
    /// Found, but expired already.
    #[error("credentials expired at {0}")]
    Expired(Timestamp),
}

/// Finds credentials: the environment's unless a profile is named, then the profile's.
///
/// `profile` stands for `--profile`; without it `AWS_PROFILE` counts, then `default`.
///
/// # Errors
/// See [`CredentialsError`].
pub async fn resolve(
    environment: &Environment,
    profile: Option<&str>,
    now: Timestamp,
) -> Result<Resolved, CredentialsError> {
    let profile = profile.filter(|name| !name.is_empty());
    let resolved = match of_environment(environment)? {
        Some(resolved) if profile.is_none() => resolved,
        _ => of_profile(environment, profile).await?,
    };
    match resolved.expires_at {
        Some(at) if at <= now => Err(CredentialsError::Expired(at)),
        _ => Ok(resolved),
    }
}

/// The region of the environment (`AWS_REGION`, `AWS_DEFAULT_REGION`) or of the profile.
///
/// # Errors
/// [`CredentialsError::Read`] when a shared file exists and cannot be read.
pub fn region(environment: &Environment, profile: Option<&str>) -> Result<Option<String>, CredentialsError> {
    setting(
        environment,
        profile,
        &["AWS_REGION", "AWS_DEFAULT_REGION"],
        "region",
    )
}

/// The endpoint of SSM that the environment (`AWS_ENDPOINT_URL_SSM`, `AWS_ENDPOINT_URL`) or the profile names.
///
/// # Errors
/// [`CredentialsError::Read`] when a shared file exists and cannot be read.
pub fn endpoint_url(
    environment: &Environment,
    profile: Option<&str>,
) -> Result<Option<String>, CredentialsError> {
    setting(
        environment,
        profile,
        &["AWS_ENDPOINT_URL_SSM", "AWS_ENDPOINT_URL"],
        "endpoint_url",
    )
}

fn setting(
    environment: &Environment,
    profile: Option<&str>,
    variables: &[&str],
    key: &str,
) -> Result<Option<String>, CredentialsError> {
    if let Some(value) = variables.iter().find_map(|name| environment.value(name)) {
        return Ok(Some(value.to_owned()));
    }
    let profile = profile::load(environment, profile::name(environment, profile))?;
    Ok(profile.and_then(|profile| profile.value(key).map(str::to_owned)))
}

fn of_environment(environment: &Environment) -> Result<Option<Resolved>, CredentialsError> {
    let Some(access_key_id) = environment.value("AWS_ACCESS_KEY_ID") else {
        return Ok(None);
    };
    let secret = environment
        .value("AWS_SECRET_ACCESS_KEY")
        .ok_or(CredentialsError::HalfAPair)?;
    let token = environment
        .value("AWS_SESSION_TOKEN")
        .or_else(|| environment.value("AWS_SECURITY_TOKEN"));
    let expires_at = environment
        .value("AWS_CREDENTIAL_EXPIRATION")
        .and_then(|text| text.parse().ok());
    Ok(Some(Resolved {
        credentials: pair(access_key_id, secret, token),
        expires_at,
    }))
}

async fn of_profile(environment: &Environment, asked: Option<&str>) -> Result<Resolved, CredentialsError> {
    let name = profile::name(environment, asked);
    let Some(profile) = profile::load(environment, name)? else {
        let named = asked.is_some() || environment.value("AWS_PROFILE").is_some();
        return Err(if named {
            CredentialsError::UnknownProfile(name.to_owned())
        } else {
            CredentialsError::NotFound
        });
    };
    if let Some(resolved) = of_settings(name, &profile.credentials)? {
        return Ok(resolved);
    }
    if let Some(line) = profile.value("credential_process") {
        return process::run(name, line, environment).await;
    }
    if let Some(resolved) = of_settings(name, &profile.config)? {
        return Ok(resolved);
    }
    match unsupported(&profile) {
        Some(kind) => Err(CredentialsError::UnusableProfile {
            profile: name.to_owned(),
            reason: format!(
                "{kind} are not fetched by this program; \
                 `aws configure export-credentials --profile {name} --format env` prints them"
            ),
        }),
        None => Err(CredentialsError::NotFound),
    }
}

fn of_settings(name: &str, settings: &Settings) -> Result<Option<Resolved>, CredentialsError> {
    let value = |key: &str| {
        settings
            .get(key)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    };
    match (value("aws_access_key_id"), value("aws_secret_access_key")) {
        (Some(id), Some(secret)) => Ok(Some(Resolved {
            credentials: pair(
                id,
                secret,
                value("aws_session_token").or_else(|| value("aws_security_token")),
            ),
            expires_at: None,
        })),
        (None, None) => Ok(None),
        _ => Err(CredentialsError::UnusableProfile {
            profile: name.to_owned(),
            reason: "it has only one of `aws_access_key_id` and `aws_secret_access_key`".to_owned(),
        }),
    }
}

fn unsupported(profile: &Profile) -> Option<&'static str> {
    [
        ("role_arn", "credentials of a role"),
        ("sso_session", "single sign-on credentials"),
        ("sso_start_url", "single sign-on credentials"),
        ("login_session", "sign-in credentials"),
    ]
    .into_iter()
    .find_map(|(key, kind)| profile.value(key).map(|_| kind))
}

fn pair(access_key_id: &str, secret: &str, token: Option<&str>) -> Credentials {
    Credentials {
        access_key_id: access_key_id.to_owned(),
        secret_access_key: SecretString::from(secret),
        session_token: token.map(SecretString::from),
    }
}

#[cfg(test)]
mod tests;
