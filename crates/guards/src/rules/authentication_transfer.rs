use crate::{
    Evidence,
    policies::{self, Ask, On, What, Whom},
    rule::{Area, Confidence, Judged, Rule, Severity},
};
use strongroom_model::collections::identity;

const INPUTS: &[&str] = &[identity::CONDITIONAL_ACCESS_POLICIES];

/// Sign-ins do not move between devices.
pub(super) const RULE: Rule = Rule {
    id: "access.authentication-transfer",
    title: "Sign-ins do not move between devices",
    why: "A code on a screen carries a session to a device that nobody manages.",
    area: Area::ConditionalAccess,
    severity: Severity::Medium,
    confidence: Confidence::Certain,
    satisfies: &["entra_conditional_access_policy_authentication_transfer_blocked"],
    inputs: INPUTS,
    remedy: "Conditional Access: all users, all apps, authentication flows Authentication \
        transfer, Block.",
    judge,
};

fn judge(f: &Evidence<'_>) -> Judged {
    let ask = Ask {
        whom: Whom::Everyone,
        what: What::AllApps,
        on: &[On::Flows],
        nothing: "no policy blocks authentication transfer",
    };
    policies::ask(f, &ask, |p| {
        p.blocks()
            && p.at("conditions.authenticationFlows.transferMethods")
                .as_str()
                .is_some_and(|m| m.contains("authenticationTransfer"))
    })
}
