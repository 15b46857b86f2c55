use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::AUTHORIZATION];

/// People can find each other.
pub(super) const RULE: Rule = Rule {
    id: "users.read-others",
    title: "People can find each other",
    why: "Without it Teams, Planner and address lists break, and nothing is safer: the address \
        list shows the same.",
    area: Area::Users,
    severity: Severity::Low,
    confidence: Confidence::Certain,
    satisfies: &["EIDSCA.AP14"],
    inputs: INPUTS,
    remedy: "Authorization policy: defaultUserRolePermissions.allowedToReadOtherUsers = true.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let setting = f.one(INPUTS[0])?;
    let mut concerns = Vec::new();
    setting.want(
        "defaultUserRolePermissions.allowedToReadOtherUsers",
        true,
        "people cannot read other users",
        &mut concerns,
    )?;
    verdict(concerns)
}
