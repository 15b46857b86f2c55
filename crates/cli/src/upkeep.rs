//! Commands that keep a repository in shape: check, forget, prune, hold. What removes something
//! plans, shows and asks.

use crate::{Global, commands::snapshot, edge::blocking, failure, output};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use strongroom_engine::Progress;
use strongroom_model::{Ending, Untrusted, shown_line};
use strongroom_operations::{Attempt, Duty, place::Doing};
use strongroom_repository::{
    CheckReport, ForgetPlan, Id, Policy, PruneOptions, PrunePlan, ReadData, Repository, Snapshot,
    TAG_HOLD, plan_forget,
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
    let done = look(global, read).await;
    if let Some(attempt) = attempt {
        failure::note(attempt, &done, Attempt::checked);
    }
    let report = done?;
    if global.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}", describe(&report));
    }
    Ok(if report.problems.is_empty() { Ending::Done } else { Ending::Alarm })
}

async fn look(global: &Global, read: ReadData) -> anyhow::Result<CheckReport> {
    let repo = global.copy2()?.open(Doing::Looking).await?;
    let bar = global.bar();
    let b = bar.clone();
    let done = blocking(move || {
        b.phase("check");
        Ok(repo.check(read, &|_, all| {
            b.expect(all, 0);
            b.advance(1, 0);
        })?)
    })
    .await;
    bar.finish();
    done
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

fn policy(global: &Global, args: &Forget) -> anyhow::Result<Policy> {
    let mut policy = Policy::default();
    if global.repo.is_none() {
        let school = global.school()?;
        let entry = school.config().repository(&school.tenant().repository)?;
        policy = entry.retention.clone().unwrap_or_default();
    }
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
    if policy == Policy::default() {
        bail!(
            "no retention is set: give --keep-daily and the like, or [repository.retention] in the \
             configuration; nothing was forgotten"
        );
    }
    Ok(policy)
}

/// Forgets what is named, and nothing else.
fn named(
    repo: &Repository,
    all: &[(Id, Snapshot)],
    names: &[String],
) -> anyhow::Result<ForgetPlan> {
    let ids: BTreeSet<Id> =
        names.iter().map(|name| Ok(snapshot(repo, name)?.0)).collect::<anyhow::Result<_>>()?;
    let mut plan = ForgetPlan::default();
    for (id, s) in all {
        match ids.contains(id) {
            false => plan.keep.push((*id, s.clone(), Vec::new())),
            true if s.is_hold() => bail!(
                "{} is a hold; `strongroom hold release {}` lets it go",
                id.short(),
                id.short()
            ),
            true => match all.iter().find(|(_, h)| h.is_hold() && h.tree == s.tree) {
                Some((hold, _)) => bail!(
                    "snapshot {} is held by {}; `strongroom hold release {}` lets it go first",
                    id.short(),
                    hold.short(),
                    hold.short()
                ),
                None => plan.remove.push((*id, s.clone())),
            },
        }
    }
    Ok(plan)
}

pub(crate) async fn forget(global: &Global, args: Forget) -> anyhow::Result<Ending> {
    let policy = match args.snapshots.is_empty() {
        true => policy(global, &args)?,
        false => Policy::default(),
    };
    let copy2 = global.copy2()?;
    let (repo, cache) = (copy2.open(Doing::Deleting).await?, copy2.cache()?);
    let json = global.json;
    blocking(move || {
        let now = copy2.now();
        let all = repo.snapshots_whole()?;
        let plan = match args.snapshots.as_slice() {
            [] => plan_forget(&all, &policy, now, args.though_not_clean),
            names => named(&repo, &all, names)?,
        };
        if json && args.dry_run {
            println!(
                "{}",
                json!({"keep": plan.keep.len(), "remove": plan.remove.iter().map(|(id,
                _)| id).collect::<Vec<_>>()})
            );
            return Ok(Ending::Done);
        }
        if !json {
            let mut rows: Vec<Vec<String>> = Vec::new();
            for (id, s, why) in &plan.keep {
                let why: Vec<&str> = why.iter().map(|w| w.as_str()).collect();
                rows.push(vec![
                    id.short(),
                    s.time.strftime("%Y-%m-%d %H:%M").to_string(),
                    s.hostname.line().to_string(),
                    "keep".into(),
                    why.join(", "),
                ]);
            }
            for (id, s) in &plan.remove {
                rows.push(vec![
                    id.short(),
                    s.time.strftime("%Y-%m-%d %H:%M").to_string(),
                    s.hostname.line().to_string(),
                    "FORGET".into(),
                    String::new(),
                ]);
            }
            rows.sort_by(|a, b| a[1].cmp(&b[1]));
            print!("{}", output::table(&["id", "time (UTC)", "tenant", "what", "why"], &rows));
            println!(
                "{} stay, {} go; the room comes back with `strongroom prune`",
                plan.keep.len(),
                plan.remove.len()
            );
        }
        if args.dry_run || plan.remove.is_empty() {
            if json && !args.dry_run {
                println!("{}", json!({"keep": plan.keep.len(), "removed": 0}));
            }
            return Ok(Ending::Done);
        }
        if !agreed(args.yes, "forget them?")? {
            return Ok(Ending::Failed);
        }
        let lock = repo.lock_for_upkeep(&cache, now)?;
        let removed = repo.forget_planned(&plan)?;
        lock.release()?;
        if json {
            println!("{}", json!({"keep": plan.keep.len(), "removed": removed}));
        } else {
            println!("{removed} snapshots forgotten");
        }
        Ok(Ending::Done)
    })
    .await
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

pub(crate) async fn prune(global: &Global, args: Prune) -> anyhow::Result<Ending> {
    let copy2 = global.copy2()?;
    let (repo, cache) = (copy2.open(Doing::Deleting).await?, copy2.cache()?);
    let (json, bar) = (global.json, global.bar());
    let options = PruneOptions {
        unused_percent_max: args.max_unused,
        grace_s: i64::from(args.grace_hours) * 3600,
        may_empty: args.empty,
    };
    blocking(move || {
        let (now, clock) = (copy2.now(), &copy2.host().clock);
        // Locked before it is planned: what is shown is what is done.
        let mut lock = repo.lock_alone(&cache, now)?;
        let plan = repo.plan_prune(options, now)?;
        if !json {
            show(&plan);
        } else if args.dry_run {
            println!("{}", json!(plan));
        }
        if args.dry_run || plan.is_empty() || !agreed(args.yes, "carry this out?")? {
            if json && !args.dry_run && plan.is_empty() {
                println!("{}", json!(plan));
            }
            if !args.dry_run && plan.is_empty() {
                // One before may have been killed before it said so.
                strongroom_engine::publish::publish_anew(&repo)?;
            }
            lock.release()?;
            let is_declined = !args.dry_run && !plan.is_empty();
            return Ok(if is_declined { Ending::Failed } else { Ending::Done });
        }
        // Somebody may have thought about it for long.
        lock.renew(&repo, copy2.now())?;
        lock.keep(repo.clone(), clock.clone());
        bar.phase("prune");
        bar.expect(plan.packs_repack, 0);
        repo.prune(&plan, &mut lock, clock.as_ref(), &|_, _| bar.advance(1, 0))?;
        // A vault that has not taken all of it must find what stays.
        strongroom_engine::publish::publish_anew(&repo)?;
        bar.finish();
        lock.release()?;
        match json {
            true => println!("{}", json!(plan)),
            false if options.grace_s > 0 => println!(
                "done; what is not needed is deleted by a prune that comes {} hours later",
                args.grace_hours
            ),
            false => println!("done"),
        }
        Ok(Ending::Done)
    })
    .await
}

pub(crate) async fn hold(global: &Global, command: Hold) -> anyhow::Result<Ending> {
    let copy2 = global.copy2()?;
    let (repo, cache) = (copy2.open(Doing::Usual).await?, copy2.cache()?);
    let json = global.json;
    blocking(move || {
        let now = copy2.now();
        match command {
            Hold::Add { snapshot: name, reason } => {
                let (id, _) = snapshot(&repo, &name)?;
                let lock = repo.lock_for_upkeep(&cache, now)?;
                let hold = repo.hold(&id, &reason)?;
                lock.release()?;
                match json {
                    true => println!("{}", json!({"hold": hold, "snapshot": id})),
                    false => {
                        println!(
                            "snapshot {} is held by {}: {}",
                            id.short(),
                            hold.short(),
                            shown_line(&reason)
                        )
                    }
                }
            }
            Hold::List => {
                let reason = |tags: &[String]| {
                    tags.iter()
                        .filter_map(|t| t.strip_prefix(TAG_HOLD))
                        .collect::<Vec<_>>()
                        .join(", ")
                };
                let holds = repo.holds()?;
                if json {
                    let rows: Vec<_> = holds
                        .iter()
                        .map(|(id, s)| {
                            json!({"hold": id, "snapshot": s.parent,
                            "time": s.time, "reason": reason(&s.tags)})
                        })
                        .collect();
                    println!("{}", json!(rows));
                } else {
                    let rows: Vec<Vec<String>> = holds
                        .iter()
                        .map(|(id, s)| {
                            let held = s.parent.map(|p| p.short()).unwrap_or_default();
                            vec![
                                id.short(),
                                held,
                                s.time.strftime("%Y-%m-%d %H:%M").to_string(),
                                s.hostname.line().to_string(),
                                reason(&s.tags),
                            ]
                        })
                        .collect();
                    print!(
                        "{}",
                        output::table(
                            &["hold", "snapshot", "time (UTC)", "tenant", "reason"],
                            &rows
                        )
                    );
                }
            }
            Hold::Release { hold, yes } => {
                let found: Vec<_> = repo
                    .holds()?
                    .into_iter()
                    .filter(|(id, _)| id.to_string().starts_with(&hold))
                    .collect();
                let [(id, s)] = found.as_slice() else {
                    bail!(
                        "{} holds begin with {hold:?}; `strongroom hold list` lists them",
                        found.len()
                    );
                };
                let held = s.parent.map(|p| p.short()).unwrap_or_default();
                if !json {
                    println!(
                        "hold {} on snapshot {held} of {} would go",
                        id.short(),
                        s.time.strftime(
                            "%Y-%m-%d \
                        %H:%M"
                        )
                    );
                }
                if !agreed(yes, "release it?")? {
                    return Ok(Ending::Failed);
                }
                let lock = repo.lock_for_upkeep(&cache, now)?;
                repo.forget(id)?;
                lock.release()?;
                match json {
                    true => println!("{}", json!({"released": id})),
                    false => println!("released"),
                }
            }
        }
        Ok(Ending::Done)
    })
    .await
}
