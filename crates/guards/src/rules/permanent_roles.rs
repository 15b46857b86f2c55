use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, Skip, verdict},
};
use strongroom_model::collections::roles;

const INPUTS: &[&str] = &[roles::ACTIVE_SCHEDULES];

/// Nobody holds a high role for ever.
pub(super) const RULE: Rule = Rule {
    id: "roles.permanent",
    title: "Nobody holds a high role for ever",
    why: "A role that is always on is on when the account is stolen.",
    area: Area::Roles,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["MS.AAD.7.4v1"],
    inputs: INPUTS,
    remedy: "Entra admin center, Privileged Identity Management: make assignments eligible, or \
        give them an end; emergency accounts stay.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    for o in f.many(INPUTS[0])? {
        let (Some(role), Some(who)) =
            (o.body["roleDefinitionId"].as_str(), o.body["principalId"].as_str())
        else {
            return Err(Skip(format!("not collected: who holds what by {}", o.name)));
        };
        let high = crate::words::HIGHLY_PRIVILEGED.iter().any(|r| r.eq_ignore_ascii_case(role));
        let for_ever = o.body["scheduleInfo"]["expiration"]["type"]
            .as_str()
            .ok_or_else(|| Skip(format!("not collected: when {} ends", o.name)))?
            == "noExpiration";
        if high && for_ever && o.body["assignmentType"] != "Activated" && !f.is_emergency(who) {
            concerns.push(Concern::new(
                format!("{}/{}", INPUTS[0], o.name),
                format!(
                    "{} is {} for ever",
                    crate::words::symbol(who),
                    crate::words::roles(&[role])
                ),
            ));
        }
    }
    verdict(concerns)
}
