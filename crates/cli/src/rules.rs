//! The rules: which there are, which standards they answer, and our own in Rego.

use crate::{
    Global,
    config::Config,
    export::word,
    open, output,
    tenant::{exceptions, load, today},
};
use anyhow::Context;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use strongroom_guards::{Cover, Facts, OTHERWISE, OwnRule, RULES, Verdict, judge_own};
use strongroom_model::Configuration;

/// The rules of the folder that the configuration names.
#[derive(Debug, Default)]
pub(crate) struct OwnRules {
    /// Those that can judge.
    pub(crate) rules: Vec<OwnRule>,
    /// Modules that cannot, one sentence each. They keep no other from judging, and whoever judges without them is blind.
    pub(crate) broken: Vec<String>,
}

impl OwnRules {
    /// Reads them; none, where the configuration names no folder.
    pub(crate) fn read(config: &Config) -> anyhow::Result<Self> {
        let mut out = Self::default();
        let Some(dir) = &config.rules_dir else { return Ok(out) };
        let dir = config.path(dir);
        let entries = std::fs::read_dir(&dir).with_context(|| format!("the folder of rules {} cannot be read", dir.display()))?;
        let mut files: Vec<PathBuf> =
            entries.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>().with_context(|| format!("{} cannot be read", dir.display()))?;
        // Tests of a module stand beside it by custom.
        files.retain(|f| f.extension().is_some_and(|e| e == "rego") && !f.file_stem().is_some_and(|s| s.to_string_lossy().ends_with("_test")));
        files.sort();
        for file in files {
            match module(&file) {
                Ok(rule) => match out.rules.iter().any(|r| r.about.id == rule.about.id) {
                    true => out.broken.push(format!("{}: another module has the id {} too", file.display(), rule.about.id)),
                    false => out.rules.push(rule),
                },
                Err(why) => out.broken.push(why),
            }
        }
        Ok(out)
    }
}

fn module(file: &std::path::Path) -> Result<OwnRule, String> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{} cannot be read: {e}", file.display()))?;
    OwnRule::parse(&file.display().to_string(), &text)
}

#[derive(Args)]
pub(crate) struct Rules {
    /// Explain this rule alone.
    rule: Option<String>,
    /// Show the identifiers that no rule answers, and why.
    #[arg(long, conflicts_with = "rule")]
    uncovered: bool,
}

pub(crate) fn rules(global: &Global, args: &Rules) -> anyhow::Result<i32> {
    if args.uncovered {
        return uncovered(global);
    }
    // Without a configuration there are the built-in ones.
    let own = if global.config.exists() { OwnRules::read(&Config::read(&global.config)?)? } else { OwnRules::default() };
    let mut rows: Vec<serde_json::Value> = RULES
        .iter()
        .map(|r| {
            json!({"id": r.id, "title": r.title, "area": r.area, "severity": r.severity, "confidence": r.confidence, "why": r.why,
                "satisfies": r.satisfies, "inputs": r.inputs, "remedy": r.remedy})
        })
        .collect();
    rows.extend(own.rules.iter().map(|r| {
        let a = &r.about;
        json!({"id": a.id, "title": a.title, "area": "own", "severity": a.severity, "confidence": "certain", "why": a.why,
            "satisfies": a.satisfies, "inputs": a.inputs, "remedy": a.remedy})
    }));
    own.broken.iter().for_each(|b| eprintln!("{}", output::alarm(&format!("a rule of our own was left out: {b}"))));
    let code = if own.broken.is_empty() { 0 } else { crate::failure::PARTIAL };
    let text = |v: &serde_json::Value| v.as_str().unwrap_or_default().to_owned();
    let list = |v: &serde_json::Value| v.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", ");
    if let Some(wanted) = &args.rule {
        let row = rows.iter().find(|r| r["id"] == wanted.as_str()).with_context(|| format!("there is no rule {wanted:?}; without a name all are listed"))?;
        match global.json {
            true => println!("{row}"),
            false => {
                println!(
                    "{} ({}, {})\n\n  holds    {}\n  why      {}",
                    text(&row["id"]),
                    text(&row["severity"]),
                    text(&row["area"]),
                    text(&row["title"]),
                    text(&row["why"])
                );
                println!("  do       {}\n  looks at {}\n  answers  {}", text(&row["remedy"]), list(&row["inputs"]), list(&row["satisfies"]));
            }
        }
        return Ok(code);
    }
    if global.json {
        println!("{}", serde_json::Value::from(rows));
    } else {
        let rows: Vec<Vec<String>> = rows.iter().map(|r| vec![text(&r["id"]), text(&r["severity"]), text(&r["title"]), list(&r["satisfies"])]).collect();
        print!("{}", output::table(&["rule", "severity", "what holds", "answers"], &rows));
    }
    Ok(code)
}

fn uncovered(global: &Global) -> anyhow::Result<i32> {
    let why = |c: &Cover| match c {
        Cover::Manual(w) => ("manual", *w),
        Cover::NoApi(w) => ("no API", *w),
        Cover::NotYet(w) => ("not yet", *w),
    };
    if global.json {
        let rows: Vec<_> = OTHERWISE.iter().map(|(id, c)| json!({"identifier": id, "because": why(c).0, "why": why(c).1})).collect();
        println!("{}", serde_json::Value::from(rows));
    } else {
        let rows: Vec<Vec<String>> = OTHERWISE.iter().map(|(id, c)| vec![(*id).to_owned(), why(c).0.to_owned(), why(c).1.to_owned()]).collect();
        print!("{}", output::table(&["identifier", "because", "why"], &rows));
    }
    Ok(0)
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
    /// List the collections that a module can name, with how many objects each has.
    #[arg(long)]
    inputs: bool,
}

pub(crate) async fn try_one(global: &Global, args: Try) -> anyhow::Result<i32> {
    let config = Config::read(&global.config)?;
    let tenant = config.tenant(global.tenant.as_deref())?;
    // What is wrong with the module needs no repository to be said.
    let rule = args.module.as_deref().filter(|_| !args.inputs).map(|f| module(f).map_err(|e| anyhow::anyhow!("{e}"))).transpose()?;
    let repo = open::repository(global).await?;
    let (name, wanted) = (tenant.name.clone(), args.snapshot.clone());
    let (id, configuration) = open::blocking(move || load(&repo, &name, &wanted)).await?;
    let Some(rule) = rule else { return inputs(global, &configuration) };
    let exceptions = exceptions(&config, tenant.exceptions.as_ref(), &OwnRules { rules: vec![rule.clone()], broken: Vec::new() })
        .or_else(|_| exceptions(&config, tenant.exceptions.as_ref(), &OwnRules::read(&config)?))?;
    if args.show_input {
        let input = rule.input(&Facts::new(&configuration, &exceptions, today())).map_err(|skip| anyhow::anyhow!("it would be skipped: {}", skip.0))?;
        println!("{}", serde_json::to_string_pretty(&input)?);
        return Ok(0);
    }
    let found = judge_own(&rule, &configuration, &exceptions, today());
    let liar = found.verdict == Verdict::Passed && {
        let stripped = judge_own(&rule, &without_settings(&configuration), &exceptions, today());
        stripped.verdict == Verdict::Passed && rule.about.inputs.iter().any(|i| configuration.collections.get(i).is_some_and(|c| !c.objects.is_empty()))
    };
    let warning = "it passes too when every setting that it looks at is missing: let `passed` name the values that it wants";
    if global.json {
        let mut value = serde_json::to_value(&found)?;
        value["snapshot"] = id.to_string().into();
        value["warning"] = if liar { warning.into() } else { serde_json::Value::Null };
        println!("{value}");
    } else {
        println!("{} {}: {}", word(found.verdict), found.rule, found.title);
        found.concerns.iter().for_each(|c| println!("  found   {}: {}", c.object, c.says));
        if !found.note.is_empty() {
            println!("  because {}", found.note);
        }
        if liar {
            println!("{}", output::alarm(&format!("  but     {warning}")));
        }
        println!("judged by the configuration of {} in snapshot {}", configuration.taken.strftime("%Y-%m-%d %H:%M UTC"), id.short());
    }
    Ok(0)
}

/// The same objects, with nothing in them.
fn without_settings(configuration: &Configuration) -> Configuration {
    let mut out = configuration.clone();
    out.collections.values_mut().flat_map(|c| &mut c.objects).for_each(|o| o.body = json!({}));
    out
}

fn inputs(global: &Global, configuration: &Configuration) -> anyhow::Result<i32> {
    if global.json {
        let rows: Vec<_> =
            configuration.collections.iter().map(|(name, c)| json!({"collection": name, "objects": c.objects.len(), "state": c.state})).collect();
        println!("{}", serde_json::Value::from(rows));
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = configuration
        .collections
        .iter()
        .map(|(name, c)| vec![name.clone(), c.objects.len().to_string(), if c.state.is_collected() { "collected".to_owned() } else { c.state.lack() }])
        .collect();
    print!("{}", output::table(&["collection", "objects", "state"], &rows));
    Ok(0)
}
