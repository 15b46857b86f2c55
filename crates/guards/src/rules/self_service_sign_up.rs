use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::AUTHORIZATION];

/// Nobody joins the tenant or its services by signing up.
pub(super) const RULE: Rule = Rule {
    id: "users.self-service-sign-up",
    title: "Nobody joins the tenant or its services by signing up",
    why: "Sign-up by e-mail makes accounts and subscriptions that nobody looks after.",
    area: Area::Users,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["EIDSCA.AP05", "EIDSCA.AP06"],
    inputs: INPUTS,
    remedy: "Authorization policy: allowedToSignUpEmailBasedSubscriptions and \
        allowEmailVerifiedUsersToJoinOrganization = false.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let setting = f.one(INPUTS[0])?;
    let mut concerns = Vec::new();
    setting.want(
        "allowedToSignUpEmailBasedSubscriptions",
        false,
        "people may sign up for subscriptions by e-mail",
        &mut concerns,
    )?;
    setting.want(
        "allowEmailVerifiedUsersToJoinOrganization",
        false,
        "whoever has a mail address of the school may join the tenant",
        &mut concerns,
    )?;
    verdict(concerns)
}
