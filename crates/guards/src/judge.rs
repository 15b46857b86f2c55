//! All rules over one tenant.

use crate::{
    Evidence, Exceptions, ModuleRule, OwnVerdict, RULES,
    rule::{Area, Concern, Confidence, Judged, Outcome, Rule, Severity},
};
use serde::Serialize;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};
use strongroom_model::{Configuration, Untrusted};

/// What a rule says of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleVerdict {
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
    pub rule: Cow<'static, str>,
    /// Its title.
    pub title: Cow<'static, str>,
    /// Why anybody should care.
    #[serde(skip)]
    pub why: Cow<'static, str>,
    /// Where it belongs.
    pub area: Area,
    /// How grave it is.
    pub severity: Severity,
    /// How sure a failing verdict is.
    pub confidence: Confidence,
    /// The answer.
    pub verdict: RuleVerdict,
    /// The objects concerned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub concerns: Vec<Concern>,
    /// Objects that somebody decided to live with, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<Concern>,
    /// Why it was skipped, where a person must look, or why it is accepted.
    #[serde(skip_serializing_if = "Untrusted::is_empty")]
    pub note: Untrusted,
    /// What to change.
    pub remedy: Cow<'static, str>,
    /// Identifiers of public standards.
    pub satisfies: Vec<Cow<'static, str>>,
}

/// All answers for one tenant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The tenant.
    pub tenant: String,
    /// When its configuration was read.
    pub taken: jiff::Timestamp,
    /// Exceptions that do nothing: they ended, or fit nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub idle_exceptions: Vec<String>,
    /// Worst first.
    pub findings: Vec<Finding>,
    /// How many of each verdict.
    pub counts: BTreeMap<RuleVerdict, usize>,
    /// Weighted share of what could be judged that holds, in percent; `None` when nothing could be
    /// judged.
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

/// A finding of which only the answer is wanting.
fn built_in(rule: &Rule) -> Finding {
    Finding {
        rule: rule.id.into(),
        title: rule.title.into(),
        why: rule.why.into(),
        area: rule.area,
        severity: rule.severity,
        confidence: rule.confidence,
        verdict: RuleVerdict::Skipped,
        concerns: Vec::new(),
        accepted: Vec::new(),
        note: Untrusted::default(),
        remedy: rule.remedy.into(),
        satisfies: rule.satisfies.iter().map(|s| (*s).into()).collect(),
    }
}

fn of_their_own(about: ModuleRule) -> Finding {
    Finding {
        rule: about.id.into(),
        title: about.title.into(),
        why: about.why.into(),
        area: Area::Own,
        severity: about.severity,
        confidence: Confidence::Certain,
        verdict: RuleVerdict::Skipped,
        concerns: Vec::new(),
        accepted: Vec::new(),
        note: Untrusted::default(),
        remedy: about.remedy.into(),
        satisfies: about.satisfies.into_iter().map(Cow::Owned).collect(),
    }
}

impl Finding {
    /// Writes the answer into it. `used` collects which acceptances had something to accept.
    fn answered(
        mut self,
        judged: Judged,
        exceptions: &Exceptions,
        today: jiff::civil::Date,
        used: &mut BTreeSet<usize>,
    ) -> Self {
        (self.verdict, self.concerns, self.note) = match judged {
            Ok(Outcome::Passed) => (RuleVerdict::Passed, Vec::new(), Untrusted::default()),
            Ok(Outcome::Failed(concerns)) => (RuleVerdict::Failed, concerns, Untrusted::default()),
            Ok(Outcome::Manual(where_)) => (RuleVerdict::Manual, Vec::new(), where_.into()),
            Err(skip) => (RuleVerdict::Skipped, Vec::new(), skip.0.into()),
        };
        if self.verdict != RuleVerdict::Failed {
            return self;
        }
        for (n, a) in exceptions
            .accepted
            .iter()
            .enumerate()
            .filter(|(_, a)| self.rule == a.rule && a.until >= today)
        {
            let fits = |c: &Concern| {
                a.object.as_ref().is_none_or(|o| o.eq_ignore_ascii_case(c.object.as_str()))
            };
            let (taken, rest): (Vec<Concern>, Vec<Concern>) =
                self.concerns.into_iter().partition(fits);
            self.concerns = rest;
            if !taken.is_empty() {
                used.insert(n);
            }
            let why = format!("{} ({}, until {})", a.reason, a.by, a.until);
            self.accepted.extend(taken.into_iter().map(|c| Concern::new(c.object, why.clone())));
        }
        if self.concerns.is_empty() {
            self.verdict = RuleVerdict::Accepted;
            let mut reasons: Vec<&str> = self.accepted.iter().map(|c| c.says.as_str()).collect();
            reasons.dedup();
            self.note = reasons.join("; ").into();
        }
        self
    }
}

/// The answer of one rule of the customer's own as a finding, without exceptions.
pub fn judge_own(own: OwnVerdict) -> Finding {
    of_their_own(own.about).answered(
        own.judged,
        &Exceptions::default(),
        jiff::civil::Date::MIN,
        &mut BTreeSet::new(),
    )
}

/// Judges a configuration on a day by every built-in rule, and adds what the customer's own said of
/// it.
pub fn judge(
    configuration: &Configuration,
    exceptions: &Exceptions,
    own: Vec<OwnVerdict>,
    today: jiff::civil::Date,
) -> Report {
    let facts = Evidence::new(configuration, exceptions, today);
    let mut used: BTreeSet<usize> = BTreeSet::new();
    let mut findings: Vec<Finding> = Vec::with_capacity(RULES.len() + own.len());
    for rule in RULES {
        // A rule sees nothing of what it did not name, and needs all of it.
        let lack = rule.inputs.iter().find_map(|i| facts.many(i).err());
        let judged = lack.map_or_else(|| (rule.judge)(&facts), Err);
        findings.push(built_in(rule).answered(judged, exceptions, today, &mut used));
    }
    for rule in own {
        findings.push(of_their_own(rule.about).answered(rule.judged, exceptions, today, &mut used));
    }
    findings.sort_by(|a, b| {
        a.verdict.cmp(&b.verdict).then(b.severity.cmp(&a.severity)).then(a.rule.cmp(&b.rule))
    });
    let mut idle_exceptions = facts.idle(exceptions, today);
    for (n, a) in exceptions.accepted.iter().enumerate().filter(|(n, _)| !used.contains(n)) {
        let object = a.object.as_ref().map_or_else(String::new, |o| format!(" at {o}"));
        idle_exceptions.push(match a.until < today {
            true => format!("the acceptance of {}{object} ended on {}", a.rule, a.until),
            false if !findings.iter().any(|f| f.rule == a.rule) => {
                format!("the acceptance of {}{object} names a rule that is not there", a.rule)
            }
            false => format!("acceptance {} of {}{object} fits no finding", n + 1, a.rule),
        });
    }
    let mut counts = BTreeMap::new();
    for f in &findings {
        *counts.entry(f.verdict).or_default() += 1;
    }
    let sum = |of: &[RuleVerdict]| {
        findings.iter().filter(|f| of.contains(&f.verdict)).map(|f| weight(f.severity)).sum::<u32>()
    };
    let judged = sum(&[RuleVerdict::Passed, RuleVerdict::Failed, RuleVerdict::Accepted]);
    let score = (judged > 0).then(|| sum(&[RuleVerdict::Passed]) * 100 / judged);
    Report {
        tenant: configuration.tenant.clone(),
        taken: configuration.taken,
        idle_exceptions,
        findings,
        counts,
        score,
    }
}
