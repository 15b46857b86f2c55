use crate::{
    Evidence,
    policies::{self, Ask, What, Whom},
    rule::{Area, Confidence, Judged, Rule, Severity},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::CONDITIONAL_ACCESS_POLICIES];

/// Enrolment in Intune asks anew for proof.
pub(super) const RULE: Rule = Rule {
    id: "access.intune-enrolment",
    title: "Enrolment in Intune asks anew for proof",
    why: "An enrolled device gets the school's certificates and Wi-Fi.",
    area: Area::ConditionalAccess,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["entra_intune_enrollment_sign_in_frequency_every_time"],
    inputs: INPUTS,
    remedy: "Conditional Access: all users, app Microsoft Intune Enrollment, require MFA, sign-in \
        frequency every time.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let ask = Ask {
        whom: Whom::Everyone,
        what: What::App("d4ebce55-015a-49b5-a083-c84d1797ae8c"),
        on: &[],
        nothing: "no policy asks for proof at every enrolment",
    };
    policies::ask(f, &ask, |p| {
        p.has("conditions.applications.includeApplications", "d4ebce55-015a-49b5-a083-c84d1797ae8c")
            && p.demands(&["mfa"])
            && p.at("sessionControls.signInFrequency.frequencyInterval") == "everyTime"
    })
}
