use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::exchange;

const INPUTS: &[&str] = &[exchange::DKIM, exchange::ACCEPTED_DOMAINS];

/// The school signs its mail.
pub(super) const RULE: Rule = Rule {
    id: "mail.dkim",
    title: "The school signs its mail",
    why: "Without a signature anybody's mail looks as much like the school's as the school's own.",
    area: Area::Mail,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["MS.EXO.3.1v1", "defender_domain_dkim_enabled"],
    inputs: INPUTS,
    remedy: "Defender portal, Email authentication settings, DKIM: turn it on for each domain and \
        publish its two records.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    let signed = f.settings(INPUTS[0])?;
    for s in &signed {
        s.want("Enabled", true, "mail of this domain is not signed", &mut concerns)?;
    }
    for d in f.many(INPUTS[1])? {
        if !f.many(INPUTS[0])?.iter().any(|s| s.name.eq_ignore_ascii_case(&d.name)) {
            concerns.push(Concern::new(
                format!("{}/{}", INPUTS[1], d.name),
                "mail of this domain is not signed",
            ));
        }
    }
    verdict(concerns)
}
