//! The whole server, put together in one place.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use drawbridge_access::{Access, OpenChannels, Revocation, watch_live_sessions};
use drawbridge_aws_transport::ReadAhead;
use drawbridge_objects::Backing;
use drawbridge_protocol::data_channel::relay::Timers;
use drawbridge_recorder::{Folder, FolderConfig, JournalRecorder, RecorderTask, RecordingKeys};
use drawbridge_relay::journal::{
    DiskFolder, Journal, JournalConfig, JournalError, JournalKey, JournalWriter,
};
use drawbridge_relay::{RecoveryError, SessionRelay};
use drawbridge_service_cloudtrail::CloudTrail;
use drawbridge_service_ec2::Ec2;
use drawbridge_service_ec2messages::Ec2Messages;
use drawbridge_service_iam::Iam;
use drawbridge_service_kms::Kms;
use drawbridge_service_logs::Logs;
use drawbridge_service_operator::Operator;
use drawbridge_service_organizations::Organizations;
use drawbridge_service_s3::{RecordingsShelf, S3};
use drawbridge_service_ssm::{ActivationTier, Parts, Settings, Ssm};
use drawbridge_service_ssmmessages::SsmMessages;
use drawbridge_service_sts::Sts;
use drawbridge_session::{AccountId, Clock, Random, Region, SystemClock, SystemRandom};
use drawbridge_store::blobs::Blobs;
use drawbridge_store::{
    DataFolder, FolderError, Foundation, RootKey, RootKeyError, Sqlite, Store, StoreError,
};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ca::{AuthorityError, CERTIFICATE_FILE, CertificateAuthority, LeafCertificates, PrivateNames};
use crate::connection;
use crate::first_start::{AdministratorKey, first_start};
use crate::http::{Gateway, S3Hosts, Services, Strangers};
use crate::limits::Limits;
use crate::listener::{Listen, accept_until_stopped};
use crate::{housekeeping, tls};

/// The folder of the journal, inside the data folder.
const JOURNAL_FOLDER: &str = "journal";

/// The folder of recordings, inside the data folder.
pub const RECORDINGS_FOLDER: &str = "recordings";

/// How long websockets may take to let go of their sessions once the server stops.
const CHANNELS_STOP_WITHIN: Duration = Duration::from_secs(5);

/// What a server needs to know.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// `HOST:PORT`; port 0 takes a free one.
    pub listen: String,
    /// The account it serves.
    pub account: AccountId,
    /// The region of unsigned requests and of the audit events of global services; signed requests name their own.
    pub region: Region,
    /// `HOST[:PORT]` by which clients reach it, for stream URLs where a request does not say.
    pub public_host: Option<String>,
    /// Further names and addresses for the certificate.
    pub certificate_hosts: Vec<String>,
    /// Whether it also answers for AWS's names of `region`.
    pub private_names: bool,
    /// Whether the administrator gets a new access key in the place of one that was deleted.
    pub renew_administrator_key: bool,
    /// Whether live sessions end that a change of policies, tags or keys no longer allows.
    pub end_disallowed_sessions: bool,
    /// What registered nodes can be used for in accounts and regions that have not chosen.
    pub activation_tier: ActivationTier,
    /// How much is kept of recordings, and how long.
    pub recordings: FolderConfig,
    /// The bucket of another store that the bytes of objects lie in; the data folder without one.
    pub objects: Option<Backing>,
}

/// Why a server cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data folder is in use, or cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The address is taken, or not this machine's.
    #[error("cannot listen on `{address}`")]
    Address {
        /// The configured address.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The root key cannot be read or made.
    #[error(transparent)]
    RootKey(#[from] RootKeyError),
    /// The store cannot be opened.
    #[error("cannot open the store")]
    Store(#[from] StoreError),
    /// The certificate authority cannot be loaded or made.
    #[error("cannot use the certificate authority")]
    Authority(#[from] AuthorityError),
    /// The bytes of objects are not where they are said to be, or their place cannot be used.
    #[error(transparent)]
    Objects(#[from] drawbridge_objects::OpenError),
    /// The journal cannot be opened.
    #[error("cannot open the journal")]
    Journal(#[from] JournalError),
    /// The recordings cannot be taken up.
    #[error(transparent)]
    Recordings(#[from] drawbridge_recorder::OpenError),
    /// The sessions of the last server cannot be taken up.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
}

/// A server that listens and does not answer yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    pub(crate) gateway: Arc<Gateway>,
    tls: TlsAcceptor,
    store: Sqlite,
    journal: JournalWriter,
    recorder: Recording,
    housekeeping: JoinHandle<()>,
    administrator: Option<AdministratorKey>,
    revocation: Option<JoinHandle<()>>,
    /// Held to the end: the lock on the folder is the right to write to it.
    folder: DataFolder,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Opens the data folder, takes up the sessions in it, and listens.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub async fn open(config: ServerConfig) -> Result<Server, OpenError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let folder = DataFolder::open(&config.data_dir)?;
        // Before anything is taken up: a second server on this port must fail without touching a session.
        let (listener, address) = listen(&config.listen).await?;

        let root = Arc::new(RootKey::load_or_create(folder.path(), random.as_ref())?);
        let sqlite = Sqlite::open(&folder.path().join(Sqlite::FILE_NAME), Arc::clone(&root)).await?;
        let store: Arc<dyn Store> = Arc::new(sqlite.clone());
        let administrator = first_start(
            store.as_ref(),
            &root,
            &config.account,
            clock.as_ref(),
            random.as_ref(),
            config.renew_administrator_key,
        )
        .await?;

        let blobs = open_blobs(&config, &folder, &store, &clock, &random).await?;
        let (journal, writer) = open_journal(folder.path(), &root, &clock, &random)?;
        let recordings = Folder::open(&folder.path().join(RECORDINGS_FOLDER), config.recordings.clone());
        let (recorder, recorder_task) = JournalRecorder::open(
            recordings.map_err(drawbridge_recorder::OpenError::Folder)?,
            RecordingKeys::of(&root),
            journal.clone(),
            Arc::clone(&store),
            Arc::clone(&clock),
            Arc::clone(&random),
        )
        .await?;
        let relay = SessionRelay::open(
            Arc::clone(&store),
            journal.clone(),
            Arc::new(recorder.clone()),
            Arc::clone(&clock),
            Arc::clone(&random),
            Timers::default(),
        )
        .await?;
        let private = config
            .private_names
            .then(|| PrivateNames::of_region(config.region.as_str()));
        let authority = CertificateAuthority::load_or_create(folder.path(), Arc::clone(&clock))?;
        let hosts = certificate_hosts(&config, address);
        let certificates = Arc::new(LeafCertificates::new(authority, hosts, private)?);

        let settings = Settings {
            private_names: config.private_names,
            activation_tier: config.activation_tier,
            ..Settings::new(config.public_host.clone().unwrap_or_else(|| address.to_string()))
        };
        let access = Access::new(Arc::clone(&store));
        let foundation = Foundation {
            store: Arc::clone(&store),
            root: Arc::clone(&root),
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
        };
        let kms = Arc::new(Kms::new(foundation.clone(), Arc::new(access.clone())));
        let s3 = Arc::new(S3::new(foundation.clone(), blobs, Arc::clone(&kms) as _));
        let shelf = Arc::new(RecordingsShelf::new(Arc::clone(&s3)));
        let recording = Recording::start(recorder_task.with_shelf(shelf), &relay);
        let housekeeping = housekeeping::start(
            journal,
            recorder.clone(),
            Arc::clone(&store),
            Arc::clone(&kms),
            Arc::clone(&s3),
            Arc::clone(&clock),
        );
        let parts = Parts {
            relay: Arc::new(relay.clone()),
            authority: Arc::new(access.clone()),
            keys: Arc::clone(&kms) as _,
            recordings: Arc::new(recorder),
            settings,
        };
        let ssm = Ssm::new(foundation.clone(), parts);
        let ssmmessages = SsmMessages::new(Arc::clone(&store), Arc::clone(&clock), Arc::clone(&random));
        let open_channels = Arc::new(OpenChannels::default());
        let revocation = config.end_disallowed_sessions.then(|| {
            let revocation = Revocation::new(
                access.clone(),
                Arc::new(relay.clone()),
                Arc::clone(&open_channels),
            );
            tokio::spawn(watch_live_sessions(revocation))
        });
        let services = Services {
            cloudtrail: Arc::new(CloudTrail::new(Arc::clone(&store), Arc::clone(&clock))),
            ec2: Arc::new(Ec2::new(Arc::clone(&store))),
            ec2messages: Arc::new(Ec2Messages::default()),
            iam: Arc::new(Iam::new(foundation.clone())),
            kms: Arc::clone(&kms),
            logs: Arc::new(Logs::new(foundation.clone(), kms)),
            operator: Arc::new(Operator::new(foundation.clone(), Arc::new(access.clone()))),
            organizations: Arc::new(Organizations::new(Arc::clone(&store))),
            s3,
            ssm: Arc::new(ssm),
            ssmmessages: Arc::new(ssmmessages),
            sts: Arc::new(Sts::new(foundation)),
            relay,
        };
        let limits = Limits::default();
        let gateway = Arc::new(Gateway {
            services,
            access,
            open_channels,
            store,
            root,
            clock,
            random,
            account: config.account,
            s3_hosts: S3Hosts::new(&config.region, config.public_host.as_deref()),
            region: config.region,
            long_bodies: Semaphore::new(limits.long_bodies),
            limits,
            strangers: Strangers::default(),
            channels: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        let tls = tls::acceptor(certificates);
        Ok(Server {
            listener,
            address,
            gateway,
            tls,
            store: sqlite,
            journal: writer,
            recorder: recording,
            housekeeping,
            revocation,
            administrator,
            folder,
        })
    }

    /// The address it listens on, with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The administrator's access key, unless somebody deleted it.
    pub fn administrator(&self) -> Option<&AdministratorKey> {
        self.administrator.as_ref()
    }

    /// The certificate of its authority, PEM.
    pub fn authority_file(&self) -> PathBuf {
        self.folder.path().join(CERTIFICATE_FILE)
    }

    /// Serves until `stop` is ready, then answers what is under way and lets go of every session without ending
    /// it: they go on with the next server on this folder.
    ///
    /// # Errors
    ///
    /// None today; the accept loop survives what it meets.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send) -> io::Result<()> {
        let Server {
            listener,
            gateway,
            tls,
            store,
            journal,
            recorder,
            housekeeping,
            revocation,
            folder,
            ..
        } = self;
        let stopping = gateway.stop.clone();
        let serving = serve(Arc::clone(&gateway), tls, listener);
        let until_told = async {
            stop.await;
            stopping.cancel();
        };
        tokio::join!(serving, until_told);
        gateway.services.relay.stop().await;
        housekeeping.abort();
        if let Some(revocation) = revocation {
            revocation.abort();
        }
        if let Err(error) = gateway.store.store_key_uses().await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "cannot store the uses of access keys");
        }
        // After the relay, whose sessions may still have ended, and while the journal and the store can be read.
        recorder.stop().await;
        journal.close().await;
        store.close().await;
        drop(folder);
        Ok(())
    }
}

/// The task that makes recordings.
struct Recording {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Recording {
    fn start(task: RecorderTask, relay: &SessionRelay) -> Self {
        let stop = CancellationToken::new();
        let relay = Arc::new(relay.clone());
        Self {
            task: tokio::spawn(task.run(relay, stop.clone())),
            stop,
        }
    }

    /// Waits until it has taken over what the journal has.
    async fn stop(self) {
        self.stop.cancel();
        if self.task.await.is_err() {
            tracing::error!("the task that makes recordings panicked");
        }
    }
}

/// Serves connections until the gateway stops, and what is under way for a little longer.
pub(crate) async fn serve<L: Listen>(gateway: Arc<Gateway>, tls: TlsAcceptor, listener: L) {
    let connections = TaskTracker::new();
    let (limit, stop) = (gateway.limits.connections, gateway.stop.clone());
    accept_until_stopped(listener, limit, &stop, |io, peer, place| {
        let io = ReadAhead::new(io);
        let served = connection::serve(Arc::clone(&gateway), tls.clone(), io, peer, place, stop.clone());
        connections.spawn(served);
    })
    .await;
    connections.close();
    connections.wait().await;
    gateway.channels.close();
    if tokio::time::timeout(CHANNELS_STOP_WITHIN, gateway.channels.wait())
        .await
        .is_err()
    {
        tracing::warn!("some websockets did not close in time");
    }
}

async fn listen(address: &str) -> Result<(TcpListener, SocketAddr), OpenError> {
    let failed = |source| OpenError::Address {
        address: address.to_owned(),
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Opens the place of the bytes of objects, and removes what a server that died left there without a reference.
async fn open_blobs(
    config: &ServerConfig,
    folder: &DataFolder,
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn Random>,
) -> Result<Arc<dyn Blobs>, OpenError> {
    match &config.objects {
        None => {
            let blobs = drawbridge_objects::open_folder(folder.path(), store.as_ref()).await?;
            Ok(Arc::new(blobs))
        }
        Some(backing) => {
            Ok(drawbridge_objects::open(backing, Arc::clone(store), clock, Arc::clone(random)).await?)
        }
    }
}

fn open_journal(
    folder: &Path,
    root: &RootKey,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn Random>,
) -> Result<(Journal, JournalWriter), OpenError> {
    let segments = DiskFolder::open(&folder.join(JOURNAL_FOLDER)).map_err(JournalError::List)?;
    let key = JournalKey::new(*root.derive("journal 1"));
    let opened = Journal::open(
        JournalConfig::default(),
        Arc::new(segments),
        key,
        Arc::clone(clock),
        Arc::clone(random),
    );
    Ok(opened?)
}

/// What the certificate names: this machine by every name it may be called, and what the operator adds.
fn certificate_hosts(config: &ServerConfig, address: SocketAddr) -> Vec<String> {
    let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if !address.ip().is_unspecified() {
        hosts.push(address.ip().to_string());
    }
    hosts.extend(hostname());
    hosts.extend(config.public_host.as_deref().map(without_port));
    hosts.extend(config.certificate_hosts.iter().cloned());
    let mut seen = std::collections::HashSet::new();
    hosts.retain(|host| !host.is_empty() && seen.insert(host.clone()));
    hosts
}

fn hostname() -> Option<String> {
    let name = rustix::system::uname();
    let name = name.nodename().to_str().ok()?;
    // A name that a certificate cannot carry must not keep the server from starting.
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    plain.then(|| name.to_owned())
}

fn without_port(host: &str) -> String {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            name.trim_start_matches('[').trim_end_matches(']').to_owned()
        }
        _ => host.to_owned(),
    }
}
