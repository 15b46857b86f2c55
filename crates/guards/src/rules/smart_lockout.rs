use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::directory;

const INPUTS: &[&str] = &[directory::GROUP_SETTINGS, directory::GROUP_SETTING_TEMPLATES];

/// Guessing locks an account soon and for long enough.
pub(super) const RULE: Rule = Rule {
    id: "authentication.smart-lockout",
    title: "Guessing locks an account soon and for long enough",
    why: "Ten guesses a minute at 500 pupils find a weak password in an afternoon.",
    area: Area::Authentication,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &[
        "EIDSCA.PR05",
        "EIDSCA.PR06",
        "entra_password_protection_lockout_duration_configured",
        "entra_password_protection_lockout_threshold_limited",
    ],
    inputs: INPUTS,
    remedy: "Entra admin center, Authentication methods, Password protection: lockout threshold at \
        most 10, duration at least 60 seconds.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    let duration = f.directory_setting("Password Rule Settings", "LockoutDurationInSeconds")?;
    if !duration.trim().parse::<u32>().is_ok_and(|n| n >= 60) {
        let says =
            format!("accounts are locked for less than 60 seconds (the setting is {duration})");
        concerns.push(Concern::new(
            format!("{}/Password Rule Settings", directory::GROUP_SETTINGS),
            says,
        ));
    }
    let threshold = f.directory_setting("Password Rule Settings", "LockoutThreshold")?;
    if !threshold.trim().parse::<u32>().is_ok_and(|n| (1..=10).contains(&n)) {
        let says = format!(
            "accounts are locked only after more than 10 guesses (the setting is {threshold})"
        );
        concerns.push(Concern::new(
            format!("{}/Password Rule Settings", directory::GROUP_SETTINGS),
            says,
        ));
    }
    verdict(concerns)
}
