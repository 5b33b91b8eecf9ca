//! A process manager for tests of the host: it asks for the payment of orders, or breaks the rules, as two markers in its
//! file say. It is no example of how to write a plugin.

use serde_json::json;
use weir_guest_acts::{act, behaviour, describe, huge, init, meet, version};
use weir_plugin_sdk::{
    Action, Command, Event, Manifest, NewCommand, NewEvent, NoConfig, Payload, Problem, ProcessManager, Timer, View,
    export_process_manager,
};

/// How long an order waits for its payment: long enough to be seen waiting, short enough for a test.
const WAIT_MS: u64 = 500;
/// Far more than any sensible limit on the actions of one call.
const MANY_ACTIONS: usize = 100_000;
const HUGE_KEY_BYTES: usize = 1 << 20;

struct Odd;

impl ProcessManager for Odd {
    type Config = NoConfig;

    fn manifest() -> Manifest {
        let manifest = describe("odd-manager");
        if behaviour() == "no-wish" { manifest } else { manifest.wish_append("payments").wish_append("foreign") }
    }

    fn init(_: NoConfig) -> Result<Self, String> {
        init(Self)
    }

    fn react(&mut self, event: &Event, view: &View) -> Result<Vec<Action>, Problem> {
        meet(&event.event_type)?;
        let order = event.stream.as_ref().unwrap_or(&event.id);
        let append = |topic: &str, event_type: &str| NewEvent::new(topic, event_type, &json!({"order": order}));
        Ok(match behaviour() {
            "foreign-topic" => vec![Action::append(append("foreign", "payment-asked")?)],
            // What comes of it is no reason for more.
            "execute" | "execute-foreign" if event.topic != "payments" => {
                let topic = if behaviour() == "execute" { "payments" } else { "foreign" };
                let id = format!("{}/add", event.id);
                vec![Action::execute(NewCommand::new(id, "add", topic, order, &json!({"by": 1}))?)]
            }
            "invalid-json" => {
                let event = append("payments", "payment-asked")?;
                vec![Action::append(NewEvent { payload: Payload::Json(r#"{"odd":"#.into()), ..event })]
            }
            "bad-type-name" => vec![Action::append(append("payments", "bad\u{7}\nname")?)],
            "huge-answer" => vec![Action::append(NewEvent::new("payments", "huge", &huge())?)],
            "many-actions" => vec![Action::append(append("payments", "payment-asked")?); MANY_ACTIONS],
            "timer-huge-key" => vec![Action::set_timer("k".repeat(HUGE_KEY_BYTES), event.time_ms + WAIT_MS, order)?],
            "timer-empty-key" => vec![Action::set_timer("", event.time_ms + WAIT_MS, order)?],
            "timer-past" => vec![Action::set_timer(order, 0, order)?],
            "timer-never" => vec![Action::set_timer(order, u64::MAX, order)?],
            "cancel" => vec![Action::cancel_timer(order)],
            "stamp" => vec![Action::append(NewEvent::new("payments", "stamp", &json!({"version": version()}))?)],
            "write-view" => {
                view.update(order, |seen: Option<u64>| seen.unwrap_or_default() + 1)?;
                Vec::new()
            }
            _ if event.event_type == "order-placed" => vec![
                Action::append(append("payments", "payment-asked")?),
                Action::set_timer(order, event.time_ms + WAIT_MS, &json!({"order": order}))?,
            ],
            _ => Vec::new(),
        })
    }

    fn react_batch(&mut self, batch: &[Event], view: &View) -> Result<Vec<Action>, Problem> {
        act("react");
        let mut actions = Vec::new();
        for event in batch {
            actions.append(&mut self.react(event, view)?);
        }
        Ok(actions)
    }

    fn on_timer(&mut self, timer: &Timer, view: &View) -> Result<Vec<Action>, Problem> {
        act("timer");
        match behaviour() {
            "problem" => return Err(Problem::new("odd", "no timer is welcome")),
            "write-view" => view.update("timers", |fired: Option<u64>| fired.unwrap_or_default() + 1)?,
            // As long as nobody stops it.
            "timer-again" => return Ok(vec![Action::set_timer(&timer.key, timer.at_ms + WAIT_MS, &timer.key)?]),
            _ => {}
        }
        Ok(vec![Action::append(NewEvent::new("payments", "payment-late", &json!({"order": timer.key}))?)])
    }

    fn on_refused(&mut self, command: &Command, reasons: &[Problem], _: &View) -> Result<Vec<Action>, Problem> {
        act("refused");
        let at: Vec<&str> = reasons.iter().filter_map(|reason| reason.pointer.as_deref()).collect();
        let refused = json!({"order": command.stream, "code": reasons[0].code, "at": at});
        Ok(vec![Action::append(NewEvent::new("payments", "payment-refused", &refused)?)])
    }
}

export_process_manager!(Odd);

#[cfg(test)]
mod tests {
    use weir_plugin_sdk::testing::{command, event, new_event, process_manager, stream_event, timer};

    use super::*;

    #[test]
    fn unless_it_is_told_otherwise_it_asks_for_payments() {
        process_manager::<Odd>()
            .given([stream_event("orders", "o1", 1, "order-placed", "{}"), event("orders", 2, "other", "{}")])
            .then_actions([
                Action::append(new_event("payments", "payment-asked", r#"{"order":"o1"}"#)),
                Action::set_timer("o1", WAIT_MS, &json!({"order": "o1"})).expect("JSON"),
            ])
            .timer(timer("o1", WAIT_MS, r#"{"order":"o1"}"#))
            .then_actions([Action::append(new_event("payments", "payment-late", r#"{"order":"o1"}"#))])
            .refused(command("add", "payments", "o1", "{}"), "no")
            .then_actions([Action::append(new_event(
                "payments",
                "payment-refused",
                r#"{"order":"o1","code":"no","at":[]}"#,
            ))]);
    }
}
