use crate::{
    Evidence,
    policies::{self, Ask, What, Whom},
    rule::{Area, Confidence, Judged, Rule, Severity},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::CONDITIONAL_ACCESS_POLICIES];

/// Everybody's proof withstands phishing.
pub(super) const RULE: Rule = Rule {
    id: "access.phishing-resistant-mfa",
    title: "Everybody's proof withstands phishing",
    why: "Pages that pass on codes and prompts are sold as a service; keys and Windows Hello do \
        not work there.",
    area: Area::ConditionalAccess,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["MS.AAD.3.1v1"],
    inputs: INPUTS,
    remedy: "Conditional Access: all users, all apps, authentication strength Phishing-resistant \
        MFA.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let ask = Ask {
        whom: Whom::Everyone,
        what: What::AllApps,
        on: &[],
        nothing: "no policy asks everybody for phishing-resistant proof",
    };
    policies::ask(f, &ask, |p| p.demands_phishing_resistance())
}
