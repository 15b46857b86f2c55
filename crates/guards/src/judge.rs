//! All rules over one tenant.

use crate::{
    Exceptions, Facts, RULES,
    rule::{Area, Concern, Confidence, Outcome, Severity},
};
use serde::Serialize;
use std::collections::BTreeMap;
use strongroom_model::Configuration;

/// What a rule says of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is broken.
    Failed,
    /// A person must look.
    Manual,
    /// It could not be judged.
    Skipped,
    /// It is broken, and somebody decided to live with that.
    Accepted,
    /// It holds.
    Passed,
}

/// One rule's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule.
    pub rule: &'static str,
    /// Its title.
    pub title: &'static str,
    /// Where it belongs.
    pub area: Area,
    /// How grave it is.
    pub severity: Severity,
    /// How sure a failing verdict is.
    pub confidence: Confidence,
    /// The answer.
    pub verdict: Verdict,
    /// The objects concerned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub concerns: Vec<Concern>,
    /// Why it was skipped, where a person must look, or why it is accepted.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// What to change.
    pub remedy: &'static str,
    /// Identifiers of public standards.
    pub satisfies: &'static [&'static str],
}

/// All answers for one tenant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The tenant.
    pub tenant: String,
    /// When its configuration was read.
    pub taken: jiff::Timestamp,
    /// Worst first.
    pub findings: Vec<Finding>,
    /// How many of each verdict.
    pub counts: BTreeMap<Verdict, usize>,
    /// Weighted share of what could be judged that holds, in percent; `None` when nothing could be judged.
    pub score: Option<u32>,
}

fn weight(severity: Severity) -> u32 {
    match severity {
        Severity::Critical => 10,
        Severity::High => 5,
        Severity::Medium => 2,
        Severity::Low => 1,
    }
}

/// Judges a configuration on a day, by every built-in rule.
pub fn judge(configuration: &Configuration, exceptions: &Exceptions, today: jiff::civil::Date) -> Report {
    let facts = Facts::new(configuration, exceptions, today);
    let mut findings: Vec<Finding> = RULES
        .iter()
        .map(|rule| {
            // A rule sees nothing of what it did not name, and needs all of it.
            let lack = rule.inputs.iter().find_map(|i| facts.many(i).err());
            let (verdict, mut concerns, mut note) = match lack.map_or_else(|| (rule.judge)(&facts), Err) {
                Ok(Outcome::Passed) => (Verdict::Passed, Vec::new(), String::new()),
                Ok(Outcome::Failed(concerns)) => (Verdict::Failed, concerns, String::new()),
                Ok(Outcome::Manual(where_)) => (Verdict::Manual, Vec::new(), where_),
                Err(skip) => (Verdict::Skipped, Vec::new(), skip.0),
            };
            let mut verdict = verdict;
            if verdict == Verdict::Failed {
                let accepted = exceptions.accepted.iter().filter(|a| a.rule == rule.id && a.until >= today);
                let mut reasons = Vec::new();
                let mut rest = concerns.clone();
                for a in accepted {
                    let before = rest.len();
                    rest.retain(|c| a.object.as_ref().is_some_and(|o| !o.eq_ignore_ascii_case(&c.object)));
                    if rest.len() < before {
                        reasons.push(format!("{} (until {}, {})", a.reason, a.until, a.by));
                    }
                }
                if rest.is_empty() {
                    verdict = Verdict::Accepted;
                    note = reasons.join("; ");
                } else {
                    concerns = rest;
                }
            }
            Finding {
                rule: rule.id,
                title: rule.title,
                area: rule.area,
                severity: rule.severity,
                confidence: rule.confidence,
                verdict,
                concerns,
                note,
                remedy: rule.remedy,
                satisfies: rule.satisfies,
            }
        })
        .collect();
    findings.sort_by(|a, b| a.verdict.cmp(&b.verdict).then(b.severity.cmp(&a.severity)).then(a.rule.cmp(b.rule)));
    let mut counts = BTreeMap::new();
    for f in &findings {
        *counts.entry(f.verdict).or_default() += 1;
    }
    let sum = |of: &[Verdict]| findings.iter().filter(|f| of.contains(&f.verdict)).map(|f| weight(f.severity)).sum::<u32>();
    let judged = sum(&[Verdict::Passed, Verdict::Failed, Verdict::Accepted]);
    let score = (judged > 0).then(|| sum(&[Verdict::Passed]) * 100 / judged);
    Report { tenant: configuration.tenant.clone(), taken: configuration.taken, findings, counts, score }
}
