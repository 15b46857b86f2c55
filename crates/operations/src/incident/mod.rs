//! What is known of an attack on a school, for somebody who has to decide: a proposal, and no
//! oracle. Where it began, whom it reached, what it did, what was changed in the settings before,
//! and of what nobody can be sure.
//!
//! Everything is read from copy 2. [`look`] says all of it; [`intruder`] what of the intruder still
//! stands, which a clean restore in place asks about before a byte goes back.

mod data;
mod intruder;
mod lines;
mod points;
mod topic;
mod unsure;

pub(crate) use intruder::intruder_in;
pub use intruder::{
    AcceptedChange, Intruder, LookedAgain, StandingChange, Which, accept, intruder, look_again,
};
pub use lines::{DrawnLine, LINE_DAYS, LineWanted, PlannedLine, draw, plan_line};
pub(crate) use lines::{drawn, lines_of};
pub use points::{ItemPoint, NoPoint, PersonPoint, Points};
pub use topic::Topic;
pub use unsure::{Doubt, DoubtKind};

use crate::{
    Error, School,
    alarms::{self, ListedAlarm},
    blocking,
    place::Doing,
};
use data::DataSigns;
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use strongroom_guards::Rank;
use strongroom_model::{Damage, Ending, Untrusted, VerdictReason};

/// So long before the first sign changes of settings count as what led to it.
pub const BEFORE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What tells of an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignKind {
    /// An alarm about data.
    Alarm,
    /// A verdict: ciphertext where something clean was.
    Item,
    /// A grave change of settings that nobody accepted.
    Setting,
}

/// One sign of an attack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sign {
    /// What tells it.
    pub kind: SignKind,
    /// When it was seen first: the time of the snapshot, or of the alarm.
    pub at: Timestamp,
    /// The snapshot that shows it first; none where that is not there, or never was finished.
    pub snapshot: Option<String>,
    /// The alarm's kind, the verdict, or what the change is about.
    pub code: String,
    /// Whom or what it is about.
    pub subject: Untrusted,
    /// One sentence.
    pub says: Untrusted,
}

/// What became of somebody's things of one workload since the first sign.
#[derive(Debug, Clone, Serialize)]
pub struct Spread {
    /// Whose.
    pub owner: Untrusted,
    /// Of which workload.
    pub workload: &'static str,
    /// Items that were clean and are not.
    pub damaged: u64,
    /// Items that are new and not clean.
    pub new: u64,
    /// Items that are gone. Honest people delete too.
    pub gone: u64,
    /// The first and the last day on which any was damaged, or new and not clean.
    pub days: Option<(Date, Date)>,
    /// Alarms that speak of it, by kind.
    pub alarms: BTreeSet<String>,
    /// One of the items.
    pub example: Option<Untrusted>,
}

/// What became of items on one day.
#[derive(Debug, Clone, Serialize)]
pub struct DayOfAttack {
    /// The day, in UTC.
    pub day: Date,
    /// Items that were clean and are not.
    pub damaged: u64,
    /// Items that are new and not clean.
    pub new: u64,
    /// Items that are gone.
    pub gone: u64,
    /// People of whom any was damaged, or new and not clean.
    pub people: u64,
}

/// What became of items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DamageKind {
    /// Of their content.
    Damage(Damage),
    /// Their name, or a note: what is said of them and not of their bytes.
    Reason(VerdictReason),
}

/// A kind of damage.
#[derive(Debug, Clone, Serialize)]
pub struct DamageSeen {
    /// What became of their content; where nothing speaks of that, what else speaks against them.
    #[serde(flatten)]
    pub what: DamageKind,
    /// How many items.
    pub items: u64,
    /// Of how many people.
    pub people: u64,
}

/// A change of settings before or during the attack.
#[derive(Debug, Clone, Serialize)]
pub struct Preceding {
    /// What it is known by.
    pub id: String,
    /// When a snapshot showed it first.
    pub at: Timestamp,
    /// That snapshot.
    pub snapshot: String,
    /// How grave.
    pub rank: Rank,
    /// What it gives an intruder.
    pub topic: Topic,
    /// `collection/name`.
    pub place: String,
    /// One sentence.
    pub says: Untrusted,
    /// As the queue of reviews has it: `open`, `overdue`, `accepted`, `rejected`, `undone`.
    pub state: &'static str,
    /// Whether it stands still and is grave.
    pub stands: bool,
}

/// All that is known of an attack on a school.
#[derive(Debug, Serialize)]
pub struct Incident {
    /// The school.
    pub school: String,
    /// How far back the data was looked at.
    pub since: Timestamp,
    /// The first sign of each kind, the earliest first.
    pub signs: Vec<Sign>,
    /// Alarms about data that stand.
    pub alarms: Vec<ListedAlarm>,
    /// Whom it reached, the most damaged first.
    pub spread: Vec<Spread>,
    /// Day by day.
    pub days: Vec<DayOfAttack>,
    /// Kinds of damage, the most frequent first.
    pub damage: Vec<DamageSeen>,
    /// Changes of settings, the gravest first.
    pub preceded: Vec<Preceding>,
    /// What of the intruder still stands.
    pub intruder: Intruder,
    /// Lines that people drew.
    pub lines: Vec<DrawnLine>,
    /// The proposed clean point of each item; nothing where there is no sign of an attack.
    pub points: Option<Points>,
    /// Of what nobody can be sure, the worst first.
    pub unsure: Vec<Doubt>,
    /// What there is to tell of the place that keeps decisions.
    #[serde(skip)]
    pub told: Vec<String>,
}

impl Incident {
    /// The first sign of all.
    pub fn first(&self) -> Option<&Sign> {
        self.signs.first()
    }

    /// An alarm for as long as one stands, or something of the intruder's that nobody accepted.
    pub fn ending(&self) -> Ending {
        let stands = self.alarms.iter().any(|a| a.open);
        match stands || self.intruder.undecided().next().is_some() {
            true => Ending::Alarm,
            false => Ending::Done,
        }
    }
}

fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

impl DataSigns {
    /// When the attack on the data began, as far as is known: nothing where no alarm stands.
    pub(super) fn first_of_attack(&self) -> Option<Timestamp> {
        let alarm = self.alarms.first()?.at;
        Some(self.item.as_ref().map_or(alarm, |item| item.at.min(alarm)))
    }

    fn spread(&self, from: Timestamp) -> (Vec<Spread>, Vec<DayOfAttack>, Vec<DamageSeen>) {
        let named = self.named();
        let mut spread: BTreeMap<_, Spread> = BTreeMap::new();
        let mut days: BTreeMap<Date, (DayOfAttack, BTreeSet<_>)> = BTreeMap::new();
        let mut damage: BTreeMap<DamageKind, (u64, BTreeSet<_>)> = BTreeMap::new();
        // Of the first snapshot that there is everything is new.
        for s in self.signs.snapshots.iter().filter(|s| s.at >= from) {
            let date = day(s.at);
            for (of, seen) in &s.changes {
                let bad = seen.damaged + seen.new;
                let row = spread.entry(of).or_insert_with(|| Spread {
                    owner: self.name(of),
                    workload: of.workload,
                    damaged: 0,
                    new: 0,
                    gone: 0,
                    days: None,
                    alarms: BTreeSet::new(),
                    example: None,
                });
                row.damaged += seen.damaged;
                row.new += seen.new;
                row.gone += seen.gone;
                let none = || DayOfAttack { day: date, damaged: 0, new: 0, gone: 0, people: 0 };
                let (sum, people) = days.entry(date).or_insert_with(|| (none(), BTreeSet::new()));
                sum.damaged += seen.damaged;
                sum.new += seen.new;
                sum.gone += seen.gone;
                if bad > 0 {
                    let first = row.days.map_or(date, |(first, _)| first);
                    row.days = Some((first, date));
                    row.example = row.example.take().or_else(|| seen.example.clone());
                    people.insert(&of.owner);
                }
                let of_content = seen.damage.iter().map(|(d, n)| (DamageKind::Damage(*d), n));
                let others = seen.reasons.iter().map(|(r, n)| (DamageKind::Reason(*r), n));
                for (what, n) in of_content.chain(others) {
                    let (items, people) = damage.entry(what).or_default();
                    *items += n;
                    people.insert(&of.owner);
                }
            }
        }
        for (of, row) in &mut spread {
            let (who, workload) = (row.owner.as_str(), of.workload);
            let subjects = [who.to_owned(), format!("{who}/{workload}")];
            let of_it = self.alarms.iter().filter(|a| subjects.iter().any(|s| a.subject == *s));
            row.alarms = of_it.map(|a| a.code.clone()).collect();
        }
        // What is gone of somebody of whom nothing tells is life.
        let is_told = |row: &Spread| {
            row.damaged + row.new > 0 || !row.alarms.is_empty() || row.gone > 0 && named.is_none()
        };
        let mut spread: Vec<Spread> = spread.into_values().filter(is_told).collect();
        let rest = |row: &Spread| (row.owner.clone(), row.workload);
        spread.sort_by(|a, b| {
            let key = |row: &Spread| (row.damaged + row.new, row.gone);
            key(b).cmp(&key(a)).then_with(|| rest(a).cmp(&rest(b)))
        });
        let days = days
            .into_values()
            .map(|(sum, people)| DayOfAttack { people: people.len() as u64, ..sum });
        let days = days.filter(|d| d.damaged + d.new + d.gone > 0).collect();
        let mut damage: Vec<DamageSeen> = damage
            .into_iter()
            .map(|(what, (items, people))| DamageSeen { what, items, people: people.len() as u64 })
            .collect();
        damage.sort_by_key(|d| (std::cmp::Reverse(d.items), d.what));
        (spread, days, damage)
    }
}

/// Finds out what is known of an attack on a school; since a time, or since as long before the
/// first alarm that stands as traces are sought.
///
/// # Errors
/// Those of opening copy 2, of reading it, and of reading decisions.
pub async fn look(school: &School, since: Option<Timestamp>) -> Result<Incident, Error> {
    let repo = school.copy2()?.open(Doing::Looking).await?;
    let listed = alarms::look(school).await?;
    let (of, at, now) = (school.name().to_owned(), repo.clone(), school.now());
    let data = blocking(move || DataSigns::of(&at, &of, since, now)).await?;
    let first = data.first_of_attack();
    let from = first.unwrap_or(data.since);
    let before = from.saturating_sub(BEFORE).unwrap_or(from);
    let settings = intruder::settings_since(school, &repo, before).await?;
    let intruder = match first {
        Some(_) => settings.intruder(before),
        None => Intruder::default(),
    };
    let lines = lines::drawn(school, &repo).await?;
    let points = match first.is_some() || !lines.is_empty() {
        true => {
            let (of, at, lines) = (school.name().to_owned(), repo.clone(), lines.clone());
            blocking(move || points::points(&at, &of, &lines)).await?
        }
        false => None,
    };
    let (spread, days, damage) = data.spread(from);
    let mut signs: Vec<Sign> = data.alarms.first().into_iter().chain(&data.item).cloned().collect();
    let grave = settings.changes.iter().filter(|w| w.change.rank <= Rank::High);
    let undecided = grave.filter(|w| w.state != "accepted" && first.is_some());
    signs.extend(undecided.min_by_key(|w| (w.seen, w.change.rank)).map(|w| Sign {
        kind: SignKind::Setting,
        at: w.seen,
        snapshot: Some(w.snapshot.clone()),
        code: Topic::of(&w.change.collection).as_str().to_owned(),
        subject: w.place().into(),
        says: w.change.says.clone(),
    }));
    signs.sort_by_key(|s| (s.at, s.kind));
    let preceded = settings.changes.iter().map(|w| Preceding {
        id: w.id.clone(),
        at: w.seen,
        snapshot: w.snapshot.clone(),
        rank: w.change.rank,
        topic: Topic::of(&w.change.collection),
        place: w.place(),
        says: w.change.says.clone(),
        state: w.state,
        stands: intruder::stands(w),
    });
    let unsure = unsure::doubts(school, (&data, from), &settings, points.as_ref());
    let mut told = listed.told;
    told.extend(settings.told.iter().filter(|s| !told.contains(s)).cloned().collect::<Vec<_>>());
    Ok(Incident {
        school: school.name().to_owned(),
        since: data.since,
        signs,
        alarms: listed.alarms.into_iter().filter(|a| a.is_acknowledged()).collect(),
        spread,
        days,
        damage,
        preceded: preceded.collect(),
        intruder,
        lines,
        points,
        unsure,
        told,
    })
}
