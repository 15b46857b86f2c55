//! Attacks that a single run does not show: slow ones, thin ones, and those before the first
//! backup; and what is no attack.

use super::{call, put_key, who};
use graph_sim::{SeedPlan, Settings, Sim, ThrottleSettings};
use serde_json::{Value, json};
use sim_transport::{VirtualTime, in_process};
use std::{sync::Arc, time::Duration};
use strongroom_engine::{
    AcknowledgedAlarm, Announced, BackupOptions, BackupReport, Calendar, EventKind, Silent, backup,
    standing_alarms,
};
use strongroom_model::AlarmSeverity;
use strongroom_objects::testing::Memory;
use strongroom_repository::{Cut, Node, Repository, TreeEditor};
use strongroom_workloads::{Budget, RetryLimits};

struct School {
    sim: Sim,
    time: VirtualTime,
    repo: Arc<Repository>,
    cache: tempfile::TempDir,
    calendar: Option<Calendar>,
    people: Vec<String>,
}

impl School {
    fn new(people: usize) -> Self {
        let settings = Settings { throttle: ThrottleSettings::Off, ..Settings::default() };
        let sim = Sim::new(settings.for_the_product(), 1, "2026-11-02T20:00:00Z".parse().unwrap());
        let plan = SeedPlan {
            people: Some(people),
            messages_per_mailbox: Some(4),
            scale: 0.3,
            ..SeedPlan::default()
        };
        sim.seed(&plan).unwrap();
        let time = VirtualTime::new(sim.clock().clone());
        let (store, cache) = (Arc::new(Memory::new()), tempfile::tempdir().unwrap());
        put_key(store.as_ref());
        let (password, now) = ("x".to_owned().into(), sim.clock().now());
        let repo = Repository::init(store, &password, cache.path(), who(), now).unwrap();
        let mut people: Vec<String> = sim.digest(0).into_iter().map(|row| row.user).collect();
        people.sort();
        people.dedup();
        Self { sim, time, repo: Arc::new(repo), cache, calendar: None, people }
    }

    fn write(&self, person: usize, name: &str, text: &str) {
        let target = format!("users/{}/drive/root:/{name}:/content", self.people[person]);
        let made = call(&self.sim, "PUT", &target, json!(text));
        assert!(made.0 == 201 || made.0 == 200, "{name}: {made:?}");
    }

    fn delete(&self, person: usize, name: &str) {
        let target = format!("users/{}/drive/root:/{name}", self.people[person]);
        assert_eq!(call(&self.sim, "DELETE", &target, Value::Null).0, 204, "{name}");
    }

    fn rename(&self, person: usize, name: &str, to: &str) {
        let target = format!("users/{}/drive/root:/{name}", self.people[person]);
        assert_eq!(call(&self.sim, "PATCH", &target, json!({"name": to})).0, 200, "{name}");
    }

    /// So many files, each with its own words.
    fn files(&self, person: usize, many: usize) {
        (0..many).for_each(|n| self.write(person, &name(n), &words(n)));
    }

    fn night(&self, seen: &[AcknowledgedAlarm]) -> BackupReport {
        self.sim.clock().advance(Duration::from_secs(24 * 3600));
        let budget = Arc::new(Budget::new(true));
        let limits = RetryLimits::default();
        let client = in_process(&self.sim, &self.time, 0, "read", budget, limits).unwrap();
        let mut options = BackupOptions::new("school", self.cache.path());
        options.acknowledged = seen.to_vec();
        options.calendar = self.calendar.clone();
        let (repo, client) = (self.repo.clone(), Arc::new(client));
        self.time.run(async move { backup(repo, client, options, Arc::new(Silent)).await }).unwrap()
    }

    fn looked_at(&self) -> Vec<AcknowledgedAlarm> {
        let all = standing_alarms(&self.repo, "school").unwrap();
        all.iter().map(|a| a.acknowledged(None)).collect()
    }

    /// Nights until an alarm of such a kind is raised with high severity.
    fn until(&self, kind: &str, nights: usize, day: impl Fn(usize)) -> Option<usize> {
        (0..nights).find(|n| {
            day(*n);
            raised(&self.night(&[])).iter().any(|text| text.starts_with(kind))
        })
    }
}

fn name(n: usize) -> String {
    let words = ["Harbour", "Meadow", "Lantern", "Orchard", "Pebble"];
    format!("{} {n}.txt", words[n % 5])
}

fn words(n: usize) -> String {
    let all = ["the", "river", "class", "wrote", "about", "winter", "and", "maps", "of", "stars"];
    let word = |k: usize| all[(n * 7 + k * (n % 9 + 1)) % 10];
    (0..60 + n).map(word).collect::<Vec<_>>().join(" ") + &format!(" {n}")
}

/// High alarms of a run: kind and sentence.
fn raised(report: &BackupReport) -> Vec<String> {
    let high = report.alarms.iter().filter(|a| a.severity == AlarmSeverity::High);
    high.map(|a| format!("{} {}", a.kind.as_str(), a.text.as_str())).collect()
}

fn is_clean(report: &BackupReport) -> bool {
    report.tags.iter().any(|t| t == "clean")
}

#[test]
fn three_deletions_a_day_are_told_once_and_count_no_more_when_somebody_looked() {
    let school = School::new(3);
    school.files(0, 120);
    assert!(is_clean(&school.night(&[])));
    let three = |n: usize| (n * 3..n * 3 + 3).for_each(|n| school.delete(0, &name(n)));
    assert_eq!(school.until("mass-delete", 30, three), Some(3));
    let report = school.night(&[]);
    assert!(raised(&report).is_empty() && !is_clean(&report), "it stands, and nothing came to it");
    let report = school.night(&school.looked_at());
    assert!(is_clean(&report), "{:?}", report.alarms);
    // Another three are no attack.
    three(4);
    let report = school.night(&[]);
    assert!(is_clean(&report), "{:?}", report.alarms);
    assert!(school.until("mass-delete", 5, |n| three(n + 5)).is_some());
}

#[test]
fn slow_attacks_are_told_whatever_they_do() {
    let other = |n: usize| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a));
    type Way<'w> = (&'w str, &'w dyn Fn(&School, usize));
    let ways: [Way<'_>; 3] = [
        ("replaced", &|s, n| {
            s.write(1, &format!("{}.txt", other(n)), &format!("ciphered {}", words(n + 3)));
            s.delete(1, &name(n));
        }),
        ("rename-storm", &|s, n| s.rename(1, &name(n), &other(n))),
        ("damaged", &|s, n| s.write(1, &name(n), "nothing is left of what was here")),
    ];
    for (kind, way) in ways {
        let school = School::new(3);
        school.files(1, 90);
        assert!(is_clean(&school.night(&[])), "{kind}");
        let day = |n: usize| (n * 3..n * 3 + 3).for_each(|n| way(&school, n));
        let told = school.until(kind, 30, day);
        assert!(told.is_some_and(|n| n <= 8), "{kind}: {told:?}");
    }
}

#[test]
fn contents_that_were_exchanged_are_told() {
    let school = School::new(3);
    school.files(0, 30);
    assert!(is_clean(&school.night(&[])));
    (0..30).for_each(|n| school.write(0, &name(n), &words((n + 1) % 30)));
    let told = raised(&school.night(&[]));
    assert!(told.iter().any(|text| text.starts_with("damaged")), "{told:?}");
}

#[test]
fn a_first_backup_after_an_attack_is_not_clean() {
    let school = School::new(6);
    school.sim.attack(0, "encrypt-same-name", 5).unwrap();
    let report = school.night(&[]);
    assert!(!is_clean(&report), "{:?} {:?}", report.verdicts, report.alarms);
}

#[test]
fn what_is_announced_is_a_notice() {
    let mut school = School::new(3);
    school.files(0, 80);
    school.files(1, 80);
    assert!(is_clean(&school.night(&[])));
    let begins = "2026-11-04".parse().unwrap();
    let ends = "2026-11-05".parse().unwrap();
    let events = vec![Announced { kind: EventKind::Cleanup, begins, ends }];
    school.calendar = Some(Calendar { events, ..Calendar::default() });
    for range in [0..40, 40..60] {
        range.for_each(|n| school.delete(0, &name(n)));
        let report = school.night(&[]);
        assert!(is_clean(&report), "{:?}", report.alarms);
        let told = report.alarms.iter().any(|a| {
            a.severity == AlarmSeverity::Notice && a.text.as_str().contains("cleanup is announced")
        });
        assert!(told, "{:?}", report.alarms);
    }
    // It is over, and what went meanwhile does not count.
    school.delete(0, &name(70));
    let report = school.night(&[]);
    assert!(is_clean(&report), "{:?}", report.alarms);
    (0..40).for_each(|n| school.delete(1, &name(n)));
    assert!(!is_clean(&school.night(&[])));
}

#[test]
fn an_ordinary_month_is_quiet() {
    let school = School::new(5);
    (0..4).for_each(|person| school.files(person, 60));
    assert!(is_clean(&school.night(&[])));
    for day in 0..30 {
        school.sim.live_a_day(0, day, false);
        match day % 6 {
            0 => school.delete(day as usize % 4, &name(day as usize)),
            1 => school.rename(1, &name(30 + day as usize), &format!("Homework {day}.txt")),
            2 => school.write(2, &name(7), &format!("register {day} {}", words(day as usize))),
            _ => {}
        }
        let report = school.night(&[]);
        assert!(is_clean(&report), "{day}: {:?}", report.alarms);
    }
}

#[test]
fn sums_that_cannot_be_read_are_told() {
    let school = School::new(2);
    assert!(is_clean(&school.night(&[])));
    let (id, mut snapshot) = strongroom_engine::clean::latest(&school.repo, None).unwrap().unwrap();
    let at = school.sim.clock().now();
    let mut tree = TreeEditor::new(school.repo.clone(), Some(snapshot.tree), at);
    let stored = school.repo.put_content(b"{\"v\":1,\"days\":", Cut::Plain).unwrap();
    let node = Node::file("behaviour.json", stored.content, stored.size_bytes, at);
    tree.put(&["tenant"], node).unwrap();
    (snapshot.tree, snapshot.parent, snapshot.time) = (tree.write().unwrap(), Some(id), at);
    school.repo.commit(&snapshot).unwrap();
    let told = raised(&school.night(&[]));
    assert!(told[0].starts_with("sums-lost"), "{told:?}");
    // Somebody looks at it, and counting goes on.
    let report = school.night(&school.looked_at());
    assert!(is_clean(&report), "{:?}", report.alarms);
}
