use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::AUTHORIZATION];

/// Only administrators create tenants.
pub(super) const RULE: Rule = Rule {
    id: "users.create-tenants",
    title: "Only administrators create tenants",
    why: "A tenant made by a pupil bears the school's name and none of its rules.",
    area: Area::Users,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["entra_policy_ensure_default_user_cannot_create_tenants"],
    inputs: INPUTS,
    remedy: "Entra admin center, User settings: restrict non-admin users from creating tenants = \
        yes.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let setting = f.one(INPUTS[0])?;
    let mut concerns = Vec::new();
    setting.want(
        "defaultUserRolePermissions.allowedToCreateTenants",
        false,
        "every user may create tenants",
        &mut concerns,
    )?;
    verdict(concerns)
}
