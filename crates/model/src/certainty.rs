use serde::Serialize;

/// How sure it is that a version of an item is as its owner left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// Judged clean, and there was an earlier version to hold it against.
    Compared,
    /// Judged clean by what it is alone.
    FirstSight,
    /// Nobody judges its kind. It stood so before the first sign of an attack.
    BeforeFirstSign,
    /// Nobody judges its kind, and nothing says that it stood so before an attack.
    NotJudged,
    /// No version of it is known to be clean.
    NoneKnown,
}

impl Certainty {
    /// The words for people.
    pub fn words(self) -> &'static str {
        match self {
            Certainty::Compared => "judged clean, with an earlier version to compare",
            Certainty::FirstSight => "judged clean at first sight, with nothing to compare",
            Certainty::BeforeFirstSign => "not judged, taken from before the first sign",
            Certainty::NotJudged => "not judged, and not known to be from before an attack",
            Certainty::NoneKnown => "no clean version is known",
        }
    }
}
