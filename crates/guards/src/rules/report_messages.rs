use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::teams;

const INPUTS: &[&str] = &[teams::MESSAGING_POLICIES];

/// People can report a suspicious message.
pub(super) const RULE: Rule = Rule {
    id: "teams.report-messages",
    title: "People can report a suspicious message",
    why: "Who reports early saves the others.",
    area: Area::Teams,
    severity: Severity::Low,
    confidence: Confidence::Certain,
    satisfies: &["teams_security_reporting_enabled"],
    inputs: INPUTS,
    remedy: "Teams admin center, Messaging policies, Global: report a security concern: on.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    let s = f.named(INPUTS[0], "Global")?;
    s.want("AllowSecurityEndUserReporting", true, "people cannot report messages", &mut concerns)?;
    verdict(concerns)
}
