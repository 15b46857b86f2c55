use crate::{
    Evidence,
    mail::{BUILT_IN, applied},
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::exchange;

const INPUTS: &[&str] =
    &[exchange::SAFE_LINK_POLICIES, exchange::SAFE_LINK_RULES, exchange::ACCEPTED_DOMAINS];

/// Links are checked when they are clicked.
pub(super) const RULE: Rule = Rule {
    id: "mail.safe-links",
    title: "Links are checked when they are clicked",
    why: "A link is often harmless when the mail comes, and not when it is clicked.",
    area: Area::Mail,
    severity: Severity::High,
    confidence: Confidence::Likely,
    satisfies: &[
        "MS.SECURITYSUITE.7.1v1",
        "MS.SECURITYSUITE.7.2v1",
        "MS.SECURITYSUITE.7.3v1",
        "defender_safelinks_policy_enabled",
    ],
    inputs: INPUTS,
    remedy: "Defender portal, Safe Links: one policy for all domains of the school: email (also \
        between people of the school), Teams and Office; real-time scan, wait for it, track \
        clicks, no clicking through, rewrite links.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    const SWITCHES: &[(&str, bool)] = &[
        ("EnableSafeLinksForEmail", true),
        ("EnableSafeLinksForTeams", true),
        ("EnableSafeLinksForOffice", true),
        ("EnableForInternalSenders", true),
        ("ScanUrls", true),
        ("DeliverMessageAfterScan", true),
        ("TrackClicks", true),
        ("AllowClickThrough", false),
        ("DisableUrlRewrite", false),
    ];
    let mut concerns = Vec::new();
    for p in applied(f, INPUTS[0], INPUTS[1], "SafeLinksPolicy", BUILT_IN)? {
        for (key, wanted) in SWITCHES {
            p.want(
                key,
                *wanted,
                &format!("{key} is {}", if *wanted { "off" } else { "on" }),
                &mut concerns,
            )?;
        }
    }
    verdict(concerns)
}
