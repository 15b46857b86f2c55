//! What a vault owes a school, how often, and what of it was not done: by the heartbeat
//! ([`strongroom_custody::heartbeat`]) in the school's folder.

use crate::{Refusal, RepoSettings};
use jiff::{SignedDuration, Timestamp};
use std::path::Path;
use strongroom_custody::heartbeat;
pub(crate) use strongroom_custody::heartbeat::{Beat, Heartbeat};
use strongroom_model::Record;

/// What a vault owes a school.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Duty {
    /// To have its repository open and its settings read.
    Open,
    /// To fetch what is new from copy 2.
    Pull,
    /// To renew locks, whether anything comes or not.
    Renew,
    /// To look whether everything is there and locked.
    Verify,
    /// To attack itself.
    Canary,
    /// To let go what may go.
    Expire,
    /// To tell alarms to the program that the settings name.
    Tell,
    /// To hear from the other clocks that the settings name.
    Clock,
}

impl Duty {
    /// Its name in the file.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Duty::Open => "open",
            Duty::Pull => "pull",
            Duty::Renew => "renew",
            Duty::Verify => "verify",
            Duty::Canary => "canary",
            Duty::Expire => "expire",
            Duty::Tell => heartbeat::TELL,
            Duty::Clock => "clock",
        }
    }
}

/// A schedule is a matter of the host's own time, whatever the vault thinks of it. One that no date
/// can be written for is no time at all: then everything is due, and each duty says why it fails.
pub(crate) fn now() -> Timestamp {
    strongroom_custody::host_time().unwrap_or(Timestamp::UNIX_EPOCH)
}

/// What is known of a school's duties; nothing when none was noted.
pub(crate) fn read(dir: &Path) -> Result<Option<Record<Heartbeat>>, Refusal> {
    Ok(heartbeat::read(dir)?)
}

/// Changes what is known of a duty.
pub(crate) fn note(dir: &Path, duty: Duty, f: impl FnOnce(&mut Beat)) -> Result<(), Refusal> {
    Ok(heartbeat::note(dir, duty.as_str(), now(), f)?)
}

/// A clock that answered before may miss an answer or two; one that never did is told at once.
const DEAF: SignedDuration = SignedDuration::from_hours(2);

/// Whether another clock is silent for longer than chance would have it.
pub(crate) fn is_deaf(beat: &Beat, now: Timestamp) -> bool {
    let long = || beat.began.is_some_and(|since| now.duration_since(since) >= DEAF);
    beat.failed.is_some() && (beat.done.is_none() || long())
}

/// How often each duty is to be done.
pub(crate) fn plan(settings: &RepoSettings) -> Vec<(Duty, SignedDuration)> {
    let hours = |h: u64| SignedDuration::from_hours(i64::try_from(h).unwrap_or(24).clamp(1, 8760));
    let look = hours(settings.look_every_hours);
    let minutes = i64::try_from(settings.pull_every_minutes).unwrap_or(60).clamp(1, 525_600);
    let pull = settings.source.as_ref().map(|_| (Duty::Pull, SignedDuration::from_mins(minutes)));
    let looks = [Duty::Renew, Duty::Verify, Duty::Canary, Duty::Expire].map(|duty| (duty, look));
    pull.into_iter().chain(looks).collect()
}

/// How long after it was done a duty is late. One time may be missed; and one that has hours of the
/// day comes once a day.
fn patience(settings: &RepoSettings, duty: Duty, every: SignedDuration) -> SignedDuration {
    let day = SignedDuration::from_hours(24);
    let every = match duty {
        Duty::Pull if settings.pace.hours.is_some() => every.max(day),
        _ => every,
    };
    every.saturating_mul(2)
}

/// What stands against a duty.
pub(crate) struct Missed {
    pub(crate) duty: Duty,
    /// It was not done for longer than it may be; else the last attempt alone failed.
    pub(crate) late: bool,
    /// In a sentence.
    pub(crate) text: String,
}

/// What was to be done and was not, and what failed when it was tried last.
pub(crate) fn late(dir: &Path, now: Timestamp) -> Vec<Missed> {
    let missed = |duty, late, text| Missed { duty, late, text };
    let kept = match read(dir) {
        Ok(kept) => kept,
        Err(e) => return vec![missed(Duty::Renew, false, e.to_string())],
    };
    let beat = |duty: Duty| kept.as_ref().and_then(|h| h.duties.get(duty.as_str()));
    let mut found = Vec::new();
    let failed = |duty, what: &str| {
        let (at, why) = beat(duty)?.failed.as_ref()?;
        Some(missed(duty, false, format!("{what} failed at {at:.0}: {why}")))
    };
    found.extend(failed(Duty::Open, "opening it"));
    // What cannot be read is told by who opens it.
    let settings = RepoSettings::read(&dir.join("repo.toml"));
    // What the settings do not name any more is not waited for.
    if !settings.as_ref().is_ok_and(|s| s.alarm_command.is_empty()) {
        found.extend(failed(Duty::Tell, "the alarm command"));
    }
    if let Some(beat) = beat(Duty::Clock).filter(|b| is_deaf(b, now))
        && let Some((_, why)) = &beat.failed
        && !settings.as_ref().is_ok_and(|s| s.ntp.is_empty())
    {
        let since = beat.began.map(|at| format!(", since {at:.0} at least")).unwrap_or_default();
        found.push(missed(Duty::Clock, false, format!("{why}{since}")));
    }
    let Ok(settings) = settings else { return found };
    // A vault that an older program kept has no heartbeat: then the enrolment counts.
    let enrolled = || {
        let at = std::fs::metadata(dir.join("school.pub")).and_then(|m| m.modified()).ok()?;
        Timestamp::try_from(at).ok()
    };
    let since = kept.as_ref().map(|h| h.since).or_else(enrolled).unwrap_or(Timestamp::MIN);
    for (duty, every) in plan(&settings) {
        let name = duty.as_str();
        let (done, failed) = beat(duty).map_or((None, None), |b| (b.done, b.failed.as_ref()));
        let from = done.unwrap_or(since);
        if now.duration_since(from) > patience(&settings, duty, every) {
            let last = done.map_or_else(|| "never".to_owned(), |t| format!("last at {t:.0}"));
            let began = beat(duty).and_then(|b| b.began).filter(|b| done.is_none_or(|d| *b > d));
            let why = match (failed, began) {
                (Some((at, why)), _) => format!("failed at {at:.0}: {why}"),
                (None, Some(began)) => format!("was begun at {began:.0} and has not ended"),
                (None, None) => "nothing began it: does `strongroom-vault run` run?".to_owned(),
            };
            let text =
                format!("{name} is late: it was done {last}, is due every {every:#}, and {why}");
            found.push(missed(duty, true, text));
        } else if let Some((at, why)) = failed {
            found.push(missed(duty, false, format!("{name} failed at {at:.0}: {why}")));
        }
    }
    found
}
