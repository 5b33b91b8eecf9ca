//! `weir publish`: one event from the command line or from standard input.

use std::io::Read;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::Failure;
use super::client::{Client, ServerArgs};

#[derive(Debug, clap::Args)]
pub struct PublishArgs {
    /// Topic to publish to
    topic: String,
    /// Type of the event
    #[arg(value_name = "TYPE")]
    event_type: String,
    /// Payload, a JSON object; `-` reads it from standard input
    #[arg(default_value = "-")]
    payload: String,
    /// Stream that the event belongs to
    #[arg(long)]
    stream: Option<String>,
    /// Publish only if the stream is at this version: a number, `none` or `exists`
    #[arg(long, requires = "stream")]
    expected_version: Option<String>,
    /// Tag; may be given several times
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Metadata; may be given several times
    #[arg(long = "metadata", value_name = "KEY=VALUE")]
    metadata: Vec<String>,
    #[command(flatten)]
    server: ServerArgs,
}

pub async fn run(args: PublishArgs) -> Result<(), Failure> {
    let text = match args.payload.as_str() {
        "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            text
        }
        text => text.to_owned(),
    };
    let payload: Box<RawValue> =
        serde_json::from_str(text.trim()).map_err(|error| format!("the payload is not JSON: {error}"))?;
    let mut event = Map::new();
    event.insert("type".to_owned(), args.event_type.into());
    if let Some(stream) = args.stream {
        event.insert("stream".to_owned(), stream.into());
    }
    if let Some(expected) = args.expected_version {
        let expected = expected.parse::<u64>().map_or_else(|_| Value::from(expected), Value::from);
        event.insert("expectedVersion".to_owned(), expected);
    }
    if !args.tags.is_empty() {
        event.insert("tags".to_owned(), args.tags.into());
    }
    if !args.metadata.is_empty() {
        event.insert("metadata".to_owned(), metadata(&args.metadata)?);
    }
    // The payload goes out as it was typed: it is put in as text, not parsed and printed again.
    let rest = Value::Object(event).to_string();
    let body = format!("{{\"payload\":{},{}", payload.get(), &rest[1..]);
    let client = Client::new(args.server)?;
    println!("{}", client.post(&["topics", &args.topic, "events"], body).await?);
    Ok(())
}

fn metadata(pairs: &[String]) -> Result<Value, Failure> {
    let mut object = json!({});
    for pair in pairs {
        let (key, value) = pair.split_once('=').ok_or_else(|| format!("metadata '{pair}' must be KEY=VALUE"))?;
        object[key] = value.into();
    }
    Ok(object)
}
