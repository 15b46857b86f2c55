use crate::{
    Evidence,
    mail::{BUILT_IN, applied},
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::exchange;

const INPUTS: &[&str] = &[
    exchange::SAFE_ATTACHMENT_POLICIES,
    exchange::SAFE_ATTACHMENT_RULES,
    exchange::ACCEPTED_DOMAINS,
];

/// Attachments are opened where they do no harm first.
pub(super) const RULE: Rule = Rule {
    id: "mail.safe-attachments",
    title: "Attachments are opened where they do no harm first",
    why: "New malware is known to no list; Safe Attachments finds it by running it.",
    area: Area::Mail,
    severity: Severity::High,
    confidence: Confidence::Likely,
    satisfies: &["MS.SECURITYSUITE.1.3v1", "defender_safe_attachments_policy_enabled"],
    inputs: INPUTS,
    remedy: "Defender portal, Safe Attachments: policies on, Block or Dynamic Delivery, quarantine \
        policy AdminOnlyAccessPolicy.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    for p in applied(f, INPUTS[0], INPUTS[1], "SafeAttachmentPolicy", BUILT_IN)? {
        p.want("Enable", true, "attachments are not tried", &mut concerns)?;
        p.want_text(
            "Action",
            &["Block", "DynamicDelivery"],
            "malware is let through",
            &mut concerns,
        )?;
        p.want_text(
            "QuarantineTag",
            &["AdminOnlyAccessPolicy"],
            "people can take malware out of quarantine",
            &mut concerns,
        )?;
    }
    verdict(concerns)
}
