//! `strongroom tenant restore`: settings are put back; plan, show, ask, apply, read back.

use crate::{
    Global,
    config::Config,
    export::word,
    failure::PARTIAL,
    open, output,
    progress::Bar,
    tenant::{exceptions, load, today},
};
use anyhow::bail;
use clap::Args;
use serde_json::json;
use strongroom_engine::configuration::{Outcome, RestoreOptions, RestorePlan, keep_managed, plan, restore as apply};
use strongroom_guards::{Exceptions, Verdict, compare, judge};
use strongroom_model::Configuration;
use strongroom_sources::configuration::With;

#[derive(Args)]
pub(crate) struct Restore {
    /// The snapshot whose settings are put back.
    #[arg(long)]
    to: String,
    /// Only this collection, or this object as COLLECTION/NAME; once for each.
    #[arg(long = "object")]
    objects: Vec<String>,
    /// Also remove what was added since.
    #[arg(long)]
    remove_added: bool,
    /// Conditional Access policies that are made or switched on only report, until somebody switches them on.
    #[arg(long)]
    report_only: bool,
    /// Show the plan and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// The rule that knows whether everybody could be locked out.
const GUARD: &str = "access.emergency-access";

/// Refuses what would leave the tenant without a way in.
fn guard(configuration: &Configuration, exceptions: &Exceptions, when: &str) -> anyhow::Result<()> {
    let report = judge(configuration, exceptions, Vec::new(), today());
    let Some(found) = report.findings.into_iter().find(|f| f.rule == GUARD) else { return Ok(()) };
    match found.verdict {
        Verdict::Passed | Verdict::Accepted => Ok(()),
        Verdict::Failed => {
            let first = found.concerns.first().map(|c| format!("{} {}", c.object, c.says)).unwrap_or_default();
            bail!("{when}, {first}; nothing more was changed. Exclude an emergency account, or restore with --report-only")
        }
        _ => bail!("{when}, it cannot be told whether a way in is left: {}; name the emergency accounts in the exceptions file", found.note),
    }
}

fn describe(plan: &RestorePlan) -> String {
    let mut out = String::new();
    for a in &plan.acts {
        let what = if a.properties.is_empty() { String::new() } else { format!(": {}", a.properties.join(", ")) };
        out.push_str(&format!("{:<7} {}/{}{what}\n", word(a.verb), a.collection, a.object));
    }
    plan.added.iter().for_each(|a| out.push_str(&format!("added   {a}: stays; --remove-added takes it away\n")));
    plan.cannot.iter().for_each(|(object, why)| out.push_str(&format!("cannot  {object}: {why}\n")));
    out
}

pub(crate) async fn restore(global: &Global, args: Restore) -> anyhow::Result<i32> {
    let config = Config::read(&global.config)?;
    let tenant = config.tenant(global.tenant.as_deref())?;
    let exceptions = exceptions(&config, tenant.exceptions.as_ref())?;
    let repo = open::repository(global).await?;
    let (id, wanted) = load(&repo, &tenant.name, &args.to)?;
    let reader = open::client(&config, tenant, "read", open::real_clock())?;
    let bar = Bar::new(global.quiet || global.json);
    let now = strongroom_sources::configuration::read(&reader, &tenant.name, With::Direct, bar.as_ref()).await;
    bar.finish();
    let mut now = now?;
    // What is rationed is taken as it was read last; nothing of it can be set.
    let last = strongroom_engine::configuration::latest(&repo, &tenant.name)?.map(|(_, c)| c);
    keep_managed(&mut now, last.as_ref());
    let own: Vec<String> = tenant.identities.values().map(|i| i.application_id.clone()).collect();
    let options = RestoreOptions { chosen: args.objects.clone(), remove_added: args.remove_added, own: own.clone(), report_only: args.report_only };
    let plan = plan(&wanted, &now, &options)?;
    if !global.json {
        print!("{}", describe(&plan));
    }
    if plan.acts.is_empty() {
        if global.json {
            println!("{}", json!({"snapshot": id.to_string(), "plan": plan, "outcomes": [], "left": []}));
        } else {
            println!("nothing is to be set");
        }
        return Ok(if plan.cannot.is_empty() { 0 } else { PARTIAL });
    }
    let policies = plan.acts.iter().any(|a| ["identity/conditional-access-policies", "directory/referenced-groups"].contains(&a.collection.as_str()));
    if policies {
        guard(&plan.outcome(&wanted, &now, &options), &exceptions, "after this")?;
    }
    if args.dry_run {
        if global.json {
            println!("{}", json!({"snapshot": id.to_string(), "plan": plan}));
        }
        return Ok(0);
    }
    let count = plan.acts.len();
    if !args.yes && !output::confirm(&format!("Change {count} objects of {} as snapshot {} says?", tenant.name, id.short()))? {
        println!("nothing was changed");
        return Ok(0);
    }
    let writer = open::client(&config, tenant, "configure", open::real_clock())?;
    let bar = Bar::new(global.quiet || global.json);
    let outcomes = apply(&writer, tenant.graph.as_str(), &plan, &wanted, &now, bar.as_ref()).await;
    bar.finish();
    // Read back: what counts is what the tenant says.
    let mut after = strongroom_sources::configuration::read(&reader, &tenant.name, With::Direct, &strongroom_model::Silent).await?;
    keep_managed(&mut after, last.as_ref());
    // What was made anew has another id, and what our own applications may do is not put back.
    let ours = after.application_symbols(&own);
    let is_ours = |c: &strongroom_guards::Change| {
        let there = after.object(&c.collection, &c.object).and_then(|o| o.body["application"].as_str());
        c.collection == "applications/permissions" && there.is_some_and(|a| ours.iter().any(|s| s == a))
    };
    let left: Vec<_> = compare(&wanted, &after, &own, false).changes.into_iter().filter(|c| options.takes(&c.collection, &c.object) && !is_ours(c)).collect();
    // Proven again: what was refused or changed meanwhile may have left the tenant without a way in.
    let no_way_in = if policies { guard(&after, &exceptions, "as the tenant stands now").err().map(|e| e.to_string()) } else { None };
    report(global, &id.to_string(), &plan, &outcomes, &left, no_way_in.as_deref())?;
    let whole = no_way_in.is_none() && outcomes.iter().all(|o| o.failed.is_empty() && !o.waits_for_approval) && left.is_empty();
    Ok(if whole { 0 } else { PARTIAL })
}

fn report(
    global: &Global,
    id: &str,
    plan: &RestorePlan,
    outcomes: &[Outcome],
    left: &[strongroom_guards::Change],
    no_way_in: Option<&str>,
) -> anyhow::Result<()> {
    if global.json {
        println!("{}", json!({"snapshot": id, "plan": plan, "outcomes": outcomes, "left": left, "no_way_in": no_way_in}));
        return Ok(());
    }
    for o in outcomes.iter().filter(|o| !o.failed.is_empty()) {
        println!("{}", output::alarm(&format!("FAILED  {}: {}", o.object, o.failed)));
    }
    for o in outcomes.iter().filter(|o| o.waits_for_approval) {
        println!("waits for approval by a second administrator: {}", o.object);
    }
    if let Some(why) = no_way_in {
        println!("{}", output::alarm(why));
    }
    for c in left {
        println!("differs still: {}", c.says);
    }
    let failed = outcomes.iter().filter(|o| !o.failed.is_empty()).count();
    println!("{} of {} objects were set; {} differ still from snapshot {id:.8}", outcomes.len() - failed, outcomes.len(), left.len());
    Ok(())
}
