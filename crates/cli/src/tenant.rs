//! TenantGuard: the tenant's configuration, snapshotted, judged and compared.

use crate::{
    Global,
    export::{SchoolReport, word},
    failure,
    fleet::{self, Format},
    output,
    rules::tell_broken,
};
use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::path::PathBuf;
use strongroom_model::{CollectionState, Ending};
use strongroom_operations::{
    Kind, School,
    rules::{Finding, OwnRules, Report, RuleVerdict, Severity},
    settings::{
        Checked, DiffWith, KeptSettings, Rank, check_settings, compare_settings, keep_settings,
    },
};

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

/// Of one tenant, or of all, one after the other: what fails in one keeps no other back.
async fn snapshot(global: &Global, everything: bool) -> anyhow::Result<Ending> {
    if global.tenant().is_some() || global.config()?.tenants.len() < 2 {
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

async fn snapshot_one(
    global: &Global,
    school: &School,
    everything: bool,
) -> anyhow::Result<Ending> {
    let bar = global.bar();
    let kept = keep_settings(school, everything, bar.clone()).await;
    bar.finish();
    let KeptSettings { report, is_first, changes } = kept?;
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
            match (is_first, changes.len()) {
                (true, _) => "the first".to_owned(),
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

async fn check(global: &Global, args: Check) -> anyhow::Result<Ending> {
    let school = global.school()?;
    let own = OwnRules::read(school.config(), school.host());
    let checked = check_settings(&school, &own, &args.snapshot).await?;
    tell_broken(&own);
    checked.told.iter().for_each(|text| eprintln!("{}", output::alarm(text)));
    let ending = checked.ending(args.fail_on.map(Gravity::severity));
    let Checked { snapshot: id, report, secure_score, alerts, is_blind: blind, .. } = checked;
    if global.json {
        let mut value = serde_json::to_value(&report)?;
        value["snapshot"] = id.to_string().into();
        value["alerts"] = alerts.into();
        println!("{value}");
    } else if args.format == Format::Table && args.out.is_none() {
        alerts.iter().for_each(|rule| println!("{}", output::alarm(&format!("ALERT {rule}"))));
        print!("{}", describe(&report, &id.short(), args.all));
    } else {
        let at = school.now();
        let school = SchoolReport {
            name: school.name().to_owned(),
            secure_score,
            report: Ok(report),
            blind,
        };
        fleet::write(&[school], args.format, at, args.out.as_deref())?;
    }
    Ok(ending)
}

/// What matters first: how it stands, what one act would mend, then each failing rule with what was
/// found.
fn describe(report: &Report, id: &str, all: bool) -> String {
    let count = |v: RuleVerdict| report.counts.get(&v).copied().unwrap_or(0);
    let mut out = format!(
        "{}: score {}; {} failed, {} for a person to look at, {} skipped, {} accepted, {} \
         passed\nconfiguration of {} in snapshot {}\n",
        report.tenant,
        report.score.map_or_else(|| "unknown".to_owned(), |s| format!("{s} of 100")),
        count(RuleVerdict::Failed),
        count(RuleVerdict::Manual),
        count(RuleVerdict::Skipped),
        count(RuleVerdict::Accepted),
        count(RuleVerdict::Passed),
        report.taken.strftime("%Y-%m-%d %H:%M UTC"),
        id,
    );
    let unnamed = |f: &&Finding| {
        f.verdict == RuleVerdict::Failed
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
    for f in report.findings.iter().filter(|f| f.verdict == RuleVerdict::Failed) {
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
    for f in report.findings.iter().filter(|f| {
        matches!(f.verdict, RuleVerdict::Manual | RuleVerdict::Skipped | RuleVerdict::Accepted)
    }) {
        out.push_str(&format!(
            "\n{} {}\n  wanted  {}\n  because {}\n",
            word(f.verdict),
            f.rule,
            f.title,
            f.note.line()
        ));
    }
    for f in report.findings.iter().filter(|f| all && f.verdict == RuleVerdict::Passed) {
        out.push_str(&format!("\npassed {}\n  {}\n", f.rule, f.title));
    }
    out
}

async fn diff(global: &Global, args: Diff) -> anyhow::Result<Ending> {
    let school = global.school()?;
    let with = match (args.with, args.baseline, args.old) {
        (Some(other), ..) => DiffWith::School(other),
        (_, Some(wanted), _) => DiffWith::Baseline(wanted),
        (_, _, Some(old)) => DiffWith::Snapshot(old),
        (None, None, None) => DiffWith::Before,
    };
    let found = compare_settings(&school, &with, &args.new, args.who).await;
    let is_asked = |e: &strongroom_operations::Error| args.who && e.kind() == Kind::Tenant;
    let found = match found {
        Err(e) if is_asked(&e) => Err(e).context("without --who the changes are shown")?,
        found => found?,
    };
    found.told.iter().for_each(|text| eprintln!("{}", output::alarm(text)));
    let (old, new) = (&found.old, &found.new);
    if global.json {
        println!(
            "{}",
            json!({"old": old.snapshot.to_string(), "new": new.snapshot.to_string(),
                "changes": found.changes, "not_compared": found.not_compared})
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
    let news = found.not_compared.iter().filter(|(name, _)| !found.never_given.contains(*name));
    for (collection, why) in news {
        println!("not compared: {collection}: {why}");
    }
    let count = found.changes.len();
    if let Some((left, right)) = &found.sides {
        println!(
            "{} between {left} and {right} (snapshot {})",
            counted(count, "difference"),
            new.snapshot.short()
        );
        return Ok(Ending::Done);
    }
    println!(
        "{} between {} ({}) and {} ({})",
        counted(count, "change"),
        old.snapshot.short(),
        old.taken.strftime("%Y-%m-%d %H:%M"),
        new.snapshot.short(),
        new.taken.strftime("%Y-%m-%d %H:%M"),
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
