use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::DEVICE_REGISTRATION];

/// Each device has a local administrator's password of its own.
pub(super) const RULE: Rule = Rule {
    id: "devices.local-administrator-passwords",
    title: "Each device has a local administrator's password of its own",
    why: "One password on all laptops opens all of them from one.",
    area: Area::Devices,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["entra_device_registration_laps_enabled"],
    inputs: INPUTS,
    remedy: "Entra admin center, Devices, Device settings: enable Microsoft Entra Local \
        Administrator Password Solution.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let setting = f.one(INPUTS[0])?;
    let mut concerns = Vec::new();
    setting.want(
        "localAdminPassword.isEnabled",
        true,
        "Local Administrator Password Solution is off",
        &mut concerns,
    )?;
    verdict(concerns)
}
