use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::AUTHENTICATION_METHODS];

/// Temporary access passes exist and work once.
pub(super) const RULE: Rule = Rule {
    id: "authentication.temporary-access-pass",
    title: "Temporary access passes exist and work once",
    why: "Helpdesks without one give out passwords; one that works for a day is a password.",
    area: Area::Authentication,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["EIDSCA.AT01", "EIDSCA.AT02"],
    inputs: INPUTS,
    remedy: "Entra admin center, Authentication methods, Temporary Access Pass: enabled, one-time \
        use = yes.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let method = f.method("TemporaryAccessPass")?;
    let mut concerns = Vec::new();
    method.want_text(
        "state",
        &["enabled"],
        "the helpdesk has no temporary access passes",
        &mut concerns,
    )?;
    method.want(
        "isUsableOnce",
        true,
        "a temporary access pass can be used again and again",
        &mut concerns,
    )?;
    verdict(concerns)
}
