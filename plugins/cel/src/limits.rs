//! Every number that bounds something here, with its unit. They hold what an operator wrote and what events bring
//! within bounds that a call of a plugin can bear; none of them is a matter of taste.

/// Bytes of one expression.
pub const EXPRESSION_BYTES_MAX: usize = 4_096;
/// Levels of one expression, one within the other: the interpreter calls itself once a level, and a guest's stack is
/// small.
pub const EXPRESSION_DEPTH_MAX: usize = 64;

/// Steps of one evaluation. A step is a value that an operator, a function or a loop is handed, nested ones counted;
/// some take more, as said below. It bounds time and memory alike, for who may only loop over so much may only copy so
/// much: no more than about an eighth of the instructions that a call has by default.
pub const EVALUATION_STEPS_MAX: u64 = 100_000;
/// Bytes of a text that count as one step.
pub const STEP_BYTES: usize = 16;
/// Steps that each turn of a loop takes, and each entry of a map, besides what is in them: about what they cost.
pub const TURN_STEPS: u64 = 10;
pub const ENTRY_STEPS: u64 = 4;

/// Values in one JSON text, nested ones counted: an empty map of two bytes takes a hundred in memory.
pub const JSON_VALUES_MAX: usize = 50_000;

/// Bytes of a pattern of `matches`, and of the memory that it takes when it is compiled.
pub const PATTERN_BYTES_MAX: usize = 512;
pub const PATTERN_MEMORY_BYTES_MAX: usize = 16 << 10;
/// Bytes of a text that `matches` looks at; each is a step, for a pattern is slow.
pub const MATCHED_BYTES_MAX: usize = 16 << 10;

/// Bytes of what is said of an evaluation that failed.
pub const MESSAGE_BYTES_MAX: usize = 500;
/// Bytes of a glob.
pub const GLOB_BYTES_MAX: usize = 200;
