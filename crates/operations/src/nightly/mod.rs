//! The night of all schools: settings, backup, copy 3, a part of a check, retention.
//!
//! What goes wrong with one school stops no other, whatever it is: its entry in the configuration,
//! a copy that does not answer, another process, a defect of this program. Within a school what
//! fails stops what depends on it, and nothing else: nothing is forgotten in a night whose backup
//! was not made, or in which an alarm stands.
//!
//! [`choose`] says for whom, [`nightly`] does it. Each duty is noted and its alarms are told as by
//! the command that does it alone ([`crate::Attempt`]).

mod retention;
mod school;

use crate::{Choice, Error, Host, Kind, Part, Remedy, School, config::Apart, config::Refused};
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};
use strongroom_model::Ending;
use tokio::task::{Id, JoinError, JoinSet};

/// A school that a night is for.
#[derive(Clone)]
pub enum Chosen {
    /// One that can be worked for.
    School(School),
    /// One with whose entry something is wrong: it is told by name.
    Refused(Refused),
}

impl Chosen {
    fn name(&self) -> &str {
        match self {
            Chosen::School(school) => school.name(),
            Chosen::Refused(refused) => &refused.school,
        }
    }

    fn labels(&self) -> Option<&[String]> {
        match self {
            Chosen::School(school) => Some(&school.tenant().labels),
            Chosen::Refused(refused) => refused.labels.as_deref(),
        }
    }
}

/// The schools of a configuration that have one of these names and bear each of these labels; all,
/// where nothing is named. One whose labels cannot be read may bear any.
///
/// # Errors
/// [`Kind::Configuration`], where there is none of a name, or none that bears the labels.
pub fn choose(
    apart: &Apart,
    host: &Arc<Host>,
    choice: &Choice,
    names: &[String],
    labels: &[String],
) -> Result<Vec<Chosen>, Error> {
    let config = Arc::new(apart.config.clone());
    let mut all: Vec<Chosen> =
        School::all(&config, host, choice).into_iter().map(Chosen::School).collect();
    all.extend(apart.refused.iter().cloned().map(Chosen::Refused));
    let wrong = |what: String| Error::new(Kind::Configuration, what);
    let there: BTreeSet<&str> = all.iter().map(Chosen::name).collect();
    if let Some(name) = names.iter().find(|name| !there.contains(name.as_str())) {
        let there: Vec<&str> = there.into_iter().collect();
        let there = there.join(", ");
        return Err(wrong(format!("the configuration has no tenant {name:?}, only: {there}")));
    }
    all.retain(|c| names.is_empty() || names.iter().any(|name| name == c.name()));
    let bears =
        |c: &Chosen| c.labels().is_none_or(|of| labels.iter().all(|label| of.contains(label)));
    all.retain(|c| labels.is_empty() || bears(c));
    match all.is_empty() {
        false => Ok(all),
        true => Err(wrong(format!("no tenant bears the label {}", labels.join(" and ")))),
    }
}

/// A step of a school's night, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The tenant's settings are read and kept.
    Settings,
    /// Its data is backed up.
    Backup,
    /// What there is is brought to the vault.
    Replicate,
    /// A part of copy 2 is read, and all of its structure looked at.
    Check,
    /// What the retention lets go is forgotten.
    Retention,
    /// The room of what nothing needs is given back.
    Prune,
}

impl Step {
    /// What it is called, for people.
    pub fn name(self) -> &'static str {
        match self {
            Step::Settings => "settings",
            Step::Backup => "backup",
            Step::Replicate => "copy 3",
            Step::Check => "check",
            Step::Retention => "retention",
            Step::Prune => "prune",
        }
    }
}

/// How it stands with a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It was done; its code says what was found.
    Done,
    /// It was tried, and was not done.
    Failed,
    /// It was not begun, since something on which it depends is not as it should be.
    Held,
    /// Somebody has to carry out a plan.
    Waits,
    /// Another host does it.
    Elsewhere,
    /// The configuration asks for none.
    Off,
    /// Somebody ended the night before.
    NotBegun,
}

/// A step of a school's night.
#[derive(Debug, Clone, Serialize)]
pub struct StepRow {
    /// Which.
    pub step: Step,
    /// How it stands with it.
    pub state: State,
    /// How it ended, as a command would that does it alone.
    #[serde(flatten, serialize_with = "ended")]
    pub ending: Ending,
    /// One sentence.
    pub text: String,
    /// Seconds that it took; `null` where it was not begun.
    pub took_s: Option<u64>,
    /// The snapshot that it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// What it could not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<u64>,
    /// Grave changes of settings that it saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grave: Option<u64>,
    /// The part of copy 2 that it read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// Bytes that it wrote, or read of copy 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Snapshots that went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed: Option<u64>,
    /// The plan that waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    #[serde(skip)]
    remedy: Option<Remedy>,
}

impl StepRow {
    fn new(step: Step, state: State, ending: Ending, text: impl Into<String>) -> Self {
        Self {
            step,
            state,
            ending,
            text: text.into(),
            took_s: None,
            snapshot: None,
            skipped: None,
            grave: None,
            part: None,
            bytes: None,
            removed: None,
            plan: None,
            remedy: None,
        }
    }

    /// One that was tried, and was not done.
    fn failed(step: Step, e: &Error) -> Self {
        let row = Self::new(step, State::Failed, e.kind().ending(), e.sentence());
        Self { remedy: e.remedy().cloned(), ..row }
    }

    fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether its sentence tells somebody something.
    pub fn is_news(&self) -> bool {
        let is_kept = matches!(self.state, State::Held | State::Waits);
        self.ending != Ending::Done || is_kept || self.grave.is_some_and(|n| n > 0)
    }
}

/// An alarm that a night found, or that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NightAlarm {
    /// A short code.
    pub kind: String,
    /// One sentence.
    pub text: String,
}

/// The night of one school.
#[derive(Debug, Clone, Serialize)]
pub struct SchoolNight {
    /// Its name.
    pub school: String,
    /// The id of its tenant; `null` where its entry is refused.
    pub tenant_id: Option<String>,
    /// Its labels; `null` where they cannot be read.
    pub labels: Option<Vec<String>>,
    /// How it ended: as the gravest of its steps.
    #[serde(flatten, serialize_with = "ended")]
    pub ending: Ending,
    /// When it began; `null` where it did not.
    pub began: Option<Timestamp>,
    /// Seconds that it took.
    pub took_s: Option<u64>,
    /// Why it was not begun, or broke off.
    pub why: Option<String>,
    /// What was done. Empty where it was not begun.
    pub steps: Vec<StepRow>,
    /// Alarms that stand, as far as this night looked; `null` where no backup could say it.
    pub alarms: Option<Vec<NightAlarm>>,
    #[serde(skip)]
    remedy: Option<Remedy>,
}

impl SchoolNight {
    /// One of which nothing was done.
    fn none(chosen: &Chosen, ending: Ending, why: impl Into<String>) -> Self {
        Self {
            school: chosen.name().to_owned(),
            tenant_id: match chosen {
                Chosen::School(school) => Some(school.tenant().tenant_id.clone()),
                Chosen::Refused(_) => None,
            },
            labels: chosen.labels().map(<[String]>::to_vec),
            ending,
            began: None,
            took_s: None,
            why: Some(why.into()),
            steps: Vec::new(),
            alarms: None,
            remedy: None,
        }
    }

    /// Whether anything was begun.
    pub fn is_begun(&self) -> bool {
        self.began.is_some()
    }

    /// A step.
    pub fn step(&self, step: Step) -> Option<&StepRow> {
        self.steps.iter().find(|row| row.step == step)
    }

    /// Ends each sentence with what helps, in the words of a face.
    fn word(&mut self, words: &dyn Fn(&Remedy) -> String) {
        let add = |text: &mut String, remedy: &mut Option<Remedy>| {
            if let Some(remedy) = remedy.take() {
                text.push_str(&format!("; {}", words(&remedy)));
            }
        };
        if let Some(why) = &mut self.why {
            add(why, &mut self.remedy);
        }
        for row in &mut self.steps {
            add(&mut row.text, &mut row.remedy);
        }
    }
}

/// The night of all.
#[derive(Debug, Clone, Serialize)]
pub struct Night {
    v: u32,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How it ended: as the gravest of its schools.
    #[serde(flatten, serialize_with = "ended")]
    pub ending: Ending,
    /// Schools that somebody kept from being begun.
    pub not_begun: Vec<String>,
    /// What is wrong in the configuration and is no school's.
    pub beside: Vec<String>,
    /// The gravest first; those alike as the configuration has them.
    pub schools: Vec<SchoolNight>,
}

impl Night {
    /// Ends each sentence with what helps, in the words of a face.
    pub fn word(&mut self, words: &dyn Fn(&Remedy) -> String) {
        self.schools.iter_mut().for_each(|school| school.word(words));
    }
}

/// How grave an ending is for who watches many schools: an interruption leaves the rest undone;
/// then comes what pages somebody, what is a ticket, and what is nothing unless it stays.
pub fn gravity(ending: Ending) -> u8 {
    match ending {
        Ending::Done => 0,
        Ending::Partial | Ending::Waiting => 1,
        Ending::Locked => 2,
        Ending::Failed | Ending::Usage => 3,
        Ending::NoRepository => 4,
        Ending::WrongKey => 5,
        Ending::NothingRead => 6,
        Ending::Alarm => 7,
        Ending::Interrupted => 8,
    }
}

/// The gravest of several; [`Ending::Done`] of none.
fn gravest(all: impl IntoIterator<Item = Ending>) -> Ending {
    all.into_iter().max_by_key(|e| gravity(*e)).unwrap_or(Ending::Done)
}

fn ended<S: Serializer>(ending: &Ending, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Ended {
        code: i32,
        kind: &'static str,
    }
    Ended { code: ending.code(), kind: ending.kind() }.serialize(to)
}

/// Hears of each school that is done.
pub type Hears<'h> = &'h (dyn Fn(&SchoolNight) + Send + Sync);

/// Works for schools, so many at a time. Where the host is asked to stop, what is under way keeps
/// what it has, and no other school is begun.
pub async fn nightly(
    chosen: Vec<Chosen>,
    beside: Vec<String>,
    jobs: usize,
    host: &Host,
    hears: Hears<'_>,
) -> Night {
    let began = host.clock.now();
    let mut nights: Vec<Option<SchoolNight>> = chosen.iter().map(|_| None).collect();
    let mut under_way: HashMap<Id, usize> = HashMap::new();
    let mut tasks = JoinSet::new();
    let mut waiting = chosen.iter().enumerate();
    loop {
        while tasks.len() < jobs.max(1) && !host.stop.is_set() {
            match waiting.next() {
                None => break,
                Some((n, Chosen::School(school))) => {
                    let work = school::night(school.clone(), host.stop.clone());
                    under_way.insert(tasks.spawn(work).id(), n);
                }
                Some((n, refused @ Chosen::Refused(r))) => {
                    let why = r.why.join("; ");
                    let night = SchoolNight::none(refused, Ending::Failed, why);
                    hears(&night);
                    nights[n] = Some(night);
                }
            }
        }
        let (n, night) = match tasks.join_next_with_id().await {
            None => break,
            Some(Ok((id, night))) => (under_way.remove(&id), Ok(night)),
            Some(Err(e)) => (under_way.remove(&e.id()), Err(e)),
        };
        let Some(n) = n else { continue };
        let night = night.unwrap_or_else(|e| {
            SchoolNight::none(&chosen[n], Ending::Failed, broke_off(e).sentence())
        });
        hears(&night);
        nights[n] = Some(night);
    }
    let mut not_begun = Vec::new();
    let mut schools = Vec::new();
    for (night, chosen) in nights.into_iter().zip(&chosen) {
        schools.push(night.unwrap_or_else(|| {
            not_begun.push(chosen.name().to_owned());
            SchoolNight::none(chosen, Ending::Interrupted, "not begun, since the night was ended")
        }));
    }
    let ending = gravest(schools.iter().map(|s| s.ending));
    // What was found comes before what was not looked for.
    let weight = |e: Ending| match e {
        Ending::Interrupted => gravity(Ending::Locked),
        e => gravity(e),
    };
    schools.sort_by_key(|s| std::cmp::Reverse(weight(s.ending)));
    Night { v: 1, began, ended: host.clock.now(), ending, not_begun, beside, schools }
}

/// What somebody reads of work that died: a defect of this program, told with its own words.
fn broke_off(e: JoinError) -> Error {
    let says = match e.try_into_panic() {
        Ok(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            strongroom_model::Untrusted::from(text.unwrap_or_default()).quoted().to_string()
        }
        Err(e) => e.to_string(),
    };
    Error::new(Kind::Internal, format!("it broke off by a defect of this program: {says}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_of_a_night_is_what_somebody_is_paged_for() {
        let mut all = Ending::ALL.to_vec();
        all.sort_by_key(|e| gravity(*e));
        assert_eq!(all[0], Ending::Done);
        let last = [Ending::NothingRead, Ending::Alarm, Ending::Interrupted];
        assert_eq!(all[all.len() - 3..], last);
        let some = [Ending::Done, Ending::Partial, Ending::WrongKey, Ending::Locked];
        assert_eq!(gravest(some), Ending::WrongKey);
        assert_eq!(gravest([]), Ending::Done);
    }
}
