use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::teams;

const INPUTS: &[&str] = &[teams::CLIENT];

/// Teams keeps files in the school's own storage.
pub(super) const RULE: Rule = Rule {
    id: "teams.file-services",
    title: "Teams keeps files in the school's own storage",
    why: "What lies in somebody else's cloud is in no backup and under no policy.",
    area: Area::Teams,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["teams_external_file_sharing_restricted"],
    inputs: INPUTS,
    remedy: "Teams admin center, Teams settings, Files: turn off all third-party storage.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    let s = f.one(INPUTS[0])?;
    s.want("AllowBox", false, "Box can be used", &mut concerns)?;
    s.want("AllowDropBox", false, "DropBox can be used", &mut concerns)?;
    s.want("AllowGoogleDrive", false, "GoogleDrive can be used", &mut concerns)?;
    s.want("AllowShareFile", false, "ShareFile can be used", &mut concerns)?;
    s.want("AllowEgnyte", false, "Egnyte can be used", &mut concerns)?;
    verdict(concerns)
}
