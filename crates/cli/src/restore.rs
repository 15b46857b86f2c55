//! `strongroom restore`: plan, show, ask, apply.

use crate::{
    Global,
    approvers::Asks,
    commands, failure, output,
    plans::{self, Kept},
};
use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use strongroom_model::{Ending, Untrusted, shown_line};
use strongroom_operations::{
    plan::{Authority, Done, Operation, guard},
    restore::{
        Action, DataRestorePlan, FilesReport, RestoreData, RestoreDataReport, RestoreDataRequest,
        RestoreFilesRequest, RestoreInto, RestoreOutcome, RestoreReport, addresses,
        files_to_restore,
    },
};

#[derive(Args)]
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
    /// Show the plan, keep it, and stop: `plan apply` carries it out later.
    #[arg(long, visible_alias = "save-plan")]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) asks: Asks,
    /// Do not ask.
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// As files into this folder, instead of into Microsoft 365.
    #[arg(long, conflicts_with_all = ["clean", "in_place", "folder", "to_tenant", "user",
        "address_table", "no_versions", "dry_run", "by", "key"])]
    pub(crate) target: Option<PathBuf>,
    /// Go on with an interrupted restore into `--target`: whole files stay, others there of the
    /// same name are replaced. Needs the snapshot's id, since `latest` may be another one by now.
    #[arg(long, requires = "target")]
    pub(crate) resume: bool,
}

/// What is asked for, as it was typed.
pub(crate) fn request(args: &Restore) -> anyhow::Result<RestoreDataRequest> {
    let mut users = BTreeMap::new();
    for pair in &args.user {
        let (from, to) =
            pair.split_once('=').with_context(|| format!("--user {pair:?} is not FROM=TO"))?;
        users.insert(from.to_owned(), to.to_owned());
    }
    Ok(RestoreDataRequest {
        snapshot: Some(args.snapshot.clone()).filter(|word| word != "latest"),
        clean: args.clean,
        path: args.path.clone(),
        into: match args.in_place {
            true => RestoreInto::InPlace,
            false => RestoreInto::Folder(args.folder.clone()),
        },
        to_tenant: args.to_tenant.clone(),
        users,
        addresses: args.address_table.as_deref().map(addresses).transpose()?.unwrap_or_default(),
        versions: !args.no_versions,
        // Where nobody is asked, nobody else creates between the plan and what it makes.
        at_once: args.yes && !args.dry_run,
    })
}

pub(crate) async fn restore(global: &Global, args: Restore) -> anyhow::Result<Ending> {
    if let Some(target) = args.target.clone() {
        return to_files(global, args, target).await;
    }
    let (school, asker, request) = (global.school()?, args.asks.asker()?, request(&args)?);
    let (bar, by) = (global.bar(), &global.host.account);
    let ready = RestoreData::plan(&school, request, by, bar.clone()).await;
    bar.finish();
    let ready = ready?.asked_by(&asker);
    commands::tell_ahead(ready.work().ahead_of_the_clock());
    if !global.json {
        print!("{}", describe(ready.work().restore()));
        plans::say_alone(&ready);
    }
    if args.dry_run {
        RestoreData::guard(&school, &ready).await?;
        let mut shown = serde_json::to_value(ready.work().restore())?;
        shown["alone"] = ready.is_alone().into();
        match ready.is_empty() {
            true if !global.json => println!("nothing is to be done, so no plan was kept"),
            true => shown["plan"] = Value::Null,
            false => {
                let (id, expires) = plans::kept(global, &ready, &asker)?;
                (shown["plan"], shown["expires"]) = (json!(id), json!(expires));
            }
        }
        if global.json {
            println!("{shown}");
        }
        return Ok(Ending::Done);
    }
    if !ready.is_alone() {
        // What is refused now is not kept for later.
        RestoreData::guard(&school, &ready).await?;
        if let Kept::Yes(ending) = plans::keep(global, &ready, &asker, false)? {
            return Ok(ending);
        }
    }
    if !args.yes && !output::confirm("carry this out?")? {
        println!("nothing was changed");
        return Ok(Ending::Failed);
    }
    let leave = Authority::of(ready.plan(), by, global.host.clock.now())?;
    let ready = guard::<RestoreData>(&school, ready).await?;
    let bar = global.bar();
    let done = RestoreData::apply(&school, ready, leave, bar.clone()).await;
    bar.finish();
    say_restored(global, &done?)
}

/// What came of it.
pub(crate) fn say_restored(
    global: &Global,
    done: &Done<RestoreDataReport>,
) -> anyhow::Result<Ending> {
    let report = &done.report.restored;
    if global.json {
        println!("{}", serde_json::to_string(report)?);
        return Ok(done.ending);
    }
    print!("{}", result(report));
    // Where nobody was there to bring anything to, no folder was made.
    let is_made = !report.items.is_empty() || report.kept > 0;
    if let Some(folder) = report.folder.as_ref().filter(|_| is_made) {
        println!("what was brought back is in the folder {folder:?} of each mailbox and drive");
    }
    Ok(done.ending)
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
    // Whoever names a repository itself may have no configuration to leave a record beside.
    let school = match &global.repo {
        Some(_) => None,
        None => Some(global.school()?),
    };
    let request = RestoreFilesRequest {
        snapshot: args.snapshot,
        path: args.path,
        target: target.clone(),
        resume: args.resume,
    };
    let found = files_to_restore(&global.copy2()?, school, request).await?;
    let (id, s) = found.snapshot();
    commands::tell_ahead(found.ahead_of_the_clock().as_deref());
    if !global.json && !global.quiet {
        println!(
            "snapshot {} of {}; if it is interrupted: --resume --snapshot {}",
            id.short(),
            s.time.strftime("%Y-%m-%d %H:%M"),
            id.short()
        );
    }
    let bar = global.bar();
    let done = found.write(bar.clone()).await;
    bar.finish();
    let done = done?;
    if let Some(e) = done.unrecorded {
        let why = failure::sentence(&e.into());
        eprintln!("{}", output::alarm(&format!("no record of this restore: {why}")));
    }
    let report = &done.report;
    if global.json {
        println!("{}", serde_json::to_string(report)?);
    } else {
        print!("{}", written(report, &target));
    }
    Ok(match (report.failed.is_empty(), report.files + report.kept) {
        (true, _) => Ending::Done,
        (false, 0) => Ending::Failed,
        (false, _) => Ending::Partial,
    })
}

fn written(report: &FilesReport, target: &Path) -> String {
    let mut out = String::new();
    for f in &report.failed {
        let failed = format!("FAILED   {}: {}", f.path.line(), f.why.quoted());
        out.push_str(&format!("{}\n", output::alarm(&failed)));
    }
    let kept = match report.kept {
        0 => String::new(),
        n => format!("; {n} were there already"),
    };
    out.push_str(&format!(
        "{} files, {} in {}{kept}\n",
        report.files,
        output::bytes(report.bytes),
        shown_line(&target.display().to_string())
    ));
    if report.passed_over > 0 {
        out.push_str(&format!(
            "{} links and devices of a foreign snapshot were passed over\n",
            report.passed_over
        ));
    }
    out
}
