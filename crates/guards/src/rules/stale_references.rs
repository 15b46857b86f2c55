use crate::{
    Evidence,
    rule::{Area, Concern, Confidence, Judged, Rule, Severity, verdict},
};
use strongroom_model::collections::{directory, identity};

const INPUTS: &[&str] = &[identity::CONDITIONAL_ACCESS_POLICIES, directory::REFERENCED_GROUPS];

/// Policies speak only of what exists.
pub(super) const RULE: Rule = Rule {
    id: "access.stale-references",
    title: "Policies speak only of what exists",
    why: "A policy for a deleted group covers nobody and looks as if it did.",
    area: Area::ConditionalAccess,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["entra_conditional_access_policy_no_deleted_object_references"],
    inputs: INPUTS,
    remedy: "Open the policy and take out or replace what no longer exists.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let guid = |s: &str| s.len() == 36 && s.bytes().filter(|b| *b == b'-').count() == 4;
    let mut concerns = Vec::new();
    for p in f.policies()? {
        let users = ["includeUsers", "excludeUsers", "includeGroups", "excludeGroups"];
        let gone: Vec<&str> = users
            .iter()
            .flat_map(|k| p.list(&format!("conditions.users.{k}")))
            .filter(|s| guid(s))
            .collect();
        let places = ["includeLocations", "excludeLocations"];
        // The service's own mark for places that policies call multifactor-trusted.
        let places = places
            .iter()
            .flat_map(|k| p.list(&format!("conditions.locations.{k}")))
            .filter(|s| guid(s) && *s != "00000000-0000-0000-0000-000000000000");
        let gone: Vec<&str> = gone.into_iter().chain(places).collect();
        if !gone.is_empty() {
            concerns.push(Concern::new(
                format!("{}/{}", INPUTS[0], p.name),
                format!("refers to what does not exist: {}", gone.join(", ")),
            ));
        }
    }
    verdict(concerns)
}
