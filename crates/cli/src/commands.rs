//! The ordinary commands.

use crate::{
    Global, alarms, approvers::tell_weaker, edge::blocking, failure, host, keys, output,
    progress::Bar, review,
};
use anyhow::bail;
use clap::Args;
use serde_json::json;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use strongroom_custody::MirrorReport;
use strongroom_engine::{BackupReport, replicate as copies};
use strongroom_model::{Ending, Series, Untrusted};
use strongroom_objects::{Key, Kind, Store, VaultRest};
use strongroom_operations::{
    Attempt, Copy2, Duty, School,
    alarms::{Acknowledgement, AlarmName},
    backup as operations,
    decisions::accept_unread,
    files::rebuilding::{self, Mark, Rebuilding},
    place::{Doing, Place},
    replicate::{self, Replicated},
    sheets,
};
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

/// A snapshot by id, by its first digits, `latest` (of the data; partial ones never count), or
/// `latest:settings` and the like.
pub(crate) fn snapshot(repo: &Repository, name: &str) -> anyhow::Result<(Id, Snapshot)> {
    let found = strongroom_operations::upkeep::snapshot(repo, name)?;
    tell_future(std::slice::from_ref(&found));
    Ok(found)
}

/// Where the tenant's configuration stands in a snapshot.
pub(crate) const SETTINGS: &str = "/tenant/configuration";

/// Whether a path is one of the series of settings.
pub(crate) fn is_of_settings(path: &str) -> bool {
    let path = format!("/{}/", path.trim_matches('/'));
    path.starts_with(&format!("{SETTINGS}/")) || path == "/tenant/identity.json/"
}

/// The same for whoever names a path: `latest` is the newest of the series that it is of.
pub(crate) fn snapshot_with(
    repo: &Repository,
    name: &str,
    path: &str,
) -> anyhow::Result<(Id, Snapshot)> {
    if name == "latest"
        && is_of_settings(path)
        && let Some(found) = repo.head(None, &Series::SETTINGS)?
    {
        tell_future(std::slice::from_ref(&found));
        return Ok(found);
    }
    // Older programs kept the settings within the data.
    snapshot(repo, name)
}

/// Says of snapshots that claim a time which has not come that they do.
pub(crate) fn tell_future(all: &[(Id, Snapshot)]) {
    let now = host::now();
    for text in all.iter().filter_map(|s| strongroom_engine::clean::ahead_of_the_clock(s, now)) {
        eprintln!("{}", output::alarm(&text));
    }
}

pub(crate) async fn init(global: &Global, args: Init) -> anyhow::Result<Ending> {
    let copy2 = global.copy2()?;
    let (at, password) = copy2.place_and_password(Doing::Usual)?;
    let cache = copy2.cache()?;
    let place = at.to_string();
    let dir = args.recovery_dir.unwrap_or_else(|| at.sheets());
    let sheets = dir.clone();
    let label = match args.no_recovery {
        true => None,
        false => Some(keys::label(global, &place, copy2.now())?),
    };
    let (repo, shares) = blocking(move || {
        let store = at.open()?;
        // What is there is told before what else is in the way.
        if store.size(&Key::config())?.is_some() {
            return Err(strongroom_repository::Error::Exists(store.location()).into());
        }
        if let Some(history) = copy2.history().filter(|_| !args.anew) {
            bail!(
                "{history}, and no repository is there: a new one would lack all that it held, \
                 and a vault takes nothing from it. Is {at} mounted? If it is lost, strongroom \
                 replicate --from-vault has it back from a vault; --anew makes a new one all the \
                 same"
            );
        }
        if !args.no_recovery {
            keys::shares_possible(args.shares_needed, args.shares_made, &sheets)?;
        }
        let repo = Repository::init_for(
            store,
            &password,
            &cache,
            copy2.host().writer(),
            copy2.now(),
            copy2.tenant_id(),
        )?;
        let shares = match &label {
            None => Vec::new(),
            Some(label) => keys::write_shares(
                repo.key(),
                &repo.id(),
                (args.shares_needed, args.shares_made),
                label,
                &sheets,
            )?,
        };
        Ok((repo, shares))
    })
    .await?;
    if global.json {
        println!("{}", json!({"repository": place, "id": repo.id(), "recovery_shares": shares}));
    } else {
        if !global.quiet {
            println!("made repository {} in {place}", repo.id().short());
            match shares.is_empty() {
                true => println!(
                    "Without its password nothing in it can ever be read: keep a copy of the \
                     password away from this host."
                ),
                false => {
                    println!("{}", keys::handed_out(args.shares_needed, args.shares_made, &dir))
                }
            }
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
    let tenant = school.tenant();
    let repo = school.repository().await?;
    let by = args.by.unwrap_or_else(|| school.host().account.clone());
    let key = args.key.as_deref();
    if !args.accept.is_empty() {
        let (by_repo, name) = (repo.clone(), tenant.name.clone());
        let unread =
            blocking(move || Ok(strongroom_engine::unread_items(&by_repo, &name)?)).await?;
        let reason = args.reason.as_deref().unwrap_or_default();
        accept_unread(school, &unread, &args.accept, (&by, reason, args.until, key))?;
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
    let repo = copy2.open(Doing::Looking).await?;
    if let Some(to) = args.to {
        let (b, to) = (bar.clone(), global.place(&to)?);
        let report = blocking(move || {
            let to = to.open()?;
            Ok(match args.verify {
                true => copies::to_store_verified(&repo, to.as_ref(), b.as_ref())?,
                false => copies::to_store(&repo, to.as_ref(), b.as_ref())?,
            })
        })
        .await?;
        bar.finish();
        return said(global, "copied", &report);
    }
    let settings = global.school()?.vault()?.server()?;
    let all =
        blocking(move || Ok(copies::sessions(&VaultRest::new(settings)?, repo.key())?)).await?;
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
    let push = async { Ok(replicate::replicate(&copy2, school.vault()?, bar.clone()).await?) };
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

fn said(global: &Global, what: &str, report: &copies::ReplicateReport) -> anyhow::Result<Ending> {
    if global.json {
        println!("{}", serde_json::to_string(report)?);
    } else {
        tell_lost(report);
        let how = match report.present_how {
            copies::Known::BySize => "were there already by size, and were not read",
            copies::Known::ByBytes => "were there already, and are whole",
            copies::Known::ByLog => "had come before, as the vault's log says",
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
pub(crate) fn tell_lost(report: &copies::ReplicateReport) {
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

/// Whether what is at a place elsewhere can be the beginning of a rebuilding. Nothing marks it:
/// what a run like this left there begins with the vault's own config, and is added to.
pub(crate) fn goes_on_elsewhere(to: &dyn Store, vault: &dyn Store) -> anyhow::Result<bool> {
    let config = strongroom_objects::Key::config();
    let is_its_own = to.size(&config)?.is_none() || to.get(&config)? == vault.get(&config)?;
    // Snapshots come late: where one is, there is a repository that people use.
    Ok(is_its_own && to.list(Kind::Snapshots)?.is_empty())
}

/// Rebuilds copy 2 from the vault; its place must be empty, or half made by a run like this.
pub(crate) async fn rebuild(
    school: &School,
    bar: Arc<Bar>,
) -> anyhow::Result<copies::ReplicateReport> {
    let (place, repository) = (school.vault()?, school.copy2()?);
    let (copy2, password) = repository.place_and_password(Doing::Usual)?;
    let cache = repository.cache()?;
    blocking(move || {
        let to = copy2.open()?;
        let vault = place.reader(None)?;
        let config = strongroom_objects::Key::config();
        let goes_on = match &copy2 {
            Place::Folder(path) => rebuilding::is_marked(path),
            Place::Elsewhere { .. } => goes_on_elsewhere(to.as_ref(), vault.as_ref())?,
        };
        if to.size(&config)?.is_some() && !goes_on {
            bail!("{copy2} still holds a repository; move it away first");
        }
        let key = Repository::key_of(vault.as_ref(), &password)?;
        let public = strongroom_engine::publish::signing_key(&key)?.public();
        let mark = Mark { key: public.to_string(), upto: None, files: None };
        let rebuilding = match &copy2 {
            Place::Folder(path) => Some(Rebuilding::begin(path, &mark)?),
            Place::Elsewhere { .. } => None,
        };
        let mut report = copies::from_vault(vault.as_ref(), &key, to.as_ref(), bar.as_ref())?;
        rebuilding.map_or(Ok(()), Rebuilding::done)?;
        if !report.lost.is_empty() {
            match Repository::with_key(to, key, &cache, repository.host().writer()) {
                Ok(repo) => copies::name_items(&repo, &mut report),
                Err(e) => tracing::warn!("what is lost cannot be told by items: {e}"),
            }
        }
        Ok(report)
    })
    .await
}
