use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::exchange;

const INPUTS: &[&str] =
    &[exchange::SPAM_POLICIES, exchange::CONNECTION_FILTERS, exchange::TRANSPORT_RULES];

/// No sender passes unchecked.
pub(super) const RULE: Rule = Rule {
    id: "mail.free-passes",
    title: "No sender passes unchecked",
    why: "A domain or address that is let past the filters is let past them when somebody forges \
        it.",
    area: Area::Mail,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &[
        "MS.SECURITYSUITE.6.2v1",
        "MS.SECURITYSUITE.8.1v1",
        "MS.SECURITYSUITE.8.2v1",
        "defender_antispam_policy_inbound_no_allowed_domains",
        "defender_antispam_connection_filter_policy_empty_ip_allowlist",
        "defender_antispam_connection_filter_policy_safe_list_off",
        "exchange_transport_rules_whitelist_disabled",
    ],
    inputs: INPUTS,
    remedy: "Defender portal, Anti-spam: empty the allowed domains and the IP allow list, turn the \
        safe list off; Exchange admin center: remove mail flow rules that set the spam confidence \
        to -1. Use allows of the Tenant Allow/Block List, which end by themselves.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    for p in f.settings(INPUTS[0])? {
        let allowed = p.texts("AllowedSenderDomains")?;
        if !allowed.is_empty() {
            concerns.push(p.concern(&format!("lets {} in unchecked", allowed.join(", "))));
        }
    }
    for p in f.settings(INPUTS[1])? {
        let allowed = p.texts("IPAllowList")?;
        if !allowed.is_empty() {
            concerns.push(p.concern(&format!("lets {} in unchecked", allowed.join(", "))));
        }
        p.want(
            "EnableSafeList",
            false,
            "lets in whom Microsoft's list of others trusts",
            &mut concerns,
        )?;
    }
    for r in f.settings(INPUTS[2])? {
        // A text, left out where the rule sets none.
        let past = r.text("SetSCL").is_ok_and(|s| s.trim() == "-1");
        if r.is("Enabled")? && past {
            concerns.push(r.concern("takes mail past the spam filter"));
        }
    }
    verdict(concerns)
}
