//! What an attack is, and how it ends.

use crate::arena::Arena;
use std::fmt;

/// Whether an attack stood in the list with which the suite began, or was thought of for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The list named it.
    Listed,
    /// Nobody had named it.
    New,
}

/// One attack.
pub(crate) struct Case {
    /// Its name, one in the whole suite.
    pub(crate) id: &'static str,
    /// Whether it was listed.
    pub(crate) origin: Origin,
    /// What the attacker does.
    pub(crate) does: &'static str,
    /// What must stand besides what stands after every case (`Arena::aftermath`).
    pub(crate) stands: &'static str,
    /// Does it. An error of `Fell` got through, one of `Absent` was not run; any other is a defect
    /// of the case.
    pub(crate) run: fn(&mut Arena) -> anyhow::Result<()>,
}

/// All attacks of one kind of attacker.
pub(crate) struct Class {
    /// Its name.
    pub(crate) name: &'static str,
    /// Who attacks.
    pub(crate) attacker: &'static str,
    /// The attacks.
    pub(crate) cases: &'static [Case],
}

/// The attack got through.
#[derive(Debug)]
pub(crate) struct Fell(pub(crate) String);

/// What the attack needs is not on this machine.
#[derive(Debug)]
pub(crate) struct Absent(pub(crate) String);

impl fmt::Display for Fell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fell {}
impl std::error::Error for Absent {}

/// Says that something must stand, or the attack got through.
macro_rules! stands {
    ($held:expr, $($text:tt)+) => {
        if !$held {
            return Err($crate::case::Fell(format!($($text)+)).into());
        }
    };
}
pub(crate) use stands;

/// How a case ended.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// What must stand stands.
    Refused,
    /// It does not.
    GotThrough(String),
    /// Not run, and why.
    NotRun(String),
    /// The case itself failed: nothing is known of the attack.
    Broken(String),
}

impl Outcome {
    pub(crate) fn of(done: anyhow::Result<()>) -> Self {
        let Err(e) = done else { return Self::Refused };
        if let Some(fell) = e.downcast_ref::<Fell>() {
            return Self::GotThrough(fell.0.clone());
        }
        if let Some(absent) = e.downcast_ref::<Absent>() {
            return Self::NotRun(absent.0.clone());
        }
        Self::Broken(format!("{e:#}"))
    }

    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::GotThrough(_) => "GOT THROUGH",
            Self::NotRun(_) => "not run here",
            Self::Broken(_) => "BROKEN CASE",
        }
    }

    pub(crate) fn why(&self) -> &str {
        match self {
            Self::Refused => "",
            Self::GotThrough(why) | Self::NotRun(why) | Self::Broken(why) => why,
        }
    }
}
