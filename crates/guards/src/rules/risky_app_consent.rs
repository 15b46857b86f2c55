use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::{directory, identity};

const INPUTS: &[&str] =
    &[identity::AUTHORIZATION, directory::GROUP_SETTINGS, directory::GROUP_SETTING_TEMPLATES];

/// Consent to risky apps is blocked.
pub(super) const RULE: Rule = Rule {
    id: "applications.risky-consent",
    title: "Consent to risky apps is blocked",
    why: "Microsoft marks many phishing apps as risky; blocked, a pupil cannot let them in.",
    area: Area::Applications,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["EIDSCA.AP09", "EIDSCA.CP03"],
    inputs: INPUTS,
    remedy: "Authorization policy: allowUserConsentForRiskyApps = false; directory setting Consent \
        Policy Settings: BlockUserConsentForRiskyApps = true.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    f.one(INPUTS[0])?.want(
        "allowUserConsentForRiskyApps",
        false,
        "people may consent to risky apps",
        &mut concerns,
    )?;
    if !f
        .directory_setting("Consent Policy Settings", "BlockUserConsentForRiskyApps")?
        .eq_ignore_ascii_case("true")
    {
        concerns.push(Concern::new(
            format!("{}/Consent Policy Settings", directory::GROUP_SETTINGS),
            "does not block consent to risky apps",
        ));
    }
    verdict(concerns)
}
