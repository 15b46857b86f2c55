//! Customers' own rules: a folder of Rego modules, each evaluated alone. `docs/rules.md` says how one is written.

use crate::{
    Facts,
    rule::{Concern, Judged, Outcome, Severity, Skip},
};
use regorus::{
    Engine, Value as Rego,
    utils::limits::{ExecutionTimerConfig, PolicyLengthConfig},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
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

/// What a module says of itself in `rule`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Stable; other files refer to it.
    pub id: String,
    /// What holds when it passes.
    pub title: String,
    /// How much harm follows when it is broken.
    pub severity: Severity,
    /// Collections without which it cannot judge.
    pub inputs: Vec<String>,
    /// Why anybody should care.
    #[serde(default)]
    pub why: String,
    /// What to change, and where.
    pub remedy: String,
    /// Identifiers of standards that it answers.
    #[serde(default)]
    pub satisfies: Vec<String>,
}

/// A rule of the customer's own.
#[derive(Clone)]
pub struct OwnRule {
    /// What it says of itself.
    pub about: About,
    file: String,
    package: String,
    engine: Engine,
}

impl std::fmt::Debug for OwnRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnRule").field("about", &self.about).field("package", &self.package).finish_non_exhaustive()
    }
}

/// What the engine says is a picture of the line over several lines, and one sentence is wanted.
fn sentence(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    match (lines.iter().find(|l| l.starts_with("-->")), lines.iter().find_map(|l| l.strip_prefix("error: "))) {
        (Some(place), Some(says)) => {
            // `--> file:line:column`
            let mut from_end = place.rsplit(':');
            let (_, line) = (from_end.next(), from_end.next().unwrap_or_default());
            format!("line {line}: {says}")
        }
        _ => lines.join(" "),
    }
}

impl OwnRule {
    /// Reads a module; `file` is its name, for errors.
    ///
    /// # Errors
    /// A sentence that names the file, and the line where there is one.
    pub fn parse(file: &str, text: &str) -> Result<Self, String> {
        let wrong = |why: String| format!("{file}: {why}");
        let mut engine = Engine::new();
        engine.set_policy_length_config(PolicyLengthConfig { max_col: COLUMNS_MAX, max_file_bytes: MODULE_BYTES_MAX, max_lines: LINES_MAX });
        engine.set_execution_timer_config(ExecutionTimerConfig { limit: Duration::from_secs(JUDGE_S_MAX), check_interval: STEPS_BETWEEN_LOOKS });
        let package = engine.add_policy(file.to_owned(), text.to_owned()).map_err(|e| wrong(sentence(&e)))?;
        let ask = |engine: &mut Engine, name: &str| engine.eval_rule(format!("{package}.{name}"));
        let said = ask(&mut engine, "rule").map_err(|e| match has(&engine, file, "rule") {
            false => {
                wrong("it says nothing of itself: `rule := {\"id\": …, \"title\": …, \"severity\": …, \"inputs\": […], \"remedy\": …}` is missing".to_owned())
            }
            true => wrong(sentence(&e)),
        })?;
        let said = plain(&said).ok_or_else(|| wrong("`rule` must not depend on the input".to_owned()))?;
        let about: About = serde_json::from_value(said).map_err(|e| wrong(format!("`rule`: {e}")))?;
        if !about.id.starts_with("own.") || about.id.len() > 80 || !about.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
        {
            return Err(wrong(format!("the id {:?} must read like own.no-guests: own., then small letters, digits, - and .", about.id)));
        }
        if about.inputs.is_empty() {
            return Err(wrong("`inputs` is empty, so it could look at nothing; `strongroom tenant try --inputs` lists the collections".to_owned()));
        }
        if about.title.trim().is_empty() || about.remedy.trim().is_empty() {
            return Err(wrong("`title` and `remedy` must say something".to_owned()));
        }
        for name in ["failed", "passed"] {
            if !has(&engine, file, name) {
                return Err(wrong(format!(
                    "`{name}` is missing; a rule says both when it has failed and when it has passed, and is skipped when neither is so"
                )));
            }
        }
        Ok(Self { about, file: file.to_owned(), package, engine })
    }

    /// What modules see.
    pub fn input(&self, facts: &Facts<'_>) -> Result<Value, Skip> {
        let mut collections = serde_json::Map::new();
        for name in &self.about.inputs {
            let objects: Vec<Value> = facts.many(name)?.iter().map(|o| json!({"name": o.name, "settings": without_nulls(&o.body)})).collect();
            collections.insert(name.clone(), objects.into());
        }
        Ok(json!({
            "tenant": facts.configuration.tenant,
            "today": facts.today.to_string(),
            "taken": facts.configuration.taken.to_string(),
            "may_be_left_out": facts.left_out(),
            "collections": collections,
        }))
    }

    /// The judgement. Neither failed nor passed is skipped: a setting that is not there makes Rego's conditions undefined, and
    /// what is undefined has not passed.
    pub(crate) fn judge(&self, facts: &Facts<'_>) -> Judged {
        let input = self.input(facts)?;
        let mut engine = self.engine.clone();
        engine.set_input(Rego::from_json_str(&input.to_string()).map_err(|e| Skip(sentence(&e)))?);
        let mut ask = |name: &str| -> Result<Option<Value>, Skip> {
            if !has(&self.engine, &self.file, name) {
                return Ok(None);
            }
            let value = engine.eval_rule(format!("{}.{name}", self.package)).map_err(|e| Skip(format!("the module fails: {}", sentence(&e))))?;
            Ok(plain(&value))
        };
        let concerns = match ask("failed")? {
            None | Some(Value::Bool(false)) => Vec::new(),
            Some(Value::Bool(true)) => vec![Concern::new(self.about.inputs[0].clone(), self.about.title.clone())],
            Some(Value::Array(rows)) => rows.iter().map(|r| self.concern(r)).collect::<Result<_, _>>()?,
            Some(other) => return Err(Skip(format!("not understood: `failed` is {other}, and not a set"))),
        };
        if !concerns.is_empty() {
            return Ok(Outcome::Failed(concerns));
        }
        if let Some(why) = ask("skipped")?.as_ref().and_then(words) {
            return Err(Skip(why));
        }
        if let Some(where_) = ask("manual")?.as_ref().and_then(words) {
            return Ok(Outcome::Manual(where_));
        }
        match ask("passed")? {
            Some(Value::Bool(true)) => Ok(Outcome::Passed),
            _ => Err(Skip("it has neither failed nor passed: a setting that it looks at is missing".to_owned())),
        }
    }

    /// One member of `failed`: a sentence, or an object and a sentence.
    fn concern(&self, row: &Value) -> Result<Concern, Skip> {
        let all = &self.about.inputs[0];
        match (row.as_str(), row["says"].as_str()) {
            (Some(says), _) => Ok(Concern::new(all.clone(), says)),
            (None, Some(says)) => Ok(Concern::new(row["object"].as_str().map_or_else(|| all.clone(), str::to_owned), says)),
            _ => Err(Skip(format!("not understood: a member of `failed` is {row}; it must be a sentence, or {{\"object\": …, \"says\": …}}"))),
        }
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

/// A sentence, or the first sentences of a set.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(s) if !s.is_empty() => Some(s.clone()),
        Value::Array(all) if !all.is_empty() => Some(all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; ")),
        _ => None,
    }
}

/// Graph says null where nothing is set, and Rego's loops over null fail instead of finding nothing: what is null is absent.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(all) => all.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), without_nulls(v))).collect(),
        Value::Array(all) => all.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}
