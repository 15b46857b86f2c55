use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::sharepoint;

const INPUTS: &[&str] = &[sharepoint::SETTINGS];

/// SharePoint takes no old protocols.
pub(super) const RULE: Rule = Rule {
    id: "sharepoint.legacy-authentication",
    title: "SharePoint takes no old protocols",
    why: "They cannot ask for a second proof.",
    area: Area::SharePoint,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["sharepoint_modern_authentication_required"],
    inputs: INPUTS,
    remedy: "SharePoint admin center, Access control: apps that don't use modern authentication = \
        block.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let setting = f.one(INPUTS[0])?;
    let mut concerns = Vec::new();
    setting.want(
        "isLegacyAuthProtocolsEnabled",
        false,
        "apps that do not use modern authentication get in",
        &mut concerns,
    )?;
    verdict(concerns)
}
