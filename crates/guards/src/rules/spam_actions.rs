use crate::{
    Evidence,
    mail::applied,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::exchange;

const INPUTS: &[&str] =
    &[exchange::SPAM_POLICIES, exchange::SPAM_RULES, exchange::ACCEPTED_DOMAINS];

/// Spam and phishing do not reach the inbox.
pub(super) const RULE: Rule = Rule {
    id: "mail.spam-actions",
    title: "Spam and phishing do not reach the inbox",
    why: "What is known to be phishing should not wait between two real mails.",
    area: Area::Mail,
    severity: Severity::Medium,
    confidence: Confidence::Likely,
    satisfies: &["MS.SECURITYSUITE.6.1v1"],
    inputs: INPUTS,
    remedy: "Defender portal, Anti-spam: junk folder or quarantine for spam, high confidence spam, \
        phishing and high confidence phishing.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    for p in applied(f, INPUTS[0], INPUTS[1], "HostedContentFilterPolicy", "Default")? {
        for key in [
            "SpamAction",
            "HighConfidenceSpamAction",
            "PhishSpamAction",
            "HighConfidencePhishAction",
        ] {
            p.want_text(
                key,
                &["MoveToJmf", "Quarantine"],
                "is delivered to the inbox",
                &mut concerns,
            )?;
        }
    }
    verdict(concerns)
}
