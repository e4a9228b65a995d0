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
    /// `AWS_REGION`, `AWS_DEFAULT_REGION` and the profile's. Nothing is connected yet.
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
            // The CLI resolves endpoints with or without the slash.
            Some(url) => url.trim_end_matches('/').parse()?,
            None => Endpoint::aws("ssm", &region),
        };
        let tls = Tls::of_environment(&environment)?;
        let connector = Connector::new(tls, Proxies::of_environment(&environment)?);
        Ok(Self::new(
            endpoint,
            &region,
            profile,
            environment,
            connector,
            clock,
        ))
    }
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
