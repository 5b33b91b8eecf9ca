//! Posts every event to the URL of its consumer.

use serde::Deserialize;
use serde_json::{Value, json};
use weir_plugin_sdk::{Event, Http, Manifest, NoConfig, Problem, Receipt, Sink, Target, export_sink};

#[derive(Deserialize)]
struct Config {
    url: String,
}

pub struct Plugin;

impl Sink for Plugin {
    type Config = NoConfig;

    fn manifest() -> Manifest {
        Manifest::new("{{name}}", env!("CARGO_PKG_VERSION"))
            .description("Posts every event to a URL")
            .wish_http("*", &["POST"])
    }

    fn init(_: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }

    fn check(&mut self, target: &Target) -> Result<(), Vec<Problem>> {
        url(target).map(drop).map_err(|problem| vec![problem])
    }

    fn deliver(&mut self, target: &Target, batch: &[Event]) -> Receipt {
        let url = match url(target) {
            Ok(url) => url,
            Err(problem) => return Receipt::retry(0, problem.message),
        };
        for (accepted, event) in (0..).zip(batch) {
            if let Err(reason) = post(&url, event) {
                return Receipt::retry(accepted, reason);
            }
        }
        Receipt::done(batch)
    }
}

fn url(target: &Target) -> Result<String, Problem> {
    target.config().map(|config: Config| config.url).map_err(|_| {
        let mut problem = Problem::new("no-url", "the target needs a 'url'");
        problem.pointer = Some("/url".into());
        problem
    })
}

fn post(url: &str, event: &Event) -> Result<(), String> {
    let payload: Value = event.json().map_err(|problem| problem.message)?;
    let body = json!({ "id": event.id, "type": event.event_type, "payload": payload });
    let request = Http::post(url).json(&body).map_err(|error| error.to_string())?;
    match request.send() {
        Ok(answer) if answer.is_success() => Ok(()),
        Ok(answer) => Err(format!("status {}", answer.status)),
        Err(error) => Err(error.to_string()),
    }
}

export_sink!(Plugin);
