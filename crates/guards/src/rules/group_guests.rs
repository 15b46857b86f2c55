use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::directory;

const INPUTS: &[&str] = &[directory::GROUP_SETTINGS, directory::GROUP_SETTING_TEMPLATES];

/// Guests work in groups and do not own them.
pub(super) const RULE: Rule = Rule {
    id: "users.group-guests",
    title: "Guests work in groups and do not own them",
    why: "A guest who owns a team can bring in others and delete it.",
    area: Area::Users,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["EIDSCA.ST08", "EIDSCA.ST09"],
    inputs: INPUTS,
    remedy: "Directory setting Group.Unified: AllowGuestsToBeGroupOwner = false, \
        AllowGuestsToAccessGroups = True.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    if !f
        .directory_setting("Group.Unified", "AllowGuestsToBeGroupOwner")?
        .eq_ignore_ascii_case("false")
    {
        concerns.push(Concern::new(
            format!("{}/Group.Unified", directory::GROUP_SETTINGS),
            "guests may own groups",
        ));
    }
    if !f
        .directory_setting("Group.Unified", "AllowGuestsToAccessGroups")?
        .eq_ignore_ascii_case("true")
    {
        concerns.push(Concern::new(
            format!("{}/Group.Unified", directory::GROUP_SETTINGS),
            "guests have no access to the groups that they were invited to, so people share by \
             other ways",
        ));
    }
    verdict(concerns)
}
