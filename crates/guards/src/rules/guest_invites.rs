use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::AUTHORIZATION];

/// Only administrators and guest inviters invite guests.
pub(super) const RULE: Rule = Rule {
    id: "users.guest-invites",
    title: "Only administrators and guest inviters invite guests",
    why: "Every pupil who may invite can bring a stranger into teams and sites.",
    area: Area::Users,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["EIDSCA.AP04", "MS.AAD.8.2v1", "entra_policy_guest_invite_only_for_admin_roles"],
    inputs: INPUTS,
    remedy: "Entra admin center, External collaboration settings: guest invite restrictions, \
        allowInvitesFrom = adminsAndGuestInviters or none.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    f.one(INPUTS[0])?.want_text(
        "allowInvitesFrom",
        &["adminsAndGuestInviters", "none"],
        "more people than guest inviters may invite guests",
        &mut concerns,
    )?;
    verdict(concerns)
}
