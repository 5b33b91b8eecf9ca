//! Cases of validators: an event, and what becomes of it; or a topic's setting, and whether it is taken; or a command, and whether
//! it may go to its decider.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::decider::CommandSpec;
use super::diff::Mismatch;
use super::spec::{
    EventSpec, OneOrMany, ProblemSpec, TopicSpec, compare_problems, payload_value, plain, refusal_value, shown_payload,
};
use super::{Case, Stage, faulted};
use crate::plugin::Verdict;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidatorCase {
    name: String,
    #[serde(default)]
    config: Option<Map<String, Value>>,
    /// Settings instead of those of the file.
    #[serde(default)]
    topics: Option<Vec<TopicSpec>>,
    /// Events of one publish.
    #[serde(default)]
    given: OneOrMany<EventSpec>,
    /// A setting that is offered instead.
    #[serde(default)]
    configure: Option<TopicSpec>,
    /// A command that is guarded instead, and the state that it meets.
    #[serde(default)]
    when: Option<CommandSpec>,
    #[serde(default)]
    given_state: Option<Value>,
    then: OneOrMany<VerdictSpec>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum VerdictSpec {
    Accept,
    Reject(OneOrMany<ProblemSpec>),
    /// The payload instead of the event's.
    Replace(Value),
}

impl Case for ValidatorCase {
    fn name(&self) -> &str {
        &self.name
    }

    fn config(&self) -> Option<&Map<String, Value>> {
        self.config.as_ref()
    }

    async fn run(&self, stage: &Stage<'_>) -> Result<Vec<Mismatch>, String> {
        let validator = stage.piece.validator().ok_or("the component is no validator")?;
        let yes_or_no = |answer: Result<(), _>| vec![answer.map_or_else(Verdict::Reject, |()| Verdict::Accept)];
        let (one, actual) = match (&self.configure, &self.when, self.given.items.is_empty()) {
            (Some(topic), None, true) => {
                ("setting", yes_or_no(validator.configure(&topic.setting(1)).await.map_err(faulted)?))
            }
            (None, Some(_), true) if !validator.has_guards() => {
                return Err("the validator has no guards; build it against validator-with-guards".to_owned());
            }
            (None, Some(command), true) => {
                let state = self.given_state.clone().map(shown_payload);
                let command = command.command(stage.defaults)?;
                ("command", yes_or_no(validator.guard(state.as_ref(), &command).await.map_err(faulted)?))
            }
            (None, None, false) => ("event", self.verdicts(stage).await?),
            (None, None, true) => {
                return Err("a case needs 'given' events, a topic to 'configure', or a command in 'when'".to_owned());
            }
            _ => return Err("a case has one of 'given', 'configure' and 'when'; make several of it".to_owned()),
        };
        if self.given_state.is_some() && self.when.is_none() {
            return Err("only a command in 'when' meets a 'given_state'".to_owned());
        }
        if actual.len() != self.then.items.len() {
            return Err(format!(
                "'then' has {} verdicts and the case {}; give one for each {one}, in order",
                self.then.items.len(),
                actual.len()
            ));
        }
        let compared = (1..).zip(self.then.items.iter().zip(&actual));
        Ok(compared.filter_map(|(number, (expected, actual))| expected.compare(number, actual)).collect())
    }
}

impl ValidatorCase {
    async fn verdicts(&self, stage: &Stage<'_>) -> Result<Vec<Verdict>, String> {
        let validator = stage.piece.validator().ok_or("the component is no validator")?;
        let own: Option<Vec<_>> = self.topics.as_ref().map(|topics| {
            (1_000_001..).zip(topics).map(|(revision, topic)| Arc::new(topic.setting(revision))).collect()
        });
        let settings = own.as_deref().unwrap_or(stage.settings);
        let events = self.given.items.iter().map(|event| event.new_event(stage.defaults));
        let events = events.collect::<Result<Vec<_>, _>>()?;
        // As a server does: it asks about what the plugin wants to see, and tells only settings of these topics.
        let asked: Vec<usize> = (0..events.len())
            .filter(|at| validator.interested_in(&events[*at].topic, &events[*at].event_type))
            .collect();
        let batch: Vec<_> = asked.iter().map(|at| &events[*at]).collect();
        let settings = settings.iter().filter(|setting| batch.iter().any(|event| event.topic == setting.topic));
        let settings: Vec<_> = settings.cloned().collect();
        let mut verdicts = vec![Verdict::Accept; events.len()];
        for (at, verdict) in asked.iter().zip(validator.validate(&settings, &batch).await.map_err(faulted)?) {
            verdicts[*at] = verdict;
        }
        Ok(verdicts)
    }
}

impl VerdictSpec {
    fn compare(&self, number: usize, actual: &Verdict) -> Option<Mismatch> {
        let what = format!("verdict {number}");
        if let (Self::Reject(expected), Verdict::Reject(refusals)) = (self, actual) {
            let (expected, actual) = compare_problems(expected, refusals);
            return Mismatch::of(what, json!({ "reject": expected }), json!({ "reject": actual }));
        }
        let expected = match self {
            Self::Accept => json!("accept"),
            Self::Replace(payload) => json!({ "replace": plain(payload.clone()) }),
            Self::Reject(problems) => json!({ "reject": problems.value() }),
        };
        let actual = match actual {
            Verdict::Accept => json!("accept"),
            Verdict::Replace(payload) => json!({ "replace": payload_value(payload) }),
            Verdict::Reject(refusals) => json!({ "reject": refusals.iter().map(refusal_value).collect::<Value>() }),
        };
        Mismatch::of(what, expected, actual)
    }
}
