//! The ordinary commands.

use crate::{
    Global, alarms, approvers::tell_weaker, edge::blocking, failure, keys, output, progress::Bar,
    review,
};
use clap::Args;
use serde_json::json;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use strongroom_model::{Ending, Untrusted};
use strongroom_operations::{
    Attempt, Copy2, Duty, School,
    alarms::{Acknowledgement, AlarmName},
    backup::{self as operations, BackupReport},
    keys::{Made, make},
    place::Doing,
    replicate::{
        Known, MirrorReport, ReplicateReport, Replicated, copy_to, rebuild, replicate as bring,
        sessions,
    },
    sheets,
};

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
    /// Also where this host noted backups to a repository that is not there any more: what it held
    /// is given up, and a vault takes nothing from the new one.
    #[arg(long)]
    pub(crate) anew: bool,
}

#[derive(Args)]
#[command(group(clap::ArgGroup::new("decision").multiple(true).args(["acknowledge", "accept"])))]
pub(crate) struct Backup {
    /// Only these users.
    #[arg(long)]
    pub(crate) user: Vec<String>,
    /// These alarms of earlier runs were looked at and dealt with, and no longer keep snapshots
    /// from being clean; `alarm list` shows them. Without a name: shows what stands, then asks.
    #[arg(long, num_args = 0.., value_name = "KIND[@SUBJECT]")]
    #[arg(requires = "by", requires = "reason")]
    pub(crate) acknowledge: Option<Vec<AlarmName>>,
    /// This item, folder, mailbox or drive cannot be read, and that is known: until the day of
    /// `--until` it stands in the coverage and makes no backup partial. Its id is in the report of
    /// the backup that skipped it.
    #[arg(long, value_name = "ID", requires = "until")]
    pub(crate) accept: Vec<String>,
    /// The last day on which an item is accepted as not readable, or an alarm borne and not closed:
    /// YYYY-MM-DD.
    #[arg(long, requires = "decision")]
    pub(crate) until: Option<jiff::civil::Date>,
    /// Who looked; the account that runs the command by default.
    #[arg(long, requires = "decision")]
    pub(crate) by: Option<String>,
    /// What came of it.
    #[arg(long, requires = "decision")]
    pub(crate) reason: Option<String>,
    /// The key file of who looked: signs the decision. Needed where the configuration names that
    /// person's public key.
    #[arg(long, requires = "decision")]
    pub(crate) key: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Replicate {
    /// Rebuild the repository from its vault, into an empty place.
    #[arg(long)]
    from_vault: bool,
    /// List the vault's sealed sessions and which of them the key vouches for.
    #[arg(long, conflicts_with = "from_vault")]
    sessions: bool,
    /// Copy into this folder, or this repository of the configuration, instead of the vault.
    #[arg(long, conflicts_with_all = ["from_vault", "sessions"])]
    to: Option<PathBuf>,
    /// Read what is there already, and replace what has rotted; without it what is there
    /// counts by its size.
    #[arg(long, requires = "to")]
    verify: bool,
}

/// Says of a snapshot that it claims a time which has not come.
pub(crate) fn tell_ahead(says: Option<&str>) {
    says.into_iter().for_each(|text| eprintln!("{}", output::alarm(text)));
}

pub(crate) async fn init(global: &Global, args: Init) -> anyhow::Result<Ending> {
    let copy2 = global.copy2()?;
    let at = copy2.place(Doing::Usual)?;
    let dir = args.recovery_dir.unwrap_or_else(|| at.sheets());
    let (needed, made) = (args.shares_needed, args.shares_made);
    let wanted = match args.no_recovery {
        true => None,
        false => Some(keys::wanted(global, &at.to_string(), (needed, made), &dir)?),
    };
    let new = make(&copy2, args.anew, wanted).await?;
    let Made { place, id, sheets } = &new;
    if global.json {
        println!("{}", json!({"repository": place, "id": id, "recovery_shares": sheets}));
    } else if !global.quiet {
        println!("made repository {} in {place}", id.short());
        match sheets.is_empty() {
            true => println!(
                "Without its password nothing in it can ever be read: keep a copy of the password \
                 away from this host."
            ),
            false => println!("{}", keys::handed_out(needed, made, &dir)),
        }
    }
    Ok(Ending::Done)
}

pub(crate) async fn backup(global: &Global, args: Backup) -> anyhow::Result<Ending> {
    let school = global.school()?;
    if let Some(names) = &args.acknowledge {
        let said = Acknowledgement {
            by: args.by.as_deref().unwrap_or_default(),
            reason: args.reason.as_deref().unwrap_or_default(),
            until: args.until,
            key_file: args.key.as_deref(),
        };
        if !alarms::before_backup(global, &school, names, said).await? {
            return Ok(Ending::Failed);
        }
    }
    let weaker = tell_weaker(&school);
    let report = back_up(&school, args, global.is_quiet()).await?;
    let lying = blocking(move || Ok(sheets::lying(&school).lying)).await?;
    let lying: Vec<String> = lying.iter().map(sheets::Lying::sentence).collect();
    if global.json {
        let mut said = serde_json::to_value(&report)?;
        said["recovery_sheets"] = json!(lying);
        println!("{said}");
    } else {
        print!("{}", describe(&report));
        lying.iter().for_each(|text| println!("{}", output::alarm(&format!("WARNING {text}"))));
    }
    Ok(report.ending().or_worse(weaker))
}

/// A backup as the command runs it. One of some people is not what is owed.
pub(crate) async fn back_up(
    school: &School,
    args: Backup,
    quiet: bool,
) -> anyhow::Result<BackupReport> {
    let attempt = args.user.is_empty().then(|| school.begin(Duty::Backup));
    let done = read_all(school, args, quiet).await;
    if let Some(attempt) = attempt {
        failure::note(attempt, &done, Attempt::backed_up);
    }
    done
}

async fn read_all(school: &School, args: Backup, quiet: bool) -> anyhow::Result<BackupReport> {
    let repo = school.repository().await?;
    let by = args.by.unwrap_or_else(|| school.host().account.clone());
    let key = args.key.as_deref();
    if !args.accept.is_empty() {
        let reason = args.reason.as_deref().unwrap_or_default();
        operations::accept(school, &repo, &args.accept, (&by, reason, args.until, key)).await?;
    }
    let decisions = review::that_count(school)?;
    let bar = Bar::for_report(quiet);
    let report = operations::back_up(school, repo, args.user, &decisions, bar.clone()).await;
    bar.finish();
    bar.tell_held(|text| report.as_ref().is_ok_and(|r| is_in(r, text)));
    Ok(report?)
}

/// Whether the report says an alarm by itself.
fn is_in(r: &BackupReport, text: &str) -> bool {
    r.alarms.iter().any(|a| a.text.line().to_string() == text)
        || r.standing.iter().any(|row| row.sentence().line().to_string() == text)
}

fn describe(r: &BackupReport) -> String {
    let raised = r.alarms.iter().map(|a| {
        let kind = a.kind.as_str();
        (kind.to_owned(), output::alarm(&format!("ALARM {kind}: {}", a.text.line())))
    });
    let standing = r.standing.iter().map(|row| {
        let code = row.code();
        let since = row.since().map(|at| at.strftime(" since %Y-%m-%d %H:%M").to_string());
        let since = since.unwrap_or_default();
        let text = format!("ALARM {code} stands{since}: {}", row.sentence().line());
        (code.to_owned(), output::alarm(&text))
    });
    let looked_at = [(&r.borne, "borne"), (&r.closed, "closed")];
    let looked_at = looked_at.into_iter().flat_map(|(rows, what)| {
        rows.iter().map(move |row| {
            let kind = format!("{what}: {}", row.code());
            let line = format!("{kind}: {}", row.sentence().line());
            (kind, line)
        })
    });
    let skipped = r.failed.iter().chain(&r.skipped).map(|s| {
        let name = if s.name.is_empty() { String::new() } else { format!(" {:?}", s.name) };
        let line = format!(
            "skipped in {}{name} ({}): {}; what was there before is kept, the next run asks again",
            s.scope.line(),
            s.id.0,
            s.cause.quoted()
        );
        (output::alike(s.cause.as_str()), line)
    });
    let mut out = output::bundled(raised) + &output::bundled(standing);
    out += &(output::bundled(looked_at) + &output::bundled(skipped));
    let Some(snapshot) = &r.snapshot else {
        out.push_str(
            "nothing could be read, and no snapshot was made; those before are as they were\n",
        );
        return out;
    };
    out.push_str(&format!(
        "snapshot {snapshot:.8} ({}): {} new, {} changed, {} deleted; {} read, {} stored in {} \
         objects; {} requests, {} throttled, {}\n",
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
    out.push_str(&uncovered(r));
    out
}

/// What the snapshot does not hold, or not proven, by reason: the report names it all.
fn uncovered(r: &BackupReport) -> String {
    const NAMED_MAX: usize = 3;
    let told =
        |why: &str| r.failed.iter().chain(&r.skipped).any(|s| s.cause.as_str().contains(why));
    let mut gaps: BTreeMap<&Untrusted, Vec<String>> = BTreeMap::new();
    for c in &r.coverage {
        if let Some(why) = c.skipped.as_ref().filter(|why| !told(why.as_str())) {
            gaps.entry(why).or_default().push(format!(
                "{} of {}",
                c.collection.line(),
                c.scope.line()
            ));
        }
    }
    let mut out = String::new();
    for (why, names) in gaps {
        let more = match names.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let some: Vec<&str> = names.iter().take(NAMED_MAX).map(String::as_str).collect();
        out.push_str(&format!("coverage: {} ({}{more})\n", why.quoted(), some.join(", ")));
    }
    out
}

pub(crate) async fn replicate(global: &Global, args: Replicate) -> anyhow::Result<Ending> {
    let bar = global.bar();
    if args.from_vault {
        let report = rebuild(&global.school()?, bar.clone()).await?;
        bar.finish();
        return said(global, "rebuilt from the vault", &report);
    }
    let copy2 = global.copy2()?;
    if args.to.is_none() && !args.sessions {
        return push(global, copy2, bar).await;
    }
    if let Some(to) = args.to {
        let report = copy_to(&copy2, global.place(&to)?, args.verify, bar.clone()).await;
        bar.finish();
        return said(global, "copied", &report?);
    }
    let all = sessions(&copy2, global.school()?.vault()?).await?;
    bar.finish();
    if global.json {
        println!("{}", serde_json::to_string(&all)?);
    } else {
        let rows: Vec<Vec<String>> = all
            .iter()
            .map(|s| {
                let names = s
                    .snapshots
                    .iter()
                    .map(|x| match x.series.is_data() {
                        true => format!("{:.8}", x.snapshot),
                        false => format!("{:.8} ({})", x.snapshot, x.series),
                    })
                    .collect::<Vec<_>>()
                    .join(", ");
                let word = match (s.vouched, s.clean) {
                    (true, _) if s.unjudged => format!("not judged, snapshot {names}"),
                    (true, true) => format!("clean, snapshot {names}"),
                    (true, false) => format!("NOT clean, snapshot {names}"),
                    (false, _) => "FOREIGN: not signed with this repository's key".to_owned(),
                };
                vec![s.session.to_string(), s.sealed_at.clone(), s.objects.to_string(), word]
            })
            .collect();
        print!("{}", output::table(&["session", "sealed", "objects", "what the key says"], &rows));
    }
    Ok(Ending::Done)
}

/// Brings what there is to the vault.
async fn push(global: &Global, copy2: Copy2, bar: Arc<Bar>) -> anyhow::Result<Ending> {
    let school = global.school()?;
    // What is brought from another repository is not what is owed.
    let attempt = global.repo.is_none().then(|| school.begin(Duty::Replicate));
    let push = async { Ok(bring(&copy2, school.vault()?, bar.clone()).await?) };
    let done = push.await;
    bar.finish();
    if let Some(attempt) = attempt {
        failure::note(attempt, &done, Attempt::brought);
    }
    match done? {
        Replicated::Session(report) => said(global, "replicated", &report),
        Replicated::Bucket(report) => said_bucket(global, &report),
    }
}

fn said_bucket(global: &Global, r: &MirrorReport) -> anyhow::Result<Ending> {
    if global.json {
        println!("{}", serde_json::to_string(r)?);
    } else {
        r.alarms.iter().for_each(|(kind, text)| {
            println!("{}", output::alarm(&format!("ALARM {kind}: {text}")))
        });
        let session = r.session.map_or_else(
            || "nothing new was published".to_owned(),
            |n| format!("session {n}: {} snapshots", r.snapshots),
        );
        let paused = if r.paused { "; paused, the next run goes on from here" } else { "" };
        println!(
            "{session}, {} objects, {}; {} of {} locks renewed{paused}",
            r.objects,
            output::bytes(r.bytes),
            r.renewal.renewed,
            r.renewal.looked_at
        );
        if let Some(least) = r.renewal.least {
            println!("everything that a snapshot reaches is locked until {least:.0} at least");
        }
    }
    Ok(match (r.alarms.is_empty(), r.paused) {
        (false, _) => Ending::Alarm,
        (true, true) => Ending::Partial,
        (true, false) => Ending::Done,
    })
}

fn said(global: &Global, what: &str, report: &ReplicateReport) -> anyhow::Result<Ending> {
    if global.json {
        println!("{}", serde_json::to_string(report)?);
    } else {
        tell_lost(report);
        let how = match report.present_how {
            Known::BySize => "were there already by size, and were not read",
            Known::ByBytes => "were there already, and are whole",
            Known::ByLog => "had come before, as the vault's log says",
        };
        println!(
            "{what}: {} objects, {}; {} {how}",
            report.sent,
            output::bytes(report.bytes),
            report.present
        );
        if !report.mended.is_empty() {
            println!("{} had rotted there, and are right again", report.mended.len());
        }
    }
    Ok(if report.is_whole() { Ending::Done } else { Ending::Partial })
}

/// Names what a copy lacks: objects, snapshots, and the items that this touches.
pub(crate) fn tell_lost(report: &ReplicateReport) {
    const ITEMS_SHOWN_MAX: usize = 20;
    let alarm = |text: String| println!("{}", output::alarm(&text));
    for key in &report.lost {
        alarm(format!("LOST     {key}: damaged at its source, gone from it, or not shown"));
    }
    for key in &report.rotten {
        alarm(format!("ROTTEN   {key}: its place does not let it be replaced"));
    }
    for snapshot in &report.left_out {
        alarm(format!("LEFT OUT snapshot {snapshot:.8}: something that it needs is lost"));
    }
    for item in report.items.iter().take(ITEMS_SHOWN_MAX) {
        alarm(format!("  {} cannot be restored whole", item.line()));
    }
    if report.items.len() > ITEMS_SHOWN_MAX {
        println!("  … {} in all; --json names them", report.items.len());
    }
    if !report.lost.is_empty() && report.items.is_empty() {
        println!("`strongroom check --read-data` names the items that this touches, if any");
    }
}
