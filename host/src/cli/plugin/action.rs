//! `weir plugin pause|resume|reload|rollback`: what operators do to a plugin of a running server.

use serde_json::Value;

use crate::cli::Failure;
use crate::cli::client::{Client, ServerArgs};

#[derive(Debug, clap::Args)]
pub struct ActionArgs {
    /// The plugin's name in GET /plugins
    name: String,
    /// Print what the server answered
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub async fn run(args: ActionArgs, action: &str) -> Result<(), Failure> {
    let client = Client::new(args.server)?;
    let answer = client.post(&["plugins", &args.name, action], String::new()).await?;
    match args.json {
        true => println!("{answer}"),
        false => println!("{}", show(&args.name, &serde_json::from_str(&answer)?)),
    }
    Ok(())
}

/// One line: the state, what serves, and why.
fn show(name: &str, plugin: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let (state, serving) = (text(&plugin["state"]), &plugin["serving"]);
    let serves = match serving["version"].as_str() {
        Some(version) => format!("version {version}, generation {}", serving["generation"]),
        None => "nothing serves".to_owned(),
    };
    let reason = plugin["reason"].as_str().map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{name} is {state}: {serves}{reason}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_says_what_became_of_it() {
        let plugin = json!({"state": "active", "reason": null, "serving": {"version": "1.0.0", "generation": 3}});
        assert_eq!(show("p", &plugin), "p is active: version 1.0.0, generation 3");
        let plugin = json!({"state": "paused", "reason": "because", "serving": null});
        assert_eq!(show("p", &plugin), "p is paused: nothing serves (because)");
    }
}
