//! `strongroom restore`: plan, show, ask, apply.

use crate::{Global, commands, edge::blocking, failure, output, progress::Bar};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};
use strongroom_engine::restore::{
    self as engine, Action, DataRestorePlan, Into, RestoreOptions, RestoreOutcome, RestoreReport,
};
use strongroom_engine::{Progress, owner_dirs::OwnerPath};
use strongroom_model::{Ending, Untrusted, shown_line};
use strongroom_objects::{SETTINGS_BYTES_MAX, append_regular, read_regular_text};
use strongroom_operations::{BroughtBack, Identity, School};
use strongroom_repository::{NodeKind, Repository};

#[derive(Args, Clone, Debug)]
pub(crate) struct Restore {
    /// Snapshot: an id, the first digits of one, or `latest`.
    #[arg(long, default_value = "latest")]
    pub(crate) snapshot: String,
    /// The newest clean version of every item.
    #[arg(long)]
    pub(crate) clean: bool,
    /// Only below this path, as `ls` shows it.
    #[arg(long, default_value = "")]
    pub(crate) path: String,
    /// Over what is there, instead of into a new folder.
    #[arg(long)]
    pub(crate) in_place: bool,
    /// Name of the new folder.
    #[arg(long, conflicts_with = "in_place")]
    pub(crate) folder: Option<String>,
    /// Into this tenant of the configuration, instead of the one that it came from.
    #[arg(long)]
    pub(crate) to_tenant: Option<String>,
    /// To another user: FROM=TO, both principal names.
    #[arg(long, value_name = "FROM=TO")]
    pub(crate) user: Vec<String>,
    /// Table of addresses to replace: lines `old@school new@school`.
    #[arg(long)]
    pub(crate) address_table: Option<PathBuf>,
    /// Leave older versions of files out.
    #[arg(long)]
    pub(crate) no_versions: bool,
    /// Show the plan and stop.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask.
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// As files into this folder, instead of into Microsoft 365.
    #[arg(long, conflicts_with_all = ["clean", "in_place", "folder", "to_tenant", "user",
        "address_table", "no_versions", "dry_run"])]
    pub(crate) target: Option<PathBuf>,
    /// Go on with an interrupted restore into `--target`: whole files stay, others there of the
    /// same name are replaced. Needs the snapshot's id, since `latest` may be another one by now.
    #[arg(long, requires = "target")]
    pub(crate) resume: bool,
}

pub(crate) async fn restore(global: &Global, args: Restore) -> anyhow::Result<Ending> {
    if let Some(target) = args.target.clone() {
        return to_files(global, args, target).await;
    }
    let school = global.school()?;
    let target = target(&school, &args)?;
    // Where nobody is asked, nobody else creates between the plan and what it makes.
    let alone = match args.yes && !args.dry_run {
        true => Some(target.restoring(BroughtBack::Data)?),
        false => None,
    };
    let seen = school.now();
    let (mut plan, mut apply) = prepare(&school, &args, global.is_quiet()).await?;
    if global.json && args.dry_run {
        println!("{}", serde_json::to_string(&plan)?);
        return Ok(Ending::Done);
    }
    if !global.json {
        print!("{}", describe(&plan));
    }
    if args.dry_run {
        return Ok(Ending::Done);
    }
    if !args.yes && !output::confirm("carry this out?")? {
        println!("nothing was changed");
        return Ok(Ending::Failed);
    }
    let _alone = match alone {
        Some(alone) => alone,
        None => {
            let alone = target.restoring(BroughtBack::Data)?;
            if alone.another_was_at_it_after(seen) {
                let fresh = prepare(&school, &args, global.is_quiet()).await?;
                let shown = std::mem::replace(&mut plan, fresh.0);
                apply = fresh.1;
                no_more_than(&shown, &plan)?;
            }
            alone
        }
    };
    let left_out = !plan.users_missing.is_empty();
    let folder = plan.folder.clone();
    let acts = plan.rows.iter().filter(|r| r.action != Action::Keep);
    let log = RestoreLog::begin(
        &school,
        &args,
        &plan.snapshot,
        json!({
            "to_tenant": args.to_tenant, "clean": args.clean, "folder": folder,
            "in_place": args.in_place, "users": args.user, "items": acts.clone().count(),
            "bytes": acts.map(|r| r.bytes).sum::<u64>(), "left_out": plan.users_missing,
            "renamed": plan.renamed,
        }),
    )?;
    let done = apply.run(plan, global.is_quiet()).await;
    log.end(done.as_ref().map_err(failure::sentence).map(|r| {
        json!({"identical": r.identical, "altered": r.altered, "failed": r.failed, "kept": r.kept,
            "bytes": r.bytes})
    }))?;
    let report = match (done, &folder) {
        (Err(e), Some(folder)) => {
            let text = format!("what was brought back until then is in the folder {folder:?}");
            return Err(e.context(text));
        }
        (done, _) => done?,
    };
    if global.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}", result(&report));
        // Where nobody was there to bring anything to, no folder was made.
        if let Some(folder) = folder.filter(|_| !report.items.is_empty() || report.kept > 0) {
            println!("what was brought back is in the folder {folder:?} of each mailbox and drive");
        }
    }
    Ok(if report.failed == 0 && !left_out { Ending::Done } else { Ending::Partial })
}

/// The school whose tenant it goes to.
fn target(school: &School, args: &Restore) -> anyhow::Result<School> {
    Ok(match &args.to_tenant {
        Some(name) => school.other(name)?,
        None => school.clone(),
    })
}

/// Refuses what was not shown to whoever agreed: another restore was carried out meanwhile.
fn no_more_than(shown: &DataRestorePlan, fresh: &DataRestorePlan) -> anyhow::Result<()> {
    let of = |plan: &DataRestorePlan| -> BTreeSet<(Untrusted, &'static str)> {
        let acts = plan.rows.iter().filter(|row| row.action != Action::Keep);
        acts.map(|row| (row.path.clone(), verb(row.action))).collect()
    };
    let shown = of(shown);
    if let Some((path, verb)) = of(fresh).into_iter().find(|act| !shown.contains(act)) {
        bail!(
            "another restore was carried out since the plan was shown, and it would {verb} {} now; \
             nothing was done, look at the plan again",
            path.quoted()
        );
    }
    Ok(())
}

/// The record of restores, beside the configuration: `restores/<tenant>.jsonl`. A line when one
/// begins and a line when it ends; one that was killed has the first alone.
struct RestoreLog {
    school: School,
    path: PathBuf,
    id: String,
}

impl RestoreLog {
    fn begin(
        school: &School,
        args: &Restore,
        snapshot: &str,
        more: serde_json::Value,
    ) -> anyhow::Result<Self> {
        let dir = school.config().path(Path::new("restores"));
        std::fs::create_dir_all(&dir)
            .with_context(|| format!("{} cannot be made", dir.display()))?;
        let (now, host) = (school.now(), school.host());
        let log = Self {
            school: school.clone(),
            path: dir.join(format!("{}.jsonl", school.name())),
            id: strongroom_model::digest_id(&format!("{now} {snapshot} {}", args.path)),
        };
        let line = json!({
            "restore": log.id, "began": now, "by": host.account, "host": host.name,
            "tenant": school.name(), "snapshot": snapshot, "path": args.path,
        });
        log.write(line, more)?;
        Ok(log)
    }

    fn end(&self, done: Result<serde_json::Value, String>) -> anyhow::Result<()> {
        let now = self.school.now();
        let more = done.unwrap_or_else(|e| json!({ "error": e }));
        self.write(json!({"restore": self.id, "ended": now}), more)
    }

    fn write(&self, mut line: serde_json::Value, more: serde_json::Value) -> anyhow::Result<()> {
        for (name, v) in more.as_object().into_iter().flatten() {
            line[name.as_str()] = v.clone();
        }
        let written = append_regular(&self.path).and_then(|mut file| {
            file.write_all(format!("{line}\n").as_bytes())?;
            file.sync_all()
        });
        written.with_context(|| format!("{} cannot be written", self.path.display()))
    }
}

/// What carries a plan out.
pub(crate) struct Apply {
    repo: Arc<Repository>,
    client: Arc<strongroom_graph::Client>,
    options: RestoreOptions,
}

impl Apply {
    pub(crate) async fn run(
        self,
        plan: DataRestorePlan,
        quiet: bool,
    ) -> anyhow::Result<RestoreReport> {
        let bar = Bar::new(quiet);
        let report = engine::apply(self.repo, self.client, self.options, plan, bar.clone()).await;
        bar.finish();
        Ok(report?)
    }
}

/// Makes the plan as the command does.
pub(crate) async fn prepare(
    school: &School,
    args: &Restore,
    quiet: bool,
) -> anyhow::Result<(DataRestorePlan, Apply)> {
    let target = target(school, args)?;
    let repo = school.repository().await?;
    let client = target.client(Identity::Write)?;
    let snapshot = match args.snapshot.as_str() {
        "latest" => None,
        name => Some(commands::snapshot(&repo, name)?.0),
    };
    let mut users = HashMap::new();
    for pair in &args.user {
        let (from, to) =
            pair.split_once('=').with_context(|| format!("--user {pair:?} is not FROM=TO"))?;
        users.insert(from.to_owned(), to.to_owned());
    }
    let mut options = RestoreOptions {
        under: args.path.clone(),
        clean: args.clean,
        snapshot,
        tenant: Some(school.name().to_owned()),
        into: Into::InPlace,
        users,
        addresses: args.address_table.as_deref().map(addresses).transpose()?.unwrap_or_default(),
        versions: !args.no_versions,
        to_other_tenant: args.to_tenant.is_some(),
    };
    if !args.in_place {
        options.into = Into::Folder(match &args.folder {
            Some(name) => name.clone(),
            None => default_folder(&repo, &options).await?,
        });
    }
    let bar = Bar::new(quiet);
    let plan = engine::plan(repo.clone(), client.clone(), options.clone(), bar.clone()).await;
    bar.finish();
    Ok((plan?, Apply { repo, client, options }))
}

/// What the folder is called where nobody says it: after the snapshot, so that the same restore
/// goes on in the same folder and brings nothing back twice.
async fn default_folder(
    repo: &Arc<Repository>,
    options: &RestoreOptions,
) -> anyhow::Result<String> {
    let (repo, options) = (repo.clone(), options.clone());
    blocking(move || {
        let start = engine::starts_from(&repo, &options)?;
        Ok(start.map_or_else(
            || "Restored".to_owned(),
            |(id, s)| format!("Restored {} ({})", s.time.strftime("%Y-%m-%d"), id.short()),
        ))
    })
    .await
}

fn addresses(path: &Path) -> anyhow::Result<HashMap<String, String>> {
    let text = read_regular_text(path, SETTINGS_BYTES_MAX)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    let mut map = HashMap::new();
    for (n, line) in
        text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty() && !l.starts_with('#'))
    {
        let parts: Vec<&str> =
            line.split([' ', '\t', ',', '=']).filter(|p| !p.is_empty()).collect();
        match parts.as_slice() {
            [from, to] => map.insert(from.to_lowercase(), (*to).to_owned()),
            _ => bail!("{}, line {}: expected `old@school new@school`", path.display(), n + 1),
        };
    }
    Ok(map)
}

fn verb(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Replace => "overwrite",
        Action::Move => "put back in place",
        Action::Keep => "keep as it is",
        Action::Remove => "delete",
    }
}

pub(crate) fn describe(plan: &DataRestorePlan) -> String {
    let mut sums: BTreeMap<(&Untrusted, &str), (u64, u64)> = BTreeMap::new();
    for r in &plan.rows {
        let sum = sums.entry((&r.user, verb(r.action))).or_default();
        sum.0 += 1;
        sum.1 += r.bytes;
    }
    let rows: Vec<Vec<String>> = sums
        .into_iter()
        .map(|((user, verb), (n, bytes))| {
            vec![user.line().to_string(), verb.to_owned(), n.to_string(), output::bytes(bytes)]
        })
        .collect();
    let mut out = format!(
        "plan: from snapshot {:.8} of {}\n",
        plan.snapshot,
        plan.time.strftime("%Y-%m-%d %H:%M")
    );
    out.push_str(&output::table(&["user", "what", "items", "bytes"], &rows));
    for r in &plan.renamed {
        out.push_str(&format!("{} is called {} now: the same by id\n", r.was.line(), r.is.line()));
    }
    for missing in &plan.users_missing {
        let (name, why) = (&missing.name, &missing.why);
        out.push_str(&format!(
            "{} is left out: {}; --user {}=OTHER sends the items to somebody else\n",
            name.line(),
            why.quoted(),
            quoted(name)
        ));
    }
    if let Some(folder) = &plan.folder {
        out.push_str(&format!(
            "into the folder {folder:?} of each mailbox and drive; what an earlier restore into it \
             brought is not brought again\n"
        ));
    }
    out.push_str(&format!(
        "least time under the published budgets: {}\n",
        output::seconds(plan.seconds_min as f64)
    ));
    out
}

/// A name as a shell takes it.
fn quoted(name: &Untrusted) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@._-~+".contains(c);
    let line = name.line().to_string();
    match line.chars().all(is_plain) {
        true => line,
        // What would read otherwise than it is names nothing, and a command that is pasted fails.
        false => format!("'{}'", line.replace('\'', "'\\''")),
    }
}

/// Several texts of somebody else in one line.
pub(crate) fn listed(texts: &[Untrusted]) -> String {
    texts.iter().map(|t| t.quoted().to_string()).collect::<Vec<_>>().join("; ")
}

pub(crate) fn result(r: &RestoreReport) -> String {
    let mut out = String::new();
    for i in &r.items {
        match &i.outcome {
            RestoreOutcome::Identical => {}
            RestoreOutcome::Altered { differences } => {
                out.push_str(&format!("altered  {}: {}\n", i.path.line(), listed(differences)))
            }
            RestoreOutcome::Failed { why } => {
                let failed = format!("FAILED   {}: {}", i.path.line(), why.quoted());
                out.push_str(&format!("{}\n", output::alarm(&failed)));
            }
        }
    }
    out.push_str(&format!(
        "{} identical after reading back, {} altered by the service, {} failed, {} were right \
         already; {} uploaded\n",
        r.identical,
        r.altered,
        r.failed,
        r.kept,
        output::bytes(r.bytes)
    ));
    out
}

/// Files of a snapshot into a local folder.
async fn to_files(global: &Global, args: Restore, target: PathBuf) -> anyhow::Result<Ending> {
    if !args.resume && std::fs::read_dir(&target).is_ok_and(|mut entries| entries.next().is_some())
    {
        bail!(
            "{} holds something already: name an empty or a new folder, or go on with a restore \
             into it with --resume",
            target.display()
        );
    }
    if args.resume && args.snapshot == "latest" {
        bail!(
            "--resume needs --snapshot with the id that the interrupted restore said: `latest` may \
             be another one by now"
        );
    }
    // Whoever names a repository itself may have no configuration to leave a record beside.
    let school = match &global.repo {
        Some(_) => None,
        None => Some(global.school()?),
    };
    let repo = global.repository().await?;
    let (json, quiet, bar) = (global.json, global.quiet, global.bar());
    blocking(move || {
        let (id, s) = commands::snapshot_with(&repo, &args.snapshot, &args.path)?;
        if !json && !quiet {
            println!(
                "snapshot {} of {}; if it is interrupted: --resume --snapshot {}",
                id.short(),
                s.time.strftime("%Y-%m-%d %H:%M"),
                id.short()
            );
        }
        let place = OwnerPath::find(&repo, &s.tree, &args.path)?;
        let base = place.path().trim_matches('/').to_owned();
        let node = repo.node_at(&s.tree, &base)?;
        let NodeKind::Dir { subtree } = node.kind else {
            bail!("{} is a file; name its folder", shown_line(&base))
        };
        // Files come back even where no record can be left.
        let more = json!({"target": target, "resume": args.resume});
        let begin = |school: &School| RestoreLog::begin(school, &args, &id.to_string(), more);
        let log = school.as_ref().map(begin);
        let log = log.transpose().unwrap_or_else(|e| {
            eprintln!(
                "{}",
                output::alarm(&format!("no record of this restore: {}", failure::sentence(&e)))
            );
            None
        });
        bar.phase("restore");
        let into = target.join(&base);
        let done = repo
            .restore_files(&subtree, &into, args.resume, &|files, bytes| bar.advance(files, bytes));
        bar.finish();
        if let Some(log) = log {
            log.end(done.as_ref().map_err(ToString::to_string).map(|r| {
                json!({"files": r.files, "bytes": r.bytes, "kept": r.kept,
                    "failed": r.failed.len()})
            }))?;
        }
        let report = done?;
        if json {
            println!("{}", serde_json::to_string(&report)?);
        } else {
            report.failed.iter().for_each(|f| {
                println!(
                    "{}",
                    output::alarm(&format!("FAILED   {}: {}", f.path.line(), f.why.quoted()))
                )
            });
            let kept = if report.kept > 0 {
                format!("; {} were there already", report.kept)
            } else {
                String::new()
            };
            println!(
                "{} files, {} in {}{kept}",
                report.files,
                output::bytes(report.bytes),
                shown_line(&target.display().to_string())
            );
            if report.passed_over > 0 {
                println!(
                    "{} links and devices of a foreign snapshot were passed over",
                    report.passed_over
                );
            }
        }
        Ok(match (report.failed.is_empty(), report.files + report.kept) {
            (true, _) => Ending::Done,
            (false, 0) => Ending::Failed,
            (false, _) => Ending::Partial,
        })
    })
    .await
}
