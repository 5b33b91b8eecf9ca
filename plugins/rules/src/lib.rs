//! The validator "rules": business rules without code. The operator writes them as CEL expressions over events and
//! commands; each that does not hold is a reason why the event or command is refused. It knows no schemas, keeps
//! nothing, and changes nothing: it says yes or no.

mod config;
mod facts;
mod rule;

use config::Config;
use facts::{Needs, of_command, of_event};
use rule::Rule;
use weir_plugin_cel::Scope;
use weir_plugin_sdk::{
    Command, Guards, Manifest, NewEvent, Payload, Problem, Validator, Verdict, export_validator_with_guards,
};

/// The operator's rules, in their order.
#[derive(Debug)]
pub struct Rules {
    events: Vec<Rule>,
    commands: Vec<Rule>,
}

impl Validator for Rules {
    type Config = Config;

    fn manifest() -> Manifest {
        Manifest::new("rules", env!("CARGO_PKG_VERSION"))
            .description("Checks events and commands against rules written in CEL")
            .config_schema(include_str!("../config.schema.json"))
    }

    fn init(config: Config) -> Result<Self, String> {
        config.compile()
    }

    fn validate(&mut self, event: &NewEvent) -> Verdict {
        let rules = matching(&self.events, &event.topic, &event.event_type);
        match broken(&rules, |needs| of_event(event, needs)) {
            Ok(problems) if problems.is_empty() => Verdict::Accept,
            Ok(problems) => Verdict::Reject(problems),
            Err(problem) => Verdict::refuse(problem),
        }
    }
}

impl Guards for Rules {
    fn guard(&mut self, state: Option<&Payload>, command: &Command) -> Result<(), Vec<Problem>> {
        let rules = matching(&self.commands, &command.topic, &command.name);
        match broken(&rules, |needs| of_command(state, command, needs)) {
            Ok(problems) if problems.is_empty() => Ok(()),
            Ok(problems) => Err(problems),
            Err(problem) => Err(vec![problem]),
        }
    }
}

export_validator_with_guards!(Rules);

fn matching<'a>(rules: &'a [Rule], topic: &str, name: &str) -> Vec<&'a Rule> {
    rules.iter().filter(|rule| rule.covers(topic, name)).collect()
}

/// A problem for each rule that does not hold. Where no rule looks, nothing is read; where none looks at the payload,
/// that is not read.
fn broken<'v>(
    rules: &[&Rule],
    facts: impl FnOnce(Needs<'_>) -> Result<Scope<'v>, Problem>,
) -> Result<Vec<Problem>, Problem> {
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let scope = facts(Needs(rules))?;
    Ok(rules.iter().filter_map(|rule| rule.broken(&scope)).collect())
}

#[cfg(test)]
mod readme_tests;
#[cfg(test)]
mod tests;
