//! `strongroom acceptance`: proof on a real tenant; plan, show, ask, and a report field by field.

mod words;

use crate::{Global, failure, host, output, tenant_restore::unasked};
use anyhow::Context;
use clap::Args;
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use strongroom_model::{Ending, Progress};
use strongroom_operations::{
    Choice,
    acceptance::{
        AcceptancePlan, AcceptanceReport, AcceptanceRequest, AcceptanceRun, FieldVerdict,
    },
};

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

pub(crate) async fn acceptance(global: &Global, args: Acceptance) -> anyhow::Result<Ending> {
    if let Some(run) = &args.clean {
        return clean_up(global, run).await;
    }
    let school = global.school()?;
    let request = AcceptanceRequest {
        owner: args.owner.clone().context("whose mailbox? --owner names it")?,
        transcript: args.transcript.clone(),
        scratch: std::env::temp_dir(),
    };
    unasked(global, args.yes)?;
    let plan = AcceptancePlan::of(&school, request)?;
    if !global.json {
        print!("{}", words::plan(&plan));
    }
    if !args.yes && !output::confirm("carry this out?")? {
        println!("nothing was changed");
        return Ok(Ending::Failed);
    }
    let run = plan.begin().await?;
    let bar = global.bar();
    let hears: Arc<dyn Progress> = bar.clone();
    let proven = tokio::select! {
        done = run.prove(&hears) => Some(done),
        () = host::interrupted() => None,
    };
    let left = tokio::select! {
        left = run.clean(&hears) => left?,
        () = host::interrupted() => {
            bar.finish();
            let text = format!("interrupted; {}", words::by_command(run.id()));
            failure::tell(&text, Ending::Interrupted, global.json);
            return Ok(Ending::Interrupted);
        }
    };
    bar.finish();
    let written = run.write_transcript();
    let report = match proven {
        None => {
            let text = format!("interrupted; {}", words::cleaned(run.id(), &left));
            failure::tell(&text, Ending::Interrupted, global.json);
            return Ok(Ending::Interrupted);
        }
        Some(Err(e)) => {
            eprintln!("strongroom: {}", words::cleaned(run.id(), &left));
            return Err(e.into());
        }
        Some(Ok(report)) => AcceptanceReport { left, ..report },
    };
    tell(global, &report, args.transcript.as_deref().filter(|_| written.is_ok()))?;
    written?;
    Ok(if report.is_whole() { Ending::Done } else { Ending::Partial })
}

fn tell(
    global: &Global,
    report: &AcceptanceReport,
    transcript: Option<&Path>,
) -> anyhow::Result<()> {
    if !global.json {
        print!("{}", words::report(report));
        if let Some(file) = transcript {
            println!("transcript in {}", file.display());
        }
        return Ok(());
    }
    let counts: serde_json::Map<_, _> =
        [FieldVerdict::Identical, FieldVerdict::ProviderAltered, FieldVerdict::Different]
            .into_iter()
            .map(|v| (words::verdict(v).to_owned(), json!(report.count(v))))
            .collect();
    let mut out = serde_json::to_value(report)?;
    out["verdicts"] = counts.into();
    out["transcript"] = json!(transcript);
    println!("{out}");
    Ok(())
}

async fn clean_up(global: &Global, id: &str) -> anyhow::Result<Ending> {
    let choice = Choice { tenant: global.tenant().cloned(), ..Choice::default() };
    let (config, scratch) = (global.config()?, std::env::temp_dir());
    let run = AcceptanceRun::left_behind(&config, &global.host, &choice, id, &scratch)?;
    let bar = global.bar();
    let hears: Arc<dyn Progress> = bar.clone();
    let left = run.clean(&hears).await?;
    bar.finish();
    match global.json {
        true => println!("{}", json!({"run": id, "left": left})),
        false => println!("{}", words::cleaned(id, &left)),
    }
    Ok(if left.is_empty() { Ending::Done } else { Ending::Partial })
}
