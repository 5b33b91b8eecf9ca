//! Shows old `joined` events in their newest form: the name in one piece.

use serde::Deserialize;
use serde_json::json;
use weir_plugin_sdk::{Event, Manifest, NoConfig, Problem, Upcaster, export_upcaster};

#[derive(Deserialize)]
struct Old {
    first: String,
    last: String,
}

pub struct Plugin;

impl Upcaster for Plugin {
    type Config = NoConfig;

    fn manifest() -> Manifest {
        Manifest::new("{{name}}", env!("CARGO_PKG_VERSION"))
            .description("People have one name")
            .interest(&["people"], &["joined"])
    }

    fn init(_: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }

    fn upcast(&mut self, mut event: Event) -> Result<Event, Problem> {
        let old: Old = event.json()?;
        event.event_type = "joined-v2".into();
        event.with_json(&json!({ "name": format!("{} {}", old.first, old.last) }))
    }
}

export_upcaster!(Plugin);
