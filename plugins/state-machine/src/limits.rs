//! Every number that bounds something here, with its unit. The server has bounds of its own on names, keys and actions,
//! and stops a process manager that breaks them; these keep what events bring within those.

/// Machines of one configuration, states of a machine, transitions of a state, and actions of a transition.
pub const MACHINES_MAX: usize = 64;
pub const STATES_MAX: usize = 100;
pub const TRANSITIONS_MAX: usize = 64;
pub const ACTIONS_MAX: usize = 16;
/// Characters in the name of a machine, state, timer or value: they become parts of keys.
pub const OWN_NAME_CHARS_MAX: usize = 64;
/// Characters in the name of a topic, stream, event type or command.
pub const NAME_CHARS_MAX: usize = 200;
/// Bytes of an instance's key.
pub const KEY_BYTES_MAX: usize = 200;
/// Bytes of what `set` keeps for one instance, as JSON.
pub const DATA_BYTES_MAX: usize = 64 << 10;
/// The longest wait of a timer, in milliseconds: a hundred years.
pub const DELAY_MS_MAX: u64 = 100 * 365 * 24 * 60 * 60 * 1_000;
/// Commands that may be refused one because of the other, with no event or timer between: more is a circle.
pub const REFUSALS_MAX: usize = 8;
