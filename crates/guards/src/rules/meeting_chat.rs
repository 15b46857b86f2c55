use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::teams;

const INPUTS: &[&str] = &[teams::MEETING_POLICIES];

/// Strangers do not write in the chat of a meeting.
pub(super) const RULE: Rule = Rule {
    id: "teams.meeting-chat",
    title: "Strangers do not write in the chat of a meeting",
    why: "A chat is where a stranger sends a class a link.",
    area: Area::Teams,
    severity: Severity::Low,
    confidence: Confidence::Certain,
    satisfies: &["teams_meeting_chat_anonymous_users_disabled"],
    inputs: INPUTS,
    remedy: "Teams admin center, Meeting policies, Global: meeting chat on for everyone but \
        anonymous users.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    let s = f.named(INPUTS[0], "Global")?;
    s.want_text(
        "MeetingChatEnabledType",
        &["EnabledExceptAnonymous", "EnabledInMeetingOnlyForAllExceptAnonymous", "Disabled"],
        "strangers may write in the chat",
        &mut concerns,
    )?;
    verdict(concerns)
}
