//! The night of all schools, in one command: what matters first, for people and for programs.

use crate::{Global, output, words};
use anyhow::bail;
use clap::Args;
use std::collections::BTreeMap;
use strongroom_model::{Ending, shown_line};
use strongroom_operations::{
    Choice,
    nightly::{Night, SchoolNight, State, Step, StepRow, choose, gravity, nightly},
};

#[derive(Args)]
pub(crate) struct Nightly {
    /// Only schools that bear this label; given several times, those that bear each.
    #[arg(long)]
    label: Vec<String>,
    /// Schools that are worked for at a time.
    #[arg(long, value_name = "N", default_value_t = 2,
        value_parser = clap::value_parser!(u8).range(1..=64))]
    jobs: u8,
}

pub(crate) async fn run(global: &Global, args: Nightly) -> anyhow::Result<Ending> {
    if global.repo.is_some() {
        bail!("a night is of schools; --tenant and --label choose among them");
    }
    let apart = global.apart()?;
    let choice = Choice {
        password_file: global.password_file.clone(),
        cache_dir: global.cache_dir.clone(),
        ..Choice::default()
    };
    let chosen = choose(&apart, &global.host, &choice, &global.tenants, &args.label)?;
    if choice.password_file.is_some() && chosen.len() > 1 {
        bail!(
            "--password-file names the password of one repository; choose a school with --tenant"
        );
    }
    let is_quiet = global.is_quiet();
    let ended = |night: &SchoolNight| {
        if !is_quiet {
            eprintln!("{}", ended(night));
        }
    };
    let jobs = usize::from(args.jobs);
    let mut night = nightly(chosen, apart.beside, jobs, &global.host, &ended).await;
    night.word(&|remedy| words::advice(remedy).into_owned());
    match global.json {
        true => println!("{}", serde_json::to_string(&night)?),
        false => print!("{}", describe(&night)),
    }
    Ok(night.ending)
}

/// A school is done: one line for who looks, or for the journal.
fn ended(night: &SchoolNight) -> String {
    let took = night.took_s.map(|s| format!(" in {}", output::seconds(s as f64)));
    let text = format!("{}: {}{}", night.school, word(night.ending), took.unwrap_or_default());
    match night.ending {
        Ending::Done => shown_line(&text).into_owned(),
        _ => output::alarm(&text),
    }
}

fn word(ending: Ending) -> &'static str {
    match ending {
        Ending::Alarm => "ALARM",
        other => other.kind(),
    }
}

/// How it ended for how many, the gravest first; then a row a school; then why.
fn describe(night: &Night) -> String {
    let mut counts: BTreeMap<(std::cmp::Reverse<u8>, &str), usize> = BTreeMap::new();
    for school in &night.schools {
        let is_begun = school.is_begun() || school.ending != Ending::Interrupted;
        let word = if is_begun { word(school.ending) } else { "not begun" };
        *counts.entry((std::cmp::Reverse(gravity(school.ending)), word)).or_default() += 1;
    }
    let counts: Vec<String> =
        counts.into_iter().map(|((_, word), n)| format!("{n} {word}")).collect();
    let n = night.schools.len();
    let schools = if n == 1 { "school" } else { "schools" };
    let head = format!("{n} {schools}: {}", counts.join(", "));
    let mut out = match night.ending {
        Ending::Done => head,
        _ => output::alarm(&head),
    };
    out.push('\n');
    let heads = ["school", "backup", "settings", "copy 3", "check", "retention", "alarms", "time"];
    let rows: Vec<Vec<String>> = night.schools.iter().map(row).collect();
    out.push_str(&output::table(&heads, &rows));
    for school in &night.schools {
        if let Some(why) = school.why.as_ref().filter(|_| !night.not_begun.contains(&school.school))
        {
            out.push_str(&output::alarm(&format!("{}: {why}", school.school)));
            out.push('\n');
        }
        for step in school.steps.iter().filter(|s| s.is_news() && s.state != State::NotBegun) {
            let text = format!("{}: {}: {}", school.school, step.step.name(), step.text);
            match step.ending {
                Ending::Done => out.push_str(&shown_line(&text)),
                _ => out.push_str(&output::alarm(&text)),
            }
            out.push('\n');
        }
    }
    if !night.not_begun.is_empty() {
        let text = format!("not begun, since the night was ended: {}", night.not_begun.join(", "));
        out.push_str(&output::alarm(&text));
        out.push('\n');
    }
    for says in &night.beside {
        out.push_str(&output::alarm(&format!("the configuration, for no school: {says}")));
        out.push('\n');
    }
    out
}

fn row(school: &SchoolNight) -> Vec<String> {
    let of = |step| school.step(step).map_or_else(|| "-".to_owned(), cell);
    let backup = match school.is_begun() {
        true => of(Step::Backup),
        false if school.ending == Ending::Interrupted => "not begun".to_owned(),
        false => school.ending.kind().to_uppercase(),
    };
    vec![
        school.school.clone(),
        backup,
        of(Step::Settings),
        of(Step::Replicate),
        of(Step::Check),
        of(Step::Retention),
        school.alarms.as_ref().map_or_else(|| "?".to_owned(), |a| a.len().to_string()),
        school.took_s.map_or_else(|| "-".to_owned(), |s| output::seconds(s as f64)),
    ]
}

fn cell(row: &StepRow) -> String {
    let done = || match (row.part, row.removed) {
        (Some(part), _) => format!("{}/{}", part.part, part.of),
        (_, Some(n)) if n > 0 => format!("{n} gone"),
        _ => "done".to_owned(),
    };
    match (row.state, row.ending) {
        (State::Done, Ending::Done) => done(),
        (State::Done, ending) => match row.part {
            Some(_) => format!("{} {}", word(ending), done()),
            None => word(ending).to_owned(),
        },
        (State::Failed, ending) => ending.kind().to_uppercase(),
        (State::Held, _) => "held".to_owned(),
        (State::Waits, _) => "plan waits".to_owned(),
        (State::Elsewhere, _) => "elsewhere".to_owned(),
        (State::Off, _) => "-".to_owned(),
        (State::NotBegun, _) => "not begun".to_owned(),
    }
}
