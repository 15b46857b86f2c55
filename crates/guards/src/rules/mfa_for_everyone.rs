use crate::{
    Evidence,
    policies::{self, Ask, What, Whom},
    rule::{Area, Confidence, Judged, Outcome, Rule, Severity},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::CONDITIONAL_ACCESS_POLICIES, identity::SECURITY_DEFAULTS];

/// Everybody proves who they are twice.
pub(super) const RULE: Rule = Rule {
    id: "access.mfa",
    title: "Everybody proves who they are twice",
    why: "MFA stops nearly every account takeover by password; Cyber Essentials asks for it.",
    area: Area::ConditionalAccess,
    severity: Severity::Critical,
    confidence: Confidence::Certain,
    satisfies: &[
        "MS.AAD.3.2v2",
        "entra_users_mfa_enabled",
        "entra_all_apps_conditional_access_coverage",
        "entra_conditional_access_policy_all_apps_all_users",
        "entra_admin_users_mfa_enabled",
        "Cyber Essentials: user access control",
        "DfE: MFA",
    ],
    inputs: INPUTS,
    remedy: "Conditional Access: all users, all apps, require multifactor authentication; or \
        security defaults.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    if f.one(INPUTS[1])?.is("isEnabled")? {
        return Ok(Outcome::Passed);
    }
    let ask = Ask {
        whom: Whom::Everyone,
        what: What::AllApps,
        on: &[],
        nothing: "no policy asks everybody for a second proof, and security defaults are off",
    };
    policies::ask(f, &ask, |p| p.demands(&["mfa"]))
}
