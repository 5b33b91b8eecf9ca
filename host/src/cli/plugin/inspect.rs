//! `weir plugin inspect`: all of `GET /plugins/{name}`, for people. It knows no list of members: what a server tells more
//! is shown too.

use serde_json::Value;

use super::output::{count, fields};
use crate::cli::Failure;
use crate::cli::client::{Client, ServerArgs};

#[derive(Debug, clap::Args)]
pub struct InspectArgs {
    /// Name of the plugin
    name: String,
    /// Print what the server answered
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub async fn run(args: InspectArgs) -> Result<(), Failure> {
    let client = Client::new(args.server)?;
    let answer = client.get(client.url(&["plugins", &args.name])).await?;
    match args.json {
        true => println!("{answer}"),
        false => print!("{}", show(&serde_json::from_str(&answer)?)),
    }
    Ok(())
}

/// Fields under each other; objects inside come after the plain ones, each under its name.
fn show(value: &Value) -> String {
    let mut out = String::new();
    section(&mut out, "", value);
    out
}

fn section(out: &mut String, title: &str, value: &Value) {
    let Some(object) = value.as_object() else { return };
    let first = ["name", "state", "reason", "kind", "version", "description", "digest"];
    let place = |key: &str| first.iter().position(|known| *known == key).unwrap_or(first.len());
    let mut members: Vec<(&String, &Value)> = object.iter().collect();
    members.sort_by_key(|(key, _)| (place(key), key.as_str()));
    let (nested, plain): (Vec<_>, Vec<_>) =
        members.into_iter().partition(|(_, value)| value.as_object().is_some_and(|object| !object.is_empty()));
    if !title.is_empty() {
        out.push_str(&format!("\n{title}\n"));
    }
    let names: Vec<(String, String)> = plain.iter().map(|(key, value)| (words(key), text(key, value))).collect();
    let shown: Vec<(&str, String)> = names.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    for line in fields(&shown).lines() {
        out.push_str(if title.is_empty() { "" } else { "  " });
        out.push_str(line);
        out.push('\n');
    }
    for (key, value) in nested {
        let title = if title.is_empty() { words(key) } else { format!("{title} {}", words(key)) };
        section(out, &title, value);
    }
}

/// `fuelPerEvent` becomes `fuel per event`.
fn words(key: &str) -> String {
    let mut out = String::new();
    for letter in key.chars() {
        match letter {
            '_' => out.push(' '),
            letter if letter.is_ascii_uppercase() => {
                out.push(' ');
                out.push(letter.to_ascii_lowercase());
            }
            letter => out.push(letter),
        }
    }
    out
}

fn text(key: &str, value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        // A time is no count.
        Value::Number(number) if key == "sinceMs" => number.to_string(),
        Value::Number(number) => number.as_u64().map_or_else(|| number.to_string(), count),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(|item| text("", item)).collect::<Vec<_>>().join("\n"),
        Value::Object(object) if object.is_empty() => "none".to_owned(),
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| format!("{} {}", words(key), text(key, value)))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn everything_that_the_server_tells_is_shown() {
        let answer = json!({
            "name": "schema", "state": "active", "reason": null, "source": "embedded",
            "kept": [{"version": "0.1.0", "generation": 1}],
            "serving": {"kind": "validator", "version": "0.1.0", "calls": 1200, "wishes": ["http any *", "secret X"],
                "grants": [], "sinceMs": 1_700_000_000_000_u64, "stats": {"faults": {}, "fuelPerEvent": 310}},
        });
        let expected = "\
name    schema
state   active
reason  -
kept    generation 1, version 0.1.0
source  embedded

serving
  kind      validator
  version   0.1.0
  calls     1,200
  grants    none
  since ms  1700000000000
  wishes    http any *
            secret X

serving stats
  faults          none
  fuel per event  310
";
        assert_eq!(show(&answer), expected);
    }
}
