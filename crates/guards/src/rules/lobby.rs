use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::teams;

const INPUTS: &[&str] = &[teams::MEETING_POLICIES];

/// Strangers wait in the lobby.
pub(super) const RULE: Rule = Rule {
    id: "teams.lobby",
    title: "Strangers wait in the lobby",
    why: "An uninvited guest in a lesson sees and hears children.",
    area: Area::Teams,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &[
        "MS.TEAMS.1.2v2",
        "MS.TEAMS.1.3v1",
        "MS.TEAMS.1.5v1",
        "teams_meeting_anonymous_user_start_disabled",
        "teams_meeting_dial_in_lobby_bypass_disabled",
        "teams_meeting_external_lobby_bypass_disabled",
    ],
    inputs: INPUTS,
    remedy: "Teams admin center, Meeting policies: anonymous people cannot start meetings, callers \
        do not bypass the lobby, people in my org bypass it.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    for s in f.settings(INPUTS[0])? {
        s.want(
            "AllowAnonymousUsersToStartMeeting",
            false,
            "strangers may start meetings",
            &mut concerns,
        )?;
        s.want("AllowPSTNUsersToBypassLobby", false, "callers pass the lobby", &mut concerns)?;
        s.want_text(
            "AutoAdmittedUsers",
            &["EveryoneInCompanyExcludingGuests", "InvitedUsers", "OrganizerOnly"],
            "others than the school's people pass the lobby",
            &mut concerns,
        )?;
    }
    verdict(concerns)
}
