//! Stories about process managers.

use super::case::{Case, differ, json, labels, list, new_event, payload, problem, same};
use super::view;
use crate::{Action, Command, Event, NewCommand, Problem, ProcessManager, Timer, View};

/// What a process manager did last.
pub struct Reacted(Result<Vec<Action>, Problem>);

/// A story about a process manager; [`ProcessManager`] has an example. Nothing is done with the actions: timers fire when
/// the story says so.
pub fn process_manager<T: ProcessManager>() -> Case<T, Reacted> {
    Case::new(|config| T::init(crate::config::read(config)?), Reacted(Ok(Vec::new())))
}

impl<T: ProcessManager> Case<T, Reacted> {
    /// A batch of events comes. If the plugin has a problem with it, the view stays as it was, and
    /// [`then_problem`](Self::then_problem) must come next.
    #[track_caller]
    pub fn given(self, events: impl AsRef<[Event]>) -> Self {
        self.react(|plugin| plugin.react_batch(events.as_ref(), &View::open()))
    }

    /// A timer is due.
    #[track_caller]
    pub fn timer(self, timer: Timer) -> Self {
        self.react(|plugin| plugin.on_timers(&[timer], &View::open()))
    }

    /// A command of its own was refused, for a reason with this code; the words are the code's too.
    #[track_caller]
    pub fn refused(self, command: Command, code: &str) -> Self {
        self.react(|plugin| plugin.on_refused(&command, &[Problem::new(code, code)], &View::open()))
    }

    /// The last step asked for these actions, in this order.
    #[track_caller]
    pub fn then_actions(self, expected: impl AsRef<[Action]>) -> Self {
        let expected = list(expected.as_ref(), shown);
        match &self.outcome.0 {
            Ok(actions) => same("what it asked for", &expected, &list(actions, shown)),
            Err(refused) => differ("what it asked for", &expected, &problem(refused)),
        }
        self
    }

    /// The view's value of a key: JSON text, or anything that is written as JSON.
    #[track_caller]
    pub fn then_view(self, key: &str, expected: impl ToString) -> Self {
        let actual = view::get(key).map_or_else(|| "no value".into(), |value| payload(&value));
        same(&format!("the view's value of '{key}'"), &json(&expected.to_string()), &actual);
        self
    }

    /// The last step failed with a problem of this code.
    #[track_caller]
    pub fn then_problem(mut self, code: &str) -> Self {
        match std::mem::replace(&mut self.outcome.0, Ok(Vec::new())) {
            Err(problem) => same("the problem", code, &problem.code),
            Ok(actions) => differ("the problem", code, &list(&actions, shown)),
        }
        self
    }

    #[track_caller]
    fn react(mut self, call: impl FnOnce(&mut T) -> Result<Vec<Action>, Problem>) -> Self {
        if let Err(refused) = &self.outcome.0 {
            panic!("the process manager has a problem, {}", problem(refused));
        }
        let plugin = self.plugin();
        self.outcome.0 = view::commit(|| call(plugin));
        self
    }
}

fn shown(action: &Action) -> String {
    match action {
        Action::Append(event) => format!("append {}", new_event(event)),
        Action::Execute(NewCommand { id, name, topic, stream, payload: content, actor, tags, metadata }) => {
            let actor = actor.as_ref().map(|actor| format!(" as '{actor}'")).unwrap_or_default();
            format!(
                "execute '{name}' ({id}) in topic '{topic}', stream '{stream}'{actor}: {}{}",
                payload(content),
                labels(tags, metadata)
            )
        }
        Action::SetTimer(timer) => {
            format!("set timer '{}' to {} ms: {}", timer.key, timer.at_ms, payload(&timer.payload))
        }
        Action::CancelTimer(key) => format!("cancel timer '{key}'"),
    }
}
