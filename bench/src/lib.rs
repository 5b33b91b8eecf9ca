//! What the programs that measure share: this one, and `weir-bench-plugins` in a package of its own.

pub mod machine;

/// What a failing measurement prints: one sentence.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
