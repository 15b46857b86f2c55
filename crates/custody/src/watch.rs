use crate::{Error, Holding, LogEvent};
use jiff::Timestamp;
use std::collections::BTreeMap;
use strongroom_model::Series;

/// A reason to free nothing: a short code, and a sentence.
pub type Suspicion = (&'static str, String);

const DAY_S: i64 = 86_400;
/// A silence that custodians looked at freezes again after so many days: what was right for a
/// holiday empties a vault in a year.
const SILENCE_THAWED_DAYS: i64 = 30;

/// What looks wrong with copy 2, from what the vault itself saw.
pub fn suspicions(holding: &Holding, now: Timestamp) -> Vec<Suspicion> {
    let state = holding.ledger().state();
    let policy = &state.policy;
    let mut out = Vec::new();
    let days = |t: Timestamp| (now.as_second() - t.as_second()) / DAY_S;
    // Settings that go on being read do not hide that people's data is backed up no more.
    let of_data = || state.snapshots().filter(|(_, _, s)| s.series().is_data());
    if let Some(newest) = of_data().map(|(_, at, _)| at).max()
        && days(newest) >= i64::from(policy.silent_days)
    {
        out.push(("silent", format!("copy 2 has given no new snapshot for {} days", days(newest))));
    }
    let mut today: BTreeMap<&Series, usize> = BTreeMap::new();
    for (_, _, s) in state.snapshots().filter(|(_, at, _)| days(*at) == 0) {
        // Names that nobody knows are counted together: they cost nothing to invent.
        let known = Series::KNOWN.iter().find(|known| **known == s.series());
        *today.entry(known.unwrap_or(&Series::UNKNOWN)).or_default() += 1;
    }
    if let Some((series, n)) = today.into_iter().max_by_key(|(_, n)| *n)
        && n > policy.snapshots_a_day_max as usize
    {
        out.push((
            "flood",
            format!(
                "{n} snapshots of {series} came within a day; {} is the most that the policy \
                 expects",
                policy.snapshots_a_day_max
            ),
        ));
    }
    if let Some((number, last)) = state.sessions.iter().next_back()
        && days(last.at) == 0
    {
        let before: u64 = state.sessions.range(..number).map(|(_, s)| s.bytes).sum();
        if before > 0
            && last.bytes > policy.growth_bytes_free
            && last.bytes / (before / 100).max(1) > u64::from(policy.growth_percent_max)
        {
            out.push((
                "flood",
                format!(
                    "session {number} brought {} bytes where {before} were held: {} % is the most \
                     that the policy expects",
                    last.bytes, policy.growth_percent_max
                ),
            ));
        }
    }
    let chain = holding.chain();
    let published: Vec<&crate::SealedSnapshot> = state.snapshots().map(|(_, _, s)| s).collect();
    // A full manifest says what copy 2 is now; the one published before it says what it was.
    if let Some(n) =
        published.iter().rposition(|s| chain.get(&s.manifest).is_some_and(|m| m.previous.is_none()))
        && let Some(before) = published[..n].iter().rfind(|s| s.series() == published[n].series())
    {
        let (was, is) =
            (chain.packs_of(&before.manifest).len(), chain.packs_of(&published[n].manifest).len());
        if was > 0 && is * 100 < was * policy.shrink_percent_min as usize {
            out.push(("shrinks", format!("copy 2 names {is} packs where it named {was}")));
        }
    }
    // Snapshots of other series are not judged.
    if let Some(s) = published.iter().rfind(|s| s.series().is_data()).filter(|s| !s.clean) {
        out.push((
            "verdict",
            format!("the newest snapshot, {:.8}, is not called clean", s.snapshot),
        ));
    }
    // What custodians looked at does not freeze again while nothing is newer, silence aside: that
    // nothing is newer is what it is about.
    out.retain(|(code, _)| !is_thawed(state, code, now));
    out
}

/// Whether custodians looked at what this code says, and nothing is newer.
pub fn is_thawed(state: &crate::State, code: &str, now: Timestamp) -> bool {
    let days = |t: Timestamp| (now.as_second() - t.as_second()) / DAY_S;
    state.thawed.get(code).is_some_and(|(then, at)| {
        *then == state.newest_snapshot() && (code != "silent" || days(*at) < SILENCE_THAWED_DAYS)
    })
}

/// Freezes expiry for what looks wrong and is not frozen for yet; answers what is new. Custodians
/// alone thaw.
pub fn freeze(
    holding: &mut Holding,
    found: &[Suspicion],
    now: Timestamp,
) -> Result<Vec<Suspicion>, Error> {
    let frozen = &holding.ledger().state().frozen;
    let new: Vec<Suspicion> = found
        .iter()
        .filter(|(code, _)| !frozen.keys().any(|why| why.starts_with(&format!("{code}:"))))
        .cloned()
        .collect();
    if new.is_empty() {
        return Ok(new);
    }
    let mut events = Vec::new();
    for (code, text) in &new {
        events.push(LogEvent::Frozen { at: now, why: format!("{code}: {text}") });
        events.push(LogEvent::Alarm {
            at: now,
            kind: (*code).to_owned(),
            text: format!("{text}; nothing is freed until custodians say so"),
        });
    }
    holding.ledger_mut().append(events, now)?;
    Ok(new)
}
