//! `strongroom acceptance`: proof on a real tenant; plan, show, ask, and a report field by field.

mod words;

use crate::{Global, failure, host, output, tenant_restore::unasked};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use strongroom_acceptance::{
    AcceptanceReport, FieldVerdict, Ground, Leftover, RunRecord, Tools, clean, find_owner, prove,
    transcript::{Secrets, Transcript},
};
use strongroom_graph::Client;
use strongroom_model::Ending;
use strongroom_objects::LocalDir;
use strongroom_operations::{Identity, School, files::written};
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
struct Identities {
    school: School,
    transcript: Option<Transcript>,
}

impl Identities {
    fn client(
        &self,
        identity: Identity,
        ground: Option<&Arc<Ground>>,
    ) -> anyhow::Result<Arc<Client>> {
        let client = self.school.client_through(identity, |https| {
            let noted = match &self.transcript {
                Some(t) => t.transport(identity.name(), https),
                None => https,
            };
            match ground {
                Some(ground) => ground.transport(noted),
                None => noted,
            }
        })?;
        Ok(client)
    }

    fn tools(&self, ledger: RunRecord, dir: &Path) -> anyhow::Result<Tools> {
        let ground = Ground::new(ledger);
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|_| anyhow::anyhow!("the system is not random"))?;
        let cache = dir.join("cache");
        let repository = Repository::init(
            Arc::new(LocalDir::new(dir.join("repository"))),
            &hex::encode(random).into(),
            &cache,
            self.school.host().writer(),
            self.school.now(),
        )?;
        let configure = match sets_settings(&self.school) {
            true => Some(self.client(Identity::Configure, Some(&ground))?),
            false => None,
        };
        Ok(Tools {
            read: self.client(Identity::Read, Some(&ground))?,
            write: self.client(Identity::Write, Some(&ground))?,
            configure,
            repository: Arc::new(repository),
            cache,
            graph: self.school.tenant().graph.clone(),
            ground,
        })
    }
}

/// Whether the school's settings are proven too: where it has the identity for it.
fn sets_settings(school: &School) -> bool {
    school.tenant().identities.contains_key(Identity::Configure.name())
}

pub(crate) async fn acceptance(global: &Global, args: Acceptance) -> anyhow::Result<Ending> {
    let records = global.config()?.base.join(RECORDS);
    if let Some(run) = &args.clean {
        return clean_up(global, &records, run).await;
    }
    let school = global.school()?;
    let tenant = school.tenant();
    let owner = args.owner.as_deref().context("whose mailbox? --owner names it")?;
    unasked(global, args.yes)?;
    if let Some(file) = args.transcript.as_ref().filter(|f| f.symlink_metadata().is_ok()) {
        bail!("{} is there already; a transcript is written into a new file", file.display());
    }
    let with_settings = sets_settings(&school);
    if !global.json {
        print!("{}", words::plan(&tenant.name, owner, with_settings, args.transcript.as_deref()));
    }
    if !args.yes && !output::confirm("carry this out?")? {
        println!("nothing was changed");
        return Ok(Ending::Failed);
    }
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
            school.host().clock.clone(),
        )?),
        None => None,
    };
    let identities = Identities { school: school.clone(), transcript };
    let finder = identities.client(Identity::Write, None)?;
    let ledger = find_owner(&finder, &records, &tenant.name, owner).await?;
    if let Some(t) = &identities.transcript {
        t.know_mark(&ledger.mark());
    }
    let run = ledger.run.clone();
    let dir = tempfile::tempdir().context("there is no place for the run's repository")?;
    let tools = identities.tools(ledger, dir.path())?;
    let bar = global.bar();
    let proven = tokio::select! {
        done = prove(&tools, bar.as_ref()) => Some(done),
        () = host::interrupted() => None,
    };
    let left = tokio::select! {
        left = clean(&tools, bar.as_ref()) => left?,
        () = host::interrupted() => {
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
        Some(Ok(report)) => AcceptanceReport { left, ..report },
    };
    tell(global, &report, written.as_ref().err(), args.transcript.as_deref())?;
    written?;
    Ok(if report.is_whole() { Ending::Done } else { Ending::Partial })
}

fn write(identities: &Identities, file: Option<&Path>) -> anyhow::Result<()> {
    let (Some(t), Some(file)) = (&identities.transcript, file) else { return Ok(()) };
    let text = t.finish()?;
    written::put(file, text.as_ref())
        .with_context(|| format!("{} cannot be written", file.display()))
}

fn tell(
    global: &Global,
    report: &AcceptanceReport,
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
        [FieldVerdict::Identical, FieldVerdict::ProviderAltered, FieldVerdict::Different]
            .into_iter()
            .map(|v| Ok((words::verdict(v).to_owned(), json!(report.count(v)))))
            .collect::<anyhow::Result<_>>()?;
    let mut out = serde_json::to_value(report)?;
    out["verdicts"] = counts.into();
    out["transcript"] = json!(file.filter(|_| refused.is_none()));
    println!("{out}");
    Ok(())
}

async fn clean_up(global: &Global, records: &Path, run: &str) -> anyhow::Result<Ending> {
    let ledger = RunRecord::open(records, run)?;
    if let Some(other) = global.tenant().filter(|t| **t != ledger.tenant) {
        bail!("run {run} was in tenant {}, not in {other}; nothing was deleted", ledger.tenant);
    }
    let identities = Identities { school: global.school_named(&ledger.tenant)?, transcript: None };
    let dir = tempfile::tempdir().context("there is no place for a cache")?;
    let tools = identities.tools(ledger, dir.path())?;
    let bar = global.bar();
    let left: Vec<Leftover> = clean(&tools, bar.as_ref()).await?;
    bar.finish();
    match global.json {
        true => println!("{}", json!({"run": run, "left": left})),
        false => println!("{}", words::cleaned(run, &left)),
    }
    Ok(if left.is_empty() { Ending::Done } else { Ending::Partial })
}
