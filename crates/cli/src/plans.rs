//! `strongroom plan`: plans that were kept, and by whom and when they were carried out.

use crate::{
    Global,
    approvers::{Approval, Asks},
    output,
    progress::Bar,
    restore::say_restored,
    tenant_restore::{self, How, put_back, unasked},
    upkeep::{agreed, say_forgotten, say_pruned, say_released},
    words,
};
use anyhow::{Context, bail};
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use strongroom_model::{Ending, Record, Untrusted, shown_line};
use strongroom_operations::{
    Copy2, Error, School,
    approvers::{self, Approvals, Asker, Stands},
    plan::{
        Authority, Effect, Operation, OperationKind, Plan, PlanExecution, PlanId, PlanStore,
        Prepared, Risk, StoredPlan as KeptPlan, Undo, again,
    },
    restore::RestoreData,
    settings::{
        ApplyBaseline, Remediate, RestoreSettings, RestoreSettingsRequest, SettingsReport,
        SettingsWork,
    },
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
    /// Approve of a plan that somebody else asked for: shows it, then asks.
    Approve {
        /// Plan: its id, or at least its first 8 digits.
        plan: String,
        #[command(flatten)]
        approval: Approval,
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
        #[command(flatten)]
        asks: Asks,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
}

const ALONE: &str = "one person acts alone: nobody is enrolled who approves of it";

fn store(global: &Global) -> anyhow::Result<PlanStore> {
    let config = global.config().context("plans are kept where the configuration says")?;
    Ok(PlanStore::of(&config, &global.host.accounts))
}

/// Whether a plan was kept, and not to be carried out now.
pub(crate) enum Kept {
    /// It was, and the command ends so.
    Yes(Ending),
    /// Who asks may go on.
    No,
}

/// Says of a plan that nobody else looks at it, where that is so.
pub(crate) fn say_alone<W>(ready: &Prepared<W>) {
    if ready.plan().risks.contains(&Risk::Alone) && !ready.is_empty() {
        println!("risk    {ALONE}");
    }
}

/// Keeps a plan for whoever carries it out, where somebody wants it or others must approve of it.
pub(crate) fn keep<W>(
    global: &Global,
    ready: &Prepared<W>,
    asker: &Asker,
    is_wanted: bool,
) -> anyhow::Result<Kept> {
    if ready.is_empty() {
        if !is_wanted {
            return Ok(Kept::No);
        }
        match global.json {
            true => println!("{}", json!({"plan": null})),
            false => println!("nothing is to be done, so no plan was kept"),
        }
        return Ok(Kept::Yes(Ending::Done));
    }
    if ready.is_alone() && !is_wanted {
        return Ok(Kept::No);
    }
    let asked = kept(global, ready, asker)?;
    if global.json {
        let (id, expires) = asked;
        println!("{}", json!({"plan": id, "expires": expires, "alone": ready.is_alone()}));
    }
    // Who wanted no more than a plan has it.
    Ok(Kept::Yes(if is_wanted { Ending::Done } else { Ending::Waiting }))
}

/// Keeps a plan that does something, and that somebody asks for it; says so to people.
pub(crate) fn kept<W>(
    global: &Global,
    ready: &Prepared<W>,
    asker: &Asker,
) -> anyhow::Result<(PlanId, Timestamp)> {
    let plan = ready.plan();
    let id = store(global)?.put(plan)?;
    if asker.by().is_some() {
        approvers::ask(&school(global, plan)?, plan, asker)?;
    }
    let (short, until) = (id.short(), plan.expires);
    match (global.json, ready.is_alone()) {
        (true, _) => {}
        (false, true) => println!(
            "kept as plan {short}, until {until:.0}; `strongroom plan apply {short}` carries it out"
        ),
        (false, false) => println!(
            "kept as plan {short}, until {until:.0}, and nothing was done: it waits for approval \
             (`strongroom plan approve {short} --by NAME --key FILE`); then `strongroom plan apply \
             {short}` carries it out"
        ),
    }
    Ok((id, plan.expires))
}

/// A plan of the list, and who stands behind it where that matters still.
struct Row {
    kept: KeptPlan,
    stands: Option<Result<Stands, Error>>,
}

impl Row {
    fn of(kept: KeptPlan, global: &Global) -> Self {
        let stands = match (&kept.plan, &kept.applied) {
            (Ok(plan), Ok(None)) if plan.expires >= global.host.clock.now() => {
                // Of a repository without a school nobody knows before it is opened.
                let school = school(global, plan).ok();
                school.map(|s| Approvals::of_school(&s)?.stands(plan, global.host.clock.now()))
            }
            _ => None,
        };
        Self { kept, stands }
    }

    /// What it waits for, in a word.
    fn state(&self, global: &Global) -> &'static str {
        match (&self.kept.plan, &self.kept.applied) {
            (_, Err(_)) | (Err(_), _) => "unreadable",
            (_, Ok(Some(a))) if a.ended.is_none() => "begun",
            (_, Ok(Some(a))) if !a.not_done.is_empty() => "partial",
            (_, Ok(Some(_))) => "done",
            (Ok(plan), Ok(None)) if plan.expires < global.host.clock.now() => "expired",
            (Ok(_), Ok(None)) => match &self.stands {
                Some(Err(_)) => "unreadable",
                Some(Ok(stands)) if stands.lacks > 0 => "unapproved",
                Some(Ok(stands)) if !stands.alone => "approved",
                Some(Ok(_)) | None => "waits",
            },
        }
    }

    fn errors(&self) -> impl Iterator<Item = &Error> {
        let stands = self.stands.as_ref().and_then(|s| s.as_ref().err());
        [self.kept.plan.as_ref().err(), self.kept.applied.as_ref().err(), stands]
            .into_iter()
            .flatten()
    }
}

fn list(global: &Global) -> anyhow::Result<Ending> {
    let wanted = match global.tenant() {
        Some(_) => Some(global.school()?.tenant().tenant_id.trim().to_lowercase()),
        None => None,
    };
    let mut all = store(global)?.list()?;
    all.retain(|kept| match (&wanted, &kept.plan) {
        (Some(id), Ok(plan)) => plan.school.tenant_id.as_ref().is_some_and(|t| t == id),
        // Whose it is nobody knows.
        (Some(_), Err(_)) | (None, _) => true,
    });
    let all: Vec<Row> = all.into_iter().map(|kept| Row::of(kept, global)).collect();
    let whole = all.iter().all(|row| row.state(global) != "unreadable");
    if global.json {
        let rows: Vec<Value> = all
            .iter()
            .map(|of| {
                let kept = &of.kept;
                let mut row = json!({"plan": kept.id, "state": of.state(global)});
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
                if let Some(Ok(stands)) = &of.stands {
                    row["approval"] = json!(stands);
                }
                if let Some(e) = of.errors().next() {
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
        .map(|of| {
            let (kept, state) = (&of.kept, of.state(global).to_owned());
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
    for e in all.iter().flat_map(Row::errors) {
        println!("{}", output::alarm(&e.sentence()));
    }
    Ok(if whole { Ending::Done } else { Ending::Partial })
}

fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Adds => "something is there besides, and nothing else is touched",
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
fn carried_out(a: &PlanExecution) -> String {
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

/// Who stands behind a plan, for people.
fn behind(stands: &Stands) -> String {
    let line = |text: &String| Untrusted::from(text).line().to_string();
    let mut out = String::new();
    if !stands.approved.is_empty() {
        let by: Vec<String> = stands.approved.iter().map(line).collect();
        out.push_str(&format!("approve by {}\n", by.join(", ")));
    }
    for idle in &stands.idle {
        out.push_str(&format!("idle    {}\n", line(idle)));
    }
    match stands.lacks {
        0 => {}
        n => out.push_str(&format!("lacks   {n} more approval{}\n", if n == 1 { "" } else { "s" })),
    }
    out
}

/// A plan for people.
fn describe(id: &PlanId, plan: &Plan) -> String {
    let line = |text: &Option<Untrusted>, none: &str| {
        text.as_ref().map_or(none.to_owned(), |t| t.line().to_string())
    };
    let mut out = format!(
        "plan    {id}\nwhat    {}\nschool  {} (tenant {}, repository {})\nasked   by {}{} on \
         {:.0}, may be carried out until {:.0}\neffect  {}\n",
        words::command(plan.operation),
        line(&plan.school.name, "no school in particular"),
        line(&plan.school.tenant_id, "not known"),
        Untrusted::from(&plan.school.repository).line(),
        plan.asked.by.line(),
        plan.asked
            .key
            .as_ref()
            .map(|k| format!(" (key {:.16})", Untrusted::from(k).line()))
            .unwrap_or_default(),
        plan.asked.at,
        plan.expires,
        effect(plan.effect),
    );
    asked("", &plan.request, &mut out);
    for risk in &plan.risks {
        let text = match risk {
            Risk::Alone => ALONE,
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
    if plan.operation == OperationKind::RestoreData {
        out.push_str(&format!("cost    {} are sent\n", output::bytes(plan.cost.bytes_copied)));
    } else if plan.cost.bytes_copied + plan.cost.bytes_freed > 0 {
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
        let many = step.back.as_ref().filter(|back| back.items > 1);
        let many = many.map(|back| format!(": {} items", back.items)).unwrap_or_default();
        out.push_str(&format!("{:<7} {}{many}\n", step.verb.as_str(), step.object.line()));
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
    if global.tenant().is_some() {
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

/// Sets settings of a plan's school.
async fn set<O>(
    global: &Global,
    plan: &Record<Plan>,
    leave: Authority,
    bar: &Arc<Bar>,
) -> anyhow::Result<Ending>
where
    O: Operation<At = School, Work = SettingsWork, Report = SettingsReport>,
{
    let school = school(global, plan)?;
    let ready = again::<O>(&school, plan, bar.clone()).await?;
    bar.finish();
    let done = tenant_restore::carry_out::<O>(global, &school, ready, leave).await?;
    tenant_restore::show(global, &school, &done)
}

async fn carry_out(
    global: &Global,
    plan: &Record<Plan>,
    leave: Authority,
    bar: &Arc<Bar>,
) -> anyhow::Result<Ending> {
    let copy2 = copy2(global, plan)?;
    Ok(match plan.operation {
        OperationKind::RestoreSettings => set::<RestoreSettings>(global, plan, leave, bar).await?,
        OperationKind::ApplyBaseline => set::<ApplyBaseline>(global, plan, leave, bar).await?,
        OperationKind::Remediate => set::<Remediate>(global, plan, leave, bar).await?,
        OperationKind::RestoreData => {
            let school = school(global, plan)?;
            let ready = again::<RestoreData>(&school, plan, bar.clone()).await?;
            let done = RestoreData::apply(&school, ready, leave, bar.clone()).await;
            bar.finish();
            say_restored(global, &done?)?
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
    let now = global.host.clock.now();
    let leave = Authority::of(&plan, &global.host.account, now)?;
    // Nobody is asked in vain: it is looked at again when it begins.
    if let Ok(school) = school(global, &plan) {
        Approvals::of_school(&school)?.check(&plan, now)?;
    }
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

fn approve(global: &Global, word: &str, with: &Approval) -> anyhow::Result<Ending> {
    let (store, how) = (store(global)?, with.how());
    let id = store.find(word)?;
    let plan = store.get(&id)?;
    store.waits(&id)?;
    unasked(global, with.yes)?;
    if !global.json {
        print!("{}", describe(&id, &plan));
    }
    let question = format!("does {} approve of this?", shown_line(how.by));
    if !agreed(with.yes, &question)? {
        return Ok(Ending::Failed);
    }
    let stands = approvers::approve(&school(global, &plan)?, &plan, how)?;
    match global.json {
        true => println!("{}", json!({"plan": id, "approval": stands})),
        false => {
            print!("{}", behind(&stands));
            let short = id.short();
            match stands.lacks {
                0 => println!("approved: `strongroom plan apply {short}` carries it out"),
                _ => println!("it waits for the approval of somebody else too"),
            }
        }
    }
    Ok(Ending::Done)
}

async fn undo(
    global: &Global,
    word: &str,
    asks: &Asks,
    dry_run: bool,
    yes: bool,
) -> anyhow::Result<Ending> {
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
            let how = How { asker: asks.asker()?, dry_run, save_plan: false, yes };
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
            let stands = match known {
                None => school(global, &plan).ok().map(|school| {
                    Approvals::of_school(&school)?.stands(&plan, global.host.clock.now())
                }),
                Some(_) => None,
            };
            let unstood = stands.as_ref().and_then(|s| s.as_ref().err());
            let stands = stands.as_ref().and_then(|s| s.as_ref().ok());
            let unknown = applied.as_ref().err().or(unstood).map(|e| e.sentence());
            if global.json {
                let mut shown =
                    json!({"id": id, "plan": plan, "applied": known, "approval": stands});
                if let Some(why) = &unknown {
                    shown["error"] = json!(why);
                }
                println!("{shown}");
            } else {
                print!("{}", describe(&id, &plan));
                print!("{}", stands.map(behind).unwrap_or_default());
                print!("{}", known.map(|a| carried_out(a)).unwrap_or_default());
                if let Some(why) = &unknown {
                    println!("{}", output::alarm(why));
                }
            }
            Ok(if unknown.is_none() { Ending::Done } else { Ending::Partial })
        }
        PlanCommand::Apply { plan, yes } => apply(global, &plan, yes).await,
        PlanCommand::Approve { plan, approval } => approve(global, &plan, &approval),
        PlanCommand::Undo { plan, dry_run, asks, yes } => {
            undo(global, &plan, &asks, dry_run, yes).await
        }
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

        let applied: PlanExecution = serde_json::from_value(json!({
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
        let begun = carried_out(&PlanExecution { ended: None, ..applied });
        assert!(begun.contains("nobody said that it ended"), "{begun}");
    }
}
