//! The sink "webhook": posts batches of events as JSON to the URL that a consumer registered.
//! It does not wait, count attempts or keep positions, and it does not sign: the host does these. It says how far a
//! batch came and what the other side answered.

mod answer;
mod body;
mod target;

use answer::Outcome;
use target::Config;
use weir_plugin_sdk::{Event, Http, Manifest, NoConfig, Problem, Receipt, Sink, Target, clock, debug, export_sink};

/// What receivers see of the sender.
const USER_AGENT: &str = concat!("weir-webhook/", env!("CARGO_PKG_VERSION"));

/// The plugin has no state of its own: everything is in the target.
pub struct Webhook;

impl Sink for Webhook {
    type Config = NoConfig;

    fn manifest() -> Manifest {
        Manifest::new("webhook", env!("CARGO_PKG_VERSION"))
            .description("Posts events as JSON to a consumer's URL")
            .wish_http("*", &["POST"])
    }

    fn init(_: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }

    fn check(&mut self, target: &Target) -> Result<(), Vec<Problem>> {
        Config::read(target).map(drop).map_err(|problem| vec![problem])
    }

    fn deliver(&mut self, target: &Target, batch: &[Event]) -> Receipt {
        match Config::read(target) {
            Ok(config) => Delivery { id: &target.id, config: &config }.run(batch),
            // Registration checked it, so it was changed since then, and may be mended.
            Err(problem) => Receipt::retry(0, problem.message),
        }
    }
}

export_sink!(Webhook);

/// One batch on its way to one target.
struct Delivery<'a> {
    id: &'a str,
    config: &'a Config,
}

impl Delivery<'_> {
    /// Posts the batch. A receiver that finds it too large gets its halves, in order, down to single events.
    fn run(&self, batch: &[Event]) -> Receipt {
        if batch.is_empty() {
            return Receipt::done(batch);
        }
        match self.post(batch) {
            Outcome::Done => Receipt::done(batch),
            Outcome::Gone(problem) => Receipt::gone(0, problem),
            Outcome::Retry { after_ms: Some(after_ms), reason } => Receipt::retry_after(0, after_ms, reason),
            Outcome::Retry { after_ms: None, reason } => Receipt::retry(0, reason),
            Outcome::TooLarge(problem) if batch.len() == 1 => Receipt::poison(0, problem),
            Outcome::TooLarge(_) => self.halves(batch),
        }
    }

    fn halves(&self, batch: &[Event]) -> Receipt {
        debug!(consumer = self.id, events = batch.len(); "the receiver finds the batch too large, sending halves");
        let (first, second) = batch.split_at(batch.len() / 2);
        let done = self.run(first);
        if done.rest != weir_plugin_sdk::Rest::Done {
            return done;
        }
        let mut receipt = self.run(second);
        receipt.accepted += done.accepted;
        receipt
    }

    fn post(&self, batch: &[Event]) -> Outcome {
        let mut request = Http::post(&self.config.callback).header("content-type", "application/json");
        if !self.config.headers.keys().any(|name| name.eq_ignore_ascii_case("user-agent")) {
            request = request.header("user-agent", USER_AGENT);
        }
        for (name, value) in &self.config.headers {
            request = request.header(name, value);
        }
        if let Some(timeout_ms) = self.config.timeout_ms {
            request = request.timeout_ms(timeout_ms);
        }
        match request.body(body::write(self.id, batch)).send() {
            Ok(response) => answer::judge(&response, clock::now_ms),
            Err(error) => Outcome::Retry { after_ms: None, reason: answer::explain(&error) },
        }
    }
}

#[cfg(test)]
mod tests;
