use crate::{
    Evidence,
    policies::{self, Ask, What, Whom},
    rule::{Area, Confidence, Judged, Rule, Severity},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::CONDITIONAL_ACCESS_POLICIES];

/// Devices that nobody manages see files and keep none.
pub(super) const RULE: Rule = Rule {
    id: "access.unmanaged-downloads",
    title: "Devices that nobody manages see files and keep none",
    why: "Pupils' records on a family computer stay there for ever.",
    area: Area::ConditionalAccess,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["entra_conditional_access_policy_app_enforced_restrictions"],
    inputs: INPUTS,
    remedy: "Conditional Access: all users, Office 365, session: use app enforced restrictions; \
        and limited access in SharePoint.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let ask = Ask {
        whom: Whom::Everyone,
        what: What::App("Office365"),
        on: &[],
        nothing: "no policy limits what unmanaged devices keep",
    };
    policies::ask(f, &ask, |p| {
        p.at("sessionControls.applicationEnforcedRestrictions.isEnabled") == true
    })
}
