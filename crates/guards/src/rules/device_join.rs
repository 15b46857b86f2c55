use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::DEVICE_REGISTRATION];

/// Only chosen people join devices, and joining makes no local administrator.
pub(super) const RULE: Rule = Rule {
    id: "devices.join",
    title: "Only chosen people join devices, and joining makes no local administrator",
    why: "A pupil who joins a device and administers it can read what others leave there.",
    area: Area::Devices,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &[
        "entra_device_registration_join_restricted",
        "entra_device_registration_global_admins_not_local_admins",
        "entra_device_registration_registering_user_not_local_admin",
        "entra_device_registration_max_devices_per_user_limited",
    ],
    inputs: INPUTS,
    remedy: "Entra admin center, Devices, Device settings: users may join = selected; Global \
        Administrator and registering user are not local administrators; at most 20 devices a \
        user.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    const SOME: &[&str] = &[
        "#microsoft.graph.enumeratedDeviceRegistrationMembership",
        "#microsoft.graph.noDeviceRegistrationMembership",
    ];
    let setting = f.one(INPUTS[0])?;
    let mut concerns = Vec::new();
    setting.want_text(
        "azureADJoin.allowedToJoin.@odata|type",
        SOME,
        "everybody may join devices",
        &mut concerns,
    )?;
    setting.want(
        "azureADJoin.localAdmins.enableGlobalAdmins",
        false,
        "Global Administrators become local administrators of joined devices",
        &mut concerns,
    )?;
    setting.want_text(
        "azureADJoin.localAdmins.registeringUsers.@odata|type",
        SOME,
        "whoever joins a device becomes its local administrator",
        &mut concerns,
    )?;
    if setting.number("userDeviceQuota")? > 20 {
        concerns.push(setting.concern("people may register more than 20 devices"));
    }
    verdict(concerns)
}
