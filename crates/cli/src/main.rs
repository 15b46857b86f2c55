//! `strongroom`: backup and protection for Microsoft 365.
//!
//! The only product crate that prints, reads the environment or picks paths.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)]

// First: its macros print for all that follow.
#[macro_use]
mod face;

mod acceptance;
mod alarms;
mod approvers;
mod assess;
mod baseline;
mod browse;
mod commands;
mod config;
mod demo;
#[cfg(test)]
mod documented;
mod edge;
mod export;
mod failure;
mod fleet;
mod host;
mod keys;
mod mount;
mod nightly;
mod output;
mod page;
mod plans;
mod progress;
mod remediate;
mod repair;
mod restore;
mod review;
mod rules;
mod shell;
mod status;
mod tenant;
mod tenant_restore;
mod upkeep;
mod vault;
mod words;

use clap::{Args, CommandFactory, Parser, Subcommand};
use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};
use strongroom_model::Ending;
use strongroom_operations::{Host, Stop, config::Config, rules as own_rules};

/// glibc keeps an arena a thread: a first backup of 100,000 messages took half as much memory again
/// with it, and a fifth more CPU time. Libraries in C use this one as well; its settings stand in
/// `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Backup and protection for Microsoft 365, three copies deep.
#[derive(Parser)]
#[command(
    name = "strongroom",
    version,
    term_width = HELP_COLUMNS,
    after_help = Ending::help(&Ending::ALL)
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// The help fits a terminal of the usual width.
const HELP_COLUMNS: usize = 80;
/// Stands after a command's own options.
const OF_ALL: &str = "Options of every command";

/// Options of every command.
#[derive(Args)]
#[command(next_help_heading = OF_ALL)]
pub(crate) struct Global {
    /// The configuration file.
    #[arg(
        long,
        global = true,
        env = "STRONGROOM_CONFIG",
        hide_env_values = true,
        default_value = "strongroom.toml"
    )]
    config: PathBuf,
    /// The tenant, when the configuration names several; `nightly` takes several.
    #[arg(long = "tenant", global = true, value_name = "TENANT")]
    tenants: Vec<String>,
    /// A repository's folder, or its name in the configuration, for commands that need no tenant;
    /// else the tenant says which.
    #[arg(short, long, global = true, env = "STRONGROOM_REPOSITORY", hide_env_values = true)]
    repo: Option<PathBuf>,
    /// File with the repository's password.
    #[arg(short, long, global = true, env = "STRONGROOM_PASSWORD_FILE", hide_env_values = true)]
    password_file: Option<PathBuf>,
    /// Folder for local caches.
    #[arg(long, global = true, env = "STRONGROOM_CACHE_DIR", hide_env_values = true)]
    cache_dir: Option<PathBuf>,
    /// Answer in JSON.
    #[arg(long, global = true)]
    json: bool,
    /// Say nothing but results.
    #[arg(short, long, global = true)]
    quiet: bool,
    /// What this computer says of itself.
    #[arg(skip = host::found())]
    host: Arc<Host>,
    /// The configuration, once it was read: one command sees one file.
    #[arg(skip)]
    read: OnceLock<Arc<Config>>,
}

#[derive(Subcommand)]
enum Command {
    /// Make the repository of a tenant, and recovery shares for its key.
    Init(commands::Init),
    /// Back up a tenant.
    Backup(commands::Backup),
    /// Alarms of backups that stand, and who looked at them.
    #[command(alias = "alarms")]
    Alarm {
        #[command(subcommand)]
        command: alarms::AlarmCommand,
    },
    /// List the snapshots.
    Snapshots(browse::Snapshots),
    /// Show what a repository holds, and how large it is.
    Stats(browse::Stats),
    /// List what a snapshot holds.
    Ls(browse::Ls),
    /// Find items by name, path, sender, subject, day, size or verdict.
    Find(browse::Find),
    /// Show all snapshots as folders of this computer, to read only, until Ctrl-C.
    Mount(mount::Mount),
    /// Write a file of a snapshot to standard output.
    Cat(browse::Cat),
    /// Show what changed between two snapshots.
    Diff(browse::Diff),
    /// Show the life of one item, snapshot by snapshot.
    History(browse::History),
    /// Put items back into Microsoft 365: shows its plan, then asks.
    Restore(restore::Restore),
    /// Check that the repository is sound.
    Check(upkeep::Check),
    /// Who approves what is planned for a school, besides who asks for it.
    Approver {
        #[command(subcommand)]
        command: approvers::ApproverCommand,
    },
    /// Let old snapshots go, as the retention says: shows its plan, then asks.
    Forget(upkeep::Forget),
    /// Give back the room of what no snapshot needs: shows its plan, then asks.
    Prune(upkeep::Prune),
    /// Keep snapshots from being forgotten.
    Hold {
        #[command(subcommand)]
        command: upkeep::Hold,
    },
    /// Plans that wait for somebody to carry them out.
    Plan {
        #[command(subcommand)]
        command: plans::PlanCommand,
    },
    /// Copy the repository into its vault, or rebuild it from there.
    Replicate(commands::Replicate),
    /// The third copy, from this side: enrolment, attacks on oneself, independence, recovery when
    /// all else is gone.
    Vault {
        #[command(subcommand)]
        command: vault::VaultCommand,
    },
    /// The tenant's configuration: keep it, judge it, see what changed.
    Tenant {
        #[command(subcommand)]
        command: tenant::TenantCommand,
    },
    /// The night of all schools: settings, backup, copy 3, a part of a check, retention.
    Nightly(nightly::Nightly),
    /// How old each school's copies are, which alarms stand, what is due and what is late.
    Status(status::Look),
    /// All schools at a glance: scores and failing rules, worst first.
    Fleet(fleet::Fleet),
    /// The first meeting with a school: look once, write one page, and remove the consent.
    Assess(assess::Assess),
    /// Prove on a real tenant that what is made comes back: inside objects made for it alone.
    Acceptance(acceptance::Acceptance),
    /// The queue of changes that somebody must look at, with deadline, decision and reason.
    Review {
        #[command(subcommand)]
        command: review::ReviewCommand,
    },
    /// Settings that many schools share: plan them, apply them to one school first, then to all.
    Baseline {
        #[command(subcommand)]
        command: baseline::BaselineCommand,
    },
    /// Make damage good: objects from the other copy, the index from the packs.
    Repair {
        #[command(subcommand)]
        command: repair::Repair,
    },
    /// Passwords, recovery shares, rotation.
    Key {
        #[command(subcommand)]
        command: keys::Key,
    },
    /// Look at the configuration.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// A school is backed up, attacked, and brought back clean, on this machine.
    Demo(demo::Demo),
    /// Write the completions for a shell to standard output.
    Completions(shell::Completions),
    /// Write manual pages into a folder.
    Man(shell::Man),
    /// Servers of the demonstration, as processes of their own.
    #[command(hide = true)]
    Internal(demo::servers::Internal),
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Read the configuration and explain every error in it.
    Check {
        /// Also sign in as each identity and reach each copy: permissions that are missing or that
        /// nothing needs, certificates that end, clocks, what the credentials may do. Ends with 4
        /// where something fails, with 3 where somebody should see to something.
        #[arg(long)]
        online: bool,
    },
}

impl Cli {
    /// Refuses several tenants where one command works for one: none of them would be told.
    fn with_one_tenant(self) -> Result<Self, clap::Error> {
        match &self.command {
            Command::Nightly(_) => Ok(self),
            _ if self.global.tenants.len() < 2 => Ok(self),
            _ => {
                let says = "--tenant chooses one school here; `nightly` takes several";
                Err(Cli::command().error(clap::error::ErrorKind::ArgumentConflict, says))
            }
        }
    }
}

/// No memory of a process that holds keys is written to a disk, whatever ends it, or is read by
/// another process of the same account. A system that refuses this keeps nobody from a backup. What
/// the program writes is for its own account: restored mail, exports, sheets, journals.
fn keep_private() {
    let _ = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let mut done = setrlimit(Resource::Core, none);
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        done = done.and(set_dumpable_behavior(DumpableBehavior::NotDumpable));
    }
    if let Err(e) = done {
        eprintln!("strongroom: a crash may leave keys on the disk: core dumps stay allowed: {e}");
    }
}

fn main() {
    keep_private();
    // One module of the customer's rules, alone in a process whose limits it cannot leave.
    if std::env::args_os().nth(1).is_some_and(|a| a == rules::ALONE) {
        let said = own_rules::answer(std::io::stdin().lock(), strongroom_rego::run);
        let ending = match said {
            Ok(said) => {
                println!("{said}");
                Ending::Done
            }
            Err(e) => failure::report(&e.into(), false),
        };
        std::process::exit(ending.code());
    }
    let cli = Cli::try_parse()
        .and_then(Cli::with_one_tenant)
        .unwrap_or_else(|e| std::process::exit(failure::usage(&e).code()));
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("STRONGROOM_LOG")
                .unwrap_or_else(|_| "warn".into()),
        )
        .with_ansi(false)
        .with_writer(|| face::Told)
        // Whoever reads it may be gone, and a complaint of that would be a panic.
        .log_internal_errors(false)
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("strongroom: cannot start: {e}");
            std::process::exit(Ending::Failed.code());
        }
    };
    // What a runtime that ends breaks off is no crash.
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !face::is_ending() {
            usual(info);
        }
    }));
    // Who only looks has no more to do for a reader that went away.
    if matches!(
        cli.command,
        Command::Snapshots(_)
            | Command::Status(_)
            | Command::Stats(_)
            | Command::Ls(_)
            | Command::Find(_)
            | Command::Cat(_)
            | Command::Diff(_)
            | Command::History(_)
    ) {
        face::end_with_the_reader();
    }
    let (json, quiet) = (cli.global.json, cli.global.quiet);
    // For a mount an interrupt is the ordinary end; an acceptance run cleans up first.
    let ends_itself = matches!(cli.command, Command::Mount(_) | Command::Acceptance(_));
    // A backup keeps what it has read.
    let stops = matches!(cli.command, Command::Backup(_) | Command::Nightly(_));
    if !ends_itself {
        let stop = stops.then(|| cli.global.host.stop.clone());
        // From a task of its own: what waits for a server may keep the other from being looked at.
        runtime.spawn(async move {
            host::interrupted().await;
            strongroom_operations::stop_waiting();
            if let Some(stop) = stop {
                end_soon(&stop, json, quiet).await;
            }
        });
    }
    let done = runtime.block_on(async {
        tokio::select! {
            done = run(cli) => Some(done),
            () = host::interrupted(), if !ends_itself && !stops => None,
        }
    });
    let ending = match done {
        Some(Ok(ending)) => ending,
        Some(Err(e)) => failure::report(&e, json),
        None => {
            let text = "interrupted; what was done by then is done, and the command can be run \
                        again for the rest";
            failure::tell(text, Ending::Interrupted, json);
            Ending::Interrupted
        }
    };
    // In this order: who was interrupted in the middle of a long write holds what is asked here.
    let ending = match ending == Ending::Done && face::is_unsaid() {
        true => {
            eprintln!(
                "strongroom: what was done is done, but its results could not be written to the \
                 standard output"
            );
            Ending::Failed
        }
        false => ending,
    };
    face::end();
    runtime.shutdown_timeout(std::time::Duration::from_secs(3));
    std::process::exit(ending.code());
}

/// How long work may take to keep what it has.
const END_S: u64 = 60;

/// Asks the work to end with what it has. A second interruption ends it as a power failure would,
/// and so does work that takes too long.
async fn end_soon(stop: &Stop, json: bool, quiet: bool) {
    stop.stop();
    if !json && !quiet {
        eprintln!("strongroom: interrupted; what was read is being kept (again: end at once)");
    }
    tokio::select! {
        () = host::interrupted() => {}
        () = tokio::time::sleep(Duration::from_secs(END_S)) => {}
    }
    let text = "interrupted at once; of this run, what `strongroom snapshots` lists is kept";
    failure::tell(text, Ending::Interrupted, json);
    std::process::exit(Ending::Interrupted.code());
}

async fn run(cli: Cli) -> anyhow::Result<Ending> {
    let global = cli.global;
    match cli.command {
        Command::Init(a) => commands::init(&global, a).await,
        Command::Backup(a) => commands::backup(&global, a).await,
        Command::Alarm { command } => alarms::alarm(&global, command).await,
        Command::Snapshots(a) => browse::snapshots(&global, a).await,
        Command::Stats(a) => browse::stats(&global, a).await,
        Command::Ls(a) => browse::ls(&global, a).await,
        Command::Find(a) => browse::find(&global, a).await,
        Command::Mount(a) => mount::mount(&global, a).await,
        Command::Cat(a) => browse::cat(&global, a).await,
        Command::Diff(a) => browse::diff(&global, a).await,
        Command::History(a) => browse::history(&global, a).await,
        Command::Restore(a) => restore::restore(&global, a).await,
        Command::Check(a) => upkeep::check(&global, a).await,
        Command::Forget(a) => upkeep::forget(&global, a).await,
        Command::Prune(a) => upkeep::prune(&global, a).await,
        Command::Hold { command } => upkeep::hold(&global, command).await,
        Command::Approver { command } => approvers::approver(&global, command).await,
        Command::Plan { command } => plans::plan(&global, command).await,
        Command::Replicate(a) => commands::replicate(&global, a).await,
        Command::Vault { command } => vault::vault(&global, command).await,
        Command::Tenant { command } => tenant::tenant(&global, command).await,
        Command::Acceptance(a) => acceptance::acceptance(&global, a).await,
        Command::Assess(a) => assess::assess(&global, a).await,
        Command::Review { command } => review::review(&global, command).await,
        Command::Baseline { command } => baseline::baseline(&global, command).await,
        Command::Nightly(a) => nightly::run(&global, a).await,
        Command::Status(a) => status::show(&global, a).await,
        Command::Fleet(a) => fleet::fleet(&global, a).await,
        Command::Repair { command } => repair::repair(&global, command).await,
        Command::Key { command } => keys::key(&global, command).await,
        Command::Config { command: ConfigCommand::Check { online } } => {
            config::check(&global, online).await
        }
        Command::Demo(a) => demo::run(&global, a).await,
        Command::Completions(a) => Ok(shell::completions::<Cli>(&a)),
        Command::Man(a) => shell::man::<Cli>(&a),
        Command::Internal(a) => demo::servers::internal(a).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_line_of_the_documents_is_taken() {
        let parse = |words: &[String]| Cli::try_parse_from(words).map(|_| ());
        documented::hold("strongroom", 100, &parse);
    }

    fn walk(path: &str, command: &mut clap::Command, see: &mut dyn FnMut(&str, &str)) {
        for help in [command.render_help(), command.render_long_help()] {
            see(path, &help.to_string());
        }
        // What is hidden is started by the program itself.
        for below in command.get_subcommands_mut().filter(|c| !c.is_hide_set()) {
            walk(&format!("{path} {}", below.get_name()), below, see);
        }
    }

    #[test]
    fn the_help_of_every_command_fits_80_columns_and_begins_with_its_own_options() {
        let mut cli = Cli::command();
        cli.build();
        let (mut seen, mut with_own) = (0, 0);
        walk("strongroom", &mut cli, &mut |path, help| {
            seen += 1;
            for line in help.lines() {
                assert!(line.chars().count() <= HELP_COLUMNS, "{path}: {line:?}");
            }
            let at = |heading: &str| help.find(&format!("\n{heading}:\n"));
            let (own, of_all) = (at("Options"), at(OF_ALL));
            // Nobody asks the help command itself for its options.
            if path.split(' ').any(|word| word == "help") {
                return;
            }
            assert!(of_all.is_some(), "{path}: {help}");
            let is_first = own.zip(of_all).is_none_or(|(own, of_all)| own < of_all);
            assert!(is_first, "{path}: {help}");
            with_own += usize::from(own.is_some());
            let of_all = of_all.unwrap_or_default();
            assert!(!help[..of_all].contains("--cache-dir"), "{path}: {help}");
        });
        assert!(seen > 120 && with_own > 60, "{seen} pages, {with_own} with own options");
    }

    /// What a script types for one command it may type for all.
    #[test]
    fn a_flag_has_one_meaning_and_one_short_form() {
        let mut cli = Cli::command();
        cli.build();
        let mut shorts = std::collections::BTreeMap::new();
        fn look(
            command: &clap::Command,
            shorts: &mut std::collections::BTreeMap<
                String,
                std::collections::BTreeSet<Option<char>>,
            >,
        ) {
            for arg in command.get_arguments() {
                if let Some(long) = arg.get_long() {
                    shorts.entry(long.to_owned()).or_default().insert(arg.get_short());
                }
            }
            command.get_subcommands().for_each(|c| look(c, shorts));
        }
        look(&cli, &mut shorts);
        let torn: Vec<_> = shorts.iter().filter(|(_, s)| s.len() > 1).collect();
        assert!(torn.is_empty() && shorts.len() > 60, "{torn:?} of {}", shorts.len());
    }
}
