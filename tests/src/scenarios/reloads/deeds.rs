//! What can be done to a plugin, and how often it is.

use rand::RngExt;
use rand::rngs::StdRng;

use super::subject::Kind;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Replace { content: Content, way: Way, sidecar: Sidecar, meanwhile: Meanwhile },
    Pause,
    Reload,
    RollBack,
}

/// What is in the new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// One that was not there before.
    New,
    /// One that served before: its compiled form may be in the cache.
    Again,
    Truncated,
    Empty,
    Text,
    /// A guest that misbehaves before it serves.
    Odd(&'static str),
}

/// How it gets there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    AtOnce,
    Renamed,
    Pieces,
    DeletedBefore,
    /// Another good file takes the place for a moment.
    AnotherBefore,
    WrittenTwice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sidecar {
    None,
    /// So many instances.
    Instances(usize),
    /// `enabled = false` for a moment.
    OffBefore,
    /// Two that make any file be refused.
    Broken,
    WrongPin,
}

/// What an operator does while the file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meanwhile {
    Nothing,
    Pause,
    Reload,
}

/// Guests that are never taken, each for a reason of its own. The last one computes for a second before it is stopped.
const ODD: [&str; 7] =
    ["trap-in-describe", "refuse-init", "empty-name", "trap-in-init", "trap-in-validate", "too-few", "loop-in-init"];

impl Deed {
    /// What happens to a plugin in this round, if anything.
    pub fn draw(dice: &mut StdRng, kind: Kind) -> Option<Self> {
        // Schema and webhook are bigger: they take a second or more to compile, and all others wait behind them.
        let often = match kind {
            Kind::Rule => 0.85,
            Kind::Relay => 0.5,
            Kind::Webhook => 0.03,
            Kind::Schema => 0.02,
        };
        if !dice.random_bool(often) {
            return None;
        }
        Some(match dice.random_range(0..100) {
            0..5 => Self::Pause,
            5..9 => Self::Reload,
            9..13 => Self::RollBack,
            _ => Self::Replace {
                content: content(dice, kind),
                way: way(dice, kind),
                sidecar: sidecar(dice, kind),
                meanwhile: meanwhile(dice),
            },
        })
    }

    pub fn is_a_reload(self) -> bool {
        matches!(self, Self::Replace { .. } | Self::Reload)
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Pause => "paused and resumed",
            Self::Reload => "reloaded by hand",
            Self::RollBack => "rolled back by hand",
            Self::Replace { sidecar: Sidecar::Broken | Sidecar::WrongPin, .. } => "side-car that refuses the file",
            Self::Replace { content: Content::New, .. } => "new good file",
            Self::Replace { content: Content::Again, .. } => "good file again",
            Self::Replace { content: Content::Truncated, .. } => "truncated file",
            Self::Replace { content: Content::Empty, .. } => "empty file",
            Self::Replace { content: Content::Text, .. } => "text",
            Self::Replace { content: Content::Odd(behaviour), .. } => behaviour,
        }
    }
}

fn content(dice: &mut StdRng, kind: Kind) -> Content {
    match dice.random_range(0..100) {
        0..30 => Content::New,
        30..66 => Content::Again,
        66..74 => Content::Truncated,
        74..80 => Content::Empty,
        80..86 => Content::Text,
        number => match kind {
            // Sinks are not tried before they serve.
            Kind::Rule => Content::Odd(ODD[if number == 99 { 6 } else { dice.random_range(0..6) }]),
            Kind::Relay => Content::Odd(ODD[dice.random_range(0..4)]),
            Kind::Schema | Kind::Webhook => Content::Truncated,
        },
    }
}

fn way(dice: &mut StdRng, kind: Kind) -> Way {
    match dice.random_range(0..100) {
        0..40 => Way::AtOnce,
        40..60 => Way::Renamed,
        60..75 => Way::Pieces,
        75..82 if kind != Kind::Schema && kind != Kind::Webhook => Way::DeletedBefore,
        82..92 if kind == Kind::Rule => Way::AnotherBefore,
        _ => Way::WrittenTwice,
    }
}

fn sidecar(dice: &mut StdRng, kind: Kind) -> Sidecar {
    if kind == Kind::Schema || kind == Kind::Webhook {
        return Sidecar::None;
    }
    match dice.random_range(0..100) {
        0..50 => Sidecar::None,
        50..84 => Sidecar::Instances(dice.random_range(2..=4)),
        84..92 => Sidecar::OffBefore,
        92..96 => Sidecar::Broken,
        _ => Sidecar::WrongPin,
    }
}

fn meanwhile(dice: &mut StdRng) -> Meanwhile {
    match dice.random_range(0..100) {
        0..6 => Meanwhile::Pause,
        6..12 => Meanwhile::Reload,
        _ => Meanwhile::Nothing,
    }
}
