use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::{directory, roles};

const INPUTS: &[&str] = &[roles::ASSIGNMENTS, directory::REFERENCED_GROUPS];

/// Two to four people are Global Administrators.
pub(super) const RULE: Rule = Rule {
    id: "roles.global-administrators",
    title: "Two to four people are Global Administrators",
    why: "One is a single point of failure; many are many doors to everything.",
    area: Area::Roles,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["MS.AAD.7.1v1", "admincenter_users_between_two_and_four_global_admins"],
    inputs: INPUTS,
    remedy: "Entra admin center, Roles and administrators, Global Administrator: keep two \
        emergency accounts and at most two people; give others smaller roles.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let holders = crate::rules::holders(f, crate::words::GLOBAL_ADMINISTRATOR)?;
    let people: Vec<&String> =
        holders.iter().filter(|h| !h.starts_with("@service-principals/")).collect();
    let mut concerns = Vec::new();
    match people.len() {
        0 | 1 => concerns.push(Concern::new(
            INPUTS[0],
            format!(
                "{} Global Administrator: when that account is lost, the tenant is",
                people.len()
            ),
        )),
        2..=4 => {}
        n => concerns.push(Concern::new(
            INPUTS[0],
            format!("{n} people are Global Administrators: {}", crate::rules::names(people)),
        )),
    }
    for app in holders.iter().filter(|h| h.starts_with("@service-principals/")) {
        concerns.push(Concern::new(
            INPUTS[0],
            format!(
                "{} is a Global Administrator, and nobody has to sign in for it",
                crate::words::symbol(app)
            ),
        ));
    }
    verdict(concerns)
}
