//! The harness itself: what holds passes, and what does not panics with a text that says what was expected and what was
//! there.

use std::panic::{AssertUnwindSafe, catch_unwind};

use weir_plugin_sdk::testing::{
    command, decider, event, new_event, process_manager, projection, stream_event, timer, upcaster, validator,
};
use weir_plugin_sdk::{
    Action, Answer, Command, Decider, Event, Manifest, NewCommand, NewEvent, NoConfig, Params, Payload, Problem,
    ProcessManager, Projection, Queries, Rejection, Timer, Upcaster, Validator, Verdict, View, info,
};

/// A plugin of every kind: it counts what it sees, and has a problem with the type `bad`.
struct Counter;

fn refuse_bad(event_type: &str) -> Result<(), Problem> {
    if event_type == "bad" { Err(Problem::new("bad", "no bad events")) } else { Ok(()) }
}

impl Validator for Counter {
    type Config = NoConfig;
    fn manifest() -> Manifest {
        Manifest::new("counter", "1.0.0")
    }
    fn init(_: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
    fn validate(&mut self, event: &NewEvent) -> Verdict {
        match refuse_bad(&event.event_type) {
            Ok(()) => Verdict::Accept,
            Err(problem) => Verdict::refuse(problem.at("/x")),
        }
    }
}

impl Projection for Counter {
    type Config = NoConfig;
    fn manifest() -> Manifest {
        Manifest::new("counter", "1.0.0")
    }
    fn init(_: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
    fn apply(&mut self, event: &Event, view: &View) -> Result<(), Problem> {
        info!(event = event.id; "seen");
        view.update(&event.topic, |seen: Option<u64>| seen.unwrap_or_default() + 1)?;
        refuse_bad(&event.event_type)
    }
}

impl Queries for Counter {
    fn query(&mut self, name: &str, params: &Params, view: &View) -> Result<Answer, Problem> {
        match name {
            "seen" => Answer::of(&view.get::<u64>(&params.require::<String>("topic")?)?),
            "write" => view.put("x", &1).and_then(|()| Answer::of("written")),
            _ => Err(Problem::unknown_query(name)),
        }
    }
}

impl Decider for Counter {
    type Config = NoConfig;
    type State = u64;
    fn manifest() -> Manifest {
        Manifest::new("counter", "1.0.0")
    }
    fn init(_: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
    fn evolve(&self, count: u64, event: &Event) -> Result<u64, Problem> {
        refuse_bad(&event.event_type)?;
        Ok(count + event.json::<u64>()?)
    }
    fn decide(&mut self, count: &u64, command: &Command) -> Result<Vec<NewEvent>, Rejection> {
        match command.name.as_str() {
            "add" => Ok(vec![command.event("added", &command.json::<u64>()?)?]),
            "stop" => Err(Rejection::conflict("too-late", format!("it is at {count}"))),
            _ => Err(Rejection::UnknownCommand),
        }
    }
}

impl ProcessManager for Counter {
    type Config = NoConfig;
    fn manifest() -> Manifest {
        Manifest::new("counter", "1.0.0")
    }
    fn init(_: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
    fn react(&mut self, event: &Event, view: &View) -> Result<Vec<Action>, Problem> {
        view.put("last", &event.id)?;
        refuse_bad(&event.event_type)?;
        Ok(vec![Action::set_timer(&event.id, event.time_ms + 5, &1)?])
    }
    fn on_timer(&mut self, timer: &Timer, _: &View) -> Result<Vec<Action>, Problem> {
        Ok(vec![
            Action::append(NewEvent::new("late", "is-late", &timer.key)?),
            Action::execute(NewCommand::new("c1", "stop", "t", "s", &0)?),
            Action::cancel_timer("other"),
        ])
    }
}

impl Upcaster for Counter {
    type Config = NoConfig;
    fn manifest() -> Manifest {
        Manifest::new("counter", "1.0.0")
    }
    fn init(_: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
    fn upcast(&mut self, event: Event) -> Result<Event, Problem> {
        refuse_bad(&event.event_type)?;
        event.with_json(&2)
    }
}

/// What a story that does not hold says.
#[track_caller]
fn complaint(story: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(story)).expect_err("the story does not hold");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast_ref::<&str>().expect("panics have texts").to_string(),
    }
}

#[test]
fn a_projection_builds_its_view_and_undoes_what_a_failed_batch_wrote() {
    let case = projection::<Counter>()
        .given([event("t", 1, "good", "1"), event("t", 2, "good", "1")])
        .then_view("t", "2")
        .then_no_view("u")
        .given([event("t", 3, "good", "1"), event("t", 4, "bad", "1")])
        .then_problem("bad")
        .then_view("t", 2);
    assert_eq!(case.host().lines().len(), 4);
}

#[test]
fn a_query_reads_the_view_and_may_not_write() {
    let case = projection::<Counter>().given([event("t", 1, "good", "1")]);
    let case = case.query("seen", &[("topic", "t")]).then_answer(1);
    let case = case.query("seen", &[]).then_problem("param-missing").query("no", &[]).then_problem("unknown-query");
    let text = complaint(|| _ = case.query("write", &[]));
    assert!(text.contains("read-only"), "{text}");
}

#[test]
fn a_projection_that_differs_says_how() {
    let given = || projection::<Counter>().given([event("t", 1, "good", "1")]);
    assert_eq!(
        complaint(|| _ = given().then_view("t", 7)),
        "the view's value of 't' is not as expected\n  expected: 7\n    actual: 1"
    );
    assert!(complaint(|| _ = given().then_view("u", 7)).contains("actual: no value"));
    assert!(complaint(|| _ = given().then_no_view("t")).contains("actual: 1"));
    assert!(complaint(|| _ = given().then_problem("bad")).contains("all went well"));
    assert!(complaint(|| _ = given().given([event("t", 2, "bad", "1")]).then_view("t", 1)).contains("no bad events"));
    assert!(complaint(|| _ = given().then_answer(1)).contains("no query"));
    assert!(complaint(|| _ = given().config(r#"{"a":1}"#).given([])).contains("init refuses"));
}

#[test]
fn a_decider_meets_each_command_with_the_state_after_the_one_before() {
    decider::<Counter>()
        .given([stream_event("t", "s", 1, "added", "2")])
        .when(command("add", "t", "s", "3"))
        .then([new_event("t", "added", "3").in_stream("s")])
        .then_state(5)
        .when(command("stop", "t", "s", "0"))
        .then_rejected("too-late")
        .when(command("add", "t", "s", "\"x\""))
        .then_rejected("payload-unexpected")
        .when(command("dance", "t", "s", "0"))
        .then_rejected("unknown-command")
        .then_state(5);
}

/// A door that is there after "built" and gone after "burnt".
struct Door;

impl Decider for Door {
    type Config = NoConfig;
    type State = Option<u64>;
    fn manifest() -> Manifest {
        Manifest::new("door", "1.0.0")
    }
    fn init(_: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }
    fn evolve(&self, _: Option<u64>, event: &Event) -> Result<Option<u64>, Problem> {
        if event.event_type == "burnt" { Ok(None) } else { event.json().map(Some) }
    }
    fn decide(&mut self, _: &Option<u64>, _: &Command) -> Result<Vec<NewEvent>, Rejection> {
        Err(Rejection::UnknownCommand)
    }
    fn write_state(state: &Option<u64>) -> Result<Option<Payload>, Problem> {
        state.as_ref().map(Payload::of).transpose()
    }
    fn read_state(kept: &Payload) -> Result<Option<u64>, Problem> {
        kept.json().map(Some)
    }
}

#[test]
fn a_decider_may_have_no_state_again() {
    decider::<Door>()
        .given([stream_event("t", "s", 1, "built", "2")])
        .then_state(2)
        .given([stream_event("t", "s", 2, "burnt", "0")])
        .then_no_state()
        .given([stream_event("t", "s", 3, "built", "3")])
        .then_state(3);
    assert!(complaint(|| _ = decider::<Door>().given([]).then_state("null")).contains("actual: no state"));
}

#[test]
fn a_decider_that_differs_says_how() {
    let story = || decider::<Counter>().when(command("add", "t", "s", "3"));
    assert_eq!(
        complaint(|| _ = story().then([new_event("t", "added", "4").in_stream("s").tag("red")])),
        "what the command made is not as expected\n  \
         expected: 'added' to topic 't', stream 's': 4, tags [\"red\"]\n    \
         actual: 'added' to topic 't', stream 's': 3"
    );
    assert!(complaint(|| _ = story().then([])).contains("expected: nothing"));
    assert!(complaint(|| _ = story().then_rejected("too-late")).contains("'added'"));
    assert!(complaint(|| _ = story().then_state(4)).contains("actual: 3"));
    assert!(complaint(|| _ = story().given([event("t", 1, "bad", "1")])).contains("can't evolve"));
    let stopped = || decider::<Counter>().when(command("stop", "t", "s", "0"));
    assert!(complaint(|| _ = stopped().then([])).contains("conflict: too-late: it is at 0"));
}

#[test]
fn a_process_manager_asks_for_actions_and_undoes_what_a_failed_batch_wrote() {
    process_manager::<Counter>()
        .given([event("t", 1, "good", "1")])
        .then_actions([Action::set_timer("t-1", 5, &1).expect("a number")])
        .timer(timer("t-1", 5, "1"))
        .then_actions([
            Action::append(new_event("late", "is-late", r#""t-1""#)),
            Action::execute(NewCommand::new("c1", "stop", "t", "s", &0).expect("a number")),
            Action::cancel_timer("other"),
        ])
        .given([event("t", 2, "bad", "1")])
        .then_problem("bad")
        .then_view("last", r#""t-1""#);
}

#[test]
fn a_process_manager_that_differs_says_how() {
    let story = || process_manager::<Counter>().given([event("t", 1, "good", "1")]);
    let text = complaint(|| _ = story().then_actions([]));
    assert!(text.contains("expected: nothing") && text.contains("set timer 't-1' to 5 ms: 1"), "{text}");
    let text = complaint(|| _ = story().timer(timer("a", 0, "1")).then_actions([Action::cancel_timer("x")]));
    assert!(text.contains("execute 'stop' (c1) in topic 't', stream 's': 0\n"), "{text}");
}

#[test]
fn an_upcaster_keeps_the_event_and_changes_its_form() {
    upcaster::<Counter>()
        .given(event("t", 1, "good", "1"))
        .then(event("t", 1, "good", "2"))
        .given(event("t", 2, "bad", "1"))
        .then_problem("bad");
    let text =
        complaint(|| _ = upcaster::<Counter>().given(event("t", 1, "good", "1")).then(event("t", 2, "good", "2")));
    assert!(text.contains("t-2 at 2") && text.contains("t-1 at 1"), "{text}");
}

#[test]
fn a_validator_says_yes_or_no() {
    validator::<Counter>()
        .topic("t", "{}")
        .given(new_event("t", "good", "1"))
        .then_accepted()
        .given(new_event("t", "bad", "1"))
        .then_rejected([Problem::new("bad", "no bad events").at("/x")]);
    let text = complaint(|| _ = validator::<Counter>().given(new_event("t", "bad", "1")).then_accepted());
    assert!(text.contains("rejected: bad at '/x': no bad events"), "{text}");
    validator::<Counter>().config(r#"{"limit":1}"#).then_init_fails("limit");
}
