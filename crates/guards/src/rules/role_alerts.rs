use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, Skip, verdict},
};
use strongroom_model::collections::roles;

const INPUTS: &[&str] = &[roles::ACTIVATION_POLICIES];

/// Somebody is told when a high role is given or used.
pub(super) const RULE: Rule = Rule {
    id: "roles.alerts",
    title: "Somebody is told when a high role is given or used",
    why: "An attacker's first act is to give itself a role; the mail about it is the alarm.",
    area: Area::Roles,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["MS.AAD.7.7v1", "MS.AAD.7.8v1", "MS.AAD.7.9v1"],
    inputs: INPUTS,
    remedy: "Privileged Identity Management, role settings, Notifications: to administrators, on \
        assignment, eligibility and activation, for every highly privileged role.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    for role in crate::words::HIGHLY_PRIVILEGED {
        let name = crate::words::roles(&[role]);
        for (id, what) in [
            ("Notification_Admin_Admin_Assignment", "is given"),
            ("Notification_Admin_Admin_Eligibility", "can be taken by somebody new"),
            ("Notification_Admin_EndUser_Assignment", "is activated"),
        ] {
            let rule = crate::rules::activation_rule(f, role, id)?;
            let named = rule["notificationRecipients"].as_array().is_some_and(|r| !r.is_empty());
            let usual = rule["isDefaultRecipientsEnabled"]
                .as_bool()
                .ok_or_else(|| Skip(format!("not collected: who is told when {name} {what}")))?;
            if !named && !usual {
                concerns.push(Concern::new(
                    format!("{}/{name}", INPUTS[0]),
                    format!("nobody is told when {name} {what}"),
                ));
            }
        }
    }
    verdict(concerns)
}
