//! Alarms of backups that stand, and who looked at them.

use crate::{Global, approvers::tell_undecided, edge::blocking, output, review::quoted};
use anyhow::bail;
use clap::{Args, Subcommand};
use jiff::civil::Date;
use std::{io::IsTerminal, path::PathBuf};
use strongroom_model::Ending;
use strongroom_operations::{
    AlarmTest, School,
    alarms::{self, Acknowledgement, AlarmName, Ends, Listed, ListedAlarm},
};

#[derive(Subcommand)]
pub(crate) enum AlarmCommand {
    /// List those that stand; ends with 4 while one of them is open.
    List,
    /// Call the program that is told alarms with one that is none, and say what it answered.
    Test,
    /// Say that somebody looked at alarms: the next backup closes these, as they are now.
    Acknowledge(Acknowledge),
}

#[derive(Args)]
#[command(
    override_usage = "strongroom alarm acknowledge [OPTIONS] --by <BY> --reason <REASON>\n       \
                            <KIND[@SUBJECT]>..."
)]
pub(crate) struct Acknowledge {
    /// Which, as `alarm list` shows them: a kind, or a kind and what it is about.
    #[arg(required = true, value_name = "KIND[@SUBJECT]")]
    alarms: Vec<AlarmName>,
    /// Who looked.
    #[arg(long)]
    by: String,
    /// What came of it.
    #[arg(long)]
    reason: String,
    /// Bear them until this day, like 2027-07-31, and do not close them: they stand, and snapshots
    /// may be clean.
    #[arg(long, value_name = "DAY")]
    until: Option<Date>,
    /// The key file of who looked: signs the decision. Needed where the configuration names that
    /// person's public key.
    #[arg(long)]
    key: Option<PathBuf>,
}

pub(crate) async fn alarm(global: &Global, command: AlarmCommand) -> anyhow::Result<Ending> {
    let school = global.school()?;
    match command {
        AlarmCommand::List => {
            let found = told(alarms::list(&school).await?);
            match global.json {
                true => println!("{}", serde_json::to_string(&found.alarms)?),
                false => print!("{}", table(&found)),
            }
            Ok(found.ending())
        }
        AlarmCommand::Test => {
            let of = school.clone();
            let test = blocking(move || Ok(of.test_alarm()?)).await?;
            match global.json {
                true => println!("{}", serde_json::to_string(&test)?),
                false => print!("{}", answered(&test)),
            }
            Ok(if test.failed.is_none() { Ending::Done } else { Ending::Failed })
        }
        AlarmCommand::Acknowledge(args) => {
            let found = look(&school).await?;
            let said = Acknowledgement {
                by: &args.by,
                reason: &args.reason,
                until: args.until,
                key_file: args.key.as_deref(),
            };
            alarms::as_shown(&school, &found, &args.alarms)?;
            let named = alarms::acknowledge(&school, &found, &args.alarms, said)?;
            match global.json {
                true => println!("{}", serde_json::to_string(&named)?),
                false => tell(&named, args.until),
            }
            Ok(match tell_undecided(global, &school)? {
                true => Ending::Waiting,
                false => Ending::Done,
            })
        }
    }
}

/// Acknowledges what is named before a backup. Where nothing is, shows what stands and asks.
/// Answers whether the backup is to go on.
pub(crate) async fn before_backup(
    global: &Global,
    school: &School,
    names: &[AlarmName],
    said: Acknowledgement<'_>,
) -> anyhow::Result<bool> {
    let found = look(school).await?;
    if !names.is_empty() {
        alarms::as_shown(school, &found, names)?;
        let named = alarms::acknowledge(school, &found, names, said)?;
        if !global.is_quiet() {
            tell(&named, said.until);
        }
        return Ok(true);
    }
    let all: Vec<AlarmName> =
        found.alarms.iter().filter(|a| a.is_acknowledged()).map(ListedAlarm::name).collect();
    if all.is_empty() {
        if !global.is_quiet() {
            println!("no alarm waits to be acknowledged");
        }
        return Ok(true);
    }
    if global.json || !std::io::stdin().is_terminal() {
        // A title of a site may be anything, and this is pasted into a shell.
        let all: Vec<String> = all.iter().map(|name| quoted(&name.to_string())).collect();
        bail!(
            "nobody can be asked here; name the alarms that were looked at: --acknowledge {}",
            all.join(" ")
        );
    }
    print!("{}", table(&found));
    if !output::confirm("Were all of these looked at, and are they dealt with?")? {
        println!("nothing was acknowledged, and nothing was backed up");
        return Ok(false);
    }
    alarms::acknowledge(school, &found, &all, said)?;
    Ok(true)
}

fn answered(test: &AlarmTest) -> String {
    let program = strongroom_model::shown_line(&test.program.join(" ")).into_owned();
    let mut out = match &test.failed {
        None => format!("{program} took the test alarm and ended with 0\n"),
        Some(why) => format!("{}\n", output::alarm(&format!("FAILED  {why}"))),
    };
    for line in test.said.as_str().lines() {
        out.push_str(&format!("  it says: {}\n", strongroom_model::shown_line(line)));
    }
    out
}

async fn look(school: &School) -> anyhow::Result<Listed> {
    Ok(told(alarms::look(school).await?))
}

fn told(found: Listed) -> Listed {
    found.told.iter().for_each(|s| eprintln!("{}", output::alarm(s)));
    found
}

fn ends(how: Ends) -> &'static str {
    match how {
        Ends::Acknowledged => "acknowledging it",
        Ends::Backup => "the next backup without it",
        Ends::Check => "a check that finds it over",
        Ends::Replicate => "the next replicate without it",
        Ends::Configuration => "a configuration as before",
        Ends::Review => "a review",
    }
}

fn tell(named: &[&ListedAlarm], until: Option<Date>) {
    for a in named {
        let what = match until {
            Some(day) => format!("is borne until {day}"),
            None => "is closed by the next backup".to_owned(),
        };
        println!("{} {what}: {}", a.name(), a.text.line());
    }
}

fn table(found: &Listed) -> String {
    if found.alarms.is_empty() {
        return "no alarm stands\n".to_owned();
    }
    let row = |a: &ListedAlarm| {
        let looked = match &a.acknowledged {
            None => "no".to_owned(),
            Some(l) => match l.until {
                Some(day) => format!("by {} until {day}", l.by),
                None => format!("by {}", l.by),
            },
        };
        vec![
            a.kind.clone(),
            a.subject.line().to_string(),
            a.since.strftime("%Y-%m-%d %H:%M").to_string(),
            looked,
            ends(a.ends).to_owned(),
            a.text.line().to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = found.alarms.iter().map(row).collect();
    output::table(&["kind", "about", "since", "acknowledged", "ends with", "what it says"], &rows)
}
