//! Stories about validators.

use super::case::{Case, differ, json, payload, problems, same};
use crate::{Command, Guards, NewEvent, Payload, Problem, Topic, Validator, Verdict};

/// What a validator said last.
pub struct Validated(Option<Verdict>);

/// A story about a validator.
///
/// ```
/// use weir_plugin_sdk::testing::{new_event, validator};
/// use weir_plugin_sdk::{Manifest, NewEvent, NoConfig, Problem, Validator, Verdict};
/// # struct Positive;
/// # impl Validator for Positive {
/// #     type Config = NoConfig;
/// #     fn manifest() -> Manifest { Manifest::new("positive", "1.0.0") }
/// #     fn init(_: NoConfig) -> Result<Self, String> { Ok(Self) }
/// #     fn validate(&mut self, event: &NewEvent) -> Verdict {
/// #         if event.json::<i64>().is_ok_and(|n| n > 0) { Verdict::Accept } else { Verdict::refuse(Problem::new("no", "No")) }
/// #     }
/// # }
/// validator::<Positive>()
///     .given(new_event("numbers", "made", "1")).then_accepted()
///     .given(new_event("numbers", "made", "-1")).then_rejected([Problem::new("no", "No")]);
/// ```
pub fn validator<T: Validator>() -> Case<T, Validated> {
    Case::new(|config| T::init(crate::config::read(config)?), Validated(None))
}

impl<T: Validator> Case<T, Validated> {
    /// A topic is created or changed with this configuration, which the plugin must accept.
    #[track_caller]
    pub fn topic(mut self, name: &str, config_json: impl ToString) -> Self {
        let topic = Topic { name: name.into(), config_json: config_json.to_string() };
        if let Err(refused) = self.plugin().configure(&topic) {
            panic!("the topic '{name}' is refused: {}", problems(&refused));
        }
        self
    }

    /// An event is published.
    #[track_caller]
    pub fn given(mut self, event: NewEvent) -> Self {
        let verdicts = self.plugin().validate_batch(&[event]);
        match <[Verdict; 1]>::try_from(verdicts) {
            Ok([verdict]) => self.outcome.0 = Some(verdict),
            Err(verdicts) => panic!("one event was given, and there are {} verdicts", verdicts.len()),
        }
        self
    }

    /// It was accepted as it is.
    #[track_caller]
    pub fn then_accepted(self) -> Self {
        self.then("accepted".into())
    }

    /// It was accepted with this payload in place of its own: JSON text, or a `serde_json::Value`.
    #[track_caller]
    pub fn then_replaced(self, with: impl ToString) -> Self {
        self.then(format!("replaced with {}", json(&with.to_string())))
    }

    /// It was refused for these reasons.
    #[track_caller]
    pub fn then_rejected(self, reasons: impl AsRef<[Problem]>) -> Self {
        self.then(format!("rejected: {}", problems(reasons.as_ref())))
    }

    #[track_caller]
    fn then(self, expected: String) -> Self {
        match &self.outcome.0 {
            Some(verdict) => same("the verdict", &expected, &shown(verdict)),
            None => differ("the verdict", &expected, "no event was given"),
        }
        self
    }
}

impl<T: Guards> Case<T, Validated> {
    /// A command comes to a stream whose state is this JSON text; none is an initial one.
    #[track_caller]
    pub fn guard(mut self, state: Option<&str>, command: Command) -> Self {
        let state = state.map(|text| Payload::Json(text.into()));
        let answer = self.plugin().guard(state.as_ref(), &command);
        self.outcome.0 = Some(answer.map_or_else(Verdict::Reject, |()| Verdict::Accept));
        self
    }
}

fn shown(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accept => "accepted".into(),
        Verdict::Replace(with) => format!("replaced with {}", payload(with)),
        Verdict::Reject(reasons) => format!("rejected: {}", problems(reasons)),
    }
}
