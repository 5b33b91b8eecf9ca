//! What a file is, by looking at it: WebAssembly at all, a component, of which kind, and asking for what.
//!
//! It reads names only and compiles nothing, so that a wrong file is refused in a millisecond. **Invariant:** the kind
//! follows from the exported interfaces alone; there is no flag that could say otherwise.

use wasmparser::{Encoding, Parser, Payload};

use super::{Kind, LoadError};
use crate::model::one_line;

/// The version of the contract that this server speaks. It runs what was built against any release of it since 1.0.0: nothing in
/// the contract changes, it only grows.
const CONTRACT: &str = "1.0.0";
/// Every kind with the interface that makes a component one.
const KINDS: [(&str, Kind); 6] = [
    ("validating", Kind::Validator),
    ("upcasting", Kind::Upcaster),
    ("deciding", Kind::Decider),
    ("projecting", Kind::Projection),
    ("processing", Kind::ProcessManager),
    ("sinking", Kind::Sink),
];
/// What a kind may export besides.
const EXTENSIONS: [(&str, Kind, &str); 2] =
    [("querying", Kind::Projection, "projecting"), ("guarding", Kind::Validator, "validating")];
/// WASI packages of version 0.2 that are linked; every door to the outside in them is shut.
const WASI: [&str; 6] = ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];

/// Whether the file is a component, or a core module that holds the type of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Component,
    ModuleWithType,
}

/// Says what form a file has. `stem` is only for the message.
pub(super) fn form(stem: &str, bytes: &[u8]) -> Result<Form, LoadError> {
    if bytes.is_empty() {
        return Err(LoadError::Empty);
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(LoadError::NotWasm(first_bytes(bytes)));
    }
    if Parser::is_component(bytes) {
        return Ok(Form::Component);
    }
    if !Parser::is_core_wasm(bytes) {
        return Err(LoadError::Damaged("its header names an unknown WebAssembly version".into()));
    }
    for payload in Parser::new(0).parse_all(bytes) {
        if let Payload::CustomSection(section) = payload.map_err(damaged)?
            && section.name().starts_with("component-type")
        {
            return Ok(Form::ModuleWithType);
        }
    }
    Err(LoadError::CoreModule { stem: stem.into() })
}

/// Makes a component of a core module that holds the type of one.
pub(super) fn componentise(module: &[u8]) -> Result<Vec<u8>, LoadError> {
    let encode = || wit_component::ComponentEncoder::default().validate(true).module(module)?.encode();
    encode().map_err(|error| {
        let text = one_line(&format!("{error:#}"));
        let hint = if text.contains("wasi_snapshot_preview1") { "; build it for wasm32-wasip2 instead" } else { "" };
        LoadError::Componentise(format!("{text}{hint}"))
    })
}

/// What a component's type says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub kind: Kind,
    /// It exports what its kind may export besides: a projection's queries, a validator's guards.
    pub extended: bool,
}

/// The kind of a component, if this server may run it.
pub(super) fn shape(component: &[u8]) -> Result<Shape, LoadError> {
    let names = Names::of(component)?;
    for name in names.imports.iter().chain(&names.exports) {
        if let Some((package, _, version)) = split(name)
            && package == "weir:plugin"
            && !is_spoken(version, CONTRACT)
        {
            return Err(LoadError::ContractVersion { found: name.clone(), ours: CONTRACT });
        }
    }
    let exports = |interface: &str| names.exports.iter().any(|name| is_ours(name, interface));
    let kinds: Vec<_> = KINDS.iter().filter(|(interface, _)| exports(interface)).collect();
    let kind = match kinds.as_slice() {
        [(_, kind)] => *kind,
        [] => {
            let foreign = names.exports.first().map(|name| format!("; it exports {name}")).unwrap_or_default();
            return Err(LoadError::NoKind { ours: CONTRACT, hint: foreign });
        }
        several => {
            let list: Vec<_> = several.iter().map(|(interface, _)| *interface).collect();
            return Err(LoadError::SeveralKinds(list.join(", ")));
        }
    };
    if !exports("lifecycle") {
        return Err(LoadError::NoLifecycle);
    }
    names.imports.iter().try_for_each(|import| check_import(kind, import))?;
    let mut extended = false;
    for (interface, of, main) in EXTENSIONS.iter().filter(|(interface, ..)| exports(interface)) {
        if *of != kind {
            return Err(LoadError::SeveralKinds(format!("{interface} without {main}")));
        }
        extended = true;
    }
    Ok(Shape { kind, extended })
}

/// Whether a server that speaks a version of the contract knows all that another one has.
pub(super) fn is_spoken(version: &str, ours: &str) -> bool {
    match (semver::Version::parse(version), semver::Version::parse(ours)) {
        (Ok(version), Ok(ours)) => version.pre.is_empty() && version.major == ours.major && version.minor <= ours.minor,
        _ => false,
    }
}

/// The names of the interfaces that a component imports, in its order.
pub(super) fn imports(component: &[u8]) -> Result<Vec<String>, LoadError> {
    Ok(Names::of(component)?.imports)
}

fn check_import(kind: Kind, import: &str) -> Result<(), LoadError> {
    if let Some((package, interface, _)) = split(import) {
        let forbidden = |why| Err(LoadError::ForbiddenImport { import: import.into(), kind, why });
        if package == "weir:plugin" {
            return match interface {
                "types" | "log" => Ok(()),
                "view" if matches!(kind, Kind::Projection | Kind::ProcessManager) => Ok(()),
                "view" => forbidden("only projections and process managers have a view"),
                "http" | "clock" if kind == Kind::Sink => Ok(()),
                "http" => forbidden("it must give the same answer every time; only a sink reaches the network"),
                "clock" => forbidden("it must give the same answer every time; use the time of the events"),
                _ => Err(LoadError::UnknownImport(import.into())),
            };
        }
        if package == "wasi:http" {
            return Err(LoadError::UnknownImport(format!("{import} (a sink sends requests through weir:plugin/http)")));
        }
    }
    let version = import.rsplit_once('@').map_or("", |(_, version)| version);
    if WASI.iter().any(|package| import.starts_with(package)) && version.starts_with("0.2.") {
        return Ok(());
    }
    Err(LoadError::UnknownImport(import.into()))
}

/// The outermost imports and exports of a component.
#[derive(Default)]
struct Names {
    imports: Vec<String>,
    exports: Vec<String>,
}

impl Names {
    fn of(component: &[u8]) -> Result<Self, LoadError> {
        let mut names = Self::default();
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(component) {
            match payload.map_err(damaged)? {
                Payload::Version { encoding: Encoding::Module | Encoding::Component, .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 1 => {
                    for import in section {
                        names.imports.push(shown(import.map_err(damaged)?.name.name));
                    }
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    for export in section {
                        names.exports.push(shown(export.map_err(damaged)?.name.name));
                    }
                }
                _ => {}
            }
        }
        Ok(names)
    }
}

/// A name as an error shows it, on one line; those that are known stay what they are.
fn shown(name: &str) -> String {
    name.escape_debug().to_string()
}

/// `weir:plugin/log@1.0.0` → (`weir:plugin`, `log`, `1.0.0`).
fn split(name: &str) -> Option<(&str, &str, &str)> {
    let (package, rest) = name.split_once('/')?;
    let (interface, version) = rest.split_once('@').unwrap_or((rest, ""));
    Some((package, interface, version))
}

fn is_ours(name: &str, interface: &str) -> bool {
    split(name).is_some_and(|(package, found, _)| package == "weir:plugin" && found == interface)
}

fn damaged(error: wasmparser::BinaryReaderError) -> LoadError {
    LoadError::Damaged(format!("{} at byte {}", one_line(error.message()), error.offset()))
}

fn first_bytes(bytes: &[u8]) -> String {
    let start: String = bytes.iter().take(12).map(|b| char::from(*b)).collect();
    format!("{start:?}")
}
