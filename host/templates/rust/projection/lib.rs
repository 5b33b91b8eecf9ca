//! Counts events by their types.

use weir_plugin_sdk::{
    Answer, Event, Manifest, NoConfig, Params, Problem, Projection, Queries, View, export_projection_with_queries,
};

pub struct Plugin;

impl Projection for Plugin {
    type Config = NoConfig;

    fn manifest() -> Manifest {
        Manifest::new("{{name}}", env!("CARGO_PKG_VERSION")).description("Counts events by their types").state_version(1)
    }

    fn init(_: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }

    fn apply(&mut self, event: &Event, view: &View) -> Result<(), Problem> {
        view.update(&event.event_type, |count: Option<u64>| count.unwrap_or_default() + 1)
    }
}

impl Queries for Plugin {
    fn query(&mut self, name: &str, _: &Params, view: &View) -> Result<Answer, Problem> {
        match name {
            "total" => {
                let mut total = 0;
                for entry in view.scan::<u64>("") {
                    total += entry?.1;
                }
                Answer::of(&total)
            }
            _ => Err(Problem::unknown_query(name)),
        }
    }
}

export_projection_with_queries!(Plugin);
