//! Commands that keep a repository in shape: check, forget, prune, hold. What removes something
//! plans, shows and asks.

use crate::{
    Global,
    approvers::Asks,
    commands::tell_ahead,
    failure, output,
    plans::{self, Kept},
};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};
use strongroom_model::{Ending, Silent, Untrusted, shown_line};
use strongroom_operations::{
    Copy2, Duty,
    check::{self, CheckReport, ReadData},
    plan::{Authority, Operation, guard},
    snapshots::{Id, Snapshot},
    upkeep::{
        self as operations, ForgetPlan, ForgetRequest, HeldSnapshot, PruneOptions, PrunePlan,
        ReleaseHold, ReleaseHoldRequest, RetentionPolicy,
    },
};

#[derive(Args)]
pub(crate) struct Check {
    /// Read and verify every byte.
    #[arg(long)]
    read_data: bool,
    /// Read and verify a part: `2/7` for the second of seven, which together are all, or `2.5%` for
    /// some by chance.
    #[arg(long, value_name = "PART", conflicts_with = "read_data")]
    read_data_subset: Option<String>,
}

#[derive(Args)]
pub(crate) struct Forget {
    /// Forget these snapshots, by id or its first digits, and no others; no retention is needed.
    #[arg(conflicts_with_all = ["keep_within_hours", "keep_hourly", "keep_daily", "keep_weekly",
        "keep_monthly", "keep_yearly", "though_not_clean"])]
    snapshots: Vec<String>,
    /// Keep everything of so many hours before the newest snapshot.
    #[arg(long, value_name = "HOURS")]
    keep_within_hours: Option<u32>,
    /// Hours to keep a snapshot of.
    #[arg(long, value_name = "N")]
    keep_hourly: Option<u32>,
    /// Days to keep a snapshot of.
    #[arg(long, value_name = "N")]
    keep_daily: Option<u32>,
    /// Weeks to keep a snapshot of.
    #[arg(long, value_name = "N")]
    keep_weekly: Option<u32>,
    /// Months to keep a snapshot of.
    #[arg(long, value_name = "N")]
    keep_monthly: Option<u32>,
    /// Years to keep a snapshot of.
    #[arg(long, value_name = "N")]
    keep_yearly: Option<u32>,
    /// Go on although the newest snapshot is not clean.
    #[arg(long)]
    though_not_clean: bool,
    /// Show the plan and stop.
    #[arg(long)]
    dry_run: bool,
    /// Keep the plan and stop: `plan apply` carries it out later.
    #[arg(long, conflicts_with_all = ["dry_run", "yes"])]
    save_plan: bool,
    #[command(flatten)]
    asks: Asks,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
}

#[derive(Args)]
pub(crate) struct Prune {
    /// Unused bytes that may stay, in percent of the used ones.
    #[arg(long, default_value_t = 5, value_name = "PERCENT",
        value_parser = clap::value_parser!(u32).range(0..=100))]
    max_unused: u32,
    /// Hours for which what is not needed stays, for readers that still know it.
    #[arg(long, default_value_t = 24, value_name = "HOURS")]
    grace_hours: u32,
    /// Where the repository has no snapshot left: delete everything that it held.
    #[arg(long)]
    empty: bool,
    /// Show the plan and stop.
    #[arg(long)]
    dry_run: bool,
    /// Keep the plan and stop: `plan apply` carries it out later.
    #[arg(long, conflicts_with_all = ["dry_run", "yes"])]
    save_plan: bool,
    #[command(flatten)]
    asks: Asks,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
}

#[derive(Subcommand)]
pub(crate) enum Hold {
    /// Keep a snapshot from being forgotten, until the hold is released.
    Add {
        /// Snapshot: an id, the first digits of one, or `latest`.
        snapshot: String,
        /// Why, for whoever finds it: `case 7`.
        #[arg(long)]
        reason: String,
    },
    /// List the holds.
    List,
    /// Release a hold. The snapshot is then kept or not as the policy says.
    Release {
        /// Id of the hold, as `hold list` shows it.
        hold: String,
        /// Keep the plan and stop: `plan apply` carries it out later.
        #[arg(long, conflicts_with = "yes")]
        save_plan: bool,
        #[command(flatten)]
        asks: Asks,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
}

pub(crate) fn agreed(yes: bool, question: &str) -> anyhow::Result<bool> {
    if yes || output::confirm(question)? {
        return Ok(true);
    }
    println!("nothing was changed");
    Ok(false)
}

pub(crate) async fn check(global: &Global, args: Check) -> anyhow::Result<Ending> {
    let read = match &args.read_data_subset {
        Some(part) => {
            let seed = global.host.clock.now().as_nanosecond() as u64;
            ReadData::parse(part, seed).with_context(|| {
                format!(
                    "{part:?} is no part: 2/7 reads \
                the second of seven (255 at most), 2.5% some by chance"
                )
            })?
        }
        None => args.read_data.into(),
    };
    // Of a repository that was named by itself nobody owes a check.
    let attempt = match &global.repo {
        None => Some(global.school()?.begin(Duty::Check)),
        Some(_) => None,
    };
    let bar = global.bar();
    let look = async { Ok(check::check(&global.copy2()?, read, bar.clone()).await?) };
    let done = look.await;
    bar.finish();
    if let Some(attempt) = attempt {
        failure::note(attempt, &done, |attempt, report| drop(attempt.checked(report, read)));
    }
    let report = done?;
    if global.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}", describe(&report));
    }
    Ok(if report.problems.is_empty() { Ending::Done } else { Ending::Alarm })
}

/// Problems, then the items that they touch, summed up by mailbox or drive.
pub(crate) fn describe(report: &CheckReport) -> String {
    let mut out = String::new();
    for p in &report.problems {
        out.push_str(&output::alarm(&p.line().to_string()));
        out.push('\n');
    }
    let mut places: BTreeMap<Untrusted, (u64, jiff::Timestamp)> = BTreeMap::new();
    for item in &report.damaged {
        let place: Vec<&str> =
            item.path.as_str().split('/').filter(|p| !p.is_empty()).take(2).collect();
        let sum = places.entry(place.join("/").into()).or_insert((0, item.since));
        sum.0 += 1;
        sum.1 = sum.1.min(item.since);
    }
    if report.snapshots == 0 && report.packs > 0 {
        out.push_str(&output::alarm(
            "there is no snapshot: nothing can be restored from here; `strongroom replicate \
             --from-vault` brings them into a new folder",
        ));
        out.push('\n');
    }
    for (place, (n, since)) in places {
        if place.is_empty() {
            out.push_str(&output::alarm(&format!(
                "nothing of a whole snapshot can be restored, from snapshots since {}",
                since.strftime("%Y-%m-%d")
            )));
            out.push('\n');
            continue;
        }
        let what = if place.as_str().starts_with("mail/") {
            "messages and records"
        } else {
            "files and versions"
        };
        out.push_str(&output::alarm(&format!(
            "{n} {what} of {} cannot be restored whole, from snapshots since {}",
            place.line(),
            since.strftime("%Y-%m-%d")
        )));
        out.push('\n');
    }
    for item in report.damaged.iter().take(20) {
        out.push_str(&format!("  {}\n", item.path.line()));
    }
    if report.damaged_items > 20 {
        out.push_str(&format!("  … {} in all; --json names them\n", report.damaged_items));
    }
    out.push_str(&format!(
        "{} snapshots, {} packs, {} blobs; {} packs, {} read: {}\n",
        report.snapshots,
        report.packs,
        report.blobs,
        report.packs_read,
        output::bytes(report.bytes_read),
        if report.problems.is_empty() {
            "sound".to_owned()
        } else {
            format!("{} problems", report.problems.len())
        }
    ));
    out
}

fn policy(copy2: &Copy2, args: &Forget) -> anyhow::Result<RetentionPolicy> {
    let mut policy = copy2.retention();
    for (field, given) in [
        (&mut policy.within_hours, args.keep_within_hours),
        (&mut policy.hourly, args.keep_hourly),
        (&mut policy.daily, args.keep_daily),
        (&mut policy.weekly, args.keep_weekly),
        (&mut policy.monthly, args.keep_monthly),
        (&mut policy.yearly, args.keep_yearly),
    ] {
        *field = given.unwrap_or(*field);
    }
    if policy == RetentionPolicy::default() {
        bail!(
            "no retention is set: give --keep-daily and the like, or [repository.retention] in the \
             configuration; nothing was forgotten"
        );
    }
    Ok(policy)
}

fn show_forget(plan: &ForgetPlan) {
    let row = |id: &Id, s: &Snapshot, what: &str, why: String| {
        vec![
            id.short(),
            s.time.strftime("%Y-%m-%d %H:%M").to_string(),
            s.hostname.line().to_string(),
            what.to_owned(),
            why,
        ]
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (id, s, why) in &plan.keep {
        let why: Vec<&str> = why.iter().map(|w| w.as_str()).collect();
        rows.push(row(id, s, "keep", why.join(", ")));
    }
    rows.extend(plan.remove.iter().map(|(id, s)| row(id, s, "FORGET", String::new())));
    rows.sort_by(|a, b| a[1].cmp(&b[1]));
    print!("{}", output::table(&["id", "time (UTC)", "tenant", "what", "why"], &rows));
    println!(
        "{} stay, {} go; the room comes back with `strongroom prune`",
        plan.keep.len(),
        plan.remove.len()
    );
}

pub(crate) fn say_forgotten(global: &Global, report: &operations::ForgetReport) {
    match global.json {
        true => println!("{}", json!({"keep": report.keep, "removed": report.removed})),
        false => println!("{} snapshots forgotten", report.removed),
    }
}

pub(crate) async fn forget(global: &Global, args: Forget) -> anyhow::Result<Ending> {
    let copy2 = global.copy2()?;
    let request = match args.snapshots.is_empty() {
        true => ForgetRequest::Policy {
            policy: policy(&copy2, &args)?,
            though_not_clean: args.though_not_clean,
        },
        false => ForgetRequest::Named { snapshots: args.snapshots },
    };
    let (by, asker) = (&global.host.account, args.asks.asker()?);
    let ready = operations::Forget::plan(&copy2, request, by, Arc::new(Silent)).await?;
    let ready = ready.asked_by(&asker);
    let plan = ready.work().forget();
    if !global.json {
        show_forget(plan);
        plans::say_alone(&ready);
    } else if args.dry_run {
        let remove: Vec<_> = plan.remove.iter().map(|(id, _)| id).collect();
        let alone = ready.is_alone();
        println!("{}", json!({"keep": plan.keep.len(), "remove": remove, "alone": alone}));
    }
    if args.dry_run {
        return Ok(Ending::Done);
    }
    if let Kept::Yes(ending) = plans::keep(global, &ready, &asker, args.save_plan)? {
        return Ok(ending);
    }
    if ready.is_empty() {
        if global.json {
            println!("{}", json!({"keep": plan.keep.len(), "removed": 0}));
        }
        return Ok(Ending::Done);
    }
    if !agreed(args.yes, "forget them?")? {
        return Ok(Ending::Failed);
    }
    let leave = Authority::of(ready.plan(), by, global.host.clock.now())?;
    let ready = guard::<operations::Forget>(&copy2, ready).await?;
    let done = operations::Forget::apply(&copy2, ready, leave, Arc::new(Silent)).await?;
    say_forgotten(global, &done.report);
    Ok(done.ending)
}

fn show(plan: &PrunePlan) {
    let rows = [
        ("stay as they are", plan.packs_keep),
        ("are copied in part", plan.packs_repack),
        ("are needed by nothing", plan.packs_remove),
        ("belong to no index", plan.packs_unreferenced),
        ("were marked before and are due", plan.packs_due),
    ];
    let rows: Vec<Vec<String>> =
        rows.iter().map(|(what, n)| vec![n.to_string(), (*what).to_owned()]).collect();
    print!("{}", output::table(&["packs", "that"], &rows));
    println!(
        "{} are used, {} are not; {} are copied, {} come free",
        output::bytes(plan.bytes_used),
        output::bytes(plan.bytes_unused),
        output::bytes(plan.bytes_copy),
        output::bytes(plan.bytes_freed)
    );
}

pub(crate) fn say_pruned(global: &Global, report: &PrunePlan, grace_s: i64) {
    match global.json {
        true => println!("{}", json!(report)),
        false if grace_s > 0 => println!(
            "done; what is not needed is deleted by a prune that comes {} hours later",
            grace_s / 3600
        ),
        false => println!("done"),
    }
}

pub(crate) async fn prune(global: &Global, args: Prune) -> anyhow::Result<Ending> {
    let copy2 = global.copy2()?;
    let options = PruneOptions {
        unused_percent_max: args.max_unused,
        grace_s: i64::from(args.grace_hours) * 3600,
        may_empty: args.empty,
    };
    let (by, asker) = (&global.host.account, args.asks.asker()?);
    let ready = operations::Prune::plan(&copy2, options, by, Arc::new(Silent)).await?;
    let ready = ready.asked_by(&asker);
    let plan = ready.work().prune();
    if !global.json {
        show(plan);
        plans::say_alone(&ready);
    } else if args.dry_run {
        let mut shown = json!(plan);
        shown["alone"] = json!(ready.is_alone());
        println!("{shown}");
    }
    if args.dry_run {
        return Ok(Ending::Done);
    }
    if let Kept::Yes(ending) = plans::keep(global, &ready, &asker, args.save_plan)? {
        return Ok(ending);
    }
    let is_empty = ready.is_empty();
    if !is_empty && !agreed(args.yes, "carry this out?")? {
        return Ok(Ending::Failed);
    }
    let leave = Authority::of(ready.plan(), by, global.host.clock.now())?;
    let bar = global.bar();
    let ready = guard::<operations::Prune>(&copy2, ready).await?;
    let done = operations::Prune::apply(&copy2, ready, leave, bar.clone()).await;
    bar.finish();
    let done = done?;
    if !is_empty || global.json {
        say_pruned(global, &done.report, options.grace_s);
    }
    Ok(done.ending)
}

pub(crate) fn say_released(global: &Global, hold: &Id) {
    match global.json {
        true => println!("{}", json!({"released": hold})),
        false => println!("released"),
    }
}

async fn release(
    global: &Global,
    hold: String,
    asks: &Asks,
    save_plan: bool,
    yes: bool,
) -> anyhow::Result<Ending> {
    let (copy2, by, asker) = (global.copy2()?, &global.host.account, asks.asker()?);
    let request = ReleaseHoldRequest { hold };
    let ready = ReleaseHold::plan(&copy2, request, by, Arc::new(Silent)).await?;
    let ready = ready.asked_by(&asker);
    if !global.json {
        let (id, s) = ready.work().hold();
        println!(
            "hold {} on snapshot {} of {} would go",
            id.short(),
            s.parent.map(|p| p.short()).unwrap_or_default(),
            s.time.strftime("%Y-%m-%d %H:%M")
        );
        plans::say_alone(&ready);
    }
    if let Kept::Yes(ending) = plans::keep(global, &ready, &asker, save_plan)? {
        return Ok(ending);
    }
    if !agreed(yes, "release it?")? {
        return Ok(Ending::Failed);
    }
    let leave = Authority::of(ready.plan(), by, global.host.clock.now())?;
    let ready = guard::<ReleaseHold>(&copy2, ready).await?;
    let done = ReleaseHold::apply(&copy2, ready, leave, Arc::new(Silent)).await?;
    say_released(global, &done.report);
    Ok(done.ending)
}

async fn add(global: &Global, name: &str, reason: &str) -> anyhow::Result<Ending> {
    let held = operations::hold(&global.copy2()?, name, reason).await?;
    tell_ahead(held.ahead.as_deref());
    match global.json {
        true => println!("{}", json!({"hold": held.hold, "snapshot": held.snapshot})),
        false => println!(
            "snapshot {} is held by {}: {}",
            held.snapshot.map(|id| id.short()).unwrap_or_default(),
            held.hold.short(),
            shown_line(reason)
        ),
    }
    Ok(Ending::Done)
}

async fn list(global: &Global) -> anyhow::Result<Ending> {
    let holds = operations::holds(&global.copy2()?).await?;
    if global.json {
        println!("{}", json!(holds));
        return Ok(Ending::Done);
    }
    let row = |held: &HeldSnapshot| {
        vec![
            held.hold.short(),
            held.snapshot.map(|id| id.short()).unwrap_or_default(),
            held.time.strftime("%Y-%m-%d %H:%M").to_string(),
            held.tenant.line().to_string(),
            held.reason.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = holds.iter().map(row).collect();
    print!("{}", output::table(&["hold", "snapshot", "time (UTC)", "tenant", "reason"], &rows));
    Ok(Ending::Done)
}

pub(crate) async fn hold(global: &Global, command: Hold) -> anyhow::Result<Ending> {
    match command {
        Hold::Add { snapshot, reason } => add(global, &snapshot, &reason).await,
        Hold::List => list(global).await,
        Hold::Release { hold, save_plan, asks, yes } => {
            release(global, hold, &asks, save_plan, yes).await
        }
    }
}
