//! Generated lives of a school, in numbers alone: attacks that are slow or thin raise an alarm, and
//! honest terms do not.

use super::{
    behaviour::{Behaviour, Counted},
    calendar::{Announced, Calendar, EventKind},
    sums::{Judged, judge},
    tally::{self, Came, Changed, Count, Tally, Went},
};
use jiff::{Timestamp, ToSpan, civil::Date};
use std::collections::{BTreeMap, HashMap};
use strongroom_model::{Alarm, AlarmKind, AlarmSeverity, Damage, ItemId, Record};
use strongroom_workloads::workload::Profile;

/// 2026-09-01.
const START: Timestamp = Timestamp::constant(1_788_220_800, 0);

/// A small generator of numbers, the same for the same seed.
struct Chance(u64);

impl Chance {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % below.max(1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.next(n) == 0
    }
}

struct Life {
    behaviour: Behaviour,
    calendar: Calendar,
    day: i64,
    /// Files of each person.
    live: Vec<u64>,
    tallies: BTreeMap<usize, Tally>,
    /// Of those that went in one step, which item.
    items: u64,
}

fn drives() -> &'static Profile {
    strongroom_workloads::by_name("drives").unwrap().profile()
}

fn at(day: i64) -> Timestamp {
    Timestamp::from_second(START.as_second() + day * 86_400).unwrap()
}

fn id(n: u64) -> ItemId {
    ItemId(format!("item-{n}"))
}

impl Life {
    fn new(people: usize, files: u64) -> Self {
        let calendar = Calendar::default();
        Self {
            behaviour: Behaviour::new(at(0), calendar.day(at(0))),
            calendar,
            day: 1,
            live: vec![files; people],
            tallies: BTreeMap::new(),
            items: 0,
        }
    }

    fn today(&self) -> Date {
        self.calendar.day(at(self.day))
    }

    fn of(&mut self, person: usize) -> &mut Tally {
        self.tallies.entry(person).or_default()
    }

    fn item(&mut self) -> u64 {
        self.items += 1;
        self.items
    }

    /// Old files of a person go, from these folders in turn.
    fn delete(&mut self, person: usize, files: u64, folders: u64) {
        for n in 0..files.min(self.live[person]) {
            let content = Some(1_000_000 + self.item());
            let folder = 1 + n % folders;
            let (bytes, with_folder, is_young) = (50_000, false, false);
            self.of(person).went(Went { folder, bytes, content, with_folder, is_young });
            self.live[person] -= 1;
        }
    }

    fn delete_folder(&mut self, person: usize, files: u64) {
        let files = files.min(self.live[person]);
        for _ in 0..files {
            let content = Some(1_000_000 + self.item());
            let (bytes, with_folder, is_young) = (50_000, true, false);
            self.of(person).went(Went { folder: 9, bytes, content, with_folder, is_young });
        }
        self.live[person] -= files;
    }

    fn add(&mut self, person: usize, folder: u64, bytes: u64) {
        let content = Some(9_000_000 + self.item());
        self.of(person).came(Came { folder, bytes, content });
        self.live[person] += 1;
    }

    fn damage(&mut self, person: usize, files: u64) {
        for _ in 0..files {
            let n = self.item();
            self.of(person).damaged(&id(n), Damage::Overwritten);
        }
    }

    fn rename(&mut self, person: usize, from: &str, to: &str) {
        let n = self.item();
        self.of(person).renamed(&id(n), tally::renamed(from, to, "folder"));
    }

    /// What the record makes of what it wrote itself, as from one run to the next.
    fn kept(&self) -> Behaviour {
        let bytes = Record::new(self.behaviour.clone()).to_bytes().unwrap();
        Record::<Behaviour>::from_bytes(&bytes).unwrap().value
    }

    /// The night's run, and the next day.
    fn night(&mut self) -> Vec<Alarm> {
        let today = self.today();
        self.behaviour = self.kept();
        self.behaviour.roll(today);
        let none = Tally::default();
        let tallies: Vec<&Tally> =
            (0..self.live.len()).map(|p| self.tallies.get(&p).unwrap_or(&none)).collect();
        let (summed, equal) = tally::sums(&tallies, &self.behaviour);
        let counted: Vec<Counted> = summed
            .into_iter()
            .enumerate()
            .map(|(p, summed)| {
                let went = summed.sums.get(Count::Gone) + summed.sums.get(Count::Cleared);
                Counted {
                    owner: id(p as u64),
                    scope: format!("person{p}"),
                    profile: drives(),
                    live: self.live[p] + went,
                    summed,
                }
            })
            .collect();
        let by = Judged { today, calendar: &self.calendar, is_of_all: true };
        let raised = judge(&self.behaviour.lots(&counted, today), &by);
        self.behaviour.add(&counted, &equal, today);
        self.tallies.clear();
        self.day += 1;
        raised
    }

    /// Nights until there is a high alarm of a kind; the night's number with it.
    fn until(
        &mut self,
        kind: AlarmKind,
        nights: u64,
        day: impl Fn(&mut Self),
    ) -> Option<(u64, Alarm)> {
        for n in 1..=nights {
            day(self);
            let raised = self.night();
            let mut found =
                raised.into_iter().filter(|a| a.kind == kind && a.severity == AlarmSeverity::High);
            if let Some(alarm) = found.next() {
                return Some((n, alarm));
            }
        }
        None
    }
}

fn high(alarms: &[Alarm]) -> Vec<&Alarm> {
    alarms.iter().filter(|a| a.severity == AlarmSeverity::High).collect()
}

#[test]
fn three_damaged_files_a_day_are_told_with_the_twentieth() {
    let mut life = Life::new(22, 400);
    let (night, alarm) =
        life.until(AlarmKind::Damaged, 30, |l| l.damage(l.day as usize % 3, 3)).unwrap();
    assert_eq!((night, alarm.items), (7, 21));
    let says = alarm.text.as_str().to_owned();
    let wanted = "since 2 September, 21 of 1,200 files of 3 people were damaged: 21 lost all trace";
    assert!(says.starts_with(wanted), "{says}");
}

#[test]
fn an_item_that_is_damaged_again_and_again_is_one() {
    let mut life = Life::new(3, 400);
    let register = |l: &mut Life| l.of(0).damaged(&id(77), Damage::Locked);
    assert!(life.until(AlarmKind::Damaged, 90, register).is_none());
}

#[test]
fn what_was_looked_at_counts_no_more_and_another_incident_does() {
    let mut life = Life::new(10, 400);
    let (_, alarm) = life.until(AlarmKind::Damaged, 30, |l| l.damage(0, 3)).unwrap();
    let seen = Alarm { last: Some(at(life.day)), ..alarm };
    life.behaviour.close([&seen].into_iter());
    let again = life.until(AlarmKind::Damaged, 6, |l| l.damage(1, 3));
    assert!(again.is_none(), "{again:?}");
    // Looked at once: what comes while it stands until a day counts.
    life.behaviour.close([&seen].into_iter());
    assert!(life.until(AlarmKind::Damaged, 1, |l| l.damage(1, 3)).is_some());
}

#[test]
fn what_goes_slowly_is_told_at_a_twentieth_of_somebodys() {
    for (folders, per_day) in [(1, 3), (30, 3), (1, 6), (4, 1)] {
        let mut life = Life::new(100, 400);
        let (night, alarm) = life
            .until(AlarmKind::MassDelete, 30, |l| l.delete(4, per_day, folders))
            .unwrap_or_else(|| panic!("{folders} {per_day}"));
        // Six a day of one folder are tidying up, until they are on many days.
        assert!((20..=24).contains(&alarm.items), "{alarm:?}");
        assert_eq!(alarm.scope, *"person4", "{night}");
    }
}

#[test]
fn who_loses_all_of_little_is_told_when_many_do() {
    let mut life = Life::new(300, 100);
    (0..60).for_each(|p| life.live[p] = 19);
    // Two people a day, all in one go.
    let next = |l: &mut Life| {
        let first = (l.day as usize - 1) * 2;
        (first..first + 2).for_each(|p| l.delete(p, 19, 1));
    };
    let (night, alarm) = life.until(AlarmKind::MassDelete, 30, next).unwrap();
    assert!(night <= 8 && alarm.scope == *"tenant", "{night} {alarm:?}");
    // Nineteen of many, of sixty on one day.
    let mut life = Life::new(300, 100);
    let all = |l: &mut Life| (0..60).for_each(|p| l.delete(p, 19, 1));
    assert!(life.until(AlarmKind::MassDelete, 1, all).is_some());
    // One or two a day, of everybody.
    let mut life = Life::new(300, 100);
    let (_, alarm) = life
        .until(AlarmKind::MassDelete, 30, |l| {
            (0..60).for_each(|p| l.delete(l.day as usize % 5 * 60 + p, 1, 1));
        })
        .unwrap();
    assert!((300..=360).contains(&alarm.items), "{alarm:?}");
}

#[test]
fn renaming_is_told_whatever_the_names_are() {
    let ways: [fn(u64) -> (String, String); 4] = [
        |n| (format!("Essay {n}.docx"), format!("Essay {n}.docx.locked")),
        |n| (format!("Essay {n}.docx"), format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
        |n| (format!("Essay {n}.docx"), format!("{:x}.docx", n.wrapping_mul(0x9e37_79b9_7f4a))),
        |n| (format!("Essay {n}.docx"), format!("Essay {n}.dat")),
    ];
    for (which, way) in ways.into_iter().enumerate() {
        let mut life = Life::new(30, 400);
        let day = |l: &mut Life| {
            for _ in 0..3 {
                let (from, to) = way(l.items);
                l.rename(2, &from, &to);
            }
        };
        let found = life.until(AlarmKind::RenameStorm, 30, day);
        assert_eq!(found.map(|(n, a)| (n, a.items)), Some((7, 21)), "{which}");
    }
}

#[test]
fn ordinary_names_are_ordinary() {
    for (from, to) in [
        ("Esay.docx", "Essay.docx"),
        ("Essay.docx", "Essay (final).docx"),
        ("Essay plan.docx", "The plan of my essay.docx"),
        ("a.jpeg", "a.jpg"),
        ("IMG_1234.jpg", "IMG_1234 small.jpg"),
        ("notes", "Notes.txt"),
    ] {
        assert_eq!(tally::renamed(from, to, "f"), None, "{from} {to}");
    }
    // Photos of a trip get its name, all at once.
    let mut life = Life::new(30, 400);
    let trip = |l: &mut Life| {
        (0..150).for_each(|n| l.rename(3, &format!("IMG_{n}.jpg"), &format!("Lisbon {n}.jpg")));
    };
    assert!(life.until(AlarmKind::RenameStorm, 1, trip).is_none());
}

#[test]
fn one_in_the_place_of_another_is_told_under_any_name() {
    for bytes in [50_000, 68_000, 100_000, 26_000] {
        let mut life = Life::new(30, 400);
        let found = life.until(AlarmKind::Replaced, 30, |l| {
            (0..3).for_each(|folder| l.add(5, folder + 1, bytes));
            l.delete(5, 3, 3);
        });
        let (night, alarm) = found.unwrap();
        assert!(night <= 8 && alarm.items >= 20, "{bytes}: {night} {alarm:?}");
    }
}

#[test]
fn what_moves_to_another_drive_is_not_gone() {
    let mut life = Life::new(30, 400);
    for content in 0..300 {
        let (bytes, content) = (50_000, Some(content));
        let (with_folder, is_young) = (true, false);
        life.of(6).went(Went { folder: 1, bytes, content, with_folder, is_young });
        life.of(7).came(Came { folder: 2, bytes, content });
    }
    assert!(life.night().is_empty());
}

#[test]
fn many_that_become_equal_are_damaged() {
    let row = |item: u64, was: u64, is: u64, bytes: u64| Changed {
        item,
        was: Some(was),
        is: Some(is),
        bytes_before: 10_000 + was,
        bytes,
    };
    let told = |rows: Vec<Changed>| {
        let mut life = Life::new(5, 400);
        rows.into_iter().for_each(|row| life.of(1).changed(row));
        life.night().iter().any(|a| a.kind == AlarmKind::Damaged)
    };
    assert!(told((0..25).map(|n| row(n, n, 1_000, 4096)).collect()), "one content");
    assert!(told((0..25).map(|n| row(n, n, 1_000 + n, 4096)).collect()), "one length");
    assert!(told((0..25).map(|n| row(n, n, (n + 1) % 25, 4096 + n)).collect()), "exchanged");
    assert!(!told((0..25).map(|n| row(n, n, 1_000 + n, 5_000 + n)).collect()), "edited");
    // Three a day get one content.
    let mut life = Life::new(5, 400);
    let found = life.until(AlarmKind::Damaged, 30, |l| {
        for _ in 0..3 {
            let n = l.item();
            let of = row(n, n, 1_000_000, 4096 + n);
            l.of(1).changed(of);
        }
    });
    assert!(found.is_some_and(|(night, _)| night <= 8));
}

#[test]
fn a_first_backup_tells_what_is_odd_at_first_sight() {
    let told = |odd: u64, first: u64| {
        let mut life = Life::new(5, 400);
        life.of(0).count(Count::First, first);
        life.of(0).count(Count::Odd, odd);
        life.night().into_iter().find(|a| a.kind == AlarmKind::Damaged)
    };
    assert!(told(60, 2_000).is_some());
    assert!(told(12, 40).is_some(), "of one owner");
    assert!(told(19, 311_389).is_none(), "what honest files of schools are judged to be");
    assert!(told(3, 10).is_none());
}

#[test]
fn what_is_announced_is_explained_and_damage_is_not() {
    let mut life = Life::new(100, 300);
    let (begins, ends) = (life.today(), life.today().saturating_add(4.days()));
    life.calendar.events.push(Announced { kind: EventKind::Rollover, begins, ends });
    for _ in 0..5 {
        (0..60).for_each(|p| life.delete_folder(p, 30));
        (0..5).for_each(|n| life.rename(61, &format!("Essay {n}.docx"), &format!("{n}.bin")));
        life.damage(7, 4);
        let raised = life.night();
        let of_people = raised.iter().filter(|a| a.kind != AlarmKind::Damaged);
        for alarm in of_people {
            assert_eq!(alarm.severity, AlarmSeverity::Notice, "{alarm:?}");
            assert!(alarm.text.as_str().ends_with("a rollover is announced until 6 September"));
        }
        let damaged = raised.iter().any(|a| a.kind == AlarmKind::Damaged);
        assert_eq!(damaged, life.day == 6, "the twentieth is of the fifth day");
    }
    // What was announced does not count when it is over.
    life.delete(1, 2, 2);
    assert!(high(&life.night()).is_empty());
}

#[test]
fn who_always_deletes_much_is_known_for_it() {
    let mut life = Life::new(100, 1_000);
    let day = |l: &mut Life| {
        l.delete(0, 2, 2);
        (0..2).for_each(|_| l.add(0, 77, 1));
    };
    let (_, alarm) = life.until(AlarmKind::MassDelete, 30, day).unwrap();
    let seen = Alarm { last: Some(at(life.day)), ..alarm };
    life.behaviour.close([&seen].into_iter());
    (0..60).for_each(|_| {
        day(&mut life);
        life.night();
    });
    // Known by now; and ten times as much is not.
    assert!(life.until(AlarmKind::MassDelete, 60, day).is_none());
    assert!(life.until(AlarmKind::MassDelete, 10, |l| l.delete(0, 20, 7)).is_some());
}

/// Nobody looks at an alarm for a school of 300 more than once a term.
#[test]
fn honest_terms_are_quiet() {
    for seed in 1..=4 {
        let mut chance = Chance(seed);
        let mut life = Life::new(300, 0);
        for p in 0..300 {
            // A third of them are staff, who have more.
            life.live[p] = if p % 3 == 0 { 300 + chance.next(900) } else { 20 + chance.next(150) };
            let past = life.live[p] / 2;
            life.of(p).count(Count::Past, past);
        }
        let mut told: HashMap<i64, Vec<String>> = HashMap::new();
        life.night();
        for _ in 0..90 {
            for p in 0..300 {
                let live = life.live[p];
                if chance.one_in(2) {
                    let (folder, bytes) = (chance.next(8), chance.next(400_000));
                    life.add(p, folder, bytes);
                }
                if chance.one_in(50) {
                    life.delete(p, 1 + chance.next(2), 3);
                }
                if chance.one_in(150) {
                    life.delete_folder(p, 3 + chance.next(live / 8 + 1));
                }
                if chance.one_in(400) {
                    let files = live / 12;
                    life.delete(p, files, 1);
                }
                if chance.one_in(60) {
                    life.rename(p, "Homework.docx", "5 October.docx");
                }
                if chance.one_in(600) {
                    let to = |n: u64| format!("Trip {n}.jpg");
                    (0..live / 4).for_each(|n| life.rename(p, &format!("DSC{n}.jpg"), &to(n)));
                }
                if chance.one_in(3_000) {
                    life.damage(p, 1);
                }
            }
            // A class is told to clear its folder.
            if life.day % 41 == 0 {
                (0..8).for_each(|n| life.delete_folder(n * 3 + 1, 12));
            }
            let raised = life.night();
            for alarm in high(&raised) {
                let seen = Alarm { last: Some(at(life.day)), ..alarm.clone() };
                life.behaviour.close([&seen].into_iter());
                told.entry(life.day).or_default().push(alarm.text.as_str().to_owned());
            }
        }
        assert!(told.len() <= 1, "{seed}: {told:#?}");
    }
}
