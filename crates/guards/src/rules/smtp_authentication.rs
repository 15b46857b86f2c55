use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::exchange;

const INPUTS: &[&str] = &[exchange::TRANSPORT];

/// Nobody sends mail with a password alone.
pub(super) const RULE: Rule = Rule {
    id: "mail.smtp-authentication",
    title: "Nobody sends mail with a password alone",
    why: "SMTP takes a stolen password without a second proof, and is what password sprayers try.",
    area: Area::Mail,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["MS.EXO.5.1v1", "exchange_transport_config_smtp_auth_disabled"],
    inputs: INPUTS,
    remedy: "Exchange admin center, Mail flow settings: turn off SMTP AUTH for the organization, \
        and leave it on for single mailboxes that need it.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    let s = f.one(INPUTS[0])?;
    s.want("SmtpClientAuthenticationDisabled", true, "SMTP takes passwords", &mut concerns)?;
    verdict(concerns)
}
