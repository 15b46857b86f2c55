//! What the pattern of a run says, beyond the verdicts on single versions.

use super::{
    behaviour::Counted,
    calendar::{Calendar, EventKind},
    count,
    run::Run,
    seen::Of,
    sums::{self, Class, Judged},
    tally,
};
use crate::{Error, layout, owner_dirs};
use std::collections::{BTreeMap, BTreeSet};
use strongroom_model::{Alarm, AlarmKind, AlarmSeverity, ItemId, Row};
use strongroom_repository::{Cut, Node};
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

/// An alarm that stands is raised again when it speaks of so many times more.
const AGAIN: (u64, u64) = (5, 4);

/// What alarms call an owner: several sites may have one title.
fn scopes(patterns: &[(ItemId, Of)]) -> Vec<String> {
    let mut called: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for (_, of) in patterns {
        *called.entry((of.name.as_str(), of.profile.name)).or_default() += 1;
    }
    let scope = |(id, of): &(ItemId, Of)| match called.get(&(of.name.as_str(), of.profile.name)) {
        Some(2..) => owner_dirs::named(&of.name, id),
        _ => of.name.clone(),
    };
    patterns.iter().map(scope).collect()
}

impl Run {
    /// What goes into the sums of 30 days, and content that several items got.
    fn counted(&self, patterns: &[(ItemId, Of)]) -> (Vec<Counted>, BTreeSet<u64>) {
        let tallies: Vec<&tally::Tally> =
            patterns.iter().map(|(_, of)| &of.pattern.tally).collect();
        let (summed, equal) = tally::sums(&tallies, &self.behaviour);
        let all = patterns.iter().zip(scopes(patterns)).zip(summed);
        let counted = all.map(|(((id, of), scope), summed)| Counted {
            owner: id.clone(),
            scope,
            profile: of.profile,
            live: of.pattern.before(),
            summed,
        });
        (counted.collect(), equal)
    }

    fn judged<'c>(&self, calendar: &'c Calendar) -> Judged<'c> {
        let (today, is_of_all) = (calendar.day(self.began), self.options.users.is_empty());
        Judged { today, calendar, is_of_all }
    }

    /// What is announced is told, and is no attack.
    fn explain(&self, raised: &mut [Alarm]) {
        let calendar = self.options.calendar.clone().unwrap_or_default();
        let by = self.judged(&calendar);
        let deletions = by.announced(|event| Class::Absence.is_explained_by(event));
        let leavers = by.announced(|event| event == EventKind::Rollover);
        for alarm in raised.iter_mut().filter(|a| a.severity == AlarmSeverity::High) {
            let why = match alarm.kind {
                AlarmKind::MassDelete | AlarmKind::MailboxPurge => &deletions,
                AlarmKind::UserGone => &leavers,
                _ => continue,
            };
            if let Some(why) = why {
                alarm.severity = AlarmSeverity::Notice;
                alarm.text = format!("{}{why}", alarm.text.as_str()).into();
            }
        }
    }

    /// What the sums of 30 days say, but for what is said already.
    fn judge_sums(&self, counted: &[Counted], raised: &[Alarm]) -> Vec<Alarm> {
        let calendar = self.options.calendar.clone().unwrap_or_default();
        let by = self.judged(&calendar);
        let mut found = sums::judge(&self.behaviour.lots(counted, by.today), &by);
        let stand = self.earlier.open.iter().chain(&self.earlier.borne).filter_map(Row::known);
        let stand: Vec<&Alarm> = stand.collect();
        found.retain(|a| {
            let is_same = |b: &Alarm| b.is_as(a) && b.severity >= a.severity;
            let is_more = |b: &Alarm| a.items * AGAIN.1 >= b.items * AGAIN.0;
            let is_unfinished = |b: &Alarm| self.earlier.is_of_unfinished(b.last);
            let stands = stand.iter().any(|b| is_same(b) && !is_more(b) && !is_unfinished(b));
            !stands && !raised.iter().any(is_same)
        });
        found
    }

    /// Keeps the sums with what was counted since the last finished snapshot. Where nothing
    /// happened nothing is written.
    pub(super) fn put_behaviour(&self) -> Result<(), Error> {
        let patterns = self.seen(|seen| seen.patterns());
        let (counted, equal) = self.counted(&patterns);
        let calendar = self.options.calendar.clone().unwrap_or_default();
        let mut record = self.behaviour.clone();
        let has_more = record.value.add(&counted, &equal, calendar.day(self.began));
        let path = [layout::TENANT, layout::BEHAVIOUR];
        if !has_more && !self.was_closed && self.found(&path)?.is_some() {
            return Ok(());
        }
        let stored = self.repo.put_content(&record.to_bytes()?, Cut::Plain)?;
        let (name, at) = (layout::BEHAVIOUR, self.began);
        self.put(&path[..1], Node::file(name, stored.content, stored.size_bytes, at))
    }

    /// Raises the alarm that what was counted in the last 30 days is not known.
    pub(super) fn tell_lost_sums(&self, why: Option<String>) {
        let Some(why) = why else { return };
        let text = format!("slow attacks of the last 30 days may not be seen: {why}");
        let alarm = Alarm::new(AlarmKind::SumsLost, AlarmSeverity::High, EVERYBODY, text, 1);
        if !self.earlier.was_looked_at(&alarm) {
            self.alarm(alarm);
        }
    }

    /// The alarms that follow from what happened to each owner's things since the last finished
    /// snapshot, but for those that a run raised which was broken off, and that somebody looked at.
    pub(super) fn judge_patterns(&self) -> Vec<Alarm> {
        let mut raised = Vec::new();
        let patterns = self.seen(|seen| seen.patterns());
        let (counted, _) = self.counted(&patterns);
        for ((_, of), c) in patterns.iter().zip(&counted) {
            let (profile, p, user) = (of.profile, &of.pattern, &c.scope);
            // What stands elsewhere now was moved.
            let deleted = p.deleted.saturating_sub(c.summed.moved);
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
            if let Some(severity) = of_deletions(deleted, p.before()) {
                let before = p.before();
                let text = format!("{deleted} of {before} {} were deleted", profile.items);
                raise(profile.deletions, severity, deleted, text);
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
        let mut shares: BTreeMap<&str, (&Profile, u64, u64)> = BTreeMap::new();
        for ((_, of), c) in patterns.iter().zip(&counted) {
            let sum = shares.entry(of.profile.name).or_insert((of.profile, 0, 0));
            sum.1 += of.pattern.deleted.saturating_sub(c.summed.moved);
            sum.2 += of.pattern.before();
        }
        for (profile, deleted, before) in shares.into_values() {
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
        self.explain(&mut raised);
        let slow = self.judge_sums(&counted, &raised);
        raised.extend(slow);
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
