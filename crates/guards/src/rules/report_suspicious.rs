use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::AUTHENTICATION_METHODS];

/// Everybody can report a prompt that they did not ask for.
pub(super) const RULE: Rule = Rule {
    id: "authentication.report-suspicious",
    title: "Everybody can report a prompt that they did not ask for",
    why: "The first pupil who says no to a strange prompt saves the other five hundred, if it is \
        heard.",
    area: Area::Authentication,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["EIDSCA.AG02", "EIDSCA.AG03"],
    inputs: INPUTS,
    remedy: "Entra admin center, Authentication methods, Settings: report suspicious activity = \
        enabled, for all users.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let setting = f.one(INPUTS[0])?;
    let mut concerns = Vec::new();
    setting.want_text(
        "reportSuspiciousActivitySettings.state",
        &["enabled"],
        "people cannot report a suspicious prompt",
        &mut concerns,
    )?;
    setting.want_text(
        "reportSuspiciousActivitySettings.includeTarget.id",
        &["all_users"],
        "only some people can report a suspicious prompt",
        &mut concerns,
    )?;
    verdict(concerns)
}
