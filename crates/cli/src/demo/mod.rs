//! `strongroom demo`: a school is backed up, attacked, and brought back clean.
//!
//! Nothing here is staged: backup, replication, check and restore are the ordinary commands' code,
//! over real sockets, with real processes for Microsoft 365 and for the vault. What came back is
//! compared by the simulator's own digest, not by ours.

mod attacker;
mod report;
mod scenarios;
pub(crate) mod servers;
mod stage;

use crate::{Global, output, restore};
use anyhow::{Context, bail};
use clap::Args;
use graph_sim::DigestRow;
use servers::arg;
use stage::Stage;
use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Instant};
use strongroom_engine::{BackupReport, replicate as copies};
use strongroom_model::{Clock, Ending, Silent};
use strongroom_operations::{
    place::Place,
    plan::{Authority, Operation, guard},
    replicate::rebuild,
    restore::{Action, RestoreData, RestoreOutcome},
};

#[derive(Args, Clone, Debug)]
pub(crate) struct Demo {
    /// Folder for everything; a new one by default.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// File with the lines of a `[[repository]]` that say where copy 2 lies (paths from the root);
    /// its credential may delete, as an attacker's may. In the folder by default.
    #[arg(long, value_name = "FILE")]
    copy2: Option<PathBuf>,
    /// Fill the school with the files of this folder.
    #[arg(long)]
    seed_dir: Option<PathBuf>,
    /// Size of the made-up school.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Same seed, same school.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Stop after a step (backup, days, attack, vault, rebuild) and leave servers and folders.
    #[arg(long, value_parser = ["backup", "days", "attack", "vault", "rebuild"])]
    stop_after: Option<String>,
    /// Run one attack, or `all`, and say what was caught and missed.
    #[arg(long)]
    attack: Option<String>,
    /// The simulated service rewrites Office files on upload, as SharePoint does.
    #[arg(long)]
    office_rewrite: bool,
}

/// Days of ordinary life before the attack.
const DAYS: i64 = 4;

/// One point of the report's time line.
pub(crate) struct Day {
    label: String,
    changed: u64,
    suspicion: u64,
    clean: bool,
}

pub(crate) async fn run(global: &Global, args: Demo) -> anyhow::Result<Ending> {
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("strongroom-demo-{}", std::process::id())),
    };
    if dir.exists() && std::fs::read_dir(&dir)?.next().is_some() {
        bail!("{} is not empty; name another folder with --dir", dir.display());
    }
    std::fs::create_dir_all(&dir)?;
    let dir = std::path::absolute(&dir)?;
    if let Some(name) = &args.attack {
        return scenarios::run(global, &args, &dir, name).await;
    }
    let began = Instant::now();
    let mut day = Vec::new();
    let say = |text: String| {
        if !global.json {
            println!("[{:>5.1} s] {text}", began.elapsed().as_secs_f64());
        }
    };
    // 1. A school, a vault, a repository.
    let mut stage = Stage::set(&dir, &args, DAYS + 1).await?;
    let before = stage.digest().await?;
    let (messages, files) = counts(&before);
    say(format!(
        "a school with {messages} messages and {files} files is served at {}",
        stage.graph()
    ));
    say(format!(
        "a vault with its own process, folder and credential listens at {}",
        stage.vault_url()
    ));
    let r = stage.back_up().await?;
    say(format!("first backup: {}", told(&r)));
    day.push(point("day 0", &r));
    let copied = stage.replicate().await?;
    say(format!(
        "copy 3: {} objects, {} sealed in session {}",
        copied.sent,
        output::bytes(copied.bytes),
        copied.session.unwrap_or(0)
    ));
    if stopped("backup", &args, &mut stage).await? {
        return Ok(Ending::Done);
    }

    // 2. Ordinary days.
    for n in 1..DAYS {
        stage.next_day().await?;
        stage.live(args.seed.wrapping_add(n as u64), args.seed_dir.is_some()).await?;
        let r = stage.back_up().await?;
        let copied = stage.replicate().await?;
        say(format!("day {n}: {}; {} objects to the vault", told(&r), copied.sent));
        day.push(point(&format!("day {n}"), &r));
        if !r.is_clean() || !r.is_whole() {
            bail!("an ordinary day raised an alarm: {:?}", r.alarms);
        }
    }
    let good = stage.digest().await?;
    if stopped("days", &args, &mut stage).await? {
        return Ok(Ending::Done);
    }

    // 3. The attack: on the tenant, then on the copies.
    stage.next_day().await?;
    let encrypted = stage.attack("encrypt-fast").await?;
    let purged = stage.attack("purge-mailboxes").await?;
    let bad = stage.digest().await?;
    let attacked = missing(&good, &bad);
    say(format!(
        "ATTACK with Global Admin rights: {} files encrypted and renamed, {} ransom notes, {} \
         messages purged; {} items are not what they were",
        encrypted.files.len(),
        encrypted.notes,
        purged.messages,
        attacked.len()
    ));
    let r = stage.back_up().await?;
    stage.replicate().await?;
    say(format!("the poisoned state is backed up too, and replicated: {}", told(&r)));
    for a in r.alarms.iter().take(3) {
        say(format!("  ALARM {}", a.text.line()));
    }
    if r.alarms.len() > 3 {
        say(format!("  and {} more alarms", r.alarms.len() - 3));
    }
    day.push(point("attack", &r));
    if r.is_clean() {
        bail!("the attack was not noticed");
    }
    let copy2_before = stage.copy2_size().await?;
    let assault = attacker::assault(&stage).await?;
    say("ATTACK with the MSP's storage credentials: copy 2 is deleted".to_owned());
    say(format!(
        "  the vault took {} junk objects with right names, and refused {} of {} attempts to \
         delete, overwrite, re-key or add to what is sealed",
        assault.junk, assault.refused, assault.tried
    ));
    if assault.refused != assault.tried {
        bail!("the vault gave way: {:?}", assault.gave_way);
    }
    if stopped("attack", &args, &mut stage).await? {
        return Ok(Ending::Done);
    }

    // 4. The clean point, from the vault alone.
    let sessions = stage.sessions().await?;
    let clean =
        copies::last_clean_session(&sessions).context("the vault holds no clean session")?;
    let foreign = sessions.iter().filter(|s| !s.vouched).count();
    let view = dir.join("vault-view");
    let laid = servers::once(&[
        "view",
        "--dir",
        arg(&dir.join("vault"))?,
        "--name",
        stage::SCHOOL,
        "--upto",
        &clean.to_string(),
        "--out",
        arg(&view)?,
    ])
    .await?;
    say(format!(
        "the key vouches for {} of {} sessions ({foreign} are foreign); the last clean one is \
         {clean}, its view of {laid} objects is laid out",
        sessions.len() - foreign,
        sessions.len()
    ));
    if stopped("vault", &args, &mut stage).await? {
        return Ok(Ending::Done);
    }

    // 5. Copy 2 again.
    let rebuilt = rebuild(&stage.school, crate::progress::Bar::new(true)).await?;
    let repo = stage.school.repository().await?;
    let check = crate::edge::blocking(move || Ok(repo.check(true, &|_, _| {})?)).await?;
    say(format!(
        "copy 2 is rebuilt from the vault: {} objects, {}; every byte checked, {} problems",
        rebuilt.sent,
        output::bytes(rebuilt.bytes),
        check.problems.len()
    ));
    if !check.problems.is_empty() {
        bail!("the rebuilt copy is damaged: {}", crate::restore::listed(&check.problems));
    }
    if stopped("rebuild", &args, &mut stage).await? {
        return Ok(Ending::Done);
    }

    // 6. The tenant again.
    let by = &global.host.account;
    let ready =
        RestoreData::plan(&stage.school, stage.restore_request(), by, Arc::new(Silent)).await?;
    let plan = ready.work().restore();
    say("the newest clean version of every item goes back, over what is there:".to_owned());
    if !global.json {
        print!(
            "{}",
            restore::describe(plan)
                .lines()
                .filter(|l| !l.starts_with("plan"))
                .take(4)
                .map(|l| format!("            {l}\n"))
                .collect::<String>()
        );
        println!("            ({} lines in all)", plan.rows.len());
    }
    let notes = plan.rows.iter().filter(|r| r.action == Action::Remove).count();
    let leave = Authority::of(ready.plan(), by, stage.school.now())?;
    let ready = guard::<RestoreData>(&stage.school, ready).await?;
    let done = RestoreData::apply(&stage.school, ready, leave, Arc::new(Silent)).await?;
    let restored = done.report.restored;
    let back = restored.items.len() - notes;
    let after = stage.digest().await?;
    let still = missing(&good, &after);
    let identical = attacked.len() - attacked.iter().filter(|a| still.contains(a)).count();
    let extra = missing(&after, &good);
    say(format!(
        "restored {back} items and took {notes} of the attacker's away: {} as wanted after reading \
         back, {} altered by the service, {} failed",
        restored.identical, restored.altered, restored.failed
    ));
    let verdict = restored.failed == 0 && still.len() as u64 <= restored.altered;
    let rows = vec![
        vec!["items before the attack".to_owned(), good.len().to_string()],
        vec!["attacked".to_owned(), attacked.len().to_string()],
        vec!["restored".to_owned(), back.to_string()],
        vec!["identical to their state before the attack".to_owned(), identical.to_string()],
        vec!["back, but altered by the service".to_owned(), restored.altered.to_string()],
        vec!["lost".to_owned(), restored.failed.to_string()],
        vec![
            "left over from the attack".to_owned(),
            extra.len().saturating_sub(still.len()).to_string(),
        ],
    ];
    let altered: Vec<String> = restored
        .items
        .iter()
        .filter_map(|i| match &i.outcome {
            RestoreOutcome::Altered { differences } => {
                Some(format!("{}: {}", i.path.line(), crate::restore::listed(differences)))
            }
            _ => None,
        })
        .collect();
    let failed: Vec<String> = restored
        .items
        .iter()
        .filter_map(|i| match &i.outcome {
            RestoreOutcome::Failed { why } => Some(format!("{}: {}", i.path.line(), why.quoted())),
            _ => None,
        })
        .collect();
    let copy2_after = stage.copy2_size().await?;
    let page = report::Page {
        school: stage::SCHOOL,
        at: global.host.clock.now(),
        rows: &rows,
        days: &day,
        altered: &altered,
        copies: &[
            (
                "Copy 1, the tenant",
                format!("{} items", good.len()),
                format!("{} attacked", attacked.len()),
                format!("{} items, {} not as before", after.len(), still.len()),
            ),
            ("Copy 2, the repository", size(copy2_before), "deleted".to_owned(), size(copy2_after)),
            (
                "Copy 3, the vault",
                size(stage.folder("vault")),
                format!("{} junk objects, {} attempts refused", assault.junk, assault.refused),
                format!("clean view up to session {clean}"),
            ),
        ],
        seconds: began.elapsed().as_secs_f64(),
    };
    std::fs::write(dir.join("report.html"), report::html(&page))?;
    if global.json {
        println!(
            "{}",
            serde_json::json!({"attacked": attacked.len(), "restored": back, "identical": identical,
                "altered": altered, "failed": failed, "dir": dir,
                "seconds": began.elapsed().as_secs_f64()})
        );
    } else {
        println!("\n{}", output::table(&["what", "items"], &rows));
        for a in &altered {
            println!("altered: {a}");
        }
        for f in &failed {
            println!("{}", output::alarm(&format!("LOST: {f}")));
        }
        println!("report: {}", dir.join("report.html").display());
        match stage.copy2()? {
            Place::Folder(path) => println!(
                "look yourself: restic -r {} --password-file {} check --read-data",
                path.display(),
                dir.join("password").display()
            ),
            Place::Elsewhere { at, .. } => println!(
                "look yourself: strongroom --config {} check --read-data  # {at}",
                stage.config.display()
            ),
        }
    }
    Ok(if verdict { Ending::Done } else { Ending::Failed })
}

/// Whether to stop here; then the servers are left running, and how to go on is said.
async fn stopped(step: &str, args: &Demo, stage: &mut Stage) -> anyhow::Result<bool> {
    if args.stop_after.as_deref() != Some(step) {
        return Ok(false);
    }
    stage.leave().await?;
    println!("stopped after {step}; everything is in {}, the servers go on", stage.dir.display());
    println!("look around:  strongroom --config {} snapshots", stage.config.display());
    println!(
        "end them:     kill -INT {} {}",
        stage.sim.pid().unwrap_or(0),
        stage.vault.pid().unwrap_or(0)
    );
    println!(
        "{}",
        serde_json::json!({"dir": stage.dir, "graph": stage.sim.ready, "vault": stage.vault.ready,
            "pids": [stage.sim.pid(), stage.vault.pid()], "config": stage.config})
    );
    Ok(true)
}

fn counts(rows: &[DigestRow]) -> (usize, usize) {
    let messages = rows.iter().filter(|r| r.kind == "message").count();
    (messages, rows.len() - messages)
}

/// Rows of `a` that `b` does not have, each counted as often as it is there.
pub(crate) fn missing<'a>(a: &'a [DigestRow], b: &[DigestRow]) -> Vec<&'a DigestRow> {
    let mut have: HashMap<&DigestRow, usize> = HashMap::new();
    for row in b {
        *have.entry(row).or_default() += 1;
    }
    a.iter()
        .filter(|row| match have.get_mut(row) {
            Some(n) if *n > 0 => {
                *n -= 1;
                false
            }
            _ => true,
        })
        .collect()
}

fn told(r: &BackupReport) -> String {
    format!(
        "{} new, {} changed, {} deleted, {} stored, {} requests, {} ({})",
        r.items_new,
        r.items_changed,
        r.items_deleted,
        output::bytes(r.written.bytes_stored),
        r.traffic.requests,
        output::seconds(r.seconds),
        r.tags
            .iter()
            .map(String::as_str)
            .filter(|t| !t.starts_with("alarm:"))
            .collect::<Vec<_>>()
            .join(", "),
    )
}

fn point(label: &str, r: &BackupReport) -> Day {
    Day {
        label: label.to_owned(),
        changed: r.items_new + r.items_changed + r.items_deleted,
        suspicion: r.verdicts.suspicious + r.verdicts.encrypted,
        clean: r.is_clean(),
    }
}

fn size((files, bytes): (u64, u64)) -> String {
    format!("{files} objects, {}", output::bytes(bytes))
}

/// A clock that is some days behind, so that a demonstration's days end now.
pub(crate) struct DemoClock {
    pub(crate) behind_s: std::sync::atomic::AtomicI64,
}

impl Clock for DemoClock {
    fn now(&self) -> jiff::Timestamp {
        let behind = self.behind_s.load(std::sync::atomic::Ordering::SeqCst);
        jiff::Timestamp::now()
            .saturating_sub(jiff::SignedDuration::from_secs(behind))
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    fn sleep(&self, duration: std::time::Duration) -> strongroom_model::Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

pub(crate) type SharedClock = Arc<DemoClock>;
