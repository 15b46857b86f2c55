//! `strongroom-vault credential`: who may use the vault's server. Works on the file alone, so that
//! it waits for no pull and needs no repository that opens.

use crate::text::table;
use anyhow::bail;
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use strongroom_vault::{
    CredentialRight, Refusal, add_credential, credentials, revoke_credential, rotate_credential,
    write_private,
};

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum MayArg {
    /// Add, and read.
    Push,
    /// Read.
    Read,
}

#[derive(Subcommand)]
pub(crate) enum CredentialCommand {
    /// Show who may do what.
    List {
        /// The repository.
        repo: String,
    },
    /// Make a credential.
    Add {
        /// The repository.
        repo: String,
        /// Its name.
        name: String,
        /// What it may do.
        #[arg(long)]
        may: MayArg,
        /// New file for its token.
        #[arg(long)]
        token_file: PathBuf,
    },
    /// Give a credential another token; the one before is refused at once.
    Rotate {
        /// The repository.
        repo: String,
        /// Its name.
        name: String,
        /// New file for its token.
        #[arg(long)]
        token_file: PathBuf,
    },
    /// Take a credential away; it is refused at once.
    Revoke {
        /// The repository.
        repo: String,
        /// Its name.
        name: String,
    },
}

/// Does it; answers in JSON and in text.
pub(crate) fn run(vault: &Path, command: &CredentialCommand) -> anyhow::Result<(Value, String)> {
    // A name that leads elsewhere is none.
    let school = |repo: &str| -> anyhow::Result<PathBuf> {
        let dir = vault.join(repo);
        if repo.contains(['/', '\\']) || !dir.join("repo.toml").is_file() {
            let text = format!("{} has no repository {repo:?}", vault.display());
            return Err(Refusal::NoRepository(text).into());
        }
        Ok(dir)
    };
    let free = |file: &Path| -> anyhow::Result<()> {
        if file.exists() {
            bail!("{} exists; a token goes into a new file", file.display());
        }
        Ok(())
    };
    // The token's file is made before anything changes: a token that is nowhere helps nobody.
    let made = |repo: &str,
                name: &str,
                file: &Path,
                token: &dyn Fn() -> Result<String, Refusal>|
     -> anyhow::Result<_> {
        write_private(file, "")?;
        let kept = token().map_err(anyhow::Error::from).and_then(|token| {
            std::fs::write(file, token)?;
            Ok(std::fs::File::open(file)?.sync_all()?)
        });
        if let Err(e) = kept {
            std::fs::remove_file(file)?;
            return Err(e);
        }
        let text = format!("the token of {name:?} is in {}\n", file.display());
        Ok((json!({"repository": repo, "credential": name, "token_file": file}), text))
    };
    match command {
        CredentialCommand::List { repo } => {
            let all = credentials(&school(repo)?)?;
            let word = |may: CredentialRight| {
                if may == CredentialRight::Push { "add and read" } else { "read" }
            };
            let rows: Vec<Vec<String>> =
                all.iter().map(|c| vec![c.user.clone(), word(c.may).to_owned()]).collect();
            let value: Vec<Value> =
                all.iter().map(|c| json!({"user": c.user, "may": c.may})).collect();
            Ok((json!(value), table(&["credential", "may"], &rows)))
        }
        CredentialCommand::Add { repo, name, may, token_file } => {
            let dir = school(repo)?;
            free(token_file)?;
            let may = match may {
                MayArg::Push => CredentialRight::Push,
                MayArg::Read => CredentialRight::Read,
            };
            made(repo, name, token_file, &|| add_credential(&dir, name, may))
        }
        CredentialCommand::Rotate { repo, name, token_file } => {
            let dir = school(repo)?;
            free(token_file)?;
            made(repo, name, token_file, &|| rotate_credential(&dir, name))
        }
        CredentialCommand::Revoke { repo, name } => {
            revoke_credential(&school(repo)?, name)?;
            let text = format!("{name:?} is refused from now on\n");
            Ok((json!({"repository": repo, "revoked": name}), text))
        }
    }
}
