//! `strongroom acceptance`: proof on a real tenant; plan, show, ask, and a report field by field.

mod words;

use crate::{Global, failure, open, output, progress::Bar, tenant_restore::unasked};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use strongroom_acceptance::{
    Ground, Ledger, Left, Report, Tools, Verdict, clean, find_owner, prove,
    transcript::{Secrets, Transcript},
};
use strongroom_graph::Client;
use strongroom_model::{Clock, Ending};
use strongroom_objects::LocalDir;
use strongroom_operations::{
    config::{Config, TenantEntry},
    files::written,
};
use strongroom_repository::Repository;

/// Where records of runs are kept, beside the configuration.
const RECORDS: &str = "acceptance";

#[derive(Args)]
pub(crate) struct Acceptance {
    /// Whose mailbox and drive are used: a principal name. Best an account made for it.
    #[arg(long, required_unless_present = "clean")]
    owner: Option<String>,
    /// Write a redacted transcript of all requests into this new file.
    #[arg(long, value_name = "FILE")]
    transcript: Option<PathBuf>,
    /// Delete what an interrupted run left, and nothing else: the run's id.
    #[arg(long, value_name = "ID", conflicts_with_all = ["owner", "transcript"])]
    clean: Option<String>,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
}

/// Clients of a tenant, each behind the run's ground and, when there is one, its transcript.
struct Identities<'c> {
    config: &'c Config,
    tenant: &'c TenantEntry,
    clock: Arc<dyn Clock>,
    transcript: Option<Transcript>,
}

impl Identities<'_> {
    fn client(
        &self,
        identity: &'static str,
        ground: Option<&Arc<Ground>>,
    ) -> anyhow::Result<Arc<Client>> {
        open::client_through(self.config, self.tenant, identity, self.clock.clone(), |https| {
            let noted = match &self.transcript {
                Some(t) => t.transport(identity, https),
                None => https,
            };
            match ground {
                Some(ground) => ground.transport(noted),
                None => noted,
            }
        })
    }

    fn tools(&self, ledger: Ledger, dir: &Path) -> anyhow::Result<Tools> {
        let ground = Ground::new(ledger);
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|_| anyhow::anyhow!("the system is not random"))?;
        let cache = dir.join("cache");
        let repository = Repository::init(
            Arc::new(LocalDir::new(dir.join("repository"))),
            &hex::encode(random).into(),
            &cache,
            open::who(),
            self.clock.now(),
        )?;
        let configure = match self.tenant.identities.contains_key("configure") {
            true => Some(self.client("configure", Some(&ground))?),
            false => None,
        };
        Ok(Tools {
            read: self.client("read", Some(&ground))?,
            write: self.client("write", Some(&ground))?,
            configure,
            repository: Arc::new(repository),
            cache,
            graph: self.tenant.graph.clone(),
            ground,
        })
    }
}

pub(crate) async fn acceptance(global: &Global, args: Acceptance) -> anyhow::Result<Ending> {
    let config = Config::read(&global.config, &global.host.accounts)?;
    let records = config.base.join(RECORDS);
    if let Some(run) = &args.clean {
        return clean_up(global, &config, &records, run).await;
    }
    let tenant = config.tenant(global.tenant.as_deref())?;
    let owner = args.owner.as_deref().context("whose mailbox? --owner names it")?;
    unasked(global, args.yes)?;
    if let Some(file) = args.transcript.as_ref().filter(|f| f.symlink_metadata().is_ok()) {
        bail!("{} is there already; a transcript is written into a new file", file.display());
    }
    let with_settings = tenant.identities.contains_key("configure");
    if !global.json {
        print!("{}", words::plan(&tenant.name, owner, with_settings, args.transcript.as_deref()));
    }
    if !args.yes && !output::confirm("carry this out?")? {
        println!("nothing was changed");
        return Ok(Ending::Failed);
    }
    let clock = open::real_clock();
    let transcript = match &args.transcript {
        Some(_) => Some(Transcript::new(
            Secrets {
                owner: owner.to_owned(),
                tenant: tenant.tenant_id.clone(),
                mark: String::new(),
                others: tenant.identities.values().map(|i| i.application_id.clone()).collect(),
            },
            &tenant.graph,
            &tenant.authority,
            clock.clone(),
        )?),
        None => None,
    };
    let identities = Identities { config: &config, tenant, clock, transcript };
    let finder = identities.client("write", None)?;
    let ledger = find_owner(&finder, &records, &tenant.name, owner).await?;
    if let Some(t) = &identities.transcript {
        t.know_mark(&ledger.mark());
    }
    let run = ledger.run.clone();
    let dir = tempfile::tempdir().context("there is no place for the run's repository")?;
    let tools = identities.tools(ledger, dir.path())?;
    let bar = Bar::new(global.quiet || global.json);
    let proven = tokio::select! {
        done = prove(&tools, bar.as_ref()) => Some(done),
        _ = tokio::signal::ctrl_c() => None,
    };
    let left = tokio::select! {
        left = clean(&tools, bar.as_ref()) => left?,
        _ = tokio::signal::ctrl_c() => {
            bar.finish();
            let text = format!("interrupted; {}", words::by_command(&run));
            failure::tell(&text, Ending::Interrupted, global.json);
            return Ok(Ending::Interrupted);
        }
    };
    bar.finish();
    let written = write(&identities, args.transcript.as_deref());
    let report = match proven {
        None => {
            let text = format!("interrupted; {}", words::cleaned(&run, &left));
            failure::tell(&text, Ending::Interrupted, global.json);
            return Ok(Ending::Interrupted);
        }
        Some(Err(e)) => {
            eprintln!("strongroom: {}", words::cleaned(&run, &left));
            return Err(e.into());
        }
        Some(Ok(report)) => Report { left, ..report },
    };
    tell(global, &report, written.as_ref().err(), args.transcript.as_deref())?;
    written?;
    Ok(if report.is_whole() { Ending::Done } else { Ending::Partial })
}

fn write(identities: &Identities<'_>, file: Option<&Path>) -> anyhow::Result<()> {
    let (Some(t), Some(file)) = (&identities.transcript, file) else { return Ok(()) };
    let text = t.finish()?;
    written::put(file, text.as_ref())
        .with_context(|| format!("{} cannot be written", file.display()))
}

fn tell(
    global: &Global,
    report: &Report,
    refused: Option<&anyhow::Error>,
    file: Option<&Path>,
) -> anyhow::Result<()> {
    if !global.json {
        print!("{}", words::report(report));
        if let (Some(file), None) = (file, refused) {
            println!("transcript in {}", file.display());
        }
        return Ok(());
    }
    let counts: serde_json::Map<_, _> =
        [Verdict::Identical, Verdict::ProviderAltered, Verdict::Different]
            .into_iter()
            .map(|v| Ok((words::verdict(v).to_owned(), json!(report.count(v)))))
            .collect::<anyhow::Result<_>>()?;
    let mut out = serde_json::to_value(report)?;
    out["verdicts"] = counts.into();
    out["transcript"] = json!(file.filter(|_| refused.is_none()));
    println!("{out}");
    Ok(())
}

async fn clean_up(
    global: &Global,
    config: &Config,
    records: &Path,
    run: &str,
) -> anyhow::Result<Ending> {
    let ledger = Ledger::open(records, run)?;
    if let Some(other) = global.tenant.as_ref().filter(|t| **t != ledger.tenant) {
        bail!("run {run} was in tenant {}, not in {other}; nothing was deleted", ledger.tenant);
    }
    let tenant = config.tenant(Some(&ledger.tenant))?;
    let identities = Identities { config, tenant, clock: open::real_clock(), transcript: None };
    let dir = tempfile::tempdir().context("there is no place for a cache")?;
    let tools = identities.tools(ledger, dir.path())?;
    let bar = Bar::new(global.quiet || global.json);
    let left: Vec<Left> = clean(&tools, bar.as_ref()).await?;
    bar.finish();
    match global.json {
        true => println!("{}", json!({"run": run, "left": left})),
        false => println!("{}", words::cleaned(run, &left)),
    }
    Ok(if left.is_empty() { Ending::Done } else { Ending::Partial })
}
