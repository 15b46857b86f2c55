use crate::{
    Evidence,
    policies::{self, Ask, What, Whom},
    rule::{Area, Confidence, Judged, Rule, Severity},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::CONDITIONAL_ACCESS_POLICIES];

/// Guests prove who they are twice.
pub(super) const RULE: Rule = Rule {
    id: "access.mfa-for-guests",
    title: "Guests prove who they are twice",
    why: "A guest's home tenant may ask for nothing.",
    area: Area::ConditionalAccess,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["entra_conditional_access_policy_mfa_enforced_for_guest_users"],
    inputs: INPUTS,
    remedy: "Conditional Access: guest and external users of every kind, all apps, require MFA.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let ask = Ask {
        whom: Whom::Guests,
        what: What::AllApps,
        on: &[],
        nothing: "no policy asks guests for a second proof",
    };
    policies::ask(f, &ask, |p| p.demands(&["mfa"]))
}
