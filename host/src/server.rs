//! Assembles the rooms, runs them, and stops them in order: first no new requests, then deliveries, then the stores.

use std::convert::Infallible;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::artifacts::{ArtifactError, Artifacts};
use crate::config::Config;
use crate::delivery::{ConsumerError, Consumers, ReqwestClient, Views, WEBHOOK_PLUGIN};
use crate::engine::{Engine, EngineError, Live, SCHEMA_PLUGIN};
use crate::http::{App, Connections, DeclareError, Rooms, Turns, declare_topics, serve};
use crate::model::limits;
use crate::plugin::{
    Embedded, Grants, HttpAllow, Plugins, PluginsConfig, PluginsError, Pulse, Sidecar, TrustedKeys,
    threads_beside_requests,
};
use crate::storage::{self, Clock, ProgressSink, StorageError};

pub use crate::storage::archive::End;
pub use crate::storage::{Progress, Verified};

/// The sample plugins, built from this repository: what works out of the box is a plugin like any other.
const SCHEMA_WASM: &[u8] = include_bytes!("../../plugins/dist/schema.wasm");
const WEBHOOK_WASM: &[u8] = include_bytes!("../../plugins/dist/webhook.wasm");

/// `nice` of threads that do not answer requests: a third of a request's share when both want a core.
const BACKGROUND_NICENESS: i32 = 5;

#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("cannot make directory {path}: {source}")]
    Directory { path: String, source: std::io::Error },
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("the plugin keys in {path} cannot be used: {why}")]
    PluginKeys { path: String, why: String },
    #[error("the background threads could not be started: {0}")]
    Background(std::io::Error),
    #[error("signals cannot be listened to: {0}")]
    Signals(std::io::Error),
    #[error("the HTTP client could not be made: {0}")]
    HttpClient(String),
    #[error(transparent)]
    Artifacts(#[from] ArtifactError),
    #[error(transparent)]
    Topics(#[from] DeclareError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Restore(#[from] storage::redb::RestoreError),
    #[error(transparent)]
    Plugins(#[from] PluginsError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Consumers(#[from] ConsumerError),
}

/// A server that answers.
pub struct Server {
    address: SocketAddr,
    engine: Arc<Engine>,
    consumers: Arc<Consumers>,
    views: Arc<Views>,
    stop: watch::Sender<bool>,
    background: Background,
    serving: JoinHandle<()>,
    /// Ends when the last socket is closed, for they are no requests any more.
    sockets: mpsc::Receiver<Infallible>,
    grace: Duration,
}

impl Server {
    /// Opens the stores, loads the plugins, starts the consumers and answers requests. The port is taken first, so that
    /// a second server on it fails before it touches anything.
    pub async fn start(config: Config) -> Result<Self, ServerError> {
        allow_many_connections();
        let address = config.listen;
        let listener = TcpListener::bind(address).await.map_err(|source| ServerError::Listen { address, source })?;
        let address = listener.local_addr().map_err(|source| ServerError::Listen { address, source })?;
        let background = Background::start()?;
        let (engine, http) = open(&config, address, &background).await?;
        engine.plugins().start(engine.clone()).await;
        declare_topics(&engine, &config.config_dir.join("topics")).await?;
        let consumers = Consumers::start(engine.clone(), http, background.handle.clone()).await?;
        let views = Views::start(engine.clone(), config.data_dir.join("views"), background.handle.clone()).await;
        let (stop, stopped) = watch::channel(false);
        let (open_socket, sockets) = mpsc::channel(1);
        let look = Duration::from_millis(config.retention_look_ms);
        background.handle.spawn(engine.clone().keep_retention(look, stopped.clone()));
        let app = App::new(Rooms {
            engine: engine.clone(),
            consumers: consumers.clone(),
            views: views.clone(),
            live: Live::start(engine.clone(), stopped.clone()),
            heartbeat: Duration::from_millis(config.heartbeat_ms),
            body_bytes_max: config.body_bytes_max,
            sockets: open_socket,
            turns: Turns::default(),
        });
        let serving = tokio::spawn(serve(Connections::new(listener, stopped.clone()), app, stopped));
        let grace = Duration::from_millis(config.stop_grace_ms);
        Ok(Self { address, engine, consumers, views, stop, background, serving, sockets, grace })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Waits until a store that stopped for want of room has room again.
    async fn healed(&self) {
        while !self.engine.heals() {
            sleep(Duration::from_millis(limits::ROOM_LOOK_MS)).await;
        }
    }

    /// Stops: followers are let go at once; requests and deliveries on their way get the grace time, then the stores are
    /// closed. Nothing that was acknowledged is lost; a delivery that was cut off is made again after the next start.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let served = async {
            let _ = self.serving.await;
            self.sockets.recv().await;
        };
        if tokio::time::timeout(self.grace, served).await.is_err() {
            tracing::warn!("some requests did not end in time and were cut off");
        }
        self.consumers.stop(self.grace).await;
        self.views.stop(self.grace).await;
        self.engine.plugins().stop().await;
        drop(self.background);
        self.engine.close().await;
        tracing::info!("stopped");
    }
}

/// Each follower holds a connection, and so a file: the soft limit, often 1,024, is for programs that use `select`.
fn allow_many_connections() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(%error, ?current, ?maximum, "the limit of open files stays as it was");
    }
}

/// A runtime for what is not a request: deliveries, and plugins that are loaded and tried. Its threads give way to those
/// that answer requests, however long a guest computes there.
struct Background {
    handle: Handle,
    pulse: Arc<Pulse>,
    runtime: Option<Runtime>,
}

impl Background {
    fn start() -> Result<Self, ServerError> {
        let pulse = Arc::new(Pulse::start()?);
        let [joined, left, works, rests] = std::array::from_fn(|_| pulse.clone());
        let step_back = move || {
            joined.join();
            // On Linux the nice value is the calling thread's own.
            if let Err(error) = rustix::process::nice(BACKGROUND_NICENESS) {
                tracing::debug!(%error, "background threads keep their ordinary priority");
            }
        };
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(threads_beside_requests());
        builder.enable_all().thread_name("weir-background").on_thread_start(step_back);
        builder.on_thread_stop(move || left.leave());
        builder.on_thread_unpark(move || works.work()).on_thread_park(move || rests.rest());
        let runtime = builder.build().map_err(ServerError::Background)?;
        Ok(Self { handle: runtime.handle().clone(), pulse, runtime: Some(runtime) })
    }
}

/// Ends what runs there without waiting for it: a runtime may not be dropped where other tasks run.
impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Opens everything below the transport.
async fn open(
    config: &Config,
    address: SocketAddr,
    background: &Background,
) -> Result<(Arc<Engine>, Arc<ReqwestClient>), ServerError> {
    for dir in [&config.data_dir, &config.config_dir] {
        std::fs::create_dir_all(dir)
            .map_err(|source| ServerError::Directory { path: dir.display().to_string(), source })?;
    }
    let clock: Clock = Arc::new(now_ms);
    let redb = storage::redb::RedbConfig { dir: store_dir(&config.data_dir), ..Default::default() };
    let (redb_clock, opened) = (clock.clone(), tokio::task::spawn_blocking);
    let redb = opened(move || storage::redb::open(redb, redb_clock))
        .await
        .map_err(|error| StorageError::Io { what: "opening the store".to_owned(), detail: error.to_string() })??;
    let stores = vec![redb, storage::memory::open(clock.clone())];
    let http =
        ReqwestClient::new(address.ip().is_loopback()).map_err(|error| ServerError::HttpClient(error.to_string()))?;
    let http = Arc::new(http);
    let mut plugins = plugins_config(config);
    plugins.background = Some(background.handle.clone());
    plugins.pulse = background.pulse.clone();
    plugins.keys = config.plugin_keys.as_deref().map(plugin_keys).transpose()?;
    let plugins = Plugins::new(plugins, http.clone())?;
    Ok((Engine::open(stores, plugins, clock).await?, http))
}

/// Reads the keys that components must be signed with. Without them no server starts that was told to use them.
fn plugin_keys(path: &Path) -> Result<TrustedKeys, ServerError> {
    let failed = |why: String| ServerError::PluginKeys { path: path.display().to_string(), why };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    TrustedKeys::parse(&text).map_err(|error| failed(error.to_string()))
}

fn plugins_config(config: &Config) -> PluginsConfig {
    let anywhere = HttpAllow { host: "*".to_owned(), methods: vec!["POST".to_owned()] };
    let webhook = Sidecar { grants: Grants { http: vec![anywhere], ..Grants::default() }, ..Sidecar::default() };
    let mut plugins = PluginsConfig::new(&config.plugins_dir, &config.plugin_cache_dir);
    plugins.state_dir = config.data_dir.join("plugin-state");
    plugins.secrets_dir = config.config_dir.join("secrets");
    plugins.embedded = vec![
        Embedded { name: SCHEMA_PLUGIN, bytes: SCHEMA_WASM, sidecar: Sidecar::default() },
        Embedded { name: WEBHOOK_PLUGIN, bytes: WEBHOOK_WASM, sidecar: webhook },
    ];
    plugins
}

/// Looks at everything in a data directory that no server has open.
pub fn verify(data_dir: &Path, progress: &ProgressSink) -> Result<Verified, ServerError> {
    Ok(storage::redb::verify(&store_dir(data_dir), progress)?)
}

/// Makes the index of a data directory that no server has open anew; answers the last position.
pub fn reindex(data_dir: &Path, progress: &ProgressSink) -> Result<u64, ServerError> {
    let config = storage::redb::RedbConfig { dir: store_dir(data_dir), ..Default::default() };
    Ok(storage::redb::reindex(config, progress)?)
}

/// Makes the store of a data directory from a backup.
pub async fn restore(data_dir: &Path, from: impl std::io::Read, progress: &ProgressSink) -> Result<End, ServerError> {
    let directory = |source| ServerError::Directory { path: data_dir.display().to_string(), source };
    std::fs::create_dir_all(data_dir).map_err(directory)?;
    Ok(storage::redb::restore(&store_dir(data_dir), from, progress).await?)
}

fn store_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("store")
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Why a server ended that was run.
pub enum Ended {
    Told,
    /// A store had stopped for want of room that is there again. Started anew, here, it goes on.
    Heals(SocketAddr),
}

/// Runs a server until the process is told to stop (SIGTERM or SIGINT; a second one ends it at once), or until it had
/// better be started anew.
pub async fn run(config: Config) -> Result<Ended, ServerError> {
    // Before anybody is told that it runs: who started it may stop it at once.
    let mut signals = Signals::listen().map_err(ServerError::Signals)?;
    let data_dir = config.data_dir.display().to_string();
    let started = std::time::Instant::now();
    let server = tokio::select! {
        server = start_with_room(config) => server?,
        () = signals.next() => return Ok(Ended::Told),
    };
    tracing::info!(address = %server.address(), data_dir, ms = started.elapsed().as_millis() as u64, "listening");
    // Whoever started it may have heard enough.
    let _ = writeln!(std::io::stdout(), "weir listening on http://{}", server.address());
    let ended = tokio::select! {
        () = signals.next() => Ended::Told,
        () = server.healed() => Ended::Heals(server.address()),
    };
    tracing::info!(again = matches!(ended, Ended::Heals(_)), "stopping");
    tokio::select! {
        () = server.stop() => Ok(ended),
        () = signals.next() => {
            tracing::warn!("stopped at once; what was acknowledged is safe");
            Ok(Ended::Told)
        }
    }
}

/// Starts a server, once all files of its deployment are there; waits for room on the disk if it can't be started for want of it.
async fn start_with_room(config: Config) -> Result<Server, ServerError> {
    // Before anything is opened: who lacks a file starts nothing.
    Artifacts::of(&config.config_dir, &config.plugins_dir)?.gather().await?;
    let mut lacked = false;
    loop {
        let error = match Server::start(config.clone()).await {
            Err(error @ (ServerError::Storage(_) | ServerError::Engine(_) | ServerError::Consumers(_))) => error,
            done => return done,
        };
        match storage::redb::lacks_room(&config.data_dir) {
            Some(detail) => {
                lacked = true;
                tracing::warn!(%error, %detail, "not started; waiting for room on the disk");
                sleep(Duration::from_millis(limits::ROOM_LOOK_MS)).await;
            }
            // It may have come just after it was missing.
            None if std::mem::take(&mut lacked) => {}
            None => return Err(error),
        }
    }
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
