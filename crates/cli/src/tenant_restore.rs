//! `strongroom tenant restore`: settings are put back; plan, show, ask, apply, read back.

use crate::{
    Global,
    approvers::Asks,
    export::word,
    output,
    plans::{self, Kept},
    review::undo_command,
};
use clap::Args;
use serde_json::json;
use strongroom_model::{Ending, shown_line};
use strongroom_operations::{
    School,
    approvers::Asker,
    plan::{Authority, Done, Guarded, Operation, guard},
    settings::{
        Aim, ApplyReport, Property, RestoreSettings, RestoreSettingsRequest, SettingsReport,
        SettingsWork, WayBack, compare, keep_way_back,
    },
};

#[derive(Args)]
pub(crate) struct Restore {
    /// The snapshot whose settings are put back.
    #[arg(long)]
    to: String,
    /// Only this collection, or this object as COLLECTION/NAME; once for each.
    #[arg(long = "object")]
    objects: Vec<String>,
    /// Who stands now for somebody that the tenant does not have any more, as "@groups/Emergency
    /// access=OBJECT ID"; once for each.
    #[arg(long = "as", value_name = "NAME=ID")]
    stand_ins: Vec<String>,
    /// Also remove what was added since.
    #[arg(long)]
    remove_added: bool,
    /// Conditional Access policies that are made or switched on only report, until somebody
    /// switches them on.
    #[arg(long)]
    report_only: bool,
    /// Show the plan and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Keep the plan and change nothing: `plan apply` carries it out later.
    #[arg(long, conflicts_with_all = ["dry_run", "yes"])]
    save_plan: bool,
    #[command(flatten)]
    asks: Asks,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
}

/// A plan for people: what is done to which object, and each setting as it is and as it becomes.
pub(crate) fn describe(work: &SettingsWork) -> String {
    let (plan, now, wanted) = (work.restore(), work.now(), work.wanted());
    let mut out = String::new();
    let changes = compare(&now.with_names_of(wanted), wanted, &[], false).changes;
    for a in &plan.acts {
        let what = if a.properties.is_empty() {
            String::new()
        } else {
            format!(": {}", line(&a.properties.join(", ")))
        };
        out.push_str(&format!("{:<7} {}/{}{what}\n", word(a.verb), a.collection, line(&a.object)));
        let touched = |p: &&Property| {
            a.properties.is_empty()
                || a.properties.iter().any(|t| {
                    p.path == *t
                        || p.path.as_str().starts_with(&format!("{t}."))
                        || p.path.as_str().starts_with(&format!("{t}["))
                })
        };
        for p in changes
            .iter()
            .filter(|c| c.collection == a.collection && c.object == a.object)
            .flat_map(|c| &c.properties)
            .filter(touched)
        {
            out.push_str(&format!("        {}: {} → {}\n", p.path.line(), p.old, p.new));
        }
        for s in &a.steps {
            if let Some(when) = s.when {
                let path = line(&s.path);
                out.push_str(&format!("        then    {} {path} ({when})\n", s.method));
            }
        }
    }
    plan.added.iter().for_each(|a| {
        out.push_str(&format!("added   {}: stays; --remove-added takes it away\n", line(a)))
    });
    plan.cannot.iter().for_each(|(object, why)| {
        out.push_str(&format!("cannot  {}: {}\n", line(object), line(why)))
    });
    if !plan.needs.is_empty() {
        out.push_str(&format!(
            "needs   {}\n",
            plan.needs.iter().copied().collect::<Vec<_>>().join(", ")
        ));
    }
    out
}

/// A name as one line: people of the tenant choose names, and none may hide or forge a line of what
/// is approved.
fn line(name: &str) -> String {
    shown_line(name).into_owned()
}

/// Who wants JSON is asked nothing, so that nothing is approved unseen.
pub(crate) fn unasked(global: &Global, yes: bool) -> anyhow::Result<()> {
    anyhow::ensure!(
        !global.json || yes,
        "with --json nobody is asked: look at the plan first, then add --yes"
    );
    Ok(())
}

fn request(args: Restore) -> RestoreSettingsRequest {
    RestoreSettingsRequest {
        to: args.to,
        objects: args.objects,
        stand_ins: args.stand_ins,
        remove_added: args.remove_added,
        report_only: args.report_only,
        is_undo: false,
    }
}

/// What is to be done beside planning, and for whom.
pub(crate) struct How {
    pub(crate) asker: Asker,
    pub(crate) dry_run: bool,
    pub(crate) save_plan: bool,
    pub(crate) yes: bool,
}

pub(crate) async fn restore(global: &Global, args: Restore) -> anyhow::Result<Ending> {
    let asker = args.asks.asker()?;
    let how = How { asker, dry_run: args.dry_run, save_plan: args.save_plan, yes: args.yes };
    put_back(global, &global.school()?, request(args), how).await
}

/// Plans, shows, asks, and puts settings back.
pub(crate) async fn put_back(
    global: &Global,
    school: &School,
    request: RestoreSettingsRequest,
    how: How,
) -> anyhow::Result<Ending> {
    let (bar, by) = (global.bar(), &global.host.account);
    let ready = RestoreSettings::plan(school, request, by, bar.clone()).await;
    bar.finish();
    let ready = ready?.asked_by(&how.asker);
    let work = ready.work();
    let (id, plan) = (work.aim().snapshot(), work.restore());
    let id = id.map(|id| id.to_string()).unwrap_or_default();
    if !global.json {
        print!("{}", describe(work));
        plans::say_alone(&ready);
    }
    if ready.is_empty() {
        match global.json {
            true => {
                println!("{}", json!({"snapshot": id, "plan": plan, "outcomes": [], "left": []}))
            }
            false => println!("nothing is to be set"),
        }
        return Ok(if plan.cannot.is_empty() { Ending::Done } else { Ending::Partial });
    }
    let count = plan.acts.len();
    let alone = ready.is_alone();
    let shown = how.dry_run.then(|| json!({"snapshot": id, "plan": plan, "alone": alone}));
    if !how.dry_run && (how.save_plan || !ready.is_alone()) {
        // What is refused now is not kept for later.
        RestoreSettings::guard(school, &ready).await?;
        if let Kept::Yes(ending) = plans::keep(global, &ready, &how.asker, how.save_plan)? {
            return Ok(ending);
        }
    }
    let leave = Authority::of(ready.plan(), by, global.host.clock.now())?;
    let ready = guard::<RestoreSettings>(school, ready).await?;
    if let Some(shown) = shown {
        if global.json {
            println!("{shown}");
        }
        return Ok(Ending::Done);
    }
    unasked(global, how.yes)?;
    if !how.yes
        && !output::confirm(&format!(
            "Change {count} objects of {} as snapshot {id:.8} says?",
            school.name()
        ))?
    {
        println!("nothing was changed");
        return Ok(Ending::Failed);
    }
    let done = carry_out::<RestoreSettings>(global, school, ready, leave).await?;
    show(global, school, &done)
}

/// Carries a plan out, and says first what undoes it: whoever interrupts the work needs it most.
/// Then what became of it, for people.
pub(crate) async fn carry_out<O>(
    global: &Global,
    school: &School,
    mut ready: Guarded<SettingsWork>,
    leave: Authority,
) -> anyhow::Result<Done<SettingsReport>>
where
    O: Operation<At = School, Work = SettingsWork, Report = SettingsReport>,
{
    let bar = global.bar();
    let undo = keep_way_back::<O>(school, &mut ready, &leave, bar.clone()).await;
    bar.finish();
    let undo = undo?;
    tell_way_back(undo);
    if let Some(undo) = undo.snapshot().filter(|_| !global.json) {
        let touched = ready.work().touched();
        println!("{}", undo_command(school.name(), &undo.to_string(), &touched));
    }
    let bar = global.bar();
    let done = O::apply(school, ready, leave, bar.clone()).await;
    bar.finish();
    let done = done?;
    if !global.json {
        report(&done.report.applied, &wanted(&done.report.aim));
        if let (Aim::Rule { rule, .. }, Some(false)) = (&done.report.aim, done.report.holds) {
            let text = format!("{rule}: not remediated: it fails still, or cannot be judged now");
            println!("{}", output::alarm(&text));
        }
    }
    Ok(done)
}

/// What the settings were to become, for people.
fn wanted(aim: &Aim) -> String {
    match aim {
        Aim::Snapshot(id) | Aim::Rule { to: id, .. } => format!("snapshot {}", id.short()),
        Aim::Baseline { baseline, .. } => baseline.name.clone(),
    }
}

/// What came of a plan, as JSON where that is wanted.
pub(crate) fn show(
    global: &Global,
    school: &School,
    done: &Done<SettingsReport>,
) -> anyhow::Result<Ending> {
    if global.json {
        let report = &done.report;
        let undo = report.undo.snapshot().map(|id| id.to_string());
        let mut value = json!({"plan": report.restore, "undo": undo});
        match &report.aim {
            Aim::Snapshot(id) => value["snapshot"] = id.to_string().into(),
            Aim::Baseline { baseline, .. } => {
                value["tenant"] = school.name().into();
                value["baseline"] = baseline.name.clone().into();
            }
            Aim::Rule { rule, to } => {
                merge(&mut value, json!({"rule": rule, "to": to.to_string()}));
                value["holds"] = report.holds.into();
            }
        }
        merge(&mut value, serde_json::to_value(&report.applied)?);
        println!("{value}");
    }
    Ok(done.ending)
}

/// Says where the way back is, when it is not a snapshot of its own.
fn tell_way_back(kept: WayBack) {
    if kept == WayBack::Locked {
        eprintln!(
            "{}",
            output::alarm(
                "the repository is locked by another run, so the settings as they are were not \
                 kept; the way back is the newest snapshot"
            )
        );
    }
}

/// Adds the fields of one object to another.
fn merge(into: &mut serde_json::Value, more: serde_json::Value) {
    if let (Some(into), serde_json::Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
}

/// What became of it, for people.
fn report(applied: &ApplyReport, wanted: &str) {
    for o in applied.outcomes.iter().filter(|o| !o.failed.is_empty()) {
        println!("{}", output::alarm(&format!("FAILED  {}: {}", line(&o.object), line(&o.failed))));
    }
    for o in applied.outcomes.iter().filter(|o| o.waits_for_approval) {
        println!("waits for approval by a second administrator: {}", line(&o.object));
    }
    if let Some(why) = &applied.no_way_in {
        println!("{}", output::alarm(why));
    }
    for c in &applied.unknown {
        println!(
            "{}",
            output::alarm(&format!(
                "{c} cannot be read now, so nobody knows whether it is as wanted"
            ))
        );
    }
    for c in &applied.left {
        println!("differs still: {}", c.says.line());
    }
    let set =
        applied.outcomes.iter().filter(|o| o.failed.is_empty() && !o.waits_for_approval).count();
    println!(
        "{set} of {} objects were set; {} differ still from {wanted}",
        applied.outcomes.len(),
        applied.left.len()
    );
}
