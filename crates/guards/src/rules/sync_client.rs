use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::sharepoint;

const INPUTS: &[&str] = &[sharepoint::SETTINGS];

/// Files are synchronized to the school's own devices only.
pub(super) const RULE: Rule = Rule {
    id: "sharepoint.sync-client",
    title: "Files are synchronized to the school's own devices only",
    why: "Ransomware at home encrypts the synchronized folder, and the cloud follows.",
    area: Area::SharePoint,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["sharepoint_onedrive_sync_restricted_unmanaged_devices"],
    inputs: INPUTS,
    remedy: "SharePoint admin center, Settings, OneDrive sync: allow syncing only on computers \
        joined to specific domains.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let setting = f.one(INPUTS[0])?;
    let mut concerns = Vec::new();
    setting.want(
        "isUnmanagedSyncAppForTenantRestricted",
        true,
        "any computer may synchronize files",
        &mut concerns,
    )?;
    if concerns.is_empty() && setting.texts("allowedDomainGuidsForSyncApp")?.is_empty() {
        concerns
            .push(setting.concern("synchronization is restricted to domains and none is named"));
    }
    verdict(concerns)
}
