//! Copies: of a repository into a vault, and back.
//!
//! Only whole, finished state is replicated: partial snapshots stay behind. What belongs to it is
//! what signed manifests name; what they do not name was not written by who holds the key, whatever
//! it is called.

use crate::{Error, Progress, publish::signing_key};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};
use strongroom_custody::{
    Chain, Holding, Ledger, MirrorOptions, MirrorReport, Pace, PublicKey, SignerRole,
    TolerantReader, Trust, TrustedClock, mirror,
};
use strongroom_model::{Series, Untrusted};
use strongroom_objects::{
    Entry, Key, Kind, LockedStore, Put, SessionSnapshot, Store, StoreError, VaultRest,
};
use strongroom_repository::{Id, MasterKey, Repository};

/// Objects in flight at once.
const AT_ONCE: usize = 4;

/// How it is known of an object that was there already that it is the right one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Known {
    /// It is listed, and as long as it should be. Nobody read it.
    #[default]
    BySize,
    /// It was read, and its bytes are those that its name says.
    ByBytes,
    /// The vault's log says that it came, and was verified then.
    ByLog,
}

/// What was copied.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ReplicateReport {
    /// The session, for a vault.
    pub session: Option<u64>,
    /// Objects sent.
    pub sent: u64,
    /// Objects that were there already.
    pub present: u64,
    /// How that is known.
    pub present_how: Known,
    /// Bytes sent.
    pub bytes: u64,
    /// Objects that the source did not give: damaged there, or gone.
    pub lost: Vec<String>,
    /// Snapshots that were left out, since what they need is lost.
    pub left_out: Vec<String>,
    /// Files that cannot be restored whole from the copy, where that can be told.
    pub items: Vec<Untrusted>,
    /// Objects that were there with wrong bytes, and are right again.
    pub mended: Vec<String>,
    /// Objects that are there with wrong bytes, and that the place does not let be replaced.
    pub rotten: Vec<String>,
    /// Newest snapshot.
    pub snapshot: Option<String>,
    /// Whether it is clean.
    pub clean: bool,
}

impl ReplicateReport {
    /// Whether everything that should be in the copy is.
    pub fn is_whole(&self) -> bool {
        self.lost.is_empty() && self.left_out.is_empty() && self.rotten.is_empty()
    }

    fn lose(&mut self, kind: Kind, name: &str) -> Result<(), Error> {
        let key = Key::new(kind, name)?.to_string();
        if !self.lost.contains(&key) {
            self.lost.push(key);
        }
        Ok(())
    }

    /// Names of the lost objects of a kind.
    fn lost_of(&self, kind: Kind) -> BTreeSet<String> {
        let start = format!("{}/", kind.as_str());
        self.lost.iter().filter_map(|l| l.strip_prefix(&start)).map(str::to_owned).collect()
    }
}

/// A sealed session, held against the repository's key.
#[derive(Debug, Clone, Serialize)]
pub struct CheckedSession {
    /// Its number.
    pub session: u64,
    /// When the vault sealed it.
    pub sealed_at: String,
    /// Objects that came in it.
    pub objects: u64,
    /// The snapshots that it made whole.
    pub snapshots: Vec<SessionSnapshot>,
    /// Whether a manifest that this repository's key signed stands behind each of them.
    pub vouched: bool,
    /// Whether there are some of people's data among them, and all of those are called clean there.
    pub clean: bool,
    /// Whether all of them are of series that are not judged.
    pub unjudged: bool,
}

/// A kind's objects.
type Entries = Vec<Entry>;

/// What is lacking, by manifest or by snapshot.
type Lacking<'c> = BTreeMap<&'c str, BTreeSet<(Kind, &'c str)>>;

/// From where to where, and how well what is there is looked at.
struct Copying<'a> {
    source: TolerantReader<'a>,
    from: &'a dyn Store,
    to: &'a dyn Store,
    how: Known,
    progress: &'a dyn Progress,
}

/// What became of one object.
enum Did {
    Sent(u64),
    Present,
    Mended(u64),
    Rotten,
    Lost,
}

impl<'a> Copying<'a> {
    fn new(from: &'a dyn Store, to: &'a dyn Store, how: Known, progress: &'a dyn Progress) -> Self {
        Self { source: TolerantReader::new(from), from, to, how, progress }
    }

    /// Copies objects of one kind, some at once, and makes them durable: each kind is, before the
    /// next begins (law 3). What the source does not give is lost, and keeps nothing else back.
    fn run(
        &self,
        kind: Kind,
        entries: &[Entry],
        report: &mut ReplicateReport,
    ) -> Result<(), Error> {
        report.present_how = self.how;
        let there: HashMap<String, u64> = match self.how {
            // What its view lists is not asked for again.
            Known::ByLog => HashMap::new(),
            _ => self.to.list(kind)?.into_iter().map(|e| (e.name, e.size_bytes)).collect(),
        };
        let next = AtomicUsize::new(0);
        let outcome: Mutex<(&mut ReplicateReport, Option<Error>)> = Mutex::new((report, None));
        let work = || {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let Some(entry) = entries.get(n) else { return };
                let result = Key::new(kind, &entry.name).map_err(Error::from).and_then(|key| {
                    let did = self.one(&key, entry.size_bytes, there.get(&entry.name).copied())?;
                    Ok((key.to_string(), did))
                });
                let mut o = outcome.lock().unwrap_or_else(PoisonError::into_inner);
                let (report, error) = &mut *o;
                let sent = match result {
                    Ok((_, Did::Sent(bytes))) => {
                        report.sent += 1;
                        bytes
                    }
                    Ok((_, Did::Present)) => {
                        report.present += 1;
                        0
                    }
                    Ok((key, Did::Mended(bytes))) => {
                        report.mended.push(key);
                        bytes
                    }
                    Ok((key, Did::Rotten)) => {
                        report.rotten.push(key);
                        0
                    }
                    Ok((key, Did::Lost)) => {
                        report.lost.push(key);
                        continue;
                    }
                    Err(e) => {
                        error.get_or_insert(e);
                        next.store(usize::MAX / 2, Ordering::Relaxed);
                        continue;
                    }
                };
                report.bytes += sent;
                self.progress.advance(1, sent);
            }
        };
        std::thread::scope(|s| {
            for _ in 0..AT_ONCE.min(entries.len()) {
                s.spawn(work);
            }
        });
        match outcome.into_inner().unwrap_or_else(PoisonError::into_inner).1 {
            Some(e) => Err(e),
            None => Ok(self.to.flush()?),
        }
    }

    fn one(&self, key: &Key, size: u64, there: Option<u64>) -> Result<Did, Error> {
        let is_config = key.kind() == Kind::Config;
        let good = match (there, self.how) {
            // Its name says nothing of its bytes.
            (Some(_), _) if is_config => false,
            (Some(there), Known::BySize) => there == size,
            (Some(_), _) => self.to.get(key).is_ok_and(|bytes| key.names_its_bytes(&bytes)),
            (None, _) => false,
        };
        if good {
            return Ok(Did::Present);
        }
        let bytes = match self.source.get(key)? {
            Ok(bytes) if key.names_its_bytes(&bytes) => bytes,
            Err(why) if is_config => {
                return Err(Error::Request(
                    format!(
                        "the config of {} cannot be read, and nothing opens without it: {why}",
                        self.from.location()
                    )
                    .into(),
                ));
            }
            Ok(_) => return Ok(Did::Lost),
            Err(why) => {
                tracing::warn!("{why}");
                return Ok(Did::Lost);
            }
        };
        let length = bytes.len() as u64;
        if there.is_none() {
            match (self.to.put(key, &bytes)?, self.how) {
                (Put::New, _) => return Ok(Did::Sent(length)),
                (Put::Present, Known::ByLog) => return Ok(Did::Present),
                // It came meanwhile.
                (Put::Present, _) => {}
            }
        }
        let same = self.to.get(key).is_ok_and(|other| other == bytes);
        if same {
            return Ok(Did::Present);
        }
        if is_config {
            return Err(Error::Request(format!(
                "the config in {} is not that of {}: it holds another repository, or its config is \
                 damaged; nothing was copied",
                self.to.location(),
                self.from.location()
            ).into()));
        }
        match self.to.replace(key, &bytes) {
            Ok(()) => Ok(Did::Mended(length)),
            Err(StoreError::Refused { .. }) => Ok(Did::Rotten),
            Err(e) => Err(e.into()),
        }
    }
}

fn expect(progress: &dyn Progress, all: &[(Kind, Entries)]) {
    progress.expect(
        all.iter().map(|(_, e)| e.len() as u64).sum(),
        all.iter().flat_map(|(_, e)| e).map(|e| e.size_bytes).sum(),
    );
}

/// Names of objects by kind.
struct Names(HashMap<Kind, HashSet<String>>);

impl Names {
    fn of(all: &[(Kind, Entries)]) -> Self {
        let names = |e: &Entries| e.iter().map(|e| e.name.clone()).collect();
        Self(all.iter().map(|(kind, entries)| (*kind, names(entries))).collect())
    }

    fn has(&self, kind: Kind, name: &str) -> bool {
        self.0.get(&kind).is_some_and(|all| all.contains(name))
    }
}

/// Snapshots that have a manifest of which nothing is lacking; the others with what the newest of
/// theirs lacks. A prune leaves a snapshot with an older manifest that names what is gone.
fn by_snapshot<'c>(chain: &'c Chain, lacking: &Lacking<'c>) -> (HashSet<&'c str>, Lacking<'c>) {
    let (mut whole, mut torn) = (HashSet::new(), BTreeMap::new());
    for (name, m) in chain.rows() {
        match lacking.get(name) {
            Some(missing) if !missing.is_empty() => {
                torn.insert(m.snapshot.as_str(), missing.clone());
            }
            _ => drop(whole.insert(m.snapshot.as_str())),
        }
    }
    torn.retain(|snapshot, _| !whole.contains(snapshot));
    (whole, torn)
}

/// Names the items that the lost packs and indexes of a copy take along, as the repository that it
/// was made from, or that was made from it, tells them. What cannot be told stays unnamed.
pub fn name_items(repo: &Repository, report: &mut ReplicateReport) {
    let packs = report.lost_of(Kind::Data);
    if packs.is_empty() && report.lost_of(Kind::Index).is_empty() {
        return;
    }
    let packs = packs.iter().filter_map(|name| Id::parse(name).ok()).collect();
    match repo.touched_by(&packs) {
        Ok(touched) => report.items = touched.items.into_iter().collect(),
        Err(e) => tracing::warn!("what is lost cannot be told by items: {e}"),
    }
}

/// Sends what a vault server does not have, in a session, and seals what is whole. A snapshot of
/// which something is lost is left out, and named. Blocks; call it outside async code.
pub fn to_vault(
    repo: &Repository,
    vault: &mut VaultRest,
    progress: &dyn Progress,
) -> Result<ReplicateReport, Error> {
    let mut report = ReplicateReport { present_how: Known::ByLog, ..ReplicateReport::default() };
    let (chain, all) = vouched(repo)?;
    let here = Names::of(&all);
    let mut have = Vec::new();
    for (kind, _) in &all {
        have.push((*kind, vault.list(*kind)?));
    }
    let have = Names::of(&have);
    if let Some((_, m)) = chain.last() {
        report.snapshot = Some(m.snapshot.clone());
        report.clean = m.clean;
    }
    let known = |kind: Kind, name: &str| here.has(kind, name) || have.has(kind, name);
    let stands = |snapshot: &str| known(Kind::Snapshots, snapshot);
    // What copy 2 itself does not list any more.
    let lacking = chain.lacking(known);
    for (_, missing) in by_snapshot(&chain, &lacking).1.into_iter().filter(|(s, _)| stands(s)) {
        for (kind, name) in missing {
            report.lose(kind, name)?;
        }
    }
    let may_be_whole = |name: &str| lacking.get(name).is_none_or(BTreeSet::is_empty);
    let mut missing = all;
    for (kind, entries) in &mut missing {
        entries.retain(|e| {
            let of_use = match kind {
                Kind::Manifests => {
                    chain.get(&e.name).is_some_and(|m| may_be_whole(&e.name) && stands(&m.snapshot))
                }
                _ => true,
            };
            of_use && !have.has(*kind, &e.name)
        });
    }
    // Key files alone are no news: a vault takes them at enrolment or from its custodians.
    let news = missing.iter().any(|(kind, e)| !e.is_empty() && *kind != Kind::Keys);
    if news {
        progress.phase("replicate");
        expect(progress, &missing);
        let session = vault.begin()?;
        let is_sealed = send(repo, vault, &chain, &known, missing, progress, &mut report)?;
        report.session = is_sealed.then_some(session);
    }
    if report.lost.is_empty() && !news {
        return Ok(report);
    }
    let sealed = vault.sessions()?;
    // What came may be what was published before, under manifests that a prune wrote anew.
    report.session = report.session.filter(|n| sealed.iter().any(|s| s.session == *n));
    let published: HashSet<&str> =
        sealed.iter().flat_map(|s| &s.snapshots).map(|x| x.snapshot.as_str()).collect();
    if report.lost.is_empty() {
        return match report.snapshot.as_ref().filter(|s| !published.contains(s.as_str())) {
            Some(s) => Err(Error::Request(
                format!(
                    "{} took everything and does not publish snapshot {s:.8}; ask its custodians",
                    vault.location()
                )
                .into(),
            )),
            None => Ok(report),
        };
    }
    let named: BTreeSet<&str> =
        chain.rows().into_iter().map(|(_, m)| m.snapshot.as_str()).collect();
    let left = named.into_iter().filter(|s| !published.contains(s));
    report.left_out = left.filter(|s| here.has(Kind::Snapshots, s)).map(str::to_owned).collect();
    name_items(repo, &mut report);
    Ok(report)
}

/// Sends objects and seals; answers whether anything was sealed.
fn send(
    repo: &Repository,
    vault: &mut VaultRest,
    chain: &Chain,
    known: &dyn Fn(Kind, &str) -> bool,
    missing: Vec<(Kind, Entries)>,
    progress: &dyn Progress,
    report: &mut ReplicateReport,
) -> Result<bool, Error> {
    let copying = Copying::new(repo.store().as_ref(), vault, Known::ByLog, progress);
    let mut lacking = None;
    for (kind, mut entries) in missing {
        // What names the rest comes last, and only where the rest is there.
        if matches!(kind, Kind::Snapshots | Kind::Manifests) && !report.lost.is_empty() {
            let (packs, indexes) = (report.lost_of(Kind::Data), report.lost_of(Kind::Index));
            let lacking = lacking.get_or_insert_with(|| {
                chain.lacking(|kind, name| match kind {
                    Kind::Data => known(kind, name) && !packs.contains(name),
                    Kind::Index => known(kind, name) && !indexes.contains(name),
                    _ => known(kind, name),
                })
            });
            let (whole, _) = by_snapshot(chain, lacking);
            entries.retain(|e| match kind {
                Kind::Snapshots => whole.contains(e.name.as_str()),
                _ => lacking.get(e.name.as_str()).is_some_and(BTreeSet::is_empty),
            });
        }
        match copying.run(kind, &entries, report) {
            Err(Error::Store(e @ StoreError::Refused { .. })) if kind == Kind::Keys => {
                progress.note(&e.to_string())
            }
            other => other?,
        }
    }
    match vault.seal() {
        Ok(()) => Ok(true),
        // Nothing of what came is whole, and it is said why.
        Err(StoreError::Refused { .. }) if !report.lost.is_empty() => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// What signed manifests name, in the order of arrival: what is only half there, and junk, stays
/// behind.
fn vouched(repo: &Repository) -> Result<(Chain, Vec<(Kind, Entries)>), Error> {
    let chain = Chain::of_store(repo.store().as_ref(), &signing_key(repo.key())?.public())?;
    let named = chain.named()?;
    if chain.last().is_none() {
        return Err(Error::Request(
            format!("{} holds no finished snapshot yet; nothing was replicated", repo.location())
                .into(),
        ));
    }
    let mut all = Vec::new();
    for kind in Kind::REPLICATED.into_iter().rev() {
        let mut entries = repo.store().list(kind)?;
        if kind != Kind::Keys {
            entries.retain(|e| is_named(&named, kind, &e.name));
        }
        all.push((kind, entries));
    }
    all.reverse();
    Ok((chain, all))
}

fn is_named(named: &BTreeSet<String>, kind: Kind, name: &str) -> bool {
    Key::new(kind, name).is_ok_and(|k| named.contains(&strongroom_objects::path_of(&k)))
}

/// A bucket as the pushing hand knows it.
pub struct Bucket<'a> {
    /// The place.
    pub store: Arc<dyn LockedStore>,
    /// Where this hand keeps what is not in the vault yet.
    pub dir: &'a Path,
    /// The key of the vault whose custodians enrolled this repository.
    pub vault: PublicKey,
    /// The clock that is held against the server's.
    pub clock: &'a TrustedClock,
    /// Bandwidth and hours.
    pub pace: &'a Pace,
}

/// Puts what is new straight into a bucket with a credential that can only add and extend. The
/// enrolment there must be the custodians' work already.
pub fn to_bucket(
    repo: &Repository,
    bucket: &Bucket<'_>,
    progress: &dyn Progress,
) -> Result<MirrorReport, Error> {
    let key = signing_key(repo.key())?;
    let trust =
        Trust::Keys(vec![(bucket.vault, SignerRole::Vault), (key.public(), SignerRole::School)]);
    let mut holding =
        Holding::open(Ledger::open(bucket.store.clone(), Some(key), &trust, Some(bucket.dir))?)?;
    let (latest, vouched) =
        (holding.ledger().state().latest, holding.ledger().state().clock_vouched);
    let now = || {
        let others: Vec<_> =
            bucket.store.date()?.into_iter().map(|d| ("the S3 server".to_owned(), d)).collect();
        bucket.clock.now(&others, latest, vouched)
    };
    Ok(mirror(
        &mut holding,
        repo.store().as_ref(),
        // The account's owner decides how large the bucket may be.
        &MirrorOptions { pace: bucket.pace, progress, clock: &now, room: &|_, _| Ok(()) },
    )?)
}

/// The sealed sessions of a vault, each held against the repository's key.
pub fn sessions(vault: &VaultRest, key: &MasterKey) -> Result<Vec<CheckedSession>, Error> {
    let (chain, _) = Chain::found(vault, &signing_key(key)?.public())?;
    let known: HashMap<&str, (bool, bool)> = chain
        .rows()
        .into_iter()
        .map(|(_, m)| (m.snapshot.as_str(), (m.series().is_data(), m.clean)))
        .collect();
    let row = |s: strongroom_objects::SealedSession| CheckedSession {
        session: s.session,
        sealed_at: s.sealed_at,
        objects: s.objects,
        vouched: !s.snapshots.is_empty()
            && s.snapshots.iter().all(|x| known.contains_key(x.snapshot.as_str())),
        clean: {
            let said = |x: &SessionSnapshot| known.get(x.snapshot.as_str()).copied();
            let mut of_data =
                s.snapshots.iter().filter_map(said).filter(|(is_data, _)| *is_data).peekable();
            of_data.peek().is_some() && of_data.all(|(_, clean)| clean)
        },
        unjudged: s
            .snapshots
            .iter()
            .all(|x| known.get(x.snapshot.as_str()).is_some_and(|(is_data, _)| !is_data)),
        snapshots: s.snapshots,
    };
    Ok(vault.sessions()?.into_iter().map(row).collect())
}

/// Which of several snapshots a vault sealed first, of those that the repository's key vouches for;
/// `None` when none of them lies there.
pub fn sealed_first(vault: &VaultRest, key: &MasterKey, of: &[Id]) -> Result<Option<Id>, Error> {
    let names: HashMap<String, Id> = of.iter().map(|id| (id.to_string(), *id)).collect();
    let vouched = sessions(vault, key)?.into_iter().filter(|s| s.vouched);
    let mut snapshots = vouched.flat_map(|s| s.snapshots);
    Ok(snapshots.find_map(|s| names.get(&s.snapshot).copied()))
}

/// The newest session up to which all that the key vouches for is clean.
pub fn last_clean_session(sessions: &[CheckedSession]) -> Option<u64> {
    sessions.iter().filter(|s| s.vouched && s.clean).map(|s| s.session).next_back()
}

/// Rebuilds a copy from a vault: what manifests name that the key signed, and nothing else. What is
/// damaged there, or named and not there, is told in [`ReplicateReport::lost`] and keeps nothing
/// else back. What lies in the new place already is read and held against its name, so that a
/// rebuilding that was cut off goes on.
pub fn from_vault(
    vault: &dyn Store,
    key: &MasterKey,
    to: &dyn Store,
    progress: &dyn Progress,
) -> Result<ReplicateReport, Error> {
    rebuild(vault, key, to, true, progress)
}

/// The same where nobody vouches for what lies there: key files, which no manifest names, stay
/// behind, since anybody may have put them.
pub fn from_unvouched(
    vault: &dyn Store,
    key: &MasterKey,
    to: &dyn Store,
    progress: &dyn Progress,
) -> Result<ReplicateReport, Error> {
    rebuild(vault, key, to, false, progress)
}

fn rebuild(
    vault: &dyn Store,
    key: &MasterKey,
    to: &dyn Store,
    keys: bool,
    progress: &dyn Progress,
) -> Result<ReplicateReport, Error> {
    let (chain, damaged) = Chain::found(vault, &signing_key(key)?.public())?;
    let named = chain.named()?;
    let mut report = ReplicateReport::default();
    let Some((_, newest)) = chain.last() else {
        return Err(Error::NothingVouched(vault.location()));
    };
    report.snapshot = Some(newest.snapshot.clone());
    report.clean = newest.clean;
    let mut all = Vec::new();
    for kind in Kind::REPLICATED {
        let mut entries = vault.list(kind)?;
        match kind {
            // What is no key file would keep stock restic from opening what is rebuilt.
            Kind::Keys if !keys => entries.clear(),
            Kind::Keys => entries.retain(|e| {
                let key = Key::new(kind, &e.name);
                let bytes = key
                    .as_ref()
                    .ok()
                    .filter(|_| e.size_bytes < 64 * 1024)
                    .and_then(|k| vault.get(k).ok());
                bytes.is_some_and(|b| {
                    serde_json::from_slice::<serde_json::Value>(&b)
                        .is_ok_and(|v| v["kdf"].is_string() && v["data"].is_string())
                })
            }),
            _ => entries.retain(|e| is_named(&named, kind, &e.name)),
        }
        all.push((kind, entries));
    }
    for name in &damaged {
        report.lose(Kind::Manifests, name)?;
    }
    not_listed(&chain, &Names::of(&all), &mut report)?;
    progress.phase("rebuild");
    expect(progress, &all);
    let copying = Copying::new(vault, to, Known::ByBytes, progress);
    for (kind, entries) in all {
        copying.run(kind, &entries, &mut report)?;
    }
    Ok(report)
}

/// Loses what manifests name and a vault does not list. A snapshot that is not listed may have
/// expired, or never have come, and nothing tells that apart from a loss; but the newest of a
/// series does neither.
fn not_listed(chain: &Chain, listed: &Names, report: &mut ReplicateReport) -> Result<(), Error> {
    let lacking = chain.lacking(|kind, name| listed.has(kind, name));
    let mut series: Vec<Series> = chain.rows().into_iter().map(|(_, m)| m.series()).collect();
    series.sort();
    series.dedup();
    let newest: HashSet<&str> = series
        .iter()
        .filter_map(|series| chain.newest(series))
        .map(|(_, m)| m.snapshot.as_str())
        .collect();
    for snapshot in &newest {
        if !listed.has(Kind::Snapshots, snapshot) {
            report.lose(Kind::Snapshots, snapshot)?;
        }
    }
    for (snapshot, missing) in by_snapshot(chain, &lacking).1 {
        if listed.has(Kind::Snapshots, snapshot) || newest.contains(snapshot) {
            for (kind, name) in missing {
                report.lose(kind, name)?;
            }
        }
    }
    Ok(())
}

/// Copies everything that counts into another store: a second directory, a disk. What is there in
/// its length counts as there. A snapshot of which something is lost is left out, and named.
pub fn to_store(
    repo: &Repository,
    to: &dyn Store,
    progress: &dyn Progress,
) -> Result<ReplicateReport, Error> {
    into_store(repo, to, Known::BySize, progress)
}

/// The same; and what is there is read, held against its name, and replaced where it is wrong.
pub fn to_store_verified(
    repo: &Repository,
    to: &dyn Store,
    progress: &dyn Progress,
) -> Result<ReplicateReport, Error> {
    into_store(repo, to, Known::ByBytes, progress)
}

fn into_store(
    repo: &Repository,
    to: &dyn Store,
    how: Known,
    progress: &dyn Progress,
) -> Result<ReplicateReport, Error> {
    let mut report = ReplicateReport { present_how: how, ..ReplicateReport::default() };
    // Another repository takes nothing of this one: it would hold what its own key cannot read.
    let config = Key::config();
    if to.size(&config)?.is_some() && to.get(&config)? != repo.store().get(&config)? {
        return Err(Error::Request(format!(
            "{} holds another repository, or one whose config is damaged; name a new folder, or \
             the copy of this one",
            to.location()
        ).into()));
    }
    let all = wanted(repo, &mut report)?;
    progress.phase("replicate");
    expect(progress, &all);
    let copying = Copying::new(repo.store().as_ref(), to, how, progress);
    for (kind, mut entries) in all {
        if kind == Kind::Snapshots {
            missing_packs(repo, to, &mut report)?;
            leave_out(repo, &mut entries, &mut report)?;
        }
        copying.run(kind, &entries, &mut report)?;
    }
    // A snapshot whose manifest is damaged gets another one, by whoever publishes next: nothing
    // that can be restored is lost with it.
    report.lost.retain(|key| !key.starts_with("manifests/"));
    Ok(report)
}

/// Objects of a repository that belong into a copy, in the order in which they must arrive.
fn wanted(repo: &Repository, report: &mut ReplicateReport) -> Result<Vec<(Kind, Entries)>, Error> {
    let mut all = Vec::new();
    // Listed in the reverse of the order of arrival: what a listed snapshot needs is there when it
    // is listed.
    for kind in Kind::REPLICATED.into_iter().rev() {
        let mut entries = repo.store().list(kind)?;
        if kind == Kind::Snapshots {
            let mut whole = Vec::new();
            for e in entries {
                match repo.snapshot(&Id::parse(&e.name)?) {
                    Ok(snapshot) if snapshot.is_partial() => {}
                    Ok(_) => whole.push(e),
                    // Forgotten, or replaced by a backup, since it was listed.
                    Err(strongroom_repository::Error::Store(why)) if why.is_not_found() => {}
                    // The others are worth having.
                    Err(why) => {
                        tracing::warn!("{why}");
                        report.lose(kind, &e.name)?;
                    }
                }
            }
            entries = whole;
        }
        all.push((kind, entries));
    }
    all.reverse();
    Ok(all)
}

/// Packs that an index of the repository names and that neither it nor the copy has.
fn missing_packs(
    repo: &Repository,
    to: &dyn Store,
    report: &mut ReplicateReport,
) -> Result<(), Error> {
    let stored = |store: &dyn Store| -> Result<HashSet<String>, Error> {
        Ok(store.list(Kind::Data)?.into_iter().map(|e| e.name).collect())
    };
    // Packs after indexes: what a listed index names is there when packs are listed.
    let indexes = repo.store().list(Kind::Index)?;
    let (here, there) = (stored(repo.store().as_ref())?, stored(to)?);
    for entry in indexes {
        // A damaged index is lost already, unless the copy has it.
        let Ok(packs) = repo.index_packs(&Id::parse(&entry.name)?) else { continue };
        for pack in packs.iter().map(Id::to_string) {
            if !here.contains(&pack) && !there.contains(&pack) {
                report.lose(Kind::Data, &pack)?;
            }
        }
    }
    Ok(())
}

/// Leaves out the snapshots that need something that is lost, and names the items.
fn leave_out(
    repo: &Repository,
    entries: &mut Entries,
    report: &mut ReplicateReport,
) -> Result<(), Error> {
    let (packs, indexes) = (report.lost_of(Kind::Data), report.lost_of(Kind::Index));
    if packs.is_empty() && indexes.is_empty() {
        return Ok(());
    }
    let packs = packs.iter().map(|name| Id::parse(name)).collect::<Result<_, _>>()?;
    let touched = repo.touched_by(&packs)?;
    // Which snapshots an index belongs to is told by manifests alone; one without any waits.
    let mut beside: HashSet<String> = HashSet::new();
    if !indexes.is_empty() {
        let key = signing_key(repo.key())?.public();
        let chain = Chain::of_store(repo.store().as_ref(), &key)?;
        let lacking = chain.lacking(|kind, name| kind != Kind::Index || !indexes.contains(name));
        beside.extend(by_snapshot(&chain, &lacking).0.into_iter().map(str::to_owned));
    }
    entries.retain(|e| {
        let is_touched = Id::parse(&e.name).is_ok_and(|id| touched.snapshots.contains(&id));
        let stays = !is_touched && (indexes.is_empty() || beside.contains(&e.name));
        if !stays {
            report.left_out.push(e.name.clone());
        }
        stays
    });
    report.items = touched.items.into_iter().collect();
    Ok(())
}
