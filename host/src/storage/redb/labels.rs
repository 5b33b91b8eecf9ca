//! Finding events by what they carry: tags and event types as lists of rising positions, walked together.
//!
//! The same walk serves the tail, whose lists are slices in memory, and redb, whose lists are rows (`rows.rs`).

use std::collections::HashMap;
use std::convert::Infallible;

use crate::model::{Direction, EventType, Filter, Position, Tag};

/// Rising positions that can be sought in.
pub trait Postings {
    type Error;
    /// The nearest position of the list at `at` or beyond it.
    fn seek(&mut self, at: Position, direction: Direction) -> Result<Option<Position>, Self::Error>;
}

/// Which lists a position must be in: all of `all`, and one of `any` unless that is empty.
pub struct Lists<P> {
    pub all: Vec<P>,
    pub any: Vec<P>,
}

/// The position after this one, or before it.
pub fn beyond(position: Position, direction: Direction) -> Option<Position> {
    match direction {
        Direction::Forward => position.checked_add(1),
        Direction::Backward => position.checked_sub(1).filter(|position| *position > 0),
    }
}

fn is_beyond(position: Position, limit: Position, direction: Direction) -> bool {
    match direction {
        Direction::Forward => position > limit,
        Direction::Backward => position < limit,
    }
}

/// The nearest position at `at` or beyond it, up to `limit`, that is in the lists. `steps` counts what was sought, and ends
/// the walk at `steps_max` with where it was.
pub fn walk<P: Postings>(
    lists: &mut Lists<P>,
    mut at: Position,
    direction: Direction,
    limit: Position,
    steps: &mut usize,
    steps_max: usize,
) -> Result<Walked, P::Error> {
    while !is_beyond(at, limit, direction) {
        if *steps >= steps_max {
            return Ok(Walked::Tired(at));
        }
        *steps += 1;
        let mut agreed = at;
        for list in &mut lists.all {
            match list.seek(agreed, direction)? {
                Some(found) => agreed = found,
                None => return Ok(Walked::End),
            }
        }
        if !lists.any.is_empty() {
            match nearest_of(&mut lists.any, agreed, direction)? {
                Some(found) => agreed = found,
                None => return Ok(Walked::End),
            }
        }
        if agreed == at {
            return Ok(Walked::Found(at));
        }
        at = agreed;
    }
    Ok(Walked::End)
}

/// How a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walked {
    Found(Position),
    /// Nothing up to the limit.
    End,
    /// It looked as often as it may; it goes on from here.
    Tired(Position),
}

fn nearest_of<P: Postings>(lists: &mut [P], at: Position, direction: Direction) -> Result<Option<Position>, P::Error> {
    let mut best = None;
    for list in lists {
        let Some(found) = list.seek(at, direction)? else { continue };
        if best.is_none_or(|best| is_beyond(best, found, direction)) {
            best = Some(found);
        }
    }
    Ok(best)
}

impl Postings for &[Position] {
    type Error = Infallible;

    fn seek(&mut self, at: Position, direction: Direction) -> Result<Option<Position>, Infallible> {
        Ok(match direction {
            Direction::Forward => self.get(self.partition_point(|position| *position < at)).copied(),
            Direction::Backward => {
                self.partition_point(|position| *position <= at).checked_sub(1).map(|index| self[index])
            }
        })
    }
}

impl<E> Postings for Box<dyn Postings<Error = E> + '_> {
    type Error = E;

    fn seek(&mut self, at: Position, direction: Direction) -> Result<Option<Position>, E> {
        (**self).seek(at, direction)
    }
}

/// The walk where nothing can fail and nobody gets tired: in memory.
pub fn nearest(
    lists: &mut Lists<&[Position]>,
    at: Position,
    direction: Direction,
    limit: Position,
) -> Option<Position> {
    match walk(lists, at, direction, limit, &mut 0, usize::MAX) {
        Ok(Walked::Found(position)) => Some(position),
        Ok(Walked::End | Walked::Tired(_)) => None,
    }
}

/// The labels of some events in memory.
#[derive(Default)]
pub struct Labels {
    pub tags: HashMap<Tag, Vec<Position>>,
    pub types: HashMap<EventType, Vec<Position>>,
}

impl Labels {
    /// Notes an event that comes after all that were noted.
    pub fn add(&mut self, event_type: &EventType, tags: &[Tag], position: Position) {
        match self.types.get_mut(event_type) {
            Some(positions) => positions.push(position),
            None => drop(self.types.insert(event_type.clone(), vec![position])),
        }
        for tag in tags {
            match self.tags.get_mut(tag) {
                // An event may carry a tag twice.
                Some(positions) if positions.last() == Some(&position) => {}
                Some(positions) => positions.push(position),
                None => drop(self.tags.insert(tag.clone(), vec![position])),
            }
        }
    }

    /// The lists that a filter asks for; `None` when nothing here can match.
    pub fn lists(&self, filter: &Filter) -> Option<Lists<&[Position]>> {
        let all = filter.tags.iter().map(|tag| self.tags.get(tag).map(Vec::as_slice)).collect::<Option<Vec<_>>>()?;
        let any: Vec<_> = filter.types.iter().filter_map(|name| self.types.get(name).map(Vec::as_slice)).collect();
        let impossible = any.is_empty() && !filter.types.is_empty();
        (!impossible).then_some(Lists { all, any })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::contract::dice::Dice;

    #[test]
    fn a_walk_finds_what_a_look_at_every_position_finds() {
        let mut dice = Dice::new(11);
        for round in 0..2_000 {
            let list = |dice: &mut Dice| (1..60).filter(|_| dice.chance(3)).collect::<Vec<Position>>();
            let (all, any) = (dice.below(3), dice.below(3));
            let all: Vec<_> = (0..all).map(|_| list(&mut dice)).collect();
            let any: Vec<_> = (0..any).map(|_| list(&mut dice)).collect();
            let (at, limit) = (dice.below(62), dice.below(62));
            let matches = |p: &Position| {
                all.iter().all(|list| list.contains(p)) && (any.is_empty() || any.iter().any(|list| list.contains(p)))
            };
            let mut lists =
                Lists { all: all.iter().map(Vec::as_slice).collect(), any: any.iter().map(Vec::as_slice).collect() };
            let forward = nearest(&mut lists, at, Direction::Forward, limit);
            assert_eq!(forward, (at..=limit).find(matches), "round {round}");
            let backward = nearest(&mut lists, at, Direction::Backward, limit);
            assert_eq!(backward, (limit..=at).rev().find(matches), "round {round}");
        }
    }
}
