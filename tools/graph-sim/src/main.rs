//! `graph-sim serve`: the simulator as a process.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)]

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use graph_sim::{Addresses, SeedPlan, Settings, Sim, ThrottleSettings, Truth};
use std::{net::SocketAddr, path::PathBuf};

/// A Microsoft 365 that runs on a laptop.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve Graph over HTTPS, a CONNECT proxy and a control plane; prints one JSON line when
    /// ready.
    Serve(Serve),
    /// Ask what a transcript of a real tenant asked, and list what would be answered otherwise;
    /// ends with 3 when there is something.
    Replay(Replay),
}

#[derive(Args)]
struct Replay {
    /// The transcript (docs/transcript.md).
    file: PathBuf,
    /// Principal name of who stands for the owner; somebody by default.
    #[arg(long)]
    owner: Option<String>,
    /// Same seed, same school.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Size of the school.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Serve {
    /// Address of Graph; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    https: SocketAddr,
    /// Address of the CONNECT proxy.
    #[arg(long, default_value = "127.0.0.1:0")]
    proxy: SocketAddr,
    /// Address of the control plane, loopback only.
    #[arg(long, default_value = "127.0.0.1:0")]
    control: SocketAddr,
    /// Where CA and credentials are written; a temporary folder by default.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Fill the first tenant with the files of this folder.
    #[arg(long)]
    seed_dir: Option<PathBuf>,
    /// Same seed, same school.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Size of the school.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Number of tenants.
    #[arg(long, default_value_t = 1)]
    tenants: u32,
    /// Number of people, instead of what the scale says.
    #[arg(long)]
    people: Option<usize>,
    /// Messages in each mailbox, instead of what the scale says.
    #[arg(long)]
    messages: Option<usize>,
    /// Enforce the published throttle budgets.
    #[arg(long)]
    throttle: bool,
    /// Rewrite Office files on upload, as SharePoint does.
    #[arg(long)]
    office_rewrite: bool,
    /// Documented behaviour to hold back, by name: see `Truth`.
    #[arg(long, value_delimiter = ',')]
    without: Vec<String>,
    /// Hold back what the product cannot stand yet.
    #[arg(long)]
    for_the_product: bool,
    /// Start of the simulator's clock, RFC 3339; now by default.
    #[arg(long)]
    start: Option<jiff::Timestamp>,
}

#[tokio::main]
async fn main() {
    let done = match Cli::parse().command {
        Command::Serve(args) => serve(args).await.map(|()| 0),
        Command::Replay(args) => replay(&args),
    };
    match done {
        Ok(0) => {}
        Ok(code) => std::process::exit(code),
        Err(e) => {
            eprintln!("graph-sim: {e:#}");
            std::process::exit(1);
        }
    }
}

fn truth(name: &str) -> anyhow::Result<Truth> {
    serde_json::from_value(name.into())
        .with_context(|| format!("there is no behaviour {name:?} that could be held back"))
}

fn replay(args: &Replay) -> anyhow::Result<i32> {
    let text = std::fs::read_to_string(&args.file)
        .with_context(|| format!("{} cannot be read", args.file.display()))?;
    let sim = Sim::new(Settings::default(), args.seed, jiff::Timestamp::now());
    let plan = SeedPlan { seed: args.seed, scale: args.scale, ..SeedPlan::default() };
    sim.seed(&plan).context("cannot fill the tenant")?;
    let report = sim.replay(&text, args.owner.as_deref())?;
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        for d in &report.differences {
            println!("{}: {} (exchange {}, {} times)", d.call, d.what, d.first, d.times);
        }
        for (n, why) in &report.skipped {
            println!("exchange {n} was not asked: {why}");
        }
        println!(
            "{} of {} exchanges compared, {} not asked, {} differences",
            report.compared,
            report.exchanges,
            report.skipped.len(),
            report.differences.len()
        );
    }
    Ok(if report.differences.is_empty() && report.skipped.is_empty() { 0 } else { 3 })
}

async fn serve(args: Serve) -> anyhow::Result<()> {
    let dir = args
        .dir
        .unwrap_or_else(|| std::env::temp_dir().join(format!("graph-sim-{}", std::process::id())));
    let settings = Settings {
        throttle: if args.throttle { ThrottleSettings::Published } else { ThrottleSettings::Off },
        office_rewrite: args.office_rewrite,
        check_answers: false,
        withheld: args.without.iter().map(|n| truth(n)).collect::<anyhow::Result<_>>()?,
        ..Settings::default()
    };
    let settings = if args.for_the_product { settings.for_the_product() } else { settings };
    let sim = Sim::new(settings, args.seed, args.start.unwrap_or_else(jiff::Timestamp::now));
    for n in 0..args.tenants {
        let mut plan = SeedPlan {
            seed: args.seed,
            scale: args.scale,
            people: args.people,
            messages_per_mailbox: args.messages,
            ..SeedPlan::default()
        };
        if n == 0 {
            plan.dir.clone_from(&args.seed_dir);
        } else {
            plan.domain = format!("school{n}.example");
        }
        sim.seed(&plan).context("cannot fill the tenant")?;
    }
    let server = sim
        .serve(Addresses { https: args.https, proxy: args.proxy, control: args.control }, &dir)
        .await?;
    println!("{}", serde_json::to_string(&server.ready)?);
    tokio::signal::ctrl_c().await?;
    Ok(())
}
