use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::exchange;

const INPUTS: &[&str] = &[exchange::ROLE_ASSIGNMENT_POLICIES];

/// People do not install Outlook add-ins.
pub(super) const RULE: Rule = Rule {
    id: "mail.add-ins",
    title: "People do not install Outlook add-ins",
    why: "An add-in reads the mails that its user reads; one that a pupil found on the web is a \
        stranger in the mailbox.",
    area: Area::Mail,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["exchange_roles_assignment_policy_addins_disabled"],
    inputs: INPUTS,
    remedy: "Exchange admin center, Roles, User roles, Default Role Assignment Policy: take out My \
        Custom Apps, My Marketplace Apps and My ReadWriteMailbox Apps.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    const INSTALL: &[&str] = &["My Custom Apps", "My Marketplace Apps", "My ReadWriteMailbox Apps"];
    let mut concerns = Vec::new();
    for p in f.settings(INPUTS[0])? {
        let found: Vec<&str> =
            p.texts("Roles")?.into_iter().filter(|r| INSTALL.contains(r)).collect();
        if !found.is_empty() {
            concerns.push(p.concern(&format!("gives {}", found.join(", "))));
        }
    }
    verdict(concerns)
}
