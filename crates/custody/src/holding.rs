use crate::{
    Arrived, Chain, Error, HostAlarm, Ledger, LogEvent, Manifest, SealedSnapshot,
    policy::VaultPolicy,
    tolerant_reader::{Answers, FAILED_IN_A_ROW_MAX},
};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::atomic::{AtomicUsize, Ordering},
};
use strongroom_model::{Progress, Series};
use strongroom_objects::{Key, Kind, LockedStore, StoreError, key_of, path_of};

/// Requests in flight at once.
pub(crate) const AT_ONCE: usize = 8;

/// A repository in a vault, as one of its hands knows it: the log, and the manifests of what it
/// holds.
pub struct Holding {
    ledger: Ledger,
    chain: Chain,
    /// Manifests that are held and could not be read, by path, and why. What they name is not
    /// known, and that is not nothing.
    unread: BTreeMap<String, String>,
}

/// Until when each thing is needed.
#[derive(Debug, Clone, Default)]
pub struct NeededUntil {
    /// By name of the manifest.
    pub snapshots: BTreeMap<String, Timestamp>,
    /// By path: everything that a snapshot reaches.
    pub paths: HashMap<String, Timestamp>,
}

/// What a renewal did.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Renewal {
    /// Locks looked at.
    pub looked_at: u64,
    /// Locks made longer: each is one call.
    pub renewed: u64,
    /// Least end of a lock among what is reachable, afterwards.
    pub least: Option<Timestamp>,
    /// Objects whose lock could not be made longer, and why: gone, or damaged, most likely.
    pub failed: BTreeMap<String, String>,
}

impl Renewal {
    /// What could not be renewed, each for itself.
    pub fn alarms(&self) -> Vec<HostAlarm> {
        let of = |(path, why): (&String, &String)| {
            HostAlarm::new(
                "renewal",
                path,
                &format!("the lock of {path} cannot be made longer: {why}"),
            )
        };
        self.failed.iter().map(of).collect()
    }

    /// The alarm about what could not be renewed.
    pub fn alarm(&self) -> Option<(String, String)> {
        let (path, why) = self.failed.first_key_value()?;
        let text = format!(
            "the locks of {} objects could not be made longer, {path} for instance: {why}",
            self.failed.len()
        );
        Some(("renewal".into(), text))
    }
}

/// So many of what could not be renewed are looked for in one go.
const LOOKS_MAX: usize = 1_000;

/// Code of the alarm that no key file is held.
pub const NO_KEYS: &str = "no-key-file";

pub(crate) fn key(kind: Kind, name: &str) -> Result<Key, Error> {
    Ok(Key::new(kind, name)?)
}

pub(crate) fn path(kind: Kind, name: &str) -> Result<String, Error> {
    Ok(path_of(&key(kind, name)?))
}

impl Holding {
    /// Reads the manifests of a log. One that cannot be read is passed over, and its followers
    /// count as broken: [`Holding::unread`].
    ///
    /// # Errors
    /// When the place gives nothing at all.
    pub fn open(ledger: Ledger) -> Result<Self, Error> {
        let mut holding = Self { ledger, chain: Chain::default(), unread: BTreeMap::new() };
        holding.reload()?;
        Ok(holding)
    }

    /// Sets the manifests in order again, after some came or went.
    pub(crate) fn reload(&mut self) -> Result<(), Error> {
        let state = self.ledger.state();
        let Some(enrolment) = &state.enrolment else { return Ok(()) };
        let (mut manifests, mut unread) = (Vec::new(), BTreeMap::new());
        let (mut in_a_row, mut failed) = (0_u32, None);
        for (path, object) in state.objects.range("manifests/".to_owned().."manifests0".to_owned())
        {
            let Some(key) = key_of(path).filter(|_| !object.stray) else { continue };
            let is_sealed = object.session > 0;
            // What was refused once is not read again at each opening.
            if self.ledger.was_refused(path, &object.version, is_sealed) {
                continue;
            }
            // What came in a sealed session is needed in whatever form it was taken then.
            let opened = if object.session > 0 { Manifest::recorded } else { Manifest::open };
            match self.ledger.copy_of(path, &object.version) {
                Ok(bytes) => {
                    in_a_row = 0;
                    match opened(&bytes, &enrolment.card.key, Some(&enrolment.card.repository)) {
                        Ok(m) => manifests.push((key.name().to_owned(), m)),
                        Err(e) => {
                            tracing::warn!("{e}");
                            // Damage may be mended; junk stays what it is.
                            if key.names_its_bytes(&bytes) {
                                self.ledger.note_refused(path, &object.version, is_sealed);
                            }
                        }
                    }
                }
                Err(Error::Store(
                    e @ (StoreError::NotFound { .. } | StoreError::Damaged { .. }),
                )) => tracing::warn!("{e}"),
                Err(Error::Store(e)) => {
                    tracing::warn!("{e}");
                    // Of a place that is down not each manifest is asked for.
                    in_a_row += u32::from(matches!(e, StoreError::Failed { .. }));
                    let is_down = in_a_row > 0 && in_a_row.is_multiple_of(FAILED_IN_A_ROW_MAX);
                    if is_down && !self.ledger.is_answered() {
                        return Err(e.into());
                    }
                    // What was found damaged at two looks is told as that.
                    if !state.missing.contains(path) {
                        unread.insert(path.clone(), e.to_string());
                    }
                    failed = failed.or(Some(e));
                }
                Err(e) => return Err(e),
            }
        }
        // A place that is down says nothing of any of them.
        if let Some(e @ StoreError::Failed { .. }) = failed
            && !self.ledger.is_answered()
        {
            return Err(e.into());
        }
        (self.chain, self.unread) = (Chain::new(manifests), unread);
        Ok(())
    }

    /// Manifests that are held and could not be read, each for itself: alarms that end when a look
    /// at them finds them whole, or damaged.
    pub fn unread(&self) -> Vec<HostAlarm> {
        let of = |(path, why): (&String, &String)| {
            HostAlarm::new("unreadable", path, &format!("{path} ({why}) cannot be read"))
        };
        self.unread.iter().map(of).collect()
    }

    /// Whether a manifest is held and could not be read.
    pub(crate) fn is_unread(&self, path: &str) -> bool {
        self.unread.contains_key(path)
    }

    /// Whether it is known what each manifest names that is held.
    fn is_all_known(&self) -> bool {
        // A pull may have read it in copy 2.
        let is_known =
            |path: &String| key_of(path).is_some_and(|k| self.chain.get(k.name()).is_some());
        self.unread.keys().all(is_known)
    }

    /// Reads the manifests again, after some came in.
    pub fn reread(&mut self) -> Result<(), Error> {
        self.reload()
    }

    /// Whether everything is here that a manifest's snapshot needs, the snapshot itself included.
    pub fn is_complete(&self, name: &str) -> Result<bool, Error> {
        let Some(m) = self.chain.get(name) else { return Ok(false) };
        Ok(self.has(&path(Kind::Snapshots, &m.snapshot)?)
            && self.missing(name)?.is_some_and(|m| m.is_empty()))
    }

    /// The log.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The log, to write.
    pub fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// The manifests.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    pub(crate) fn set_chain(&mut self, chain: Chain) {
        self.chain = chain;
    }

    pub(crate) fn store(&self) -> std::sync::Arc<dyn LockedStore> {
        self.ledger.store().clone()
    }

    /// Whether an object is here and named by somebody who may.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.ledger.state().has(path)
    }

    /// Says that something which is held is gone or damaged, for as long as it is so.
    pub fn lost(&self) -> Option<String> {
        let missing = &self.ledger.state().missing;
        let first = missing.first()?;
        Some(format!(
            "{} objects are gone from the vault or damaged in it, {first} for instance; a pull or \
             a push brings those again that copy 2 still has",
            missing.len()
        ))
    }

    /// Says that no key file is held, once one should be: a password opens nothing then that is
    /// read from the vault alone, and two recovery shares are the only way in.
    pub fn without_keys(&self) -> Option<String> {
        let state = self.ledger.state();
        let enrolment = state.enrolment.as_ref()?;
        let mut held = state.objects.range("keys/".to_owned().."keys0".to_owned());
        if held.any(|(_, o)| !o.stray) {
            return None;
        }
        let then = "no password opens what is held here, two recovery shares do; two custodians \
            bring a key file in (`order new … admit-key`)";
        if enrolment.card.keys.is_empty() && state.admitted.is_empty() {
            return Some(format!("the card names no key file: {then}"));
        }
        let is_due =
            !state.sessions.is_empty() || state.alarms.iter().any(|(_, k, _)| k == NO_KEYS);
        is_due.then(|| format!("copy 2 had none of the key files of the card: {then}"))
    }

    /// Names of the manifests whose snapshots were published.
    pub fn published(&self) -> BTreeSet<String> {
        self.ledger.state().snapshots().map(|(_, _, s)| s.manifest.clone()).collect()
    }

    /// What a manifest's snapshot needs and the vault does not hold, without the snapshot itself;
    /// `None` when that is not known.
    pub(crate) fn missing(&self, name: &str) -> Result<Option<Vec<(Kind, String)>>, Error> {
        let Some(lineage) = self.chain.lineage(name) else { return Ok(None) };
        let mut missing = Vec::new();
        for (index, packs) in lineage.into_iter().flat_map(|(_, m)| &m.indexes) {
            for pack in packs {
                if !self.has(&path(Kind::Data, pack)?) {
                    missing.push((Kind::Data, pack.clone()));
                }
            }
            if !self.has(&path(Kind::Index, index)?) {
                missing.push((Kind::Index, index.clone()));
            }
        }
        missing.sort();
        missing.dedup();
        Ok(Some(missing))
    }

    /// Until when each thing is needed, if these manifests' snapshots were published now.
    pub fn needs(&self, new: &BTreeSet<String>, now: Timestamp) -> Result<NeededUntil, Error> {
        let state = self.ledger.state();
        let mut arrived: Vec<(String, Arrived)> = Vec::new();
        let mut add = |name: &str, series: Series, at: Timestamp, clean: bool, hidden: bool| {
            let number = arrived.len() as u64;
            arrived.push((name.to_owned(), Arrived { series, number, at, clean, hidden }));
        };
        // What is not held any more takes no place of what is, and neither does what is on its way
        // out.
        for (session, at, s) in state.snapshots() {
            let path = format!("snapshots/{}", s.snapshot);
            let Some(o) = state.objects.get(&path) else { continue };
            let hidden = o.stray || state.is_hidden(session, &s.snapshot);
            add(&s.manifest, s.series(), at, s.clean, hidden);
        }
        // In the order in which they will be sealed: of those of one moment the oldest is the first
        // of its month and year, before the seal as after it.
        for (name, m) in self.chain.rows().into_iter().filter(|(name, _)| new.contains(*name)) {
            add(name, m.series(), now, m.clean, false);
        }
        let mut needs = NeededUntil::default();
        for (number, until) in
            state.policy.needs(&arrived.iter().map(|(_, a)| a.clone()).collect::<Vec<_>>(), now)
        {
            let Some((name, _)) = usize::try_from(number).ok().and_then(|n| arrived.get(n)) else {
                continue;
            };
            let there = needs.snapshots.entry(name.clone()).or_insert(until);
            *there = until.max(*there);
        }
        let Some(longest) = needs.snapshots.values().max().copied() else { return Ok(needs) };
        // A manifest, and what it names, is needed as long as one that is understood through it.
        let mut through: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for (name, until) in &needs.snapshots {
            for (before, _) in self.chain.lineage(name).into_iter().flatten() {
                let there = through.entry(before).or_insert(*until);
                *there = (*until).max(*there);
            }
        }
        let mut paths: HashMap<String, Timestamp> = HashMap::new();
        let mut set = |path: String, until: Timestamp| {
            let there = paths.entry(path).or_insert(until);
            *there = until.max(*there);
        };
        for (name, until) in through {
            set(path(Kind::Manifests, name)?, until);
            let Some(m) = self.chain.get(name) else { continue };
            for (index, packs) in &m.indexes {
                set(path(Kind::Index, index)?, until);
                for pack in packs {
                    set(path(Kind::Data, pack)?, until);
                }
            }
        }
        for (name, until) in &needs.snapshots {
            if let Some(m) = self.chain.get(name) {
                set(path(Kind::Snapshots, &m.snapshot)?, *until);
            }
        }
        for key in ["config".to_owned()]
            .into_iter()
            .chain(state.objects.keys().filter(|p| p.starts_with("keys/")).cloned())
        {
            set(key, longest);
        }
        needs.paths = paths;
        Ok(needs)
    }

    /// The paths that these snapshots, given as paths too, reach through the manifests that speak
    /// of them; their own among them.
    ///
    /// # Errors
    /// When a manifest names what is no name.
    pub fn reach(&self, snapshots: &HashSet<String>) -> Result<HashSet<String>, Error> {
        let mut through: BTreeSet<&str> = BTreeSet::new();
        for (name, m) in self.chain.rows() {
            if snapshots.contains(&path(Kind::Snapshots, &m.snapshot)?) {
                through.extend(
                    self.chain.lineage(name).into_iter().flatten().map(|(before, _)| before),
                );
            }
        }
        let mut reached = snapshots.clone();
        for name in through {
            reached.insert(path(Kind::Manifests, name)?);
            for (index, packs) in self.chain.get(name).into_iter().flat_map(|m| &m.indexes) {
                reached.insert(path(Kind::Index, index)?);
                for pack in packs {
                    reached.insert(path(Kind::Data, pack)?);
                }
            }
        }
        Ok(reached)
    }

    /// Makes the locks of everything long enough that these needs reach: only those that are too
    /// short are touched, and they get the policy's surplus. One that cannot be renewed keeps no
    /// other from it.
    ///
    /// # Errors
    /// When the place does not answer any more.
    pub fn renew(
        &mut self,
        needs: &NeededUntil,
        progress: &dyn Progress,
    ) -> Result<Renewal, Error> {
        let policy = self.ledger.state().policy.clone();
        let mut report = Renewal::default();
        let mut short: Vec<(String, String, Timestamp)> = Vec::new();
        for (path, need) in &needs.paths {
            let state = self.ledger.state();
            let Some(o) =
                state.objects.get(path).filter(|o| !o.stray && !state.freeing.contains(path))
            else {
                continue;
            };
            // What is lost has no lock, and gets one when it comes again.
            if state.missing.contains(path) {
                continue;
            }
            report.looked_at += 1;
            if o.until < *need {
                short.push((path.clone(), o.version.clone(), policy.with_surplus(*need)));
            }
        }
        let longest = needs.snapshots.values().max().copied().unwrap_or_default();
        let segments = self.ledger.segments().iter().filter(|(_, (_, until))| *until < longest);
        short.extend(segments.map(|(path, (version, _))| {
            (path.clone(), version.clone(), policy.with_surplus(longest))
        }));
        short.sort();
        if !short.is_empty() {
            progress.phase("renew");
            progress.expect(short.len() as u64, 0);
        }
        let (store, store_answers) = (self.store(), Answers::default());
        let outcome = each(
            &short,
            |(path, version, until)| {
                store_answers.hold(lengthen(store.as_ref(), path, version, *until))
            },
            |_, _| progress.advance(1, 0),
        );
        let mut failed = None;
        for (row, done) in short.iter().zip(outcome) {
            match done {
                Some(Ok(Err(why))) => drop(report.failed.insert(row.0.clone(), why)),
                Some(Ok(Ok(until))) => {
                    report.renewed += 1;
                    if row.0.starts_with(crate::ledger::FOLDER) {
                        self.ledger.segment_renewed(&row.0, until);
                    }
                    self.ledger.note(&LogEvent::Renewed { path: row.0.clone(), until })?;
                }
                Some(Err(e)) => failed = failed.or(Some(e)),
                None => {}
            }
        }
        self.note_gone(&report)?;
        self.ledger.sync()?;
        if let Some(e) = failed {
            return Err(e);
        }
        report.least = self.least(needs);
        Ok(report)
    }

    /// The earliest end of a lock among what these needs reach and is held.
    pub fn least(&self, needs: &NeededUntil) -> Option<Timestamp> {
        let state = self.ledger.state();
        needs.paths.keys().filter_map(|p| state.objects.get(p)).map(|o| o.until).min()
    }

    /// Looks for what who pushes says arrived, and writes down that their segments were read: what
    /// is not there does not count as held, and what was said once is not taken back. Answers how
    /// many segments.
    ///
    /// # Errors
    /// When the place does not answer any more, or the log cannot be written.
    pub fn witness(&mut self, now: Timestamp) -> Result<u64, Error> {
        let pushed = self.ledger.pushed().to_vec();
        if pushed.is_empty() || self.ledger.signer() != self.ledger.state().vault() {
            return Ok(0);
        }
        // Of what was said of a version the log counts one length; that is what is looked for.
        let said: BTreeSet<&(String, String)> =
            pushed.iter().flat_map(|p| p.arrived.iter()).collect();
        let state = self.ledger.state();
        let counted = |path: &str, version: &str| {
            let object = state.objects.get(path)?;
            let counts = state.missing.contains(path) || object.version == version;
            counts.then(|| (path.to_owned(), version.to_owned(), object.size_bytes))
        };
        let rows: Vec<(String, String, u64)> =
            said.into_iter().filter_map(|(path, version)| counted(path, version)).collect();
        let (store, answers) = (self.store(), Answers::default());
        let looked = each(
            &rows,
            |(path, version, _)| {
                // A version that the place takes for none is not there.
                let held = match store.look(path, version) {
                    Err(StoreError::Refused { .. }) => Ok(None),
                    held => held,
                };
                answers.hold(held.map_err(Error::from))
            },
            |_, _| {},
        );
        let state = self.ledger.state();
        let (mut gone, mut back) = (BTreeSet::new(), Vec::new());
        let mut is_back: BTreeSet<&str> = BTreeSet::new();
        for ((path, version, size_bytes), held) in rows.iter().zip(looked) {
            let was_missing = state.missing.contains(path);
            // One version is enough, and another one would be refused.
            if is_back.contains(path.as_str()) {
                continue;
            }
            match held {
                Some(Ok(Ok(Some(held)))) if was_missing => {
                    // The vault's own word, after reading: nobody else's ends a loss.
                    let whole = match store.fetch(path, version, None) {
                        Ok(bytes) => key_of(path).is_some_and(|key| {
                            key.kind() != Kind::Config && key.names_its_bytes(&bytes)
                        }),
                        Err(StoreError::Failed { .. }) => return Ok(0),
                        Err(_) => false,
                    };
                    if whole {
                        is_back.insert(path);
                        back.push(LogEvent::Arrived {
                            path: path.clone(),
                            version: version.clone(),
                            size_bytes: held.size_bytes,
                            until: held.until.unwrap_or(now),
                            at: now,
                        });
                    }
                }
                Some(Ok(Ok(Some(held)))) if held.size_bytes == *size_bytes => {}
                Some(Ok(Ok(_))) if !was_missing => drop(gone.insert(path.clone())),
                // Not seen, or not read, is not gone: it is looked for again.
                Some(Ok(Err(_))) | None => return Ok(0),
                Some(Err(e)) => return Err(e),
                Some(Ok(Ok(_))) => {}
            }
        }
        let gone: Vec<String> = gone.into_iter().collect();
        let mut events: Vec<LogEvent> = back;
        // In pieces: a segment has an end.
        events.extend(
            gone.chunks(10_000).map(|paths| LogEvent::Missing { paths: paths.to_vec(), at: now }),
        );
        let count = pushed.len() as u64;
        events.extend(pushed.into_iter().map(|p| LogEvent::Witnessed {
            path: p.path,
            version: p.version,
            sha256: p.sha256,
            at: p.at,
        }));
        self.ledger.append(events, now)?;
        self.ledger.all_witnessed();
        Ok(count)
    }

    /// Of what could not be renewed, what is gone does not count as held any more.
    fn note_gone(&mut self, renewal: &Renewal) -> Result<(), Error> {
        // Who pushes may not say so.
        if self.ledger.signer() != self.ledger.state().vault() {
            return Ok(());
        }
        let (store, state) = (self.store(), self.ledger.state());
        let is_gone = |path: &&String| {
            state
                .objects
                .get(*path)
                .is_some_and(|o| matches!(store.look(path, &o.version), Ok(None)))
        };
        let gone: Vec<String> =
            renewal.failed.keys().take(LOOKS_MAX).filter(is_gone).cloned().collect();
        if gone.is_empty() {
            return Ok(());
        }
        let at = state.latest;
        self.ledger.note(&LogEvent::Missing { paths: gone, at })
    }

    /// Takes in again what was set aside, since no manifest named it, and what one names that came
    /// since: who seals in the middle of somebody's push takes nothing of it away.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub fn take_back(&mut self, now: Timestamp) -> Result<(), Error> {
        let state = self.ledger.state();
        let mut aside: BTreeSet<String> = BTreeSet::new();
        for (name, m) in self.chain.rows() {
            if state.is_published(&m.snapshot) {
                continue;
            }
            let of = self.missing(name)?.unwrap_or_default();
            let own = std::iter::once((Kind::Snapshots, m.snapshot.clone()));
            for (kind, name) in of.into_iter().chain(own) {
                let path = path(kind, &name)?;
                let is_aside = state.objects.get(&path).is_some_and(|o| o.stray)
                    && !state.freeing.contains(&path)
                    && !state.missing.contains(&path);
                aside.extend(is_aside.then_some(path));
            }
        }
        let (store, answers) = (self.store(), Answers::default());
        for path in aside {
            let Some(o) = self.ledger.state().objects.get(&path).cloned() else { continue };
            let held = match answers.hold(store.look(&path, &o.version).map_err(Error::from)) {
                Ok(Ok(Some(held))) => held,
                // What is not taken back keeps back what needs it, and nothing else.
                Ok(_) => continue,
                Err(_) => break,
            };
            if held.size_bytes == o.size_bytes {
                self.ledger.note(&LogEvent::Arrived {
                    path,
                    version: o.version,
                    size_bytes: o.size_bytes,
                    until: held.until.unwrap_or(now),
                    at: now,
                })?;
            }
        }
        self.ledger.sync()
    }

    /// Of these manifests those whose snapshots need nothing of what could not be renewed.
    ///
    /// # Errors
    /// When a manifest names what is no name.
    pub fn renewed<'n>(
        &self,
        names: impl IntoIterator<Item = &'n String>,
        renewal: &Renewal,
    ) -> Result<BTreeSet<String>, Error> {
        let failed = |kind, name: &str| {
            Ok::<_, Error>(
                !renewal.failed.is_empty() && renewal.failed.contains_key(&path(kind, name)?),
            )
        };
        // Nothing opens without it.
        let all = failed(Kind::Config, "config")?;
        let mut whole = BTreeSet::new();
        'names: for name in names {
            if all {
                continue;
            }
            for (before, m) in self.chain.lineage(name).into_iter().flatten() {
                if failed(Kind::Manifests, before)? {
                    continue 'names;
                }
                for (index, packs) in &m.indexes {
                    if failed(Kind::Index, index)? {
                        continue 'names;
                    }
                    for pack in packs {
                        if failed(Kind::Data, pack)? {
                            continue 'names;
                        }
                    }
                }
            }
            whole.insert(name.clone());
        }
        Ok(whole)
    }

    /// Of these manifests those whose snapshots were not published before; of several of one
    /// snapshot the first by number. Everything else a vault knows already: after a prune copy 2
    /// publishes manifests anew.
    pub fn news<'n>(&self, names: impl IntoIterator<Item = &'n String>) -> BTreeSet<String> {
        let names: BTreeSet<&str> = names.into_iter().map(String::as_str).collect();
        let state = self.ledger.state();
        let mut seen = BTreeSet::new();
        let rows = self.chain.rows().into_iter().filter(|(name, _)| names.contains(name));
        rows.filter(|(_, m)| !state.is_published(&m.snapshot) && seen.insert(&m.snapshot))
            .map(|(name, _)| name.to_owned())
            .collect()
    }

    /// Publishes snapshots whose objects are all here and locked long enough, and sets aside what
    /// no manifest names. What a manifest names that is not whole yet stays in the open session.
    pub fn seal(&mut self, names: &BTreeSet<String>, now: Timestamp) -> Result<u64, Error> {
        let state = self.ledger.state();
        let sealed = |(name, m): (&str, &Manifest)| SealedSnapshot {
            series: m.series.clone(),
            number: m.number,
            manifest: name.to_owned(),
            snapshot: m.snapshot.clone(),
            clean: m.clean,
        };
        let snapshots: Vec<SealedSnapshot> =
            self.chain.rows().into_iter().filter(|(n, _)| names.contains(*n)).map(sealed).collect();
        let mut reached: BTreeSet<String> = BTreeSet::from(["config".to_owned()]);
        for name in names {
            for (before, m) in self.chain.lineage(name).into_iter().flatten() {
                reached.insert(path(Kind::Manifests, before)?);
                for (index, packs) in &m.indexes {
                    reached.insert(path(Kind::Index, index)?);
                    for pack in packs {
                        reached.insert(path(Kind::Data, pack)?);
                    }
                }
            }
            if let Some(m) = self.chain.get(name) {
                reached.insert(path(Kind::Snapshots, &m.snapshot)?);
            }
        }
        let named = self.chain.named()?;
        // What nobody names that could be asked may be named by one that cannot be read.
        let all_known = self.is_all_known();
        let open = || {
            state.objects.iter().filter(|(p, o)| {
                o.session == 0 && !o.stray && !p.starts_with("keys/") && !reached.contains(*p)
            })
        };
        let is_left = |p: &String| !all_known || named.contains(p);
        let left: Vec<String> =
            open().filter(|(p, _)| is_left(p)).map(|(p, _)| p.clone()).collect();
        let mut events: Vec<LogEvent> = open()
            .filter(|(p, _)| !is_left(p))
            .map(|(p, _)| LogEvent::Stray { path: p.clone() })
            .collect();
        let session = state.next_session();
        events.push(LogEvent::Sealed { session, at: now, snapshots, left: Some(left) });
        self.ledger.append(events, now)?;
        Ok(session)
    }

    /// The policy in force.
    pub fn policy(&self) -> &VaultPolicy {
        &self.ledger.state().policy
    }
}

/// Locks a version until then, and answers the true end. Somebody who may extend can have made the
/// lock longer than asked: that is no failure.
pub(crate) fn lengthen(
    store: &dyn LockedStore,
    path: &str,
    version: &str,
    until: Timestamp,
) -> Result<Timestamp, Error> {
    let refused = match store.extend(path, version, until) {
        Ok(()) => return Ok(until),
        Err(e) => e,
    };
    match store
        .look(path, version)?
        .and_then(|h| h.until)
        .filter(|u| u.as_second() >= until.as_second())
    {
        Some(longer) => Ok(longer),
        None => Err(refused.into()),
    }
}

/// Does something for each row, some at once; `told` hears of each as it is done, on this thread.
/// Stops handing out rows at the first error; a row that was not begun has no outcome.
pub(crate) fn each<R: Sync, T: Send>(
    rows: &[R],
    work: impl Fn(&R) -> Result<T, Error> + Sync,
    mut told: impl FnMut(usize, &T),
) -> Vec<Option<Result<T, Error>>> {
    let mut out: Vec<Option<Result<T, Error>>> = rows.iter().map(|_| None).collect();
    let next = AtomicUsize::new(0);
    let (send, receive) = std::sync::mpsc::sync_channel(AT_ONCE);
    std::thread::scope(|s| {
        for _ in 0..AT_ONCE.min(rows.len()) {
            let (send, next, work) = (send.clone(), &next, &work);
            s.spawn(move || {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(row) = rows.get(n) else { return };
                    let done = work(row);
                    if done.is_err() {
                        next.store(usize::MAX / 2, Ordering::Relaxed);
                    }
                    if send.send((n, done)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        for (n, done) in receive {
            if let Ok(t) = &done {
                told(n, t);
            }
            out[n] = Some(done);
        }
    });
    out
}
