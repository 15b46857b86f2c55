//! `strongroom tenant remediate`: what rules with the answer `remediate` find is set back as it was when they passed last. The plan
//! and what would undo it are kept.

use crate::{
    Global,
    config::{Config, Tenant},
    failure::PARTIAL,
    open, output,
    progress::Bar,
    review::{Record, accepted_in, append, undo_command},
    tenant::today,
    tenant_restore::{Hand, describe, report},
};
use anyhow::Context;
use clap::Args;
use jiff::SignedDuration;
use serde_json::json;
use strongroom_engine::configuration::{self, RestoreOptions, history, plan};
use strongroom_guards::{Finding, OnFailureAnswer, Verdict, judge, rule::Concern};
use strongroom_model::Configuration;
use strongroom_repository::Id;

#[derive(Args)]
pub(crate) struct Remediate {
    /// Show what would be set back and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Look back so many days for a time when the rule passed.
    #[arg(long, default_value_t = 90)]
    days: u32,
}

/// The object that a concern is about, as `collection/name` or a whole collection.
fn object_of(concern: &Concern, sides: [&Configuration; 2]) -> Option<String> {
    let known =
        |at: &str| sides.iter().any(|c| c.collections.contains_key(at) || at.match_indices('/').any(|(n, _)| c.object(&at[..n], &at[n + 1..]).is_some()));
    // A concern may name a part of an object, such as one method of a policy.
    let ends = std::iter::once(concern.object.len()).chain(concern.object.rmatch_indices('/').map(|(n, _)| n));
    ends.map(|n| &concern.object[..n]).find(|at| known(at)).map(str::to_owned)
}

pub(crate) async fn remediate(global: &Global, args: Remediate) -> anyhow::Result<i32> {
    let config = Config::read(&global.config)?;
    let tenant = config.tenant(global.tenant.as_deref())?;
    let repo = open::repository(global).await?;
    // What is, is kept first: it is what an undo goes back to.
    if !args.dry_run {
        let reader = open::client(&config, tenant, "read", open::real_clock())?;
        let bar = Bar::new(global.quiet || global.json);
        let kept = configuration::snapshot(repo.clone(), reader, &tenant.name, false, open::cache_dir(global), bar.clone()).await;
        bar.finish();
        kept?;
    }
    let (name, since) = (tenant.name.clone(), open::real_clock().now() - SignedDuration::from_hours(24 * i64::from(args.days)));
    let steps: Vec<(Id, Configuration)> = open::blocking({
        let repo = repo.clone();
        move || Ok(history(&repo, &name, since)?)
    })
    .await?;
    let (undo, last) = steps.last().with_context(|| format!("no configuration of {} was kept yet", tenant.name))?;
    let hand = Hand::new(&config, tenant, Some(last.clone()))?;
    let wants = |f: &&Finding| f.verdict == Verdict::Failed && hand.exceptions.answer(&f.rule) == OnFailureAnswer::Remediate;
    let now = judge(last, &hand.exceptions, Vec::new(), today());
    let place = Place { config: &config, tenant, steps: &steps, undo: *undo };
    let mut rows = Vec::new();
    let mut whole = true;
    for f in now.findings.iter().filter(wants) {
        let passed =
            |c: &Configuration| judge(c, &hand.exceptions, Vec::new(), today()).findings.iter().any(|x| x.rule == f.rule && x.verdict == Verdict::Passed);
        let Some((to, good)) = steps.iter().rev().find(|(_, c)| passed(c)) else {
            whole = false;
            let why = format!("it did not pass in the last {} days, so there is nothing to go back to", args.days);
            tell(global, &f.rule, &why);
            rows.push(json!({"rule": f.rule, "error": why}));
            continue;
        };
        match one(global, &args, &hand, f, to, good, &place).await {
            Ok((row, record, good)) => {
                whole &= good;
                rows.push(row);
                if let Some(record) = record {
                    append(&config, tenant, &[record])?;
                }
            }
            Err(e) => {
                whole = false;
                tell(global, &f.rule, &format!("{e:#}"));
                rows.push(json!({"rule": f.rule, "error": format!("{e:#}")}));
            }
        }
    }
    if global.json {
        println!("{}", json!({"undo": undo.to_string(), "rules": rows}));
    } else if rows.is_empty() {
        println!("no rule that is to be remediated fails");
    }
    Ok(if whole { 0 } else { PARTIAL })
}

fn tell(global: &Global, rule: &str, why: &str) {
    if !global.json {
        println!("{}", output::alarm(&format!("{rule}: not remediated: {why}")));
    }
}

/// Whose, and what is known of it.
struct Place<'c> {
    config: &'c Config,
    tenant: &'c Tenant,
    steps: &'c [(Id, Configuration)],
    /// The snapshot that was made just before.
    undo: Id,
}

/// One rule: plan, show, ask, apply, read back. What was done, its record, and whether all went well.
async fn one(
    global: &Global,
    args: &Remediate,
    hand: &Hand<'_>,
    f: &Finding,
    to: &Id,
    good: &Configuration,
    place: &Place<'_>,
) -> anyhow::Result<(serde_json::Value, Option<Record>, bool)> {
    let now = hand.read(&strongroom_model::Silent).await?;
    let chosen: Vec<String> = f.concerns.iter().filter_map(|c| object_of(c, [&now, good])).collect();
    anyhow::ensure!(!chosen.is_empty(), "no object is named that a snapshot holds");
    // A rule does not overrule what somebody decided.
    let accepted = accepted_in(place.config, place.tenant, place.steps, &chosen)?;
    anyhow::ensure!(accepted.is_empty(), "it would also take back what was accepted ({}); set it back by hand with tenant restore", accepted.join("; "));
    let options = RestoreOptions { chosen, remove_added: true, own: hand.own.clone(), report_only: false };
    let plan = plan(good, &now, &options)?;
    let shown = json!({"rule": f.rule, "to": to.to_string(), "plan": plan});
    if !global.json {
        println!("{}: as in snapshot {}", f.rule, to.short());
        print!("{}", describe(&plan, &now, good));
    }
    hand.guarded(&plan, good, &now, &options)?;
    if args.dry_run || plan.acts.is_empty() {
        return Ok((shown, None, plan.cannot.is_empty()));
    }
    if !args.yes && !output::confirm(&format!("Set {} objects back?", plan.acts.len()))? {
        if !global.json {
            println!("nothing was changed");
        }
        return Ok((shown, None, true));
    }
    let applied = hand.apply(&plan, good, &now, &options, &strongroom_model::Silent).await?;
    if !global.json {
        report(&applied, &format!("snapshot {}", to.short()));
        println!("{}", undo_command(&place.tenant.name, &place.undo.to_string(), &options.chosen));
    }
    let record = Record::Applied {
        what: f.rule.to_string(),
        to: Some(to.to_string()),
        plan: serde_json::to_value(&plan)?,
        outcomes: serde_json::to_value(&applied.outcomes)?,
        undo: place.undo.to_string(),
        at: open::real_clock().now(),
    };
    let mut row = shown;
    row["outcomes"] = serde_json::to_value(&applied.outcomes)?;
    row["left"] = serde_json::to_value(&applied.left)?;
    let good = applied.is_whole();
    Ok((row, Some(record), good))
}
