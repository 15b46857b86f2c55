use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, Skip, verdict},
};
use strongroom_model::collections::directory;

const INPUTS: &[&str] = &[directory::PRIVILEGED_USERS];

/// Administrators live in the cloud alone.
pub(super) const RULE: Rule = Rule {
    id: "roles.cloud-only",
    title: "Administrators live in the cloud alone",
    why: "Who owns Active Directory otherwise owns Microsoft 365 an hour later.",
    area: Area::Roles,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["MS.AAD.7.3v1", "entra_admin_users_cloud_only"],
    inputs: INPUTS,
    remedy: "Make accounts of their own for administration, not synchronized, on the \
        onmicrosoft.com domain.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let mut concerns = Vec::new();
    for o in f.many(INPUTS[0])? {
        // Graph says null where an account was never synchronized; a record without the property
        // was not read whole.
        match o.body.get("onPremisesSyncEnabled") {
            None => return Err(Skip(format!("not collected: whether {} is synchronized", o.name))),
            Some(v) if v == true => concerns.push(Concern::new(
                format!("{}/{}", INPUTS[0], o.name),
                "has a role and is synchronized from Active Directory",
            )),
            Some(_) => {}
        }
    }
    verdict(concerns)
}
