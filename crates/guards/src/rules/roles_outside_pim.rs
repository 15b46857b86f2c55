use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::roles;

const INPUTS: &[&str] = &[roles::ASSIGNMENTS, roles::ACTIVE_SCHEDULES];

/// High roles are given through Privileged Identity Management.
pub(super) const RULE: Rule = Rule {
    id: "roles.outside-pim",
    title: "High roles are given through Privileged Identity Management",
    why: "An assignment beside it has no end, no approval and no alert.",
    area: Area::Roles,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["MS.AAD.7.5v1"],
    inputs: INPUTS,
    remedy: "Remove the direct assignment and make the person eligible in Privileged Identity \
        Management.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    // The service lists an assignment from outside among the schedules too, without a start.
    let managed: std::collections::BTreeSet<(Option<&str>, Option<&str>)> = f
        .many(INPUTS[1])?
        .iter()
        .filter(|o| o.body["scheduleInfo"]["startDateTime"].is_string())
        .map(|o| (o.body["roleDefinitionId"].as_str(), o.body["principalId"].as_str()))
        .collect();
    let mut concerns = Vec::new();
    for o in f.many(INPUTS[0])? {
        let (role, who) = (o.body["roleDefinitionId"].as_str(), o.body["principalId"].as_str());
        let high = role.is_some_and(|r| {
            crate::words::HIGHLY_PRIVILEGED.iter().any(|h| h.eq_ignore_ascii_case(r))
        });
        // Applications cannot be managed there; another rule speaks of them.
        let person = who.is_none_or(|w| !w.starts_with("@service-principals/"));
        if high && person && !managed.contains(&(role, who)) {
            let says = format!(
                "{} is {} outside Privileged Identity Management",
                crate::words::symbol(who.unwrap_or("somebody")),
                crate::words::roles(&[role.unwrap_or_default()])
            );
            concerns.push(Concern::new(format!("{}/{}", INPUTS[0], o.name), says));
        }
    }
    verdict(concerns)
}
