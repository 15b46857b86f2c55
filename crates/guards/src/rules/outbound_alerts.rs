use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::exchange;

const INPUTS: &[&str] = &[exchange::OUTBOUND_SPAM_POLICIES];

/// Somebody hears when the school sends spam.
pub(super) const RULE: Rule = Rule {
    id: "mail.outbound-alerts",
    title: "Somebody hears when the school sends spam",
    why: "Spam from a school's account is the first sign that somebody else has it.",
    area: Area::Mail,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["defender_antispam_outbound_policy_configured"],
    inputs: INPUTS,
    remedy: "Defender portal, Anti-spam outbound policy: notify these people when a sender is \
        blocked, and send them copies of suspicious messages.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    for p in f.settings(INPUTS[0])? {
        for (on, list, says) in [
            (
                "NotifyOutboundSpam",
                "NotifyOutboundSpamRecipients",
                "nobody is told of blocked senders",
            ),
            (
                "BccSuspiciousOutboundMail",
                "BccSuspiciousOutboundAdditionalRecipients",
                "nobody sees suspicious mail that leaves",
            ),
        ] {
            if !p.is(on)? || p.texts(list)?.is_empty() {
                concerns.push(p.concern(says));
            }
        }
    }
    verdict(concerns)
}
