//! An upcaster for tests of the host: it makes a `v2` of each `v1`, or breaks the rules, as two markers in its file say.
//! It is no example of how to write a plugin.

use weir_guest_acts::{act, behaviour, describe, huge, init, meet, version};
use weir_plugin_sdk::{Event, Manifest, NoConfig, Payload, Problem, Upcaster, export_upcaster};

struct Odd;

impl Upcaster for Odd {
    type Config = NoConfig;

    fn manifest() -> Manifest {
        describe("odd-upcaster")
    }

    fn init(_: NoConfig) -> Result<Self, String> {
        init(Self)
    }

    fn upcast(&mut self, mut event: Event) -> Result<Event, Problem> {
        meet(&event.event_type)?;
        match behaviour() {
            "other-id" => event.id.push('1'),
            "other-position" => event.position += 1,
            "other-time" => event.time_ms += 1,
            "other-topic" => event.topic.push('x'),
            "other-stream" => event.stream = Some("foreign".into()),
            "invalid-json" => event.payload = Payload::Json(r#"{"odd":"#.into()),
            "bytes" => event.payload = Payload::Bytes(vec![0, 1, 2]),
            "huge-answer" => event.payload = Payload::Json(format!("\"{}\"", huge())),
            "bad-type-name" => event.event_type = "bad\u{7}\nname".into(),
            "stamp" => event.payload = Payload::Json(format!(r#"{{"version":"{}"}}"#, version())),
            _ if event.event_type == "v1" => {
                event.event_type = "v2".into();
                event.payload = Payload::Json(r#"{"v":2}"#.into());
            }
            _ => {}
        }
        Ok(event)
    }

    fn upcast_batch(&mut self, batch: Vec<Event>) -> Result<Vec<Event>, Problem> {
        act("upcast");
        let mut events = batch.into_iter().map(|event| self.upcast(event)).collect::<Result<Vec<_>, _>>()?;
        match behaviour() {
            "too-few" => _ = events.pop(),
            "too-many" => events.extend(events.last().cloned()),
            "none" => events.clear(),
            "reorder" => events.reverse(),
            _ => {}
        }
        Ok(events)
    }
}

export_upcaster!(Odd);

#[cfg(test)]
mod tests {
    use weir_plugin_sdk::testing::{event, upcaster};

    use super::*;

    #[test]
    fn unless_it_is_told_otherwise_it_makes_v2_of_v1() {
        upcaster::<Odd>().given(event("t", 1, "v1", "{}")).then(event("t", 1, "v2", r#"{"v":2}"#));
        upcaster::<Odd>().given(event("t", 1, "other", "{}")).then(event("t", 1, "other", "{}"));
    }
}
