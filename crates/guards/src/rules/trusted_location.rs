use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::NAMED_LOCATIONS];

/// A trusted place is named, and it is small.
pub(super) const RULE: Rule = Rule {
    id: "access.trusted-location",
    title: "A trusted place is named, and it is small",
    why: "Policies that trust half the internet trust attackers; ones without any place cannot \
        tell the school from abroad.",
    area: Area::ConditionalAccess,
    severity: Severity::Low,
    confidence: Confidence::Certain,
    satisfies: &["entra_conditional_access_trusted_named_location_exists"],
    inputs: INPUTS,
    remedy: "Entra admin center, Named locations: the school's own addresses as a trusted IP \
        range.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    let mut trusted = 0;
    for o in f.many(INPUTS[0])? {
        let Some(ranges) = o.body["ipRanges"].as_array() else { continue };
        if o.body["isTrusted"] != true {
            continue;
        }
        trusted += usize::from(!ranges.is_empty());
        // A school's own network is a /16 at the very most; IPv6 sites get a /48.
        let wide = |r: &str| {
            r.rsplit_once('/')
                .and_then(|(a, n)| Some((a.contains(':'), n.parse::<u8>().ok()?)))
                .is_none_or(|(six, n)| n < if six { 32 } else { 16 })
        };
        for range in ranges.iter().filter_map(|r| r["cidrAddress"].as_str()).filter(|r| wide(r)) {
            concerns.push(Concern::new(
                format!("{}/{}", INPUTS[0], o.name),
                format!("trusts the whole of {range}"),
            ));
        }
    }
    if trusted == 0 {
        concerns.push(Concern::new(INPUTS[0], "no trusted IP range is named"));
    }
    verdict(concerns)
}
