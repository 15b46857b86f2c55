use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::teams;

const INPUTS: &[&str] = &[teams::MEETING_POLICIES, teams::EVENT_POLICIES];

/// Lessons are not recorded by default.
pub(super) const RULE: Rule = Rule {
    id: "teams.recording",
    title: "Lessons are not recorded by default",
    why: "A recording of children is personal data that somebody must keep safe.",
    area: Area::Teams,
    severity: Severity::Low,
    confidence: Confidence::Certain,
    satisfies: &["MS.TEAMS.1.6v1", "MS.TEAMS.1.7v2", "teams_meeting_recording_disabled"],
    inputs: INPUTS,
    remedy: "Teams admin center, Meeting policies, Global: meeting recording off; Live events \
        policies, Global: not always recorded. Give those who may record a policy of their own.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    f.named(INPUTS[0], "Global")?.want(
        "AllowCloudRecording",
        false,
        "everybody may record meetings",
        &mut concerns,
    )?;
    let events = f.named(INPUTS[1], "Global")?;
    if events.text("BroadcastRecordingMode")? == "AlwaysEnabled" {
        concerns.push(events.concern("every event is recorded"));
    }
    verdict(concerns)
}
