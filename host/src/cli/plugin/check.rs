//! `weir plugin check`: the server's own pipeline without a server, and one first call, so that a component that traps at
//! once is found before an operator has it.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::component::{self, BenchArgs, Component, ComponentArgs, NoNetwork, kind_word};
use super::output::{Colour, bytes, count, fields, paint};
use crate::cli::Failure;
use crate::model::{NewEvent, Payload, StreamName};
use crate::plugin::{
    Command, Fault, Kind, MemoryView, PluginError, Receipt, Refusal, Rejection, Rest, Target, TopicSetting, Verdict,
    Workbench, Workpiece,
};

#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    #[command(flatten)]
    component: ComponentArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(args: CheckArgs) -> Result<(), Failure> {
    let component = Component::read(&args.component)?;
    let report = check(&component, &args.component.bench).await?;
    match args.json {
        true => println!("{:#}", report.json()),
        false => print!("{}", report.text()),
    }
    report.outcome()
}

/// All that can be known of a component without a server.
pub struct Report {
    component: Component,
    piece: Workpiece,
    imports: Vec<String>,
    compile_ms: Option<u64>,
    load_ms: u64,
    trials: Vec<Trial>,
}

/// One call that was tried, and how it ended.
struct Trial {
    call: &'static str,
    ended: Result<String, PluginError>,
}

/// Takes a component through the pipeline and tries it. The error is the sentence of its refusal.
pub async fn check(component: &Component, args: &BenchArgs) -> Result<Report, Failure> {
    let workbench = component::workbench(args, component.secrets_dir(args), Arc::new(NoNetwork))?;
    let first = component.load(&workbench).await?;
    // What a server needs at its second start, when the compiled code is there.
    let piece = component.load(&workbench).await?;
    let compile_ms = (!first.cached).then(|| first.load_ms.saturating_sub(piece.load_ms));
    let imports = Workbench::imports(&component.name, &component.bytes);
    let imports = imports.map_err(|error| component::refused(&component.name, &error))?;
    let trials = trials(&piece).await;
    Ok(Report { component: component.clone(), load_ms: piece.load_ms, piece, imports, compile_ms, trials })
}

/// A command for the stream `probe`, whose five plain letters always are a name.
fn probe_command(new: &NewEvent) -> Option<Command> {
    Some(Command {
        id: "probe".to_owned(),
        name: "probe".to_owned(),
        topic: new.topic.clone(),
        stream: StreamName::parse("probe").ok()?,
        payload: Payload::Json("{}".into()),
        actor: None,
        tags: Vec::new(),
        metadata: Vec::new(),
        time_ms: component::TIME_MS,
    })
}

/// One call of each function of the kind, with as little as possible.
async fn trials(piece: &Workpiece) -> Vec<Trial> {
    let (new, recorded) = component::probe(piece);
    let view = || Arc::new(MemoryView::default());
    let refused = |refusal: Refusal| format!("a problem: {}", refusal.message);
    let mut trials = Vec::new();
    let mut add = |call, ended| trials.push(Trial { call, ended });
    if let Some(validator) = piece.validator() {
        let setting = TopicSetting { topic: new.topic.clone(), revision: 1, config_json: r#"{"schemas":[]}"#.into() };
        let answer = validator.configure(&setting).await;
        add(
            "configure",
            answer.map(|answer| answer.map_or_else(|_| "refused an empty setting".into(), |()| "ok".into())),
        );
        let answer = validator.validate(&[], &[&new]).await;
        add("validate", answer.map(|verdicts| verdicts.first().map_or_else(String::new, show_verdict)));
        if validator.has_guards()
            && let Some(command) = probe_command(&new)
        {
            let answer = validator.guard(None, &command).await;
            add("guard", answer.map(|answer| answer.map_or_else(|_| "refused".to_owned(), |()| "ok".to_owned())));
        }
    }
    if let Some(upcaster) = piece.upcaster() {
        let answer = upcaster.upcast(std::slice::from_ref(&recorded)).await;
        add("upcast", answer.map(|answer| answer.map_or_else(refused, |_| "ok".to_owned())));
    }
    if let Some(projection) = piece.projection() {
        let answer = projection.apply(view(), std::slice::from_ref(&recorded)).await;
        let writes = |writes: crate::plugin::ViewWrites| format!("{} writes", writes.len());
        add("apply", answer.map(|answer| answer.map_or_else(refused, writes)));
        if projection.has_queries() {
            let answer = projection.query(view(), "probe", &[]).await;
            add("query", answer.map(|answer| answer.map_or_else(refused, |_| "ok".to_owned())));
        }
    }
    if let Some(decider) = piece.decider() {
        let answer = decider.evolve(None, &[]).await;
        let state = match &answer {
            Ok(Ok(state)) => state.clone(),
            _ => None,
        };
        add("evolve", answer.map(|answer| answer.map_or_else(refused, |_| "ok".to_owned())));
        if let Some(command) = probe_command(&new) {
            let answer = decider.decide(state.as_ref(), &command).await;
            let events = |events: Vec<_>| format!("{} events", events.len());
            add("decide", answer.map(|answer| answer.map_or_else(show_rejection, events)));
        }
    }
    if let Some(manager) = piece.process_manager() {
        let answer = manager.react(view(), std::slice::from_ref(&recorded)).await;
        add(
            "react",
            answer.map(|answer| answer.map_or_else(refused, |done| format!("{} actions", done.actions.len()))),
        );
        if let Some(command) = probe_command(&new) {
            let probe = "probe".to_owned();
            let reason = Refusal { code: probe.clone(), message: probe, pointer: None };
            let answer = manager.on_refused(view(), &command, &[reason]).await;
            add(
                "on-refused",
                answer.map(|answer| answer.map_or_else(refused, |done| format!("{} actions", done.actions.len()))),
            );
        }
    }
    if let Some(sink) = piece.sink() {
        let target = Target { id: "probe".to_owned(), config_json: "{}".into() };
        let answer = sink.check(&target).await;
        add(
            "check",
            answer.map(|answer| {
                answer.map_or_else(
                    |refusals| format!("refused an empty target{}", Refusal::because(&refusals)),
                    |()| "ok".to_owned(),
                )
            }),
        );
        let answer = sink.deliver(&target, std::slice::from_ref(&recorded)).await;
        add("deliver", answer.map(|receipt| show_receipt(&receipt)));
    }
    trials
}

fn show_verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accept => "accepted an empty event".to_owned(),
        Verdict::Replace(_) => "replaced an empty event".to_owned(),
        Verdict::Reject(refusals) => {
            let why = refusals.first().map_or("without a reason", |refusal| refusal.message.as_str());
            format!("rejected an empty event: {why}")
        }
    }
}

fn show_rejection(rejection: Rejection) -> String {
    match rejection {
        Rejection::Invalid(_) => "invalid command".to_owned(),
        Rejection::Conflict(refusal) => format!("conflict: {}", refusal.message),
        Rejection::UnknownCommand => "unknown command".to_owned(),
    }
}

fn show_receipt(receipt: &Receipt) -> String {
    match &receipt.rest {
        Rest::Done => "done".to_owned(),
        Rest::Retry { reason, .. } => format!("would try again: {reason}"),
        Rest::Poison(refusal) => format!("poison: {}", refusal.message),
        Rest::Gone(refusal) => format!("target gone: {}", refusal.message),
    }
}

/// What cannot be known without the server on which it shall run.
fn unknown(kind: Kind) -> &'static str {
    match kind {
        Kind::Validator => "the settings and recent events of the server's topics, which it must take before it serves",
        Kind::Upcaster | Kind::Projection | Kind::ProcessManager => "the events that the server has",
        Kind::Decider => "the events and commands that the server has",
        Kind::Sink => "the targets of the server's consumers, and whether they can be reached from it",
    }
}

impl Report {
    /// The component failed a trial. A missing grant is no fault of the file.
    pub fn outcome(&self) -> Result<(), Failure> {
        let failed = self.trials.iter().filter_map(|trial| Some((trial.call, trial.ended.as_ref().err()?)));
        let mut failed = failed.filter(|(_, error)| !matches!(error.fault, Fault::Denied(_)));
        match failed.next() {
            Some((call, error)) => {
                let name = &self.component.name;
                Err(format!("plugin '{name}' loads, but failed in its first call of {call}(): it {}", error.fault)
                    .into())
            }
            None => Ok(()),
        }
    }

    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let serving = self.piece.serving();
        if !self.component.sidecar.enabled {
            warnings.push("its side-car says enabled = false: a server will not run it".to_owned());
        }
        if serving.name != self.component.name {
            warnings.push(format!(
                "it calls itself '{}', and a server will call it '{}' after its file",
                serving.name, self.component.name
            ));
        }
        let missing = self.piece.wishes().into_iter().filter(|wish| wish.granted.is_empty());
        warnings.extend(missing.map(|wish| format!("it wishes '{}', and no side-car grants it", wish.text)));
        warnings
    }

    /// `validator mood 1.0.0`
    pub fn summary(&self) -> String {
        let serving = self.piece.serving();
        format!("{} {} {}", kind_word(serving.kind), serving.name, serving.version)
    }

    pub fn text(&self) -> String {
        let serving = self.piece.serving();
        let limits = self.piece.limits();
        let mut lines = vec![
            ("plugin", format!("{} ({})", paint(Colour::Bold, &self.component.name), self.component.path.display())),
            ("kind", kind_word(serving.kind).to_owned()),
            ("names itself", format!("{} {}", serving.name, serving.version)),
            ("description", serving.description.clone()),
            ("digest", format!("sha256:{}", serving.digest)),
            ("size", bytes(self.component.bytes.len() as u64)),
            ("side-car", shown(self.component.sidecar_path.as_deref())),
        ];
        if let Some(projection) = self.piece.projection() {
            lines.push(("queries", if projection.has_queries() { "yes" } else { "no" }.to_owned()));
        }
        if !matches!(serving.kind, Kind::Validator | Kind::Upcaster | Kind::Sink) {
            lines.push(("state version", self.piece.state_version().to_string()));
        }
        lines.push(("imports", list(&by_package(&self.imports), "nothing")));
        let interests: Vec<String> = self
            .piece
            .interests()
            .iter()
            .map(|interest| {
                let all =
                    |list: &[String], what: &str| if list.is_empty() { format!("all {what}") } else { list.join(", ") };
                format!("{} of {}", all(&interest.event_types, "events"), all(&interest.topics, "topics"))
            })
            .collect();
        lines.push(("sees", list(&interests, "all events of all topics")));
        let wishes: Vec<String> = self
            .piece
            .wishes()
            .into_iter()
            .map(|wish| match wish.granted.is_empty() {
                true => format!("{}: {}", wish.text, paint(Colour::Yellow, "not granted")),
                false => format!("{}: granted {}", wish.text, wish.granted.join("; ")),
            })
            .collect();
        lines.push(("wishes", list(&wishes, "nothing")));
        let number = |limit: Option<u64>| count(limit.unwrap_or_default());
        let size = |limit: Option<u64>| bytes(limit.unwrap_or_default());
        let cpu = match serving.kind {
            Kind::Sink => format!("{} ms of CPU", number(limits.cpu_ms_per_call)),
            _ => format!("{} instructions", number(limits.fuel_per_call)),
        };
        let answer = limits.output_bytes_max.unwrap_or_default() as u64;
        lines.push((
            "a call may use",
            format!(
                "{cpu}, {} ms, {} of memory, {} of answer",
                number(limits.call_timeout_ms),
                size(limits.memory_bytes_max),
                bytes(answer)
            ),
        ));
        lines.push((
            "instances",
            format!(
                "at most {}, {} calls may wait",
                limits.instances_max.unwrap_or_default(),
                limits.queue_calls_max.unwrap_or_default()
            ),
        ));
        lines.push((
            "compiled in",
            self.compile_ms.map_or_else(|| "compiled before".to_owned(), |ms| format!("{ms} ms")),
        ));
        lines.push(("loaded in", format!("{} ms, when it is compiled", self.load_ms)));
        for trial in &self.trials {
            let ended = match &trial.ended {
                Ok(text) => format!("{} {}", paint(Colour::Green, "ok"), paint(Colour::Dim, text)),
                Err(error) => format!("{} it {}", paint(Colour::Red, "failed:"), error.fault),
            };
            lines.push((trial.call, ended));
        }
        lines.push(("not known here", unknown(serving.kind).to_owned()));
        let mut out = fields(&lines);
        for warning in self.warnings() {
            out.push_str(&format!("{} {warning}\n", paint(Colour::Yellow, "note:")));
        }
        out
    }

    fn json(&self) -> Value {
        let serving = self.piece.serving();
        let limits = self.piece.limits();
        let wishes = self.piece.wishes().into_iter();
        let trials = self.trials.iter().map(|trial| match &trial.ended {
            Ok(text) => json!({ "call": trial.call, "ok": true, "result": text }),
            Err(error) => json!({ "call": trial.call, "ok": false, "fault": error.fault.word(), "message": error.fault.to_string() }),
        });
        json!({
            "plugin": self.component.name,
            "file": self.component.path.display().to_string(),
            "kind": serving.kind,
            "name": serving.name,
            "version": serving.version,
            "description": serving.description,
            "digest": serving.digest,
            "bytes": self.component.bytes.len(),
            "sidecar": self.component.sidecar_path.as_ref().map(|path| path.display().to_string()),
            "queries": self.piece.projection().is_some_and(|projection| projection.has_queries()),
            "stateVersion": self.piece.state_version(),
            "imports": self.imports,
            "interests": self.piece.interests(),
            "wishes": wishes.map(|wish| json!({ "wish": wish.text, "granted": wish.granted })).collect::<Value>(),
            "limits": limits,
            "compileMs": self.compile_ms,
            "loadMs": self.load_ms,
            "trials": trials.collect::<Value>(),
            "notKnownHere": unknown(serving.kind),
            "notes": self.warnings(),
        })
    }
}

fn shown(path: Option<&Path>) -> String {
    path.map_or_else(|| "none: defaults, and no grants".to_owned(), |path| path.display().to_string())
}

/// `weir:plugin@1.0.0: log, types`: one line a package instead of one an interface.
fn by_package(imports: &[String]) -> Vec<String> {
    let mut packages: std::collections::BTreeMap<String, Vec<&str>> = std::collections::BTreeMap::new();
    for import in imports {
        let (name, version) = import.split_once('@').unwrap_or((import, ""));
        let (package, interface) = name.split_once('/').unwrap_or((name, ""));
        packages.entry(format!("{package}@{version}")).or_default().push(interface);
    }
    packages.into_iter().map(|(package, interfaces)| format!("{package}: {}", interfaces.join(", "))).collect()
}

fn list(lines: &[String], none: &str) -> String {
    if lines.is_empty() { none.to_owned() } else { lines.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{guests, write};
    use super::*;

    async fn check_file(bytes: &[u8], sidecar: Option<&str>) -> Result<Report, Failure> {
        let (dir, args) = write("mood", bytes, sidecar);
        let component = Component::read(&args)?;
        let report = check(&component, &args.bench).await;
        drop(dir);
        report
    }

    async fn refusal(bytes: &[u8], sidecar: Option<&str>) -> String {
        match check_file(bytes, sidecar).await {
            Ok(report) => panic!("it was taken:\n{}", report.text()),
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test]
    async fn a_good_component_is_described_and_tried() {
        let report = check_file(&guests::validator(&guests::Validator::default()), None).await.expect("taken");
        let text = report.text();
        for part in
            ["validator", "mood 1.0.0", "weir:plugin@1.0.0: log", "all events of all topics", "64.0 MiB of memory"]
        {
            assert!(text.contains(part), "'{part}' is missing in:\n{text}");
        }
        assert!(report.outcome().is_ok());
        let json = report.json();
        assert_eq!((&json["kind"], &json["trials"][1]["ok"]), (&json!("validator"), &json!(true)));
        assert_eq!(json["limits"]["fuelPerCall"], json!(1_000_000_000));
    }

    #[tokio::test]
    async fn wishes_are_told_with_the_grants_that_are_missing() {
        let report = check_file(&guests::sink(), None).await.expect("taken");
        assert!(report.text().contains("note: it wishes 'http any *', and no side-car grants it"), "{}", report.text());
        let grant = "[grants]\nhttp = [{ host = \"a.example.com\" }]\n";
        let report = check_file(&guests::sink(), Some(grant)).await.expect("taken");
        assert_eq!(report.json()["wishes"][0]["granted"], json!(["http any a.example.com"]));
    }

    #[tokio::test]
    async fn what_a_server_would_refuse_is_refused_with_its_sentence() {
        assert!(refusal(b"", None).await.contains("plugin 'mood' is an empty file"));
        assert!(refusal(b"PK", None).await.contains("is no WebAssembly"));
        let good = guests::validator(&guests::Validator::default());
        assert!(refusal(&good, Some("grant = 1")).await.contains("mood.toml, line 1"), "the side-car's line is named");
        let init = guests::validator(&guests::Validator { init: guests::NO, ..Default::default() });
        assert!(refusal(&init, None).await.contains("refused its config: no"));
        let describe = guests::validator(&guests::Validator { describe: guests::TRAP, ..Default::default() });
        assert!(refusal(&describe, None).await.contains("failed in describe()"));
    }

    #[tokio::test]
    async fn a_component_that_traps_at_its_first_call_is_found() {
        let guest = guests::validator(&guests::Validator { configure: guests::TRAP, ..Default::default() });
        let report = check_file(&guest, None).await.expect("it loads");
        let error = report.outcome().expect_err("a trap").to_string();
        assert!(error.contains("loads, but failed in its first call of configure()"), "{error}");
        assert!(report.text().contains("failed: it trapped"), "{}", report.text());
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_or_has_no_name_is_named() {
        let bench = BenchArgs::default();
        let missing = ComponentArgs { file: "/nowhere/x.wasm".into(), sidecar: None, bench: bench.clone() };
        let error = Component::read(&missing).expect_err("no file").to_string();
        assert!(error.contains("plugin 'x' could not be read: /nowhere/x.wasm"), "{error}");
        let odd = ComponentArgs { file: "a b.wasm".into(), sidecar: None, bench };
        assert!(Component::read(&odd).expect_err("no name").to_string().contains("rename the file"));
    }
}
