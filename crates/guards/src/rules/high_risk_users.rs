use crate::{
    Evidence,
    policies::{self, Ask, On, What, Whom},
    rule::{Area, Confidence, Judged, Rule, Severity},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::CONDITIONAL_ACCESS_POLICIES];

/// People at high risk are stopped.
pub(super) const RULE: Rule = Rule {
    id: "access.high-risk-users",
    title: "People at high risk are stopped",
    why: "When Microsoft is nearly sure that an account was taken over, minutes count.",
    area: Area::ConditionalAccess,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["MS.AAD.2.1v1", "entra_identity_protection_user_risk_enabled"],
    inputs: INPUTS,
    remedy: "Conditional Access: all users, all apps, user risk high: Block, or MFA with password \
        change. Needs Entra ID P2.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let ask = Ask {
        whom: Whom::Everyone,
        what: What::AllApps,
        on: &[On::UserRisk],
        nothing: "no policy stops people at high risk",
    };
    policies::ask(f, &ask, |p| {
        p.has("conditions.userRiskLevels", "high")
            && (p.blocks() || p.demands(&["passwordChange"]) || p.demands(&["riskRemediation"]))
    })
}
