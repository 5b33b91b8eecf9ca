//! Why a plugin file was not taken. Each text is one sentence that names the thing and the mend; it follows the name of
//! the plugin, as in "plugin 'schema' …".

use super::{Fault, Kind};
use crate::model::TopicName;

#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    #[error("could not be read: {path}: {error}")]
    Io { path: String, error: String },
    #[error("has a file name that is no plugin name: {0}; rename the file")]
    Name(String),
    #[error("has a side-car {file} but no {stem}.wasm beside it; add the component or rename the side-car")]
    Orphan { file: String, stem: String },
    #[error("is an empty file; was the copy interrupted?")]
    Empty,
    #[error("is {bytes} bytes long, more than the {max} that a component may have")]
    TooLarge { bytes: u64, max: u64 },
    #[error("is no WebAssembly: the file starts with {0}; copy the .wasm file that the build made")]
    NotWasm(String),
    #[error("is damaged or cut off: {0}; copy the file again")]
    Damaged(String),
    #[error(
        "is a core module, not a component; build it for wasm32-wasip2, or run \
         `wasm-tools component embed --world <kind> wit/ {stem}.wasm | wasm-tools component new -o {stem}.component.wasm -`"
    )]
    CoreModule { stem: String },
    #[error("is a core module that could not be made a component: {0}")]
    Componentise(String),
    #[error(
        "exports no plugin interface of weir:plugin@{ours}; build it against a world of wit/ (validator, sink, …){hint}"
    )]
    NoKind { ours: &'static str, hint: String },
    #[error("is of several kinds at once ({0}); make one component of each")]
    SeveralKinds(String),
    #[error(
        "was built against {found}, and this server speaks weir:plugin@{ours}; build it against the server's wit/, or update the server"
    )]
    ContractVersion { found: String, ours: &'static str },
    #[error("does not export weir:plugin/lifecycle, which every plugin must have")]
    NoLifecycle,
    #[error("imports {import}, which a plugin of kind {kind:?} must not: {why}")]
    ForbiddenImport { import: String, kind: Kind, why: &'static str },
    #[error("imports {0}, which this server does not offer")]
    UnknownImport(String),
    #[error("is granted the secret {name}, which cannot be read: {why}; put it into the file {file}")]
    Secret { name: String, file: String, why: String },
    #[error("has no signature, and this server takes only signed files; put {0} beside it (`weir plugin sign`)")]
    Unsigned(String),
    #[error("has a signature that does not hold: {0}")]
    Signature(String),
    #[error("has the digest sha256:{found}, and its side-car pins sha256:{pinned}")]
    Pin { found: String, pinned: String },
    #[error("has a bad side-car: {0}")]
    Sidecar(String),
    #[error("could not be compiled: {0}")]
    Compile(String),
    #[error("does not fit the contract: {0}")]
    Link(String),
    #[error("failed in describe(): it {0}")]
    Describe(Fault),
    #[error("says of itself in describe() what cannot be: {0}")]
    Manifest(String),
    #[error("could not be started with its config: it {0}")]
    Start(Fault),
    #[error("refused its config: {0}")]
    Init(String),
    #[error("failed on the setting of topic '{topic}': it {fault}")]
    Configure { topic: TopicName, fault: Fault },
    #[error("refuses the setting that topic '{topic}' has already: {message}")]
    SettingRefused { topic: TopicName, message: String },
    #[error("failed on recent events of topic '{topic}': it {fault}")]
    Rehearsal { topic: TopicName, fault: Fault },
    #[error("took longer than {0} ms to be tried")]
    Trial(u64),
}

impl LoadError {
    /// Whether the same file may succeed later: what failed depends on more than the file and its side-car.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Io { .. } | Self::SettingRefused { .. } | Self::Trial(_) | Self::Secret { .. } => true,
            Self::Describe(fault)
            | Self::Start(fault)
            | Self::Configure { fault, .. }
            | Self::Rehearsal { fault, .. } => matches!(fault, Fault::Timeout(_) | Fault::Busy(_)),
            Self::Name(_)
            | Self::Orphan { .. }
            | Self::Empty
            | Self::TooLarge { .. }
            | Self::NotWasm(_)
            | Self::Damaged(_)
            | Self::CoreModule { .. }
            | Self::Componentise(_)
            | Self::NoKind { .. }
            | Self::SeveralKinds(_)
            | Self::ContractVersion { .. }
            | Self::NoLifecycle
            | Self::ForbiddenImport { .. }
            | Self::UnknownImport(_)
            | Self::Pin { .. }
            | Self::Unsigned(_)
            | Self::Signature(_)
            | Self::Sidecar(_)
            | Self::Compile(_)
            | Self::Link(_)
            | Self::Manifest(_)
            | Self::Init(_) => false,
        }
    }
}
