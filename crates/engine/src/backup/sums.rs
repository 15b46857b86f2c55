//! What the sums of 30 days say: slow attacks on somebody, and thin ones on everybody.
//!
//! Functions over numbers. Damage seen in bytes is counted as it is; what people do as well, to
//! delete, to rename, to put one in the place of another, is held against how much there is and
//! against what is usual here. Who tidies a folder up does it to that folder, on a day or two; who
//! does it on many days, or as many others do on the same day, is counted like who picks single
//! items.

use super::{
    alarms::EVERYBODY,
    calendar::{Calendar, EventKind},
    tally::{Count, Sums},
};
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};
use strongroom_model::{Alarm, AlarmKind, AlarmSeverity, Damage};
use strongroom_workloads::{OwnerKind, workload::Profile};

/// Days in which is counted, today included.
pub(super) const WINDOW_DAYS: i32 = 30;

/// Damaged items of a tenant that are an attack. One may be judged wrongly.
pub(super) const DAMAGED_MIN: u64 = 20;
/// Odd at first sight: so many, and one in so many of those that were seen first.
const ODD_MIN: u64 = 20;
const ODD_ONE_IN: u64 = 1_000;
/// The same, of one owner's.
const OWNERS_ODD_MIN: u64 = 10;
const OWNERS_ODD_PERCENT: u64 = 20;
/// Ransom notes of a tenant.
const NOTES_MIN: u64 = 3;
/// On more days than these in a window nobody tidies up.
const TIDY_DAYS_MAX: usize = 3;
/// So many owners, and percent of all, who tidy up on one day do not do it by themselves.
const TOGETHER_OWNERS_MIN: usize = 5;
const TOGETHER_OWNERS_PERCENT: usize = 3;
/// What went with its folder, too. Half of it in one run is told by the limits of a run.
const ALL_MIN: u64 = 20;
const ALL_PERCENT: u64 = 40;
/// What is usual may be so many times more, and not be told.
const USUAL_TIMES: u64 = 2;
/// Days of which it must be known what is usual. Before, it is made of what was written in the year
/// before the first backup: of what somebody writes in a month so many percent may go.
const USUAL_DAYS_MIN: u64 = 30;
const USUAL_OF_WRITTEN_PERCENT: u64 = 10;

/// What people do as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Absence,
    Renaming,
    Replacement,
    Relabelling,
}

/// Items at least, and at least so many in a thousand.
struct Limit {
    min: u64,
    permille: u64,
}

impl Limit {
    fn is_over(&self, items: u64, of: u64) -> bool {
        items >= self.min && items * 1000 >= of * self.permille
    }
}

impl Class {
    pub(super) const ALL: [Self; 4] =
        [Self::Absence, Self::Renaming, Self::Replacement, Self::Relabelling];

    /// The alarm of it.
    pub(super) fn kind(self, profile: &Profile) -> AlarmKind {
        match self {
            Self::Absence => profile.deletions,
            Self::Renaming => AlarmKind::RenameStorm,
            Self::Replacement => AlarmKind::Replaced,
            Self::Relabelling => AlarmKind::Relabelled,
        }
    }

    /// What it is made of.
    pub(super) fn counts(self) -> &'static [Count] {
        match self {
            Self::Absence => &[Count::Gone, Count::Cleared],
            Self::Renaming => &[Count::Renamed, Count::RenamedTogether],
            Self::Replacement => &[Count::Replaced],
            Self::Relabelling => &[Count::Relabelled],
        }
    }

    /// One by one, and together with others.
    fn of(self, sums: &Sums) -> (u64, u64) {
        let mut all = self.counts().iter().map(|count| sums.get(*count));
        (all.next().unwrap_or_default(), all.next().unwrap_or_default())
    }

    fn owners_limit(self) -> Limit {
        match self {
            Self::Relabelling => Limit { min: 50, permille: 100 },
            _ => Limit { min: 10, permille: 50 },
        }
    }

    fn tenants_limit(self) -> Limit {
        match self {
            Self::Relabelling => Limit { min: 100, permille: 20 },
            _ => Limit { min: 20, permille: 10 },
        }
    }

    pub(super) fn is_explained_by(self, event: EventKind) -> bool {
        match event {
            EventKind::Rollover | EventKind::Migration => self != Self::Relabelling,
            EventKind::Cleanup => self == Self::Absence,
        }
    }

    fn did(self) -> &'static str {
        match self {
            Self::Absence => "were deleted",
            Self::Renaming => "got another extension, or lost all of their name",
            Self::Replacement => "went as others appeared in their place",
            Self::Relabelling => "got other marks",
        }
    }
}

/// The window of what an owner has of a workload.
#[derive(Debug, Clone)]
pub(super) struct Lot {
    /// What alarms call the owner.
    pub(super) scope: String,
    pub(super) profile: &'static Profile,
    /// Items in the last finished snapshot.
    pub(super) live: u64,
    /// Oldest first; the last is today's, with what this run counted.
    pub(super) days: Vec<(Date, Sums)>,
    /// What this run counted.
    pub(super) now: Sums,
    /// What was before the window, and in how many days.
    pub(super) earlier: Sums,
    pub(super) earlier_days: u64,
}

/// What a class comes to in some days of a window.
#[derive(Debug, Clone, Copy, Default)]
struct Amount {
    single: u64,
    together: u64,
    /// Days with some that were together.
    days: usize,
    first: Option<Date>,
}

impl Amount {
    fn all(self) -> u64 {
        self.single + self.together
    }

    /// What counts like single ones.
    fn picked(self) -> u64 {
        if self.days > TIDY_DAYS_MAX { self.all() } else { self.single }
    }
}

impl Lot {
    /// Items that there were at the beginning of the window, or came since and are there.
    fn base(&self) -> u64 {
        let went = |s: &Sums| s.get(Count::Gone) + s.get(Count::Cleared);
        let all: u64 = self.days.iter().map(|(_, s)| went(s)).sum();
        self.live + all.saturating_sub(went(&self.now))
    }

    fn amount(&self, class: Class, counts: impl Fn(Date) -> bool) -> Amount {
        let mut out = Amount::default();
        for (day, sums) in self.days.iter().filter(|(day, _)| counts(*day)) {
            let (single, together) = class.of(sums);
            out.single += single;
            out.together += together;
            out.days += usize::from(together > 0);
            if single + together > 0 {
                out.first = Some(out.first.map_or(*day, |first| first.min(*day)));
            }
        }
        out
    }

    /// What 30 days usually come to.
    fn usual(&self, class: Class) -> u64 {
        let days = self.earlier_days;
        if days < USUAL_DAYS_MIN {
            return self.earlier.get(Count::Past) / 12 * USUAL_OF_WRITTEN_PERCENT / 100;
        }
        let (single, together) = class.of(&self.earlier);
        (single + together) * WINDOW_DAYS.unsigned_abs() as u64 / days
    }

    fn usually_damaged(&self) -> u64 {
        match self.earlier_days {
            days if days < USUAL_DAYS_MIN => 0,
            days => self.earlier.damaged() * WINDOW_DAYS.unsigned_abs() as u64 / days,
        }
    }

    fn sum(&self, count: Count) -> u64 {
        self.days.iter().map(|(_, s)| s.get(count)).sum()
    }
}

/// What the windows are judged by.
pub(super) struct Judged<'a> {
    pub(super) today: Date,
    pub(super) calendar: &'a Calendar,
    /// Everybody was read: a share of some is none of the tenant's.
    pub(super) is_of_all: bool,
}

/// 4100 as people write it.
fn figure(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn of_owners(kinds: &BTreeSet<&str>, n: usize) -> String {
    let is_user = |k: &&str| *k == OwnerKind::User.word();
    let word = match (kinds.len(), kinds.iter().any(is_user), n) {
        (1, true, 1) => "person".to_owned(),
        (1, true, _) => "people".to_owned(),
        (1, false, 1) => OwnerKind::Site.word().to_owned(),
        (1, false, _) => format!("{}s", OwnerKind::Site.word()),
        _ => "owners".to_owned(),
    };
    format!("{} {word}", figure(n as u64))
}

fn date(day: Date) -> String {
    day.strftime("%-d %B").to_string()
}

impl Judged<'_> {
    /// How much of what is usual a window like this one has: who is on holiday does nothing.
    fn usual(&self, usually: u64) -> u64 {
        let days = (0..WINDOW_DAYS).map(|n| self.today.saturating_sub(jiff::Span::new().days(n)));
        let of_term = days.filter(|day| self.calendar.is_of_term(*day)).count() as u64;
        usually * of_term / WINDOW_DAYS.unsigned_abs() as u64
    }

    fn is_announced(&self, class: Class, day: Date) -> bool {
        self.calendar.announced(day, |event| class.is_explained_by(event)).is_some()
    }

    /// Why something is no more than a notice today.
    pub(super) fn announced(&self, explains: impl Fn(EventKind) -> bool) -> Option<String> {
        let event = self.calendar.announced(self.today, explains)?;
        Some(format!("; a {} is announced until {}", event.kind.word(), date(event.ends)))
    }

    fn announcement(&self, class: Class) -> String {
        self.announced(|event| class.is_explained_by(event)).unwrap_or_default()
    }
}

/// What the windows say, of those to which this run added something.
pub(super) fn judge(lots: &[Lot], by: &Judged<'_>) -> Vec<Alarm> {
    let mut raised = damage(lots, by);
    for class in Class::ALL {
        let owners: Vec<Option<Alarm>> = lots.iter().map(|lot| owner(lot, class, by)).collect();
        let is_told = |n: &usize| {
            owners.get(*n).and_then(Option::as_ref).is_none_or(|a| {
                // An announced one is not told, it is explained.
                a.severity != AlarmSeverity::High
            })
        };
        let mut of: BTreeMap<&str, Vec<&Lot>> = BTreeMap::new();
        for (n, lot) in lots.iter().enumerate() {
            if is_told(&n) {
                of.entry(lot.profile.name).or_default().push(lot);
            }
        }
        let everybody = |lots: &Vec<&Lot>| tenant(lots, class, by);
        let tenants = of.values().filter(|_| by.is_of_all).filter_map(everybody);
        let all: Vec<Alarm> = tenants.collect();
        raised.extend(owners.into_iter().flatten().chain(all));
    }
    raised
}

fn owner(lot: &Lot, class: Class, by: &Judged<'_>) -> Option<Alarm> {
    let (single, together) = class.of(&lot.now);
    if single + together == 0 {
        return None;
    }
    let is_announced = by.is_announced(class, by.today);
    let amount = lot.amount(class, |day| by.is_announced(class, day) == is_announced);
    let (base, usual) = (lot.base(), by.usual(lot.usual(class)) * USUAL_TIMES);
    let all = Limit { min: ALL_MIN, permille: ALL_PERCENT * 10 };
    let items = match class {
        Class::Absence if all.is_over(amount.all(), base) => amount.all(),
        _ => amount.picked(),
    };
    let is_over = class.owners_limit().is_over(items, base) && items > usual;
    if !is_over {
        return None;
    }
    let severity = if is_announced { AlarmSeverity::Notice } else { AlarmSeverity::High };
    let text = format!(
        "{}: {}{} of {} {} {}{}{}",
        lot.scope,
        since(amount.first),
        figure(items),
        figure(base),
        lot.profile.items,
        class.did(),
        usually(lot.earlier_days, lot.usual(class)),
        if is_announced { by.announcement(class) } else { String::new() },
    );
    let kind = class.kind(lot.profile);
    Some(Alarm::new(kind, severity, lot.scope.as_str(), text, items).of(lot.profile.name))
}

fn since(first: Option<Date>) -> String {
    first.map(|day| format!("since {}, ", date(day))).unwrap_or_default()
}

fn usually(known_days: u64, usual: u64) -> String {
    match known_days >= USUAL_DAYS_MIN {
        true => format!(", {} in 30 days are usual", figure(usual)),
        false => String::new(),
    }
}

/// Days on which so many tidied up that somebody told them to, or did it in their place.
fn days_of_many(lots: &[&Lot], class: Class) -> BTreeSet<Date> {
    let mut owners: BTreeMap<Date, usize> = BTreeMap::new();
    for (day, sums) in lots.iter().flat_map(|lot| &lot.days) {
        if class.of(sums).1 > 0 {
            *owners.entry(*day).or_default() += 1;
        }
    }
    let is_many =
        |n: usize| n >= TOGETHER_OWNERS_MIN && n * 100 >= lots.len() * TOGETHER_OWNERS_PERCENT;
    owners.into_iter().filter(|(_, n)| is_many(*n)).map(|(day, _)| day).collect()
}

fn tenant(lots: &[&Lot], class: Class, by: &Judged<'_>) -> Option<Alarm> {
    let profile = lots.first()?.profile;
    let now = |lot: &Lot| {
        let (single, together) = class.of(&lot.now);
        single + together
    };
    if lots.iter().all(|lot| now(lot) == 0) {
        return None;
    }
    let is_announced = by.is_announced(class, by.today);
    let counts = |day: Date| by.is_announced(class, day) == is_announced;
    let many = days_of_many(lots, class);
    let (mut items, mut of, mut owners, mut first) = (0, 0, 0, None);
    for lot in lots {
        let amount = lot.amount(class, counts);
        let with_many = lot.amount(class, |day| counts(day) && many.contains(&day)).together;
        // Who has next to nothing left did not tidy up.
        let all = amount.all();
        let is_bare = all * 2 >= lot.base();
        let own = if is_bare { all } else { amount.picked().max(amount.single + with_many) };
        items += own;
        of += lot.base();
        owners += usize::from(own > 0);
        first = [first, amount.first.filter(|_| own > 0)].into_iter().flatten().min();
    }
    let usual = by.usual(lots.iter().map(|lot| lot.usual(class)).sum());
    let is_over = class.tenants_limit().is_over(items, of) && items > usual * USUAL_TIMES;
    if !is_over {
        return None;
    }
    let severity = if is_announced { AlarmSeverity::Notice } else { AlarmSeverity::High };
    let days = lots.iter().map(|lot| lot.earlier_days).max().unwrap_or_default();
    let text = format!(
        "{}{} of {} {} of {} {}{}{}",
        since(first),
        figure(items),
        figure(of),
        profile.items,
        of_owners(&BTreeSet::from([profile.owners.word()]), owners),
        class.did(),
        usually(days, usual),
        if is_announced { by.announcement(class) } else { String::new() },
    );
    Some(Alarm::new(class.kind(profile), severity, EVERYBODY, text, items).of(profile.name))
}

/// What is seen in bytes, over the whole tenant.
fn damage(lots: &[Lot], by: &Judged<'_>) -> Vec<Alarm> {
    let mut raised = Vec::new();
    let sum = |count: Count| lots.iter().map(|lot| lot.sum(count)).sum::<u64>();
    let now = |count: Count| lots.iter().any(|lot| lot.now.get(count) > 0);
    let mut told = Vec::new();
    let mut items = 0;
    let hit: Vec<&Lot> =
        lots.iter().filter(|lot| lot.days.iter().any(|(_, s)| s.damaged() > 0)).collect();
    let damaged: u64 = hit.iter().flat_map(|lot| &lot.days).map(|(_, s)| s.damaged()).sum();
    let usual = by.usual(lots.iter().map(Lot::usually_damaged).sum()) * USUAL_TIMES;
    // Those that became ciphertext are told one by one.
    let besides = damaged.saturating_sub(sum(Count::Encrypted));
    if besides >= DAMAGED_MIN && besides > usual && lots.iter().any(|l| l.now.damaged() > 0) {
        told.push(damage_text(&hit, damaged, sum(Count::OutOfHours)));
        items += damaged;
    }
    // By workload: messages are many, and say nothing of files.
    let mut seen: BTreeMap<&str, (&Profile, u64, u64, bool)> = BTreeMap::new();
    for lot in lots {
        let of = seen.entry(lot.profile.name).or_insert((lot.profile, 0, 0, false));
        of.1 += lot.sum(Count::Odd);
        of.2 += lot.sum(Count::First);
        of.3 |= lot.now.get(Count::Odd) > 0;
    }
    for (profile, odd, first, is_new) in seen.into_values() {
        if odd >= ODD_MIN && odd * ODD_ONE_IN >= first && is_new {
            told.push(odd_text(odd, first, profile));
            items += odd;
        }
    }
    if told.is_empty() {
        for lot in lots.iter().filter(|lot| lot.now.get(Count::Odd) > 0) {
            let (odd, first) = (lot.sum(Count::Odd), lot.sum(Count::First));
            if odd >= OWNERS_ODD_MIN && odd * 100 >= first * OWNERS_ODD_PERCENT {
                let text = format!("{}: {}", lot.scope, odd_text(odd, first, lot.profile));
                let scope = lot.scope.as_str();
                let alarm = Alarm::new(AlarmKind::Damaged, AlarmSeverity::High, scope, text, odd);
                raised.push(alarm.of(lot.profile.name));
            }
        }
    } else {
        let text = told.join("; ");
        let kind = AlarmKind::Damaged;
        raised.push(Alarm::new(kind, AlarmSeverity::High, EVERYBODY, text, items));
    }
    let notes = sum(Count::Notes);
    if notes >= NOTES_MIN && now(Count::Notes) {
        let text = format!("{} files of 30 days read like ransom notes", figure(notes));
        let kind = AlarmKind::RansomNotes;
        raised.push(Alarm::new(kind, AlarmSeverity::High, EVERYBODY, text, notes));
    }
    raised
}

fn odd_text(odd: u64, first: u64, profile: &Profile) -> String {
    format!(
        "{} of {} {} that were seen for the first time are not what they should be",
        figure(odd),
        figure(first),
        profile.items
    )
}

fn damage_text(hit: &[&Lot], damaged: u64, out_of_hours: u64) -> String {
    let mut kinds: BTreeMap<Damage, u64> = BTreeMap::new();
    for (damage, n) in hit.iter().flat_map(|lot| &lot.days).flat_map(|(_, s)| &s.d) {
        *kinds.entry(*damage).or_default() += n;
    }
    let mut kinds: Vec<(Damage, u64)> = kinds.into_iter().collect();
    kinds.sort_by_key(|(damage, n)| (std::cmp::Reverse(*n), *damage));
    let kinds: Vec<String> =
        kinds.iter().map(|(damage, n)| format!("{} {}", figure(*n), damage.did())).collect();
    let names: BTreeSet<&str> = hit.iter().map(|lot| lot.profile.items).collect();
    let owners: BTreeSet<&str> = hit.iter().map(|lot| lot.scope.as_str()).collect();
    let words: BTreeSet<&str> = hit.iter().map(|lot| lot.profile.owners.word()).collect();
    let first = hit.iter().flat_map(|l| &l.days).filter(|(_, s)| s.damaged() > 0).map(|(d, _)| *d);
    let mut text = format!(
        "{}{} of {} {} of {} were damaged: {}",
        since(first.min()),
        figure(damaged),
        figure(hit.iter().map(|lot| lot.base().max(lot.sum(Count::First))).sum()),
        names.first().filter(|_| names.len() == 1).unwrap_or(&"items"),
        of_owners(&words, owners.len()),
        kinds.join(", "),
    );
    if out_of_hours > 0 {
        let some = format!("; {} were written outside of school hours", figure(out_of_hours));
        text.push_str(&some);
    }
    text
}
