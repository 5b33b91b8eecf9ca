//! The query `list`: by id it ends as soon as its page is full; in another order it looks at all documents and keeps no
//! more of them than a page.

use std::collections::BinaryHeap;

use weir_json_patch::{Json, Selection};
use weir_plugin_sdk::{Answer, Problem, View};

use crate::candidates::{Candidates, FETCHED_AT_ONCE, Found, fetch};
use crate::config::Indexes;
use crate::cursor;
use crate::entry::state;
use crate::keys;
use crate::order::{Key, Place};
use crate::page::Page;
use crate::query::Query;

pub fn list(query: &Query, indexes: &Indexes, view: &View) -> Result<Answer, Problem> {
    match query.order.fields.is_empty() {
        true => by_id(query, indexes, view),
        false => sorted(query, indexes, view),
    }
}

fn by_id(query: &Query, indexes: &Indexes, view: &View) -> Result<Answer, Problem> {
    let after = query.after.as_ref().map(|place| place.id.as_str());
    let mut candidates = Candidates::of(query, indexes, view, after);
    let fields = Fields::of(query);
    let (mut page, mut last) = (Page::new(), String::new());
    loop {
        let full = page.items == query.limit;
        let found = match candidates.next() {
            // The page is full, and whether there is another one takes too long to find out: say that there is.
            Err(_) if full => break,
            found => found?,
        };
        let Some(found) = found else { return Ok(page.end(None)) };
        if fields.read(&found)?.is_none() {
            continue;
        }
        if full || !page.push(&found)? {
            break;
        }
        last.clear();
        last.push_str(found.id());
    }
    Ok(page.end(Some(cursor::write(&query.order, &query.order.place([], &last)))))
}

fn sorted(query: &Query, indexes: &Indexes, view: &View) -> Result<Answer, Problem> {
    let mut first = first(query, indexes, view)?;
    let more = first.len() > query.limit;
    first.truncate(query.limit);
    let page = filled(&first, query, view)?;
    let last = page.items.checked_sub(1).map(|last| &first[last]);
    let next = last.filter(|_| more || page.items < first.len());
    Ok(page.end(next.map(|place| cursor::write(&query.order, place))))
}

/// A page of these documents, or of as many of them as it has room for.
fn filled(places: &[Place], query: &Query, view: &View) -> Result<Page, Problem> {
    let mut page = Page::new();
    for places in places.chunks(FETCHED_AT_ONCE) {
        let ids: Vec<String> = places.iter().map(|place| place.id.clone()).collect();
        for found in fetch(view, &query.topic, &ids)? {
            if !page.push(&found)? {
                return Ok(page);
            }
        }
    }
    Ok(page)
}

/// The places of the first documents behind the cursor: those of a page, and one more if there is one.
fn first(query: &Query, indexes: &Indexes, view: &View) -> Result<Vec<Place>, Problem> {
    let mut candidates = Candidates::of(query, indexes, view, None);
    let fields = Fields::of(query);
    let mut first = BinaryHeap::with_capacity(query.limit + 2);
    while let Some(found) = candidates.next()? {
        let Some(values) = fields.read(&found)? else { continue };
        let place = query.order.place(values.iter().map(|value| Key::of(value.as_ref())), found.id());
        if query.after.as_ref().is_some_and(|after| place <= *after) {
            continue;
        }
        first.push(place);
        if first.len() > query.limit + 1 {
            first.pop();
        }
    }
    Ok(first.into_sorted_vec())
}

/// What is read of every document: the fields of the filters, then those of the order.
struct Fields<'q> {
    query: &'q Query,
    selection: Selection,
}

impl<'q> Fields<'q> {
    fn of(query: &'q Query) -> Self {
        let filtered = query.filters.iter().map(|filter| filter.field.tokens());
        let sorted = query.order.fields.iter().map(|(field, _)| field.tokens());
        Self { query, selection: Selection::of(filtered.chain(sorted)) }
    }

    /// The values of the fields that the list is sorted by, if the document passes the filters.
    fn read(&self, found: &Found) -> Result<Option<Vec<Option<Json>>>, Problem> {
        if self.selection.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let values = state(&found.key, &found.entry).and_then(|state| self.selection.find(state).ok());
        let mut values = values.ok_or_else(|| keys::unexpected(&found.key))?;
        let filters = &self.query.filters;
        let allowed = filters.iter().zip(&values).all(|(filter, value)| filter.allows(value.as_ref()));
        Ok(allowed.then(|| values.split_off(filters.len())))
    }
}
