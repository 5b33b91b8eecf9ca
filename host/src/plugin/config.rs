//! Where plugins come from and how their directory is watched. What one plugin may do stands in its side-car.

use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Handle;

use super::{Pulse, Sidecar, TrustedKeys};

/// Settings of the plugin room.
#[derive(Debug, Clone)]
pub struct PluginsConfig {
    /// Where operators put `<name>.wasm` and `<name>.toml`. Made when it is missing.
    pub dir: PathBuf,
    /// Compiled components. Private to this server (mode 0700): never the plugin directory.
    pub cache_dir: PathBuf,
    /// Where the secrets are that side-cars grant: one file each, named like the secret. It need not exist.
    pub secrets_dir: PathBuf,
    /// What the server remembers of its plugins across restarts. Made when it is missing.
    pub state_dir: PathBuf,
    /// Plugins that come with the server; a file of the same name in `dir` takes the place of one.
    pub embedded: Vec<Embedded>,
    /// With keys, only files that one of them signed are taken from the directory. Default: any file.
    pub keys: Option<TrustedKeys>,
    /// Where files are loaded and tried, so that no request waits for it. Default: the runtime that starts the plugins.
    pub background: Option<Handle>,
    /// What keeps compiling from holding up requests once the server is up. Default: nothing.
    pub pulse: Arc<Pulse>,
    /// A file that changed is read when it stayed the same for this many milliseconds. Default 150.
    pub settle_ms: u64,
    /// The directory is looked at this often even when nothing was announced, in milliseconds. Default 5000.
    pub rescan_ms: u64,
}

impl PluginsConfig {
    pub fn new(dir: impl Into<PathBuf>, cache_dir: impl Into<PathBuf>) -> Self {
        let (dir, cache_dir) = (dir.into(), cache_dir.into());
        let (secrets_dir, state_dir) = (dir.with_file_name("secrets"), cache_dir.with_file_name("plugin-state"));
        Self {
            dir,
            cache_dir,
            secrets_dir,
            state_dir,
            embedded: Vec::new(),
            keys: None,
            background: None,
            pulse: Arc::default(),
            settle_ms: 150,
            rescan_ms: 5_000,
        }
    }
}

/// A plugin inside the server's own file.
#[derive(Debug, Clone)]
pub struct Embedded {
    pub name: &'static str,
    pub bytes: &'static [u8],
    /// What it may do unless the operator's side-car of that name says otherwise.
    pub sidecar: Sidecar,
}

/// Why the plugin room could not be set up. A plugin that does not load is no reason.
#[derive(Debug, thiserror::Error)]
pub enum PluginsError {
    #[error("the directory {path} could not be made or opened: {source}; check its owner and mode")]
    Directory { path: PathBuf, source: std::io::Error },
    #[error("the WebAssembly engine could not start: {0}")]
    Engine(String),
    #[error("the thread '{name}' could not start: {source}")]
    Thread { name: &'static str, source: std::io::Error },
}
