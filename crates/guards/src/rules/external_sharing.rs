use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::sharepoint;

const INPUTS: &[&str] = &[sharepoint::SETTINGS];

/// Files go only to guests whom the school knows.
pub(super) const RULE: Rule = Rule {
    id: "sharepoint.external-sharing",
    title: "Files go only to guests whom the school knows",
    why: "A link for anybody is found by search engines and never ends.",
    area: Area::SharePoint,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["MS.SHAREPOINT.1.1v1", "sharepoint_external_sharing_restricted"],
    inputs: INPUTS,
    remedy: "SharePoint admin center, Sharing: existing guests, or only people in your \
        organization.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    f.one(INPUTS[0])?.want_text(
        "sharingCapability",
        &["disabled", "existingExternalUserSharingOnly"],
        "files may go to people whom the school does not know",
        &mut concerns,
    )?;
    verdict(concerns)
}
