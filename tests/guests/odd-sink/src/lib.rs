//! A sink for tests of the host, twin of the validator beside it: two markers in its file say what it does.
//! It is no example of how to write a plugin.

use weir_guest_acts::{act, behaviour, describe, huge, init, problem, run, version};
use weir_plugin_sdk::{Event, Http, Manifest, NoConfig, Problem, Receipt, Rest, Sink, Target, clock, export_sink};

struct Odd;

impl Sink for Odd {
    type Config = NoConfig;

    fn manifest() -> Manifest {
        let manifest = describe("odd-sink");
        if behaviour() == "no-wish" { manifest } else { manifest.wish_http("*", &["GET", "POST"]).wish_secret("TOKEN") }
    }

    fn init(_: NoConfig) -> Result<Self, String> {
        init(Self)
    }

    fn check(&mut self, target: &Target) -> Result<(), Vec<Problem>> {
        act("check");
        match behaviour() {
            "refuse-check" => Err(vec![problem(&format!("target {} is refused", target.id)).at("/odd")]),
            _ => Ok(()),
        }
    }

    fn deliver(&mut self, target: &Target, batch: &[Event]) -> Receipt {
        act("deliver");
        let all = Receipt::done(batch).accepted;
        match behaviour() {
            "retry" => Receipt::retry(0, "asked to"),
            "retry-after" => Receipt::retry_after(0, 50, "asked to"),
            "half" => Receipt::retry(all / 2, "only half"),
            "poison" => Receipt::poison(0, problem("asked to")),
            "gone" => Receipt::gone(0, problem("asked to")),
            "over-count" => Receipt { accepted: all + 1, rest: Rest::Done },
            "under-count" => Receipt { accepted: all.saturating_sub(1), rest: Rest::Done },
            "huge-answer" => Receipt::retry(0, huge()),
            "stamp-retry" => Receipt::retry(0, format!("version {} says no", version())),
            "clock" => Receipt::retry(0, format!("now {}", clock::now_ms())),
            "http" => post(target, &batch.len().to_string(), all),
            "http-secret" => post(target, "{{secret:TOKEN}}", all),
            "http-stamp" => post(target, version(), all),
            "http-many" => many(target, all),
            "by-type" => {
                batch.iter().for_each(|event| run(event.event_type.trim_start_matches("odd.")));
                Receipt::done(batch)
            }
            _ => Receipt::done(batch),
        }
    }
}

/// The target's config is `{"callback": "…"}`; the text goes into the header `x-odd` and the body.
fn request(target: &Target, text: &str) -> Http {
    let url = target.config_json.split('"').find(|part| part.starts_with("http")).unwrap_or_default();
    Http::post(url).header("x-odd", text).body(text)
}

fn post(target: &Target, text: &str, all: u32) -> Receipt {
    match request(target, text).send() {
        Ok(response) if response.is_success() => Receipt { accepted: all, rest: Rest::Done },
        Ok(response) => Receipt::retry(0, format!("status {}", response.status)),
        Err(error) => Receipt::retry(0, format!("{error:?}")),
    }
}

/// A hundred requests side by side: as many as answer well are what it says it accepted.
fn many(target: &Target, all: u32) -> Receipt {
    let answers = Http::send_all((0..100).map(|number| request(target, &number.to_string())).collect());
    let good = answers.iter().flatten().filter(|response| response.is_success()).count();
    Receipt::retry(0, format!("{good} of 100 answered well, {all} events"))
}

export_sink!(Odd);
