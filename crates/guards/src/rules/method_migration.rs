use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::AUTHENTICATION_METHODS];

/// All methods are governed in one place.
pub(super) const RULE: Rule = Rule {
    id: "authentication.method-migration",
    title: "All methods are governed in one place",
    why: "While the old pages still count, a method that was switched off here may be on there.",
    area: Area::Authentication,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["EIDSCA.AG01", "MS.AAD.3.4v1"],
    inputs: INPUTS,
    remedy: "Entra admin center, Authentication methods, Policies: manage migration = Migration \
        complete.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    f.one(INPUTS[0])?.want_text(
        "policyMigrationState",
        &["migrationComplete"],
        "the old pages for MFA and password reset still count",
        &mut concerns,
    )?;
    verdict(concerns)
}
