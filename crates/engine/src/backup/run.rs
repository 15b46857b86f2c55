use super::{
    Accepted, BackupOptions, Base, Interrupted,
    alarm_list::Earlier,
    seen::{Pattern, Seen, Steps},
};
use crate::{Error, Progress, catalog::Catalog, layout};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLockWriteGuard,
        atomic::{AtomicBool, Ordering},
    },
};
use strongroom_model::{
    Alarm, AlarmKind, AlarmSeverity, Ending, Facts, ItemId, Judgement, Pending, Record, Row,
    Series, Untrusted, Verdict,
};
use strongroom_repository::{
    Found, Id, Node, Repository, Snapshot, TAG_PARTIAL, TreeEditor, Written,
};
use strongroom_workloads::{ALL, BudgetReport, Client, ErrorKind, Owner, Stats, workload::Profile};

/// An item that was skipped; its previous version is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedItem {
    /// Whose, and where.
    pub scope: Untrusted,
    /// Graph id.
    pub id: ItemId,
    /// Name or subject.
    pub name: Untrusted,
    /// Why.
    pub cause: Untrusted,
}

/// One collection: how much the service counts in it, or why it was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// User, or `tenant`.
    pub scope: Untrusted,
    /// Folder or drive.
    pub collection: Untrusted,
    /// Items in it.
    pub items: Option<u64>,
    /// Why it was left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Untrusted>,
}

/// How many versions got which verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Verdicts {
    /// Clean.
    pub clean: u64,
    /// Suspicious.
    pub suspicious: u64,
    /// Encrypted.
    pub encrypted: u64,
}

/// What a run did.
#[derive(Debug, Clone, Serialize)]
pub struct BackupReport {
    /// The snapshot; none where nothing could be read.
    pub snapshot: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Items that are new.
    pub items_new: u64,
    /// Items whose content or state changed.
    pub items_changed: u64,
    /// Items that are gone.
    pub items_deleted: u64,
    /// Items skipped, by name.
    pub skipped: Vec<SkippedItem>,
    /// Collections that could not be read.
    pub failed: Vec<SkippedItem>,
    /// Alarms.
    pub alarms: Vec<Alarm>,
    /// Alarms of earlier runs that still stand.
    pub standing: Vec<Row<Alarm>>,
    /// Those that stand and keep no snapshot from being clean until a day, as somebody decided.
    pub borne: Vec<Row<Alarm>>,
    /// Those that this run closed, since somebody acknowledged them.
    pub closed: Vec<Row<Alarm>>,
    /// Verdicts on versions that were read in this run.
    pub verdicts: Verdicts,
    /// What was read, and what was not.
    pub coverage: Vec<Coverage>,
    /// Bytes of content read.
    pub bytes_read: u64,
    /// What was written to the repository.
    pub written: Written,
    /// Requests and bytes on the wire.
    pub traffic: Stats,
    /// What was spent of the throttle budgets.
    pub budget: BudgetReport,
    /// Seconds it took.
    pub seconds: f64,
}

impl BackupReport {
    /// Whether everything was read.
    pub fn is_whole(&self) -> bool {
        self.skipped.is_empty() && self.failed.is_empty()
    }

    /// How a command ends that did this.
    pub fn ending(&self) -> Ending {
        if self.snapshot.is_none() {
            Ending::NothingRead
        } else if !self.is_clean() {
            Ending::Alarm
        } else if !self.is_whole() {
            Ending::Partial
        } else {
            Ending::Done
        }
    }

    /// Whether the snapshot counts as clean: its run raised no high alarm, and none of earlier runs
    /// stands.
    pub fn is_clean(&self) -> bool {
        self.tags.iter().any(|t| t == strongroom_repository::TAG_CLEAN)
    }
}

struct State {
    items_new: u64,
    items_changed: u64,
    items_deleted: u64,
    bytes_read: u64,
    skipped: Vec<SkippedItem>,
    failed: Vec<SkippedItem>,
    /// What could not be read as a whole, accepted or not.
    unreadable: Vec<Record<Pending>>,
    alarms: Vec<Alarm>,
    verdicts: Verdicts,
    coverage: Vec<Coverage>,
    seen: Seen,
    /// How often the reading of an optional workload was refused that nobody has stored.
    refusals: HashMap<&'static str, u32>,
    /// Directories of owners, by id.
    rooms: HashMap<ItemId, String>,
    checkpoint: Option<(jiff::Timestamp, u64)>,
    /// The last partial snapshot of this run.
    kept: Option<Id>,
    /// What the run builds on.
    base: Base,
}

impl State {
    fn new(base: Base, seen: Seen) -> Self {
        Self {
            items_new: 0,
            items_changed: 0,
            items_deleted: 0,
            bytes_read: 0,
            skipped: Vec::new(),
            failed: Vec::new(),
            unreadable: Vec::new(),
            alarms: Vec::new(),
            verdicts: Verdicts::default(),
            coverage: Vec::new(),
            seen,
            refusals: HashMap::new(),
            rooms: HashMap::new(),
            checkpoint: None,
            kept: None,
            base,
        }
    }
}

/// What is said of something that could not be read.
#[derive(Debug)]
pub(super) struct Unreadable {
    /// For the coverage.
    pub(super) why: String,
    /// Whether somebody lives with it: then it is no failure, and no alarm.
    pub(super) is_accepted: bool,
}

/// A backup that is under way.
pub(crate) struct Run {
    pub(crate) repo: Arc<Repository>,
    pub(crate) client: Arc<Client>,
    pub(crate) options: BackupOptions,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) began: jiff::Timestamp,
    pub(crate) catalog: Catalog,
    tree: Mutex<TreeEditor>,
    state: Mutex<State>,
    /// Those of the tasks that read.
    pub(super) steps: Steps,
    /// The alarms of earlier runs.
    pub(super) earlier: Earlier,
    /// Whether the tenant gave anything to this run: one list of owners, whole.
    has_read: AtomicBool,
}

/// Refusals after which nobody else is asked for (own choice: one may be somebody's own).
const REFUSALS_MAX: u32 = 3;

/// The first backup of a school takes hours, and who tries the program out ends it soon: its first
/// checkpoint comes after so long, each later one when the run is half as old again.
const FIRST_CHECKPOINT_S: i64 = 10;

/// How long after the last checkpoint, or the beginning, another is due.
fn checkpoint_after_s(is_first: bool, age_s: i64, checkpoint_s: i64) -> i64 {
    match is_first {
        true => (age_s / 3).max(FIRST_CHECKPOINT_S).min(checkpoint_s),
        false => checkpoint_s,
    }
}

/// Entries in memory before directories are written and let go.
const LOADED_NODES_MAX: usize = 50_000;

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Run {
    pub(super) fn begin(
        repo: Arc<Repository>,
        client: Arc<Client>,
        options: BackupOptions,
        progress: Arc<dyn Progress>,
        began: jiff::Timestamp,
    ) -> Result<Self, Error> {
        let mut stands_on = Base::of(&repo, &options.tenant)?;
        let newest = stands_on.newest().cloned();
        let seen = stands_on.seen(&repo, began)?;
        let base = stands_on.newest();
        if let Some(text) = base.and_then(|b| crate::clean::ahead_of_the_clock(b, began)) {
            progress.note(&text);
        }
        let name = format!(
            "{}-{}.catalog",
            repo.id().short(),
            strongroom_model::short_id(&options.tenant)
        );
        let path = options.cache.join(name);
        let catalog = Catalog::open(&path, &repo, base.map(|(id, s)| (id, &s.tree)))?;
        let mut tree = TreeEditor::new(repo.clone(), base.map(|(_, s)| s.tree), began);
        // Those of a run that is not gone on from stand as well.
        let earlier = match &newest {
            Some((_, s)) => {
                let today = began.to_zoned(jiff::tz::TimeZone::UTC).date();
                let unfinished = Some(seen.began).filter(|at| *at < began);
                Earlier::of(&repo, s, &options.acknowledged, today, unfinished)?
            }
            None => Earlier::default(),
        };
        if let Some(base) = base
            && crate::configuration::part(&repo, base, &options.cache, began)?
        {
            for name in [layout::CONFIGURATION, layout::IDENTITY] {
                tree.remove(&[layout::TENANT, name])?;
            }
        }
        let told_once = seen.told_once.clone();
        let run = Self {
            repo,
            client,
            options,
            progress,
            began,
            catalog,
            tree: Mutex::new(tree),
            state: Mutex::new(State::new(stands_on, seen)),
            steps: Steps::default(),
            earlier,
            has_read: AtomicBool::new(false),
        };
        for SkippedItem { scope, id, name, cause } in told_once {
            run.skip(scope.as_str(), &id, name, cause);
        }
        run.look_for_what_was_made(&run.repo.snapshots()?);
        Ok(run)
    }

    /// Whether a panic broke off a change of the tree, or of what a run keeps of itself.
    pub(super) fn is_half_edited(&self) -> bool {
        self.tree.is_poisoned() || self.state.is_poisoned()
    }

    /// Runs several edits that belong together.
    pub(crate) fn edit<T>(
        &self,
        f: impl FnOnce(&mut TreeEditor) -> Result<T, Error>,
    ) -> Result<T, Error> {
        f(&mut lock(&self.tree))
    }

    pub(crate) fn found(&self, path: &[&str]) -> Result<Option<Found>, Error> {
        Ok(lock(&self.tree).get(path)?)
    }

    pub(crate) fn names(&self, path: &[&str]) -> Result<Vec<String>, Error> {
        Ok(lock(&self.tree).names(path)?)
    }

    pub(crate) fn put(&self, parent: &[&str], node: Node) -> Result<(), Error> {
        Ok(lock(&self.tree).put(parent, node)?)
    }

    pub(crate) fn remove(&self, path: &[&str]) -> Result<bool, Error> {
        Ok(lock(&self.tree).remove(path)?)
    }

    pub(crate) fn dir_facts(&self, path: &[&str]) -> Result<Option<Facts>, Error> {
        match self.found(path)? {
            Some(Found::Dir(Some(bytes))) => Ok(Some(Facts::from_bytes(&bytes)?)),
            _ => Ok(None),
        }
    }

    pub(crate) fn put_dir(&self, path: &[&str], facts: &Facts) -> Result<(), Error> {
        Ok(lock(&self.tree).put_dir(path, Some(facts.to_bytes()?), self.began)?)
    }

    /// The delta link to keep: the old one while nothing changed and it is young, so that no change
    /// writes nothing.
    pub(crate) fn keep_link(
        &self,
        facts: &mut Facts,
        known: Option<&Facts>,
        link: String,
        changed: bool,
    ) {
        if let Some(known) = known {
            facts.carry_rest_of(known);
        }
        let old = known.and_then(|k| k.delta.clone().zip(k.delta_at));
        match old {
            Some((old, at))
                if !changed && self.began.as_second() - at.as_second() < super::LINK_AGE_MAX_S =>
            {
                facts.delta = Some(old);
                facts.delta_at = Some(at);
            }
            _ => {
                facts.delta = Some(link);
                facts.delta_at = Some(self.began);
            }
        }
    }

    /// Whether a workload is not backed up, by the settings.
    pub(super) fn leaves_out(&self, workload: &str) -> bool {
        self.options.without.iter().any(|name| name == workload)
    }

    /// Notes that an optional workload may not be read for somebody of whom nothing is stored.
    pub(super) fn count_refusal(&self, workload: &'static str) {
        *lock(&self.state).refusals.entry(workload).or_default() += 1;
    }

    /// What was seen since the last finished snapshot.
    pub(super) fn seen<T>(&self, f: impl FnOnce(&mut Seen) -> T) -> T {
        f(&mut lock(&self.state).seen)
    }

    /// Whether an optional workload may be read for nobody, as far as was seen in this run: a
    /// permission that is not granted costs a few requests, and not some for each owner.
    pub(super) fn is_refused(&self, workload: &'static str) -> bool {
        lock(&self.state).refusals.get(workload).is_some_and(|n| *n >= REFUSALS_MAX)
    }

    /// Takes over where the owners stand.
    pub(super) fn take_rooms(&self, names: HashMap<ItemId, String>) {
        lock(&self.state).rooms.extend(names);
    }

    pub(super) fn room_of(&self, id: &ItemId) -> Option<String> {
        lock(&self.state).rooms.get(id).cloned()
    }

    /// The tenant answered a question in full.
    pub(super) fn note_read(&self) {
        self.has_read.store(true, Ordering::Relaxed);
    }

    /// Whether the tenant answered any question in full.
    pub(super) fn has_read(&self) -> bool {
        self.has_read.load(Ordering::Relaxed)
    }

    /// Whether there is an earlier snapshot to stand on.
    pub(super) fn has_base(&self) -> bool {
        lock(&self.state).base.newest().is_some()
    }

    pub(crate) fn alarm(&self, alarm: Alarm) {
        self.progress.note(&alarm.text.line().to_string());
        lock(&self.state).alarms.push(alarm);
    }

    pub(crate) fn alarms(&self) -> Vec<Alarm> {
        lock(&self.state).alarms.clone()
    }

    /// A collection, or everything, cannot be read any more. What was backed up stays.
    pub(crate) fn access_lost(&self, scope: &str, e: &strongroom_workloads::Error) {
        self.unreadable(ItemId::default(), scope, e);
    }

    /// As [`Run::access_lost`], of what somebody may accept as not readable, by its id. Answers
    /// what the coverage says of it, and whether it was accepted.
    pub(super) fn unreadable(
        &self,
        id: ItemId,
        scope: &str,
        e: &strongroom_workloads::Error,
    ) -> Unreadable {
        // Nobody lives with a sign-in that is refused, or a budget that is spent.
        let is_its_own =
            e.kind == ErrorKind::Denied || !(e.is_access() || e.kind == ErrorKind::Throttled);
        let accepted = self.accepted(&id).filter(|_| is_its_own);
        if !id.0.is_empty() {
            let (name, cause) = (scope.into(), e.text.clone());
            let row = Pending { id: id.clone(), name, cause, parent: None };
            lock(&self.state).unreadable.push(Record::new(row));
        }
        if let Some(a) = accepted {
            return Unreadable { why: format!("{e}; {}", a.says), is_accepted: true };
        }
        let kind = match e.kind {
            ErrorKind::ApplicationUnknown => Some(AlarmKind::ApplicationDeleted),
            ErrorKind::CredentialRefused => Some(AlarmKind::ConsentRevoked),
            ErrorKind::Denied if scope == "tenant" => Some(AlarmKind::ConsentRevoked),
            ErrorKind::Denied => Some(AlarmKind::PermissionsNarrowed),
            ErrorKind::Throttled => Some(AlarmKind::BudgetEaten),
            _ => None,
        };
        let mut state = lock(&self.state);
        state.failed.push(SkippedItem {
            scope: scope.into(),
            id,
            name: Untrusted::default(),
            cause: e.text.clone(),
        });
        // Whatever needs the sign-in or the budget fails for everybody alike: say it once.
        let known = kind.is_some_and(|k| state.alarms.iter().any(|a| a.kind == k));
        drop(state);
        if let (Some(kind), false) = (kind, known) {
            // It may be one item of many, and this run alone.
            let whose = if scope == "tenant" { "the tenant" } else { scope };
            let text = format!("the backup could not read all of {whose}: {e}");
            self.alarm(Alarm::new(kind, AlarmSeverity::High, scope, text, 1));
        }
        Unreadable { why: e.to_string(), is_accepted: false }
    }

    fn accepted(&self, id: &ItemId) -> Option<&Accepted> {
        self.options.accepted.iter().find(|a| a.id == *id)
    }

    /// Keeps what could not be read as a whole, so that somebody may accept it by its id. A run
    /// for some people says nothing of the others.
    pub(super) fn put_unreadable(&self) -> Result<(), Error> {
        let path = vec![layout::TENANT.to_owned()];
        let mut rows = lock(&self.state).unreadable.clone();
        if !self.options.users.is_empty() {
            rows.extend(self.items_in(&path, layout::UNREADABLE)?.items);
        }
        self.set_items(&path, layout::UNREADABLE, rows)?;
        self.edit(|t| Ok(t.prune_empty(&[layout::TENANT], 0)?))
    }

    pub(crate) fn skip(
        &self,
        scope: &str,
        id: &ItemId,
        name: impl Into<Untrusted>,
        cause: impl Into<Untrusted>,
    ) {
        let (name, cause) = (name.into(), cause.into());
        let accepted = self.accepted(id);
        let mut state = lock(&self.state);
        if let Some(a) = accepted {
            // Two of one name are two.
            let collection: Untrusted = match name.is_empty() {
                true => id.0.clone(),
                false => format!("{} ({})", name.as_str(), id.0),
            }
            .into();
            state.coverage.retain(|c| c.scope != *scope || c.collection != collection);
            let skipped = Some(format!("{}; {}", cause.as_str(), a.says).into());
            state.coverage.push(Coverage { scope: scope.into(), collection, items: None, skipped });
            return;
        }
        // Asked for again within a run, and skipped again: one item, its last cause.
        let is_same = |s: &SkippedItem| s.id == *id && (!id.0.is_empty() || s.scope == *scope);
        state.skipped.retain(|s| !is_same(s));
        state.skipped.push(SkippedItem { scope: scope.into(), id: id.clone(), name, cause });
    }

    /// As [`Run::skip`], of what no later run asks for: should this one be broken off, the next
    /// names it.
    pub(super) fn skip_once(
        &self,
        scope: &str,
        id: &ItemId,
        name: impl Into<Untrusted>,
        cause: impl Into<Untrusted>,
    ) {
        let (name, cause) = (name.into(), cause.into());
        self.skip(scope, id, name.clone(), cause.clone());
        let skip = SkippedItem { scope: scope.into(), id: id.clone(), name, cause };
        self.seen(|seen| seen.told_once.push(skip));
    }

    pub(crate) fn coverage(
        &self,
        scope: &str,
        collection: &str,
        items: Option<u64>,
        skipped: Option<&str>,
    ) {
        lock(&self.state).coverage.push(Coverage {
            scope: scope.into(),
            collection: collection.into(),
            items,
            skipped: skipped.map(Untrusted::from),
        });
    }

    pub(super) fn pattern<T>(
        &self,
        owner: &Owner,
        profile: &'static Profile,
        change: impl FnOnce(&mut Pattern) -> T,
    ) -> T {
        self.seen(|seen| change(seen.pattern(owner, profile)))
    }

    pub(crate) fn count_new(&self, bytes: u64) {
        let mut state = lock(&self.state);
        state.items_new += 1;
        state.bytes_read += bytes;
        drop(state);
        self.progress.advance(1, bytes);
    }

    pub(crate) fn count_changed(&self, bytes: u64) {
        let mut state = lock(&self.state);
        state.items_changed += 1;
        state.bytes_read += bytes;
        drop(state);
        self.progress.advance(1, bytes);
    }

    pub(crate) fn count_deleted(&self, n: u64) {
        lock(&self.state).items_deleted += n;
    }

    pub(crate) fn count_verdict(&self, j: &Judgement) {
        let v = &mut lock(&self.state).verdicts;
        match j.verdict {
            Verdict::Clean => v.clean += 1,
            Verdict::Suspicious => v.suspicious += 1,
            Verdict::Encrypted => v.encrypted += 1,
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        let state = lock(&self.state);
        state.skipped.is_empty() && state.failed.is_empty()
    }

    /// Lets go of the directories of an owner of whom everything of a workload was read: what is in
    /// memory follows the owners that are read at once, not the school.
    pub(super) fn let_go(&self, path: &[&str]) -> Result<(), Error> {
        Ok(lock(&self.tree).unload(path)?)
    }

    /// Lets directories go when many are in memory, and indexes what was written when much waits
    /// for it.
    pub(crate) fn relieve(&self) -> Result<(), Error> {
        let mut tree = lock(&self.tree);
        if tree.loaded_nodes() > LOADED_NODES_MAX {
            tree.write_and_unload()?;
        }
        drop(tree);
        self.catalog.relieve()?;
        if self.repo.flush_is_due() {
            self.repo.flush()?;
        }
        Ok(())
    }

    pub(super) fn checkpoint_is_due(&self, now: jiff::Timestamp) -> bool {
        let mut state = lock(&self.state);
        let stored = self.repo.written().bytes_stored;
        let (at, bytes) = *state.checkpoint.get_or_insert((self.began, stored));
        let is_first = state.base.head.is_none();
        let age_s = now.as_second() - self.began.as_second();
        now.as_second() - at.as_second()
            >= checkpoint_after_s(is_first, age_s, self.options.checkpoint_s)
            || stored - bytes >= self.options.checkpoint_bytes
    }

    /// Keeps what a run has that somebody ended.
    pub(super) fn keep_what_was_read(&self) -> Interrupted {
        let between = self.steps.between();
        let items = {
            let s = lock(&self.state);
            s.items_new + s.items_changed + s.items_deleted
        };
        let lost = match items {
            0 => None,
            _ => self.commit_partial(&between).err().map(|e| e.to_string()),
        };
        // Nobody may look at the next run's.
        for alarm in self.judge_patterns().iter().filter(|a| a.severity == AlarmSeverity::High) {
            self.progress.note(&alarm.text.line().to_string());
        }
        Interrupted { kept: lock(&self.state).kept, items, lost }
    }

    /// Commits the tree as it is, for this run's successor should it be broken off.
    pub(super) fn checkpoint(&self) -> Result<(), Error> {
        self.commit_partial(&self.steps.between())
    }

    fn commit_partial(&self, between: &RwLockWriteGuard<'_, ()>) -> Result<(), Error> {
        // Should this run die, its successor must not take a half-seen attack for a quiet day.
        let so_far = [self.alarms(), self.judge_patterns()].concat();
        let list = self.earlier.unless_finished(&so_far, self.began);
        self.put_alarms(list)?;
        let (now, seen) = (self.client.clock().now(), lock(&self.state).seen.clone());
        self.put_unfinished(&seen, now)?;
        let id = self.commit(vec![TAG_PARTIAL.to_owned()], now, between)?;
        lock(&self.state).kept = Some(id);
        Ok(())
    }

    /// Commits the tree as it is when all was read.
    pub(super) fn commit_whole(&self, tags: Vec<String>) -> Result<Id, Error> {
        self.put_alarms(self.earlier.and(&self.alarms(), self.began))?;
        self.remove_unfinished()?;
        let now = self.client.clock().now();
        self.commit(tags, now, &self.steps.between())
    }

    /// `time` is that of the commit, so that the newest partial one is the one to go on from.
    fn commit(
        &self,
        mut tags: Vec<String>,
        time: jiff::Timestamp,
        _between: &RwLockWriteGuard<'_, ()>,
    ) -> Result<Id, Error> {
        let partial = tags.iter().any(|t| t == TAG_PARTIAL);
        tags.push(Snapshot::series_tag(&Series::DATA));
        let head = lock(&self.state).base.head.clone();
        let generation = Snapshot::generation_on(head.as_ref().map(|(_, s)| s));
        let mut tree = lock(&self.tree);
        let root = if partial { tree.write_and_unload()? } else { tree.write()? };
        let snapshot = Snapshot {
            time,
            parent: head.map(|(id, _)| id),
            tree: root,
            paths: ALL.iter().map(|w| format!("/{}", w.profile().name)).collect(),
            hostname: self.options.tenant.as_str().into(),
            username: strongroom_repository::OURS.into(),
            tags,
            program_version: concat!("strongroom ", env!("CARGO_PKG_VERSION")).to_owned(),
            generation,
        };
        let id = self.repo.commit(&snapshot)?;
        // Between steps the catalog describes exactly this snapshot.
        self.catalog.save(&id.to_string())?;
        let mut state = lock(&self.state);
        state.checkpoint = Some((self.client.clock().now(), self.repo.written().bytes_stored));
        Ok(id)
    }

    pub(super) fn report(&self, id: Option<Id>, tags: Vec<String>) -> BackupReport {
        let mut earlier = self.earlier.clone();
        if id.is_none() {
            // Without a snapshot nothing was closed.
            earlier.open.append(&mut earlier.closed);
        }
        let state = lock(&self.state);
        let seconds = (self.client.clock().now().as_millisecond() - self.began.as_millisecond())
            as f64
            / 1000.0;
        BackupReport {
            snapshot: id.map(|id| id.to_string()),
            tags,
            items_new: state.items_new,
            items_changed: state.items_changed,
            items_deleted: state.items_deleted,
            skipped: state.skipped.clone(),
            failed: state.failed.clone(),
            alarms: state.alarms.clone(),
            standing: earlier.open,
            borne: earlier.borne,
            closed: earlier.closed,
            verdicts: state.verdicts,
            coverage: state.coverage.clone(),
            bytes_read: state.bytes_read,
            written: self.repo.written(),
            traffic: self.client.stats(),
            budget: self.client.budget().report(),
            seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_backup_keeps_something_soon_and_not_too_often() {
        let mut at = Vec::new();
        let mut last = 0;
        for age in (0..3600).step_by(5) {
            if age - last >= checkpoint_after_s(true, age, 300) {
                at.push(age);
                last = age;
            }
        }
        assert_eq!(&at[..6], [10, 20, 30, 45, 70, 105]);
        assert!(at.len() < 25, "{at:?}");
        assert!(at.windows(2).all(|w| w[1] - w[0] <= 300), "{at:?}");
        assert_eq!(checkpoint_after_s(false, 5, 300), 300);
        assert_eq!(checkpoint_after_s(true, 3600, 5), 5, "what is configured is the most");
    }
}
