use crate::{
    Global,
    commands::{goes_on_elsewhere, tell_lost},
    edge::blocking,
    keys, output,
};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;
use std::{path::PathBuf, sync::Arc};
use strongroom_custody::PublicKey;
use strongroom_engine::{Progress, replicate as copies};
use strongroom_model::{Ending, Series};
use strongroom_operations::{
    config::VaultEntry,
    files::{
        rebuilding::{self, Mark, Rebuilding},
        secrets, written,
    },
    place::Place,
    vault::VaultPlace,
};
use strongroom_repository::{Repository, lineage};

#[derive(Args)]
#[command(
    override_usage = "strongroom vault recover [OPTIONS] --place <PLACE> --share <FILE>\n       \
                            --to <TO> --new-password-file <FILE>"
)]
pub(crate) struct Recover {
    /// File that says where the vault is: what a `[[vault]]` of a configuration says, alone.
    #[arg(long)]
    place: PathBuf,
    /// File with a recovery share: the sheet, its text, or what the QR code says. Once for each
    /// share.
    #[arg(long = "share", value_name = "FILE", required = true)]
    shares: Vec<PathBuf>,
    /// New folder for copy 2, or the name of a repository of the configuration.
    #[arg(long)]
    to: PathBuf,
    /// File with the new password of copy 2.
    #[arg(long, value_name = "FILE")]
    new_password_file: PathBuf,
    /// The vault as it was at this session; the newest by default. Only what the last session holds
    /// that was still clean can be trusted after an attack.
    #[arg(long)]
    upto: Option<u64>,
    /// The vault's public key, 64 digits: only its own log is believed. Absent, what the place file
    /// (`public_key`) or the sheets say.
    #[arg(long, value_name = "KEY", conflicts_with = "without_log")]
    vault_key: Option<String>,
    /// Take what lies there, whoever put it there: for when nobody knows the vault's key any more,
    /// or its log is damaged.
    #[arg(long)]
    without_log: bool,
    /// Also write the data of the newest snapshot into this new folder, as files.
    #[arg(long)]
    restore_to: Option<PathBuf>,
    /// Take the newest snapshot that is called clean, not the newest of all.
    #[arg(long)]
    clean: bool,
}

/// The key of the vault whose log is believed; nothing for a server, which shows its own view, and
/// where nobody knows it.
fn whose(args: &Recover, place: &VaultPlace) -> anyhow::Result<Option<PublicKey>> {
    if matches!(place, VaultPlace::Server(_)) {
        return Ok(None);
    }
    if args.without_log {
        eprintln!(
            "without the vault's log: what lies there is taken, whoever put it there and whatever \
             custodians hid, as far as manifests name it that this repository's key signed. Key \
             files stay behind. Junk among the manifests is read, 4 GiB of it at most."
        );
        return Ok(None);
    }
    let said = args.vault_key.as_deref().map(PublicKey::parse).transpose()?;
    let key = match said.or(place.public_key()) {
        Some(key) => Some(key),
        None => keys::vault_of_shares(&args.shares)?,
    };
    match key {
        Some(key) => Ok(Some(key)),
        None => bail!(
            "whose log is to be believed? Say the vault's key: `public_key` in {}, --vault-key, or \
             the sheets; `strongroom-vault key` shows it on its own host. --without-log takes what \
             lies there, whoever put it there",
            args.place.display()
        ),
    }
}

/// A file that is there only while something is under way.
struct RemovedAtEnd(PathBuf);

impl Drop for RemovedAtEnd {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(super) async fn run(global: &Global, args: Recover) -> anyhow::Result<Ending> {
    let began = std::time::Instant::now();
    let (entry, base) = VaultEntry::read(&args.place, &global.host.accounts)?;
    let place = VaultPlace::of(&entry, &base, &global.host.accounts)?;
    let at = global.place(&args.to)?;
    let key = keys::key_of_shares(&args.shares)?;
    let vault_key = whose(&args, &place)?;
    let password = secrets::read(&args.new_password_file, &global.host.accounts)?;
    let cache = global.cache()?;
    let bar = global.bar();
    let (json, host) = (global.json, global.host.clone());
    blocking(move || {
        if secrecy::ExposeSecret::expose_secret(&password).is_empty() {
            bail!(
                "{} is empty, and an empty password protects nothing",
                args.new_password_file.display()
            );
        }
        // Two at once would both say that they did it.
        let here = match &at {
            Place::Folder(path) => path.clone(),
            Place::Elsewhere { .. } => at.sheets(),
        };
        let beside = here.with_extension("recovering");
        if let Some(parent) = here.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent)
                .with_context(|| format!("{} cannot be made", parent.display()))?;
        }
        let alone = written::mark(&beside)
            .with_context(|| format!("{} cannot be made", beside.display()))?;
        if alone.try_lock().is_err() {
            bail!("another recovery into {at} is under way");
        }
        let _gone_after = RemovedAtEnd(beside);
        let to = at.open()?;
        let vault = place.reader_by(vault_key, args.upto).context(
            "the vault's log is not believed; --without-log takes what lies there, whoever put it \
             there",
        )?;
        let goes_on = match &at {
            Place::Folder(path) => rebuilding::is_marked(path) || rebuilding::is_empty(path),
            Place::Elsewhere { .. } => goes_on_elsewhere(to.as_ref(), vault.as_ref())?,
        };
        if !goes_on {
            bail!("{at} holds something already; name a new place for copy 2");
        }
        let public = strongroom_engine::publish::signing_key(&key)?.public();
        let files = args.restore_to.as_ref().map(std::path::absolute).transpose()?;
        let mark = Mark { key: public.to_string(), upto: args.upto, files };
        let rebuilding = match &at {
            Place::Folder(path) => Some(Rebuilding::begin(path, &mark)?),
            Place::Elsewhere { .. } => None,
        };
        let rebuild = if args.without_log { copies::from_unvouched } else { copies::from_vault };
        let mut rebuilt = rebuild(vault.as_ref(), &key, to.as_ref(), bar.as_ref())
            .context("the vault does not give copy 2 back")?;
        let repo = Arc::new(Repository::with_key(to.clone(), key, &cache, host.writer()).context(
            "the shares \
            do not open what the vault gave",
        )?);
        // A run before may have been killed behind this.
        if Repository::key_of(to.as_ref(), &password).is_err() {
            repo.add_key(&password, "recovered", host.clock.now())?;
        }
        copies::name_items(&repo, &mut rebuilt);
        let rebuilt_s = began.elapsed().as_secs_f64();
        let snapshots = repo.snapshots()?;
        let head = repo
            .head_of(&snapshots, None, &Series::DATA)
            .with_context(|| format!("copy 2 is back in {at}, and nothing was restored from it"))?;
        let newest = head.and_then(|head| {
            let mut line = lineage(&snapshots, head).into_iter();
            line.find(|(_, s)| !args.clean || s.has_tag(strongroom_repository::TAG_CLEAN))
        });
        let Some((id, snapshot)) = newest else {
            bail!(
                "copy 2 is back in {at}, and holds no such \
            snapshot"
            )
        };
        let mut files = None;
        if let Some(folder) = &args.restore_to {
            bar.phase("restore");
            let advance = |n, bytes| bar.advance(n, bytes);
            let goes_on = rebuilding.as_ref().is_some_and(|r| r.goes_on);
            let mut report = repo.restore_files(&snapshot.tree, folder, goes_on, &advance)?;
            // The settings stand beside the data.
            if let Some((_, settings)) =
                repo.head_of(&snapshots, Some(snapshot.hostname.as_str()), &Series::SETTINGS)?
            {
                let more = repo.restore_files(&settings.tree, folder, true, &advance)?;
                report.files += more.files;
                report.bytes += more.bytes;
                report.failed.extend(more.failed);
            }
            report.failed.iter().for_each(|f| {
                eprintln!(
                    "{}",
                    output::alarm(&format!(
                        "FAILED   {}: \
                {}",
                        f.path.line(),
                        f.why.quoted()
                    ))
                )
            });
            files = Some(report);
        }
        rebuilding.map_or(Ok(()), Rebuilding::done)?;
        bar.finish();
        let seconds = began.elapsed().as_secs_f64();
        let failed = files.as_ref().is_some_and(|f| !f.failed.is_empty()) || !rebuilt.is_whole();
        if json {
            println!(
                "{}",
                json!({"copy_2": at.to_string(), "objects": rebuilt.sent, "bytes": rebuilt.bytes,
                    "lost": rebuilt.lost, "items": rebuilt.items,
                    "snapshots": snapshots.len(), "snapshot": id,
                    "clean": snapshot.has_tag(strongroom_repository::TAG_CLEAN), "files": files,
                    "rebuilt_s": rebuilt_s, "seconds": seconds})
            );
        } else {
            tell_lost(&rebuilt);
            println!(
                "copy 2 is back in {at}: {} objects, {}, {} snapshots, in {}",
                rebuilt.sent,
                output::bytes(rebuilt.bytes),
                snapshots.len(),
                output::seconds(rebuilt_s)
            );
            let word = if snapshot.has_tag(strongroom_repository::TAG_CLEAN) {
                "clean"
            } else {
                "NOT clean: --clean takes the newest that is"
            };
            println!(
                "snapshot {} of {} ({word})",
                id.short(),
                snapshot.time.strftime(
                    "%Y-%m-%d \
                %H:%M"
                )
            );
            if let (Some(f), Some(folder)) = (&files, &args.restore_to) {
                println!(
                    "{} files, {}, are in {}, after {} in all",
                    f.files,
                    output::bytes(f.bytes),
                    folder.display(),
                    output::seconds(seconds)
                );
            }
        }
        Ok(if failed { Ending::Partial } else { Ending::Done })
    })
    .await
}
