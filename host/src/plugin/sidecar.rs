//! The operator's side-car, `<name>.toml`: whether a plugin runs, with which config, what it is granted and its limits.
//!
//! What the author says stands in `describe()` instead. No side-car means: enabled, default limits, no grants.

use globset::GlobSet;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::manifest::glob_set;
use super::workshop::cores;
use super::{Kind, LoadError};
use crate::model::{limits, one_line};

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "snake_case")]
pub struct Sidecar {
    /// Default true.
    pub enabled: bool,
    /// `sha256:<hex>`: only the file with this digest is taken. Default: any file.
    pub digest: Option<String>,
    /// What a failed call means for the events in it. Default: the first of those that the kind allows, see `OnTrap`.
    pub on_trap: Option<OnTrap>,
    /// Handed to the plugin's `init` as JSON. Default: `{}`.
    pub config: toml::Table,
    /// The file `<name>.config.json`, instead of `config`.
    #[serde(skip)]
    pub config_file: Option<String>,
    /// Projection: whether a publisher's answer waits for its view. Default: it does not.
    pub consistency: Consistency,
    pub grants: Grants,
    /// Topics that a decider decides for, as globs, unless they name another one themselves. Default: none.
    pub topics: Vec<String>,
    pub limits: PluginLimits,
    pub reload: Reload,
    pub faults: Faults,
}

/// What a failed call means for the events in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnTrap {
    /// Validator: fail closed, what could not be checked is not taken. Decider: the command fails.
    Reject,
    /// Validator: take what could not be checked.
    Accept,
    /// Upcaster: the read fails.
    Fail,
    /// Upcaster: serve the stored form.
    Pass,
    /// Projection, process manager: stop before the event until somebody mends it.
    Pause,
    /// Projection, process manager, sink: leave the event out and write it down.
    Skip,
    /// Sink: try again, with back-off.
    Retry,
}

impl OnTrap {
    /// What a kind allows; the first is its default.
    fn allowed(kind: Kind) -> &'static [Self] {
        match kind {
            Kind::Validator => &[Self::Reject, Self::Accept],
            Kind::Upcaster => &[Self::Fail, Self::Pass],
            Kind::Decider => &[Self::Reject],
            Kind::Projection | Kind::ProcessManager => &[Self::Pause, Self::Skip],
            Kind::Sink => &[Self::Retry, Self::Skip],
        }
    }
}

/// Whether a publisher's answer waits for a projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Consistency {
    /// The view follows the answer, by milliseconds mostly.
    #[default]
    Async,
    /// Whoever published finds it in the view.
    Inline,
}

/// How a new file takes over.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reload {
    pub mode: ReloadMode,
    /// Recent events that a new validator, upcaster or decider is tried on before. Default 512.
    pub replay_events: usize,
    /// For how long a burst of faults brings the generation before back, in milliseconds. Default 60,000; 0 = never.
    pub probation_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReloadMode {
    /// As soon as it passed its trial.
    #[default]
    Auto,
    /// When somebody looked at what it would change and said `reload`.
    Manual,
}

/// How many failed calls are borne.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Faults within a minute that suspend the plugin for ten seconds. Default 60; 0 = never.
    pub per_minute: u32,
}

impl Default for Reload {
    fn default() -> Self {
        let (replay_events, probation_ms) = (limits::REHEARSAL_EVENTS_MAX, limits::PROBATION_MS);
        Self { mode: ReloadMode::Auto, replay_events, probation_ms }
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self { per_minute: limits::FAULTS_PER_MINUTE }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grants {
    /// Where requests may go. Default: nowhere.
    pub http: Vec<HttpAllow>,
    /// Addresses that are not public may be called too. Default false.
    pub private_addresses: bool,
    /// Names of secrets that the host may put into the headers of its requests. Default: none.
    pub secrets: Vec<String>,
    /// Topics that a decider or process manager may write to, as globs. Default: none but the decider's own stream.
    pub append: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpAllow {
    /// A host name, `*.suffix`, or `*`.
    pub host: String,
    /// Default: any method.
    #[serde(default)]
    pub methods: Vec<String>,
}

/// Bounds of one plugin; what is not set has the default of model/limits.rs, which may depend on the kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default, rename_all(serialize = "camelCase"))]
#[schema(rename_all = "camelCase")]
pub struct PluginLimits {
    pub memory_bytes_max: Option<u64>,
    pub fuel_per_call: Option<u64>,
    pub cpu_ms_per_call: Option<u64>,
    pub call_timeout_ms: Option<u64>,
    pub instances_max: Option<usize>,
    pub queue_calls_max: Option<usize>,
    pub output_bytes_max: Option<usize>,
    pub response_bytes_max: Option<u64>,
    pub view_bytes_max: Option<u64>,
    pub log_lines_per_second: Option<u32>,
}

impl Default for Sidecar {
    fn default() -> Self {
        Self {
            enabled: true,
            digest: None,
            on_trap: None,
            config: toml::Table::new(),
            config_file: None,
            consistency: Consistency::default(),
            grants: Grants::default(),
            topics: Vec::new(),
            limits: PluginLimits::default(),
            reload: Reload::default(),
            faults: Faults::default(),
        }
    }
}

impl Sidecar {
    /// Parses a side-car; `file` is how errors name it.
    pub fn parse(file: &str, text: &str) -> Result<Self, LoadError> {
        let sidecar: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
            let message = one_line(error.message());
            LoadError::Sidecar(format!("{file}, line {line}: {message}"))
        })?;
        sidecar.check().map_err(|why| LoadError::Sidecar(format!("{file}: {why}")))?;
        Ok(sidecar)
    }

    /// A plugin that may send requests anywhere public, with any method.
    pub fn with_http_anywhere() -> Self {
        let grants = Grants { http: vec![HttpAllow { host: "*".into(), methods: Vec::new() }], ..Default::default() };
        Self { grants, ..Default::default() }
    }

    fn check(&self) -> Result<(), String> {
        if let Some(digest) = &self.digest {
            let hex = digest.strip_prefix("sha256:").unwrap_or("");
            if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(format!("digest = \"{digest}\" must be \"sha256:\" and 64 hex digits"));
            }
        }
        for allow in &self.grants.http {
            let name = allow.host.strip_prefix("*.").unwrap_or(&allow.host);
            let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':'));
            if allow.host != "*" && (name.is_empty() || !letters) {
                return Err(format!(
                    "grants.http: host = \"{}\" must be a host name, \"*.suffix\" or \"*\"",
                    allow.host
                ));
            }
        }
        let limits = &self.limits;
        let zero = [
            ("memory_bytes_max", limits.memory_bytes_max == Some(0)),
            ("fuel_per_call", limits.fuel_per_call == Some(0)),
            ("cpu_ms_per_call", limits.cpu_ms_per_call == Some(0)),
            ("call_timeout_ms", limits.call_timeout_ms == Some(0)),
            ("instances_max", limits.instances_max == Some(0)),
            ("output_bytes_max", limits.output_bytes_max == Some(0)),
        ];
        match zero.iter().find(|(_, zero)| *zero) {
            Some((key, _)) => Err(format!("limits.{key} must be more than 0")),
            None => Ok(()),
        }
    }

    /// What a failed call means, if the operator's word is one for this kind.
    pub(super) fn on_trap(&self, kind: Kind) -> Result<OnTrap, LoadError> {
        let allowed = OnTrap::allowed(kind);
        let word = |on_trap: &OnTrap| format!("\"{}\"", format!("{on_trap:?}").to_lowercase());
        match self.on_trap {
            None => Ok(allowed[0]),
            Some(chosen) if allowed.contains(&chosen) => Ok(chosen),
            Some(chosen) => Err(LoadError::Sidecar(format!(
                "on_trap = {} is not for a plugin of kind {kind:?}; it may be {}",
                word(&chosen),
                allowed.iter().map(word).collect::<Vec<_>>().join(" or ")
            ))),
        }
    }

    /// Whether a publisher waits; only for a projection there is something to wait for.
    pub(super) fn consistency(&self, kind: Kind) -> Result<Consistency, LoadError> {
        if self.consistency != Consistency::default() && kind != Kind::Projection {
            return Err(LoadError::Sidecar(format!("consistency is for projections, and this is a {}", kind.word())));
        }
        Ok(self.consistency)
    }

    /// The topics that a decider is bound to. For any other kind they mean nothing, and somebody means something.
    pub(super) fn topics(&self, kind: Kind) -> Result<Option<GlobSet>, LoadError> {
        if self.topics.is_empty() {
            return Ok(None);
        }
        if kind != Kind::Decider {
            return Err(LoadError::Sidecar(format!("topics is for deciders, and this is a {}", kind.word())));
        }
        let bad = |error| match error {
            LoadError::Manifest(why) => LoadError::Sidecar(format!("topics: {why}")),
            other => other,
        };
        glob_set(&self.topics).map(Some).map_err(bad)
    }

    /// The digest that the operator pins, in lower-case hex.
    pub(super) fn pin(&self) -> Option<String> {
        self.digest.as_ref()?.strip_prefix("sha256:").map(str::to_ascii_lowercase)
    }

    /// Takes the config from a file of its own: an object in JSON. `file` is how errors name it.
    pub fn with_config(mut self, file: &str, bytes: &[u8]) -> Result<Self, LoadError> {
        let refused = |why: String| LoadError::Sidecar(format!("{file}: {why}"));
        if !self.config.is_empty() {
            return Err(refused("the side-car has a config too; say it in one of them".to_owned()));
        }
        let config: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(bytes).map_err(|error| refused(format!("it must be an object in JSON: {error}")))?;
        let text = serde_json::to_string(&config).map_err(|error| refused(error.to_string()))?;
        self.config_file = Some(text);
        Ok(self)
    }

    pub(super) fn config_json(&self) -> Result<String, LoadError> {
        if let Some(config) = &self.config_file {
            return Ok(config.clone());
        }
        serde_json::to_string(&self.config).map_err(|error| LoadError::Sidecar(format!("config: {error}")))
    }
}

/// The bounds of one generation, all settled.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    pub memory_bytes_max: u64,
    pub fuel_per_call: u64,
    pub cpu_ms_per_call: u64,
    pub call_timeout_ms: u64,
    pub instances_max: usize,
    pub queue_calls_max: usize,
    pub output_bytes_max: usize,
    pub response_bytes_max: u64,
    pub view_bytes_max: u64,
    pub log_lines_per_second: u32,
}

impl Bounds {
    pub fn of(kind: Kind, limits: &PluginLimits) -> Self {
        let (timeout, instances) = if kind.is_pure() {
            (limits::GUEST_CALL_TIMEOUT_MS, (2 * cores()).max(limits::PURE_INSTANCES_MIN))
        } else {
            (limits::SINK_CALL_TIMEOUT_MS, limits::SINK_INSTANCES)
        };
        Self {
            memory_bytes_max: limits.memory_bytes_max.unwrap_or(limits::GUEST_MEMORY_BYTES),
            fuel_per_call: limits.fuel_per_call.unwrap_or(limits::GUEST_FUEL_PER_CALL),
            cpu_ms_per_call: limits.cpu_ms_per_call.unwrap_or(limits::GUEST_CPU_MS_PER_CALL),
            call_timeout_ms: limits.call_timeout_ms.unwrap_or(timeout),
            instances_max: limits.instances_max.unwrap_or(instances),
            queue_calls_max: limits.queue_calls_max.unwrap_or(limits::GUEST_QUEUE_CALLS),
            output_bytes_max: limits.output_bytes_max.unwrap_or(limits::GUEST_OUTPUT_BYTES),
            response_bytes_max: limits.response_bytes_max.unwrap_or(limits::GUEST_RESPONSE_BYTES),
            view_bytes_max: limits.view_bytes_max.unwrap_or(limits::VIEW_BYTES),
            log_lines_per_second: limits.log_lines_per_second.unwrap_or(limits::GUEST_LOG_LINES_PER_SECOND),
        }
    }

    /// The same, as the operator would write them.
    pub fn limits(&self) -> PluginLimits {
        PluginLimits {
            memory_bytes_max: Some(self.memory_bytes_max),
            fuel_per_call: Some(self.fuel_per_call),
            cpu_ms_per_call: Some(self.cpu_ms_per_call),
            call_timeout_ms: Some(self.call_timeout_ms),
            instances_max: Some(self.instances_max),
            queue_calls_max: Some(self.queue_calls_max),
            output_bytes_max: Some(self.output_bytes_max),
            response_bytes_max: Some(self.response_bytes_max),
            view_bytes_max: Some(self.view_bytes_max),
            log_lines_per_second: Some(self.log_lines_per_second),
        }
    }
}
