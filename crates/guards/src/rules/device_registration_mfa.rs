use crate::{
    Evidence,
    policies::{self, Ask, What, Whom},
    rule::{Area, Confidence, Judged, Rule, Severity},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::CONDITIONAL_ACCESS_POLICIES];

/// Devices are registered with a second proof.
pub(super) const RULE: Rule = Rule {
    id: "access.register-devices",
    title: "Devices are registered with a second proof",
    why: "A device of the attacker's own, once registered, passes as the school's.",
    area: Area::ConditionalAccess,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["entra_conditional_access_policy_device_registration_mfa_required"],
    inputs: INPUTS,
    remedy: "Conditional Access: all users, user action Register or join devices, require MFA; and \
        device settings: require MFA to register = no, so that the policy decides.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let ask = Ask {
        whom: Whom::Everyone,
        what: What::Action("urn:user:registerdevice"),
        on: &[],
        nothing: "no policy asks for a second proof when a device is registered",
    };
    policies::ask(f, &ask, |p| {
        p.has("conditions.applications.includeUserActions", "urn:user:registerdevice")
            && p.demands(&["mfa"])
    })
}
