//! What a batch's key and conditions ask of the log, looked up before the batch is queued, so that the writer has to look only
//! at what comes meanwhile.

use super::batch::Checked;
use super::chunk::KeyUse;
use super::labels::Walked;
use super::shared::Shared;
use crate::model::limits::LOOKUP_STEPS_BRIEF;
use crate::model::{Condition, Filter, IdempotencyKey, Position};
use crate::storage::{Batch, StorageError};

/// How much may be done to find an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    Memory,
    /// Some steps in the index, where nobody should be held up for long.
    Brief,
    Whole,
}

/// What a batch asks.
#[derive(Clone)]
pub struct Questions {
    key: Option<IdempotencyKey>,
    /// One for each condition; `None` for those that the writer alone can tell.
    queries: Vec<Option<(Filter, Position)>>,
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

impl Questions {
    /// `None` if there is nothing to look up.
    pub fn of(batch: &Batch) -> Option<Self> {
        let query = |condition: &Condition| match condition {
            Condition::Query { filter, after } => Some((filter.clone(), *after)),
            Condition::Stream { .. } | Condition::Head(_) => None,
        };
        let queries: Vec<_> = batch.conditions.iter().map(query).collect();
        let asks = batch.key.is_some() || queries.iter().any(Option::is_some);
        asks.then_some(Self { key: batch.key, queries })
    }

    /// Looks them up; `None` if that takes more effort.
    pub fn look(&self, shared: &Shared, effort: Effort) -> Result<Option<Looked>, StorageError> {
        let (head, known, mut newest, prefix) = {
            let state = shared.state();
            let known = self.key.as_ref().and_then(|key| state.tail.key(&key.key));
            if effort == Effort::Memory && known.is_none() && self.need_index(state.tail.prefix.position) {
                return Ok(None);
            }
            let newest = |(filter, after): &(Filter, Position)| state.tail.newest(filter, *after);
            let newest: Vec<_> = self.queries.iter().map(|query| query.as_ref().map_or(0, newest)).collect();
            (state.tail.head(), known, newest, state.tail.prefix.clone())
        };
        let used = match (known, &self.key) {
            (None, Some(key)) => prefix.key(&key.key)?,
            (known, _) => known,
        };
        if used.is_none() {
            for (newest, query) in newest.iter_mut().zip(&self.queries) {
                match query {
                    Some((filter, after)) if *newest == 0 && *after < prefix.position => {
                        *newest = match prefix.newest(filter, *after, effort.steps_max())? {
                            Walked::Found(position) => position,
                            Walked::End => 0,
                            Walked::Tired(_) => return Ok(None),
                        };
                    }
                    _ => {}
                }
            }
        }
        Ok(Some(Looked { used, checked: Checked { up_to: head, newest } }))
    }

    fn need_index(&self, indexed: Position) -> bool {
        let asks = |(_, after): &(Filter, Position)| *after < indexed;
        indexed > 0 && (self.key.is_some() || self.queries.iter().flatten().any(asks))
    }
}
