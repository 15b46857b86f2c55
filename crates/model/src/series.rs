use serde::{Deserialize, Deserializer, Serialize};
use std::{borrow::Cow, fmt};

/// A lineage of snapshots in a repository: each series has a schedule, a writer's lock, a newest
/// snapshot, retention slots and manifests of its own, and knows nothing of the others.
///
/// A name of lower-case letters and hyphens. One that a newer program wrote is a series like any
/// other: it is kept and counted by itself, and never taken for [`Series::DATA`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Series(Cow<'static, str>);

impl Series {
    /// What people have: mail, files, calendars. What says nothing of a series is of this one.
    pub const DATA: Series = Series(Cow::Borrowed("data"));
    /// The tenant's configuration.
    pub const SETTINGS: Series = Series(Cow::Borrowed("settings"));
    /// Identities, Active Directory above all.
    pub const DIRECTORY: Series = Series(Cow::Borrowed("directory"));
    /// Devices.
    pub const DEVICES: Series = Series(Cow::Borrowed("devices"));
    /// Event logs.
    pub const LOGS: Series = Series(Cow::Borrowed("logs"));
    /// Who approves what is planned: each change of them, as it was signed.
    pub const APPROVERS: Series = Series(Cow::Borrowed("approvers"));
    /// What bears a name that is none.
    pub const UNKNOWN: Series = Series(Cow::Borrowed("unknown"));

    /// Those that this program knows.
    pub const KNOWN: &[Series] =
        &[Self::DATA, Self::SETTINGS, Self::DIRECTORY, Self::DEVICES, Self::LOGS, Self::APPROVERS];

    /// Longest name in bytes.
    const NAME_BYTES_MAX: usize = 32;

    /// A series by its name; `None` for what is no name.
    pub fn parse(name: &str) -> Option<Self> {
        let is_name = (1..=Self::NAME_BYTES_MAX).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        is_name.then(|| Self(Cow::Owned(name.to_owned())))
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is that of people's data, whose snapshots are judged clean or not.
    pub fn is_data(&self) -> bool {
        *self == Self::DATA
    }
}

impl Default for Series {
    fn default() -> Self {
        Self::DATA
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Series {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let wrong = || serde::de::Error::custom(format!("{name:?} is no name of a series"));
        Self::parse(&name).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_name_and_nothing_else_is() {
        assert_eq!(Series::parse("settings"), Some(Series::SETTINGS));
        assert!(Series::parse("data").is_some_and(|s| s.is_data()));
        assert!(Series::parse("what-comes").is_some_and(|s| !s.is_data()));
        for bad in ["", "Data", "a/b", "..", "a b", &"x".repeat(33)] {
            assert_eq!(Series::parse(bad), None, "{bad}");
        }
        assert!(serde_json::from_str::<Series>("\"../x\"").is_err());
        assert_eq!(serde_json::to_string(&Series::LOGS).unwrap(), "\"logs\"");
    }
}
