//! Stories of charts and their instances.

mod actions;
mod mistakes;
mod orders;
mod refusals;
mod timers;
mod transitions;

use serde_json::{Value, json};
use weir_plugin_sdk::testing::{Case, Reacted, process_manager, stream_event};
use weir_plugin_sdk::{Action, Event, ProcessManager, Timer, View};

use crate::StateMachine;

type Story = Case<StateMachine, Reacted>;

/// A story about machines.
fn story(machines: Value) -> Story {
    process_manager::<StateMachine>().config(json!({ "machines": machines }))
}

/// A story about the machine `m`, for all topics, that begins in `a`.
fn chart(states: Value) -> Story {
    story(json!([{"name": "m", "topic": "*", "initial": "a", "states": states}]))
}

/// An event of the stream `s`, at a second of its position.
fn event(position: u64, event_type: &str, payload: Value) -> Event {
    Event { time_ms: position * 1_000, ..stream_event("t", "s", position, event_type, &payload.to_string()) }
}

/// The instance as the view has it, but for what is not said.
fn instance(state: &str, version: u64, position: u64) -> Value {
    json!({"state": state, "data": {}, "version": version, "position": position, "time": position * 1_000})
}

/// A value with more, or other, members.
fn and(mut value: Value, members: Value) -> Value {
    for (name, member) in members.as_object().expect("members") {
        value[name] = member.clone();
    }
    value
}

/// A timer of `m`'s instance `s`, as it comes back.
fn due(name: &str, at_ms: u64, version: u64, payload: Value) -> Timer {
    let reminder = json!({"version": version, "payload": payload});
    weir_plugin_sdk::testing::timer(&format!("m/s/{name}"), at_ms, &reminder.to_string())
}

/// The plugin itself with the machine `m`, for stories that the harness does not tell.
fn started(states: &Value) -> StateMachine {
    let machines = json!([{"name": "m", "topic": "*", "initial": "a", "states": states}]);
    let config = serde_json::from_value(json!({ "machines": machines })).expect("a config");
    StateMachine::init(config).expect("a chart")
}

fn react(plugin: &mut StateMachine, events: &[Event], view: &View) -> Vec<Action> {
    plugin.react_batch(events, view).expect("no problem")
}
