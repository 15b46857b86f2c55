//! The rules: which there are, which standards they answer, and our own in Rego.

use crate::{
    Global,
    edge::blocking,
    export::word,
    failure, output,
    tenant::{exceptions, load},
};
use anyhow::Context;
use clap::Args;
use jiff::civil::Date;
use serde_json::json;
use std::{
    collections::BTreeSet,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use strongroom_guards::{
    About, Answer, Cover, Exceptions, Facts, OTHERWISE, OwnVerdict, Question, RULES, Verdict,
    input, judge_own,
    rule::{Judged, Skip},
};
use strongroom_model::{Configuration, Ending};
use strongroom_objects::{SETTINGS_BYTES_MAX, read_regular, read_regular_text};
use strongroom_operations::config::Config;
use strongroom_rego::run;
use strongroom_settings::rows;

/// A module that can say what it is.
#[derive(Debug, Clone)]
pub(crate) struct OwnRule {
    pub(crate) about: About,
    file: String,
    text: String,
}

/// The rules of the folder that the configuration names.
#[derive(Debug, Clone, Default)]
pub(crate) struct OwnRules {
    /// Those that can judge.
    rules: Vec<OwnRule>,
    /// Modules that cannot, with one sentence each. They keep no other from judging, and whoever
    /// judges without them is blind.
    broken: Vec<(About, String)>,
}

impl OwnRules {
    /// Reads them; none, where the configuration names no folder.
    pub(crate) fn read(config: &Config) -> Self {
        let mut out = Self::default();
        let Some(dir) = &config.rules_dir else { return out };
        let dir = config.path(dir);
        let mut files: Vec<PathBuf> = match std::fs::read_dir(&dir)
            .and_then(|all| all.map(|e| e.map(|e| e.path())).collect())
        {
            Ok(files) => files,
            Err(e) => {
                out.broken.push((
                    About::broken("rules_dir"),
                    format!("the folder of rules {} cannot be read: {e}", dir.display()),
                ));
                return out;
            }
        };
        // Tests of a module stand beside it by custom.
        files.retain(|f| {
            f.extension().is_some_and(|e| e.eq_ignore_ascii_case("rego"))
                && !f.file_stem().is_some_and(|s| s.to_string_lossy().ends_with("_test"))
                && !f.is_dir()
        });
        files.sort();
        for file in files {
            let name = file.display().to_string();
            match module(&file) {
                Ok(rule) => match out.rules.iter().find(|r| r.about.id == rule.about.id) {
                    Some(first) => out.broken.push((
                        About::broken(&name),
                        format!("{name}: {} has the id {} too", first.file, rule.about.id),
                    )),
                    None => out.rules.push(rule),
                },
                Err(why) => out.broken.push((About::broken(&name), why)),
            }
        }
        out
    }

    /// What is wrong with modules, one sentence each.
    pub(crate) fn problems(&self) -> impl Iterator<Item = &String> {
        self.broken.iter().map(|(_, why)| why)
    }

    /// Says on the side which modules were left out.
    pub(crate) fn tell(&self) {
        self.problems().for_each(|why| {
            eprintln!("{}", output::alarm(&format!("a rule of your own was left out: {why}")))
        });
    }

    /// What they say of a tenant, and whether one of them could not judge at all.
    pub(crate) fn judge(
        &self,
        configuration: &Configuration,
        exceptions: &Exceptions,
        today: Date,
    ) -> (Vec<OwnVerdict>, bool) {
        let facts = Facts::new(configuration, exceptions, today);
        let mut out: Vec<OwnVerdict> = self
            .broken
            .iter()
            .map(|(about, why)| OwnVerdict { about: about.clone(), judged: Err(Skip(why.clone())) })
            .collect();
        let mut blind = !out.is_empty();
        for rule in &self.rules {
            let (judged, broken) = rule.judge(input(&rule.about, &facts));
            blind |= broken;
            out.push(OwnVerdict { about: rule.about.clone(), judged });
        }
        (out, blind)
    }
}

impl OwnRule {
    /// Its answer, and whether it could not judge at all.
    fn judge(&self, input: Result<serde_json::Value, Skip>) -> (Judged, bool) {
        let input = match input {
            Ok(input) => input,
            Err(skip) => return (Err(skip), false),
        };
        match ask(&Question {
            file: self.file.clone(),
            text: self.text.clone(),
            input: Some(input),
        }) {
            Answer::Judged(outcome) => (Ok(outcome), false),
            Answer::Skipped(why) => (Err(Skip(why)), false),
            Answer::Broken(why) => (Err(Skip(why)), true),
            Answer::About(_) => (Err(Skip(format!("{}: it gave no verdict", self.file))), true),
        }
    }
}

fn module(file: &Path) -> Result<OwnRule, String> {
    let name = file.display().to_string();
    let bytes = read_regular(file, SETTINGS_BYTES_MAX)
        .map_err(|e| format!("{name} cannot be read: {e}"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{name} is not UTF-8"))?;
    let about = match ask(&Question { file: name.clone(), text: text.clone(), input: None }) {
        Answer::About(about) => about,
        Answer::Broken(why) | Answer::Skipped(why) => return Err(why),
        Answer::Judged(_) => return Err(format!("{name}: it does not say what it is")),
    };
    let known: BTreeSet<&str> = rows().map(|r| r.name).collect();
    if let Some(unknown) = about.inputs.iter().find(|i| !known.contains(i.as_str())) {
        let like = known.iter().find(|k| {
            k.starts_with(unknown.as_str())
                || unknown.starts_with(**k)
                || k.rsplit('/').next() == unknown.rsplit('/').next()
        });
        let hint = like.map_or_else(
            || "`strongroom tenant try --inputs` lists them".to_owned(),
            |l| format!("did you mean {l}?"),
        );
        return Err(format!("{name}: there is no collection {unknown:?}; {hint}"));
    }
    if let Some(unnamed) = known
        .iter()
        .find(|k| text.contains(&format!("\"{k}\"")) && !about.inputs.iter().any(|i| i == *k))
    {
        return Err(format!("{name}: it looks at {unnamed}, which `inputs` does not name"));
    }
    Ok(OwnRule { about, file: name, text })
}

/// How the process is called in which one module runs; not for people.
pub(crate) const ALONE: &str = "judge-module";
/// It may have so much memory, in bytes.
const MEMORY_BYTES_MAX: u64 = 1 << 30;
/// And so much of a core, in seconds: the interpreter's own limit comes first, where it can.
const CPU_S_MAX: u64 = 5;

/// Runs one module in a process of its own: nothing else stops one that takes all memory or calls
/// itself without end.
fn ask(question: &Question) -> Answer {
    let file = &question.file;
    let broken = |why: String| Answer::Broken(format!("{file}: {why}"));
    let run = || -> anyhow::Result<std::process::Output> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(ALONE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let text = serde_json::to_vec(question)?;
        let mut pipe = child.stdin.take().context("no way to ask")?;
        let writer = std::thread::spawn(move || pipe.write_all(&text));
        let out = child.wait_with_output()?;
        // A module that died has not read everything.
        let _ = writer.join();
        Ok(out)
    };
    let out = match run() {
        Ok(out) => out,
        Err(e) => return broken(format!("it cannot be run: {}", failure::sentence(&e))),
    };
    let said = String::from_utf8_lossy(&out.stderr);
    match serde_json::from_slice(&out.stdout) {
        Ok(answer) => answer,
        Err(_) if said.contains("memory allocation") => {
            broken(format!("it took more than {} MiB of memory", MEMORY_BYTES_MAX >> 20))
        }
        Err(_) if said.contains("overflowed its stack") => {
            broken("it calls itself without end".to_owned())
        }
        Err(_) if out.status.code().is_none() => broken(format!(
            "it was stopped after {CPU_S_MAX} seconds, or for taking too much memory"
        )),
        Err(_) => broken("it ended without an answer".to_owned()),
    }
}

/// The other side of [`ask`].
pub(crate) fn alone() -> anyhow::Result<Ending> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    for (what, most) in
        [(Resource::As, MEMORY_BYTES_MAX), (Resource::Cpu, CPU_S_MAX), (Resource::Core, 0)]
    {
        setrlimit(what, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    let question: Question = serde_json::from_reader(std::io::stdin().lock())?;
    println!("{}", serde_json::to_string(&run(&question))?);
    Ok(Ending::Done)
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
    let own = config.map_or_else(OwnRules::default, |config| OwnRules::read(&config));
    let mut rows: Vec<serde_json::Value> = RULES
        .iter()
        .map(|r| {
            json!({"id": r.id, "title": r.title, "area": r.area, "severity": r.severity,
                "confidence": r.confidence, "why": r.why,
                "satisfies": r.satisfies, "inputs": r.inputs, "remedy": r.remedy})
        })
        .collect();
    rows.extend(own.rules.iter().map(|r| {
        let a = &r.about;
        json!({"id": a.id, "title": a.title, "area": "own", "severity": a.severity,
            "confidence": "certain", "why": a.why,
            "satisfies": a.satisfies, "inputs": a.inputs, "remedy": a.remedy})
    }));
    let text = |v: &serde_json::Value| v.as_str().unwrap_or_default().to_owned();
    let list = |v: &serde_json::Value| {
        v.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", ")
    };
    if let Some(wanted) = &args.rule {
        let row = rows.iter().find(|r| r["id"] == wanted.as_str()).with_context(|| {
            let broken = own
                .broken
                .iter()
                .find(|(about, _)| about.id == *wanted)
                .map(|(_, why)| format!("; {why}"))
                .unwrap_or_default();
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
    own.tell();
    if global.json {
        println!("{}", serde_json::Value::from(rows));
    } else {
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|r| {
                vec![text(&r["id"]), text(&r["severity"]), text(&r["title"]), list(&r["satisfies"])]
            })
            .collect();
        print!("{}", output::table(&["rule", "severity", "what holds", "answers"], &rows));
    }
    Ok(if own.broken.is_empty() { Ending::Done } else { Ending::Partial })
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
        println!("{}", serde_json::Value::from(rows));
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
        .map(|f| module(f).map_err(|e| anyhow::anyhow!("{e}")))
        .transpose()?;
    if let (Some(rule), Some(file)) = (&rule, &args.input) {
        // A whole configuration of a large tenant may stand in it.
        let text = read_regular_text(file, strongroom_model::limits::PAGE_BYTES_MAX as u64)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        let made: serde_json::Value = serde_json::from_str(&text)
            .map_err(|e| anyhow::anyhow!("{} is no JSON: {e}", file.display()))?;
        return tell(global, rule, Ok(made), &file.display().to_string());
    }
    let school = global.school()?;
    let exceptions = exceptions(&school)?;
    let repo = school.repository().await?;
    let (name, wanted) = (school.name().to_owned(), args.snapshot.clone());
    let (id, configuration) = blocking(move || load(&repo, &name, &wanted)).await?;
    let Some(rule) = rule else { return inputs(global, &configuration) };
    let seen = input(&rule.about, &Facts::new(&configuration, &exceptions, school.today()));
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
    tell(global, &rule, seen, &of)
}

/// Judges what a module sees and says so; what it could not judge is no success.
fn tell(
    global: &Global,
    rule: &OwnRule,
    seen: Result<serde_json::Value, Skip>,
    of: &str,
) -> anyhow::Result<Ending> {
    let (judged, _) = rule.judge(seen);
    let found = judge_own(OwnVerdict { about: rule.about.clone(), judged });
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
    Ok(if found.verdict == Verdict::Skipped { Ending::Partial } else { Ending::Done })
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
        println!("{}", serde_json::Value::from(rows));
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
