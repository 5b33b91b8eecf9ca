//! Stories about projections.

use super::case::{Case, differ, json, payload, problem, same};
use super::view;
use crate::{Answer, Event, Params, Problem, Projection, Queries, View};

/// What a projection did last: it folded events, or answered a query.
pub struct Projected(Result<Option<Answer>, Problem>);

/// A story about a projection; [`Projection`] and [`Queries`] have examples.
pub fn projection<T: Projection>() -> Case<T, Projected> {
    Case::new(|config| T::init(crate::config::read(config)?), Projected(Ok(None)))
}

impl<T: Projection> Case<T, Projected> {
    /// A batch of events is folded in. If the plugin has a problem with it, the view stays as it was, and
    /// [`then_problem`](Self::then_problem) must come next.
    #[track_caller]
    pub fn given(mut self, events: impl AsRef<[Event]>) -> Self {
        self.settled();
        let plugin = self.plugin();
        self.outcome.0 = view::commit(|| plugin.apply_batch(events.as_ref(), &View::open())).map(|()| None);
        self
    }

    /// The view's value of a key: JSON text, or anything that is written as JSON, like a number or a `serde_json::Value`.
    #[track_caller]
    pub fn then_view(self, key: &str, expected: impl ToString) -> Self {
        self.settled();
        let actual = view::get(key).map_or_else(|| "no value".into(), |value| payload(&value));
        same(&format!("the view's value of '{key}'"), &json(&expected.to_string()), &actual);
        self
    }

    /// The view has no value of a key.
    #[track_caller]
    pub fn then_no_view(self, key: &str) -> Self {
        self.settled();
        if let Some(value) = view::get(key) {
            differ(&format!("the view's value of '{key}'"), "no value", &payload(&value));
        }
        self
    }

    /// The last step failed with a problem of this code.
    #[track_caller]
    pub fn then_problem(mut self, code: &str) -> Self {
        match std::mem::replace(&mut self.outcome.0, Ok(None)) {
            Err(problem) => same("the problem", code, &problem.code),
            Ok(Some(answer)) => differ("the problem", code, &format!("the answer {}", answer.as_json())),
            Ok(None) => differ("the problem", code, "all went well"),
        }
        self
    }

    #[track_caller]
    fn settled(&self) {
        if let Err(refused) = &self.outcome.0 {
            panic!("the projection has a problem, {}", problem(refused));
        }
    }
}

impl<T: Queries> Case<T, Projected> {
    /// A query is asked, with these parameters.
    #[track_caller]
    pub fn query(mut self, name: &str, params: &[(&str, &str)]) -> Self {
        self.settled();
        let params = Params::of(params);
        let plugin = self.plugin();
        self.outcome.0 = view::read_only(|| plugin.query(name, &params, &View::open())).map(Some);
        self
    }

    /// It was answered: JSON text, or anything that is written as JSON.
    #[track_caller]
    pub fn then_answer(self, expected: impl ToString) -> Self {
        self.settled();
        let expected = json(&expected.to_string());
        match &self.outcome.0 {
            Ok(Some(answer)) => same("the answer", &expected, &json(answer.as_json())),
            _ => differ("the answer", &expected, "no query was asked"),
        }
        self
    }
}
