//! What rules with the answer *remediate* find is set back as it was when they passed last.

use super::{
    Aim, SettingsReport, SettingsWork, TenantSettings, all_exceptions,
    tenant_settings::passes,
    work::{carry_out, none_kept, prepare},
};
use crate::{
    Error, Hears, Identity, Kind, School, blocking,
    plan::{Authority, Done, Guarded, Operation, OperationKind, Prepared, sealed},
    reviews::{accepted_in, days_ago},
    snapshots::snapshot,
};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use strongroom_engine::configuration::{
    self, SettingsRestoreOptions, history, latest, plan as plan_restore,
};
use strongroom_guards::{Exceptions, Finding, OnFailureAnswer, RULES, RuleVerdict, judge};
use strongroom_model::{Configuration, Untrusted};
use strongroom_repository::{Id, Repository};

/// Rules that are to be remediated, as the settings that were kept last stand.
#[derive(Debug)]
pub struct ToRemediate {
    /// The snapshot of those settings.
    pub snapshot: String,
    /// Whether all that may be read was, where it was read now.
    pub sees_all: bool,
    /// Rules that fail.
    pub failing: Vec<String>,
    /// Rules that could not be judged, and why.
    pub blind: Vec<(String, Untrusted)>,
}

/// Judges which rules that are to be remediated fail. Where it is to be kept how the tenant stands,
/// it is read and kept first.
///
/// # Errors
/// [`Kind::Request`], where no settings were kept yet; else those of reading.
pub async fn to_remediate(
    school: &School,
    keep: bool,
    progress: Hears,
) -> Result<ToRemediate, Error> {
    let repo = school.repository().await?;
    let mut sees_all = true;
    if keep {
        let (reader, cache) = (school.client(Identity::Read)?, school.cache()?);
        let name = school.name();
        let kept =
            configuration::snapshot(repo.clone(), reader, name, false, cache, progress.clone())
                .await?;
        sees_all = kept.sees_all();
    }
    let name = school.name().to_owned();
    let found = blocking(move || Ok(latest(&repo, &name)?)).await?;
    let (snapshot, last) = found.ok_or_else(|| none_kept(school, ""))?;
    let exceptions = all_exceptions(school, progress.as_ref())?;
    let judged = judge(&last, &exceptions, Vec::new(), school.today());
    let mut out =
        ToRemediate { snapshot: snapshot.to_string(), sees_all, failing: vec![], blind: vec![] };
    for f in judged.findings {
        match f.verdict {
            _ if exceptions.answer(&f.rule) != OnFailureAnswer::Remediate => {}
            RuleVerdict::Failed => out.failing.push(f.rule.into_owned()),
            RuleVerdict::Passed | RuleVerdict::Accepted => {}
            // Who cannot judge has not seen that all is well.
            RuleVerdict::Manual | RuleVerdict::Skipped => {
                out.blind.push((f.rule.into_owned(), f.note))
            }
        }
    }
    Ok(out)
}

/// Sets back what one rule finds.
pub struct Remediate;

/// Which, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemediateRequest {
    /// The rule.
    pub rule: String,
    /// So many days are looked back for a time when it passed.
    pub days: u32,
    /// The newest snapshot in which it passed. Absent until it is found out; a plan names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// The objects that are to be set back: those that the rule named and that differ from when it
/// passed; and where it named none of them (what protected the tenant is gone, and only near misses
/// are left to name), everything that it looks at and that differs. What was added since is taken
/// away only when the rule named it itself.
fn objects_of(f: &Finding, now: &Configuration, good: &Configuration) -> Vec<String> {
    let mut differs = Vec::new();
    let inputs = RULES.iter().find(|r| r.id == f.rule).map(|r| r.inputs).unwrap_or_default();
    for input in inputs {
        let names = |c: &Configuration| {
            c.collections
                .get(*input)
                .into_iter()
                .flat_map(|c| c.objects.iter().map(|o| o.name.clone()))
                .collect::<BTreeSet<_>>()
        };
        for name in names(good).union(&names(now)) {
            let at = |c: &Configuration| c.object(input, name).map(|o| o.body.clone());
            if at(good) != at(now) {
                differs.push((format!("{input}/{name}"), at(good).is_some()));
            }
        }
    }
    // A concern may name a part of an object, such as one method of a policy, whose collection
    // holds that object alone.
    let alone =
        |collection: &str| good.collections.get(collection).is_some_and(|c| c.objects.len() == 1);
    let named = |object: &str| {
        f.concerns.iter().any(|c| {
            c.object == object
                || object.rsplit_once('/').is_some_and(|(at, _)| {
                    alone(at)
                        && (c.object == at || c.object.as_str().starts_with(&format!("{at}/")))
                })
        })
    };
    let chosen: Vec<String> =
        differs.iter().filter(|(o, _)| named(o)).map(|(o, _)| o.clone()).collect();
    if chosen.is_empty() {
        differs.into_iter().filter(|(_, was_there)| *was_there).map(|(o, _)| o).collect()
    } else {
        chosen
    }
}

/// What is gone back to, and all that differed since.
struct Since {
    to: Id,
    good: Configuration,
    /// The configurations since then, oldest first, that one included.
    steps: Vec<(Id, Configuration)>,
}

/// The newest configuration in which the rule passed: the one that is named, or that is found.
fn since(
    repo: &Repository,
    school: &School,
    request: &RemediateRequest,
    exceptions: &Exceptions,
) -> Result<Since, Error> {
    let passed = |c: &Configuration| passes(c, exceptions, &request.rule, school.today());
    if let Some(word) = &request.to {
        let (to, at) = snapshot(repo, word)?;
        let good = configuration::load(repo, &at)?.filter(passed).ok_or_else(|| {
            let what = format!("the rule {} does not pass in {}", request.rule, to.short());
            Error::new(Kind::Changed, what)
        })?;
        // So that the snapshot itself is the first.
        let just_after = at.time.saturating_add(SignedDuration::from_nanos(1)).unwrap_or(at.time);
        let mut steps = history(repo, school.name(), just_after)?;
        if steps.first().is_none_or(|(id, _)| *id != to) {
            steps.insert(0, (to, good.clone()));
        }
        return Ok(Since { to, good, steps });
    }
    let mut steps = history(repo, school.name(), days_ago(school, request.days))?;
    let at = steps.iter().rposition(|(_, c)| passed(c)).ok_or_else(|| {
        let what = format!(
            "it did not pass in the last {} days, so there is nothing to go back to",
            request.days
        );
        Error::new(Kind::Request, what)
    })?;
    steps.drain(..at);
    let (to, good) = steps.first().cloned().ok_or_else(|| none_kept(school, ""))?;
    Ok(Since { to, good, steps })
}

/// Whether two say the same of each object.
fn are_alike(a: &Configuration, b: &Configuration) -> bool {
    let alike = |a: &strongroom_model::ConfigCollection, b: &strongroom_model::ConfigCollection| {
        let says = |o: &strongroom_model::ConfigObject| {
            (o.name.clone(), o.id.clone(), o.body.clone(), o.volatile["keyIds"].clone())
        };
        a.state == b.state && a.objects.iter().map(says).eq(b.objects.iter().map(says))
    };
    a.collections.len() == b.collections.len()
        && a.collections.iter().zip(&b.collections).all(|((n, a), (m, b))| n == m && alike(a, b))
}

impl sealed::Sealed for Remediate {}

impl Operation for Remediate {
    const KIND: OperationKind = OperationKind::Remediate;
    const MAY_GROW: bool = false;
    type At = School;
    type Request = RemediateRequest;
    type Work = SettingsWork;
    type Report = SettingsReport;

    async fn plan(
        school: &School,
        mut request: RemediateRequest,
        by: &str,
        progress: Hears,
    ) -> Result<Prepared<SettingsWork>, Error> {
        let repo = school.repository().await?;
        let exceptions = all_exceptions(school, progress.as_ref())?;
        let rule = RULES.iter().map(|r| r.id).find(|id| *id == request.rule).ok_or_else(|| {
            let what = format!("no built-in rule is called {:?}", request.rule);
            Error::new(Kind::Request, what)
        })?;
        if exceptions.answer(rule) != OnFailureAnswer::Remediate {
            let what = format!("the exceptions file does not let {rule} be remediated");
            return Err(Error::new(Kind::Refused, what));
        }
        let (since, last) = blocking({
            let (repo, school) = (repo.clone(), school.clone());
            let (request, exceptions) = (request.clone(), exceptions.clone());
            move || {
                strongroom_engine::seal::check(&repo, &school.tenant().tenant_id)?;
                let since = since(&repo, &school, &request, &exceptions)?;
                Ok((since, latest(&repo, school.name())?))
            }
        })
        .await?;
        let (kept, last) = last.ok_or_else(|| none_kept(school, ""))?;
        let hand = TenantSettings::new(school, exceptions, Some(last.clone()))?;
        let now = hand.read(progress.as_ref()).await?;
        let judged = judge(&now, &hand.exceptions, Vec::new(), school.today()).findings;
        let f = judged
            .into_iter()
            .find(|f| f.rule == rule)
            .ok_or_else(|| Error::new(Kind::Internal, format!("the rule {rule} said nothing")))?;
        match f.verdict {
            RuleVerdict::Failed => {}
            RuleVerdict::Passed | RuleVerdict::Accepted => {
                let what = format!("the rule {rule} fails no more, so nothing is set back");
                return Err(Error::new(Kind::Changed, what));
            }
            RuleVerdict::Manual | RuleVerdict::Skipped => {
                let what = format!("it could not be judged: {}", f.note.line());
                return Err(Error::new(Kind::Request, what));
            }
        }
        let Since { to, good, steps } = since;
        let chosen = objects_of(&f, &now, &good);
        if chosen.is_empty() {
            let what = "nothing that it looks at differs from when it passed; a person must look";
            return Err(Error::new(Kind::Request, what));
        }
        // A rule does not overrule what somebody decided since.
        let accepted = accepted_in(school, &steps, &chosen)?;
        if !accepted.is_empty() {
            let what = format!(
                "it would also take back what was accepted ({}); set it back by hand, from the \
                 snapshot {}",
                accepted.join("; "),
                to.short()
            );
            return Err(Error::new(Kind::Refused, what));
        }
        let options = SettingsRestoreOptions {
            remove_added: true,
            ..hand.options(&good, &now, chosen).await?
        };
        let restore = plan_restore(&good, &now, &options)?;
        request.to = Some(to.to_string());
        let work = SettingsWork {
            repo,
            hand,
            aim: Aim::Rule { rule: rule.into(), to },
            found: now.clone(),
            as_in: are_alike(&now, &last).then_some(kept),
            now,
            wanted: good,
            options,
            restore,
            seen: school.now(),
            way_back: None,
            alone: None,
        };
        prepare::<Self>(school, request, work, by).await
    }

    /// Refuses a plan after which nobody would get in.
    async fn guard(_: &School, ready: &Prepared<SettingsWork>) -> Result<(), Error> {
        ready.work().guarded().await
    }

    async fn apply(
        school: &School,
        ready: Guarded<SettingsWork>,
        authority: Authority,
        progress: Hears,
    ) -> Result<Done<SettingsReport>, Error> {
        carry_out::<Self>(school, ready, authority, progress).await
    }
}
