//! What happened to everybody's things, by day: `tenant/behaviour.json`, which goes from finished
//! snapshot to finished snapshot. Sums of the last 30 days, and sums of what was before them, which
//! is what is usual here.
//!
//! A run adds to it when it is finished, what all runs since the last finished snapshot counted;
//! until then that rides in `tenant/unfinished.json`. So nothing counts twice. What somebody looked
//! at counts no more.

use super::{
    calendar::Calendar,
    sums::{Class, Lot, WINDOW_DAYS},
    tally::{Count, Summed, Sums},
};
use crate::{Error, layout};
use jiff::{Timestamp, ToSpan, civil::Date};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use strongroom_model::{Alarm, AlarmKind, ItemId, Record, RecordError, Stored, Untrusted};
use strongroom_repository::{Repository, Snapshot};
use strongroom_workloads::workload::Profile;

/// Items that are kept in order not to count twice, of each kind.
const IDS_MAX: usize = 4_096;
/// Days of which is known what was usual, at most; then all counts half.
const EARLIER_DAYS_MAX: i64 = 120;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct OwnerRow {
    id: ItemId,
    /// What alarms call it.
    scope: Untrusted,
}

/// Sums of an owner and a workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SumRow {
    /// Which of the owners.
    o: usize,
    /// The workload's name.
    w: String,
    s: Sums,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct DayRow {
    day: Date,
    rows: Vec<SumRow>,
}

/// An alarm that somebody looked at and that stands until a day: what it is made of counts no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LookedAt {
    code: String,
    subject: Untrusted,
    /// Absent in alarms of the first programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<Timestamp>,
}

impl LookedAt {
    fn of(alarm: &Alarm) -> Self {
        let (code, subject) = (alarm.kind.as_str().to_owned(), alarm.subject().into());
        Self { code, subject, last: alarm.last }
    }
}

/// The record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Behaviour {
    /// Format version.
    v: u32,
    /// When the first run began that counted: what was made before it was there.
    began: Timestamp,
    /// The first day that `earlier` is of.
    from: Date,
    owners: Vec<OwnerRow>,
    /// The last 30 days, oldest first; one in which nothing happened is not there.
    days: Vec<DayRow>,
    /// What was before them.
    earlier: Vec<SumRow>,
    /// Numbers of items that were counted, with the day.
    damaged: BTreeMap<u64, Date>,
    renamed: BTreeMap<u64, Date>,
    relabelled: BTreeMap<u64, Date>,
    /// Numbers of contents that several items got.
    equal: BTreeMap<u64, Date>,
    looked_at: Vec<LookedAt>,
}

impl Stored for Behaviour {
    const NAME: &'static str = "what happened in the last 30 days (tenant/behaviour.json)";
}

/// What an owner has of a workload, and what a run counted of it.
pub(super) struct Counted {
    pub(super) owner: ItemId,
    /// What alarms call it.
    pub(super) scope: String,
    pub(super) profile: &'static Profile,
    /// Items in the last finished snapshot.
    pub(super) live: u64,
    pub(super) summed: Summed,
}

fn first_of_window(today: Date) -> Date {
    today.saturating_sub((WINDOW_DAYS - 1).days())
}

/// Days from one to another.
fn days_between(from: Date, to: Date) -> i64 {
    from.until(to).map_or(0, |span| i64::from(span.get_days())).max(0)
}

impl Behaviour {
    /// One in which nothing was counted.
    pub(super) fn new(began: Timestamp, today: Date) -> Self {
        Self {
            v: Self::VERSION,
            began,
            from: today,
            owners: Vec::new(),
            days: Vec::new(),
            earlier: Vec::new(),
            damaged: BTreeMap::new(),
            renamed: BTreeMap::new(),
            relabelled: BTreeMap::new(),
            equal: BTreeMap::new(),
            looked_at: Vec::new(),
        }
    }

    /// That of a snapshot, or a new one; and why what was counted is not known, where it is not.
    pub(super) fn of(
        repo: &Repository,
        snapshot: Option<&Snapshot>,
        began: Timestamp,
        calendar: &Calendar,
    ) -> Result<(Record<Self>, Option<String>), Error> {
        let fresh = || Record::new(Self::new(began, calendar.day(began)));
        let path = format!("/{}/{}", layout::TENANT, layout::BEHAVIOUR);
        let Some(snapshot) = snapshot else { return Ok((fresh(), None)) };
        let bytes = match repo.node_at(&snapshot.tree, &path) {
            Ok(node) => repo.read_record(&node)?,
            Err(strongroom_repository::Error::NoSuchPath(_)) => return Ok((fresh(), None)),
            Err(e) => return Err(e.into()),
        };
        match Record::<Self>::from_bytes(&bytes) {
            Err(e @ RecordError::Shape { .. }) => Ok((fresh(), Some(e.to_string()))),
            read => {
                let mut record = read?;
                record.value.roll(calendar.day(began));
                Ok((record, None))
            }
        }
    }

    pub(super) fn is_damaged(&self, item: u64) -> bool {
        self.damaged.contains_key(&item)
    }

    pub(super) fn is_renamed(&self, item: u64) -> bool {
        self.renamed.contains_key(&item)
    }

    pub(super) fn is_relabelled(&self, item: u64) -> bool {
        self.relabelled.contains_key(&item)
    }

    pub(super) fn is_equal(&self, content: u64) -> bool {
        self.equal.contains_key(&content)
    }

    /// Whether something that was made at a moment is one of those that come and go.
    pub(super) fn is_young(&self, made: Timestamp, now: Timestamp) -> bool {
        let age_s = now.as_second() - made.as_second();
        made > self.began && age_s < i64::from(WINDOW_DAYS) * 86_400
    }

    /// Lets days go that are over: they become what is usual.
    pub(super) fn roll(&mut self, today: Date) {
        let first = first_of_window(today);
        let (days, over) = std::mem::take(&mut self.days).into_iter().partition(|d| d.day >= first);
        self.days = days;
        for row in Vec::<DayRow>::into_iter(over).flat_map(|d| d.rows) {
            sums_in(&mut self.earlier, row.o, &row.w).add_all(&row.s);
        }
        let known = days_between(self.from, first);
        if known > EARLIER_DAYS_MAX {
            self.earlier.iter_mut().for_each(|row| row.s.halve());
            self.earlier.retain(|row| !row.s.is_empty());
            self.from = first.saturating_sub((known / 2).days());
        }
        let sets = [&mut self.damaged, &mut self.renamed, &mut self.relabelled, &mut self.equal];
        sets.into_iter().for_each(|set| set.retain(|_, day| *day >= first));
    }

    /// What these alarms are made of counts no more, since somebody looked at them. One that stands
    /// until a day was looked at once.
    pub(super) fn close<'a>(&mut self, looked_at: impl Iterator<Item = &'a Alarm>) {
        let mut stand = Vec::new();
        for alarm in looked_at {
            let row = LookedAt::of(alarm);
            if !self.looked_at.contains(&row) {
                self.close_one(alarm);
            }
            stand.push(row);
        }
        self.looked_at = stand;
    }

    fn close_one(&mut self, alarm: &Alarm) {
        let is_its = |owners: &[OwnerRow], row: &SumRow| {
            let is_owner = owners.get(row.o).is_some_and(|o| o.scope == alarm.scope);
            let is_all = alarm.scope == *super::alarms::EVERYBODY;
            (is_all || is_owner) && alarm.workload.as_ref().is_none_or(|w| *w == row.w)
        };
        let damage = matches!(alarm.kind, AlarmKind::Damaged | AlarmKind::Encryption);
        let notes = alarm.kind == AlarmKind::RansomNotes;
        for row in self.days.iter_mut().flat_map(|d| &mut d.rows) {
            if !is_its(&self.owners, row) {
                continue;
            }
            let profile = strongroom_workloads::by_name(&row.w).map(|w| w.profile());
            let classes = Class::ALL
                .into_iter()
                .filter(|class| profile.is_some_and(|p| class.kind(p) == alarm.kind));
            for count in classes.flat_map(Class::counts) {
                row.s.n.remove(count);
            }
            if damage {
                row.s.d.clear();
                row.s.n.remove(&Count::Odd);
                row.s.n.remove(&Count::OutOfHours);
                row.s.n.remove(&Count::Encrypted);
            }
            if notes {
                row.s.n.remove(&Count::Notes);
            }
        }
        // What comes back and is damaged again is damaged again.
        match alarm.kind {
            AlarmKind::Damaged | AlarmKind::Encryption => self.damaged.clear(),
            AlarmKind::RenameStorm => self.renamed.clear(),
            AlarmKind::Relabelled => self.relabelled.clear(),
            _ => {}
        }
    }

    /// How many days `earlier` is of.
    fn earlier_days(&self, today: Date) -> u64 {
        days_between(self.from, first_of_window(today)).unsigned_abs()
    }

    /// The window of each, with what this run counted.
    pub(super) fn lots(&self, counted: &[Counted], today: Date) -> Vec<Lot> {
        let index: BTreeMap<&ItemId, usize> =
            self.owners.iter().enumerate().map(|(n, o)| (&o.id, n)).collect();
        let mut by: BTreeMap<(usize, &str), Vec<(Date, Sums)>> = BTreeMap::new();
        for day in &self.days {
            for row in &day.rows {
                by.entry((row.o, row.w.as_str())).or_default().push((day.day, row.s.clone()));
            }
        }
        let earlier: BTreeMap<(usize, &str), &Sums> =
            self.earlier.iter().map(|row| ((row.o, row.w.as_str()), &row.s)).collect();
        let earlier_days = self.earlier_days(today);
        let lot = |c: &Counted| {
            let key = index.get(&c.owner).map(|n| (*n, c.profile.name));
            let mut days = key.and_then(|k| by.get(&k).cloned()).unwrap_or_default();
            match days.last_mut() {
                Some((day, sums)) if *day >= today => sums.add_all(&c.summed.sums),
                _ => days.push((today, c.summed.sums.clone())),
            }
            let earlier = key.and_then(|k| earlier.get(&k)).map(|s| (*s).clone());
            Lot {
                scope: c.scope.clone(),
                profile: c.profile,
                live: c.live,
                days,
                now: c.summed.sums.clone(),
                earlier: earlier.unwrap_or_default(),
                earlier_days,
            }
        };
        counted.iter().map(lot).collect()
    }

    /// Adds what the runs since the last finished snapshot counted. Answers whether that was
    /// anything.
    pub(super) fn add(&mut self, counted: &[Counted], equal: &BTreeSet<u64>, today: Date) -> bool {
        let mut is_new = false;
        for c in counted.iter().filter(|c| !c.summed.sums.is_empty()) {
            is_new = true;
            let o = self.owner(&c.owner, &c.scope);
            let mut sums = c.summed.sums.clone();
            if let Some(past) = sums.n.remove(&Count::Past) {
                sums_in(&mut self.earlier, o, c.profile.name).add(Count::Past, past);
            }
            if !sums.is_empty() {
                sums_in(self.day(today), o, c.profile.name).add_all(&sums);
            }
            let sets = [
                (&mut self.damaged, &c.summed.damaged),
                (&mut self.renamed, &c.summed.renamed),
                (&mut self.relabelled, &c.summed.relabelled),
            ];
            for (kept, new) in sets {
                keep(kept, new, today);
            }
        }
        keep(&mut self.equal, equal, today);
        is_new |= !equal.is_empty();
        self.forget_owners();
        is_new
    }

    /// The rows of a day. Where the clock went back they are those of the last day that is known.
    fn day(&mut self, today: Date) -> &mut Vec<SumRow> {
        if self.days.last().is_none_or(|d| d.day < today) {
            self.days.push(DayRow { day: today, rows: Vec::new() });
        }
        let last = self.days.len() - 1;
        &mut self.days[last].rows
    }

    fn owner(&mut self, id: &ItemId, scope: &str) -> usize {
        match self.owners.iter().position(|o| o.id == *id) {
            Some(n) => {
                self.owners[n].scope = scope.into();
                n
            }
            None => {
                self.owners.push(OwnerRow { id: id.clone(), scope: scope.into() });
                self.owners.len() - 1
            }
        }
    }

    /// Those of whom nothing is counted any more.
    fn forget_owners(&mut self) {
        let rows = || self.days.iter().flat_map(|d| &d.rows).chain(&self.earlier);
        let used: BTreeSet<usize> = rows().map(|row| row.o).collect();
        if used.len() == self.owners.len() {
            return;
        }
        let now: BTreeMap<usize, usize> = used.iter().enumerate().map(|(n, o)| (*o, n)).collect();
        let owners = std::mem::take(&mut self.owners).into_iter().enumerate();
        self.owners = owners.filter(|(n, _)| used.contains(n)).map(|(_, o)| o).collect();
        let rows = self.days.iter_mut().flat_map(|d| &mut d.rows).chain(&mut self.earlier);
        rows.for_each(|row| row.o = now.get(&row.o).copied().unwrap_or(usize::MAX));
    }
}

fn keep(kept: &mut BTreeMap<u64, Date>, new: &BTreeSet<u64>, today: Date) {
    for number in new {
        if kept.len() < IDS_MAX || kept.contains_key(number) {
            kept.insert(*number, today);
        }
    }
}

fn sums_in<'r>(rows: &'r mut Vec<SumRow>, o: usize, workload: &str) -> &'r mut Sums {
    let at = match rows.iter().position(|row| row.o == o && row.w == workload) {
        Some(n) => n,
        None => {
            rows.push(SumRow { o, w: workload.to_owned(), s: Sums::default() });
            rows.len() - 1
        }
    };
    &mut rows[at].s
}
