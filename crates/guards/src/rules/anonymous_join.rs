use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::teams;

const INPUTS: &[&str] = &[teams::MEETING_POLICIES];

/// Only people with an account join meetings.
pub(super) const RULE: Rule = Rule {
    id: "teams.anonymous-join",
    title: "Only people with an account join meetings",
    why: "Somebody without an account is whoever he says.",
    area: Area::Teams,
    severity: Severity::Low,
    confidence: Confidence::Certain,
    satisfies: &["teams_meeting_anonymous_user_join_disabled"],
    inputs: INPUTS,
    remedy: "Teams admin center, Meeting policies, Global: anonymous users can join a meeting: \
        off; give parents' evenings a policy of their own.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    let s = f.named(INPUTS[0], "Global")?;
    s.want(
        "AllowAnonymousUsersToJoinMeeting",
        false,
        "people without an account may join",
        &mut concerns,
    )?;
    verdict(concerns)
}
