//! Where a school keeps what people decided, and which of it counts.

use crate::{Error, Kind, School, approvers::Approvals};
use jiff::civil::Date;
use std::path::Path;
use strongroom_custody::{PublicKey, SigningKey};
use strongroom_engine::{
    Accepted, Unread,
    decisions::{DecisionFile, Decisions, SignatureState, read_key},
};
use strongroom_model::{
    Untrusted,
    decision::{Decision, DecisionEntry, DecisionKind},
};

/// Decisions that count, and what there is to tell of the place that keeps them.
#[derive(Debug, Default)]
pub struct Counted {
    /// Signed, or by somebody of whom the configuration names no key. Oldest first.
    pub decisions: Vec<Decision>,
    /// Sentences about entries that a crash cut off, about those that this program does not know:
    /// each may be a decision against what is about to be done; and about those that wait for
    /// approval.
    pub told: Vec<String>,
}

/// The decisions of a school that count; what is unproven does not, nor what weakens protection and
/// waits for approval. Where it is not known who approves, nothing that weakens it counts.
///
/// # Errors
/// The place's, and a signature that is wrong.
pub fn counted(school: &School) -> Result<Counted, Error> {
    let (people, kept) = (school.config().people()?, school.decisions().entries()?);
    let (approvals, now) = (Approvals::of_school(school), school.now());
    let mut out = Counted::default();
    for d in kept.decisions() {
        let is_proven = people.standing(d)? != SignatureState::Unproven;
        let is_approved = !d.kind.weakens()
            || approvals.as_ref().is_ok_and(|approvals| approvals.lets_count(d, now));
        if is_proven && is_approved {
            out.decisions.push(d.value.clone());
        }
    }
    out.told = [kept.cut, kept.unknown].concat();
    match approvals.and_then(|approvals| approvals.undecided(now)) {
        Ok(all) => out.told.extend(all.iter().map(|u| {
            format!(
                "the {} of {} by {} ({:.8}) waits for approval, and does not count yet",
                u.decision.kind.as_str(),
                Untrusted::from(&u.decision.subject).quoted(),
                Untrusted::from(u.decision.by()).quoted(),
                u.id
            )
        })),
        Err(e) => {
            out.told.push(format!("{}; no decision that weakens protection counts", e.sentence()))
        }
    }
    Ok(out)
}

/// Makes a key file with which a person signs decisions; the configuration of whoever checks them
/// names its public part.
///
/// # Errors
/// [`Kind::Request`] of a name that says nothing; [`Kind::Files`], where the file is there already
/// or cannot be made.
pub fn new_key(person: &str, file: &Path) -> Result<PublicKey, Error> {
    if person.trim().is_empty() || person.contains('=') {
        return Err(Error::new(Kind::Request, "whoever signs has a name, without ="));
    }
    let key = SigningKey::to_new_file(file).map_err(|e| Error::theirs(Kind::Files, e))?;
    Ok(key.public())
}

/// Keeps that somebody knows of items that cannot be read.
///
/// # Errors
/// [`Kind::Request`], where one of these ids was not left unread, or it is not said who or why; and
/// those of the key and of the place that keeps decisions.
pub fn accept_unread(
    school: &School,
    unread: &[Unread],
    ids: &[String],
    (by, reason, until, key_file): (&str, &str, Option<Date>, Option<&Path>),
) -> Result<(), Error> {
    let mut made = Vec::new();
    for id in ids {
        let item = unread.iter().find(|u| u.id.0 == *id).ok_or_else(|| {
            let what = format!("the newest snapshot names no item {id:?} that was not read");
            Error::new(Kind::Request, what)
        })?;
        made.push(Decision {
            says: Some(format!("{:?} in {}: {}", item.name, item.place.line(), item.cause.line())),
            person: Some(by.to_owned()),
            from: Some(school.now()),
            until,
            ..Decision::new(DecisionKind::Unreadable, id, reason)
        });
    }
    keep(school, made, key_file)
}

/// Items that are known not to be readable, today, as these decisions say.
pub fn accepted_unread(decisions: &[Decision], today: Date) -> Vec<Accepted> {
    let mut out = Vec::new();
    for d in decisions {
        if d.kind == DecisionKind::Unreadable && d.holds_on(today) {
            let until = d.until.map(|u| format!(" until {u}")).unwrap_or_default();
            let says = format!("accepted by {}{until}: {}", d.by(), d.reason);
            out.push(Accepted { id: d.subject.as_str().into(), says });
        }
    }
    out
}

/// Adds entries, all or none of them.
pub(crate) fn add(school: &School, lines: &[DecisionEntry]) -> Result<(), Error> {
    Ok(school.decisions().add(lines)?)
}

/// Refuses a decision of which it is not said who or why, or whose last day is over.
pub(crate) fn is_said(
    school: &School,
    by: &str,
    reason: &str,
    until: Option<Date>,
) -> Result<(), Error> {
    if by.trim().is_empty() || reason.trim().is_empty() {
        let what = "who decided and why must say something; whoever reads it next year will ask";
        return Err(Error::new(Kind::Request, what));
    }
    match until.is_some_and(|day| day < school.today()) {
        true => Err(Error::new(Kind::Request, "the last day of the decision is in the past")),
        false => Ok(()),
    }
}

/// Keeps decisions of one person, all or none of them, signed where there is a key file.
pub(crate) fn keep(
    school: &School,
    made: Vec<Decision>,
    key_file: Option<&Path>,
) -> Result<(), Error> {
    for d in &made {
        is_said(school, d.person.as_deref().unwrap_or_default(), &d.reason, d.until)?;
    }
    let people = school.config().people()?;
    let key = key_file.map(read_key).transpose()?;
    let sign = |d| Ok(DecisionEntry::Decision(people.record(d, key.as_ref())?));
    let lines = made.into_iter().map(sign).collect::<Result<Vec<_>, Error>>()?;
    if lines.is_empty() { Ok(()) } else { Ok(school.decisions().add(&lines)?) }
}

impl School {
    /// Where its decisions are kept.
    pub fn decisions(&self) -> DecisionFile {
        crate::approvers::file_of(self.config(), self.tenant())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_persons_key_is_made_once_and_for_nobody_else_to_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("head.key");
        let public = new_key("A. Head", &file).unwrap();
        assert_eq!(SigningKey::from_file(&file).unwrap().public(), public);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(new_key("A. Head", &file).unwrap_err().kind(), Kind::Files, "never over one");
        assert_eq!(SigningKey::from_file(&file).unwrap().public(), public);
        for nobody in [" ", "a=b"] {
            let other = dir.path().join("other");
            assert_eq!(new_key(nobody, &other).unwrap_err().kind(), Kind::Request);
            assert!(!other.exists());
        }
    }
}
