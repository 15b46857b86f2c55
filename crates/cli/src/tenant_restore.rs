//! `strongroom tenant restore`: settings are put back; plan, show, ask, apply, read back.

use crate::{
    Global,
    config::{Config, Tenant},
    export::word,
    failure::PARTIAL,
    open, output,
    progress::Bar,
    tenant::{exceptions, load, today},
};
use anyhow::bail;
use clap::Args;
use serde_json::json;
use std::sync::Arc;
use strongroom_engine::configuration::{Outcome, RestoreOptions, RestorePlan, keep_managed, plan, restore as apply};
use strongroom_guards::{Change, Exceptions, Property, Verdict, compare, judge};
use strongroom_model::{Configuration, Progress};
use strongroom_sources::{Client, configuration::With};

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

/// A plan for people: what is done to which object, and each setting as it is and as it becomes.
pub(crate) fn describe(plan: &RestorePlan, now: &Configuration, wanted: &Configuration) -> String {
    let mut out = String::new();
    let changes = compare(now, wanted, &[], false).changes;
    for a in &plan.acts {
        let what = if a.properties.is_empty() { String::new() } else { format!(": {}", a.properties.join(", ")) };
        out.push_str(&format!("{:<7} {}/{}{what}\n", word(a.verb), a.collection, line(&a.object)));
        let touched = |p: &&Property| {
            a.properties.is_empty() || a.properties.iter().any(|t| p.path == *t || p.path.starts_with(&format!("{t}.")) || p.path.starts_with(&format!("{t}[")))
        };
        for p in changes.iter().filter(|c| c.collection == a.collection && c.object == a.object).flat_map(|c| &c.properties).filter(touched) {
            out.push_str(&format!("        {}: {} → {}\n", line(&p.path), p.old, p.new));
        }
    }
    plan.added.iter().for_each(|a| out.push_str(&format!("added   {}: stays; --remove-added takes it away\n", line(a))));
    plan.cannot.iter().for_each(|(object, why)| out.push_str(&format!("cannot  {}: {}\n", line(object), line(why))));
    out
}

/// A name as one line: people of the tenant choose names, and none may hide or forge a line of what is approved.
fn line(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Who wants JSON is asked nothing, so that nothing is approved unseen.
pub(crate) fn unasked(global: &Global, yes: bool) -> anyhow::Result<()> {
    anyhow::ensure!(!global.json || yes, "with --json nobody is asked: look at the plan first, then add --yes");
    Ok(())
}

/// Reads a tenant's settings as they are, and puts plans into effect.
pub(crate) struct Hand<'c> {
    config: &'c Config,
    tenant: &'c Tenant,
    reader: Arc<Client>,
    pub(crate) exceptions: Exceptions,
    pub(crate) own: Vec<String>,
    /// What is rationed is taken as it was read last; nothing of it can be set.
    last: Option<Configuration>,
}

/// What became of a plan.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Applied {
    pub(crate) outcomes: Vec<Outcome>,
    /// What differs still from what is wanted.
    pub(crate) left: Vec<Change>,
    /// Why nobody may get in any more, or why that is not known.
    pub(crate) no_way_in: Option<String>,
    /// Collections that were touched and cannot be read now: nobody knows what they say.
    pub(crate) unknown: Vec<String>,
}

impl Applied {
    pub(crate) fn is_whole(&self) -> bool {
        self.no_way_in.is_none()
            && self.left.is_empty()
            && self.unknown.is_empty()
            && self.outcomes.iter().all(|o| o.failed.is_empty() && !o.waits_for_approval)
    }
}

/// Whether a plan touches what decides who gets in.
fn touches_access(plan: &RestorePlan) -> bool {
    plan.acts
        .iter()
        .any(|a| ["identity/conditional-access-policies", "directory/referenced-groups", "identity/security-defaults"].contains(&a.collection.as_str()))
}

impl<'c> Hand<'c> {
    pub(crate) fn new(config: &'c Config, tenant: &'c Tenant, last: Option<Configuration>) -> anyhow::Result<Self> {
        Ok(Self {
            config,
            tenant,
            reader: open::client(config, tenant, "read", open::real_clock())?,
            exceptions: exceptions(config, tenant.exceptions.as_ref())?,
            own: tenant.identities.values().map(|i| i.application_id.clone()).collect(),
            last,
        })
    }

    /// The settings as they are.
    pub(crate) async fn read(&self, progress: &dyn Progress) -> anyhow::Result<Configuration> {
        let mut now = strongroom_sources::configuration::read(&self.reader, &self.tenant.name, With::Direct, progress).await?;
        keep_managed(&mut now, self.last.as_ref());
        Ok(now)
    }

    /// Lets symbols that a plan needs stand for what the tenant has of that name.
    pub(crate) async fn know(&self, now: &mut Configuration, symbols: &[String]) -> anyhow::Result<()> {
        for symbol in symbols.iter().filter(|s| !now.references.contains_key(*s)).cloned().collect::<Vec<_>>() {
            let id = strongroom_sources::configuration::find(&self.reader, &symbol).await?;
            now.references.insert(symbol, id);
        }
        Ok(())
    }

    /// Refuses a plan after which nobody would get in.
    pub(crate) fn guarded(&self, plan: &RestorePlan, wanted: &Configuration, now: &Configuration, options: &RestoreOptions) -> anyhow::Result<()> {
        if !touches_access(plan) {
            return Ok(());
        }
        let after = guard(&plan.outcome(wanted, now, options), &self.exceptions, "after this");
        // What stands already is mended first, by somebody who looks at it.
        if after.is_err() {
            guard(now, &self.exceptions, "already now")?;
        }
        after
    }

    /// Puts a plan into effect and reads back: what counts is what the tenant says.
    pub(crate) async fn apply(
        &self,
        plan: &RestorePlan,
        wanted: &Configuration,
        now: &Configuration,
        options: &RestoreOptions,
        progress: &dyn Progress,
    ) -> anyhow::Result<Applied> {
        let writer = open::client(self.config, self.tenant, "configure", open::real_clock())?;
        let outcomes = apply(&writer, self.tenant.graph.as_str(), plan, wanted, now, progress).await;
        let after = match self.read(&strongroom_model::Silent).await {
            Ok(after) => after,
            // What was done is told all the same.
            Err(e) => {
                let unknown = plan.acts.iter().map(|a| a.collection.clone()).collect();
                return Ok(Applied { outcomes, left: Vec::new(), no_way_in: Some(format!("the tenant could not be read back: {e:#}")), unknown });
            }
        };
        // What was made anew has another id, and what our own applications may do is not put back.
        let ours = after.application_symbols(&self.own);
        let is_ours = |c: &Change| {
            let there = after.object(&c.collection, &c.object).and_then(|o| o.body["application"].as_str());
            c.collection == "applications/permissions" && there.is_some_and(|a| ours.iter().any(|s| s == a))
        };
        let compared = compare(wanted, &after, &self.own, false);
        let unknown = plan.acts.iter().map(|a| &a.collection).filter(|c| compared.not_compared.contains_key(*c)).cloned().collect();
        let left = compared.changes.into_iter().filter(|c| options.takes(&c.collection, &c.object) && !is_ours(c)).collect();
        // Proven again: what was refused or changed meanwhile may have left the tenant without a way in.
        let no_way_in = if touches_access(plan) { guard(&after, &self.exceptions, "as the tenant stands now").err().map(|e| e.to_string()) } else { None };
        Ok(Applied { outcomes, left, no_way_in, unknown })
    }
}

pub(crate) async fn restore(global: &Global, args: Restore) -> anyhow::Result<i32> {
    let config = Config::read(&global.config)?;
    let tenant = config.tenant(global.tenant.as_deref())?;
    let repo = open::repository(global).await?;
    let (id, wanted) = load(&repo, &tenant.name, &args.to)?;
    let hand = Hand::new(&config, tenant, strongroom_engine::configuration::latest(&repo, &tenant.name)?.map(|(_, c)| c))?;
    let bar = Bar::new(global.quiet || global.json);
    let now = hand.read(bar.as_ref()).await;
    bar.finish();
    let now = now?;
    let options = RestoreOptions { chosen: args.objects.clone(), remove_added: args.remove_added, own: hand.own.clone(), report_only: args.report_only };
    let plan = plan(&wanted, &now, &options)?;
    if !global.json {
        print!("{}", describe(&plan, &now, &wanted));
    }
    if plan.acts.is_empty() {
        if global.json {
            println!("{}", json!({"snapshot": id.to_string(), "plan": plan, "outcomes": [], "left": []}));
        } else {
            println!("nothing is to be set");
        }
        return Ok(if plan.cannot.is_empty() { 0 } else { PARTIAL });
    }
    hand.guarded(&plan, &wanted, &now, &options)?;
    if args.dry_run {
        if global.json {
            println!("{}", json!({"snapshot": id.to_string(), "plan": plan}));
        }
        return Ok(0);
    }
    unasked(global, args.yes)?;
    let count = plan.acts.len();
    if !args.yes && !output::confirm(&format!("Change {count} objects of {} as snapshot {} says?", tenant.name, id.short()))? {
        println!("nothing was changed");
        return Ok(0);
    }
    let bar = Bar::new(global.quiet || global.json);
    let applied = hand.apply(&plan, &wanted, &now, &options, bar.as_ref()).await;
    bar.finish();
    let applied = applied?;
    if global.json {
        println!(
            "{}",
            json!({"snapshot": id.to_string(), "plan": plan, "outcomes": applied.outcomes, "left": applied.left, "no_way_in": applied.no_way_in, "unknown": applied.unknown})
        );
    } else {
        report(&applied, &format!("snapshot {}", id.short()));
    }
    Ok(if applied.is_whole() { 0 } else { PARTIAL })
}

/// What became of it, for people.
pub(crate) fn report(applied: &Applied, wanted: &str) {
    for o in applied.outcomes.iter().filter(|o| !o.failed.is_empty()) {
        println!("{}", output::alarm(&format!("FAILED  {}: {}", o.object, o.failed)));
    }
    for o in applied.outcomes.iter().filter(|o| o.waits_for_approval) {
        println!("waits for approval by a second administrator: {}", o.object);
    }
    if let Some(why) = &applied.no_way_in {
        println!("{}", output::alarm(why));
    }
    for c in &applied.unknown {
        println!("{}", output::alarm(&format!("{c} cannot be read now, so nobody knows whether it is as wanted")));
    }
    for c in &applied.left {
        println!("differs still: {}", c.says);
    }
    let set = applied.outcomes.iter().filter(|o| o.failed.is_empty() && !o.waits_for_approval).count();
    println!("{set} of {} objects were set; {} differ still from {wanted}", applied.outcomes.len(), applied.left.len());
}
