//! `strongroom key`: key files for the service and for people, recovery shares on paper, rotation.

use crate::{Global, edge::blocking, output};
use anyhow::{Context, bail};
use clap::Subcommand;
use qrcode::{QrCode, render::svg};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};
use strongroom_custody::PublicKey;
use strongroom_engine::Progress;
use strongroom_model::Ending;
use strongroom_objects::{SETTINGS_BYTES_MAX, read_regular_text};
use strongroom_operations::{files::secrets, place::Doing};
use strongroom_repository::{
    Id, MasterKey, RecoveryShare, Repository, join_shares, shares_fit, split_key,
};

#[derive(Subcommand)]
pub(crate) enum Key {
    /// List the key files.
    List,
    /// Add a key file: one more password that opens the repository.
    Add {
        /// File with the new password.
        #[arg(long, value_name = "FILE")]
        new_password_file: PathBuf,
        /// Whom it is for: `service`, or a person's name.
        #[arg(long = "for", value_name = "NAME", default_value = "service")]
        name: String,
    },
    /// Remove a key file. Whoever has a copy of it can still open the repository: `key rotate` is
    /// for that.
    Remove {
        /// The first digits of its id, as `key list` shows it.
        id: String,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
    /// Make a new set of recovery shares. Earlier sets open the repository as before.
    Shares {
        /// Folder to write the sheets to: print them, hand them out, delete the folder.
        dir: PathBuf,
        /// How many of them open the repository.
        #[arg(long = "shares-needed", alias = "needed", default_value_t = 2)]
        needed: u8,
        /// How many are made.
        #[arg(long = "shares-made", alias = "made", default_value_t = 3)]
        made: u8,
    },
    /// Open the repository with recovery shares, and give it a new password.
    #[command(override_usage = "strongroom key recover [OPTIONS] --share <FILE>\n       \
                                --new-password-file <FILE>")]
    Recover {
        /// File with a share: the sheet, its text, or what the QR code says. Once for each share.
        #[arg(long = "share", value_name = "FILE", required = true)]
        shares: Vec<PathBuf>,
        /// File with the new password.
        #[arg(long, value_name = "FILE")]
        new_password_file: PathBuf,
    },
    /// Copy everything into a new repository with a new master key. May be interrupted and run
    /// again.
    Rotate {
        /// Folder of the new repository, or its name in the configuration.
        to: PathBuf,
        /// File with the new repository's password.
        #[arg(long, value_name = "FILE")]
        new_password_file: PathBuf,
        /// Write no recovery shares for it.
        #[arg(long)]
        no_recovery: bool,
    },
}

pub(crate) async fn key(global: &Global, command: Key) -> anyhow::Result<Ending> {
    let json = global.json;
    match command {
        Key::Recover { shares, new_password_file } => {
            return recover(global, shares, &new_password_file).await;
        }
        Key::Rotate { to, new_password_file, no_recovery } => {
            return rotate(global, &to, &new_password_file, no_recovery).await;
        }
        _ => {}
    }
    let doing = match &command {
        Key::Remove { .. } => Doing::Deleting,
        _ => Doing::Looking,
    };
    let copy2 = global.copy2()?;
    let repo = copy2.open(doing).await?;
    let vault_key = match &command {
        Key::Shares { .. } => vault_key(global)?,
        _ => None,
    };
    blocking(move || {
        match command {
            Key::List => {
                let keys = repo.keys()?;
                if json {
                    println!("{}", json!(keys));
                } else {
                    let rows: Vec<Vec<String>> = keys
                        .iter()
                        .map(|k| {
                            vec![
                                k.id.short(),
                                k.created.strftime("%Y-%m-%d %H:%M").to_string(),
                                k.user.line().to_string(),
                                k.host.line().to_string(),
                            ]
                        })
                        .collect();
                    print!("{}", output::table(&["id", "made (UTC)", "for", "on host"], &rows));
                }
            }
            Key::Add { new_password_file, name } => {
                let id = repo.add_key(
                    &secrets::read(&new_password_file, &copy2.host().accounts)?,
                    &name,
                    copy2.now(),
                )?;
                said(
                    json,
                    json!({"key": id}),
                    &format!("key {} for {name} opens the repository now", id.short()),
                );
            }
            Key::Remove { id, yes } => {
                let found: Vec<_> = repo
                    .keys()?
                    .into_iter()
                    .filter(|k| k.id.to_string().starts_with(&id))
                    .collect();
                let [entry] = found.as_slice() else {
                    bail!(
                        "{} keys begin with {id:?}; `strongroom key list` lists them",
                        found.len()
                    )
                };
                if !json {
                    println!(
                        "key {} for {} of {} would go",
                        entry.id.short(),
                        entry.user.line(),
                        entry.created.strftime("%Y-%m-%d")
                    );
                }
                if !yes && !output::confirm("remove it?")? {
                    println!("nothing was changed");
                    return Ok(Ending::Failed);
                }
                repo.remove_key(&entry.id)?;
                said(json, json!({"removed": entry.id}), "removed");
            }
            Key::Shares { dir, needed, made } => {
                let vault = vault_key.as_deref();
                let files = write_shares(repo.key(), &repo.id(), (needed, made), vault, &dir)?;
                said(json, json!({"shares": files}), &handed_out(needed, made, &dir));
            }
            Key::Recover { .. } | Key::Rotate { .. } => {}
        }
        Ok(Ending::Done)
    })
    .await
}

fn said(as_json: bool, value: serde_json::Value, text: &str) {
    if as_json { println!("{value}") } else { println!("{text}") }
}

pub(crate) fn handed_out(needed: u8, made: u8, dir: &Path) -> String {
    format!(
        "{made} recovery shares are in {}; any {needed} of them open the repository when every \
         password is lost.\nPrint them, give them to {made} different people, and delete the \
         folder.",
        dir.display()
    )
}

/// Whether sheets can be written to a folder: asked before a repository is made whose key they are
/// to hold.
pub(crate) fn shares_possible(needed: u8, made: u8, dir: &Path) -> anyhow::Result<()> {
    shares_fit(needed, made)?;
    if fs::read_dir(dir).is_ok_and(|mut d| d.next().is_some()) {
        bail!(
            "{} holds something already; name a new folder for the recovery shares",
            dir.display()
        );
    }
    Ok(())
}

/// Writes a sheet for each share, readable for its owner alone.
pub(crate) fn write_shares(
    key: &MasterKey,
    id: &Id,
    (needed, made): (u8, u8),
    vault: Option<&str>,
    dir: &Path,
) -> anyhow::Result<Vec<PathBuf>> {
    shares_possible(needed, made, dir)?;
    let shares = split_key(key, id, needed, made)?;
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    // Whoever can put a link there would choose where the shares go.
    if dir.is_symlink() {
        bail!("{} is a link; name the folder itself for the recovery shares", dir.display());
    }
    let mut files = Vec::new();
    for share in &shares {
        let path = dir.join(format!("share-{}-of-{}.html", share.number(), share.made()));
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file =
            options.open(&path).with_context(|| format!("{} cannot be written", path.display()))?;
        file.write_all(sheet(share, vault)?.expose_secret().as_bytes())?;
        files.push(path);
    }
    Ok(files)
}

/// One page for paper.
fn sheet(share: &RecoveryShare, vault: Option<&str>) -> anyhow::Result<SecretString> {
    let vault = match vault {
        Some(key) => {
            format!("<p>Whose log a recovery believes:</p>\n<pre>\n{VAULT}{key}\n</pre>\n")
        }
        None => String::new(),
    };
    let compact = share.to_compact()?;
    let code =
        QrCode::new(compact.expose_secret().as_bytes()).context("the QR code cannot be made")?;
    let image = code.render::<svg::Color<'_>>().min_dimensions(240, 240).build();
    let image = image.split_once("?>").map_or(image.as_str(), |(_, svg)| svg);
    let (n, made, needed) = (share.number(), share.made(), share.needed());
    let text = share.to_text()?;
    Ok(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>Recovery share {n} of \
         {made}</title>\
         <style>body{{font:14pt/1.5 sans-serif;max-width:45rem;margin:2rem auto;padding:0 \
         1rem}}pre{{font:16pt/1.7 \
         monospace;overflow-x:auto}}svg{{width:15rem;height:auto}}</style></head><body><main>\
         <h1>Strongroom recovery share {n} of {made}</h1>\
         <p>Repository {}. Any {needed} of the {made} shares open it when every password is lost: \
         <code>strongroom key recover</code>. This one alone opens nothing. Keep it where the \
         others are not.</p>\n<pre>\n{}</pre>\n<p>Eight lines; the last two characters of each are \
         its check. The same as a code:</p>{image}\n{vault}</main></body></html>\n",
        share.repository(),
        text.expose_secret()
    )
    .into())
}

/// The vault's key as a sheet says it.
const VAULT: &str = "vault's key ";

/// The public key of the vault of the repository that is meant, as the configuration says it: for
/// the sheets. A recovery asks for it, so that sheets without it are made where nobody names one,
/// and never because a configuration is wrong or says too little.
pub(crate) fn vault_key(global: &Global) -> anyhow::Result<Option<String>> {
    let config = global.config_if_there().context(
        "the configuration says whose vault's key the recovery sheets name; without one, --config \
         names a file that is not there",
    )?;
    let Some(config) = config else { return Ok(None) };
    let named = global.repo.as_deref().filter(|_| global.tenant.is_none());
    let whose = match named.and_then(|word| config.tenant_of(word)) {
        Some(tenant) => tenant,
        None => config.tenant(global.tenant.as_deref()).context(
            "the recovery sheets name the key of the repository's vault, and whose it is is not \
             known",
        )?,
    };
    match &whose.vault {
        Some(name) => Ok(config.vault(name)?.public_key.clone()),
        None => Ok(None),
    }
}

/// The vault's public key that sheets name; nothing when none does.
pub(crate) fn vault_of_shares(files: &[PathBuf]) -> anyhow::Result<Option<PublicKey>> {
    let mut found: Option<PublicKey> = None;
    for file in files {
        let text = SecretString::from(
            read_regular_text(file, SETTINGS_BYTES_MAX)
                .with_context(|| format!("{} cannot be read", file.display()))?,
        );
        for key in text.expose_secret().lines().filter_map(|l| l.trim().strip_prefix(VAULT)) {
            let key = PublicKey::parse(key.trim()).with_context(|| file.display().to_string())?;
            if found.is_some_and(|before| before != key) {
                bail!("the sheets name two vaults; say which with --vault-key");
            }
            found = Some(key);
        }
    }
    Ok(found)
}

/// The master key from files with shares.
pub(crate) fn key_of_shares(files: &[PathBuf]) -> anyhow::Result<MasterKey> {
    let mut shares = Vec::new();
    for file in files {
        let text = SecretString::from(
            read_regular_text(file, SETTINGS_BYTES_MAX)
                .with_context(|| format!("{} cannot be read", file.display()))?,
        );
        shares.push(
            RecoveryShare::parse(text.expose_secret())
                .with_context(|| file.display().to_string())?,
        );
    }
    Ok(join_shares(&shares)?)
}

async fn recover(
    global: &Global,
    files: Vec<PathBuf>,
    new_password: &Path,
) -> anyhow::Result<Ending> {
    let key = key_of_shares(&files)?;
    let password = secrets::read(new_password, &global.host.accounts)?;
    let copy2 = global.copy2()?;
    let (place, cache, json) = (copy2.place(Doing::Usual)?, copy2.cache()?, global.json);
    blocking(move || {
        let repo = Repository::with_key(place.open()?, key, &cache, copy2.host().writer())
            .with_context(|| format!("the shares do not open {place}"))?;
        if let Some(tenant) = copy2.tenant_id() {
            strongroom_engine::seal::check(&repo, tenant)?;
        }
        let id = repo.add_key(&password, "recovered", copy2.now())?;
        said(
            json,
            json!({"key": id}),
            &format!(
                "the shares open {place}; key {} with the new password is in place",
                id.short()
            ),
        );
        Ok(Ending::Done)
    })
    .await
}

async fn rotate(
    global: &Global,
    to: &Path,
    new_password: &Path,
    no_recovery: bool,
) -> anyhow::Result<Ending> {
    let copy2 = global.copy2()?;
    let from = copy2.open(Doing::Looking).await?;
    let vault_key = match no_recovery {
        true => None,
        false => vault_key(global)?,
    };
    let password = secrets::read(new_password, &global.host.accounts)?;
    let to = global.place(to)?;
    let (cache, json, bar) = (copy2.cache()?, global.json, global.bar());
    blocking(move || {
        let store = to.open()?;
        let (host, now) = (copy2.host(), copy2.now());
        let there = Repository::open(store.clone(), &password, &cache, host.writer());
        let new = Arc::new(match there {
            Ok(new) => new,
            Err(strongroom_repository::Error::NoRepository(_)) => {
                if !no_recovery {
                    shares_possible(2, 3, &to.sheets())?;
                }
                let whose = strongroom_engine::seal::of(&from)?;
                let whose = whose.as_deref();
                let new =
                    Repository::init_for(store, &password, &cache, host.writer(), now, whose)?;
                if !no_recovery {
                    let dir = to.sheets();
                    write_shares(new.key(), &new.id(), (2, 3), vault_key.as_deref(), &dir)?;
                    if !json {
                        println!("{}", handed_out(2, 3, &dir));
                    }
                }
                new
            }
            Err(e) => return Err(e.into()),
        });
        if new.id() == from.id() {
            bail!("{to} is the repository itself; name a new place");
        }
        if let Some(whose) = strongroom_engine::seal::of(&from)? {
            strongroom_engine::seal::check(&new, &whose)?;
        }
        let mut lock = new.lock_for_upkeep(&cache, now)?;
        lock.keep(new.clone(), host.clock.clone());
        bar.phase("rotate");
        let report = from.copy_to(&new, &|_| bar.advance(1, 0))?;
        bar.finish();
        lock.release()?;
        said(
            json,
            json!(report),
            &format!(
                "{} snapshots copied, {} were there already; {to} has a master key of its own. \
                 Point the configuration at it, check it, enrol a new vault, and then delete the \
                 old repository.",
                report.snapshots, report.present,
            ),
        );
        Ok(Ending::Done)
    })
    .await
}
