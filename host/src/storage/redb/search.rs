//! Finding events in a snapshot of the index by tags, event types and topic.

use super::keys;
use super::labels::{Lists, Postings, Walked, beyond, walk};
use super::prefix::{Events, Prefix};
use super::rows::{ByPlace, ByPosition, List};
use crate::model::limits::PAGE_SCANNED_MAX;
use crate::model::{Direction, Filter, Position, Scope, TopicName};
use crate::storage::StorageError;
use crate::storage::codec::Damage;

type Found<'p> = Box<dyn Postings<Error = StorageError> + 'p>;

/// Where a search through a snapshot ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Nothing more is in this snapshot.
    Nothing,
    /// Whoever looked wants no more; the search goes on from this place of the scope, if there is one.
    Enough(Option<u64>),
}

impl Prefix {
    fn lists<'p>(&'p self, scope: &'p Scope, filter: &'p Filter) -> Lists<Found<'p>> {
        let tag = |tag| Box::new(ByPosition(self.list(&self.tags, move |at| keys::tag_key(tag, at)))) as Found<'p>;
        let kind = |kind| Box::new(ByPosition(self.list(&self.types, move |at| keys::type_key(kind, at)))) as Found<'p>;
        let mut all: Vec<Found<'p>> = filter.tags.iter().map(tag).collect();
        if let Scope::Topic(topic) = scope {
            all.push(Box::new(self.places(topic)));
        }
        Lists { all, any: filter.types.iter().map(kind).collect() }
    }

    fn places<'p>(&'p self, topic: &'p TopicName) -> ByPlace<'p, impl Fn(u64) -> Vec<u8> + use<'p>> {
        let list: List<'p, _> = self.list(&self.topics, move |number| keys::topic_key(topic, number));
        ByPlace { list, places: self.tips.get(topic).map_or(0, |tip| tip.sequence) }
    }

    /// Looks for the last position after `after` whose event matches, in so many steps at most.
    pub fn newest(&self, filter: &Filter, after: Position, steps_max: usize) -> Result<Walked, StorageError> {
        let (mut lists, limit) = (self.lists(&Scope::Store, filter), after.saturating_add(1));
        walk(&mut lists, self.position, Direction::Backward, limit, &mut 0, steps_max)
    }

    /// Shows matching events from `at` on, as place, position and stored bytes, while `visit` wants more.
    /// **Invariant:** the scope is no stream.
    pub fn find(
        &self,
        scope: &Scope,
        filter: &Filter,
        at: Position,
        direction: Direction,
        mut visit: impl FnMut(u64, Position, &[u8]) -> Result<bool, Damage>,
    ) -> Result<Ended, StorageError> {
        let (mut lists, mut events, mut steps) = (self.lists(scope, filter), Events::new(self), 0);
        let mut placing = if let Scope::Topic(topic) = scope { Some(self.places(topic)) } else { None };
        let mut place_of = |position, direction| match &mut placing {
            None => Ok(Some(position)),
            Some(places) => {
                let found = places.seek(position, direction)?;
                Ok::<_, StorageError>(found.and_then(|found| places.place(found)))
            }
        };
        let limit = if direction == Direction::Forward { self.position } else { 1 };
        let mut next = Some(if direction == Direction::Forward { at } else { at.min(self.position) });
        while let Some(from) = next {
            let position = match walk(&mut lists, from, direction, limit, &mut steps, PAGE_SCANNED_MAX)? {
                Walked::Found(position) => position,
                Walked::End => return Ok(Ended::Nothing),
                Walked::Tired(at) => return Ok(Ended::Enough(place_of(at, direction)?)),
            };
            let gone = || self.damaged(position, Damage("the index of its topic does not have it"));
            let place = place_of(position, direction)?.ok_or_else(gone)?;
            let more = visit(place, position, events.event(position)?);
            if !more.map_err(|damage| self.damaged(position, damage))? {
                return Ok(Ended::Enough(beyond(place, direction)));
            }
            next = beyond(position, direction);
        }
        Ok(Ended::Nothing)
    }
}
