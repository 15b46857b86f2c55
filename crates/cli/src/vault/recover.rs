use super::next::{After, How};
use crate::{
    Global,
    commands::{goes_on_elsewhere, tell_lost},
    edge::blocking,
    output,
};
use anyhow::{Context, bail};
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
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
    sheets::{self, Sheet},
    vault::VaultPlace,
};
use strongroom_repository::{MasterKey, Repository, lineage};

#[derive(Args)]
#[command(
    override_usage = "strongroom vault recover [OPTIONS] --place <PLACE> --share <FILE>\n       \
                            --to <TO> --new-password-file <FILE>"
)]
pub(crate) struct Recover {
    /// The vault's folder, mounted or carried here; or a file that says where the vault is: what a
    /// `[[vault]]` of a configuration says, alone.
    #[arg(long)]
    place: PathBuf,
    /// File with a recovery share: the sheet, its text, or what the QR code says. Once for each
    /// share. In the place of shares, --password-file names a file with a password.
    #[arg(long = "share", value_name = "FILE")]
    shares: Vec<PathBuf>,
    /// New folder for copy 2, or the name of a repository of the configuration.
    #[arg(long)]
    to: PathBuf,
    /// File with the new password of copy 2; needed with shares. With a password, that one opens
    /// copy 2 again.
    #[arg(long, value_name = "FILE", required_unless_present = "password_file")]
    new_password_file: Option<PathBuf>,
    /// The vault as it was at this session; the newest by default. Only what the last session holds
    /// that was still clean can be trusted after an attack.
    #[arg(long)]
    upto: Option<u64>,
    /// The vault's public key, 64 digits or 25 words: only its own log is believed. Absent, what
    /// the place file (`public_key`) or the sheets say.
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
fn whose(
    args: &Recover,
    place: &VaultPlace,
    sheets: &[Sheet],
) -> anyhow::Result<Option<PublicKey>> {
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
        None => sheets::vault_key_of(sheets)?,
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

/// What opens what the vault holds.
enum With {
    Shares(Vec<Sheet>, MasterKey),
    Password(SecretString),
}

impl With {
    fn given(global: &Global, args: &Recover) -> anyhow::Result<Self> {
        match (args.shares.as_slice(), &global.password_file) {
            ([], None) => bail!(
                "what is to open the vault's data? --share names a file with a recovery share, \
                 --password-file one with a password"
            ),
            ([], Some(file)) => Ok(Self::Password(secrets::read(file, &global.host.accounts)?)),
            (files, _) => {
                let sheets = sheets::read(files)?;
                let key = sheets::key_of(&sheets)?;
                Ok(Self::Shares(sheets, key))
            }
        }
    }

    fn sheets(&self) -> &[Sheet] {
        match self {
            Self::Shares(sheets, _) => sheets,
            Self::Password(_) => &[],
        }
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
    let with = With::given(global, &args)?;
    let vault_key = whose(&args, &place, with.sheets())?;
    let Some(password_file) = args.new_password_file.clone().or(global.password_file.clone())
    else {
        bail!("--new-password-file names the file with copy 2's new password");
    };
    let password = secrets::read(&password_file, &global.host.accounts)?;
    let cache = global.cache()?;
    let bar = global.bar();
    let (json, host) = (global.json, global.host.clone());
    blocking(move || {
        if password.expose_secret().is_empty() {
            bail!("{} is empty, and an empty password protects nothing", password_file.display());
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
        let (sheets, key) = match with {
            With::Shares(sheets, key) => (sheets, key),
            With::Password(old) => {
                let key = Repository::key_of(vault.as_ref(), &old).context(
                    "the password opens nothing of what the vault shows; two recovery shares do",
                )?;
                (Vec::new(), key)
            }
        };
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
        let rebuilt = rebuild(vault.as_ref(), &key, to.as_ref(), bar.as_ref());
        let mut rebuilt = match rebuilt {
            Err(e @ strongroom_engine::Error::NothingVouched(_)) => {
                return Err(match sheets::foreign(&sheets, vault.as_ref(), None) {
                    Some(foreign) => foreign.into(),
                    None => e.into(),
                });
            }
            other => other.context("the vault does not give copy 2 back")?,
        };
        let repo = Arc::new(
            Repository::with_key(to.clone(), key, &cache, host.writer())
                .context("the key does not open what the vault gave")?,
        );
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
        let held: Vec<String> = vault
            .list(strongroom_objects::Kind::Keys)
            .unwrap_or_default()
            .into_iter()
            .map(|e| e.name)
            .collect();
        let after = After {
            school: snapshot.hostname.as_str().to_owned(),
            tenant_id: strongroom_engine::seal::of(&repo)?,
            copy2: match &at {
                Place::Folder(path) => std::path::absolute(path)?.display().to_string(),
                Place::Elsewhere { .. } => at.to_string(),
            },
            is_folder: matches!(at, Place::Folder(_)),
            password_file: std::path::absolute(&password_file)?,
            new_keys: repo
                .keys()?
                .into_iter()
                .map(|k| k.id.to_string())
                .filter(|id| !held.contains(id))
                .collect(),
            vault_key: vault_key.map(|key| key.to_string()),
            how: match (&entry.url, &entry.s3) {
                (Some(_), _) => How::Server,
                (None, Some(_)) => How::Bucket,
                (None, None) => How::Folder,
            },
            was_with_shares: !sheets.is_empty(),
        };
        let seconds = began.elapsed().as_secs_f64();
        let failed = files.as_ref().is_some_and(|f| !f.failed.is_empty()) || !rebuilt.is_whole();
        if json {
            println!(
                "{}",
                json!({"copy_2": at.to_string(), "objects": rebuilt.sent, "bytes": rebuilt.bytes,
                    "lost": rebuilt.lost, "items": rebuilt.items,
                    "snapshots": snapshots.len(), "snapshot": id,
                    "clean": snapshot.has_tag(strongroom_repository::TAG_CLEAN), "files": files,
                    "rebuilt_s": rebuilt_s, "seconds": seconds, "next": after.steps(),
                    "configuration": after.configuration()})
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
            print!("{}", after.told());
        }
        Ok(if failed { Ending::Partial } else { Ending::Done })
    })
    .await
}
