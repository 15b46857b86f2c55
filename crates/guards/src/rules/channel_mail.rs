use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::teams;

const INPUTS: &[&str] = &[teams::CLIENT];

/// Channels take no mail.
pub(super) const RULE: Rule = Rule {
    id: "teams.channel-mail",
    title: "Channels take no mail",
    why: "An address of a channel takes mail from anybody past the filters that people set.",
    area: Area::Teams,
    severity: Severity::Low,
    confidence: Confidence::Certain,
    satisfies: &["MS.TEAMS.4.1v1", "teams_email_sending_to_channel_disabled"],
    inputs: INPUTS,
    remedy: "Teams admin center, Teams settings: users can send emails to a channel email address: \
        off.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    let s = f.one(INPUTS[0])?;
    s.want("AllowEmailIntoChannel", false, "anybody may send mail into a channel", &mut concerns)?;
    verdict(concerns)
}
