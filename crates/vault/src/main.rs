//! `strongroom-vault`: copy 3, on a host of its own.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand};
use serde_json::json;
use std::{net::SocketAddr, path::PathBuf, sync::Arc};
use strongroom_vault::{Tls, Vault, serve};

/// Keeps the third copy: takes objects in, lets nothing go.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// The vault's own folder.
    #[arg(long, global = true, default_value = "/var/lib/strongroom-vault")]
    dir: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Enrol a repository; writes the token of its pushing credential into a new file.
    Enrol(Enrol),
    /// Serve restic's REST protocol; prints one JSON line when ready.
    Serve(Serve),
    /// List the sealed sessions of a repository.
    Sessions {
        /// The repository.
        repo: String,
    },
    /// Lay out what readers see up to a session, as a restic repository of hard links.
    View {
        /// The repository.
        repo: String,
        /// Last session shown; all sealed ones by default.
        #[arg(long)]
        upto: Option<u64>,
        /// An empty or new folder.
        #[arg(long)]
        out: PathBuf,
    },
    /// Read every object again and hold it against its name.
    Verify {
        /// The repository.
        repo: String,
    },
}

#[derive(Args)]
struct Enrol {
    /// Name of the repository.
    repo: String,
    /// Name of the pushing credential.
    #[arg(long, default_value = "push")]
    user: String,
    /// Days for which every object is held.
    #[arg(long, default_value_t = 180)]
    retention_days: u32,
    /// New file for the token.
    #[arg(long)]
    token_file: PathBuf,
}

#[derive(Args)]
struct Serve {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8400")]
    listen: SocketAddr,
    /// Certificate, PEM; without one only loopback is served.
    #[arg(long, requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long, requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
}

#[tokio::main]
async fn main() {
    if let Err(e) = run(Cli::parse()).await {
        eprintln!("strongroom-vault: {e:#}");
        std::process::exit(1);
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let vault = Vault::open(&cli.dir).with_context(|| format!("cannot open the vault in {}", cli.dir.display()))?;
    match cli.command {
        Command::Enrol(a) => {
            let mut file = std::fs::OpenOptions::new()
                .create_new(true)
                .write(true)
                .open(&a.token_file)
                .with_context(|| format!("cannot make {}", a.token_file.display()))?;
            let token = vault.enrol(&a.repo, &a.user, a.retention_days)?;
            use std::{io::Write, os::unix::fs::PermissionsExt};
            file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
            file.write_all(token.as_bytes())?;
            println!("{} is enrolled; the token of {:?} is in {}", a.repo, a.user, a.token_file.display());
        }
        Command::Serve(a) => {
            let tls = match (a.tls_certificate, a.tls_key) {
                (Some(certificate), Some(key)) => Some(Tls::read(&certificate, &key)?),
                _ if a.listen.ip().is_loopback() => None,
                _ => bail!("without --tls-certificate and --tls-key only loopback is served: credentials would cross the network in the open"),
            };
            let scheme = if tls.is_some() { "https" } else { "http" };
            let listening = serve(Arc::new(vault), a.listen, tls).await?;
            println!("{}", json!({"url": format!("{scheme}://{}/", listening.address)}));
            tokio::signal::ctrl_c().await?;
        }
        Command::Sessions { repo } => {
            for s in vault.sessions(&repo)? {
                println!("{:>6}  {}  {:>8} objects", s.session, s.sealed_at, s.objects);
            }
        }
        Command::View { repo, upto, out } => {
            let n = vault.lay_out(&repo, upto, &out)?;
            println!("{n} objects are laid out in {}", out.display());
        }
        Command::Verify { repo } => {
            let (n, bad) = vault.verify(&repo, None)?;
            for b in &bad {
                eprintln!("{b}");
            }
            println!("{n} objects read, {} damaged", bad.len());
            if !bad.is_empty() {
                std::process::exit(1);
            }
        }
    }
    Ok(())
}
