use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Outcome, Rule, Severity, verdict},
};
use strongroom_model::collections::directory;

const INPUTS: &[&str] = &[directory::ORGANIZATION, directory::SYNCHRONIZATION];

/// Sign-in goes on when Active Directory is gone.
pub(super) const RULE: Rule = Rule {
    id: "directory.password-hash-synchronization",
    title: "Sign-in goes on when Active Directory is gone",
    why: "After ransomware Active Directory is down for weeks; with hashes in the cloud people \
        still sign in.",
    area: Area::Directory,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["entra_password_hash_sync_enabled"],
    inputs: INPUTS,
    remedy: "Entra Connect: enable password hash synchronization.",
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
        "features.passwordSyncEnabled",
        true,
        "without Active Directory nobody signs in",
        &mut concerns,
    )?;
    verdict(concerns)
}
