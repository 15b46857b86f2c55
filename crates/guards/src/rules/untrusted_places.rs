use crate::{
    Evidence,
    policies::{self, Ask, On, What, Whom},
    rule::{Area, Confidence, Judged, Rule, Severity},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::CONDITIONAL_ACCESS_POLICIES];

/// Sign-ins from where nobody of the school is are blocked.
pub(super) const RULE: Rule = Rule {
    id: "access.untrusted-places",
    title: "Sign-ins from where nobody of the school is are blocked",
    why: "Most password sprays come from countries without a single pupil.",
    area: Area::ConditionalAccess,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["entra_conditional_access_policy_untrusted_locations_blocked"],
    inputs: INPUTS,
    remedy: "Conditional Access: all users, all apps, any location but the school's and its \
        countries, Block.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let ask = Ask {
        whom: Whom::Everyone,
        what: What::AllApps,
        on: &[On::Locations],
        nothing: "no policy blocks foreign places",
    };
    policies::ask(f, &ask, |p| {
        p.blocks()
            && p.has("conditions.locations.includeLocations", "All")
            && !p.list("conditions.locations.excludeLocations").is_empty()
    })
}
