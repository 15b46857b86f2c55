use crate::Id;
use serde::{Deserialize, Serialize};
use strongroom_model::{Series, Untrusted};

/// Who wrote a snapshot, where a program of ours did; `restic copy` and `restic tag` keep it.
pub const OURS: &str = "strongroom";
/// Tag of a snapshot that a running backup left for its successor: finished work, never "latest".
pub const TAG_PARTIAL: &str = "partial";
/// Tag of a snapshot whose run saw everything.
pub const TAG_COMPLETE: &str = "complete";
/// Tag of a snapshot whose run ended, but had to skip something (the previous versions stay in it).
pub const TAG_DEGRADED: &str = "degraded";
/// Tag of a snapshot without a high alarm. Set at commit, never moved.
pub const TAG_CLEAN: &str = "clean";
/// Tag of a snapshot that was made for the tenant's configuration. One that bears no series is of
/// an older program: it carries the data of the one before it along, and is of the series of data.
pub const TAG_CONFIGURATION: &str = "configuration";
/// Tag of a snapshot from which a repair left out what no copy has any more.
pub const TAG_REPAIRED: &str = "repaired";
/// Prefix of the tag that names the series; without one it is that of data.
pub const TAG_SERIES: &str = "series:";
/// Prefix of tags that name an alarm.
pub const TAG_ALARM: &str = "alarm:";

/// A snapshot, as restic stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// When the run began.
    pub time: jiff::Timestamp,
    /// The snapshot that this one was built on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Id>,
    /// Root directory.
    pub tree: Id,
    /// What was backed up, for people: `/mail`, `/drives`.
    #[serde(default)]
    pub paths: Vec<String>,
    /// The tenant's name.
    #[serde(default)]
    pub hostname: Untrusted,
    /// The program.
    #[serde(default)]
    pub username: Untrusted,
    /// Tags, set at commit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Which program wrote it.
    #[serde(default)]
    pub program_version: String,
    /// How many snapshots of its series led to it, by the writer's count: always more than its
    /// parent has. Absent in those of restic and of older programs, and lost where restic writes a
    /// snapshot anew.
    #[serde(default, rename = "strongroom_generation", skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
}

impl Snapshot {
    /// Whether it bears a tag.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|t| t == tag)
    }

    /// The series that it is of.
    pub fn series(&self) -> Series {
        let named = self.tags.iter().find_map(|t| t.strip_prefix(TAG_SERIES));
        named.map_or(Series::DATA, |name| Series::parse(name).unwrap_or(Series::UNKNOWN))
    }

    /// The writer's count for a snapshot on top of this one, or of none. Who did not count is
    /// counted as the first.
    pub fn generation_on(parent: Option<&Snapshot>) -> Option<u64> {
        Some(parent.map_or(1, |p| p.generation.unwrap_or(1).saturating_add(1)))
    }

    /// The tag of a series, by which stock restic chooses `latest` as well.
    pub fn series_tag(series: &Series) -> String {
        format!("{TAG_SERIES}{series}")
    }

    /// Whether it is a copy of another snapshot's record that keeps it from being forgotten.
    pub fn is_hold(&self) -> bool {
        self.tags.iter().any(|t| t.starts_with(crate::TAG_HOLD))
    }

    /// Whether a program of ours says that it wrote it. Whoever has the password may keep other
    /// things here with stock restic, under a tenant's name: they are listed and restored like any,
    /// and are never the newest of the tenant.
    pub fn is_ours(&self) -> bool {
        let by_stock = ["restic ", "rustic "].iter().any(|p| self.program_version.starts_with(p));
        self.username == OURS && !by_stock
    }

    /// Whether it is a finished backup: what lists, restores and "latest" go by.
    pub fn is_finished(&self) -> bool {
        !self.is_partial() && !self.is_hold()
    }

    /// Whether it is only a running backup's intermediate state.
    pub fn is_partial(&self) -> bool {
        self.has_tag(TAG_PARTIAL)
    }
}
