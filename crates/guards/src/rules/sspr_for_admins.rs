use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::AUTHORIZATION];

/// Administrators do not reset their own passwords by self-service.
pub(super) const RULE: Rule = Rule {
    id: "users.admin-self-service-reset",
    title: "Administrators do not reset their own passwords by self-service",
    why: "Self-service reset lets whoever holds an administrator's phone take the account without \
        asking anybody.",
    area: Area::Users,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["EIDSCA.AP01"],
    inputs: INPUTS,
    remedy: "Entra admin center, Protection, Password reset: set allowedToUseSSPR of the \
        authorization policy to false.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let setting = f.one(INPUTS[0])?;
    let mut concerns = Vec::new();
    setting.want(
        "allowedToUseSSPR",
        false,
        "administrators may reset their own passwords",
        &mut concerns,
    )?;
    verdict(concerns)
}
