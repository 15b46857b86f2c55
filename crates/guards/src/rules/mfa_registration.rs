use crate::{
    Evidence,
    policies::{self, Ask, What, Whom},
    rule::{Area, Confidence, Judged, Rule, Severity},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::CONDITIONAL_ACCESS_POLICIES];

/// Second proofs are registered on managed devices.
pub(super) const RULE: Rule = Rule {
    id: "access.register-on-managed-devices",
    title: "Second proofs are registered on managed devices",
    why: "With a stolen password an attacker registers a phone of their own first.",
    area: Area::ConditionalAccess,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["MS.AAD.3.8v1", "entra_managed_device_required_for_mfa_registration"],
    inputs: INPUTS,
    remedy: "Conditional Access: all users, user action Register security information, require a \
        compliant or hybrid joined device.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let ask = Ask {
        whom: Whom::Everyone,
        what: What::Action("urn:user:registersecurityinfo"),
        on: &[],
        nothing: "no policy guards the registration of second proofs",
    };
    policies::ask(f, &ask, |p| {
        p.has("conditions.applications.includeUserActions", "urn:user:registersecurityinfo")
            && p.demands(&["compliantDevice", "domainJoinedDevice"])
    })
}
