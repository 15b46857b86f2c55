use super::next;
use crate::{Global, commands::tell_lost, output};
use anyhow::bail;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use strongroom_model::Ending;
use strongroom_operations::{
    recovery::{Believes, RecoverWith, Recovered, Recovery, RecoveryRequest},
    vault::key_said,
};

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

impl Recover {
    fn request(&self, global: &Global) -> anyhow::Result<RecoveryRequest> {
        let to = global.place(&self.to)?;
        let with = match (self.shares.as_slice(), &global.password_file) {
            ([], None) => bail!(
                "what is to open the vault's data? --share names a file with a recovery share, \
                 --password-file one with a password"
            ),
            ([], Some(file)) => RecoverWith::Password(file.clone()),
            (files, _) => RecoverWith::Shares(files.to_vec()),
        };
        let new = self.new_password_file.as_ref().or(global.password_file.as_ref());
        let Some(password_file) = new.cloned() else {
            bail!("--new-password-file names the file with copy 2's new password");
        };
        let believes = match self.without_log {
            true => Believes::Nobody,
            false => Believes::Log(self.vault_key.as_deref().map(key_said).transpose()?),
        };
        Ok(RecoveryRequest {
            vault: self.place.clone(),
            with,
            to,
            password_file,
            believes,
            upto: self.upto,
            files: self.restore_to.clone(),
            clean: self.clean,
        })
    }
}

pub(super) async fn run(global: &Global, args: Recover) -> anyhow::Result<Ending> {
    let request = args.request(global)?;
    let recovery = Recovery::prepare(&global.host, global.cache()?, request)?;
    if recovery.believes_nobody() {
        eprintln!(
            "without the vault's log: what lies there is taken, whoever put it there and whatever \
             custodians hid, as far as manifests name it that this repository's key signed. Key \
             files stay behind. Junk among the manifests is read, 4 GiB of it at most."
        );
    }
    let bar = global.bar();
    let done = recovery.carry_out(bar.clone()).await;
    bar.finish();
    let done = done?;
    for f in done.files.iter().flat_map(|files| &files.failed) {
        let text = format!("FAILED   {}: {}", f.path.line(), f.why.quoted());
        eprintln!("{}", output::alarm(&text));
    }
    match global.json {
        true => println!("{}", shown(&done)),
        false => tell(&done, &args),
    }
    Ok(if done.is_whole() { Ending::Done } else { Ending::Partial })
}

fn shown(done: &Recovered) -> serde_json::Value {
    json!({"copy_2": done.at.to_string(), "objects": done.rebuilt.sent,
        "bytes": done.rebuilt.bytes, "lost": done.rebuilt.lost, "items": done.rebuilt.items,
        "snapshots": done.snapshots, "snapshot": done.snapshot, "clean": done.is_clean,
        "files": done.files, "rebuilt_s": done.rebuilt_s, "seconds": done.seconds,
        "next": next::steps(done), "configuration": done.configuration()})
}

fn tell(done: &Recovered, args: &Recover) {
    tell_lost(&done.rebuilt);
    println!(
        "copy 2 is back in {}: {} objects, {}, {} snapshots, in {}",
        done.at,
        done.rebuilt.sent,
        output::bytes(done.rebuilt.bytes),
        done.snapshots,
        output::seconds(done.rebuilt_s)
    );
    let word = match done.is_clean {
        true => "clean",
        false => "NOT clean: --clean takes the newest that is",
    };
    println!(
        "snapshot {} of {} ({word})",
        done.snapshot.short(),
        done.time.strftime("%Y-%m-%d %H:%M")
    );
    if let (Some(f), Some(folder)) = (&done.files, &args.restore_to) {
        println!(
            "{} files, {}, are in {}, after {} in all",
            f.files,
            output::bytes(f.bytes),
            folder.display(),
            output::seconds(done.seconds)
        );
    }
    print!("{}", next::told(done));
}
