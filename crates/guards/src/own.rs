//! Customers' own rules: what a module says of itself, what it is asked and what it answers, and
//! what it sees of a tenant. Which language modules have, and how one is run, is another room's
//! (`rego`): nothing of it is needed to judge.

use crate::{
    Evidence,
    rule::{Judged, Outcome, Severity, Skip},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a module says of itself in `rule`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleRule {
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
    /// It looks at names of objects alone, so that it may pass where nothing is set.
    #[serde(default)]
    pub names_only: bool,
}

impl ModuleRule {
    /// What stands for a module that cannot judge.
    pub fn broken(file: &str) -> Self {
        let stem = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".rego");
        let stem: String = stem
            .to_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' })
            .collect();
        Self {
            id: format!("own.broken.{stem}"),
            title: format!("{file} can judge"),
            severity: Severity::Medium,
            inputs: Vec::new(),
            why: "A rule that cannot judge protects nobody.".to_owned(),
            remedy: format!("Mend the module; `strongroom tenant try {file}` says what is wrong."),
            satisfies: Vec::new(),
            names_only: false,
        }
    }
}

/// What a module said of a tenant, or why it could not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnVerdict {
    /// The rule.
    pub about: ModuleRule,
    /// Its answer.
    pub judged: Judged,
}

/// What a module is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ModuleQuestion {
    /// Its name, for errors.
    pub file: String,
    /// The module.
    pub text: String,
    /// What it sees; nothing, when it is only to say what it is.
    pub input: Option<Value>,
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModuleAnswer {
    /// What it is.
    About(ModuleRule),
    /// Its judgement.
    Judged(Outcome),
    /// It cannot judge this tenant.
    Skipped(String),
    /// It cannot judge at all; a sentence that names the file.
    Broken(String),
}

/// What modules see of a tenant.
///
/// # Errors
/// Why the rule cannot judge it.
pub fn input(about: &ModuleRule, facts: &Evidence<'_>) -> Result<Value, Skip> {
    let mut collections = serde_json::Map::new();
    for name in &about.inputs {
        let objects: Vec<Value> = facts
            .many(name)?
            .iter()
            .map(|o| json!({"name": o.name, "settings": without_nulls(&o.body)}))
            .collect();
        collections.insert(name.clone(), objects.into());
    }
    Ok(json!({
        "tenant": facts.configuration.tenant,
        "today": facts.today.to_string(),
        "taken": facts.configuration.taken.to_string(),
        "may_be_left_out": facts.left_out(),
        "break_glass": facts.emergency(),
        "collections": collections,
    }))
}

/// Graph says null where nothing is set, and Rego's loops over null fail instead of finding
/// nothing: what is null is absent.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(all) => all
            .iter()
            .filter(|(_, v)| !v.is_null())
            .map(|(k, v)| (k.clone(), without_nulls(v)))
            .collect(),
        Value::Array(all) => all.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}
