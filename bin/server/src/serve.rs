//! `drawbridge serve`, and what it shares with `drawbridge dev`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use drawbridge_gateway::{OpenError, RecordingsConfig, Server, ServerConfig};
use drawbridge_objects::Backing;
use drawbridge_session::{AccountId, Region};
use drawbridge_store::FolderError;

use crate::cli::Serve;
use crate::config::Config;
use crate::environment::Environment;
use crate::exit::{ADDRESS_UNAVAILABLE, FOLDER_IN_USE, FOLDER_UNUSABLE, Failure};
use crate::node::programs;
use crate::{bundle, root_key, signals};

/// Runs until a signal asks for the end.
pub(crate) async fn run(arguments: Serve) -> Result<()> {
    let mut config = Config::load(&arguments.config)?;
    config.data_dir = std::path::absolute(&config.data_dir).context("cannot tell the working directory")?;
    let server = Server::open(server_config(&config)?)
        .await
        .map_err(|error| explain(error, &config))?;
    let certificate_bundle = config.data_dir.join("ca-bundle.pem");
    bundle::write(&server.authority_file(), &certificate_bundle)?;
    let environment = environment_of(&server, &config, certificate_bundle)?;
    let env_file = config.data_dir.join("env");
    environment.write(&env_file)?;
    eprintln!("drawbridge is ready at {}", environment.endpoint);
    eprintln!("the administrator's environment is in `{}`", env_file.display());
    server
        .serve(signals::asked_to_stop())
        .await
        .context("the server stopped")
}

/// The server's own configuration from a checked file.
pub(crate) fn server_config(config: &Config) -> Result<ServerConfig> {
    Ok(ServerConfig {
        data_dir: config.data_dir.clone(),
        listen: config.listen.clone(),
        account: AccountId::parse(&config.account)?,
        region: Region::parse(&config.region)?,
        public_host: config.public_host.clone(),
        certificate_hosts: config.certificate_hosts.clone(),
        private_names: config.private_names,
        renew_administrator_key: false,
        end_disallowed_sessions: config.end_disallowed_sessions,
        activation_tier: config.activation_tier,
        recordings: RecordingsConfig {
            keep_days: (config.recordings_days > 0).then_some(config.recordings_days),
            quota_bytes: config.recordings_quota_mib.map(bytes_of_mib),
        },
        reserve_bytes: config.reserve_mib.map(bytes_of_mib),
        objects: config.objects.clone().map(|bucket| Backing {
            bucket,
            environment: drawbridge_aws_client::Environment::of_process(),
        }),
    })
}

fn bytes_of_mib(mib: u64) -> u64 {
    mib.saturating_mul(1024 * 1024)
}

/// The administrator's environment on a server that listens.
pub(crate) fn environment_of(
    server: &Server,
    config: &Config,
    certificate_bundle: PathBuf,
) -> Result<Environment> {
    let address = server.address();
    // Nobody can connect to the unspecified address; this machine can to loopback.
    let own_host = match address.ip() {
        ip if ip.is_unspecified() => format!("127.0.0.1:{}", address.port()),
        _ => address.to_string(),
    };
    Ok(Environment {
        endpoint: format!("https://{}", config.public_host.as_ref().unwrap_or(&own_host)),
        administrator: server.administrator().cloned(),
        region: config.region.clone(),
        certificate_bundle,
        programs: programs()?,
        node: None,
    })
}

/// Gives the expected ways of failing to open their own exit codes and hints.
pub(crate) fn explain(error: OpenError, config: &Config) -> anyhow::Error {
    let folder = config.data_dir.display();
    let failure = match &error {
        OpenError::Folder(FolderError::InUse { .. }) => Failure::new(FOLDER_IN_USE, error.to_string())
            .hint("stop the other server, or name another folder with `--data-dir`"),
        OpenError::Folder(FolderError::Unusable { source, .. }) => Failure::new(
            FOLDER_UNUSABLE,
            format!("cannot use the data folder `{folder}`: {source}"),
        ),
        OpenError::RootKey(error) => root_key::unusable(error),
        OpenError::Store(cause) if root_key::is_another(cause) => root_key::another(&config.data_dir),
        OpenError::Objects(objects) => return explain_objects(objects),
        OpenError::Address { source, .. } => {
            let sentence = format!("cannot listen on `{}`: {source}", config.listen);
            Failure::new(ADDRESS_UNAVAILABLE, sentence)
                .hint("port 0 takes a free one: `--listen 127.0.0.1:0`")
        }
        _ => return anyhow::Error::new(error).context("cannot open the server"),
    };
    failure.into()
}

/// Says what to do where the bytes of objects are not where they are said to be.
fn explain_objects(error: &drawbridge_objects::OpenError) -> anyhow::Error {
    use drawbridge_objects::OpenError as Objects;
    let hint = match error {
        Objects::Owned { owner, .. } => {
            format!("if its server will never run again, set `take_over = \"{owner}\"` in `[objects]`")
        }
        Objects::Elsewhere { .. } => {
            "copy them over, or configure the place where they are; docs/reference/buckets.md says how"
                .to_owned()
        }
        Objects::Connect(_) => "docs/reference/buckets.md lists the keys of `[objects]`".to_owned(),
        _ => "docs/reference/buckets.md says what the bucket must allow".to_owned(),
    };
    let mut sentence = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        sentence = format!("{sentence}: {cause}");
        source = cause.source();
    }
    Failure::new(FOLDER_UNUSABLE, sentence).hint(hint).into()
}
