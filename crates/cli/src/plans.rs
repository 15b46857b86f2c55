//! `strongroom plan`: plans that were kept, and by whom and when they were carried out.

use crate::{
    Global, output,
    progress::Bar,
    tenant_restore::unasked,
    upkeep::{agreed, say_forgotten, say_pruned, say_released},
    words,
};
use anyhow::Context;
use clap::Subcommand;
use serde_json::{Value, json};
use std::sync::Arc;
use strongroom_model::{Ending, Record, Untrusted};
use strongroom_operations::{
    Copy2,
    plan::{
        Authority, Effect, Kept, Operation, OperationKind, Plan, PlanId, PlanStore, Prepared, Risk,
        Undo, again,
    },
    upkeep::{Forget, Prune, PruneOptions, ReleaseHold},
};

#[derive(Subcommand)]
pub(crate) enum PlanCommand {
    /// List the plans: those that wait, and those that were carried out.
    List,
    /// Show every step of a plan.
    Show {
        /// Plan: its id, or the first digits of it.
        plan: String,
    },
    /// Carry a plan out. It is made again first, and nothing is done where it would be another now.
    Apply {
        /// Plan: its id, or the first digits of it.
        plan: String,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
}

fn store(global: &Global) -> anyhow::Result<PlanStore> {
    let config = global.config().context("plans are kept where the configuration says")?;
    Ok(PlanStore::of(&config, &global.host.accounts))
}

/// Keeps a plan for whoever carries it out.
pub(crate) fn save<W>(global: &Global, ready: &Prepared<W>) -> anyhow::Result<Ending> {
    let plan = ready.plan();
    if ready.is_empty() {
        match global.json {
            true => println!("{}", json!({"plan": null})),
            false => println!("nothing is to be done, so no plan was kept"),
        }
        return Ok(Ending::Done);
    }
    let id = store(global)?.put(plan)?;
    match global.json {
        true => println!("{}", json!({"plan": id, "expires": plan.expires})),
        false => println!(
            "kept as plan {}, until {:.0}; `strongroom plan apply {}` carries it out",
            id.short(),
            plan.expires,
            id.short()
        ),
    }
    Ok(Ending::Done)
}

/// What a plan waits for, in a word.
fn state(kept: &Kept, global: &Global) -> &'static str {
    match (&kept.plan, &kept.applied) {
        (_, Err(_)) | (Err(_), _) => "unreadable",
        (_, Ok(Some(a))) if a.ended.is_none() => "begun",
        (_, Ok(Some(a))) if !a.not_done.is_empty() => "partial",
        (_, Ok(Some(_))) => "done",
        (Ok(plan), Ok(None)) if plan.expires < global.host.clock.now() => "expired",
        (Ok(_), Ok(None)) => "waits",
    }
}

fn list(global: &Global) -> anyhow::Result<Ending> {
    let wanted = match &global.tenant {
        Some(_) => Some(global.school()?.tenant().tenant_id.trim().to_lowercase()),
        None => None,
    };
    let mut all = store(global)?.list()?;
    all.retain(|kept| match (&wanted, &kept.plan) {
        (Some(id), Ok(plan)) => plan.school.tenant_id.as_ref().is_some_and(|t| t == id),
        // Whose it is nobody knows.
        (Some(_), Err(_)) | (None, _) => true,
    });
    let whole = all.iter().all(|kept| state(kept, global) != "unreadable");
    if global.json {
        let rows: Vec<Value> = all
            .iter()
            .map(|kept| {
                let mut row = json!({"plan": kept.id, "state": state(kept, global)});
                if let Ok(p) = &kept.plan {
                    row["operation"] = json!(p.operation);
                    row["school"] = json!(p.school);
                    row["effect"] = json!(p.effect);
                    row["asked"] = json!(p.asked);
                    row["expires"] = json!(p.expires);
                    row["steps"] = json!(p.steps.len());
                }
                let errors = [kept.plan.as_ref().err(), kept.applied.as_ref().err()];
                if let Some(e) = errors.into_iter().flatten().next() {
                    row["error"] = json!(e.sentence());
                }
                row
            })
            .collect();
        println!("{}", json!(rows));
        return Ok(if whole { Ending::Done } else { Ending::Partial });
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|kept| {
            let state = state(kept, global).to_owned();
            let mut row = vec![kept.id.short().to_owned(), state];
            row.extend(match &kept.plan {
                Ok(p) => [
                    words::command(p.operation).to_owned(),
                    p.school.name.as_ref().map(|n| n.line().to_string()).unwrap_or_default(),
                    p.steps.len().to_string(),
                    p.asked.by.line().to_string(),
                    p.asked.at.strftime("%Y-%m-%d %H:%M").to_string(),
                    p.expires.strftime("%Y-%m-%d %H:%M").to_string(),
                ],
                Err(_) => Default::default(),
            });
            row
        })
        .collect();
    let head = ["plan", "state", "what", "school", "steps", "asked by", "on (UTC)", "until (UTC)"];
    print!("{}", output::table(&head, &rows));
    for e in
        all.iter().flat_map(|k| k.plan.as_ref().err().into_iter().chain(k.applied.as_ref().err()))
    {
        println!("{}", output::alarm(&e.sentence()));
    }
    Ok(if whole { Ending::Done } else { Ending::Partial })
}

fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Weakens => "less is protected afterwards",
        Effect::Destroys => "something is gone afterwards",
    }
}

/// A plan for people.
fn describe(id: &PlanId, plan: &Plan) -> String {
    let line = |text: &Option<Untrusted>, none: &str| {
        text.as_ref().map_or(none.to_owned(), |t| t.line().to_string())
    };
    let mut out = format!(
        "plan    {id}\nwhat    {}\nschool  {} (tenant {}, repository {})\nasked   by {} on {:.0}, \
         may be carried out until {:.0}\neffect  {}\n",
        words::command(plan.operation),
        line(&plan.school.name, "no school in particular"),
        line(&plan.school.tenant_id, "not known"),
        Untrusted::from(&plan.school.repository).line(),
        plan.asked.by.line(),
        plan.asked.at,
        plan.expires,
        effect(plan.effect),
    );
    for risk in &plan.risks {
        let text = match risk {
            Risk::Alone => "one person asks and carries it out, and nobody else looks at it",
            Risk::Irreversible { why } => why,
        };
        out.push_str(&format!("risk    {}\n", Untrusted::from(text).line()));
    }
    match &plan.undo {
        Undo::None { why } => {
            out.push_str(&format!("undo    nothing undoes it; {}\n", Untrusted::from(why).line()));
        }
    }
    if plan.cost.bytes_copied + plan.cost.bytes_freed > 0 {
        out.push_str(&format!(
            "cost    {} are copied, {} come free\n",
            output::bytes(plan.cost.bytes_copied),
            output::bytes(plan.cost.bytes_freed)
        ));
    }
    for step in &plan.steps {
        out.push_str(&format!("{:<7} {}\n", step.verb.as_str(), step.object.line()));
    }
    out.push_str(&format!("{} steps\n", plan.steps.len()));
    out
}

/// The copy 2 that a plan is of: the one that was chosen, or else that of the plan's tenant.
fn copy2(global: &Global, plan: &Plan) -> anyhow::Result<Copy2> {
    if global.repo.is_some() || global.tenant.is_some() {
        return global.copy2();
    }
    let config = global.config()?;
    let is_its = |id: &str| plan.school.tenant_id.as_ref().is_some_and(|t| *t == *id);
    let tenant = config.tenants.iter().find(|t| is_its(&t.tenant_id.trim().to_lowercase()));
    let tenant = tenant.context(
        "the configuration has no school of the plan's tenant; --repo names the repository",
    )?;
    Ok(global.school_named(&tenant.name)?.copy2()?)
}

async fn carry_out(
    global: &Global,
    plan: &Record<Plan>,
    leave: Authority,
    bar: &Arc<Bar>,
) -> anyhow::Result<Ending> {
    let copy2 = copy2(global, plan)?;
    Ok(match plan.operation {
        OperationKind::Forget => {
            let ready = again::<Forget>(&copy2, plan, bar.clone()).await?;
            let done = Forget::apply(&copy2, ready, leave, bar.clone()).await?;
            say_forgotten(global, &done.report);
            done.ending
        }
        OperationKind::Prune => {
            let ready = again::<Prune>(&copy2, plan, bar.clone()).await?;
            let done = Prune::apply(&copy2, ready, leave, bar.clone()).await?;
            bar.finish();
            let options: PruneOptions = serde_json::from_value(plan.request.clone())?;
            say_pruned(global, &done.report, options.grace_s);
            done.ending
        }
        OperationKind::ReleaseHold => {
            let ready = again::<ReleaseHold>(&copy2, plan, bar.clone()).await?;
            let done = ReleaseHold::apply(&copy2, ready, leave, bar.clone()).await?;
            say_released(global, &done.report);
            done.ending
        }
    })
}

async fn apply(global: &Global, word: &str, yes: bool) -> anyhow::Result<Ending> {
    let store = store(global)?;
    let id = store.find(word)?;
    let plan = store.get(&id)?;
    store.waits(&id)?;
    let leave = Authority::alone(&plan, &global.host.account, global.host.clock.now())?;
    unasked(global, yes)?;
    if !global.json {
        print!("{}", describe(&id, &plan));
    }
    if !agreed(yes, "carry this out?")? {
        return Ok(Ending::Failed);
    }
    let bar = global.bar();
    let done = carry_out(global, &plan, leave.noted_in(&store), &bar).await;
    bar.finish();
    done
}

pub(crate) async fn plan(global: &Global, command: PlanCommand) -> anyhow::Result<Ending> {
    match command {
        PlanCommand::List => list(global),
        PlanCommand::Show { plan } => {
            let store = store(global)?;
            let id = store.find(&plan)?;
            let plan = store.get(&id)?;
            match global.json {
                true => println!("{}", json!({"id": id, "plan": plan})),
                false => print!("{}", describe(&id, &plan)),
            }
            Ok(Ending::Done)
        }
        PlanCommand::Apply { plan, yes } => apply(global, &plan, yes).await,
    }
}
