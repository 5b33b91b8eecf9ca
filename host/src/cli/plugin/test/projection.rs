//! Cases of projections: events, the view that they make, and what queries say of it.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::diff::Mismatch;
use super::spec::{EventSpec, Numbering, OneOrMany, ProblemSpec, compare_view, plain, refusal_value, view_of};
use super::{Case, Stage, faulted};
use crate::model::Event;
use crate::plugin::MemoryView;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectionCase {
    name: String,
    #[serde(default)]
    config: Option<Map<String, Value>>,
    /// The view before; empty without it.
    #[serde(default)]
    given_view: Option<Map<String, Value>>,
    #[serde(default)]
    given: OneOrMany<EventSpec>,
    /// Events in one call; all of them without it.
    #[serde(default)]
    batch: Option<usize>,
    #[serde(default)]
    then: Then,
    #[serde(default)]
    query: OneOrMany<QuerySpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Then {
    view: Option<Map<String, Value>>,
    view_has: Option<Map<String, Value>>,
    view_lacks: Vec<String>,
    problem: Option<ProblemSpec>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct QuerySpec {
    name: String,
    #[serde(default)]
    params: Map<String, Value>,
    #[serde(default)]
    answer: Option<Value>,
    #[serde(default)]
    answer_has: Option<Value>,
    #[serde(default)]
    problem: Option<ProblemSpec>,
}

impl Case for ProjectionCase {
    fn name(&self) -> &str {
        &self.name
    }

    fn config(&self) -> Option<&Map<String, Value>> {
        self.config.as_ref()
    }

    async fn run(&self, stage: &Stage<'_>) -> Result<Vec<Mismatch>, String> {
        let projection = stage.piece.projection().ok_or("the component is no projection")?;
        let mut view = view_of(self.given_view.as_ref());
        let events = Numbering::default().record_all(&self.given.items, stage.defaults)?;
        // As a server does: it hands over what the plugin wants to see.
        let events: Vec<Event> = events.into_iter().filter(|event| projection.interested_in(event)).collect();
        let size = self.batch.unwrap_or(events.len()).max(1);
        let mut problem = None;
        for batch in events.chunks(size) {
            match projection.apply(Arc::new(view.clone()), batch).await.map_err(faulted)? {
                Ok(writes) => view = view.after(writes),
                Err(refusal) => {
                    problem = Some(refusal);
                    break;
                }
            }
        }
        let mut mismatches = Vec::new();
        match (problem, &self.then.problem) {
            (Some(refusal), Some(expected)) => {
                mismatches.extend(Mismatch::of_part("problem", expected.value(), refusal_value(&refusal)));
            }
            (Some(refusal), None) => return Err(format!("the plugin refused the events: {}", refusal.message)),
            (None, Some(_)) => return Err("a problem was expected, and the plugin took the events".to_owned()),
            (None, None) => {}
        }
        let Then { view: whole, view_has, view_lacks, .. } = &self.then;
        mismatches.extend(compare_view(whole.as_ref(), view_has.as_ref(), view_lacks, &view));
        for query in &self.query.items {
            mismatches.extend(query.ask(stage, &view).await?);
        }
        Ok(mismatches)
    }
}

impl QuerySpec {
    /// As a URL has them: texts, and an array as the same name several times.
    fn params(&self) -> Vec<(&str, String)> {
        let text = |value: &Value| value.as_str().map_or_else(|| plain(value.clone()).to_string(), str::to_owned);
        let values = |value: &Value| match value {
            Value::Array(values) => values.iter().map(text).collect(),
            one => vec![text(one)],
        };
        self.params
            .iter()
            .flat_map(|(name, value)| values(value).into_iter().map(|text| (name.as_str(), text)))
            .collect()
    }

    async fn ask(&self, stage: &Stage<'_>, view: &MemoryView) -> Result<Option<Mismatch>, String> {
        let projection = stage.piece.projection().ok_or("the component is no projection")?;
        let params = self.params();
        let params: Vec<_> = params.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = projection.query(Arc::new(view.clone()), &self.name, &params).await.map_err(faulted)?;
        let what = format!("query '{}'", self.name);
        let answer = match (answer, &self.problem) {
            (Ok(text), None) => serde_json::from_str(&text).unwrap_or(Value::Null),
            (Err(refusal), Some(expected)) => {
                return Ok(Mismatch::of_part(what, expected.value(), refusal_value(&refusal)));
            }
            (Ok(text), Some(_)) => return Err(format!("{what} had an answer where a problem was expected: {text}")),
            (Err(refusal), None) => return Err(format!("{what} had no answer but a problem: {}", refusal.message)),
        };
        match (&self.answer, &self.answer_has) {
            (Some(expected), None) => Ok(Mismatch::of(what, plain(expected.clone()), answer)),
            (None, Some(expected)) => Ok(Mismatch::of_part(what, plain(expected.clone()), answer)),
            _ => Err(format!("{what} needs one of 'answer', 'answer_has' and 'problem'")),
        }
    }
}
