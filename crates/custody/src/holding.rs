use crate::{Arrived, Chain, Error, Event, Ledger, Manifest, Sealed, policy::Policy};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::atomic::{AtomicUsize, Ordering},
};
use strongroom_model::Progress;
use strongroom_objects::{Key, Kind, LockedStore, StoreError, key_of, path_of};

/// Requests in flight at once.
pub(crate) const AT_ONCE: usize = 8;

/// A repository in a vault, as one of its hands knows it: the log, and the manifests of what it holds.
pub struct Holding {
    ledger: Ledger,
    chain: Chain,
}

/// Until when each thing is needed.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    /// By number of the manifest.
    pub snapshots: BTreeMap<u64, Timestamp>,
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
}

pub(crate) fn key(kind: Kind, name: &str) -> Result<Key, Error> {
    Ok(Key::new(kind, name)?)
}

pub(crate) fn path(kind: Kind, name: &str) -> Result<String, Error> {
    Ok(path_of(&key(kind, name)?))
}

impl Holding {
    /// Reads the manifests of a log. One that cannot be read any more is passed over, and its followers count as broken.
    pub fn open(ledger: Ledger) -> Result<Self, Error> {
        let mut holding = Self { ledger, chain: Chain::default() };
        holding.reload()?;
        Ok(holding)
    }

    /// Sets the manifests in order again, after some came or went.
    pub(crate) fn reload(&mut self) -> Result<(), Error> {
        let state = self.ledger.state();
        let Some(enrolment) = &state.enrolment else { return Ok(()) };
        let mut manifests = Vec::new();
        for (path, object) in state.objects.range("manifests/".to_owned().."manifests0".to_owned()) {
            let Some(key) = key_of(path).filter(|_| !object.stray) else { continue };
            match self.ledger.copy_of(path, &object.version) {
                Ok(bytes) => match Manifest::open(&bytes, &enrolment.card.key, Some(&enrolment.card.repository)) {
                    Ok(m) => manifests.push((key.name().to_owned(), m)),
                    Err(e) => tracing::warn!("{e}"),
                },
                Err(Error::Store(e @ (StoreError::NotFound { .. } | StoreError::Damaged { .. } | StoreError::Refused { .. }))) => tracing::warn!("{e}"),
                Err(e) => return Err(e),
            }
        }
        self.chain = Chain::new(manifests);
        Ok(())
    }

    /// Reads the manifests again, after some came in.
    pub fn reread(&mut self) -> Result<(), Error> {
        self.reload()
    }

    /// Whether everything is here that a manifest's snapshot needs, the snapshot itself included.
    pub fn is_complete(&self, number: u64) -> Result<bool, Error> {
        let Some((_, _, m)) = self.chain.rows().find(|(n, ..)| *n == number) else { return Ok(false) };
        Ok(self.chain.is_whole(number) && self.has(&path(Kind::Snapshots, &m.snapshot)?) && self.missing(number)?.is_empty())
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
        self.ledger.state().objects.get(path).is_some_and(|o| !o.stray)
    }

    /// Numbers of the manifests whose snapshots were published.
    pub fn published(&self) -> BTreeSet<u64> {
        self.ledger.state().snapshots().map(|(_, _, s)| s.number).collect()
    }

    /// What a manifest's snapshot needs and the vault does not hold, without the snapshot itself.
    pub(crate) fn missing(&self, number: u64) -> Result<Vec<(Kind, String)>, Error> {
        let mut missing = Vec::new();
        for index in self.chain.indexes(number) {
            for pack in self.chain.packs(index) {
                if !self.has(&path(Kind::Data, pack)?) {
                    missing.push((Kind::Data, pack.clone()));
                }
            }
            if !self.has(&path(Kind::Index, index)?) {
                missing.push((Kind::Index, index.to_owned()));
            }
        }
        missing.sort();
        missing.dedup();
        Ok(missing)
    }

    /// Until when each thing is needed, if these manifests' snapshots were published now.
    pub fn needs(&self, new: &BTreeSet<u64>, now: Timestamp) -> Result<Needs, Error> {
        let state = self.ledger.state();
        let mut arrived: Vec<Arrived> = state
            .snapshots()
            .filter(|(_, _, s)| state.objects.contains_key(&format!("snapshots/{}", s.snapshot)))
            .map(|(_, at, s)| Arrived { number: s.number, at, clean: s.clean })
            .collect();
        arrived.extend(self.chain.rows().filter(|(n, ..)| new.contains(n)).map(|(number, _, m)| Arrived { number, at: now, clean: m.clean }));
        let mut needs = Needs { snapshots: state.policy.needs(&arrived).into_iter().collect(), paths: HashMap::new() };
        let longest = needs.snapshots.values().max().copied();
        let Some(longest) = longest else { return Ok(needs) };
        let mut set = |path: String, until: Timestamp| {
            let there = needs.paths.entry(path).or_insert(until);
            *there = until.max(*there);
        };
        let over = |from: u64, to: u64| needs.snapshots.range(from..to).map(|(_, u)| *u).max();
        for (index, packs) in self.chain.all_indexes() {
            let Some(until) = self.chain.spans(index).iter().filter_map(|(a, b)| over(*a, *b)).max() else { continue };
            set(path(Kind::Index, index)?, until);
            for pack in packs {
                set(path(Kind::Data, pack)?, until);
            }
        }
        for (number, name, m) in self.chain.rows() {
            if let Some(until) = needs.snapshots.get(&number) {
                set(path(Kind::Snapshots, &m.snapshot)?, *until);
            }
            // A manifest is needed as long as one that is understood through it.
            let (from, to) = self.chain.group(number);
            if let Some(until) = over(number.max(from), to) {
                set(path(Kind::Manifests, name)?, until);
            }
        }
        for key in ["config".to_owned()].into_iter().chain(state.objects.keys().filter(|p| p.starts_with("keys/")).cloned()) {
            set(key, longest);
        }
        Ok(needs)
    }

    /// Makes the locks of everything long enough that these needs reach: only those that are too short are touched, and they
    /// get the policy's surplus.
    pub fn renew(&mut self, needs: &Needs, progress: &dyn Progress) -> Result<Renewal, Error> {
        let policy = self.ledger.state().policy.clone();
        let mut report = Renewal::default();
        let mut short: Vec<(String, String, Timestamp)> = Vec::new();
        for (path, need) in &needs.paths {
            let Some(o) = self.ledger.state().objects.get(path).filter(|o| !o.stray) else { continue };
            report.looked_at += 1;
            if o.until < *need {
                short.push((path.clone(), o.version.clone(), policy.with_surplus(*need)));
            }
        }
        let longest = needs.snapshots.values().max().copied().unwrap_or_default();
        let segments = self.ledger.segments().iter().filter(|(_, (_, until))| *until < longest);
        short.extend(segments.map(|(path, (version, _))| (path.clone(), version.clone(), policy.with_surplus(longest))));
        short.sort();
        if !short.is_empty() {
            progress.phase("renew");
            progress.expect(short.len() as u64, 0);
        }
        let store = self.store();
        let outcome = each(&short, |(path, version, until)| store.extend(path, version, *until).map_err(Error::from), |_, _| progress.advance(1, 0));
        let mut failed = None;
        for (row, done) in short.iter().zip(outcome) {
            match done {
                Some(Ok(())) => {
                    report.renewed += 1;
                    if row.0.starts_with(crate::ledger::FOLDER) {
                        self.ledger.segment_renewed(&row.0, row.2);
                    }
                    self.ledger.note(&Event::Renewed { path: row.0.clone(), until: row.2 })?;
                }
                Some(Err(e)) => failed = failed.or(Some(e)),
                None => {}
            }
        }
        self.ledger.sync()?;
        if let Some(e) = failed {
            return Err(e);
        }
        let state = self.ledger.state();
        report.least = needs.paths.keys().filter_map(|p| state.objects.get(p)).map(|o| o.until).min();
        Ok(report)
    }

    /// Publishes snapshots whose objects are all here and locked long enough, and sets aside what no manifest names.
    pub fn seal(&mut self, numbers: &BTreeSet<u64>, now: Timestamp) -> Result<u64, Error> {
        let state = self.ledger.state();
        let snapshots: Vec<Sealed> = self
            .chain
            .rows()
            .filter(|(n, ..)| numbers.contains(n))
            .map(|(number, name, m)| Sealed { number, manifest: name.to_owned(), snapshot: m.snapshot.clone(), clean: m.clean })
            .collect();
        let named = self.chain.named()?;
        let mut events: Vec<Event> = state
            .objects
            .iter()
            .filter(|(p, o)| o.session == 0 && !o.stray && !named.contains(*p) && !p.starts_with("keys/"))
            .map(|(p, _)| Event::Stray { path: p.clone() })
            .collect();
        let session = state.next_session();
        events.push(Event::Sealed { session, at: now, snapshots });
        self.ledger.append(events, now)?;
        Ok(session)
    }

    /// The policy in force.
    pub fn policy(&self) -> &Policy {
        &self.ledger.state().policy
    }
}

/// Does something for each row, some at once; `told` hears of each as it is done, on this thread. Stops handing out rows at the
/// first error; a row that was not begun has no outcome.
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
