//! The documents that a list looks at, in the order of their ids: all of a topic, or those that an index has for the
//! values of a filter.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::vec::IntoIter;

use weir_plugin_sdk::{Payload, Problem, View};

use crate::config::Indexes;
use crate::keys;
use crate::query::Query;

/// Documents, and their bytes, that one query may look at: they take about half of the instructions that a call may
/// have by default.
pub const LOOKED_AT_MAX: usize = 100_000;
pub const LOOKED_AT_BYTES_MAX: usize = 32 << 20;
/// Fields that are read of a document before it counts twice. A field of the order always counts as another document.
const FIELDS_FREE: usize = 3;

/// Entries that are fetched at once where many are gone over.
const PAGE_ENTRIES: usize = 256;
/// Documents that are fetched by their keys at once. Each may have a megabyte.
pub const FETCHED_AT_ONCE: usize = 16;

/// A document of the view.
pub struct Found {
    pub key: String,
    /// The text of its entry.
    pub entry: String,
    /// Where the id is in the key.
    id_at: usize,
}

impl Found {
    fn new(topic: &str, (key, kept): (String, Payload)) -> Result<Self, Problem> {
        match kept {
            Payload::Json(entry) => Ok(Self { key, entry, id_at: keys::id_at(topic) }),
            Payload::Bytes(_) => Err(keys::unexpected(&key)),
        }
    }

    pub fn id(&self) -> &str {
        &self.key[self.id_at..]
    }
}

pub struct Candidates<'v> {
    view: &'v View,
    topic: String,
    source: Source,
    page: IntoIter<(String, Payload)>,
    /// How many documents each one counts as.
    weight: usize,
    looked_at: usize,
    looked_at_bytes: usize,
}

enum Source {
    Topic { after: Option<String>, page_entries: u32 },
    Index(Merged),
}

impl<'v> Candidates<'v> {
    /// Those that come after the id.
    pub fn of(query: &Query, indexes: &Indexes, view: &'v View, after: Option<&str>) -> Self {
        let topic = query.topic.clone();
        let source = index(query, indexes).map(|prefixes| Source::Index(Merged::new(prefixes, after, view)));
        let source = source.unwrap_or_else(|| Source::Topic {
            after: after.map(|id| keys::document(&topic, id)),
            page_entries: page_entries(query),
        });
        let sorted = query.order.fields.len();
        let weight = 1 + sorted + (sorted + query.filters.len()) / (FIELDS_FREE + 1);
        Self { view, topic, source, page: Vec::new().into_iter(), weight, looked_at: 0, looked_at_bytes: 0 }
    }

    pub fn next(&mut self) -> Result<Option<Found>, Problem> {
        if self.page.as_slice().is_empty() {
            self.page = self.fetch().into_iter();
        }
        let Some(entry) = self.page.next() else { return Ok(None) };
        let found = Found::new(&self.topic, entry)?;
        self.looked_at += self.weight;
        self.looked_at_bytes += self.weight * found.entry.len();
        if self.looked_at > LOOKED_AT_MAX || self.looked_at_bytes > LOOKED_AT_BYTES_MAX {
            return Err(self.too_many());
        }
        Ok(Some(found))
    }

    fn fetch(&mut self) -> Vec<(String, Payload)> {
        match &mut self.source {
            Source::Topic { after, page_entries } => {
                let page = self.view.scan_raw(&keys::documents(&self.topic), after.as_deref(), *page_entries);
                *after = page.last().map(|(key, _)| key.clone()).or(after.take());
                page
            }
            Source::Index(merged) => {
                let ids = merged.take(self.view, FETCHED_AT_ONCE);
                entries(self.view, &self.topic, &ids)
            }
        }
    }

    fn too_many(&self) -> Problem {
        let (documents, megabytes) = (LOOKED_AT_MAX / self.weight, (LOOKED_AT_BYTES_MAX >> 20) / self.weight);
        let message = format!(
            "This list would look at more than {documents} documents, or {megabytes} MiB of them, in topic '{topic}'. \
             Filter by an indexed field, with '=' or '[in]', for values that fewer documents have, or leave the order \
             out; or add an index to the plugin's config, like {{ topic = \"{topic}\", field = \"status\" }}, and \
             rebuild the projection",
            topic = self.topic
        );
        Problem::new("scan-limit", message)
    }
}

/// Without filters and order no more is fetched than the page shows, and one to know whether there is another page.
fn page_entries(query: &Query) -> u32 {
    let plain = query.filters.is_empty() && query.order.fields.is_empty();
    let entries = if plain { PAGE_ENTRIES.min(query.limit + 1) } else { PAGE_ENTRIES };
    u32::try_from(entries).unwrap_or(u32::MAX)
}

/// Where the index of a filter has its entries, if there is one: the filter with the fewest values is the best.
fn index(query: &Query, indexes: &Indexes) -> Option<Vec<String>> {
    let usable = query.filters.iter().filter_map(|filter| {
        let (place, _) = indexes.of_topic(&query.topic).find(|(_, field)| **field == filter.field)?;
        Some((place, filter.candidates()?))
    });
    let (place, values) = usable.min_by_key(|(_, values)| values.len())?;
    let mut prefixes: Vec<String> =
        values.iter().filter_map(|value| keys::with_value(&query.topic, place, value)).collect();
    prefixes.sort();
    prefixes.dedup();
    Some(prefixes)
}

/// These documents, in the same order.
pub fn fetch(view: &View, topic: &str, ids: &[String]) -> Result<Vec<Found>, Problem> {
    entries(view, topic, ids).into_iter().map(|entry| Found::new(topic, entry)).collect()
}

/// A document and its entries in indexes come and go together, so none is missing.
fn entries(view: &View, topic: &str, ids: &[String]) -> Vec<(String, Payload)> {
    let keys: Vec<String> = ids.iter().map(|id| keys::document(topic, id)).collect();
    let kept = view.get_many_raw(&keys);
    keys.into_iter().zip(kept).filter_map(|(key, kept)| Some((key, kept?))).collect()
}

/// The ids under several prefixes, as one list in their order.
struct Merged {
    streams: Vec<Stream>,
    /// The next id of every stream that is not at its end.
    heads: BinaryHeap<Reverse<(String, usize)>>,
}

struct Stream {
    prefix: String,
    after: Option<String>,
    page: IntoIter<(String, Payload)>,
    page_entries: u32,
}

impl Merged {
    fn new(prefixes: Vec<String>, after: Option<&str>, view: &View) -> Self {
        // All pages together are in memory.
        let page_entries =
            u32::try_from((4 * PAGE_ENTRIES / prefixes.len().max(1)).clamp(16, PAGE_ENTRIES)).unwrap_or(16);
        let stream = |prefix: String| {
            let after = after.map(|id| format!("{prefix}{id}"));
            Stream { prefix, after, page: Vec::new().into_iter(), page_entries }
        };
        let mut merged = Self { streams: prefixes.into_iter().map(stream).collect(), heads: BinaryHeap::new() };
        (0..merged.streams.len()).for_each(|stream| merged.advance(stream, view));
        merged
    }

    fn take(&mut self, view: &View, count: usize) -> Vec<String> {
        let mut ids = Vec::with_capacity(count);
        while ids.len() < count
            && let Some(Reverse((id, stream))) = self.heads.pop()
        {
            self.advance(stream, view);
            ids.push(id);
        }
        ids
    }

    fn advance(&mut self, stream: usize, view: &View) {
        if let Some(id) = self.streams[stream].next(view) {
            self.heads.push(Reverse((id, stream)));
        }
    }
}

impl Stream {
    fn next(&mut self, view: &View) -> Option<String> {
        if self.page.as_slice().is_empty() {
            let page = view.scan_raw(&self.prefix, self.after.as_deref(), self.page_entries);
            self.after = page.last().map(|(key, _)| key.clone()).or(self.after.take());
            self.page = page.into_iter();
        }
        self.page.next().map(|(key, _)| key[self.prefix.len()..].to_owned())
    }
}
