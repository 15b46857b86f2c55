//! What a run knows of the runs before it, and tells before it has a snapshot: what a host made is
//! not there any more; alarms of a run that may yet fail.

use super::{alarms::EVERYBODY, run::Run};
use jiff::Timestamp;
use std::{fmt, sync::Arc};
use strongroom_model::{Alarm, AlarmKind, AlarmSeverity, Series};
use strongroom_repository::{Id, Snapshot, TAG_ALARM, heads};

/// The last finished snapshot of a series that a host made, as it noted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeBefore {
    /// Its id.
    pub snapshot: String,
    /// When the run began that made it: what it is of is no older.
    pub time: Timestamp,
    /// Its tags.
    pub tags: Vec<String>,
}

impl MadeBefore {
    /// What there is to say where it is not among these snapshots any more, and no newer one is:
    /// somebody took it away, and what it told with it.
    pub fn gone_from(
        &self,
        all: &[(Id, Snapshot)],
        tenant: &str,
        series: &Series,
    ) -> Option<String> {
        let is_newer = heads(all, tenant, series).iter().any(|(_, s)| s.time >= self.time);
        if is_newer || all.iter().any(|(id, _)| id.to_string() == self.snapshot) {
            return None;
        }
        Some(format!(
            "snapshot {:.8}, which this host made at {:.0}, is not in copy 2 any more, and no \
             newer one is",
            self.snapshot, self.time
        ))
    }

    /// The kinds of alarms that it bore.
    pub fn bore(&self) -> Vec<&str> {
        self.tags.iter().filter_map(|tag| tag.strip_prefix(TAG_ALARM)).collect()
    }
}

/// Hears of the grave alarms that a run has found so far: as it keeps what it has read, and where
/// it ends without a report. It hears of one more often than once.
#[derive(Clone, Default)]
pub struct HearsAlarms(Option<Arc<Hears>>);

type Hears = dyn Fn(&[Alarm]) + Send + Sync;

impl HearsAlarms {
    /// Somebody who hears. It may block.
    pub fn new(hears: impl Fn(&[Alarm]) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hears)))
    }
}

impl fmt::Debug for HearsAlarms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HearsAlarms").field(&self.0.is_some()).finish()
    }
}

impl Run {
    /// Raises the alarm that what this host made before is gone from these snapshots.
    pub(super) fn look_for_what_was_made(&self, all: &[(Id, Snapshot)]) {
        let Some(made) = &self.options.made_before else { return };
        let Some(mut text) = made.gone_from(all, &self.options.tenant, &Series::DATA) else {
            return;
        };
        let bore = made.bore();
        if !bore.is_empty() {
            text.push_str(&format!("; it told of {}", bore.join(", ")));
        }
        let alarm = Alarm::new(AlarmKind::SnapshotGone, AlarmSeverity::High, EVERYBODY, text, 1);
        // A run that was broken off raised it, and somebody looked at it since.
        if !self.earlier.was_looked_at(&alarm) {
            self.alarm(alarm);
        }
    }

    /// Grave alarms of what was seen until now. While not all is read, of what everybody did
    /// together nothing is said: a share of those who were looked at is none of the tenant's.
    fn found_so_far(&self) -> Vec<Alarm> {
        let mut found = self.alarms();
        for alarm in self.judge_patterns() {
            let is_of_all = alarm.scope == *EVERYBODY && alarm.workload.is_some();
            if !is_of_all && !found.iter().any(|a| a.is_as(&alarm)) {
                found.push(alarm);
            }
        }
        found.retain(|a| a.severity == AlarmSeverity::High);
        found
    }

    /// Lets the alarms that were found so far be heard, whatever becomes of this run.
    pub(super) fn tell_found(&self) {
        let Some(hears) = &self.options.hears_alarms.0 else { return };
        let found = self.found_so_far();
        if !found.is_empty() {
            hears(&found);
        }
    }
}
