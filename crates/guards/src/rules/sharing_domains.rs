use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::sharepoint;

const INPUTS: &[&str] = &[sharepoint::SETTINGS];

/// Sharing outside is limited to named domains.
pub(super) const RULE: Rule = Rule {
    id: "sharepoint.sharing-domains",
    title: "Sharing outside is limited to named domains",
    why: "Most schools share with a council and a trust, and with nobody else.",
    area: Area::SharePoint,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["MS.SHAREPOINT.1.3v1", "sharepoint_external_sharing_managed"],
    inputs: INPUTS,
    remedy: "SharePoint admin center, Sharing: limit external sharing by domain, with a list of \
        those allowed.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let setting = f.one(INPUTS[0])?;
    let mut concerns = Vec::new();
    let closed = setting.text("sharingCapability")? == "disabled";
    match setting.text("sharingDomainRestrictionMode")? {
        "allowList" if !setting.texts("sharingAllowedDomainList")?.is_empty() => {}
        "blockList" if !setting.texts("sharingBlockedDomainList")?.is_empty() => {}
        _ if closed => {}
        mode => concerns.push(
            setting.concern(&format!("sharing goes to every domain (restriction is {mode})")),
        ),
    }
    verdict(concerns)
}
