//! `strongroom review`: changes of a tenant's settings that wait for somebody's decision.

use crate::{Global, export::word, failure, output};
use clap::{Args, Subcommand};
use jiff::civil::Date;
use serde_json::json;
use std::path::PathBuf;
use strongroom_model::{
    Ending,
    decision::{Decided, Decision},
    shown_line,
};
use strongroom_operations::{
    School,
    config::TenantEntry,
    decisions::{self, counted},
    reviews::{self, DAYS, Ruling, Waiting},
};

#[derive(Subcommand)]
pub(crate) enum ReviewCommand {
    /// Show what waits, the most urgent first.
    List(List),
    /// A change is as it should be.
    Accept(Decide),
    /// A change is not as it should be: shows the command that sets it back.
    Reject(Decide),
    /// Make a key file with which a person signs decisions.
    Key {
        /// The new file; only its owner can read it.
        out: PathBuf,
        /// The person's name, as `--by` gives it.
        #[arg(long)]
        by: String,
    },
}

/// Makes a key file and says what the configuration needs of it.
fn new_key(global: &Global, out: &std::path::Path, by: &str) -> anyhow::Result<Ending> {
    let key = decisions::new_key(by, out)?;
    if global.json {
        println!("{}", json!({"name": by, "public_key": key}));
        return Ok(Ending::Done);
    }
    println!(
        "{} signs for {by} from now on; keep it where {by} alone can read it, and add to the \
         configuration of who checks decisions:\n\n[[person]]\nname = {}\npublic_key = \"{}\"",
        out.display(),
        toml::Value::from(by),
        key
    );
    Ok(Ending::Done)
}

#[derive(Args)]
pub(crate) struct List {
    /// Show what was decided too.
    #[arg(long)]
    all: bool,
    /// Look back so many days.
    #[arg(long, default_value_t = DAYS)]
    days: u32,
}

#[derive(Args)]
pub(crate) struct Decide {
    /// The change, by its id or the beginning of it; or a collection or COLLECTION/NAME, for all
    /// that wait there: shows them, then asks.
    #[arg(required = true)]
    changes: Vec<String>,
    /// Who decides.
    #[arg(long)]
    by: String,
    /// Why.
    #[arg(long, value_name = "WHY")]
    reason: String,
    /// The last day on which the decision holds, like 2027-07-31; for ever without it.
    #[arg(long, value_parser = day)]
    until: Option<Date>,
    /// Look back so many days.
    #[arg(long, default_value_t = DAYS)]
    days: u32,
    /// The key file of who decides: signs the decision. Needed where the configuration names that
    /// person's public key.
    #[arg(long)]
    key: Option<PathBuf>,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
}

fn day(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| "a day reads like 2027-07-31".to_owned())
}

/// Decisions that count, of all kinds; what is unproven does not.
pub(crate) fn that_count(school: &School) -> anyhow::Result<Vec<Decision>> {
    let counted = counted(school)?;
    counted.told.iter().for_each(|s| eprintln!("{}", output::alarm(s)));
    Ok(counted.decisions)
}

/// A name for a shell to take as it is: people of the tenant choose names, and somebody pastes the
/// command.
pub(crate) fn quoted(name: &str) -> String {
    // What would read otherwise than it is names nothing, and a command that is pasted fails.
    format!("'{}'", shown_line(name).replace('\'', "'\\''"))
}

/// The command that brings back what was there before.
pub(crate) fn undo_command(tenant: &str, snapshot: &str, objects: &[String]) -> String {
    let objects: Vec<String> = objects.iter().map(|o| format!("--object {}", quoted(o))).collect();
    format!(
        "undo: strongroom --tenant {tenant} tenant restore --to {snapshot:.8} --remove-added {}",
        objects.join(" ")
    )
}

pub(crate) async fn review(global: &Global, command: ReviewCommand) -> anyhow::Result<Ending> {
    let (args, decision) = match command {
        ReviewCommand::List(a) => return list(global, &a).await,
        ReviewCommand::Accept(a) => (a, Decided::Accepted),
        ReviewCommand::Reject(a) => (a, Decided::Rejected),
        ReviewCommand::Key { out, by } => return new_key(global, &out, &by),
    };
    decide(global, &global.school()?, args, decision).await
}

/// Of one tenant, or of all.
async fn list(global: &Global, args: &List) -> anyhow::Result<Ending> {
    let schools = global.schools()?;
    let (mut rows, mut endings) = (Vec::new(), Vec::new());
    for school in &schools {
        match reviews::queue(school, args.days).await.map_err(anyhow::Error::from) {
            Ok(queue) => {
                queue.told.iter().for_each(|s| eprintln!("{}", output::alarm(s)));
                endings.push(queue.ending());
                let mut all = queue.changes;
                all.retain(|e| args.all || e.waits());
                if !global.json {
                    show(school.tenant(), &all, schools.len() > 1);
                }
                rows.extend(all.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?);
            }
            Err(e) if schools.len() == 1 => return Err(e),
            Err(e) => {
                endings.push(failure::ending(&e));
                match global.json {
                    true => rows.push(failure::row(school.name(), &e)),
                    false => println!(
                        "{}",
                        output::alarm(&format!("{}: {}", school.name(), failure::sentence(&e)))
                    ),
                }
            }
        }
    }
    if global.json {
        println!("{}", serde_json::Value::from(rows));
    }
    Ok(Ending::of_several(&endings))
}

fn show(tenant: &TenantEntry, all: &[Waiting], several: bool) {
    let who = tenant.reviewer.as_ref().map_or_else(String::new, |r| format!(", for {r}"));
    let of = if several { format!("{}: ", tenant.name) } else { String::new() };
    if all.is_empty() {
        return println!("{of}nothing waits for a decision");
    }
    let overdue = all.iter().filter(|e| e.state == "overdue").count();
    println!(
        "{of}{} {}{who}; {overdue} overdue",
        all.len(),
        if all.len() == 1 { "change" } else { "changes" }
    );
    println!("{:<8}  {:<8}  {:<8}  {:<10}  what", "change", "state", "rank", "decide by");
    for e in all {
        let line = format!(
            "{:.8}  {:<8}  {:<8}  {}  {}",
            e.id,
            e.state,
            word(e.change.rank),
            e.deadline.strftime("%Y-%m-%d"),
            e.change.says.line()
        );
        println!("{}", if e.state == "overdue" { output::alarm(&line) } else { line });
        if let Some(d) = &e.decision {
            println!(
                "          {}: {}{}{}",
                d.by(),
                d.reason,
                d.until.map_or_else(String::new, |u| format!(" (until {u})")),
                match e.signature {
                    Some("signed") => String::new(),
                    Some("unproven") => output::alarm(
                        " (unsigned, and does not count: the decisions of this person are signed)"
                    ),
                    _ => " (unsigned)".to_owned(),
                }
            );
        }
    }
}

async fn decide(
    global: &Global,
    school: &School,
    args: Decide,
    decision: Decided,
) -> anyhow::Result<Ending> {
    let ruling = Ruling {
        decided: decision,
        by: &args.by,
        reason: &args.reason,
        until: args.until,
        key_file: args.key.as_deref(),
    };
    ruling.check(school)?;
    let queue = reviews::queue(school, args.days).await?;
    queue.told.iter().for_each(|s| eprintln!("{}", output::alarm(s)));
    let chosen = queue.meant(&args.changes)?;
    // Whoever names a place has not seen what waits there.
    if !args.yes && args.changes.iter().any(|w| w.contains('/')) {
        anyhow::ensure!(
            !global.json,
            "with --json nobody is asked: look at the list first, then add --yes"
        );
        chosen.iter().for_each(|e| {
            println!("{:.8}  {:<8}  {}", e.id, word(e.change.rank), e.change.says.line())
        });
        if !output::confirm(&format!(
            "Is the decision about all {}: {}?",
            chosen.len(),
            word(decision)
        ))? {
            println!("nothing was decided");
            return Ok(Ending::Failed);
        }
    }
    reviews::decide(school, &chosen, &ruling)?;
    let back = |e: &Waiting| {
        // Somebody who took another's place is named by other settings too.
        if e.is_replaced() {
            return format!(
                "strongroom --tenant {} tenant restore --to {:.8} --remove-added",
                school.name(),
                e.before
            );
        }
        let object = quoted(&e.place());
        format!(
            "strongroom --tenant {} tenant restore --to {:.8} --object {object} --remove-added",
            school.name(),
            e.before
        )
    };
    if global.json {
        let rows: Vec<_> = chosen
            .iter()
            .map(|e| {
                json!({"change": e.id, "decision": decision,
                "set_back_by": if decision == Decided::Rejected { json!(back(e)) } else {
                    json!(null) }})
            })
            .collect();
        println!("{}", serde_json::Value::from(rows));
        return Ok(Ending::Done);
    }
    for e in chosen {
        println!("{} {:.8}: {}", word(decision), e.id, e.change.says.line());
        if decision == Decided::Rejected {
            println!("  set it back with: {}", back(e));
        }
    }
    Ok(Ending::Done)
}
