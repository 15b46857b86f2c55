//! All schools at a glance: scores and failing rules, worst first.

use crate::{
    Global,
    export::{self, School, word},
    failure, open, output,
    rules::OwnRules,
    tenant::{exceptions, secure_score, today},
};
use anyhow::Context;
use clap::{Args, ValueEnum};
use futures::{StreamExt, stream};
use serde_json::json;
use std::path::PathBuf;
use strongroom_engine::configuration;
use strongroom_guards::{Verdict, judge, rule::Severity};
use strongroom_model::Ending;
use strongroom_operations::{config::Config, files::written};

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
    let config = Config::read(&global.config, &global.host.accounts)?;
    let names: Vec<String> = match &global.tenant {
        Some(name) => vec![config.tenant(Some(name))?.name.clone()],
        None => config.tenants.iter().map(|t| t.name.clone()).collect(),
    };
    let at_once = std::thread::available_parallelism().map_or(2, usize::from);
    let (config, own) = (&config, &OwnRules::read(&config));
    own.tell();
    let mut schools: Vec<School> = stream::iter(names)
        .map(|name| async move { school(global, config, own, name).await })
        .buffer_unordered(at_once)
        .collect()
        .await;
    export::sort(&mut schools);
    let format = if global.json { Format::Json } else { args.format };
    write(&schools, format, args.out.as_deref())?;
    // A school that could not be judged is not a good one.
    Ok(match schools.iter().filter(|s| s.blind).count() {
        0 => Ending::Done,
        n if n == schools.len() && schools.iter().all(|s| s.report.is_err()) => Ending::NothingRead,
        _ => Ending::Partial,
    })
}

async fn school(global: &Global, config: &Config, own: &OwnRules, name: String) -> School {
    let judged = async {
        let tenant = config.tenant(Some(&name))?;
        let exceptions = exceptions(config, tenant)?;
        let repo =
            open::repository(&Global { tenant: Some(name.clone()), ..global.clone() }).await?;
        let (wanted, rules) = (name.clone(), own.clone());
        open::blocking(move || {
            let (_, found) =
                configuration::latest(&repo, &wanted)?.context("no configuration was read yet")?;
            let (said, blind) = rules.judge(&found, &exceptions);
            Ok((judge(&found, &exceptions, said, today()), secure_score(&found), blind))
        })
        .await
    };
    match judged.await {
        Ok((report, secure_score, blind)) => {
            School { name, report: Ok(report), secure_score, blind }
        }
        Err(e) => {
            School { name, report: Err(failure::sentence(&e)), secure_score: None, blind: true }
        }
    }
}

/// Writes reports in a format.
pub(crate) fn write(
    schools: &[School],
    format: Format,
    out: Option<&std::path::Path>,
) -> anyhow::Result<()> {
    let text = match format {
        Format::Table => table(schools),
        Format::Json => format!("{}\n", as_json(schools)),
        Format::Csv => export::csv(schools)?,
        Format::Sarif => format!("{}\n", export::sarif(schools)),
        Format::Html => export::html(schools, &today().to_string()),
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

fn as_json(schools: &[School]) -> serde_json::Value {
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

fn table(schools: &[School]) -> String {
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
                s.count(Verdict::Skipped).to_string(),
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
