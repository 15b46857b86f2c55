use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::exchange;

const INPUTS: &[&str] = &[exchange::ORGANIZATION];

/// Outlook signs in the modern way.
pub(super) const RULE: Rule = Rule {
    id: "mail.modern-authentication",
    title: "Outlook signs in the modern way",
    why: "Only modern sign-in can ask for a second proof.",
    area: Area::Mail,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["exchange_organization_modern_authentication_enabled"],
    inputs: INPUTS,
    remedy: "Microsoft 365 admin center, Settings, Modern authentication: turn it on for Outlook.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    let s = f.one(INPUTS[0])?;
    s.want("OAuth2ClientProfileEnabled", true, "modern authentication is off", &mut concerns)?;
    verdict(concerns)
}
