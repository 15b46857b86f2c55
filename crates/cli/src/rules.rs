//! The rules: which there are, which standards they answer, and our own in Rego.

use crate::{Global, export::word, output};
use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use strongroom_model::{Configuration, Ending};
use strongroom_operations::{
    files::read_text,
    rules::{Cover, Finding, OTHERWISE, OwnRule, OwnRules, RULES, RuleVerdict},
    settings::{OfSnapshot, all_exceptions_and_told},
};

/// How the process is called in which one module judges; not for people.
pub(crate) const ALONE: &str = "judge-module";

/// Says on the side which modules were left out.
pub(crate) fn tell_broken(own: &OwnRules) {
    own.problems().for_each(|why| {
        eprintln!("{}", output::alarm(&format!("a rule of your own was left out: {why}")))
    });
}

#[derive(Args)]
pub(crate) struct Rules {
    /// Explain this rule alone.
    rule: Option<String>,
    /// Show the identifiers that no rule answers, and why.
    #[arg(long, conflicts_with = "rule")]
    uncovered: bool,
}

pub(crate) fn rules(global: &Global, args: &Rules) -> anyhow::Result<Ending> {
    if args.uncovered {
        return uncovered(global);
    }
    // Without a configuration there are the built-in ones.
    let config = global.config_if_there()?;
    let own = config.map_or_else(OwnRules::default, |config| OwnRules::read(&config, &global.host));
    let mut rows: Vec<Value> = RULES
        .iter()
        .map(|r| {
            json!({"id": r.id, "title": r.title, "area": r.area, "severity": r.severity,
                "confidence": r.confidence, "why": r.why,
                "satisfies": r.satisfies, "inputs": r.inputs, "remedy": r.remedy})
        })
        .collect();
    rows.extend(own.rules().iter().map(|r| {
        let a = &r.about;
        json!({"id": a.id, "title": a.title, "area": "own", "severity": a.severity,
            "confidence": "certain", "why": a.why,
            "satisfies": a.satisfies, "inputs": a.inputs, "remedy": a.remedy})
    }));
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let list =
        |v: &Value| v.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", ");
    if let Some(wanted) = &args.rule {
        let row = rows.iter().find(|r| r["id"] == wanted.as_str()).with_context(|| {
            let broken = own.problem_of(wanted).map(|why| format!("; {why}")).unwrap_or_default();
            format!(
                "there is no rule {wanted:?} that can judge{broken}; without a name all are listed"
            )
        })?;
        if global.json {
            println!("{row}");
            return Ok(Ending::Done);
        }
        println!("{} ({}, {})\n", text(&row["id"]), text(&row["severity"]), text(&row["area"]));
        let lines = [
            ("holds", text(&row["title"])),
            ("why", text(&row["why"])),
            ("do", text(&row["remedy"])),
            ("looks at", list(&row["inputs"])),
        ];
        for (label, says) in lines
            .into_iter()
            .chain([("answers", list(&row["satisfies"]))])
            .filter(|(_, says)| !says.is_empty())
        {
            println!("  {label:<9}{says}");
        }
        return Ok(Ending::Done);
    }
    tell_broken(&own);
    if global.json {
        println!("{}", Value::from(rows));
    } else {
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|r| {
                vec![text(&r["id"]), text(&r["severity"]), text(&r["title"]), list(&r["satisfies"])]
            })
            .collect();
        print!("{}", output::table(&["rule", "severity", "what holds", "answers"], &rows));
    }
    Ok(if own.problems().next().is_none() { Ending::Done } else { Ending::Partial })
}

fn uncovered(global: &Global) -> anyhow::Result<Ending> {
    let why = |c: &Cover| match c {
        Cover::Manual(w) => ("manual", *w),
        Cover::NoApi(w) => ("no API", *w),
        Cover::NotYet(w) => ("not yet", *w),
    };
    if global.json {
        let rows: Vec<_> = OTHERWISE
            .iter()
            .map(|(id, c)| json!({"identifier": id, "because": why(c).0, "why": why(c).1}))
            .collect();
        println!("{}", Value::from(rows));
    } else {
        let rows: Vec<Vec<String>> = OTHERWISE
            .iter()
            .map(|(id, c)| vec![(*id).to_owned(), why(c).0.to_owned(), why(c).1.to_owned()])
            .collect();
        print!("{}", output::table(&["identifier", "because", "why"], &rows));
    }
    Ok(Ending::Done)
}

#[derive(Args)]
pub(crate) struct Try {
    /// The module.
    #[arg(required_unless_present = "inputs")]
    module: Option<PathBuf>,
    /// The snapshot; the newest by default.
    #[arg(default_value = "latest")]
    snapshot: String,
    /// Print what the module sees, as JSON, and do not judge.
    #[arg(long)]
    show_input: bool,
    /// Judge this instead of a snapshot: JSON as --show-input prints it, changed at will.
    #[arg(long, value_name = "FILE", conflicts_with = "show_input")]
    input: Option<PathBuf>,
    /// List the collections that a module can name, with how many objects each has.
    #[arg(long)]
    inputs: bool,
}

pub(crate) async fn try_one(global: &Global, args: Try) -> anyhow::Result<Ending> {
    // What is wrong with the module needs neither configuration nor repository to be said.
    let rule = args
        .module
        .as_deref()
        .filter(|_| !args.inputs)
        .map(|f| OwnRule::read(f, &global.host.judge).map_err(|e| anyhow::anyhow!("{e}")))
        .transpose()?;
    if let (Some(rule), Some(file)) = (&rule, &args.input) {
        // A whole configuration of a large tenant may stand in it.
        let text = read_text(file, strongroom_model::limits::PAGE_BYTES_MAX as u64)?;
        let made: Value = serde_json::from_str(&text)
            .map_err(|e| anyhow::anyhow!("{} is no JSON: {e}", file.display()))?;
        return tell(global, rule.says(Ok(made)), &file.display().to_string());
    }
    let school = global.school()?;
    let (exceptions, told) = all_exceptions_and_told(&school)?;
    let found = OfSnapshot::load(&school, &args.snapshot).await?;
    told.iter().chain(&found.told).for_each(|text| eprintln!("{}", output::alarm(text)));
    let (id, configuration) = (found.id, found.settings);
    let Some(rule) = rule else { return inputs(global, &configuration) };
    let seen = rule.sees(&configuration, &exceptions, school.today());
    if args.show_input {
        let seen = seen.map_err(|skip| anyhow::anyhow!("it would be skipped: {}", skip.0))?;
        println!("{}", serde_json::to_string_pretty(&seen)?);
        return Ok(Ending::Done);
    }
    let of = format!(
        "the configuration of {} in snapshot {}",
        configuration.taken.strftime("%Y-%m-%d %H:%M UTC"),
        id.short()
    );
    tell(global, rule.says(seen), &of)
}

/// Judges what a module sees and says so; what it could not judge is no success.
fn tell(global: &Global, found: Finding, of: &str) -> anyhow::Result<Ending> {
    if global.json {
        let mut value = serde_json::to_value(&found)?;
        value["judged"] = of.into();
        println!("{value}");
    } else {
        println!("{} {}: {}", word(found.verdict), found.rule, found.title);
        found
            .concerns
            .iter()
            .for_each(|c| println!("  found   {}: {}", c.object.line(), c.says.line()));
        if !found.note.is_empty() {
            println!("  because {}", found.note.line());
        }
        println!("judged by {of}, without accepted findings");
    }
    Ok(if found.verdict == RuleVerdict::Skipped { Ending::Partial } else { Ending::Done })
}

fn inputs(global: &Global, configuration: &Configuration) -> anyhow::Result<Ending> {
    if global.json {
        let rows: Vec<_> = configuration
            .collections
            .iter()
            .map(|(name, c)| {
                json!({"collection": name,
                "objects": c.objects.len(), "state": c.state})
            })
            .collect();
        println!("{}", Value::from(rows));
        return Ok(Ending::Done);
    }
    let rows: Vec<Vec<String>> = configuration
        .collections
        .iter()
        .map(|(name, c)| {
            vec![
                name.clone(),
                c.objects.len().to_string(),
                if c.state.is_collected() { "collected".to_owned() } else { c.state.lack() },
            ]
        })
        .collect();
    print!("{}", output::table(&["collection", "objects", "state"], &rows));
    Ok(Ending::Done)
}
