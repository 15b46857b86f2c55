use crate::{
    Evidence,
    policies::{self, Ask, What, Whom},
    rule::{Area, Confidence, Judged, Rule, Severity},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::CONDITIONAL_ACCESS_POLICIES];

/// Only devices that the school manages get in.
pub(super) const RULE: Rule = Rule {
    id: "access.managed-devices",
    title: "Only devices that the school manages get in",
    why: "A home computer with a keylogger needs no exploit.",
    area: Area::ConditionalAccess,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &[
        "MS.AAD.3.7v1",
        "entra_managed_device_required_for_authentication",
        "entra_conditional_access_policy_mdm_compliant_device_required",
        "entra_conditional_access_policy_compliant_device_hybrid_joined_device_mfa_required",
    ],
    inputs: INPUTS,
    remedy: "Conditional Access: all users, all apps, require a compliant or hybrid joined device.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let ask = Ask {
        whom: Whom::Everyone,
        what: What::AllApps,
        on: &[],
        nothing: "no policy asks everybody for a managed device",
    };
    policies::ask(f, &ask, |p| p.demands(&["compliantDevice", "domainJoinedDevice"]))
}
