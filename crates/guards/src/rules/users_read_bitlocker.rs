use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::AUTHORIZATION];

/// People do not read the recovery keys of their devices.
pub(super) const RULE: Rule = Rule {
    id: "devices.users-read-recovery-keys",
    title: "People do not read the recovery keys of their devices",
    why: "Whoever takes over a pupil's account can unlock the stolen laptop with it.",
    area: Area::Devices,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["entra_policy_default_user_cannot_read_bitlocker_keys"],
    inputs: INPUTS,
    remedy: "Entra admin center, Device settings: restrict users from recovering the BitLocker \
        keys of their devices = yes.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let setting = f.one(INPUTS[0])?;
    let mut concerns = Vec::new();
    setting.want(
        "defaultUserRolePermissions.allowedToReadBitlockerKeysForOwnedDevice",
        false,
        "every user may read the BitLocker keys of the devices that it owns",
        &mut concerns,
    )?;
    verdict(concerns)
}
