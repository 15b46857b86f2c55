use crate::{
    Evidence,
    mail::{DEFAULT_ANTI_PHISHING, applied},
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::exchange;

const INPUTS: &[&str] = &[
    exchange::ANTI_PHISHING_POLICIES,
    exchange::ANTI_PHISHING_RULES,
    exchange::ACCEPTED_DOMAINS,
    exchange::OFFICE_PROTECTION,
];

/// Nobody can pretend to be the head.
pub(super) const RULE: Rule = Rule {
    id: "mail.impersonation",
    title: "Nobody can pretend to be the head",
    why: "\"Are you at your desk?\" from somebody who calls himself the head is the most common \
        deceit in schools.",
    area: Area::Mail,
    severity: Severity::High,
    confidence: Confidence::Likely,
    satisfies: &["MS.SECURITYSUITE.2.1v1", "MS.SECURITYSUITE.2.2v1", "MS.SECURITYSUITE.2.3v1"],
    inputs: INPUTS,
    remedy: "Defender portal, Anti-phishing: enable users to protect (heads, bursars, IT), the \
        school's own domains, and those of the authority or trust. Where a preset security policy \
        covers everybody, accept this finding: no interface shows whom presets cover.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    for p in applied(f, INPUTS[0], INPUTS[1], "AntiPhishPolicy", DEFAULT_ANTI_PHISHING)? {
        p.want(
            "EnableOrganizationDomainsProtection",
            true,
            "the school's own domains may be imitated",
            &mut concerns,
        )?;
        for (on, list, says) in [
            (
                "EnableTargetedUserProtection",
                "TargetedUsersToProtect",
                "nobody's name is protected from imitation",
            ),
            (
                "EnableTargetedDomainsProtection",
                "TargetedDomainsToProtect",
                "no partner's domain is protected from imitation",
            ),
        ] {
            if !p.is(on)? || p.texts(list)?.is_empty() {
                concerns.push(p.concern(says));
            }
        }
    }
    verdict(concerns)
}
