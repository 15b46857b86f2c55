//! How much may come in: a quota for each school, a floor of free disk for all, and bounds for what
//! no manifest explains. Each is asked before anything is stored, so that one school's flood fills
//! neither the disk of the others nor the vault's own log.

use crate::{HoldEntry, RepoSettings};
use std::path::Path;
use strongroom_custody::{HostAlarm, State};
use strongroom_model::shown_bytes;

/// The floor of free disk: this share of it, in percent, or [`FREE_BYTES`] where that is less.
const FREE_PERCENT: u64 = 5;
const FREE_BYTES: u64 = 50 << 30;
/// So many objects of a session that is not sealed yet may be small: packs are not.
const SMALL_OBJECTS_MAX: u64 = 20_000;
const SMALL_BYTES: u64 = 64 << 10;
/// What was pushed and is named by no manifest after so long was never meant to be.
const UNEXPLAINED_HOURS: i64 = 24;

/// Kinds of alarms about space.
pub(crate) const FULL: &str = "full";
/// More came than any manifest explains.
pub(crate) const GROWTH: &str = "growth";

/// Whether so many bytes may come in besides what is held; says why not.
pub(crate) fn may_come(
    settings: &RepoSettings,
    dir: &Path,
    held_bytes: u64,
    new_bytes: u64,
) -> Result<(), String> {
    if let Some(quota) = settings.quota_bytes
        && held_bytes.saturating_add(new_bytes) > quota
    {
        return Err(format!(
            "the quota of {quota} bytes is used up: {held_bytes} bytes are held; the vault's admin \
             sets `quota_bytes` in repo.toml"
        ));
    }
    // A bucket takes nothing of this host's disk.
    if !matches!(settings.hold, HoldEntry::Local { .. }) {
        return Ok(());
    }
    // What cannot be asked is no reason to store nothing: writing fails where the disk is full.
    let hold = rustix::fs::statvfs(dir.join("hold"));
    let Ok(disk) = hold.or_else(|_| rustix::fs::statvfs(dir)) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let all = disk.f_blocks.saturating_mul(disk.f_frsize);
    let floor = settings
        .free_bytes_min
        .unwrap_or_else(|| (all / 100).saturating_mul(FREE_PERCENT).min(FREE_BYTES));
    match free < floor.saturating_add(new_bytes) {
        false => Ok(()),
        true => Err(format!(
            "the vault's disk has {} left, and {} stay free for its own work; nothing more is \
             taken in",
            shown_bytes(free),
            shown_bytes(floor)
        )),
    }
}

/// Whether another object may come into the open session: a heap of small ones is no backup, and
/// costs whoever reads the log.
pub(crate) fn may_be_explained(state: &State) -> Result<(), String> {
    let (objects, bytes) = state.unsealed();
    match objects >= SMALL_OBJECTS_MAX && bytes / objects.max(1) < SMALL_BYTES {
        false => Ok(()),
        true => Err(format!(
            "{objects} objects of {} were pushed and never sealed: this is no backup; what no \
             manifest names is set aside after {UNEXPLAINED_HOURS} hours",
            shown_bytes(bytes)
        )),
    }
}

/// Paths of the open session that are older than anything that is still being pushed.
pub(crate) fn never_explained(state: &State, now: jiff::Timestamp) -> Vec<String> {
    let old = |at: jiff::Timestamp| {
        now.duration_since(at) > jiff::SignedDuration::from_hours(UNEXPLAINED_HOURS)
    };
    let open = state.objects.iter().filter(|(_, o)| o.session == 0 && !o.stray && old(o.at));
    open.filter(|(p, _)| !p.starts_with("keys/") && *p != "config")
        .map(|(p, _)| p.clone())
        .collect()
}

/// More came since the last seal than the policy bears from a session: told before the next one.
/// The first push is all of it.
pub(crate) fn growth(state: &State) -> Option<HostAlarm> {
    let (objects, bytes) = state.unsealed();
    let before = state.held_bytes().saturating_sub(bytes);
    let policy = &state.policy;
    let much = bytes > policy.growth_bytes_free
        && bytes / (before / 100).max(1) > u64::from(policy.growth_percent_max);
    let many = objects >= SMALL_OBJECTS_MAX && bytes / objects.max(1) < SMALL_BYTES;
    let is_first = state.sessions.is_empty();
    if !many && (!much || is_first) {
        return None;
    }
    // No counts: it is one alarm, however much comes.
    let text = "more was pushed since the last seal than the policy bears, and no manifest names \
        it: a flood, or a push that broke off; `status` says how much lies in no view";
    Some(HostAlarm::new(GROWTH, "", text))
}
