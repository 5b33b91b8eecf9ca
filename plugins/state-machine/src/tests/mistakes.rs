//! Mistakes in a configuration: each stops the plugin, and names machine, state and place.

use serde_json::{Value, json};
use weir_plugin_sdk::ProcessManager;

use super::{chart, story};
use crate::StateMachine;

#[track_caller]
fn refused(states: Value, words: &str) {
    chart(states).then_init_fails(words);
}

/// A chart whose first state has this `on`.
fn on(transition: Value) -> Value {
    json!({"a": {"on": [{"event": "x", "to": "b"}, transition]}, "b": {"final": true}})
}

#[test]
fn expressions_are_checked_where_they_stand() {
    for (transition, words) in [
        (
            json!({"event": "y", "guard": "paylod.n > 0"}),
            "machine 'm', state 'a', on 2, guard: 'paylod.n > 0', line 1, column 1: unknown variable 'paylod'; \
             there is event, payload, data, state, key",
        ),
        (
            json!({"event": "y", "guard": "payload.n +"}),
            "on 2, guard: 'payload.n +', line 1, column 12: mismatched input",
        ),
        (
            json!({"event": "y", "guard": "1 + 1"}),
            "guard: '1 + 1', line 1, column 1: it is an int and must be true or false",
        ),
        (
            json!({"event": "y", "set": {"n": "payload.n.lower()"}}),
            "on 2, set.n: 'payload.n.lower()', line 1, column 11: unknown function",
        ),
        (json!({"event": "y", "set": {"1n": "1"}}), "on 2, set: '1n' must not begin with a digit"),
        (json!({"event": "y", "set": {"a-b": "1"}}), "on 2, set: 'a-b' may only have"),
        (
            json!({"event": "y", "actions": [
                {"append": {"topic": "u", "type": "y", "payload": {"a": [1, {"b": "x"}]}}},
            ]}),
            "machine 'm', state 'a', on 2, action 1, append, payload, a, 2, b: 'x', line 1, column 1: \
             unknown variable 'x'",
        ),
        (
            json!({"event": "y", "actions": [
                {"append": {"topic": "u", "type": "y"}},
                {"execute": {"command": "c", "topic": "u", "stream": "1.5"}},
            ]}),
            "on 2, action 2, execute, stream: '1.5', line 1, column 1: it is a double and must be a text",
        ),
        (
            json!({"event": "y", "actions": [{"timer": {"name": "t", "ms": "'soon'"}}]}),
            "action 1, timer, ms: ''soon'', line 1, column 1: it is a text",
        ),
    ] {
        refused(on(transition), words);
    }
    let states = on(json!({"event": "y"}));
    let machine = |key: &str| json!([{"name": "m", "topic": "*", "key": key, "initial": "a", "states": states}]);
    story(machine("data.n")).then_init_fails(
        "machine 'm', key: 'data.n', line 1, column 1: unknown variable 'data'; there is event, payload, stream",
    );
    story(machine("true")).then_init_fails("it is a bool and must be a text");
}

#[test]
fn states_must_be_there_and_hang_together() {
    for (states, words) in [
        (json!({"b": {"final": true}}), "machine 'm', initial: there is no state 'a'; there is b"),
        (json!({"a": {"final": true}}), "machine 'm', initial: 'a' is final, so that nothing would ever happen"),
        (
            json!({"a": {"on": [{"event": "x", "to": "b"}], "after": {"ms": 1, "to": "b"}}, "b": {"final": true}}),
            "initial: the time of 'a' would never begin",
        ),
        (
            on(json!({"event": "y", "to": "c"})),
            "machine 'm', state 'a', on 2, to: there is no state 'c'; there is a, b",
        ),
        (
            json!({"a": {"on": [{"event": "x", "to": "b"}]}, "b": {"after": {"ms": 1, "to": "c"}}}),
            "machine 'm', state 'b', after, to: there is no state 'c'",
        ),
        (
            json!({"a": {"on": [{"event": "x"}], "on_refused": [{"to": "c"}]}}),
            "machine 'm', state 'a', on_refused 1, to: there is no state 'c'; there is a",
        ),
        (
            json!({"a": {"on": [{"event": "x"}]}, "b": {"final": true}}),
            "machine 'm', state 'b': no way leads to it from 'a'",
        ),
        (
            json!({
                "a": {"on": [{"event": "x"}]},
                "b": {"on": [{"event": "x", "to": "c"}]},
                "c": {"on": [{"event": "x", "to": "b"}]},
            }),
            "state 'b': no way leads to it from 'a'",
        ),
        (
            json!({"a": {"on": [{"event": "x", "to": "b"}]}, "b": {}}),
            "state 'b': nothing leads out of it; say final = true",
        ),
        (
            json!({"a": {"on": [{"event": "x", "to": "b"}]}, "b": {"final": true, "on": [{"event": "x"}]}}),
            "state 'b': it is final, so it has no on, after or on_refused",
        ),
    ] {
        refused(states, words);
    }
    // Entered again, the first state's time begins.
    chart(json!({"a": {"on": [{"event": "x", "to": "a"}], "after": {"ms": 1, "to": "b"}}, "b": {"final": true}}))
        .given([]);
}

#[test]
fn timers_are_set_and_heard() {
    let timer = json!({"timer": {"name": "t", "ms": 1}});
    for (transition, words) in [
        (
            json!({"event": "y", "actions": [timer]}),
            "machine 'm': timer 't' is set, but no state has on = [{ timer = \"t\", … }]",
        ),
        (json!({"timer": "t"}), "machine 'm': no action sets a timer 't'"),
        (json!({"event": "y", "actions": [{"cancel": "t"}]}), "machine 'm': no action sets a timer 't'"),
        (
            json!({"event": "y", "to": "b", "actions": [timer]}),
            "machine 'm', state 'a', on 2: timer 't' is set on the way to 'b', which is final and hears nothing",
        ),
        (
            json!({"event": "y", "actions": [{"timer": {"name": "after", "ms": 1}}]}),
            "action 1, timer, name: this name is the state's own",
        ),
        (json!({"event": "y", "actions": [{"timer": {"name": "a/b", "ms": 1}}]}), "timer, name: 'a/b' may only have"),
        (
            json!({"event": "y", "actions": [{"timer": {"name": "t", "ms": 0}}]}),
            "timer, ms: a timer waits 1 to 3153600000000 ms, not 0",
        ),
        (json!({"event": "y", "actions": [{"timer": {"name": "t", "ms": 1.5}}]}), "not 1.5"),
        (
            json!({"event": "y", "actions": [{"timer": {"name": "t", "ms": [1]}}]}),
            "a number of milliseconds or an expression",
        ),
    ] {
        refused(on(transition), words);
    }
}

#[test]
fn keys_and_names_are_checked() {
    for (transition, words) in [
        (json!({"evnt": "y", "to": "b"}), "on 2: it needs an event or a timer, and not both, besides evnt, to"),
        (json!({"event": "y", "timer": "t"}), "on 2: it needs an event or a timer, and not both"),
        (
            json!({"event": "y", "two": "b"}),
            "on 2: unknown field `two`, expected one of `guard`, `to`, `set`, `actions`",
        ),
        (json!({"event": "a b"}), "on 2, event: 'a b' is no glob"),
        (json!("x"), "on 2: a table is needed here, not \"x\""),
        (
            json!({"event": "y", "actions": [{"exec": {}}]}),
            "action 1: unknown variant `exec`, expected one of `execute`, `append`, `timer`, `cancel`",
        ),
        (
            json!({"event": "y", "actions": [{"execute": {"command": "c", "topic": "u"}}]}),
            "action 1: missing field `stream`",
        ),
        (
            json!({"event": "y", "actions": [{"append": {"topic": "u", "type": "y", "strem": "1"}}]}),
            "unknown field `strem`",
        ),
        (
            json!({"event": "y", "actions": [{"append": {"topic": "a b", "type": "y"}}]}),
            "append, topic: 'a b' may only have",
        ),
        (
            json!({"event": "y", "actions": [{"append": {"topic": "u", "type": ""}}]}),
            "append, type: a name has 1 to 200",
        ),
        (
            json!({"event": "y", "actions": [{"execute": {"command": "a..b", "topic": "u", "stream": "key"}}]}),
            "execute, command: 'a..b' must not contain",
        ),
        (
            json!({"event": "y", "actions": vec![json!({"cancel": "t"}); 17]}),
            "there are 17 actions, at most 16 are allowed",
        ),
    ] {
        refused(on(transition), words);
    }
    refused(json!({"a": {"on": [{"event": "x"}], "onn": 1}}), "machine 'm', state 'a': unknown field `onn`");
    refused(json!({"a": {"on": [{"event": "x"}], "after": {"to": "a"}}}), "state 'a', after: it needs ms");
    refused(json!({"a": {"on": [{"event": "x"}], "after": {"ms": 1}}}), "state 'a', after: it needs to");
    refused(
        json!({"a": {"on": [{"event": "x"}], "on_refused": [{"codes": "x"}]}}),
        "on_refused 1: unknown field `codes`",
    );
    refused(json!({"a b": {}}), "state 'a b': 'a b' may only have");
    refused(json!({"a": {"on": vec![json!({"event": "x"}); 64]}}), "there are 65 transitions, at most 64");
}

#[test]
fn machines_are_checked() {
    let machine =
        |name: &str| json!({"name": name, "topic": "*", "initial": "a", "states": {"a": {"on": [{"event": "x"}]}}});
    let without = |key: &str| {
        let mut machine = machine("m");
        machine.as_object_mut().expect("a table").remove(key);
        json!([machine])
    };
    story(json!([machine("m"), machine("m")])).then_init_fails("machine 'm': there is another machine of this name");
    story(json!([machine("a/b")])).then_init_fails("machine 'a/b', name: 'a/b' may only have");
    story(without("name")).then_init_fails("machine 1: missing field `name`");
    story(without("topic")).then_init_fails("machine 'm': missing field `topic`");
    story(without("initial")).then_init_fails("machine 'm': missing field `initial`");
    story(without("states")).then_init_fails("machine 'm': missing field `states`");
    story((0..65).map(|n| machine(&format!("m{n}"))).collect()).then_init_fails("there are 65 machines, at most 64");
    story(json!([])).given([]).then_actions([]);
    super::process_manager::<StateMachine>().config(json!({"machine": []})).then_init_fails("unknown field `machine`");
    super::process_manager::<StateMachine>().given([]).then_actions([]);
}

#[test]
fn the_manifest_asks_for_all_and_has_a_schema_of_the_config() {
    let manifest = StateMachine::manifest();
    assert!(manifest.interests.is_empty());
    assert_eq!(manifest.wishes, [weir_plugin_sdk::Wish::Append("*".into())]);
    let schema: Value = serde_json::from_str(manifest.config_schema.as_deref().expect("a schema")).expect("JSON");
    assert_eq!(schema["properties"]["machines"]["items"]["$ref"], "#/$defs/machine");
}
