//! From a configuration to charts. Whether the states of one hang together is looked at afterwards.

use serde_json::Value as Json;
use weir_plugin_cel::{CompileError, Expression};

use crate::chart::{Act, Delay, Machine, State, Template, Transition, Trigger};
use crate::config::{self, Config, object, read, take};
use crate::facts::{KEY_VARIABLES, VARIABLES};
use crate::instance::AFTER;
use crate::limits::{ACTIONS_MAX, DELAY_MS_MAX, MACHINES_MAX, STATES_MAX, TRANSITIONS_MAX};
use crate::mistake::{At, Checked, mistake};
use crate::{graph, names};

pub fn machines(config: Config) -> Checked<Vec<Machine>> {
    bounded("machines", config.machines.len(), MACHINES_MAX)?;
    let mut machines: Vec<Machine> = Vec::new();
    for (index, json) in config.machines.into_iter().enumerate() {
        let place = match json["name"].as_str() {
            Some(name) => format!("machine '{name}'"),
            None => format!("machine {}", index + 1),
        };
        let machine = read(json).and_then(machine).at(&place)?;
        if machines.iter().any(|other| other.name == machine.name) {
            return mistake("there is another machine of this name").at(place);
        }
        machines.push(machine);
    }
    Ok(machines)
}

fn machine(written: config::Machine) -> Checked<Machine> {
    names::own(&written.name).at("name")?;
    bounded("states", written.states.len(), STATES_MAX)?;
    let key = written.key.as_deref().unwrap_or("stream");
    let mut compiler = Compiler::default();
    let key = compiler.compile(key, &KEY_VARIABLES, Expression::name).at("key")?;
    let mut machine = Machine {
        name: written.name,
        topics: written.topic,
        key,
        initial: written.initial,
        states: Default::default(),
        uses_event: false,
        uses_payload: false,
    };
    for (name, json) in written.states {
        let place = format!("state '{name}'");
        names::own(&name).at(&place)?;
        let state = read(json).and_then(|state| compiler.state(state)).at(&place)?;
        machine.states.insert(name, state);
    }
    (machine.uses_event, machine.uses_payload) = (compiler.uses_event, compiler.uses_payload);
    graph::check(&machine)?;
    Ok(machine)
}

fn bounded(what: &str, count: usize, max: usize) -> Checked<()> {
    match count > max {
        true => mistake(format!("there are {count} {what}, at most {max} are allowed")),
        false => Ok(()),
    }
}

/// Compiles expressions, and keeps in mind what they look at.
#[derive(Default)]
struct Compiler {
    uses_event: bool,
    uses_payload: bool,
}

type Make = fn(&str, &[&str]) -> Result<Expression, CompileError>;

impl Compiler {
    fn compile(&mut self, source: &str, variables: &[&str], make: Make) -> Checked<Expression> {
        match make(source, variables) {
            Ok(expression) => {
                self.uses_event |= expression.uses("event");
                self.uses_payload |= expression.uses("payload");
                Ok(expression)
            }
            Err(wrong) => mistake(format!("'{source}', {wrong}")),
        }
    }

    fn expression(&mut self, source: &str, make: Make) -> Checked<Expression> {
        self.compile(source, &VARIABLES, make)
    }

    fn optional(&mut self, source: Option<&String>, make: Make) -> Checked<Option<Expression>> {
        source.map(|source| self.expression(source, make)).transpose()
    }

    fn state(&mut self, written: config::State) -> Checked<State> {
        bounded("transitions", written.on.len() + written.on_refused.len() + 1, TRANSITIONS_MAX)?;
        let mut state = State { is_final: written.is_final, after: None, transitions: Vec::new() };
        for (index, json) in written.on.into_iter().enumerate() {
            let place = format!("on {}", index + 1);
            let (trigger, json) = on(json).at(&place)?;
            state.transitions.push(self.transition(&place, trigger, json)?);
        }
        if let Some(json) = written.after {
            let (ms, json) = after(json).at("after")?;
            state.after = Some(self.delay(ms).at("ms").at("after")?);
            state.transitions.push(self.transition("after", Trigger::After, json)?);
        }
        for (index, json) in written.on_refused.into_iter().enumerate() {
            let place = format!("on_refused {}", index + 1);
            let (trigger, json) = on_refused(json).at(&place)?;
            state.transitions.push(self.transition(&place, trigger, json)?);
        }
        Ok(state)
    }

    fn transition(&mut self, place: &str, trigger: Trigger, json: Json) -> Checked<Transition> {
        read(json).and_then(|written| self.checked_transition(place, trigger, written)).at(place)
    }

    fn checked_transition(
        &mut self,
        place: &str,
        trigger: Trigger,
        written: config::Transition,
    ) -> Checked<Transition> {
        bounded("actions", written.actions.len(), ACTIONS_MAX)?;
        let mut set = Vec::new();
        for (name, source) in &written.set {
            names::value(name).at("set")?;
            set.push((name.clone(), self.expression(source, Expression::new).at(format!("set.{name}"))?));
        }
        let mut actions = Vec::new();
        for (index, json) in written.actions.into_iter().enumerate() {
            actions.push(read(json).and_then(|action| self.act(action)).at(format!("action {}", index + 1))?);
        }
        let guard = self.optional(written.guard.as_ref(), Expression::condition).at("guard")?;
        Ok(Transition { place: place.to_owned(), trigger, guard, to: written.to, set, actions })
    }

    fn act(&mut self, action: config::Action) -> Checked<Act> {
        match action {
            config::Action::Execute(execute) => self.execute(execute).at("execute"),
            config::Action::Append(append) => self.append(append).at("append"),
            config::Action::Timer(timer) => self.timer(timer).at("timer"),
            config::Action::Cancel(name) => Ok(Act::Cancel(name)),
        }
    }

    fn execute(&mut self, written: config::Execute) -> Checked<Act> {
        names::plain(&written.command).at("command")?;
        names::plain(&written.topic).at("topic")?;
        Ok(Act::Execute {
            command: written.command,
            topic: written.topic,
            stream: self.expression(&written.stream, Expression::name).at("stream")?,
            payload: self.payload(written.payload)?,
            actor: self.optional(written.actor.as_ref(), Expression::name).at("actor")?,
        })
    }

    fn append(&mut self, written: config::Append) -> Checked<Act> {
        names::plain(&written.topic).at("topic")?;
        names::plain(&written.event_type).at("type")?;
        Ok(Act::Append {
            topic: written.topic,
            event_type: written.event_type,
            stream: self.optional(written.stream.as_ref(), Expression::name).at("stream")?,
            payload: self.payload(written.payload)?,
        })
    }

    fn timer(&mut self, written: config::Timer) -> Checked<Act> {
        names::own(&written.name).at("name")?;
        if written.name == AFTER {
            return mistake("this name is the state's own timer's; take another").at("name");
        }
        let delay = self.delay(written.ms).at("ms")?;
        Ok(Act::Timer { name: written.name, delay, payload: self.payload(written.payload)? })
    }

    fn delay(&mut self, json: Json) -> Checked<Delay> {
        match json {
            Json::String(source) => Ok(Delay::Computed(self.expression(&source, Expression::number)?)),
            Json::Number(ms) => match ms.as_u64() {
                Some(ms @ 1..=DELAY_MS_MAX) => Ok(Delay::Fixed(ms)),
                _ => mistake(format!("a timer waits 1 to {DELAY_MS_MAX} ms, not {ms}")),
            },
            other => mistake(format!("a number of milliseconds or an expression is needed here, not {other}")),
        }
    }

    /// Nothing said is an empty object.
    fn payload(&mut self, json: Option<Json>) -> Checked<Template> {
        self.template(json.unwrap_or_else(|| Json::Object(Default::default()))).at("payload")
    }

    fn template(&mut self, json: Json) -> Checked<Template> {
        Ok(match json {
            Json::String(source) => Template::Expression(self.expression(&source, Expression::new)?),
            Json::Array(items) => {
                let items = items.into_iter().enumerate();
                Template::List(items.map(|(index, item)| self.template(item).at(index + 1)).collect::<Checked<_>>()?)
            }
            Json::Object(members) => {
                let member = |(name, value)| Ok((String::clone(&name), self.template(value).at(name)?));
                Template::Object(members.into_iter().map(member).collect::<Checked<_>>()?)
            }
            constant => Template::Constant(constant),
        })
    }
}

/// What starts a transition, and the rest of it.
fn on(json: Json) -> Checked<(Trigger, Json)> {
    let mut members = object(json)?;
    let event = take(&mut members, "event").at("event")?;
    let timer = take::<String>(&mut members, "timer").at("timer")?;
    let trigger = match (event, timer) {
        (Some(types), None) => Trigger::Event(types),
        (None, Some(name)) => Trigger::Timer(name),
        _ => {
            let others: Vec<&str> = members.keys().map(String::as_str).collect();
            return mistake(format!("it needs an event or a timer, and not both, besides {}", others.join(", ")));
        }
    };
    Ok((trigger, Json::Object(members)))
}

/// How long to wait, and the rest.
fn after(json: Json) -> Checked<(Json, Json)> {
    let mut members = object(json)?;
    let Some(ms) = members.remove("ms") else { return mistake("it needs ms, how long to wait") };
    match members.contains_key("to") {
        true => Ok((ms, Json::Object(members))),
        false => mistake("it needs to, the state that comes when the time is over"),
    }
}

fn on_refused(json: Json) -> Checked<(Trigger, Json)> {
    let mut members = object(json)?;
    let codes = take(&mut members, "code").at("code")?.unwrap_or_default();
    let commands = take(&mut members, "command").at("command")?.unwrap_or_default();
    Ok((Trigger::Refused { codes, commands }, Json::Object(members)))
}
