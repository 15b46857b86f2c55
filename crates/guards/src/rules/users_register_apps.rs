use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::AUTHORIZATION];

/// Only administrators register applications.
pub(super) const RULE: Rule = Rule {
    id: "applications.users-register",
    title: "Only administrators register applications",
    why: "Whoever may register an app may make one that asks colleagues for consent.",
    area: Area::Applications,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["EIDSCA.AP10", "MS.AAD.5.1v1", "entra_thirdparty_integrated_apps_not_allowed"],
    inputs: INPUTS,
    remedy: "Entra admin center, User settings: users can register applications = no.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let setting = f.one(INPUTS[0])?;
    let mut concerns = Vec::new();
    setting.want(
        "defaultUserRolePermissions.allowedToCreateApps",
        false,
        "every user may register applications",
        &mut concerns,
    )?;
    verdict(concerns)
}
