//! TenantGuard: the tenant's configuration, snapshotted, judged and compared.

use crate::{
    Global,
    edge::blocking,
    export::{SchoolReport, word},
    failure,
    fleet::{self, Format},
    output,
    rules::OwnRules,
};
use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::{path::PathBuf, sync::Arc};
use strongroom_engine::configuration;
use strongroom_guards::{
    Change, Exceptions, Kind, OnFailureAnswer, Rank, Report, Verdict, attribute, compare, judge,
    rule::Severity,
};
use strongroom_model::{CollectionState, Configuration, Ending, collections::security};
use strongroom_operations::{
    Duty, Found, Identity, School,
    config::TenantEntry,
    settings::{self, break_glass, called},
};
use strongroom_repository::{Id, Repository};
use strongroom_workloads::configuration::audits;

#[derive(Subcommand)]
pub(crate) enum TenantCommand {
    /// Read the configuration and keep it, beside the data.
    Snapshot {
        /// Ask for Exchange, Teams and Purview too, although their turn has not come: Microsoft
        /// rations them by the month.
        #[arg(long)]
        everything: bool,
    },
    /// Judge the newest configuration by the built-in rules.
    Check(Check),
    /// List the rules and the standards that they answer.
    Rules(crate::rules::Rules),
    /// Judge by one Rego module, to see whether it says what it should.
    Try(crate::rules::Try),
    /// Show what changed between two configurations, the gravest first.
    Diff(Diff),
    /// Put settings back as a snapshot holds them: shows its plan, then asks.
    Restore(crate::tenant_restore::Restore),
    /// Set back what rules with the answer `remediate` find, as it was when they passed last.
    Remediate(crate::remediate::Remediate),
}

#[derive(Args)]
pub(crate) struct Check {
    /// The snapshot; the newest by default.
    #[arg(default_value = "latest")]
    snapshot: String,
    /// How to write it.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Where to write it; standard output by default.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Show what passed too.
    #[arg(long)]
    all: bool,
    /// End with code 4 when a rule of this severity or a graver one fails.
    #[arg(long)]
    fail_on: Option<Gravity>,
}

#[derive(Args)]
pub(crate) struct Diff {
    /// The older snapshot; by default the newest one whose configuration differs from the newest.
    old: Option<String>,
    /// The newer snapshot.
    #[arg(default_value = "latest")]
    new: String,
    /// Compare with the newest configuration of this tenant instead: what would have to change for
    /// ours to be like it.
    #[arg(long, conflicts_with = "old")]
    with: Option<String>,
    /// Compare with what this baseline wants of the newest configuration: the drift from it.
    #[arg(long, conflicts_with_all = ["old", "with", "who"])]
    baseline: Option<String>,
    /// Show each setting that differs.
    #[arg(long)]
    properties: bool,
    /// Ask the tenant's audit log who did it; it goes back 7 days, or 30 with Entra ID P1.
    #[arg(long, conflicts_with = "with")]
    who: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Gravity {
    Critical,
    High,
    Medium,
    Low,
}

impl Gravity {
    fn severity(self) -> Severity {
        match self {
            Gravity::Critical => Severity::Critical,
            Gravity::High => Severity::High,
            Gravity::Medium => Severity::Medium,
            Gravity::Low => Severity::Low,
        }
    }
}

pub(crate) async fn tenant(global: &Global, command: TenantCommand) -> anyhow::Result<Ending> {
    match command {
        TenantCommand::Snapshot { everything } => snapshot(global, everything).await,
        TenantCommand::Check(a) => check(global, a).await,
        TenantCommand::Rules(a) => crate::rules::rules(global, &a),
        TenantCommand::Try(a) => crate::rules::try_one(global, a).await,
        TenantCommand::Diff(a) => diff(global, a).await,
        TenantCommand::Restore(a) => crate::tenant_restore::restore(global, a).await,
        TenantCommand::Remediate(a) => crate::remediate::remediate(global, a).await,
    }
}

/// The application that reads for the backup: what it loses blinds it. The writer's consent comes
/// and goes with its work.
pub(crate) fn backup_ids(tenant: &TenantEntry) -> Vec<String> {
    tenant
        .identities
        .get(Identity::Read.name())
        .map(|i| i.application_id.clone())
        .into_iter()
        .collect()
}

/// Microsoft's own score of the day: reached, and possible.
pub(crate) fn secure_score(configuration: &Configuration) -> Option<(f64, f64)> {
    let day = &configuration.collections.get(security::SECURE_SCORE)?.objects.first()?.volatile;
    Some((day["currentScore"].as_f64()?, day["maxScore"].as_f64().filter(|m| *m > 0.0)?))
}

/// What people decided about a tenant: in the file that it names, and among the decisions that
/// are kept.
pub(crate) fn exceptions(school: &School) -> anyhow::Result<Exceptions> {
    Ok(settings::exceptions(school, &crate::review::that_count(school)?)?)
}

/// Of one tenant, or of all, one after the other: what fails in one keeps no other back.
async fn snapshot(global: &Global, everything: bool) -> anyhow::Result<Ending> {
    if global.tenant.is_some() || global.config()?.tenants.len() < 2 {
        return snapshot_one(global, &global.school()?, everything).await;
    }
    let mut endings = Vec::new();
    for school in global.schools()? {
        if !global.json {
            println!("{}:", school.name());
        }
        match snapshot_one(global, &school, everything).await {
            Ok(ending) => endings.push(ending),
            Err(e) => {
                endings.push(failure::ending(&e));
                match global.json {
                    true => println!("{}", failure::row(school.name(), &e)),
                    false => println!("{}", output::alarm(&failure::sentence(&e))),
                }
            }
        }
    }
    Ok(Ending::of_several(&endings))
}

type Kept = (configuration::ConfigurationReport, bool, Vec<Change>);

/// Keeps the settings: what was read, whether there were any before, and what changed since.
async fn keep(global: &Global, school: &School, everything: bool) -> anyhow::Result<Kept> {
    let tenant = school.tenant();
    let repo = school.repository().await?;
    let client = school.client(Identity::Read)?;
    let own = backup_ids(tenant);
    let before = configuration::latest(&repo, &tenant.name)?;
    let bar = global.bar();
    let report = configuration::snapshot(
        repo.clone(),
        client,
        &tenant.name,
        everything,
        school.cache()?,
        bar.clone(),
    )
    .await;
    bar.finish();
    let report = report?;
    let changes = match (before.as_ref(), configuration::latest(&repo, &tenant.name)?) {
        (Some((_, before)), Some((_, now))) => compare(before, &now, &own, true).changes,
        _ => Vec::new(),
    };
    Ok((report, before.is_some(), changes))
}

async fn snapshot_one(
    global: &Global,
    school: &School,
    everything: bool,
) -> anyhow::Result<Ending> {
    let attempt = school.begin(Duty::Settings);
    let done = keep(global, school, everything).await;
    failure::note(attempt, &done, |attempt, (report, _, changes)| {
        let grave = changes.iter().filter(|c| c.rank <= Rank::High);
        let told: Vec<_> = grave
            .map(|c| (format!("{} {}", c.collection, c.object), c.says.line().to_string()))
            .collect();
        attempt.settings_kept(report, &told);
    });
    let (report, had_some, changes) = done?;
    if global.json {
        let mut value = serde_json::to_value(&report)?;
        value["tenant"] = school.name().into();
        value["changes"] = serde_json::to_value(&changes)?;
        println!("{value}");
    } else {
        for c in changes.iter().filter(|c| c.rank <= Rank::High) {
            println!(
                "{}",
                output::alarm(&format!("{:<8} {}", word(c.rank).to_uppercase(), c.says.line()))
            );
        }
        let blind: Vec<_> = report.collections.iter().filter(|(_, s)| s.is_blind()).collect();
        for (name, state) in blind.iter().take(5) {
            println!("{}", output::alarm(&format!("{name}: {}", state.lack())));
        }
        if blind.len() > 5 {
            println!(
                "{}",
                output::alarm(&format!(
                    "and {} more collections could not be read; --json lists them",
                    blind.len() - 5
                ))
            );
            let wanted: std::collections::BTreeSet<&str> = blind
                .iter()
                .filter_map(|(_, s)| match s {
                    CollectionState::NoPermission { permission, .. } => Some(permission.as_str()),
                    _ => None,
                })
                .collect();
            if !wanted.is_empty() {
                println!(
                    "{}",
                    output::alarm(&format!(
                        "permissions to grant: {}",
                        wanted.into_iter().collect::<Vec<_>>().join(", ")
                    ))
                );
            }
        }
        for (name, why) in
            report.lost.iter().filter(|(n, _)| !blind.iter().any(|(blind, _)| blind == n))
        {
            println!("{}", output::alarm(&format!("{name}: {why}; look why")));
        }
        for (name, state) in report
            .collections
            .iter()
            .filter(|(n, _)| !report.lost.contains_key(*n))
            .filter(|(_, s)| matches!(s, CollectionState::NotLicensed { .. }))
        {
            println!("{name}: {}", state.lack());
        }
        println!(
            "snapshot {:.8}: {} objects in {} collections, {}; {} requests, {} throttled, {}",
            report.snapshot,
            report.objects,
            report.collections.values().filter(|s| s.is_collected()).count(),
            match (had_some, changes.len()) {
                (false, _) => "the first".to_owned(),
                (_, 0) => "no change".to_owned(),
                (_, 1) => "1 change since the one before".to_owned(),
                (_, n) => format!("{n} changes since the one before"),
            },
            report.traffic.requests,
            report.budget.throttled,
            output::seconds(report.seconds),
        );
    }
    Ok(report.ending())
}

/// The configuration of a snapshot of a tenant, by id or `latest`.
pub(crate) fn load(
    repo: &Repository,
    tenant: &str,
    name: &str,
) -> anyhow::Result<(Id, Configuration)> {
    if name != "latest" {
        // It may claim a time that has not come.
        crate::commands::snapshot(repo, name)?;
    }
    Ok(settings::load(repo, tenant, name)?)
}

async fn check(global: &Global, args: Check) -> anyhow::Result<Ending> {
    let school = global.school()?;
    let own = OwnRules::read(school.config());
    let exceptions = exceptions(&school)?;
    let repo = school.repository().await?;
    let (name, wanted) = (school.name().to_owned(), args.snapshot.clone());
    let (id, configuration) = blocking(move || load(&repo, &name, &wanted)).await?;
    own.tell();
    let today = school.today();
    let (said, broken) = own.judge(&configuration, &exceptions, today);
    let report = judge(&configuration, &exceptions, said, today);
    let fails = |at_least: Severity| {
        report.findings.iter().any(|f| f.verdict == Verdict::Failed && f.severity >= at_least)
    };
    // Who is blind has not seen that all is well.
    let blind = broken || configuration.collections.values().any(|c| c.state.is_blind());
    // Rules of which somebody wants to hear at once.
    let alerts: Vec<String> = report
        .findings
        .iter()
        .filter(|f| {
            f.verdict == Verdict::Failed && exceptions.answer(&f.rule) == OnFailureAnswer::Alert
        })
        .map(|f| f.rule.to_string())
        .collect();
    let code = match !alerts.is_empty() || args.fail_on.is_some_and(|g| fails(g.severity())) {
        true => Ending::Alarm,
        false if blind => Ending::Partial,
        false => Ending::Done,
    };
    // Of an older snapshot nothing is news.
    if args.snapshot == "latest" {
        let text = |rule: &String| format!("the rule {rule} fails, and its answer is alert");
        let found: Vec<Found> = alerts.iter().map(|r| Found::high("rule", r, text(r))).collect();
        school.tell("rules", &found);
    }
    if global.json {
        let mut value = serde_json::to_value(&report)?;
        value["snapshot"] = id.to_string().into();
        value["alerts"] = alerts.into();
        println!("{value}");
    } else if args.format == Format::Table && args.out.is_none() {
        alerts.iter().for_each(|rule| println!("{}", output::alarm(&format!("ALERT {rule}"))));
        print!("{}", describe(&report, &id, args.all));
    } else {
        let school = SchoolReport {
            name: school.name().to_owned(),
            secure_score: secure_score(&configuration),
            report: Ok(report),
            blind,
        };
        fleet::write(&[school], args.format, today, args.out.as_deref())?;
    }
    Ok(code)
}

/// What matters first: how it stands, what one act would mend, then each failing rule with what was
/// found.
fn describe(report: &Report, id: &Id, all: bool) -> String {
    let count = |v: Verdict| report.counts.get(&v).copied().unwrap_or(0);
    let mut out = format!(
        "{}: score {}; {} failed, {} for a person to look at, {} skipped, {} accepted, {} \
         passed\nconfiguration of {} in snapshot {}\n",
        report.tenant,
        report.score.map_or_else(|| "unknown".to_owned(), |s| format!("{s} of 100")),
        count(Verdict::Failed),
        count(Verdict::Manual),
        count(Verdict::Skipped),
        count(Verdict::Accepted),
        count(Verdict::Passed),
        report.taken.strftime("%Y-%m-%d %H:%M UTC"),
        id.short(),
    );
    let unnamed = |f: &&strongroom_guards::Finding| {
        f.verdict == Verdict::Failed
            && f.concerns.iter().all(|c| {
                let says = c.says.as_str();
                says.starts_with("excludes ") && !says.contains(';')
            })
    };
    let only: Vec<_> = report.findings.iter().filter(unnamed).collect();
    if only.len() > 1 {
        let says = only[0].concerns.first().map(|c| c.says.line().to_string()).unwrap_or_default();
        out.push_str(&format!(
            "{} rules fail only because a policy {says}: name it there, or take \
            it out of the policies\n",
            only.len()
        ));
    }
    report.idle_exceptions.iter().for_each(|e| out.push_str(&format!("exceptions: {e}\n")));
    for f in report.findings.iter().filter(|f| f.verdict == Verdict::Failed) {
        let rule = format!("{} {}", word(f.severity).to_uppercase(), f.rule);
        out.push_str(&format!("\n{}\n", output::alarm(&rule)));
        f.concerns.iter().for_each(|c| {
            out.push_str(&format!("  found   {}: {}\n", c.object.line(), c.says.line()))
        });
        f.accepted.iter().for_each(|c| {
            out.push_str(&format!("  accepted {}: {}\n", c.object.line(), c.says.line()))
        });
        out.push_str(&format!("  wanted  {}\n  do      {}\n", f.title, f.remedy));
    }
    for f in report
        .findings
        .iter()
        .filter(|f| matches!(f.verdict, Verdict::Manual | Verdict::Skipped | Verdict::Accepted))
    {
        out.push_str(&format!(
            "\n{} {}\n  wanted  {}\n  because {}\n",
            word(f.verdict),
            f.rule,
            f.title,
            f.note.line()
        ));
    }
    for f in report.findings.iter().filter(|f| all && f.verdict == Verdict::Passed) {
        out.push_str(&format!("\npassed {}\n  {}\n", f.rule, f.title));
    }
    out
}

async fn diff(global: &Global, args: Diff) -> anyhow::Result<Ending> {
    let school = global.school()?;
    let tenant = school.tenant();
    let own = backup_ids(tenant);
    let repo = school.repository().await?;
    let other = match &args.with {
        Some(name) => Some((name.clone(), school.other(name)?.repository().await?)),
        None => None,
    };
    let wanted = args
        .baseline
        .as_ref()
        .map(|name| crate::baseline::named(school.config(), name))
        .transpose()?;
    let (excepted, today) = (exceptions(&school)?, school.today());
    let (name, old, new) = (tenant.name.clone(), args.old.clone(), args.new.clone());
    let (old, new) = blocking(move || {
        let right = load(&repo, &name, &new)?;
        if let Some(wanted) = &wanted {
            let emergency: Vec<String> = break_glass(&excepted, today)
                .map(|who| {
                    called(&right.1, who).unwrap_or_else(|| {
                        format!("@{}/{who}", if who.contains('@') { "users" } else { "groups" })
                    })
                })
                .collect();
            let left = (right.0, wanted.over(&right.1, &emergency));
            return Ok((left, right));
        }
        let left = match (&other, &old) {
            (Some((other, theirs)), _) => return Ok((right, load(theirs, other, "latest")?)),
            (None, Some(old)) => load(&repo, &name, old)?,
            (None, None) => before(&repo, &name, &right)?,
        };
        Ok((left, right))
    })
    .await?;
    let mut found = compare(&old.1, &new.1, &own, args.with.is_none());
    // Nobody did anything here: two tenants differ, or a tenant and what is wanted of it.
    let sides = args
        .with
        .as_deref()
        .map(|other| (tenant.name.as_str(), other))
        .or(args.baseline.as_deref().map(|wanted| (wanted, tenant.name.as_str())));
    if let Some((left, right)) = sides {
        found.changes.iter_mut().for_each(|c| c.says = unlike(c, left, right).into());
    }
    if args.who {
        let client = school.client(Identity::Read)?;
        let log = audits(&client, old.1.taken).await.context(
            "the audit log cannot be read, so \
            nobody can be named; without --who the changes are shown",
        )?;
        attribute(&mut found, &log);
    }
    if global.json {
        println!(
            "{}",
            json!({"old": old.0.to_string(), "new": new.0.to_string(), "changes": found.changes,
                "not_compared": found.not_compared})
        );
        return Ok(Ending::Done);
    }
    for c in &found.changes {
        let line =
            format!("{:<8} {}  ({})", word(c.rank).to_uppercase(), c.says.line(), c.collection);
        println!("{}", if c.rank <= Rank::High { output::alarm(&line) } else { line });
        for b in &c.by {
            println!(
                "         by {} on {} ({})",
                b.who.line(),
                b.at.strftime("%Y-%m-%d %H:%M UTC"),
                b.activity.line()
            );
        }
        if args.who && c.by.is_empty() {
            println!("         the audit log names nobody");
        }
        for p in c.properties.iter().filter(|_| args.properties) {
            println!("           {}: {} → {}", p.path.line(), p.old, p.new);
        }
    }
    // What no interface gives on either side is no news.
    let never_given = |collection: &String| {
        [&old.1, &new.1].iter().all(|side| {
            let state = side.collections.get(collection).map(|c| &c.state);
            matches!(state, Some(CollectionState::NoApi { .. }))
        })
    };
    for (collection, why) in found.not_compared.iter().filter(|(name, _)| !never_given(name)) {
        println!("not compared: {collection}: {why}");
    }
    let count = found.changes.len();
    if let Some((left, right)) = sides {
        println!(
            "{} between {left} and {right} (snapshot {})",
            counted(count, "difference"),
            new.0.short()
        );
        return Ok(Ending::Done);
    }
    println!(
        "{} between {} ({}) and {} ({})",
        counted(count, "change"),
        old.0.short(),
        old.1.taken.strftime("%Y-%m-%d %H:%M"),
        new.0.short(),
        new.1.taken.strftime("%Y-%m-%d %H:%M"),
    );
    Ok(Ending::Done)
}

fn counted(n: usize, what: &str) -> String {
    match n {
        0 => format!("no {what}"),
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

/// A difference between two sides of which neither came before the other.
fn unlike(c: &Change, left: &str, right: &str) -> String {
    let object = &c.object;
    let shown =
        |v: &serde_json::Value| if v.is_null() { "nothing".to_owned() } else { v.to_string() };
    match c.kind {
        Kind::Added => format!("{object}: {right} has it, {left} has not"),
        Kind::Removed => format!("{object}: {left} has it, {right} has not"),
        _ => {
            let some = c.properties.iter().take(3).map(|p| {
                format!(
                    "{} is {} in {left} and {} in {right}",
                    p.path.as_str(),
                    shown(&p.old),
                    shown(&p.new)
                )
            });
            let more = if c.properties.len() > 3 {
                format!("; and {} more", c.properties.len() - 3)
            } else {
                String::new()
            };
            format!("{object}: {}{more}", some.collect::<Vec<_>>().join("; "))
        }
    }
}

/// The newest snapshot before this one whose configuration is another.
fn before(
    repo: &Arc<Repository>,
    tenant: &str,
    this: &(Id, Configuration),
) -> anyhow::Result<(Id, Configuration)> {
    let mut first = None;
    for (id, snapshot) in repo.snapshots()?.into_iter().rev() {
        if snapshot.hostname != *tenant
            || !snapshot.is_finished()
            || id == this.0
            || snapshot.time >= this.1.taken
        {
            continue;
        }
        let Some(found) = configuration::load(repo, &snapshot)? else { continue };
        if found.collections != this.1.collections {
            return Ok((id, found));
        }
        first = Some((id, found));
    }
    match first {
        Some(same) => Ok(same),
        None => bail!(
            "there is only one configuration of {tenant}; a second `strongroom tenant snapshot` \
             gives something to compare with"
        ),
    }
}
