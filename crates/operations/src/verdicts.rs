//! Verdicts that people overrule: of one version, an item, a folder, or files that are called so,
//! for a reason and until a day.
//!
//! What is decided counts from the next backup on, with approval where a school has approvers.

use crate::{Error, Kind, School, blocking, decisions, place::Doing};
use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use std::path::Path;
pub use strongroom_engine::overruling::NamePattern;
use strongroom_engine::{
    decisions::Decisions,
    overruling::{Overruled, Overruling, point_at},
};
use strongroom_model::{
    Untrusted,
    decision::{Decided, Decision, DecisionKind},
};

/// What somebody points at, and how much is meant by it.
#[derive(Debug, Clone)]
pub struct Meant {
    /// A path in the newest snapshot. Without one: everywhere.
    pub path: Option<String>,
    /// Every version of a file, and not the one alone that it has now.
    pub every_version: bool,
    /// Files that are called so, in the folder at the path.
    pub names: Option<NamePattern>,
}

/// Who overrules, why, and until when.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// Who.
    pub by: &'a str,
    /// Why.
    pub reason: &'a str,
    /// The last day on which it counts.
    pub until: Date,
    /// The file of the person's key; needed where the configuration names their public key.
    pub key_file: Option<&'a Path>,
}

/// A verdict that somebody overruled.
#[derive(Debug, Clone, Serialize)]
pub struct ListedOverruling {
    /// Of what, by ids.
    pub subject: Untrusted,
    /// Of what, in words.
    pub says: Untrusted,
    /// Who.
    pub by: Untrusted,
    /// Why.
    pub reason: Untrusted,
    /// Since when.
    pub from: Option<Timestamp>,
    /// The last day.
    pub until: Option<Date>,
    /// Whether the next backup goes by it: it is proven, approved of where that is needed, and not
    /// over.
    pub counts: bool,
}

/// Keeps that somebody overrules a verdict. Answers what was kept.
///
/// # Errors
/// [`Kind::Request`], where nothing is pointed at that can be meant, or it is not said who or why;
/// those of opening copy 2, and of the place that keeps decisions.
pub async fn overrule(
    school: &School,
    meant: &Meant,
    said: Said<'_>,
) -> Result<ListedOverruling, Error> {
    decisions::is_said(school, said.by, said.reason, Some(said.until))?;
    let request = |what: &str| Error::new(Kind::Request, what);
    let (of, says, seen) = match (&meant.path, &meant.names) {
        (None, None) => {
            return Err(request("say of what: a path, a pattern of names, or both"));
        }
        (None, Some(names)) => {
            let of = Overruled::Named { names: names.clone(), below: None };
            (of, format!("files that are called {names}"), None)
        }
        (Some(path), names) => {
            let repo = school.copy2()?.open(Doing::Looking).await?;
            let (tenant, wanted) = (school.name().to_owned(), path.clone());
            let at = blocking(move || Ok(point_at(&repo, &tenant, &wanted)?)).await?;
            let place = at.path.quoted().to_string();
            let seen = Some(at.seen);
            match (names, at.is_file) {
                (Some(_), true) => {
                    return Err(request("a pattern of names is of a folder, and this is a file"));
                }
                (Some(names), false) => {
                    let of = Overruled::Named { names: names.clone(), below: Some(at.id) };
                    (of, format!("files that are called {names} below {place}"), seen)
                }
                (None, false) => (Overruled::Below(at.id), format!("all below {place}"), seen),
                (None, true) if meant.every_version => {
                    (Overruled::Item(at.id), format!("{place}, whatever it holds"), seen)
                }
                (None, true) => {
                    let verdict =
                        at.judgement.as_ref().map_or("not judged", |j| j.verdict.as_str());
                    let why = at.judgement.as_ref().and_then(|j| j.says.first());
                    let why = why.map(|w| format!(": {}", w.quoted())).unwrap_or_default();
                    let sha256 = at.sha256.unwrap_or_default();
                    let of = Overruled::Version { item: at.id, sha256 };
                    (of, format!("{place} as it is now, {verdict}{why}"), seen)
                }
            }
        }
    };
    let decision = Decision {
        says: Some(says),
        seen,
        person: Some(said.by.to_owned()),
        from: Some(school.now()),
        until: Some(said.until),
        ..Decision::new(DecisionKind::Overruling, of.to_string(), said.reason)
    };
    decisions::keep(school, vec![decision.clone()], said.key_file)?;
    let counts = decisions::counted(school)?.decisions.contains(&decision);
    Ok(listed(&decision, counts))
}

/// The verdicts that people overruled, oldest first, with what there is to tell of the place that
/// keeps decisions.
///
/// # Errors
/// That place's.
pub fn list(school: &School) -> Result<(Vec<ListedOverruling>, Vec<String>), Error> {
    let (counted, today) = (decisions::counted(school)?, school.today());
    let kept = school.decisions().entries()?;
    let all = kept.decisions().filter(|d| d.kind == DecisionKind::Overruling);
    let listed =
        all.map(|d| listed(&d.value, counted.decisions.contains(&d.value) && d.holds_on(today)));
    Ok((listed.collect(), counted.told))
}

fn listed(d: &Decision, counts: bool) -> ListedOverruling {
    ListedOverruling {
        subject: d.subject.as_str().into(),
        says: d.says.as_deref().unwrap_or(&d.subject).into(),
        by: d.by().into(),
        reason: d.reason.as_str().into(),
        from: d.from,
        until: d.until,
        counts,
    }
}

/// What of these decisions overrules verdicts today. One of which it is not known what it means
/// overrules nothing.
pub(crate) fn overruled(decisions: &[Decision], today: Date) -> Vec<Overruling> {
    let mut out = Vec::new();
    for d in decisions {
        if d.kind == DecisionKind::Overruling
            && d.decided == Decided::Accepted
            && d.holds_on(today)
            && let Ok(of) = d.subject.parse::<Overruled>()
        {
            let until = d.until.map(|u| format!(" until {u}")).unwrap_or_default();
            let says = format!("overruled by {}{until}: {}", d.by(), d.reason).into();
            out.push(Overruling { of, says, from: d.from });
        }
    }
    out
}
