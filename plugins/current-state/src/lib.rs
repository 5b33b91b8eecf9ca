//! The projection "current-state": what documents are now, and lists of them with filters, order and pages. It folds
//! the events `created`, `patched` and `deleted`, as the decider "json-patch" makes them; it decides nothing, and it
//! keeps no history: that is in the events.

mod candidates;
mod config;
mod cursor;
mod entry;
mod field;
mod filter;
mod fold;
mod keys;
mod list;
mod order;
mod page;
mod query;
mod time;

pub use config::Config;
use config::Indexes;
use query::Query;
use weir_json_patch::{CREATED, DELETED, PATCHED};
use weir_plugin_sdk::{
    Answer, Event, Manifest, Params, Problem, Projection, Queries, View, export_projection_with_queries, warn,
};

/// What it is told, and whether it complained of it. All else is in the view.
pub struct CurrentState {
    topics: Vec<String>,
    indexes: Indexes,
    warned: bool,
}

impl Projection for CurrentState {
    type Config = Config;

    fn manifest() -> Manifest {
        Manifest::new("current-state", env!("CARGO_PKG_VERSION"))
            .description("What documents are now: the read model of the decider json-patch")
            .interest(&[], &[CREATED, PATCHED, DELETED])
            .config_schema(config::SCHEMA)
    }

    fn init(config: Config) -> Result<Self, String> {
        let (topics, indexes) = config.check()?;
        Ok(Self { topics, indexes, warned: false })
    }

    fn apply(&mut self, event: &Event, view: &View) -> Result<(), Problem> {
        self.apply_batch(std::slice::from_ref(event), view)
    }

    fn apply_batch(&mut self, batch: &[Event], view: &View) -> Result<(), Problem> {
        let indexes = self.built_with(view)?;
        let ours: Vec<&Event> = batch.iter().filter(|event| self.means(event)).collect();
        ours.chunks(fold::EVENTS_AT_ONCE).try_for_each(|events| fold::fold(events, &indexes, view))
    }
}

impl CurrentState {
    fn means(&self, event: &Event) -> bool {
        event.stream.is_some() && (self.topics.is_empty() || self.topics.contains(&event.topic))
    }

    /// The indexes that this view is built with, which are not those of a config that was changed since. A new index
    /// would lack all the documents from before it, so it waits until the view is built anew.
    fn built_with(&mut self, view: &View) -> Result<Indexes, Problem> {
        let Some(indexes) = Indexes::stored(view)? else {
            self.indexes.store(view);
            return Ok(self.indexes.clone());
        };
        if indexes != self.indexes && !self.warned {
            warn!("the config has other indexes than the view; rebuild the projection to use them");
            self.warned = true;
        }
        Ok(indexes)
    }
}

impl Queries for CurrentState {
    fn query(&mut self, name: &str, params: &Params, view: &View) -> Result<Answer, Problem> {
        match name {
            "list" => list::list(&Query::read(params)?, &Indexes::stored(view)?.unwrap_or_default(), view),
            _ => Err(Problem::unknown_query(name)),
        }
    }
}

export_projection_with_queries!(CurrentState);

#[cfg(test)]
mod tests;
