//! Cases of upcasters: recorded events, and how readers of today see them.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::diff::Mismatch;
use super::spec::{
    EventSpec, ExpectedEvent, Numbering, OneOrMany, ProblemSpec, compare_events, recorded_value, refusal_value,
};
use super::{Case, Stage, faulted};
use crate::model::Event;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpcasterCase {
    name: String,
    #[serde(default)]
    config: Option<Map<String, Value>>,
    given: OneOrMany<EventSpec>,
    then: Then,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Then {
    events: Option<OneOrMany<ExpectedEvent>>,
    /// All events stay as they are.
    unchanged: bool,
    problem: Option<ProblemSpec>,
}

impl Case for UpcasterCase {
    fn name(&self) -> &str {
        &self.name
    }

    fn config(&self) -> Option<&Map<String, Value>> {
        self.config.as_ref()
    }

    async fn run(&self, stage: &Stage<'_>) -> Result<Vec<Mismatch>, String> {
        let upcaster = stage.piece.upcaster().ok_or("the component is no upcaster")?;
        let events = Numbering::default().record_all(&self.given.items, stage.defaults)?;
        // As a server does: it asks about what the plugin wants to see.
        let asked: Vec<Event> = events.iter().filter(|event| upcaster.interested_in(event)).cloned().collect();
        let answer = upcaster.upcast(&asked).await.map_err(faulted)?;
        let upcast = match (answer, &self.then.problem) {
            (Err(refusal), Some(problem)) => {
                return Ok(Mismatch::of_part("problem", problem.value(), refusal_value(&refusal))
                    .into_iter()
                    .collect());
            }
            (Err(refusal), None) => return Err(format!("the plugin refused the events: {}", refusal.message)),
            (Ok(_), Some(_)) => return Err("a problem was expected, and the plugin took the events".to_owned()),
            (Ok(upcast), None) => upcast,
        };
        let mut upcast = upcast.into_iter();
        let now = events.iter().map(|event| match upcaster.interested_in(event) {
            true => upcast.next().map_or(Value::Null, |event| recorded_value(&event)),
            false => recorded_value(event),
        });
        let now: Vec<Value> = now.collect();
        match (&self.then.events, self.then.unchanged) {
            (Some(expected), false) => Ok(compare_events("events", &expected.items, now)?.into_iter().collect()),
            (None, true) => {
                let before = events.iter().map(recorded_value).collect();
                Ok(Mismatch::of("events", before, Value::Array(now)).into_iter().collect())
            }
            _ => Err("'then' needs one of 'events', 'unchanged' and 'problem'".to_owned()),
        }
    }
}
