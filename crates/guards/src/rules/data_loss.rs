use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::purview;

const INPUTS: &[&str] = &[purview::DATA_LOSS_POLICIES];

/// Data loss policies watch every way out.
pub(super) const RULE: Rule = Rule {
    id: "data.loss-prevention",
    title: "Data loss policies watch every way out",
    why: "Lists of pupils leave by the way that no policy watches.",
    area: Area::Data,
    severity: Severity::Medium,
    confidence: Confidence::Likely,
    satisfies: &["MS.SECURITYSUITE.3.2v1"],
    inputs: INPUTS,
    remedy: "Purview portal, Data loss prevention: policies that are on and cover all of Exchange, \
        SharePoint, OneDrive, Teams and devices. What a policy looks for is given by no interface.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    for (key, place) in [
        ("ExchangeLocation", "mail"),
        ("SharePointLocation", "SharePoint"),
        ("OneDriveLocation", "OneDrive"),
        ("TeamsLocation", "Teams"),
        ("EndpointDlpLocation", "devices"),
    ] {
        let mut watched = false;
        for p in f.settings(INPUTS[0])? {
            watched |= p.text("Mode")?.eq_ignore_ascii_case("Enable")
                && p.texts(key).is_ok_and(|all| all.iter().any(|l| l.eq_ignore_ascii_case("All")));
        }
        if !watched {
            concerns.push(Concern::new(
                INPUTS[0],
                format!("no policy that is on watches all of {place}"),
            ));
        }
    }
    verdict(concerns)
}
