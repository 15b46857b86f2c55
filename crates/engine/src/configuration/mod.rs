//! The tenant's configuration as a part of snapshots.
//!
//! `/tenant/configuration/<area>/<kind>/<name>.json` holds the settings, one readable file an
//! object. Invariant: equal settings give equal trees, whenever and wherever they were read. So
//! these files bear no times, and ids and whatever changes by itself stand in
//! `/tenant/identity.json`.
//!
//! Its snapshots are a series of their own: they hold nothing else, are read while data is backed
//! up, by other processes too, and have manifests of their own. Older programs kept the settings
//! within the data; [`part`] takes them out, once.

mod restore;
mod seen;

pub use restore::{
    Act, ActOutcome, PlannedCall, SettingsRestoreOptions, SettingsRestorePlan, Verb, has, plan,
    restore, unknown_principals,
};
pub use seen::keep_managed;

use self::seen::{asked_and_read, is_due, keep_what_was_seen, lost};
use crate::{Error, Progress, layout};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use strongroom_model::{
    Clock, CollectionState, ConfigCollection, ConfigObject, Configuration, Ending, Record, Series,
    Stored, fit_name, short_id,
};
use strongroom_repository::{
    Cut, Id, Node, NodeKind, Repository, Snapshot, TAG_COMPLETE, TAG_CONFIGURATION, TAG_DEGRADED,
    TreeEditor, Visit, Written,
};
use strongroom_settings::{PART_IDS, without_row_ids};
use strongroom_workloads::{BudgetReport, Client, Stats, configuration::With};

const VERSION: u32 = 1;

/// What a run did.
#[derive(Debug, Clone, Serialize)]
pub struct ConfigurationReport {
    /// The snapshot.
    pub snapshot: String,
    /// Objects that were read.
    pub objects: usize,
    /// Collections that the tenant gave to this run.
    pub collections_read: usize,
    /// How each collection ended.
    pub collections: BTreeMap<String, CollectionState>,
    /// Collections that the snapshot before had and that are out of sight now, or empty all at
    /// once, and why.
    pub lost: BTreeMap<String, String>,
    /// Files that are new, changed or gone against the snapshot before.
    pub files_changed: u64,
    /// What was written to the repository.
    pub written: Written,
    /// Requests and bytes on the wire.
    pub traffic: Stats,
    /// What was spent of the throttle budgets.
    pub budget: BudgetReport,
    /// Seconds it took.
    pub seconds: f64,
}

impl ConfigurationReport {
    /// Whether nothing failed and nothing went out of sight. What the tenant never had a licence
    /// for is no failure, nor is what no interface ever gave.
    pub fn is_whole(&self) -> bool {
        self.lost.is_empty() && self.sees_all()
    }

    /// How a command ends that did this. Where nothing could be read there is a snapshot all the
    /// same: it says so of each collection, so that nobody judges old settings as today's.
    pub fn ending(&self) -> Ending {
        if self.collections_read == 0 && !self.sees_all() {
            Ending::NothingRead
        } else if !self.is_whole() {
            Ending::Partial
        } else {
            Ending::Done
        }
    }

    /// Whether what may be read was read, whatever it says.
    pub fn sees_all(&self) -> bool {
        !self.collections.values().any(CollectionState::is_blind)
    }
}

/// How each collection was read: `collected.json`.
#[derive(Serialize, Deserialize)]
struct Collected {
    v: u32,
    collections: BTreeMap<String, CollectionState>,
}

impl Stored for Collected {
    const NAME: &'static str = "the record of what was collected (collected.json)";
    const VERSION: u32 = VERSION;
}

impl Stored for Identity {
    const NAME: &'static str = "the record of ids (tenant/identity.json)";
    const VERSION: u32 = VERSION;
}

impl Stored for StoredObject {
    const NAME: &'static str = "a stored setting";
    const VERSION: u32 = VERSION;
}

#[derive(Serialize, Deserialize)]
struct Identity {
    v: u32,
    taken: Timestamp,
    /// Absent while Tenant Configuration Management was never asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    managed_at: Option<Timestamp>,
    /// Collection, name, id.
    ids: BTreeMap<String, BTreeMap<String, String>>,
    volatile: BTreeMap<String, BTreeMap<String, Value>>,
    references: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct StoredObject {
    name: String,
    settings: Value,
}

/// Reads the configuration of a tenant and commits it. What Tenant Configuration Management gives
/// is asked for as often as its allowance lets it last, or when `everything` is wanted.
pub async fn snapshot(
    repo: Arc<Repository>,
    client: Arc<Client>,
    tenant: &str,
    everything: bool,
    cache: PathBuf,
    progress: Arc<dyn Progress>,
) -> Result<ConfigurationReport, Error> {
    let began = client.clock().now();
    client.budget().tell(progress.clone());
    let mut lock = repo.lock_for_writing(&Series::SETTINGS, &cache, began)?;
    lock.keep(repo.clone(), client.clock().clone());
    repo.reload_index()?;
    let sealed =
        tokio::task::block_in_place(|| crate::seal::at_commit(&repo, client.tenant(), tenant));
    let seal = match sealed {
        Ok(seal) => seal,
        Err(e) => {
            // What went wrong first is what is to be told.
            drop(lock);
            return Err(e);
        }
    };
    let before = tokio::task::block_in_place(|| -> Result<_, Error> {
        let Some(holder) = holder(&repo, tenant)? else { return Ok(None) };
        if let Some(text) = crate::clean::ahead_of_the_clock(&holder, began) {
            progress.note(&text);
        }
        load(&repo, &holder.1)
    })?;
    let with =
        if everything || is_due(before.as_ref(), began) { With::Managed } else { With::Direct };
    let outcome: Result<_, Error> =
        match strongroom_workloads::configuration::read(&client, tenant, with, progress.as_ref())
            .await
        {
            Ok(mut configuration) => tokio::task::block_in_place(|| {
                let read = asked_and_read(&configuration);
                if with == With::Direct {
                    keep_managed(&mut configuration, before.as_ref());
                }
                let done = commit_sealed(&repo, configuration, seal, client.clock().now())?;
                crate::publish::publish_series(&repo, &Series::SETTINGS)?;
                Ok((done, read))
            }),
            Err(e) => Err(Error::NothingRead(e)),
        };
    if let Some(told) = lock.release_or_tell() {
        progress.note(&told);
    }
    let ((id, configuration, files_changed), collections_read) = outcome?;
    Ok(ConfigurationReport {
        snapshot: id.to_string(),
        objects: configuration.collections.values().map(|c| c.objects.len()).sum(),
        collections_read,
        lost: lost(before.as_ref(), &configuration),
        collections: configuration
            .collections
            .into_iter()
            .map(|(name, c)| (name, c.state))
            .collect(),
        files_changed,
        written: repo.written(),
        traffic: client.stats(),
        budget: client.budget().report(),
        seconds: (client.clock().now().as_millisecond() - began.as_millisecond()) as f64 / 1000.0,
    })
}

/// Keeps settings that were just read, such as those that are about to be changed: the way back.
pub fn keep(
    repo: &Arc<Repository>,
    configuration: Configuration,
    cache: &std::path::Path,
    clock: &Arc<dyn Clock>,
) -> Result<Id, Error> {
    let mut lock = repo.lock_for_writing(&Series::SETTINGS, cache, clock.now())?;
    lock.keep(repo.clone(), clock.clone());
    repo.reload_index()?;
    let outcome = commit(repo, configuration, clock.now()).and_then(|done| {
        crate::publish::publish_series(repo, &Series::SETTINGS)?;
        Ok(done)
    });
    if let Some(told) = lock.release_or_tell() {
        tracing::warn!("{told}");
    }
    outcome.map(|(id, ..)| id)
}

/// Commits a configuration on top of the newest one of its tenant; answers how many files differ
/// from the one before. Call it with the writer's lock held.
pub fn commit(
    repo: &Arc<Repository>,
    configuration: Configuration,
    now: Timestamp,
) -> Result<(Id, Configuration, u64), Error> {
    commit_sealed(repo, configuration, None, now)
}

fn commit_sealed(
    repo: &Arc<Repository>,
    mut configuration: Configuration,
    seal: Option<Node>,
    now: Timestamp,
) -> Result<(Id, Configuration, u64), Error> {
    let base = repo.head(Some(&configuration.tenant), &Series::SETTINGS)?;
    let holder = holder(repo, &configuration.tenant)?;
    let before = match &holder {
        Some((_, s)) => load(repo, s)?,
        None => None,
    };
    // What could not be read keeps what was there (law 1), and what that referred to.
    keep_what_was_seen(&mut configuration, before.as_ref());
    let tree = settings_tree(repo, &configuration)?;
    // What a newer program noted of the tenant goes on.
    let mut identity = match &holder {
        Some((_, s)) if before.is_some() => identity(repo, s)?,
        _ => Record::new(identity_of(&configuration)),
    };
    identity.value = identity_of(&configuration);
    let identity = repo.put_content(&identity.to_bytes()?, Cut::Plain)?;
    let mut editor = TreeEditor::new(repo.clone(), base.as_ref().map(|(_, s)| s.tree), now);
    editor.remove(&[layout::TENANT, layout::CONFIGURATION])?;
    editor.put(&[layout::TENANT], Node::dir(layout::CONFIGURATION, tree, Timestamp::UNIX_EPOCH))?;
    editor.put(
        &[layout::TENANT],
        Node::file(layout::IDENTITY, identity.content.clone(), identity.size_bytes, now),
    )?;
    if let Some(seal) = seal {
        editor.put(&[layout::TENANT], seal)?;
    }
    let id = repo.commit(&snapshot_of(&configuration, base.as_ref(), editor.write()?, now))?;
    let mut changed = 0;
    let old = match &holder {
        Some((_, s)) => subtree(repo, &s.tree)?,
        None => None,
    };
    repo.diff(old.as_ref(), Some(&tree), "", &mut |_, change| {
        let (strongroom_repository::NodeChange::Added(n)
        | strongroom_repository::NodeChange::Removed(n)
        | strongroom_repository::NodeChange::Modified { new: n, .. }) = &change;
        changed += u64::from(!n.is_dir());
        Ok(())
    })?;
    Ok((id, configuration, changed))
}

/// A snapshot of the series of settings.
fn snapshot_of(
    configuration: &Configuration,
    parent: Option<&(Id, Snapshot)>,
    tree: Id,
    time: Timestamp,
) -> Snapshot {
    let is_blind = configuration.collections.values().any(|c| c.state.is_blind());
    let mut tags = vec![if is_blind { TAG_DEGRADED } else { TAG_COMPLETE }.to_owned()];
    tags.push(TAG_CONFIGURATION.to_owned());
    tags.push(Snapshot::series_tag(&Series::SETTINGS));
    Snapshot {
        time,
        parent: parent.map(|(id, _)| *id),
        tree,
        paths: vec![format!("/{}/{}", layout::TENANT, layout::CONFIGURATION)],
        hostname: configuration.tenant.as_str().into(),
        username: strongroom_repository::OURS.into(),
        tags,
        program_version: concat!("strongroom ", env!("CARGO_PKG_VERSION")).to_owned(),
        generation: Snapshot::generation_on(parent.map(|(_, s)| s)),
    }
}

/// Parts the settings that an older program kept within the data: they get a snapshot of their own,
/// unless their series has begun. Answers whether the data may go on without them.
pub(crate) fn part(
    repo: &Arc<Repository>,
    data: &(Id, Snapshot),
    cache: &std::path::Path,
    now: Timestamp,
) -> Result<bool, Error> {
    if subtree(repo, &data.1.tree)?.is_none() {
        return Ok(false);
    }
    let lock = match repo.lock_for_writing(&Series::SETTINGS, cache, now) {
        Ok(lock) => lock,
        // Somebody is reading settings at this moment: there is another night.
        Err(strongroom_repository::Error::Locked { .. }) => return Ok(false),
        Err(e) => return Err(e.into()),
    };
    let parted = part_locked(repo, data, now);
    if let Some(told) = lock.release_or_tell() {
        tracing::warn!("{told}");
    }
    parted
}

fn part_locked(
    repo: &Arc<Repository>,
    (_, data): &(Id, Snapshot),
    now: Timestamp,
) -> Result<bool, Error> {
    let mut all = repo.snapshots()?;
    all.retain(|(_, s)| s.is_finished() && s.is_ours() && s.hostname == data.hostname);
    if all.iter().any(|(_, s)| s.series() == Series::SETTINGS) {
        return Ok(true);
    }
    let Some(configuration) = load(repo, data)? else { return Ok(false) };
    let mut editor = TreeEditor::new(repo.clone(), None, now);
    for name in [layout::CONFIGURATION, layout::IDENTITY, layout::SEALED] {
        match repo.node_at(&data.tree, &format!("/{}/{name}", layout::TENANT)) {
            Ok(node) => editor.put(&[layout::TENANT], node)?,
            Err(strongroom_repository::Error::NoSuchPath(_)) => {}
            Err(e) => return Err(e.into()),
        }
    }
    repo.commit(&snapshot_of(&configuration, None, editor.write()?, configuration.taken))?;
    Ok(true)
}

fn subtree(repo: &Repository, root: &Id) -> Result<Option<Id>, Error> {
    match repo.node_at(root, &format!("/{}/{}", layout::TENANT, layout::CONFIGURATION)) {
        Ok(node) => match node.kind {
            NodeKind::Dir { subtree } => Ok(Some(subtree)),
            _ => Ok(None),
        },
        Err(strongroom_repository::Error::NoSuchPath(_)) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Writes the settings; the id says what they are, and nothing else.
fn settings_tree(repo: &Arc<Repository>, configuration: &Configuration) -> Result<Id, Error> {
    let still = Timestamp::UNIX_EPOCH;
    let mut editor = TreeEditor::new(repo.clone(), None, still);
    for (collection, c) in &configuration.collections {
        let parts: Vec<&str> = collection.split('/').collect();
        let mut taken = std::collections::HashSet::new();
        for o in &c.objects {
            let mut file = fit_name(&format!("{}.json", o.name), &o.name, &[]).0;
            if !taken.insert(file.clone()) {
                file = format!("{}~{}.json", file.trim_end_matches(".json"), short_id(&o.name));
                taken.insert(file.clone());
            }
            let stored = repo.put_content(
                &pretty(&StoredObject { name: o.name.clone(), settings: o.body.clone() })?,
                Cut::Plain,
            )?;
            editor.put(&parts, Node::file(file, stored.content, stored.size_bytes, still))?;
        }
    }
    let states = Collected {
        v: VERSION,
        collections: configuration
            .collections
            .iter()
            .map(|(n, c)| (n.clone(), c.state.clone()))
            .collect(),
    };
    let stored = repo.put_content(&pretty(&states)?, Cut::Plain)?;
    editor.put(&[], Node::file(layout::COLLECTED, stored.content, stored.size_bytes, still))?;
    Ok(editor.write()?)
}

/// JSON for people: indented, with a line end.
fn pretty<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|e| Error::Request(format!("a record cannot be written: {e}").into()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn identity_of(configuration: &Configuration) -> Identity {
    let each =
        |f: &dyn Fn(&ConfigObject) -> Option<Value>| -> BTreeMap<String, BTreeMap<String, Value>> {
            let of = |c: &ConfigCollection| {
                c.objects
                    .iter()
                    .filter_map(|o| Some((o.name.clone(), f(o)?)))
                    .collect::<BTreeMap<_, _>>()
            };
            configuration
                .collections
                .iter()
                .map(|(n, c)| (n.clone(), of(c)))
                .filter(|(_, m)| !m.is_empty())
                .collect()
        };
    let ids = configuration
        .collections
        .iter()
        .map(|(n, c)| {
            (
                n.clone(),
                c.objects
                    .iter()
                    .filter(|o| !o.id.is_empty())
                    .map(|o| (o.name.clone(), o.id.clone()))
                    .collect::<BTreeMap<_, _>>(),
            )
        })
        .filter(|(_, m)| !m.is_empty())
        .collect();
    let volatile = each(&|o| (o.volatile != json!({})).then(|| o.volatile.clone()));
    Identity {
        v: VERSION,
        taken: configuration.taken,
        managed_at: configuration.managed_at,
        ids,
        volatile,
        references: configuration.references.clone(),
    }
}

/// Which objects the names of a snapshot's settings stood for.
fn identity(repo: &Repository, snapshot: &Snapshot) -> Result<Record<Identity>, Error> {
    let bytes = repo.read_record(
        &repo.node_at(&snapshot.tree, &format!("/{}/{}", layout::TENANT, layout::IDENTITY))?,
    )?;
    Ok(Record::from_bytes(&bytes)?)
}

/// The configuration that a snapshot holds, if any.
pub fn load(repo: &Repository, snapshot: &Snapshot) -> Result<Option<Configuration>, Error> {
    let Some(tree) = subtree(repo, &snapshot.tree)? else { return Ok(None) };
    let identity = identity(repo, snapshot)?.value;
    let mut out = Configuration::new(snapshot.hostname.as_str(), identity.taken);
    out.managed_at = identity.managed_at;
    let collected = Record::<Collected>::from_bytes(
        &repo.read_record(&repo.node_at(&tree, &format!("/{}", layout::COLLECTED))?)?,
    )?;
    for (name, state) in collected.value.collections {
        out.collections.insert(name, ConfigCollection { state, objects: Vec::new() });
    }
    let mut files = Vec::new();
    repo.walk(&tree, "", &mut |path, node| {
        if !node.is_dir() && path.matches('/').count() > 1 {
            files.push((path.to_owned(), node.clone()));
        }
        Ok(Visit::Enter)
    })?;
    for (path, node) in files {
        let mut stored = Record::<StoredObject>::from_bytes(&repo.read_record(&node)?)?.value;
        // Older programs kept rows as they came.
        let row_ids = without_row_ids(&mut stored.settings);
        let collection = path
            .trim_start_matches('/')
            .rsplit_once('/')
            .map(|(dir, _)| dir.to_owned())
            .unwrap_or_default();
        let look = |of: Option<&BTreeMap<String, Value>>| {
            of.and_then(|m| m.get(&stored.name)).cloned().unwrap_or_else(|| json!({}))
        };
        let mut object = ConfigObject {
            id: identity
                .ids
                .get(&collection)
                .and_then(|m| m.get(&stored.name))
                .cloned()
                .unwrap_or_default(),
            volatile: look(identity.volatile.get(&collection)),
            name: stored.name,
            body: stored.settings,
        };
        if !row_ids.is_empty() {
            object.volatile[PART_IDS] = row_ids.into();
        }
        out.collections
            .entry(collection)
            .or_insert_with(|| ConfigCollection {
                state: CollectionState::Collected,
                objects: Vec::new(),
            })
            .objects
            .push(object);
    }
    for c in out.collections.values_mut() {
        c.objects.sort_by(|a, b| a.name.cmp(&b.name));
    }
    out.references = identity.references;
    Ok(Some(out))
}

/// Configurations of a tenant since a time, oldest first: each that differs from the one before it,
/// and as the first the last one before that time.
pub fn history(
    repo: &Repository,
    tenant: &str,
    since: Timestamp,
) -> Result<Vec<(Id, Configuration)>, Error> {
    let mut steps: Vec<(Id, Snapshot, Id)> = Vec::new();
    for (id, snapshot) in repo.snapshots()? {
        if snapshot.hostname != *tenant || !snapshot.is_finished() || !snapshot.is_ours() {
            continue;
        }
        if let Some(tree) = subtree(repo, &snapshot.tree)? {
            steps.push((id, snapshot, tree));
        }
    }
    steps.sort_by_key(|(_, s, _)| s.time);
    let first = steps.iter().rposition(|(_, s, _)| s.time < since).unwrap_or(0);
    let mut out: Vec<(Id, Configuration)> = Vec::new();
    let mut last = None;
    for (id, snapshot, tree) in steps.drain(first..) {
        // Settings that look the same may be others': ids and credentials stand apart from them.
        let identity = identity(repo, &snapshot)?.value;
        let keys: Vec<Value> = identity
            .volatile
            .values()
            .flat_map(BTreeMap::values)
            .map(|v| v["keyIds"].clone())
            .filter(|k| !k.is_null())
            .collect();
        let this = Some((tree, identity.ids, identity.references, keys));
        if last != this {
            out.extend(load(repo, &snapshot)?.map(|c| (id, c)));
        }
        last = this;
    }
    Ok(out)
}

/// The newest configuration of a tenant, with the snapshot that holds it.
///
/// # Errors
/// Those of reading, and that of two snapshots that both claim to be the newest.
pub fn latest(repo: &Repository, tenant: &str) -> Result<Option<(Id, Configuration)>, Error> {
    let Some((id, snapshot)) = holder(repo, tenant)? else { return Ok(None) };
    Ok(load(repo, &snapshot)?.map(|c| (id, c)))
}

/// The snapshot that holds the newest settings: the head of their series, or of the data, where
/// older programs kept them.
fn holder(repo: &Repository, tenant: &str) -> Result<Option<(Id, Snapshot)>, Error> {
    match repo.head(Some(tenant), &Series::SETTINGS)? {
        Some(head) => Ok(Some(head)),
        None => Ok(repo.head(Some(tenant), &Series::DATA)?),
    }
}
