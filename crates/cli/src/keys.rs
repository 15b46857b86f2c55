//! `strongroom key`: key files for the service and for people, recovery shares on paper, rotation.

use crate::{
    Global,
    edge::blocking,
    output,
    page::{Frame, escape, page},
};
use anyhow::{Context, bail};
use clap::Subcommand;
use jiff::Timestamp;
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
use strongroom_operations::{
    files::secrets,
    place::Doing,
    sheets::{self, Label},
};
use strongroom_repository::{Id, MasterKey, RecoveryShare, Repository, shares_fit, split_key};

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
    let label = match &command {
        Key::Shares { .. } => {
            Some(label(global, &copy2.place(Doing::Looking)?.to_string(), copy2.now())?)
        }
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
                if let Some(label) = label {
                    let files = write_shares(repo.key(), &repo.id(), (needed, made), &label, &dir)?;
                    said(json, json!({"shares": files}), &handed_out(needed, made, &dir));
                }
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
         folder: for as long as they lie beside copy 2 or the configuration, each backup and \
         `strongroom status` say so.",
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
    label: &Label,
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
        file.write_all(sheet(share, label)?.expose_secret().as_bytes())?;
        files.push(path);
    }
    Ok(files)
}

/// What is of a sheet alone. It goes on one page of paper.
const SHEET_STYLE: &str = "\
pre{font:clamp(11px,3.4vw,17px)/1.5 monospace;border:1px solid var(--line);padding:.5rem}
svg{width:15rem;background:#fff;display:block}
.pair{display:flex;flex-wrap:wrap;gap:1rem;align-items:center}
@media print{
body{font-size:9.5pt;line-height:1.25}pre{font-size:9pt;line-height:1.25;padding:.3rem}
svg{width:36mm}
h1{font-size:16pt;margin:0}h2{font-size:11pt;margin:.6em 0 0}p,ol,pre{margin:.3em 0}
}
";

/// One page for paper.
fn sheet(share: &RecoveryShare, label: &Label) -> anyhow::Result<SecretString> {
    let compact = share.to_compact()?;
    let code =
        QrCode::new(compact.expose_secret().as_bytes()).context("the QR code cannot be made")?;
    let image = code.render::<svg::Color<'_>>().min_dimensions(240, 240).build();
    let image = image.split_once("?>").map_or(image.as_str(), |(_, svg)| svg);
    let (n, made, needed) = (share.number(), share.made(), share.needed());
    let text = share.to_text()?;
    let vault = label.vault_key.map_or_else(String::new, |key| {
        let words = key.rows_of_words().join("\n");
        format!(
            "<h2>Whose log a recovery believes: the vault's key in words</h2>\n<pre>{words}</pre>\n"
        )
    });
    let body = format!(
        "<pre class=\"whole\">\n{}</pre>\n\
         <p>One of {made} shares of the key to the backup of a school's Microsoft 365. Any \
         {needed} of them open it when every password is lost. This one alone opens nothing.</p>\n\
         <h2>What to do with it now</h2>\n<ol><li>Give it to one person, who keeps it on paper, \
         apart from the other shares and away from the backup host.</li>\n<li>Delete the file \
         that it was printed from, also from the printer and the bin.</li>\n<li>Write here who \
         has it: ______________________________</li></ol>\n\
         <h2>When every password is lost</h2>\n<p>Bring {needed} shares together. Type the eight \
         lines of each into a file of its own, or take what its code says.</p>\n\
         <pre>strongroom key recover \\\n  --share one.txt --share two.txt \\\n  \
         --new-password-file new.password</pre>\n\
         <h2>When everything but the vault is gone</h2>\n\
         <pre>strongroom vault recover --place PLACE \\\n  --share one.txt --share two.txt \\\n  \
         --to FOLDER \\\n  --new-password-file new.password</pre>\n\
         <h2>The share</h2>\n<p>Eight lines, of which the last two characters are the check; and \
         the same as a code.</p>\n\
         <div class=\"pair whole\"><pre>\n{}</pre>\n{image}</div>\n{vault}",
        escape(&label.lines(share)),
        text.expose_secret()
    );
    let title = format!("Recovery share {n} of {made}");
    let frame = Frame {
        title: &title,
        schools: label.school.as_deref().unwrap_or_default(),
        made: &label.made(),
    };
    Ok(page(&frame, SHEET_STYLE, &body).into())
}

/// What sheets of a repository at this place say: the school and its vault, as the configuration
/// has them. A recovery asks for the vault's key, so that sheets without it are made where nobody
/// names one, and never because a configuration is wrong or says too little.
pub(crate) fn label(global: &Global, copy2: &str, made: Timestamp) -> anyhow::Result<Label> {
    let config = global.config_if_there().context(
        "the configuration says whose vault's key the recovery sheets name; without one, --config \
         names a file that is not there",
    )?;
    let copy2 = copy2.to_owned();
    let mut label = Label { school: None, made, copy2, vault: None, vault_key: None };
    let Some(config) = config else { return Ok(label) };
    let named = global.repo.as_deref().filter(|_| global.tenant().is_none());
    let whose = match named.and_then(|word| config.tenant_of(word)) {
        Some(tenant) => tenant,
        None => config.tenant(global.tenant().map(String::as_str)).context(
            "the recovery sheets name the key of the repository's vault, and whose it is is not \
             known",
        )?,
    };
    label.school = Some(whose.name.clone());
    if let Some(name) = &whose.vault {
        let key = config.vault(name)?.public_key.as_deref().map(PublicKey::parse);
        (label.vault, label.vault_key) = (Some(name.clone()), key.transpose()?);
    }
    Ok(label)
}

async fn recover(
    global: &Global,
    files: Vec<PathBuf>,
    new_password: &Path,
) -> anyhow::Result<Ending> {
    let given = sheets::read(&files)?;
    let key = sheets::key_of(&given)?;
    let password = secrets::read(new_password, &global.host.accounts)?;
    let copy2 = global.copy2()?;
    let (place, cache, json) = (copy2.place(Doing::Usual)?, copy2.cache()?, global.json);
    blocking(move || {
        let store = place.open()?;
        let opened = Repository::with_key(store.clone(), key, &cache, copy2.host().writer());
        let repo = match opened {
            // What another key sealed looks as if it were damaged.
            Err(e @ strongroom_repository::Error::Damaged { .. }) => {
                return Err(match sheets::foreign(&given, &*store, copy2.school_name()) {
                    Some(foreign) => foreign.into(),
                    None => anyhow::Error::from(e).context(format!(
                        "the shares are those of {place}, and what lies there is damaged"
                    )),
                });
            }
            other => other.with_context(|| format!("the shares do not open {place}"))?,
        };
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
    let password = secrets::read(new_password, &global.host.accounts)?;
    let to = global.place(to)?;
    let label = match no_recovery {
        true => None,
        false => Some(label(global, &to.to_string(), copy2.now())?),
    };
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
                if let Some(label) = &label {
                    let dir = to.sheets();
                    write_shares(new.key(), &new.id(), (2, 3), label, &dir)?;
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
