//! Stories about upcasters.

use super::case::{Case, differ, event as shown, problem, same};
use crate::{Event, Problem, Upcaster};

/// What an upcaster made of the last event.
pub struct Upcasted(Option<Result<Event, Problem>>);

/// A story about an upcaster; [`Upcaster`] has an example.
pub fn upcaster<T: Upcaster>() -> Case<T, Upcasted> {
    Case::new(|config| T::init(crate::config::read(config)?), Upcasted(None))
}

impl<T: Upcaster> Case<T, Upcasted> {
    /// An event is read.
    #[track_caller]
    pub fn given(mut self, event: Event) -> Self {
        let upcasted = self.plugin().upcast_batch(vec![event]);
        self.outcome.0 = Some(upcasted.map(|events| match <[Event; 1]>::try_from(events) {
            Ok([event]) => event,
            Err(events) => panic!("one event was given, and {} came back", events.len()),
        }));
        self
    }

    /// It is shown as this event, the same in all that an upcaster may not change.
    #[track_caller]
    pub fn then(self, expected: Event) -> Self {
        match &self.outcome.0 {
            Some(Ok(event)) => same("the event", &shown(&expected), &shown(event)),
            Some(Err(refused)) => differ("the event", &shown(&expected), &problem(refused)),
            None => differ("the event", &shown(&expected), "no event was given"),
        }
        self
    }

    /// It could not be read, for a reason with this code.
    #[track_caller]
    pub fn then_problem(self, code: &str) -> Self {
        match &self.outcome.0 {
            Some(Err(problem)) => same("the problem", code, &problem.code),
            Some(Ok(event)) => differ("the problem", code, &shown(event)),
            None => differ("the problem", code, "no event was given"),
        }
        self
    }
}
