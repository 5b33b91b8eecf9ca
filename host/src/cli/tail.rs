//! `weir tail`: a topic's events as they come. It asks with a long poll, so it is as quick as the commit and never busy.

use std::io::Write;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Failure;
use super::client::{Client, ServerArgs};

#[derive(Debug, clap::Args)]
pub struct TailArgs {
    /// Topic to read
    topic: String,
    /// Begin after this event, like orders-17
    #[arg(long, value_name = "EVENT-ID", conflicts_with_all = ["from", "last"])]
    since: Option<String>,
    /// Begin at this sequence
    #[arg(long, conflicts_with = "last")]
    from: Option<u64>,
    /// Begin with the last so many events [default: 10]
    #[arg(long)]
    last: Option<u64>,
    /// Only events of this type; may be given several times
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// End when all events were printed instead of waiting for more
    #[arg(long)]
    no_follow: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Deserialize)]
struct Answer {
    events: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Head {
    sequence: u64,
}

/// Events asked for at once.
const PAGE: u64 = 500;

pub async fn run(args: TailArgs) -> Result<(), Failure> {
    let client = Client::new(args.server)?;
    let topic = args.topic.as_str();
    let head: Head = serde_json::from_str(&client.get(client.url(&["topics", topic])).await?)?;
    let mut next = match (args.since, args.from) {
        (Some(id), _) => since(&id, topic)? + 1,
        (None, Some(from)) => from.max(1),
        (None, None) => head.sequence.saturating_sub(args.last.unwrap_or(10)) + 1,
    };
    loop {
        let mut url = client.url(&["topics", topic, "events"]);
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("from", &next.to_string()).append_pair("limit", &PAGE.to_string());
            query.append_pair("wait", if args.no_follow { "0" } else { "30" });
            query.extend_pairs(args.types.iter().map(|one| ("type", one)));
        }
        let Answer { events } = serde_json::from_str(&client.get(url).await?)?;
        let mut out = std::io::stdout().lock();
        for event in &events {
            writeln!(out, "{}", event.get())?;
        }
        out.flush()?;
        match events.last() {
            Some(last) => next = serde_json::from_str::<Head>(last.get())?.sequence + 1,
            None if args.no_follow => return Ok(()),
            None => {}
        }
    }
}

fn since(id: &str, topic: &str) -> Result<u64, Failure> {
    let sequence = id.strip_prefix(topic).and_then(|rest| rest.strip_prefix('-')).and_then(|n| n.parse().ok());
    sequence.ok_or_else(|| format!("'{id}' is not an event id of topic '{topic}', like '{topic}-1'").into())
}
