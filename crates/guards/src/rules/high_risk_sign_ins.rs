use crate::{
    Evidence,
    policies::{self, Ask, On, What, Whom},
    rule::{Area, Confidence, Judged, Rule, Severity},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::CONDITIONAL_ACCESS_POLICIES];

/// Sign-ins at high risk are blocked.
pub(super) const RULE: Rule = Rule {
    id: "access.high-risk-sign-ins",
    title: "Sign-ins at high risk are blocked",
    why: "A sign-in from a network of attackers is stopped before a mailbox is read.",
    area: Area::ConditionalAccess,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &[
        "MS.AAD.2.3v1",
        "entra_conditional_access_policy_block_high_medium_sign_in_risk",
        "entra_identity_protection_sign_in_risk_enabled",
    ],
    inputs: INPUTS,
    remedy: "Conditional Access: all users, all apps, sign-in risk high and medium: Block. Needs \
        Entra ID P2.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let ask = Ask {
        whom: Whom::Everyone,
        what: What::AllApps,
        on: &[On::SignInRisk],
        nothing: "no policy blocks sign-ins at high and medium risk",
    };
    policies::ask(f, &ask, |p| {
        p.has("conditions.signInRiskLevels", "high")
            && p.has("conditions.signInRiskLevels", "medium")
            && p.blocks()
    })
}
