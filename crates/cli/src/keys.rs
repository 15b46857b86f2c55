//! `strongroom key`: key files for the service and for people, recovery shares on paper, rotation.

use crate::{
    Global, output,
    page::{Frame, escape, page},
};
use anyhow::Context;
use clap::Subcommand;
use qrcode::{QrCode, render::svg};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use std::path::{Path, PathBuf};
use strongroom_model::Ending;
use strongroom_operations::{
    Error, Kind,
    keys::{self, KeyEntry},
    place::Doing,
    sheets::{Label, RecoveryShare, SheetsWanted},
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
    let (json, copy2) = (global.json, global.copy2()?);
    match command {
        Key::List => {
            let all = keys::list(&copy2).await?;
            match json {
                true => println!("{}", json!(all)),
                false => print!("{}", table(&all)),
            }
        }
        Key::Add { new_password_file, name } => {
            let id = keys::add(&copy2, &new_password_file, &name).await?;
            let text = format!("key {} for {name} opens the repository now", id.short());
            said(json, json!({"key": id}), &text);
        }
        Key::Remove { id, yes } => {
            let entry = keys::to_remove(&copy2, &id).await?;
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
            keys::remove(&copy2, entry.id).await?;
            said(json, json!({"removed": entry.id}), "removed");
        }
        Key::Shares { dir, needed, made } => {
            let place = copy2.place(Doing::Looking)?.to_string();
            let wanted = wanted(global, &place, (needed, made), &dir)?;
            let files = keys::shares(&copy2, wanted).await?;
            said(json, json!({"shares": files}), &handed_out(needed, made, &dir));
        }
        Key::Recover { shares, new_password_file } => {
            let done = keys::recover(&copy2, &shares, &new_password_file).await?;
            let text = format!(
                "the shares open {}; key {} with the new password is in place",
                done.place,
                done.key.short()
            );
            said(json, json!({"key": done.key}), &text);
        }
        Key::Rotate { to, new_password_file, no_recovery } => {
            return rotate(global, &to, &new_password_file, no_recovery).await;
        }
    }
    Ok(Ending::Done)
}

fn table(all: &[KeyEntry]) -> String {
    let row = |k: &KeyEntry| {
        vec![
            k.id.short(),
            k.created.strftime("%Y-%m-%d %H:%M").to_string(),
            k.user.line().to_string(),
            k.host.line().to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    output::table(&["id", "made (UTC)", "for", "on host"], &rows)
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
fn sheet(share: &RecoveryShare, label: &Label) -> Result<SecretString, Error> {
    let compact = share.to_compact()?;
    let code = QrCode::new(compact.expose_secret().as_bytes())
        .map_err(|e| Error::because(Kind::Internal, "the QR code cannot be made", e))?;
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

/// Sheets of a repository at this place, that go into a folder.
pub(crate) fn wanted(
    global: &Global,
    place: &str,
    (needed, made): (u8, u8),
    dir: &Path,
) -> anyhow::Result<SheetsWanted> {
    let config = global.config_if_there().context(
        "the configuration says whose vault's key the recovery sheets name; without one, --config \
         names a file that is not there",
    )?;
    let now = global.host.clock.now();
    let label = Label::of(config.as_deref(), &global.choice(), place, now)?;
    Ok(SheetsWanted { needed, made, dir: dir.to_owned(), label, draw: sheet })
}

async fn rotate(
    global: &Global,
    to: &Path,
    new_password: &Path,
    no_recovery: bool,
) -> anyhow::Result<Ending> {
    let (copy2, to) = (global.copy2()?, global.place(to)?);
    let (made, needed, dir) = (3, 2, to.sheets());
    let wanted = match no_recovery {
        true => None,
        false => Some(wanted(global, &to.to_string(), (needed, made), &dir)?),
    };
    let rotation = keys::rotation(&copy2, to, new_password, wanted).await?;
    if !rotation.sheets().is_empty() && !global.json {
        println!("{}", handed_out(needed, made, &dir));
    }
    let (place, bar) = (rotation.place().to_string(), global.bar());
    let report = rotation.copy(bar.clone()).await;
    bar.finish();
    let report = report?;
    said(
        global.json,
        json!(report),
        &format!(
            "{} snapshots copied, {} were there already; {place} has a master key of its own. \
             Point the configuration at it, check it, enrol a new vault, and then delete the old \
             repository.",
            report.snapshots, report.present,
        ),
    );
    Ok(Ending::Done)
}
