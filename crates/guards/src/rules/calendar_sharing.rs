use crate::{
    Evidence,
    rule::{Area, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::exchange;

const INPUTS: &[&str] = &[exchange::SHARING_POLICIES];

/// Calendars and contacts are not for everybody.
pub(super) const RULE: Rule = Rule {
    id: "mail.calendar-sharing",
    title: "Calendars and contacts are not for everybody",
    why: "Calendars say who is where, and contacts whom a deceiver should pretend to be.",
    area: Area::Mail,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["MS.EXO.6.1v1", "MS.EXO.6.2v1", "admincenter_external_calendar_sharing_disabled"],
    inputs: INPUTS,
    remedy: "Exchange admin center, Organization, Sharing: take all domains and Anonymous out of \
        each individual sharing policy; name the domains of partners instead.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    for p in f.settings(INPUTS[0])? {
        if !p.is("Enabled")? {
            continue;
        }
        for entry in p.texts("Domains")? {
            let (domain, what) = entry.split_once(':').unwrap_or((entry, "something"));
            if ["*", "anonymous"].contains(&domain.trim().to_lowercase().as_str()) {
                concerns.push(p.concern(&format!("shares {} with everybody", what.trim())));
            }
        }
    }
    verdict(concerns)
}
