use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::AUTHENTICATION_METHODS];

/// Passkeys can be used, and people set them up themselves.
pub(super) const RULE: Rule = Rule {
    id: "authentication.passkeys",
    title: "Passkeys can be used, and people set them up themselves",
    why: "They are the one proof that a phishing page cannot pass on.",
    area: Area::Authentication,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["EIDSCA.AF01", "EIDSCA.AF02"],
    inputs: INPUTS,
    remedy: "Entra admin center, Authentication methods, Passkey (FIDO2): enabled, allow \
        self-service set up = yes.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let method = f.method("Fido2")?;
    let mut concerns = Vec::new();
    method.want_text("state", &["enabled"], "passkeys cannot be used", &mut concerns)?;
    method.want(
        "isSelfServiceRegistrationAllowed",
        true,
        "people cannot set up passkeys themselves",
        &mut concerns,
    )?;
    verdict(concerns)
}
