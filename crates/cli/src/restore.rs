//! `strongroom restore`: plan, show, ask, apply.

use crate::{
    Global,
    approvers::Asks,
    commands, failure, incident, output,
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
        Action, Basis, DataRestorePlan, FilesReport, Left, RestoreData, RestoreDataReport,
        RestoreDataRequest, RestoreFilesRequest, RestoreInto, RestoreOutcome, RestoreReport,
        Source, addresses, files_to_restore,
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
        print!("{}", incident::standing(ready.work().intruder()));
        plans::say_alone(&ready);
    }
    if args.dry_run {
        RestoreData::guard(&school, &ready).await?;
        let mut shown = serde_json::to_value(ready.work().restore())?;
        shown["alone"] = ready.is_alone().into();
        shown["intruder"] = serde_json::to_value(ready.work().intruder())?;
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
    ready.work().is_decided()?;
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
    let (of, at) = (&plan.snapshot, plan.time.strftime("%Y-%m-%d %H:%M"));
    let mut out = match plan.basis {
        None => format!("plan: from snapshot {of:.8} of {at}\n"),
        Some(Basis::Clean | Basis::Line) => {
            format!("plan: clean point is snapshot {of:.8} of {at}\n")
        }
        Some(Basis::BeforeFirstSign) => format!(
            "plan: no snapshot is clean; proposed is {of:.8} of {at}, the last before the first \
             alarm\n"
        ),
        Some(Basis::Oldest) => format!(
            "plan: no snapshot is clean; proposed is {of:.8} of {at}, the oldest that there is: \
             what was gone by then does not come back\n"
        ),
    };
    out.push_str(&output::table(&["user", "what", "items", "bytes"], &rows));
    for (certainty, n) in &plan.certainty {
        out.push_str(&format!("{n} items: {}\n", certainty.words()));
    }
    out.push_str(&named(plan));
    if plan.rows.iter().any(|r| r.action == Action::Replace) {
        out.push_str(
            "what is overwritten stays: files as an older version, messages in Deleted Items\n",
        );
    }
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

/// What is moved or overwritten, where each version was chosen, and what stays though it is not
/// clean.
fn named(plan: &DataRestorePlan) -> String {
    let mut out = String::new();
    for r in plan.rows.iter().filter(|r| matches!(r.action, Action::Replace | Action::Move)) {
        if let Some(source) = &r.source {
            let (path, from) = (r.path.line(), from(source));
            out.push_str(&format!("{}  {path}: {from}\n", verb(r.action)));
        }
    }
    out.push_str(&stays(&plan.left));
    out
}

fn stays(left: &[Left]) -> String {
    let mut out = String::new();
    for l in left {
        out.push_str(&format!("stays  {}: {}\n", l.path.line(), l.sentence()));
    }
    if !left.is_empty() {
        out.push_str(&format!("{} items are not clean, and stay as they are\n", left.len()));
    }
    out
}

/// Which version it is.
fn from(source: &Source) -> String {
    let of = source.at.strftime("%Y-%m-%d %H:%M");
    let words = source.certainty.words();
    match &source.version {
        Some(version) => {
            let version = shown_line(version);
            format!("version {version} of {of}, in snapshot {:.8}; {words}", source.snapshot)
        }
        None => format!("snapshot {:.8} of {of}; {words}", source.snapshot),
    }
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
    for b in &r.back {
        out.push_str(&format!("{}: {} items as of {}\n", b.user.line(), b.items, b.day));
    }
    out.push_str(&stays(&r.left));
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
