//! `weir plugin bench`: what a component costs, call by call, as the server pays it: lending the events, the call, and
//! reading the answer. One call at a time, and no store behind it: what is stored, and how fast, is not measured here.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use indicatif::ProgressBar;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::component::{self, Component, ComponentArgs, Scratch, TIME_MS, kind_word};
use super::output::{Colour, bytes, count, fields, paint, table};
use super::test::{CommandSpec, Defaults};
use crate::cli::Failure;
use crate::model::{Event, EventType, NewEvent, Payload, StreamName, Tag, TopicName};
use crate::plugin::{
    Command, HttpClient, HttpError, HttpGrant, HttpRequest, HttpResponse, Kind, MemoryView, PluginError, Refusal,
    Target, ViewBase, ViewWrites, Workpiece,
};

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

/// Events that are made up, or read of a file.
const EVENTS_MADE: u64 = 4_096;
const EVENTS_READ_MAX: usize = 100_000;
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

struct Report {
    name: String,
    kind: Kind,
    size: usize,
    events: usize,
    load_cold_ms: u64,
    load_cached_ms: u64,
    instance: Duration,
    memory_bytes_peak: u64,
    rows: Vec<Row>,
}

/// What calls of one size came to.
#[derive(Debug, Default)]
struct Row {
    batch: usize,
    calls: u64,
    events: u64,
    time: Duration,
    /// Times of single calls.
    times: Vec<Duration>,
    fuel: u64,
}

impl Row {
    fn us_per_event(&self) -> f64 {
        self.time.as_secs_f64() * 1e6 / (self.events.max(1)) as f64
    }

    fn events_per_second(&self) -> u64 {
        (self.events as f64 / self.time.as_secs_f64().max(1e-9)) as u64
    }

    fn quantile_us(&self, percent: usize) -> f64 {
        let mut times = self.times.clone();
        times.sort_unstable();
        let at = (times.len() * percent / 100).min(times.len().saturating_sub(1));
        times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    }
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

struct Work<'a> {
    piece: &'a Workpiece,
    command: Option<Command>,
    target: Target,
}

impl Work<'_> {
    /// Calls with batches of one size until the time is over; a call of its own warms up before.
    async fn measure(&self, events: &[NewEvent], batch: usize, time: Duration) -> Result<Row, Failure> {
        let view = Arc::new(BenchView::default());
        let mut row = Row { batch, ..Row::default() };
        let mut log = Log { events, next: 0 };
        self.call(&log.take(batch), &view).await?;
        let fuel_before = self.piece.stats().fuel;
        let end = Instant::now() + time;
        while Instant::now() < end || row.calls == 0 {
            let batch = log.take(batch);
            let spent = self.call(&batch, &view).await?;
            row.calls += 1;
            row.events += batch.len() as u64;
            row.time += spent;
            row.times.push(spent);
        }
        row.fuel = self.piece.stats().fuel - fuel_before;
        Ok(row)
    }

    async fn call(&self, batch: &[Event], view: &Arc<BenchView>) -> Result<Duration, Failure> {
        let base: Arc<dyn ViewBase> = view.clone();
        if let Some(validator) = self.piece.validator() {
            let new: Vec<NewEvent> = batch.iter().map(asked_for).collect();
            let new: Vec<&NewEvent> = new.iter().collect();
            let started = Instant::now();
            let verdicts = validator.validate(&[], &new).await;
            let spent = started.elapsed();
            verdicts.map_err(fault)?;
            return Ok(spent);
        }
        let started = Instant::now();
        if let Some(upcaster) = self.piece.upcaster() {
            let answer = upcaster.upcast(batch).await;
            let spent = started.elapsed();
            answer.map_err(fault)?.map_err(|refusal| refused(&refusal))?;
            return Ok(spent);
        }
        if let Some(projection) = self.piece.projection() {
            let answer = projection.apply(base, batch).await;
            let spent = started.elapsed();
            view.commit(answer.map_err(fault)?.map_err(|refusal| refused(&refusal))?);
            return Ok(spent);
        }
        if let Some(manager) = self.piece.process_manager() {
            let answer = manager.react(base, batch).await;
            let spent = started.elapsed();
            view.commit(answer.map_err(fault)?.map_err(|refusal| refused(&refusal))?.writes);
            return Ok(spent);
        }
        if let Some(decider) = self.piece.decider() {
            let state = decider.evolve(None, batch).await.map_err(fault)?.map_err(|refusal| refused(&refusal))?;
            if let Some(command) = &self.command {
                // A rejection is an answer like any other.
                let _ = decider.decide(state.as_ref(), command).await.map_err(fault)?;
            }
            return Ok(started.elapsed());
        }
        if let Some(sink) = self.piece.sink() {
            let receipt = sink.deliver(&self.target, batch).await;
            let spent = started.elapsed();
            let receipt = receipt.map_err(fault)?;
            if receipt.accepted < batch.len() {
                return Err(format!(
                    "the plugin delivered {} of {} events ({:?}); give it a target that it takes with --target",
                    receipt.accepted,
                    batch.len(),
                    receipt.rest
                )
                .into());
            }
            return Ok(spent);
        }
        Err("the component is of no kind that can be measured".into())
    }
}

fn fault(error: PluginError) -> Failure {
    error.to_string().into()
}

fn refused(refusal: &Refusal) -> Failure {
    format!("the plugin refused the events: {}; give it events that it takes with --events", refusal.message).into()
}

/// Endless events: the same ones again and again, at new places.
struct Log<'a> {
    events: &'a [NewEvent],
    next: u64,
}

impl Log<'_> {
    fn take(&mut self, count: usize) -> Vec<Event> {
        let len = self.events.len().max(1) as u64;
        let take = |_| {
            let at = usize::try_from(self.next % len).unwrap_or_default();
            self.next += 1;
            let place = self.next;
            self.events.get(at).map(|event| component::record(event, place, place, Some(place), TIME_MS + place))
        };
        (0..count).filter_map(take).collect()
    }
}

fn asked_for(event: &Event) -> NewEvent {
    NewEvent {
        topic: event.topic.clone(),
        stream: event.stream.as_ref().map(|(stream, _)| stream.clone()),
        event_type: event.event_type.clone(),
        payload: event.payload.clone(),
        tags: event.tags.clone(),
        metadata: event.metadata.clone(),
    }
}

/// Orders of some customers, about 200 bytes each, under a topic and type that the plugin asked to see.
fn made_up(piece: &Workpiece) -> Vec<NewEvent> {
    let (probe, _) = component::probe(piece);
    let one_stream = piece.decider().is_some();
    let event = |number: u64| {
        let customer = number * 7 % 1_000;
        let payload = json!({
            "order": format!("order-{number}"),
            "customer": format!("customer-{customer}"),
            "amount": number % 500,
            "currency": "EUR",
            "items": [{ "article": format!("article-{}", number % 50), "count": number % 9 + 1 }, { "article": "gift", "count": 1 }],
            "note": "Made up to measure how fast a plugin is",
        });
        let stream = if one_stream { "made-up".to_owned() } else { format!("order-{}", number % 500) };
        NewEvent {
            stream: StreamName::parse(&stream).ok(),
            payload: Payload::Json(payload.to_string().into()),
            ..probe.clone()
        }
    };
    (0..EVENTS_MADE).map(event).collect()
}

/// An event as `weir tail` prints it; what else is in the line is left alone.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    event_type: String,
    topic: Option<String>,
    stream: Option<String>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    metadata: Map<String, Value>,
}

fn read_events(file: &Path) -> Result<Vec<NewEvent>, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()).take(EVENTS_READ_MAX);
    let events =
        lines.map(|(number, line)| event(line).map_err(|error| format!("{}, line {number}: {error}", file.display())));
    let events = events.collect::<Result<Vec<_>, _>>()?;
    match events.is_empty() {
        true => Err(format!("{} has no event; give one JSON object a line", file.display()).into()),
        false => Ok(events),
    }
}

fn event(line: &str) -> Result<NewEvent, Failure> {
    let line: Line<'_> = serde_json::from_str(line)?;
    let text = |value: Value| if let Value::String(text) = value { text } else { value.to_string() };
    let topic = line.topic.as_deref().map(TopicName::parse).transpose()?;
    Ok(NewEvent {
        topic: topic.unwrap_or_else(TopicName::default_topic),
        stream: line.stream.as_deref().map(StreamName::parse).transpose()?,
        event_type: EventType::parse(&line.event_type)?,
        payload: Payload::Json(line.payload.map_or("{}", RawValue::get).to_owned().into()),
        tags: line.tags.iter().map(|tag| Tag::parse(tag)).collect::<Result<_, _>>()?,
        metadata: line.metadata.into_iter().map(|(key, value)| (key, text(value))).collect(),
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

/// A view in memory that is written in place and knows its size.
#[derive(Default)]
struct BenchView(RwLock<(MemoryView, u64)>);

impl BenchView {
    fn commit(&self, writes: ViewWrites) {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let (view, size) = &mut *inner;
        for (key, value) in writes {
            let weight = |key: &str, value: &Payload| (key.len() + value.as_bytes().len()) as u64;
            let added = value.as_ref().map_or(0, |value| weight(&key, value));
            let old = view.0.get(&key).map_or(0, |value| weight(&key, value));
            *size = (*size + added).saturating_sub(old);
            match value {
                Some(value) => drop(view.0.insert(key, value)),
                None => drop(view.0.remove(&key)),
            }
        }
    }
}

impl ViewBase for BenchView {
    fn get(&self, key: &str) -> Result<Option<Payload>, String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).0.get(key)
    }

    fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Payload)>, String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).0.scan(prefix, after, limit)
    }

    fn bytes(&self) -> u64 {
        self.0.read().unwrap_or_else(PoisonError::into_inner).1
    }
}

/// The other side of a sink that is measured: it answers at once.
struct Answers200;

#[async_trait]
impl HttpClient for Answers200 {
    async fn send(&self, _grant: &HttpGrant, _request: HttpRequest) -> Result<HttpResponse, HttpError> {
        Ok(HttpResponse { status: 200, headers: Vec::new(), body: bytes::Bytes::new() })
    }
}

impl Report {
    fn text(&self) -> String {
        let head = fields(&[
            ("plugin", format!("{} ({})", paint(Colour::Bold, &self.name), kind_word(self.kind))),
            ("size", bytes(self.size as u64)),
            (
                "load",
                format!("{} ms cold, {} ms when compiled before", count(self.load_cold_ms), count(self.load_cached_ms)),
            ),
            ("fresh instance", format!("{:.0} µs", self.instance.as_secs_f64() * 1e6)),
            ("memory", format!("{} at most", bytes(self.memory_bytes_peak))),
            ("events", format!("{} different ones", count(self.events as u64))),
        ]);
        let names = ["batch", "events/s", "µs/event", "call p50 µs", "call p99 µs", "instructions/event"];
        let mut rows = vec![names.map(str::to_owned).to_vec()];
        for row in &self.rows {
            let fuel = row.fuel / row.events.max(1);
            rows.push(vec![
                row.batch.to_string(),
                count(row.events_per_second()),
                format!("{:.2}", row.us_per_event()),
                format!("{:.1}", row.quantile_us(50)),
                format!("{:.1}", row.quantile_us(99)),
                if self.kind.is_pure() { count(fuel) } else { "-".to_owned() },
            ]);
        }
        format!("{head}\n{}", table(&[true; 6], &rows))
    }

    fn json(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "batch": row.batch,
                "calls": row.calls,
                "events": row.events,
                "eventsPerSecond": row.events_per_second(),
                "usPerEvent": row.us_per_event(),
                "callP50Us": row.quantile_us(50),
                "callP99Us": row.quantile_us(99),
                "fuelPerEvent": self.kind.is_pure().then(|| row.fuel / row.events.max(1)),
            })
        };
        json!({
            "plugin": self.name,
            "kind": self.kind,
            "bytes": self.size,
            "events": self.events,
            "loadColdMs": self.load_cold_ms,
            "loadCachedMs": self.load_cached_ms,
            "freshInstanceUs": self.instance.as_secs_f64() * 1e6,
            "memoryBytesPeak": self.memory_bytes_peak,
            "batches": self.rows.iter().map(row).collect::<Value>(),
        })
    }
}

#[cfg(test)]
mod tests {
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
