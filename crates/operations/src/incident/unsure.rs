//! Of what nobody can be sure, the worst first.

use super::{data::DataSigns, intruder::SettingsSeen, points::Points};
use crate::School;
use jiff::Timestamp;
use serde::Serialize;
use strongroom_engine::clean::LeftWhy;
use strongroom_model::Certainty;

/// What is in doubt, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DoubtKind {
    /// Items of which no clean version is known.
    NoCleanVersion,
    /// What snapshots say of alarms cannot be read.
    UnreadableAlarms,
    /// What changed in the settings is not known.
    SettingsUnknown,
    /// No snapshot is old enough to show what came before.
    NothingBefore,
    /// Items that come back and that nobody judged.
    NotJudged,
    /// Items that come back and were judged with nothing to hold them against.
    FirstSight,
    /// Time of which no snapshot tells.
    Gap,
    /// Snapshots that lack something.
    Incomplete,
    /// Runs that did not finish.
    Unfinished,
    /// Items that stopped being clean before the first sign: its beginning, or honest work.
    Traces,
    /// What no backup looks at.
    NotLookedAt,
}

/// Something of which nobody can be sure.
#[derive(Debug, Clone, Serialize)]
pub struct Doubt {
    /// What.
    pub kind: DoubtKind,
    /// How many there are of it: items, snapshots, collections.
    pub number: u64,
    /// One sentence.
    pub says: String,
}

/// Where an intruder hides and no backup looks.
const NOT_READ: &str = "rules and forwarding that people set in their own mailboxes are not read: \
    look at those of whom the attack reached";

pub(super) fn doubts(
    school: &School,
    (data, from): (&DataSigns, Timestamp),
    settings: &SettingsSeen,
    points: Option<&Points>,
) -> Vec<Doubt> {
    let mut out = Vec::new();
    let mut say = |kind, number: usize, says: String| {
        out.push(Doubt { kind, number: number as u64, says });
    };
    if let Some(points) = points {
        let lost = points.none.iter().filter(|n| n.why != LeftWhy::Attackers).count();
        if lost > 0 {
            let what = "items were there at the clean point, and no clean version of them is known";
            say(DoubtKind::NoCleanVersion, lost, format!("{lost} {what}"));
        }
        let sure = |all: &[Certainty]| {
            let of: u64 = all.iter().filter_map(|c| points.certainty.get(c)).sum();
            usize::try_from(of).unwrap_or(usize::MAX)
        };
        let unjudged = sure(&[Certainty::NotJudged]);
        if unjudged > 0 {
            let what = "items that come back were never judged, and are not known to be from \
                        before the attack";
            say(DoubtKind::NotJudged, unjudged, format!("{unjudged} {what}"));
        }
        let first = sure(&[Certainty::FirstSight]);
        if first > 0 {
            let what = "items that come back were judged at first sight, with no earlier version \
                        to compare";
            say(DoubtKind::FirstSight, first, format!("{first} {what}"));
        }
    }
    let unread = data.standing.iter().filter(|a| a.row.known().is_none()).count();
    if unread > 0 {
        let what = "alarms stand that this program cannot read: what they told of is not known";
        say(DoubtKind::UnreadableAlarms, unread, format!("{unread} {what}"));
    }
    if let Some(why) = &settings.unknown {
        say(DoubtKind::SettingsUnknown, 1, why.clone());
    }
    let snapshots = &data.signs.snapshots;
    let patience = school.config().nightly.patience();
    if let Some(read) = settings.read.filter(|read| school.now().duration_since(*read) > patience) {
        let what = format!(
            "the settings were read last at {read:.0}: what of the intruder stands may be otherwise"
        );
        say(DoubtKind::SettingsUnknown, 1, what);
    }
    let is_first = |s: &&strongroom_engine::signs::SnapshotSigns| s.is_first && s.at >= from;
    if let Some(s) = snapshots.iter().find(is_first) {
        let what = format!(
            "the first snapshot that there is ({:.8}) is no older than the first sign: what was \
             clean before is not known",
            s.snapshot.to_string()
        );
        say(DoubtKind::NothingBefore, 1, what);
    }
    let gaps: Vec<_> = snapshots
        .windows(2)
        .filter(|pair| pair[1].at.duration_since(pair[0].at) > patience)
        .collect();
    let length = |pair: &&[strongroom_engine::signs::SnapshotSigns]| {
        pair[1].at.duration_since(pair[0].at).as_secs()
    };
    if let Some(longest) = gaps.iter().copied().max_by_key(length) {
        let (a, b) = (longest[0].at, longest[1].at);
        let what = format!(
            "{} times no backup was made for longer than {} hours, the longest from {a:.0} to \
             {b:.0}: what was made and damaged in between was never stored",
            gaps.len(),
            patience.as_hours()
        );
        say(DoubtKind::Gap, gaps.len(), what);
    }
    let incomplete = snapshots.iter().filter(|s| !s.is_complete).count();
    if incomplete > 0 {
        let what = format!(
            "{incomplete} of {} snapshots since {:.0} lack what could not be read then",
            snapshots.len(),
            data.since
        );
        say(DoubtKind::Incomplete, incomplete, what);
    }
    let unfinished = data.signs.unfinished.len();
    if unfinished > 0 {
        let what = "runs did not finish: what they saw is judged by the next one that does";
        say(DoubtKind::Unfinished, unfinished, format!("{unfinished} {what}"));
    }
    let earlier = snapshots.iter().filter(|s| s.at < from && !s.is_first);
    let traces: u64 = earlier.flat_map(|s| s.changes.values()).map(|c| c.damaged).sum();
    if traces > 0 {
        let what = format!(
            "{traces} items stopped being clean between {:.0} and the first sign: its beginning, \
             or honest work",
            data.since
        );
        say(DoubtKind::Traces, usize::try_from(traces).unwrap_or(usize::MAX), what);
    }
    say(DoubtKind::NotLookedAt, 1, NOT_READ.to_owned());
    out.sort_by_key(|d| d.kind);
    out
}
