//! The demonstration's servers, as processes of their own: the simulated Microsoft 365, and the
//! vault.

use crate::host;
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use graph_sim::{Addresses, SeedPlan, Settings, Sim};
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};
use strongroom_custody::VaultPolicy;
use strongroom_model::Ending;
use strongroom_vault::{CredentialRight, Enrol, HoldEntry, RepoSettings, Vault, new_custodian};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

#[derive(Args)]
pub(crate) struct Internal {
    #[command(subcommand)]
    server: Server,
}

#[derive(Subcommand)]
enum Server {
    /// The simulated Microsoft 365.
    Sim {
        #[arg(long)]
        dir: PathBuf,
        #[arg(long)]
        seed_dir: Option<PathBuf>,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[arg(long, default_value_t = 1.0)]
        scale: f64,
        #[arg(long)]
        start: jiff::Timestamp,
        #[arg(long)]
        office_rewrite: bool,
    },
    /// The vault.
    Vault {
        #[arg(long)]
        dir: PathBuf,
    },
    /// The vault's own command that lays out a view.
    View {
        #[arg(long)]
        dir: PathBuf,
        #[arg(long)]
        name: String,
        #[arg(long)]
        upto: u64,
        #[arg(long)]
        out: PathBuf,
    },
    /// The vault's own command that enrols a repository.
    Enrol {
        #[arg(long)]
        dir: PathBuf,
        #[arg(long)]
        name: String,
        #[arg(long)]
        card: PathBuf,
        #[arg(long)]
        token_file: PathBuf,
    },
}

pub(crate) async fn internal(args: Internal) -> anyhow::Result<Ending> {
    match args.server {
        Server::Sim { dir, seed_dir, seed, scale, start, office_rewrite } => {
            let settings = Settings { office_rewrite, check_answers: false, ..Settings::default() };
            let settings = settings.for_the_product();
            let sim = Sim::new(settings, seed, start);
            sim.seed(&SeedPlan { seed, scale, dir: seed_dir, ..SeedPlan::default() })?;
            let server = sim.serve(Addresses::default(), &dir).await?;
            println!("{}", serde_json::to_string(&server.ready)?);
            wait_for_parent().await;
        }
        Server::Vault { dir } => {
            let vault = Vault::open(&dir)?;
            let listening =
                strongroom_vault::serve(Arc::new(vault), ([127, 0, 0, 1], 0).into(), None).await?;
            println!("{}", serde_json::json!({"url": format!("http://{}/", listening.address)}));
            wait_for_parent().await;
        }
        Server::View { dir, name, upto, out } => {
            let n = Vault::open(&dir)?.lay_out(&name, Some(upto), &out)?;
            println!("{n}");
        }
        Server::Enrol { dir, name, card, token_file } => {
            // A demonstration is deleted by who ran it: no immutable flags.
            let settings = RepoSettings {
                hold: HoldEntry::Local { immutable: false },
                ..RepoSettings::default()
            };
            let vault = Vault::open(&dir)?;
            let custodians = ["head", "governor"]
                .map(|name| new_custodian(name, &dir.join(format!("{name}.key"))));
            let enrol = Enrol {
                card: serde_json::from_slice(&std::fs::read(&card)?)?,
                custodians: custodians.into_iter().collect::<Result<_, _>>()?,
                quorum: 2,
                policy: VaultPolicy::default(),
                settings,
                credentials: vec![("push".to_owned(), CredentialRight::Push)],
            };
            let (tokens, _) = vault.enrol(&name, enrol)?;
            write_private(&token_file, tokens.get("push").context("the vault gave no token")?)?;
        }
    }
    Ok(Ending::Done)
}

/// Until the parent goes away, unless it said that this server stays; or until somebody interrupts.
async fn wait_for_parent() {
    let mut line = String::new();
    let mut input = BufReader::new(tokio::io::stdin());
    tokio::select! {
        _ = input.read_line(&mut line) => {
            if line.trim() == STAY {
                host::interrupted().await;
            }
        }
        () = host::interrupted() => {}
    }
}

const STAY: &str = "stay";

/// A server process and the line that it printed.
pub(crate) struct Running {
    pub(crate) ready: serde_json::Value,
    child: Child,
    stays: bool,
}

impl Running {
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// The server goes on when this program ends.
    pub(crate) fn leave(&mut self) {
        use std::io::Write;
        if let Some(input) = self.child.stdin.take()
            && let Ok(fd) = input.into_owned_fd()
        {
            self.stays = std::fs::File::from(fd).write_all(STAY.as_bytes()).is_ok();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.stays {
            let _ = self.child.start_kill();
        }
    }
}

/// A file that only its owner reads.
pub(crate) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let mut file = std::fs::OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot make {}", path.display()))?;
    Ok(file.write_all(text.as_bytes())?)
}

fn program() -> anyhow::Result<Command> {
    let mut command =
        Command::new(std::env::current_exe().context("the program cannot find itself")?);
    command.arg("internal");
    Ok(command)
}

/// Starts a server and waits until it is ready.
pub(crate) async fn start(arguments: &[&str]) -> anyhow::Result<Running> {
    let mut command = program()?;
    command.args(arguments).stdout(Stdio::piped()).stdin(Stdio::piped());
    let mut child = command.spawn().context("a server of the demonstration does not start")?;
    let out = child.stdout.take().context("a server has no output")?;
    let mut line = String::new();
    tokio::time::timeout(
        std::time::Duration::from_secs(120),
        BufReader::new(out).read_line(&mut line),
    )
    .await
    .context("a server of the demonstration did not get ready")??;
    let ready = serde_json::from_str(&line)
        .with_context(|| format!("the server {:?} did not start", arguments.first()))?;
    Ok(Running { ready, child, stays: false })
}

/// Runs one of the vault's own commands.
pub(crate) async fn once(arguments: &[&str]) -> anyhow::Result<String> {
    let out = program()?.args(arguments).output().await?;
    if !out.status.success() {
        bail!("{}", String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

/// A path as an argument.
pub(crate) fn arg(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is no UTF-8", path.display()))
}
