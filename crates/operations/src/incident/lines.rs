//! Lines that people draw: from which moment on nothing is believed of what somebody has, or of one
//! of their folders. A line is a decision like any other. One that lets more be believed than
//! before weakens protection, and takes the approval of somebody else where a school has approvers.

use crate::{
    Error, Kind, School, blocking,
    decisions::{counted, is_said, keep},
    snapshots::snapshot,
};
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;
use std::{collections::BTreeMap, path::Path, sync::Arc};
use strongroom_engine::clean::{self, Line};
use strongroom_model::{
    ItemId, Untrusted,
    decision::{Decided, Decision, DecisionKind},
};
use strongroom_repository::Repository;

/// Days for which a line counts where nobody says until when.
pub const LINE_DAYS: i64 = 30;

/// A line that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DrawnLine {
    /// Whose things, by id.
    pub owner: ItemId,
    /// In words: whose, and what of it.
    pub says: Untrusted,
    /// What of it: the workload, and what follows; everything where it is empty.
    pub under: String,
    /// The moment.
    pub before: Timestamp,
    /// Whether it lets more be believed than the proposal.
    pub is_later: bool,
    /// Who drew it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The last day on which it counts.
    pub until: Option<Date>,
}

impl DrawnLine {
    fn line(&self) -> Line {
        Line { owner: self.owner.clone(), under: self.under.clone(), before: self.before }
    }
}

/// As the engine takes them.
pub(crate) fn lines_of(drawn: &[DrawnLine]) -> Vec<Line> {
    drawn.iter().map(DrawnLine::line).collect()
}

/// The owner and the path of a decision's subject. No id of an owner has a slash.
fn parts(subject: &str) -> (&str, &str) {
    subject.split_at(subject.find('/').unwrap_or(subject.len()))
}

/// What counts of decisions, oldest first, where snapshots are believed until a time by themselves.
fn fold(decisions: &[Decision], today: Date, believed: Option<Timestamp>) -> Vec<DrawnLine> {
    let mut out: BTreeMap<&str, DrawnLine> = BTreeMap::new();
    for d in decisions.iter().filter(|d| d.holds_on(today)) {
        let is_later = match d.kind {
            DecisionKind::Line => false,
            DecisionKind::LaterLine => true,
            _ => continue,
        };
        let subject = d.subject.as_str();
        let there = out.get(subject);
        if d.decided == Decided::Rejected {
            // Each ends only what is weaker, or what it may weaken.
            if is_later || there.is_some_and(|line| line.is_later) {
                out.remove(subject);
            }
            continue;
        }
        let Some(before) = d.seen else { continue };
        // What needs nobody's approval lets nothing more be believed.
        if !is_later && there.is_some_and(|line| line.before < before) {
            continue;
        }
        let (owner, under) = parts(subject);
        let line = DrawnLine {
            owner: owner.into(),
            says: d.says.clone().unwrap_or_else(|| subject.to_owned()).into(),
            under: under.to_owned(),
            before,
            is_later,
            by: d.by().to_owned(),
            reason: d.reason.clone(),
            until: d.until,
        };
        out.insert(subject, line);
    }
    let mut all: Vec<DrawnLine> = out.into_values().collect();
    let wide = all.clone();
    for line in all.iter_mut().filter(|line| !line.is_later) {
        // A line around it is drawn for what lies within too.
        let around = wide.iter().filter(|w| line.line().is_within(&w.line()));
        line.before = around.map(|w| w.before).min().unwrap_or(line.before).min(line.before);
    }
    all.retain(|line| line.is_later || believed.is_none_or(|until| line.before <= until));
    all
}

/// The lines that count in a school.
///
/// # Errors
/// Those of reading copy 2, and decisions.
pub(crate) async fn drawn(
    school: &School,
    repo: &Arc<Repository>,
) -> Result<Vec<DrawnLine>, Error> {
    let decisions = counted(school)?.decisions;
    let is_any = |d: &Decision| matches!(d.kind, DecisionKind::Line | DecisionKind::LaterLine);
    if !decisions.iter().any(is_any) {
        return Ok(Vec::new());
    }
    let (of, repo, today) = (school.name().to_owned(), repo.clone(), school.today());
    blocking(move || Ok(fold(&decisions, today, clean::believed_until(&repo, &of)?))).await
}

/// What somebody wants.
#[derive(Debug, Clone)]
pub struct LineWanted<'a> {
    /// Whose things: a name, as paths have it.
    pub owner: &'a str,
    /// What of it: the workload and what follows the owner's directory, as
    /// `drives/OneDrive/Plans`; everything where it is empty.
    pub under: &'a str,
    /// The moment: a time, a day, or a snapshot, which is not believed itself; as proposed, and no
    /// line, where it is none.
    pub before: Option<&'a str>,
    /// Who decides.
    pub by: &'a str,
    /// Why.
    pub reason: &'a str,
    /// The last day on which it counts; for [`LINE_DAYS`] without one.
    pub until: Option<Date>,
}

/// A line that is not kept yet, and what it changes.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedLine {
    /// In words: whose, what of it, and before when.
    pub says: Untrusted,
    /// The moment; nothing where the proposal is to count again.
    pub before: Option<Timestamp>,
    /// Whether more is believed than before: then it takes an approval where there are approvers.
    pub weakens: bool,
    /// Items that come back as they stood at another time.
    pub other: u64,
    /// Items that come back, and did not.
    pub more: u64,
    /// Items that do not come back, and did.
    pub fewer: u64,
    /// The first of all of these, by path.
    pub items: Vec<Untrusted>,
    #[serde(skip)]
    decision: Decision,
}

fn wrong(what: String) -> Error {
    Error::new(Kind::Request, what)
}

/// A time, a day at its beginning in UTC, or when a snapshot was made.
fn moment(repo: &Repository, word: &str) -> Result<Timestamp, Error> {
    let day = || {
        let day: Date = Some(word).filter(|w| w.len() == 10)?.parse().ok()?;
        Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    match word.parse().ok().or_else(day) {
        Some(at) => Ok(at),
        None => Ok(snapshot(repo, word)?.1.time),
    }
}

/// Finds out what a line changes. Keeps nothing.
///
/// # Errors
/// [`Kind::Request`], where nobody is called so, the moment is none, or nothing was stored before
/// it, or it is not said who or why; and those of reading copy 2, and decisions.
pub async fn plan_line(school: &School, wanted: LineWanted<'_>) -> Result<PlannedLine, Error> {
    is_said(school, wanted.by, wanted.reason, wanted.until)?;
    let repo = school.repository().await?;
    let drawn = drawn(school, &repo).await?;
    let under = match wanted.under.trim_matches('/') {
        "" => String::new(),
        inner => format!("/{inner}"),
    };
    let (owner, before) = (wanted.owner.to_owned(), wanted.before.map(str::to_owned));
    let (name, now, of) = (school.name().to_owned(), school.now(), drawn.clone());
    let found = blocking(move || {
        let Some((owner, label)) = clean::owner_named(&repo, &name, &owner)? else {
            let what = Untrusted::from(owner);
            return Err(wrong(format!("the newest snapshot has nobody called {}", what.quoted())));
        };
        let at = before.as_deref().map(|word| moment(&repo, word)).transpose()?;
        if let Some(at) = at.filter(|at| *at > now) {
            return Err(wrong(format!("{at:.0} has not come yet")));
        }
        if let Some(at) = at
            && !clean::is_any_before(&repo, &name, at)?
        {
            return Err(wrong(format!(
                "no snapshot is older than {at:.0}: nothing would be believed at all"
            )));
        }
        let believed = clean::believed_until(&repo, &name)?;
        let line = Line { owner, under, before: at.or(believed).unwrap_or(now) };
        let lines = lines_of(&of);
        let effect = clean::effect(&repo, &name, &lines, at.map(|_| &line), &line)?;
        Ok((line, label, at, believed, effect))
    })
    .await?;
    let (line, label, at, believed, effect) = found;
    // What counts for it today: the line that is drawn most closely around it, or the proposal.
    let around = drawn.iter().filter(|d| line.is_within(&d.line()));
    let there = around.max_by_key(|d| d.under.len());
    let weakens = match (at, there) {
        (Some(at), Some(there)) => at > there.before,
        (Some(at), None) => believed.is_some_and(|until| at > until),
        (None, Some(there)) => !there.is_later,
        (None, None) => false,
    };
    if at.is_none() && !drawn.iter().any(|d| (&d.owner, &d.under) == (&line.owner, &line.under)) {
        let what = format!("no line is drawn for {}{}", label.quoted(), line.under);
        return Err(wrong(what));
    }
    let place = match line.under.is_empty() {
        true => format!("all of {}", label.as_str()),
        false => format!("{} of {}", line.under.trim_start_matches('/'), label.as_str()),
    };
    let says = match at {
        Some(at) => format!("{place}, as before {at:.0}"),
        None => format!("{place}, as proposed"),
    };
    let kind = if weakens { DecisionKind::LaterLine } else { DecisionKind::Line };
    let days = SignedDuration::from_hours(24 * LINE_DAYS);
    let end = || school.today().checked_add(days).unwrap_or(Date::MAX);
    let decision = Decision {
        says: Some(says.clone()),
        seen: Some(line.before),
        decided: if at.is_some() { Decided::Accepted } else { Decided::Rejected },
        person: Some(wanted.by.to_owned()),
        from: Some(school.now()),
        until: Some(wanted.until.unwrap_or_else(end)),
        ..Decision::new(kind, format!("{}{}", line.owner, line.under), wanted.reason)
    };
    Ok(PlannedLine {
        says: says.into(),
        before: at,
        weakens,
        other: effect.other,
        more: effect.more,
        fewer: effect.fewer,
        items: effect.examples,
        decision,
    })
}

/// Keeps a line that was shown.
///
/// # Errors
/// Those of the key, and of the place that keeps decisions.
pub fn draw(school: &School, planned: PlannedLine, key_file: Option<&Path>) -> Result<(), Error> {
    keep(school, vec![planned.decision], key_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + hour * 3600).unwrap()
    }

    fn of(kind: DecisionKind, subject: &str, hour: i64) -> Decision {
        Decision { seen: Some(at(hour)), ..Decision::new(kind, subject, "x") }
    }

    fn ends(kind: DecisionKind, subject: &str) -> Decision {
        Decision { decided: Decided::Rejected, ..of(kind, subject, 0) }
    }

    fn drawn(all: &[Decision], believed: i64) -> Vec<(String, Timestamp)> {
        let today = Date::constant(2027, 1, 15);
        let lines = fold(all, today, Some(at(believed))).into_iter();
        lines.map(|l| (format!("{}{}", l.owner, l.under), l.before)).collect()
    }

    #[test]
    fn what_takes_no_approval_never_lets_more_be_believed() {
        use DecisionKind::{LaterLine, Line};
        let one = |hour| vec![("ann".to_owned(), at(hour))];
        assert_eq!(drawn(&[of(Line, "ann", 3)], 5), one(3));
        // Neither later than what is proposed, nor than a line that is drawn.
        assert_eq!(drawn(&[of(Line, "ann", 7)], 5), []);
        assert_eq!(drawn(&[of(Line, "ann", 3), of(Line, "ann", 4)], 5), one(3));
        assert_eq!(drawn(&[of(Line, "ann", 3), ends(Line, "ann")], 5), one(3));
        // What somebody else approved of does.
        assert_eq!(drawn(&[of(Line, "ann", 3), of(LaterLine, "ann", 4)], 5), one(4));
        assert_eq!(drawn(&[of(LaterLine, "ann", 7)], 5), one(7));
        assert_eq!(drawn(&[of(Line, "ann", 3), ends(LaterLine, "ann")], 5), []);
        assert_eq!(drawn(&[of(LaterLine, "ann", 7), ends(Line, "ann")], 5), []);
        assert_eq!(drawn(&[of(LaterLine, "ann", 7), of(Line, "ann", 4)], 5), one(4));
        // What is drawn around a folder is drawn for the folder.
        let both = drawn(&[of(Line, "ann/drives/A", 4), of(Line, "ann", 2)], 5);
        assert!(both.iter().all(|(_, before)| *before == at(2)), "{both:?}");
        let mut over = of(Line, "ann", 3);
        over.until = Some(Date::constant(2027, 1, 14));
        assert_eq!(drawn(&[over], 5), []);
    }
}
