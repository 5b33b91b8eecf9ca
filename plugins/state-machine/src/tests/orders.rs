//! The charts of the README, from its own text, in whole stories.
