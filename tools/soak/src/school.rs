//! A school that is simulated and backed up, night by night.

use crate::{
    Violation,
    compare::{self, Night},
    kept::{self, Kept, Seen},
    restored::Row,
    settings::SettingsWatch,
};
use anyhow::Context;
use graph_sim::{
    SeedPlan, Settings, Sim, ThrottleSettings, Truth,
    year::{Event, Life, State},
};
use serde::{Deserialize, Serialize};
use sim_transport::{VirtualTime, in_process};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};
use strongroom_engine::{
    BackupOptions, BackupReport, Silent, backup, configuration, standing_alarms,
};
use strongroom_graph::{Budget, Client, RetryLimits};
use strongroom_model::AlarmSeverity;
use strongroom_objects::{Key, Kind, LocalDir, Store, testing::Memory};
use strongroom_repository::{MasterKey, Repository, Writer};

/// The school at the beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchoolPlan {
    /// People.
    pub people: usize,
    /// Messages that each begins with, beside those of the simulator's own choice.
    pub messages: usize,
    /// Documented behaviour that the service does not show, since under it not even a quiet night
    /// is whole: it would hide everything else.
    #[serde(default)]
    pub withheld: BTreeSet<Truth>,
}

impl Default for SchoolPlan {
    fn default() -> Self {
        Self { people: 6, messages: 4, withheld: BTreeSet::new() }
    }
}

/// Seconds of a day before its backup begins.
const DAY_S: u64 = 22 * 3600;
/// Seconds from a backup to the next day.
const NIGHT_S: u64 = 2 * 3600;
/// What opens the repository of a simulated school.
pub(crate) const PASSWORD: &str = "soak";
/// Nights from one reading of the settings to the next.
const SETTINGS_EVERY: usize = 7;
const TENANT: &str = "school";
/// 2026-09-01, when a school's year begins.
const START: jiff::Timestamp = jiff::Timestamp::constant(1_788_220_800, 0);

/// A simulated school with its repository.
pub struct School {
    pub(crate) life: Life,
    time: VirtualTime,
    store: Arc<Memory>,
    key: MasterKey,
    cache: tempfile::TempDir,
    seen: Seen,
    before: State,
    night: usize,
    acknowledge: bool,
    open: BTreeSet<(String, String)>,
    /// Nights in a row in which a run skipped an item.
    skipped: BTreeMap<String, u32>,
    /// The same, as it was the night before.
    skipped_before: BTreeMap<String, u32>,
    /// Ids of all that the last snapshot held, where it was looked at.
    held: Option<BTreeSet<String>>,
    after_fault: bool,
    /// An attack happened while something was hidden: it is told when that is read.
    attacked_unseen: bool,
    /// Ids of people of whom the last run could not read all.
    hidden: BTreeSet<String>,
    settings: SettingsWatch,
    taken: Option<Taken>,
}

/// What is taken from the snapshot or the report before they are judged: a trial of the laws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// One message of the snapshot.
    Message,
    /// One file of the snapshot.
    File,
    /// One file of a library of the snapshot.
    LibraryFile,
    /// One thing of this workload of the snapshot: `contacts`, `tasks`, `calendars`.
    Thing(&'static str),
    /// The properties in the record of one thing of this workload of the snapshot.
    Record(&'static str),
    /// All alarms of the report.
    Alarms,
    /// What the backup is told of the day: it reads the tenant as it was before.
    News,
    /// What changed in the snapshot of the settings: it is the one before.
    Settings,
}

/// Whether a run, or the reading of a collection in it, failed: for want of budget, say.
fn has_failed(outcome: &Result<BackupReport, String>) -> bool {
    !outcome.as_ref().is_ok_and(|r| r.failed.is_empty())
}

fn who() -> Writer {
    Writer { host: "soak".into(), user: "strongroom".into(), program: "soak".into() }
}

/// The master key of this process: what a password costs is not paid by each life.
static KEY: OnceLock<MasterKey> = OnceLock::new();

fn key() -> anyhow::Result<MasterKey> {
    if let Some(key) = KEY.get() {
        return Ok(key.clone());
    }
    let dir = tempfile::tempdir()?;
    let password = PASSWORD.to_owned().into();
    let repo = Repository::init(Arc::new(Memory::new()), &password, dir.path(), who(), START)?;
    Ok(KEY.get_or_init(|| repo.key().clone()).clone())
}

/// A folder for local databases, in memory where there is one: they wait for the disk at each
/// commit, and here nothing need outlive the process.
fn cache() -> anyhow::Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    Ok(match memory.is_dir() {
        true => tempfile::tempdir_in(memory)?,
        false => tempfile::tempdir()?,
    })
}

impl School {
    /// A school before its first night.
    pub fn new(plan: &SchoolPlan) -> anyhow::Result<Self> {
        let settings = Settings {
            throttle: ThrottleSettings::Published,
            withheld: plan.withheld.clone(),
            ..Settings::default()
        };
        let sim = Sim::new(settings, 1, START);
        let time = VirtualTime::new(sim.clock().clone());
        sim.seed(&SeedPlan {
            people: Some(plan.people),
            messages_per_mailbox: Some(plan.messages),
            scale: 0.3,
            ..SeedPlan::default()
        })?;
        let store = Arc::new(Memory::new());
        let key = key()?;
        Repository::make(store.clone(), &key)?;
        let life = Life::new(sim, 0);
        Ok(Self {
            before: life.state(),
            life,
            time,
            store,
            key,
            cache: cache()?,
            seen: Seen::default(),
            night: 0,
            acknowledge: false,
            open: Default::default(),
            skipped: BTreeMap::new(),
            skipped_before: BTreeMap::new(),
            held: None,
            after_fault: false,
            attacked_unseen: false,
            hidden: BTreeSet::new(),
            settings: SettingsWatch::default(),
            taken: None,
        })
    }

    fn repository(&self) -> anyhow::Result<Arc<Repository>> {
        Ok(Arc::new(Repository::with_key(
            self.store.clone(),
            self.key.clone(),
            self.cache.path(),
            who(),
        )?))
    }

    /// Lets a day's events happen, backs up as the command does, and holds the snapshot against
    /// the tenant. Only what was not found in an earlier night is told.
    pub fn night(&mut self, events: &[Event]) -> anyhow::Result<Vec<Violation>> {
        let (happened, now, mut outcome) = self.live(events);
        self.note_skips(&outcome);
        let repo = self.repository()?;
        let mut kept = kept::read(&repo, &mut self.seen)?;
        self.take_from(kept.as_mut(), outcome.as_mut().ok());
        let night = Night {
            number: self.night,
            life: &self.life,
            happened: &happened,
            before: &self.before,
            now: &now,
            outcome: &outcome,
            kept: kept.as_ref(),
            open: &self.open,
            after_fault: self.after_fault,
            attacked_unseen: self.attacked_unseen,
            skipped: &self.skipped,
            skipped_before: &self.skipped_before,
            held: self.held.as_ref(),
        };
        let mut findings = compare::all(&night);
        let people = night
            .now
            .people
            .iter()
            .filter(|p| night.is_hidden(&p.id) || !night.skipped_items(p).is_empty());
        self.hidden = people.map(|p| p.id.clone()).collect();
        self.hidden.extend(night.hidden_sites());
        self.after_fault = night.has_lasting_fault() || has_failed(&outcome);
        self.held = kept.map(|k| k.names);
        self.note_attacks(&happened, &outcome);
        // The settings come after the data, so that the laws see the backup's own snapshot.
        self.life.end_faults();
        findings.extend(self.settings_of(&happened)?);
        // The judge must not say what Microsoft does not: its answers are held against the
        // published types.
        for (fault, times) in self.life.sim().answer_faults() {
            findings.push(Violation {
                night: self.night,
                law: "simulator/answer".into(),
                person: None,
                item: fault.clone(),
                thing: None,
                detail: format!("{fault} ({times} times)"),
                kinds: BTreeSet::new(),
            });
        }
        // What is wrong stays wrong; it is told once, and again when it was right in between.
        let wrong: BTreeSet<(String, String)> =
            findings.iter().map(|f| (f.law.clone(), f.item.clone())).collect();
        findings.retain(|f| !self.open.contains(&(f.law.clone(), f.item.clone())));
        self.open = wrong;
        self.end(now, &outcome);
        Ok(findings)
    }

    /// From now on this is taken from what a night is judged by, or nothing any more: the laws must
    /// find it, or they find nothing.
    pub fn without(&mut self, taken: impl Into<Option<Taken>>) {
        self.taken = taken.into();
    }

    fn take_from(&self, kept: Option<&mut Kept>, report: Option<&mut BackupReport>) {
        match (self.taken, kept, report) {
            (Some(Taken::Message), Some(kept), _) => drop(kept.messages.pop()),
            (Some(Taken::File), Some(kept), _) => drop(kept.files.pop()),
            (Some(Taken::LibraryFile), Some(kept), _) => drop(kept.library_files.pop()),
            (Some(Taken::Thing(workload)), Some(kept), _) => {
                let at = kept.things.iter().rposition(|t| t.workload == workload);
                drop(at.map(|at| kept.things.remove(at)));
            }
            (Some(Taken::Record(workload)), Some(kept), _) => {
                let one = kept.things.iter_mut().rfind(|t| t.workload == workload);
                if let Some(one) = one {
                    one.record = Some(Arc::new(serde_json::json!({"v": 1, "value": {}})));
                }
            }
            (Some(Taken::Alarms), _, Some(report)) => report.alarms.clear(),
            _ => {}
        }
    }

    /// The same without holding anything against anything: a life that was told before is gone
    /// through again. [`School::reopen`] says what was open at its end.
    pub fn pass(&mut self, events: &[Event]) -> anyhow::Result<()> {
        let (happened, now, outcome) = self.live(events);
        self.note_skips(&outcome);
        self.held = None;
        self.after_fault =
            has_failed(&outcome) || happened.iter().any(|e| e.is_fault() || e.is_of_access());
        self.note_attacks(&happened, &outcome);
        self.life.end_faults();
        self.settings_of(&happened)?;
        self.end(now, &outcome);
        Ok(())
    }

    /// Remembers an attack until a night in which everything was read.
    fn note_attacks(&mut self, happened: &[Event], outcome: &Result<BackupReport, String>) {
        let whole = outcome.as_ref().is_ok_and(BackupReport::is_whole);
        let attacked = self.attacked_unseen || happened.iter().any(Event::is_attack);
        self.attacked_unseen = attacked && !whole;
    }

    /// Laws and items that did not hold at the last night.
    pub fn open(&self) -> &BTreeSet<(String, String)> {
        &self.open
    }

    /// Takes over [`School::open`] of a life that was gone through again.
    pub fn reopen(&mut self, open: BTreeSet<(String, String)>) {
        self.open = open;
    }

    /// The day and its backup: what did happen, the tenant at the backup, and what came of it.
    fn live(&mut self, events: &[Event]) -> (Vec<Event>, State, Result<BackupReport, String>) {
        let step = DAY_S / (events.len() as u64 + 1);
        let mut happened = Vec::new();
        if self.taken == Some(Taken::News) {
            let outcome = self.back_up();
            happened.extend(events.iter().filter(|e| self.life.act(e)).cloned());
            return (happened, self.life.state(), outcome);
        }
        for event in events {
            self.life.sim().clock().advance(Duration::from_secs(step));
            if self.life.act(event) {
                happened.push(event.clone());
            }
        }
        let left = DAY_S - step * events.len() as u64;
        self.life.sim().clock().advance(Duration::from_secs(left));
        let now = self.life.state();
        let outcome = self.back_up();
        (happened, now, outcome)
    }

    fn note_skips(&mut self, outcome: &Result<BackupReport, String>) {
        self.skipped_before = std::mem::take(&mut self.skipped);
        for skip in outcome.iter().flat_map(|r| r.failed.iter().chain(&r.skipped)) {
            let n = self.skipped_before.get(&skip.id.0).copied().unwrap_or(0) + 1;
            self.skipped.insert(skip.id.0.clone(), n);
        }
    }

    fn end(&mut self, now: State, outcome: &Result<BackupReport, String>) {
        self.acknowledge = outcome
            .as_ref()
            .is_ok_and(|r| r.alarms.iter().any(|a| a.severity == AlarmSeverity::High));
        self.before = now;
        self.night += 1;
        self.life.sim().clock().advance(Duration::from_secs(NIGHT_S));
        // The simulator's log is not read here, and a year of it is long.
        self.life.sim().clear_log();
    }

    /// Every seventh night, and when somebody changed them, the settings are read and kept.
    fn settings_of(&mut self, happened: &[Event]) -> anyhow::Result<Vec<Violation>> {
        let is_touched = happened.iter().any(|e| matches!(e, Event::Settings { .. }));
        if !is_touched && self.night % SETTINGS_EVERY != 0 {
            self.settings.note(happened);
            return Ok(Vec::new());
        }
        let (repo, cache) = (self.repository()?, self.cache.path().to_owned());
        let client = self.client()?;
        // Its future fits no task, so it is waited for beside the worker, whose idleness moves the
        // time: the worker is called whenever this waits.
        let outcome = self.time.run(async move {
            let silent = Arc::new(Silent);
            let read = configuration::snapshot(repo, client, TENANT, false, cache, silent);
            let mut read = std::pin::pin!(read);
            let called = std::future::poll_fn(|cx| {
                let polled = read.as_mut().poll(cx);
                if polled.is_pending() {
                    drop(tokio::spawn(async {}));
                }
                polled
            });
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(called))
        });
        let now = match self.taken {
            Some(Taken::Settings) => self.settings.last().cloned(),
            _ => configuration::latest(&*self.repository()?, TENANT)?.map(|(_, c)| c),
        };
        Ok(self.settings.judge(self.night, happened, outcome.map_err(|e| e.to_string()), now))
    }

    fn client(&self) -> anyhow::Result<Arc<Client>> {
        let budget = Arc::new(Budget::new(true));
        in_process(self.life.sim(), &self.time, 0, "read", budget, RetryLimits::default())
            .map(Arc::new)
            .context("the tenant has no application to read with")
    }

    /// A backup as the command line runs it: a repository that is opened anew, a client that signs
    /// in anew.
    fn back_up(&self) -> Result<BackupReport, String> {
        let repo = self.repository().map_err(|e| e.to_string())?;
        let client = self.client().map_err(|e| e.to_string())?;
        let mut options = BackupOptions::new(TENANT, self.cache.path());
        if self.acknowledge {
            let all = standing_alarms(&repo, TENANT).map_err(|e| e.to_string())?;
            options.acknowledged = all.iter().map(|a| a.acknowledged(None)).collect();
        }
        // One after another, so that a life has one course.
        options.users_at_once = 1;
        self.time
            .run(async move { backup(repo, client, options, Arc::new(Silent)).await })
            .map_err(|e| e.to_string())
    }

    /// Writes the repository into a folder, so that a stock client can open it with [`PASSWORD`].
    pub fn write_out(&self, folder: &Path) -> anyhow::Result<()> {
        self.repository()?.add_key(&PASSWORD.to_owned().into(), "soak", START)?;
        let place = LocalDir::new(folder);
        let write = |key: &Key| -> anyhow::Result<()> {
            let path = place.path(key);
            if let Some(dir) = path.parent() {
                std::fs::create_dir_all(dir)?;
            }
            Ok(std::fs::write(path, self.store.get(key)?)?)
        };
        write(&Key::config())?;
        for kind in [Kind::Keys, Kind::Data, Kind::Index, Kind::Snapshots] {
            std::fs::create_dir_all(folder.join(kind.as_str()))?;
            for entry in self.store.list(kind)? {
                write(&Key::new(kind, &entry.name)?)?;
            }
        }
        Ok(())
    }

    /// What a stock client's restore differs in, as findings; what the night itself told already
    /// is left out.
    pub(crate) fn of_stock(&self, rows: Vec<Row>) -> Vec<Violation> {
        rows.into_iter()
            .filter(|(_, item, _)| !self.open.iter().any(|(_, known)| known == item))
            .map(|(law, item, detail)| Violation {
                night: self.night.saturating_sub(1),
                law,
                person: None,
                thing: self.life.thing_of(&item),
                item,
                detail,
                kinds: BTreeSet::new(),
            })
            .collect()
    }

    /// What the tenant held at the last backup, of people of whom all was read.
    pub(crate) fn shown(&self) -> State {
        let mut state = self.before.clone();
        // Who has two rooms, or none, or another's, is told as such.
        let is_lost =
            |id: &str| self.open.iter().any(|(law, item)| law.starts_with("person/") && item == id);
        state.people.retain(|p| !self.hidden.contains(&p.id) && !is_lost(&p.id));
        state.sites.retain(|s| !self.hidden.contains(&s.id));
        state
    }
}
