//! `strongroom tenant remediate`: what rules with the answer `remediate` find is set back as it was
//! when they passed last. The plan and what would undo it are kept.

use crate::{
    Global,
    edge::blocking,
    failure, output,
    review::{accepted_in, keep_applied, undo_command},
    tenant::exceptions,
    tenant_restore::{describe, report, unasked},
};
use anyhow::Context;
use clap::Args;
use jiff::SignedDuration;
use serde_json::json;
use std::collections::BTreeSet;
use strongroom_engine::configuration::{self, RestoreOptions, history, plan};
use strongroom_guards::{Finding, OnFailureAnswer, RULES, Verdict, judge};
use strongroom_model::{Configuration, Ending, decision::AppliedPlan};
use strongroom_operations::{Identity, School, settings::Hand};
use strongroom_repository::Id;

#[derive(Args)]
pub(crate) struct Remediate {
    /// Show what would be set back and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    /// Look back so many days for a time when the rule passed.
    #[arg(long, default_value_t = 90)]
    days: u32,
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

pub(crate) async fn remediate(global: &Global, args: Remediate) -> anyhow::Result<Ending> {
    let school = &global.school()?;
    let repo = school.repository().await?;
    // What is, is kept first: it is what an undo goes back to.
    let mut endings = Vec::new();
    let mut kept_as = None;
    if !args.dry_run {
        let reader = school.client(Identity::Read)?;
        let bar = global.bar();
        let kept = configuration::snapshot(
            repo.clone(),
            reader,
            school.name(),
            false,
            school.cache()?,
            bar.clone(),
        )
        .await;
        bar.finish();
        let kept = kept?;
        endings.extend((!kept.sees_all()).then_some(Ending::Partial));
        kept_as = Some(kept.snapshot);
    }
    let (name, since) = (
        school.name().to_owned(),
        school.now() - SignedDuration::from_hours(24 * i64::from(args.days)),
    );
    let steps: Vec<(Id, Configuration)> = blocking({
        let repo = repo.clone();
        move || Ok(history(&repo, &name, since)?)
    })
    .await?;
    let (undo, last) = steps
        .last()
        .with_context(|| format!("no configuration of {} was kept yet", school.name()))?;
    let hand = Hand::new(school, exceptions(school)?, Some(last.clone()))?;
    // Who cannot judge has not seen that all is well.
    let blind = |f: &&Finding| {
        !matches!(f.verdict, Verdict::Failed | Verdict::Passed | Verdict::Accepted)
            && hand.exceptions.answer(&f.rule) == OnFailureAnswer::Remediate
    };
    let wants = |f: &&Finding| {
        f.verdict == Verdict::Failed
            && hand.exceptions.answer(&f.rule) == OnFailureAnswer::Remediate
    };
    let now = judge(last, &hand.exceptions, Vec::new(), school.today());
    let undo = kept_as.unwrap_or_else(|| undo.to_string());
    let place = Place { school, steps: &steps, undo: undo.clone() };
    let mut rows = Vec::new();
    for f in now.findings.iter().filter(blind) {
        endings.push(Ending::Partial);
        tell(global, &f.rule, &format!("it could not be judged: {}", f.note.line()));
        rows.push(
            json!({"rule": f.rule, "error": format!("it could not be judged: {}", f.note.line())}),
        );
    }
    for f in now.findings.iter().filter(wants) {
        let passed = |c: &Configuration| {
            judge(c, &hand.exceptions, Vec::new(), school.today())
                .findings
                .iter()
                .any(|x| x.rule == f.rule && x.verdict == Verdict::Passed)
        };
        let Some((to, good)) = steps.iter().rev().find(|(_, c)| passed(c)) else {
            endings.push(Ending::Partial);
            let why = format!(
                "it did not pass in the last {} days, so there is nothing to go back to",
                args.days
            );
            tell(global, &f.rule, &why);
            rows.push(json!({"rule": f.rule, "error": why}));
            continue;
        };
        match one(global, &args, &hand, f, to, good, &place).await {
            Ok((row, record, ending)) => {
                endings.push(ending);
                rows.push(row);
                if let Some(record) = record {
                    keep_applied(school, &record)?;
                }
            }
            Err(e) => {
                endings.push(Ending::Partial);
                tell(global, &f.rule, &failure::sentence(&e));
                rows.push(json!({"rule": f.rule, "error": failure::sentence(&e)}));
            }
        }
    }
    if global.json {
        println!("{}", json!({"undo": undo, "rules": rows}));
    } else if rows.is_empty() {
        println!("no rule that is to be remediated fails");
    }
    Ok(Ending::of_several(&endings))
}

fn tell(global: &Global, rule: &str, why: &str) {
    if !global.json {
        println!("{}", output::alarm(&format!("{rule}: not remediated: {why}")));
    }
}

/// Whose, and what is known of it.
struct Place<'c> {
    school: &'c School,
    steps: &'c [(Id, Configuration)],
    /// The snapshot that was made just before.
    undo: String,
}

/// One rule: plan, show, ask, apply, read back. What was done, its record, and whether all went
/// well.
async fn one(
    global: &Global,
    args: &Remediate,
    hand: &Hand,
    f: &Finding,
    to: &Id,
    good: &Configuration,
    place: &Place<'_>,
) -> anyhow::Result<(serde_json::Value, Option<AppliedPlan>, Ending)> {
    let now = hand.read(&strongroom_model::Silent).await?;
    let chosen = objects_of(f, &now, good);
    anyhow::ensure!(
        !chosen.is_empty(),
        "nothing that it looks at differs from when it passed; a person must look"
    );
    // A rule does not overrule what somebody decided since.
    let since =
        place.steps.iter().position(|(id, _)| id == to).map_or(place.steps, |n| &place.steps[n..]);
    let accepted = accepted_in(place.school, since, &chosen)?;
    anyhow::ensure!(
        accepted.is_empty(),
        "it would also take back what was accepted ({}); set it back by hand with tenant restore",
        accepted.join("; ")
    );
    let options = RestoreOptions { remove_added: true, ..hand.options(good, &now, chosen).await? };
    let plan = plan(good, &now, &options)?;
    let shown = json!({"rule": f.rule, "to": to.to_string(), "plan": plan});
    if !global.json {
        println!("{}: as in snapshot {}", f.rule, to.short());
        print!("{}", describe(&plan, &now, good));
    }
    hand.guarded(&plan, good, &now, &options).await?;
    let kept = |collection: &str| {
        place
            .steps
            .last()
            .and_then(|(_, c)| c.collections.get(collection))
            .is_some_and(|c| c.state.is_collected())
    };
    if let Some(a) = plan.acts.iter().find(|a| !kept(&a.collection)) {
        anyhow::bail!(
            "{} could not be read when the settings were kept, so there would be no way back",
            a.collection
        );
    }
    if args.dry_run || plan.acts.is_empty() {
        // A rule that fails and for which nothing can be set is not mended.
        let can_mend = !plan.acts.is_empty() && plan.cannot.is_empty();
        return Ok((shown, None, if can_mend { Ending::Done } else { Ending::Partial }));
    }
    unasked(global, args.yes)?;
    if !args.yes && !output::confirm(&format!("Set {} objects back?", plan.acts.len()))? {
        if !global.json {
            println!("nothing was changed");
        }
        return Ok((shown, None, Ending::Failed));
    }
    let writing = hand.writing()?;
    // The way back is written down before anything is changed.
    let mut record = AppliedPlan {
        what: f.rule.to_string(),
        to: Some(to.to_string()),
        plan: serde_json::to_value(&plan)?,
        outcomes: json!("begun"),
        undo: place.undo.clone(),
        at: place.school.now(),
    };
    keep_applied(place.school, &record)?;
    let applied = writing
        .apply(&plan, good, &|_| good.clone(), &now, &options, &strongroom_model::Silent)
        .await?;
    if !global.json {
        report(&applied, &format!("snapshot {}", to.short()));
        println!("{}", undo_command(place.school.name(), &place.undo, &options.chosen));
    }
    record.outcomes = serde_json::to_value(&applied.outcomes)?;
    // What counts is what the rule says now.
    let passes = |c: &Configuration| {
        judge(c, &hand.exceptions, Vec::new(), place.school.today())
            .findings
            .iter()
            .any(|x| x.rule == f.rule && x.verdict == Verdict::Passed)
    };
    // What was done is told and kept, whether or not the tenant can be read again.
    let holds = passes(&applied.after);
    if !holds {
        tell(global, &f.rule, "it fails still, or cannot be judged now");
    }
    let mut row = shown;
    row["outcomes"] = serde_json::to_value(&applied.outcomes)?;
    row["left"] = serde_json::to_value(&applied.left)?;
    row["holds"] = holds.into();
    let ending = applied.ending().or_worse(if holds { Ending::Done } else { Ending::Partial });
    Ok((row, Some(record), ending))
}
