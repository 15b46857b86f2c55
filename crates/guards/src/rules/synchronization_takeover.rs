use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Outcome, Rule, Severity, verdict},
};
use strongroom_model::collections::directory;

const INPUTS: &[&str] = &[directory::ORGANIZATION, directory::SYNCHRONIZATION];

/// Active Directory cannot take over cloud accounts.
pub(super) const RULE: Rule = Rule {
    id: "directory.synchronization-takeover",
    title: "Active Directory cannot take over cloud accounts",
    why: "Whoever owns Active Directory makes an account that matches an administrator's, and is \
        it.",
    area: Area::Directory,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["entra_directory_sync_object_takeover_blocked"],
    inputs: INPUTS,
    remedy: "Set BlockCloudObjectTakeoverThroughHardMatch and BlockSoftMatch on the directory \
        synchronization features.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    // Graph says null where a tenant was never synchronized.
    if f.one(INPUTS[0])?.body.get("onPremisesSyncEnabled").is_some_and(|v| v != true) {
        return Ok(Outcome::Passed);
    }
    f.one(INPUTS[0])?.is("onPremisesSyncEnabled")?;
    let setting = f.one(INPUTS[1])?;
    let mut concerns = Vec::new();
    setting.want(
        "features.blockCloudObjectTakeoverThroughHardMatchEnabled",
        true,
        "a synchronized account can take over a cloud account by hard match",
        &mut concerns,
    )?;
    setting.want(
        "features.blockSoftMatchEnabled",
        true,
        "a synchronized account can take over a cloud account by soft match",
        &mut concerns,
    )?;
    verdict(concerns)
}
