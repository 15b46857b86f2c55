//! `strongroom tenant remediate`: what rules with the answer `remediate` find is set back as it was
//! when they passed last. The plan and what would undo it are kept.

use crate::{
    Global,
    approvers::Asks,
    failure, output, plans,
    tenant_restore::{carry_out, describe, unasked},
};
use clap::Args;
use serde_json::{Value, json};
use strongroom_model::Ending;
use strongroom_operations::{
    School,
    plan::{Authority, Operation, guard},
    settings::{Remediate as Remedying, RemediateRequest, to_remediate},
};

#[derive(Args)]
pub(crate) struct Remediate {
    /// Show what would be set back and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Keep a plan for each rule and change nothing: `plan apply` carries them out later.
    #[arg(long, conflicts_with_all = ["dry_run", "yes"])]
    save_plan: bool,
    #[command(flatten)]
    asks: Asks,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    /// Look back so many days for a time when the rule passed.
    #[arg(long, default_value_t = 90)]
    days: u32,
}

pub(crate) async fn remediate(global: &Global, args: Remediate) -> anyhow::Result<Ending> {
    let school = &global.school()?;
    let mut endings = Vec::new();
    let bar = global.bar();
    // What is, is kept first: it is what an undo goes back to.
    let found = to_remediate(school, !args.dry_run && !args.save_plan, bar.clone()).await;
    bar.finish();
    let found = found?;
    endings.extend((!found.sees_all).then_some(Ending::Partial));
    let mut rows = Vec::new();
    for (rule, why) in &found.blind {
        endings.push(Ending::Partial);
        rows.push(left_alone(global, rule, &format!("it could not be judged: {}", why.line())));
    }
    for rule in &found.failing {
        match one(global, &args, school, rule).await {
            Ok((row, ending)) => {
                endings.push(ending);
                rows.push(row);
            }
            Err(e) => {
                endings.push(Ending::Partial);
                rows.push(left_alone(global, rule, &failure::sentence(&e)));
            }
        }
    }
    if global.json {
        println!("{}", json!({"undo": found.snapshot, "rules": rows}));
    } else if rows.is_empty() {
        println!("no rule that is to be remediated fails");
    }
    Ok(Ending::of_several(&endings))
}

/// Says of a rule why nothing is set back.
fn left_alone(global: &Global, rule: &str, why: &str) -> Value {
    if !global.json {
        println!("{}", output::alarm(&format!("{rule}: not remediated: {why}")));
    }
    json!({"rule": rule, "error": why})
}

/// One rule: plan, show, ask, apply, read back. What was done, and how it ended.
async fn one(
    global: &Global,
    args: &Remediate,
    school: &School,
    rule: &str,
) -> anyhow::Result<(Value, Ending)> {
    let (bar, by) = (global.bar(), &global.host.account);
    let request = RemediateRequest { rule: rule.to_owned(), days: args.days, to: None };
    let ready = Remedying::plan(school, request, by, bar.clone()).await;
    bar.finish();
    let asker = args.asks.asker()?;
    let ready = ready?.asked_by(&asker);
    let work = ready.work();
    let (count, can_mend) =
        (work.restore().acts.len(), !ready.is_empty() && work.restore().cannot.is_empty());
    let to = work.aim().snapshot().map(|id| id.to_string()).unwrap_or_default();
    let mut row = json!({"rule": rule, "to": to, "plan": work.restore()});
    if !global.json {
        println!("{rule}: as in snapshot {to:.8}");
        print!("{}", describe(work));
        plans::say_alone(&ready);
    }
    let leave = Authority::of(ready.plan(), by, global.host.clock.now())?;
    // A rule that fails and for which nothing can be set is not mended.
    let mended = if can_mend { Ending::Done } else { Ending::Partial };
    if (args.save_plan || !ready.is_alone() && !args.dry_run) && count > 0 {
        // What is refused now is not kept for later.
        Remedying::guard(school, &ready).await?;
        let (id, expires) = plans::kept(global, &ready, &asker)?;
        row["kept"] = json!({"plan": id, "expires": expires});
        return Ok((row, if args.save_plan { mended } else { Ending::Waiting }));
    }
    let ready = guard::<Remedying>(school, ready).await?;
    if args.dry_run || count == 0 {
        return Ok((row, mended));
    }
    unasked(global, args.yes)?;
    if !args.yes && !output::confirm(&format!("Set {count} objects back?"))? {
        if !global.json {
            println!("nothing was changed");
        }
        return Ok((row, Ending::Failed));
    }
    let done = carry_out::<Remedying>(global, school, ready, leave).await?;
    row["outcomes"] = serde_json::to_value(&done.report.applied.outcomes)?;
    row["left"] = serde_json::to_value(&done.report.applied.left)?;
    row["holds"] = done.report.holds.into();
    Ok((row, done.ending))
}
