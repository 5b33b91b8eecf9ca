//! Looks at everything that is stored, store by store.

use std::sync::Arc;

use super::{Engine, EngineError};
use crate::storage::{ProgressSink, Verified};

/// What was found in one store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    pub adapter: &'static str,
    pub verified: Verified,
}

impl Engine {
    /// Damage is no error: it is in the answer. Publishing and reading go on meanwhile.
    pub async fn verify(&self, progress: Arc<ProgressSink>) -> Result<Vec<Verification>, EngineError> {
        let mut found = Vec::with_capacity(self.stores.len());
        for store in &self.stores {
            let verified = store.log.verify(progress.clone()).await?;
            found.push(Verification { adapter: store.adapter, verified });
        }
        Ok(found)
    }
}
