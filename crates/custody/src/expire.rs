//! What a vault lets go, by its own decision: only what no kept snapshot reaches, only after its
//! lock, in the reverse of the order of writing, and so that stock restic stays content after every
//! step.

use crate::{Agreed, Error, Holding, LogEvent, holding::path, watch};
use serde::Serialize;
use std::collections::{BTreeSet, HashMap, HashSet};
use strongroom_model::Progress;
use strongroom_objects::{Kind, StoreError};

/// What would go.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ExpiryPlan {
    /// Why nothing goes, when that is so.
    pub frozen: Vec<String>,
    /// Snapshots, then indexes, then packs and what else; in the order of deletion.
    pub paths: Vec<String>,
    /// Snapshots among them.
    pub snapshots: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that nothing needs and that are still locked, and the bytes of these.
    pub waiting: (u64, u64),
}

/// Why a vault that knows no second clock frees nothing, ever.
pub const NO_SECOND_CLOCK: &str = "no second clock is asked, so nothing is ever freed: name an NTP \
    server (`ntp`), or let custodians sign that the clock is right";

impl ExpiryPlan {
    /// The plan of a call in which no second clock agreed: nothing goes.
    pub fn of_one_clock() -> Self {
        let why = "no-second-clock: no other clock said in this call that it is so late; name an \
            NTP server that answers (`ntp`), or let custodians sign that the clock is right";
        Self { frozen: vec![why.into()], ..Self::default() }
    }
}

/// Plans. Freezes first, when copy 2 gives reason to. What is over is told by two clocks.
pub fn plan_expiry(holding: &mut Holding, now: Agreed) -> Result<ExpiryPlan, Error> {
    let now = now.at();
    let found = watch::suspicions(holding, now);
    watch::freeze(holding, &found, now)?;
    let state = holding.ledger().state();
    let mut plan =
        ExpiryPlan { frozen: state.frozen.keys().cloned().collect(), ..ExpiryPlan::default() };
    if !plan.frozen.is_empty() {
        return Ok(plan);
    }
    let needs = holding.needs(&BTreeSet::new(), now)?;
    let chain = holding.chain();
    // Not known what a manifest names: nothing goes.
    if let Some(unread) = holding.unread().first() {
        plan.frozen.push(format!(
            "manifest-gap: {}, so it is not known what its snapshot needs",
            unread.text
        ));
        return Ok(plan);
    }
    // Not known what a published snapshot needs: nothing goes.
    let torn = needs.snapshots.iter().find(|(name, until)| **until > now && !chain.is_whole(name));
    if let Some((name, _)) = torn {
        plan.frozen.push(format!(
            "manifest-gap: manifest {name:.8} cannot be read, so it is not \
            known what its snapshot needs"
        ));
        return Ok(plan);
    }
    // A snapshot that stays, because somebody made its lock longer, must not stay as a ruin: what
    // it reaches stays with it.
    let standing = state
        .objects
        .iter()
        .filter(|(p, o)| p.starts_with("snapshots/") && !o.stray && o.until > now)
        .map(|(p, _)| p.clone());
    let standing = holding.reach(&standing.collect())?;
    let needed = |p: &str| needs.paths.get(p).is_some_and(|until| *until > now);
    let mut free: HashSet<String> = HashSet::new();
    for (p, o) in &state.objects {
        // What an open session holds is locked like everything else: junk that was never sealed
        // goes when that is over.
        let kept = !o.stray && (needed(p) || p == "config" || p.starts_with("keys/"));
        if kept {
            continue;
        }
        if o.until > now || (!o.stray && standing.contains(p)) {
            plan.waiting.0 += 1;
            plan.waiting.1 += o.size_bytes;
            continue;
        }
        free.insert(p.clone());
    }
    keep_named_packs(holding, &mut free)?;
    let rank = |p: &str| match p.split('/').next() {
        Some("snapshots") => 0,
        Some("manifests") => 1,
        Some("index") => 2,
        _ => 3,
    };
    plan.paths = free.into_iter().collect();
    plan.paths.sort_by(|a, b| rank(a).cmp(&rank(b)).then(a.cmp(b)));
    plan.snapshots = plan.paths.iter().filter(|p| rank(p) == 0).count() as u64;
    plan.bytes = plan.paths.iter().filter_map(|p| state.objects.get(p)).map(|o| o.size_bytes).sum();
    Ok(plan)
}

/// Takes back from `free` what restic would miss: an index goes only when each pack that it names
/// goes too or is named by an index that stays; a pack only when every index that names it goes.
fn keep_named_packs(holding: &Holding, free: &mut HashSet<String>) -> Result<(), Error> {
    let chain = holding.chain();
    let mut naming: HashMap<String, Vec<String>> = HashMap::new();
    for (index, packs) in chain.all_indexes() {
        let index = path(Kind::Index, index)?;
        if holding.ledger().state().objects.get(&index).is_none_or(|o| o.stray) {
            continue;
        }
        for pack in packs {
            naming.entry(path(Kind::Data, pack)?).or_default().push(index.clone());
        }
    }
    loop {
        let mut back: HashSet<String> = HashSet::new();
        for (pack, indexes) in &naming {
            let all_go = indexes.iter().all(|i| free.contains(i));
            if free.contains(pack) && !all_go {
                back.insert(pack.clone());
            }
            let here = holding.ledger().state().objects.get(pack).is_some_and(|o| !o.stray);
            if !free.contains(pack) && here && all_go {
                // One index must go on naming it; the smallest name, so that every run decides
                // alike.
                back.extend(indexes.iter().min().cloned());
            }
        }
        if back.is_empty() {
            return Ok(());
        }
        free.retain(|p| !back.contains(p));
    }
}

/// Carries a plan out. The intention is in the log before the first deletion; a run that was
/// stopped is finished by the next, as far as its plan still says so.
pub fn expire(
    holding: &mut Holding,
    plan: &ExpiryPlan,
    now: Agreed,
    progress: &dyn Progress,
) -> Result<u64, Error> {
    let now = now.at();
    if !plan.frozen.is_empty() {
        return Err(Error::Request(format!("nothing is freed: {}", plan.frozen.join("; ")).into()));
    }
    let store = holding.store();
    // A damaged version in whose place another came is needed by nothing; the log counts it no
    // more.
    for (path, version, _) in holding
        .ledger()
        .state()
        .former
        .iter()
        .flat_map(|(p, all)| all.iter().map(move |(v, until)| (p, v, *until)))
        .filter(|(.., until)| *until <= now)
        // Its place may have been taken by what counts now.
        .filter(|(path, version, _)| {
            let now_held = holding.ledger().state().objects.get(*path);
            now_held.is_none_or(|o| o.version != **version)
        })
    {
        let freed = match store.look(path, version)? {
            Some(_) => store.free(path, version, now),
            None => Ok(()),
        };
        if let Err(e) = freed {
            tracing::warn!("{path} in version {version}: {e}");
        }
    }
    let chosen: HashSet<&String> = plan.paths.iter().collect();
    // What an earlier run began and this one would not: it stays, unless it is gone already.
    let (mut kept, mut gone) = (Vec::new(), Vec::new());
    for p in holding.ledger().state().freeing.iter().filter(|p| !chosen.contains(p)) {
        let Some(o) = holding.ledger().state().objects.get(p) else { continue };
        match store.look(p, &o.version)? {
            Some(_) => kept.push(p.clone()),
            None => gone.push(p.clone()),
        }
    }
    let mut events = Vec::new();
    if !kept.is_empty() {
        events.push(LogEvent::Kept { paths: kept });
    }
    if !gone.is_empty() {
        events.push(LogEvent::Freed { paths: gone, at: now });
    }
    if !plan.paths.is_empty() {
        events.push(LogEvent::Freeing { paths: plan.paths.clone() });
    }
    if events.is_empty() {
        return Ok(0);
    }
    holding.ledger_mut().append(events, now)?;
    progress.phase("expire");
    progress.expect(plan.paths.len() as u64, 0);
    // What the store still holds stays, and so does what restic would miss without it; the rest
    // goes on.
    let mut free: HashSet<String> = plan.paths.iter().cloned().collect();
    let (mut freed, mut longer, mut failed) = (Vec::new(), Vec::new(), None);
    for p in &plan.paths {
        if !free.contains(p) {
            continue;
        }
        let Some(o) = holding.ledger().state().objects.get(p) else { continue };
        match store.free(p, &o.version, now) {
            Ok(()) => freed.push(p.clone()),
            Err(StoreError::Refused { .. }) => {
                // Its lock is longer than the log knows: somebody who may extend did.
                if let Some(until) = store.look(p, &o.version)?.and_then(|h| h.until) {
                    longer.push(LogEvent::Renewed { path: p.clone(), until });
                }
                free.remove(p);
                if p.starts_with("snapshots/") {
                    let reached = holding.reach(&HashSet::from([p.clone()]))?;
                    free.retain(|q| !reached.contains(q));
                }
                keep_named_packs(holding, &mut free)?;
            }
            Err(e) => {
                failed = Some(e);
                break;
            }
        }
        progress.advance(1, 0);
    }
    let count = freed.len() as u64;
    let done: HashSet<&String> = freed.iter().collect();
    let stay: Vec<String> =
        plan.paths.iter().filter(|p| failed.is_none() && !done.contains(p)).cloned().collect();
    let mut events = longer;
    if count > 0 {
        events.push(LogEvent::Freed { paths: freed, at: now });
    }
    if !stay.is_empty() {
        events.push(LogEvent::Kept { paths: stay });
    }
    holding.ledger_mut().append(events, now)?;
    holding.reload()?;
    failed.map_or(Ok(count), |e| Err(e.into()))
}
