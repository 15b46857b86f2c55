//! The ordinary commands.

use crate::{Global, config::Config, failure::PARTIAL, keys, open, output, progress::Bar};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;
use std::{path::PathBuf, sync::Arc};
use strongroom_engine::{BackupOptions, BackupReport, replicate as copies};
use strongroom_model::Clock;
use strongroom_objects::{LocalDir, Store};
use strongroom_repository::{Id, Repository, Snapshot};

#[derive(Args)]
pub(crate) struct Init {
    /// Folder for the recovery shares; by default beside the repository, named `…-recovery`.
    #[arg(long)]
    pub(crate) recovery_dir: Option<PathBuf>,
    /// How many shares open the repository.
    #[arg(long, default_value_t = 2)]
    pub(crate) shares_needed: u8,
    /// How many shares are made.
    #[arg(long, default_value_t = 3)]
    pub(crate) shares_made: u8,
    /// Make no recovery shares.
    #[arg(long)]
    pub(crate) no_recovery: bool,
}

#[derive(Args)]
pub(crate) struct Backup {
    /// Only these users.
    #[arg(long)]
    pub(crate) user: Vec<String>,
    /// The alarms of earlier runs were looked at and dealt with: they no longer keep snapshots from being clean.
    #[arg(long)]
    pub(crate) acknowledge: bool,
}

#[derive(Args)]
pub(crate) struct Replicate {
    /// Rebuild the repository from its vault, into an empty place.
    #[arg(long)]
    from_vault: bool,
    /// List the vault's sealed sessions and which of them the key vouches for.
    #[arg(long, conflicts_with = "from_vault")]
    sessions: bool,
    /// Copy into this folder instead of the vault.
    #[arg(long, conflicts_with_all = ["from_vault", "sessions"])]
    to: Option<PathBuf>,
}

/// A snapshot by id, by its first digits, or `latest` (partial ones never count).
pub(crate) fn snapshot(repo: &Repository, name: &str) -> anyhow::Result<(Id, Snapshot)> {
    let all = repo.snapshots()?;
    if name == "latest" {
        return all.into_iter().rfind(|(_, s)| s.is_finished()).context("the repository holds no snapshot yet");
    }
    let found: Vec<_> = all.into_iter().filter(|(id, _)| id.to_string().starts_with(name)).collect();
    match found.len() {
        1 => found.into_iter().next().context("no snapshot"),
        0 => bail!("no snapshot begins with {name:?}; `strongroom snapshots` lists them"),
        n => bail!("{n} snapshots begin with {name:?}; give more digits"),
    }
}

pub(crate) async fn init(global: &Global, args: Init) -> anyhow::Result<i32> {
    let (path, password) = open::repo_place(global)?;
    let cache = open::cache_dir(global);
    let place = path.display().to_string();
    let dir = args.recovery_dir.unwrap_or_else(|| keys::recovery_dir(&path));
    let sheets = dir.clone();
    let (repo, shares) = open::blocking(move || {
        let now = open::real_clock().now();
        if !args.no_recovery {
            keys::shares_possible(args.shares_needed, args.shares_made, &sheets)?;
        }
        let repo = Repository::init(Arc::new(LocalDir::new(path)), &password, &cache, open::who(), now)?;
        let shares = if args.no_recovery { Vec::new() } else { keys::write_shares(repo.key(), &repo.id(), args.shares_needed, args.shares_made, &sheets)? };
        Ok((repo, shares))
    })
    .await?;
    if global.json {
        println!("{}", json!({"repository": place, "id": repo.id(), "recovery_shares": shares}));
    } else {
        if !global.quiet {
            println!("made repository {} in {place}", repo.id().short());
            match shares.is_empty() {
                true => println!("Without its password nothing in it can ever be read: keep a copy of the password away from this host."),
                false => println!("{}", keys::handed_out(args.shares_needed, args.shares_made, &dir)),
            }
        }
    }
    Ok(0)
}

pub(crate) async fn backup(global: &Global, args: Backup) -> anyhow::Result<i32> {
    let report = back_up(global, args, open::real_clock()).await?;
    if global.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}", describe(&report));
    }
    Ok(if report.is_whole() { 0 } else { PARTIAL })
}

/// A backup as the command runs it, on a given clock.
pub(crate) async fn back_up(global: &Global, args: Backup, clock: Arc<dyn Clock>) -> anyhow::Result<BackupReport> {
    let config = Config::read(&global.config)?;
    let tenant = config.tenant(global.tenant.as_deref())?;
    let repo = open::repository(global).await?;
    let client = open::client(&config, tenant, "read", clock)?;
    let mut options = BackupOptions::new(&tenant.name, open::cache_dir(global));
    options.mail = tenant.backup.mail;
    options.drives = tenant.backup.drives;
    options.holds = tenant.backup.holds;
    options.versions_max = tenant.backup.versions_max;
    options.users_at_once = tenant.backup.users_at_once.clamp(1, 64);
    options.users = args.user;
    options.acknowledge = args.acknowledge;
    let bar = Bar::new(global.quiet || global.json);
    let report = strongroom_engine::backup(repo, client, options, bar.clone()).await;
    bar.finish();
    Ok(report?)
}

fn describe(r: &BackupReport) -> String {
    let mut out = String::new();
    for a in &r.alarms {
        out.push_str(&output::alarm(&format!("ALARM {}: {}", a.kind.as_str(), a.text)));
        out.push('\n');
    }
    for s in r.failed.iter().chain(&r.skipped) {
        let name = if s.name.is_empty() { String::new() } else { format!(" {:?}", s.name) };
        out.push_str(&format!("skipped in {}{name}: {}; what was there before is kept, the next run asks again\n", s.scope, s.cause));
    }
    out.push_str(&format!(
        "snapshot {:.8} ({}): {} new, {} changed, {} deleted; {} read, {} stored in {} objects; {} requests, {} throttled, {}\n",
        r.snapshot,
        r.tags.join(", "),
        r.items_new,
        r.items_changed,
        r.items_deleted,
        output::bytes(r.bytes_read),
        output::bytes(r.written.bytes_stored),
        r.written.objects,
        r.traffic.requests,
        r.budget.throttled,
        output::seconds(r.seconds),
    ));
    out
}

pub(crate) async fn snapshots(global: &Global) -> anyhow::Result<i32> {
    let repo = open::repository(global).await?;
    let all = open::blocking(move || Ok(repo.snapshots()?)).await?;
    if global.json {
        let rows: Vec<_> =
            all.iter().map(|(id, s)| json!({"id": id, "time": s.time, "tenant": s.hostname, "tags": s.tags, "tree": s.tree, "parent": s.parent})).collect();
        println!("{}", json!(rows));
        return Ok(0);
    }
    let rows: Vec<Vec<String>> =
        all.iter().map(|(id, s)| vec![id.short(), s.time.strftime("%Y-%m-%d %H:%M").to_string(), s.hostname.clone(), s.tags.join(" ")]).collect();
    print!("{}", output::table(&["id", "time (UTC)", "tenant", "tags"], &rows));
    Ok(0)
}

pub(crate) async fn replicate(global: &Global, args: Replicate) -> anyhow::Result<i32> {
    let bar = Bar::new(global.quiet || global.json);
    if args.from_vault {
        let report = rebuild(global, bar.clone()).await?;
        bar.finish();
        return said(global, "rebuilt from the vault", &report);
    }
    let repo = open::repository(global).await?;
    if let Some(to) = args.to {
        let b = bar.clone();
        let report = open::blocking(move || Ok(copies::to_store(&repo, &LocalDir::new(to), b.as_ref())?)).await?;
        bar.finish();
        return said(global, "copied", &report);
    }
    let config = Config::read(&global.config)?;
    let settings = open::vault(&config, config.tenant(global.tenant.as_deref())?)?;
    if args.sessions {
        let all = open::blocking(move || Ok(copies::sessions(&open::vault_client(settings)?, repo.key())?)).await?;
        bar.finish();
        if global.json {
            println!("{}", serde_json::to_string(&all)?);
        } else {
            let rows: Vec<Vec<String>> = all
                .iter()
                .map(|s| {
                    let word = match &s.attestation {
                        Some(a) if a.clean => format!("clean, snapshot {:.8}", a.snapshot),
                        Some(a) => format!("NOT clean, snapshot {:.8}", a.snapshot),
                        None => "FOREIGN: not written with this repository's key".to_owned(),
                    };
                    vec![s.session.to_string(), s.sealed_at.clone(), s.objects.to_string(), word]
                })
                .collect();
            print!("{}", output::table(&["session", "sealed", "objects", "what the key says"], &rows));
        }
        return Ok(0);
    }
    let b = bar.clone();
    let report = open::blocking(move || Ok(copies::to_vault(&repo, &mut open::vault_client(settings)?, b.as_ref())?)).await?;
    bar.finish();
    said(global, "replicated", &report)
}

fn said(global: &Global, what: &str, report: &copies::ReplicateReport) -> anyhow::Result<i32> {
    if global.json {
        println!("{}", serde_json::to_string(report)?);
    } else {
        println!("{what}: {} objects, {}; {} were there already", report.sent, output::bytes(report.bytes), report.present);
    }
    Ok(0)
}

/// Rebuilds copy 2 from the vault; its place must be empty.
pub(crate) async fn rebuild(global: &Global, bar: Arc<Bar>) -> anyhow::Result<copies::ReplicateReport> {
    let config = Config::read(&global.config)?;
    let settings = open::vault(&config, config.tenant(global.tenant.as_deref())?)?;
    let (path, password) = open::repo_place(global)?;
    let cache = open::cache_dir(global);
    open::blocking(move || {
        let to = LocalDir::new(&path);
        if to.size(&strongroom_objects::Key::config())?.is_some() {
            bail!("{} still holds a repository; move it away first", path.display());
        }
        let vault = open::vault_client(settings)?;
        // The first session is enrolment: key file and config are in it, before anybody could add junk.
        let view = Arc::new(vault.view(1)?);
        let key = Repository::open(view, &password, &cache.join("vault"), open::who())?.key().clone();
        Ok(copies::from_vault(&vault, &key, &to, bar.as_ref())?)
    })
    .await
}
