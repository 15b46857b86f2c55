//! Alarms that stand: what is wrong for as long as it is so, by kind and by what it is about.
//!
//! The duty that found something wrong ends the alarm when it looks again and finds it over. A kind
//! has [`SUBJECTS_MAX`] rows at most, those that stand before those that are new, and one for the
//! rest: noise pushes nothing out. Custodians may acknowledge a row, for a while and for what it
//! says now.

use crate::{Error, Holding, LogEvent};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Rows of one kind.
const SUBJECTS_MAX: usize = 50;
/// What stands for those that found no row.
pub const REST: &str = "*";
/// A row that only says something else than before is written this long after it was last.
const WRITE_AGAIN: SignedDuration = SignedDuration::from_hours(20);
/// Of a subject and of a sentence: they may come from who stores things here.
const CHARS_MAX: usize = 400;
/// Kinds that nobody can acknowledge: what they tell is a loss, or a way in.
pub const NEVER_ACKNOWLEDGED: [&str; 5] = ["lost", "damaged", "canary", "log", "unlocked"];
/// An acknowledgement is good for so long at most.
pub const ACKNOWLEDGED_DAYS_MAX: i64 = 90;

/// What is wrong: kind, subject, sentence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostAlarm {
    /// A short code.
    pub kind: String,
    /// What it is about; empty where the kind says it all.
    pub subject: String,
    /// One sentence.
    pub text: String,
}

impl HostAlarm {
    /// An alarm; control characters of what somebody else wrote are made visible.
    pub fn new(kind: &str, subject: &str, text: &str) -> Self {
        Self { kind: kind.to_owned(), subject: plain(subject), text: plain(text) }
    }
}

/// Text that may come from who stores things here, as it can be shown: what moves a cursor, or
/// turns the direction of writing, is escaped.
pub fn visible(text: &str) -> String {
    let turns = |c: char| {
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{61c}')
    };
    let mut out = String::new();
    for c in text.chars() {
        match c.is_control() || turns(c) {
            true => out.extend(c.escape_unicode()),
            false => out.push(c),
        }
    }
    out
}

/// The same, and no longer than a person reads.
pub fn plain(text: &str) -> String {
    let mut rest = text.chars();
    let mut out = visible(&rest.by_ref().take(CHARS_MAX).collect::<String>());
    out.extend(rest.next().map(|_| '…'));
    out
}

/// An alarm that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StandingHostAlarm {
    /// Since when.
    pub since: Timestamp,
    /// When it was written last.
    pub told: Timestamp,
    /// One sentence.
    pub text: String,
    /// Until when custodians bear it; nothing when they do not.
    pub acknowledged: Option<Timestamp>,
}

impl StandingHostAlarm {
    /// Whether nobody bears it now.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.acknowledged.is_none_or(|until| until <= now)
    }
}

/// Those that stand, by kind and subject.
pub type StandingHostAlarms = BTreeMap<(String, String), StandingHostAlarm>;

/// One that custodians bear, as it was when they signed: one that says something else is another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcknowledgedHostAlarm {
    /// Its kind.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// What it says.
    pub text: String,
}

/// Whether custodians may bear these until then, when they sign at `at`.
///
/// # Errors
/// None is named, one is of a kind that nobody may bear, or it is for too long.
pub fn may_acknowledge(
    alarms: &[AcknowledgedHostAlarm],
    until: Timestamp,
    at: Timestamp,
) -> Result<(), Error> {
    if alarms.is_empty() {
        return Err(Error::Request("name the alarms that are acknowledged".into()));
    }
    if let Some(a) = alarms.iter().find(|a| NEVER_ACKNOWLEDGED.contains(&a.kind.as_str())) {
        return Err(Error::Request(
            format!(
                "an alarm of the kind {:?} ends when what it tells is over, and by no order",
                a.kind
            )
            .into(),
        ));
    }
    if alarms.iter().any(|a| a.subject == REST) {
        return Err(Error::Request(
            format!(
                "what stands for more than {SUBJECTS_MAX} others is acknowledged by none of them"
            )
            .into(),
        ));
    }
    if until > bound(at) {
        return Err(Error::Request(
            format!("an alarm is acknowledged for {ACKNOWLEDGED_DAYS_MAX} days at most").into(),
        ));
    }
    Ok(())
}

fn bound(at: Timestamp) -> Timestamp {
    at.checked_add(SignedDuration::from_hours(24 * ACKNOWLEDGED_DAYS_MAX)).unwrap_or(at)
}

/// Takes in that custodians bear these.
pub(crate) fn acknowledge(
    all: &mut StandingHostAlarms,
    alarms: &[AcknowledgedHostAlarm],
    until: Timestamp,
    at: Timestamp,
) {
    for a in alarms.iter().filter(|a| !NEVER_ACKNOWLEDGED.contains(&a.kind.as_str())) {
        if let Some(row) = all.get_mut(&(a.kind.clone(), a.subject.clone()))
            && row.text == a.text
        {
            row.acknowledged = Some(until.min(bound(at)));
        }
    }
}

/// Takes in that an alarm was raised.
pub(crate) fn raise(all: &mut StandingHostAlarms, at: Timestamp, alarm: HostAlarm) {
    let new = |since, acknowledged| StandingHostAlarm {
        since,
        told: at,
        text: alarm.text.clone(),
        acknowledged,
    };
    let row = match all.get(&(alarm.kind.clone(), alarm.subject.clone())) {
        Some(row) if row.text == alarm.text => new(row.since, row.acknowledged),
        Some(row) => new(row.since, None),
        None => new(at, None),
    };
    all.insert((alarm.kind.clone(), alarm.subject.clone()), row);
}

/// The events that turn what stands into what was found: of the kinds that were looked for, what
/// was not found is over.
fn events(
    standing: &StandingHostAlarms,
    looked_for: &[&str],
    found: Vec<HostAlarm>,
    now: Timestamp,
) -> Vec<LogEvent> {
    let mut by_kind: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for HostAlarm { kind, subject, text } in found {
        by_kind.entry(kind).or_default().entry(subject).or_insert(text);
    }
    let stands = |kind: &str, subject: &str| standing.get(&(kind.to_owned(), subject.to_owned()));
    let mut rows: BTreeSet<HostAlarm> = BTreeSet::new();
    for (kind, mut all) in by_kind {
        let left = all.len().saturating_sub(SUBJECTS_MAX);
        let (old, new): (Vec<_>, Vec<_>) =
            std::mem::take(&mut all).into_iter().partition(|(s, _)| stands(&kind, s).is_some());
        let kept = old.into_iter().chain(new).take(SUBJECTS_MAX);
        rows.extend(kept.map(|(subject, text)| HostAlarm { kind: kind.clone(), subject, text }));
        if left > 0 {
            let text = format!("{left} more of this kind");
            rows.insert(HostAlarm { kind, subject: REST.to_owned(), text });
        }
    }
    let is_found =
        |key: &(String, String)| rows.iter().any(|a| a.kind == key.0 && a.subject == key.1);
    let over = standing
        .keys()
        .filter(|key| looked_for.contains(&key.0.as_str()) && !is_found(key))
        .map(|(kind, subject)| LogEvent::Over {
            at: now,
            kind: kind.clone(),
            subject: subject.clone(),
        });
    let mut out: Vec<LogEvent> = over.collect();
    let is_news = |a: &&HostAlarm| match stands(&a.kind, &a.subject) {
        None => true,
        Some(row) if row.text == a.text => false,
        Some(row) => row.acknowledged.is_some() || now.duration_since(row.told) >= WRITE_AGAIN,
    };
    out.extend(rows.iter().filter(is_news).map(|a| LogEvent::Raised {
        at: now,
        kind: a.kind.clone(),
        subject: a.subject.clone(),
        text: a.text.clone(),
    }));
    out
}

/// Writes down what a look found: alarms that are new, and, of the kinds that it looked for, those
/// that are over. Answers the new ones.
///
/// # Errors
/// When the log cannot be written.
pub fn record_alarms(
    holding: &mut Holding,
    looked_for: &[&str],
    found: Vec<HostAlarm>,
    now: Timestamp,
) -> Result<Vec<(String, String)>, Error> {
    let events = events(&holding.ledger().state().standing, looked_for, found, now);
    let new = events.iter().filter_map(|e| match e {
        LogEvent::Raised { kind, text, .. } => Some((kind.clone(), text.clone())),
        _ => None,
    });
    let new = new.collect();
    if !events.is_empty() {
        holding.ledger_mut().append(events, now)?;
    }
    Ok(new)
}

/// Turns what stands into what a look found, where no log is kept: as [`record_alarms`]. Answers
/// what is new.
pub fn look_again(
    standing: &mut StandingHostAlarms,
    looked_for: &[&str],
    found: Vec<HostAlarm>,
    now: Timestamp,
) -> Vec<HostAlarm> {
    let mut new = Vec::new();
    for event in events(standing, looked_for, found, now) {
        match event {
            LogEvent::Raised { at, kind, subject, text } => {
                let alarm = HostAlarm { kind, subject, text };
                raise(standing, at, alarm.clone());
                new.push(alarm);
            }
            LogEvent::Over { kind, subject, .. } => {
                standing.remove(&(kind, subject));
            }
            _ => {}
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::State;

    fn events(
        state: &State,
        looked_for: &[&str],
        found: Vec<HostAlarm>,
        now: Timestamp,
    ) -> Vec<LogEvent> {
        super::events(&state.standing, looked_for, found, now)
    }

    fn state(events: &[LogEvent]) -> State {
        let mut state = State::default();
        events.iter().for_each(|e| state.apply(e, crate::SignerRole::Vault, at(0)).unwrap());
        state
    }

    fn at(hours: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
    }

    fn alarms(kind: &str, subjects: impl Iterator<Item = usize>) -> Vec<HostAlarm> {
        subjects.map(|n| HostAlarm::new(kind, &format!("{n:04}"), "it is so")).collect()
    }

    #[test]
    fn noise_pushes_no_alarm_out() {
        let mut all = events(&State::default(), &["lost"], alarms("lost", 9_000..9_001), at(0));
        // Ten thousand others, of its own kind and of others.
        for kind in ["lost", "unknown", "covered"] {
            let found = alarms(kind, 0..10_000).into_iter().chain(alarms("lost", 9_000..9_001));
            let now = state(&all);
            all.extend(events(&now, &["unknown"], found.collect(), at(1)));
        }
        let now = state(&all);
        assert!(now.standing.contains_key(&("lost".into(), "9000".into())));
        assert_eq!(now.standing.len(), 3 * (SUBJECTS_MAX + 1) - 51, "{:?}", now.standing.keys());
        assert!(now.standing[&("lost".into(), "*".into())].text.contains("9950 more"));
    }

    #[test]
    fn an_alarm_ends_with_what_it_tells_and_is_written_once() {
        let found = || alarms("unknown", 0..3);
        let first = events(&State::default(), &["unknown"], found(), at(0));
        assert_eq!(first.len(), 3);
        let mut log = first;
        assert!(events(&state(&log), &["unknown"], found(), at(1)).is_empty());
        // Another duty's look says nothing about it.
        assert!(events(&state(&log), &["lost"], Vec::new(), at(1)).is_empty());
        log.extend(events(&state(&log), &["unknown"], alarms("unknown", 1..2), at(2)));
        assert_eq!(state(&log).standing.len(), 1);
        // A sentence that only counts on is not written each hour.
        let counts = |n: u64| vec![HostAlarm::new("stray", "", &format!("{n} objects"))];
        log = events(&State::default(), &[], counts(1), at(0));
        assert!(events(&state(&log), &[], counts(2), at(1)).is_empty());
        assert_eq!(events(&state(&log), &[], counts(2), at(21)).len(), 1);
    }

    #[test]
    fn what_custodians_bear_is_open_again_when_the_while_is_over() {
        let day = |n: i64| at(24 * n);
        let named = |text: &str| AcknowledgedHostAlarm {
            kind: "unknown".into(),
            subject: "0000".into(),
            text: text.into(),
        };
        let log = events(&State::default(), &["unknown"], alarms("unknown", 0..1), day(0));
        let row = |until: Timestamp, signed: Timestamp, text: &str| {
            let mut all = state(&log).standing;
            acknowledge(&mut all, &[named(text)], until, signed);
            all.remove(&("unknown".to_owned(), "0000".to_owned())).unwrap()
        };
        let borne = row(day(40), day(10), "it is so");
        let is_open = [39, 40, 41].map(|n| borne.is_open(day(n)));
        assert_eq!(is_open, [false, true, true]);
        // For ninety days from when they signed, whatever an order of a log says.
        let borne = row(day(4_000), day(10), "it is so");
        assert_eq!(borne.acknowledged, Some(day(100)));
        assert!(!borne.is_open(day(99)) && borne.is_open(day(100)));
        let may = |until| may_acknowledge(&[named("it is so")], until, day(10));
        assert!(may(day(100)).is_ok() && may(day(100) + SignedDuration::from_secs(1)).is_err());
        // And for what it said then.
        assert_eq!(row(day(40), day(10), "it is otherwise").acknowledged, None);
        let says = |text: &str| vec![HostAlarm::new("unknown", "0000", text)];
        let mut borne = state(&log);
        acknowledge(&mut borne.standing, &[named("it is so")], day(40), day(0));
        assert!(events(&borne, &["unknown"], says("it is so"), day(1)).is_empty());
        let again = events(&borne, &["unknown"], says("it is worse"), day(1));
        again.iter().for_each(|e| borne.apply(e, crate::SignerRole::Vault, day(1)).unwrap());
        assert!(borne.standing.values().all(|s| s.is_open(day(1))), "another is open");
    }

    #[test]
    fn what_is_shown_moves_no_cursor() {
        let shown = plain("a\u{1b}[2J\u{202e}b\u{9b}c\nd");
        assert!(shown.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{shown:?}");
        assert!(shown.contains("\\u{1b}[2J") && plain(&"x".repeat(9_999)).chars().count() == 401);
    }
}
