//! What is done for a school on this host is noted as it begins and as it ends, in the school's
//! folder of `state_dir`: from that alone it shows later that something did not happen.

use crate::{
    Error, FoundAlarm, School,
    damage::{self, Part, Standing},
    files::cache::{self, Purpose},
    replicate::Replicated,
    tell::{self, Look},
};
use jiff::Timestamp;
use std::{
    collections::BTreeSet,
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};
use strongroom_custody::{
    MirrorReport,
    heartbeat::{self, Beat, Counts, LastRun, Raised},
    plain,
};
use strongroom_engine::{
    BackupReport, configuration::ConfigurationReport, replicate::ReplicateReport,
};
use strongroom_model::{CollectionState, Ending};
use strongroom_repository::{CheckReport, ReadData};

/// What a backup calls what is of no person and no site.
const TENANT: &str = "tenant";

/// What is owed to a school by the host that keeps its copy 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Duty {
    /// To back up its data.
    Backup,
    /// To keep its settings.
    Settings,
    /// To bring both to its vault, where that does not fetch them itself.
    Replicate,
    /// To look whether copy 2 is sound.
    Check,
}

impl Duty {
    /// All, in the order of a night.
    pub const ALL: [Duty; 4] = [Duty::Settings, Duty::Backup, Duty::Replicate, Duty::Check];

    /// Its name, in files and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Duty::Backup => "backup",
            Duty::Settings => "settings",
            Duty::Replicate => "replicate",
            Duty::Check => "check",
        }
    }

    /// A mark that is locked for as long as somebody is at it, and however they end.
    fn mark(self, dir: &Path) -> PathBuf {
        dir.join(format!("{}.running", self.name()))
    }

    /// Whether somebody is at it now, by the school's folder.
    pub fn is_running(self, dir: &Path) -> bool {
        let file = File::options().read(true).write(true).open(self.mark(dir));
        file.is_ok_and(|f| matches!(f.try_lock(), Err(std::fs::TryLockError::WouldBlock)))
    }
}

/// A duty that somebody is at. Who drops it was interrupted: then it was begun, and has not ended.
pub struct Attempt {
    school: School,
    duty: Duty,
    /// The school's folder; none where nothing can be noted.
    dir: Option<PathBuf>,
    began: Timestamp,
    /// What the one before noted as its beginning.
    before: Option<Timestamp>,
    /// Locked while this lives.
    _running: Option<File>,
}

impl School {
    /// The folder of what was done for it on this host, this account's own from now on.
    ///
    /// # Errors
    /// [`Kind::Files`], where there is no such folder, or it is not this account's alone.
    pub fn state(&self) -> Result<PathBuf, Error> {
        let (root, accounts) = (self.config().state_dir(), &self.host().accounts);
        cache::own_alone(&root, accounts, Purpose::State)?;
        let dir = root.join(self.name());
        // What is strange in one school's folder is that one's affair.
        cache::own_below(&dir, accounts, Purpose::State)?;
        Ok(dir)
    }

    /// Whether this host owes it a duty.
    pub fn owes(&self, duty: Duty) -> bool {
        let nightly = &self.config().nightly;
        if nightly.without.iter().any(|name| name == duty.name()) {
            return false;
        }
        match duty {
            Duty::Backup | Duty::Settings => true,
            Duty::Check => nightly.check_days > 0,
            // Others fetch for themselves.
            Duty::Replicate => {
                let vault = self.tenant().vault.as_ref().map(|v| self.config().vault(v));
                matches!(vault, Some(Ok(v)) if v.url.is_some() || v.s3.is_some())
            }
        }
    }

    /// The part of its copy 2 that a night reads next, of so many.
    ///
    /// # Errors
    /// [`crate::Kind::Files`], where that cannot be read or kept: the same part would be read for
    /// ever.
    pub fn next_part(&self, of: u8) -> Result<Part, Error> {
        let dir = self.state()?;
        damage::next(&dir, of, had_damage(&dir), self.now()).map_err(|why| {
            let what = format!("which part of copy 2 is to be read next cannot be kept: {why}");
            Error::new(crate::Kind::Files, what)
        })
    }

    /// Notes that a duty is begun. That it cannot be noted is told and keeps nobody from it.
    pub fn begin(&self, duty: Duty) -> Attempt {
        let dir = match self.state() {
            Ok(dir) => Some(dir),
            Err(e) => {
                self.unnoted(duty, &e.sentence());
                None
            }
        };
        let began = self.now();
        let running = dir.as_deref().and_then(|dir| running(&duty.mark(dir)));
        let mut attempt =
            Attempt { school: self.clone(), duty, dir, began, before: None, _running: running };
        let mut before = None;
        attempt.note(|beat| before = beat.began.replace(began));
        attempt.before = before;
        attempt
    }

    /// Alarms that an attempt found since then which came to no end.
    pub(crate) fn raised_since(&self, duty: Duty, from: Timestamp) -> Vec<Raised> {
        let dir = self.state().ok();
        let kept = dir.and_then(|dir| heartbeat::read(&dir).ok().flatten());
        let beat = kept.as_ref().and_then(|all| all.duties.get(duty.name()));
        let raised = beat.map(Beat::raised).unwrap_or_default().iter();
        raised.filter(|r| r.last >= from).cloned().collect()
    }

    /// Notes alarms that an attempt found which may come to no end.
    pub(crate) fn note_raised(&self, duty: Duty, found: &[FoundAlarm]) {
        let (found, now) = (tell::alarms(found), self.now());
        let noted = self.state().map_err(|e| e.sentence()).and_then(|dir| {
            let note = |beat: &mut Beat| beat.raise(&found, now);
            heartbeat::note(&dir, duty.name(), now, note).map_err(|e| e.to_string())
        });
        if let Err(why) = noted {
            self.unnoted(duty, &why);
        }
    }

    fn unnoted(&self, duty: Duty, why: &str) {
        let name = self.name();
        tracing::warn!("{name}: that this {} was done is not kept: {why}", duty.name());
    }
}

/// Whether the last check that was noted found damage, or damage stood beside it.
fn had_damage(dir: &Path) -> bool {
    let alarm = Some(Ending::Alarm.code());
    let kept = heartbeat::read(dir).ok().flatten();
    let beat = kept.as_ref().and_then(|all| all.duties.get(Duty::Check.name()));
    beat.and_then(|beat| beat.last.as_ref()).is_some_and(|last| last.code == alarm)
}

/// A mark that says that somebody is at it. Several may be; who only looks is quick.
fn running(mark: &Path) -> Option<File> {
    let file = crate::files::written::mark(mark).ok()?;
    for _ in 0..10 {
        if file.try_lock_shared().is_ok() {
            return Some(file);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

impl Attempt {
    /// Answers whether it is noted.
    fn note(&self, f: impl FnOnce(&mut Beat)) -> bool {
        let Some(dir) = &self.dir else { return false };
        let noted = heartbeat::note(dir, self.duty.name(), self.school.now(), f);
        if let Err(e) = &noted {
            self.school.unnoted(self.duty, &e.to_string());
        }
        noted.is_ok()
    }

    /// It was done, and ended so; what it found is another matter.
    fn done(&self, ending: Ending, says: impl FnOnce(&mut LastRun)) {
        self.done_after(ending, |last, _| says(last));
    }

    /// The same, for who looks at what the one before said of itself.
    fn done_after(&self, ending: Ending, says: impl FnOnce(&mut LastRun, Option<&LastRun>)) {
        let ended = self.school.now();
        let mut last = LastRun::new(self.began, ended);
        last.code = Some(ending.code());
        self.note(|beat| {
            says(&mut last, beat.last.as_ref());
            (beat.done, beat.failed) = (Some(ended), None);
            (beat.code, beat.last) = (Some(ending.code()), Some(last));
            // What attempts before found is in what was made now, or was looked at again.
            beat.raised = None;
        });
        self.school.tell(&self.failures(), &[]);
    }

    /// Nothing was done, and nothing failed: what was noted as its beginning is so again.
    fn put_off(&self) -> bool {
        self.note(|beat| {
            if beat.began == Some(self.began) {
                beat.began = self.before;
            }
        })
    }

    /// Who finds that it fails.
    fn failures(&self) -> String {
        format!("{} failed", self.duty.name())
    }

    /// Tells what it found; all that stood and was not found is over.
    fn tell(&self, found: &[FoundAlarm]) {
        self.school.tell(self.duty.name(), found);
    }

    /// It was not done, for this reason. That another process is at it is no failure.
    pub fn failed(&self, ending: Ending, why: &str) {
        if ending == Ending::Locked {
            self.put_off();
            return;
        }
        let ended = self.school.now();
        let mut again = false;
        let noted = self.note(|beat| {
            again = beat.failed.is_some();
            (beat.failed, beat.code) = (Some((ended, plain(why))), Some(ending.code()));
        });
        // Once may be a line that was down; a tenant that lets nothing be read is told at once, and
        // so is what cannot be noted: nobody knows whether it is the first time.
        if again || !noted || ending == Ending::NothingRead {
            let kind = format!("{}-failed", self.duty.name());
            self.school.tell(&self.failures(), &[FoundAlarm::high(&kind, "", why)]);
        }
    }

    /// A backup ended.
    pub fn backed_up(self, r: &BackupReport) {
        let raised = r.alarms.iter().map(FoundAlarm::of);
        let standing = r.standing.iter().map(|row| FoundAlarm {
            kind: row.code().to_owned(),
            subject: row.subject(),
            severity: row.known().map(|a| a.severity),
            text: row.sentence().line().to_string(),
        });
        let found = raised.chain(standing).collect::<Vec<_>>();
        let Some(snapshot) = &r.snapshot else {
            self.school
                .note_raised(self.duty, &r.alarms.iter().map(FoundAlarm::of).collect::<Vec<_>>());
            // What ended the run came last.
            let lost = r.alarms.last().map(|a| format!("{}: {}", a.kind.as_str(), a.text.line()));
            let why = lost.unwrap_or_else(|| "nothing could be read".to_owned());
            self.failed(r.ending(), &why);
            // Of the data little was looked at: what an attempt before found there stands.
            return self.school.tell_what(self.duty.name(), &found, Look::Part);
        };
        let owners: BTreeSet<&str> =
            r.coverage.iter().map(|c| c.scope.as_str()).filter(|s| *s != TENANT).collect();
        let coverage = Counts {
            owners: Some(owners.len() as u64),
            collections: r.coverage.len() as u64,
            left_out: r.coverage.iter().filter(|c| c.skipped.is_some()).count() as u64,
            skipped: (r.skipped.len() + r.failed.len()) as u64,
        };
        self.done(r.ending(), |last| {
            last.snapshot = Some(snapshot.clone());
            last.tags = Some(r.tags.clone());
            last.coverage = Some(coverage);
            last.requests = Some(r.traffic.requests);
            last.throttled = Some(r.budget.throttled);
            last.bytes = Some(r.written.bytes_stored);
        });
        self.tell(&found);
    }

    /// The settings were read, and these grave changes were seen, object and sentence.
    pub fn settings_kept(self, r: &ConfigurationReport, changes: &[(String, String)]) {
        let changed =
            changes.iter().map(|(object, text)| FoundAlarm::high("changed", object, text));
        let lost = r.lost.iter().map(|(name, why)| FoundAlarm::high("out-of-sight", name, why));
        let (changed, lost) = (changed.collect::<Vec<_>>(), lost.collect::<Vec<_>>());
        if r.ending() == Ending::NothingRead {
            self.failed(r.ending(), "not one collection of settings could be read");
            return self.tell(&lost);
        }
        let of = |is: fn(&CollectionState) -> bool| {
            r.collections.values().filter(|state| is(state)).count() as u64
        };
        let coverage = Counts {
            owners: None,
            collections: r.collections.len() as u64,
            left_out: of(|state| !state.is_collected() && !state.is_blind()),
            skipped: of(CollectionState::is_blind),
        };
        self.done(r.ending(), |last| {
            last.snapshot = Some(r.snapshot.clone());
            last.coverage = Some(coverage);
            last.requests = Some(r.traffic.requests);
            last.throttled = Some(r.budget.throttled);
            last.bytes = Some(r.written.bytes_stored);
        });
        self.tell(&lost);
        // No later look finds a change again.
        self.school.tell_events(&changed);
    }

    /// The same, to the vault's server.
    fn replicated(self, r: &ReplicateReport) {
        let ending = if r.is_whole() { Ending::Done } else { Ending::Partial };
        self.done(ending, |last| {
            last.snapshot = r.snapshot.clone();
            last.bytes = Some(r.bytes);
        });
    }

    /// The same, into the vault's bucket.
    fn mirrored(self, r: &MirrorReport) {
        let found = r.alarms.iter().map(|(kind, text)| FoundAlarm::high(kind, "", text));
        let found = found.collect::<Vec<_>>();
        if r.paused {
            // Outside its hours; the next run goes on from there. Nothing was looked at for long.
            self.put_off();
            return self.school.tell_what(self.duty.name(), &found, Look::Part);
        }
        let ending = if r.alarms.is_empty() { Ending::Done } else { Ending::Alarm };
        self.done(ending, |last| last.bytes = Some(r.bytes));
        self.tell(&found);
    }

    /// What there is was brought to the vault.
    pub fn brought(self, r: &Replicated) {
        match r {
            Replicated::Session(report) => self.replicated(report),
            Replicated::Bucket(report) => self.mirrored(report),
        }
    }

    /// So much of copy 2 was looked at. Damage that was found stands until a look at the same part,
    /// or at all of it, finds it over. Answers what stands.
    pub fn checked(self, r: &CheckReport, read: ReadData) -> Standing {
        let found: Vec<String> = r.problems.iter().map(|p| p.line().to_string()).collect();
        let kept = match &self.dir {
            Some(dir) => damage::note(dir, read, &found, had_damage(dir), self.school.now()),
            None => Err("there is no folder for it".to_owned()),
        };
        if let Err(why) = &kept {
            let name = self.school.name();
            tracing::warn!("{name}: what this check found is not kept: {why}");
        }
        let ending = if found.is_empty() { Ending::Done } else { Ending::Alarm };
        let is_all = matches!(read, ReadData::All);
        self.done_after(ending, |last, before| {
            last.bytes = Some(r.bytes_read);
            let alarm = Some(Ending::Alarm.code());
            let stands = match &kept {
                Ok(standing) => !standing.is_empty(),
                Err(_) => !is_all && before.is_some_and(|before| before.code == alarm),
            };
            if stands {
                last.code = alarm;
            }
        });
        let damage = kept.as_ref().unwrap_or(&found);
        let rows: Vec<FoundAlarm> =
            damage.iter().map(|text| FoundAlarm::high("damage", text, text)).collect();
        let look = if kept.is_ok() || is_all { Look::All } else { Look::Part };
        self.school.tell_what(self.duty.name(), &rows, look);
        Standing { damage: damage.clone(), unkept: kept.err() }
    }
}
