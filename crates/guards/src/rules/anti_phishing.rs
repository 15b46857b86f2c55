use crate::{
    Evidence,
    mail::{DEFAULT_ANTI_PHISHING, applied},
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::exchange;

const INPUTS: &[&str] =
    &[exchange::ANTI_PHISHING_POLICIES, exchange::ANTI_PHISHING_RULES, exchange::ACCEPTED_DOMAINS];

/// Forged and unusual senders are caught and shown.
pub(super) const RULE: Rule = Rule {
    id: "mail.anti-phishing",
    title: "Forged and unusual senders are caught and shown",
    why: "People judge a mail by its sender; these tips and actions are what tells them when the \
        sender lies.",
    area: Area::Mail,
    severity: Severity::High,
    confidence: Confidence::Likely,
    satisfies: &["MS.SECURITYSUITE.2.4v1"],
    inputs: INPUTS,
    remedy: "Defender portal, Anti-phishing: spoof intelligence on, honour DMARC, quarantine what \
        fails, and show all safety tips.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    const ON: &[&str] = &[
        "EnableSpoofIntelligence",
        "HonorDmarcPolicy",
        "EnableFirstContactSafetyTips",
        "EnableSimilarUsersSafetyTips",
        "EnableSimilarDomainsSafetyTips",
        "EnableUnusualCharactersSafetyTips",
        "EnableUnauthenticatedSender",
        "EnableViaTag",
    ];
    let mut concerns = Vec::new();
    for p in applied(f, INPUTS[0], INPUTS[1], "AntiPhishPolicy", DEFAULT_ANTI_PHISHING)? {
        for key in ON {
            p.want(key, true, &format!("{key} is off"), &mut concerns)?;
        }
        p.want_text(
            "AuthenticationFailAction",
            &["Quarantine", "MoveToJmf"],
            "forged mail is delivered",
            &mut concerns,
        )?;
    }
    verdict(concerns)
}
