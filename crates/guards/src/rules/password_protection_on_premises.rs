use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::directory;

const INPUTS: &[&str] = &[directory::GROUP_SETTINGS, directory::GROUP_SETTING_TEMPLATES];

/// Weak passwords are refused in Active Directory too.
pub(super) const RULE: Rule = Rule {
    id: "authentication.banned-passwords-on-premises",
    title: "Weak passwords are refused in Active Directory too",
    why: "The password that a pupil guesses is the one that Active Directory took.",
    area: Area::Authentication,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["EIDSCA.PR01", "EIDSCA.PR02", "entra_password_protection_on_premises_enforced"],
    inputs: INPUTS,
    remedy: "Entra admin center, Authentication methods, Password protection: on Windows Server \
        Active Directory = yes, mode = Enforced. Needs the agent on domain controllers.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    if !f
        .directory_setting("Password Rule Settings", "BannedPasswordCheckOnPremisesMode")?
        .eq_ignore_ascii_case("Enforce")
    {
        concerns.push(Concern::new(
            format!("{}/Password Rule Settings", directory::GROUP_SETTINGS),
            "weak passwords are only noted in Active Directory, not refused",
        ));
    }
    if !f
        .directory_setting("Password Rule Settings", "EnableBannedPasswordCheckOnPremises")?
        .eq_ignore_ascii_case("true")
    {
        concerns.push(Concern::new(
            format!("{}/Password Rule Settings", directory::GROUP_SETTINGS),
            "Active Directory does not ask for the list of weak passwords",
        ));
    }
    verdict(concerns)
}
