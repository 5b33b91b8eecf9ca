//! `weir projections …`: what views there are, building one anew with a progress bar, and going back.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::Failure;
use super::client::{Client, ListArgs, ServerArgs};
use super::events_bar::EventsBar;
use super::plugin::{count, table};
use crate::server::Progress;

#[derive(Debug, clap::Subcommand)]
pub enum ProjectionsCommand {
    /// List the projections of a server
    List(ListArgs),
    /// Build a view anew beside the one that is read, and switch to it once it has caught up
    Rebuild(RebuildArgs),
    /// Go back to the generation before
    Rollback(RollbackArgs),
}

#[derive(Debug, clap::Args)]
pub struct RebuildArgs {
    /// The projection's name
    name: String,
    /// Do not wait until it is done
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
pub struct RollbackArgs {
    /// The projection's name
    name: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// How often the server is asked how far it is.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Debug, Deserialize)]
struct Answer {
    projections: Vec<Projection>,
}

#[derive(Debug, Deserialize)]
struct Projection {
    name: String,
    kind: String,
    consistency: String,
    head: u64,
    live: Option<Generation>,
    building: Option<Generation>,
    kept: Option<u64>,
    failure: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Generation {
    number: u64,
    state: String,
    reason: Option<String>,
    position: u64,
    lag: u64,
    bytes: u64,
}

pub async fn run(command: ProjectionsCommand) -> Result<(), Failure> {
    match command {
        ProjectionsCommand::List(args) => {
            let show = |answer: &Value| Ok(show(&Answer::deserialize(answer)?.projections));
            args.print(&["projections"], show).await
        }
        ProjectionsCommand::Rebuild(args) => rebuild(args).await,
        ProjectionsCommand::Rollback(args) => {
            let client = Client::new(args.server)?;
            let answer = client.post(&["projections", &args.name, "rollback"], String::new()).await?;
            let projection: Projection = serde_json::from_str(&answer)?;
            println!("{} reads generation {} again", args.name, number(projection.live.as_ref()));
            Ok(())
        }
    }
}

/// A row a projection, and below the table why some of them do not run.
fn show(projections: &[Projection]) -> String {
    if projections.is_empty() {
        return "no projections\n".to_owned();
    }
    let names = ["NAME", "KIND", "CONSISTENCY", "STATE", "GENERATION", "POSITION", "LAG", "BYTES", "BUILDING", "KEPT"];
    let mut rows = vec![names.map(str::to_owned).to_vec()];
    let mut reasons = String::new();
    for Projection { name, kind, consistency, head, live, building, kept, failure } in projections {
        let of_live = |read: fn(&Generation) -> u64| live.as_ref().map_or_else(|| "-".to_owned(), |it| count(read(it)));
        let building_at =
            building.as_ref().map(|it| format!("{} at {} of {}", it.number, count(it.position), count(*head)));
        rows.push(vec![
            name.clone(),
            kind.clone(),
            consistency.clone(),
            live.as_ref().map_or("-", |live| &live.state).to_owned(),
            of_live(|it| it.number),
            of_live(|it| it.position),
            of_live(|it| it.lag),
            of_live(|it| it.bytes),
            building_at.unwrap_or_else(|| "-".to_owned()),
            kept.map_or_else(|| "-".to_owned(), |kept| kept.to_string()),
        ]);
        let all = live.iter().chain(building).filter_map(|it| it.reason.as_ref()).chain(failure);
        all.for_each(|reason| reasons.push_str(&format!("{name}: {reason}\n")));
    }
    let right = [false, false, false, false, true, true, true, true, false, true];
    let table = table(&right, &rows);
    if reasons.is_empty() { table } else { format!("{table}\n{reasons}") }
}

async fn rebuild(args: RebuildArgs) -> Result<(), Failure> {
    let client = Client::new(args.server)?;
    let answer = client.post(&["projections", &args.name, "rebuild"], String::new()).await?;
    let begun: Projection = serde_json::from_str(&answer)?;
    // A short one is done before this answer.
    let Some(building) = begun.building else { return done(&begun) };
    if args.no_wait {
        println!("{} builds generation {}; see weir projections list", args.name, building.number);
        return Ok(());
    }
    let bar = EventsBar::new();
    let tell = bar.sink();
    loop {
        let answer = client.get(client.url(&["projections", &args.name])).await?;
        let now: Projection = serde_json::from_str(&answer)?;
        if now.live.as_ref().is_some_and(|live| live.number >= building.number) {
            bar.end();
            return done(&now);
        }
        let Some(at) = now.building.filter(|at| at.number == building.number) else {
            return Err(format!(
                "generation {} of {} was given up; see weir projections list",
                building.number, args.name
            )
            .into());
        };
        if at.state == "paused" {
            let reason = at.reason.unwrap_or_default();
            return Err(format!("generation {} of {} is held up: {reason}", at.number, args.name).into());
        }
        tell(Progress { position: at.position, head: now.head });
        tokio::time::sleep(LOOK).await;
    }
}

fn done(projection: &Projection) -> Result<(), Failure> {
    let position = projection.live.as_ref().map_or(0, |live| live.position);
    println!(
        "{} reads generation {}, up to position {}",
        projection.name,
        number(projection.live.as_ref()),
        count(position)
    );
    Ok(())
}

fn number(generation: Option<&Generation>) -> u64 {
    generation.map_or(0, |generation| generation.number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_has_a_row_a_projection_and_reasons_below() {
        let generation = |number, state: &str, reason: Option<&str>, position: u64| {
            json!({"number": number, "state": state, "reason": reason, "position": position, "lag": 12_345 - position,
                   "bytes": 2_048, "events": 1, "skipped": 0})
        };
        let answer = json!({"projections": [
            {"name": "balances", "kind": "projection", "consistency": "async", "head": 12_345,
             "live": generation(1, "running", None, 12_345), "building": generation(2, "paused", Some("it traps"), 1_000),
             "kept": null},
            {"name": "new", "kind": "process-manager", "consistency": "async", "head": 12_345, "live": null,
             "building": null, "kept": 3, "failure": "no room"},
        ]});
        let answer: Answer = serde_json::from_value(answer).expect("as the server says");
        let expected = "\
NAME      KIND             CONSISTENCY  STATE    GENERATION  POSITION  LAG  BYTES  BUILDING              KEPT
balances  projection       async        running           1    12,345    0  2,048  2 at 1,000 of 12,345     -
new       process-manager  async        -                 -         -    -      -  -                        3

balances: it traps
new: no room
";
        assert_eq!(show(&answer.projections), expected);
        assert_eq!(show(&[]), "no projections\n");
    }
}
