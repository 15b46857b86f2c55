use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::directory;

const INPUTS: &[&str] = &[directory::GROUP_SETTINGS, directory::GROUP_SETTING_TEMPLATES];

/// Owners of groups do not consent for them.
pub(super) const RULE: Rule = Rule {
    id: "applications.group-owner-consent",
    title: "Owners of groups do not consent for them",
    why: "A pupil who owns a team could hand its conversations to an app.",
    area: Area::Applications,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["EIDSCA.CP01"],
    inputs: INPUTS,
    remedy: "Directory setting Consent Policy Settings: EnableGroupSpecificConsent = False.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    if !f
        .directory_setting("Consent Policy Settings", "EnableGroupSpecificConsent")?
        .eq_ignore_ascii_case("false")
    {
        concerns.push(Concern::new(
            format!("{}/Consent Policy Settings", directory::GROUP_SETTINGS),
            "owners of groups may consent to apps that read them",
        ));
    }
    verdict(concerns)
}
