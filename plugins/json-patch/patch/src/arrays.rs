//! How to make one array of another: which items stay, which are compared, added and removed. It finds the longest
//! common subsequence of what is left when equal heads and tails are cut off.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};

use crate::json::Json;
use crate::limits::ARRAY_CELLS_MAX;

/// What to do at a place of the array as it is by then.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'j> {
    /// The old item becomes the new one.
    Compare(&'j Json, &'j Json),
    Remove,
    Add(&'j Json),
}

/// The steps in order, each with its place.
pub fn steps<'j>(old: &'j [Json], new: &'j [Json]) -> Vec<(usize, Step<'j>)> {
    let head = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[head..], &new[head..]);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[..old.len() - tail], &new[..new.len() - tail]);

    let mut steps = Vec::new();
    let (mut old_from, mut new_from) = (0, 0);
    // Behind the last pair there is one more gap.
    let ends = kept(old, new).into_iter().chain([(old.len(), new.len())]);
    for (old_to, new_to) in ends {
        gap(&mut steps, head + new_from, &old[old_from..old_to], &new[new_from..new_to]);
        (old_from, new_from) = (old_to + 1, new_to + 1);
    }
    steps
}

/// Between two items that stay: what can be paired becomes each other, the rest goes or comes.
fn gap<'j>(steps: &mut Vec<(usize, Step<'j>)>, place: usize, old: &'j [Json], new: &'j [Json]) {
    let paired = old.len().min(new.len());
    steps.extend((0..paired).map(|n| (place + n, Step::Compare(&old[n], &new[n]))));
    steps.extend((paired..old.len()).map(|_| (place + paired, Step::Remove)));
    steps.extend((paired..new.len()).map(|n| (place + n, Step::Add(&new[n]))));
}

/// The pairs of places whose items stay, in order.
fn kept(old: &[Json], new: &[Json]) -> Vec<(usize, usize)> {
    if old.is_empty() || new.is_empty() || old.len().saturating_mul(new.len()) > ARRAY_CELLS_MAX {
        return Vec::new();
    }
    // Equal items get equal numbers, so that the table compares numbers. The hasher is the same in every run.
    let mut known: HashMap<&Json, usize, BuildHasherDefault<DefaultHasher>> = HashMap::default();
    let mut number = |item| {
        let next = known.len();
        *known.entry(item).or_insert(next)
    };
    let old: Vec<usize> = old.iter().map(&mut number).collect();
    let new: Vec<usize> = new.iter().map(&mut number).collect();
    walk(&old, &new, &table(&old, &new))
}

/// Row by row: how many items the rests of both arrays have in common from there on. One more row and column than
/// items.
fn table(old: &[usize], new: &[usize]) -> Vec<u32> {
    let width = new.len() + 1;
    let mut common = vec![0; (old.len() + 1) * width];
    for row in (0..old.len()).rev() {
        for column in (0..new.len()).rev() {
            let here = row * width + column;
            common[here] = match old[row] == new[column] {
                true => common[here + width + 1] + 1,
                false => common[here + width].max(common[here + 1]),
            };
        }
    }
    common
}

fn walk(old: &[usize], new: &[usize], common: &[u32]) -> Vec<(usize, usize)> {
    let (mut kept, mut row, mut column) = (Vec::new(), 0, 0);
    let at = |row: usize, column: usize| common[row * (new.len() + 1) + column];
    while row < old.len() && column < new.len() {
        if old[row] == new[column] {
            kept.push((row, column));
            (row, column) = (row + 1, column + 1);
        } else if at(row + 1, column) >= at(row, column + 1) {
            row += 1;
        } else {
            column += 1;
        }
    }
    kept
}
