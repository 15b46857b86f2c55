use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::AUTHORIZATION];

/// Guests see only what is theirs.
pub(super) const RULE: Rule = Rule {
    id: "users.guest-access",
    title: "Guests see only what is theirs",
    why: "A guest with a member's sight can list every pupil and every group.",
    area: Area::Users,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["EIDSCA.AP07", "MS.AAD.8.1v1", "entra_policy_guest_users_access_restrictions"],
    inputs: INPUTS,
    remedy: "Entra admin center, External collaboration settings: guest user access is restricted \
        to properties and memberships of their own directory objects.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    // Restricted guest access. Source: Microsoft Entra, guest user role ids.
    let mut concerns = Vec::new();
    let setting = f.one(INPUTS[0])?;
    match setting.text("guestUserRoleId")?.to_lowercase().as_str() {
        "2af84b1e-32c8-42b7-82bc-daa82404023b" => {}
        "10dae51f-b6af-4016-8d66-8c2a99b929b3" => concerns.push(
            setting.concern("guests have limited access: they still see memberships of others"),
        ),
        "a0b1b346-4d3e-4e8b-98f8-753987be4970" => {
            concerns.push(setting.concern("guests see as much as members"))
        }
        other => concerns.push(setting.concern(&format!("guests have the unknown role {other}"))),
    }
    verdict(concerns)
}
