//! From an environment to an [`Api`].

use std::sync::Arc;

use drawbridge_aws_client::credentials::{self, CredentialsError};
use drawbridge_aws_client::{
    Connector, Endpoint, EndpointError, Environment, Proxies, ProxyError, Tls, TlsError,
};
use drawbridge_session::Clock;

use super::Api;

/// Why a server cannot be called at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The endpoint's URL is wrong.
    #[error("cannot use the endpoint")]
    Endpoint(#[from] EndpointError),
    /// The trusted certificate authorities cannot be loaded.
    #[error("cannot load the trusted certificate authorities")]
    Tls(#[from] TlsError),
    /// The proxy variables are wrong.
    #[error("cannot use the proxy")]
    Proxy(#[from] ProxyError),
    /// The shared configuration, where the region might be, cannot be read.
    #[error("cannot find the region")]
    Region(#[source] CredentialsError),
    /// No region is set anywhere.
    #[error("no region is set: set `AWS_REGION`")]
    NoRegion,
}

impl Api {
    /// Makes an access as AWS's programs do: what is not given comes from the environment and the shared files.
    ///
    /// The endpoint falls back to `AWS_ENDPOINT_URL_SSM`, `AWS_ENDPOINT_URL` and AWS's own for the region; the region to
    /// `AWS_REGION`, `AWS_DEFAULT_REGION` and the profile's. Keys are looked for at `AWS_ENDPOINT_URL_KMS` and `AWS_ENDPOINT_URL`,
    /// and without these at the endpoint itself, or at AWS's own key service if that is AWS's. Nothing is connected yet.
    pub fn of_environment(
        environment: Environment,
        endpoint: Option<&str>,
        region: Option<&str>,
        profile: Option<String>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetupError> {
        let region = match region {
            Some(region) => region.to_owned(),
            None => credentials::region(&environment, profile.as_deref())
                .map_err(SetupError::Region)?
                .ok_or(SetupError::NoRegion)?,
        };
        let endpoint = endpoint
            .or_else(|| environment.value("AWS_ENDPOINT_URL_SSM"))
            .or_else(|| environment.value("AWS_ENDPOINT_URL"));
        let endpoint = match endpoint {
            Some(url) => parsed(url)?,
            None => Endpoint::aws("ssm", &region),
        };
        let kms = environment
            .value("AWS_ENDPOINT_URL_KMS")
            .or_else(|| environment.value("AWS_ENDPOINT_URL"));
        let kms = kms.map(parsed).transpose()?;
        let tls = Tls::of_environment(&environment)?;
        let connector = Connector::new(tls, Proxies::of_environment(&environment)?);
        let api = Self::new(endpoint, &region, profile, environment, connector, clock);
        Ok(match kms {
            Some(kms) => api.with_kms_endpoint(kms),
            None => api,
        })
    }
}

/// Reads an endpoint as the CLI does, with or without the slash.
fn parsed(url: &str) -> Result<Endpoint, EndpointError> {
    url.trim_end_matches('/').parse()
}

#[cfg(test)]
mod tests {
    use drawbridge_session::FixedClock;

    use super::*;

    fn api(
        variables: &[(&str, &str)],
        endpoint: Option<&str>,
        region: Option<&str>,
    ) -> Result<Api, SetupError> {
        // Nothing is to be found in the home of whoever runs the tests.
        let nowhere = [
            ("AWS_CONFIG_FILE", "/nonexistent"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent"),
        ];
        let environment = nowhere.iter().chain(variables).copied().collect();
        Api::of_environment(
            environment,
            endpoint,
            region,
            None,
            Arc::new(FixedClock::default()),
        )
    }

    #[test]
    fn keys_are_where_the_sessions_are_unless_something_else_is_said() {
        let kms = |variables: &[(&str, &str)], endpoint| {
            let api = api(variables, endpoint, Some("eu-west-1")).unwrap();
            api.kms.to_string()
        };
        let ours = Some("https://bridge.example:8443");
        assert_eq!(kms(&[], ours), "https://bridge.example:8443");
        assert_eq!(kms(&[], None), "https://kms.eu-west-1.amazonaws.com");
        let private = Some("https://ssm.eu-west-1.amazonaws.com");
        assert_eq!(kms(&[], private), "https://kms.eu-west-1.amazonaws.com");
        let all = ("AWS_ENDPOINT_URL", "https://all.example/");
        let ssm = ("AWS_ENDPOINT_URL_SSM", "https://ssm.example");
        let keys = ("AWS_ENDPOINT_URL_KMS", "https://kms.example");
        assert_eq!(kms(&[all], ours), "https://all.example");
        assert_eq!(kms(&[all, keys, ssm], ours), "https://kms.example");
        assert_eq!(kms(&[ssm], None), "https://ssm.example");
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        assert!(matches!(api(&[], None, None), Err(SetupError::NoRegion)));
        assert!(matches!(
            api(&[], Some("nonsense"), Some("r")),
            Err(SetupError::Endpoint(_))
        ));
        let unreadable = [("AWS_REGION", "r"), ("AWS_CA_BUNDLE", "/nonexistent")];
        assert!(matches!(
            api(&unreadable, Some("https://h"), None),
            Err(SetupError::Tls(_))
        ));
    }
}
