use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::{directory, roles};

const INPUTS: &[&str] = &[roles::ASSIGNMENTS, directory::REFERENCED_GROUPS];

/// There are more small roles than Global Administrators.
pub(super) const RULE: Rule = Rule {
    id: "roles.finer-roles",
    title: "There are more small roles than Global Administrators",
    why: "Whoever resets passwords needs no power over the backup.",
    area: Area::Roles,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["MS.AAD.7.2v1"],
    inputs: INPUTS,
    remedy: "Give helpdesk, Exchange, SharePoint and Intune staff the role of that name instead of \
        Global Administrator.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let global = crate::rules::holders(f, crate::words::GLOBAL_ADMINISTRATOR)?;
    let mut finer = std::collections::BTreeSet::new();
    for role in
        crate::words::HIGHLY_PRIVILEGED.iter().filter(|r| **r != crate::words::GLOBAL_ADMINISTRATOR)
    {
        finer.extend(crate::rules::holders(f, role)?.into_iter().filter(|h| !global.contains(h)));
    }
    // Emergency accounts are no administrators of the day.
    let daily = global.iter().filter(|h| !f.is_emergency(h)).count();
    let mut concerns = Vec::new();
    if daily > finer.len() {
        concerns.push(Concern::new(
            INPUTS[0],
            format!(
                "{daily} Global Administrators of the day, and {} in smaller privileged roles",
                finer.len()
            ),
        ));
    }
    verdict(concerns)
}
