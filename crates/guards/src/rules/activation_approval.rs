use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, Skip, verdict},
};
use strongroom_model::collections::roles;

const INPUTS: &[&str] = &[roles::ACTIVATION_POLICIES];

/// A second person approves who becomes Global Administrator.
pub(super) const RULE: Rule = Rule {
    id: "roles.activation-approval",
    title: "A second person approves who becomes Global Administrator",
    why: "A stolen eligible account otherwise makes itself everything.",
    area: Area::Roles,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &[
        "MS.AAD.7.6v1",
        "entra_pim_global_administrator_approval_required",
        "entra_pim_privileged_role_administrator_approval_required",
    ],
    inputs: INPUTS,
    remedy: "Privileged Identity Management, role settings of Global Administrator and Privileged \
        Role Administrator: require approval to activate, with approvers.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    for role in [crate::words::GLOBAL_ADMINISTRATOR, crate::words::PRIVILEGED_ROLE] {
        let name = crate::words::roles(&[role]);
        let rule = crate::rules::activation_rule(f, role, "Approval_EndUser_Assignment")?;
        let stages = rule["setting"]["approvalStages"].as_array().into_iter().flatten();
        let approvers =
            stages.flat_map(|s| s["primaryApprovers"].as_array().into_iter().flatten()).count();
        match rule["setting"]["isApprovalRequired"].as_bool() {
            None => return Err(Skip(format!("not collected: whether {name} needs approval"))),
            Some(false) => concerns.push(Concern::new(
                format!("{}/{name}", INPUTS[0]),
                format!("{name} is activated without approval"),
            )),
            Some(true) if approvers == 0 => concerns.push(Concern::new(
                format!("{}/{name}", INPUTS[0]),
                format!("{name} needs approval and names no approver"),
            )),
            Some(true) => {}
        }
    }
    verdict(concerns)
}
