//! `weir import`: publishes a file of events, one JSON object a line, in batches, with progress; also what `weir export` wrote,
//! as new events. An error names the line, and says how many events were published before it, so that the rest can be
//! imported when the file is mended.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, stdin};
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::value::RawValue;

use super::Failure;
use super::client::{Client, ServerArgs};
use super::export::Format;
use crate::model::{SERVER_KEYS, limits};

#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// File of events, one JSON object a line; `-` is standard input
    file: PathBuf,
    /// Topic of all events; without it each line names its topic
    #[arg(long)]
    topic: Option<String>,
    /// Type of all events: each line is then a payload, not a whole event
    #[arg(long = "type", value_name = "TYPE", requires = "topic")]
    event_type: Option<String>,
    /// Form of the lines
    #[arg(long, value_enum, default_value_t = Format::Ndjson, conflicts_with = "event_type")]
    format: Format,
    /// Events in one request, all or none
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    batch: u64,
    /// Skip this many lines, to go on after a failed import
    #[arg(long, default_value_t = 0)]
    skip: u64,
    #[command(flatten)]
    server: ServerArgs,
}

/// Lines on their way into one request.
#[derive(Default)]
struct Batch {
    body: String,
    events: u64,
    first_line: u64,
    last_line: u64,
}

pub async fn run(args: ImportArgs) -> Result<(), Failure> {
    let client = Client::new(args.server)?;
    let path: Vec<&str> = match &args.topic {
        Some(topic) => vec!["topics", topic, "events"],
        None => vec!["events"],
    };
    let (reader, bytes) = open(&args.file)?;
    let progress = progress(bytes);
    let mut batch = Batch::default();
    let mut published = 0;
    for (number, line) in (1..).zip(progress.wrap_read(reader).lines_of()) {
        let line = line?;
        let line = if args.format == Format::Cloudevents { in_brackets(&line) } else { line.trim() };
        if number <= args.skip || line.is_empty() {
            continue;
        }
        let event = match args.format {
            Format::Ndjson => event(line, args.event_type.as_deref()),
            Format::Cloudevents => cloud_event(line),
        };
        let event = event.map_err(|error| format!("line {number}: {error}"))?;
        if batch.events > 0
            && (batch.events >= args.batch || batch.body.len() + event.len() + 8 > limits::BODY_BYTES_MAX)
        {
            published += send(&client, &path, args.format, std::mem::take(&mut batch), published).await?;
            progress.set_message(format!("{published} events"));
        }
        batch.add(&event, number);
    }
    if batch.events > 0 {
        published += send(&client, &path, args.format, batch, published).await?;
    }
    progress.finish_and_clear();
    println!("{published} events published");
    Ok(())
}

impl Batch {
    fn add(&mut self, event: &str, line: u64) {
        self.body.push(if self.events == 0 { '[' } else { ',' });
        self.body.push_str(event);
        if self.events == 0 {
            self.first_line = line;
        }
        self.events += 1;
        self.last_line = line;
    }
}

async fn send(
    client: &Client,
    path: &[&str],
    format: Format,
    mut batch: Batch,
    published: u64,
) -> Result<u64, Failure> {
    batch.body.push(']');
    client.post_as(path, format.media_type(), batch.body).await.map_err(|error| {
        format!(
            "lines {} to {} were not published: {error} ({published} events before them were; go on with --skip {})",
            batch.first_line,
            batch.last_line,
            batch.first_line - 1
        )
    })?;
    Ok(batch.events)
}

/// What a server says of an event that it recorded: another one says it anew.
const RECORDED: [&str; 5] = ["id", "timestamp", "sequence", "position", "version"];

/// The event of a line, as it came but for what is said of recorded events; or around the payload that a line is.
fn event(line: &str, event_type: Option<&str>) -> Result<String, serde_json::Error> {
    if let Some(name) = event_type {
        let payload: &RawValue = serde_json::from_str(line)?;
        return Ok(format!("{{\"type\":{},\"payload\":{}}}", serde_json::to_string(name)?, payload.get()));
    }
    let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(line)?;
    if RECORDED.iter().all(|name| *name == "version" || members.contains_key(*name)) {
        members.retain(|name, _| !RECORDED.contains(&name.as_str()));
        if let Some(metadata) = members.get_mut("metadata") {
            let mut kept: BTreeMap<String, String> = serde_json::from_str(metadata.get())?;
            kept.retain(|key, _| !key.starts_with(SERVER_KEYS));
            *metadata = serde_json::value::to_raw_value(&kept)?;
        }
    }
    serde_json::to_string(&members)
}

fn cloud_event(line: &str) -> Result<String, serde_json::Error> {
    serde_json::from_str::<&RawValue>(line).map(|event| event.get().to_owned())
}

/// A line of a batch that has one event a line: without the array's brackets and commas.
fn in_brackets(line: &str) -> &str {
    line.trim().trim_start_matches(['[', ',']).trim_end_matches([']', ',']).trim()
}

fn open(file: &PathBuf) -> Result<(Box<dyn Read>, Option<u64>), Failure> {
    if file.as_os_str() == "-" {
        return Ok((Box::new(stdin()), None));
    }
    let opened = File::open(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let bytes = opened.metadata().ok().map(|metadata| metadata.len());
    Ok((Box::new(opened), bytes))
}

/// A bar on a terminal; nothing where output is not one.
fn progress(bytes: Option<u64>) -> ProgressBar {
    let bar = bytes.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let template = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}";
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Lines of any reader.
trait LinesOf: Read + Sized {
    fn lines_of(self) -> std::io::Lines<BufReader<Self>> {
        BufReader::with_capacity(1 << 20, self).lines()
    }
}

impl<R: Read> LinesOf for R {}
