//! `weir export`: events as lines of JSON, as they are read or as CloudEvents, with progress. `weir import` takes both.

use std::fs::File;
use std::io::{BufWriter, Write, stdout};
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Failure;
use super::client::{Client, ServerArgs};

#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// File to write; it must not exist yet. `-` is standard output
    file: PathBuf,
    /// Only this topic; without it the whole store, in its order
    #[arg(long)]
    topic: Option<String>,
    /// Form of the events
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One event a line, as a read shows it
    Ndjson,
    /// One CloudEvent a line, in the brackets of a JSON array: a CloudEvents batch
    Cloudevents,
}

impl Format {
    /// Of several events.
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Ndjson => "application/json",
            Format::Cloudevents => "application/cloudevents-batch+json",
        }
    }
}

/// Events asked for at once.
const PAGE: usize = 1_000;

#[derive(Deserialize)]
struct Answer {
    events: Vec<Box<RawValue>>,
}

/// Where an event is, in either form.
#[derive(Deserialize)]
struct Place {
    #[serde(alias = "weirposition")]
    position: Number,
    #[serde(alias = "weirsequence")]
    sequence: Number,
}

/// CloudEvents have no number that is large enough, so theirs are text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(u64),
    Text(String),
}

impl Number {
    fn value(self) -> Result<u64, Failure> {
        match self {
            Number::Number(number) => Ok(number),
            Number::Text(text) => Ok(text.parse()?),
        }
    }
}

pub async fn run(args: ExportArgs) -> Result<(), Failure> {
    let client = Client::new(args.server)?;
    let mut out: Box<dyn Write> = match args.file.to_str() {
        Some("-") => Box::new(stdout().lock()),
        _ => Box::new(BufWriter::new(
            File::create_new(&args.file).map_err(|error| format!("cannot make {}: {error}", args.file.display()))?,
        )),
    };
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} events, {per_sec}") {
        bar.set_style(style);
    }
    let (mut next, mut count) = (1, 0u64);
    loop {
        let events = page(&client, args.topic.as_deref(), args.format, next).await?;
        for event in &events {
            let before = match (args.format, count) {
                (Format::Ndjson, _) => "",
                (Format::Cloudevents, 0) => "[\n",
                (Format::Cloudevents, _) => ",\n",
            };
            write!(out, "{before}{}", event.get())?;
            if args.format == Format::Ndjson {
                writeln!(out)?;
            }
            count += 1;
        }
        bar.set_position(count);
        let Some(last) = events.last().filter(|_| events.len() == PAGE) else { break };
        let Place { position, sequence } = serde_json::from_str(last.get())?;
        next = if args.topic.is_some() { sequence.value()? } else { position.value()? } + 1;
    }
    if args.format == Format::Cloudevents {
        writeln!(out, "{}", if count == 0 { "[]" } else { "\n]" })?;
    }
    out.flush()?;
    bar.finish_and_clear();
    eprintln!("{count} events exported");
    Ok(())
}

async fn page(client: &Client, topic: Option<&str>, format: Format, from: u64) -> Result<Vec<Box<RawValue>>, Failure> {
    let mut url = match topic {
        Some(topic) => client.url(&["topics", topic, "events"]),
        None => client.url(&["events"]),
    };
    url.query_pairs_mut().append_pair("from", &from.to_string()).append_pair("limit", &PAGE.to_string());
    let text = client.get_as(url, format.media_type()).await?;
    Ok(match format {
        Format::Ndjson => serde_json::from_str::<Answer>(&text)?.events,
        Format::Cloudevents => serde_json::from_str(&text)?,
    })
}
