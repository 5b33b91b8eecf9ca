//! A validator for tests of the host: it accepts, or refuses, or breaks every rule there is, as two markers in its file
//! say. It is no example of how to write a plugin.

use weir_guest_acts::{act, behaviour, describe, huge, init, problem, run, version};
use weir_plugin_sdk::{Manifest, NewEvent, NoConfig, Payload, Problem, Topic, Validator, Verdict, export_validator};

struct Odd {
    calls: u64,
}

impl Validator for Odd {
    type Config = NoConfig;

    fn manifest() -> Manifest {
        let manifest = describe("odd");
        match behaviour() {
            "wishes" => manifest.wish_http("a.example", &["POST"]).wish_secret("TOKEN"),
            _ => manifest,
        }
    }

    fn init(_: NoConfig) -> Result<Self, String> {
        init(Self { calls: 0 })
    }

    fn configure(&mut self, topic: &Topic) -> Result<(), Vec<Problem>> {
        act("configure");
        match behaviour() {
            "refuse-configure" => Err(vec![problem(&format!("topic {} is refused", topic.name)).at("/schemas/0")]),
            _ => Ok(()),
        }
    }

    fn validate(&mut self, event: &NewEvent) -> Verdict {
        self.calls += 1;
        match behaviour() {
            "reject-all" => Verdict::refuse(problem("refused because a test asked for it").at("/odd")),
            "replace" => Verdict::Replace(Payload::Json(r#"{"odd":true}"#.into())),
            "replace-bytes" => Verdict::Replace(Payload::Bytes(vec![0, 1, 2])),
            "invalid-json" => Verdict::Replace(Payload::Json(r#"{"odd":"#.into())),
            "huge-answer" => Verdict::Replace(Payload::Json(format!("\"{}\"", huge()))),
            "huge-problem" => Verdict::refuse(problem(&huge())),
            "stamp-replace" => Verdict::Replace(Payload::Json(format!(r#"{{"version":"{}"}}"#, version()))),
            "stamp-reject" => Verdict::refuse(problem(&format!("version {} says no", version()))),
            "count-calls" => Verdict::Replace(Payload::Json(format!(r#"{{"calls":{}}}"#, self.calls))),
            "world" => Verdict::Replace(Payload::Json(world())),
            "empty-reject" => Verdict::Reject(Vec::new()),
            "by-type" => {
                run(event.event_type.trim_start_matches("odd."));
                Verdict::Accept
            }
            _ => Verdict::Accept,
        }
    }

    fn validate_batch(&mut self, batch: &[NewEvent]) -> Vec<Verdict> {
        act("validate");
        let mut verdicts: Vec<Verdict> = batch.iter().map(|event| self.validate(event)).collect();
        match behaviour() {
            "too-few" => _ = verdicts.pop(),
            "too-many" => verdicts.push(Verdict::Accept),
            "none" => verdicts.clear(),
            _ => {}
        }
        verdicts
    }
}

/// What a guest of a pure kind learns of the world when it asks the system.
fn world() -> String {
    use std::hash::{BuildHasher, RandomState};
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_micros());
    let random = RandomState::new().hash_one(7_u8);
    let file = std::fs::read("/etc/hostname").is_ok() || std::fs::write("/tmp/odd", b"odd").is_ok();
    let network = std::net::TcpStream::connect("127.0.0.1:9").is_ok();
    let environment = std::env::vars().count() + std::env::args().count();
    format!(r#"{{"now":{now},"random":{random},"file":{file},"network":{network},"environment":{environment}}}"#)
}

export_validator!(Odd);
