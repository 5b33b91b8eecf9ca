//! `weir plugin test`: given/when/then files against a component, in the server's own engine. docs/plugin-tests.md
//! describes the files; one module here holds the words of each kind. It is no test of a server: nothing is stored.

mod decider;
mod diff;
mod process_manager;
mod projection;
mod sink;
mod spec;
mod upcaster;
mod validator;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use self::decider::CommandSpec;
use self::diff::Mismatch;
use self::sink::Script;
pub use self::spec::Defaults;
use self::spec::SpecFile;
use super::component::{self, BenchArgs, Component, ComponentArgs, Scratch, kind_word};
use super::output::{Colour, paint};
use crate::cli::Failure;
use crate::model::TopicName;
use crate::plugin::{Grants, Kind, Sidecar, TopicSetting, Workbench, Workpiece};

#[derive(Debug, clap::Args)]
pub struct TestArgs {
    /// Component to test; its side-car is left alone: a test file says its own config and grants
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    /// Test files, TOML or JSON
    #[arg(value_name = "SPEC", required = true)]
    specs: Vec<PathBuf>,
    /// Run only cases whose names have this text
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    #[command(flatten)]
    bench: BenchArgs,
}

pub async fn run(args: TestArgs) -> Result<(), Failure> {
    let arguments = ComponentArgs { file: args.file.clone(), sidecar: None, bench: args.bench.clone() };
    let mut component = Component::open(&arguments.file, None)?;
    component.sidecar = Sidecar::default();
    let tally =
        test(&component, &args.bench, &args.specs, args.only.as_deref(), &mut |line| println!("{line}")).await?;
    match (tally.failed, tally.passed) {
        (0, 0) => Err("no case was run; is the text of --only in the name of one?".into()),
        (0, _) => Ok(()),
        (failed, passed) => Err(format!("{failed} of {} cases failed", failed + passed).into()),
    }
}

/// How the cases ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    passed: usize,
    failed: usize,
}

/// What a case runs with.
pub struct Stage<'a> {
    pub piece: &'a Workpiece,
    pub defaults: &'a Defaults,
    /// Settings of topics.
    pub settings: &'a [Arc<TopicSetting>],
    pub script: &'a Script,
}

/// A case of one kind. The error is a fault of the plugin, or of the file, in a sentence.
pub trait Case: DeserializeOwned {
    fn name(&self) -> &str;
    fn config(&self) -> Option<&Map<String, Value>>;
    fn run(&self, stage: &Stage<'_>) -> impl Future<Output = Result<Vec<Mismatch>, String>>;
}

/// Runs files of cases, and prints a line a case.
pub async fn test(
    component: &Component,
    bench: &BenchArgs,
    specs: &[PathBuf],
    only: Option<&str>,
    print: &mut dyn FnMut(String),
) -> Result<Tally, Failure> {
    let started = Instant::now();
    let script = Script::default();
    let secrets = Scratch::new()?;
    let workbench = component::workbench(bench, secrets.path().to_owned(), Arc::new(script.clone()))?;
    // Without grants no secret is asked for: this tells the kind and the wishes.
    let piece = component.load(&workbench).await;
    let (kind, wishes) = match piece {
        Ok(piece) => (piece.serving().kind, piece.grants_of_all_wishes()),
        // It may need the config of a case.
        Err(error) => match guess(component, &workbench, specs).await {
            Some(known) => known,
            None => return Err(error),
        },
    };
    let house = House { component, workbench, secrets, script, kind, wishes };
    let mut tally = Tally::default();
    for path in specs {
        print(paint(Colour::Bold, &path.display().to_string()));
        let tried = match kind {
            Kind::Validator => house.file::<validator::ValidatorCase>(path, only, print).await?,
            Kind::Upcaster => house.file::<upcaster::UpcasterCase>(path, only, print).await?,
            Kind::Decider => house.file::<decider::DeciderCase>(path, only, print).await?,
            Kind::Projection => house.file::<projection::ProjectionCase>(path, only, print).await?,
            Kind::ProcessManager => house.file::<process_manager::ProcessManagerCase>(path, only, print).await?,
            Kind::Sink => house.file::<sink::SinkCase>(path, only, print).await?,
        };
        tally.passed += tried.passed;
        tally.failed += tried.failed;
    }
    let colour = if tally.failed == 0 { Colour::Green } else { Colour::Red };
    let summary = format!("{} passed, {} failed", tally.passed, tally.failed);
    print(format!("\n{} in {} ms", paint(colour, &summary), started.elapsed().as_millis()));
    Ok(tally)
}

/// Kind and wishes of a component that does not start without its config: with the config of a file that names one.
async fn guess(component: &Component, workbench: &Workbench, specs: &[PathBuf]) -> Option<(Kind, Grants)> {
    for path in specs {
        let Ok(file) = spec::read::<Loose>(path) else { continue };
        let of_cases = file.case.iter().filter_map(|case| case.0.get("config")?.as_object().cloned());
        for config in file.config.into_iter().chain(of_cases) {
            let Ok(config) = table(&config) else { continue };
            let sidecar = Sidecar { config, limits: file.limits.clone(), ..Sidecar::default() };
            if let Ok(piece) = component.load_with(workbench, sidecar).await {
                return Some((piece.serving().kind, piece.grants_of_all_wishes()));
            }
        }
    }
    None
}

/// A case of any kind.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Loose(Map<String, Value>);

struct House<'a> {
    component: &'a Component,
    workbench: Workbench,
    secrets: Scratch,
    script: Script,
    kind: Kind,
    wishes: Grants,
}

impl House<'_> {
    async fn file<C: Case>(
        &self,
        path: &Path,
        only: Option<&str>,
        print: &mut dyn FnMut(String),
    ) -> Result<Tally, Failure> {
        let mut file: SpecFile<C> = spec::read(path)?;
        let shown = path.display();
        if let Some(kind) = file.kind.as_deref().filter(|kind| *kind != kind_word(self.kind)) {
            return Err(
                format!("{shown} is for the kind '{kind}', and the component is a {}", kind_word(self.kind)).into()
            );
        }
        if file.case.is_empty() {
            return Err(format!("{shown} has no case; add one that begins with [[case]]").into());
        }
        if self.kind != Kind::Validator && !file.topics.is_empty() {
            return Err(
                format!("{shown} has settings of topics, which only a validator is told; remove 'topics'").into()
            );
        }
        let defaults = Defaults {
            topic: file.topic.clone().unwrap_or_else(TopicName::default_topic),
            stream: file.stream.clone(),
        };
        let settings: Vec<_> =
            (1..).zip(&file.topics).map(|(revision, topic)| Arc::new(topic.setting(revision))).collect();
        let grants = file.grants.take().unwrap_or_else(|| self.wishes.clone());
        for name in &grants.secrets {
            let value = file.secrets.get(name).cloned().unwrap_or_else(|| format!("secret-{name}"));
            let written = std::fs::write(self.secrets.path().join(name), value);
            written.map_err(|error| format!("the secret '{name}' cannot be kept: {error}"))?;
        }
        let mut pieces: BTreeMap<String, Workpiece> = BTreeMap::new();
        let mut tally = Tally::default();
        for case in file.case.iter().filter(|case| only.is_none_or(|text| case.name().contains(text))) {
            let config = case.config().or(file.config.as_ref()).cloned().unwrap_or_default();
            let key = Value::Object(config.clone()).to_string();
            if !pieces.contains_key(&key) {
                let config =
                    table(&config).map_err(|error| format!("{shown}: the config of '{}' {error}", case.name()))?;
                let mut sidecar =
                    Sidecar { config, grants: grants.clone(), limits: file.limits.clone(), ..Sidecar::default() };
                // However many cases fail, the next one is run.
                sidecar.faults.per_minute = 0;
                let piece = self.component.load_with(&self.workbench, sidecar).await;
                pieces.insert(key.clone(), piece.map_err(|error| format!("{shown}, case '{}': {error}", case.name()))?);
            }
            let Some(piece) = pieces.get(&key) else { continue };
            self.script.clear();
            let stage = Stage { piece, defaults: &defaults, settings: &settings, script: &self.script };
            let outcome = case.run(&stage).await;
            if outcome.as_ref().is_ok_and(Vec::is_empty) {
                tally.passed += 1;
                print(format!("  {}    {}", paint(Colour::Green, "ok"), case.name()));
            } else {
                tally.failed += 1;
                print(format!("  {}  {}", paint(Colour::Red, "FAIL"), case.name()));
                print(indented(&told(outcome)));
            }
        }
        Ok(tally)
    }
}

fn told(outcome: Result<Vec<Mismatch>, String>) -> String {
    match outcome {
        Ok(mismatches) => mismatches.iter().map(Mismatch::show).collect(),
        Err(sentence) => sentence,
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("        {line}")).collect::<Vec<_>>().join("\n")
}

/// A config as a side-car would hold it.
fn table(config: &Map<String, Value>) -> Result<toml::Table, String> {
    let text = spec::plain(Value::Object(config.clone()));
    toml::Table::try_from(&text).map_err(|error| format!("cannot stand in a side-car: {error}"))
}

/// What a fault of the plugin is in a case: it fails, with the fault's sentence.
fn faulted(error: crate::plugin::PluginError) -> String {
    format!("the plugin {}", error.fault)
}

#[cfg(test)]
mod tests;
