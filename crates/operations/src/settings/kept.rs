//! Settings are read and kept, judged, and compared.

use super::{Baseline, all_exceptions_and_told, baseline, break_glass, called, load};
use crate::{
    Duty, Error, FoundAlarm, Hears, Identity, Kind, Remedy, School, blocking,
    rules::{OwnRules, Severity},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use strongroom_engine::{
    clean::ahead_of_the_clock,
    configuration::{self, ConfigurationReport, latest},
};
use strongroom_guards::{
    Change, ChangeKind, Comparison, Exceptions, Finding, OnFailureAnswer, Rank, Report,
    RuleVerdict, attribute, compare, judge,
};
use strongroom_model::{CollectionState, Configuration, Ending, collections::security};
use strongroom_repository::{Id, Repository};
use strongroom_workloads::configuration::audits;

/// Settings that were read and kept.
#[derive(Debug)]
pub struct KeptSettings {
    /// What was read.
    pub report: ConfigurationReport,
    /// Whether none were kept before.
    pub is_first: bool,
    /// What changed since those that were kept before, the gravest first.
    pub changes: Vec<Change>,
}

impl KeptSettings {
    /// The grave changes: the object, and a sentence.
    pub fn grave(&self) -> Vec<(String, String)> {
        let grave = self.changes.iter().filter(|c| c.rank <= Rank::High);
        let told =
            grave.map(|c| (format!("{} {}", c.collection, c.object), c.says.line().to_string()));
        told.collect()
    }
}

/// Reads the settings of a school and keeps them, as its duty: what Microsoft rations too, where
/// `everything` is wanted.
///
/// # Errors
/// [`Kind::NothingRead`], where nothing could be read; else those of copy 2.
pub async fn keep_settings(
    school: &School,
    everything: bool,
    progress: Hears,
) -> Result<KeptSettings, Error> {
    let attempt = school.begin(Duty::Settings);
    match keep(school, everything, progress).await {
        Ok(kept) => {
            attempt.settings_kept(&kept.report, &kept.grave());
            Ok(kept)
        }
        Err(e) => {
            attempt.failed(e.ending(), &e.sentence());
            Err(e)
        }
    }
}

/// The same, for who notes the duty.
pub(crate) async fn keep(
    school: &School,
    everything: bool,
    progress: Hears,
) -> Result<KeptSettings, Error> {
    let repo = school.repository().await?;
    let client = school.client(Identity::Read)?;
    let newest = |repo: Arc<Repository>| {
        let name = school.name().to_owned();
        blocking(move || Ok(latest(&repo, &name)?))
    };
    let before = newest(repo.clone()).await?;
    let (name, cache) = (school.name(), school.cache()?);
    let report =
        configuration::snapshot(repo.clone(), client, name, everything, cache, progress).await?;
    let now = newest(repo).await?;
    let changes = match (&before, &now) {
        (Some((_, before)), Some((_, now))) => {
            compare(before, now, &school.reader_ids(), true).changes
        }
        _ => Vec::new(),
    };
    crate::grave::note(school, !changes.is_empty()).await;
    Ok(KeptSettings { report, is_first: before.is_none(), changes })
}

/// Settings that a snapshot keeps.
#[derive(Debug)]
pub struct OfSnapshot {
    /// The snapshot.
    pub id: Id,
    /// Its settings.
    pub settings: Configuration,
    /// That it claims a time which has not come.
    pub told: Option<String>,
}

impl OfSnapshot {
    /// Of a school, as [`load`] takes the word.
    ///
    /// # Errors
    /// As [`load`].
    pub async fn load(school: &School, word: &str) -> Result<Self, Error> {
        let (repo, school, word) = (school.repository().await?, school.clone(), word.to_owned());
        blocking(move || Self::of(&repo, &school, &word)).await
    }

    fn of(repo: &Repository, school: &School, word: &str) -> Result<Self, Error> {
        let (id, settings) = load(repo, school.name(), word)?;
        let told = match word {
            "latest" => None,
            _ => crate::snapshots::snapshot(repo, word)
                .ok()
                .and_then(|found| ahead_of_the_clock(&found, school.now())),
        };
        Ok(Self { id, settings, told })
    }
}

/// Microsoft's own score of the day: reached, and possible.
pub fn secure_score(settings: &Configuration) -> Option<(f64, f64)> {
    let day = &settings.collections.get(security::SECURE_SCORE)?.objects.first()?.volatile;
    Some((day["currentScore"].as_f64()?, day["maxScore"].as_f64().filter(|m| *m > 0.0)?))
}

/// What rules say of settings.
#[derive(Debug)]
pub struct Checked {
    /// The snapshot that was judged.
    pub snapshot: Id,
    /// What each rule says.
    pub report: Report,
    /// Microsoft's own score: reached, and possible.
    pub secure_score: Option<(f64, f64)>,
    /// Rules that fail, and of which somebody wants to hear at once.
    pub alerts: Vec<String>,
    /// Whether something could not be read, or not be judged: who is blind has not seen that all
    /// is well.
    pub is_blind: bool,
    /// What there is to tell of the snapshot, and of the place that keeps decisions.
    pub told: Vec<String>,
}

impl Checked {
    /// How it ends, where a rule of this severity or a graver one may not fail.
    pub fn ending(&self, fail_on: Option<Severity>) -> Ending {
        let fails =
            |f: &Finding, at_least| f.verdict == RuleVerdict::Failed && f.severity >= at_least;
        let is_grave =
            fail_on.is_some_and(|least| self.report.findings.iter().any(|f| fails(f, least)));
        if is_grave || !self.alerts.is_empty() {
            Ending::Alarm
        } else if self.is_blind {
            Ending::Partial
        } else {
            Ending::Done
        }
    }
}

/// Judges settings that a snapshot keeps. What is found in the newest is told to the program that
/// hears alarms.
///
/// # Errors
/// Those of reading copy 2, and what people decided.
pub async fn check_settings(
    school: &School,
    own: &OwnRules,
    snapshot: &str,
) -> Result<Checked, Error> {
    let (exceptions, mut told) = all_exceptions_and_told(school)?;
    let found = OfSnapshot::load(school, snapshot).await?;
    told.extend(found.told);
    let (own, today, settings) = (own.clone(), school.today(), found.settings);
    let (report, exceptions, settings, is_broken) = tokio::task::spawn_blocking(move || {
        let (said, is_broken) = own.judge(&settings, &exceptions, today);
        (judge(&settings, &exceptions, said, today), exceptions, settings, is_broken)
    })
    .await
    .map_err(Error::stopped)?;
    let is_alert = |f: &&Finding| {
        f.verdict == RuleVerdict::Failed && exceptions.answer(&f.rule) == OnFailureAnswer::Alert
    };
    let alerts: Vec<String> =
        report.findings.iter().filter(is_alert).map(|f| f.rule.to_string()).collect();
    // Of an older snapshot nothing is news.
    if snapshot == "latest" {
        let text = |rule: &String| format!("the rule {rule} fails, and its answer is alert");
        let found: Vec<FoundAlarm> =
            alerts.iter().map(|r| FoundAlarm::high("rule", r, text(r))).collect();
        school.tell("rules", &found);
    }
    let is_blind = is_broken || settings.collections.values().any(|c| c.state.is_blind());
    let (snapshot, secure_score) = (found.id, secure_score(&settings));
    Ok(Checked { snapshot, report, secure_score, alerts, is_blind, told })
}

/// What the settings of a school are compared with.
#[derive(Debug, Clone)]
pub enum DiffWith {
    /// With an older snapshot of theirs.
    Snapshot(String),
    /// With the newest older one that is otherwise.
    Before,
    /// With the newest of another school of the configuration: what would have to change for ours
    /// to be like it.
    School(String),
    /// With what a baseline wants of them.
    Baseline(String),
}

/// Two sides, and how they differ.
#[derive(Debug)]
pub struct Differences {
    /// The older, or what ours are compared with.
    pub old: Side,
    /// The newer, or ours.
    pub new: Side,
    /// How the sides are called, where neither came before the other.
    pub sides: Option<(String, String)>,
    /// What differs, the gravest first.
    pub changes: Vec<Change>,
    /// Collections that were not compared, and why.
    pub not_compared: BTreeMap<String, String>,
    /// Those of them that no interface gives on either side, which is no news.
    pub never_given: BTreeSet<String>,
    /// What there is to tell of the snapshots, and of the place that keeps decisions.
    pub told: Vec<String>,
}

/// A snapshot that was compared.
#[derive(Debug)]
pub struct Side {
    /// The snapshot.
    pub snapshot: Id,
    /// When its settings were read.
    pub taken: jiff::Timestamp,
}

/// Compares settings that snapshots keep. Who changed what is asked of the tenant where that is
/// wanted.
///
/// # Errors
/// [`Kind::Request`], where there is nothing to compare with; [`Kind::Tenant`], where its log
/// cannot be read; and those of reading copy 2.
pub async fn compare_settings(
    school: &School,
    with: &DiffWith,
    new: &str,
    who: bool,
) -> Result<Differences, Error> {
    let repo = school.repository().await?;
    let other = match with {
        DiffWith::School(name) => {
            let other = school.other(name)?;
            Some((other.repository().await?, other))
        }
        _ => None,
    };
    let wanted = match with {
        DiffWith::Baseline(name) => Some(baseline(Some(school.config()), name)?),
        _ => None,
    };
    let (exceptions, mut told) = match &wanted {
        Some(_) => all_exceptions_and_told(school)?,
        None => Default::default(),
    };
    let (at, with_what, word) = (school.clone(), with.clone(), new.to_owned());
    let (old, new) = blocking(move || {
        let right = OfSnapshot::of(&repo, &at, &word)?;
        Ok(match (with_what, other, wanted) {
            (_, Some((theirs, other)), _) => (right, OfSnapshot::of(&theirs, &other, "latest")?),
            (_, _, Some(wanted)) => (as_wanted(&wanted, &exceptions, &at, &right), right),
            (DiffWith::Snapshot(old), ..) => (OfSnapshot::of(&repo, &at, &old)?, right),
            _ => (before(&repo, &at, &right)?, right),
        })
    })
    .await?;
    told.extend(old.told.iter().chain(&new.told).cloned());
    let is_alone = !matches!(with, DiffWith::School(_));
    let mut found = compare(&old.settings, &new.settings, &school.reader_ids(), is_alone);
    let sides = match with {
        DiffWith::School(other) => Some((school.name().to_owned(), other.clone())),
        DiffWith::Baseline(wanted) => Some((wanted.clone(), school.name().to_owned())),
        DiffWith::Snapshot(_) | DiffWith::Before => None,
    };
    // Nobody did anything here: two tenants differ, or a tenant and what is wanted of it.
    if let Some((left, right)) = &sides {
        found.changes.iter_mut().for_each(|c| c.says = unlike(c, left, right).into());
    }
    if who {
        ask_who(school, &mut found, &old.settings).await?;
    }
    // What no interface gives on either side is no news.
    let never_given = |collection: &String| {
        [&old, &new].iter().all(|side| {
            let state = side.settings.collections.get(collection).map(|c| &c.state);
            matches!(state, Some(CollectionState::NoApi { .. }))
        })
    };
    let not_compared = found.not_compared;
    let never_given = not_compared.keys().filter(|name| never_given(name)).cloned().collect();
    let side = |s: &OfSnapshot| Side { snapshot: s.id, taken: s.settings.taken };
    Ok(Differences {
        old: side(&old),
        new: side(&new),
        sides,
        changes: found.changes,
        not_compared,
        never_given,
        told,
    })
}

async fn ask_who(
    school: &School,
    found: &mut Comparison,
    since: &Configuration,
) -> Result<(), Error> {
    let client = school.client(Identity::Read)?;
    let log = audits(&client, since.taken).await.map_err(|e| {
        let what = "the audit log cannot be read, so nobody can be named";
        Error::because(Kind::Tenant, what, e)
    })?;
    attribute(found, &log);
    Ok(())
}

/// The same settings as a baseline wants them.
fn as_wanted(
    wanted: &Baseline,
    exceptions: &Exceptions,
    school: &School,
    of: &OfSnapshot,
) -> OfSnapshot {
    let emergency: Vec<String> = break_glass(exceptions, school.today())
        .map(|who| {
            called(&of.settings, who).unwrap_or_else(|| {
                format!("@{}/{who}", if who.contains('@') { "users" } else { "groups" })
            })
        })
        .collect();
    OfSnapshot { id: of.id, settings: wanted.over(&of.settings, &emergency), told: None }
}

/// A difference between two sides of which neither came before the other.
fn unlike(c: &Change, left: &str, right: &str) -> String {
    let object = &c.object;
    let shown =
        |v: &serde_json::Value| if v.is_null() { "nothing".to_owned() } else { v.to_string() };
    match c.kind {
        ChangeKind::Added => format!("{object}: {right} has it, {left} has not"),
        ChangeKind::Removed => format!("{object}: {left} has it, {right} has not"),
        _ => {
            let some = c.properties.iter().take(3).map(|p| {
                format!(
                    "{} is {} in {left} and {} in {right}",
                    p.path.as_str(),
                    shown(&p.old),
                    shown(&p.new)
                )
            });
            let more = if c.properties.len() > 3 {
                format!("; and {} more", c.properties.len() - 3)
            } else {
                String::new()
            };
            format!("{object}: {}{more}", some.collect::<Vec<_>>().join("; "))
        }
    }
}

/// The newest snapshot before this one whose configuration is another.
fn before(repo: &Arc<Repository>, school: &School, this: &OfSnapshot) -> Result<OfSnapshot, Error> {
    let mut first = None;
    for (id, snapshot) in repo.snapshots()?.into_iter().rev() {
        if snapshot.hostname != *school.name()
            || !snapshot.is_finished()
            || id == this.id
            || snapshot.time >= this.settings.taken
        {
            continue;
        }
        let Some(settings) = configuration::load(repo, &snapshot)? else { continue };
        let is_other = settings.collections != this.settings.collections;
        let found = OfSnapshot { id, settings, told: None };
        if is_other {
            return Ok(found);
        }
        first = Some(found);
    }
    first.ok_or_else(|| {
        let what = format!(
            "there is only one configuration of {}, and nothing to compare it with",
            school.name()
        );
        Error::new(Kind::Request, what).with(Remedy::ReadSettings(school.name().to_owned()))
    })
}
