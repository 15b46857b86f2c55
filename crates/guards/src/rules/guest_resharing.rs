use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::sharepoint;

const INPUTS: &[&str] = &[sharepoint::SETTINGS];

/// Guests do not pass on what was shared with them.
pub(super) const RULE: Rule = Rule {
    id: "sharepoint.resharing",
    title: "Guests do not pass on what was shared with them",
    why: "A file for one parent is otherwise a file for all.",
    area: Area::SharePoint,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["sharepoint_guest_sharing_restricted"],
    inputs: INPUTS,
    remedy: "SharePoint admin center, Sharing, More external sharing settings: guests can share \
        items they don't own = off.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let setting = f.one(INPUTS[0])?;
    let mut concerns = Vec::new();
    setting.want(
        "isResharingByExternalUsersEnabled",
        false,
        "guests may share what they do not own",
        &mut concerns,
    )?;
    verdict(concerns)
}
