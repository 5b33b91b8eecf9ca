//! Folds events into the view: what all of them need is fetched in one call of the host, and what they leave is stored
//! in another.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::hash::{BuildHasherDefault, DefaultHasher};

use weir_plugin_sdk::{Event, Payload, Problem, View};

use crate::config::Indexes;
use crate::entry::Entry;
use crate::keys;

/// Events whose documents are in memory together. Each may have a megabyte.
pub const EVENTS_AT_ONCE: usize = 16;
/// Bytes of entries that are handed to the host together; it takes 8 MiB at once by default.
const STORED_AT_ONCE_BYTES: usize = 4 << 20;

/// A document that some of the events are about.
struct Row {
    key: String,
    topic: String,
    id: String,
    entry: Option<Entry>,
    /// Its keys in the indexes, as the view has them.
    indexed: Vec<String>,
}

pub fn fold(events: &[&Event], indexes: &Indexes, view: &View) -> Result<(), Problem> {
    let (mut rows, row_of) = rows(events);
    fetch(&mut rows, indexes, view)?;
    for (event, row) in events.iter().zip(row_of) {
        let row = &mut rows[row];
        row.entry = Entry::after(row.entry.take(), event)?;
    }
    store(rows, indexes, view);
    Ok(())
}

/// A row for each document, and for each event which row is its.
fn rows(events: &[&Event]) -> (Vec<Row>, Vec<usize>) {
    let (mut rows, mut row_of) = (Vec::new(), Vec::with_capacity(events.len()));
    // The hasher is the same in every run.
    let mut known: HashMap<String, usize, BuildHasherDefault<DefaultHasher>> = HashMap::default();
    for event in events {
        let (topic, id) = (event.topic.clone(), event.stream.clone().unwrap_or_default());
        row_of.push(match known.entry(keys::document(&topic, &id)) {
            Slot::Occupied(known) => *known.get(),
            Slot::Vacant(place) => {
                rows.push(Row { key: place.key().clone(), topic, id, entry: None, indexed: Vec::new() });
                *place.insert(rows.len() - 1)
            }
        });
    }
    (rows, row_of)
}

fn fetch(rows: &mut [Row], indexes: &Indexes, view: &View) -> Result<(), Problem> {
    let keys: Vec<String> = rows.iter().map(|row| row.key.clone()).collect();
    for (row, kept) in rows.iter_mut().zip(view.get_many_raw(&keys)) {
        row.entry = kept.map(|kept| Entry::read(&row.key, &kept)).transpose()?;
        row.indexed = row.index_keys(indexes);
    }
    Ok(())
}

fn store(rows: Vec<Row>, indexes: &Indexes, view: &View) {
    let mut puts = Puts { view, entries: Vec::new(), bytes: 0 };
    for row in rows {
        let indexed = row.index_keys(indexes);
        row.indexed.iter().filter(|key| !indexed.contains(key)).for_each(|key| view.delete(key));
        let new = indexed.into_iter().filter(|key| !row.indexed.contains(key));
        new.for_each(|key| puts.push(key, "null".into()));
        match row.entry {
            Some(entry) => puts.push(row.key, entry.write()),
            None => view.delete(&row.key),
        }
    }
    puts.flush();
}

/// Entries on their way to the view.
struct Puts<'v> {
    view: &'v View,
    entries: Vec<(String, Payload)>,
    bytes: usize,
}

impl Puts<'_> {
    fn push(&mut self, key: String, value: String) {
        if self.bytes > 0 && self.bytes + value.len() > STORED_AT_ONCE_BYTES {
            self.flush();
        }
        self.bytes += key.len() + value.len();
        self.entries.push((key, Payload::Json(value)));
    }

    fn flush(&mut self) {
        self.view.put_many_raw(&self.entries);
        self.entries.clear();
        self.bytes = 0;
    }
}

impl Row {
    fn index_keys(&self, indexes: &Indexes) -> Vec<String> {
        let Some(document) = self.entry.as_ref().and_then(|entry| entry.state.json()) else { return Vec::new() };
        let key = |(place, field): (usize, &crate::field::Field)| {
            let prefix = keys::with_value(&self.topic, place, document.at(field.tokens())?)?;
            Some(prefix + &self.id)
        };
        indexes.of_topic(&self.topic).filter_map(key).collect()
    }
}
