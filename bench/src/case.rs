//! What is measured: the cases, in the order in which they take turns.

use serde::Serialize;

use crate::append::Space;

pub const CONNECTIONS: [usize; 3] = [1, 16, 64];
pub const EVENTS_PER_REQUEST: [usize; 2] = [1, 100];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Case {
    /// A file: so many events in one write and fdatasync.
    Append { space: Space, events: usize },
    /// The HTTP stack alone.
    Echo { connections: usize, events: usize },
    /// A server, on a topic with a schema or on an open one.
    Weir { schema: bool, connections: usize, events: usize },
}

/// The three kinds of cases, to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    Append,
    Echo,
    Weir,
}

impl Case {
    /// All cases. Those that are compared stand next to each other, so that a noisy neighbour meets them alike: so many
    /// connections can fill one commit with at most so many events, which is the write that they are compared with.
    pub fn all() -> Vec<Self> {
        let mut cases = Vec::new();
        for events in EVENTS_PER_REQUEST {
            for connections in CONNECTIONS {
                cases.extend([
                    Self::Append { space: Space::Preallocated, events: connections * events },
                    Self::Append { space: Space::Growing, events: connections * events },
                    Self::Echo { connections, events },
                    Self::Weir { schema: true, connections, events },
                    Self::Weir { schema: false, connections, events },
                ]);
            }
        }
        cases
    }

    pub fn kind(self) -> Kind {
        match self {
            Self::Append { .. } => Kind::Append,
            Self::Echo { .. } => Kind::Echo,
            Self::Weir { .. } => Kind::Weir,
        }
    }

    /// The limits that a server's case is compared with: the stack; one request's events a write and sync, into both kinds
    /// of file; and all connections' events a write and sync, the most that group commit could reach.
    pub fn limits(self) -> Option<[Self; 4]> {
        let Self::Weir { connections, events, .. } = self else { return None };
        Some([
            Self::Echo { connections, events },
            Self::Append { space: Space::Preallocated, events },
            Self::Append { space: Space::Growing, events },
            Self::Append { space: Space::Preallocated, events: connections * events },
        ])
    }

    /// Three words: who, connections, events in a request or write.
    pub fn words(self) -> [String; 3] {
        let (who, connections, events) = match self {
            Self::Append { space: Space::Preallocated, events } => ("append, preallocated", None, events),
            Self::Append { space: Space::Growing, events } => ("append, growing", None, events),
            Self::Echo { connections, events } => ("echo", Some(connections), events),
            Self::Weir { schema: true, connections, events } => ("weir, schema", Some(connections), events),
            Self::Weir { schema: false, connections, events } => ("weir, open topic", Some(connections), events),
        };
        [who.to_owned(), connections.map_or_else(|| "-".to_owned(), |n| n.to_string()), events.to_string()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_itself_measured_once() {
        let cases = Case::all();
        for limit in cases.iter().filter_map(|case| case.limits()).flatten() {
            assert_eq!(cases.iter().filter(|case| **case == limit).count(), 1, "{limit:?}");
        }
        assert_eq!(cases.len(), 30);
    }
}
