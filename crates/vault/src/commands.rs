use crate::text::{Line, alarm, table};
use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand};
use serde_json::json;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};
use strongroom_custody::{
    AuditOptions, CanaryOutcome, CanaryReport, Custodian, EnrolmentCard, Meaning, ProbeResult,
    PublicKey, VaultPolicy,
};
use strongroom_model::{Ending, shown_bytes};
use strongroom_objects::{SETTINGS_BYTES_MAX, read_regular_text};
use strongroom_vault::{
    CredentialRight, Enrol, Refusal, RepoSettings, SourceEntry, Tls, Vault, new_custodian, serve,
    write_private,
};

/// The ways in which this program ends.
pub(crate) const ENDINGS: [Ending; 8] = [
    Ending::Done,
    Ending::Failed,
    Ending::Usage,
    Ending::Partial,
    Ending::Alarm,
    Ending::NoRepository,
    Ending::Locked,
    Ending::Interrupted,
];

/// Keeps the third copy: takes objects in, lets nothing go before its time.
#[derive(Parser)]
#[command(
    name = "strongroom-vault",
    version,
    term_width = 80,
    after_help = Ending::help(&ENDINGS)
)]
pub(crate) struct Cli {
    /// The vault's own folder.
    #[arg(
        long,
        global = true,
        env = "STRONGROOM_VAULT_DIR",
        default_value = "/var/lib/strongroom-vault"
    )]
    dir: PathBuf,
    /// Answer in JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Show no progress.
    #[arg(short, long, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the vault's public key; its first use makes it.
    Key,
    /// Custodians: of whom two together change what the vault does.
    Custodian {
        #[command(subcommand)]
        command: CustodianCommand,
    },
    /// Enrol a school's repository.
    Enrol(EnrolArgs),
    /// Fetch what is new from copy 2.
    Pull {
        /// The repository.
        repo: String,
    },
    /// Serve restic's REST protocol, to read and to push; prints one JSON line when ready.
    Serve(ServeArgs),
    /// Serve, and pull, verify, attack itself and expire on schedule.
    Run(ServeArgs),
    /// How every repository stands: the least lock, what is frozen, the last alarms.
    Status,
    /// List the sealed sessions of a repository.
    Sessions {
        /// The repository.
        repo: String,
    },
    /// Show locks: until when, needed until when, where.
    Locks {
        /// The repository.
        repo: String,
        /// Only what lies below this path, for instance `snapshots/`.
        #[arg(default_value = "")]
        below: String,
    },
    /// Lay out what readers see up to a session, as a restic repository.
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
    /// Make locks long enough, whether anything comes or not. A pull does it, and so does `verify`.
    Renew {
        /// The repository.
        repo: String,
    },
    /// Look whether each version is there, in sight and locked, and nothing besides; locks that are
    /// too short are set again.
    Verify {
        /// The repository.
        repo: String,
        /// Of so many hundredths of the objects, read the bytes and hold them against their name.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u8).range(0..=100))]
        read_percent: u8,
        /// Change nothing.
        #[arg(long)]
        no_mend: bool,
    },
    /// Show what may go; with --apply let it go.
    Expire {
        /// The repository.
        repo: String,
        /// Do it.
        #[arg(long)]
        apply: bool,
    },
    /// Try with the vault's own credential what a thief would try.
    Canary {
        /// The repository.
        repo: String,
    },
    /// Try what a bucket does with what it is asked, before anything is entrusted to it.
    Probe {
        /// Settings file with `[hold]`, as for enrol.
        settings: PathBuf,
    },
    /// Credentials of the vault's server; a change counts at once.
    Credential {
        #[command(subcommand)]
        command: crate::credential::CredentialCommand,
    },
    /// Alarms: what is wrong for as long as it is so.
    Alarm {
        #[command(subcommand)]
        command: AlarmCommand,
    },
    /// Orders of custodians: written by one, signed by two, carried out here.
    Order {
        #[command(subcommand)]
        command: crate::order::OrderCommand,
    },
}

#[derive(Subcommand)]
enum AlarmCommand {
    /// List those that stand; ends with 4 while one of them is open. `order new … acknowledge`
    /// bears one for a while.
    List {
        /// The repository.
        repo: String,
    },
}

#[derive(Subcommand)]
enum CustodianCommand {
    /// Make a custodian's key, on a medium of their own; prints the public part.
    New {
        /// Name.
        name: String,
        /// New file for the private key.
        #[arg(long)]
        out: PathBuf,
    },
}

#[derive(Args)]
struct EnrolArgs {
    /// Name of the repository here.
    repo: String,
    /// The school's card, from `strongroom vault card`.
    #[arg(long)]
    card: PathBuf,
    /// A custodian, NAME=PUBLIC KEY, in 64 digits or 25 words; at least twice.
    #[arg(long = "custodian", required = true)]
    custodians: Vec<String>,
    /// How many custodians a change takes.
    #[arg(long, default_value_t = 2)]
    quorum: usize,
    /// File with the policy, TOML; the default policy without it.
    #[arg(long)]
    policy: Option<PathBuf>,
    /// File with settings, TOML: where to keep and where to pull from.
    #[arg(long)]
    settings: Option<PathBuf>,
    /// Folder of copy 2, mounted read-only: short for settings with a source.
    #[arg(long)]
    source: Option<PathBuf>,
    /// New file for the token of a credential that may add and read.
    #[arg(long)]
    push_token_file: Option<PathBuf>,
    /// New file for the token of a credential that may read only.
    #[arg(long)]
    read_token_file: Option<PathBuf>,
}

#[derive(Args)]
struct ServeArgs {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8400")]
    listen: SocketAddr,
    /// Certificate, PEM; without one only loopback is served.
    #[arg(long, requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long, requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// CA of the clients' certificates, PEM: without one of its certificates nobody gets in.
    #[arg(long, requires = "tls_certificate")]
    client_ca: Option<PathBuf>,
}

pub(crate) fn custodian(text: &str) -> anyhow::Result<Custodian> {
    let (name, key) = text
        .split_once('=')
        .with_context(|| format!("{text:?} is no custodian; it reads NAME=PUBLIC KEY"))?;
    Ok(Custodian { name: name.to_owned(), key: PublicKey::parse(key)? })
}

fn policy(path: &Path) -> anyhow::Result<VaultPolicy> {
    crate::order::policy_on(&VaultPolicy::default(), path)
}

pub(crate) fn open(cli: &Cli) -> anyhow::Result<Vault> {
    exists(cli)?;
    Vault::open(&cli.dir).with_context(|| format!("cannot open the vault in {}", cli.dir.display()))
}

fn exists(cli: &Cli) -> anyhow::Result<()> {
    // A mistyped folder must not become a vault that holds nothing and says that all is well.
    let makes = matches!(cli.command, Command::Enrol(_) | Command::Key);
    if !makes
        && !cli.dir.join("vault.key").is_file()
        && !std::fs::read_dir(&cli.dir)
            .is_ok_and(|mut d| d.any(|e| e.is_ok_and(|e| e.path().join("school.pub").is_file())))
    {
        let text = format!(
            "there is no vault in {}; name its folder with --dir, or make one with \
             `strongroom-vault enrol`",
            cli.dir.display()
        );
        return Err(Refusal::NoRepository(text).into());
    }
    Ok(())
}

impl Cli {
    /// Whether an interrupt is the ordinary end of the command.
    pub(crate) fn serves(&self) -> bool {
        matches!(self.command, Command::Serve(_) | Command::Run(_))
    }
}

pub(crate) fn run(cli: Cli) -> anyhow::Result<Ending> {
    // The libraries that the vault calls end the program at a time that they cannot write down.
    strongroom_custody::host_time()?;
    let line = || Line::new(cli.quiet || cli.json);
    let say = |value: serde_json::Value, text: String| match cli.json {
        true => println!("{value}"),
        false => print!("{text}"),
    };
    match &cli.command {
        Command::Key => {
            let key = open(&cli)?.public();
            say(
                json!({"vault": key, "vault_in_words": key.in_words()}),
                format!("{key}\n\nthe same in words, for the telephone:\n{}", in_words(&key)),
            );
        }
        Command::Custodian { command: CustodianCommand::New { name, out } } => {
            let c = new_custodian(name, out)?;
            let mut said = json!(c);
            said["key_in_words"] = c.key.in_words().into();
            let words = in_words(&c.key);
            say(
                said,
                format!("{}={}\n\nthe key in words, for the telephone:\n{words}", c.name, c.key),
            );
        }
        Command::Enrol(a) => return enrol(&cli, a),
        Command::Pull { repo } => {
            let vault = open(&cli)?;
            let report = vault.pull(repo, &line())?;
            // Those that opened the log included.
            let requests = vault.requests(repo)?;
            let mut text = String::new();
            for (kind, t) in &report.alarms {
                text.push_str(&format!("{}\n", alarm(&format!("ALARM {kind}: {t}"))));
            }
            if report.paused {
                text.push_str("paused: its hours are over; the next pull goes on from here\n");
            }
            if report.superseded > 0 {
                text.push_str(&format!(
                    "{} snapshots of copy 2 were forgotten or pruned around before this vault \
                     could take them; pull more often than copy 2 is pruned\n",
                    report.superseded
                ));
            }
            if report.unnamed > 0 {
                text.push_str(&format!(
                    "{} objects of copy 2 are named by no signed manifest: unfinished, or not from \
                     the backup; they stay behind\n",
                    report.unnamed
                ));
            }
            text.push_str(&match report.session {
                Some(n) => format!(
                    "session {n}: {} snapshots, {} objects, {}",
                    report.snapshots,
                    report.objects,
                    shown_bytes(report.bytes)
                ),
                None => format!(
                    "nothing new was published; {} objects, {}",
                    report.objects,
                    shown_bytes(report.bytes)
                ),
            });
            text.push_str(&format!(
                "; {} of {} locks renewed ({}); {requests} requests\n",
                report.renewal.renewed,
                report.renewal.looked_at,
                cost(report.renewal.renewed)
            ));
            if let Some(least) = report.renewal.least {
                text.push_str(&format!(
                    "everything that a snapshot reaches is locked until {least:.0} at least\n"
                ));
            }
            say(json!({"report": report, "requests": requests}), text);
            return Ok(match (report.alarms.is_empty(), report.paused) {
                (false, _) => Ending::Alarm,
                (true, true) => Ending::Partial,
                (true, false) => Ending::Done,
            });
        }
        Command::Serve(a) => return server(&cli, a, false),
        Command::Run(a) => return server(&cli, a, true),
        Command::Status => {
            let (value, text, code) = crate::status::of(&open(&cli)?);
            say(value, text);
            return Ok(code);
        }
        Command::Sessions { repo } => {
            let all = open(&cli)?.sessions(repo)?;
            let word = |s: &strongroom_objects::SealedSession| {
                let names: Vec<String> =
                    s.snapshots.iter().map(|x| format!("{:.8} {}", x.snapshot, x.word())).collect();
                names.join(", ")
            };
            let rows: Vec<Vec<String>> = all
                .iter()
                .map(|s| {
                    vec![s.session.to_string(), s.sealed_at.clone(), s.objects.to_string(), word(s)]
                })
                .collect();
            say(
                json!(all),
                table(&["session", "sealed", "objects", "snapshots, as the manifests say"], &rows),
            );
        }
        Command::Locks { repo, below } => {
            let all = open(&cli)?.rows(repo, below)?;
            let date = |t: jiff::Timestamp| t.strftime("%Y-%m-%d").to_string();
            let row = |r: &strongroom_vault::LockedObject| {
                vec![
                    date(r.until),
                    r.needed.map_or_else(|| "-".into(), date),
                    r.size_bytes.to_string(),
                    r.region.clone(),
                    r.path.clone(),
                ]
            };
            let rows: Vec<Vec<String>> = all.iter().map(row).collect();
            say(
                json!(all),
                table(&["locked until", "needed until", "bytes", "region", "object"], &rows),
            );
        }
        Command::View { repo, upto, out } => {
            let n = open(&cli)?.lay_out(repo, *upto, out)?;
            say(
                json!({"objects": n, "folder": out}),
                format!("{n} objects are laid out in {}\n", out.display()),
            );
        }
        Command::Renew { repo } => {
            let renewal = open(&cli)?.renew(repo, &line())?;
            let alarms = renewal.alarm();
            let mut text: String = alarms
                .iter()
                .map(|(kind, t)| format!("{}\n", alarm(&format!("ALARM {kind}: {t}"))))
                .collect();
            text.push_str(&format!(
                "{} of {} locks renewed ({})\n",
                renewal.renewed,
                renewal.looked_at,
                cost(renewal.renewed)
            ));
            say(json!({"renewal": renewal}), text);
            return Ok(if alarms.is_none() { Ending::Done } else { Ending::Alarm });
        }
        Command::Verify { repo, read_percent, no_mend } => {
            let vault = open(&cli)?;
            // What fails at it is told like the rest, and keeps nobody from looking.
            let renewed = if *no_mend { Ok(None) } else { vault.renew(repo, &line()).map(Some) };
            let options = AuditOptions { read_percent: *read_percent, mend: !no_mend };
            let report = vault.verify(repo, options, &line())?;
            let mut alarms = report.alarms();
            let is_failed = renewed.is_err();
            let longer = renewed.as_ref().ok().and_then(Option::as_ref).map(|r| r.renewed);
            alarms.extend(match renewed {
                Ok(renewal) => renewal.and_then(|r| r.alarm()),
                Err(e) => Some(("renewal".to_owned(), e.to_string())),
            });
            let mut text: String = alarms
                .iter()
                .map(|(kind, t)| format!("{}\n", alarm(&format!("ALARM {kind}: {t}"))))
                .collect();
            text.push_str(&format!(
                "{} objects, {}; {} read; {} locks set again",
                report.objects,
                shown_bytes(report.bytes),
                report.read,
                report.mended
            ));
            text.push_str(&longer.map_or_else(String::new, |n| format!(", {n} made longer")));
            text.push_str(
                &report.least.map_or_else(String::new, |l| format!("; the least lock ends {l:.0}")),
            );
            text.push('\n');
            let mut value = json!(report);
            value["renewed"] = json!(longer);
            say(value, text);
            // What custodians bear is told, and fails nothing.
            let open = vault.standing(repo)?;
            let is_open =
                |(kind, _): &(String, String)| open.iter().any(|a| a.open && a.kind == *kind);
            let failed = is_failed || alarms.iter().any(is_open);
            return Ok(if failed { Ending::Alarm } else { Ending::Done });
        }
        Command::Expire { repo, apply } => {
            let vault = open(&cli)?;
            let (plan, freed) = match apply {
                true => vault.expire(repo, &line())?,
                false => (vault.plan_expiry(repo)?, 0),
            };
            let mut text: String = plan
                .frozen
                .iter()
                .map(|f| format!("{}\n", alarm(&format!("FROZEN {f}"))))
                .collect();
            if plan.frozen.is_empty() {
                let verb = if *apply {
                    format!("{freed} objects freed")
                } else {
                    format!("{} objects may go; --apply lets them go", plan.paths.len())
                };
                text.push_str(&format!(
                    "{verb}: {} snapshots, {}; {} more are unneeded and still locked, {}\n",
                    plan.snapshots,
                    shown_bytes(plan.bytes),
                    plan.waiting.0,
                    shown_bytes(plan.waiting.1)
                ));
            }
            say(json!({"plan": plan, "freed": freed}), text);
            return Ok(if plan.frozen.is_empty() { Ending::Done } else { Ending::Alarm });
        }
        Command::Canary { repo } => {
            let (report, signed) = open(&cli)?.canary(repo)?;
            match cli.json {
                true => println!(
                    "{}",
                    json!({"report": report, "signed": String::from_utf8_lossy(&signed)})
                ),
                false => print!("{}", canary_text(&report)),
            }
            return Ok(if report.worked().is_empty() { Ending::Done } else { Ending::Alarm });
        }
        Command::Probe { settings } => {
            let findings = strongroom_vault::probe_settings(settings)?;
            say(json!(findings), probe_text(&findings));
            let is_refused = findings.iter().any(|f| f.meaning == Meaning::Refused);
            return Ok(if is_refused { Ending::Failed } else { Ending::Done });
        }
        Command::Credential { command } => {
            let (value, text) = crate::credential::run(&cli.dir, command)?;
            say(value, text);
        }
        Command::Alarm { command: AlarmCommand::List { repo } } => {
            let (value, text, code) = crate::status::alarms(&open(&cli)?.standing(repo)?);
            say(value, text);
            return Ok(code);
        }
        Command::Order { command } => return crate::order::run(&cli, command),
    }
    Ok(Ending::Done)
}

/// A key for the telephone, in rows.
fn in_words(key: &PublicKey) -> String {
    key.rows_of_words().iter().map(|row| format!("  {row}\n")).collect()
}

/// What renewals cost where each is a PUT at the list price of AWS (Europe, 2026), as a hint.
fn cost(calls: u64) -> String {
    format!("{calls} calls, about ${:.4} at $0.005 a thousand", calls as f64 * 0.000_005)
}

fn enrol(cli: &Cli, a: &EnrolArgs) -> anyhow::Result<Ending> {
    let text = read_regular_text(&a.card, SETTINGS_BYTES_MAX)
        .with_context(|| format!("{} cannot be read", a.card.display()))?;
    let card: EnrolmentCard = serde_json::from_str(&text).with_context(|| {
        format!("{} is no card; `strongroom vault card` writes one", a.card.display())
    })?;
    let mut settings = match &a.settings {
        Some(path) => RepoSettings::read(path)?,
        None => RepoSettings::default(),
    };
    if let Some(path) = &a.source {
        settings.source = Some(SourceEntry::Folder { path: std::path::absolute(path)? });
    }
    let policy = match &a.policy {
        Some(path) => policy(path)?,
        None => VaultPolicy::default(),
    };
    let mut credentials = Vec::new();
    let files: Vec<(&PathBuf, &str)> =
        [(a.push_token_file.as_ref(), "push"), (a.read_token_file.as_ref(), "read")]
            .into_iter()
            .filter_map(|(f, u)| Some((f?, u)))
            .collect();
    for (file, user) in &files {
        if file.exists() {
            bail!("{} exists; a token goes into a new file", file.display());
        }
        credentials.push((
            (*user).to_owned(),
            if *user == "push" { CredentialRight::Push } else { CredentialRight::Read },
        ));
    }
    let custodians =
        a.custodians.iter().map(|c| custodian(c)).collect::<anyhow::Result<Vec<_>>>()?;
    let vault = open(cli)?;
    let (tokens, findings) = vault.enrol(
        &a.repo,
        Enrol { card: card.clone(), custodians, quorum: a.quorum, policy, settings, credentials },
    )?;
    let status = vault.status(&a.repo)?;
    let told = status.alarms.iter().map(|(_, _, text)| text);
    let alarms: Vec<&String> = status.standing.iter().chain(told).collect();
    for text in &alarms {
        eprintln!("{}", alarm(&format!("ALARM {text}")));
    }
    for (file, user) in &files {
        if let Some(token) = tokens.get(*user) {
            write_private(file, token)?;
        }
    }
    let files: Vec<String> =
        files.iter().map(|(f, u)| format!("the token of {u:?} is in {}", f.display())).collect();
    match cli.json {
        true => println!(
            "{}",
            json!({"repository": a.repo, "school": card.key, "vault": vault.public(),
                "school_in_words": card.key.in_words(),
                "vault_in_words": vault.public().in_words(),
                "findings": findings, "alarms": alarms})
        ),
        false => {
            print!("{}", probe_text(&findings));
            println!(
                "{} is enrolled. Read these to each other, on a channel that is not this one, in \
                 words or in digits:",
                a.repo
            );
            for (whose, key) in [("school", card.key), ("vault", vault.public())] {
                println!("the {whose}'s key\n{}  {key}", in_words(&key));
            }
            files.iter().for_each(|f| println!("{f}"));
        }
    }
    Ok(if alarms.is_empty() { Ending::Done } else { Ending::Alarm })
}

fn server(cli: &Cli, a: &ServeArgs, schedule: bool) -> anyhow::Result<Ending> {
    exists(cli)?;
    let cannot = || format!("cannot open the vault in {}", cli.dir.display());
    // The schedule opens each school in a thread of its own: one that does not answer keeps none of
    // the others waiting.
    let vault = match schedule {
        true => Vault::found(&cli.dir),
        false => Vault::open(&cli.dir),
    };
    let vault = Arc::new(vault.with_context(cannot)?);
    let tls = match (&a.tls_certificate, &a.tls_key) {
        (Some(certificate), Some(key)) => {
            Some(Tls::read(certificate, key, a.client_ca.as_deref())?)
        }
        _ if a.listen.ip().is_loopback() => None,
        _ => bail!(
            "without --tls-certificate and --tls-key only loopback is served: credentials would \
             cross the network in the open"
        ),
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listening = serve(vault.clone(), a.listen, tls).await?;
        println!("{}", json!({"url": format!("{scheme}://{}/", listening.address)}));
        let kept = vault.clone();
        std::thread::Builder::new().name("schedule".into()).spawn(move || match schedule {
            true => strongroom_vault::keep_schedule(&kept),
            false => strongroom_vault::keep_open(&kept),
        })?;
        let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = term.recv() => {}
        }
        anyhow::Ok(())
    })?;
    runtime.shutdown_background();
    Ok(Ending::Done)
}

fn canary_text(report: &CanaryReport) -> String {
    let mut out = String::new();
    for t in report.tried.iter().filter(|t| t.outcome == CanaryOutcome::Worked) {
        out.push_str(&format!("{}\n", alarm(&format!("ALARM it was possible to {}", t.attempt))));
    }
    for t in report.tried.iter().filter(|t| t.outcome != CanaryOutcome::Worked) {
        let text = match &t.outcome {
            CanaryOutcome::Refused { code } => format!("refused     {} ({code})", t.attempt),
            CanaryOutcome::Harmless { why } => format!("harmless    {}: {why}", t.attempt),
            CanaryOutcome::NotTested { why } => format!("not tested  {}: {why}", t.attempt),
            CanaryOutcome::Worked => continue,
        };
        out.push_str(&format!("{text}\n"));
    }
    out.push_str(&format!(
        "{} refused, {} worked, {} not tested, as {}, {:.0}\n",
        report.refused(),
        report.worked().len(),
        report.not_tested().len(),
        report.holder,
        report.at
    ));
    out
}

fn probe_text(findings: &[ProbeResult]) -> String {
    let word = |m: Meaning| match m {
        Meaning::Good => "good",
        Meaning::WorkedAround => "worked around",
        Meaning::Refused => "REFUSED",
    };
    let rows: Vec<Vec<String>> = findings
        .iter()
        .map(|f| vec![word(f.meaning).to_owned(), f.probe.clone(), f.text.clone()])
        .collect();
    if rows.is_empty() {
        String::new()
    } else {
        table(&["", "what was tried", "what happened"], &rows)
    }
}
