use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::{directory, exchange};

const INPUTS: &[&str] = &[exchange::OFFICE_PROTECTION, directory::LICENCES];

/// Files in SharePoint, OneDrive and Teams are tried too.
pub(super) const RULE: Rule = Rule {
    id: "mail.office-files",
    title: "Files in SharePoint, OneDrive and Teams are tried too",
    why: "A poisoned file that one pupil uploads waits for all others.",
    area: Area::Mail,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["MS.SECURITYSUITE.1.4v1", "defender_atp_safe_attachments_and_docs_configured"],
    inputs: INPUTS,
    remedy: "Defender portal, Safe Attachments, Global settings: Defender for Office 365 for \
        SharePoint, OneDrive and Teams on; Safe Documents on where the licence has it, and nobody \
        clicks past it.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    let s = f.one(INPUTS[0])?;
    s.want(
        "EnableATPForSPOTeamsODB",
        true,
        "files in SharePoint, OneDrive and Teams are not tried",
        &mut concerns,
    )?;
    let plans =
        f.many(INPUTS[1])?.iter().filter_map(|l| l.body["servicePlans"].as_array()).flatten();
    if plans.into_iter().any(|p| p["servicePlanName"] == "SAFEDOCS") {
        s.want("EnableSafeDocs", true, "Safe Documents is off", &mut concerns)?;
        s.want(
            "AllowSafeDocsOpen",
            false,
            "people may open what Safe Documents found",
            &mut concerns,
        )?;
    }
    verdict(concerns)
}
