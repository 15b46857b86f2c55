use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, Skip, verdict},
};
use strongroom_model::collections::{applications, roles};

const INPUTS: &[&str] = &[applications::PERMISSIONS, roles::ASSIGNMENTS];

/// No application can make itself administrator.
pub(super) const RULE: Rule = Rule {
    id: "applications.strong-permissions",
    title: "No application can make itself administrator",
    why: "One that may give roles or permissions is a Global Administrator without a person.",
    area: Area::Applications,
    severity: Severity::Critical,
    confidence: Confidence::Likely,
    satisfies: &["DfE: account security"],
    inputs: INPUTS,
    remedy: "Entra admin center, Enterprise applications, Permissions: remove the permission, or \
        accept the finding with a reason when the application is the school's own and guarded.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    const POWER: &[&str] = &[
        "RoleManagement.ReadWrite.Directory",
        "AppRoleAssignment.ReadWrite.All",
        "Application.ReadWrite.All",
        "Directory.ReadWrite.All",
        "PrivilegedAccess.ReadWrite.AzureAD",
        "RoleAssignmentSchedule.ReadWrite.Directory",
        "RoleEligibilitySchedule.ReadWrite.Directory",
        "UserAuthenticationMethod.ReadWrite.All",
        "Policy.ReadWrite.PermissionGrant",
        "Domain.ReadWrite.All",
        "full_access_as_app",
    ];
    let mut concerns = Vec::new();
    for o in f.many(INPUTS[0])? {
        let permission = o.body["permission"]
            .as_str()
            .ok_or_else(|| Skip(format!("not collected: what {} may", o.name)))?;
        if POWER.contains(&permission) {
            concerns.push(Concern::new(
                format!("{}/{}", INPUTS[0], o.name),
                format!("holds the application permission {permission}"),
            ));
        }
    }
    for o in f.many(INPUTS[1])? {
        let (Some(role), Some(who)) =
            (o.body["roleDefinitionId"].as_str(), o.body["principalId"].as_str())
        else {
            return Err(Skip(format!("not collected: who holds what by {}", o.name)));
        };
        if who.starts_with("@service-principals/")
            && crate::words::HIGHLY_PRIVILEGED.iter().any(|r| r.eq_ignore_ascii_case(role))
        {
            let says = format!("{} is {}", crate::words::symbol(who), crate::words::roles(&[role]));
            concerns.push(Concern::new(format!("{}/{}", INPUTS[1], o.name), says));
        }
    }
    verdict(concerns)
}
