//! What the pattern of a run says, beyond the verdicts on single versions.

use super::{count, run::Run};
use crate::owner_dirs;
use std::collections::BTreeMap;
use strongroom_model::{Alarm, AlarmKind, AlarmSeverity};
use strongroom_workloads::workload::Profile;

/// What an alarm is about that is of nobody alone.
pub(super) const EVERYBODY: &str = "tenant";

/// Below this many items a share says nothing.
const RENAMES_MIN: u64 = 5;
const FLUSHED_MIN: u64 = 3;
/// Shares in percent.
const RENAMES_PERCENT: u64 = 20;
/// So many items of one kind gone in a run, and so many percent of somebody's or of the tenant's,
/// are a purge; less is what people do.
const DELETIONS_MIN: u64 = 20;
const DELETIONS_PERCENT: u64 = 20;
const TENANT_DELETIONS_PERCENT: u64 = 5;
/// So many, and so many percent of somebody's, are worth a word.
const NOTED_DELETIONS_MIN: u64 = 8;
const NOTED_DELETIONS_PERCENT: u64 = 40;
/// Throttled answers that show that somebody else uses the budget, since this client keeps to it.
const THROTTLED_MIN: u64 = 5;
/// Owners of one kind gone at once.
const OWNERS_GONE_MIN: u64 = 3;

/// How grave it is that so many of somebody's items of one kind went in one run.
fn of_deletions(deleted: u64, before: u64) -> Option<AlarmSeverity> {
    let is = |min: u64, percent: u64| deleted >= min && deleted * 100 >= before * percent;
    match (is(DELETIONS_MIN, DELETIONS_PERCENT), is(NOTED_DELETIONS_MIN, NOTED_DELETIONS_PERCENT)) {
        (true, _) => Some(AlarmSeverity::High),
        (_, true) => Some(AlarmSeverity::Notice),
        _ => None,
    }
}

impl Run {
    /// The alarms that follow from what happened to each owner's things since the last finished
    /// snapshot, but for those that a run raised which was broken off, and that somebody looked at.
    pub(super) fn judge_patterns(&self) -> Vec<Alarm> {
        let mut raised = Vec::new();
        let patterns = self.seen(|seen| seen.patterns());
        let mut called: BTreeMap<(&str, &str), u32> = BTreeMap::new();
        for (_, of) in &patterns {
            *called.entry((of.name.as_str(), of.profile.name)).or_default() += 1;
        }
        for (id, of) in &patterns {
            let (profile, p) = (of.profile, &of.pattern);
            // Several sites may have one title.
            let user = match called.get(&(of.name.as_str(), profile.name)) {
                Some(2..) => owner_dirs::named(&of.name, id),
                _ => of.name.clone(),
            };
            let mut raise = |kind, severity, items: u64, text: String| {
                let text = format!("{user}: {text}");
                let alarm = Alarm::new(kind, severity, user.as_str(), text, items);
                raised.push(alarm.of(profile.name));
            };
            if p.encrypted > 0 {
                raise(
                    AlarmKind::Encryption,
                    AlarmSeverity::High,
                    p.encrypted,
                    format!("{} became ciphertext", count(p.encrypted as usize, "file", "files")),
                );
            }
            if p.notes > 0 {
                let severity = if p.notes > 1 || p.encrypted > 0 {
                    AlarmSeverity::High
                } else {
                    AlarmSeverity::Notice
                };
                raise(
                    AlarmKind::RansomNotes,
                    severity,
                    p.notes,
                    count(
                        p.notes as usize,
                        "file reads like a ransom note",
                        "files read like ransom notes",
                    ),
                );
            }
            if p.renamed() >= RENAMES_MIN && p.renamed() * 100 >= p.before() * RENAMES_PERCENT {
                raise(
                    AlarmKind::RenameStorm,
                    AlarmSeverity::High,
                    p.renamed(),
                    format!("{} of {} files got another extension", p.renamed(), p.before()),
                );
            }
            if let Some(severity) = of_deletions(p.deleted, p.before()) {
                let (gone, before) = (p.deleted, p.before());
                let text = format!("{gone} of {before} {} were deleted", profile.items);
                raise(profile.deletions, severity, p.deleted, text);
            }
            if p.flushed >= FLUSHED_MIN || (p.flushed > 0 && p.encrypted > 0) {
                raise(
                    AlarmKind::VersionFlush,
                    AlarmSeverity::High,
                    p.flushed,
                    format!("{} lost older versions", count(p.flushed as usize, "file", "files")),
                );
            }
        }
        // Everybody a little is a purge too.
        let mut sums: BTreeMap<&str, (&Profile, u64, u64)> = BTreeMap::new();
        for (_, of) in &patterns {
            let sum = sums.entry(of.profile.name).or_insert((of.profile, 0, 0));
            sum.1 += of.pattern.deleted;
            sum.2 += of.pattern.before();
        }
        for (profile, deleted, before) in sums.into_values() {
            let kind = profile.deletions;
            let is_of_it = |a: &Alarm| a.workload.as_deref() == Some(profile.name);
            let told = raised
                .iter()
                .any(|a| a.kind == kind && a.severity == AlarmSeverity::High && is_of_it(a));
            let large =
                deleted >= DELETIONS_MIN && deleted * 100 >= before * TENANT_DELETIONS_PERCENT;
            if large && !told {
                let text = format!("{deleted} of all {before} {} were deleted", profile.items);
                let alarm = Alarm::new(kind, AlarmSeverity::High, EVERYBODY, text, deleted);
                raised.push(alarm.of(profile.name));
            }
        }
        let alarms = self.alarms();
        for (kind, gone) in self.seen(|seen| seen.count_gone()) {
            if gone < OWNERS_GONE_MIN {
                continue;
            }
            raised.push(Alarm::new(
                AlarmKind::UserGone,
                AlarmSeverity::High,
                EVERYBODY,
                format!("{gone} {}s are gone from {} at once", kind.word(), kind.register()),
                gone,
            ));
        }
        let throttled = self.client.budget().report().throttled;
        if throttled >= THROTTLED_MIN && !alarms.iter().any(|a| a.kind == AlarmKind::BudgetEaten) {
            raised.push(Alarm::new(
                AlarmKind::BudgetEaten,
                AlarmSeverity::Notice,
                EVERYBODY,
                format!(
                    "the service throttled {throttled} answers although the backup kept \
                    to its budget: another client uses it up"
                ),
                throttled,
            ));
        }
        raised.retain(|a| !self.earlier.was_looked_at(a));
        raised
    }
}
