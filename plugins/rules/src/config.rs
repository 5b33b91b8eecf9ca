//! The operator's rules as the side-car has them, and what is wrong with one, by its number.

use serde::Deserialize;
use serde_json::Value;
use weir_plugin_cel::{CompileError, Expression, Globs};

use crate::Rules;
use crate::facts::{COMMAND_VARIABLES, EVENT_VARIABLES};
use crate::rule::Rule;

/// Rules of one server; each that matches costs every event a little.
const RULES_MAX: usize = 500;
/// Bytes of a rule's message, code and pointer.
const TEXT_BYTES_MAX: usize = 1_000;

const CODE: &str = "RULE_VIOLATED";

/// Rules stay as they are until each is read by itself, so that a mistake is told with the number of its rule.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(default)]
    rules: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    topic: Globs,
    #[serde(rename = "type")]
    event_type: Option<Globs>,
    command: Option<Globs>,
    when: Option<String>,
    check: String,
    message: Option<String>,
    code: Option<String>,
    pointer: Option<String>,
}

impl Config {
    pub fn compile(self) -> Result<Rules, String> {
        if self.rules.len() > RULES_MAX {
            return Err(format!("there are {} rules, at most {RULES_MAX} are allowed", self.rules.len()));
        }
        let mut rules = Rules { events: Vec::new(), commands: Vec::new() };
        for (index, rule) in self.rules.into_iter().enumerate() {
            add(&mut rules, rule).map_err(|reason| format!("rule {}, {reason}", index + 1))?;
        }
        Ok(rules)
    }
}

fn add(rules: &mut Rules, rule: Value) -> Result<(), String> {
    let written: Written = serde_json::from_value(rule).map_err(|error| format!("which does not fit: {error}"))?;
    match (written.event_type.clone(), written.command.clone()) {
        (Some(types), None) => rules.events.push(written.compile(types, &EVENT_VARIABLES)?),
        (None, Some(commands)) => rules.commands.push(written.compile(commands, &COMMAND_VARIABLES)?),
        (Some(_), Some(_)) => return Err("which has both type and command: make two rules of it".into()),
        (None, None) => return Err("which has neither type nor command: type = \"*\" is for all events".into()),
    }
    Ok(())
}

impl Written {
    fn compile(self, names: Globs, variables: &[&str]) -> Result<Rule, String> {
        self.check_texts()?;
        let condition = |key: &str, source: &str| {
            let named = |mistake: CompileError| format!("{key} '{source}': {mistake}");
            Expression::condition(source, variables).map_err(named)
        };
        Ok(Rule {
            topics: self.topic,
            names,
            when: self.when.as_deref().map(|source| condition("when", source)).transpose()?,
            check: condition("check", &self.check)?,
            message: self.message.unwrap_or_else(|| format!("This must hold: {}", self.check)),
            code: self.code.unwrap_or_else(|| CODE.into()),
            pointer: self.pointer,
        })
    }

    fn check_texts(&self) -> Result<(), String> {
        let texts = [("message", &self.message), ("code", &self.code), ("pointer", &self.pointer)];
        for (key, text) in texts.iter().filter_map(|(key, text)| Some((key, text.as_ref()?))) {
            if text.len() > TEXT_BYTES_MAX {
                return Err(format!("{key}: it has {} bytes, at most {TEXT_BYTES_MAX} are allowed", text.len()));
            }
            if *key == "code" && text.is_empty() {
                return Err("code: it must not be empty; leave it out for RULE_VIOLATED".into());
            }
            if *key == "pointer" && !text.is_empty() && !text.starts_with('/') {
                return Err(format!("pointer: '{text}' is no JSON pointer, such as '/lines/0/quantity'"));
            }
        }
        Ok(())
    }
}
