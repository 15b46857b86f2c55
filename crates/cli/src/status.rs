//! How all schools stand, for people, for programs and for monitoring.

use crate::{Global, output};
use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use strongroom_model::Ending;
use strongroom_operations::{
    School,
    files::written,
    status::{
        Copy2State, Copy3State, CopyState, DutyState, Grade, SchoolStatus, Status, StatusFinding,
        StatusOptions, age, prometheus, status,
    },
};

#[derive(Args)]
pub(crate) struct Look {
    /// How to write it.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Where to write it, whole or not at all, readable by the file's group; standard output by
    /// default.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Ask no copy: say what this host noted.
    #[arg(long)]
    offline: bool,
    /// End with 4 where this or something graver is found, with 3 where it is not known whether
    /// there is, and with 0 otherwise.
    #[arg(long, value_enum)]
    fail_on: Option<FailOn>,
    /// Only schools that bear this label; given several times, those that bear each.
    #[arg(long)]
    label: Vec<String>,
    /// Hours after which a copy is late; by default twice `every_hours` of `[nightly]`.
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u32).range(1..=8760))]
    max_age: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For this screen.
    Table,
    /// One object.
    Json,
    /// Prometheus' text format, for its collector of text files.
    Prometheus,
}

#[derive(Clone, Copy, ValueEnum)]
enum FailOn {
    /// An alarm stands.
    Alarm,
    /// A copy or a duty is late.
    Overdue,
    /// Somebody should see to something.
    Warning,
}

impl FailOn {
    fn grade(self) -> Grade {
        match self {
            FailOn::Alarm => Grade::Alarm,
            FailOn::Overdue => Grade::Overdue,
            FailOn::Warning => Grade::Warning,
        }
    }
}

pub(crate) async fn show(global: &Global, args: Look) -> anyhow::Result<Ending> {
    if global.repo.is_some() {
        bail!("how schools stand is said of schools; --tenant and --label choose among them");
    }
    let format = match (global.json, args.format) {
        (true, Format::Table | Format::Json) => Format::Json,
        (true, Format::Prometheus) => bail!("--json and --format prometheus exclude each other"),
        (false, format) => format,
    };
    if let Some(path) = &args.out {
        written::possible(path).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    let schools = School::labelled(global.schools()?, &args.label)?;
    let question = StatusOptions { offline: args.offline, max_age_hours: args.max_age };
    let found = status(&schools, question, global.host.clock.now()).await;
    let ending = found.ending(args.fail_on.map(FailOn::grade));
    let text = match format {
        Format::Table => table(&found),
        Format::Json => {
            let mut value = serde_json::to_value(&found)?;
            value["code"] = ending.code().into();
            format!("{value}\n")
        }
        Format::Prometheus => prometheus(&found),
    };
    match &args.out {
        None => print!("{text}"),
        Some(path) => {
            let text = match format {
                Format::Table => crate::face::for_file(&text),
                _ => text,
            };
            written::put_for_group(path, text.as_bytes())
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
    }
    Ok(ending)
}

/// A row a school, and what there is to say of each.
fn table(status: &Status) -> String {
    let head = [
        "school",
        "copy 2",
        "copy 3",
        "clean",
        "alarms",
        "skipped",
        "certificate",
        "disk",
        "overdue",
    ];
    let rows: Vec<Vec<String>> = status.schools.iter().map(row).collect();
    let mut out = output::table(&head, &rows);
    for school in &status.schools {
        for f in school.findings.iter().filter(|f| f.grade > Grade::Note) {
            let text = format!("{}: {}{}", school.school, f.text, shown_by(school, f));
            match f.grade {
                Grade::Alarm | Grade::Overdue | Grade::Unknown => {
                    out.push_str(&output::alarm(&text))
                }
                Grade::Warning | Grade::Note => out.push_str(&strongroom_model::shown_line(&text)),
            }
            out.push('\n');
        }
    }
    out
}

/// The command that shows what a finding is about, where one does.
fn shown_by(school: &SchoolStatus, f: &StatusFinding) -> String {
    match f.about.as_str() {
        "changes of settings" | "alarm changed" => {
            format!("; strongroom --tenant {} review list shows it", school.school)
        }
        _ => String::new(),
    }
}

const UNKNOWN: &str = "?";

fn row(s: &SchoolStatus) -> Vec<String> {
    let known = |n: Option<String>| n.unwrap_or_else(|| UNKNOWN.to_owned());
    let alarms =
        s.alarms.as_ref().map(|alarms| alarms.iter().filter(|a| a.open).count().to_string());
    let has_unknown = s.certificates.iter().any(|c| c.days.is_none());
    let certificate = match s.certificates.iter().filter_map(|c| c.days).min() {
        Some(days) => format!("{days} d{}", if has_unknown { UNKNOWN } else { "" }),
        None if has_unknown => UNKNOWN.to_owned(),
        None => "-".to_owned(),
    };
    let free = |d: &strongroom_operations::status::DiskRow| {
        Some(d.free_bytes?.saturating_mul(100) / d.total_bytes.filter(|n| *n > 0)?)
    };
    let disk = match s.disk.iter().map(free).collect::<Option<Vec<u64>>>() {
        None => UNKNOWN.to_owned(),
        Some(all) => all.iter().min().map_or_else(|| "-".to_owned(), |n| format!("{n} %")),
    };
    vec![
        s.school.clone(),
        copy2(&s.copy2),
        copy3(&s.copy3),
        match (&s.copy2.clean_point, s.copy2.state, s.copy2.as_of) {
            (Some(point), ..) => age(point.age_s),
            (None, CopyState::Ok | CopyState::Late, None) => "none".to_owned(),
            _ => UNKNOWN.to_owned(),
        },
        known(alarms),
        known(s.coverage.as_ref().map(|c| c.counts.skipped.to_string())),
        certificate,
        disk,
        overdue(s),
    ]
}

fn copy2(c: &Copy2State) -> String {
    aged(c.state, c.data.as_ref().map(|d| d.age_s))
}

fn copy3(c: &Copy3State) -> String {
    aged(c.state, c.age_s)
}

fn aged(state: CopyState, age_s: Option<i64>) -> String {
    let age = age_s.map(age);
    match (state, age) {
        (CopyState::None, _) => "-".to_owned(),
        (CopyState::Elsewhere, _) => "elsewhere".to_owned(),
        (CopyState::Missing, _) => "missing".to_owned(),
        (CopyState::Ok, Some(age)) => age,
        (CopyState::Late, Some(age)) => format!("{age} late"),
        (CopyState::Unknown, Some(age)) => format!("{age} {UNKNOWN}"),
        (_, None) => UNKNOWN.to_owned(),
    }
}

fn overdue(s: &SchoolStatus) -> String {
    let words: Vec<String> = s
        .duties
        .iter()
        .filter_map(|d| match d.state {
            DutyState::Late => Some(d.duty.to_owned()),
            DutyState::Failed => Some(format!("{} failed", d.duty)),
            DutyState::Unknown => Some(format!("{}{UNKNOWN}", d.duty)),
            // It is not late yet; but whoever reads this takes "-" for all that was owed.
            DutyState::Never => Some(format!("{} never", d.duty)),
            DutyState::Done | DutyState::Due | DutyState::Running => None,
        })
        .collect();
    match words.is_empty() {
        true => "-".to_owned(),
        false => words.join(", "),
    }
}
