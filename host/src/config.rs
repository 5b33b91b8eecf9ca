//! What an operator can set. Flags win over the environment, the environment over the file, the file over the defaults;
//! this file alone knows where a value came from.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::model::limits;

/// Settings of a server, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Default 127.0.0.1:8000. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where events and records are kept. Default `data`.
    pub data_dir: PathBuf,
    /// Where `weir.toml` and `plugins/` are looked for. Default `config`.
    pub config_dir: PathBuf,
    /// Components and side-cars. Default `plugins` in the config directory.
    pub plugins_dir: PathBuf,
    /// Compiled components; private to this server, made with mode 0700. Default `plugin-cache` in the data directory.
    pub plugin_cache_dir: PathBuf,
    /// Public keys of those who may sign components: with it, only signed files are taken from the plugin directory.
    /// Default: any file is.
    pub plugin_keys: Option<PathBuf>,
    /// Allows listening beyond loopback although nothing authenticates clients. Default false.
    pub insecure: bool,
    /// Bytes of a request body. Default 1 MiB.
    pub body_bytes_max: usize,
    /// How long a stop waits for requests and deliveries that are on their way, in milliseconds. Default 10,000.
    pub stop_grace_ms: u64,
    /// Longest silence towards a follower, in milliseconds: then comes a heartbeat. Default 15,000, which is the most.
    pub heartbeat_ms: u64,
    /// How often topics are looked at for events that they no longer keep, in milliseconds. Default 10,000.
    pub retention_look_ms: u64,
    pub trace_format: TraceFormat,
}

/// How tracing is written to stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum TraceFormat {
    #[default]
    Human,
    Json,
}

/// Flags of `weir serve`, each with its environment variable.
#[derive(Debug, Default, clap::Args)]
pub struct ServeArgs {
    /// Address to listen on, like 127.0.0.1 or 127.0.0.1:8000
    #[arg(long, value_name = "ADDRESS", env = "WEIR_LISTEN", overrides_with = "listen")]
    pub listen: Option<String>,
    /// Port to listen on [default: 8000]
    #[arg(long, env = "PORT")]
    pub port: Option<u16>,
    /// Directory of events and records [default: data]
    #[arg(long, value_name = "DIR", env = "DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Directory of weir.toml and plugins/ [default: config]
    #[arg(long, value_name = "DIR", env = "CONFIG_DIR")]
    pub config_dir: Option<PathBuf>,
    /// Directory of components and side-cars [default: plugins in the config directory]
    #[arg(long, value_name = "DIR", env = "WEIR_PLUGINS")]
    pub plugins: Option<PathBuf>,
    /// Directory of compiled components, private to this server [default: plugin-cache in the data directory]
    #[arg(long, value_name = "DIR", env = "WEIR_PLUGIN_CACHE")]
    pub plugin_cache: Option<PathBuf>,
    /// File with the public keys that plugins must be signed with [default: unsigned plugins are taken]
    #[arg(long, value_name = "FILE", env = "WEIR_PLUGIN_KEYS")]
    pub plugin_keys: Option<PathBuf>,
    /// Configuration file [default: weir.toml in the config directory, if it is there]
    #[arg(long, value_name = "FILE", env = "WEIR_CONFIG")]
    pub config: Option<PathBuf>,
    /// Listen beyond loopback although nothing authenticates clients
    #[arg(long)]
    pub insecure: bool,
    /// How tracing is written to stderr [default: human]
    #[arg(long, value_enum, env = "WEIR_TRACE_FORMAT")]
    pub trace_format: Option<TraceFormat>,
}

/// The file `weir.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: Option<String>,
    port: Option<u16>,
    data_dir: Option<PathBuf>,
    plugins_dir: Option<PathBuf>,
    plugin_cache_dir: Option<PathBuf>,
    plugin_keys: Option<PathBuf>,
    insecure: Option<bool>,
    body_bytes_max: Option<usize>,
    stop_grace_ms: Option<u64>,
    heartbeat_ms: Option<u64>,
    retention_look_ms: Option<u64>,
    trace_format: Option<TraceFormat>,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {path}: {source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{path}: {message}")]
    Invalid { path: PathBuf, message: String },
    #[error("'{0}' is not an address; give an IP address, with or without a port, like 127.0.0.1:8000")]
    Address(String),
    #[error("body_bytes_max must be 1024 to 1073741824 bytes, not {0}")]
    BodyLimit(usize),
    #[error("heartbeat_ms must be 10 to {max} milliseconds, not {given}", max = limits::HEARTBEAT_MS)]
    Heartbeat { given: u64 },
    #[error("retention_look_ms must be at least {min} milliseconds, not {given}", min = limits::RETENTION_LOOK_MS_MIN)]
    RetentionLook { given: u64 },
    #[error(
        "{0} is reachable from other machines, and nothing authenticates clients yet; listen on 127.0.0.1, or say --insecure"
    )]
    Exposed(SocketAddr),
}

impl Config {
    /// Puts flags, environment, file and defaults together.
    pub fn load(args: ServeArgs) -> Result<Self, ConfigError> {
        let config_dir = args.config_dir.unwrap_or_else(|| PathBuf::from("config"));
        let file = match &args.config {
            Some(path) => read(path)?,
            None => {
                let path = config_dir.join("weir.toml");
                if path.exists() { read(&path)? } else { File::default() }
            }
        };
        let listen = address(args.listen.or(file.listen).as_deref(), args.port.or(file.port))?;
        let data_dir = args.data_dir.or(file.data_dir).unwrap_or_else(|| PathBuf::from("data"));
        let cache = args.plugin_cache.or(file.plugin_cache_dir);
        let config = Self {
            listen,
            plugin_cache_dir: cache.unwrap_or_else(|| data_dir.join("plugin-cache")),
            data_dir,
            plugins_dir: args.plugins.or(file.plugins_dir).unwrap_or_else(|| config_dir.join("plugins")),
            config_dir,
            plugin_keys: args.plugin_keys.or(file.plugin_keys),
            insecure: args.insecure || file.insecure.unwrap_or(false),
            body_bytes_max: file.body_bytes_max.unwrap_or(limits::BODY_BYTES_MAX),
            stop_grace_ms: file.stop_grace_ms.unwrap_or(10_000),
            heartbeat_ms: file.heartbeat_ms.unwrap_or(limits::HEARTBEAT_MS),
            retention_look_ms: file.retention_look_ms.unwrap_or(limits::RETENTION_LOOK_MS),
            trace_format: args.trace_format.or(file.trace_format).unwrap_or_default(),
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if !(1_024..=1 << 30).contains(&self.body_bytes_max) {
            return Err(ConfigError::BodyLimit(self.body_bytes_max));
        }
        if !(10..=limits::HEARTBEAT_MS).contains(&self.heartbeat_ms) {
            return Err(ConfigError::Heartbeat { given: self.heartbeat_ms });
        }
        if self.retention_look_ms < limits::RETENTION_LOOK_MS_MIN {
            return Err(ConfigError::RetentionLook { given: self.retention_look_ms });
        }
        if !self.listen.ip().is_loopback() && !self.insecure {
            return Err(ConfigError::Exposed(self.listen));
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<File, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    toml::from_str(&text).map_err(|error| ConfigError::Invalid { path: path.to_owned(), message: error.to_string() })
}

/// An address with its port: a port given apart wins over one inside the address.
fn address(listen: Option<&str>, port: Option<u16>) -> Result<SocketAddr, ConfigError> {
    const PORT: u16 = 8000;
    let Some(text) = listen else {
        return Ok(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port.unwrap_or(PORT)));
    };
    let (ip, inner): (IpAddr, Option<u16>) = match text.parse::<SocketAddr>() {
        Ok(address) => (address.ip(), Some(address.port())),
        Err(_) if text == "localhost" => (Ipv4Addr::LOCALHOST.into(), None),
        Err(_) => (text.parse().map_err(|_| ConfigError::Address(text.to_owned()))?, None),
    };
    Ok(SocketAddr::new(ip, port.or(inner).unwrap_or(PORT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(toml: &str, change: impl FnOnce(&mut ServeArgs)) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("weir.toml"), toml).expect("a file");
        let mut args = ServeArgs { config_dir: Some(dir.path().to_owned()), ..ServeArgs::default() };
        change(&mut args);
        Config::load(args)
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let config = load("port = 9000\nbody_bytes_max = 2048", |_| {}).expect("valid");
        assert_eq!((config.listen.port(), config.body_bytes_max), (9000, 2048));
        assert_eq!(config.data_dir, Path::new("data"));
        assert_eq!(config.heartbeat_ms, 15_000);
        assert!(load("heartbeat_ms = 15001", |_| {}).is_err());
        assert!(load("retention_look_ms = 9", |_| {}).is_err());
        let config = load("port = 9000", |args| args.port = Some(9100)).expect("valid");
        assert_eq!(config.listen.to_string(), "127.0.0.1:9100");
    }

    #[test]
    fn a_misspelt_key_or_a_missing_file_is_named() {
        let error = load("prot = 1", |_| {}).expect_err("unknown key").to_string();
        assert!(error.contains("weir.toml") && error.contains("prot"), "{error}");
        let error = load("", |args| args.config = Some("/nowhere/x.toml".into())).expect_err("no file").to_string();
        assert!(error.contains("/nowhere/x.toml"), "{error}");
        assert!(load("", |args| args.listen = Some("here".to_owned())).is_err());
    }

    #[test]
    fn listening_beyond_loopback_must_be_asked_for() {
        assert!(load("listen = '0.0.0.0'", |_| {}).is_err());
        assert!(load("listen = '0.0.0.0'", |args| args.insecure = true).is_ok());
        assert!(load("listen = '[::1]:80'", |_| {}).is_ok());
    }
}
