use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::AUTHENTICATION_METHODS];

/// Only chosen models of passkeys are taken.
pub(super) const RULE: Rule = Rule {
    id: "authentication.passkey-models",
    title: "Only chosen models of passkeys are taken",
    why: "Without attestation a program can pretend to be a key.",
    area: Area::Authentication,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["EIDSCA.AF03", "EIDSCA.AF04", "EIDSCA.AF05", "EIDSCA.AF06"],
    inputs: INPUTS,
    remedy: "Entra admin center, Authentication methods, Passkey (FIDO2), Configure: enforce \
        attestation, enforce key restrictions with a list of allowed models.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let method = f.method("Fido2")?;
    let mut concerns = Vec::new();
    method.want("isAttestationEnforced", true, "keys need not prove their model", &mut concerns)?;
    method.want(
        "keyRestrictions.isEnforced",
        true,
        "every model of key is taken",
        &mut concerns,
    )?;
    if method.texts("keyRestrictions.aaGuids")?.is_empty() {
        concerns.push(method.concern("no model of key is named"));
    }
    method.want_text(
        "keyRestrictions.enforcementType",
        &["allow", "block"],
        "named models are neither allowed nor blocked",
        &mut concerns,
    )?;
    verdict(concerns)
}
