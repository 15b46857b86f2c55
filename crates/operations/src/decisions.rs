//! Where a school keeps what people decided, and which of it counts.

use crate::{Error, Kind, School, config::REVIEWS};
use std::path::Path;
use strongroom_engine::decisions::{DecisionFile, Decisions, Standing, read_key};
use strongroom_model::decision::{Decision, Entry};

/// Decisions that count, and what there is to tell of the place that keeps them.
#[derive(Debug, Default)]
pub struct Counted {
    /// Signed, or by somebody of whom the configuration names no key. Oldest first.
    pub decisions: Vec<Decision>,
    /// Sentences about entries that a crash cut off, and about those that this program does not
    /// know: each may be a decision against what is about to be done.
    pub told: Vec<String>,
}

/// The decisions of a school that count; what is unproven does not.
///
/// # Errors
/// The place's, and a signature that is wrong.
pub fn counted(school: &School) -> Result<Counted, Error> {
    let (people, kept) = (school.config().people()?, school.decisions().entries()?);
    let mut out = Counted::default();
    for d in kept.decisions() {
        if people.standing(d)? != Standing::Unproven {
            out.decisions.push(d.value.clone());
        }
    }
    out.told = [kept.cut, kept.unknown].concat();
    Ok(out)
}

/// Keeps decisions of one person, all or none of them, signed where there is a key file.
pub(crate) fn keep(
    school: &School,
    made: Vec<Decision>,
    key_file: Option<&Path>,
) -> Result<(), Error> {
    let said = |text: &str| !text.trim().is_empty();
    if made.iter().any(|d| !said(&d.reason) || !d.person.as_deref().is_some_and(said)) {
        let what = "who decided and why must be said; whoever reads it next year will ask";
        return Err(Error::new(Kind::Request, what));
    }
    if made.iter().filter_map(|d| d.until).any(|day| day < school.today()) {
        return Err(Error::new(Kind::Request, "the last day of the decision is in the past"));
    }
    let people = school.config().people()?;
    let key = key_file.map(read_key).transpose()?;
    let sign = |d| Ok(Entry::Decision(people.record(d, key.as_ref())?));
    let lines = made.into_iter().map(sign).collect::<Result<Vec<_>, Error>>()?;
    if lines.is_empty() { Ok(()) } else { Ok(school.decisions().add(&lines)?) }
}

impl School {
    /// Where its decisions are kept.
    pub fn decisions(&self) -> DecisionFile {
        let config = self.config();
        let dir = config.path(config.reviews_dir.as_deref().unwrap_or(Path::new(REVIEWS)));
        DecisionFile::new(dir.join(format!("{}.jsonl", self.name())))
    }
}
