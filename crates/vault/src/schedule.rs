//! The vault's own work, whoever stands at its door: one thread a school, so that no school waits
//! for another, and one that looks whether each did what was due.
//!
//! A school that cannot be opened is tried again and told; one that is enrolled while this runs is
//! taken up; a defect that breaks one duty off ends that duty. What did not happen is an alarm,
//! told by the heartbeat ([`crate::heartbeat`]) and not by who should have done it.

use crate::{
    Refusal, RepoSettings, Vault,
    heartbeat::{self, Duty},
    locked,
    repo::Repo,
    work::{NOT_SEALED, still_not_sealed},
};
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use strongroom_custody::{AuditOptions, Renewal, record_alarms};
use strongroom_model::Progress;

/// Between two looks at what is due.
const TICK: Duration = Duration::from_secs(1);
/// Between two attempts to open a school.
const OPEN_AGAIN: Duration = Duration::from_secs(15);
/// Between two looks whether something is late.
const WATCH: Duration = Duration::from_secs(60);
/// What stands is told again after so long.
const TELL_AGAIN: Duration = Duration::from_secs(24 * 3600);
/// After a failure of the alarm command, unless the settings were changed before.
const TELL_AFTER: SignedDuration = SignedDuration::from_mins(15);
/// An enrolment, which asks a bucket many things, takes less.
const NEW: Duration = Duration::from_secs(600);
/// Schools that are opened at the same time, and how long all of them are waited for.
const OPEN_AT_ONCE: usize = 8;
const OPEN_MAX: Duration = Duration::from_secs(120);
/// Of the whole, what a daily look reads.
const READ_PERCENT: u8 = 4;

/// What a panic said.
fn said(panic: Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
        .unwrap_or_else(|| "it says nothing".to_owned())
}

/// Opens a school's repository; a defect that shows there is a reason like another.
pub(crate) fn open_repo(
    dir: &std::path::Path,
    seed: &secrecy::SecretBox<[u8; 32]>,
) -> Result<Repo, Refusal> {
    let settings = dir.join("repo.toml");
    if !settings.is_file() {
        return Err(Refusal::Failed(format!("{} is gone", settings.display())));
    }
    catch_unwind(AssertUnwindSafe(|| Repo::open(dir, seed)))
        .unwrap_or_else(|panic| Err(defect("opening it", panic)))
}

fn defect(what: &str, panic: Box<dyn std::any::Any + Send>) -> Refusal {
    Refusal::Failed(format!("{what} broke off by a defect of this program: {}", said(panic)))
}

impl Vault {
    /// Names of the schools, as their folders say: those that could not be opened too.
    pub fn schools(&self) -> Result<BTreeSet<String>, Refusal> {
        let mut names = BTreeSet::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.join("school.pub").is_file() {
                names.extend(path.file_name().map(|n| n.to_string_lossy().into_owned()));
            }
        }
        Ok(names)
    }

    /// Opens a school that is not open.
    pub fn open_school(&self, name: &str) -> Result<(), Refusal> {
        if locked(&self.repos).contains_key(name) {
            return Ok(());
        }
        self.take_up(name, open_repo(&self.dir.join(name), &self.seed))
    }

    /// Opens all schools that are not open, several at a time. One that does not answer is not
    /// waited for.
    #[allow(clippy::disallowed_methods)] // how long is a matter of real time
    pub(crate) fn open_schools(&self) -> Result<(), Refusal> {
        let closed: Vec<String> = {
            let open = locked(&self.repos);
            let opening = locked(&self.opening);
            let is_closed = |name: &String| !open.contains_key(name) && !opening.contains(name);
            self.schools()?.into_iter().filter(is_closed).collect()
        };
        let names = Arc::new(Mutex::new(closed.into_iter()));
        let (send, opened) = std::sync::mpsc::channel();
        for _ in 0..OPEN_AT_ONCE {
            let (names, send) = (names.clone(), send.clone());
            let (dir, seed) = (self.dir.clone(), self.seed.clone());
            let opening = self.opening.clone();
            std::thread::spawn(move || {
                loop {
                    let Some(name) = locked(&names).next() else { return };
                    // One that hangs is not begun again beside it.
                    locked(&opening).insert(name.clone());
                    let opened = open_repo(&dir.join(&name), &seed);
                    locked(&opening).remove(&name);
                    if send.send((name, opened)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let over = Instant::now() + OPEN_MAX;
        while let Ok((name, opened)) = opened.recv_timeout(over - Instant::now().min(over)) {
            if let Err(e) = self.take_up(&name, opened) {
                tracing::error!("{name} cannot be opened: {e}");
            }
        }
        Ok(())
    }

    fn take_up(&self, name: &str, opened: Result<Repo, Refusal>) -> Result<(), Refusal> {
        let laid = opened.and_then(|mut repo| {
            self.lay(name, &mut repo)?;
            Ok(repo)
        });
        match laid {
            Ok(repo) => {
                locked(&self.repos)
                    .entry(name.to_owned())
                    .or_insert_with(|| Arc::new(Mutex::new(repo)));
                locked(&self.failed).remove(name);
                Ok(())
            }
            Err(e) => {
                locked(&self.failed).insert(name.to_owned(), e.to_string());
                Err(e)
            }
        }
    }

    /// Does a duty and keeps how it ended, and whether what came of it counts. A defect ends the
    /// duty, and nothing besides: the school is opened anew, since what the defect left behind in
    /// memory is not to be trusted.
    pub(crate) fn duty<T>(
        &self,
        name: &str,
        duty: Duty,
        counts: impl Fn(&T) -> bool,
        work: impl FnOnce() -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let dir = self.dir.join(name);
        if !dir.join("school.pub").is_file() {
            return work();
        }
        let note = |f: &dyn Fn(&mut heartbeat::Beat)| {
            if let Err(e) = heartbeat::note(&dir, duty, f) {
                tracing::error!("{name}: what was done is not kept: {e}");
            }
        };
        let began = heartbeat::now();
        note(&|beat| beat.began = Some(began));
        let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
            let e = defect(duty.as_str(), panic);
            locked(&self.repos).remove(name);
            locked(&self.failed).insert(name.to_owned(), e.to_string());
            Err(e)
        });
        let settings = RepoSettings::read(&dir.join("repo.toml")).ok();
        let every = settings.and_then(|s| {
            heartbeat::plan(&s).into_iter().find(|(d, _)| *d == duty).map(|(_, every)| every)
        });
        let ended = heartbeat::now();
        let failed = done.as_ref().err().map(|e| (ended, e.to_string()));
        let counts = done.as_ref().is_ok_and(counts);
        // That another process is at work is no failure; it is late when that one never ends.
        let is_busy = matches!(done, Err(Refusal::Busy(_)));
        note(&|beat| {
            if counts {
                beat.done = Some(ended);
            }
            if !is_busy {
                beat.due = every.and_then(|every| ended.checked_add(every).ok());
                beat.failed.clone_from(&failed);
            }
        });
        done
    }

    /// Renews locks, whether anything comes or not. An object that cannot be renewed is told, and
    /// keeps no other from it.
    pub fn renew(&self, name: &str, progress: &dyn Progress) -> Result<Renewal, Refusal> {
        let renew = |r: &mut Repo| {
            let now = r.now()?;
            // Locks run out whether what was pushed can be looked at or not.
            let witnessed = r.holding.witness(now);
            let is_open = r.holding.ledger().is_open();
            let needs = r.holding.needs(&BTreeSet::new(), now)?;
            let renewal = r.holding.renew(&needs, progress)?;
            // What a killed pull noted tells the next one that it has something to go on with.
            if (renewal.renewed > 0 || !renewal.failed.is_empty()) && !is_open {
                r.holding.ledger_mut().append(Vec::new(), now)?;
            }
            let mut found = renewal.alarms();
            found.extend(r.holding.unread());
            found.extend(still_not_sealed(r, None));
            let fresh = record_alarms(&mut r.holding, &["renewal", NOT_SEALED], found, now)?;
            Ok((renewal, fresh, r.clock.silent(), witnessed))
        };
        let work = || {
            let (renewal, fresh, silent, witnessed) = self.write(name, renew)?;
            // What stands already was told when it was new.
            self.raise(name, &fresh);
            witnessed?;
            Ok((renewal, silent))
        };
        let (renewal, silent) = self.duty(name, Duty::Renew, |_| true, work)?;
        if let Some(silent) = silent {
            self.note_clocks(name, &silent);
        }
        Ok(renewal)
    }

    /// Keeps which of the other clocks that the settings name did not answer, and tells it when
    /// that is news.
    pub(crate) fn note_clocks(&self, name: &str, silent: &[(String, String)]) {
        let dir = self.dir.join(name);
        let now = heartbeat::now();
        let why = silent.first().map(|(server, why)| {
            let others = match silent.len() {
                1 => String::new(),
                n => format!(" and {} others", n - 1),
            };
            format!("the NTP server {server}{others} does not answer: {why}")
        });
        let kept = heartbeat::read(&dir).ok().flatten();
        let before = kept.as_ref().and_then(|h| h.duties.get(Duty::Clock.as_str()));
        if why.is_none() && before.is_none_or(|b| b.failed.is_none()) {
            return;
        }
        // One lost answer is no news.
        let since = before.and_then(|b| b.began).filter(|_| why.is_some()).unwrap_or(now);
        let was_told = before.is_some_and(|b| heartbeat::is_deaf(b, now));
        let noted = heartbeat::note(&dir, Duty::Clock, |beat| {
            beat.began = Some(since);
            beat.failed = why.clone().map(|why| (now, why));
            if beat.failed.is_none() {
                (beat.began, beat.done) = (None, Some(now));
            }
        });
        if let Err(e) = noted {
            tracing::error!("{name}: what the clocks said is not kept: {e}");
        }
        let after = heartbeat::read(&dir).ok().flatten();
        let is_deaf = after
            .as_ref()
            .and_then(|h| h.duties.get(Duty::Clock.as_str()))
            .is_some_and(|b| heartbeat::is_deaf(b, now));
        if let Some(why) = why.filter(|_| is_deaf && !was_told) {
            self.raise(name, &[("clock-silent".to_owned(), why)]);
        }
    }

    /// What was to be done for a school and was not, in sentences.
    pub fn late(&self, name: &str) -> Vec<String> {
        let dir = self.dir.join(name);
        let is_open = locked(&self.repos).contains_key(name);
        let missed = heartbeat::late(&dir, heartbeat::now()).into_iter();
        // What opens now is not closed, whatever failed before.
        missed.filter(|m| !(is_open && m.duty == Duty::Open)).map(|m| m.text).collect()
    }
}

/// Pulls, renews, verifies, attacks itself and expires, each school at its own pace, for ever. What
/// fails is an alarm, and is tried again.
#[allow(clippy::disallowed_methods)] // a schedule is a matter of real time
pub fn keep_schedule(vault: &Arc<Vault>) {
    let mut hands: BTreeMap<String, std::thread::JoinHandle<()>> = BTreeMap::new();
    let mut told: HashMap<(String, Duty), Instant> = HashMap::new();
    let mut watched: Option<Instant> = None;
    loop {
        let schools = vault.schools().unwrap_or_else(|e| {
            tracing::error!("the schools cannot be listed: {e}");
            hands.keys().cloned().collect()
        });
        for name in &schools {
            if hands.get(name).is_some_and(|hand| !hand.is_finished()) {
                continue;
            }
            let (theirs, school) = (vault.clone(), name.clone());
            let hand = std::thread::Builder::new().name(format!("school {name}"));
            match hand.spawn(move || {
                let work = || look_after(&theirs, &school);
                if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
                    let e = defect("its schedule", panic);
                    theirs.raise(&school, &[("schedule-failed".to_owned(), e.to_string())]);
                    // The next one is started soon, and not at once.
                    std::thread::sleep(OPEN_AGAIN);
                }
            }) {
                Ok(hand) => drop(hands.insert(name.clone(), hand)),
                Err(e) => tracing::error!("{name}: no thread for its work: {e}"),
            }
        }
        if watched.is_none_or(|at| at.elapsed() >= WATCH) {
            watched = Some(Instant::now());
            for name in &schools {
                tell_late(vault, name, &mut told);
                vault.tell_again(name);
            }
        }
        std::thread::sleep(TICK);
    }
}

/// Opens what could not be opened, and what was enrolled since, for ever: for who only serves.
pub fn keep_open(vault: &Arc<Vault>) {
    loop {
        std::thread::sleep(OPEN_AGAIN);
        for name in vault.schools().unwrap_or_default() {
            vault.tell_again(&name);
        }
        if let Err(e) = vault.open_schools() {
            tracing::error!("the schools cannot be listed: {e}");
        }
    }
}

impl Vault {
    /// What the alarm command could not tell is told again: its failure ends when it does.
    pub(crate) fn tell_again(&self, name: &str) {
        let dir = self.dir.join(name);
        let kept = heartbeat::read(&dir).ok().flatten();
        let beat = kept.as_ref().and_then(|h| h.duties.get(Duty::Tell.as_str()));
        let Some((at, _)) = beat.and_then(|b| b.failed.as_ref()) else { return };
        let changed = std::fs::metadata(dir.join("repo.toml")).and_then(|m| m.modified()).ok();
        let changed = changed.and_then(|t| Timestamp::try_from(t).ok()).is_some_and(|t| t > *at);
        if changed || heartbeat::now().duration_since(*at) >= TELL_AFTER {
            self.bell.dispatch_again(&dir, name, crate::alarm_command(&dir), *at);
        }
    }
}

/// What is late is told once a day. What failed was told when it did.
#[allow(clippy::disallowed_methods)] // as above
fn tell_late(vault: &Vault, name: &str, told: &mut HashMap<(String, Duty), Instant>) {
    let mut late = heartbeat::late(&vault.dir.join(name), heartbeat::now());
    late.retain(|missed| missed.late);
    told.retain(|(school, duty), _| school != name || late.iter().any(|m| m.duty == *duty));
    for missed in late {
        let of = (name.to_owned(), missed.duty);
        if told.get(&of).is_none_or(|at| at.elapsed() >= TELL_AGAIN) {
            told.insert(of, Instant::now());
            vault.raise(name, &[(format!("{}-late", missed.duty.as_str()), missed.text)]);
        }
    }
}

/// The work for one school, as long as it has a folder.
#[allow(clippy::disallowed_methods)] // as above
fn look_after(vault: &Vault, name: &str) {
    let dir = vault.dir.join(name);
    let mut told: Option<(String, Instant)> = None;
    let mut tried: HashMap<Duty, Instant> = HashMap::new();
    let mut swept = false;
    while dir.join("school.pub").is_file() {
        let settings =
            vault.open_school(name).and_then(|()| RepoSettings::read(&dir.join("repo.toml")));
        let settings = match settings {
            Ok(settings) => settings,
            // An enrolment writes its settings last.
            Err(_) if !dir.join("repo.toml").exists() && is_new(&dir) => {
                std::thread::sleep(TICK);
                continue;
            }
            Err(e) => {
                let text = e.to_string();
                let again = told
                    .as_ref()
                    .is_none_or(|(before, at)| *before != text || at.elapsed() >= TELL_AGAIN);
                if again {
                    let _ = vault.duty(name, Duty::Open, |()| true, || Err(e));
                    let alarm = format!("{name} could not be opened: {text}; it is tried again");
                    vault.raise(name, &[("not-opened".to_owned(), alarm)]);
                    told = Some((text, Instant::now()));
                }
                std::thread::sleep(OPEN_AGAIN);
                continue;
            }
        };
        let kept = heartbeat::read(&dir).ok().flatten();
        let beat = |duty: Duty| kept.as_ref().and_then(|h| h.duties.get(duty.as_str()));
        if told.take().is_some() || beat(Duty::Open).is_none_or(|b| b.failed.is_some()) {
            let _ = vault.duty(name, Duty::Open, |()| true, || Ok(()));
        }
        if !swept {
            swept = true;
            // One that is pushed to is never pulled.
            if let Err(e) = vault.read(name, |r| crate::work::sweep(r)) {
                tracing::warn!("{name}: {e}");
            }
        }
        for (duty, every) in heartbeat::plan(&settings) {
            let done = beat(duty).and_then(|b| b.done);
            let again = again_after(every);
            // What failed is not tried at every tick, and neither is what its hours hold back.
            let waits = tried.get(&duty).is_some_and(|at| at.elapsed() < again);
            if !waits && is_due(done, every, heartbeat::now()) {
                tried.insert(duty, Instant::now());
                perform(vault, name, duty);
            }
        }
        std::thread::sleep(TICK);
    }
}

fn is_new(dir: &std::path::Path) -> bool {
    let made = std::fs::metadata(dir.join("school.pub")).and_then(|m| m.modified()).ok();
    made.is_some_and(|at| at.elapsed().is_ok_and(|age| age < NEW))
}

/// A clock that was set back must not keep anything from being done.
fn is_due(done: Option<Timestamp>, every: SignedDuration, now: Timestamp) -> bool {
    done.is_none_or(|done| done > now || now.duration_since(done) >= every)
}

/// How long after an attempt the next one comes at the earliest.
fn again_after(every: SignedDuration) -> Duration {
    let every = Duration::try_from(every).unwrap_or_default();
    (every / 4).clamp(Duration::from_secs(60), Duration::from_secs(3600)).min(every)
}

fn perform(vault: &Vault, name: &str, duty: Duty) {
    let quiet = &strongroom_model::Silent;
    let done = match duty {
        Duty::Pull => vault.pull(name, quiet).map(|_| ()),
        Duty::Renew => vault.renew(name, quiet).map(|_| ()),
        Duty::Verify => {
            let options = AuditOptions { read_percent: READ_PERCENT, mend: true };
            vault.verify(name, options, quiet).map(|_| ())
        }
        Duty::Canary => vault.canary(name).map(|_| ()),
        Duty::Expire => vault.expire(name, quiet).map(|_| ()),
        Duty::Open | Duty::Tell | Duty::Clock => Ok(()),
    };
    if let Err(e) = done {
        tracing::error!("{name}: {}: {e}", duty.as_str());
        // A pull tells that itself, and who is at work is no alarm.
        if duty != Duty::Pull && !matches!(e, Refusal::Busy(_)) {
            let text = format!("{} failed: {e}", duty.as_str());
            vault.raise(name, &[("watch-failed".to_owned(), text)]);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn work_that_did_not_happen_is_an_alarm_and_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(&dir.path().join("vault")).unwrap();
        let (school, said) = (dir.path().join("vault/school"), dir.path().join("said"));
        std::fs::create_dir_all(&school).unwrap();
        let settings = format!(
            "alarm_command = [\"sh\", \"-c\", \"cat >> {}\"]\n[source]\nkind = \"folder\"\n\
             path = \"/nowhere\"\n",
            said.display()
        );
        std::fs::write(school.join("repo.toml"), settings).unwrap();
        let ago = |hours| heartbeat::now() - SignedDuration::from_hours(hours);
        let did = |pull: i64| {
            let beat = |at: Timestamp| serde_json::json!({"done": at});
            let all = serde_json::json!({"v": 1, "since": ago(2_000), "duties": {
                "pull": beat(ago(pull)), "renew": beat(ago(49)), "verify": beat(ago(1)),
                "canary": beat(ago(47))}});
            std::fs::write(school.join("heartbeat.json"), all.to_string()).unwrap();
        };
        let mut told = HashMap::new();
        let mut look = || {
            tell_late(&vault, "school", &mut told);
            vault.bell.wait_for_calls();
            let text = std::fs::read_to_string(&said).unwrap_or_default();
            let kind = |line: &str| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(line["repository"], "school");
                line["kind"].as_str().unwrap().to_owned()
            };
            text.lines().map(kind).collect::<Vec<_>>()
        };
        did(3);
        // Expiry was never done; what is due for less than twice its time is not late.
        let mut first = look();
        first.sort();
        assert_eq!(first, ["expire-late", "pull-late", "renew-late"]);
        assert_eq!(look().len(), 3, "once");
        did(1);
        assert_eq!(look().len(), 3, "the pull came");
        did(3);
        let again = look();
        assert_eq!((again.len(), again[3].as_str()), (4, "pull-late"), "and is late once more");
        let kept = std::fs::read_to_string(school.join("alarms.jsonl")).unwrap();
        assert_eq!(kept.lines().count(), 4, "{kept}");
    }
}
