use crate::{
    Evidence,
    policies::{self, Ask, On, What, Whom},
    rule::{Area, Confidence, Judged, Outcome, Rule, Severity},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::CONDITIONAL_ACCESS_POLICIES, identity::SECURITY_DEFAULTS];

/// Old protocols without MFA are blocked.
pub(super) const RULE: Rule = Rule {
    id: "access.legacy-authentication",
    title: "Old protocols without MFA are blocked",
    why: "Nine password sprays in ten go through protocols that cannot ask for a second proof.",
    area: Area::ConditionalAccess,
    severity: Severity::Critical,
    confidence: Confidence::Certain,
    satisfies: &["MS.AAD.1.1v1", "entra_legacy_authentication_blocked"],
    inputs: INPUTS,
    remedy: "Conditional Access: a policy for all users and all apps, client apps Exchange \
        ActiveSync and Other, Block; or security defaults.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    if f.one(INPUTS[1])?.is("isEnabled")? {
        return Ok(Outcome::Passed);
    }
    let ask = Ask {
        whom: Whom::Everyone,
        what: What::AllApps,
        on: &[On::ClientApps],
        nothing: "no policy blocks old protocols, and security defaults are off",
    };
    policies::ask(f, &ask, |p| {
        p.blocks()
            && p.has("conditions.clientAppTypes", "other")
            && p.has("conditions.clientAppTypes", "exchangeActiveSync")
    })
}
