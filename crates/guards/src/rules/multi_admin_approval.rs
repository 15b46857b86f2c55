use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::devices;

const INPUTS: &[&str] = &[devices::APPROVAL_POLICIES];

/// Two people are needed to wipe devices, run scripts or change roles.
pub(super) const RULE: Rule = Rule {
    id: "devices.multi-admin-approval",
    title: "Two people are needed to wipe devices, run scripts or change roles",
    why: "One stolen Intune administrator wipes every laptop of the school in a minute.",
    area: Area::Devices,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["DfE: account security"],
    inputs: INPUTS,
    remedy: "Intune admin center, Tenant administration, Multi Admin Approval: access policies for \
        wipe, retire, delete, scripts and roles, with a group of approvers.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    const GUARDED: &[(&str, &str)] = &[
        ("deviceWipe", "wiping"),
        ("deviceRetire", "retiring"),
        ("deviceDelete", "deleting"),
        ("script", "scripts"),
        ("role", "roles"),
    ];
    let policies = f.many(INPUTS[0])?;
    let guards = |kind: &str| {
        policies.iter().any(|o| {
            let kinds = o.body["policyType"]
                .as_str()
                .into_iter()
                .chain(o.body["policySet"]["policyType"].as_str());
            let approvers = o.body["approverGroupIds"].as_array().is_some_and(|a| !a.is_empty());
            approvers && kinds.into_iter().any(|k| k.eq_ignore_ascii_case(kind))
        })
    };
    verdict(
        GUARDED
            .iter()
            .filter(|(kind, _)| !guards(kind))
            .map(|(_, what)| Concern::new(INPUTS[0], format!("{what} needs no second person")))
            .collect(),
    )
}
