//! The whole server, put together in one place.

mod certificates;
mod config;
mod sessions;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use drawbridge_access::{Access, OpenChannels, Revocation, watch_live_sessions};
use drawbridge_aws_transport::ReadAhead;
use drawbridge_relay::journal::JournalWriter;
use drawbridge_service_cloudtrail::CloudTrail;
use drawbridge_service_ec2::Ec2;
use drawbridge_service_ec2messages::Ec2Messages;
use drawbridge_service_iam::Iam;
use drawbridge_service_kms::Kms;
use drawbridge_service_logs::Logs;
use drawbridge_service_operator::Operator;
use drawbridge_service_organizations::Organizations;
use drawbridge_service_s3::{RecordingsShelf, S3};
use drawbridge_service_ssm::{Parts, Settings, Ssm};
use drawbridge_service_ssmmessages::SsmMessages;
use drawbridge_service_sts::Sts;
use drawbridge_session::{Random, SystemClock, SystemRandom};
use drawbridge_store::blobs::Blobs;
use drawbridge_store::{DataFolder, FolderError, Foundation, Reserve, RootKey, Space, Sqlite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::certificates::certificates;
pub use self::config::{OpenError, ServerConfig};
pub use self::sessions::RECORDINGS_FOLDER;
use self::sessions::{Recording, Sessions};
use crate::ca::CERTIFICATE_FILE;
use crate::connection;
use crate::first_start::{AdministratorKey, first_start};
use crate::http::{Gateway, S3Hosts, Services, Strangers};
use crate::limits::Limits;
use crate::listener::{Listen, accept_until_stopped};
use crate::{housekeeping, tls};

/// How long websockets may take to let go of their sessions once the server stops.
const CHANNELS_STOP_WITHIN: Duration = Duration::from_secs(5);

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
        let folder = DataFolder::open(&config.data_dir)?;
        // Before anything is taken up: a second server on this port must fail without touching a session.
        let (listener, address) = listen(&config.listen).await?;

        let (sqlite, foundation) = open_store(folder.path()).await?;
        let administrator = first_start(
            foundation.store.as_ref(),
            &foundation.root,
            &config.account,
            foundation.clock.as_ref(),
            foundation.random.as_ref(),
            config.renew_administrator_key,
        )
        .await?;
        let blobs = open_blobs(&config, &folder, &foundation).await?;
        let sessions = Sessions::open(folder.path(), config.recordings.clone(), &foundation).await?;
        let certificates = certificates(&config, folder.path(), address, &foundation.clock)?;

        let access = Access::new(Arc::clone(&foundation.store));
        let settings = Settings {
            private_names: config.private_names,
            activation_tier: config.activation_tier,
            ..Settings::new(config.public_host.clone().unwrap_or_else(|| address.to_string()))
        };
        let reserve = open_reserve(&config, folder.path(), &foundation)?;
        let services = services(&foundation, settings, &access, blobs, reserve, &sessions);
        let open_channels = Arc::new(OpenChannels::default());
        let revocation = config
            .end_disallowed_sessions
            .then(|| {
                Revocation::new(
                    access.clone(),
                    Arc::new(sessions.relay),
                    Arc::clone(&open_channels),
                )
            })
            .map(|revocation| tokio::spawn(watch_live_sessions(revocation)));
        let shelf = Arc::new(RecordingsShelf::new(&services.s3));
        let recording = Recording::start(sessions.recorder_task.with_shelf(shelf), &services.relay);
        let housekeeping = housekeeping::start(
            sessions.journal,
            sessions.recorder,
            Arc::clone(&foundation.store),
            Arc::clone(&services.kms),
            Arc::clone(&services.s3),
            Arc::clone(&foundation.clock),
        );
        let limits = Limits::default();
        let gateway = Arc::new(Gateway {
            services,
            access,
            open_channels,
            store: foundation.store,
            root: foundation.root,
            clock: foundation.clock,
            random: foundation.random,
            account: config.account,
            s3_hosts: S3Hosts::new(&config.region, config.public_host.as_deref()),
            region: config.region,
            long_bodies: Semaphore::new(limits.long_bodies),
            limits,
            strangers: Strangers::default(),
            channels: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        Ok(Server {
            listener,
            address,
            gateway,
            tls: tls::acceptor(certificates),
            store: sqlite,
            journal: sessions.writer,
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

/// Opens the store under the root key, which the first server in this folder makes.
async fn open_store(folder: &Path) -> Result<(Sqlite, Foundation), OpenError> {
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let root = Arc::new(RootKey::load_or_create(folder, random.as_ref())?);
    let sqlite = Sqlite::open(&folder.join(Sqlite::FILE_NAME), Arc::clone(&root)).await?;
    let foundation = Foundation {
        store: Arc::new(sqlite.clone()),
        root,
        clock: Arc::new(SystemClock::new()),
        random,
    };
    Ok((sqlite, foundation))
}

/// Opens the place of the bytes of objects, and removes what a server that died left there without a reference.
async fn open_blobs(
    config: &ServerConfig,
    folder: &DataFolder,
    foundation: &Foundation,
) -> Result<Arc<dyn Blobs>, OpenError> {
    let Foundation {
        store, clock, random, ..
    } = foundation;
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

/// Keeps room for the server itself on the disk of the data folder, where uploads leave rows wherever their bytes go.
fn open_reserve(
    config: &ServerConfig,
    folder: &Path,
    foundation: &Foundation,
) -> Result<Arc<Reserve>, FolderError> {
    let path = folder.to_owned();
    let probe = move || Space::of(&path);
    let reserve = Reserve::open(probe, config.reserve_bytes, Arc::clone(&foundation.clock));
    reserve.map(Arc::new).map_err(|source| FolderError::Unusable {
        path: folder.to_owned(),
        source,
    })
}

/// Brings every service together with what it needs.
fn services(
    foundation: &Foundation,
    settings: Settings,
    access: &Access,
    blobs: Arc<dyn Blobs>,
    reserve: Arc<Reserve>,
    sessions: &Sessions,
) -> Services {
    let (store, clock) = (&foundation.store, &foundation.clock);
    let kms = Arc::new(Kms::new(foundation.clone(), Arc::new(access.clone())));
    let parts = Parts {
        relay: Arc::new(sessions.relay.clone()),
        authority: Arc::new(access.clone()),
        keys: Arc::clone(&kms) as _,
        recordings: Arc::new(sessions.recorder.clone()),
        settings,
    };
    let ssmmessages = SsmMessages::new(
        Arc::clone(store),
        Arc::clone(clock),
        Arc::clone(&foundation.random),
    );
    Services {
        cloudtrail: Arc::new(CloudTrail::new(Arc::clone(store), Arc::clone(clock))),
        ec2: Arc::new(Ec2::new(Arc::clone(store))),
        ec2messages: Arc::new(Ec2Messages::default()),
        iam: Arc::new(Iam::new(foundation.clone())),
        kms: Arc::clone(&kms),
        logs: Arc::new(Logs::new(
            foundation.clone(),
            Arc::clone(&kms) as _,
            Arc::clone(&reserve),
        )),
        operator: Arc::new(Operator::new(foundation.clone(), Arc::new(access.clone()))),
        organizations: Arc::new(Organizations::new(Arc::clone(store))),
        s3: Arc::new(S3::new(foundation.clone(), blobs, kms, reserve)),
        ssm: Arc::new(Ssm::new(foundation.clone(), parts)),
        ssmmessages: Arc::new(ssmmessages),
        sts: Arc::new(Sts::new(foundation.clone())),
        relay: sessions.relay.clone(),
    }
}
