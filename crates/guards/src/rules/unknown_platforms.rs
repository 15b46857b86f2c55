use crate::{
    Evidence,
    policies::{self, Ask, On, What, Whom},
    rule::{Area, Confidence, Judged, Rule, Severity},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::CONDITIONAL_ACCESS_POLICIES];

/// Unknown kinds of device are blocked.
pub(super) const RULE: Rule = Rule {
    id: "access.unknown-platforms",
    title: "Unknown kinds of device are blocked",
    why: "Tools of attackers call themselves nothing that is known, so that no other policy fits.",
    area: Area::ConditionalAccess,
    severity: Severity::Low,
    confidence: Confidence::Certain,
    satisfies: &["entra_conditional_access_policy_block_unknown_device_platforms"],
    inputs: INPUTS,
    remedy: "Conditional Access: all users, all apps, any platform but the known ones, Block.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let ask = Ask {
        whom: Whom::Everyone,
        what: What::AllApps,
        on: &[On::Platforms],
        nothing: "no policy blocks unknown platforms",
    };
    policies::ask(f, &ask, |p| {
        p.blocks()
            && p.has("conditions.platforms.includePlatforms", "all")
            && !p.list("conditions.platforms.excludePlatforms").is_empty()
    })
}
