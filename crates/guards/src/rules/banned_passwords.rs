use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::directory;

const INPUTS: &[&str] = &[directory::GROUP_SETTINGS, directory::GROUP_SETTING_TEMPLATES];

/// The school's own words are no passwords.
pub(super) const RULE: Rule = Rule {
    id: "authentication.banned-passwords",
    title: "The school's own words are no passwords",
    why: "The school's name with a year is the first guess of every attacker.",
    area: Area::Authentication,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["EIDSCA.PR03", "entra_password_protection_custom_banned_list_enforced"],
    inputs: INPUTS,
    remedy: "Entra admin center, Authentication methods, Password protection: enforce custom list \
        = yes, with the school's name, town and mascot in it.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    if !f
        .directory_setting("Password Rule Settings", "EnableBannedPasswordCheck")?
        .eq_ignore_ascii_case("true")
    {
        concerns.push(Concern::new(
            format!("{}/Password Rule Settings", directory::GROUP_SETTINGS),
            "the school's own list of weak passwords is not used",
        ));
    }
    if f.directory_setting("Password Rule Settings", "BannedPasswordList")?
        .split_whitespace()
        .next()
        .is_none()
    {
        concerns.push(Concern::new(
            format!("{}/Password Rule Settings", directory::GROUP_SETTINGS),
            "the school's own list of weak passwords is empty",
        ));
    }
    verdict(concerns)
}
