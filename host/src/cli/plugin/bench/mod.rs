//! `weir plugin bench`: what a component costs, call by call, as the server pays it: lending the events, the call, and
//! reading the answer. One call at a time, and no store behind it: what is stored, and how fast, is not measured here.

mod events;
mod report;
mod work;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use indicatif::ProgressBar;
use serde_json::{Map, Value};

use self::events::{made_up, read_events};
use self::report::Report;
use self::work::Work;
use super::component::{self, Component, ComponentArgs, Scratch};
use super::test::{CommandSpec, Defaults};
use crate::cli::Failure;
use crate::model::{StreamName, TopicName};
use crate::plugin::{Command, HttpClient, HttpError, HttpGrant, HttpRequest, HttpResponse, Target};

#[derive(Debug, clap::Args)]
pub struct BenchmarkArgs {
    #[command(flatten)]
    component: ComponentArgs,
    /// Events, one JSON object a line, as `weir tail` prints them [default: made up, after the plugin's interests]
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Events in one call; several numbers are tried one after the other
    #[arg(long, value_delimiter = ',', default_value = "1,16,256", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    batch: Vec<u64>,
    /// Seconds for each of them
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Command for a decider, a JSON object with `name`, `payload` and `stream`; without it nothing is decided
    #[arg(long, value_name = "FILE")]
    command: Option<PathBuf>,
    /// Configuration of the target, for a sink: a JSON object
    #[arg(long, value_name = "JSON", default_value = r#"{"url":"http://127.0.0.1/","callback":"http://127.0.0.1/"}"#)]
    target: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Instances that are made to say how long one takes.
const INSTANCES_TIMED: usize = 15;

pub async fn run(args: BenchmarkArgs) -> Result<(), Failure> {
    let component = Component::read(&args.component)?;
    let report = bench(&component, &args).await?;
    match args.json {
        true => println!("{:#}", report.json()),
        false => print!("{}", report.text()),
    }
    Ok(())
}

async fn bench(component: &Component, args: &BenchmarkArgs) -> Result<Report, Failure> {
    let scratch = Scratch::new()?;
    // A cache of its own: the first load compiles, whatever was done before.
    let (cache, secrets) = (scratch.path().join("cache"), scratch.path().join("secrets"));
    let place = component::BenchArgs { cache: Some(cache), ..args.component.bench.clone() };
    let mut component = component.clone();
    let own_secrets = component.sidecar_path.is_none();
    let secrets_dir = if own_secrets { secrets.clone() } else { component.secrets_dir(&place) };
    let workbench = component::workbench(&place, secrets_dir, Arc::new(Answers200))?;
    let progress = ProgressBar::new_spinner().with_message("compiling");
    progress.enable_steady_tick(Duration::from_millis(100));
    let cold = component.load(&workbench).await?;
    if own_secrets {
        component.sidecar.grants = cold.grants_of_all_wishes();
        std::fs::create_dir_all(&secrets)?;
        for name in &component.sidecar.grants.secrets {
            std::fs::write(secrets.join(name), "secret").map_err(|error| format!("the secret '{name}': {error}"))?;
        }
    }
    let piece = component.load(&workbench).await?;
    let mut instances = Vec::new();
    for _ in 0..INSTANCES_TIMED {
        let made = piece.start_instance().await;
        instances.push(made.map_err(|fault| format!("plugin '{}' {fault}", component.name))?);
    }
    instances.sort_unstable();
    let events = match &args.events {
        Some(file) => read_events(file)?,
        None => made_up(&piece),
    };
    let work = Work { piece: &piece, command: command(args)?, target: target(&args.target)? };
    let mut rows = Vec::new();
    for batch in &args.batch {
        progress.set_message(format!("batches of {batch}"));
        let batch = usize::try_from(*batch)?;
        rows.push(work.measure(&events, batch, Duration::from_secs(args.seconds)).await?);
    }
    progress.finish_and_clear();
    Ok(Report {
        name: component.name.clone(),
        kind: piece.serving().kind,
        size: component.bytes.len(),
        events: events.len(),
        load_cold_ms: cold.load_ms,
        load_cached_ms: piece.load_ms,
        instance: instances[instances.len() / 2],
        memory_bytes_peak: piece.stats().memory_bytes_peak,
        rows,
    })
}

fn command(args: &BenchmarkArgs) -> Result<Option<Command>, Failure> {
    let Some(file) = &args.command else { return Ok(None) };
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let spec: CommandSpec = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    let stream = StreamName::parse("made-up").ok();
    Ok(Some(spec.command(&Defaults { topic: TopicName::default_topic(), stream })?))
}

fn target(config: &str) -> Result<Target, Failure> {
    let object = serde_json::from_str::<Map<String, Value>>(config);
    object.map_err(|error| format!("--target must be a JSON object: {error}"))?;
    Ok(Target { id: "bench".to_owned(), config_json: config.into() })
}

/// The other side of a sink that is measured: it answers at once.
struct Answers200;

#[async_trait]
impl HttpClient for Answers200 {
    async fn send(&self, _grant: &HttpGrant, _request: HttpRequest) -> Result<HttpResponse, HttpError> {
        Ok(HttpResponse { status: 200, headers: Vec::new(), body: bytes::Bytes::new() })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::{self, guests, write};
    use super::*;

    async fn measure(bytes: &[u8], change: impl FnOnce(&mut BenchmarkArgs, &Path)) -> Result<Report, Failure> {
        let (dir, component) = write("mood", bytes, None);
        let mut args = BenchmarkArgs {
            component,
            events: None,
            batch: vec![2, 20],
            seconds: 0,
            command: None,
            target: "{}".to_owned(),
            json: false,
        };
        change(&mut args, dir.path());
        let component = Component::read(&args.component)?;
        bench(&component, &args).await
    }

    #[tokio::test]
    async fn every_pure_kind_is_measured() {
        let validator = guests::validator(&guests::Validator::default());
        for guest in [validator, tests::upcaster(), tests::projection(), tests::decider(), tests::process_manager()] {
            let report = measure(&guest, |_, _| {}).await.expect("measured");
            assert_eq!(report.rows.len(), 2);
            assert!(report.rows.iter().all(|row| row.events > 0 && row.fuel > 0), "{:?}", report.rows);
            assert!(report.memory_bytes_peak > 0 && report.instance > Duration::ZERO);
            assert!(report.text().contains("instructions/event"), "{}", report.text());
            assert!(report.json()["batches"][1]["usPerEvent"].as_f64().is_some_and(|us| us > 0.0));
        }
    }

    #[tokio::test]
    async fn a_decider_decides_and_events_come_from_a_file() {
        let guest = tests::decider();
        let report = measure(&guest, |args, dir| {
            std::fs::write(dir.join("command.json"), r#"{"name":"send"}"#).expect("a file");
            std::fs::write(dir.join("events.ndjson"), "{\"id\":\"a-1\",\"type\":\"a\",\"topic\":\"a\"}\n\n")
                .expect("a file");
            (args.command, args.events) = (Some(dir.join("command.json")), Some(dir.join("events.ndjson")));
        });
        assert_eq!(report.await.expect("measured").events, 1);
        let error = measure(&guest, |args, dir| {
            std::fs::write(dir.join("events.ndjson"), "{}").expect("a file");
            args.events = Some(dir.join("events.ndjson"));
        });
        let error = error.await.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("events.ndjson, line 1: missing field `type`"), "{error}");
    }

    #[tokio::test]
    async fn a_sink_that_does_not_take_its_target_is_told_of() {
        let error = measure(&guests::sink(), |args, _| args.batch = vec![1]).await;
        let error = error.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("delivered 0 of 1 events") && error.contains("--target"), "{error}");
    }
}
