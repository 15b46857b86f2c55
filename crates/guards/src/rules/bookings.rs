use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::exchange;

const INPUTS: &[&str] = &[exchange::ORGANIZATION, exchange::OUTLOOK_WEB_POLICIES];

/// Nobody opens a public booking page.
pub(super) const RULE: Rule = Rule {
    id: "mail.bookings",
    title: "Nobody opens a public booking page",
    why: "A booking page is a public address with the school's name that its maker, or a thief in \
        his account, can use for deceit.",
    area: Area::Mail,
    severity: Severity::Low,
    confidence: Confidence::Certain,
    satisfies: &["admincenter_shared_bookings_disabled"],
    inputs: INPUTS,
    remedy: "Microsoft 365 admin center, Settings, Bookings: off; or keep it and take creation out \
        of the default Outlook on the web policy.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    if !f.one(INPUTS[0])?.is("BookingsEnabled")? {
        return verdict(Vec::new());
    }
    let mut concerns = Vec::new();
    for p in f.settings(INPUTS[1])? {
        if p.is("IsDefault")? {
            p.want(
                "BookingsMailboxCreationEnabled",
                false,
                "people may make booking pages",
                &mut concerns,
            )?;
        }
    }
    verdict(concerns)
}
