use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::teams;

const INPUTS: &[&str] = &[teams::FEDERATION];

/// Private Teams accounts do not reach the school.
pub(super) const RULE: Rule = Rule {
    id: "teams.personal-accounts",
    title: "Private Teams accounts do not reach the school",
    why: "A private account is nobody's responsibility, and children answer it.",
    area: Area::Teams,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &[
        "MS.TEAMS.2.2v2",
        "MS.TEAMS.2.3v2",
        "teams_external_users_cannot_start_conversations",
        "teams_unmanaged_communication_disabled",
    ],
    inputs: INPUTS,
    remedy: "Teams admin center, External access: people in my organization cannot communicate \
        with unmanaged Teams accounts.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    let s = f.one(INPUTS[0])?;
    s.want(
        "AllowTeamsConsumer",
        false,
        "private accounts and the school's may talk",
        &mut concerns,
    )?;
    s.want("AllowTeamsConsumerInbound", false, "private accounts may begin", &mut concerns)?;
    verdict(concerns)
}
