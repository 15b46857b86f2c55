//! Backup: what changed in Microsoft 365 since the last snapshot goes into the repository.
//!
//! A run commits one snapshot at its end, and on the way partial ones from which an interrupted run
//! goes on. Delta links are stored nowhere but in the snapshot whose data they describe (law 2). An
//! item that cannot be read keeps its previous version, is named in the report, and is asked for
//! again by the next run (law 1).

mod alarm_list;
mod alarms;
mod belongings;
mod content;
mod lists;
mod owners;
mod place;
mod round;
mod run;
mod seen;
mod stop;
mod told;

pub use alarm_list::{AcknowledgedAlarm, StandingAlarm, passing_alarms, standing_alarms};
pub use run::{BackupReport, Coverage, SkippedItem, Verdicts};
pub use stop::{Interrupted, Stop};
pub use told::{HearsAlarms, MadeBefore};

use crate::{Error, Progress, layout};
use run::Run;
use std::{collections::HashSet, path::PathBuf, sync::Arc};
use strongroom_model::{
    Alarm, AlarmKind, AlarmSeverity, ItemId, Record, RecordError, Role, Row, Series, Untrusted,
};
use strongroom_objects::StoreError;
use strongroom_repository::{
    Found, Id, Node, Repository, Snapshot, TAG_ALARM, TAG_CLEAN, TAG_COMPLETE, TAG_DEGRADED, Visit,
};
use strongroom_workloads::{ALL, Client, ErrorKind, Owner, OwnerKind, holds::Holds};

/// What to back up and how.
#[derive(Debug, Clone)]
pub struct BackupOptions {
    /// The tenant's name in snapshots.
    pub tenant: String,
    /// Directory for local caches.
    pub cache: PathBuf,
    /// Workloads that are not backed up, by name.
    pub without: Vec<String>,
    /// Watch the holds on mailboxes.
    pub holds: bool,
    /// Only these users (principal names); all when empty.
    pub users: Vec<String>,
    /// Older versions of a file to fetch at most, newest first.
    pub versions_max: usize,
    /// Users worked on at the same time.
    pub users_at_once: usize,
    /// Stored bytes after which a partial snapshot is written.
    pub checkpoint_bytes: u64,
    /// Seconds after which a partial snapshot is written; sooner at the start of a first backup.
    pub checkpoint_s: i64,
    /// Alarms of earlier runs that somebody looked at. These, as they were seen, no longer keep
    /// snapshots from being clean.
    pub acknowledged: Vec<AcknowledgedAlarm>,
    /// Items that are known not to be readable: they stand in the coverage, and make no run
    /// partial. They are asked for again all the same.
    pub accepted: Vec<Accepted>,
    /// The last finished snapshot that the host made whose run it is; none where it knows of none.
    pub made_before: Option<MadeBefore>,
    /// Items that a restore of ours deleted: that they are gone is nobody's attack.
    pub removed_by_us: HashSet<ItemId>,
    /// Hears of alarms before there is a report.
    pub hears_alarms: HearsAlarms,
    /// Ends the run with what it has.
    pub stop: Stop,
}

/// An item that somebody knows not to be readable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub id: ItemId,
    /// Who lives with it, why and until when: for the coverage.
    pub says: String,
}

/// An item, a collection, or all of a kind that an owner has, that was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Its id.
    pub id: ItemId,
    /// Its name; empty when it was not told.
    pub name: Untrusted,
    /// Directory of its collection.
    pub place: Untrusted,
    /// Why.
    pub cause: Untrusted,
}

/// What the newest snapshot of a tenant says was not read.
///
/// # Errors
/// The repository's.
pub fn unread_items(repo: &Repository, tenant: &str) -> Result<Vec<Unread>, Error> {
    let mut all = Vec::new();
    let Some((_, snapshot)) = newest(repo, tenant)? else { return Ok(all) };
    repo.walk(&snapshot.tree, "", &mut |path, node| {
        let place = path.rsplit_once('/').map_or("", |(above, _)| above);
        let name = node.name.as_str();
        let is_list = layout::LISTS.contains(&name)
            || name == layout::UNREADABLE && place.trim_matches('/') == layout::TENANT;
        if !node.is_dir() && is_list && node.facts()?.is_none() {
            let list = lists::Waiting::read(&repo.read_record(node)?);
            all.extend(list.items.into_iter().map(|p| Unread {
                id: p.value.id,
                name: p.value.name,
                place: place.into(),
                cause: p.value.cause,
            }));
        }
        Ok::<_, strongroom_repository::Error>(Visit::Enter)
    })?;
    Ok(all)
}

impl BackupOptions {
    /// The usual settings.
    pub fn new(tenant: impl Into<String>, cache: impl Into<PathBuf>) -> Self {
        Self {
            tenant: tenant.into(),
            cache: cache.into(),
            without: Vec::new(),
            holds: true,
            users: Vec::new(),
            versions_max: 10,
            users_at_once: 8,
            checkpoint_bytes: 512 * 1024 * 1024,
            checkpoint_s: 300,
            acknowledged: Vec::new(),
            accepted: Vec::new(),
            made_before: None,
            removed_by_us: HashSet::new(),
            hears_alarms: HearsAlarms::default(),
            stop: Stop::default(),
        }
    }
}

/// Holds are asked for this often; a round without changes costs deltas only.
const HOLDS_EVERY_S: i64 = 20 * 3600;
/// A delta link of a round without changes is replaced when it is this old, so that it does not
/// expire.
pub(crate) const LINK_AGE_MAX_S: i64 = 3 * 86_400;

/// What a run of a tenant's data builds on.
#[derive(Debug, Default)]
pub(crate) struct Base {
    /// The newest finished snapshot: the parent of what comes.
    pub(crate) head: Option<(Id, Snapshot)>,
    /// What a run before left unfinished on top of it.
    pub(crate) partial: Option<(Id, Snapshot)>,
}

impl Base {
    pub(crate) fn of(repo: &Repository, tenant: &str) -> Result<Self, Error> {
        let all = repo.snapshots()?;
        let head = repo.head_of(&all, Some(tenant), &Series::DATA)?;
        // One on another finished snapshot was replaced long ago, whatever the clocks say.
        let goes_on = |s: &Snapshot| match (head, s.parent) {
            (None, _) => true,
            (Some((id, _)), Some(parent)) if parent == *id => true,
            (Some((_, h)), Some(parent)) => {
                s.time > h.time && !all.iter().any(|(id, _)| *id == parent)
            }
            (Some(_), None) => false,
        };
        let partial = all.iter().rfind(|(_, s)| {
            s.is_partial()
                && s.is_ours()
                && s.hostname == *tenant
                && s.series().is_data()
                && goes_on(s)
        });
        Ok(Self { head: head.cloned(), partial: partial.cloned() })
    }

    /// The one whose tree is gone on from.
    pub(crate) fn newest(&self) -> Option<&(Id, Snapshot)> {
        self.partial.as_ref().or(self.head.as_ref())
    }
}

/// The newest snapshot of a tenant's data, partial ones included.
pub(crate) fn newest(repo: &Repository, tenant: &str) -> Result<Option<(Id, Snapshot)>, Error> {
    Ok(Base::of(repo, tenant)?.newest().cloned())
}

/// Takes back what says that all was seen, since something below or beside it was lost: the delta
/// link of a directory, so that the next run asks for all of it (law 2), and the keys of an item,
/// so that it is fetched with all that belongs to it.
pub fn clear_delta_links(node: &mut Node) -> Result<(), strongroom_repository::Error> {
    let Some(mut facts) = node.facts()? else { return Ok(()) };
    // Items that have files beside them tell their content by a key.
    if facts.kind.role() == Role::Item && facts.content_key.is_some() {
        facts.change_key = None;
        facts.content_key = None;
    } else if facts.delta.is_some() {
        facts.delta = None;
        facts.delta_at = None;
    } else {
        return Ok(());
    }
    node.set_facts(&facts)
}

/// Runs a backup. Access that is refused and was not before ends in a report with an alarm, not in
/// an error: see [`BackupReport::alarms`].
///
/// # Errors
/// The repository's and the service's; [`Error::NothingRead`] where nothing could be read;
/// [`Error::Interrupted`] where [`BackupOptions::stop`] ended it.
pub async fn backup(
    repo: Arc<Repository>,
    client: Arc<Client>,
    options: BackupOptions,
    progress: Arc<dyn Progress>,
) -> Result<BackupReport, Error> {
    let began = client.clock().now();
    client.budget().tell(progress.clone());
    let mut lock = repo.lock_for_writing(&Series::DATA, &options.cache, began)?;
    lock.keep(repo.clone(), client.clock().clone());
    // Somebody may have pruned between opening and locking.
    repo.reload_index()?;
    let seal = crate::seal::at_commit(&repo, client.tenant(), &options.tenant);
    let run = match seal.and_then(|seal| {
        let run = Run::begin(repo.clone(), client, options, progress, began)?;
        if let Some(seal) = seal {
            run.put(&[layout::TENANT], seal)?;
        }
        Ok(Arc::new(run))
    }) {
        Ok(run) => run,
        Err(e) => {
            // What went wrong first is what is to be told.
            drop(lock);
            return Err(e);
        }
    };
    let outcome = match go(&run, &mut lock).await {
        Ok(report) => crate::publish::publish_series(&repo, &Series::DATA).map(|_| report),
        Err(e) => Err(e),
    };
    if let Some(told) = lock.release_or_tell() {
        run.progress.note(&told);
    }
    // Who gets no report hears of what was found all the same.
    if outcome.is_err() {
        tokio::task::block_in_place(|| run.tell_found());
    }
    outcome
}

async fn go(
    run: &Arc<Run>,
    lock: &mut strongroom_repository::WriteLock,
) -> Result<BackupReport, Error> {
    run.progress.phase("users");
    // What reads may be left wherever it waits: what it changes goes from wait to wait.
    let read = tokio::select! {
        read = read_all(run, lock) => read,
        () = run.options.stop.asked() => {
            return Err(Error::Interrupted(tokio::task::block_in_place(|| run.keep_what_was_read())));
        }
    };
    match read {
        Ok(()) => {
            if run.options.holds {
                read_holds(run).await?;
            }
        }
        // Nothing was read, so nothing is committed: a snapshot would say that somebody looked.
        Err(Error::Graph(e)) if !run.has_read() => {
            // Access that is lost is an alarm, when there was some before.
            if !run.has_base() || !(e.is_access() || e.kind == ErrorKind::Throttled) {
                return Err(Error::NothingRead(e));
            }
            run.access_lost("tenant", &e);
            return Ok(run.report(None, Vec::new()));
        }
        // What was read until then is kept.
        Err(Error::Graph(e)) if e.is_access() || e.kind == ErrorKind::Throttled => {
            run.access_lost("tenant", &e)
        }
        Err(e) => return Err(e),
    }
    for alarm in run.judge_patterns() {
        run.alarm(alarm);
    }
    finish(run)
}

async fn read_all(
    run: &Arc<Run>,
    lock: &mut strongroom_repository::WriteLock,
) -> Result<(), Error> {
    let mut owners = Vec::new();
    for kind in OwnerKind::ALL {
        let all = ALL.iter().map(|w| w.profile());
        let is_wanted = all.filter(|p| p.owners == kind).any(|p| !run.leaves_out(p.name));
        // People are asked for by name; with them nothing else is read.
        let is_asked = run.options.users.is_empty() || kind == OwnerKind::User;
        if is_asked && (is_wanted || kind == OwnerKind::User) {
            owners.extend(owners::read(run, kind).await?);
        }
    }
    if let Some(unknown) =
        run.options.users.iter().find(|u| !owners.iter().any(|o| u.eq_ignore_ascii_case(&o.name)))
    {
        return Err(Error::Request(
            format!("the tenant has no user {unknown:?}; nothing was backed up").into(),
        ));
    }
    read_owners(run, owners, lock).await
}

async fn read_owners(
    run: &Arc<Run>,
    owners: Vec<Owner>,
    lock: &mut strongroom_repository::WriteLock,
) -> Result<(), Error> {
    run.progress.phase("items");
    for profile in ALL.iter().map(|w| w.profile()).filter(|p| run.leaves_out(p.name)) {
        let why = "left out by the configuration";
        run.coverage("tenant", profile.name, None, Some(why));
    }
    let all = owners.len() as u64;
    let mut waiting = owners.into_iter();
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        while tasks.len() < run.options.users_at_once {
            let Some(owner) = waiting.next() else { break };
            let run = run.clone();
            tasks.spawn(async move { run.steps.take(read_owner(&run, &owner)).await });
        }
        run.progress.parts(all - (waiting.len() + tasks.len()) as u64, all);
        let next = tokio::time::timeout(std::time::Duration::from_secs(5), tasks.join_next()).await;
        match next {
            Ok(Some(Ok(Ok(())))) => {}
            Ok(Some(Ok(Err(e)))) => return Err(e),
            Ok(Some(Err(e))) => return Err(Error::Task(e.to_string())),
            Ok(None) => return Ok(()),
            Err(_) => {}
        }
        let now = run.client.clock().now();
        lock.renew(&run.repo, now)?;
        if run.checkpoint_is_due(now) {
            tokio::task::block_in_place(|| {
                let kept = run.checkpoint();
                run.tell_found();
                kept
            })?;
        }
    }
}

async fn read_owner(run: &Arc<Run>, owner: &Owner) -> Result<(), Error> {
    for workload in ALL.iter().copied() {
        let profile = workload.profile();
        if profile.owners == owner.kind && !run.leaves_out(profile.name) {
            belongings::back_up(run, workload, owner).await?;
            run.let_go(&[profile.name, &run.room(owner)])?;
        }
    }
    Ok(())
}

/// What to say of holds that were there before.
fn removed(before: &Holds, now: &[String]) -> Option<(u64, String)> {
    let lost: Vec<&str> =
        before.holds.iter().filter(|n| !now.contains(n)).map(String::as_str).collect();
    let text = || {
        format!(
            "holds were removed from {}: {}",
            count(lost.len(), "mailbox", "mailboxes"),
            lost.join(", ")
        )
    };
    (!lost.is_empty()).then(|| (lost.len() as u64, text()))
}

async fn read_holds(run: &Arc<Run>) -> Result<(), Error> {
    let path = [layout::TENANT, layout::HOLDS];
    let before = match run.found(&path)? {
        Some(Found::File(node)) => Some(node),
        _ => None,
    };
    if before
        .as_ref()
        .is_some_and(|n| run.began.as_second() - n.modified.as_second() < HOLDS_EVERY_S)
    {
        return Ok(());
    }
    let names = match strongroom_workloads::holds::applied(&run.client).await {
        Ok(names) => names,
        // Most schools lack the licence or grant no such permission: a state of its own, never
        // "nothing is on hold".
        Err(e) if e.kind == ErrorKind::Denied && before.is_none() => {
            run.coverage("tenant", "holds", None, Some("not permitted or not licensed"));
            return Ok(());
        }
        Err(e) => {
            run.access_lost("holds", &e);
            return Ok(());
        }
    };
    run.coverage("tenant", "holds", Some(names.len() as u64), None);
    let mut list = Record::new(Holds::new(Vec::new()));
    let mut told = None;
    if let Some(node) = &before {
        match Record::<Holds>::from_bytes(&run.repo.read_record(node)?) {
            Ok(old) => {
                told = removed(&old, &names);
                list = old;
            }
            Err(e @ RecordError::Version { .. }) => return Err(e.into()),
            // What was on hold is not known any more: that nothing was is the last thing to assume.
            Err(e) => told = Some((1, format!("whether holds were removed is not known: {e}"))),
        }
    }
    if let Some((items, text)) = told {
        run.alarm(Alarm::new(AlarmKind::HoldsRemoved, AlarmSeverity::High, "tenant", text, items));
    }
    list.holds = names;
    let stored = run.repo.put_content(&list.to_bytes()?, strongroom_repository::Cut::Plain)?;
    run.put(
        &[layout::TENANT],
        Node::file(layout::HOLDS, stored.content, stored.size_bytes, run.began),
    )
}

pub(crate) fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// Commits the snapshot of the whole run and forgets the partial ones that it replaces.
fn finish(run: &Arc<Run>) -> Result<BackupReport, Error> {
    let alarms = run.alarms();
    let standing = &run.earlier.open;
    for row in standing.iter().filter(|r| r.known().is_none()) {
        run.progress.note(&row.sentence().line().to_string());
    }
    let whole = run.is_whole() && run.options.users.is_empty();
    let mut tags = vec![if whole { TAG_COMPLETE } else { TAG_DEGRADED }.to_owned()];
    if standing.is_empty() && !alarms.iter().any(|a| a.severity == AlarmSeverity::High) {
        tags.push(TAG_CLEAN.to_owned());
    }
    let mut kinds: Vec<&str> = alarms.iter().map(|a| a.kind.as_str()).collect();
    kinds.extend(standing.iter().map(Row::code));
    kinds.sort_unstable();
    kinds.dedup();
    tags.extend(kinds.iter().map(|k| format!("{TAG_ALARM}{k}")));
    run.put_unreadable()?;
    let id = run.commit_whole(tags.clone())?;
    for (old, snapshot) in run.repo.snapshots()? {
        if snapshot.is_partial()
            && snapshot.is_ours()
            && snapshot.series().is_data()
            && snapshot.hostname == run.options.tenant
        {
            match run.repo.forget(&old) {
                // A store that only adds keeps it, until somebody forgets who may. It stands in
                // nobody's way: the snapshot of this run is the newer one.
                Err(strongroom_repository::Error::Store(e @ StoreError::Refused { .. })) => {
                    tracing::warn!("a snapshot of an unfinished run stays: {e}");
                }
                other => other?,
            }
        }
    }
    Ok(run.report(Some(id), tags))
}
