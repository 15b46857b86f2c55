//! The queue of changes: every change of a tenant's configuration waits for somebody's decision,
//! until a day.
//!
//! The changes follow from the snapshots at any time; only decisions are kept, one line of JSON
//! each, in a file that is only ever added to.

use crate::{
    Error, Kind, Remedy, School, blocking,
    decisions::{is_said, keep},
};
use jiff::{SignedDuration, Timestamp, civil::Date};
use serde::Serialize;
use serde_json::json;
use std::{collections::HashMap, path::Path};
use strongroom_engine::{
    configuration::history,
    decisions::{Decisions, People, SignatureState, StoredDecisions, read_key},
};
use strongroom_guards::{Change, ChangeKind, Rank, compare};
use strongroom_model::{
    Configuration, Ending, Record,
    decision::{Decided, Decision, DecisionKind},
    digest_id,
};
use strongroom_repository::Id;

/// Days that are looked back when nobody says how many.
pub const DAYS: u32 = 90;

/// How long somebody has to look at a change.
fn days_to_decide(rank: Rank) -> i64 {
    match rank {
        Rank::Critical => 1,
        Rank::High => 3,
        Rank::Medium => 14,
        Rank::Low => 30,
    }
}

/// A decision about a change, and how it stands.
type Looked = (Record<Decision>, SignatureState);

/// Reviews, oldest first; a wrong signature stops.
fn reviews(kept: &StoredDecisions, people: &People) -> Result<Vec<Looked>, Error> {
    kept.decisions()
        .filter(|d| d.kind == DecisionKind::Review)
        .map(|d| Ok((d.clone(), people.standing(d)?)))
        .collect()
}

/// A change in the queue.
#[derive(Debug, Clone, Serialize)]
pub struct Waiting {
    /// The school.
    pub tenant: String,
    /// What it is known by.
    pub id: String,
    /// What changed.
    #[serde(flatten)]
    pub change: Change,
    /// When a snapshot showed it first.
    pub seen: Timestamp,
    /// Until when somebody should decide.
    pub deadline: Timestamp,
    /// Who should.
    pub reviewer: Option<String>,
    /// The snapshot before it: what a restore would go back to.
    pub before: String,
    /// The tenant is as before again.
    pub undone: bool,
    /// `open`, `overdue`, `accepted`, `rejected`, `undone`; an acceptance that ended is open again.
    pub state: &'static str,
    /// What was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Record<Decision>>,
    /// How the decision stands: `signed`, `unsigned`, `unproven`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<&'static str>,
}

impl Waiting {
    /// Whether it waits for somebody: what was rejected and stands still is somebody's work.
    pub fn waits(&self) -> bool {
        ["open", "overdue"].contains(&self.state) || self.state == "rejected" && !self.undone
    }

    /// Whether the object bears its name and is another: other settings name it too.
    pub fn is_replaced(&self) -> bool {
        self.change.kind == ChangeKind::Replaced
    }

    /// What changed, as `collection/name`.
    pub fn place(&self) -> String {
        format!("{}/{}", self.change.collection, self.change.object)
    }
}

fn standing(s: SignatureState) -> &'static str {
    match s {
        SignatureState::Signed => "signed",
        SignatureState::Unsigned => "unsigned",
        SignatureState::Unproven => "unproven",
    }
}

/// Whether the tenant is as before a change again, or the change itself was the way back to what
/// was there before: neither waits for anybody. What is not a matter of one object (a permission of
/// the backup, another object under an old name) always does.
fn is_undone(steps: &[(Id, Configuration)], n: usize, change: &Change) -> bool {
    let Some((_, newest)) = steps.last() else { return false };
    let readable =
        newest.collections.get(&change.collection).is_some_and(|c| c.state.is_collected());
    // What was out of sight, or emptied, and is seen again waits for nobody.
    if change.kind == ChangeKind::Lost {
        let seen = newest.collections.get(&change.collection);
        return readable && seen.is_some_and(|c| !c.objects.is_empty());
    }
    let at = |c: &Configuration| {
        // What was deleted and is made anew has another id.
        let made_anew = matches!(change.kind, ChangeKind::Added | ChangeKind::Removed);
        let one = c.object(&change.collection, &change.object);
        one.map(|o| {
            (
                if made_anew { String::new() } else { o.id.clone() },
                o.body.clone(),
                o.volatile["keyIds"].clone(),
            )
        })
    };
    let (old, new) = (at(&steps[n].1), at(&steps[n + 1].1));
    if !readable || old == new || change.kind == ChangeKind::Replaced {
        return false;
    }
    let states: Vec<_> = steps[..=n + 1].iter().map(|(_, c)| at(c)).collect();
    at(newest) == old || at(newest) == new && ways_back(&states).last() == Some(&true)
}

/// Which steps from one state to the next were the way back from a change: to what was there before
/// it. Whoever takes a way back back makes the change again.
fn ways_back<S: PartialEq>(states: &[S]) -> Vec<bool> {
    let mut out: Vec<bool> = Vec::new();
    for (k, step) in states.windows(2).enumerate() {
        let undoes = |m: usize| !out[m] && states[m] != states[m + 1] && states[m] == step[1];
        out.push(step[0] != step[1] && (0..k).any(undoes));
    }
    out
}

/// What a change is known by: what was there and what is there, not our words for it, nor the
/// snapshots on either side, which come and go. The same change made again has the same id; a
/// decision counts for the time at which it was seen.
fn id_of(old: &Configuration, new: &Configuration, change: &Change) -> String {
    let side = |c: &Configuration| {
        let object = c.object(&change.collection, &change.object);
        // Ids matter where they are the change.
        let id = object.filter(|_| change.kind == ChangeKind::Replaced).map(|o| o.id.clone());
        let named: Vec<&String> = match object {
            Some(_) => Vec::new(),
            None => c
                .references
                .iter()
                .filter(|(s, _)| s.split_once('/').is_some_and(|(_, n)| n == change.object))
                .map(|(_, id)| id)
                .collect(),
        };
        let unseen: Vec<&String> = match object {
            Some(_) => Vec::new(),
            None => {
                c.collections.iter().filter(|(_, c)| c.state.is_blind()).map(|(n, _)| n).collect()
            }
        };
        json!([
            object.map(|o| (&o.body, &o.volatile["keyIds"])),
            id,
            named,
            if change.object == THE_BACKUP { unseen } else { Vec::new() }
        ])
    };
    digest_id(
        &json!([change.collection, change.object, change.kind, side(old), side(new)]).to_string(),
    )
}

/// How the drift calls what happens to the backup's own rights.
const THE_BACKUP: &str = "the backup";

/// Every change that snapshots show, with what was decided.
fn changes(steps: &[(Id, Configuration)], reviews: &[Looked], school: &School) -> Vec<Waiting> {
    let (tenant, own) = (school.tenant(), &school.reader_ids());
    let (now, today) = (school.now(), school.today());
    let mut decided: HashMap<&str, Vec<(Timestamp, &Looked)>> = HashMap::new();
    for looked in reviews {
        // A review without a time says nothing of any.
        if let Some(seen) = looked.0.seen {
            decided.entry(&looked.0.subject).or_default().push((seen, looked));
        }
    }
    let mut out = Vec::new();
    for (n, pair) in steps.windows(2).enumerate() {
        let ((before, old), (_, new)) = (&pair[0], &pair[1]);
        for change in compare(old, new, own, true).changes {
            let id = id_of(old, new, &change);
            let deadline = new.taken + SignedDuration::from_hours(24 * days_to_decide(change.rank));
            let undone = is_undone(steps, n, &change);
            // What was decided about another time says nothing of this one. Snapshots on either
            // side may have been let go.
            let looked = decided
                .get(id.as_str())
                .and_then(|all| {
                    let counts = |(seen, l): &&(Timestamp, &Looked)| {
                        old.taken < *seen && *seen <= new.taken && l.1 != SignatureState::Unproven
                    };
                    let at =
                        |(seen, _): &&(Timestamp, &Looked)| old.taken < *seen && *seen <= new.taken;
                    // What does not count is shown where nothing else is there.
                    all.iter().rfind(counts).or_else(|| all.iter().rfind(at))
                })
                .map(|(_, l)| (*l).clone());
            let counts = looked.as_ref().filter(|(_, s)| *s != SignatureState::Unproven);
            let state = match counts.map(|(d, _)| d) {
                Some(d) if !d.holds_on(today) => "open",
                Some(d) if d.decided == Decided::Accepted => "accepted",
                Some(_) => "rejected",
                _ if undone => "undone",
                _ if deadline < now => "overdue",
                _ => "open",
            };
            out.push(Waiting {
                tenant: tenant.name.clone(),
                id,
                change,
                seen: new.taken,
                deadline,
                reviewer: tenant.reviewer.clone(),
                before: before.to_string(),
                undone,
                state,
                signature: looked.as_ref().map(|(_, s)| standing(*s)),
                decision: looked.map(|(d, _)| d),
            });
        }
    }
    let order = |s: &str| {
        ["overdue", "open", "rejected", "undone", "accepted"].iter().position(|o| *o == s)
    };
    out.sort_by(|a, b| {
        order(a.state)
            .cmp(&order(b.state))
            .then(a.change.rank.cmp(&b.change.rank))
            .then(a.deadline.cmp(&b.deadline))
    });
    out
}

/// The changes of a school, the most urgent first, and what there is to tell of the place that
/// keeps decisions.
#[derive(Debug, Default)]
pub struct Queue {
    /// The changes: those that wait and those that do not.
    pub changes: Vec<Waiting>,
    /// What there is to tell.
    pub told: Vec<String>,
    /// Whether all that people decided is understood.
    pub is_whole: bool,
    days: u32,
}

/// The changes of a school in so many days.
///
/// # Errors
/// [`Kind::Request`], where no settings were kept yet; else those of opening copy 2, and of reading
/// decisions.
pub async fn queue(school: &School, days: u32) -> Result<Queue, Error> {
    let repo = school.repository().await?;
    let (name, since) = (school.name().to_owned(), days_ago(school, days));
    let steps = blocking(move || Ok(history(&repo, &name, since)?)).await?;
    if steps.is_empty() {
        let what = format!("no configuration of {} was kept yet", school.name());
        let remedy = Remedy::ReadSettings(school.name().to_owned());
        return Err(Error::new(Kind::Request, what).with(remedy));
    }
    let kept = school.decisions().entries()?;
    let changes = changes(&steps, &reviews(&kept, &school.config().people()?)?, school);
    let is_whole = kept.unknown.is_empty();
    Ok(Queue { changes, told: [kept.cut, kept.unknown].concat(), is_whole, days })
}

/// The moment so many days ago.
pub(crate) fn days_ago(school: &School, days: u32) -> Timestamp {
    school.now() - SignedDuration::from_hours(24 * i64::from(days))
}

/// Fewer digits of an id may be those of two.
const DIGITS_MIN: usize = 6;

/// What somebody decides about changes.
#[derive(Debug, Clone)]
pub struct Ruling<'a> {
    /// Accepted, or rejected.
    pub decided: Decided,
    /// Who decides.
    pub by: &'a str,
    /// Why.
    pub reason: &'a str,
    /// The last day on which it holds; for ever without one.
    pub until: Option<Date>,
    /// The key file of who decides.
    pub key_file: Option<&'a Path>,
}

impl Ruling<'_> {
    /// Refuses one that cannot be kept, so that nobody is asked in vain.
    ///
    /// # Errors
    /// As [`decide`].
    pub fn check(&self, school: &School) -> Result<(), Error> {
        is_said(school, self.by, self.reason, self.until)?;
        school.config().people()?;
        Ok(self.key_file.map(read_key).transpose().map(drop)?)
    }
}

impl Queue {
    /// How it is to be looked at: what is not understood is no success, what is overdue an alarm.
    pub fn ending(&self) -> Ending {
        let unknown = if self.is_whole { Ending::Done } else { Ending::Partial };
        let is_overdue = self.changes.iter().any(|e| e.state == "overdue");
        unknown.or_worse(if is_overdue { Ending::Alarm } else { Ending::Done })
    }

    /// The changes that somebody means by these words, each once.
    ///
    /// # Errors
    /// [`Kind::Request`], where a word means none, or several.
    pub fn meant(&self, words: &[String]) -> Result<Vec<&Waiting>, Error> {
        let mut chosen: Vec<&Waiting> = Vec::new();
        for what in words {
            for e in meant(&self.changes, what, self.days)? {
                if !chosen.iter().any(|c| c.id == e.id && c.seen == e.seen) {
                    chosen.push(e);
                }
            }
        }
        Ok(chosen)
    }
}

/// Keeps what somebody decided about changes.
///
/// # Errors
/// [`Kind::Request`], where it is not said who or why, or the last day is over; and those of the
/// key and of the place that keeps decisions.
pub fn decide(school: &School, chosen: &[&Waiting], ruling: &Ruling<'_>) -> Result<(), Error> {
    let at = school.now();
    let made = chosen.iter().map(|e| Decision {
        says: Some(e.change.says.as_str().to_owned()),
        seen: Some(e.seen),
        decided: ruling.decided,
        person: Some(ruling.by.to_owned()),
        from: Some(at),
        until: ruling.until,
        ..Decision::new(DecisionKind::Review, e.id.clone(), ruling.reason)
    });
    keep(school, made.collect(), ruling.key_file)
}

/// The changes that somebody means.
fn meant<'e>(all: &'e [Waiting], what: &str, days: u32) -> Result<Vec<&'e Waiting>, Error> {
    let wrong = |what: String| Error::new(Kind::Request, what);
    if what.contains('/') {
        let fits = |e: &Waiting| e.change.collection == what || e.place() == what;
        let there: Vec<&Waiting> = all.iter().filter(|e| e.waits() && fits(e)).collect();
        return match there.is_empty() {
            false => Ok(there),
            true => Err(wrong(format!(
                "nothing waits for a decision at {what:?}, which must be a collection or \
                 COLLECTION/NAME"
            ))),
        };
    }
    let what = what.to_lowercase();
    if what.len() < DIGITS_MIN {
        return Err(wrong(format!(
            "{what:?} is too short to name a change; give at least {DIGITS_MIN} digits"
        )));
    }
    // Of the same change at several times those that wait are meant, or the last.
    let found: Vec<&Waiting> = all.iter().filter(|e| e.id.starts_with(&what)).collect();
    let Some(first) = found.first() else {
        let none = format!("no change {what:?} in the last {days} days");
        return Err(wrong(none).with(Remedy::ListChanges));
    };
    if found.iter().any(|e| e.id != first.id) {
        return Err(wrong(format!(
            "{what:?} is the beginning of several changes; give more digits"
        )));
    }
    let waiting: Vec<&Waiting> = found.iter().copied().filter(|e| e.waits()).collect();
    Ok(if waiting.is_empty() {
        found.into_iter().max_by_key(|e| e.seen).into_iter().collect()
    } else {
        waiting
    })
}

/// Changes that somebody accepted and that stand still, in any of these objects or collections.
///
/// # Errors
/// [`Kind::Refused`], where an entry is not understood: it may be somebody's decision against what
/// is about to be done; and those of reading decisions.
pub(crate) fn accepted_in(
    school: &School,
    steps: &[(Id, Configuration)],
    chosen: &[String],
) -> Result<Vec<String>, Error> {
    let kept = school.decisions().entries()?;
    if let Some(unknown) = kept.unknown.first() {
        let what =
            format!("{unknown}; until then nothing is set back that somebody may have accepted");
        return Err(Error::new(Kind::Refused, what));
    }
    let all = changes(steps, &reviews(&kept, &school.config().people()?)?, school);
    let touched = |e: &Waiting| chosen.iter().any(|c| *c == e.change.collection || *c == e.place());
    Ok(all
        .iter()
        .filter(|e| e.state == "accepted" && !e.undone && touched(e))
        .map(|e| format!("{}: {}", e.id, e.change.says.line()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::ways_back;

    #[test]
    fn a_change_made_again_is_no_way_back() {
        assert_eq!(ways_back(&["a", "b", "a", "b", "a"]), [false, true, false, true]);
        assert_eq!(ways_back(&["a", "b", "c", "c", "b"]), [false, false, false, true]);
        assert_eq!(ways_back(&["a", "b", "c", "a"]), [false, false, true]);
    }
}
