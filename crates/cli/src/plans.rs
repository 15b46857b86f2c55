//! `strongroom plan`: plans that were kept, and by whom and when they were carried out.

use crate::{
    Global, output,
    progress::Bar,
    tenant_restore::{self, How, put_back, unasked},
    upkeep::{agreed, say_forgotten, say_pruned, say_released},
    words,
};
use anyhow::{Context, bail};
use clap::Subcommand;
use serde_json::{Value, json};
use std::sync::Arc;
use strongroom_model::{Ending, Record, Untrusted};
use strongroom_operations::{
    Copy2, School,
    plan::{
        Applied, Authority, Effect, Kept, Operation, OperationKind, Plan, PlanId, PlanStore,
        Prepared, Risk, Undo, again,
    },
    settings::{RestoreSettings, RestoreSettingsRequest},
    upkeep::{Forget, Prune, PruneOptions, ReleaseHold},
};

#[derive(Subcommand)]
pub(crate) enum PlanCommand {
    /// List the plans: those that wait, and those that were carried out.
    List,
    /// Show every step of a plan.
    Show {
        /// Plan: its id, or at least its first 8 digits.
        plan: String,
    },
    /// Carry a plan out. It is made again first, and nothing is done where it would be another now.
    Apply {
        /// Plan: its id, or at least its first 8 digits.
        plan: String,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
    /// Bring back what was there before a plan was carried out: shows its plan, then asks.
    Undo {
        /// Plan: its id, or at least its first 8 digits.
        plan: String,
        /// Show the plan and change nothing.
        #[arg(long)]
        dry_run: bool,
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
                if let Ok(Some(a)) = &kept.applied {
                    row["applied"] = json!(a);
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
            let applied = kept.applied.as_ref().ok().and_then(Option::as_deref);
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
            row.extend(match applied {
                Some(a) => [
                    a.by.line().to_string(),
                    a.began.strftime("%Y-%m-%d %H:%M").to_string(),
                    a.done.to_string(),
                    a.not_done.len().to_string(),
                ],
                None => Default::default(),
            });
            row
        })
        .collect();
    let head = [
        "plan",
        "state",
        "what",
        "school",
        "steps",
        "asked by",
        "on (UTC)",
        "until (UTC)",
        "carried out by",
        "begun (UTC)",
        "done",
        "not done",
    ];
    print!("{}", output::table(&head, &rows));
    for kept in &all {
        let errors = [kept.plan.as_ref().err(), kept.applied.as_ref().err()];
        for e in errors.into_iter().flatten() {
            println!("{}", output::alarm(&e.sentence()));
        }
    }
    Ok(if whole { Ending::Done } else { Ending::Partial })
}

fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Changes => "something is otherwise afterwards",
        Effect::Weakens => "less is protected afterwards",
        Effect::Destroys => "something is gone afterwards",
    }
}

/// What was asked for, field by field.
fn asked(name: &str, value: &Value, out: &mut String) {
    let below = |inner: &str| match name {
        "" => inner.to_owned(),
        _ => format!("{name}.{inner}"),
    };
    let text = match value {
        Value::Object(fields) if !fields.is_empty() => {
            return fields.iter().for_each(|(inner, value)| asked(&below(inner), value, out));
        }
        Value::Array(rows) if !rows.is_empty() => {
            return rows.iter().for_each(|value| asked(name, value, out));
        }
        Value::Object(_) | Value::Array(_) | Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    };
    out.push_str(&format!("asks    {}\n", Untrusted::from(format!("{name}: {text}")).line()));
}

/// By whom and when it was carried out, and what was not.
fn carried_out(a: &Applied) -> String {
    let ended = match a.ended {
        Some(at) => format!("until {at:.0}: {} steps, {} not", a.done, a.not_done.len()),
        None => "and nobody said that it ended".to_owned(),
    };
    let mut out = format!("done    by {}, from {:.0} {ended}\n", a.by.line(), a.began);
    for n in &a.not_done {
        out.push_str(&format!("not     {}: {}\n", n.object.line(), n.why.line()));
    }
    out
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
    asked("", &plan.request, &mut out);
    for risk in &plan.risks {
        let text = match risk {
            Risk::Alone => "one person asks and carries it out, and nobody else looks at it",
            Risk::Access => "it decides who gets into the tenant",
            Risk::Irreversible { why } => why,
        };
        out.push_str(&format!("risk    {}\n", Untrusted::from(text).line()));
    }
    match &plan.undo {
        Undo::None { why } => {
            out.push_str(&format!("undo    nothing undoes it; {}\n", Untrusted::from(why).line()));
        }
        Undo::RestoreSettings { .. } => out.push_str(
            "undo    how they are is kept first, and `strongroom plan undo` goes back to it\n",
        ),
    }
    if plan.cost.bytes_copied + plan.cost.bytes_freed > 0 {
        out.push_str(&format!(
            "cost    {} are copied, {} come free\n",
            output::bytes(plan.cost.bytes_copied),
            output::bytes(plan.cost.bytes_freed)
        ));
    }
    if plan.cost.requests_max > 0 {
        out.push_str(&format!(
            "cost    {} to {} requests that change something\n",
            plan.cost.requests_min, plan.cost.requests_max
        ));
    }
    if !plan.needs.is_empty() {
        out.push_str(&format!("needs   {}\n", Untrusted::from(plan.needs.join(", ")).line()));
    }
    for step in &plan.steps {
        out.push_str(&format!("{:<7} {}\n", step.verb.as_str(), step.object.line()));
        for call in &step.calls {
            let when = call.when.as_ref().map(|w| format!(" ({w})")).unwrap_or_default();
            let text = format!("{} {}{when}", call.method, call.path.as_str());
            out.push_str(&format!("        {}\n", Untrusted::from(text).line()));
        }
    }
    for unable in &plan.cannot {
        out.push_str(&format!("cannot  {}: {}\n", unable.object.line(), unable.why.line()));
    }
    out.push_str(&format!("{} steps\n", plan.steps.len()));
    out
}

/// The copy 2 that a plan is of: the one that was chosen, or else that of the plan's school.
fn copy2(global: &Global, plan: &Plan) -> anyhow::Result<Copy2> {
    match global.repo.is_some() {
        true => global.copy2(),
        false => Ok(school(global, plan)?.copy2()?),
    }
}

/// The school that a plan is of: the one that was chosen, or else that of the plan's tenant.
fn school(global: &Global, plan: &Plan) -> anyhow::Result<School> {
    if global.tenant.is_some() {
        return global.school();
    }
    let config = global.config()?;
    let is_its = |id: &str| plan.school.tenant_id.as_ref().is_some_and(|t| *t == *id);
    let tenant = config.tenants.iter().find(|t| is_its(&t.tenant_id.trim().to_lowercase()));
    let tenant = tenant.context(
        "the configuration has no school of the plan's tenant; --repo names the repository",
    )?;
    global.school_named(&tenant.name)
}

async fn carry_out(
    global: &Global,
    plan: &Record<Plan>,
    leave: Authority,
    bar: &Arc<Bar>,
) -> anyhow::Result<Ending> {
    let copy2 = copy2(global, plan)?;
    Ok(match plan.operation {
        OperationKind::RestoreSettings => {
            let school = school(global, plan)?;
            let ready = again::<RestoreSettings>(&school, plan, bar.clone()).await?;
            bar.finish();
            tenant_restore::carry_out(global, &school, ready, leave).await?
        }
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

async fn undo(global: &Global, word: &str, dry_run: bool, yes: bool) -> anyhow::Result<Ending> {
    let store = store(global)?;
    let id = store.find(word)?;
    let plan = store.get(&id)?;
    let applied = store.applied(&id)?;
    let applied =
        applied.with_context(|| format!("the plan {} was not carried out", id.short()))?;
    match &applied.undo {
        Undo::None { why } => {
            bail!("nothing undoes the plan {}: {}", id.short(), Untrusted::from(why).line())
        }
        Undo::RestoreSettings { to, objects } => {
            let to = to.clone().context(
                "the repository was locked when the plan was carried out, so how it was before \
                 was not kept by itself; `strongroom tenant restore` goes back to a snapshot",
            )?;
            let request = RestoreSettingsRequest {
                to,
                objects: objects.iter().map(|o| o.as_str().to_owned()).collect(),
                stand_ins: Vec::new(),
                remove_added: true,
                report_only: false,
                is_undo: true,
            };
            let how = How { dry_run, save_plan: false, yes };
            put_back(global, &school(global, &plan)?, request, how).await
        }
    }
}

pub(crate) async fn plan(global: &Global, command: PlanCommand) -> anyhow::Result<Ending> {
    match command {
        PlanCommand::List => list(global),
        PlanCommand::Show { plan } => {
            let store = store(global)?;
            let id = store.find(&plan)?;
            let plan = store.get(&id)?;
            let applied = store.applied(&id);
            let known = applied.as_ref().ok().and_then(Option::as_ref);
            let unknown = applied.as_ref().err().map(|e| e.sentence());
            if global.json {
                let mut shown = json!({"id": id, "plan": plan, "applied": known});
                if let Some(why) = &unknown {
                    shown["error"] = json!(why);
                }
                println!("{shown}");
            } else {
                print!("{}", describe(&id, &plan));
                print!("{}", known.map(|a| carried_out(a)).unwrap_or_default());
                if let Some(why) = &unknown {
                    println!("{}", output::alarm(why));
                }
            }
            Ok(if unknown.is_none() { Ending::Done } else { Ending::Partial })
        }
        PlanCommand::Apply { plan, yes } => apply(global, &plan, yes).await,
        PlanCommand::Undo { plan, dry_run, yes } => undo(global, &plan, dry_run, yes).await,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Whoever carries a plan out sees all that it was asked with, and no name forges a line.
    #[test]
    fn every_field_of_a_request_is_shown_and_what_became_of_it() {
        let id = PlanId::parse(&"ab".repeat(32)).unwrap();
        let mut plan: Plan = serde_json::from_value(json!({
            "v": 1, "operation": "restore-settings",
            "school": {"name": "riverside", "repository": "0f"},
            "request": {
                "to": "3c3e", "objects": ["a/b/c", "a/b/d\u{1b}[2J\nsteps none"],
                "stand_ins": ["@groups/Emergency access=77"], "remove_added": true,
                "report_only": false,
            },
            "basis": {"snapshots": [], "live": []}, "steps": [], "effect": "changes",
            "risks": ["alone"],
            "cost": {"bytes_copied": 0, "bytes_freed": 0, "requests_min": 0, "requests_max": 0},
            "needs": [], "cannot": [], "undo": {"none": {"why": "x"}},
            "asked": {"by": "ada", "at": "2026-11-30T12:00:00Z"},
            "expires": "2026-12-07T12:00:00Z", "nonce": "00",
        }))
        .unwrap();
        let shown = describe(&id, &plan);
        for line in [
            "asks    to: 3c3e\n",
            "asks    objects: a/b/c\n",
            "asks    stand_ins: @groups/Emergency access=77\n",
            "asks    remove_added: true\n",
            "asks    report_only: false\n",
        ] {
            assert!(shown.contains(line), "{line:?} is not in {shown}");
        }
        assert_eq!(shown.matches("asks    objects: ").count(), 2, "{shown}");
        assert!(!shown.contains('\u{1b}') && !shown.contains("\nsteps none"), "{shown}");
        plan.request = json!({"policy": {
            "policy": {"daily": 2}, "though_not_clean": true}, "grace_s": 0, "none": []});
        let shown = describe(&id, &plan);
        for line in ["policy.policy.daily: 2", "policy.though_not_clean: true", "grace_s: 0"] {
            assert!(shown.contains(&format!("asks    {line}\n")), "{line:?} is not in {shown}");
        }
        assert!(shown.contains("asks    none: none\n"), "{shown}");

        let applied: Applied = serde_json::from_value(json!({
            "v": 1, "plan": id, "by": "grace\n", "began": "2026-12-01T12:00:00Z",
            "ended": "2026-12-01T12:01:00Z", "done": 3, "undo": {"none": {"why": "x"}},
            "not_done": [{"object": "a/b/c", "why": "it was\nrefused"}],
        }))
        .unwrap();
        let shown = carried_out(&applied);
        assert_eq!(shown.lines().count(), 2, "{shown}");
        for words in ["by grace", "2026-12-01T12:00:00Z", "3 steps, 1 not", "not     a/b/c: it was"]
        {
            assert!(shown.contains(words), "{words:?} is not in {shown}");
        }
        let begun = carried_out(&Applied { ended: None, ..applied });
        assert!(begun.contains("nobody said that it ended"), "{begun}");
    }
}
