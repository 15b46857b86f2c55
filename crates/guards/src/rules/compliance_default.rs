use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::devices;

const INPUTS: &[&str] = &[devices::SETTINGS];

/// A device without a policy does not count as healthy.
pub(super) const RULE: Rule = Rule {
    id: "devices.compliance-default",
    title: "A device without a policy does not count as healthy",
    why: "A policy that was never assigned otherwise lets every device through.",
    area: Area::Devices,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["intune_device_compliance_policy_unassigned_devices_not_compliant_by_default"],
    inputs: INPUTS,
    remedy: "Intune admin center, Devices, Compliance settings: mark devices with no compliance \
        policy assigned as Not compliant.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let setting = f.one(INPUTS[0])?;
    let mut concerns = Vec::new();
    setting.want(
        "settings.secureByDefault",
        true,
        "devices without a compliance policy count as compliant",
        &mut concerns,
    )?;
    verdict(concerns)
}
