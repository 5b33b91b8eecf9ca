//! What a batch's key and conditions ask of the log, looked up before the batch is queued, so that the writer has to look only
//! at what comes meanwhile.

use super::batch::Checked;
use super::chunk::KeyUse;
use super::labels::Walked;
use super::shared::Shared;
use crate::model::limits::LOOKUP_STEPS_BRIEF;
use crate::model::{Condition, Filter, IdempotencyKey, Position};
use crate::storage::StorageError;

/// How much may be done to find an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    Memory,
    /// Some steps in the index, where nobody should be held up for long.
    Brief,
    Whole,
}

pub struct Looked {
    /// What the batch's key was used for. The queries were not looked at then.
    pub used: Option<KeyUse>,
    pub checked: Checked,
}

impl Effort {
    fn steps_max(self) -> usize {
        if self == Self::Whole { usize::MAX } else { LOOKUP_STEPS_BRIEF }
    }
}

fn query(condition: &Condition) -> Option<(&Filter, Position)> {
    match condition {
        Condition::Query { filter, after } => Some((filter, *after)),
        // The writer alone can tell these.
        Condition::Stream { .. } | Condition::Head(_) => None,
    }
}

/// Whether there is anything to look up.
pub fn asks(key: Option<&IdempotencyKey>, conditions: &[Condition]) -> bool {
    key.is_some() || conditions.iter().any(|condition| query(condition).is_some())
}

/// Looks up what a batch's key and conditions ask; `None` if that takes more effort.
pub fn look(
    shared: &Shared,
    key: Option<&IdempotencyKey>,
    conditions: &[Condition],
    effort: Effort,
) -> Result<Option<Looked>, StorageError> {
    let queries = || conditions.iter().map(query);
    let (head, known, mut newest, prefix) = {
        let state = shared.state();
        let (known, indexed) = (key.and_then(|key| state.tail.key(&key.key)), state.tail.prefix.position);
        let asks_index = key.is_some() || queries().flatten().any(|(_, after)| after < indexed);
        if effort == Effort::Memory && known.is_none() && indexed > 0 && asks_index {
            return Ok(None);
        }
        let newest = queries().map(|query| query.map_or(0, |(filter, after)| state.tail.newest(filter, after)));
        (state.tail.head(), known, newest.collect::<Vec<_>>(), state.tail.prefix.clone())
    };
    let used = match (known, key) {
        (None, Some(key)) => prefix.key(&key.key)?,
        (known, _) => known,
    };
    if used.is_none() {
        for (newest, query) in newest.iter_mut().zip(queries()) {
            let Some((filter, after)) = query.filter(|(_, after)| *newest == 0 && *after < prefix.position) else {
                continue;
            };
            *newest = match prefix.newest(filter, after, effort.steps_max())? {
                Walked::Found(position) => position,
                Walked::End => 0,
                Walked::Tired(_) => return Ok(None),
            };
        }
    }
    Ok(Some(Looked { used, checked: Checked { up_to: head, newest } }))
}
