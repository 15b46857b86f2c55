//! What of an intruder still stands: grave changes of settings since before the first sign that
//! nobody put back and nobody decided about. Data that is brought back while the door is open is
//! encrypted again.

use super::{BEFORE, Topic, data::DataSigns};
use crate::{
    Error, Hears, Kind, Remedy, School, blocking,
    reviews::{self, Ruling, Waiting},
    settings::keep_settings,
};
use jiff::{SignedDuration, Timestamp, civil::Date};
use serde::Serialize;
use std::sync::Arc;
use strongroom_guards::Rank;
use strongroom_model::{Untrusted, decision::Decided};
use strongroom_repository::Repository;

/// So many are named in a sentence.
const NAMED_MAX: usize = 3;

/// Who accepted that a change stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AcceptedChange {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The last day on which it holds; for ever without one.
    pub until: Option<Date>,
}

/// A grave change that stands still.
#[derive(Debug, Clone, Serialize)]
pub struct StandingChange {
    /// What it is known by.
    pub id: String,
    /// When a snapshot showed it first.
    pub at: Timestamp,
    /// That snapshot.
    pub snapshot: String,
    /// The snapshot before it: what a restore of settings would go back to.
    pub before: String,
    /// How grave.
    pub rank: Rank,
    /// What it gives an intruder.
    pub topic: Topic,
    /// `collection/name`.
    pub place: String,
    /// One sentence.
    pub says: Untrusted,
    /// Whether somebody decided that it is to go, and it is still there.
    pub is_rejected: bool,
    /// Who accepted it, if somebody did.
    pub accepted: Option<AcceptedChange>,
}

impl StandingChange {
    fn of(w: &Waiting) -> Self {
        let accepted = w.decision.as_ref().filter(|_| w.state == "accepted");
        Self {
            id: w.id.clone(),
            at: w.seen,
            snapshot: w.snapshot.clone(),
            before: w.before.clone(),
            rank: w.change.rank,
            topic: Topic::of(&w.change.collection),
            place: w.place(),
            says: w.change.says.clone(),
            is_rejected: w.state == "rejected",
            accepted: accepted.map(|d| AcceptedChange {
                by: d.by().to_owned(),
                reason: d.reason.clone(),
                until: d.until,
            }),
        }
    }
}

/// What of an intruder still stands, as the settings were read last.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Intruder {
    /// From when on changes count; nothing where there is no sign of an attack, and nothing is
    /// asked then.
    pub since: Option<Timestamp>,
    /// When the settings were read last; nothing where they never were.
    pub read: Option<Timestamp>,
    /// Grave changes that stand, the gravest first.
    pub changes: Vec<StandingChange>,
    /// Why it is not known, where it is not.
    pub unknown: Option<String>,
}

impl Intruder {
    /// Those that nobody accepted.
    pub fn undecided(&self) -> impl Iterator<Item = &StandingChange> {
        self.changes.iter().filter(|c| c.accepted.is_none())
    }

    /// Refuses to go on while something stands that nobody accepted.
    ///
    /// # Errors
    /// [`Kind::Refused`], with what stands and what decides.
    pub fn is_decided(&self) -> Result<(), Error> {
        let open: Vec<&StandingChange> = self.undecided().collect();
        if open.is_empty() {
            return Ok(());
        }
        let named = open.iter().take(NAMED_MAX).map(|c| format!("{:.8} {}", c.id, c.says.quoted()));
        let named: Vec<String> = named.collect();
        let more = match open.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            n => format!("; and {n} more"),
        };
        let what = format!(
            "{} of the intruder's may still stand, and nobody decided about {}: {}{more}; nothing \
             was brought back",
            if open.len() == 1 { "a change".to_owned() } else { format!("{} changes", open.len()) },
            if open.len() == 1 { "it" } else { "them" },
            named.join("; ")
        );
        Err(Error::new(Kind::Refused, what).with(Remedy::DecideIntruder))
    }
}

/// Changes of settings since a time, the gravest first, and when they were read last.
pub(super) struct SettingsSeen {
    pub(super) changes: Vec<Waiting>,
    pub(super) read: Option<Timestamp>,
    pub(super) told: Vec<String>,
    pub(super) unknown: Option<String>,
}

pub(super) async fn settings_since(
    school: &School,
    repo: &Arc<Repository>,
    since: Timestamp,
) -> Result<SettingsSeen, Error> {
    let day = SignedDuration::from_hours(24).as_secs();
    let days = school.now().duration_since(since).as_secs().max(0) / day + 1;
    let found = reviews::queue(school, u32::try_from(days).unwrap_or(u32::MAX)).await;
    let queue = match found {
        Ok(queue) => queue,
        // Nothing was ever kept: that is said, and nobody can decide about it.
        Err(e) if matches!(e.remedy(), Some(Remedy::ReadSettings(_))) => {
            let unknown = Some(format!("{}: what changed in them is not known", e.sentence()));
            return Ok(SettingsSeen { changes: Vec::new(), read: None, told: Vec::new(), unknown });
        }
        Err(e) => return Err(e),
    };
    let mut changes: Vec<Waiting> = queue.changes.into_iter().filter(|w| w.seen >= since).collect();
    changes.sort_by(|a, b| {
        let key = |w: &Waiting| (w.change.rank, Topic::of(&w.change.collection), w.seen);
        key(a).cmp(&key(b)).then_with(|| a.place().cmp(&b.place()))
    });
    let (of, repo) = (school.name().to_owned(), repo.clone());
    let read = blocking(move || Ok(strongroom_engine::configuration::latest(&repo, &of)?)).await?;
    let read = read.map(|(_, c)| c.taken);
    Ok(SettingsSeen { changes, read, told: queue.told, unknown: None })
}

/// Whether a change is grave and stands still: it was not put back, and what it was made to is
/// still there. That something is gone which was there stands by itself.
pub(super) fn stands(w: &Waiting) -> bool {
    w.change.rank <= Rank::High && !w.undone && !w.is_gone
}

impl SettingsSeen {
    pub(super) fn intruder(&self, since: Timestamp) -> Intruder {
        let changes = self.changes.iter().filter(|w| stands(w) && w.seen >= since);
        Intruder {
            since: Some(since),
            read: self.read,
            changes: changes.map(StandingChange::of).collect(),
            unknown: self.unknown.clone(),
        }
    }
}

/// What of an intruder still stands in a school's tenant. Where no alarm about data stands there is
/// none as far as is known, and nothing is asked.
///
/// # Errors
/// Those of reading copy 2, and decisions.
pub async fn intruder(school: &School) -> Result<Intruder, Error> {
    let repo = school.repository().await?;
    intruder_in(school, &repo).await
}

/// The same, where copy 2 is open.
pub(crate) async fn intruder_in(
    school: &School,
    repo: &Arc<Repository>,
) -> Result<Intruder, Error> {
    let (of, at, now) = (school.name().to_owned(), repo.clone(), school.now());
    let data = blocking(move || DataSigns::of(&at, &of, None, now)).await?;
    let Some(first) = data.first_of_attack() else { return Ok(Intruder::default()) };
    let since = first.saturating_sub(BEFORE).unwrap_or(first);
    Ok(settings_since(school, repo, since).await?.intruder(since))
}

/// Which changes somebody accepts.
#[derive(Debug, Clone)]
pub enum Which<'a> {
    /// All that stand and that nobody accepted.
    All,
    /// These, by the first digits of their ids.
    Named(&'a [String]),
}

/// Fewer digits of an id may be those of two.
const DIGITS_MIN: usize = 6;

impl Intruder {
    /// Those that somebody means and that nobody accepted yet.
    ///
    /// # Errors
    /// [`Kind::Request`], where a word means none or several, or nothing is undecided.
    pub fn meant(&self, which: &Which<'_>) -> Result<Vec<&StandingChange>, Error> {
        let open: Vec<&StandingChange> = self.undecided().collect();
        let wrong = |what: String| Err(Error::new(Kind::Request, what));
        let words = match which {
            Which::All if open.is_empty() => {
                return wrong("nothing of an intruder's waits for a decision".to_owned());
            }
            Which::All => return Ok(open),
            Which::Named(words) => words,
        };
        let mut out: Vec<&StandingChange> = Vec::new();
        for word in *words {
            let word = word.to_lowercase();
            let found: Vec<&&StandingChange> =
                open.iter().filter(|c| c.id.starts_with(&word)).collect();
            let is_one = found.iter().all(|c| c.id == found[0].id);
            if word.len() < DIGITS_MIN || found.is_empty() || !is_one {
                return wrong(format!(
                    "{word:?} names none of the changes that wait for a decision, or several; give \
                     at least {DIGITS_MIN} digits of one"
                ));
            }
            for c in found {
                if !out.iter().any(|o| o.id == c.id && o.at == c.at) {
                    out.push(c);
                }
            }
        }
        Ok(out)
    }
}

/// Keeps that somebody accepts that these stand: a review of each, with one reason.
///
/// # Errors
/// As [`reviews::decide`].
pub async fn accept(
    school: &School,
    changes: &[&StandingChange],
    ruling: &Ruling<'_>,
) -> Result<(), Error> {
    ruling.check(school)?;
    let first = changes.iter().map(|c| c.at).min().unwrap_or_else(|| school.now());
    let repo = school.repository().await?;
    let seen = settings_since(school, &repo, first).await?;
    let is_meant = |w: &&Waiting| changes.iter().any(|c| c.id == w.id && c.at == w.seen);
    let meant: Vec<&Waiting> = seen.changes.iter().filter(is_meant).collect();
    reviews::decide(school, &meant, &Ruling { decided: Decided::Accepted, ..ruling.clone() })
}

/// What was looked at again.
#[derive(Debug, Serialize)]
pub struct LookedAgain {
    /// Changes that stood and are gone.
    pub gone: Vec<StandingChange>,
    /// What stands still.
    pub intruder: Intruder,
    /// Collections that could not be read now, and why: whether anything of them is gone is not
    /// known.
    pub blind: Vec<String>,
}

/// Reads the settings of the tenant anew, and says what of the intruder is gone. What Microsoft
/// rations is read too where something of it stands.
///
/// # Errors
/// Those of reading the settings.
pub async fn look_again(school: &School, progress: Hears) -> Result<LookedAgain, Error> {
    let before = intruder(school).await?;
    let is_rationed = |c: &StandingChange| {
        let collection = c.place.splitn(3, '/').take(2).collect::<Vec<_>>().join("/");
        strongroom_settings::row(&collection).is_some_and(strongroom_settings::Row::is_managed)
    };
    let everything = before.undecided().any(is_rationed);
    let kept = keep_settings(school, everything, progress).await?;
    let after = intruder(school).await?;
    let is_left = |c: &&StandingChange| after.changes.iter().any(|a| a.id == c.id && a.at == c.at);
    let gone = before.changes.iter().filter(|c| !is_left(c)).cloned().collect();
    let blind = kept.report.collections.iter().filter(|(_, state)| state.is_blind());
    let blind = blind.map(|(name, state)| format!("{name}: {}", state.lack())).collect();
    Ok(LookedAgain { gone, intruder: after, blind })
}
