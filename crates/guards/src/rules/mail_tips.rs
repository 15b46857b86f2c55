use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::exchange;

const INPUTS: &[&str] = &[exchange::ORGANIZATION];

/// Outlook warns before a mail goes to many or outside.
pub(super) const RULE: Rule = Rule {
    id: "mail.tips",
    title: "Outlook warns before a mail goes to many or outside",
    why: "Most leaks of pupils' data are a mail to the wrong people.",
    area: Area::Mail,
    severity: Severity::Low,
    confidence: Confidence::Certain,
    satisfies: &["exchange_organization_mailtips_enabled"],
    inputs: INPUTS,
    remedy: "Exchange Online PowerShell: Set-OrganizationConfig with MailTipsAllTipsEnabled, \
        MailTipsExternalRecipientsTipsEnabled, MailTipsGroupMetricsEnabled and a \
        MailTipsLargeAudienceThreshold of 25.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    let s = f.one(INPUTS[0])?;
    for key in [
        "MailTipsAllTipsEnabled",
        "MailTipsExternalRecipientsTipsEnabled",
        "MailTipsGroupMetricsEnabled",
    ] {
        s.want(key, true, &format!("{key} is off"), &mut concerns)?;
    }
    let many = s.number("MailTipsLargeAudienceThreshold")?;
    if many > 25 {
        concerns
            .push(s.concern(&format!("Outlook warns from {many} recipients on, and not from 25")));
    }
    verdict(concerns)
}
