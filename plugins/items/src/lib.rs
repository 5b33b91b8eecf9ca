//! The projection "items": what every item is called and how many of it there are, one item a stream of topic `items`.
//!
//! It counts the versions of every stream, so that it notices an event that comes twice (and leaves it out) or one that is
//! missing (and stops, rather than go on with a wrong amount). It does not judge what happened to an item.

mod entry;

#[cfg(test)]
mod tests;

use entry::Entry;
use weir_plugin_sdk::{Event, Manifest, NoConfig, Problem, Projection, View, export_projection};

/// The projection. All that it knows is in the view.
pub struct Items;

impl Projection for Items {
    type Config = NoConfig;

    /// It is interested in every type of its topic: what it does not know moves a stream's version on all the same.
    fn manifest() -> Manifest {
        Manifest::new("items", env!("CARGO_PKG_VERSION"))
            .description("Name and amount of every item, with a check that no event is missing")
            .interest(&["items"], &[])
    }

    fn init(_: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }

    fn apply(&mut self, event: &Event, view: &View) -> Result<(), Problem> {
        let (Some(item), Some(found)) = (&event.stream, event.version) else { return Ok(()) };
        let entry: Entry = view.get(item)?.unwrap_or_default();
        match found {
            _ if found <= entry.version => Ok(()),
            _ if found == entry.version + 1 => view.put(item, &entry.after(event, found)?),
            _ => Err(gap(item, entry.version + 1, found)),
        }
    }
}

fn gap(item: &str, expected: u64, found: u64) -> Problem {
    let message = format!(
        "Item '{item}' goes on at version {expected}, but version {found} came; see where the events between are, or \
         rebuild this projection"
    );
    Problem::new("GAP", message)
}

export_projection!(Items);
