//! Commands that mend a repository: from another copy, from its own packs, and without what is
//! lost.

use crate::{Global, edge::blocking, failure, output, progress::Bar, upkeep, upkeep::agreed};
use clap::Subcommand;
use secrecy::SecretString;
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use strongroom_engine::{Progress, clear_delta_links};
use strongroom_model::{Ending, Untrusted};
use strongroom_objects::{Kind, Store};
use strongroom_operations::{Host, place::Doing};
use strongroom_repository::{Repository, SnapshotRepair, WriteLock, heal_objects, heal_opening};

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
    let copy2 = global.copy2()?;
    let (place, password) = copy2.place_and_password(Doing::Deleting)?;
    let damaged = Damaged {
        store: place.open()?,
        password,
        cache: copy2.cache()?,
        host: copy2.host().clone(),
        json: global.json,
    };
    let bar = global.bar();
    let (vault, other) = match &command {
        Repair::Heal { from: None } => (Some(global.school()?.vault()?), None),
        Repair::Heal { from: Some(from) } => (None, Some(global.place(from)?)),
        _ => (None, None),
    };
    blocking(move || match command {
        Repair::Heal { .. } => {
            let other: Arc<dyn Store> = match (other, vault) {
                (Some(place), _) => place.open()?,
                (None, Some(place)) => place.reader(None)?,
                (None, None) => anyhow::bail!("there is no other copy"),
            };
            damaged.heal(other.as_ref(), &bar)
        }
        Repair::Index { give_up, dry_run, yes } => damaged.index(give_up, dry_run, yes),
        Repair::Junk { dry_run, yes } => damaged.junk(dry_run, yes),
        Repair::Snapshots { dry_run, yes } => damaged.snapshots(dry_run, yes),
    })
    .await
}

struct Damaged {
    store: Arc<dyn Store>,
    password: SecretString,
    cache: PathBuf,
    host: Arc<Host>,
    json: bool,
}

impl Damaged {
    fn open(&self) -> anyhow::Result<(Arc<Repository>, WriteLock)> {
        let cache: &Path = &self.cache;
        let repo = Arc::new(Repository::open_damaged(
            self.store.clone(),
            &self.password,
            cache,
            self.host.writer(),
        )?);
        let lock = repo.lock_alone(cache, self.host.clock.now())?;
        Ok((repo, lock))
    }

    fn heal(&self, other: &dyn Store, bar: &Bar) -> anyhow::Result<Ending> {
        let store = self.store.as_ref();
        bar.phase("heal");
        // Keys and config before anything is opened: it may be one of them that is damaged.
        let mut report = heal_opening(store, other, &self.password)?;
        let (repo, mut lock) = self.open()?;
        lock.keep(repo.clone(), self.host.clock.clone());
        let objects =
            heal_objects(store, other, &[Kind::Data, Kind::Index, Kind::Snapshots], &|_| {
                bar.advance(1, 0)
            })?;
        let missing = repo.heal_missing(other)?;
        // An index file that is gone altogether leaves no trace but in the packs.
        let index = repo.repair_index(&lock, false)?;
        let published = publish_anew(&repo);
        lock.release()?;
        bar.finish();
        report.healed.extend(index.done.into_iter().filter(|_| index.packs_missing == 0));
        report.objects += objects.objects;
        report.absent = objects.absent;
        for part in [(objects.healed, objects.lost), (missing.healed, missing.lost)] {
            report.healed.extend(part.0);
            report.lost.extend(part.1);
        }
        report.lost.extend(
            published.err().map(|e| format!("manifests for the vault: {}", failure::sentence(&e))),
        );
        // What could be healed is: the rest is named.
        let code = if report.lost.is_empty() { Ending::Done } else { Ending::Partial };
        if self.json {
            println!("{}", json!(report));
            return Ok(code);
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
        Ok(code)
    }

    fn index(&self, give_up: bool, dry_run: bool, yes: bool) -> anyhow::Result<Ending> {
        let (repo, mut lock) = self.open()?;
        if give_up {
            // What would go, by name, before anybody says yes.
            let found = repo.check(true, &|_, _| {})?;
            match self.json {
                true if dry_run => println!("{}", json!(found)),
                true => {}
                false => print!("{}", upkeep::describe(&found)),
            }
            let lost = !found.problems.is_empty();
            if dry_run
                || lost
                    && !agreed(
                        yes,
                        "give up every pack that is gone or damaged, with all that lies in it \
                         alone?",
                    )?
            {
                lock.release()?;
                return Ok(match (lost, dry_run) {
                    (false, _) => Ending::Done,
                    (true, true) => Ending::Alarm,
                    (true, false) => Ending::Failed,
                });
            }
            lock.renew(&repo, self.host.clock.now())?;
        }
        lock.keep(repo.clone(), self.host.clock.clone());
        let repair = repo.repair_index(&lock, give_up)?;
        publish_anew(&repo)?;
        lock.release()?;
        match self.json {
            true => println!("{}", json!(repair)),
            false if repair.is_empty() => {
                println!("the index says what is there; nothing was changed")
            }
            false => repair.done.iter().for_each(|d| println!("{d}")),
        }
        Ok(if repair.packs_missing > 0 { Ending::Alarm } else { Ending::Done })
    }

    fn junk(&self, dry_run: bool, yes: bool) -> anyhow::Result<Ending> {
        let (repo, lock) = self.open()?;
        let junk = repo.junk()?;
        if !self.json {
            junk.iter().for_each(|j| println!("{}: {}", j.object, j.why.quoted()));
        }
        let is_wanted = !junk.is_empty() && !dry_run;
        let is_done = is_wanted
            && agreed(yes, "set these aside, into the folder `strange` of the repository?")?;
        let mut failed = Vec::new();
        for j in junk.iter().filter(|_| is_done) {
            failed.extend(repo.set_aside(j).err().map(|e| format!("{}: {e}", j.object)));
        }
        lock.release()?;
        if self.json {
            println!("{}", json!({"junk": junk, "applied": is_done, "failed": failed}));
        } else if junk.is_empty() {
            println!("nothing in the repository is foreign to it");
        } else if is_done {
            println!("{} set aside", junk.len() - failed.len());
        }
        failed.iter().for_each(|f| eprintln!("strongroom: {f}"));
        Ok(match is_done {
            true if failed.is_empty() => Ending::Done,
            true => Ending::Partial,
            false if junk.is_empty() => Ending::Done,
            // What is foreign stays where it is.
            false if dry_run => Ending::Partial,
            false => Ending::Failed,
        })
    }

    fn snapshots(&self, dry_run: bool, yes: bool) -> anyhow::Result<Ending> {
        let (repo, mut lock) = self.open()?;
        let plan = repo.plan_snapshot_repair(&clear_delta_links)?;
        match self.json {
            true if dry_run || plan.is_empty() => {
                println!("{}", json!({"plan": plan, "applied": false}))
            }
            true => {}
            false => show(&plan),
        }
        if dry_run
            || plan.is_empty()
            || !agreed(yes, "write these snapshots without what is lost?")?
        {
            lock.release()?;
            return Ok(match (plan.is_empty(), dry_run) {
                (true, _) => Ending::Done,
                (false, true) => Ending::Alarm,
                (false, false) => Ending::Failed,
            });
        }
        // Somebody may have thought about it for long.
        lock.renew(&repo, self.host.clock.now())?;
        lock.keep(repo.clone(), self.host.clock.clone());
        repo.repair_snapshots(&plan, &clear_delta_links, &lock)?;
        publish_anew(&repo)?;
        lock.release()?;
        match self.json {
            true => println!("{}", json!({"plan": plan, "applied": true})),
            false => println!(
                "done; the next backup asks the tenant for everything again that stood beside what \
                 is lost"
            ),
        }
        Ok(Ending::Done)
    }
}

/// Manifests for what a repair left: it writes indexes anew, and a vault that had not taken
/// everything would look for the old ones for ever.
fn publish_anew(repo: &Repository) -> anyhow::Result<()> {
    repo.reload_index()?;
    strongroom_engine::publish::publish_anew(repo)?;
    Ok(())
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
