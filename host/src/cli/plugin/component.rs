//! A component file with its side-car, as the commands are given them, and the place where it is loaded.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use crate::cli::Failure;
use crate::model::limits::{PLUGIN_FILE_BYTES_MAX, SIDECAR_BYTES_MAX};
use crate::model::{Event, EventType, Metadata, NewEvent, PluginName, TopicName};
use crate::plugin::{
    HttpClient, HttpError, HttpGrant, HttpRequest, HttpResponse, LoadError, Sidecar, Workbench, Workpiece,
};

/// Which component, and what the operator says of it.
#[derive(Debug, Clone, clap::Args)]
pub struct ComponentArgs {
    /// Component to load
    #[arg(value_name = "FILE.wasm")]
    pub file: PathBuf,
    /// Side-car [default: FILE.toml beside the component, if it is there]
    #[arg(long, value_name = "FILE.toml")]
    pub sidecar: Option<PathBuf>,
    #[command(flatten)]
    pub bench: BenchArgs,
}

/// Where a component is loaded.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct BenchArgs {
    /// Directory of compiled components [default: weir/components in the user's cache directory]
    #[arg(long, value_name = "DIR", env = "WEIR_PLUGIN_CACHE")]
    pub cache: Option<PathBuf>,
    /// Directory of secrets [default: `secrets` beside the component's directory]
    #[arg(long, value_name = "DIR")]
    pub secrets: Option<PathBuf>,
    /// Show what the plugin writes to its log
    #[arg(long)]
    pub log: bool,
}

/// A file that was read, and nothing more.
#[derive(Debug, Clone)]
pub struct Component {
    /// The stem of the file: what a server would call the plugin.
    pub name: String,
    pub path: PathBuf,
    pub bytes: Vec<u8>,
    pub sidecar: Sidecar,
    pub sidecar_path: Option<PathBuf>,
}

impl Component {
    pub fn read(args: &ComponentArgs) -> Result<Self, Failure> {
        Self::open(&args.file, args.sidecar.as_deref())
    }

    pub fn open(path: &Path, sidecar: Option<&Path>) -> Result<Self, Failure> {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let refused = |error| refused(&stem, &error);
        let name = PluginName::parse(&stem).map_err(|error| refused(LoadError::Name(error.to_string())))?;
        let bytes = read(path, PLUGIN_FILE_BYTES_MAX).map_err(refused)?;
        let beside = path.with_extension("toml");
        let sidecar_path =
            sidecar.map(Path::to_owned).or_else(|| (beside != path && beside.is_file()).then_some(beside));
        let sidecar = match &sidecar_path {
            Some(path) => read_sidecar(path).map_err(refused)?,
            None => Sidecar::default(),
        };
        let mut component =
            Self { name: name.as_str().to_owned(), path: path.to_owned(), bytes, sidecar, sidecar_path };
        component.read_config()?;
        Ok(component)
    }

    /// Takes the config that lies beside the component in a file of its own, if there is one.
    pub fn read_config(&mut self) -> Result<(), Failure> {
        let path = self.path.with_extension("config.json");
        if path.is_file() {
            let read = read(&path, SIDECAR_BYTES_MAX);
            let sidecar = read.and_then(|bytes| self.sidecar.clone().with_config(&path.display().to_string(), &bytes));
            self.sidecar = sidecar.map_err(|error| refused(&self.name, &error))?;
        }
        Ok(())
    }

    /// Takes another side-car.
    pub fn read_sidecar(&mut self, path: &Path) -> Result<(), Failure> {
        self.sidecar = read_sidecar(path).map_err(|error| refused(&self.name, &error))?;
        self.sidecar_path = Some(path.to_owned());
        Ok(())
    }

    /// Loads it, with the side-car that it has.
    pub async fn load(&self, workbench: &Workbench) -> Result<Workpiece, Failure> {
        self.load_with(workbench, self.sidecar.clone()).await
    }

    pub async fn load_with(&self, workbench: &Workbench, sidecar: Sidecar) -> Result<Workpiece, Failure> {
        let loaded = workbench.load(&self.name, self.bytes.clone(), sidecar).await;
        loaded.map_err(|error| refused(&self.name, &error))
    }

    /// Where a server would look for its secrets: beside the directory of plugins.
    pub fn secrets_dir(&self, args: &BenchArgs) -> PathBuf {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        args.secrets.clone().unwrap_or_else(|| dir.join("..").join("secrets"))
    }
}

/// The one sentence of a refusal.
pub fn refused(name: &str, error: &LoadError) -> Failure {
    format!("plugin '{name}' {error}").into()
}

pub fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, LoadError> {
    let read = || {
        let file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        let mut bytes = Vec::new();
        file.take(bytes_max + 1).read_to_end(&mut bytes)?;
        Ok((bytes, length))
    };
    let (bytes, length) = read().map_err(|error: std::io::Error| LoadError::Io {
        path: path.display().to_string(),
        error: error.to_string(),
    })?;
    match bytes.len() as u64 > bytes_max {
        true => Err(LoadError::TooLarge { bytes: length.max(bytes.len() as u64), max: bytes_max }),
        false => Ok(bytes),
    }
}

fn read_sidecar(path: &Path) -> Result<Sidecar, LoadError> {
    let bytes = read(path, SIDECAR_BYTES_MAX)?;
    let file = path.display().to_string();
    let text = String::from_utf8(bytes).map_err(|_| LoadError::Sidecar(format!("{file}: it is not UTF-8 text")))?;
    Sidecar::parse(&file, &text)
}

/// A place to load components: compiled code is kept for the next command.
pub fn workbench(args: &BenchArgs, secrets: PathBuf, http: Arc<dyn HttpClient>) -> Result<Workbench, Failure> {
    if args.log {
        super::super::show_plugin_lines();
    }
    let cache = match &args.cache {
        Some(dir) => dir.clone(),
        None => user_cache_dir().join("weir").join("components"),
    };
    Ok(Workbench::new(&cache, secrets, http)?)
}

/// The user's cache directory by the rule of the XDG base directories; without a home, the one for temporary files.
fn user_cache_dir() -> PathBuf {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
}

/// A directory for one command, removed at its end.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Result<Self, Failure> {
        use std::os::unix::fs::DirBuilderExt;
        let path = std::env::temp_dir().join(format!("weir-{}", uuid::Uuid::new_v4()));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| format!("cannot make the directory {}: {error}", path.display()))?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The way out of a sink that has none here: every request fails as if nobody were there.
pub struct NoNetwork;

#[async_trait]
impl HttpClient for NoNetwork {
    async fn send(&self, _grant: &HttpGrant, _request: HttpRequest) -> Result<HttpResponse, HttpError> {
        Err(HttpError::Connect("nothing is sent here".to_owned()))
    }
}

/// An event as small as can be, that the component asked to see if its interests name one.
pub fn probe(piece: &Workpiece) -> (NewEvent, Event) {
    let plain = |text: &&String| !text.contains(['*', '?', '[', '{', '\\']);
    let interest = piece.interests().first();
    let topic = interest.and_then(|interest| interest.topics.iter().find(plain));
    let topic = topic.and_then(|topic| TopicName::parse(topic).ok()).unwrap_or_else(TopicName::default_topic);
    let event_type = interest.and_then(|interest| interest.event_types.iter().find(plain));
    let event_type = event_type.and_then(|name| EventType::parse(name).ok()).unwrap_or_else(probe_type);
    let payload = crate::model::Payload::Json("{}".into());
    let (tags, metadata) = (Vec::new(), Metadata::new());
    let new = NewEvent { topic, stream: None, event_type, payload, tags, metadata };
    let recorded = record(&new, 1, 1, None, TIME_MS);
    (new, recorded)
}

/// When events that nobody dated happened: the first moment of 2026.
pub const TIME_MS: u64 = 1_767_225_600_000;

/// A new event as it would be recorded.
pub fn record(event: &NewEvent, position: u64, sequence: u64, version: Option<u64>, time_ms: u64) -> Event {
    let event = event.clone();
    Event {
        position,
        topic: event.topic,
        sequence,
        stream: event.stream.zip(version),
        event_type: event.event_type,
        time_ms,
        payload: event.payload,
        tags: event.tags,
        metadata: event.metadata,
    }
}

fn probe_type() -> EventType {
    match EventType::parse("probe") {
        Ok(name) => name,
        // Cannot be: five plain letters are a name.
        Err(error) => unreachable!("{error}"),
    }
}

/// `validator`, as people and files write it.
pub fn kind_word(kind: crate::plugin::Kind) -> &'static str {
    use crate::plugin::Kind;
    match kind {
        Kind::Validator => "validator",
        Kind::Upcaster => "upcaster",
        Kind::Decider => "decider",
        Kind::Projection => "projection",
        Kind::ProcessManager => "process-manager",
        Kind::Sink => "sink",
    }
}
