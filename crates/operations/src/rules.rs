//! A customer's own rules, in Rego: each module runs in a process of its own, which the host says
//! how to start.

use crate::{Error, Host, Kind, config::Config};
use jiff::civil::Date;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};
use strongroom_guards::{
    Evidence, Exceptions, ModuleAnswer, ModuleQuestion, ModuleRule, OwnVerdict, input, judge_own,
    rule::{Judged, Skip},
};
use strongroom_model::Configuration;
use strongroom_objects::{SETTINGS_BYTES_MAX, read_regular};
use strongroom_settings::rows;

pub use strongroom_guards::{
    Cover, Finding, OTHERWISE, RULES, Report, RuleVerdict,
    rule::{Area, Concern, Confidence, Severity},
};

/// A module that can say what it is.
#[derive(Debug, Clone)]
pub struct OwnRule {
    /// What it says of itself.
    pub about: ModuleRule,
    file: String,
    text: String,
    judge: Judge,
}

/// The rules of the folder that the configuration names.
#[derive(Debug, Clone, Default)]
pub struct OwnRules {
    /// Those that can judge.
    rules: Vec<OwnRule>,
    /// Modules that cannot, with one sentence each. They keep no other from judging, and whoever
    /// judges without them is blind.
    broken: Vec<(ModuleRule, String)>,
}

impl OwnRules {
    /// Reads them; none, where the configuration names no folder.
    pub fn read(config: &Config, host: &Host) -> Self {
        let mut out = Self::default();
        let Some(dir) = &config.rules_dir else { return out };
        let dir = config.path(dir);
        let mut files: Vec<PathBuf> = match std::fs::read_dir(&dir)
            .and_then(|all| all.map(|e| e.map(|e| e.path())).collect())
        {
            Ok(files) => files,
            Err(e) => {
                out.broken.push((
                    ModuleRule::broken("rules_dir"),
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
            match OwnRule::read(&file, &host.judge) {
                Ok(rule) => match out.rules.iter().find(|r| r.about.id == rule.about.id) {
                    Some(first) => out.broken.push((
                        ModuleRule::broken(&name),
                        format!("{name}: {} has the id {} too", first.file, rule.about.id),
                    )),
                    None => out.rules.push(rule),
                },
                Err(why) => out.broken.push((ModuleRule::broken(&name), why)),
            }
        }
        out
    }

    /// What is wrong with modules, one sentence each.
    pub fn problems(&self) -> impl Iterator<Item = &String> {
        self.broken.iter().map(|(_, why)| why)
    }

    /// Those that can judge.
    pub fn rules(&self) -> &[OwnRule] {
        &self.rules
    }

    /// What is wrong with the module of this id.
    pub fn problem_of(&self, id: &str) -> Option<&String> {
        self.broken.iter().find(|(about, _)| about.id == id).map(|(_, why)| why)
    }

    /// What they say of a tenant, and whether one of them could not judge at all.
    pub fn judge(
        &self,
        configuration: &Configuration,
        exceptions: &Exceptions,
        today: Date,
    ) -> (Vec<OwnVerdict>, bool) {
        let facts = Evidence::new(configuration, exceptions, today);
        let mut out: Vec<OwnVerdict> = self
            .broken
            .iter()
            .map(|(about, why)| OwnVerdict { about: about.clone(), judged: Err(Skip(why.clone())) })
            .collect();
        let mut blind = !out.is_empty();
        for rule in &self.rules {
            let (judged, broken) = rule.judged(input(&rule.about, &facts));
            blind |= broken;
            out.push(OwnVerdict { about: rule.about.clone(), judged });
        }
        (out, blind)
    }
}

impl OwnRule {
    /// The module in this file.
    ///
    /// # Errors
    /// A sentence, where it cannot judge.
    pub fn read(file: &Path, judge: &Judge) -> Result<Self, String> {
        module(file, judge)
    }

    /// What it sees of a configuration, or why it is skipped.
    ///
    /// # Errors
    /// [`Skip`].
    pub fn sees(
        &self,
        configuration: &Configuration,
        exceptions: &Exceptions,
        today: Date,
    ) -> Result<Value, Skip> {
        input(&self.about, &Evidence::new(configuration, exceptions, today))
    }

    /// What it says of what it sees.
    pub fn says(&self, seen: Result<Value, Skip>) -> Finding {
        let (judged, _) = self.judged(seen);
        judge_own(OwnVerdict { about: self.about.clone(), judged })
    }

    /// Its answer, and whether it could not judge at all.
    fn judged(&self, input: Result<Value, Skip>) -> (Judged, bool) {
        let input = match input {
            Ok(input) => input,
            Err(skip) => return (Err(skip), false),
        };
        match self.judge.ask(&ModuleQuestion {
            file: self.file.clone(),
            text: self.text.clone(),
            input: Some(input),
        }) {
            ModuleAnswer::Judged(outcome) => (Ok(outcome), false),
            ModuleAnswer::Skipped(why) => (Err(Skip(why)), false),
            ModuleAnswer::Broken(why) => (Err(Skip(why)), true),
            ModuleAnswer::About(_) => {
                (Err(Skip(format!("{}: it gave no verdict", self.file))), true)
            }
        }
    }
}

fn module(file: &Path, judge: &Judge) -> Result<OwnRule, String> {
    let name = file.display().to_string();
    let bytes = read_regular(file, SETTINGS_BYTES_MAX)
        .map_err(|e| format!("{name} cannot be read: {e}"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{name} is not UTF-8"))?;
    let about =
        match judge.ask(&ModuleQuestion { file: name.clone(), text: text.clone(), input: None }) {
            ModuleAnswer::About(about) => about,
            ModuleAnswer::Broken(why) | ModuleAnswer::Skipped(why) => return Err(why),
            ModuleAnswer::Judged(_) => return Err(format!("{name}: it does not say what it is")),
        };
    let known: BTreeSet<&str> = rows().map(|r| r.name).collect();
    if let Some(unknown) = about.inputs.iter().find(|i| !known.contains(i.as_str())) {
        let like = known.iter().find(|k| {
            k.starts_with(unknown.as_str())
                || unknown.starts_with(**k)
                || k.rsplit('/').next() == unknown.rsplit('/').next()
        });
        let hint = like.map(|l| format!("; did you mean {l}?")).unwrap_or_default();
        return Err(format!("{name}: there is no collection {unknown:?}{hint}"));
    }
    if let Some(unnamed) = known
        .iter()
        .find(|k| text.contains(&format!("\"{k}\"")) && !about.inputs.iter().any(|i| i == *k))
    {
        return Err(format!("{name}: it looks at {unnamed}, which `inputs` does not name"));
    }
    Ok(OwnRule { about, file: name, text, judge: judge.clone() })
}

/// It may have so much memory, in bytes.
const MEMORY_BYTES_MAX: u64 = 1 << 30;
/// And so much of a core, in seconds: the interpreter's own limit comes first, where it can.
const CPU_S_MAX: u64 = 5;

/// How the process is started in which one module judges: nothing else stops one that takes all
/// memory or calls itself without end. Whoever makes the host knows a program that does
/// [`answer`].
#[derive(Debug, Clone)]
pub struct Judge {
    /// The program, or why there is none.
    pub program: Result<PathBuf, String>,
    /// Its only argument.
    pub argument: &'static str,
}

impl Judge {
    /// None, for this reason.
    pub fn none(why: &str) -> Self {
        Self { program: Err(why.to_owned()), argument: "" }
    }

    /// Runs one module.
    fn ask(&self, question: &ModuleQuestion) -> ModuleAnswer {
        let file = &question.file;
        let broken = |why: String| ModuleAnswer::Broken(format!("{file}: {why}"));
        let out = match self.run(question) {
            Ok(out) => out,
            Err(why) => return broken(format!("it cannot be run: {why}")),
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

    fn run(&self, question: &ModuleQuestion) -> Result<Output, String> {
        let said = |e: std::io::Error| e.to_string();
        let mut child = Command::new(self.program.as_ref().map_err(String::clone)?)
            .arg(self.argument)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(said)?;
        let text = serde_json::to_vec(question).map_err(|e| e.to_string())?;
        let mut pipe = child.stdin.take().ok_or("no way to ask")?;
        let writer = std::thread::spawn(move || pipe.write_all(&text));
        let out = child.wait_with_output().map_err(said)?;
        // A module that died has not read everything.
        let _ = writer.join();
        Ok(out)
    }
}

/// The other side of a [`Judge`]: what the module of a question says, which `run` evaluates. From
/// now on this process may have little memory and little time.
///
/// # Errors
/// [`Kind::Internal`], where the question is none, or the limits cannot be set.
pub fn answer(
    question: impl Read,
    run: impl FnOnce(&ModuleQuestion) -> ModuleAnswer,
) -> Result<String, Error> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    for (what, most) in
        [(Resource::As, MEMORY_BYTES_MAX), (Resource::Cpu, CPU_S_MAX), (Resource::Core, 0)]
    {
        setrlimit(what, Rlimit { current: Some(most), maximum: Some(most) }).map_err(|e| {
            Error::because(Kind::Internal, "a limit cannot be set", std::io::Error::from(e))
        })?;
    }
    let wrong = |e| Error::because(Kind::Internal, "a question to a module is none", e);
    let question: ModuleQuestion = serde_json::from_reader(question).map_err(wrong)?;
    serde_json::to_string(&run(&question)).map_err(wrong)
}
