//! Commands that mend a repository: from another copy, from its own packs, and without what is
//! lost.

use crate::{Global, output, upkeep, upkeep::agreed};
use clap::Subcommand;
use serde_json::json;
use std::path::PathBuf;
use strongroom_model::{Ending, Untrusted};
use strongroom_operations::repair::{Damaged, HealFrom, HealReport, SnapshotRepair};

#[derive(Subcommand)]
pub(crate) enum Repair {
    /// Replace damaged and missing objects by good ones of the vault, or of another copy.
    Heal {
        /// A copy's folder, or its name in the configuration, instead of the vault.
        #[arg(long, value_name = "FOLDER")]
        from: Option<PathBuf>,
    },
    /// Write the index anew where it does not say what is there.
    Index {
        /// Give up packs that are gone or damaged, when no other copy has them. Reads everything;
        /// of a damaged pack what still opens is kept.
        #[arg(long)]
        give_up: bool,
        /// With `--give-up`: show what would be given up and stop.
        #[arg(long, requires = "give_up")]
        dry_run: bool,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
    /// Set aside what stands under names of the repository and is none of its own: what was not
    /// written with its key, and what is no file. Shows it, then asks.
    Junk {
        /// Show it and stop.
        #[arg(long)]
        dry_run: bool,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
    /// Make snapshots whole without what is lost: after `repair index --give-up`. The next backup
    /// looks at everything again.
    Snapshots {
        /// Show the plan and stop.
        #[arg(long)]
        dry_run: bool,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
}

/// Items of a plan that are shown.
const SHOWN_MAX: usize = 20;

pub(crate) async fn repair(global: &Global, command: Repair) -> anyhow::Result<Ending> {
    let damaged = Damaged::of(&global.copy2()?)?;
    match command {
        Repair::Heal { from } => {
            let from = match from {
                None => HealFrom::Vault(global.school()?.vault()?),
                Some(from) => HealFrom::Copy(global.place(&from)?),
            };
            let bar = global.bar();
            let report = damaged.heal(from, bar.clone()).await;
            bar.finish();
            Ok(say_healed(global, &report?))
        }
        Repair::Index { give_up, dry_run, yes } => {
            index(global, &damaged, give_up, dry_run, yes).await
        }
        Repair::Junk { dry_run, yes } => junk(global, &damaged, dry_run, yes).await,
        Repair::Snapshots { dry_run, yes } => snapshots(global, &damaged, dry_run, yes).await,
    }
}

fn say_healed(global: &Global, report: &HealReport) -> Ending {
    // What could be healed is: the rest is named.
    let ending = if report.lost.is_empty() { Ending::Done } else { Ending::Partial };
    if global.json {
        println!("{}", json!(report));
        return ending;
    }
    report.healed.iter().for_each(|o| println!("healed {o}"));
    report.lost.iter().for_each(|o| println!("{}", output::alarm(&format!("NOT HEALED {o}"))));
    if !report.absent.is_empty() {
        println!(
            "{} snapshots of the other copy are not here: forgotten, or deleted; `strongroom \
             replicate --from-vault` brings them into a new folder",
            report.absent.len()
        );
    }
    println!(
        "{} objects looked at, {} healed, {} not",
        report.objects,
        report.healed.len(),
        report.lost.len()
    );
    if !report.lost.is_empty() {
        println!("`strongroom check --read-data` names the items that this touches");
    }
    ending
}

async fn index(
    global: &Global,
    damaged: &Damaged,
    give_up: bool,
    dry_run: bool,
    yes: bool,
) -> anyhow::Result<Ending> {
    if give_up {
        // What would go, by name, before anybody says yes.
        let found = damaged.would_give_up().await?;
        match global.json {
            true if dry_run => println!("{}", json!(found)),
            true => {}
            false => print!("{}", upkeep::describe(&found)),
        }
        let lost = !found.problems.is_empty();
        let question =
            "give up every pack that is gone or damaged, with all that lies in it alone?";
        if dry_run || lost && !agreed(yes, question)? {
            return Ok(match (lost, dry_run) {
                (false, _) => Ending::Done,
                (true, true) => Ending::Alarm,
                (true, false) => Ending::Failed,
            });
        }
    }
    let repair = damaged.mend_index(give_up).await?;
    match global.json {
        true => println!("{}", json!(repair)),
        false if repair.is_empty() => {
            println!("the index says what is there; nothing was changed")
        }
        false => repair.done.iter().for_each(|d| println!("{d}")),
    }
    Ok(if repair.packs_missing > 0 { Ending::Alarm } else { Ending::Done })
}

async fn junk(
    global: &Global,
    damaged: &Damaged,
    dry_run: bool,
    yes: bool,
) -> anyhow::Result<Ending> {
    let junk = damaged.junk().await?;
    if !global.json {
        junk.iter().for_each(|j| println!("{}: {}", j.object, j.why.quoted()));
    }
    let (is_clean, is_wanted) = (junk.is_empty(), !junk.is_empty() && !dry_run);
    let question = "set these aside, into the folder `strange` of the repository?";
    let done = match is_wanted && agreed(yes, question)? {
        true => Some(damaged.set_aside(junk.clone()).await?),
        false => None,
    };
    let failed = done.as_ref().map(|d| d.failed.as_slice()).unwrap_or_default();
    if global.json {
        println!("{}", json!({"junk": junk, "applied": done.is_some(), "failed": failed}));
    } else if is_clean {
        println!("nothing in the repository is foreign to it");
    } else if let Some(done) = &done {
        println!("{} set aside", done.done);
    }
    failed.iter().for_each(|f| eprintln!("strongroom: {f}"));
    Ok(match done.is_some() {
        true if failed.is_empty() => Ending::Done,
        true => Ending::Partial,
        false if is_clean => Ending::Done,
        // What is foreign stays where it is.
        false if dry_run => Ending::Partial,
        false => Ending::Failed,
    })
}

async fn snapshots(
    global: &Global,
    damaged: &Damaged,
    dry_run: bool,
    yes: bool,
) -> anyhow::Result<Ending> {
    let plan = damaged.torn_snapshots().await?;
    match global.json {
        true if dry_run || plan.is_empty() => {
            println!("{}", json!({"plan": plan, "applied": false}))
        }
        true => {}
        false => show(&plan),
    }
    if dry_run || plan.is_empty() || !agreed(yes, "write these snapshots without what is lost?")? {
        return Ok(match (plan.is_empty(), dry_run) {
            (true, _) => Ending::Done,
            (false, true) => Ending::Alarm,
            (false, false) => Ending::Failed,
        });
    }
    damaged.mend_snapshots(plan.clone()).await?;
    match global.json {
        true => println!("{}", json!({"plan": plan, "applied": true})),
        false => println!(
            "done; the next backup asks the tenant for everything again that stood beside what is \
             lost"
        ),
    }
    Ok(Ending::Done)
}

fn show(plan: &[SnapshotRepair]) {
    if plan.is_empty() {
        println!("every snapshot has all that it needs; nothing was changed");
        return;
    }
    let rows: Vec<Vec<String>> = plan
        .iter()
        .map(|r| {
            let time = r
                .time
                .map_or_else(|| "unknown".to_owned(), |t| t.strftime("%Y-%m-%d %H:%M").to_string());
            let what = match r.tree {
                Some(_) => format!("is written without {} items", r.lost.len()),
                None => "cannot be read and goes".to_owned(),
            };
            vec![r.id.short(), time, what]
        })
        .collect();
    print!("{}", output::table(&["snapshot", "time (UTC)", "what"], &rows));
    let mut lost: Vec<&Untrusted> = plan.iter().flat_map(|r| &r.lost).collect();
    lost.sort_unstable();
    lost.dedup();
    for path in lost.iter().take(SHOWN_MAX) {
        println!("  {}", path.line());
    }
    if lost.len() > SHOWN_MAX {
        println!("  … {} in all; --json names them", lost.len());
    }
}
