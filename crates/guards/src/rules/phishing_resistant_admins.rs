use crate::{
    Evidence,
    policies::{self, Ask, What, Whom},
    rule::{Area, Confidence, Judged, Rule, Severity},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::CONDITIONAL_ACCESS_POLICIES];

/// Administrators' proof withstands phishing.
pub(super) const RULE: Rule = Rule {
    id: "access.phishing-resistant-admins",
    title: "Administrators' proof withstands phishing",
    why: "One phished administrator is the whole school.",
    area: Area::ConditionalAccess,
    severity: Severity::Critical,
    confidence: Confidence::Certain,
    satisfies: &["MS.AAD.3.6v1", "entra_admin_users_phishing_resistant_mfa_enabled"],
    inputs: INPUTS,
    remedy: "Conditional Access: the highly privileged directory roles, all apps, authentication \
        strength Phishing-resistant MFA.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let ask = Ask {
        whom: Whom::Roles(crate::words::HIGHLY_PRIVILEGED),
        what: What::AllApps,
        on: &[],
        nothing: "no policy asks administrators for phishing-resistant proof",
    };
    policies::ask(f, &ask, |p| p.demands_phishing_resistance())
}
