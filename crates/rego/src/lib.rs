//! Customers' own rules in Rego: one module, evaluated alone. `docs/rules.md` says how one is
//! written; what it is asked and what it answers is `guards`' ([`ModuleQuestion`],
//! [`ModuleAnswer`]).
//!
//! A module can take all memory or call itself without end, and no interpreter stops that from
//! within. So [`run`] is meant for a process of its own with limits of its own; whoever owns that
//! process says what became of it. Knows no repository, network, file or clock.

use regorus::{
    Engine, Value as Rego,
    utils::limits::{ExecutionTimerConfig, PolicyLengthConfig},
};
use serde_json::{Value, json};
use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};
use strongroom_guards::{
    ModuleAnswer, ModuleQuestion, ModuleRule,
    rule::{Concern, Outcome, one_line},
};

/// A module may be so large, in bytes.
const MODULE_BYTES_MAX: NonZeroUsize = NonZeroUsize::new(1 << 20).expect("not zero");
/// And have so many lines.
const LINES_MAX: NonZeroUsize = NonZeroUsize::new(20_000).expect("not zero");
/// Lists of names make long lines.
const COLUMNS_MAX: NonZeroU32 = NonZeroU32::new(65_536).expect("not zero");
/// One module may think so long about one tenant.
const JUDGE_S_MAX: u64 = 2;
/// Its time is looked at after so many steps.
const STEPS_BETWEEN_LOOKS: NonZeroU32 = NonZeroU32::new(1_000).expect("not zero");

/// Runs a module. It takes what memory and stack the module takes.
pub fn run(question: &ModuleQuestion) -> ModuleAnswer {
    let file = question.file.as_str();
    let module = match Module::parse(file, &question.text) {
        Ok(m) => m,
        Err(why) => return ModuleAnswer::Broken(why),
    };
    let Some(input) = &question.input else { return ModuleAnswer::About(module.about) };
    let verdict = module.judge(input);
    // Missing data never passes: whoever passes without it has looked at nothing.
    if matches!(verdict, ModuleAnswer::Judged(Outcome::Passed)) && !module.about.names_only {
        let (bare, had) = bare(input);
        if had && matches!(module.judge(&bare), ModuleAnswer::Judged(Outcome::Passed)) {
            return ModuleAnswer::Skipped(
                "it passes too where every setting that it looks at is missing: let `passed` name \
                 the values that it wants (or say `names_only`)"
                    .to_owned(),
            );
        }
    }
    verdict
}

/// The same objects with nothing in them, and whether there were any.
fn bare(input: &Value) -> (Value, bool) {
    let mut out = input.clone();
    let mut had = false;
    for rows in out["collections"].as_object_mut().into_iter().flat_map(|m| m.values_mut()) {
        for row in rows.as_array_mut().into_iter().flatten() {
            had |= row["settings"].as_object().is_some_and(|s| !s.is_empty());
            row["settings"] = json!({});
        }
    }
    (out, had)
}

struct Module {
    about: ModuleRule,
    file: String,
    package: String,
    engine: Engine,
}

impl Module {
    fn parse(file: &str, text: &str) -> Result<Self, String> {
        let wrong = |why: String| format!("{file}: {why}");
        let text = text.trim_start_matches('\u{feff}');
        if text.trim().is_empty() {
            return Err(wrong("it is empty".to_owned()));
        }
        let mut engine = Engine::new();
        engine.set_policy_length_config(PolicyLengthConfig {
            max_col: COLUMNS_MAX,
            max_file_bytes: MODULE_BYTES_MAX,
            max_lines: LINES_MAX,
        });
        engine.set_execution_timer_config(ExecutionTimerConfig {
            limit: Duration::from_secs(JUDGE_S_MAX),
            check_interval: STEPS_BETWEEN_LOOKS,
        });
        engine.set_gather_prints(true);
        let package =
            engine.add_policy(file.to_owned(), text.to_owned()).map_err(|e| wrong(sentence(&e)))?;
        if !has(&engine, file, "rule") {
            let wanted = "`rule := {\"id\": …, \"title\": …, \"severity\": …, \"inputs\": \
                […], \"remedy\": …}` is missing";
            return Err(wrong(format!("it says nothing of itself: {wanted}")));
        }
        let said = engine.eval_rule(format!("{package}.rule")).map_err(|e| wrong(sentence(&e)))?;
        let said =
            plain(&said).ok_or_else(|| wrong("`rule` must not depend on the input".to_owned()))?;
        let mut about: ModuleRule =
            serde_json::from_value(said).map_err(|e| wrong(format!("`rule`: {e}")))?;
        if !about.id.starts_with("own.")
            || about.id.len() > 80
            || !about
                .id
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
        {
            return Err(wrong(format!(
                "the id {:?} must read like own.no-guests: own., then small letters, digits, - and \
                 .",
                about.id
            )));
        }
        if about.inputs.is_empty() {
            return Err(wrong(
                "`inputs` is empty, so it could look at nothing; `strongroom tenant \
                try --inputs` lists the collections"
                    .to_owned(),
            ));
        }
        for text in [&mut about.title, &mut about.why, &mut about.remedy]
            .into_iter()
            .chain(&mut about.satisfies)
        {
            *text = one_line(text);
        }
        if about.title.is_empty() || about.remedy.is_empty() {
            return Err(wrong("`title` and `remedy` must say something".to_owned()));
        }
        for name in ["failed", "passed"] {
            if !has(&engine, file, name) {
                return Err(wrong(format!(
                    "`{name}` is missing; a rule says both when it has failed and when it has \
                     passed, and is skipped when neither is so"
                )));
            }
        }
        Ok(Self { about, file: file.to_owned(), package, engine })
    }

    /// The first of these that fits: failed, skipped, manual, passed. A setting that is not there
    /// makes Rego's conditions undefined, and what is undefined has not passed.
    fn judge(&self, input: &Value) -> ModuleAnswer {
        self.answer(input)
            .unwrap_or_else(|why| ModuleAnswer::Broken(format!("{}: {why}", self.file)))
    }

    fn answer(&self, input: &Value) -> Result<ModuleAnswer, String> {
        let mut engine = self.engine.clone();
        engine.set_input(Rego::from_json_str(&input.to_string()).map_err(|e| sentence(&e))?);
        let mut ask = |name: &str| -> Result<Option<Value>, String> {
            if !has(&self.engine, &self.file, name) {
                return Ok(None);
            }
            let value =
                engine.eval_rule(format!("{}.{name}", self.package)).map_err(|e| sentence(&e))?;
            match plain(&value) {
                None if value != Rego::Undefined => {
                    Err(format!("not understood: `{name}` is no JSON"))
                }
                said => Ok(said),
            }
        };
        let concerns = match ask("failed")? {
            None | Some(Value::Bool(false)) => Vec::new(),
            Some(Value::Bool(true)) => vec![Concern::new(
                self.about.inputs[0].clone(),
                format!("does not hold: {}", self.about.title),
            )],
            Some(Value::Array(rows)) => {
                rows.iter().map(|r| self.concern(r)).collect::<Result<_, _>>()?
            }
            Some(other) => {
                return Err(format!("not understood: `failed` is {other}, and not a set"));
            }
        };
        if !concerns.is_empty() {
            return Ok(ModuleAnswer::Judged(Outcome::Failed(concerns)));
        }
        if let Some(why) = words("skipped", ask("skipped")?, "the module says so")? {
            return Ok(ModuleAnswer::Skipped(why));
        }
        if let Some(where_) = words("manual", ask("manual")?, "the module wants a person to look")?
        {
            return Ok(ModuleAnswer::Judged(Outcome::Manual(where_)));
        }
        match ask("passed")? {
            Some(Value::Bool(true)) => Ok(ModuleAnswer::Judged(Outcome::Passed)),
            Some(Value::Bool(false)) | None => Ok(ModuleAnswer::Skipped(
                "it has neither failed nor passed: most often because a setting \
                    that it looks at is missing"
                    .to_owned(),
            )),
            Some(other) => Err(format!(
                "not understood: `passed` is {other}, and neither true nor \
                false"
            )),
        }
    }

    /// One member of `failed`: a sentence, or an object and a sentence.
    fn concern(&self, row: &Value) -> Result<Concern, String> {
        let all = &self.about.inputs[0];
        match (row.as_str(), row["says"].as_str()) {
            (Some(says), _) => Ok(Concern::new(all.clone(), says)),
            (None, Some(says)) => Ok(Concern::new(
                row["object"].as_str().map_or_else(|| all.clone(), str::to_owned),
                says,
            )),
            _ => Err(format!(
                "not understood: a member of `failed` is {row}; it must be a sentence, or \
                 {{\"object\": …, \"says\": …}}"
            )),
        }
    }
}

/// What the engine says is a picture of the line over several lines, and one sentence is wanted.
fn sentence(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    if text.contains("execution exceeded time limit") {
        return format!("it took longer than {JUDGE_S_MAX} seconds");
    }
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    match (
        lines.iter().find(|l| l.starts_with("-->")),
        lines.iter().find_map(|l| l.strip_prefix("error: ")),
    ) {
        (Some(place), Some(says)) => {
            // `--> file:line:column`
            let mut from_end = place.rsplit(':');
            let (column, line) =
                (from_end.next().unwrap_or_default(), from_end.next().unwrap_or_default());
            format!("line {line}, column {column}: {says}")
        }
        _ => lines.join(" "),
    }
}

/// Whether the module defines a rule of this name.
fn has(engine: &Engine, file: &str, name: &str) -> bool {
    engine.has_declared_rule_rooted_at(file, name).unwrap_or(false)
}

/// As JSON; nothing where it is undefined.
fn plain(value: &Rego) -> Option<Value> {
    match value {
        Rego::Undefined => None,
        v => v.to_json_str().ok().and_then(|t| serde_json::from_str(&t).ok()),
    }
}

/// A sentence, the sentences of a set, or plainly true; what says neither yes nor no is not passed
/// over.
fn words(name: &str, value: Option<Value>, plainly: &str) -> Result<Option<String>, String> {
    match value {
        None | Some(Value::Bool(false)) => Ok(None),
        Some(Value::Bool(true)) => Ok(Some(plainly.to_owned())),
        Some(Value::String(s)) => Ok((!s.is_empty()).then(|| one_line(&s))),
        Some(Value::Array(all)) if all.iter().all(Value::is_string) => {
            Ok((!all.is_empty()).then(|| {
                one_line(&all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "))
            }))
        }
        Some(other) => Err(format!("not understood: `{name}` is {other}, and no sentence")),
    }
}
