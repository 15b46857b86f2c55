//! All schools at a glance: scores and failing rules, worst first.

use crate::{
    Global,
    export::{self, SchoolReport, word},
    failure, output,
    rules::tell_broken,
};
use anyhow::Context;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde_json::json;
use std::path::PathBuf;
use strongroom_model::Ending;
use strongroom_operations::{
    files::written,
    fleet::{JudgedSchool, judge_schools},
    rules::{OwnRules, RuleVerdict, Severity},
};

#[derive(Args)]
pub(crate) struct Fleet {
    /// How to write it.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Where to write it; standard output by default.
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For this screen.
    Table,
    /// One object.
    Json,
    /// One line a finding and object.
    Csv,
    /// SARIF 2.1.0.
    Sarif,
    /// One page that needs nothing else.
    Html,
}

pub(crate) async fn fleet(global: &Global, args: Fleet) -> anyhow::Result<Ending> {
    let config = global.config()?;
    let own = OwnRules::read(&config, &global.host);
    tell_broken(&own);
    let all = judge_schools(global.schools()?, &own).await;
    all.iter().flat_map(|s| &s.told).for_each(|text| eprintln!("{}", output::alarm(text)));
    let mut schools: Vec<SchoolReport> = all.into_iter().map(report).collect();
    export::sort(&mut schools);
    let format = if global.json { Format::Json } else { args.format };
    write(&schools, format, global.host.clock.now(), args.out.as_deref())?;
    // A school that could not be judged is not a good one.
    Ok(match schools.iter().filter(|s| s.blind).count() {
        0 => Ending::Done,
        n if n == schools.len() && schools.iter().all(|s| s.report.is_err()) => Ending::NothingRead,
        _ => Ending::Partial,
    })
}

fn report(JudgedSchool { name, judged, .. }: JudgedSchool) -> SchoolReport {
    match judged {
        Ok(judged) => SchoolReport {
            name,
            report: Ok(judged.report),
            secure_score: judged.secure_score,
            blind: judged.is_blind,
        },
        Err(e) => SchoolReport {
            name,
            report: Err(failure::sentence(&e.into())),
            secure_score: None,
            blind: true,
        },
    }
}

/// Writes reports in a format.
pub(crate) fn write(
    schools: &[SchoolReport],
    format: Format,
    at: Timestamp,
    out: Option<&std::path::Path>,
) -> anyhow::Result<()> {
    let text = match format {
        Format::Table => table(schools),
        Format::Json => format!("{}\n", as_json(schools)),
        Format::Csv => export::csv(schools)?,
        Format::Sarif => format!("{}\n", export::sarif(schools)),
        Format::Html => export::html(schools, at, ""),
    };
    match out {
        Some(path) => written::put(path, crate::face::for_file(&text).as_bytes())
            .with_context(|| format!("{} cannot be written", path.display())),
        None => {
            print!("{text}");
            Ok(())
        }
    }
}

fn as_json(schools: &[SchoolReport]) -> serde_json::Value {
    let rows: Vec<_> = schools
        .iter()
        .map(|s| {
            let secure = s.secure_score.map(|(is, of)| json!({"reached": is, "possible": of}));
            match &s.report {
                Ok(r) => json!({"tenant": s.name, "score": r.score, "secure_score": secure,
                    "taken": r.taken, "counts": r.counts, "findings": r.findings}),
                Err(why) => json!({"tenant": s.name, "error": why}),
            }
        })
        .collect();
    let rules: Vec<_> = export::failing_rules(schools)
        .into_iter()
        .map(|(r, n)| json!({"rule": r.rule, "severity": r.severity, "tenants": n}))
        .collect();
    json!({"tenants": rows, "failing_rules": rules})
}

fn table(schools: &[SchoolReport]) -> String {
    let rows: Vec<Vec<String>> = schools
        .iter()
        .map(|s| {
            let n = |severity| s.failing(severity).to_string();
            let taken = s.report.as_ref().map_or_else(
                |_| "never".to_owned(),
                |r| r.taken.strftime("%Y-%m-%d %H:%M").to_string(),
            );
            vec![
                s.name.clone(),
                s.score().map_or_else(|| "?".to_owned(), |n| n.to_string()),
                s.secure_score
                    .map_or_else(|| "?".to_owned(), |(is, of)| format!("{:.0}", is * 100.0 / of)),
                n(Severity::Critical),
                n(Severity::High),
                n(Severity::Medium),
                n(Severity::Low),
                s.count(RuleVerdict::Skipped).to_string(),
                taken,
            ]
        })
        .collect();
    let mut out = output::table(
        &["school", "score", "Microsoft's", "critical", "high", "medium", "low", "skipped", "read"],
        &rows,
    );
    for s in schools {
        if let Err(why) = &s.report {
            out.push_str(&output::alarm(&format!("{}: not judged: {why}", s.name)));
            out.push('\n');
        }
    }
    let failing = export::failing_rules(schools);
    if !failing.is_empty() {
        let rows: Vec<Vec<String>> = failing
            .iter()
            .take(20)
            .map(|(r, n)| {
                vec![word(r.severity), n.to_string(), r.rule.to_string(), r.title.to_string()]
            })
            .collect();
        out.push('\n');
        out.push_str(&output::table(
            &["severity", "schools", "failing rule", "what should hold"],
            &rows,
        ));
        if failing.len() > rows.len() {
            out.push_str(&format!(
                "and {} more rules; --format csv lists all\n",
                failing.len() - rows.len()
            ));
        }
    }
    out
}
