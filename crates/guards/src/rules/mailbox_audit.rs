use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::exchange;

const INPUTS: &[&str] = &[exchange::ORGANIZATION];

/// What is done in mailboxes is logged.
pub(super) const RULE: Rule = Rule {
    id: "mail.audit",
    title: "What is done in mailboxes is logged",
    why: "Without the log nobody can say what a thief has read, and so whom the school must tell.",
    area: Area::Mail,
    severity: Severity::Critical,
    confidence: Confidence::Certain,
    satisfies: &["MS.EXO.13.1v1", "exchange_organization_mailbox_auditing_enabled"],
    inputs: INPUTS,
    remedy: "Exchange Online PowerShell: Set-OrganizationConfig -AuditDisabled $false.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    let s = f.one(INPUTS[0])?;
    s.want("AuditDisabled", false, "the audit of mailboxes is off for everybody", &mut concerns)?;
    verdict(concerns)
}
