//! What a rule is.

use crate::Evidence;
use serde::{Deserialize, Serialize};
use strongroom_model::Untrusted;

/// How much harm follows when a rule is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth tidying.
    Low,
    /// Helps an attacker along.
    Medium,
    /// An attacker's usual way.
    High,
    /// The tenant is open.
    Critical,
}

/// How sure a failing verdict is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// The setting says it.
    Certain,
    /// What was collected speaks for it; a person should look.
    Likely,
}

/// Where a setting belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// Who may sign in, and how.
    ConditionalAccess,
    /// Methods and passwords.
    Authentication,
    /// What users and guests may do.
    Users,
    /// Applications and consent.
    Applications,
    /// Administrators.
    Roles,
    /// Domains and synchronization.
    Directory,
    /// Intune and device registration.
    Devices,
    /// SharePoint and OneDrive.
    SharePoint,
    /// Exchange.
    Mail,
    /// Teams.
    Teams,
    /// Purview.
    Data,
    /// A rule of the customer's own.
    Own,
}

/// A built-in rule.
pub struct Rule {
    /// Stable; other files refer to it.
    pub id: &'static str,
    /// What holds when it passes.
    pub title: &'static str,
    /// Why a school should care.
    pub why: &'static str,
    /// Where it belongs.
    pub area: Area,
    /// How much harm follows when it is broken.
    pub severity: Severity,
    /// How sure a failing verdict is.
    pub confidence: Confidence,
    /// Identifiers of public standards that it answers.
    pub satisfies: &'static [&'static str],
    /// Collections without which it cannot judge.
    pub inputs: &'static [&'static str],
    /// What to change, and where.
    pub remedy: &'static str,
    /// The judgement.
    pub judge: fn(&Evidence<'_>) -> Judged,
}

/// What a rule found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not, and here is where.
    Failed(Vec<Concern>),
    /// A person must look; says where.
    Manual(String),
}

/// Why a rule cannot judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip(pub String);

/// What a rule answers.
pub type Judged = Result<Outcome, Skip>;

/// One object that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concern {
    /// Collection and name, or the collection alone.
    pub object: Untrusted,
    /// What is wrong with it.
    pub says: Untrusted,
}

impl Concern {
    /// A concern about an object.
    pub fn new(object: impl Into<Untrusted>, says: impl Into<Untrusted>) -> Self {
        Self { object: object.into(), says: says.into() }
    }
}

/// A text that ends no line and moves no cursor: names in a tenant are chosen by its people, and
/// not all of them mean well.
pub fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.trim().chars().map(plain).collect()
}

/// Passed when there is no concern.
pub(crate) fn verdict(concerns: Vec<Concern>) -> Judged {
    Ok(if concerns.is_empty() { Outcome::Passed } else { Outcome::Failed(concerns) })
}
