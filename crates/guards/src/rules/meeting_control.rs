use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::teams;

const INPUTS: &[&str] = &[teams::MEETING_POLICIES];

/// Meetings stay in the organizer's hand.
pub(super) const RULE: Rule = Rule {
    id: "teams.meeting-control",
    title: "Meetings stay in the organizer's hand",
    why: "Who presents or takes control of a screen can show a class anything.",
    area: Area::Teams,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &[
        "MS.TEAMS.1.1v1",
        "teams_meeting_external_control_disabled",
        "teams_meeting_presenters_restricted",
    ],
    inputs: INPUTS,
    remedy: "Teams admin center, Meeting policies: external participants cannot give or request \
        control; who can present: only organizers and co-organizers.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    for p in f.settings(INPUTS[0])? {
        p.want(
            "AllowExternalParticipantGiveRequestControl",
            false,
            "outsiders may take control of a screen",
            &mut concerns,
        )?;
    }
    f.named(INPUTS[0], "Global")?.want_text(
        "DesignatedPresenterRoleMode",
        &["OrganizerOnlyUserOverride"],
        "others than the organizer present",
        &mut concerns,
    )?;
    verdict(concerns)
}
