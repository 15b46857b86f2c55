//! Which snapshots may go. By time, and never by time alone.
//!
//! A snapshot goes only when the clock *and* the count say so: it is older than the rule's span,
//! and the rule's number of newer periods hold snapshots. So a flood of snapshots rotates nothing
//! out (they are all of today), a stopped backup lets nothing age away (no newer periods appear),
//! and a wrong clock alone removes nothing. What claims to come from the future counts for nothing
//! and is never removed.

use crate::{Error, Id, Repository, Snapshot, heads, is_from_the_future};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use strongroom_model::Series;
use strongroom_objects::Kind;

/// Start of the tag that keeps a copy of a snapshot as long as the tag's copy is there:
/// `hold:<reason>`.
pub const TAG_HOLD: &str = "hold:";

/// What to keep. In each period the newest snapshot is kept, and the newest clean one.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionPolicy {
    /// Everything of this many hours before the newest snapshot.
    pub within_hours: u32,
    /// Hours.
    pub hourly: u32,
    /// Days (UTC).
    pub daily: u32,
    /// ISO weeks.
    pub weekly: u32,
    /// Months.
    pub monthly: u32,
    /// Years.
    pub yearly: u32,
}

/// Why a snapshot is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeepReason {
    /// The newest one.
    Newest,
    /// The newest clean one.
    NewestClean,
    /// Within the span in which everything is kept.
    Within,
    /// Of an hour that is kept.
    Hourly,
    /// Of a day that is kept.
    Daily,
    /// Of a week that is kept.
    Weekly,
    /// Of a month that is kept.
    Monthly,
    /// Of a year that is kept.
    Yearly,
    /// Under a hold.
    Held,
    /// Its time lies in the future.
    Future,
    /// A running backup's intermediate state; the backup itself clears these.
    Partial,
    /// The newest snapshot is not clean: nothing goes before somebody has looked.
    Frozen,
}

impl KeepReason {
    /// The word for tables.
    pub fn as_str(self) -> &'static str {
        match self {
            KeepReason::Newest => "newest",
            KeepReason::NewestClean => "newest clean",
            KeepReason::Within => "within",
            KeepReason::Hourly => "hourly",
            KeepReason::Daily => "daily",
            KeepReason::Weekly => "weekly",
            KeepReason::Monthly => "monthly",
            KeepReason::Yearly => "yearly",
            KeepReason::Held => "held",
            KeepReason::Future => "FUTURE",
            KeepReason::Partial => "partial",
            KeepReason::Frozen => "frozen",
        }
    }
}

/// What a policy makes of the snapshots.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct ForgetPlan {
    /// Snapshots that stay, and why; oldest first.
    pub keep: Vec<(Id, Snapshot, Vec<KeepReason>)>,
    /// Snapshots that go; oldest first.
    pub remove: Vec<(Id, Snapshot)>,
}

/// Periods of one length: their number since the epoch, and seconds that one lasts at most.
fn period(reason: KeepReason, time: jiff::Timestamp) -> (i64, i64) {
    let date = time.to_zoned(jiff::tz::TimeZone::UTC).date();
    match reason {
        KeepReason::Hourly => (time.as_second().div_euclid(3600), 3600),
        KeepReason::Daily => (time.as_second().div_euclid(86_400), 86_400),
        // 1970-01-01 was a Thursday; weeks begin on Mondays.
        KeepReason::Weekly => ((time.as_second().div_euclid(86_400) + 3).div_euclid(7), 7 * 86_400),
        KeepReason::Monthly => (i64::from(date.year()) * 12 + i64::from(date.month()), 31 * 86_400),
        _ => (i64::from(date.year()), 366 * 86_400),
    }
}

/// Snapshots that compete: tenant, series, and whether a program of ours wrote them.
type Line<'s> = (&'s str, Series, bool);

/// Says which snapshots may go. Pure: the same snapshots, policy and time give the same plan.
///
/// Snapshots of different tenants (`hostname`) do not compete, nor do those of different series,
/// nor what somebody else's program wrote under a tenant's name with the tenant's own. While a
/// tenant's newest snapshot of data is not clean nothing of its data goes, unless
/// `though_not_clean`. What the next run builds on stays, whatever its time says.
pub fn plan(
    snapshots: &[(Id, Snapshot)],
    policy: &RetentionPolicy,
    now: jiff::Timestamp,
    though_not_clean: bool,
) -> ForgetPlan {
    let mut reasons: BTreeMap<Id, BTreeSet<KeepReason>> = BTreeMap::new();
    let held: HashSet<Id> =
        snapshots.iter().filter(|(_, s)| s.is_hold()).map(|(_, s)| s.tree).collect();
    let mut lines: BTreeMap<Line<'_>, Vec<&(Id, Snapshot)>> = BTreeMap::new();
    for entry in snapshots {
        let (id, s) = entry;
        let fixed = match s {
            s if s.is_hold() || held.contains(&s.tree) => Some(KeepReason::Held),
            s if s.is_partial() => Some(KeepReason::Partial),
            s if is_from_the_future(s, now) => Some(KeepReason::Future),
            _ => None,
        };
        reasons.entry(*id).or_default().extend(fixed);
        // A held one still stands for its day.
        if matches!(fixed, None | Some(KeepReason::Held)) && !s.is_hold() {
            lines.entry((s.hostname.as_str(), s.series(), s.is_ours())).or_default().push(entry);
        }
    }
    for ((tenant, series, is_ours), all) in &mut lines {
        all.sort_by_key(|(id, s)| std::cmp::Reverse((s.time, *id)));
        let mut keep = |entry: &&(Id, Snapshot), reason: KeepReason| {
            reasons.entry(entry.0).or_default().insert(reason);
        };
        let Some(newest) = all.first() else { continue };
        keep(newest, KeepReason::Newest);
        if *is_ours {
            for head in heads(snapshots, tenant, series) {
                keep(&head, KeepReason::Newest);
            }
        }
        if let Some(clean) = all.iter().find(|(_, s)| s.has_tag(crate::TAG_CLEAN)) {
            keep(clean, KeepReason::NewestClean);
        }
        // What is not judged is not called clean either.
        let frozen = *is_ours
            && series.is_data()
            && !newest.1.has_tag(crate::TAG_CLEAN)
            && !though_not_clean;
        let anchor = newest.1.time.as_second().min(now.as_second());
        for entry in all.iter() {
            if frozen {
                keep(entry, KeepReason::Frozen);
            }
            if policy.within_hours > 0
                && entry.1.time.as_second() >= anchor - i64::from(policy.within_hours) * 3600
            {
                keep(entry, KeepReason::Within);
            }
        }
        let rules = [
            (KeepReason::Hourly, policy.hourly),
            (KeepReason::Daily, policy.daily),
            (KeepReason::Weekly, policy.weekly),
            (KeepReason::Monthly, policy.monthly),
            (KeepReason::Yearly, policy.yearly),
        ];
        for (reason, n) in rules.into_iter().filter(|(_, n)| *n > 0) {
            let current = period(reason, now).0;
            let mut seen: Vec<i64> = Vec::new();
            let mut clean_seen = HashSet::new();
            for entry in all.iter() {
                let at = period(reason, entry.1.time).0;
                let first = seen.last() != Some(&at);
                if first {
                    seen.push(at);
                }
                let young = current - at < i64::from(n);
                let few = seen.len() <= n as usize;
                let clean = entry.1.has_tag(crate::TAG_CLEAN) && clean_seen.insert(at);
                if (young || few) && (first || clean) {
                    keep(entry, reason);
                }
            }
        }
    }
    let mut sorted: Vec<&(Id, Snapshot)> = snapshots.iter().collect();
    sorted.sort_by_key(|(id, s)| (s.time, *id));
    let mut plan = ForgetPlan::default();
    for (id, s) in sorted {
        match reasons.remove(id).filter(|r| !r.is_empty()) {
            Some(why) => plan.keep.push((*id, s.clone(), why.into_iter().collect())),
            None => plan.remove.push((*id, s.clone())),
        }
    }
    plan
}

impl Repository {
    /// Puts a snapshot under a hold: a copy of its record that says why, and that no policy
    /// removes. Holding it again for the same reason changes nothing.
    pub fn hold(&self, snapshot: &Id, reason: &str) -> Result<Id, Error> {
        let mut s = self.snapshot(snapshot)?;
        if s.is_partial() || s.is_hold() {
            return Err(Error::Unsupported(
                format!("snapshot {} is no finished snapshot; it cannot be held", snapshot.short())
                    .into(),
            ));
        }
        let tag = format!("{TAG_HOLD}{reason}");
        for (id, other) in self.snapshots()? {
            if other.tree == s.tree && other.time == s.time && other.has_tag(&tag) {
                return Ok(id);
            }
        }
        s.tags.push(tag);
        s.parent = Some(*snapshot);
        self.commit(&s)
    }

    /// The holds: the copy that holds, and what it holds.
    pub fn holds(&self) -> Result<Vec<(Id, Snapshot)>, Error> {
        Ok(self.snapshots()?.into_iter().filter(|(_, s)| s.is_hold()).collect())
    }

    /// Removes the snapshots that a plan says, newest record last, and nothing else. Their data
    /// stays until a prune.
    pub fn forget_planned(&self, plan: &ForgetPlan) -> Result<u64, Error> {
        let there: HashSet<String> =
            self.store.list(Kind::Snapshots)?.into_iter().map(|e| e.name).collect();
        let mut removed = 0;
        for (id, _) in &plan.remove {
            if there.contains(&id.to_string()) {
                self.forget(id)?;
                removed += 1;
            }
        }
        self.store.flush()?;
        Ok(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TAG_CLEAN;
    use proptest::prelude::*;

    const NOW: &str = "2026-11-21T12:00:00Z";

    fn now() -> jiff::Timestamp {
        NOW.parse().unwrap()
    }

    fn snap(at_s: i64, clean: bool) -> (Id, Snapshot) {
        let time = jiff::Timestamp::from_second(now().as_second() + at_s).unwrap();
        let tags = if clean { vec![TAG_CLEAN.to_owned()] } else { Vec::new() };
        let s = Snapshot {
            time,
            parent: None,
            tree: Id::of(format!("{at_s} {clean}").as_bytes()),
            paths: Vec::new(),
            hostname: "school".into(),
            username: crate::OURS.into(),
            tags,
            program_version: String::new(),
            generation: None,
        };
        (Id::of(format!("snapshot {at_s} {clean}").as_bytes()), s)
    }

    fn usual() -> RetentionPolicy {
        RetentionPolicy {
            within_hours: 48,
            hourly: 0,
            daily: 14,
            weekly: 8,
            monthly: 12,
            yearly: 7,
        }
    }

    const DAY: i64 = 86_400;

    #[test]
    fn what_another_program_wrote_under_a_tenants_name_takes_nothing_of_it() {
        let all: Vec<_> = (0..60).map(|d| snap(-d * DAY, true)).collect();
        let alone = plan(&all, &usual(), now(), false);
        let mut beside = all.clone();
        for d in 0..60 {
            // Later each day, and not called clean: with ours they would stand for the day.
            let mut stray = snap(-d * DAY + 3_600, false);
            stray.1.username = "root".into();
            beside.push(stray);
        }
        let beside = plan(&beside, &usual(), now(), false);
        let ours = |plan: &ForgetPlan| {
            let ours = plan.keep.iter().filter(|(_, s, _)| s.is_ours());
            ours.map(|(id, _, why)| (*id, why.clone())).collect::<Vec<_>>()
        };
        assert_eq!(ours(&alone), ours(&beside));
        assert!(ours(&beside).iter().all(|(_, why)| !why.contains(&KeepReason::Frozen)));
    }

    #[test]
    fn a_year_of_days_is_thinned_as_the_policy_says() {
        let all: Vec<_> = (0..365).map(|d| snap(-d * DAY, true)).collect();
        let plan = plan(&all, &usual(), now(), false);
        assert!((14 + 6 + 9..=14 + 8 + 12 + 2).contains(&plan.keep.len()), "{}", plan.keep.len());
        assert_eq!(plan.keep.len() + plan.remove.len(), 365);
        for (d, (day, _)) in all.iter().enumerate().take(14) {
            assert!(plan.keep.iter().any(|(id, ..)| id == day), "day {d}");
        }
    }

    #[test]
    fn a_flood_rotates_nothing_out() {
        let honest: Vec<_> = (0..30).map(|d| snap(-d * DAY - 100, true)).collect();
        let before = plan(&honest, &usual(), now(), true);
        let flood: Vec<_> = (0..5000).map(|n| snap(-n, n % 2 == 0)).collect();
        let after = plan(&[honest.clone(), flood].concat(), &usual(), now(), true);
        for (id, s, _) in &before.keep {
            assert!(after.keep.iter().any(|(k, ..)| k == id), "{}", s.time);
        }
    }

    #[test]
    fn back_dated_ones_rotate_nothing_out_either() {
        let honest: Vec<_> = (0..30).map(|d| snap(-d * DAY - 100, true)).collect();
        let before = plan(&honest, &usual(), now(), true);
        // One for every hour of thirty days, poisoned, each newer within its day than the honest
        // one.
        let forged: Vec<_> = (0..720).map(|h| snap(-h * 3600 + 1, false)).collect();
        let after = plan(&[honest, forged].concat(), &usual(), now(), true);
        for (id, s, _) in &before.keep {
            assert!(after.keep.iter().any(|(k, ..)| k == id), "{}", s.time);
        }
    }

    #[test]
    fn silence_lets_nothing_age_away() {
        let all: Vec<_> = (400..430).map(|d| snap(-d * DAY, true)).collect();
        let then = plan(
            &all,
            &usual(),
            jiff::Timestamp::from_second(now().as_second() - 400 * DAY).unwrap(),
            false,
        );
        let late = plan(&all, &usual(), now(), false);
        assert!(late.keep.len() >= then.keep.len(), "{} of {}", late.keep.len(), then.keep.len());
    }

    #[test]
    fn the_future_counts_for_nothing_and_stays() {
        let honest: Vec<_> = (0..30).map(|d| snap(-d * DAY, true)).collect();
        let future: Vec<_> = (1..100).map(|d| snap(d * DAY, true)).collect();
        let plan = plan(&[honest.clone(), future.clone()].concat(), &usual(), now(), false);
        for (id, _) in &future {
            assert!(
                plan.keep.iter().any(|(k, _, why)| k == id && why.contains(&KeepReason::Future))
            );
        }
        for entry in &honest[..14] {
            assert!(plan.keep.iter().any(|(k, ..)| *k == entry.0));
        }
    }

    #[test]
    fn nothing_goes_while_the_newest_is_not_clean() {
        let mut all: Vec<_> = (1..100).map(|d| snap(-d * DAY, true)).collect();
        all.push(snap(0, false));
        assert!(plan(&all, &usual(), now(), false).remove.is_empty());
        assert!(!plan(&all, &usual(), now(), true).remove.is_empty());
    }

    #[test]
    fn a_hold_keeps_what_it_holds() {
        let mut all: Vec<_> = (0..100).map(|d| snap(-d * DAY, true)).collect();
        let victim = plan(&all, &usual(), now(), false).remove[0].clone();
        let mut hold = victim.clone();
        hold.0 = Id::of(b"hold");
        hold.1.tags.push(format!("{TAG_HOLD}case 7"));
        all.push(hold);
        let plan = plan(&all, &usual(), now(), false);
        assert!(
            plan.keep.iter().any(|(id, _, why)| *id == victim.0 && why.contains(&KeepReason::Held))
        );
        assert!(plan.keep.iter().any(|(id, ..)| *id == Id::of(b"hold")));
    }

    proptest! {
        /// Whatever is added, in whatever period: what was kept for the newest clean state and for
        /// its own period stays.
        #[test]
        fn the_newest_clean_one_is_always_kept(times in prop::collection::vec((-400 * DAY..5 * DAY,
            any::<bool>()), 1..60), silent: bool) {
            let mut all: Vec<_> = times.iter().map(|(t, clean)| snap(*t, *clean)).collect();
            all.sort_by_key(|(id, _)| *id);
            all.dedup_by_key(|(id, _)| *id);
            let plan = plan(&all, &usual(), now(), silent);
            prop_assert_eq!(plan.keep.len() + plan.remove.len(), all.len());
            let clean = all.iter().filter(|(_, s)| s.has_tag(TAG_CLEAN) &&
                s.time <= now()).max_by_key(|(id, s)| (s.time, *id));
            if let Some((id, _)) = clean {
                prop_assert!(plan.keep.iter().any(|(k, ..)| k == id));
            }
            // Forgetting twice is forgetting once.
            let rest: Vec<_> = plan.keep.iter().map(|(id, s, _)| (*id, s.clone())).collect();
            prop_assert!(super::plan(&rest, &usual(), now(), silent).remove.is_empty());
        }
    }
}
