use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::exchange;

const INPUTS: &[&str] = &[exchange::ORGANIZATION];

/// Microsoft asks before it looks.
pub(super) const RULE: Rule = Rule {
    id: "mail.customer-lockbox",
    title: "Microsoft asks before it looks",
    why: "With Customer Lockbox a Microsoft engineer needs the school's leave to see its data.",
    area: Area::Mail,
    severity: Severity::Low,
    confidence: Confidence::Certain,
    satisfies: &["admincenter_organization_customer_lockbox_enabled"],
    inputs: INPUTS,
    remedy: "Microsoft 365 admin center, Security & privacy, Customer lockbox: require approval \
        (needs A5).",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    let s = f.one(INPUTS[0])?;
    s.want("CustomerLockboxEnabled", true, "Customer Lockbox is off", &mut concerns)?;
    verdict(concerns)
}
