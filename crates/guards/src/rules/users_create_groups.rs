use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::{directory, identity};

const INPUTS: &[&str] =
    &[identity::AUTHORIZATION, directory::GROUP_SETTINGS, directory::GROUP_SETTING_TEMPLATES];

/// Only chosen people create groups.
pub(super) const RULE: Rule = Rule {
    id: "users.create-groups",
    title: "Only chosen people create groups",
    why: "Every group is a team, a site and a mailbox that somebody must look after; pupils make \
        hundreds.",
    area: Area::Users,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &[
        "entra_policy_default_user_cannot_create_m365_groups",
        "entra_policy_default_user_cannot_create_security_groups",
    ],
    inputs: INPUTS,
    remedy: "Directory setting Group.Unified: EnableGroupCreation = false, with a group that may; \
        authorization policy: allowedToCreateSecurityGroups = false.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    f.one(INPUTS[0])?.want(
        "defaultUserRolePermissions.allowedToCreateSecurityGroups",
        false,
        "every user may create security groups",
        &mut concerns,
    )?;
    if !f.directory_setting("Group.Unified", "EnableGroupCreation")?.eq_ignore_ascii_case("false") {
        concerns.push(Concern::new(
            format!("{}/Group.Unified", directory::GROUP_SETTINGS),
            "every user may create Microsoft 365 groups",
        ));
    }
    verdict(concerns)
}
