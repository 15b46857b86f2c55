use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, Skip, verdict},
};
use strongroom_model::collections::directory;

const INPUTS: &[&str] = &[directory::DOMAINS];

/// Passwords end when they are known, not by the calendar.
pub(super) const RULE: Rule = Rule {
    id: "authentication.passwords-do-not-expire",
    title: "Passwords end when they are known, not by the calendar",
    why: "People who must change often add a number; NCSC and CISA say not to.",
    area: Area::Authentication,
    severity: Severity::Low,
    confidence: Confidence::Certain,
    satisfies: &["MS.AAD.6.1v1", "admincenter_settings_password_never_expire"],
    inputs: INPUTS,
    remedy: "Microsoft 365 admin center, Org settings, Password expiration policy: never expire.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    for o in f
        .many(INPUTS[0])?
        .iter()
        .filter(|o| o.body["isVerified"] == true && o.body["authenticationType"] != "Federated")
    {
        match o.body["passwordValidityPeriodInDays"].as_i64() {
            Some(i64::MIN..=0 | 2_147_483_647) => {}
            Some(n) => concerns.push(Concern::new(
                format!("{}/{}", INPUTS[0], o.name),
                format!("passwords end after {n} days"),
            )),
            None => return Err(Skip(format!("not collected: when passwords of {} end", o.name))),
        }
    }
    verdict(concerns)
}
