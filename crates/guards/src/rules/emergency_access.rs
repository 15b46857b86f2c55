use crate::{
    Evidence,
    policies::{self, What, Whom},
    rule::{Area, Concern, Confidence, Judged, Outcome, Rule, Severity, verdict},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::CONDITIONAL_ACCESS_POLICIES];

/// Every policy that could lock all out leaves the emergency accounts out.
pub(super) const RULE: Rule = Rule {
    id: "access.emergency-access",
    title: "Every policy that could lock all out leaves the emergency accounts out",
    why: "A mistake in one policy, or an attacker's, locks out every administrator at once.",
    area: Area::ConditionalAccess,
    severity: Severity::High,
    confidence: Confidence::Certain,
    satisfies: &["entra_emergency_access_exclusion"],
    inputs: INPUTS,
    remedy: "Name the emergency accounts in the exceptions file as break-glass, and exclude them \
        (or their group) from every policy that is on for all users or all administrators.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let policies = f.policies()?;
    let locks_out = policies
        .iter()
        .filter(|p| p.blocks() && p.gaps(f, Whom::Everyone, What::AllApps, &[]).is_empty());
    let nobody = |p: &policies::AccessPolicy<'_>| {
        ["excludeUsers", "excludeGroups", "excludeRoles"]
            .iter()
            .all(|k| p.list(&format!("conditions.users.{k}")).is_empty())
    };
    let everybody: Vec<Concern> = locks_out
        .filter(|p| nobody(p))
        .map(|p| {
            Concern::new(
                format!("{}/{}", INPUTS[0], p.name),
                "blocks everybody from everything, and leaves nobody out",
            )
        })
        .collect();
    if !everybody.is_empty() {
        return verdict(everybody);
    }
    if !f.knows_emergency() {
        return Ok(Outcome::Manual(
            "no emergency account is named in the exceptions file, so it \
            cannot be told whether policies leave one out"
                .to_owned(),
        ));
    }
    let mut concerns = Vec::new();
    for p in f.policies()?.iter().filter(|p| p.could_lock_out()) {
        let out = p
            .list("conditions.users.excludeUsers")
            .into_iter()
            .chain(p.list("conditions.users.excludeGroups"))
            .any(|s| f.is_emergency(s));
        if !out {
            concerns.push(Concern::new(
                format!("{}/{}", INPUTS[0], p.name),
                "would lock the emergency accounts out too",
            ));
        }
    }
    verdict(concerns)
}
