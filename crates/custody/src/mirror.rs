//! Copying into a vault, the same code in two hands: the vault's own, which pulls, and the backup
//! side's, which pushes into a bucket with a credential that can only add and extend.

use crate::{
    Chain, Error, Holding, LogEvent, Manifest, NO_KEYS, NeededUntil, Pace, Renewal, TolerantReader,
    holding::{each, lengthen, path},
    ledger::RefusedThere,
    plain,
};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use strongroom_model::{Progress, Series};
use strongroom_objects::{Held, Key, Kind, Store, StoreError, key_of};

/// Objects between two moments at which the journal is forced to disk and the hours are looked at.
const BATCH: usize = 256;

/// So many manifests of copy 2 that were refused are remembered: the others are read at each pull.
const REFUSED_MAX: usize = 4_096;

/// So many packs are looked for in copy 2 before it is said that it has none.
const PACKS_LOOKED_FOR: usize = 8;

/// So many that were damaged are read again at each pull, those first that were read longest ago:
/// any number of them must not cost each pull their bytes.
const DAMAGED_AGAIN_MAX: usize = 16;

/// What a copy into the vault did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct MirrorReport {
    /// The session that was sealed; none when nothing was new.
    pub session: Option<u64>,
    /// Snapshots published.
    pub snapshots: u64,
    /// Objects that came in.
    pub objects: u64,
    /// Of these, such as were lost here, or damaged.
    pub restored: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Locks renewed.
    pub renewal: Renewal,
    /// The hours ended, or the run was told to stop: the next one goes on from here.
    pub paused: bool,
    /// Locks that the store did not set when asked, and that were set afterwards.
    pub mended_locks: u64,
    /// Sentences that a person must read, with a short code each.
    pub alarms: Vec<(String, String)>,
    /// Snapshots around which copy 2 was pruned before the vault could take them: they are not in
    /// the vault, what later ones keep of them is.
    pub superseded: u64,
    /// Objects of copy 2 that no signed manifest names.
    pub unnamed: u64,
}

/// How to copy.
pub struct MirrorOptions<'a> {
    /// Bandwidth and hours.
    pub pace: &'a Pace,
    /// Hears how it goes.
    pub progress: &'a dyn Progress,
    /// The vault's clock: asked again while it goes on.
    pub clock: &'a (dyn Fn() -> Result<Timestamp, Error> + Sync),
    /// Whether so many bytes may come in besides those that are held; asked before each batch.
    pub room: &'a (dyn Fn(u64, u64) -> Result<(), Error> + Sync),
}

/// Takes from copy 2 what signed manifests name and the vault does not hold, locks it, renews what
/// it reaches, and publishes.
pub fn mirror(
    holding: &mut Holding,
    source: &dyn Store,
    options: &MirrorOptions<'_>,
) -> Result<MirrorReport, Error> {
    let now = (options.clock)()?;
    let mut report = MirrorReport::default();
    holding.ledger().state().enrolled()?;
    if !options.pace.is_open(now) {
        report.paused = true;
        return Ok(report);
    }
    let fresh = new_manifests(holding, source, &mut report)?;
    if !fresh.is_empty() {
        let all = holding
            .chain()
            .rows()
            .into_iter()
            .map(|(name, m)| (name.to_owned(), m.clone()))
            .collect::<Vec<_>>();
        holding.set_chain(Chain::new(all.into_iter().chain(fresh)));
    }
    let waiting: Vec<(String, String)> = holding
        .chain()
        .rows()
        .into_iter()
        .filter(|(_, m)| !holding.ledger().state().is_published(&m.snapshot))
        .map(|(name, m)| (name.to_owned(), m.snapshot.clone()))
        .collect();
    // What was lost here comes again from copy 2, where that still has it.
    let lost: Vec<Key> =
        holding.ledger().state().missing.iter().filter_map(|p| key_of(p)).collect();
    report.alarms.extend(emptied(holding, source, &waiting)?);
    if waiting.is_empty() && lost.is_empty() {
        // Nothing came, and locks go on ending all the same; a policy may have grown.
        let needs = holding.needs(&BTreeSet::new(), now)?;
        report.renewal = holding.renew(&needs, options.progress)?;
        report.alarms.extend(report.renewal.alarm());
        if report.renewal.renewed > 0 {
            holding.ledger_mut().append(Vec::new(), now)?;
        }
        return Ok(report);
    }
    let resume = holding.ledger().is_open();
    // What enrolment pinned comes first: without it nothing opens.
    let mut first: Vec<(Kind, String)> = Vec::new();
    let state = holding.ledger().state();
    if !holding.has("config") {
        first.push((Kind::Config, "config".into()));
    }
    let admitted = state.enrolled()?.card.keys.iter().chain(&state.admitted);
    first.extend(
        admitted.filter(|k| !holding.has(&format!("keys/{k}"))).map(|k| (Kind::Keys, k.clone())),
    );
    let there = Listing::of(source)?;
    // A key file that was taken out of copy 2 since is not waited for.
    first.retain(|(kind, name)| *kind != Kind::Keys || there.has(Kind::Keys, name));
    let mut wanted: BTreeMap<(Kind, String), u64> = first.into_iter().map(|k| (k, 4096)).collect();
    let lost = lost.iter().filter(|k| there.has(k.kind(), k.name()));
    wanted.extend(lost.map(|k| {
        let size = there.size(k.kind(), k.name());
        ((k.kind(), k.name().to_owned()), size)
    }));
    let mut ready: BTreeSet<String> = BTreeSet::new();
    // Rows come by number: of each series the last full one stays.
    let full: BTreeMap<Series, u64> = holding
        .chain()
        .rows()
        .into_iter()
        .filter(|(_, m)| m.previous.is_none())
        .map(|(_, m)| (m.series(), m.number))
        .collect();
    for (name, snapshot) in waiting {
        let found = holding.chain().get(&name);
        let number = found.map_or(0, |m| m.number);
        let is_old = found.is_some_and(|m| full.get(&m.series()).is_some_and(|f| number < *f));
        let Some(missing) = holding.missing(&name)? else {
            let text = format!(
                "manifest {number} follows one that never came: its snapshot {snapshot:.8} waits \
                 for the next full manifest"
            );
            report.alarms.push(("manifest-gap".into(), text));
            continue;
        };
        let lost: Vec<&(Kind, String)> =
            missing.iter().filter(|(k, n)| !there.has(*k, n)).collect();
        let snapshot_there = there.has(Kind::Snapshots, &snapshot)
            || holding.has(&path(Kind::Snapshots, &snapshot)?);
        match (lost.first(), snapshot_there) {
            (None, true) => {
                ready.insert(name);
                wanted.extend(missing.into_iter().map(|k| {
                    let size = there.size(k.0, &k.1);
                    (k, size)
                }));
            }
            // Forgotten, or pruned around: no damage, but it is not in the vault either.
            (_, false) => report.superseded += 1,
            (Some(_), true) if is_old => report.superseded += 1,
            (Some((kind, lacking)), true) => {
                let text = format!(
                    "copy 2 has snapshot {snapshot:.8} and lacks {} objects that it needs, \
                     {}/{lacking:.8} for instance",
                    lost.len(),
                    kind.as_str()
                );
                report.alarms.push(("copy-2-shrinks".into(), text));
            }
        }
    }
    report.unnamed = there.unnamed(holding)?;
    let rows: Vec<((Kind, String), u64)> = wanted.into_iter().collect();
    // Locked from the first moment for as long as the new snapshots need it: else each would be
    // renewed at once.
    let (source, planned) = (TolerantReader::new(source), holding.needs(&ready, now)?);
    let copy = Copy { source, options, resume, planned };
    options.progress.phase("copy");
    options.progress.expect(rows.len() as u64, rows.iter().map(|(_, size)| *size).sum());
    if !copy.run(holding, &rows, &mut report)? {
        return Ok(report);
    }
    // What could not be copied whole is not published; the rest is.
    let mut whole = BTreeSet::new();
    for name in ready {
        if holding.missing(&name)?.is_some_and(|m| m.is_empty()) {
            whole.insert(name);
        }
    }
    let ready = whole;
    // Every pack that a snapshot reaches is locked long enough before the snapshot is to be seen;
    // by the moment of the seal.
    let now = (options.clock)()?;
    let needs = holding.needs(&ready, now)?;
    report.renewal = holding.renew(&needs, options.progress)?;
    report.alarms.extend(report.renewal.alarm());
    let ready = holding.renewed(&ready, &report.renewal)?;
    let mut last: Vec<((Kind, String), u64)> = Vec::new();
    let mut asked: BTreeSet<&str> = BTreeSet::new();
    for (name, m) in holding.chain().rows() {
        if ready.contains(name)
            && !holding.has(&path(Kind::Snapshots, &m.snapshot)?)
            && asked.insert(&m.snapshot)
        {
            last.push(((Kind::Snapshots, m.snapshot.clone()), 512));
        }
        // One that follows nothing that is known waits in copy 2.
        if holding.chain().is_whole(name) && !holding.has(&path(Kind::Manifests, name)?) {
            last.push(((Kind::Manifests, name.to_owned()), 512));
        }
    }
    last.sort();
    if !copy.run(holding, &last, &mut report)? {
        return Ok(report);
    }
    let mut sealed = BTreeSet::new();
    for name in ready {
        if holding.is_complete(&name)? {
            sealed.insert(name);
        }
    }
    let sealed = holding.news(&sealed);
    if !sealed.is_empty() {
        report.session = Some(holding.seal(&sealed, now)?);
        report.snapshots = sealed.len() as u64;
    } else if report.restored > 0 {
        holding.ledger_mut().append(Vec::new(), now)?;
    }
    // Snapshots and their manifests came after the renewal, and are reached too.
    report.renewal.least = holding.least(&holding.needs(&BTreeSet::new(), now)?);
    report.alarms.extend(holding.without_keys().map(|text| (NO_KEYS.to_owned(), text)));
    Ok(report)
}

/// Series of which copy 2 has nothing left that was published, or not even the newest, though
/// nothing new comes in its place: it was emptied, or is another one by now. What was pulled stays,
/// and nobody has to wait for the silence to be noticed. What custodians hid, and what was freed
/// here, may be gone there.
fn emptied(
    holding: &Holding,
    source: &dyn Store,
    waiting: &[(String, String)],
) -> Result<Option<(String, String)>, Error> {
    let state = holding.ledger().state();
    let mut published: BTreeMap<Series, Vec<&crate::SealedSnapshot>> = BTreeMap::new();
    for (session, _, sealed) in state.snapshots() {
        if !state.is_hidden(session, &sealed.snapshot)
            && state.objects.contains_key(&path(Kind::Snapshots, &sealed.snapshot)?)
        {
            published.entry(sealed.series()).or_default().push(sealed);
        }
    }
    if published.is_empty() {
        return Ok(None);
    }
    let told = |text: String| Ok(Some(("copy-2-shrinks".to_owned(), text)));
    if source.size(&Key::config())?.is_none() {
        return told("copy 2 has lost its config: it is no repository any more".into());
    }
    let there: BTreeSet<String> =
        source.list(Kind::Snapshots)?.into_iter().map(|e| e.name).collect();
    let comes = |series: &Series| {
        waiting.iter().any(|(name, snapshot)| {
            there.contains(snapshot)
                && holding.chain().get(name).is_some_and(|m| m.series() == *series)
        })
    };
    let mut found = Vec::new();
    for (series, all) in published.into_iter().filter(|(series, _)| !comes(series)) {
        if !all.iter().any(|s| there.contains(&s.snapshot)) {
            found.push(format!("none of the {} snapshots of {series}", all.len()));
        } else if packs_are_gone(holding, source, &series)? {
            found.push(format!("the packs of {series}"));
        } else if let Some(newest) = all.iter().max_by_key(|s| s.number)
            && !there.contains(&newest.snapshot)
        {
            found.push(format!("not snapshot {:.8}, the newest of {series}", newest.snapshot));
        }
    }
    if found.is_empty() {
        return Ok(None);
    }
    told(format!(
        "copy 2 has {} any more that were published here, and nothing comes in their place",
        found.join("; ")
    ))
}

/// Whether copy 2 has none of a few packs, from a place by chance on, of those that the newest
/// manifest of a series names. All of them, since a prune that is under way has taken some away
/// already, and its manifests come last.
fn packs_are_gone(holding: &Holding, source: &dyn Store, series: &Series) -> Result<bool, Error> {
    let Some((name, _)) = holding.chain().newest(series) else { return Ok(false) };
    let packs: Vec<&str> = holding.chain().packs_of(name).into_iter().collect();
    let chance = getrandom::u64()
        .map_err(|e| Error::Request(format!("the system gives no random numbers: {e}").into()))?;
    let from = chance.checked_rem(packs.len() as u64).unwrap_or(0) as usize;
    for pack in packs.iter().cycle().skip(from).take(PACKS_LOOKED_FOR.min(packs.len())) {
        if source.size(&Key::new(Kind::Data, pack)?)?.is_some() {
            return Ok(false);
        }
    }
    Ok(!packs.is_empty())
}

fn new_manifests(
    holding: &Holding,
    source: &dyn Store,
    report: &mut MirrorReport,
) -> Result<BTreeMap<String, Manifest>, Error> {
    let card = &holding.ledger().state().enrolled()?.card;
    let mut fresh = BTreeMap::new();
    let mut refused = Vec::new();
    // What was read once and is no manifest stays none: its name is that of its bytes.
    let (known, mut kept) = (holding.ledger().refused_there(), RefusedThere::default());
    let waits: BTreeSet<&String> = known.damaged.iter().skip(DAMAGED_AGAIN_MAX).collect();
    let (mut waiting, mut read) = (BTreeSet::new(), Vec::new());
    let patient = TolerantReader::new(source);
    for entry in source.list(Kind::Manifests)? {
        let path = path(Kind::Manifests, &entry.name)?;
        // One that cannot be read here has the same bytes there.
        if holding.has(&path) && !holding.is_unread(&path) {
            continue;
        }
        let key = Key::new(Kind::Manifests, &entry.name)?;
        if entry.size_bytes > crate::manifest::BYTES_MAX as u64 {
            refused.push(format!("manifest {:.8} has {} bytes", entry.name, entry.size_bytes));
            continue;
        }
        if let Some(why) = known.why.get(&entry.name) {
            refused.push(why.clone());
            if kept.why.len() < REFUSED_MAX {
                kept.why.insert(entry.name, why.clone());
            }
            continue;
        }
        let damaged = |name: &str| format!("manifest {name:.8} is damaged");
        if waits.contains(&entry.name) {
            refused.push(damaged(&entry.name));
            waiting.insert(entry.name);
            continue;
        }
        let bytes = match patient.get(&key)? {
            Ok(bytes) => bytes,
            Err(why) => {
                refused.push(why);
                continue;
            }
        };
        if !key.names_its_bytes(&bytes) {
            refused.push(damaged(&entry.name));
            read.push(entry.name);
            continue;
        }
        match Manifest::open(&bytes, &card.key, Some(&card.repository)) {
            Ok(m) => fresh.extend([(entry.name, m)]),
            Err(e) => {
                refused.push(plain(&e.to_string()));
                if kept.why.len() < REFUSED_MAX {
                    kept.why.insert(entry.name, plain(&e.to_string()));
                }
            }
        }
    }
    let of_before = known.damaged.iter().filter(|name| waiting.contains(*name)).cloned();
    kept.damaged = of_before.chain(read).take(REFUSED_MAX).collect();
    if kept != known {
        holding.ledger().note_refused_there(&kept);
    }
    if let Some(first) = refused.first() {
        report.alarms.push((
            "manifest-refused".into(),
            format!("{} manifests of copy 2 were refused: {first}", refused.len()),
        ));
    }
    Ok(fresh)
}

/// What copy 2 lists.
struct Listing(BTreeMap<Kind, BTreeMap<String, u64>>);

impl Listing {
    fn of(source: &dyn Store) -> Result<Self, Error> {
        let mut all = BTreeMap::new();
        // Listed in the reverse of the order of arrival: what a listed snapshot needs is there when
        // it is listed.
        for kind in [Kind::Manifests, Kind::Snapshots, Kind::Index, Kind::Data, Kind::Keys] {
            all.insert(
                kind,
                source.list(kind)?.into_iter().map(|e| (e.name, e.size_bytes)).collect(),
            );
        }
        all.insert(Kind::Config, BTreeMap::from([("config".to_owned(), 155)]));
        Ok(Self(all))
    }

    fn has(&self, kind: Kind, name: &str) -> bool {
        self.0.get(&kind).is_some_and(|k| k.contains_key(name))
    }

    fn size(&self, kind: Kind, name: &str) -> u64 {
        self.0.get(&kind).and_then(|k| k.get(name)).copied().unwrap_or(0)
    }

    /// Objects that no manifest names: junk, or what a running backup has not finished.
    fn unnamed(&self, holding: &Holding) -> Result<u64, Error> {
        let mut packs = BTreeSet::new();
        let mut indexes = BTreeSet::new();
        for (index, p) in holding.chain().all_indexes() {
            indexes.insert(index);
            packs.extend(p);
        }
        let count = |kind: Kind, named: &BTreeSet<&str>| {
            self.0
                .get(&kind)
                .map_or(0, |k| k.keys().filter(|n| !named.contains(n.as_str())).count() as u64)
        };
        Ok(count(Kind::Data, &packs) + count(Kind::Index, &indexes))
    }
}

struct Copy<'a> {
    source: TolerantReader<'a>,
    options: &'a MirrorOptions<'a>,
    resume: bool,
    planned: NeededUntil,
}

impl Copy<'_> {
    /// Copies rows, which are in the order in which they must arrive (law 3); `false` when the
    /// hours ended.
    fn run(
        &self,
        holding: &mut Holding,
        rows: &[((Kind, String), u64)],
        report: &mut MirrorReport,
    ) -> Result<bool, Error> {
        for kind in Kind::REPLICATED {
            let of_kind: Vec<&((Kind, String), u64)> =
                rows.iter().filter(|(k, _)| k.0 == kind).collect();
            for batch in of_kind.chunks(BATCH) {
                let now = (self.options.clock)()?;
                let bytes = batch.iter().fold(0_u64, |sum, (_, size)| sum.saturating_add(*size));
                // What comes in the place of what is counted already is no more than that.
                let state = holding.ledger().state();
                let mut held = state.held_bytes();
                for ((kind, name), _) in batch {
                    let there = path(*kind, name).ok().and_then(|p| state.objects.get(&p));
                    held = held.saturating_sub(there.map_or(0, |o| o.size_bytes));
                }
                (self.options.room)(held, bytes)?;
                let batch: Vec<&(Kind, String)> = batch.iter().map(|(k, _)| k).collect();
                if !self.options.pace.is_open(now) {
                    report.paused = true;
                    return Ok(false);
                }
                self.batch(holding, &batch, now, report)?;
            }
        }
        Ok(true)
    }

    fn batch(
        &self,
        holding: &mut Holding,
        batch: &[&(Kind, String)],
        now: Timestamp,
        report: &mut MirrorReport,
    ) -> Result<(), Error> {
        let policy = holding.policy().clone();
        let config = holding.ledger().state().enrolled()?.card.config_sha256.clone();
        // With surplus from the first day: else tomorrow's snapshot would renew it at once.
        let least = policy.least(now);
        let store = holding.store();
        let missing = &holding.ledger().state().missing;
        let work = |(kind, name): &&(Kind, String)| -> Result<Result<(Held, bool), String>, Error> {
            let key = Key::new(*kind, name)?;
            let bytes = match self.source.get(&key)? {
                Ok(bytes) => bytes,
                // Gone or unreadable: what needs it waits, the rest goes on.
                Err(why) => return Ok(Err(why)),
            };
            self.options.pace.pay(bytes.len() as u64);
            let good = match kind {
                Kind::Config => strongroom_objects::hash_name(&bytes) == config,
                _ => key.names_its_bytes(&bytes),
            };
            if !good {
                return Ok(Err(format!(
                    "{key} of copy 2 is damaged; `strongroom check` and `strongroom repair heal` \
                     there"
                )));
            }
            let path = strongroom_objects::path_of(&key);
            let until = policy
                .with_surplus(self.planned.paths.get(&path).map_or(least, |need| least.max(*need)));
            // A run that was killed may have put it without noting it.
            let adopted = match self.resume {
                true => adopt(store.as_ref(), &path, &bytes)?,
                false => None,
            };
            let held = match adopted {
                Some(version) => {
                    lengthen(store.as_ref(), &path, &version, until)?;
                    store.look(&path, &version)?.ok_or_else(|| StoreError::NotFound {
                        key: path.clone(),
                        location: store.location(),
                    })?
                }
                None if missing.contains(&path) => store.put_again(&path, &bytes, until)?,
                None => store.put_locked(&path, &bytes, until)?,
            };
            if held.size_bytes != bytes.len() as u64 {
                let why = format!("it stored {} bytes of {}", held.size_bytes, bytes.len());
                return Err(StoreError::Damaged {
                    key: path,
                    location: store.location(),
                    why: why.into(),
                }
                .into());
            }
            Ok(Ok(lock_anyway(store.as_ref(), held, until)?))
        };
        let mut arrived = Vec::new();
        let mut bad: Vec<String> = Vec::new();
        let outcome = each(batch, work, |_, done| match done {
            Ok((held, mended)) => {
                arrived.push((held.clone(), *mended));
                self.options.progress.advance(1, held.size_bytes);
            }
            Err(why) => bad.push(why.clone()),
        });
        if let Some(first) = bad.first() {
            report.alarms.push((
                "copy-2-damaged".into(),
                format!("{} objects of copy 2 were not taken: {first}", bad.len()),
            ));
        }
        // Durable first, noted then.
        store.flush()?;
        for (held, mended) in arrived {
            report.objects += 1;
            report.bytes += held.size_bytes;
            report.mended_locks += u64::from(mended);
            report.restored += u64::from(holding.ledger().state().missing.contains(&held.path));
            let until = held.until.unwrap_or(now);
            holding.ledger_mut().note(&LogEvent::Arrived {
                path: held.path,
                version: held.version,
                size_bytes: held.size_bytes,
                until,
                at: now,
            })?;
        }
        holding.ledger_mut().sync()?;
        outcome.into_iter().flatten().find_map(Result::err).map_or(Ok(()), Err)
    }
}

/// The oldest version at a path that has these very bytes.
fn adopt(
    store: &dyn strongroom_objects::LockedStore,
    path: &str,
    bytes: &bytes::Bytes,
) -> Result<Option<String>, Error> {
    let mut rows = store.survey(path)?;
    rows.retain(|r| r.path == path && !r.marker && r.size_bytes == bytes.len() as u64);
    rows.sort_by_key(|r| r.modified);
    for row in rows {
        match store.fetch(path, &row.version, None) {
            Ok(there) if there == *bytes => return Ok(Some(row.version)),
            Err(e @ StoreError::Failed { .. }) => return Err(e.into()),
            _ => {}
        }
    }
    Ok(None)
}

/// What was read back after a put must be locked long enough: a store that ignored the wish is
/// asked again, and left alone when it ignores that as well.
pub(crate) fn lock_anyway(
    store: &dyn strongroom_objects::LockedStore,
    held: Held,
    until: Timestamp,
) -> Result<(Held, bool), Error> {
    // S3 keeps whole seconds.
    let enough = |h: &Held| h.until.is_some_and(|u| u.as_second() >= until.as_second());
    if enough(&held) {
        return Ok((held, false));
    }
    lengthen(store, &held.path, &held.version, until)?;
    let again = store.look(&held.path, &held.version)?.filter(enough).ok_or_else(|| {
        StoreError::Refused {
            location: store.location(),
            action: format!("lock {}", held.path),
            why: "it took the object and does not lock it: this is no vault".into(),
        }
    })?;
    Ok((again, true))
}

/// Whether a path may ever be put by who pushes.
pub fn may_arrive(path: &str, holding: &Holding) -> Result<(), Error> {
    let state = holding.ledger().state();
    let refused = |why: &str| Err(Error::Request(format!("{path}: {why}").into()));
    match key_of(path) {
        None => refused("there is no such thing in a vault"),
        Some(k) if k.kind() == Kind::Locks => refused("a vault has no locks; use --no-lock"),
        Some(k) if k.kind() == Kind::Keys && !state.admits_key(k.name()) => {
            refused("a key file is taken only at enrolment or from custodians")
        }
        Some(_) => Ok(()),
    }
}
