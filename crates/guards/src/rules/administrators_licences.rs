use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, Skip, verdict},
};
use strongroom_model::collections::directory;

const INPUTS: &[&str] = &[directory::PRIVILEGED_USERS];

/// Administrators' accounts have no mailbox to be phished in.
pub(super) const RULE: Rule = Rule {
    id: "roles.no-mailbox",
    title: "Administrators' accounts have no mailbox to be phished in",
    why: "An account that reads mail is an account that is phished.",
    area: Area::Roles,
    severity: Severity::Medium,
    confidence: Confidence::Likely,
    satisfies: &[
        "admincenter_users_admins_reduced_license_footprint",
        "Cyber Essentials: separate admin accounts",
    ],
    inputs: INPUTS,
    remedy: "Take licences with a mailbox off accounts with roles; Entra ID P1 or P2 alone is \
        enough for them.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    for o in f.many(INPUTS[0])? {
        match o.body["licences"].as_u64() {
            None => return Err(Skip(format!("not collected: the licences of {}", o.name))),
            Some(0) => {}
            Some(n) => concerns.push(Concern::new(
                format!("{}/{}", INPUTS[0], o.name),
                format!(
                    "has a role and {}",
                    crate::words::count(n as usize, "licence", "licences")
                ),
            )),
        }
    }
    verdict(concerns)
}
