use crate::{
    Evidence,
    mail::applied,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::exchange;

const INPUTS: &[&str] =
    &[exchange::MALWARE_POLICIES, exchange::MALWARE_RULES, exchange::ACCEPTED_DOMAINS];

/// Programs do not come by mail.
pub(super) const RULE: Rule = Rule {
    id: "mail.attachment-types",
    title: "Programs do not come by mail",
    why: "Ransomware begins with an attachment that a person opens.",
    area: Area::Mail,
    severity: Severity::High,
    confidence: Confidence::Likely,
    satisfies: &[
        "MS.SECURITYSUITE.1.1v1",
        "MS.SECURITYSUITE.1.2v1",
        "defender_malware_policy_common_attachments_filter_enabled",
    ],
    inputs: INPUTS,
    remedy: "Defender portal, Anti-malware: common attachments filter with at least exe, cmd and \
        vbe, and zero-hour auto purge, in every policy.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    for p in applied(f, INPUTS[0], INPUTS[1], "MalwareFilterPolicy", "Default")? {
        p.want("EnableFileFilter", true, "any kind of file is let in", &mut concerns)?;
        p.want("ZapEnabled", true, "malware that was delivered stays", &mut concerns)?;
        let types = p.texts("FileTypes")?;
        let lacking: Vec<&str> = ["exe", "cmd", "vbe"]
            .into_iter()
            .filter(|t| !types.iter().any(|x| x.eq_ignore_ascii_case(t)))
            .collect();
        if !lacking.is_empty() {
            concerns.push(p.concern(&format!("lets in files of type {}", lacking.join(", "))));
        }
    }
    verdict(concerns)
}
